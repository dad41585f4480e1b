#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The long form of ci/tests.d/every-access.t.
exec "$(dirname "$0")/../every-access.t" --long
