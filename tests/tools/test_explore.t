#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Schedules on the command line: explore, check, run, min and gen with programs that have threads. Controls: defects
# that are races are found, their schedules replay, and a schedule that does not fit is a finding.
#
# IOMMUZZ names the command (default build/release/iommuzz), IOMMUZZ_BUGS a build with switchable defects.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=$(realpath "${IOMMUZZ:-build/release/iommuzz}")
bugs=$(realpath "${IOMMUZZ_BUGS:-build/bugs/iommuzz}")
race=conformance/race
export ASAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
# shellcheck source=tests/tap.sh
. tests/tap.sh

# gives CODE PATTERN NAME COMMAND...: the exit code, and a line of the output that matches.
gives() {
	code=$1 pattern=$2 name=$3
	shift 3
	"$@" >"$work/out" 2>"$work/err" </dev/null
	[ $? -eq "$code" ] && grep -q -e "$pattern" "$work/out" "$work/err"
	ok $? "$name"
}
also() { # PATTERN NAME: in the last output
	grep -q -e "$1" "$work/out" "$work/err"
	ok $? "$2"
}

echo 'TAP version 13'
[ -x "$iommuzz" ] || { echo "1..0 # SKIP no $iommuzz" && exit 0; }

# -- explore --
program=$race/replace-unpin.prog
gives 0 'complete for bound 2: [0-9]* schedules ([0-9]* left out as repetitions), [0-9]* outcomes\{0,1\}; nothing found' \
	'explore: bound 2 to completion' "$iommuzz" explore "$program"
gives 0 'complete for bound 0: ' 'explore: bound 0' "$iommuzz" explore --bound 0 "$program"
gives 0 '(0 left out as repetitions)' 'explore: without the reduction' \
	"$iommuzz" explore --no-reduction --bound 1 "$program"
gives 0 'not complete for bound 2: 7 schedules' 'explore: a limit of runs' "$iommuzz" explore --runs 7 "$program"
gives 0 '500 schedules (random), .* of seed 3; nothing found' 'explore: random' \
	"$iommuzz" explore --schedule random --seed 3 --runs 500 "$program"
gives 0 'pct: 2 threads, [0-9]* points: .*1/(2\*[0-9]*^3).* 95 % need [0-9]* runs' 'explore: pct says its bound' \
	"$iommuzz" explore --schedule pct --depth 4 --runs 200 "$program"
gives 0 '^[^:]*: 50 schedules' 'explore: every schedule run twice' \
	"$iommuzz" explore --check-determinism --schedule random --runs 50 "$program"
gives 0 'no threads: one run' 'explore: a program without threads runs once' \
	"$iommuzz" explore tests/exec/golden/suite/passes.prog
gives 77 'has no line .schedule:' 'explore: nothing to replay' "$iommuzz" explore --schedule replay "$program"
gives 2 'expected files' 'explore: without files' "$iommuzz" explore
gives 2 'did you mean .random.' 'explore: an unknown strategy' "$iommuzz" explore --schedule randon "$program"
gives 2 'expected .*found' 'explore: an unknown oracle' "$iommuzz" explore --oracles nobody "$program"

# Options of another strategy.
gives 2 '^iommuzz: explore: --depth: expected --schedule pct with it, found bounded$' 'explore: --depth without pct' \
	"$iommuzz" explore --depth 9 "$program"
gives 2 'bound: expected --schedule bounded with it, found random' 'explore: --bound with random' \
	"$iommuzz" explore --bound 2 --schedule random "$program"
gives 2 'no-reduction: expected --schedule bounded' 'explore: --no-reduction with pct' \
	"$iommuzz" explore --schedule pct --no-reduction "$program"
gives 2 'seed: expected --schedule random or pct' 'explore: --seed with bounded' "$iommuzz" explore --seed 2 "$program"
gives 2 'runs: expected --schedule bounded, random or pct' 'explore: --runs with plain' \
	"$iommuzz" explore --schedule plain --runs 2 "$program"

# Findings whose schedule no line says.
head='fd = open /dev/iommu'
alloc='repeat 1000: IOMMU_IOAS_ALLOC fd'
printf '%s\nthread A: %s\nthread B: %s\nIOMMU_DESTROY fd id=1 -> EPERM\n' "$head" "$alloc" "$alloc" >"$work/long.prog"
gives 1 'see it again: iommuzz explore --schedule random --seed 3 --runs 1 ' 'explore: too many switches: the search' \
	"$iommuzz" explore --schedule random --seed 3 --runs 5 --out "$work/none.prog" "$work/long.prog"
also 'none.prog: not written: ' 'and --out writes no other schedule'
[ ! -e "$work/none.prog" ] && ! grep -q 'that line' "$work/out"
ok $? 'and no line is spoken of'
printf '%s\nthread A: IOMMU_IOAS_ALLOC fd -> EPERM\nthread B: IOMMU_IOAS_ALLOC fd\n' "$head" >"$work/first.prog"
gives 1 'see it again: iommuzz run [^ ]*first.prog, iommuzz run --timeline' 'explore: no switch: the program itself' \
	"$iommuzz" explore "$work/first.prog"
! grep -q 'that line' "$work/out"
ok $? 'and no line is spoken of'

# Inputs of fuzz_race: calls without threads are dealt to two.
printf '%s\nIOMMU_IOAS_ALLOC fd\nIOMMU_IOAS_ALLOC fd\nIOMMU_IOAS_ALLOC fd\n' "$head" >"$work/dealt.prog"
"$iommuzz" fmt --to-binary "$work/dealt.prog" >"$work/dealt"
gives 0 'complete for bound 2: [0-9]* schedules' 'explore --binary: the program that fuzz_race makes' \
	"$iommuzz" explore --binary "$work/dealt"
gives 0 'no threads' 'control: as text it has no threads' "$iommuzz" explore "$work/dealt.prog"

# A defect that this build does not have.
printf '#: sim bug=change-keeps-lock\n%s\n' "$head" >"$work/defect.prog"
if "$iommuzz" explore --bug change-keeps-lock "$work/defect.prog" 2>&1 | grep -q 'no switchable defects'; then
	gives 77 '^[^ ]*defect.prog: not run: needs the bugs build$' 'run: sim bug=' "$iommuzz" run "$work/defect.prog"
	gives 77 'needs the bugs build' 'run --timeline: likewise' "$iommuzz" run --timeline "$work/defect.prog"
	gives 77 'needs the bugs build' 'run --target model: likewise' "$iommuzz" run --target model "$work/defect.prog"
	gives 77 'defect.prog: not run: needs the bugs build$' 'min: likewise' "$iommuzz" min "$work/defect.prog"
fi

# -- stress --
echo 'no such call' >"$work/bad.prog"
gives 2 'bad.prog:1:1: expected a call' 'stress: a file that does not parse' \
	"$iommuzz" stress --runs 1 "$work/bad.prog" "$program"
gives 0 '^1 runs of 1 programs' 'control: without it' "$iommuzz" stress --runs 1 "$program"

# An expectation that only some schedules break.
sed -e '/^#: id/d' -e 's/^thread B: \(access_unpin .*\)$/thread B: \1 -> ENOTTY/' "$program" >"$work/wrong.prog"
gives 1 'check: expectation' 'explore: the expectations of the program count' "$iommuzz" explore "$work/wrong.prog"
gives 1 'expected ENOTTY' 'check: likewise' "$iommuzz" check "$work/wrong.prog"
also 'schedule 1; to see it: iommuzz explore --schedule random --seed 1 ' 'check: says how to see it'

# -- check --
gives 0 '^# programs with threads: 1000 schedules of seed 1$' 'check: 1000 schedules' "$iommuzz" check "$program"
gives 0 '^# programs with threads: 20 schedules of seed 9$' 'check: a number and a seed' \
	"$iommuzz" check --schedules 20 --seed 9 "$program"
gives 0 '^ok 1 - replace-unpin # bound 1: [0-9]* schedules, ' 'check --explore prints the number of schedules' \
	"$iommuzz" check --explore 1 "$program"
sed -e 's/^thread B: \(access_unpin .*\)$/thread B: \1 -> 0 | EBUSY/' "$program" >"$work/replace-unpin.prog"
gives 0 'allowed, and not seen: line [0-9]*: EBUSY$' 'check --verbose: what no schedule gave' \
	"$iommuzz" check --verbose "$work/replace-unpin.prog"
"$iommuzz" check "$work/replace-unpin.prog" | grep -q 'not seen'
[ $? -eq 1 ]
ok $? 'check: without --verbose it is not told'
gives 0 '^ok 1' 'check: threads of the model' "$iommuzz" check --target model "$program"

# -- run --
gives 0 'access_unpin' 'run: one random schedule' "$iommuzz" run --schedule random --seed 4 "$program"
gives 2 'iommuzz explore makes them' 'run: bounded is many' "$iommuzz" run --schedule bounded "$program"
gives 2 'has no line .schedule:' 'run: nothing to replay' "$iommuzz" run --schedule replay "$program"
sed -e '/^#: id/i #: schedule: A.0@lock(iova_rwsem)#900 -> B' "$program" >"$work/lost.prog"
gives 1 'forced switch 1 of the schedule did not happen' 'run: a forced switch that does not happen' \
	"$iommuzz" run "$work/lost.prog"

# -- gen --
gives 0 '^thread B: ' 'gen --threads' "$iommuzz" gen --threads 2 --seed 5 --programs 3
gives 0 '^5 programs of seed 2, 0 not run, 0 with a finding' 'gen --check runs them under schedules' \
	"$iommuzz" gen --check --threads 2 --schedules 50 --seed 2 --programs 5
gives 2 'threads' 'gen: too many threads' "$iommuzz" gen --threads 9

# -- Ctrl-C: setsid, since shells ignore it in the background --
if command -v setsid >/dev/null; then
	setsid "$iommuzz" explore --schedule random --seconds 60 "$program" >"$work/out" 2>"$work/err" &
	explorer=$!
	sleep 1
	kill -INT $explorer
	wait $explorer
	[ $? -eq 130 ] && grep -q '[1-9][0-9]* schedules (random).*, interrupted; nothing found' "$work/out"
	ok $? 'explore: Ctrl-C ends it with what was counted'
fi

# -- controls: races --
if [ -x "$bugs" ]; then
	program=$race/close-access-unmap.prog
	gives 1 'crash: AddressSanitizer: heap-use-after-free' 'control: a race at bound 2' \
		"$bugs" explore --bug counters-two-steps --out "$work/found.prog" "$program"
	also '^  #: schedule: A\.0@' 'its schedule is printed'
	also 'replayed twice: the same finding, the same crash' 'it is replayed'
	gives 1 'heap-use-after-free' 'the program that --out wrote shows it' "$bugs" run "$work/found.prog"
	gives 1 'thread A: crash: AddressSanitizer: heap-use-after-free$' 'run --timeline: the picture of a crash' \
		env COLUMNS=100 LC_ALL=C "$bugs" run --timeline --svg "$work/found.svg" "$work/found.prog"
	also '^ *ERROR: AddressSanitizer: heap-use-after-free, [A-Z]* of size' 'the first line of the report'
	grep -q ' put -*>' "$work/out" && grep -q '^ *[0-9]* [X!x*].*crash$' "$work/out"
	ok $? 'the run up to there, and its last point marked'
	grep -q 'heap-use-after-free' "$work/found.svg" && tail -n 1 "$work/found.svg" | grep -q '</svg>'
	ok $? 'run --svg: likewise'
	also '^==[0-9]*==ERROR: AddressSanitizer' 'and the report itself'
	old=conformance/access-kernel/new-joined-before-callback.prog
	"$bugs" explore --quiet --bug replace-old-put-early --out "$work/main.prog" $old >"$work/out" 2>"$work/err"
	gives 1 'crash: AddressSanitizer' 'run --timeline: a crash of the main thread' \
		"$bugs" run --timeline "$work/main.prog"
	also 'access_replace acc ioas_id=as2$' 'with the call that did not return'
	replay=$(dirname "$bugs")/fuzz_race_replay
	if [ -x "$replay" ]; then
		"$bugs" fmt --to-binary $race/access-replace-replace.prog >"$work/input"
		IOMMUZZ_PROGRAM=$work/raced.prog IOMMUZZ_BUG=change-keeps-lock "$replay" "$work/input" \
			>"$work/out" 2>"$work/err"
		gives 1 'lock-held-at-callback' 'fuzz_race: the program has the defect in it' \
			"$bugs" run "$work/raced.prog"
	fi
	program=$race/access-replace-replace.prog
	gives 1 'replayed twice: the same finding, the same trace and steps' 'control: a finding of an oracle' \
		"$bugs" explore --bug change-keeps-lock "$program"
	gives 0 'complete for bound 0' 'which needs a preemption' \
		"$bugs" explore --bug change-keeps-lock --bound 0 "$program"
	gives 1 'schedules with it' 'explore --keep-going counts it' \
		"$bugs" explore --bug change-keeps-lock --keep-going --bound 1 "$program"
	gives 1 "schedule: 'schedule: " 'control: check finds it, with its schedule' \
		"$bugs" check --bug change-keeps-lock "$program"
	gives 1 '^# to see it: iommuzz explore ' 'control: check says how to see a crash' \
		"$bugs" check --bug counters-two-steps $race/close-access-unmap.prog
	gives 1 'lock-held-at-callback' 'explore --schedule pct finds it' \
		"$bugs" explore --bug change-keeps-lock --schedule pct "$program"
	gives 0 'fails 1000 of 1000 times, with 1 forced switch$' 'min: a race' \
		"$bugs" min --bug change-keeps-lock -O "$work/small.prog" "$program"
	[ "$(grep -c '^thread ' "$work/small.prog")" -eq 2 ] && grep -q '^#: schedule: ' "$work/small.prog"
	ok $? 'min: two calls in threads are left, and the schedule'
	gives 1 'lock-held-at-callback' 'min: the result replays' \
		"$bugs" explore --schedule replay --bug change-keeps-lock "$work/small.prog"
	gives 0 'replay' 'and does not fail without the defect' \
		"$bugs" explore --schedule replay --oracles machine "$work/small.prog"
fi

echo "1..$number"
[ $failures -eq 0 ]
