#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Options of `iommuzz shim`: each changes what the program sees, and a wrong value is refused in one line that says what
# was expected.
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/tap.sh
. tests/tap.sh
build=${IOMMUZZ_BUILD:-build/release}
programs=$build/tests/shim
shim() { timeout 60 "$build/iommuzz" shim "$@" >"$work/out" 2>"$work/err"; }
refused() { # LINE OPTION VALUE
	shim "$2" "$3" -- true
	[ $? -eq 2 ] && [ "$(cat "$work/err")" = "iommuzz: $1" ]
	ok $? "$2 '$3' is refused"
}

# -- --kernel --
releases='expected a release from 6.2 to 7.3, such as 6.12 or 6.12.95'
shim -- "$programs/shim_asks" release && cp "$work/out" "$work/newest"
shim --kernel 6.12 -- "$programs/shim_asks" release && cp "$work/out" "$work/6.12"
diff "$work/6.12" - >"$work/out" <<'END'
0x80: EINVAL
0x81: EINVAL
0x82: EINVAL
0x83: EINVAL
0x84: EINVAL
0x85: EINVAL
0x86: EINVAL
0x87: EINVAL
0x88: EINVAL
0x89: EINVAL
0x8a: EINVAL
0x8b: EINVAL
0x8c: EINVAL
0x8d: EINVAL
0x8e: EINVAL
0x8f: ENOTTY
0x90: ENOTTY
0x91: ENOTTY
0x92: ENOTTY
0x93: ENOTTY
0x94: ENOTTY
0x95: ENOTTY
0x96: ENOTTY
0x97: ENOTTY
END
ok $? '--kernel 6.12 has the commands of 6.12'
[ "$(grep -c ENOTTY "$work/newest")" -eq 2 ]
ok $? 'and the newest more of them'
shim --kernel 6.12.95 -- "$programs/shim_asks" release && cmp -s "$work/out" "$work/6.12"
ok $? '--kernel 6.12.95 is 6.12'
for wrong in 6.1 6.12. 6.12.x 9.9 six ''; do refused "--kernel: $releases, found '$wrong'" --kernel "$wrong"; done

# -- --seed, --fail-random, --fail-nth --
drawn() { shim "$@" -- "$programs/shim_asks" failures && cat "$work/out"; }
first=$(drawn --fail-random 10 --seed 1) second=$(drawn --fail-random 10 --seed 2)
[ "$first" = "$(drawn --fail-random 10)" ] && [ "$second" = "$(drawn --seed 2 --fail-random 10)" ]
ok $? 'the same seed draws the same failures; it is 1 if not said'
[ "$first" != "$second" ]
ok $? 'another seed others'
case $first in *x*x*) true ;; *) false ;; esac
ok $? 'more than one'
[ "$(drawn --seed 2)" = "$(printf %0100d 0 | tr 0 .)" ]
ok $? 'control: without --fail-random nothing fails'
shim --fail-random 1000000 -- "$programs/shim_asks" failures && grep -q 'nothing failed' "$work/err"
ok $? 'or it says that nothing failed'
shim --fail-random 3 --trace "$work/drawn.prog" -- "$programs/shim_asks" failures && grep -q x "$work/out" &&
	"$build/iommuzz" check "$work/drawn.prog" >"$work/out"
ok $? 'a trace has the failures'
refused "--seed: expected a number from 0 to 4294967295, found '-1'" --seed -1
refused "--fail-random: expected a number from 1 to 2147483647, found '0'" --fail-random 0
shim --fail-nth 1 -- "$programs/shim_asks" failures
[ $? -eq 1 ] && grep -q '^/dev/iommu: Cannot allocate memory$' "$work/err"
ok $? '--fail-nth 1 makes the open fail'
[ "$(drawn --fail-nth 20 | tr -d '.\n')" = x ] && [ ! -s "$work/err" ]
ok $? '--fail-nth 20 one call'
shim --fail-nth 100000 -- "$programs/shim_asks" failures && grep -q 'not reached' "$work/err"
ok $? 'or says that it was not reached'
refused "--fail-nth: expected a number from 1 to 2147483647, found '0'" --fail-nth 0

# -- --memlock --
for size in 8192 8K 8k 0x2000; do
	shim --memlock "$size" -- sh -c 'ulimit -l' && [ "$(cat "$work/out")" = 8 ]
	ok $? "--memlock $size"
done
shim --memlock 1M -- sh -c 'ulimit -l' && [ "$(cat "$work/out")" = 1024 ]
ok $? '--memlock 1M'
shim --memlock 1024G -- sh -c 'ulimit -l'
[ "$(cat "$work/out")" = 1073741824 ] ||
	[ "$(cat "$work/err")" = 'iommuzz: --memlock: the limit cannot be set: Operation not permitted' ]
ok $? '--memlock 1024G is set, or refused where the user may not'
for wrong in '' x -1 8KK '8 ' 99999999999999999999 17179869184G; do
	refused "--memlock: expected bytes, such as 65536, 64K, 8M or 2G, found '$wrong'" --memlock "$wrong"
done

# -- --devices --
shim --devices iommu -- "$programs/shim_asks" release && cmp -s "$work/out" "$work/newest"
ok $? '--devices iommu'
for wrong in '' 'iommu,' nothing iommu,tty; do
	unknown=${wrong#iommu,}
	refused "--devices: there is no '$unknown'; known: iommu, vfio, noiommu" --devices "$wrong"
done
echo "1..$number"
exit "$failures"
