#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The server of `iommuzz shim` under ThreadSanitizer, with a program of eight threads that fork. Reports are not symbolised:
# the server would wait for the symboliser as for a process of the program.
cd "$(dirname "$0")/../../.." || exit 2
# shellcheck source=tests/tap.sh
. tests/tap.sh
ci/build tsan iommuzz iommuzz_shim shim_threads shim_memory shim_waits shim_limits shim_careless >"$work/out" 2>&1 || {
	echo "Bail out! preset tsan does not build"
	exit 2
}
export TSAN_OPTIONS=symbolize=0:exitcode=66
for name in threads memory waits limits; do
	timeout 300 build/tsan/iommuzz shim -- "build/tsan/tests/shim/shim_$name" >"$work/out" 2>"$work/err" &&
		! grep -q ThreadSanitizer "$work/err"
	ok $? "shim_$name"
done
timeout 300 build/tsan/iommuzz shim --report --trace "$work/threads.prog" -- build/tsan/tests/shim/shim_threads \
	>"$work/out" 2>"$work/err" && ! grep -q ThreadSanitizer "$work/err"
ok $? "traced and reported"
echo "1..$number"
exit "$failures"
