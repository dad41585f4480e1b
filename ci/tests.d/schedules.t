#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs of conformance/race under all schedules with at most two forced switches, whose numbers are printed, and
# every random schedule run twice. Control: a defect that needs a switch is found in the same way.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=build/release/iommuzz
output=$(mktemp) && trap 'rm -f "$output"' EXIT
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
number=0
verdict() { # NAME, with the status of the last command
	code=$?
	number=$((number + 1))
	[ "$code" -eq 0 ] && echo "ok $number - $1" && return
	echo "not ok $number - $1"
	tail -n 40 "$output" | sed 's/^/# /' >&2
}

"$iommuzz" check --explore 2 --jobs "$(nproc)" conformance/race >"$output"
verdict "all schedules of bound 2"
sed -n 's/^ok [0-9]* - /# /p' "$output"
[ "$(grep -c '^ok .* # bound 2: [0-9]* schedules, ' "$output")" -eq "$(grep -c '^ok ' "$output")" ]
verdict "none was given up"
# A search for an order of the model that is given up finds nothing.
"$iommuzz" explore --quiet --bound 2 conformance/race >"$output" 2>&1 &&
	[ "$(grep -c ': complete for bound 2: .*; nothing found$' "$output")" -eq "$(find conformance/race -name '*.prog' | wc -l)" ] &&
	! grep -q 'not decided by the model' "$output"
verdict "the model decides each of them"
"$iommuzz" explore --quiet --check-determinism --schedule random --runs 100 conformance/race >"$output" 2>&1 &&
	! grep -q 'not decided by the model' "$output"
verdict "the same schedule, the same run: 100 random ones of each program, twice"
tail -n 1 "$output" | sed 's/^/# /'
build/bugs/iommuzz check --explore 2 --no-oracles --bug destroy-unwaited \
	conformance/race/copy-destroy-destination.prog >"$output" 2>/dev/null
[ $? -eq 1 ]
verdict "control: a race is found"
echo "1..$number"
