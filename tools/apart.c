/* SPDX-License-Identifier: Apache-2.0 */
/* Work in a process of its own, watched from outside. */
#define _GNU_SOURCE
#include "tools/apart.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

#define SECOND	   UINT64_C(1000000)
#define KILL_TIME  (2 * SECOND) /* a process that is killed is gone by then, or never */
#define APART_JOBS 64u

struct shared {
	struct live_progress progress;
	volatile uint32_t finished;
	volatile uint64_t used;
	uint8_t bytes[];
};

struct apart {
	size_t room;
	struct shared *shared;
	struct apart_limits limits;
	pid_t pid; /* 0: nothing runs */
	int pidfd; /* -1: the kernel has none */
	int status;
	uint64_t start, call_start;
	uint32_t call, last_call; /* as in live_progress */
	bool stuck, whole;	  /* whole: the time limit for all of it has passed */
};

struct apart *apart_open(size_t room)
{
	struct apart *apart = calloc(1, sizeof(*apart));

	if (apart) {
		apart->room = room;
		apart->pidfd = -1;
	}
	return apart;
}

static void forget_shared(struct apart *apart)
{
	if (apart->shared)
		munmap(apart->shared, sizeof(*apart->shared) + apart->room);
	apart->shared = NULL;
}

/* One that was left behind keeps its memory, so each run has memory of its own. */
static bool fresh_shared(struct apart *apart)
{
	forget_shared(apart);
	void *memory = mmap(NULL, sizeof(*apart->shared) + apart->room, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	apart->shared = memory;
	return true;
}

static void close_descriptors(void)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 0u, ~0u, 0u) == 0)
		return;
#endif
	for (int fd = 0; fd < 4096; fd++)
		close(fd);
}

/* Straight to where the other process sees it: what came before a hang is not lost. */
static ssize_t write_shared(void *context, const char *bytes, size_t count)
{
	const struct apart *apart = context;
	size_t used = (size_t)apart->shared->used, room = apart->room - used;
	size_t taken = count < room ? count : room;

	memcpy(apart->shared->bytes + used, bytes, taken);
	apart->shared->used = used + taken;
	return (ssize_t)count;
}

static _Noreturn void child(
	struct apart *apart, void (*work)(void *context, FILE *out), void *context)
{
	struct shared *shared = apart->shared;
	unsigned seconds = apart->limits.call_seconds;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	close_descriptors();
	FILE *out = fopencookie(apart, "w", (cookie_io_functions_t){.write = write_shared});
	if (!out)
		_exit(TOOL_BROKEN);
	if (apart->limits.watch)
		apart->limits.watch(&shared->progress, seconds);
	else
		target_live_watch(&shared->progress, seconds);
	work(context, out);
	if (fclose(out) != 0)
		_exit(TOOL_BROKEN);
	shared->finished = 1;
	_exit(TOOL_OK);
}

bool apart_start(struct apart *apart, const struct apart_limits *limits,
	void (*work)(void *context, FILE *out), void *context)
{
	apart->limits = *limits;
	if (!apart->limits.call_seconds) {
		unsigned wait =
			limits->prog && prog_has_threads(limits->prog) ? APART_WAIT_SECONDS : 0;

		apart->limits.call_seconds = APART_CALL_SECONDS + wait;
		apart->limits.seconds += wait;
	}
	apart->status = 0;
	apart->call = apart->last_call = 0;
	apart->stuck = apart->whole = false;
	if (!fresh_shared(apart))
		return false;
	fflush(stdout);
	apart->start = apart->call_start = tool_clock();
	pid_t pid = fork();
	if (pid == 0)
		child(apart, work, context);
	if (pid < 0)
		return false;
	setpgid(pid, pid);
	apart->pid = pid;
#ifdef SYS_pidfd_open
	apart->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
	return true;
}

static bool has_ended(const struct apart *apart)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)apart->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == apart->pid;
}

/* Takes leave of an ended process, and of those that its program has started. */
static void reap(struct apart *apart)
{
	kill(-apart->pid, SIGKILL);
	while (waitpid(apart->pid, &apart->status, 0) < 0 && errno == EINTR)
		;
}

static void pause_briefly(void)
{
	struct timespec moment = {.tv_nsec = 1000000};

	nanosleep(&moment, NULL);
}

static void end_by_force(struct apart *apart)
{
	uint64_t start = tool_clock();

	kill(-apart->pid, SIGKILL);
	kill(apart->pid, SIGKILL);
	while (!has_ended(apart) && tool_clock() - start < KILL_TIME)
		pause_briefly();
	apart->stuck = !has_ended(apart);
	if (!apart->stuck)
		reap(apart);
}

static void forget_process(struct apart *apart)
{
	if (apart->pidfd >= 0)
		close(apart->pidfd);
	apart->pidfd = -1;
	apart->pid = 0;
}

void apart_close(struct apart *apart)
{
	if (!apart)
		return;
	if (apart->pid) {
		end_by_force(apart);
		forget_process(apart);
	}
	forget_shared(apart);
	free(apart);
}

/* The target's own clock is asked first: it alone knows where one run of a call begins. */
static bool hangs(struct apart *apart)
{
	const struct live_progress *progress = &apart->shared->progress;
	uint64_t now = tool_clock();
	uint32_t hung = progress->hung, call = progress->call;
	const struct prog *prog = apart->limits.prog;

	if (hung) {
		apart->last_call = hung;
		return true;
	}
	if (call != apart->call) {
		apart->call = call;
		apart->call_start = now;
	}
	apart->last_call = call;
	apart->whole = now - apart->start > apart->limits.seconds * SECOND;
	if (apart->whole)
		return true;
	bool repeated =
		call && prog && call <= prog->call_count && prog->calls[call - 1].repeat > 1;
	return call && !repeated &&
	       now - apart->call_start > (apart->limits.call_seconds + 1) * SECOND;
}

enum apart_state apart_look(struct apart *apart)
{
	if (!apart->pid)
		return APART_RUNNING;
	if (!has_ended(apart)) {
		if (!hangs(apart))
			return APART_RUNNING;
		end_by_force(apart);
		forget_process(apart);
		return APART_HUNG;
	}
	reap(apart);
	forget_process(apart);
	const struct live_progress *progress = &apart->shared->progress;
	apart->last_call = progress->hung ? progress->hung : progress->call;
	if (progress->hung)
		return APART_HUNG;
	bool done = apart->shared->finished && WIFEXITED(apart->status);
	return done ? APART_DONE : APART_DIED;
}

void apart_wait(struct apart *const *aparts, size_t count, unsigned milliseconds)
{
	struct pollfd waits[APART_JOBS];
	nfds_t used = 0;

	for (size_t i = 0; i < count && used < APART_JOBS; i++) {
		if (!aparts[i]->pid)
			continue;
		if (aparts[i]->pidfd < 0) {
			pause_briefly();
			return;
		}
		waits[used++] = (struct pollfd){.fd = aparts[i]->pidfd, .events = POLLIN};
	}
	if (used)
		poll(waits, used, (int)milliseconds);
}

const void *apart_output(const struct apart *apart, size_t *size)
{
	*size = apart->shared->used <= apart->room ? (size_t)apart->shared->used : apart->room;
	return apart->shared->bytes;
}

int apart_status(const struct apart *apart)
{
	return apart->status;
}

uint32_t apart_call(const struct apart *apart)
{
	return apart->last_call ? apart->last_call - 1 : UINT32_MAX;
}

bool apart_stuck(const struct apart *apart)
{
	return apart->stuck;
}

void apart_describe(const struct apart *apart, enum apart_state state, char *text, size_t size)
{
	const char *left = apart->stuck ? "; its process cannot be killed and is left behind" : "";

	if (state == APART_HUNG && apart->whole)
		snprintf(text, size, "no end after %u s%s", apart->limits.seconds, left);
	else if (state == APART_HUNG)
		snprintf(text, size, "call %u did not return within %u s%s", apart->last_call,
			apart->limits.call_seconds, left);
	else if (WIFSIGNALED(apart->status))
		snprintf(text, size, "crashed: %s", strsignal(WTERMSIG(apart->status)));
	else
		snprintf(text, size, "crashed: the harness ended the process (exit %d)",
			WEXITSTATUS(apart->status));
}
