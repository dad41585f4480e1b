/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a suite on a real kernel: each test in a process of its own, watched call by call, and the
 * kernel's log read behind it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/apart.h"
#include "tools/suite.h"
#include "tools/tool.h"

#define JOBS_MAX  16u
#define WAIT_MAX  100u	      /* milliseconds; hangs are looked for so often */
#define LOG_BYTES (64u << 10) /* of the kernel's log for one test */

struct job {
	struct apart *apart;
	size_t test;
	bool busy;
	uint64_t start;
};

struct live_run {
	const struct suite *suite;
	const struct suite_config *config;
	const struct suite_pool *settings;
	size_t jobs, next, shown;
	struct job job[JOBS_MAX];
	struct test_result *results;
	char **logs;
	bool *ready;
	bool enough;
};

/* -- in the process of the test -- */

struct task {
	const struct suite_config *config;
	const struct test *test;
};

static void run_test(void *context, FILE *out)
{
	const struct task *task = context;
	struct test_result result = {.status = TEST_BROKEN};
	const char *reason;
	struct suite_runner *runner = suite_open(task->config, &reason);

	if (runner) {
		suite_run(runner, task->test, &result);
		suite_close(runner);
	} else {
		snprintf(result.message, sizeof(result.message), "target %s: %s",
			task->config->target->name, reason);
	}
	fwrite(&result, sizeof(result), 1, out);
}

/* -- beside it -- */

/* What the kernel has said since the last test ended is about this one. */
static void read_log(struct live_run *run, size_t i)
{
	const struct suite_pool *settings = run->settings;
	struct test_result *result = &run->results[i];
	char title[sizeof(result->message)] = "";
	char *text = settings->kernel_log ? calloc(1, LOG_BYTES) : NULL;

	if (!text)
		return;
	if (settings->kernel_log(settings->log, title, sizeof(title), text, LOG_BYTES)) {
		snprintf(result->rule, sizeof(result->rule), "kernel-log");
		snprintf(result->message, sizeof(result->message), "%s", title);
		if (result->status != TEST_BROKEN)
			suite_conclude(run->config, &run->suite->tests[i], false, result);
		run->logs[i] = text;
	} else {
		free(text);
	}
}

static void take_result(struct live_run *run, struct job *job, enum apart_state state)
{
	const struct test *test = &run->suite->tests[job->test];
	struct test_result *result = &run->results[job->test];
	size_t size;
	const void *output = apart_output(job->apart, &size);

	memset(result, 0, sizeof(*result));
	if (state == APART_DONE && size == sizeof(*result)) {
		memcpy(result, output, size);
	} else {
		snprintf(
			result->rule, sizeof(result->rule), state == APART_HUNG ? "hang" : "crash");
		apart_describe(job->apart, state, result->message, sizeof(result->message));
		if (apart_call(job->apart) < test->text.prog.call_count)
			suite_describe_call(test, apart_call(job->apart), result);
		result->microseconds = (uint32_t)(tool_clock() - job->start);
		suite_conclude(run->config, test, false, result);
	}
	result->test = (uint32_t)job->test;
	job->busy = false;
	read_log(run, job->test);
	run->ready[job->test] = true;
}

static bool start_test(struct live_run *run, struct job *job, size_t i)
{
	const struct suite_pool *settings = run->settings;
	const struct test *test = &run->suite->tests[i];
	struct task task = {run->config, test};
	struct apart_limits limits = {
		.seconds = settings->timeout,
		.call_seconds = settings->call_timeout,
		.prog = &test->text.prog,
		.watch = settings->watch,
	};

	job->test = i;
	job->start = tool_clock();
	if (settings->begin)
		settings->begin(settings->context, test);
	job->busy = apart_start(job->apart, &limits, run_test, &task);
	if (!job->busy)
		tool_error("cannot start a process for %s: %s", test->id, strerror(errno));
	return job->busy;
}

static void show_ready(struct live_run *run)
{
	const struct suite_pool *settings = run->settings;

	for (; !run->enough && run->shown < run->suite->count && run->ready[run->shown];
		run->shown++) {
		char **log = &run->logs[run->shown];

		settings->done(settings->context, &run->suite->tests[run->shown],
			&run->results[run->shown], *log ? *log : "");
		free(*log);
		*log = NULL;
		run->enough = settings->enough && settings->enough(settings->context);
	}
}

/* Gives the job its next test; those whose result is known need none. */
static bool feed(struct live_run *run, struct job *job)
{
	while (!job->busy && run->next < run->suite->count) {
		size_t i = run->next++;

		if (!suite_settled(run->config, &run->suite->tests[i], &run->results[i])) {
			if (!start_test(run, job, i))
				return false;
			continue;
		}
		run->results[i].test = (uint32_t)i;
		run->ready[i] = true;
	}
	return true;
}

static bool serve(struct live_run *run)
{
	struct apart *aparts[JOBS_MAX];
	bool busy = false;

	for (size_t j = 0; j < run->jobs; j++) {
		if (!run->job[j].busy && !feed(run, &run->job[j]))
			return false;
		aparts[j] = run->job[j].apart;
		busy |= run->job[j].busy;
	}
	show_ready(run);
	if (busy && !run->enough)
		apart_wait(aparts, run->jobs, WAIT_MAX);
	for (size_t j = 0; busy && j < run->jobs; j++) {
		enum apart_state state =
			run->job[j].busy ? apart_look(run->job[j].apart) : APART_RUNNING;

		if (state != APART_RUNNING)
			take_result(run, &run->job[j], state);
	}
	show_ready(run);
	return !run->enough && run->shown < run->suite->count;
}

static bool open_jobs(struct live_run *run)
{
	unsigned jobs = run->settings->jobs ? run->settings->jobs : 1;

	run->jobs = jobs < JOBS_MAX ? jobs : JOBS_MAX;
	for (size_t j = 0; j < run->jobs; j++) {
		run->job[j].apart = apart_open(sizeof(struct test_result));
		if (!run->job[j].apart)
			return false;
	}
	return true;
}

bool suite_run_live(const struct suite *suite, const struct suite_config *config,
	const struct suite_pool *settings, const volatile sig_atomic_t *interrupted)
{
	struct live_run run = {.suite = suite,
		.config = config,
		.settings = settings,
		.next = settings->first,
		.shown = settings->first};

	run.results = tool_grow(NULL, suite->count, sizeof(*run.results));
	run.logs = tool_grow(NULL, suite->count, sizeof(*run.logs));
	run.ready = tool_grow(NULL, suite->count, sizeof(*run.ready));
	memset(run.logs, 0, suite->count * sizeof(*run.logs));
	memset(run.ready, 0, suite->count * sizeof(*run.ready));
	bool going = open_jobs(&run);
	while (going && !*interrupted)
		going = serve(&run);
	for (size_t j = 0; j < run.jobs; j++)
		apart_close(run.job[j].apart);
	for (size_t i = 0; i < suite->count; i++)
		free(run.logs[i]);
	free(run.results);
	free(run.logs);
	free(run.ready);
	return run.enough || run.shown >= suite->count;
}
