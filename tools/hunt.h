/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for a failure among the schedules of one program, in a process of its own: a crash is an
 * answer too, and what was counted until then is not lost.
 */
#ifndef IOMMUZZ_TOOLS_HUNT_H
#define IOMMUZZ_TOOLS_HUNT_H

#include <signal.h>

#include "tools/schedules.h"
#include "tools/suite.h"

enum hunt_kind {
	HUNT_NOTHING,
	HUNT_ORACLE,
	HUNT_EXPECTATION, /* the program's own: finding.rule is "expectation" */
	HUNT_CRASH,	  /* finding.rule: the signal, or what a sanitizer said */
	HUNT_UNSTEADY,	  /* the same schedule, another run */
};
#define HUNT_FINDINGS 8

struct hunt_finding {
	uint8_t kind; /* enum hunt_kind */
	struct finding finding;
	uint64_t run;		/* number of the schedule, from 1 */
	uint64_t times;		/* schedules with this one */
	uint64_t trace, steps;	/* digests of that run; 0 after a crash */
	struct switch_notes by; /* its forced switches */
};

/* Counts and findings. It grows while the process runs. */
struct hunt_result {
	uint64_t runs, found, step_count, preemptions, outcomes, left_out, checked, undecided;
	uint32_t longest;  /* steps of the longest run */
	double share;	   /* of a bounded search that is done, about; 0: not known */
	bool threads;	   /* otherwise there is one run */
	bool complete;	   /* the strategy has no more */
	bool out_of_time;  /* seconds are over */
	bool stopped;	   /* told to stop */
	bool finished;	   /* the process did all its work */
	bool lost_machine; /* no memory for it */
	unsigned pct_threads;
	uint32_t pct_length;
	double pct_probability; /* of one run to find a defect of that depth */
	char skipped[160];	/* why the program was not run, or "" */
	uint32_t finding_count;
	struct hunt_finding findings[HUNT_FINDINGS]; /* one of each kind, oracle and rule */
	struct switch_notes now;		     /* of the run that goes on */
};

struct hunt {
	struct test *test;
	uint16_t kernel, bug;
	uint32_t oracles;
	bool judge; /* the program's expectations count */
	struct schedules schedules;
	const struct switch_notes *by; /* instead: this one schedule, `times` times */
	uint32_t times;
	unsigned seconds; /* 0: no limit */
	uint64_t check;	  /* schedules, from the first on, that are run a second time */
	bool keep_going;  /* behind a finding */
	const struct hunt_finding *wanted; /* others are passed over; NULL: none are */
	/* What the process writes on standard error goes there; NULL: to ours. */
	FILE *report;
	/* Some times a second, and at the end. May be NULL. */
	void (*progress)(void *context, const struct hunt_result *result);
	void *context;
	const volatile sig_atomic_t *interrupted; /* ends it; may be NULL */
};

/* The result is freed by hunt_free. NULL: no process to be had, after an error. */
struct hunt_result *hunt_run(const struct hunt *hunt);
void hunt_free(struct hunt_result *result);

/* Same kind, oracle and rule. */
bool hunt_same(const struct hunt_finding *a, const struct hunt_finding *b);
/* "model", "crash", ... */
const char *hunt_kind_name(const struct hunt_finding *finding);

#endif
