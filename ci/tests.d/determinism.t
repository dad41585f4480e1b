#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# 10,000 random programs give the same traces whatever the addresses, the allocator's fill and the compiler.
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
release=$PWD/build/release/iommuzz asan=$PWD/build/asan/iommuzz
"$release" gen --seed 1 --count 10000 --output "$work" >/dev/null || exit 2
cd "$work" || exit 2
traces() { # COMMAND...: every call, result and byte written, as one hash
	"$@" run --oracles none --json . | sha256sum
}
echo 1..3
reference=$(traces "$release")
empty=$(sha256sum </dev/null)
[ "$reference" != "$empty" ] && echo "ok 1 - programs run" || echo "not ok 1 - programs run"
again=$(MALLOC_PERTURB_=165 traces setarch -R "$release")
[ "$again" = "$reference" ] && echo "ok 2 - no address randomisation, another fill" || echo "not ok 2 - address randomisation and fill"
again=$(traces "$asan")
[ "$again" = "$reference" ] && echo "ok 3 - clang, another allocator" || echo "not ok 3 - clang, another allocator"
