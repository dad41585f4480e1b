#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The static command: one file without dependencies that runs the conformance suite.
cd "$(dirname "$0")/../../.." || exit 2
echo 1..3
ci/build release iommuzz_static && echo "ok 1 - builds" || echo "not ok 1 - builds"
file=build/release/iommuzz_static
ldd "$file" >/dev/null 2>&1 && echo "not ok 2 - needs no library" || echo "ok 2 - needs no library"
"$file" check >/dev/null && echo "ok 3 - conformance suite" || echo "not ok 3 - conformance suite"
