#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `iommuzz shim`: programs of tests/shim with the implementation behind their /dev/iommu, what becomes of their exit,
# what is refused, and traces and reports. Each kind of check has a control that it must not pass.
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/tap.sh
. tests/tap.sh
build=${IOMMUZZ_BUILD:-build/release}
iommuzz=$build/iommuzz
programs=$build/tests/shim
shim() { timeout 60 "$iommuzz" shim "$@" >"$work/out" 2>"$work/err"; }
is() { # STATUS COMMAND...
	expected=$1
	shift
	"$@"
	[ $? -eq "$expected" ]
}

for name in limits memory replace threads waits; do
	shim -- "$programs/shim_$name" && ! grep -q '^not ok' "$work/out"
	ok $? "shim_$name"
done
shim --devices iommu,vfio -- "$programs/shim_container" && ! grep -q '^not ok' "$work/out"
ok $? "shim_container"
shim --devices noiommu -- "$programs/shim_noiommu" && ! grep -q '^not ok' "$work/out"
ok $? "shim_noiommu"
shim -- "$programs/shim_noiommu"
is 1 test $? -eq 0
ok $? "control: without --devices noiommu every mock device has an IOMMU"
shim -- "$programs/shim_container"
is 1 test $? -eq 0
ok $? "control: without --devices vfio there is no /dev/vfio/vfio"
shim --devices vfio --trace "$work/container.prog" -- "$programs/shim_container" &&
	grep -q ' container=iommufd$' "$work/container.prog" && "$iommuzz" check "$work/container.prog" >"$work/out"
ok $? "a trace of it does the same"
# The same programs without it: the device is not there, or a kernel's own.
"$programs/shim_memory" >"$work/out" 2>&1
[ -e /dev/iommu ] || ! grep -q '^not ok' "$work/out"
is 1 test $? -eq 0 || [ -e /dev/iommu ]
ok $? "control: without the shim it fails"

is 7 shim -- sh -c 'exit 7'
ok $? "the exit code is the program's"
is 143 shim -- sh -c 'kill -TERM $$'
ok $? "and so is its signal"
is 127 shim -- ./there-is-no-such-program
ok $? "a program that is not there"
is 2 shim && is 2 shim --seed x -- true
ok $? "wrong usage"
[ "$(timeout 60 "$iommuzz" shim -- sh -c 'echo a | cat -')" = a ]
ok $? "what has nothing to do with it passes through"
"$iommuzz" shim -- sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done' >"$work/out" 2>"$work/err" &
until grep -q ready "$work/out"; do sleep 0.1; done
kill -TERM $!
is 9 wait $!
ok $? "a signal to the command goes to the program"

timeout 60 "$iommuzz" shim --devices vfio -- sh -c 'ls /dev; cd /dev/vfio && ls -la && pwd' >"$work/out" 2>"$work/err"
is 0 test $? -eq 0 && [ ! -s "$work/err" ] && grep -qx iommu "$work/out" && grep -qx vfio "$work/out" &&
	grep -q '^crw-rw-rw-.* 10, 196 .*vfio$' "$work/out" && grep -qx /dev/vfio "$work/out"
ok $? "listings have what is served"
mkdir "$work/tmp"
TMPDIR=$work/tmp "$iommuzz" shim -- sh -c 'echo ready; exec sleep 60' >"$work/out" 2>"$work/err" &
until grep -q ready "$work/out"; do sleep 0.1; done
kill -KILL $!
wait $! 2>"$work/err"
left=$(ls "$work/tmp")
TMPDIR=$work/tmp timeout 60 "$iommuzz" shim -- sh -c "'$iommuzz' shim -- true; ls /dev/iommu" >"$work/out" 2>&1
is 0 test $? -eq 0 && [ -n "$left" ] && [ -z "$(ls "$work/tmp")" ]
ok $? "the folder of a command that was killed goes with the next, that of a living one stays"

printf 'int main(void) { return 0; }\n' >"$work/static.c"
if gcc -static -o "$work/static" "$work/static.c" 2>"$work/err"; then
	is 125 shim -- "$work/static" && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q 'statically linked' "$work/err"
	ok $? "a statically linked program is refused in one line"
	shim -- sh -c "'$work/static'; '$work/static'" && [ "$(grep -c "$work/static is statically linked: it is not served" "$work/err")" -eq 2 ]
	ok $? "one that a program executes runs unserved, and that is said"
	printf '#!%s\n' "$work/static" >"$work/script" && chmod +x "$work/script"
	is 125 shim -- "$work/script"
	ok $? "also behind a script"
else
	skip "a statically linked program is refused" "no static C library"
fi

if gcc -fsanitize=address -I. tests/shim/shim_careless.c -o "$work/sanitized" 2>"$work/err"; then
	shim -- "$work/sanitized" tidy
	ok $? "a program with a sanitizer"
else
	skip "a program with a sanitizer" "no runtime of it"
fi

is 3 shim --trace "$work/careless.prog" -- "$programs/shim_careless" && "$iommuzz" check "$work/careless.prog" >"$work/out"
ok $? "a trace does what the program did"
"$iommuzz" fmt --check "$work/careless.prog" >"$work/out" 2>&1
ok $? "and is written as fmt writes"
sed 's/-> ENOENT/-> 0/' "$work/careless.prog" >"$work/wrong.prog" && sed -i 's/^#: id careless/#: id wrong/' "$work/wrong.prog"
is 1 "$iommuzz" check "$work/wrong.prog" >"$work/out"
ok $? "control: a trace with another result fails"
shim --trace "$work/threads.prog" -- "$programs/shim_threads" && "$iommuzz" check "$work/threads.prog" >"$work/out"
ok $? "threads are traced one call at a time"
is 2 shim --trace "$work/no/such.prog" -- "$programs/shim_careless" tidy && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
	grep -q 'no/such.prog: cannot be written: No such file' "$work/err"
ok $? "a trace that cannot be written is told in one line, before the program runs"
is 2 shim --trace "$work/a name.prog" -- "$programs/shim_careless" tidy && grep -q 'expected NAME.prog' "$work/err"
ok $? "and so is one that no program can be named after"
is 2 shim --trace /dev/full -- "$programs/shim_careless" tidy && [ "$(wc -l <"$work/err")" -eq 1 ] &&
	grep -q '/dev/full: cannot be written: No space left' "$work/err" && is 3 shim --trace /dev/full -- "$programs/shim_careless"
ok $? "without room it is told at the end; the program's own failure is the exit code"
is 0 shim --trace "$work/many.prog" -- "$programs/shim_many" && grep -q '^ok .*5000 calls' "$work/out" && [ "$(wc -l <"$work/err")" -eq 1 ] &&
	grep -q 'at most 4096 calls; the trace ends after call' "$work/err" && "$iommuzz" check "$work/many.prog" >"$work/out"
ok $? "a trace that is full says so at once, and what it has replays"

shim --report -- "$programs/shim_careless"
grep -q 'leave_an_ioas+' "$work/err" && grep -q 'use_after_destroy' "$work/err" &&
	grep -q 'mapping of 0x1000 bytes' "$work/err" && grep -q 'descriptor 3 (iommufd)' "$work/err" &&
	grep -q 'goes while 1 pages of it are pinned' "$work/err" && grep -q 'which was destroyed' "$work/err"
ok $? "the report names what is left, what is wrong, and whose calls they were"
shim --report -- "$programs/shim_careless" tidy
[ "$(grep -c ': 0$' "$work/err")" -eq 5 ]
ok $? "control: nothing to report of a tidy program"

echo "1..$number"
exit "$failures"
