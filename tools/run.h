/* SPDX-License-Identifier: Apache-2.0 */
/* What the forms of `iommuzz run` share: on a machine in this process, and on the real kernel. */
#ifndef IOMMUZZ_TOOLS_RUN_H
#define IOMMUZZ_TOOLS_RUN_H

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/text.h"
#include "tools/machine.h"
#include "tools/picture.h"
#include "tools/schedules.h"

struct run {
	bool binary, json, quiet;
	const struct target_class *target;
	uint16_t kernel;
	uint32_t oracles;
	unsigned call_timeout; /* seconds of one call on the real kernel, 0: the default */
	struct oracle_run *oracle_run;
	struct exec *exec;
	struct scheduler *scheduler; /* of exec's threads */
	struct schedules schedules;  /* which one schedule of programs with threads */
	struct machine machine;
	struct picture picture;
	size_t not_run; /* programs that the target cannot run */
};

/* What is wrong with a run, whoever saw it. */
struct run_finding {
	const char *oracle; /* NULL: nothing is */
	const char *rule, *message;
	uint32_t call; /* UINT32_MAX: none */
};

/* Entries [from, ..) of the trace, as text. */
void run_print_entries(
	const struct trace *trace, uint32_t from, const struct prog_text *text, FILE *out);
/* The JSON object of a program in two parts: up to the trace, and the trace with the end. */
void run_json_head(
	const char *path, const struct run_finding *finding, const char *reason, FILE *out);
void run_json_trace(const struct trace *trace, const struct prog_text *text, FILE *out);

/* cmd_run.c: runs one program on a machine in this process and prints it. An exit code. */
int run_program(struct run *run, const char *path, const struct prog_text *text);
/* run_drawn.c: the same in a process of its own, so that a crash has a picture, too. */
int run_drawn(struct run *run, const char *path, const struct prog_text *text);
/* run_live.c: runs one program in a process of its own. An exit code. */
int run_live(struct run *run, const char *path, const struct prog_text *text);

#endif
