/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of tests that run under a scheduler without a program: each is a function. */
#ifndef IOMMUZZ_TESTS_SCHEDULE_CREW_H
#define IOMMUZZ_TESTS_SCHEDULE_CREW_H

#include "fuzz/schedule/strategy.h"
#include "impl/sim/sim.h"

struct crew {
	struct scheduler *scheduler;
	void (*threads[SCHEDULER_THREADS])(struct crew *crew, unsigned thread); /* from 1 */
	void (*before)(struct crew *crew); /* each run begins with it */
	struct sim *sim;		   /* in fiber mode, with the scheduler; NULL: none */
	void *state;
	/* Of the last run. */
	enum scheduler_end end;
};

/* A scheduler, and a machine whose threads it runs if wanted. */
bool crew_open(struct crew *crew, bool with_sim);
void crew_close(struct crew *crew);
/* The machine's threads were left in the middle: it is given up, and crew_close may follow. */
void crew_abandon(struct crew *crew);
/* One run, whose strategy has begun. */
enum scheduler_end crew_run(struct crew *crew, struct strategy *strategy);
/* All runs of the strategy, at most `most`, until `seen` says stop (NULL: never); how many. Closes
 * the strategy. */
uint64_t crew_run_all(struct crew *crew, struct strategy *strategy, uint64_t most,
	bool (*seen)(struct crew *crew));
/* The thread's task in the machine. */
struct task *crew_task(struct crew *crew, unsigned thread);

#endif
