#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Foreign programs under `iommuzz shim` print what Linux 7.3 has printed, and what it prints now where a kernel is in the
# cache; a switched-on defect shows. IOMMUZZ names the command, IOMMUZZ_BUGS a build with switchable defects.
cd "$(dirname "$0")/../.." || exit 2
bugs=${IOMMUZZ_BUGS:-build/bugs/iommuzz}
# shellcheck source=tests/tap.sh
. tests/tap.sh

echo 'TAP version 13'
[ -x "${IOMMUZZ:-build/release/iommuzz}" ] || { echo "1..0 # SKIP no ${IOMMUZZ:-build/release/iommuzz}" && exit 0; }

ci/clients --keep "$work/kept" >"$work/out" 2>"$work/err"
ok $? 'foreign programs'
grep '# SKIP' "$work/out" | sed 's/^ok [0-9]* -/# skipped:/' >&2
count=$(grep -c '^ok [0-9]* - [a-z_]* under the shim$' "$work/out")
[ "$count" -ge 22 ]
ok $? "$count of them are the same under the shim"
[ "$(id -u)" != 0 ] || [ ! -w /proc/sys/vm/nr_hugepages ] || ! grep -q 'under the shim # SKIP' "$work/out"
ok $? 'none is skipped under the shim where root may have huge pages'

count=$(grep -c '^ok [0-9]* - [a-z_]* traced$' "$work/out")
[ "$count" -ge 22 ]
ok $? "what was recorded of $count of them does the same again"
# Who may not follow /proc/PID/map_files knows files of memory by what /proc/PID/maps says.
if setpriv --bounding-set -all true 2>"$work/err"; then
	setpriv --bounding-set -all "${IOMMUZZ:-build/release/iommuzz}" shim --trace "$work/refs_munmap.prog" -- \
		"$work/kept/programs/refs_munmap" >"$work/out2" 2>"$work/err" &&
		"${IOMMUZZ:-build/release/iommuzz}" check "$work/refs_munmap.prog" >"$work/out2"
	ok $? 'also without capabilities'
else
	skip 'also without capabilities' 'setpriv cannot drop them'
fi
# One result is another: the first of an ioctl that succeeded.
wrong=0
for name in lifecycle hw_queue server; do
	sed -e '0,/^\(.*IOMMU_.*\) -> 0$/s//\1 -> EPERM/' -e "s/^#: id $name$/#: id wrong_$name/" "$work/kept/traces/$name.prog" \
		>"$work/wrong_$name.prog"
	"${IOMMUZZ:-build/release/iommuzz}" check "$work/wrong_$name.prog" >"$work/err" && wrong=$((wrong + 1))
	grep -q 'expected EPERM, got 0' "$work/err" || wrong=$((wrong + 1))
done
[ $wrong -eq 0 ]
ok $? 'control: a trace with another result fails'

if [ -x "$bugs" ] && "$bugs" shim --help | grep -q -e '--bug'; then
	IOMMUZZ=$bugs ci/clients --image none map_basic pin_access >"$work/out" 2>"$work/err"
	ok $? 'without a defect'
	IOMMUZZ=$bugs ci/clients --image none --bug release-last-kept map_basic pin_access >"$work/out" 2>"$work/err"
	[ $? -eq 1 ] && grep -q '^ok .*map_basic under' "$work/out" && grep -q '^not ok .*pin_access under' "$work/out"
	ok $? 'a page that stays pinned shows in the program that counts pins'
else
	skip 'a switched-on defect' "no defects can be switched on in $bugs"
fi
# What it is asked for and cannot do is an error in one line, before anything is built.
command=${IOMMUZZ:-build/release/iommuzz}
refused() { # MESSAGE ARGUMENT...
	message=$1
	shift
	IOMMUZZ=$command ci/clients "$@" >"$work/out" 2>"$work/err"
	[ $? -eq 2 ] && [ ! -s "$work/out" ] && [ "$(tail -n 1 "$work/err")" = "clients: $message" ]
	ok $? "refused: $message"
}
refused '--image /nonexistent: no kernel there (/nonexistent/bzImage)' --image /nonexistent
refused '--image needs a value (see --help)' --image
refused 'unknown option: --images (see --help)' --images
refused 'no program nothing in tests/clients' map_basic nothing
refused '/dev/null: folders cannot be made there' --keep /dev/null
refused "--bug nothing cannot be switched on in $command" --bug nothing
for command in /nonexistent /dev/null / /bin/true; do
	refused "$command is no iommuzz with a shim; IOMMUZZ names one" map_basic
done
echo "1..$number"
[ $failures -eq 0 ]
