#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every requirement in scope is shown by a program, and every program names requirements that exist.
cd "$(dirname "$0")/../.." || exit 2
echo 1..1
if output=$(build/release/iommuzz check --requirements); then
	echo "ok 1 - requirements"
else
	echo "not ok 1 - requirements"
	echo "$output" | sed 's/^/# /' >&2
fi
