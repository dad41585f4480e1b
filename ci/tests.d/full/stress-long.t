#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The stress test for longer.
export IOMMUZZ_STRESS_SECONDS=120
exec "$(dirname "$0")/../stress.t"
