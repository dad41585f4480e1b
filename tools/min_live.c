/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz min --target live: judging candidates on the real kernel. */
#include "tools/min_live.h"

#include <string.h>

#include "fuzz/exec/names.h"
#include "tools/apart.h"
#include "tools/suite.h"
#include "tools/tool.h"

#define SECONDS_MAX 20 /* of one run */
#define WAIT_MAX    100u

struct task {
	const struct min_live *live;
	const struct prog *prog;
};

static void name_result(
	struct min_live_failure *failure, const struct trace_entry *entry, const struct prog *prog)
{
	char text[32];

	failure->fails = true;
	failure->row = prog->calls[entry->call].row;
	failure->result = entry->result;
	snprintf(failure->rule, sizeof(failure->rule), "%.50s gives %s",
		prog_row(&prog->calls[entry->call])->name,
		result_text(text, sizeof(text), entry->result));
}

/* Whether the model does something else there. It is not asked for what it does not know. */
static bool model_differs(
	const struct trace *live, const struct trace *model, uint32_t e, const struct prog *prog)
{
	const struct trace_entry *a = &live->entries[e];

	if (!prog_row(&prog->calls[a->call])->implemented)
		return true;
	if (e >= model->entry_count)
		return false;
	const struct trace_entry *b = &model->entries[e];
	if (b->call != a->call)
		return false;
	return a->result != b->result || a->image_size != b->image_size ||
	       memcmp(live->bytes + a->image, model->bytes + b->image, a->image_size) != 0;
}

/* Looks for the call that is wrong in the way known. */
static void look_again(const struct min_live *live, struct exec *exec, const struct prog *prog,
	struct min_live_failure *failure)
{
	const char *reason;
	struct exec *model = exec_open(&target_model, live->kernel, &reason);
	const struct trace *trace = exec_trace(exec);

	if (!model || !exec_run(model, prog, &reason)) {
		exec_close(model);
		return;
	}
	for (uint32_t e = 0; e < trace->entry_count && !failure->fails; e++) {
		const struct trace_entry *entry = &trace->entries[e];

		if (entry->kind == TRACE_CALL && prog->calls[entry->call].row == live->row &&
			entry->result == live->result &&
			model_differs(trace, exec_trace(model), e, prog))
			name_result(failure, entry, prog);
	}
	exec_close(model);
}

/* The first time: what the program expects tells which call is wrong. */
static void look(const struct min_live *live, struct exec *exec, const struct prog *prog,
	struct min_live_failure *failure)
{
	struct test test = {.text = *live->text};
	struct min_live wrong = *live;
	char text[32];
	uint16_t kernel = prog->options.kernel ? prog->options.kernel : live->kernel;
	const struct trace_entry *entry = suite_first_unmet(&test, exec, kernel);

	if (!entry)
		return;
	wrong.row = prog->calls[entry->call].row;
	wrong.result = entry->result;
	look_again(&wrong, exec, prog, failure);
	if (!failure->fails)
		snprintf(failure->skipped, sizeof(failure->skipped),
			"call %u gives %s here as in the reference model: it expects something "
			"else",
			entry->call + 1u, result_text(text, sizeof(text), entry->result));
}

static void judge(void *context, FILE *out)
{
	const struct task *task = context;
	const struct min_live *live = task->live;
	struct min_live_failure failure = {0};
	const char *reason = NULL;
	struct exec *exec = exec_open(&target_live, live->kernel, &reason);

	if (!exec || !exec_run(exec, task->prog, &reason)) {
		snprintf(failure.skipped, sizeof(failure.skipped), "%s", reason);
	} else if (live->known) {
		look_again(live, exec, task->prog, &failure);
	} else {
		look(live, exec, task->prog, &failure);
	}
	exec_close(exec);
	fwrite(&failure, sizeof(failure), 1, out);
}

/* From outside: what ended the process. */
static void name_end(const struct apart *apart, enum apart_state state, const struct prog *prog,
	struct min_live_failure *failure)
{
	uint32_t call = apart_call(apart);

	failure->fails = true;
	snprintf(failure->rule, sizeof(failure->rule), "%s in %.60s",
		state == APART_HUNG ? "hang" : "crash",
		call < prog->call_count ? prog_row(&prog->calls[call])->name : "no call");
}

/* A report is the same one if it is so without numbers: processor and process are those of a run.
 */
static void name_report(const char *title, struct min_live_failure *failure)
{
	size_t used = 0;

	failure->fails = true;
	for (; *title && used < sizeof(failure->rule) - 1; title++)
		if (*title < '0' || *title > '9')
			failure->rule[used++] = *title;
	failure->rule[used] = '\0';
}

void min_live_judge(
	struct min_live *live, const struct prog *prog, struct min_live_failure *failure)
{
	struct task task = {live, prog};
	struct apart_limits limits = {.seconds = SECONDS_MAX, .prog = prog};
	struct apart *apart = apart_open(sizeof(*failure));
	enum apart_state state = APART_RUNNING;
	char title[200], text[4096];
	size_t size;

	memset(failure, 0, sizeof(*failure));
	if (!apart || !apart_start(apart, &limits, judge, &task)) {
		tool_error("min: no process to be had");
		apart_close(apart);
		return;
	}
	while (state == APART_RUNNING) {
		apart_wait(&apart, 1, WAIT_MAX);
		state = apart_look(apart);
	}
	const void *output = apart_output(apart, &size);
	if (state == APART_DONE && size == sizeof(*failure))
		memcpy(failure, output, size);
	else
		name_end(apart, state, prog, failure);
	if (live->machine.log &&
		machine_log(live->machine.log, title, sizeof(title), text, sizeof(text)))
		name_report(title, failure);
	apart_close(apart);
}
