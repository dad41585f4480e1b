/* SPDX-License-Identifier: Apache-2.0 */
/* What the forms of `iommuzz gen` share: programs by number, statistics, checks. */
#ifndef IOMMUZZ_TOOLS_GEN_H
#define IOMMUZZ_TOOLS_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "fuzz/exec/target.h"
#include "fuzz/prog/generate.h"

#define GEN_SCHEDULES 20

struct gen {
	struct generate_options options;
	const struct target_class *target; /* of statistics and digest */
	uint64_t seed, first,
		programs;   /* numbers [first, first + programs) of the sequence of that seed */
	uint32_t goal_uses; /* a call's share of successes is judged from so many uses on */
	uint32_t findings;  /* check: kinds of findings to print at most */
	uint32_t schedules; /* check: random schedules of each program with threads, behind the
			       one of its bytes */
	bool json;
	const char *folder; /* of files, NULL: standard output */
	/* The number of the program that runs now; shared with the process that tells of a crash.
	 */
	uint64_t *running;
};

/* Program `number` of the sequence. It depends on the seed, the number and the options alone. */
void gen_program(const struct gen *gen, uint64_t number, struct prog *prog);

/* gen_stats.c: runs the programs, prints per call uses, successes and errnos, then the goals. An
 * exit code. */
int gen_stats(const struct gen *gen);
/* gen_stats.c: runs the programs, prints one digest over all traces. An exit code. */
int gen_digest(const struct gen *gen);
/* gen_check.c: runs the programs with all oracles, prints findings minimised. An exit code. */
int gen_check(const struct gen *gen);

#endif
