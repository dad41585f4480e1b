/* SPDX-License-Identifier: Apache-2.0 */
/* Implementation and reference model in step. */
#include "fuzz/oracle/lockstep.h"

#include <stdio.h>
#include <string.h>

#include "fuzz/exec/names.h"

bool lockstep_begin(struct lockstep *pair, const struct prog *prog, const char **reason)
{
	pair->compared = 0;
	return exec_begin(pair->impl, prog, reason) &&
	       (!pair->model || exec_begin(pair->model, prog, reason));
}

void lockstep_finish(struct lockstep *pair)
{
	exec_finish(pair->impl);
	if (pair->model)
		exec_finish(pair->model);
}

static int64_t run_on(struct exec *exec, uint32_t i, enum lockstep_mode mode, uint16_t nth)
{
	switch (mode) {
	case LOCKSTEP_PLAIN: return exec_step_plain(exec, i);
	case LOCKSTEP_FAILING: return exec_step_failing(exec, i, nth);
	default: return exec_step_once(exec, i);
	}
}

static void fill_step(struct lockstep *pair, const struct prog *prog, uint32_t i, int64_t result,
	uint32_t from, struct oracle_step *step)
{
	const struct trace *trace = exec_trace(pair->impl);

	step->prog = prog;
	step->index = i;
	step->call = exec_resolved(pair->impl);
	step->result = result;
	step->injected = exec_injected(pair->impl, NULL);
	step->callbacks = false;
	step->image = NULL;
	step->image_size = 0;
	if (!trace->entry_count)
		return;
	const struct trace_entry *last = &trace->entries[trace->entry_count - 1];
	if (last->image_size) {
		step->image = trace->bytes + last->image;
		step->image_size = last->image_size;
	}
	for (uint32_t e = from; e < trace->entry_count; e++)
		if (trace->entries[e].kind == TRACE_CALLBACK)
			step->callbacks = true;
}

/* "call 3 IOMMU_IOAS_MAP: result: expected EEXIST, got 0" as one line, and which part of the trace
 * it is. */
static bool disagree(struct lockstep *pair, const struct prog *prog, uint32_t i, int64_t entry,
	struct finding *finding)
{
	const struct trace *want = exec_trace(pair->model), *got = exec_trace(pair->impl);
	const struct trace *longer = (uint32_t)entry < want->entry_count ? want : got;
	const struct call_row *row = prog_row(&prog->calls[longer->entries[entry].call]);
	char text[sizeof(finding->message)] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (out) {
		trace_explain(want, got, entry, row, out);
		fclose(out);
	}
	text[strcspn(text, "\n")] = '\0';
	const char *rule = strstr(text, ": result:")	    ? "result"
			   : strstr(text, ": user memory:") ? "user memory"
			   : strncmp(text, "call ", 5) == 0 ? "output"
							    : "order";
	return finding_set(finding, ORACLE_MODEL, i, rule, "%s", text);
}

static bool run_model(struct lockstep *pair, uint32_t i, enum lockstep_mode mode, uint16_t nth,
	const struct oracle_step *step, struct finding *finding)
{
	char result[24];

	if (step->injected) {
		uint8_t point;
		uint16_t nth_of_point = exec_fault(pair->impl, &point);

		if (exec_step_injected(pair->model, i, step->result, point, nth_of_point))
			return true;
		return finding_set(finding, ORACLE_MODEL, i, "injected error",
			"call %u %s: an injected failure gave %s, which the specification (14) "
			"does not allow there",
			i + 1, step->call ? step->call->row->name : "",
			result_text(result, sizeof(result), step->result));
	}
	/* A failure that was not reached: the call must look as if there was none. */
	if (mode == LOCKSTEP_FAILING)
		mode = LOCKSTEP_PLAIN;
	run_on(pair->model, i, mode, nth);
	return true;
}

bool lockstep_step(struct lockstep *pair, const struct prog *prog, uint32_t i,
	enum lockstep_mode mode, uint16_t nth, struct oracle_step *step, struct finding *finding)
{
	uint32_t from = exec_trace(pair->impl)->entry_count;
	int64_t result = run_on(pair->impl, i, mode, nth);

	fill_step(pair, prog, i, result, from, step);
	if (!pair->model)
		return true;
	if (!run_model(pair, i, mode, nth, step, finding))
		return false;
	int64_t entry =
		trace_compare(exec_trace(pair->model), exec_trace(pair->impl), pair->compared);
	if (entry >= 0)
		return disagree(pair, prog, i, entry, finding);
	pair->compared = exec_trace(pair->impl)->entry_count;
	return true;
}
