/* SPDX-License-Identifier: Apache-2.0 */
/* Which schedules of a program are run, as the options of commands name them. */
#ifndef IOMMUZZ_TOOLS_SCHEDULES_H
#define IOMMUZZ_TOOLS_SCHEDULES_H

#include "fuzz/exec/exec.h"
#include "fuzz/schedule/strategy.h"

enum schedules_kind {
	SCHEDULES_OWN, /* what the program says: its switches, its bytes, else until blocked */
	SCHEDULES_BOUNDED,
	SCHEDULES_RANDOM,
	SCHEDULES_PCT,
	SCHEDULES_PLAIN,
	SCHEDULES_BYTES,
	SCHEDULES_REPLAY,
};

struct schedules {
	enum schedules_kind kind;
	unsigned bound, depth;
	bool all; /* bounded: without the reduction */
	uint64_t seed, runs;
};

#define SCHEDULES_DEPTH	    3u
#define SCHEDULES_DEPTH_MAX 16u
#define SCHEDULES_BOUND	    2u
#define SCHEDULES_BOUND_MAX 16u

/* "bounded", "random", ...; false after an error that names the option of that name. */
bool schedules_parse(const char *option, const char *text, enum schedules_kind *kind);
const char *schedules_name(enum schedules_kind kind);
/* Why the program has no such schedules ("has no schedule bytes"), or NULL. */
const char *schedules_lacks(const struct schedules *schedules, const struct prog *prog);
/* The strategy of what a program says itself: its switches, its bytes, else until blocked. */
struct strategy *schedules_open_own(const struct prog *prog);
/*
 * Runs a program on a target by that strategy, or by another one that has begun (strategy, may be
 * NULL). scheduler is the executor's (exec_set_scheduler). False: it could not be run.
 */
bool schedules_run(struct exec *exec, struct scheduler *scheduler, const struct prog *prog,
	struct strategy *strategy, const char **reason);
/* Ended by ->close; the program must live as long. NULL when memory is short, and for SCHEDULES_OWN
 * and SCHEDULES_REPLAY, which are runs without a strategy of the caller's. */
struct strategy *schedules_open(const struct schedules *schedules, const struct prog *prog);

/*
 * Writes down the forced switches of a run while it goes on, so that they are known when it ends in
 * a crash: what schedule_of_run says of a run that has ended. switches may lie in memory that is
 * shared with another process.
 */
struct switch_notes {
	uint32_t count;	     /* of the run that goes on, or of the last one */
	uint32_t first_step; /* of the first one; UINT32_MAX: none yet */
	uint32_t too_many;   /* more than there was room for */
	struct schedule_switch switches[PROG_SWITCH_MAX];
};
/* A strategy that does what inner does, and closes it. NULL (inner is closed) without memory. */
struct strategy *schedules_noted(struct strategy *inner, struct switch_notes *notes);
/* Puts them into the program, in place of its own schedule. False: memory is short. */
bool schedules_force(const struct switch_notes *notes, struct prog *prog);
/* The same with those of a run that has ended. */
bool schedules_force_run(const struct scheduler *scheduler, struct prog *prog);
/* "schedule: A.2@lock(iova_rwsem)#1 -> B" of a program with forced switches, to be freed; NULL
 * without. */
char *schedules_line(const struct prog *prog);

#endif
