/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a program with threads. The implementation runs to the end first; between sections,
 * when nobody is in a call, machine, audit and isolation are asked. Then the model is asked whether
 * any order of its steps gives the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/target_inproc.h"
#include "fuzz/oracle/oracle_private.h"

/* What the scheduler saw. False: something is wrong. */
static bool scheduler_step_checked(
	struct oracle_run *run, const struct prog *prog, struct finding *finding)
{
	struct scheduler_report report;
	uint32_t count;
	const struct scheduler_step *steps = scheduler_steps(run->scheduler, &count);

	if (!(run->oracles & ORACLE_SCHEDULER) || !scheduler_report(run->scheduler, &report))
		return true;
	return finding_set(finding, ORACLE_SCHEDULER,
		report.step < count
			? prog_nth_call(prog, steps[report.step].thread, steps[report.step].call)
			: UINT32_MAX,
		report.rule, "%s", report.message);
}

/* Nobody is in a call. */
static bool quiescent(struct oracle_run *run, const struct prog *prog, uint32_t i, bool in_kernel,
	struct finding *finding)
{
	struct oracle_step step = {.prog = prog, .index = i, .number = ++run->number};

	if (!oracle_machine_step(run, i, in_kernel, finding))
		return false;
	if (run->audit && !audit_whole(run->audit, finding))
		return false;
	return !run->isolation || isolation_step(run->isolation, &step, finding);
}

/* Whether the program was a driver in calls [from, to): in-kernel calls, or callbacks in the trace
 * since that entry. */
static bool is_driver(
	struct oracle_run *run, const struct prog *prog, uint32_t from, uint32_t to, uint32_t entry)
{
	const struct trace *trace = exec_trace(run->pair.impl);
	bool driver = false;

	for (uint32_t i = from; i < to && !driver; i++)
		driver = !prog->calls[i].body && prog_row(&prog->calls[i])->kind == CALL_KERNEL;
	for (; entry < trace->entry_count && !driver; entry++)
		driver = trace->entries[entry].kind == TRACE_CALLBACK;
	run->driver_ran = run->driver_ran || driver;
	return driver;
}

/* One call of the main thread, and what was injected into it. */
static bool run_main_call(struct oracle_run *run, const struct prog *prog, uint32_t i,
	struct interleave_injected *injected, struct finding *finding)
{
	struct exec *exec = run->pair.impl;
	uint32_t entry = exec_trace(exec)->entry_count;

	for (uint32_t times = exec_repeats(exec, i); times; times--) {
		int64_t result = exec_step_once(exec, i);

		if (exec_injected(exec, NULL)) {
			injected->injected = true;
			injected->error = result;
			injected->nth = exec_fault(exec, &injected->point);
		}
	}
	if (!scheduler_step_checked(run, prog, finding))
		return false;
	return quiescent(run, prog, i, is_driver(run, prog, i, i + 1, entry), finding);
}

static bool run_implementation(struct oracle_run *run, const struct prog *prog,
	struct interleave_injected *injected, enum scheduler_end *end, struct finding *finding)
{
	*end = SCHEDULER_DONE;
	for (uint32_t i = 0; i < prog->call_count;) {
		uint32_t behind = exec_section_end(prog, i);

		if (behind == i) {
			if (!run_main_call(run, prog, i, &injected[i], finding))
				return false;
			i++;
			continue;
		}
		uint32_t entry = exec_trace(run->pair.impl)->entry_count;
		*end = exec_run_section(run->pair.impl, i, behind);
		if (!scheduler_step_checked(run, prog, finding))
			return false;
		if (*end != SCHEDULER_DONE)
			return true;
		if (!quiescent(
			    run, prog, behind - 1, is_driver(run, prog, i, behind, entry), finding))
			return false;
		i = behind;
	}
	return true;
}

static bool finish(struct oracle_run *run, struct finding *finding)
{
	exec_finish(run->pair.impl);
	if (!oracle_machine_step(run, UINT32_MAX, true, finding))
		return false;
	return !run->audit || audit_end(run->audit, finding);
}

static struct strategy *program_strategy(const struct prog *prog)
{
	if (prog->switch_count)
		return strategy_replay(prog->switches, prog->switch_count);
	if (prog->schedule_count)
		return strategy_bytes(prog->schedule, prog->schedule_count);
	return strategy_plain();
}

/* A forced switch whose place did not come: the program does not do what it says. */
static bool replayed(
	const struct strategy *strategy, const struct prog *prog, struct finding *finding)
{
	int64_t lost = strategy && prog->switch_count && strcmp(strategy->name, "replay") == 0
			       ? strategy_replay_lost(strategy)
			       : -1;

	if (lost < 0)
		return true;
	return finding_set(finding, ORACLE_SCHEDULER, UINT32_MAX, "schedule",
		"forced switch %u of the schedule did not happen: its place was not reached, or "
		"the "
		"thread could not run",
		(unsigned)lost + 1);
}

static bool run_once(struct oracle_run *run, const struct prog *prog, struct strategy *strategy,
	struct finding *finding)
{
	struct interleave_injected *injected;
	enum scheduler_end end;
	bool good;

	scheduler_begin(run->scheduler, strategy);
	if (!exec_begin(run->pair.impl, prog, &run->skipped))
		return true;
	injected = calloc(prog->call_count + 1u, sizeof(*injected));
	if (!injected) {
		run->skipped = "out of memory";
		return true;
	}
	oracle_machine_begin(run);
	good = run_implementation(run, prog, injected, &end, finding);
	scheduler_finish(run->scheduler, end);
	if (good && end == SCHEDULER_DONE && run->pair.model && run->interleave) {
		const struct interleave_seen seen = {.prog = prog,
			.trace = exec_trace(run->pair.impl),
			.scheduler = run->parallel ? NULL : run->scheduler,
			.injected = injected};

		good = interleave_check(run->interleave, &seen, finding);
	}
	free(injected);
	if (good && end == SCHEDULER_DONE)
		good = finish(run, finding);
	return good && replayed(strategy, prog, finding);
}

/* What threads need, made when the first program with threads comes. */
static bool prepare(struct oracle_run *run)
{
	if (!run->scheduler) {
		run->scheduler = scheduler_open();
		if (!run->scheduler)
			return false;
		scheduler_keep_locks(run->scheduler, true);
		exec_set_scheduler(run->pair.impl, run->scheduler);
	}
	if (run->pair.model && !run->interleave)
		run->interleave = interleave_open(run->pair.model);
	return !run->pair.model || run->interleave;
}

struct scheduler *oracle_scheduler(struct oracle_run *run)
{
	return prepare(run) ? run->scheduler : NULL;
}

struct interleave *oracle_interleave(struct oracle_run *run)
{
	return run->interleave;
}

void oracle_set_strategy(struct oracle_run *run, struct strategy *strategy)
{
	run->strategy = strategy;
	if (run->interleave)
		interleave_forget(run->interleave);
}

void oracle_set_parallel(struct oracle_run *run, const struct exec_parallel *parallel)
{
	if (!prepare(run))
		return;
	run->parallel = parallel != NULL;
	exec_set_parallel(run->pair.impl, parallel);
}

bool oracle_run_threads(struct oracle_run *run, const struct prog *prog, struct finding *finding)
{
	struct strategy *own = NULL, *strategy = run->strategy;
	bool good = true;

	if (!prepare(run)) {
		run->skipped = "out of memory";
		return true;
	}
	if (run->parallel)
		return run_once(run, prog, NULL, finding);
	if (!strategy) {
		if (run->interleave)
			interleave_forget(run->interleave);
		strategy = own = program_strategy(prog);
	}
	if (!strategy) {
		run->skipped = "out of memory";
		return true;
	}
	if (!own || strategy->begin(strategy, run->scheduler))
		good = run_once(run, prog, strategy, finding);
	if (own)
		own->close(own);
	return good;
}
