/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program on a target and records the trace; runs two targets in step and compares. */
#ifndef IOMMUZZ_FUZZ_EXEC_EXEC_H
#define IOMMUZZ_FUZZ_EXEC_EXEC_H

#include "fuzz/exec/target.h"
#include "fuzz/exec/trace.h"
#include "fuzz/prog/prog.h"
#include "fuzz/schedule/scheduler.h"

struct exec;

/*
 * An executor on one target, reusable for many programs. kernel is the profile for programs that
 * name none (LINUX(..), 0: newest). NULL and *reason when the target cannot be had.
 */
struct exec *exec_open(const struct target_class *class, uint16_t kernel, const char **reason);
void exec_close(struct exec *exec);
struct target *exec_target(struct exec *exec);

/* A defect (enum sim_bug) for all following programs that name none; 0: none. */
void exec_set_bug(struct exec *exec, uint16_t bug);

/* Whether memory is scattered in all following programs: no page table entry spans two pages. */
void exec_set_scattered(struct exec *exec, bool scattered);

/*
 * Work of a program, estimated before it runs: one for each executed call (repeats count), and one
 * for each KiB that a call copies. exec_begin refuses programs beyond the limit (0, the
 * default: none); fuzzing sets one, so that no input takes longer than a moment.
 */
uint64_t exec_work(const struct prog *prog);
void exec_set_work_limit(struct exec *exec, uint64_t limit);

/* Executed calls of one program at most (repeats count); exec_begin refuses longer ones. */
#define EXEC_CALL_LIMIT (1u << 18)

/* Makes the machine fresh for this program (options applied) and forgets the last trace. False: not
 * to be had. */
bool exec_begin(struct exec *exec, const struct prog *prog, const char **reason);
/*
 * Runs top-level call i (with repeats, its callbacks' bodies and its injected failure) and appends
 * to the trace. Calls in bodies are skipped here. Returns the result of the (last) run.
 */
int64_t exec_step(struct exec *exec, uint32_t i);
/* How often call i runs (1 for calls without repeat, 0 for calls in bodies), and one such run. */
uint32_t exec_repeats(const struct exec *exec, uint32_t i);
int64_t exec_step_once(struct exec *exec, uint32_t i);
/* The same without the failure that the program asks for. */
int64_t exec_step_plain(struct exec *exec, uint32_t i);
/* The same with the nth pass of any fault point failing instead of what the program says: sweeps.
 */
int64_t exec_step_failing(struct exec *exec, uint32_t i, uint16_t nth);
/*
 * Model only: one run of call i that failed with `error` in the implementation, because of an
 * injected failure. False when that error is not allowed there; then nothing is recorded.
 */
bool exec_step_injected(struct exec *exec, uint32_t i, int64_t error, uint8_t point, uint16_t nth);
/* Which pass (from 1) of which enum fault_point failed in the last step, if exec_injected. */
uint16_t exec_fault(const struct exec *exec, uint8_t *point);
/* The last top-level call as the target got it, NULL for control calls. Valid until the next step.
 */
const struct resolved_call *exec_resolved(const struct exec *exec);
/* Ends the program: processes exit, descriptors close. The machine can still be audited until the
 * next begin. */
void exec_finish(struct exec *exec);
const struct trace *exec_trace(const struct exec *exec);
/* Value of output `output` of call i as the program sees it (id, descriptor, IOVA); 0 or -1 if it
 * failed. */
uint64_t exec_output(const struct exec *exec, uint32_t i, unsigned output);
/* Whether a fault injected into the last step was reached, and how many fault points it passed. */
bool exec_injected(const struct exec *exec, uint32_t *faults_passed);

/*
 * Threads (exec_threads.c). A section is a run of calls in threads: exec_section_end gives the
 * index behind it. A program with threads needs a scheduler (fuzz/schedule/scheduler.h; before
 * exec_begin); whoever makes the run calls scheduler_begin first and scheduler_finish at its end.
 */
struct scheduler;
void exec_set_scheduler(struct exec *exec, struct scheduler *scheduler);
uint32_t exec_section_end(const struct prog *prog, uint32_t i);
/*
 * Runs calls [from, to) in their threads, by turns. Anything but SCHEDULER_DONE: the machine was
 * left in the middle of calls and is given up at the next begin; nothing else may run on it.
 */
enum scheduler_end exec_run_section(struct exec *exec, uint32_t from, uint32_t to);
/*
 * Threads at once, one OS thread each (exec_parallel.c), instead of by turns; NULL: by turns again.
 * Before exec_begin. Delays between calls and at scheduling points of the target are as the seed
 * says; what overlaps is chance. Changes of user memory are not in the trace of threads. A section
 * that does not end within `seconds` (0: 20) ends the process with exit code 1, after a line on
 * standard error that names what each thread is in.
 */
struct exec_parallel {
	uint64_t seed;
	unsigned seconds;
};
void exec_set_parallel(struct exec *exec, const struct exec_parallel *parallel);
/*
 * Asked after each call of a section (entry: its index in the trace); false ends the run there
 * (SCHEDULER_STOPPED). NULL: none.
 */
void exec_set_watch(struct exec *exec, bool (*watch)(void *context, uint32_t entry), void *context);

/* begin, all steps, finish. */
bool exec_run(struct exec *exec, const struct prog *prog, const char **reason);

#endif
