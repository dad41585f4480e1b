/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracles around one run: the reference model in step, the audit, isolation and rollback. Used
 * by every fuzz target, by check, run and min.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_ORACLE_H
#define IOMMUZZ_FUZZ_ORACLE_ORACLE_H

#include "fuzz/exec/exec.h"

enum oracle_kind {
	ORACLE_MODEL = 1 << 0,
	ORACLE_AUDIT = 1 << 1,
	ORACLE_ISOLATION = 1 << 2,
	ORACLE_ROLLBACK = 1 << 3,
	ORACLE_MACHINE = 1 << 4, /* what the machine itself saw: a lock misuse, a WARN, sleeping in
				    atomic context */
	ORACLE_SCHEDULER = 1 << 5, /* what the scheduler saw: deadlock, lock order, lost wake-up,
				      livelock, a forced switch that did not happen */
	ORACLE_ALL = 63,
};

/* The first thing that was wrong in a run. */
struct finding {
	uint32_t oracle; /* enum oracle_kind, 0: nothing found */
	uint32_t call;	 /* index of the call after which it was seen; UINT32_MAX at the end */
	char rule[64];	 /* stable name of the broken rule: "result", "I5 pins", "dma after unmap",
			    ... */
	char message[400]; /* one line: expected against got */
};

struct oracle_run;
struct strategy;
struct interleave;

/* kernel: profile; oracles: OR of enum oracle_kind. NULL when memory is short. */
struct oracle_run *oracle_open(uint16_t kernel, uint32_t oracles);
/* Ends both machines and frees what the oracles know. NULL is ignored. */
void oracle_close(struct oracle_run *run);
/*
 * Runs the program on the implementation with the oracles on; stops at the first finding. Returns
 * true when nothing was found. The trace of the implementation is oracle_trace.
 */
bool oracle_run_program(struct oracle_run *run, const struct prog *prog, struct finding *finding);
const struct trace *oracle_trace(const struct oracle_run *run);
const struct trace *oracle_model_trace(const struct oracle_run *run);
/*
 * Programs with threads. One call of oracle_run_program is one run, by the strategy set here
 * (whose begin the caller has called before each run), or by what the program says: its forced
 * switches, else its schedule bytes, else until blocked. NULL: back to that.
 */
void oracle_set_strategy(struct oracle_run *run, struct strategy *strategy);
/*
 * Threads of programs run at once, one OS thread each, until set to NULL (exec.h): then there is no
 * strategy and no schedule, and the model is asked whether any order gives the results alone.
 */
struct exec_parallel;
void oracle_set_parallel(struct oracle_run *run, const struct exec_parallel *parallel);
/* The scheduler of the implementation's threads: steps, locks and report of the last run. NULL when
 * memory is short. */
struct scheduler *oracle_scheduler(struct oracle_run *run);
/* The searches of the model (interleave.h); NULL before the first program with threads. */
struct interleave *oracle_interleave(struct oracle_run *run);
/* Why the last program could not be run (then nothing was found), or NULL. */
const char *oracle_skipped(const struct oracle_run *run);
/* The executor of the implementation, for outputs of the last run. */
struct exec *oracle_exec(struct oracle_run *run);
/*
 * Work (exec.h) of a program at most; one with more is skipped. The runs of its sweeps count too:
 * those that go beyond are left out. By default ORACLE_WORK_LIMIT, about half a second under
 * sanitizers; 0: no limit.
 */
#define ORACLE_WORK_LIMIT 50000
void oracle_set_work_limit(struct oracle_run *run, uint64_t limit);
/* Defect (enum sim_bug) for programs that name none; 0: none. Only the implementation has it. */
void oracle_set_bug(struct oracle_run *run, uint16_t bug);
/* "model", "audit", ... of one bit of enum oracle_kind; and the bits of "model,audit" or "none",
 * false if wrong. */
const char *oracle_name(uint32_t oracle);
bool oracle_parse(const char *list, uint32_t *oracles);
/* The text of a finding as several lines: oracle, rule, call as text, expected and got. */
void oracle_print(const struct finding *finding, const struct prog *prog, FILE *out);

#endif
