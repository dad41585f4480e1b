/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All interleavings of a few calls on the model: threads are fibers, each phase is a choice, and
 * every sequence of choices is run on a fresh machine. What came out is a set of texts.
 */
#ifndef IOMMUZZ_TESTS_MODEL_RACE_H
#define IOMMUZZ_TESTS_MODEL_RACE_H

#include "tests/model/machine.h"

#define RACE_THREADS 3

typedef void (*race_body)(struct machine *machine);

struct race {
	const char *name;
	race_body before;		 /* of main, alone; may be NULL */
	race_body threads[RACE_THREADS]; /* from the first, NULL: none */
	race_body after;		 /* of main, alone; may be NULL */
	/* outcomes, each "results of A | of B | of main behind them", ended by NULL */
	const char *const *expected;
};

/* The running thread, or main, adds a result to the outcome: an errno name or a number. */
void race_say(int64_t result);
/*
 * Runs every interleaving, *runs in all. True when exactly the expected outcomes came, each at
 * least once, and no run ended with threads that wait for each other; otherwise prints what came.
 */
bool race_holds(const struct race *race, unsigned *runs);

#endif
