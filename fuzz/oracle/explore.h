/* SPDX-License-Identifier: Apache-2.0 */
/* Many schedules of one program, under the oracles. */
#ifndef IOMMUZZ_FUZZ_ORACLE_EXPLORE_H
#define IOMMUZZ_FUZZ_ORACLE_EXPLORE_H

#include "fuzz/oracle/oracle.h"
#include "fuzz/schedule/strategy.h"

struct explore {
	struct oracle_run *run;	   /* the caller's */
	struct strategy *strategy; /* the caller's; made for this exploration */
	uint64_t runs_max;	   /* 0: until the strategy has no more */
	/* After a run without a finding: false with a filled finding ends the exploration. May be
	 * NULL. */
	bool (*judge)(void *context, struct finding *finding);
	/* Now and then; false ends it (interrupted). May be NULL. */
	bool (*progress)(void *context, const struct explore *explore);
	void *context;
	/* What came of it. */
	uint64_t runs, steps, preemptions;
	uint64_t outcomes; /* different ones, by what each thread saw; counted up to
			      EXPLORE_OUTCOMES */
	bool complete;	   /* the strategy has no more runs */
	bool interrupted;
	uint64_t *digests; /* of outcomes; freed by explore_free */
};
#define EXPLORE_OUTCOMES 65536u

/*
 * Runs the program until something is found, the strategy ends or runs_max is reached. False:
 * found; then oracle_trace and oracle_scheduler show that run. A program without threads runs once.
 */
bool explore_program(struct explore *explore, const struct prog *prog, struct finding *finding);
/* Frees what explore_program gathered; the struct can be used again. */
void explore_free(struct explore *explore);

#endif
