#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ci/live-kernel and ci/live --source: exit codes for git bisect run, messages, the cache. Trees, and the command that
# boots, are made up: a Makefile that knows the targets of a kernel's, a script that answers as it is told.
cd "$(dirname "$0")/../.." || exit 2
root=$PWD
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export IOMMUZZ_CACHE="$work/cache" IOMMUZZ_STATIC="$work/iommuzz" GIT_CONFIG_GLOBAL=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
number=0 failures=0

ok() { # STATUS NAME
	number=$((number + 1))
	[ "$1" -eq 0 ] && echo "ok $number - $2" && return
	echo "not ok $number - $2"
	sed 's/^/# /' "$work/out" "$work/err" | tail -n 20
	failures=$((failures + 1))
}
exits() { # CODE NAME COMMAND...
	code=$1 name=$2
	shift 2
	status=0
	"$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	[ "$status" -eq "$code" ] || echo "# exit $status, expected $code"
	[ "$status" -eq "$code" ]
	ok $? "$name"
}
says() { # LINE: the last command, in one line and nothing else
	[ ! -s "$work/out" ] && [ "$(cat "$work/err")" = "$1" ]
	ok $? 'is told in one line'
}
holds() { # PATTERN NAME
	grep -q -e "$1" "$work/out" "$work/err"
	ok $? "$2"
}
kernel() { ci/live-kernel build "$@"; }
again() { # NAME BUILDS: builds the tree, which has happened that often by now
	exits 0 "$1" kernel --source "$work/tree"
	[ "$(wc -l <"$work/builds")" -eq "$2" ]
	ok $? "$([ "$2" = "$builds" ] && echo 'is taken from the cache' || echo 'is built')"
	builds=$2
}

# A kernel's tree; each build leaves a line in $work/builds and takes as long as the file `seconds` says.
tree() { # FOLDER
	mkdir -p "$1/scripts/kconfig"
	cat >"$1/Makefile" <<END
kernelversion:
	@echo 7.9.1
tinyconfig olddefconfig:
	@mkdir -p \$(O) && echo CONFIG_IOMMUFD_TEST=y >\$(O)/.config
bzImage:
	@cat broken 2>/dev/null && exit 1; echo built >>$work/builds
	@sleep \$\$(cat seconds 2>/dev/null || echo 0)
	@mkdir -p \$(O)/arch/x86/boot && cp source \$(O)/arch/x86/boot/bzImage
END
	printf '#!/bin/sh\n' >"$1/scripts/kconfig/merge_config.sh"
	chmod +x "$1/scripts/kconfig/merge_config.sh"
	echo 'int main;' >"$1/source"
}
commit() { git -C "$work/tree" -c user.name=t -c user.email=t@t commit -qam "$1"; }
# A guest that answers as the environment says: the exit code of vm check, and whether it has results.
cat >"$work/iommuzz" <<'END'
#!/bin/sh
case "$*" in
*--list*none-such*) echo "iommuzz: vm check: no test matches 'none-such'" >&2 && exit 2 ;;
*--list*) exit 0 ;;
"vm table"*) echo 'all: as it was' && exit 2 ;;
esac
while [ $# -gt 0 ]; do
	case $1 in --json) json=$2 ;; --image) image=$2 ;; esac
	shift
done
case $ANSWER in
boot) echo "iommuzz: $image/bzImage: no agent answered within 60 s" >&2 && exit 2 ;;
qemu) echo 'iommuzz: QEMU failed: no memory' >&2 && exit 2 ;;
*) echo '{}' >"$json" && echo "# pass 1, fail $ANSWER, skip 0, known failures 0, unexpected passes 0, broken 1" ;;
esac
exit "$CODE"
END
chmod +x "$work/iommuzz"
tree "$work/tree"
: >"$work/builds"
builds=0

echo 'TAP version 13'
# -- usage: one line, no noise of a shell --
exits 2 'a series that there is not' kernel 5.4
says 'live-kernel: unknown series 5.4; expected 7.3 or 6.12'
exits 2 'a tree that is not there' kernel --source "$work/nowhere"
says "live-kernel: --source $work/nowhere: no such folder"
exits 2 'no tree' kernel --source
says 'live-kernel: --source needs a folder (see --help)'
exits 2 'a tar file that is none' kernel --tarball "$work/iommuzz"
says "live-kernel: --tarball $work/iommuzz: not a tar file"
exits 2 'two kernels' kernel --source "$work/tree" 7.3
says 'live-kernel: expected one of SERIES, --source DIR and --tarball FILE, found 7.3 too'
exits 125 'a folder that is no tree' kernel --source "$work"
says "live-kernel: $work: not a kernel source tree"

# -- the cache --
again 'a tree without git' 1
again 'the same' 1
touch "$work/tree/source"
again 'the same, touched' 1
echo 'int change;' >>"$work/tree/source"
again 'a changed one' 2
git init -q "$work"
git -C "$work" -c user.name=t -c user.email=t@t commit -q --allow-empty -m outer
again 'the same inside a repository' 2
echo 'int more;' >>"$work/tree/source"
again 'a changed one there' 3
git init -q "$work/tree"
git -C "$work/tree" add -A && commit first
again 'a repository' 4
echo 'int local;' >>"$work/tree/source"
again 'with a change' 5
git -C "$work/tree" add source
again 'that is in the index' 5
echo one >"$work/tree/new"
again 'with a new file' 6
echo two >"$work/tree/new"
again 'with another content' 7
rm "$work/tree/new"
git -C "$work/tree" checkout -q HEAD source
again 'as it was committed' 7
mkdir "$work/bin"
printf '#!/bin/sh\necho 99.1.0\n' >"$work/bin/gcc" && chmod +x "$work/bin/gcc"
exits 0 'another compiler' env PATH="$work/bin:$PATH" ci/live-kernel build --source "$work/tree"
[ "$(wc -l <"$work/builds")" -eq 8 ]
ok $? 'is built'
tar -C "$work" -cf "$work/made-up-7.9.tar" tree
exits 0 'a tar file' kernel --tarball "$work/made-up-7.9.tar"
holds '/made-up-7.9-[0-9a-f]*-[0-9a-f]*$' 'has its name'

# -- builds that end early --
echo 'no rule to make' >"$work/tree/broken"
exits 125 'a tree that does not build' kernel --source "$work/tree"
holds 'no rule to make' 'shows why'
exits 125 'live: the same' ci/live --source "$work/tree"
rm "$work/tree/broken"
touch "$work/tree/.config"
exits 2 'a tree that was built in place' kernel --source "$work/tree"
exits 128 'live: the same, which is no verdict' ci/live --source "$work/tree"
rm "$work/tree/.config"
left() { find "$work/cache/kernels" -maxdepth 1 -name 'build.*' | grep . >"$work/out"; }
echo 60 >"$work/tree/seconds"
for signal in TERM INT; do
	: >"$work/builds"
	env --default-signal=INT ci/live-kernel build --source "$work/tree" >"$work/out" 2>"$work/err" &
	builder=$!
	for _ in $(seq 100); do
		[ ! -s "$work/builds" ] || break
		sleep 0.05
	done
	kill -$signal $builder
	wait $builder
	[ $? -eq 130 ]
	ok $? "SIG$signal ends a build"
	! left
	ok $? 'and leaves nothing'
done
mkdir "$work/cache/kernels/build.killed"
echo 0 >"$work/tree/seconds"
exits 0 'the next build' kernel --source "$work/tree"
! left
ok $? 'sweeps what SIGKILL left behind'

# -- ci/live --source: verdicts --
verdict() { # EXPECTED NAME ANSWER CODE
	exits "$1" "live: $2" env ANSWER="$3" CODE="$4" ci/live --source "$work/tree"
}
if ! command -v qemu-system-x86_64 >/dev/null; then
	printf '#!/bin/sh\n' >"$work/bin/qemu-system-x86_64" && chmod +x "$work/bin/qemu-system-x86_64"
	rm "$work/bin/gcc" && PATH=$PATH:$work/bin
fi
verdict 0 'all pass' 0 0
verdict 1 'failures' 3 1
verdict 1 'failures, and tests that could not run' 3 2
verdict 125 'tests that could not run' 0 2
verdict 125 'all skipped' 0 77
verdict 125 'no boot' boot 2
verdict 128 'QEMU is broken' qemu 2
verdict 130 'an interruption' 0 130
exits 0 'live: a folder as the caller sees it' env -C "$work/tree" ANSWER=0 CODE=0 "$root/ci/live" --source .
exits 125 'live: no kernel source tree' ci/live --source "$work"
exits 128 'live: an unknown option beside --source' ci/live --source "$work/tree" --none-such
says 'live: unknown option: --none-such (see --help)'
exits 128 'live: no test matches' ci/live --source "$work/tree" --only none-such
says "iommuzz: vm check: no test matches 'none-such'"
exits 128 'live: a tree that is not there' ci/live --source nonex
says 'live: --source nonex: no such folder'
exits 128 'live: no tree' ci/live --only x --source
says 'live: --source needs a folder (see --help)'
exits 128 'live: an option for a tree' ci/live --source --only x
says 'live: --source needs a folder (see --help)'
exits 128 'live: a tree and a series' ci/live 7.3 --source "$work/tree"
says 'live: series 7.3: not with --source or --tarball'
exits 128 'live: a tree and a tar file' ci/live --source "$work/tree" --tarball "$work/made-up-7.9.tar"
says 'live: --source and --tarball exclude each other'
exits 128 'live: a tar file that is not there' ci/live --tarball nonex.tar
says 'live: --tarball nonex.tar: no such file'
exits 128 'live: no static command' env IOMMUZZ_STATIC="$work/nowhere" ci/live --source "$work/tree"
exits 2 'live: an unknown option' ci/live --none-such
exits 2 'nightly: an unknown part' ci/nightly none-such
says 'nightly: unknown part: none-such; expected test, live, diff, fuzz or races'
exits 2 'nightly: no number' ci/nightly --seconds diff
exits 0 'nightly: --help' ci/nightly --help
exits 0 'live: --help' ci/live --help
exits 0 'live-kernel: --help' ci/live-kernel --help

echo "1..$number"
[ $failures -eq 0 ]
