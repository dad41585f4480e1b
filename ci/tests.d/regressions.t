#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One minimal program per defect ever found, and what foreign programs did (traces of tests/clients), with all oracles,
# under ASan, UBSan and LSan.
cd "$(dirname "$0")/../.." || exit 2
exec build/asan/iommuzz check corpus/regress corpus/clients
