/* SPDX-License-Identifier: Apache-2.0 */
/* Shortens a program under a predicate "same failure". */
#ifndef IOMMUZZ_FUZZ_PROG_MINIMISE_H
#define IOMMUZZ_FUZZ_PROG_MINIMISE_H

#include "fuzz/prog/prog.h"

/* Whether the candidate still fails in the same way. Must be deterministic. May give the candidate
 * another schedule (switches, and no schedule bytes), with which it is taken over. */
typedef bool (*minimise_fn)(void *context, const struct prog *candidate);

struct minimise_stats {
	uint32_t tried, remembered, calls_before, calls_after;
};

/*
 * Drops all calls behind the failing one at once, calls unrelated by handles, then runs of halving
 * length, then single calls from the back (with their dependents where they cannot do without),
 * then failures, callbacks, framing, options; then simplifies values (unset, 0, 1 page, mem+0,
 * named constants); then threads (into main, into each other), then forced switches and schedule
 * bytes; until nothing more works. Switches follow the calls that they name. Candidates are
 * remembered by hash and tried once. progress (may be NULL) is called now and then with the calls
 * left. Prog must satisfy the predicate.
 */
void prog_minimise(struct prog *prog, minimise_fn same_failure, void *context,
	void (*progress)(void *context, uint32_t calls_left), struct minimise_stats *stats);

#endif
