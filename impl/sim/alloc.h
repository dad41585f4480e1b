/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of a sim. Sanitizer builds: one malloc an object. Release builds: a resettable
 * arena with size classes; all memory is given back by sim_reset at once. Returned memory is
 * zeroed.
 */
#ifndef IOMMUZZ_SIM_ALLOC_H
#define IOMMUZZ_SIM_ALLOC_H

#include <stddef.h>
#include <stdint.h>

struct task;
struct sim;

/* Fallible: passes the fault point ALLOC, may sleep. NULL: the caller returns -ENOMEM. */
void *sim_alloc(struct task *task, size_t size);
/* Fallible array; NULL also on overflow. */
void *sim_alloc_array(struct task *task, size_t count, size_t size);
/* Bookkeeping of the simulation itself, no fault point; NULL only when host memory is short. */
void *sim_alloc_internal(struct sim *sim, size_t size);
/* size as given at allocation. NULL is fine. */
void sim_free(struct task *task, void *object, size_t size);
void sim_free_internal(struct sim *sim, void *object, size_t size);
/* Objects and bytes now allocated with sim_alloc: 0 at the end of a run without leaks. */
uint64_t sim_alloc_objects(const struct sim *sim);

#endif
