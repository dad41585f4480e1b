#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The suite catches at least 95 % of the switchable defects, conformance/survivors lists the others, and each oracle has
# one that only it sees; prints which one is caught by what. Runs first: the longest.
cd "$(dirname "$0")/../.." || exit 2
# Most defects crash something; a stack with names takes longer than the test.
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
echo 1..1
if output=$(build/bugs/iommuzz check --mutants --jobs "$(nproc)"); then
	echo "ok 1 - mutation score"
else
	echo "not ok 1 - mutation score"
fi
echo "$output" | sed 's/^/# /'
