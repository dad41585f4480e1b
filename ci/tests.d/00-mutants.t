#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The suite catches at least 95 % of the switchable defects, conformance/survivors lists the others, and each oracle has
# one that only it sees; prints which one is caught by what. Runs first: the longest.
cd "$(dirname "$0")/../.." || exit 2
# Most defects crash something; a stack with names takes longer than the test.
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
echo 1..3
if output=$(build/bugs/iommuzz check --mutants --jobs "$(nproc)"); then
	echo "ok 1 - mutation score"
else
	echo "not ok 1 - mutation score"
fi
echo "$output" | sed 's/^/# /'
# Controls: the judgement itself can fail.
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
root=$PWD
mkdir -p "$scratch/conformance" && cp -r conformance/framing conformance/survivors "$scratch/conformance"
cd "$scratch" || exit 2
judged() { # NUMBER NAME TEXT DEFECT: judged as failed, with that text
	"$root/build/bugs/iommuzz" check --mutants --bug "$4" conformance >"$scratch/output" 2>&1
	if [ $? -eq 1 ] && grep -q -F -e "$3" "$scratch/output"; then
		echo "ok $1 - $2"
	else
		echo "not ok $1 - $2"
	fi
}
judged 2 "a defect that survives and is not listed" "NOT LISTED" account-limit
echo "min-size-low	is caught" >>conformance/survivors
judged 3 "a defect that is listed and caught" "LISTED in" min-size-low
