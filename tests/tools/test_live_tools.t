#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a real kernel's tools do where there is none: exit codes and messages, probe, compare, the suites compiled in.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=$(realpath "${IOMMUZZ:-build/release/iommuzz}")
golden=tests/tools/golden
# shellcheck source=tests/tap.sh
. tests/tap.sh

# says CODE PATTERN NAME COMMAND...: the exit code, and exactly one line on standard error that matches.
says() {
	code=$1 pattern=$2 name=$3
	shift 3
	"$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ $status -eq "$code" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q -e "$pattern" "$work/err"
	ok $? "$name"
}
exits() { # CODE NAME COMMAND...
	code=$1 name=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err" </dev/null
	[ $? -eq "$code" ]
	ok $? "$name"
}
is_json() { # FILE
	if command -v python3 >/dev/null; then
		python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1" 2>"$work/err"
	else
		grep -q '^{' "$1" && grep -q '^}' "$1"
	fi
}

[ -x "$iommuzz" ] || { echo "1..0 # SKIP no $iommuzz" && exit 0; }

# -- no kernel to test --
if [ ! -e /dev/iommu ]; then
	passes=tests/exec/golden/suite/passes.prog
	for command in check run min; do
		says 77 "iommuzz: $command: --target live: no /dev/iommu on this machine" "$command without /dev/iommu" \
			"$iommuzz" "$command" --target live "$passes"
	done
	says 77 'no /dev/iommu on this machine' 'a device is not looked at without /dev/iommu' \
		"$iommuzz" check --target live --device 0000:00:02.0 "$passes"
	says 77 'no /dev/iommu on this machine' 'probe without /dev/iommu' "$iommuzz" probe
	grep -q '^/dev/iommu  *no /dev/iommu' "$work/out" && grep -q '^  0x85 IOMMU_IOAS_MAP ' "$work/out" &&
		grep -q '^  test  *no ' "$work/out"
	ok $? 'probe shows the machine, needs with reasons, and ioctls'
	says 77 'no /dev/iommu on this machine' 'probe --json without /dev/iommu' "$iommuzz" probe --json
	is_json "$work/out" && grep -q '"iommu": false' "$work/out" && grep -q '"name": "test", "met": false' "$work/out"
	ok $? 'probe --json is JSON'
else
	skip 'without /dev/iommu' 'this machine has one'
fi
says 2 '--device is for --target live' 'a device for the implementation' "$iommuzz" check --device 0000:00:02.0
says 2 "expected inproc, model or live, found 'lvie' (did you mean 'live'?)" 'wrong target' \
	"$iommuzz" check --target lvie
says 2 'call-timeout: expected a number from 1' 'wrong time limit' "$iommuzz" check --call-timeout 0
says 2 "probe: expected no argument, found 'x'" 'probe: an argument' "$iommuzz" probe x

# -- the suites compiled in --
exits 0 'check --list' "$iommuzz" check --list
sort "$work/out" >"$work/tree"
exits 0 'check --embedded --list' "$iommuzz" check --embedded --list
sort "$work/out" | cmp -s - "$work/tree"
ok $? 'both suites have the same tests'
(cd "$work" && cp "$iommuzz" alone && ./alone check --list) | sort | cmp -s - "$work/tree"
ok $? 'they are found where no source tree is'
"$iommuzz" check --requirements >"$work/requirements" 2>"$work/err"
status=$?
exits $status 'check --embedded --requirements' "$iommuzz" check --embedded --requirements
cmp -s "$work/out" "$work/requirements"
ok $? 'both suites show the same requirements'
for suite in '' --embedded; do
	# shellcheck disable=SC2086
	exits 0 "check $suite" "$iommuzz" check $suite --filter 'map-*' --json "$work/suite$suite.json"
done
grep -o '"suite": "[^"]*"' "$work/suite.json" >"$work/digest"
[ -s "$work/digest" ] && grep -o '"suite": "[^"]*"' "$work/suite--embedded.json" | cmp -s - "$work/digest"
ok $? 'both are the same version of the suite'
grep -q '"suite": "0000000000000000"' "$work/suite.json"
[ $? -eq 1 ]
ok $? 'which is a digest'

# -- compare --
exits 1 'compare: new failures' "$iommuzz" compare $golden/old.json $golden/new.json
diff $golden/compare "$work/out" | sed 's/^/# /'
cmp -s $golden/compare "$work/out"
ok $? 'compare prints what changed'
"$iommuzz" compare $golden/new.json $golden/old.json 2>"$work/err" | cmp -s - $golden/compare-back
ok $? 'compare prints what changed back'
exits 0 'compare: nothing changed' "$iommuzz" compare $golden/new.json $golden/new.json
[ "$(wc -l <"$work/out")" -eq 1 ]
ok $? 'and nothing but numbers is printed'
sed '/"breaks"/d; /"unexpected"/d; /"gains-need-and-fails"/d; /,$/!{/"added-and-fails"/d}' $golden/new.json |
	sed 's/\("id": "added".*\),$/\1/' >"$work/fewer.json"
exits 0 'compare: vanished tests and skips are no failure' "$iommuzz" compare $golden/old.json "$work/fewer.json"
exits 0 'compare: results of check' "$iommuzz" compare "$work/suite.json" "$work/suite--embedded.json"
says 2 'missing.json: No such file' 'compare: missing file' "$iommuzz" compare "$work/missing.json" $golden/new.json
says 2 'compare: expected two files' 'compare: one file' "$iommuzz" compare $golden/new.json
: >"$work/empty.json"
says 2 'empty.json: empty, expected results' 'compare: empty file' "$iommuzz" compare $golden/old.json "$work/empty.json"
head -c 700 $golden/old.json >"$work/cut.json"
says 2 'cut.json:[0-9]*:[0-9]*: expected JSON' 'compare: cut file' "$iommuzz" compare "$work/cut.json" $golden/new.json
printf '{"tests": [}' >"$work/wrong.json"
says 2 'wrong.json:1:12: expected JSON' 'compare: the place of an error' \
	"$iommuzz" compare "$work/wrong.json" $golden/new.json
printf '{"tests": []} x' >"$work/more.json"
says 2 'more.json:1:15: expected JSON' 'compare: something behind it' "$iommuzz" compare "$work/more.json" "$work/more.json"
printf '[1, 2]' >"$work/list.json"
says 2 'list.json: tests: expected the list' 'compare: other JSON' "$iommuzz" compare "$work/list.json" $golden/new.json
printf '{"tests": [{"id": "a", "status": "passed"}]}' >"$work/status.json"
says 2 "status.json: tests\[0\].status: expected pass, .*found 'passed'" 'compare: unknown status' \
	"$iommuzz" compare "$work/status.json" $golden/new.json
printf '{"tests": [{"status": "pass"}]}' >"$work/id.json"
says 2 'id.json: tests\[0\].id: expected' 'compare: a test without id' "$iommuzz" compare "$work/id.json" $golden/new.json
awk 'BEGIN { for (i = 0; i < 3000; i++) printf "[" }' >"$work/deep.json"
says 2 'deep.json:1:[0-9]*: expected JSON' 'compare: deeper than any result' \
	"$iommuzz" compare "$work/deep.json" $golden/new.json
sed 's/"interrupted": false/"interrupted": true/' "$work/suite.json" >"$work/interrupted.json"
exits 2 'compare: a new run that was interrupted proves nothing' "$iommuzz" compare "$work/suite.json" "$work/interrupted.json"
grep -q '^note: .*interrupted.json: interrupted, ' "$work/out"
ok $? 'compare: and says so'
exits 0 'compare: an old one can be compared with' "$iommuzz" compare "$work/interrupted.json" "$work/suite.json"
grep -q '^note: .*interrupted.json: interrupted, ' "$work/out"
ok $? 'compare: and is named'
exits 2 'vm table: interrupted results' "$iommuzz" vm table "$work/interrupted.json"
grep -q '^note: .*interrupted.json: interrupted, ' "$work/out"
ok $? 'vm table: are named'
says 2 'cut.json:[0-9]*:[0-9]*: expected JSON' 'vm table: cut file' "$iommuzz" vm table "$work/cut.json"
says 2 'expected a file of results' 'compare: folders' "$iommuzz" compare "$work" "$work"
"$iommuzz" compare $golden/new.json $golden/new.json >/dev/full 2>"$work/err"
[ $? -eq 2 ] && [ "$(wc -l <"$work/err")" -eq 1 ]
ok $? 'compare: a full disk is told once'
awk 'BEGIN { print "{\"tests\": ["; for (i = 0; i < 200000; i++) printf "%s{\"id\": \"t%d\", \"status\": \"pass\"}\n",
	i ? "," : "", (i * 7919) % 200000; print "]}" }' >"$work/huge.json"
exits 0 'compare: 200,000 tests' timeout 20 "$iommuzz" compare "$work/huge.json" "$work/huge.json"
grep -q '200000 tests before, 200000 now' "$work/out"
ok $? 'compare: and all were read'

echo "1..$number"
[ $failures -eq 0 ]
