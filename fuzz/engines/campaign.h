/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzzing campaign: runs the fuzz targets under an engine, some at a time, shows their state and
 * ends with a summary of what was found. `iommuzz fuzz` is this.
 */
#ifndef IOMMUZZ_FUZZ_ENGINES_CAMPAIGN_H
#define IOMMUZZ_FUZZ_ENGINES_CAMPAIGN_H

#include <stdbool.h>

#define CAMPAIGN_TARGET_MAX	 32
#define CAMPAIGN_SECONDS_DEFAULT 60
#define CAMPAIGN_JOBS_DEFAULT	 2

enum campaign_engine { ENGINE_LIBFUZZER, ENGINE_AFL };

/* What is asked for. Strings are the caller's and stay until campaign_run returns. */
struct campaign_options {
	enum campaign_engine engine;
	unsigned seconds;	/* for each target; 0: CAMPAIGN_SECONDS_DEFAULT */
	unsigned total;		/* for all of them together, shared evenly; 0: not limited */
	unsigned jobs;		/* targets at a time; 0: CAMPAIGN_JOBS_DEFAULT */
	const char *build;	/* folder of the build directories, one a preset; NULL: the one that
				   holds this command's */
	const char *work;	/* corpora, findings and logs; NULL: BUILD/campaign */
	const char *seeds;	/* first inputs of every target; NULL: the compiled seeds */
	bool require_stability; /* AFL++: less than 100 % is a failure */
	const char *wanted[CAMPAIGN_TARGET_MAX]; /* targets; none: all */
	unsigned wanted_count;
};

/*
 * Starts the engines as child processes in groups of their own and handles SIGINT and SIGTERM until
 * it returns. error prints one line of a message (printf) where the campaign cannot begin. Returns
 * the exit code: 0 nothing found, 1 findings, 2 no such target or an engine that could not run, 130
 * interrupted with nothing found. Not reentrant.
 */
int campaign_run(const struct campaign_options *options,
	void (*error)(const char *format, ...) __attribute__((format(printf, 1, 2))));

#endif
