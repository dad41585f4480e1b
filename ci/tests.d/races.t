#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each race of conformance/races is found in two ways: by all schedules with two preemptions of a small program, and by
# fuzz_race in generated programs that were not written for it, within a bound on executions; each time by the oracle and
# rule that the list names. Without a defect nothing is found. usage: races.t [DEFECT...]; ci/measure/races says how fast.
# races.t --rows [DEFECT...] prints the rows of the list as they are seen now: generated programs change with the generator.
cd "$(dirname "$0")/../.." || exit 2
build=${BUGS_BUILD:-build/bugs}
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
look=--look
[ "${1-}" != --rows ] || { look=--row && shift; }
seen='^\(model\|audit\|isolation\|machine\|scheduler\): \|ERROR: AddressSanitizer\|runtime error'

point() { # CODE TEXT LOG
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		tail -n 5 "$3" | sed 's/^/# /'
	fi
}

# usage: races.t --look SCRATCH DEFECT; points without numbers
if [ "${1-}" = --look ]; then
	scratch=$2 defect=$3 log=$2/$3.log
	grep -e "^$defect " conformance/races >"$scratch/$defect.row"
	read -r _ program inputs rule <"$scratch/$defect.row"
	"$build/iommuzz" explore --quiet --bound 2 --bug "$defect" "conformance/race/$program.prog" >"$log" 2>&1
	[ -n "$rule" ] && grep -q "finding in schedule [0-9]*: \(crash: \)\?${rule%;*}" "$log"
	point $? "$defect in $program: ${rule%;*} in $(sed -n 's/.*finding in \(schedule [0-9]*\).*/\1/p' "$log")" "$log"
	[ "$inputs" = - ] && exit 0
	# shellcheck disable=SC2046
	IOMMUZZ_BUG=$defect "$build/fuzz_race_replay" $(head -n "$inputs" "$scratch/list") >/dev/null 2>"$log"
	[ -n "$rule" ] && grep -m 1 -e "$seen" "$log" | grep -q -e "^${rule#*; }" -e "ERROR: ${rule#*; }"
	point $? "$defect by fuzz_race: ${rule#*; } in program $(grep -c ': [0-9]* bytes$' "$log") of at most $inputs" "$log"
	exit 0
fi

# usage: races.t --row SCRATCH DEFECT
if [ "${1-}" = --row ]; then
	scratch=$2 defect=$3 log=$2/$3.log
	read -r _ program _ <<-END
		$(grep -e "^$defect " conformance/races)
	END
	"$build/iommuzz" explore --quiet --bound 2 --bug "$defect" "conformance/race/$program.prog" >"$log" 2>&1
	explored=$(sed -n 's/.*finding in schedule [0-9]*: \(crash: \)\?//p' "$log" | head -n 1)
	# shellcheck disable=SC2046
	IOMMUZZ_BUG=$defect "$build/fuzz_race_replay" $(cat "$scratch/list") >/dev/null 2>"$log"
	found=$(sed -n "s/.*ERROR: \(AddressSanitizer: [a-z-]*\).*/\1/p; /$seen/p" "$log" | head -n 1)
	inputs=$(grep -c ': [0-9]* bytes$' "$log")
	[ -n "$found" ] || inputs=- found=$explored
	[ "$found" = "$explored" ] || explored="$explored; $found"
	printf '%-28s %-29s %-5s %s\n' "$defect" "$program" "$inputs" "$explored"
	exit 0
fi

scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
"$build/iommuzz" gen --threads 4 --programs 4000 --seed 7 --binary --output "$scratch/programs" >/dev/null || exit 2
find "$scratch/programs" -type f | LC_ALL=C sort >"$scratch/list"
[ $# -gt 0 ] || eval "set -- $(sed -n 's/^\([a-z-]*\)[[:space:]].*/\1/p' conformance/races | tr '\n' ' ')"
for defect; do
	echo "$defect"
done | xargs -P "$(nproc)" -L 1 sh ci/tests.d/races.t "$look" "$scratch" >"$scratch/points" 2>&1
[ "$look" = --look ] || { cat "$scratch/points" && exit; }
# shellcheck disable=SC2046
"$build/fuzz_race_replay" --quiet $(head -n 500 "$scratch/list") >"$scratch/log" 2>&1
point $? "nothing is found without a defect" "$scratch/log" >>"$scratch/points"
awk '/^(not )?ok - / { n++; sub(/ok - /, "ok " n " - ") } { print } END { print "1.." n }' "$scratch/points"
