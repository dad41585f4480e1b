/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz run --target live: a program in a process of its own, shown as far as it came. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "tools/apart.h"
#include "tools/run.h"
#include "tools/tool.h"

#define OUTPUT_MAX  ((size_t)256 << 20)
#define LOG_BYTES   (64u << 10)
#define RUN_SECONDS 86400u /* a user who waits too long has Ctrl-C */
#define WAIT_MAX    100u

struct task {
	const struct run *run;
	const struct prog_text *text;
};

/* Its first line is why the program is not run, empty when it is. */
static void show_program(void *context, FILE *out)
{
	const struct task *task = context;
	const struct prog *prog = &task->text->prog;
	const struct exec_parallel parallel = {.seed = 1, .seconds = APART_SECTION_SECONDS};
	const char *reason = NULL;
	struct exec *exec = exec_open(&target_live, task->run->kernel, &reason);
	if (exec && prog_has_threads(prog))
		exec_set_parallel(exec, &parallel);
	bool begun = exec && exec_begin(exec, prog, &reason);
	bool shown = begun && !task->run->json && !task->run->quiet;
	uint32_t printed = 0;

	fprintf(out, "%s\n", begun ? "" : reason);
	for (uint32_t i = 0; begun && i < prog->call_count;) {
		const struct trace *trace = exec_trace(exec);
		uint32_t end = exec_section_end(prog, i);

		if (end == i)
			exec_step(exec, i++);
		else
			exec_run_section(exec, i, end);
		i = end > i ? end : i;
		if (!shown)
			continue;
		run_print_entries(trace, printed, task->text, out);
		fflush(out);
		printed = trace->entry_count;
	}
	if (begun)
		exec_finish(exec);
	if (begun && task->run->json)
		run_json_trace(exec_trace(exec), task->text, out);
	exec_close(exec);
}

static enum apart_state wait_for(struct apart *apart)
{
	enum apart_state state = APART_RUNNING;

	while (state == APART_RUNNING) {
		apart_wait(&apart, 1, WAIT_MAX);
		state = apart_look(apart);
	}
	return state;
}

/* What is wrong: seen by the kernel first, then from outside. */
static void judge(struct run *run, const struct apart *apart, enum apart_state state,
	struct run_finding *finding, char *message, size_t size, char *log)
{
	*finding = (struct run_finding){.call = UINT32_MAX};
	if (run->machine.log && machine_log(run->machine.log, message, size, log, LOG_BYTES))
		*finding = (struct run_finding){"kernel", "kernel-log", message, UINT32_MAX};
	if (state == APART_DONE)
		return;
	finding->call = apart_call(apart);
	if (finding->oracle)
		return;
	finding->oracle = "process";
	finding->rule = state == APART_HUNG ? "hang" : "crash";
	finding->message = message;
	apart_describe(apart, state, message, size);
}

static void print_text(const struct run *run, const char *path, const struct prog_text *text,
	const char *shown, const struct run_finding *finding)
{
	if (!run->quiet)
		printf("%s\n%s", path, shown);
	if (!finding->oracle)
		return;
	printf("%sfinding %s: %s: %s\n", run->quiet ? "" : "\n", finding->oracle, finding->rule,
		finding->message);
	if (finding->call < text->prog.call_count) {
		printf("  call %u: ", finding->call + 1);
		prog_print_call(text, finding->call, stdout);
		putchar('\n');
	}
}

static int show(struct run *run, const char *path, const struct prog_text *text,
	const struct apart *apart, enum apart_state state)
{
	char message[500] = "";
	struct run_finding finding;
	char *log = tool_grow(NULL, LOG_BYTES, 1);
	size_t size;
	const char *output = apart_output(apart, &size);
	char *shown = tool_grow(NULL, size + 1, 1);

	memcpy(shown, output, size);
	shown[size] = '\0';
	*log = '\0';
	judge(run, apart, state, &finding, message, sizeof(message), log);
	char *rest = strchr(shown, '\n');
	if (rest)
		*rest++ = '\0';
	const char *reason = *shown ? shown : NULL;
	if (run->json) {
		run_json_head(path, &finding, reason, stdout);
		fputs(state == APART_DONE && !reason && rest ? rest
							     : "\"digest\": null, \"trace\": []}\n",
			stdout);
	} else {
		print_text(run, path, text, rest ? rest : "", &finding);
		if (reason)
			printf("%s: not run: %s\n", path, reason);
		if (finding.oracle)
			fputs(log, stdout);
	}
	run->not_run += reason != NULL;
	free(shown);
	free(log);
	return finding.oracle ? TOOL_FAILED : reason ? TOOL_SKIPPED : TOOL_OK;
}

int run_live(struct run *run, const char *path, const struct prog_text *text)
{
	struct task task = {run, text};
	struct apart_limits limits = {
		.seconds = RUN_SECONDS, .call_seconds = run->call_timeout, .prog = &text->prog};
	struct apart *apart = apart_open(OUTPUT_MAX);
	int code = TOOL_BROKEN;

	if (apart && apart_start(apart, &limits, show_program, &task))
		code = show(run, path, text, apart, wait_for(apart));
	else
		tool_error("run: no process to be had: %s", strerror(errno));
	apart_close(apart);
	return code;
}
