#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs with threads as real threads under ThreadSanitizer; IOMMUZZ_STRESS_SECONDS (default 5) for each set of programs.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=build/tsan/iommuzz
seconds=${IOMMUZZ_STRESS_SECONDS:-5}
seed=${IOMMUZZ_SEED:-1}
export TSAN_OPTIONS=halt_on_error=1:report_thread_leaks=0
# shellcheck source=tests/tap.sh
. tests/tap.sh
stress() {
	"$iommuzz" stress --quiet --seed "$seed" "$@" >"$work/out" 2>&1
}
finds() { # STATUS TEXT OPTION...: a defect is found so
	wanted=$1 text=$2
	shift 2
	stress --hang 3 --runs 2000 --seconds 40 "$@" conformance/race
	[ $? -eq "$wanted" ] && grep -q -e "$text" "$work/out"
}

stress --runs 100000 --seconds "$seconds" conformance/race
ok $? "the programs with threads: no race, results as the model allows"
sed -n 's/^[0-9]* runs of/# &/p' "$work/out"
stress --runs 10 --seconds "$seconds" --generate 2000
ok $? "generated programs, likewise"
sed -n 's/^[0-9]* runs of/# &/p' "$work/out"
finds 66 'ThreadSanitizer' --bug unmap-range-late --filter 'unmap-*'
ok $? "an area read after its lock was dropped is a race that is reported"
finds 66 'ThreadSanitizer' --bug lookup-unlocked --filter 'destroy-*'
ok $? "an object that is freed while it is looked up is reported"
finds 1 'audit: access list' --bug list-index-unlocked --filter '*-two-accesses'
ok $? "a race that keeps to atomic steps is found by the audit behind it"
finds 1 'no order of the specification' --bug pin-prevented --filter 'unmap-callback-pins-again'
ok $? "a result that no order gives is found by the model"
finds 1 'threads do not end within 3 s: .* in call .* IOMMU_DESTROY' --bug wake-missing --filter 'destroy-*'
ok $? "threads that hang end the command, and their calls are named"
echo "1..$number"
