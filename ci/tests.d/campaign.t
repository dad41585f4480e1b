#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `iommuzz fuzz` with engines played by scripts: exit codes, the table, findings, Ctrl-C.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=${IOMMUZZ:-build/release/iommuzz}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
mkdir "$build/asan"

engine() { # NAME: reads the script of a fake fuzz target
	{ echo '#!/bin/sh' && cat; } >"$build/asan/$1"
	chmod +x "$build/asan/$1"
}
engine fuzz_clean <<'EOF'
echo "#4096	pulse  cov: 17 ft: 20 corp: 5/20b lim: 4 exec/s: 2048 rss: 30Mb"
EOF
engine fuzz_broken <<'EOF'
echo "no such luck"; exit 3
EOF
engine fuzz_abi <<'EOF'
for word; do case $word in -artifact_prefix=*) echo hello >"${word#*=}crash-1" ;; esac; done
echo "#9	NEW    cov: 3 ft: 3 corp: 2/2b exec/s: 0 rss: 30Mb"; exit 77
EOF
engine fuzz_endless <<'EOF'
trap 'exit 72' INT
echo "#8	NEW    cov: 3 ft: 3 corp: 2/2b exec/s: 4 rss: 30Mb"
while :; do sleep 0.1; done
EOF
campaign() { "$iommuzz" fuzz --build "$build" --seconds "$@" 2>&1; }

number=0
point() { # NAME CODE WANTED-CODE OUTPUT PATTERN
	number=$((number + 1))
	if [ "$2" = "$3" ] && echo "$4" | grep -q -e "$5"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		echo "exit $2, $3 expected, with $5 in: $4" | sed 's/^/# /' >&2
	fi
}

echo 1..10
output=$(campaign 5 --target fuzz_clean)
point "nothing found" $? 0 "$output" 'fuzz_clean .* 4096 .* 5 *17 *- *0$'
output=$(campaign 5 --target fuzz_abi)
point "a finding, shown" $? 1 "$output" '68 65 6c 6c 6f 0a .*hello'
engine fuzz_abi_replay <<'EOF'
echo 'fd = open /dev/iommu' >"$IOMMUZZ_PROGRAM"; echo "model: result"
EOF
output=$(campaign 5 --target fuzz_abi)
point "a finding, shown as the program that the target made of it" $? 1 "$output" '^    fd = open /dev/iommu$'
output=$(find "$build/campaign" -name crash-1.prog -exec "$iommuzz" run {} + 2>&1)
point "and kept as a file that runs" $? 0 "$output" 'fd = open /dev/iommu'
output=$(campaign 5 --target fuzz_broken)
point "an engine that cannot run" $? 2 "$output" 'fuzz_broken could not run: no such luck'
output=$(campaign 5 --target fuzz_clean --target fuzz_abi)
point "two targets, one finding" $? 1 "$output" 'fuzz_clean .* 0$'
output=$(campaign 5 --target fuzz_none)
point "an unknown target" $? 2 "$output" '--target: expected one of fuzz_abi, .* found .fuzz_none.'
output=$(campaign none)
point "an unreadable number" $? 2 "$output" '--seconds: expected a number from 1'
output=$(timeout --preserve-status -s INT 1 "$iommuzz" fuzz --build "$build" --target fuzz_endless)
point "interrupted, with its summary" $? 130 "$output" 'fuzz_endless .* 8 '
output=$("$iommuzz" fuzz --help)
point "help" $? 0 "$output" '^EXIT STATUS'
