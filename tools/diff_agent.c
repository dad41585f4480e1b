/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of `iommuzz diff`: runs programs in child processes, because a program may end,
 * hang or change the process it runs in, and tells what they did.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/trace_stream.h"
#include "fuzz/prog/binary.h"
#include "tools/agent.h"
#include "tools/diff_wire.h"
#include "tools/tool.h"

#define REASONS_MAX  64u
#define CALL_SECONDS 10u
#define LIVE_SECONDS 3600u /* of a child in all */

/* Shared with the child: a pipe would take a descriptor that belongs to the programs. */
struct board {
	volatile uint32_t at;	    /* program that runs; count when all have run */
	volatile uint32_t reported; /* texts in use */
	struct live_progress progress;
	char reasons[REASONS_MAX][DIFF_REASON_SIZE];
	uint64_t trace_size;
	struct agent_digest digests[];
};

struct work {
	int out; /* where the judge listens */
	const struct target_class *target;
	uint16_t bug, kernel;
	unsigned call_seconds;
	uint32_t count;
	const uint8_t **programs;
	uint32_t *sizes;
	struct board *board;
	size_t board_size;
	uint8_t *trace; /* shared room for one trace, NULL: digests are enough */
	size_t trace_room;
	uint64_t told;	/* when the judge last heard of progress */
	bool unclaimed; /* title and text came with the batch and with no program of it alone */
	char title[DIFF_REASON_SIZE], text[4096];
};

static void *shared(size_t size)
{
	void *place = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return place == MAP_FAILED ? NULL : place;
}

/* 1 + index of the text, 0 when there is no more room. */
static uint32_t reason_number(struct board *board, const char *reason)
{
	for (uint32_t i = 0; i < board->reported; i++)
		if (strncmp(board->reasons[i], reason, DIFF_REASON_SIZE - 1) == 0)
			return i + 1;
	if (board->reported == REASONS_MAX)
		return 0;
	snprintf(board->reasons[board->reported], DIFF_REASON_SIZE, "%s", reason);
	return ++board->reported;
}

/* -- in the child -- */

static void keep_trace(const struct work *work, const struct trace *trace)
{
	size_t size = trace_stream_size(trace);

	if (!work->trace || size > work->trace_room || work->board->at + 1 != work->count)
		return;
	trace_stream_write(trace, work->trace);
	work->board->trace_size = size;
}

static void run_programs(const struct work *work)
{
	struct board *board = work->board;
	const char *reason = NULL;
	struct exec *exec;
	struct prog prog;

	if (work->target == &target_live)
		target_live_watch(&board->progress, work->call_seconds);
	exec = exec_open(work->target, work->kernel, &reason);
	if (exec) {
		exec_set_bug(exec, work->bug);
		exec_set_scattered(exec, true);
	}
	prog_init(&prog);
	for (; board->at < work->count; board->at++) {
		struct agent_digest *digest = &board->digests[board->at];

		prog_decode(&prog, work->programs[board->at], work->sizes[board->at]);
		bool ran = exec && exec_run(exec, &prog, &reason);
		if (ran && work->target == &target_live && target_live_excuse(exec_target(exec))) {
			reason = target_live_excuse(exec_target(exec));
			ran = false;
		}
		if (ran) {
			digest->digest = trace_stream_digest(exec_trace(exec));
			digest->outcome = AGENT_RAN;
			keep_trace(work, exec_trace(exec));
		} else {
			digest->outcome = AGENT_NOT_RUN;
			digest->reason = reason_number(board, reason);
		}
	}
	exec_close(exec);
}

/* -- in the agent -- */

static void sleep_until_child(void)
{
	struct timespec tenth = {.tv_nsec = 100000000};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigtimedwait(&child, NULL, &tenth);
}

static bool is_over(pid_t pid, int *status)
{
	pid_t ended = waitpid(pid, status, WNOHANG);

	return ended == pid || (ended < 0 && errno != EINTR);
}

/* A process that the kernel does not let go of is left behind. */
static void put_down(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	for (int tenths = 0; tenths < 20 && !is_over(pid, &status); tenths++)
		sleep_until_child();
}

/* A judge takes long silence for death, so progress is told of, once a second at most. */
static void tell_progress(struct work *work)
{
	uint32_t at = work->board->at;

	if (tool_clock() - work->told < UINT64_C(1000000))
		return;
	work->told = tool_clock();
	agent_send(work->out, AGENT_BEGIN, &at, sizeof(at));
}

/* Waits for the child. False: a call hangs; the child was killed. */
static bool watch(struct work *work, pid_t pid, int *status)
{
	uint64_t patience = 2 * UINT64_C(1000000) * work->call_seconds, since = tool_clock();
	uint64_t begin = since;
	uint32_t at = 0, call = 0;

	while (!is_over(pid, status)) {
		sleep_until_child();
		if (work->board->at != at || work->board->progress.call != call) {
			at = work->board->at;
			call = work->board->progress.call;
			since = tool_clock();
			tell_progress(work);
		}
		if (!work->board->progress.hung && tool_clock() - since <= patience &&
			tool_clock() - begin <= LIVE_SECONDS * UINT64_C(1000000))
			continue;
		put_down(pid);
		return false;
	}
	return !work->board->progress.hung;
}

static pid_t start_child(const struct work *work)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		run_programs(work);
		_exit(0);
	}
	return pid;
}

static void record_end(const struct work *work, bool hung, int status)
{
	struct board *board = work->board;
	struct agent_digest *digest = &board->digests[board->at];

	digest->outcome = hung ? AGENT_HUNG : AGENT_DIED;
	digest->call =
		(uint16_t)(board->progress.hung ? board->progress.hung : board->progress.call);
	digest->signal = hung || !WIFSIGNALED(status) ? 0 : (uint8_t)WTERMSIG(status);
	board->progress = (struct live_progress){0};
	board->at++;
}

/* Programs [from, to): a child runs until one of them ends it, the next child goes on behind. */
static bool run_range(struct work *work, uint32_t from, uint32_t to)
{
	uint32_t count = work->count;

	work->board->at = from;
	work->count = to;
	while (work->board->at < to) {
		int status = 0;
		pid_t pid = start_child(work);
		if (pid < 0)
			return false;
		bool answered = watch(work, pid, &status);
		tell_progress(work);
		if (work->board->at < to)
			record_end(work, !answered, status);
	}
	work->count = count;
	return true;
}

static bool has_report(struct work *work)
{
	return work->target->report && work->target->report(work->title, sizeof(work->title),
					       work->text, sizeof(work->text));
}

static void mark_report(struct work *work, uint32_t program)
{
	work->board->digests[program].outcome = AGENT_REPORT;
	work->board->digests[program].reason = reason_number(work->board, work->title);
}

/*
 * The kernel complained during the batch. Each program again, alone, until it does so once more; a
 * warning that comes only once in the life of a kernel stays with the batch.
 */
static bool find_reports(struct work *work)
{
	char title[sizeof(work->title)], text[sizeof(work->text)];
	uint32_t found = 0;

	memcpy(title, work->title, sizeof(title));
	memcpy(text, work->text, sizeof(text));
	for (uint32_t i = 0; i < work->count; i++) {
		if (!run_range(work, i, i + 1))
			return false;
		if (has_report(work)) {
			mark_report(work, i);
			found++;
		}
	}
	work->unclaimed = !found;
	memcpy(work->title, title, sizeof(title));
	memcpy(work->text, text, sizeof(text));
	return true;
}

static void close_work(struct work *work)
{
	if (work->board)
		munmap(work->board, work->board_size);
	if (work->trace)
		munmap(work->trace, work->trace_room);
	free(work->programs);
	free(work->sizes);
}

/* Takes the request apart; the programs stay in body. */
static bool open_work(struct work *work, const void *body, size_t length)
{
	const uint8_t *at = body, *end = at + length;
	struct agent_batch batch;

	if (length < sizeof(batch))
		return false;
	memcpy(&batch, at, sizeof(batch));
	at += sizeof(batch);
	if (batch.count > DIFF_BATCH_MAX)
		return false;
	work->kernel = batch.kernel;
	work->call_seconds = batch.call_seconds ? batch.call_seconds : CALL_SECONDS;
	work->board_size =
		sizeof(*work->board) + (batch.count + 1) * sizeof(work->board->digests[0]);
	work->board = shared(work->board_size);
	work->programs = calloc(batch.count + 1u, sizeof(*work->programs));
	work->sizes = calloc(batch.count + 1u, sizeof(*work->sizes));
	if (!work->board || !work->programs || !work->sizes)
		return false;
	for (; work->count < batch.count; work->count++) {
		uint32_t size;

		if ((size_t)(end - at) < sizeof(size))
			return false;
		memcpy(&size, at, sizeof(size));
		at += sizeof(size);
		if (size > (size_t)(end - at))
			return false;
		work->programs[work->count] = at;
		work->sizes[work->count] = size;
		at += size;
	}
	return true;
}

static void block_child_signal(sigset_t *old)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, old);
}

static bool run_all(struct work *work)
{
	sigset_t old;
	bool done;

	block_child_signal(&old);
	work->told = tool_clock();
	has_report(work); /* what came before is not ours */
	done = run_range(work, 0, work->count);
	if (!done || !has_report(work))
		work->text[0] = '\0';
	else if (work->count == 1 || work->trace)
		mark_report(work, work->count - 1);
	else
		done = find_reports(work);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return done;
}

bool agent_answer_batch(
	int out, const struct target_class *target, uint16_t bug, const void *body, size_t length)
{
	struct work work = {.out = out, .target = target, .bug = bug};
	bool done = open_work(&work, body, length) && run_all(&work);

	if (done) {
		struct agent_traces traces = {.count = work.count, .reasons = work.board->reported};
		size_t digests = work.count * sizeof(work.board->digests[0]);
		size_t texts = traces.reasons * sizeof(work.board->reasons[0]);
		uint8_t *answer = malloc(digests + texts + 1);

		done = answer != NULL;
		if (work.unclaimed)
			memcpy(traces.title, work.title, sizeof(traces.title));
		memcpy(traces.text, work.text, sizeof(traces.text));
		if (answer) {
			memcpy(answer, work.board->digests, digests);
			memcpy(answer + digests, work.board->reasons, texts);
			done = agent_send2(out, AGENT_TRACES, &traces, sizeof(traces), answer,
				digests + texts);
		}
		free(answer);
	}
	close_work(&work);
	return done;
}

bool agent_answer_program(
	int out, const struct target_class *target, uint16_t bug, const void *body, size_t length)
{
	struct work work = {.out = out, .target = target, .bug = bug};
	bool done = open_work(&work, body, length) && work.count;

	work.trace_room = AGENT_MESSAGE_MAX - sizeof(struct agent_trace);
	work.trace = done ? shared(work.trace_room) : NULL;
	done = work.trace && run_all(&work);
	if (done) {
		const struct agent_digest *digest = &work.board->digests[work.count - 1];
		struct agent_trace trace = {
			.outcome = digest->outcome, .signal = digest->signal, .call = digest->call};

		if (digest->reason)
			memcpy(trace.reason, work.board->reasons[digest->reason - 1],
				sizeof(trace.reason));
		if (trace.outcome == AGENT_REPORT)
			memcpy(trace.text, work.text, sizeof(trace.text));
		done = agent_send2(out, AGENT_TRACE, &trace, sizeof(trace), work.trace,
			work.board->trace_size);
	}
	close_work(&work);
	return done;
}
