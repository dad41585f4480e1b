/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in a process of its own that owns nothing: descriptors are closed, limits are the tool's.
 * What it makes comes back through shared memory, since every descriptor belongs to the program
 * that it runs. A call that hangs is seen from outside and named; a process that cannot be killed
 * is left behind.
 */
#ifndef IOMMUZZ_TOOLS_APART_H
#define IOMMUZZ_TOOLS_APART_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fuzz/exec/target_live.h"
#include "fuzz/prog/prog.h"

#define APART_CALL_SECONDS 10 /* of one call, where nothing else is asked for */
/* Beside other threads a DESTROY may sleep for its full bound although nobody uses the object any
 * more (docs/kernel-findings.md). */
#define APART_WAIT_SECONDS 61
/* For all threads of a section on a real kernel: behind the time of each call. */
#define APART_SECTION_SECONDS (APART_CALL_SECONDS + APART_WAIT_SECONDS + 10)

struct apart_limits {
	unsigned seconds;      /* for the whole */
	unsigned call_seconds; /* for one call, 0: APART_CALL_SECONDS */
	const struct prog
		*prog; /* what runs: a repeated call and one with threads have more time */
	/* Tells the target where to note its calls; NULL: target_live_watch. */
	void (*watch)(struct live_progress *progress, unsigned call_seconds);
};

enum apart_state {
	APART_RUNNING,
	APART_DONE, /* its work is in apart_output */
	APART_DIED, /* apart_status is what waitpid said */
	APART_HUNG, /* ended by force, or left behind (apart_stuck) */
};

struct apart;

/* Room for that many bytes of output; what is longer is cut. NULL when memory is short. */
struct apart *apart_open(size_t room);
/* Ends what still runs. */
void apart_close(struct apart *apart);
/*
 * Starts work(context, out) in a process; the last one must have ended. What it writes to out is
 * its output. False when there is no process to be had.
 */
bool apart_start(struct apart *apart, const struct apart_limits *limits,
	void (*work)(void *context, FILE *out), void *context);
/* What has become of it now. Any other answer than APART_RUNNING comes once. */
enum apart_state apart_look(struct apart *apart);
/* Waits until one of them has news, at most that long. Those that do not run are passed over. */
void apart_wait(struct apart *const *aparts, size_t count, unsigned milliseconds);

/* Of the last run, until the next start. */
const void *apart_output(const struct apart *apart, size_t *size);
int apart_status(const struct apart *apart);
/* The call that was under way when it ended, or UINT32_MAX. */
uint32_t apart_call(const struct apart *apart);
bool apart_stuck(const struct apart *apart);
/* "crashed: Segmentation fault", "call 3 did not return within 10 s", ... */
void apart_describe(const struct apart *apart, enum apart_state state, char *text, size_t size);

#endif
