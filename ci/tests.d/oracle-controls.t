#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each oracle, the sanitizers and the fault sweep find a defect that nothing else finds; see conformance/controls.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=build/bugs/iommuzz
oracles='model audit isolation rollback machine scheduler'
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
# shellcheck source=tests/tap.sh
. tests/tap.sh
look() { # ORACLES FILE
	"$iommuzz" run --quiet --oracles "$1" "$2" >"$work/out" 2>&1
}
finds() { # TEXT ORACLES FILE: the run fails and says so
	look "$2" "$3"
	[ $? -eq 1 ] && grep -q -F -e "$1" "$work/out"
}
with_header() { # LINE FILE: the program with one more line in its header
	awk -v line="$1" '!done && !/^#($|[^:])/ { if (line != "") print "#: " line; done = 1 } { print }' "$2"
}
others() { # ORACLE: all but that one
	echo "$oracles" | tr ' ' '\n' | grep -v -x -e "$1" | paste -s -d ,
}
mkdir "$work/source" || exit 2
while IFS=$(printf '\t') read -r kind defect program rule schedule; do
	case $kind in '#'* | '') continue ;; esac
	# Threads that are stuck leave behind what they hold.
	leaks=1
	[ "$kind" != scheduler ] || leaks=0
	ASAN_OPTIONS=symbolize=0:detect_leaks=$leaks
	source=$work/source/$program.prog
	with_header "$schedule" "$(find conformance -name "$program.prog")" >"$source" || exit 2
	with_header "sim bug=$defect" "$source" >"$work/$program.prog" || exit 2
	name="$kind: $defect in $program"
	case $kind in
	sanitizer) finds "$rule" none "$work/$program.prog" ;;
	sweep) finds ": $rule" all "$work/$program.prog" ;;
	*) finds "$kind: $rule" "$kind" "$work/$program.prog" ;;
	esac
	ok $? "$name is found"
	case $kind in
	sanitizer) ;;
	sweep)
		sed 's/fail-nth \*: //' "$work/$program.prog" >"$work/plain.prog"
		look all "$work/plain.prog"
		ok $? "$name, not without the sweep"
		;;
	*)
		look "$(others "$kind")" "$work/$program.prog"
		ok $? "$name, by no other oracle"
		;;
	esac
	look all "$source"
	ok $? "$name, not without the defect"
done <conformance/controls
# No oracle was forgotten.
for kind in $oracles sanitizer sweep; do
	grep -q -e "^${kind}[[:space:]]" conformance/controls
	ok $? "$kind has a control"
done
for rule in lock-order deadlock lost-wake-up; do
	grep -q -e "^scheduler[[:space:]].*[[:space:]]$rule\>" conformance/controls
	ok $? "scheduler has one for $rule"
done
echo "1..$number"
