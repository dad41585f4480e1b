/* SPDX-License-Identifier: Apache-2.0 */
/* What the campaign's parts share: campaign.c (options, loop), campaign_engine.c,
 * campaign_report.c. */
#ifndef IOMMUZZ_FUZZ_ENGINES_CAMPAIGN_PRIVATE_H
#define IOMMUZZ_FUZZ_ENGINES_CAMPAIGN_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "fuzz/engines/campaign.h"

#define CAMPAIGN_LINE_MAX 1024

struct campaign {
	struct campaign_options options; /* with every default filled in */
	const char *self;		 /* the iommuzz command, to print programs */
	bool terminal;
	struct job *list;
	unsigned count;
};

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE };

/* One target's share of the campaign. */
struct job {
	char *target; /* fuzz_iommufd */
	bool raw;     /* its inputs are bytes, not programs */
	enum job_state state;
	pid_t pid;
	int output; /* read end of the engine's stdout and stderr, or -1 */
	FILE *log;
	char line[CAMPAIGN_LINE_MAX];
	size_t line_length;
	double started, ended; /* seconds, monotonic */
	time_t started_clock;  /* files changed since are this run's */
	bool stopping;	       /* was asked to end */
	bool broken;	       /* the engine could not run; reason says why */
	unsigned restarts;
	uint64_t executions_before; /* of the processes before a restart */
	uint64_t executions, rate, corpus, coverage;
	double stability;		    /* percent; negative: not known */
	unsigned findings, findings_before; /* of this run; when the engine was last started */
	char reason[CAMPAIGN_LINE_MAX];	    /* the line of the log that says what was wrong */
};

/* Allocated text; aborts when memory is short. */
char *campaign_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Monotonic seconds. */
double campaign_now(void);
/* Creates a folder with its parents. 0 or -errno. */
int campaign_folder(const char *path);

/* Behind a finding's name: the file with its program, which is no finding itself. */
#define CAMPAIGN_PROGRAM_SUFFIX ".prog"

/* Path of the engine's binary of that target. The caller frees it. */
char *engine_binary(const struct campaign *campaign, const char *target);
/* Folder in which the engine leaves the target's findings. The caller frees it. */
char *engine_findings(const struct campaign *campaign, const struct job *job);
/* Starts the engine on the target for that many seconds. 0 or -errno. */
int engine_start(const struct campaign *campaign, struct job *job, unsigned seconds);
/* Takes what the engine wrote, into the log and into the job's figures. False at end of file. */
bool engine_read(const struct campaign *campaign, struct job *job);
/* Renews figures that the engine keeps in files (AFL++). */
void engine_poll(const struct campaign *campaign, struct job *job);
/* Findings of this run, by name: fills paths (each to be freed) up to room, returns how many there
 * are. */
unsigned engine_list_findings(
	const struct campaign *campaign, const struct job *job, char **paths, unsigned room);

/* The live display: one line a target, redrawn on a terminal. */
void report_live(const struct campaign *campaign, bool first);
/* One plain line of a target. */
void report_line(const struct campaign *campaign, const struct job *job, FILE *out);
/* The table and each finding with its program. */
void report_summary(const struct campaign *campaign);

#endif
