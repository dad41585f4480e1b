#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each switchable defect against the whole suite and against each oracle alone: the suite catches at least 95 %, and
# each oracle has a defect that only it sees; prints which one is caught by what.
cd "$(dirname "$0")/../../.." || exit 2
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
echo 1..1
if output=$(build/bugs/iommuzz check --mutants --jobs "$(nproc)"); then
	echo "ok 1 - mutation score"
else
	echo "not ok 1 - mutation score"
	echo "$output" | grep -B 2 -e LISTED -e ' defects: ' -e 'NO DEFECT' >&2
fi
echo "$output" | sed 's/^/# /'
