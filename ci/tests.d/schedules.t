#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs of conformance/race under all schedules with at most two forced switches, whose numbers are printed, and
# every random schedule run twice. Control: a defect that needs a switch is found in the same way.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=build/release/iommuzz
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
# shellcheck source=tests/tap.sh
. tests/tap.sh

"$iommuzz" check --explore 2 --jobs "$(nproc)" conformance/race >"$work/out"
ok $? "all schedules of bound 2"
sed -n 's/^ok [0-9]* - /# /p' "$work/out"
[ "$(grep -c '^ok .* # bound 2: [0-9]* schedules, ' "$work/out")" -eq "$(grep -c '^ok ' "$work/out")" ]
ok $? "none was given up"
# A search for an order of the model that is given up finds nothing.
"$iommuzz" explore --quiet --bound 2 conformance/race >"$work/out" 2>&1 &&
	[ "$(grep -c ': complete for bound 2: .*; nothing found$' "$work/out")" -eq "$(find conformance/race -name '*.prog' | wc -l)" ] &&
	! grep -q 'not decided by the model' "$work/out"
ok $? "the model decides each of them"
"$iommuzz" check --jobs "$(nproc)" conformance/race >"$work/out" && ! grep 'not decided by the model' "$work/out" >"$work/err"
ok $? "and each of a thousand random schedules"
"$iommuzz" explore --quiet --check-determinism --schedule random --runs 100 conformance/race >"$work/out" 2>&1 &&
	! grep -q 'not decided by the model' "$work/out"
ok $? "the same schedule, the same run: 100 random ones of each program, twice"
tail -n 1 "$work/out" | sed 's/^/# /'
build/bugs/iommuzz check --explore 2 --no-oracles --bug destroy-unwaited \
	conformance/race/copy-destroy-destination.prog >"$work/out" 2>/dev/null
[ $? -eq 1 ]
ok $? "control: a race is found"
echo "1..$number"
