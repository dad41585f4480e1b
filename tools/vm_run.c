/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz vm run: foreign programs on a kernel that is booted for them. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tools/agent_execute.h"
#include "tools/agent_link.h"
#include "tools/files.h"
#include "tools/tool.h"
#include "tools/vm_check.h"

#define GUEST_FOLDER	  "/programs/"
#define MARGIN_SECONDS	  10
#define REASON_SIZE	  600
#define CONSOLE_TEXT_SIZE 4000

struct run_all {
	const struct vm_run *run;
	struct vm_config config;
	struct vm vm;
	bool up; /* a machine runs */
	int code;
};

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* -- results -- */

static void fail(struct run_all *all, int code)
{
	if (all->code != TOOL_BROKEN && all->code != TOOL_INTERRUPTED)
		all->code = code;
}

/* Several programs may speak: each line says which one did. */
static void print_lines(const char *name, const char *text, size_t length)
{
	for (const char *end = text + length; text < end;) {
		const char *next = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((next ? next : end) - text);

		fprintf(stderr, "%s: %.*s\n", name, (int)line, text);
		text += line + 1;
	}
}

static void print_end(const char *name, const struct agent_executed *answer, unsigned timeout)
{
	if (!answer->started)
		tool_error("%s: the machine could not start a process", name);
	else if (answer->timed_out)
		tool_error("%s: took longer than %u s", name, timeout);
	else if (WIFSIGNALED(answer->status))
		tool_error("%s: ended by signal %d (%s)", name, WTERMSIG(answer->status),
			strsignal(WTERMSIG(answer->status)));
	else
		tool_error("%s: exit status %d", name, WEXITSTATUS(answer->status));
}

static void keep_output(struct run_all *all, const char *name, const char *text, size_t length)
{
	char path[VM_PATH_SIZE];

	if (!all->run->folder) {
		if (all->run->program_count > 1)
			printf("== %s\n", name);
		fwrite(text, 1, length, stdout);
		fflush(stdout);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", all->run->folder, name);
	if (!files_write(path, text, length))
		fail(all, TOOL_BROKEN);
}

/* False: the answer is none. */
static bool take_answer(
	struct run_all *all, const char *name, const struct agent_header *header, const char *body)
{
	struct agent_executed answer;

	if (header->type != AGENT_EXECUTED || header->length < sizeof(answer))
		return false;
	memcpy(&answer, body, sizeof(answer));
	const char *output = body + sizeof(answer);
	const char *errors = output + answer.output, *log = errors + answer.errors;
	if ((uint64_t)answer.output + answer.errors + answer.log != header->length - sizeof(answer))
		return false;
	keep_output(all, name, output, answer.output);
	print_lines(name, errors, answer.errors);
	if (answer.log)
		tool_error("%s: the kernel's log says:", name);
	print_lines(name, log, answer.log);
	if (!answer.started || answer.timed_out || answer.status)
		print_end(name, &answer, all->run->timeout);
	if (!answer.started || answer.timed_out || answer.status || answer.log)
		fail(all, TOOL_FAILED);
	return true;
}

/* -- the machine -- */

static bool start(struct run_all *all)
{
	char reason[REASON_SIZE];

	if (!all->up && !vm_start(&all->vm, &all->config, reason, sizeof(reason))) {
		all->code = agent_interrupted() ? TOOL_INTERRUPTED : TOOL_BROKEN;
		if (all->code == TOOL_BROKEN)
			tool_error("%s", reason);
		return false;
	}
	all->up = true;
	return true;
}

static void stop(struct run_all *all, const char *name, bool silent)
{
	char text[CONSOLE_TEXT_SIZE];

	vm_stop(&all->vm, text, sizeof(text));
	all->up = false;
	if (!name)
		return;
	tool_error("%s: the machine %s", name, silent ? "fell silent" : "died");
	print_lines(name, text, strlen(text));
	fail(all, TOOL_FAILED);
}

static void run_program(struct run_all *all, const char *name)
{
	struct agent_execute request = {.timeout = all->run->timeout};
	struct agent_header header;
	bool answered = false, silent = false, going;
	void *body;

	snprintf(request.path, sizeof(request.path), GUEST_FOLDER "%s", name);
	going = agent_send(all->vm.channel, AGENT_EXECUTE, &request, sizeof(request));
	while (going && !answered) {
		going = agent_receive(all->vm.channel, all->run->timeout + MARGIN_SECONDS, &header,
			&body, &silent);
		if (!going)
			break;
		if (header.type == AGENT_LOG)
			tool_error("%s", (const char *)body);
		else
			going = answered = take_answer(all, name, &header, body);
		free(body);
	}
	if (agent_interrupted())
		all->code = TOOL_INTERRUPTED;
	else if (!answered)
		stop(all, name, silent);
}

/* -- all of it -- */

static bool collect(const struct vm_run *run, struct vm_content *content)
{
	char path[VM_PATH_SIZE], reason[REASON_SIZE];

	for (size_t i = 0; i < run->program_count; i++) {
		snprintf(path, sizeof(path), GUEST_FOLDER "%s", name_of(run->programs[i]));
		if (!vm_content_add_program(
			    content, path, run->programs[i], reason, sizeof(reason))) {
			tool_error("%s", reason);
			return false;
		}
	}
	for (size_t i = 0; i < run->with_count; i++)
		if (!vm_content_add(content, run->with[i], reason, sizeof(reason))) {
			tool_error("%s", reason);
			return false;
		}
	return true;
}

int vm_run(const struct vm_run *run)
{
	struct run_all all = {.run = run, .config = run->vm, .code = TOOL_OK};
	struct vm_content content = {0};

	if (run->folder && mkdir(run->folder, 0755) != 0 && errno != EEXIST) {
		tool_error("%s: %s", run->folder, strerror(errno));
		return TOOL_BROKEN;
	}
	all.config.content = &content;
	if (collect(run, &content)) {
		for (size_t i = 0; i < run->program_count && all.code != TOOL_INTERRUPTED; i++) {
			if (!start(&all))
				break;
			if (i == 0)
				fprintf(stderr, "# %s\n", all.vm.hello.probe.release);
			run_program(&all, name_of(run->programs[i]));
		}
		if (all.up)
			stop(&all, NULL, false);
	} else {
		all.code = TOOL_BROKEN;
	}
	vm_content_free(&content);
	return tool_exit(all.code);
}
