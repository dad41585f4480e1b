/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets do with a finding: print it readably and crash, so that every engine keeps the
 * input. */
#ifndef IOMMUZZ_FUZZ_TARGETS_FINDING_H
#define IOMMUZZ_FUZZ_TARGETS_FINDING_H

#include <stdio.h>
#include <stdlib.h>

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/text.h"
#include "impl/sim/bugs.h"

/*
 * Work that one input may cost (oracle_set_work_limit), about a tenth of a second under ASan: an
 * engine that has kept a slower one goes on mutating it, and makes tens of inputs a second instead
 * of hundreds.
 */
#define TARGET_WORK_LIMIT 6000

/* IOMMUZZ_BUG=NAME switches a defect on for all programs (bugs build): how fast is it found? */
static inline void choose_defect(struct oracle_run *run)
{
	const char *name = getenv("IOMMUZZ_BUG");
	uint16_t bug = name ? sim_bug_find(name) : 0;

	if (name && (!bug || !sim_bugs_built())) {
		fprintf(stderr, "IOMMUZZ_BUG: this build has no defect '%s'\n", name);
		exit(2);
	}
	oracle_set_bug(run, bug);
}

/* The whole program, as text, into a stream. */
static inline void print_program(const struct prog *prog, FILE *out)
{
	struct prog_text text;

	prog_text_init(&text);
	if (prog_text_from(&text, prog)) {
		prog_name_positional(&text.prog);
		prog_print(&text, out);
	}
	prog_text_free(&text);
}

/*
 * IOMMUZZ_PROGRAM=FILE: the program that the target made of its input, written before it runs, so
 * that it is there whatever ends the process. `iommuzz fuzz` shows findings with it.
 */
static inline bool save_program(const struct prog *prog)
{
	const char *path = getenv("IOMMUZZ_PROGRAM");
	FILE *out = path ? fopen(path, "w") : NULL;

	if (!out)
		return false;
	print_program(prog, out);
	fclose(out);
	return true;
}

/*
 * Runs the program with all oracles; on a finding prints it and, unless it was saved, the program,
 * and aborts. run is made at the first use and kept.
 */
static inline void run_and_report(struct oracle_run **run, const struct prog *prog)
{
	struct finding finding;
	bool saved = save_program(prog);

	if (!*run) {
		*run = oracle_open(0, ORACLE_ALL);
		if (!*run) {
			/* A target that cannot look must not pass for one that found nothing. */
			fprintf(stderr, "the oracles cannot be opened: out of memory\n");
			abort();
		}
		choose_defect(*run);
		oracle_set_work_limit(*run, TARGET_WORK_LIMIT);
	}
	if (oracle_run_program(*run, prog, &finding))
		return;
	oracle_print(&finding, prog, stderr);
	if (!saved)
		print_program(prog, stderr);
	fflush(stderr);
	abort();
}

/*
 * Ends an input. AFL++ compares the coverage of several runs of one input, and a table that has
 * grown before takes other branches than one that has not: there, nothing is kept. Elsewhere
 * keeping it is twice as fast.
 */
static inline void end_input(struct oracle_run **run, struct prog *prog)
{
#ifdef __AFL_COMPILER
	oracle_close(*run);
	*run = NULL;
	prog_free(prog);
	prog_init(prog);
#else
	(void)run;
	(void)prog;
#endif
}

#endif
