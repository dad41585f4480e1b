#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sources are formatted as .clang-format says, scripts pass shellcheck, every source names its licence.
cd "$(dirname "$0")/../.." || exit 2
sources() { git ls-files '*.c' '*.h' '*.def' ':!third_party'; }
scripts() { git ls-files -- .ci ci tests cmake | xargs grep -l '^#!/bin/\(ba\)\?sh'; }
point() { # NUMBER NAME COMMAND: passes when the command prints nothing
	output=$($3 2>&1 | head -40)
	[ -z "$output" ] && echo "ok $1 - $2" && return
	echo "not ok $1 - $2"
	echo "$output" | sed 's/^/# /' >&2
}
unformatted() { sources | grep -v '\.def$' | xargs -r clang-format-19 --dry-run; }
unchecked() { scripts | xargs -r shellcheck -x; }
unlicensed() { { sources && scripts; } | xargs -r grep -L SPDX-License-Identifier; }
echo 1..3
point 1 "clang-format" unformatted
point 2 "shellcheck" unchecked
point 3 "licence lines" unlicensed
