#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `iommuzz diff` without a kernel: two processes of the implementation agree, a switched-on defect does not.
# IOMMUZZ names the command, IOMMUZZ_BUGS a build with switchable defects.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=${IOMMUZZ:-build/release/iommuzz}
bugs=${IOMMUZZ_BUGS:-build/bugs/iommuzz}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
number=0 failures=0

point() { # NAME CODE WANTED-CODE OUTPUT PATTERN
	number=$((number + 1))
	if [ "$2" = "$3" ] && echo "$4" | grep -q -e "$5"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		echo "exit $2, $3 expected, with $5 in: $4" | head -20 | sed 's/^/# /' >&2
		failures=$((failures + 1))
	fi
}
compare() { "$iommuzz" diff --target inproc --hazards /dev/null -o "$work/found" "$@" 2>&1; }

output=$(compare --programs 2000 --json "$work/json")
point "two processes of the implementation agree" $? 0 "$output" '^compared: 2000 programs'
output=$(cat "$work/json")
point "results as JSON" $? 0 "$output" '"compared": 2000,'
output=$(compare --programs 2000 --standard)
point "on standard programs too" $? 0 "$output" '^rate: [0-9]* standard programs'
output=$(compare --corpus --suite)
point "and on corpus and suite; what cannot be compared has a reason" $? 0 "$output" 'calls of drivers'
output=$(compare --programs 300 --kernel 6.12)
point "and as another kernel" $? 0 "$output" 'profile 6.12'
output=$(compare --programs 100 --require-errnos 100000)
point "errnos that are reached too seldom fail" $? 1 "$output" 'IOMMU_IOAS_MAP  *EEXIST .* too few'

output=$("$bugs" diff --target inproc --bug map-va-overflow --programs 3000 -o "$work/found" 2>&1)
point "a defect is found" $? 1 "$output" 'IOMMU_IOAS_MAP.result-EOVERFLOW-[a-z]*'
found=$(find "$work/found" -name 'IOMMU_IOAS_MAP.result-EOVERFLOW-*.prog' | head -n 1)
output=$(cat "$found" 2>&1)
point "written with both sides" $? 0 "$output" '^# in-process EOVERFLOW | machine '
calls=$(grep -c -v '^#' "$found")
[ "$calls" -le 4 ]
point "and shortened to $calls calls" $? 0 "$calls" .
output=$("$bugs" diff --target inproc --bug map-va-overflow -o "$work/again" "$found" 2>&1)
point "the file shows it again" $? 1 "$output" 'IOMMU_IOAS_MAP.result-EOVERFLOW'
output=$(compare "$found")
point "and nothing without the defect" $? 0 "$output" '^compared: 1 programs (1 from files)'

explain() { # LINE...: a record about that defect
	printf '%s\n' "difference overflow" "call IOMMU_IOAS_MAP" "$@" "reason a defect is on" >"$work/differences"
	result=$(basename "$found" .prog | sed 's/.*result-\([A-Za-z]*\)-\([A-Za-z]*\)\..*/result \1 \2/')
	sed -i "s/^what RESULT/what $result/" "$work/differences"
	"$bugs" diff --target inproc --bug map-va-overflow --differences "$work/differences" -o "$work/again" "$found" 2>&1
}
output=$(explain 'what RESULT' 'when flags&READABLE' 'kernels 6.2..7.3')
point "an explained difference passes and is counted" $? 0 "$output" '1  overflow'
output=$(explain 'what RESULT' 'when flags&READABLE' 'kernels 6.2..6.12')
point "not beyond its last kernel" $? 1 "$output" 'result-EOVERFLOW'
output=$(explain 'what RESULT' 'kernels 6.2..7.3')
point "a whole call and errno cannot be explained" $? 2 "$output" 'differences:1: expected a condition'
output=$(explain 'what RESULT' 'when length!0 iova<9' 'kernels 6.2..7.3')
point "nor with what nearly every call is" $? 2 "$output" 'differences:1: expected a condition that names a state'
output=$(explain 'what RESULT' 'when flags&READABLE' 'kernels 7.3..6.2')
point "nor from a later kernel to an earlier one" $? 2 "$output" 'differences:5: expected the first kernel before'
output=$(explain 'what RESULT' 'when flags&READABLE' 'kernels 6.2..9.9')
point "nor for kernels to come" $? 2 "$output" 'differences:5: expected kernels from 6.2 to'

cat >"$work/hazards" <<'END'
hazard made-up
call IOMMU_IOAS_UNMAP
harm corrupt
kernels 7.0..7.3
reason a made-up one
END
output=$(compare --programs 500 --hazards "$work/hazards")
point "hazards are left out and counted" $? 0 "$output" '^skipped by hazard: [0-9]'
point "and others are compared in their place" 0 0 "$output" '^compared: 500 '
output=$(compare --programs 500 --hazards "$work/hazards" --kernel 6.12)
echo "$output" | grep -q 'skipped by hazard' && output=skipped
point "for their kernels only" 0 0 "$output" '^compared: 500 '

output=$(compare --seed 3 --only 41)
point "a program of a seed alone" $? 0 "$output" '^compared: 1 programs'
output=$(compare --programs 50 --agent "$iommuzz agent --target inproc")
point "targets exclude each other" $? 2 "$output" 'exclude each other'
output=$("$iommuzz" diff --agent "timeout -s KILL 0.2 $iommuzz agent --target inproc" --seconds 60 -o "$work/dead" 2>&1)
code=$?
point "a machine that always dies ends the run" "$code" 2 "$output" 'the machine died'
output=$("$iommuzz" diff --agent "$iommuzz agent --target inproc </dev/null; echo garbage; cat >/dev/null" --seconds 20 \
	--programs 20 -o "$work/garbage" 2>&1)
point "an agent that answers with garbage is a machine that died" $? 2 "$output" 'program.machine-died.7.3'
output=$(ls "$work"/garbage/*together-1/*.prog "$work"/garbage/*together-1/*.bin "$work"/garbage/*.prog 2>/dev/null)
point "and the programs that it had are written" 0 0 "$output" '\.prog'
echo nonsense >"$work/broken.prog"
output=$(compare "$work/broken.prog")
point "a broken file is named" $? 2 "$output" 'broken.prog:1:1: '
output=$(compare /dev/null)
point "so is one that is empty" $? 2 "$output" '^iommuzz: /dev/null: empty, expected a program$'
[ "$(echo "$output" | wc -l)" = 1 ]
point "and nothing else is said" $? 0 "$output" .
output=$(compare --programs 10 --require-errnos 1 --errnos "$work/none")
point "errnos without a table" $? 2 "$output" 'none: No such file'
output=$(compare --programs 10 --require-errnos 1 --errnos /dev/null)
point "an empty table requires nothing and is refused" $? 2 "$output" 'expected a table'
printf '%s\n' "hazard all" "call open" "harm crash" "kernels 6.2..7.3" "reason made up" >"$work/hazards"
output=$(compare --programs 10 --hazards "$work/hazards")
point "a hazard that leaves nothing is no pass" $? 2 "$output" 'no program was compared'
output=$("$iommuzz" diff 2>&1)
point "a machine is needed" $? 2 "$output" 'expected a machine to compare with'

# -- the binary alone, without a source tree --
mkdir "$work/empty"
cp "$iommuzz" "$work/empty/alone"
output=$(cd "$work/empty" && ./alone diff --target inproc --corpus --suite -q 2>&1)
point "without a tree, what is compiled in" $? 0 "$output" '^compared: [0-9][0-9][0-9]'
point "and what is not is told" 0 0 "$output" 'no folder corpus/seeds '
output=$(cd "$work/empty" && ./alone diff --target inproc --programs 200 --require-errnos 1000000 -q 2>&1)
point "with rules and errnos" $? 1 "$output" 'too few'

# -- a kernel that is there: never built here --
cache=${IOMMUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iommuzz}/kernels
image='' name='programs on Linux 7.3 do what they do here'
for found in "$cache"/7.3*; do
	case $found in
	*+debug*) ;;
	*) [ ! -e "$found/bzImage" ] || image=$found ;;
	esac
done
number=$((number + 1))
if [ -z "$image" ]; then
	echo "ok $number - $name # SKIP no kernel in $cache; ci/live-kernel build 7.3 makes one"
elif ! [ -x "${iommuzz}_static" ]; then
	echo "ok $number - $name # SKIP no ${iommuzz}_static"
elif ! command -v qemu-system-x86_64 >/dev/null; then
	echo "ok $number - $name # SKIP no qemu-system-x86_64"
else
	number=$((number - 1))
	output=$("${iommuzz}_static" diff --image "$image" --programs 200 -q -o "$work/vm" 2>&1)
	point "$name" $? 0 "$output" '^compared: 200 programs .* with Linux 7\.3'
fi

# Shells start what runs in the background with interrupts ignored.
env --default-signal=INT "$bugs" diff --target inproc --bug map-va-overflow --seconds 60 --no-minimise \
	-o "$work/stopped" >"$work/out" 2>&1 &
pid=$!
tries=0
until [ -n "$(find "$work/stopped" -name '*.prog' 2>/dev/null)" ] || [ $tries = 200 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
kill -INT $pid
wait $pid
code=$?
output=$(cat "$work/out")
point "Ctrl-C keeps what was found" "$code" 130 "$output" 'stopped/[A-Z_]*MAP[A-Z_]*.result-EOVERFLOW'
echo "1..$number"
[ "$failures" = 0 ]
