# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by tests in shell: a folder for scratch, numbered points, and what the last
# command printed (to $work/out and $work/err) behind a failed one, on standard error, where prove shows it.
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
number=0
# shellcheck disable=SC2034 # read by who sources this
failures=0

ok() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		for printed in "$work/out" "$work/err"; do
			[ ! -s "$printed" ] || head -n 60 "$printed" | sed 's/^/# /' >&2
		done
		failures=$((failures + 1))
	fi
}
skip() { # NAME REASON
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}
