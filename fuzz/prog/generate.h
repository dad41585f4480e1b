/* SPDX-License-Identifier: Apache-2.0 */
/* Makes programs from a seed. Same seed and options, same program, on every machine. */
#ifndef IOMMUZZ_FUZZ_PROG_GENERATE_H
#define IOMMUZZ_FUZZ_PROG_GENERATE_H

#include "fuzz/prog/prog.h"
#include "fuzz/prog/random.h"

struct generate_options {
	uint16_t kernel;	/* profile: calls newer than it are rare; 0 newest */
	uint32_t call_max;	/* calls at most; 0: 40 */
	uint32_t exclude_needs; /* enum call_needs that must not be used (live kernels:
				   NEEDS_INPROC) */
	bool failures;		/* inject failures in a share of the programs */
	uint32_t threads; /* 0: none; else programs with two to so many threads (at most 4) that
			     race on a few objects, and schedule bytes; call_max, failures and live
			     say nothing then */
	bool live;	  /* for comparison with a live kernel: implemented calls that mean the
			     same there (live.h), and scenes that reach rare errnos */
};

/* A whole program into an initialised one (cleared first). */
void prog_generate(
	struct prog *prog, struct random *random, const struct generate_options *options);
/*
 * Inserts one call, or a short idiom of several (a device with its IOAS, a pin with its unpin, a
 * copy with both sides), before index at (<= call_count). Used by the mutator too. Number of calls
 * inserted.
 */
uint32_t prog_generate_insert(struct prog *prog, uint32_t at, struct random *random,
	const struct generate_options *options);
/* A value for one field, sensible in the state before call `at`. */
void prog_generate_value(struct prog *prog, uint32_t at, unsigned field, struct random *random,
	const struct generate_options *options);
/*
 * Makes the call's failure one of those that find something: an early pass of any point, or of one
 * point; one in eight is a sweep over all of them, which costs a run of the program each.
 */
void prog_generate_failure(struct call *call, struct random *random);
/* Fresh schedule bytes, 0 to PROG_SCHEDULE_MAX of them. */
void prog_generate_schedule(struct prog *prog, struct random *random);

#endif
