/* SPDX-License-Identifier: Apache-2.0 */
/* What `iommuzz explore` does with one file. */
#ifndef IOMMUZZ_TOOLS_EXPLORE_H
#define IOMMUZZ_TOOLS_EXPLORE_H

#include "tools/hunt.h"

#define EXPLORE_CHECKED	     16	   /* schedules of a program that are run twice */
#define EXPLORE_RUNS_DEFAULT 10000 /* of random and pct */

struct exploration {
	struct hunt hunt; /* what is asked for */
	const char *out;  /* path or NULL */
	bool written;	  /* out was */
	bool binary, quiet;
	bool raw;	      /* the file at hand is no text */
	uint64_t runs, found; /* of all files */
	size_t programs, not_run;
};

/* Handles SIGINT and SIGTERM from here on. False: no temporary file, after an error. */
bool explore_begin(struct exploration *exploration);
void explore_end(struct exploration *exploration);
/* Explores one program and prints what came of it. An exit code. */
int explore_file(struct exploration *exploration, const char *path);
/* The last line, when there were several files. */
void explore_sum(const struct exploration *exploration, size_t files);

#endif
