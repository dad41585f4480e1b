#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The catalogue against the newest kernel headers; skipped with the reason when there are none.
exec "$(dirname "$0")/../../tests/abi/compare_headers"
