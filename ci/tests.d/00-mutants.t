#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The suite alone catches at least 95 % of the switchable defects, and conformance/survivors lists the others; prints
# which program shows which. What each oracle sees: ci/tests.d/full/mutants.t.
cd "$(dirname "$0")/../.." || exit 2
# Most defects crash something; a stack with names takes longer than the test.
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
echo 1..5
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
if build/bugs/iommuzz check --mutants --quick --jobs "$(nproc)" >"$scratch/output" 2>&1; then
	echo "ok 1 - mutation score"
else
	echo "not ok 1 - mutation score"
	grep -B 2 -e LISTED -e ' defects: ' -e ' fails without ' "$scratch/output" >&2
fi
sed 's/^/# /' "$scratch/output"
# Controls: the judgement itself can fail.
root=$PWD
mkdir -p "$scratch/conformance"
cp -r conformance/framing conformance/survivors conformance/caught "$scratch/conformance"
cd "$scratch" || exit 2
judged() { # CODE NUMBER NAME TEXT DEFECT: judged so, with that text
	"$root/build/bugs/iommuzz" check --mutants --quick --bug "$5" conformance >"$scratch/output" 2>&1
	if [ $? -eq "$1" ] && grep -q -F -e "$4" "$scratch/output"; then
		echo "ok $2 - $3"
	else
		echo "not ok $2 - $3"
	fi
}
judged 1 2 "a defect that survives and is not listed" "NOT LISTED" account-limit
echo "min-size-low	is caught" >>conformance/survivors
judged 1 3 "a defect that is listed and caught" "LISTED in" min-size-low
cp "$root/conformance/survivors" conformance/survivors
echo "min-size-low	no-such-program" >conformance/caught
judged 0 4 "a program that no longer shows its defect costs time, not the score" "which conformance/caught names" min-size-low
echo "no-such-defect	ioas-alloc" >conformance/caught
judged 2 5 "a program for a defect that is not there" "there is no defect 'no-such-defect'" min-size-low
