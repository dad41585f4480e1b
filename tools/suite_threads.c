/* SPDX-License-Identifier: Apache-2.0 */
/* Tests with threads: the schedules, and which alternatives of expectations they showed. */
#include "tools/suite_threads.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/oracle/explore.h"
#include "fuzz/oracle/interleave.h"
#include "tools/tool.h"

#define ALTERNATIVES 4u

struct judging {
	const struct suite_threads *threads;
	struct exec *exec;
	struct test_result *result;
	uint8_t *shown; /* a bit an alternative, one byte a call; NULL: nobody asks */
};

/* -- alternatives that no schedule gave -- */

static void note_shown(struct judging *judging)
{
	const struct trace *trace = exec_trace(judging->exec);
	const struct prog_text *text = &judging->threads->test->text;

	for (uint32_t e = 0; judging->shown && e < trace->entry_count; e++) {
		const struct trace_entry *entry = &trace->entries[e];

		if (entry->kind == TRACE_CALL)
			judging->shown[entry->call] |=
				suite_alternatives_met(&text->expectations[entry->call],
					judging->threads->kernel, entry->result);
	}
}

static void tell_unshown(const struct judging *judging)
{
	const struct prog_text *text = &judging->threads->test->text;
	struct test_result *result = judging->result;
	size_t used = 0;

	for (uint32_t i = 0; judging->shown && i < text->prog.call_count; i++) {
		const struct expectation *expectation = &text->expectations[i];
		char list[80];

		if (expectation->alternative_count < 2 ||
			!suite_alternatives_missed(expectation, judging->threads->kernel,
				judging->shown[i], list, sizeof(list)))
			continue;
		used += (size_t)snprintf(result->unshown + used, sizeof(result->unshown) - used,
			"%sline %u: %s", used ? "; " : "", text->lines ? text->lines[i] : i + 1,
			list);
		if (used >= sizeof(result->unshown))
			return;
	}
}

/* -- one schedule after another -- */

static bool judge(void *context, struct finding *finding)
{
	struct judging *judging = context;

	(void)finding;
	note_shown(judging);
	judging->result->expectation = !suite_judge(judging->threads->test, judging->exec,
		judging->threads->kernel, true, judging->result);
	return !judging->result->expectation;
}

static void note_schedule(struct judging *judging, const struct scheduler *scheduler)
{
	struct prog forced;

	prog_init(&forced);
	if (prog_copy(&forced, &judging->threads->test->text.prog) &&
		schedules_force_run(scheduler, &forced)) {
		char *line = schedules_line(&forced);

		if (line && strlen(line) < sizeof(judging->result->schedule))
			snprintf(judging->result->schedule, sizeof(judging->result->schedule), "%s",
				line);
		free(line);
	}
	prog_free(&forced);
}

static uint64_t undecided(struct oracle_run *run)
{
	struct interleave *interleave = oracle_interleave(run);

	return interleave ? interleave_undecided(interleave) : 0;
}

static bool explore_oracles(struct judging *judging, struct strategy *strategy,
	struct finding *finding, const char **reason)
{
	const struct suite_threads *threads = judging->threads;
	uint64_t before = undecided(threads->oracles);
	struct explore explore = {
		.run = threads->oracles, .strategy = strategy, .judge = judge, .context = judging};

	if (threads->config->schedules.kind == SCHEDULES_BOUNDED)
		explore.runs_max = threads->config->schedules.runs;
	bool good = explore_program(&explore, &threads->test->text.prog, finding);
	struct strategy_progress progress = {0};

	*reason = oracle_skipped(threads->oracles);
	if (threads->config->schedules.kind == SCHEDULES_BOUNDED)
		strategy_bounded_progress(strategy, &progress);
	judging->result->schedules = explore.runs;
	judging->result->left_out = progress.left_out;
	judging->result->outcomes = (uint32_t)explore.outcomes;
	judging->result->explored = explore.complete && good;
	judging->result->undecided = undecided(threads->oracles) - before;
	if (!good && !*reason)
		note_schedule(judging, oracle_scheduler(threads->oracles));
	explore_free(&explore);
	return good;
}

/* What the scheduler of a target without oracles saw. */
static bool is_sound(const struct judging *judging)
{
	struct scheduler_report report;

	if (!scheduler_report(judging->threads->scheduler, &report))
		return true;
	snprintf(judging->result->message, sizeof(judging->result->message), "%.30s: %.380s",
		report.rule, report.message);
	return false;
}

static bool explore_target(struct judging *judging, struct strategy *strategy, const char **reason)
{
	const struct suite_threads *threads = judging->threads;
	struct scheduler *scheduler = threads->scheduler;
	bool good = true;

	while (good && strategy->begin(strategy, scheduler)) {
		if (!schedules_run(
			    threads->exec, scheduler, &threads->test->text.prog, strategy, reason))
			return true;
		*reason = NULL;
		judging->result->schedules++;
		good = is_sound(judging) && judge(judging, NULL);
	}
	return good;
}

/* Its own schedule is the only one that it speaks of. */
static bool run_own(struct judging *judging, struct finding *finding, const char **reason)
{
	const struct suite_threads *threads = judging->threads;

	if (!threads->oracles) {
		*reason = "forces a schedule: the in-process implementation only";
		return true;
	}
	uint64_t before = undecided(threads->oracles);
	bool good = oracle_run_program(threads->oracles, &threads->test->text.prog, finding);
	judging->result->undecided = undecided(threads->oracles) - before;
	*reason = oracle_skipped(threads->oracles);
	return *reason || (good && judge(judging, finding));
}

bool suite_threads_run(const struct suite_threads *threads, struct finding *finding,
	const char **reason, struct test_result *result)
{
	const struct prog *prog = &threads->test->text.prog;
	struct judging judging = {.threads = threads,
		.exec = threads->oracles ? oracle_exec(threads->oracles) : threads->exec,
		.result = result};
	bool good;

	*reason = NULL;
	if (prog->switch_count || prog->schedule_count)
		return run_own(&judging, finding, reason);
	struct strategy *strategy = schedules_open(&threads->config->schedules, prog);
	if (threads->config->verbose)
		judging.shown = calloc(prog->call_count, 1);
	if (!strategy || (threads->config->verbose && !judging.shown)) {
		*reason = "out of memory";
		good = true;
	} else {
		good = threads->oracles ? explore_oracles(&judging, strategy, finding, reason)
					: explore_target(&judging, strategy, reason);
	}
	if (good && !*reason)
		tell_unshown(&judging);
	if (strategy)
		strategy->close(strategy);
	free(judging.shown);
	return good;
}
