/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a foreign program and keeps what it prints. */
#define _GNU_SOURCE
#include "tools/agent_execute.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/agent_check.h"
#include "tools/machine.h"
#include "tools/tool.h"

#define LOG_SIZE 4000

struct run {
	int output, errors; /* files without a name */
	pid_t pid;
	struct agent_executed answer;
};

/* A program finds what a login gives it: no input, three descriptors, a session of its own. */
static void become_program(const struct run *run, const char *path)
{
	static char folders[] = "PATH=/usr/bin:/bin", home[] = "HOME=/";
	char *const environment[] = {folders, home, NULL};
	char *name = tool_copy(path), *const words[] = {name, NULL};

	setsid();
	dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
	dup2(run->output, STDOUT_FILENO);
	dup2(run->errors, STDERR_FILENO);
	closefrom(STDERR_FILENO + 1);
	execve(path, words, environment);
	dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

/* What it leaves behind in its session goes with it. */
static void wait_for_end(struct run *run, uint32_t seconds)
{
	struct timespec pause = {.tv_nsec = 2000000};
	uint64_t limit = tool_clock() + (uint64_t)seconds * 1000000;
	pid_t ended;

	while ((ended = waitpid(run->pid, &run->answer.status, WNOHANG)) == 0 ||
		(ended < 0 && errno == EINTR)) {
		if (tool_clock() > limit && !run->answer.timed_out) {
			run->answer.timed_out = 1;
			kill(-run->pid, SIGKILL);
			kill(run->pid, SIGKILL);
		}
		nanosleep(&pause, NULL);
	}
	kill(-run->pid, SIGKILL);
}

/* The length of a stream; its bytes go to the end of text. */
static uint32_t append(int fd, char **text, size_t *used)
{
	struct stat stat_of;
	size_t size = fstat(fd, &stat_of) == 0 ? (size_t)stat_of.st_size : 0, got = 0;
	ssize_t count;

	if (size > AGENT_OUTPUT_MAX)
		size = AGENT_OUTPUT_MAX;
	*text = tool_grow(*text, *used + size + LOG_SIZE, 1);
	while (got < size && (count = pread(fd, *text + *used + got, size - got, (off_t)got)) > 0)
		got += (size_t)count;
	*used += got;
	return (uint32_t)got;
}

static bool send_answer(int out, struct run *run, struct kernel_log *log)
{
	char title[200] = "", *text = NULL;
	size_t used = 0;

	run->answer.output = append(run->output, &text, &used);
	run->answer.errors = append(run->errors, &text, &used);
	text[used] = '\0';
	if (log && machine_log(log, title, sizeof(title), text + used, LOG_SIZE))
		run->answer.log = (uint32_t)strlen(text + used);
	bool sent = agent_send2(out, AGENT_EXECUTED, &run->answer, sizeof(run->answer), text,
		used + run->answer.log);
	free(text);
	return sent;
}

bool agent_answer_execute(int out, struct kernel_log *log, const void *body, size_t length)
{
	struct agent_execute request;
	struct run run = {.pid = -1};

	if (length != sizeof(request))
		return agent_log(out, "agent: a request of %zu bytes, expected %zu", length,
			       sizeof(request)) &&
		       agent_send(out, AGENT_DONE, NULL, 0);
	memcpy(&request, body, sizeof(request));
	request.path[sizeof(request.path) - 1] = '\0';
	run.output = memfd_create("output", MFD_CLOEXEC);
	run.errors = memfd_create("errors", MFD_CLOEXEC);
	if (run.output >= 0 && run.errors >= 0)
		run.pid = fork();
	if (run.pid == 0)
		become_program(&run, request.path);
	if (run.pid > 0) {
		run.answer.started = 1;
		wait_for_end(&run, request.timeout);
	}
	bool sent = send_answer(out, &run, log);
	close(run.output);
	close(run.errors);
	return sent;
}
