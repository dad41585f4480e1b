/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scheduling point at every access of the implementation to memory that threads share, for builds
 * with IOMMUZZ_EVERY_ACCESS (docs/SCHEDULES.md, "Every access"); nothing in others. The compiler
 * reports each load and store of impl/; those of the lock layer, of fibers and of the allocator are
 * not reported.
 *
 * Memory is shared where, in one run, two threads of a section touched it and one of them wrote.
 * What the runs so far showed is learned, and becomes points with every_access_learn.
 */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_EVERY_ACCESS_H
#define IOMMUZZ_FUZZ_SCHEDULE_EVERY_ACCESS_H

#include <stdint.h>

struct scheduler;

#ifdef IOMMUZZ_EVERY_ACCESS
#define EVERY_ACCESS 1
/* From now on accesses are of the current thread of that scheduler; NULL: they are nobody's. Called
 * by the scheduler, around sections and where it looks at the machine itself. */
void every_access_of(struct scheduler *scheduler);
/* A section begins: what was touched before it belongs to no thread. */
void every_access_section(void);
/* Nothing is shared, nothing was learned. */
void every_access_forget(void);
/* Places (of 8 bytes) that runs showed to be shared since the last every_access_learn. */
uint64_t every_access_unlearned(void);
/* They are points from the next run on. Returns how many are new. */
uint64_t every_access_learn(void);
#else
#define EVERY_ACCESS 0
static inline void every_access_of(struct scheduler *scheduler)
{
	(void)scheduler;
}
static inline void every_access_section(void)
{
}
static inline void every_access_forget(void)
{
}
static inline uint64_t every_access_unlearned(void)
{
	return 0;
}
static inline uint64_t every_access_learn(void)
{
	return 0;
}
#endif

#endif
