#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite under older kernel profiles, and on the reference model alone.
cd "$(dirname "$0")/../../.." || exit 2
number=0
point() { # OPTION...
	number=$((number + 1))
	if build/release/iommuzz check "$@" >build/check.log; then
		echo "ok $number - check $*"
	else
		echo "not ok $number - check $*"
		grep -A4 '^not ok' build/check.log | sed 's/^/# /' >&2
	fi
}
echo 1..8
for kernel in 6.2 6.6 6.7 6.12 6.13 6.18 7.0; do
	point --kernel $kernel
done
point --target model
