/* SPDX-License-Identifier: Apache-2.0 */
/* Runs whose picture is wanted: in a process of their own, since a crash has one too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "tools/crash.h"
#include "tools/run.h"
#include "tools/tool.h"

static _Noreturn void child(
	struct run *run, const char *path, const struct prog_text *text, FILE *report, FILE *record)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fileno(report), STDERR_FILENO);
	crash_record_arm(record, run->oracle_run);
	int code = run_program(run, path, text);
	crash_record_done();
	/* What it leaks is told as always: this process ends as any other. */
	oracle_close(run->oracle_run);
	exit(tool_exit(code));
}

/* The first call of the main thread that did not return, or UINT32_MAX. */
static uint32_t call_of_main(const struct prog *prog, const struct crash_record *record)
{
	for (uint32_t i = 0; i < prog->call_count; i++) {
		bool returned = prog->calls[i].thread || prog->calls[i].body ||
				prog->calls[i].row == CALL_ID_join;

		for (uint32_t e = 0; !returned && e < record->entry_count; e++)
			returned = record->entries[e].kind == TRACE_CALL &&
				   record->entries[e].call == i;
		if (!returned)
			return i;
	}
	return UINT32_MAX;
}

static bool draw(const struct run *run, const char *path, const struct prog_text *text,
	FILE *report, const struct crash_record *record, int status)
{
	struct finding finding = {.call = UINT32_MAX};

	crash_name(report, status, finding.rule, sizeof(finding.rule));
	crash_message(report, status, finding.message, sizeof(finding.message));
	if (!record->active)
		finding.call = call_of_main(&text->prog, record);
	size_t used = strlen(finding.message);
	if (!record->active && finding.call == UINT32_MAX)
		snprintf(finding.message + used, sizeof(finding.message) - used,
			", behind the last call");
	return picture_draw_crash(&run->picture, path, text, record, &finding);
}

static int finish(struct run *run, const char *path, const struct prog_text *text, FILE *report,
	FILE *from, int status)
{
	struct crash_record record;
	int code = TOOL_FAILED;

	fflush(stdout);
	crash_copy(report);
	if (!crash_record_read(from, &record)) {
		tool_error("%s: the run ended in a crash and left nothing to draw", path);
		return TOOL_FAILED;
	}
	if (record.finished && WIFEXITED(status))
		code = WEXITSTATUS(status);
	else if (!record.finished && !draw(run, path, text, report, &record, status))
		code = TOOL_BROKEN;
	crash_record_free(&record);
	run->not_run += code == TOOL_SKIPPED;
	return code;
}

int run_drawn(struct run *run, const char *path, const struct prog_text *text)
{
	FILE *report = tmpfile(), *record = tmpfile();
	int status = 0, code = TOOL_BROKEN;
	pid_t pid = -1;

	fflush(NULL);
	if (report && record)
		pid = fork();
	if (pid == 0)
		child(run, path, text, report, record);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0)
		code = finish(run, path, text, report, record, status);
	else
		tool_error("run: cannot start a process: %s", strerror(errno));
	if (report)
		fclose(report);
	if (record)
		fclose(record);
	return code;
}
