/* SPDX-License-Identifier: Apache-2.0 */
/* The process of a hunt: started, watched, and taken for a finding when it crashes. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/crash.h"
#include "tools/hunt_private.h"
#include "tools/tool.h"

#define PROGRESS_MILLISECONDS 100

const char *hunt_kind_name(const struct hunt_finding *finding)
{
	switch ((enum hunt_kind)finding->kind) {
	case HUNT_ORACLE: return oracle_name(finding->finding.oracle);
	case HUNT_EXPECTATION: return "check";
	case HUNT_CRASH: return "crash";
	case HUNT_UNSTEADY: return "harness";
	default: return "nothing";
	}
}

static _Noreturn void child(const struct hunt *hunt, struct hunt_result *result)
{
	/* Ctrl-C goes to all processes of the terminal; the parent says when it is over. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (hunt->report)
		dup2(fileno(hunt->report), STDERR_FILENO);
	hunt_work(hunt, result);
	result->finished = true;
	_exit(TOOL_OK);
}

static bool is_over(const struct hunt *hunt)
{
	return hunt->interrupted && *hunt->interrupted;
}

/* Until the other end of the pipe is closed. */
static void watch(const struct hunt *hunt, struct hunt_result *result, pid_t pid, int end)
{
	for (;;) {
		struct pollfd wait = {.fd = end, .events = POLLIN};
		int news = poll(&wait, 1, PROGRESS_MILLISECONDS);

		if (news > 0)
			return;
		if (is_over(hunt)) {
			kill(pid, SIGKILL);
			result->stopped = true;
			return;
		}
		if (hunt->progress)
			hunt->progress(hunt->context, result);
	}
}

static void note_crash(const struct hunt *hunt, struct hunt_result *result, int status)
{
	struct hunt_finding *crash = calloc(1, sizeof(*crash));

	if (!crash)
		return;
	crash->kind = HUNT_CRASH;
	crash->run = result->runs + 1;
	crash->finding.call = UINT32_MAX;
	crash_name(hunt->report, status, crash->finding.rule, sizeof(crash->finding.rule));
	snprintf(crash->finding.message, sizeof(crash->finding.message),
		"the process that ran the program ended: %s%s", crash->finding.rule,
		WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " (it hung)" : "");
	hunt_add(result, crash);
	free(crash);
}

struct hunt_result *hunt_run(const struct hunt *hunt)
{
	int ends[2], status = 0;
	struct hunt_result *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (result == MAP_FAILED) {
		tool_error("out of memory");
		return NULL;
	}
	if (hunt->report) {
		rewind(hunt->report);
		if (ftruncate(fileno(hunt->report), 0) != 0)
			return NULL;
	}
	fflush(NULL);
	pid_t pid = pipe(ends) == 0 ? fork() : -1;
	if (pid == 0) {
		close(ends[0]);
		child(hunt, result);
	}
	if (pid < 0) {
		tool_error("cannot start a process: %s", strerror(errno));
		hunt_free(result);
		return NULL;
	}
	close(ends[1]);
	watch(hunt, result, pid, ends[0]);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!result->finished && !result->stopped && is_over(hunt))
		result->stopped = true;
	if (!result->finished && !result->stopped)
		note_crash(hunt, result, status);
	return result;
}

void hunt_free(struct hunt_result *result)
{
	if (result)
		munmap(result, sizeof(*result));
}
