#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# iommuzz vm and agent: the judge with an agent on this machine, messages, tables; with a kernel in the cache (never
# built here) also a boot, a death of the guest, and that nothing is left behind.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=$PWD/${IOMMUZZ:-build/release/iommuzz}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
number=0 failures=0

ok() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		sed 's/^/# /' "$work/out" "$work/err" | tail -n 20
		failures=$((failures + 1))
	fi
}
skip() {
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}
exits() { # CODE NAME COMMAND...
	code=$1 name=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ "$status" -eq "$code" ] || echo "# exit $status, expected $code"
	[ "$status" -eq "$code" ]
	ok $? "$name"
}
holds() { # PATTERN NAME: in what the last command printed
	grep -q -e "$1" "$work/out" "$work/err"
	ok $? "$2"
}

echo 'TAP version 13'
[ -x "$iommuzz" ] || { echo "1..0 # SKIP no $iommuzz" && exit 0; }

# -- an agent on this machine --
agent="$iommuzz agent --target inproc"
exits 0 'a suite through an agent' "$iommuzz" vm check --agent "$agent" --filter 'ioas-alloc*' --json "$work/a.json"
holds '^# pass [1-9][0-9]*, fail 0' 'its totals'
first=$(sed -n 's/^ok 2 - \([^ ]*\)$/\1/p' "$work/out")
exits 1 'an agent that dies' "$iommuzz" vm check --agent "$agent" --filter 'ioas-alloc*' --json "$work/b.json" \
	--die-at "$first"
[ "$(grep -c '^not ok' "$work/out")" = 1 ] && grep -q "rule: 'guest-died'" "$work/out"
ok $? 'costs one test'
holds 'machines started: 2 .* died: 1$' 'and a second start'
exits 2 'an agent that never starts' "$iommuzz" vm check --agent false --filter 'ioas-alloc*'
holds 'iommuzz: false: ended before its agent said hello' 'is named'
exits 2 'an agent that is none' "$iommuzz" vm check --agent 'echo 0123456789' --filter 'ioas-alloc*'

# -- tables --
exits 1 'a table' "$iommuzz" vm table "$work/a.json" "$work/b.json"
holds "^$first  *[^ ]*pass  *FAIL" 'has a row for what fails somewhere'
holds '^all: [0-9]* passed, 1 failed, ' 'and totals'
exits 0 'a table where all pass' "$iommuzz" vm table --all "$work/a.json"
holds "^$first  *pass" 'lists them with --all'
echo '{}' >"$work/none.json"
exits 2 'a table of something else' "$iommuzz" vm table "$work/none.json"
holds 'none.json: no results, expected what --json writes' 'is named'

# -- usage --
exits 2 'vm without a form' "$iommuzz" vm
exits 2 'vm check without a kernel' "$iommuzz" vm check
holds 'expected either --image or --agent' 'says what it lacks'
exits 2 'a kernel that is not there' "$iommuzz" vm check --image "$work/nowhere"
holds 'nowhere: No such file' 'is named'
exits 2 'a filter that takes nothing' "$iommuzz" vm check --image "$work" --filter none-such
exits 2 'a test to die at that does not run' "$iommuzz" vm check --image "$work" --die-at none-such
exits 2 'ci/live: an unknown option' ci/live --none-such
exits 0 'ci/live --help' ci/live --help

# -- a kernel that is there --
cache=${IOMMUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iommuzz}/kernels
image=''
for found in "$cache"/7.3*; do
	case $found in
	*+debug*) ;;
	*) [ ! -e "$found/bzImage" ] || image=$found ;;
	esac
done
if [ -z "$image" ]; then
	skip 'a VM' "no kernel in $cache; ci/live-kernel build 7.3 makes one"
elif ! [ -x "${iommuzz}_static" ]; then
	skip 'a VM' "no ${iommuzz}_static"
elif ! command -v qemu-system-x86_64 >/dev/null; then
	skip 'a VM' 'no qemu-system-x86_64'
else
	mkdir "$work/tmp"
	export TMPDIR="$work/tmp"
	exits 1 'a VM whose kernel panics' "${iommuzz}_static" vm check --image "$image" --filter 'ioas-alloc*' \
		--die-at "$first"
	[ "$(grep -c '^not ok' "$work/out")" = 1 ] && grep -q "rule: 'guest-died'" "$work/out"
	ok $? 'costs one test'
	holds 'message: .*Kernel panic' 'and the panic is told'
	printf 'no kernel' >"$work/bzImage"
	exits 2 'what is no kernel' "${iommuzz}_static" vm check --image "$work/bzImage" --boot-timeout 2 \
		--filter 'ioas-alloc*'
	timeout --preserve-status -s INT 2 "${iommuzz}_static" vm check --image "$image" >"$work/out" 2>"$work/err"
	[ $? -eq 130 ]
	ok $? 'Ctrl-C ends it with 130'
	[ -z "$(ls "$TMPDIR")" ]
	ok $? 'no folder is left behind'
	! pgrep -f "$TMPDIR/iommuzz-vm" >/dev/null
	ok $? 'nor a machine'
fi

echo "1..$number"
[ $failures -eq 0 ]
