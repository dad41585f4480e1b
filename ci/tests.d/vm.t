#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# iommuzz vm and agent: the judge with an agent on this machine, messages, tables; with kernels in the cache (never
# built here) also boots, negative controls, machines that do not start, Ctrl-C, and that nothing is left behind.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=$PWD/${IOMMUZZ:-build/release/iommuzz}
# shellcheck source=tests/tap.sh
. tests/tap.sh

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
exits 2 'a test to warn at that does not run' "$iommuzz" vm check --image "$work" --warn-at none-such
exits 0 'a list of tests' "$iommuzz" vm check --list --filter 'ioas-alloc-p*'
holds '^ioas-alloc-plain$' 'has their ids'
exits 2 'a filter that takes nothing' "$iommuzz" vm check --image "$work" --filter none-such
exits 2 'a test to die at that does not run' "$iommuzz" vm check --image "$work" --die-at none-such

# -- machines that do not start: one line says why --
silent() { # NAME LINE COMMAND...
	name=$1 line=$2
	shift 2
	exits 2 "$name" "$@"
	[ ! -s "$work/out" ] && [ "$(cat "$work/err")" = "iommuzz: $line" ]
	ok $? 'is told in one line'
}
: >"$work/empty"
printf 'no kernel' >"$work/text"
# The header of a kernel of four sectors and 16 bytes.
{ head -c 497 /dev/zero && printf '\003\0\0\001\0\0\0' && head -c 10 /dev/zero && printf HdrS; } >"$work/short"
{ cat "$work/short" && head -c 1546 /dev/zero; } >"$work/hollow"
silent 'a kernel that is not there' "$work/nowhere: No such file or directory" \
	"$iommuzz" vm check --image "$work/nowhere"
silent 'an empty kernel' "$work/empty: no bzImage" "$iommuzz" vm check --image "$work/empty"
silent 'a text for a kernel' "$work/text: no bzImage" "$iommuzz" vm check --image "$work/text"
silent 'a truncated kernel' "$work/short: truncated: 518 of 2064 bytes" "$iommuzz" vm check --image "$work/short"
silent 'no QEMU' 'qemu-system-x86_64: not in PATH; run ci/setup' \
	env PATH="$work" "$iommuzz" vm check --image "$work/hollow"
mkdir "$work/bin"
printf '#!/bin/sh\necho one line >&2\necho qemu: cannot set up guest memory >&2\nexit 1\n' >"$work/bin/qemu-system-x86_64"
chmod +x "$work/bin/qemu-system-x86_64"

# -- kernels that are there --
static=${iommuzz}_static
cache=${IOMMUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iommuzz}/kernels
find_image() { # SERIES: the newest one, without debugging
	newest=''
	for file in "$cache/$1".*/bzImage; do
		case $file in
		*+debug*) ;;
		*) [ ! -e "$file" ] || [ -n "$(find "$newest" -newer "$file" 2>/dev/null)" ] || newest=$file ;;
		esac
	done
	image=${newest%/*}
	[ -n "$image" ] || { skip "Linux $1" "no kernel in $cache; ci/live-kernel build $1 makes one" && return 1; }
}
able() {
	[ -x "$static" ] || { skip 'VMs' "no $static" && return 1; }
	command -v qemu-system-x86_64 >/dev/null || { skip 'VMs' 'no qemu-system-x86_64' && return 1; }
}
breaks() { # HOW RULE: one of five tests costs its machine, nothing else
	how=$1 rule=$2
	exits 1 "a VM with --$how" "$static" vm check --image "$image" --filter 'ioas-alloc-[fiop]*' --timeout 2 \
		"--$how" ioas-alloc-fresh-state
	[ "$(grep -c '^not ok' "$work/out")" = 1 ] && grep -q "rule: '$rule'" "$work/out" &&
		[ "$(grep -c '^ok' "$work/out")" = 4 ]
	ok $? 'costs one test'
}
# Ctrl-C, once or several times; a shell starts what is in the background without SIGINT.
interrupt() { # TIMES
	env --default-signal=INT "$static" vm check --image "$image" >"$work/out" 2>"$work/err" &
	judge=$! qemu=''
	for _ in $(seq 100); do
		qemu=$(pgrep -P $judge) && break
		sleep 0.1
	done
	sleep 0.5
	for _ in $(seq "$1"); do kill -INT $judge; done
	wait $judge
	status=$?
	[ -n "$qemu" ] && [ $status -eq 130 ]
	ok $? "SIGINT ($1) ends it with 130"
	for _ in $(seq 20); do
		kill -0 "$qemu" 2>/dev/null || break
		sleep 0.1
	done
	! kill -0 "$qemu" 2>/dev/null
	ok $? 'and its machine'
}

if able; then
	silent 'what QEMU says' 'QEMU failed: qemu: cannot set up guest memory' \
		env PATH="$work/bin:$PATH" "$static" vm check --image "$work/hollow"
fi
if able && find_image 7.3; then
	exits 2 'a kernel that panics at boot' "$static" vm check --image "$image" --binary /sbin/ldconfig
	# What init itself prints may come between.
	[ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] &&
		grep -q "^iommuzz: $image/bzImage: ended before its agent said hello: .*Kernel panic.*: Attempted to kill init" \
			"$work/err"
	ok $? 'is told in one line'
	mkdir "$work/tmp"
	export TMPDIR="$work/tmp"
	breaks die-at guest-died
	holds 'message: .*Kernel panic' 'and the panic is told'
	breaks hang-at guest-hung
	breaks warn-at kernel-log
	holds 'renewed: 1, died: 0$' 'and a machine'
	printf '#!/bin/sh\nexit 0\n' >"$work/script" && printf 'text\n' >"$work/none"
	chmod +x "$work/script" "$work/none"
	exits 2 'a text for a program' "$static" vm run --image "$image" "$work/none"
	holds 'none: neither an ELF program nor a script' 'is named'
	exits 0 'a dynamic program and a script' "$static" vm run --image "$image" --out "$work/printed" \
		/bin/true "$work/script"
	exits 1 'programs that fail, and one that hangs' "$static" vm run --image "$image" --timeout 1 --out "$work/printed" \
		/bin/false /bin/cat /bin/yes /bin/ls
	holds 'false: exit status 1' 'the status is told'
	holds 'yes: took longer than 1 s' 'and the limit'
	grep -q '^programs$' "$work/printed/ls"
	ok $? 'and the next one still runs'
	interrupt 1
	interrupt 2
	[ -z "$(ls "$TMPDIR")" ]
	ok $? 'no file is left behind'
	export TMPDIR="$work/nowhere"
	exits 0 'a VM without a folder for temporary files' "$static" vm check --image "$image" --filter ioas-alloc-flags
fi
if able && find_image 6.12; then
	exits 0 'Linux 6.12: mock devices and VFIO' "$static" vm check --image "$image" --filter 'framing-*_D[EO]*'
	holds 'machines started: 2 ' 'two boots'
	holds '^ok [0-9]* - framing-IOMMU_TEST_OP_MOCK_DOMAIN-tail-unmapped$' 'mock devices attach in the second one'
	! grep -q 'SKIP.*mock devices' "$work/out"
	ok $? 'and nothing is skipped for want of them'
	holds '^ok [0-9]* - framing-VFIO_DEVICE_GET_INFO # SKIP VFIO device files are not implemented yet$' \
		'nor VFIO for want of an IOMMU'
fi

echo "1..$number"
[ $failures -eq 0 ]
