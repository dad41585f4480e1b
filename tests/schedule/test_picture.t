#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The picture of a run from the command line: what is drawn, widths, colours, files, and wrong usage.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=${IOMMUZZ:-build/release/iommuzz}
# shellcheck source=tests/tap.sh
. tests/tap.sh
unset COLUMNS NO_COLOR LC_CTYPE LANG
export LC_ALL=C.UTF-8

# says CODE PATTERN NAME ARGUMENT...: iommuzz run, its exit code, and one line on standard error that matches.
says() {
	code=$1 pattern=$2 name=$3
	shift 3
	"$iommuzz" run "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ $status -eq "$code" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q -e "$pattern" "$work/err"
	result=$?
	[ $result -eq 0 ] || echo "# exit $status, expected $code: $(head -3 "$work/err")"
	ok $result "$name"
}
has() { # FILE NAME PATTERN
	grep -q -e "$3" "$1"
	ok $? "$2"
}

echo 'TAP version 13'
[ -x "$iommuzz" ] || { echo "1..0 # SKIP no $iommuzz" && exit 0; }

cat >"$work/race.prog" <<'END'
#: id race
#: schedule: A.0@lock(iova_rwsem)#1 -> B
fd = open /dev/iommu
as = IOMMU_IOAS_ALLOC fd
thread A: IOMMU_IOAS_MAP fd flags=FIXED_IOVA|READABLE ioas_id=as user_va=mem+0 length=1P iova=16M -> 0
thread B: IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=1P -> 0 | ENOENT
join
close fd
END
sed 's/^#: schedule.*/#: schedule: A.0@lock(iova_rwsem)#99 -> B/' "$work/race.prog" >"$work/lost.prog"
grep -v -e '^#: schedule' -e '^thread' -e '^join' "$work/race.prog" >"$work/alone.prog"

"$iommuzz" run --timeline --svg "$work/race.svg" "$work/race.prog" >"$work/race.txt" 2>&1
ok $? 'a picture of a run'
has "$work/race.txt" 'says what it is' '^race.prog: 2 threads, [0-9]* steps, 1 forced switch'
has "$work/race.txt" 'the main thread' '^main  fd = open /dev/iommu  = 1$'
has "$work/race.txt" 'a lane with the call' '█ *IOMMU_IOAS_MAP fd'
has "$work/race.txt" 'the forced switch' 'lock iova_rwsem ─*▶│'
has "$work/race.txt" 'the result in the other lane' '│ *█ *= ENOENT$'
has "$work/race.svg" 'and as SVG' '</svg>'
grep -q "$(printf '\033')" "$work/race.txt"
[ $? -eq 1 ]
ok $? 'no colours in a file'
"$iommuzz" run --timeline --svg "$work/again.svg" "$work/race.prog" 2>&1 | cmp -s - "$work/race.txt" &&
	cmp -s "$work/race.svg" "$work/again.svg"
ok $? 'the same each time'
"$iommuzz" run --svg - "$work/race.prog" | cmp -s - "$work/race.svg"
ok $? '--svg -'
COLUMNS=50 LC_ALL=C "$iommuzz" run --timeline "$work/race.prog" >"$work/narrow.txt"
[ "$(awk 'length > 50' "$work/narrow.txt" | wc -l)" -eq 0 ] && ! LC_ALL=C grep -q '[^ -~]' "$work/narrow.txt"
ok $? '50 columns of ASCII'
"$iommuzz" run --timeline --every-point "$work/race.prog" >"$work/every.txt"
[ "$(wc -l <"$work/every.txt")" -gt "$(wc -l <"$work/race.txt")" ] && ! grep -q ' points (' "$work/every.txt"
ok $? '--every-point folds nothing'
"$iommuzz" run --timeline "$work/alone.prog" >"$work/out" && grep -q '^alone.prog: no threads$' "$work/out"
ok $? 'a program without threads'
"$iommuzz" run --timeline "$work/lost.prog" >"$work/out"
[ $? -eq 1 ] && grep -q '^✗ scheduler: schedule$' "$work/out"
ok $? 'a finding is in the picture'
"$iommuzz" run --json --svg "$work/json.svg" "$work/race.prog" | head -1 | grep -q '^{"file": ' &&
	cmp -s "$work/json.svg" "$work/race.svg"
ok $? '--json with an SVG beside it'

says 2 'run: --every-point: expected --timeline or --svg' '--every-point alone' --every-point "$work/race.prog"
says 2 'run: --timeline, .* --target inproc' 'another target' --timeline --target model "$work/race.prog"
says 2 'cannot both be on standard output' '--json and --timeline' --json --timeline "$work/race.prog"
says 2 'cannot both be on standard output' '--timeline and --svg -' --timeline --svg - "$work/race.prog"
says 2 'expected one program, found 2' '--svg of two programs' --svg "$work/x.svg" "$work/race.prog" "$work/alone.prog"
says 2 'nowhere/x.svg: expected a file to write' 'a file that cannot be written' --svg "$work/nowhere/x.svg" "$work/race.prog"
says 2 '/dev/full: cannot write' 'a full disk' --svg /dev/full "$work/race.prog"

echo "1..$number"
[ $failures -eq 0 ]
