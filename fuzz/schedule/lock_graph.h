/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which lock classes were asked for while which others were held, over all runs: a cycle is a
 * deadlock that some schedule has, reported at the first inversion, whether or not it happened. The
 * order that the specification gives (12.1) is there from the start.
 */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_LOCK_GRAPH_H
#define IOMMUZZ_FUZZ_SCHEDULE_LOCK_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/sim/lock.h"

struct lock_graph {
	uint64_t before[LOCK_CLASS_COUNT]; /* classes held when that one was asked for */
	uint64_t said[LOCK_CLASS_COUNT];   /* inversions that were reported */
};

/* The order of the specification and nothing else. */
void lock_graph_init(struct lock_graph *graph);
/*
 * A lock of that class is asked for while those of `held` (bit: class) are held. False at the first
 * time that this closes a cycle: text says which, as "iova_rwsem -> pages_mutex -> iova_rwsem".
 * Locks of one class among each other are not judged.
 */
bool lock_graph_ask(
	struct lock_graph *graph, uint16_t class, uint64_t held, char *text, size_t size);

#endif
