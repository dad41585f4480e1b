#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command line of iommuzz: exit codes, one-line errors for broken inputs, reporters against golden files,
# full disks, Ctrl-C, and traces that are the same in every process.
#
# IOMMUZZ names the command (default build/release/iommuzz), IOMMUZZ_OTHER a build of the same sources by another
# compiler and with another allocator (default build/bugs/iommuzz: clang and AddressSanitizer; ci/test builds both).
cd "$(dirname "$0")/../.." || exit 2
iommuzz=${IOMMUZZ:-build/release/iommuzz}
other=${IOMMUZZ_OTHER:-build/bugs/iommuzz}
golden=tests/exec/golden
# shellcheck source=tests/tap.sh
. tests/tap.sh

# says CODE PATTERN NAME COMMAND...: the exit code, and exactly one line on standard error that matches.
says() {
	code=$1 pattern=$2 name=$3
	shift 3
	"$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	lines=$(wc -l <"$work/err")
	if [ "$status" -eq "$code" ] && [ "$lines" -eq 1 ] && grep -q -e "$pattern" "$work/err"; then
		ok 0 "$name"
	else
		echo "# exit $status, expected $code; $lines lines: $(head -3 "$work/err")"
		ok 1 "$name"
	fi
}
exits() { # CODE NAME COMMAND...
	code=$1 name=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ "$status" -eq "$code" ] || echo "# exit $status, expected $code: $(head -3 "$work/err")"
	[ "$status" -eq "$code" ]
	ok $? "$name"
}

echo 'TAP version 13'
[ -x "$iommuzz" ] || { echo "1..0 # SKIP no $iommuzz" && exit 0; }

# -- help and usage --
exits 0 'help' "$iommuzz" help
exits 0 '--version' "$iommuzz" --version
exits 0 'help --help' "$iommuzz" help --help
for command in run check explore fmt min gen ops bench fuzz probe compare; do
	exits 0 "$command --help" "$iommuzz" "$command" --help
	grep -q 'EXIT STATUS' "$work/out" && grep -q 'SYNOPSIS' "$work/out"
	ok $? "$command --help is a manual page"
	says 2 "unknown option '--hepl' (did you mean '--help'?)" "$command: unknown option" \
		"$iommuzz" "$command" --hepl
done
exits 2 'no command' "$iommuzz"
says 2 "unknown command 'chekc'.*(did you mean 'check'?)" 'unknown command' "$iommuzz" chekc
says 2 'expected a release from 6.2' 'wrong release' "$iommuzz" check --kernel 5.4
says 2 '--jobs: expected a number from 1 to 64' 'wrong number' "$iommuzz" check --jobs many
says 2 '--filter needs an argument' 'missing argument' "$iommuzz" check --filter
says 2 "(did you mean 'ktap'?)" 'wrong format' "$iommuzz" check --format ktpa
says 2 '--oracles: expected all' 'wrong oracle' "$iommuzz" run --oracles modle x
says 2 "(did you mean 'IOMMU_IOAS_MAP'?)" 'wrong call' "$iommuzz" ops IOMMU_IOAS_MPA
says 2 '--seconds: expected a number from 1' 'fuzz: wrong number' "$iommuzz" fuzz --seconds 0
says 2 "(did you mean 'afl'?)" 'fuzz: wrong engine' "$iommuzz" fuzz --engine alf
says 2 'fuzz: no fuzz targets in' 'fuzz: nothing built' "$iommuzz" fuzz --build "$work"
mkdir "$work/asan" && : >"$work/asan/fuzz_abi"
says 2 "--target: expected one of fuzz_abi, found 'foo'" 'fuzz: wrong target' \
	"$iommuzz" fuzz --build "$work" --target foo

# -- broken inputs --
printf 'fd = open /dev/iommu\nIOMMU_IOAS_MAP fd lenght=1P\n' >"$work/typo.prog"
printf 'fd = open /dev/iommu\nIOMMU_IOAS_MAP fd length=' >"$work/truncated.prog"
: >"$work/empty.prog"
printf '# What was lef' >"$work/comment.prog"
printf '\001\002\000\377binary' >"$work/binary.prog"
mkdir "$work/folder" "$work/nothing"
for command in run fmt min; do
	says 2 "$work/missing.prog: No such file" "$command: missing file" "$iommuzz" $command "$work/missing.prog"
	says 2 "typo.prog:2:19: expected a field of IOMMU_IOAS_MAP, found 'lenght'" "$command: parse error" \
		"$iommuzz" $command "$work/typo.prog"
	says 2 'truncated.prog:2:26: expected' "$command: truncated file" "$iommuzz" $command "$work/truncated.prog"
	says 2 'empty.prog: empty, expected a program' "$command: empty file" "$iommuzz" $command "$work/empty.prog"
	says 2 'comment.prog: no call in it, expected a program' "$command: file cut in its first comment" \
		"$iommuzz" $command "$work/comment.prog"
done
for file in empty comment; do
	exits 2 "check: a file without a call ($file) is broken" "$iommuzz" check --target model "$work/$file.prog"
	grep -q "$file.prog: no call in it, expected a program" "$work/out"
	ok $? "check: and says so ($file)"
done
exits 2 'check: /dev/null is broken' "$iommuzz" check --target model /dev/null
"$iommuzz" check --target model - <"$golden/suite/passes.prog" 2>"$work/err" | grep -q '^ok 1 - passes$'
ok $? 'check: standard input'
"$iommuzz" check --target model - <"$work/comment.prog" >"$work/out" 2>"$work/err"
[ $? -eq 2 ] && grep -q 'standard input: no call\|-: no call' "$work/err"
ok $? 'check: standard input without a call'
says 2 'folder: is a directory, expected a program' 'run: directory' "$iommuzz" run "$work/folder"
says 2 'nothing: holds no program' 'check: folder without programs' "$iommuzz" check "$work/nothing"
says 2 'missing: No such file' 'check: missing suite' "$iommuzz" check "$work/missing"
says 2 "no test matches 'none-such'" 'check: filter that takes nothing' \
	"$iommuzz" check --filter none-such "$golden/suite"
says 2 'binary, expected a program in text form' 'fmt --check: binary file' "$iommuzz" fmt --check "$work/binary.prog"
exits 0 'fmt: a binary file is printed as text' "$iommuzz" fmt "$work/binary.prog"
if [ "$(id -u)" -ne 0 ]; then
	cp "$golden/suite/passes.prog" "$work/secret.prog" && chmod 0 "$work/secret.prog"
	says 2 'secret.prog: Permission denied' 'run: no permission' "$iommuzz" run "$work/secret.prog"
elif command -v setpriv >/dev/null; then
	cp "$golden/suite/passes.prog" "$work/secret.prog" && chmod 0 "$work/secret.prog"
	cp "$iommuzz" "$work/iommuzz" && chmod 755 "$work" "$work/iommuzz"
	says 2 'secret.prog: Permission denied' 'run: no permission' \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$work/iommuzz" run "$work/secret.prog"
else
	skip 'run: no permission' 'runs as root without setpriv'
fi

# -- writing --
cp "$golden/suite/passes.prog" "$work/passes.prog"
exits 0 'fmt --to-binary -o makes its folder' "$iommuzz" fmt --to-binary -o "$work/made" "$work/passes.prog"
"$iommuzz" fmt --from-binary "$work/made/passes" >"$work/back.prog" 2>&1 &&
	"$iommuzz" fmt --to-binary "$work/back.prog" | cmp -s - "$work/made/passes"
ok $? 'fmt: binary to text to binary'
"$iommuzz" fmt "$work/passes.prog" >"$work/formatted" && "$iommuzz" fmt -i "$work/passes.prog" &&
	cmp -s "$work/passes.prog" "$work/formatted" && "$iommuzz" fmt --check "$work/passes.prog" >/dev/null
ok $? 'fmt -i writes the canonical form, fmt --check accepts it'
printf 'fd   =   open /dev/iommu\n' >"$work/loose.prog"
exits 1 'fmt --check: a file in another form' "$iommuzz" fmt --check "$work/loose.prog"
if [ -w /dev/full ]; then
	for command in 'ops' 'help' "fmt $golden/suite/passes.prog" "run --target model $golden/suite/passes.prog" \
		"check --target model $golden/suite/passes.prog" 'gen'; do
		# shellcheck disable=SC2086
		"$iommuzz" $command >/dev/full 2>"$work/err" </dev/null
		status=$?
		[ "$status" -eq 2 ] && grep -q 'cannot write standard output: No space left' "$work/err"
		ok $? "full disk: $command"
	done
	says 2 'full: cannot write: No space left' 'full disk: --json' \
		"$iommuzz" check --target model --json /dev/full "$golden/suite/passes.prog"
fi
says 2 'nowhere/x.json: cannot write: No such file' 'check --json into a folder that is not there' \
	"$iommuzz" check --target model --json "$work/nowhere/x.json" "$golden/suite/passes.prog"
"$iommuzz" ops 2>"$work/err" | head -1 >/dev/null
ok $? 'a closed pipe is no crash'

says 2 'nowhere/x.json: cannot write: No such file' 'bench --json into a folder that is not there' \
	"$iommuzz" bench --json "$work/nowhere/x.json"

# -- what is not run --
for _ in 1 2 3 4 5; do echo 'repeat 65535: open /dev/iommu'; done >"$work/long.prog"
says 0 '1 of 2 programs were not run' 'run counts what it could not run' \
	"$iommuzz" run "$work/long.prog" "$golden/suite/passes.prog"
says 77 'long.prog: not run: ' 'min: a program that cannot be run' "$iommuzz" min "$work/long.prog"
printf 'fd = open /dev/iommu\nthread A: as = IOMMU_IOAS_ALLOC fd\nthread B: close fd\n' >"$work/threads.prog"
says 77 'threads.prog: does not fail in [0-9]* schedules$' 'min: threads that do not fail' \
	"$iommuzz" min "$work/threads.prog"
says 77 'passes.prog: does not fail' 'min: a program that does not fail' "$iommuzz" min "$golden/suite/passes.prog"

# -- min: the result is a test of the implementation without the defect --
minimise() { # DEFECT PROGRAM FAILURE
	exits 0 "min: $1" "$other" min --bug "$1" --output "$work/$1.prog" "$2"
	grep -q "$3; " "$work/err" && grep -q "^#: id $1\b" "$work/$1.prog" && grep -q ' -> ' "$work/$1.prog" &&
		grep -q '= open /dev/iommu' "$work/$1.prog"
	ok $? "min: $1: kind of failure, id, path and expectations"
	exits 0 "min: $1: check passes on the result" "$iommuzz" check "$work/$1.prog"
	exits 0 "min: $1: the result is in canonical form" "$iommuzz" fmt --check "$work/$1.prog"
	"$other" check --bug "$1" "$work/$1.prog" >"$work/out" 2>"$work/err"
	[ $? -eq 1 ]
	ok $? "min: $1: check fails with the defect"
}
if [ -x "$other" ] && "$other" check --bug ranges-last --filter none-such 2>&1 | grep -q 'no test matches'; then
	minimise release-last-kept conformance/access-kernel/pin-and-domain-of-other-ioas.prog 'audit: I5 pins'
	minimise ranges-last conformance/invariants/failed-calls-change-nothing.prog 'model: user memory'
	# A candidate that a sanitizer ends does not end min.
	minimise replace-old-put-early conformance/access-kernel/new-joined-before-callback.prog '[a-z]'
	grep -q '^on unmap ' "$work/replace-old-put-early.prog"
	ok $? 'min: a callback is written with its event'
	"$other" min --quiet --plain --bug ranges-last "$work/ranges-last.prog" >"$work/plain.prog" 2>"$work/err" &&
		[ ! -s "$work/err" ] && ! grep -q ' -> ' "$work/plain.prog"
	ok $? 'min --plain writes no expectations, min --quiet nothing else'
else
	skip 'min with defects' "no $other"
fi

# -- reporters --
timeless() { sed 's/time="[0-9.]*"/time="0"/; s/"microseconds": [0-9]*/"microseconds": 0/
	s/"commit": "[^"]*"/"commit": ""/; s/"suite": "[0-9a-f]*"/"suite": ""/; s/"start": "[^"]*"/"start": ""/'; }
for format in tap tap14 ktap junit; do
	file=$golden/$format
	[ $format = junit ] && file=$golden/junit.xml
	"$iommuzz" check --target model --format $format --json "$work/results.json" "$golden/suite" \
		2>"$work/err" | timeless >"$work/out"
	diff "$file" "$work/out" | sed 's/^/# /'
	cmp -s "$file" "$work/out"
	ok $? "reporter $format"
done
timeless <"$work/results.json" | diff "$golden/results.json" - | sed 's/^/# /'
timeless <"$work/results.json" | cmp -s "$golden/results.json" -
ok $? 'results as JSON'
exits 2 'exit 2: a broken program' "$iommuzz" check --target model "$golden/suite"
exits 1 'exit 1: a failure' "$iommuzz" check --target model "$golden/suite/fails-result.prog"
exits 1 'exit 1: an unexpected pass' "$iommuzz" check --target model "$golden/suite/known-but-passes.prog"
exits 0 'exit 0: a known failure' "$iommuzz" check --target model "$golden/suite/known-to-fail.prog"
exits 77 'exit 77: nothing could run' "$iommuzz" check --target model "$golden/suite/skipped-since.prog"
if command -v prove >/dev/null; then
	exits 0 'prove accepts a suite that passes' prove -e "$iommuzz check --target model" \
		"$golden/suite/passes.prog" "$golden/suite/known-to-fail.prog"
	exits 1 'prove sees a suite that fails' prove -e "$iommuzz check --target model" \
		"$golden/suite/fails-field.prog"
else
	skip 'prove' 'no prove here'
fi
"$iommuzz" check --target model --jobs 3 "$golden/suite" 2>/dev/null | cmp -s - "$golden/tap"
ok $? 'several workers print the same'

# -- Ctrl-C --
printf '#: id slow\nfd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\n' >"$work/slow.prog"
i=0
while [ $i -lt 4 ]; do
	printf 'repeat 65535: fill mem+0 length=16M value=%d\n' $i >>"$work/slow.prog"
	i=$((i + 1))
done
timeout --preserve-status -s INT 3 "$iommuzz" check --target model --json "$work/cut.json" "$work/slow.prog" \
	>"$work/out" 2>"$work/err"
status=$?
[ $status -eq 130 ] && grep -q 'Bail out! interrupted' "$work/out"
ok $? 'Ctrl-C ends check with 130 and says so'
[ -z "$(pgrep -f "$work/slow.prog")" ]
ok $? 'Ctrl-C leaves no worker behind'
grep -q '"interrupted": true' "$work/cut.json"
ok $? 'Ctrl-C leaves a whole JSON file'

# -- determinism: 10,000 programs, other addresses, other allocator, other compiler --
programs=10000
digest() { "$@" gen --digest --programs $programs; }
if digest "$iommuzz" >"$work/first" 2>"$work/err"; then
	digest "$iommuzz" | cmp -s - "$work/first"
	ok $? "$programs programs: the same traces in another process"
	digest setarch -R "$iommuzz" 2>/dev/null | cmp -s - "$work/first"
	ok $? 'the same traces without address space randomisation'
	GLIBC_TUNABLES=glibc.malloc.perturb=170:glibc.malloc.mmap_threshold=4096 digest "$iommuzz" |
		cmp -s - "$work/first"
	ok $? 'the same traces with another allocator'
	if [ -x "$other" ]; then
		digest "$other" | cmp -s - "$work/first"
		ok $? "the same traces from $other"
	else
		skip 'the same traces from another compiler' "no $other"
	fi
else
	echo "# $(head -3 "$work/err")"
	ok 1 "$programs programs: traces"
fi

echo "1..$number"
[ $failures -eq 0 ]
