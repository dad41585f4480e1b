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

if [ -x "$bugs" ] && "$bugs" shim --help | grep -q -e '--bug'; then
	IOMMUZZ=$bugs ci/clients --image none map_basic pin_access >"$work/out" 2>"$work/err"
	ok $? 'without a defect'
	IOMMUZZ=$bugs ci/clients --image none --bug release-last-kept map_basic pin_access >"$work/out" 2>"$work/err"
	[ $? -eq 1 ] && grep -q '^ok .*map_basic under' "$work/out" && grep -q '^not ok .*pin_access under' "$work/out"
	ok $? 'a page that stays pinned shows in the program that counts pins'
else
	skip 'a switched-on defect' "no defects can be switched on in $bugs"
fi
echo "1..$number"
[ $failures -eq 0 ]
