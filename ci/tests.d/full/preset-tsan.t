#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unit tests and conformance suite under another preset: this file's name says which, links to it stand for others.
cd "$(dirname "$0")/../../.." || exit 2
preset=$(basename "$0" .t)
preset=${preset#preset-}
if ! ci/build "$preset" iommuzz unit_tests; then
	echo "Bail out! preset $preset does not build"
	exit 2
fi
export LLVM_PROFILE_FILE="$PWD/build/coverage/%p.profraw"
echo 1..2
if find "build/$preset/tests" -type f -executable -name 'test_*' | sort | xargs prove -q -e '' >&2; then
	echo "ok 1 - unit tests, $preset"
else
	echo "not ok 1 - unit tests, $preset"
fi
if "build/$preset/iommuzz" check >"build/$preset/check.log" 2>&1; then
	echo "ok 2 - conformance suite, $preset"
else
	echo "not ok 2 - conformance suite, $preset"
	grep -E '^not ok|Bail out' "build/$preset/check.log" | sed 's/^/# /' >&2
fi
