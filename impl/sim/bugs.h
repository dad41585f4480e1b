/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switchable defects. SIM_BUG(task, ID) is constant false unless built with IOMMUZZ_BUGS. A defect
 * removes, weakens or reorders real code and is caught by its effect. List: bugs.def.
 */
#ifndef IOMMUZZ_SIM_BUGS_H
#define IOMMUZZ_SIM_BUGS_H

#include <stdbool.h>
#include <stdint.h>

enum sim_bug {
	SIM_BUG_NONE,
#define BUG(identifier, name, where, what) BUG_##identifier,
#include "bugs.def"
#undef BUG
	SIM_BUG_COUNT
};

struct sim_bug_info {
	const char *name;  /* "unmap-partial-area" as in `sim bug=` and --bug */
	const char *where; /* handler or module */
	const char *what;  /* one line */
};

/* Never NULL for ids below SIM_BUG_COUNT. The list exists in every build. */
const struct sim_bug_info *sim_bug_info(uint16_t bug);
/* The id of a name, 0 if there is none. */
uint16_t sim_bug_find(const char *name);
/* Whether this build can switch defects on. */
bool sim_bugs_built(void);

#ifdef IOMMUZZ_BUGS
struct task;
bool sim_bug_on(const struct task *task, enum sim_bug bug);
#define SIM_BUG(task, identifier) sim_bug_on(task, BUG_##identifier)
#else
#define SIM_BUG(task, identifier) ((void)(task), false)
#endif

#endif
