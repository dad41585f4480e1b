/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the minimiser share. */
#ifndef IOMMUZZ_FUZZ_PROG_MINIMISE_PRIVATE_H
#define IOMMUZZ_FUZZ_PROG_MINIMISE_PRIVATE_H

#include "fuzz/prog/minimise.h"

struct minimiser {
	struct prog *best;
	struct prog candidate;
	minimise_fn same_failure;
	void *context;
	void (*progress)(void *context, uint32_t calls_left);
	uint64_t *seen;
	uint8_t *buffer, *drop;
	size_t room;
	struct minimise_stats stats;
};

/* Repairs the candidate and takes it over when it is new and fails in the same way. */
bool minimise_try(struct minimiser *m);

/* minimise_threads.c: calls into main, whole threads into others, names without gaps. */
void minimise_threads(struct minimiser *m);
/* Switches and schedule bytes: as few as possible. */
void minimise_switches(struct minimiser *m);

#endif
