/* SPDX-License-Identifier: Apache-2.0 */
/* The oracles around one run of a program. */
#include "fuzz/oracle/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/target_inproc.h"
#include "fuzz/oracle/oracle_private.h"
#include "fuzz/prog/text.h"

#define SWEEP_MAX 1000 /* runs of one `fail-nth *` */

static const struct {
	uint32_t oracle;
	const char *name;
} oracle_names[] = {
	{ORACLE_MODEL, "model"},
	{ORACLE_AUDIT, "audit"},
	{ORACLE_ISOLATION, "isolation"},
	{ORACLE_ROLLBACK, "rollback"},
	{ORACLE_MACHINE, "machine"},
	{ORACLE_SCHEDULER, "scheduler"},
};

const char *oracle_name(uint32_t oracle)
{
	for (size_t i = 0; i < sizeof(oracle_names) / sizeof(oracle_names[0]); i++)
		if (oracle_names[i].oracle == oracle)
			return oracle_names[i].name;
	return "none";
}

static uint32_t oracle_of(const char *word, size_t length)
{
	if (length == 3 && memcmp(word, "all", 3) == 0)
		return ORACLE_ALL;
	for (size_t i = 0; i < sizeof(oracle_names) / sizeof(oracle_names[0]); i++)
		if (strlen(oracle_names[i].name) == length &&
			memcmp(oracle_names[i].name, word, length) == 0)
			return oracle_names[i].oracle;
	return 0;
}

bool oracle_parse(const char *list, uint32_t *oracles)
{
	*oracles = 0;
	if (strcmp(list, "none") == 0)
		return true;
	for (const char *word = list;; word++) {
		size_t length = strcspn(word, ",");
		uint32_t oracle = oracle_of(word, length);

		if (!oracle)
			return false;
		*oracles |= oracle;
		word += length;
		if (!*word)
			return true;
	}
}

bool finding_set(struct finding *finding, uint32_t oracle, uint32_t call, const char *rule,
	const char *format, ...)
{
	va_list arguments;

	finding->oracle = oracle;
	finding->call = call;
	snprintf(finding->rule, sizeof(finding->rule), "%s", rule);
	va_start(arguments, format);
	vsnprintf(finding->message, sizeof(finding->message), format, arguments);
	va_end(arguments);
	return false;
}

struct oracle_run *oracle_open(uint16_t kernel, uint32_t oracles)
{
	struct oracle_run *run = calloc(1, sizeof(*run));
	const char *reason = NULL;

	if (!run)
		return NULL;
	run->oracles = oracles;
	run->pair.impl = exec_open(&target_inproc, kernel, &reason);
	if (oracles & ORACLE_MODEL)
		run->pair.model = exec_open(&target_model, kernel, &reason);
	if (oracles & ORACLE_AUDIT)
		run->audit = audit_open();
	if (oracles & ORACLE_ISOLATION)
		run->isolation = isolation_open();
	if (oracles & ORACLE_ROLLBACK)
		run->rollback = rollback_open();
	if (run->pair.impl && (run->pair.model || !(oracles & ORACLE_MODEL)) &&
		(run->audit || !(oracles & ORACLE_AUDIT)) &&
		(run->isolation || !(oracles & ORACLE_ISOLATION)) &&
		(run->rollback || !(oracles & ORACLE_ROLLBACK))) {
		oracle_set_work_limit(run, ORACLE_WORK_LIMIT);
		return run;
	}
	oracle_close(run);
	return NULL;
}

void oracle_close(struct oracle_run *run)
{
	if (!run)
		return;
	if (run->audit)
		audit_close(run->audit);
	if (run->isolation)
		isolation_close(run->isolation);
	if (run->rollback)
		rollback_close(run->rollback);
	/* Machines lock until they are gone, and ask their schedulers. */
	exec_close(run->pair.model);
	exec_close(run->pair.impl);
	interleave_close(run->interleave);
	scheduler_close(run->scheduler);
	free(run);
}

const struct trace *oracle_trace(const struct oracle_run *run)
{
	return exec_trace(run->pair.impl);
}

const struct trace *oracle_model_trace(const struct oracle_run *run)
{
	return run->pair.model ? exec_trace(run->pair.model) : NULL;
}

const char *oracle_skipped(const struct oracle_run *run)
{
	return run->skipped;
}

struct exec *oracle_exec(struct oracle_run *run)
{
	return run->pair.impl;
}

void oracle_set_work_limit(struct oracle_run *run, uint64_t limit)
{
	run->work_limit = limit;
	exec_set_work_limit(run->pair.impl, limit);
}

void oracle_set_bug(struct oracle_run *run, uint16_t bug)
{
	exec_set_bug(run->pair.impl, bug);
}

static bool begin(struct oracle_run *run, const struct prog *prog)
{
	if (!lockstep_begin(&run->pair, prog, &run->skipped))
		return false;
	oracle_machine_begin(run);
	return true;
}

void oracle_machine_begin(struct oracle_run *run)
{
	struct sim *sim = target_inproc_sim(exec_target(run->pair.impl));
	run->number = 0;
	run->driver_ran = false;
	/* What the last program left when it ended with a finding is not this one's. */
	uint32_t all;
	target_inproc_report(exec_target(run->pair.impl), &all);
	if (run->audit)
		audit_begin(run->audit, sim);
	if (run->isolation)
		isolation_begin(run->isolation, sim);
	if (run->rollback)
		rollback_begin(run->rollback, sim);
}

/*
 * A WARN that a program provokes through the in-kernel API (7.2, 7.4 to 7.6) is what the kernel
 * would say to a wrong driver; one that an ioctl provokes is a defect, and so is every broken rule
 * of the machine, such as those of locks, wherever it is seen. Pins that a driver kept when it was
 * asked to give them back, or gave back although they were another one's, are met later.
 */
static bool is_drivers_fault(
	const struct oracle_run *run, const struct inproc_report *report, bool in_kernel)
{
	if (!report->by_driver)
		return false;
	return in_kernel ||
	       (run->driver_ran && (!strcmp(report->rule, "unmap-pins-kept") ||
					   !strcmp(report->rule, "unpin-without-pin")));
}

bool oracle_machine_step(
	struct oracle_run *run, uint32_t call, bool in_kernel, struct finding *finding)
{
	const struct inproc_report *report;
	uint32_t all;

	if (!(run->oracles & ORACLE_MACHINE))
		return true;
	report = target_inproc_report(exec_target(run->pair.impl), &all);
	if (!report || is_drivers_fault(run, report, in_kernel))
		return true;
	return finding_set(finding, ORACLE_MACHINE, call, report->rule, "%s%s%s",
		report->is_warning ? "kernel warning: " : "", report->message,
		all > 1 ? " (and more)" : "");
}

static bool step_once(struct oracle_run *run, const struct prog *prog, uint32_t i,
	enum lockstep_mode mode, uint16_t nth, struct oracle_step *step, struct finding *finding)
{
	bool agreed = lockstep_step(&run->pair, prog, i, mode, nth, step, finding);
	bool in_kernel = step->callbacks || prog_row(&prog->calls[i])->kind == CALL_KERNEL;

	run->driver_ran = run->driver_ran || in_kernel;
	step->number = ++run->number;
	if (!agreed || !oracle_machine_step(run, i, in_kernel, finding))
		return false;
	if (run->rollback && !rollback_step(run->rollback, step, finding))
		return false;
	if (run->audit && !audit_step(run->audit, step, finding))
		return false;
	return !run->isolation || isolation_step(run->isolation, step, finding);
}

static bool finish(struct oracle_run *run, struct finding *finding)
{
	if (run->audit && !audit_whole(run->audit, finding))
		return false;
	lockstep_finish(&run->pair);
	if (!oracle_machine_step(run, UINT32_MAX, true, finding))
		return false;
	return !run->audit || audit_end(run->audit, finding);
}

static bool run_sweep(
	struct oracle_run *run, const struct prog *prog, uint32_t i, struct finding *finding);

/* Calls [0, end), sweeps as plain calls when replaying. */
static bool run_calls(struct oracle_run *run, const struct prog *prog, uint32_t end, bool replay,
	struct finding *finding)
{
	struct oracle_step step;

	for (uint32_t i = 0; i < end; i++) {
		uint32_t times = exec_repeats(run->pair.impl, i);

		if (times && prog->calls[i].fail == FAIL_SWEEP && !replay) {
			if (!run_sweep(run, prog, i, finding))
				return false;
			times--;
		}
		for (; times; times--)
			if (!step_once(run, prog, i, LOCKSTEP_PROGRAM, 0, &step, finding))
				return false;
	}
	return true;
}

/* Pays for one more run of the program. */
static bool afford(struct oracle_run *run, uint64_t work)
{
	if (!run->work_limit)
		return true;
	if (work > run->work_left)
		return false;
	run->work_left -= work;
	return true;
}

/*
 * Runs call i with each of its fault points failing in turn, every time on a machine brought to
 * where it was (runs are deterministic), until none is reached any more; that last run is the plain
 * one and the program goes on. What the work limit does not allow is left out.
 */
static bool run_sweep(
	struct oracle_run *run, const struct prog *prog, uint32_t i, struct finding *finding)
{
	uint64_t work = run->work_limit ? exec_work(prog) : 0;
	struct oracle_step step;

	for (uint16_t nth = 1; nth <= SWEEP_MAX && afford(run, work); nth++) {
		if (!step_once(run, prog, i, LOCKSTEP_FAILING, nth, &step, finding))
			return false;
		if (!step.injected)
			return true;
		if (!finish(run, finding))
			return false;
		if (!begin(run, prog) || !run_calls(run, prog, i, true, finding))
			return false;
	}
	return step_once(run, prog, i, LOCKSTEP_PLAIN, 0, &step, finding);
}

bool oracle_run_program(struct oracle_run *run, const struct prog *prog, struct finding *finding)
{
	memset(finding, 0, sizeof(*finding));
	run->skipped = NULL;
	if (prog_has_threads(prog))
		return oracle_run_threads(run, prog, finding);
	if (!begin(run, prog))
		return true;
	run->work_left = run->work_limit ? run->work_limit - exec_work(prog) : 0;
	if (!run_calls(run, prog, prog->call_count, false, finding))
		return run->skipped != NULL;
	return finish(run, finding);
}

void oracle_print(const struct finding *finding, const struct prog *prog, FILE *out)
{
	struct prog_text text;

	fprintf(out, "%s: %s\n", oracle_name(finding->oracle), finding->rule);
	if (finding->call != UINT32_MAX && finding->call < prog->call_count) {
		prog_text_init(&text);
		if (prog_text_from(&text, prog)) {
			fprintf(out, "  call %u: ", finding->call + 1);
			prog_print_call(&text, finding->call, out);
			fputc('\n', out);
		}
		prog_text_free(&text);
	} else {
		fputs("  at the end of the program\n", out);
	}
	fprintf(out, "  %s\n", finding->message);
}
