#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# 10,000 random programs with failures leave the same traces under the sanitizers (tests/exec/test_cli.t compares the
# compilers, addresses and allocators of the fast builds).
cd "$(dirname "$0")/../../.." || exit 2
digest() { "$1/iommuzz" gen --digest --failures --programs 10000 2>&1; }
echo 1..1
reference=$(digest build/release)
again=$(digest build/asan)
[ "$again" = "$reference" ] && echo "ok 1 - $reference" || echo "not ok 1 - $again, $reference expected"
