/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse arrays of pointers, indexed by u64; what was never set is NULL and takes no memory. No
 * locks inside. */
#ifndef IOMMUZZ_SIM_MM_RADIX_H
#define IOMMUZZ_SIM_MM_RADIX_H

#include <stdint.h>

struct radix;
struct sim;

#define RADIX_BITS   5u
#define RADIX_FANOUT (1u << RADIX_BITS)

/* What is stored at index, NULL if nothing is. */
void *radix_get(const struct radix *radix, uint64_t index);
/*
 * Where index is kept; NULL: host memory. The slots of one group of RADIX_FANOUT (aligned) lie side
 * by side and stay in place until radix_clear.
 */
void **radix_slot(struct sim *sim, struct radix *radix, uint64_t index);
/* The first pointer at or after *index, which becomes its index; NULL when there is none. */
void *radix_next(const struct radix *radix, uint64_t *index);
/* Forgets all; what the pointers lead to is the caller's. */
void radix_clear(struct sim *sim, struct radix *radix);

#endif
