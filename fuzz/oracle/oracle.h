/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracles around one run: the reference model in step, the audit, isolation and rollback. Used by every
 * fuzz target, by check, run and min.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_ORACLE_H
#define IOMMUZZ_FUZZ_ORACLE_ORACLE_H

#include "fuzz/exec/exec.h"

enum oracle_kind {
	ORACLE_MODEL = 1 << 0,
	ORACLE_AUDIT = 1 << 1,
	ORACLE_ISOLATION = 1 << 2,
	ORACLE_ROLLBACK = 1 << 3,
	ORACLE_MACHINE = 1 << 4, /* what the machine itself saw: a lock misuse, a WARN, sleeping in atomic context */
	ORACLE_ALL = 31,
};

/* The first thing that was wrong in a run. */
struct finding {
	uint32_t oracle; /* enum oracle_kind, 0: nothing found */
	uint32_t call; /* index of the call after which it was seen; UINT32_MAX at the end */
	char rule[64]; /* stable name of the broken rule: "result", "I5 pins", "dma after unmap", ... */
	char message[400]; /* one line: expected against got */
};

struct oracle_run;

/* kernel: profile; oracles: OR of enum oracle_kind. NULL when memory is short. */
struct oracle_run *oracle_open(uint16_t kernel, uint32_t oracles);
void oracle_close(struct oracle_run *run);
/*
 * Runs the program on the implementation with the oracles on; stops at the first finding. Returns true when
 * nothing was found. The trace of the implementation is oracle_trace.
 */
bool oracle_run_program(struct oracle_run *run, const struct prog *prog, struct finding *finding);
const struct trace *oracle_trace(const struct oracle_run *run);
const struct trace *oracle_model_trace(const struct oracle_run *run);
/* The text of a finding as several lines: oracle, rule, call as text, expected and got. */
void oracle_print(const struct finding *finding, const struct prog *prog, FILE *out);

#endif
