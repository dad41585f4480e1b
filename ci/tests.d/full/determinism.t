#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# 10,000 random programs with failures leave the same traces under the sanitizers (tests/exec/test_cli.t compares the
# compilers, addresses and allocators of the fast builds).
cd "$(dirname "$0")/../../.." || exit 2
digest() { # BUILD [OPTION...]
	build=$1
	shift
	"$build/iommuzz" gen --digest --failures --programs 10000 "$@" 2>&1
}
echo 1..3
reference=$(digest build/release)
again=$(digest build/asan)
[ "$again" = "$reference" ] && echo "ok 1 - $reference" || echo "not ok 1 - $again, $reference expected"
# Controls: one program more, or another kernel profile, is told apart.
more=$(digest build/release --programs 10001)
[ "$more" != "$reference" ] && echo "ok 2 - one program more" || echo "not ok 2 - one program more"
older=$(digest build/release --kernel 6.2)
[ "${older##* }" != "${reference##* }" ] && echo "ok 3 - another kernel" || echo "not ok 3 - another kernel"
