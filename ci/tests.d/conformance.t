#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite with all oracles, under ASan, UBSan and LSan.
cd "$(dirname "$0")/../.." || exit 2
exec build/asan/iommuzz check
