#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every program in the tree is in canonical form; seeds and regressions replay without a finding.
cd "$(dirname "$0")/../.." || exit 2
number=0
point() { # NAME COMMAND...
	name=$1
	shift
	number=$((number + 1))
	if output=$("$@" 2>&1); then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		echo "$output" | tail -40 | sed 's/^/# /' >&2
	fi
}
point "canonical form" build/release/iommuzz fmt --check conformance corpus
for seeds in build/release/seeds/*; do
	[ -d "$seeds" ] || continue
	point "replay of seeds, $(basename "$seeds")" "build/asan/$(basename "$seeds")_replay" --quiet "$seeds"
done
echo "1..$number"
