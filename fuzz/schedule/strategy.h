/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategies: who runs next. A strategy makes one run after another, each of a fresh machine, and
 * knows when it has no more. All are deterministic from their arguments.
 */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_STRATEGY_H
#define IOMMUZZ_FUZZ_SCHEDULE_STRATEGY_H

#include "fuzz/prog/prog.h"
#include "fuzz/schedule/scheduler.h"

struct strategy {
	const char *name;
	/* Before each run. False: there is no other run to make. */
	bool (*begin)(struct strategy *strategy, struct scheduler *scheduler);
	/*
	 * At step `step` (already in scheduler_steps, but for `next`). ready: bit t: thread t can
	 * run. current: who stands at the point, and is in ready unless it blocked or ended (main:
	 * the section begins). Returns one of ready.
	 */
	unsigned (*choose)(struct strategy *strategy, struct scheduler *scheduler, unsigned current,
		uint32_t ready, uint32_t step);
	/* Behind each run. */
	void (*end)(struct strategy *strategy, struct scheduler *scheduler, enum scheduler_end end);
	void (*close)(struct strategy *strategy); /* frees it */
};

/* Who runs when nobody decides: the current thread if it can, else the lowest one. */
unsigned strategy_default(unsigned current, uint32_t ready);

/* All of these: NULL when host memory is short; ended by strategy->close. */

/* One run until blocked, without forced switches. */
struct strategy *strategy_plain(void);
/* One run with the program's forced switches. One whose place does not come is a finding of its
 * own: strategy_replay_lost names it. */
struct strategy *strategy_replay(const struct schedule_switch *switches, uint32_t count);
/* After a run of strategy_replay: index of the first switch that did not happen, or -1. */
int64_t strategy_replay_lost(const struct strategy *strategy);
/* `runs` random walks: at each point every ready thread is as likely. 0: without end. */
struct strategy *strategy_random(uint64_t seed, uint64_t runs);
/*
 * `runs` runs with random priorities and depth - 1 places where the running thread becomes the last
 * (PCT). The first run learns the length.
 */
struct strategy *strategy_pct(uint64_t seed, unsigned depth, uint64_t runs);
/* The probability that one run finds a defect of that depth: 1 / (n * k^(d-1)); threads and length
 * as learned. */
double strategy_pct_bound(const struct strategy *strategy, unsigned *threads, uint32_t *length);
/*
 * All runs with at most `bound` preemptions. reduce: leaves out those that only repeat another one
 * (docs/SCHEDULES.md says why that loses nothing).
 */
struct strategy *strategy_bounded(unsigned bound, bool reduce);
/* Runs made and left out so far; complete: all were made. */
struct strategy_progress {
	uint64_t runs, left_out;
	bool complete;
};
void strategy_bounded_progress(const struct strategy *strategy, struct strategy_progress *progress);
/*
 * One run, decided by bytes: each says for how many points the current thread stays (low 6 bits,
 * schedule_stay) and which other ready thread follows (high 2 bits). Behind the last one: until
 * blocked. bytes stay the caller's.
 */
struct strategy *strategy_bytes(const uint8_t *bytes, uint32_t count);
uint32_t schedule_stay(uint8_t byte);

/* The forced switch from the thread at that step to another one. */
struct schedule_switch schedule_switch_at(
	const struct scheduler_step *steps, uint32_t step, unsigned to);
/*
 * The forced switches of a finished run, for `schedule:`: where someone else ran than
 * strategy_default says. Appended to the program (emptied first). False: too many.
 */
bool schedule_of_run(const struct scheduler *scheduler, struct prog *prog);

#endif
