#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The generator's mix is honest, and random programs with failures keep every oracle content.
cd "$(dirname "$0")/../.." || exit 2
point() { # NUMBER NAME COMMAND...
	number=$1 name=$2
	shift 2
	if output=$("$@" 2>&1); then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		echo "$output" | tail -60 | sed 's/^/# /' >&2
	fi
}
echo 1..2
point 1 "calls succeed often enough" build/release/iommuzz gen --stats
point 2 "random programs, all oracles" build/asan/iommuzz gen --check --failures --findings 5 --programs 3000
