#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: every-access.t [--long]
#
# Marked points are enough: a point at every shared access shows no outcome that they do not show, and what the
# bounded search leaves out has none of its own (docs/SCHEDULES.md, "Every access"). --long: all programs with threads,
# generated ones, more preemptions.
cd "$(dirname "$0")/../.." || exit 2
outcomes=build/every-access/tests/outcomes
# shellcheck source=tests/tap.sh
. tests/tap.sh
look() { # OUTCOMES' OPTIONS AND FILES
	nice "$outcomes" "$@" >"$work/out" 2>&1
}
sum() { # FIELD: of the lines of programs
	awk -v field="$1" '/ new, / { sum += $field } END { print sum + 0 }' "$work/out"
}
# A process that ends kills its threads first, at places of the kernel's choice: marked points, not accesses.
grep -l -r -e '^thread A' conformance/race corpus/regress | xargs grep -L -E ': (exit|exec)( |$)' | sort >"$work/all"
bound=1 random=100 generated=20 step=5
if [ "${1-}" = --long ]; then bound=2 random=500 generated=60 step=1; fi
programs=$(awk -v step="$step" 'NR % step == 0' "$work/all")
ci/build every-access outcomes
ok $? 'the build'

# shellcheck disable=SC2086
{
	set -- --generate "$generated" $programs
	# More preemptions than the other side: what random schedules do there by luck, this one must have seen.
	look --marked --bound 3 --runs-max 20000 --random "$random" --pct "$random" --write "$work/marked" "$@" &&
		[ "$(sum 2)" -gt 0 ]
	code=$? outcomes_seen=$(sum 2) seen=$(grep -c ' new, ' "$work/out")
	ok $code "$outcomes_seen outcomes of $seen programs at marked points"
	look --whole --bound "$bound" --runs-max 5000 --random 100 --pct 100 --known "$work/marked" "$@" &&
		[ "$(sum 6)" -gt 0 ]
	code=$? whole=$(sum 6)
	ok $code "no other one among $whole schedules at every access"

	look --marked --whole --bound 2 --runs-max 20000 --write "$work/whole" "$@" &&
		[ "$(sum 6)" -gt 0 ] && [ -s "$work/whole" ]
	code=$? whole=$(sum 6)
	ok $code "$whole schedules of bound 2 (20,000 a program at most)"
	look --marked --bound 2 --write "$work/reduced" "$@" && [ "$(sum 6)" -gt 0 ] && [ -s "$work/reduced" ]
	code=$? reduced=$(sum 6)
	ok $code "$reduced of them when reduced"
	sort "$work/reduced" >"$work/sorted" && sort "$work/whole" | comm -23 - "$work/sorted" >"$work/out"
	[ ! -s "$work/out" ]
	ok $? "no outcome is left out by the reduction from $whole to $reduced"
}

# The comparison sees a mark that is missing: at the only one of this defect nobody is switched away from.
control=conformance/race/limit-two-maps.prog
look --marked --bug account-two-steps --bound 2 --random 100 --write "$work/blind" --blind access "$control"
look --bug account-two-steps --whole --known "$work/blind" "$control"
[ $? -eq 1 ] && grep -q '^# new outcome of limit-two-maps' "$work/out"
ok $? 'an access without its mark is found'
look --marked --bug account-two-steps --bound 2 --random 100 --write "$work/seeing" "$control"
look --bug account-two-steps --whole --known "$work/seeing" "$control" && [ "$(sum 6)" -gt 0 ]
ok $? 'and not with its mark'
echo "1..$number"
