/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a program with two to four threads of any program: every input of fuzz_race is one. */
#ifndef IOMMUZZ_FUZZ_TARGETS_RACE_PROG_H
#define IOMMUZZ_FUZZ_TARGETS_RACE_PROG_H

#include "fuzz/prog/prog.h"

#define RACE_THREADS 4 /* at most; further ones are folded onto these */
/*
 * Calls of a thread at most, over all sections, and repeats of each: orders to search through grow
 * with every call.
 */
#define RACE_CALLS   6
#define RACE_REPEATS 2

/*
 * Total, and the same for the same program. Threads E to H become A to D; calls of a program
 * without threads are dealt: the first half stays in main, the others go to A and B in turn; those
 * of a program with one thread are shared with a second one. Waits that never end are dropped.
 * Forced switches of programs that were changed so are dropped.
 */
void race_fit(struct prog *prog);

#endif
