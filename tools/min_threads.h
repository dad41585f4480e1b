/* SPDX-License-Identifier: Apache-2.0 */
/* Shortening programs with threads: the failure becomes a schedule, and stays one. */
#ifndef IOMMUZZ_TOOLS_MIN_THREADS_H
#define IOMMUZZ_TOOLS_MIN_THREADS_H

#include "tools/hunt.h"

struct min_threads {
	struct hunt hunt; /* kernel, defect, oracles and report are set by the caller */
	struct hunt_finding wanted;
	/* Of the shortest program so far: candidates with more are no gain. */
	uint32_t calls, threads, switches;
	uint64_t searches; /* explorations made for candidates that lost their schedule */
};

#define MIN_THREADS_TIMES 1000u

/*
 * Makes the program fail by its line `schedule:` alone: as it stands, or by the first schedule that
 * a search finds; its schedule bytes go. The finding is then in `wanted`. False: *reason says why
 * ("does not fail in 45000 schedules").
 */
bool min_threads_begin(
	struct min_threads *min, struct prog *prog, char *reason, size_t reason_size);
/* Whether the candidate fails in the wanted way by its own schedule. */
bool min_threads_fails(struct min_threads *min, const struct prog *candidate);
/*
 * The same, or by another one that a short search finds: the candidate has that one then. With
 * progress in calls, threads or switches alone, so that it ends.
 */
bool min_threads_mend(struct min_threads *min, struct prog *candidate);
/* The fewest preemptions that show it, searched bound after bound; changes the program's schedule.
 */
void min_threads_calm(struct min_threads *min, struct prog *prog);
/* How many of MIN_THREADS_TIMES runs, each on a fresh machine, fail in the wanted way. */
uint32_t min_threads_count(struct min_threads *min, const struct prog *prog);

#endif
