# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the measurements share; sourced with the repository as working directory.

# usage: measure_help SCRIPT: its usage.
measure_help() {
	sed -n '/^# usage/,/^[^#]/s/^# \{0,1\}//p' "$1"
	exit 0
}

# usage: measure_unknown SCRIPT OPTION
measure_unknown() {
	echo "${1##*/}: unknown option: $2 (see --help)" >&2
	exit 2
}

# The commit that is measured, marked when the tree has changes.
measure_commit() {
	git describe --always --dirty=+changes --exclude='*' --abbrev=12 2>/dev/null || echo unknown
}

# Values as one line of CSV.
measure_row() {
	row=
	for value; do
		row="$row${row:+,}\"$(printf %s "$value" | sed 's/"/""/g')\""
	done
	echo "$row"
}

# The last value of KEY in libFuzzer's log FILE: "cov: 123" or "stat::NAME:  123"; 0 when there is none.
measure_last() {
	value=$(sed -n "s/.*$1: *\([0-9][0-9]*\).*/\1/p" "$2" | tail -n 1)
	echo "${value:-0}"
}
