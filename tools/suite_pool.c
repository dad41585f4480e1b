/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a suite in worker processes: a crash or a hang of the implementation costs one test, not the
 * run. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/suite.h"
#include "tools/tool.h"

#define JOBS_MAX 64u
/* A test's seconds are those of its own processor time, so that a busy machine makes no hang; one
 * that sleeps instead has so many times as long by the clock. */
#define ASLEEP 20u

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* A worker has tests first, first + jobs, first + 2 jobs, ... and answers them in that order. */
struct worker {
	pid_t pid; /* 0: none */
	int from;
	size_t next;	    /* test whose answer comes next */
	uint64_t since;	    /* when the last answer came, microseconds */
	uint64_t used_then; /* the worker's processor time then */
	size_t used;	    /* bytes of `answer` so far */
	struct test_result answer;
};

struct pool {
	const struct suite *suite;
	const struct suite_config *config;
	const struct suite_pool *settings;
	size_t jobs;
	struct worker workers[JOBS_MAX];
	struct test_result *results;
	bool *ready;
	size_t shown;
	bool enough;
};

static void work(const struct pool *pool, size_t first, int to)
{
	const char *reason;
	struct suite_runner *runner = suite_open(pool->config, &reason);
	struct test_result result;

	if (!runner) {
		tool_error("target %s: %s", pool->config->target->name, reason);
		_exit(TOOL_BROKEN);
	}
	for (size_t i = first; i < pool->suite->count; i += pool->jobs) {
		suite_run(runner, &pool->suite->tests[i], &result);
		result.test = (uint32_t)i;
		/* Smaller than PIPE_BUF, so it goes through whole. */
		if (write(to, &result, sizeof(result)) != (ssize_t)sizeof(result))
			_exit(TOOL_BROKEN);
	}
	suite_close(runner);
	_exit(TOOL_OK);
}

/* Microseconds of processor time. */
static uint64_t processor_time(pid_t pid)
{
	struct timespec now;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool hangs(const struct pool *pool, const struct worker *worker)
{
	uint64_t bound = pool->settings->timeout * UINT64_C(1000000);

	return tool_clock() - worker->since > ASLEEP * bound ||
	       processor_time(worker->pid) - worker->used_then > bound;
}

static bool start_worker(struct pool *pool, struct worker *worker)
{
	int ends[2];

	worker->used = 0;
	worker->pid = 0;
	if (worker->next >= pool->suite->count)
		return true;
	if (pipe(ends) != 0)
		return false;
	fflush(stdout);
	worker->since = tool_clock();
	worker->used_then = 0;
	worker->pid = fork();
	if (worker->pid == 0) {
		/* A terminal's Ctrl-C reaches the workers too: one that died of it before the pool
		 * has heard of it would pass for a crash. The pool ends them. */
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_DFL);
		int null = pool->settings->quiet ? open("/dev/null", O_WRONLY) : -1;
		if (null >= 0)
			dup2(null, STDERR_FILENO);
		work(pool, worker->next, ends[1]);
	}
	close(ends[1]);
	worker->from = ends[0];
	if (worker->pid > 0)
		return true;
	close(ends[0]);
	return false;
}

static void show_ready(struct pool *pool)
{
	const struct suite_pool *settings = pool->settings;

	for (; !pool->enough && pool->shown < pool->suite->count && pool->ready[pool->shown];
		pool->shown++) {
		settings->done(settings->context, &pool->suite->tests[pool->shown],
			&pool->results[pool->shown], "");
		pool->enough = settings->enough && settings->enough(settings->context);
	}
}

static void take_answer(struct pool *pool, struct worker *worker)
{
	size_t i = worker->answer.test;

	if (i < pool->suite->count) {
		pool->results[i] = worker->answer;
		pool->ready[i] = true;
	}
	worker->used = 0;
	worker->next += pool->jobs;
	worker->since = tool_clock();
	worker->used_then = processor_time(worker->pid);
}

static void describe_death(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "crashed: %s", strsignal(WTERMSIG(status)));
	else
		snprintf(text, size,
			"crashed: a sanitizer or the harness ended the process (exit %d)",
			WEXITSTATUS(status));
}

/* The worker ended: with all its tests done, or in the middle of one, which then has crashed. */
static bool bury(struct pool *pool, struct worker *worker, bool hung)
{
	int status = 0;

	if (hung)
		kill(worker->pid, SIGKILL);
	close(worker->from);
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		;
	worker->pid = 0;
	if (worker->next >= pool->suite->count)
		return true;
	struct test_result *result = &pool->results[worker->next];
	memset(result, 0, sizeof(*result));
	result->test = (uint32_t)worker->next;
	result->status = TEST_FAIL;
	snprintf(result->rule, sizeof(result->rule), hung ? "hang" : "crash");
	if (hung)
		snprintf(result->message, sizeof(result->message), "no end after %u s",
			pool->settings->timeout);
	else
		describe_death(status, result->message, sizeof(result->message));
	pool->ready[worker->next] = true;
	worker->next += pool->jobs;
	return start_worker(pool, worker);
}

static bool read_worker(struct pool *pool, struct worker *worker)
{
	ssize_t count = read(worker->from, (char *)&worker->answer + worker->used,
		sizeof(worker->answer) - worker->used);

	if (count < 0 && errno == EINTR)
		return true;
	if (count <= 0)
		return bury(pool, worker, false);
	worker->used += (size_t)count;
	if (worker->used == sizeof(worker->answer))
		take_answer(pool, worker);
	return true;
}

static bool serve(struct pool *pool)
{
	struct pollfd waits[JOBS_MAX];
	struct worker *workers[JOBS_MAX];
	nfds_t count = 0;

	for (size_t w = 0; w < pool->jobs; w++)
		if (pool->workers[w].pid) {
			workers[count] = &pool->workers[w];
			waits[count++] =
				(struct pollfd){.fd = pool->workers[w].from, .events = POLLIN};
		}
	if (!count)
		return false;
	if (poll(waits, count, 500) < 0 && errno != EINTR)
		return false;
	for (nfds_t w = 0; w < count; w++) {
		bool alive = true;

		if (waits[w].revents)
			alive = read_worker(pool, workers[w]);
		else if (hangs(pool, workers[w]))
			alive = bury(pool, workers[w], true);
		if (!alive)
			return false;
	}
	show_ready(pool);
	return !pool->enough;
}

static void stop_workers(struct pool *pool)
{
	for (size_t w = 0; w < pool->jobs; w++) {
		struct worker *worker = &pool->workers[w];

		if (!worker->pid)
			continue;
		kill(worker->pid, SIGKILL);
		close(worker->from);
		waitpid(worker->pid, NULL, 0);
		worker->pid = 0;
	}
}

static bool run_workers(const struct suite *suite, const struct suite_config *config,
	const struct suite_pool *settings)
{
	struct pool *pool = tool_grow(NULL, 1, sizeof(*pool));
	bool started = true;

	memset(pool, 0, sizeof(*pool));
	pool->suite = suite;
	pool->config = config;
	pool->settings = settings;
	pool->jobs = settings->jobs ? settings->jobs < JOBS_MAX ? settings->jobs : JOBS_MAX : 1;
	pool->results = tool_grow(NULL, suite->count, sizeof(*pool->results));
	pool->ready = tool_grow(NULL, suite->count, sizeof(*pool->ready));
	memset(pool->ready, 0, suite->count * sizeof(*pool->ready));
	pool->shown = settings->first;
	for (size_t w = 0; started && w < pool->jobs; w++) {
		pool->workers[w].next = settings->first + w;
		started = start_worker(pool, &pool->workers[w]);
	}
	while (started && !interrupted && serve(pool))
		;
	stop_workers(pool);
	bool complete = pool->enough || pool->shown >= suite->count;
	free(pool->results);
	free(pool->ready);
	free(pool);
	return complete;
}

bool suite_run_all(const struct suite *suite, const struct suite_config *config,
	const struct suite_pool *settings)
{
	struct sigaction action = {.sa_handler = on_signal}, old_int, old_term;

	sigaction(SIGINT, &action, &old_int);
	sigaction(SIGTERM, &action, &old_term);
	bool complete = config->probe ? suite_run_live(suite, config, settings, &interrupted)
				      : run_workers(suite, config, settings);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	return complete;
}
