#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No source of impl has mutable state at file scope: no object of the release build holds writable data. The last
# points prove that this check can fail. readelf, since nm shows the compiler's plan in place of a fat LTO object.
# The preload library is not looked at: its state is that of the program it is loaded into.
cd "$(dirname "$0")/../.." || exit 2
writable() { # OBJECT: its variables in writable sections; tables that only the loader writes to are none
	readelf --sections --symbols --wide "$1" | awk '
		/^ *\[ *[0-9]+\] \./ { sub(/^ *\[ */, ""); sub(/\]/, ""); name[$1] = $2 }
		$1 ~ /^[0-9]+:$/ && ($4 == "OBJECT" || $4 == "TLS" || $4 == "COMMON") {
			where = $7 == "COM" ? ".bss" : name[$7]
			if (where ~ /^\.t?(data|bss)(\.|$)/ && where !~ /^\.data\.rel\.ro/)
				print $8 " in " where
		}'
}
number=0
for source in $(git ls-files 'impl/*.c' ':!impl/shim/preload*'); do
	number=$((number + 1))
	object=$(ls build/release/impl/CMakeFiles/*/"${source#impl/}.o" 2>/dev/null)
	if [ -z "$object" ]; then
		echo "not ok $number - $source: no object in build/release"
	elif found=$(writable "$object") && [ -z "$found" ]; then
		echo "ok $number - $source"
	else
		echo "not ok $number - $source"
		echo "$found" | sed 's/^/# /' >&2
	fi
done
control=$(mktemp -d) && trap 'rm -rf "$control"' EXIT
verdict() { # EXPECTED SOURCE: whether the source is judged as expected
	number=$((number + 1))
	echo "$2" | gcc -O2 -x c -c -o "$control/control.o" - || exit 2
	judged=clean
	[ -z "$(writable "$control/control.o")" ] || judged=mutable
	[ "$judged" = "$1" ] && echo "ok $number - control, $1: $2" && return
	echo "not ok $number - control, $1: $2"
}
verdict mutable 'int a = 1;'
verdict mutable 'static int a; int f(void) { return a++; }'
verdict mutable 'int f(void) { static long calls; return (int)calls++; }'
verdict mutable '_Thread_local int a;'
verdict mutable 'const char *name = "a";'
verdict clean 'static const int table[] = {1, 2}; int f(int i) { return table[i]; }'
verdict clean 'const char *const names[] = {"a", "b"};'
echo "1..$number"
