#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The reference model includes nothing of impl but impl/abi; the last point proves that this check can fail.
cd "$(dirname "$0")/../.." || exit 2
included() { # SOURCE: what it includes of impl beside impl/abi, directly or not
	gcc -std=gnu11 -MM -I. -isystem third_party "$@" | sed 's/ *\\$//' | tr -s ' ' '\n' |
		sed 's,[^/]*/\.\./,,g' | grep -E '(^|/)impl/' | grep -v -E '(^|/)impl/abi/'
}
number=0
for source in fuzz/oracle/model*.[ch]; do
	[ -e "$source" ] || continue
	number=$((number + 1))
	if ! gcc -std=gnu11 -MM -I. -isystem third_party "$source" >/dev/null; then
		echo "not ok $number - $source: its headers cannot be found"
	elif forbidden=$(included "$source"); then
		echo "not ok $number - $source"
		echo "$forbidden" | sed 's/^/# includes /' >&2
	else
		echo "ok $number - $source"
	fi
done
header=$(git ls-files 'impl/sim/*.h' | head -1)
number=$((number + 1))
if [ -z "$header" ]; then
	echo "ok $number - a forbidden header is seen # SKIP there is none yet"
elif echo "#include \"$header\"" | included -x c - >/dev/null; then
	echo "ok $number - a forbidden header is seen"
else
	echo "not ok $number - a forbidden header is seen"
fi
echo "1..$number"
