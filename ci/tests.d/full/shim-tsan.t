#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The server of `iommuzz shim` under ThreadSanitizer: with programs of its own tests, eight threads that fork among them, and
# with every foreign program (tests/clients), which must print what it always does. Reports are not symbolised: the server
# would wait for the symboliser as for a process of the program.
cd "$(dirname "$0")/../../.." || exit 2
# shellcheck source=tests/tap.sh
. tests/tap.sh
ci/build tsan iommuzz iommuzz_shim shim_clients >"$work/out" 2>&1 || {
	echo "Bail out! preset tsan does not build"
	exit 2
}
export TSAN_OPTIONS=symbolize=0:exitcode=66
quiet() { ! grep -q ThreadSanitizer "$@"; }
for name in threads memory waits limits container replace; do
	timeout 300 build/tsan/iommuzz shim --devices vfio -- "build/tsan/tests/shim/shim_$name" >"$work/out" 2>"$work/err" &&
		quiet "$work/err"
	ok $? "shim_$name"
done
timeout 300 build/tsan/iommuzz shim --report --trace "$work/threads.prog" -- build/tsan/tests/shim/shim_threads \
	>"$work/out" 2>"$work/err" && quiet "$work/err"
ok $? "traced and reported"
timeout 300 build/tsan/iommuzz shim --fail-random 20 -- build/tsan/tests/shim/shim_threads >"$work/out" 2>"$work/err"
quiet "$work/err"
ok $? "with failures"

IOMMUZZ=build/tsan/iommuzz ci/clients --image none --keep "$work/kept" >"$work/out" 2>"$work/err"
ok $? "foreign programs print the same"
quiet "$work/kept/shim/"*.err
ok $? "and nothing is reported"
[ "$(grep -c 'under the shim$' "$work/out")" -ge 40 ]
ok $? "all of them"
grep -q __tsan_func_entry build/tsan/iommuzz
ok $? "control: the server has ThreadSanitizer in it"
timeout 300 build/tsan/iommuzz shim --bug replace-looks-early -- build/tsan/tests/shim/shim_replace >"$work/out" 2>"$work/err"
! quiet "$work/err"
ok $? "control: an access that is looked at without its lock is reported"
echo "1..$number"
exit "$failures"
