#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each oracle, the sanitizers and the fault sweep find a defect that nothing else finds; see conformance/controls.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=build/bugs/iommuzz
oracles='model audit isolation rollback machine'
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
number=0
verdict() { # NAME: the point of the last command
	code=$?
	number=$((number + 1))
	[ "$code" -eq 0 ] && echo "ok $number - $1" && return
	echo "not ok $number - $1"
	sed 's/^/# /' "$scratch/output" >&2
}
look() { # ORACLES FILE
	"$iommuzz" run --quiet --oracles "$1" "$2" >"$scratch/output" 2>&1
}
finds() { # TEXT ORACLES FILE: the run fails and says so
	look "$2" "$3"
	[ $? -eq 1 ] && grep -q -F -e "$1" "$scratch/output"
}
with_defect() { # DEFECT FILE: the program with the defect on
	awk -v defect="$1" '!done && !/^#($|[^:])/ { print "#: sim bug=" defect; done = 1 } { print }' "$2"
}
others() { # ORACLE: all but that one
	echo "$oracles" | tr ' ' '\n' | grep -v -x -e "$1" | paste -s -d ,
}
while read -r kind defect program rule; do
	case $kind in '#'* | '') continue ;; esac
	source=$(find conformance -name "$program.prog")
	with_defect "$defect" "$source" >"$scratch/$program.prog" || exit 2
	name="$kind: $defect in $program"
	case $kind in
	sanitizer) finds "$rule" none "$scratch/$program.prog" ;;
	sweep) finds ": $rule" all "$scratch/$program.prog" ;;
	*) finds "$kind: $rule" "$kind" "$scratch/$program.prog" ;;
	esac
	verdict "$name is found"
	case $kind in
	sanitizer) ;;
	sweep)
		sed 's/fail-nth \*: //' "$scratch/$program.prog" >"$scratch/plain.prog"
		look all "$scratch/plain.prog"
		verdict "$name, not without the sweep"
		;;
	*)
		look "$(others "$kind")" "$scratch/$program.prog"
		verdict "$name, by no other oracle"
		;;
	esac
	look all "$source"
	verdict "$name, not without the defect"
done <conformance/controls
# No oracle was forgotten.
for kind in $oracles sanitizer sweep; do
	grep -q -e "^${kind}[[:space:]]" conformance/controls
	verdict "$kind has a control"
done
echo "1..$number"
