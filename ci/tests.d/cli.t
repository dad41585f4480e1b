#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command line of iommuzz, and traces that are the same in every process and build.
exec "$(dirname "$0")/../../tests/exec/test_cli.t"
