#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The stack switch for aarch64: the scheduler's tests, built by a cross compiler, under user-mode emulation.
cd "$(dirname "$0")/../.." || exit 2
compiler=aarch64-linux-gnu-gcc
emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
if ! command -v "$compiler" >/dev/null || [ -z "$emulator" ]; then
	echo "1..0 # SKIP no cross compiler for aarch64 and emulator here ($compiler, qemu-aarch64)"
	exit 0
fi
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2046 # file names without blanks
if ! "$compiler" -static -std=gnu11 -O1 -I. -Ithird_party -o "$work/test" \
	$(git ls-files 'tests/schedule/test_scheduler.c' 'tests/schedule/crew.c' 'fuzz/schedule/scheduler*.c' \
		'fuzz/schedule/strategy*.c' 'fuzz/schedule/lock_graph.c' 'fuzz/prog/*.c' 'impl/abi/*.c' \
		'impl/sim/*.c' 'impl/iommufd/*.c' 'third_party/*.c') -lpthread >&2; then
	echo "Bail out! the tests cannot be built for aarch64"
	exit 1
fi
"$emulator" "$work/test"
