/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of threads: what the implementation did must be what the reference model does in some
 * order of the steps that the specification names (3.7, 3.9, 7.3, 12). The order is searched for:
 * depth first, with the order in which the implementation took its locks as a first guess, giving a
 * run up at the first result that differs.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_INTERLEAVE_H
#define IOMMUZZ_FUZZ_ORACLE_INTERLEAVE_H

#include "fuzz/oracle/step.h"

struct interleave;

/* model: an executor of target_model, which stays the caller's. NULL when memory is short. */
struct interleave *interleave_open(struct exec *model);
void interleave_close(struct interleave *interleave);

/* A failure that was injected into a call of the main thread. */
struct interleave_injected {
	bool injected;
	uint8_t point;
	uint16_t nth;
	int64_t error;
};

/* What the implementation did. */
struct interleave_seen {
	const struct prog *prog;
	const struct trace *trace;
	/* Of that run: its steps and holds. NULL: threads ran at once; then the order in which
	 * calls ended is the first guess, and changes of user memory are not compared. */
	const struct scheduler *scheduler;
	const struct interleave_injected *injected; /* one a call of the program */
};

/*
 * Whether some order of the model's steps gives the same results, outputs and callbacks to every
 * thread, and the same to the main thread behind them. Else the finding is filled. A search that
 * takes too long finds nothing and counts in interleave_undecided.
 */
bool interleave_check(
	struct interleave *interleave, const struct interleave_seen *seen, struct finding *finding);
/* Another program: results that were right for the last one are forgotten. */
void interleave_forget(struct interleave *interleave);
/* Runs of the model in one search at most; by default INTERLEAVE_RUNS. */
#define INTERLEAVE_RUNS 26000u
void interleave_set_limit(struct interleave *interleave, uint32_t runs);
/* Searches that were given up; runs of the model in all searches. */
uint64_t interleave_undecided(const struct interleave *interleave);
uint64_t interleave_runs(const struct interleave *interleave);

#endif
