/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/expect.h"

#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/prog/names.h"

#define ALTERNATIVES_MAX 4
#define FIELDS_MAX	 6

/* Calls from here on are not judged: an injected failure may have changed what they meet. */
static uint32_t judged_calls(const struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		if (call->fail == FAIL_POINT || call->fail == FAIL_NTH)
			return call->body ? call->body - 1u : i;
	}
	return prog->call_count;
}

/* Descriptors are numbered by the target. */
static bool gives_descriptor(const struct call_row *row)
{
	for (unsigned f = 0; f < row->field_count; f++)
		if ((row->fields[f].direction & FIELD_OUT) && !row->fields[f].width &&
			row->fields[f].kind == FIELD_RESOURCE)
			return true;
	return false;
}

static struct expect_alternative alternative_of(const struct call_row *row, int64_t result)
{
	struct expect_alternative alternative = {.result = EXPECT_OK};

	if (result < 0) {
		alternative.result = EXPECT_ERRNO;
		alternative.value = (int32_t)-result;
	} else if (result <= INT32_MAX && !gives_descriptor(row)) {
		alternative.result = EXPECT_VALUE;
		alternative.value = (int32_t)result;
	}
	return alternative;
}

static bool same(const struct expect_alternative *a, const struct expect_alternative *b)
{
	return a->result == b->result && a->value == b->value;
}

/* A call of a callback or with repeats may have several results. */
static void add_result(
	struct expectation *expectation, const struct call_row *row, int64_t result, bool *too_many)
{
	struct expect_alternative alternative = alternative_of(row, result);

	for (unsigned i = 0; i < expectation->alternative_count; i++)
		if (same(&expectation->alternatives[i], &alternative))
			return;
	if (expectation->alternative_count < ALTERNATIVES_MAX &&
		(result >= 0 || names_errno((int32_t)-result)))
		expectation->alternatives[expectation->alternative_count++] = alternative;
	else
		*too_many = true;
}

/* Whether the call sets a number there that the program did not give. */
static bool is_answer(const struct field *field, const struct value *given, uint64_t number)
{
	switch (field->kind) {
	case FIELD_IOVA:
	case FIELD_LENGTH:
	case FIELD_FLAGS:
	case FIELD_ENUM:
	case FIELD_NUMBER: break;
	default: return false;
	}
	if (!(field->direction & FIELD_OUT) || !field->width)
		return false;
	return !(field->direction & FIELD_IN) || given->kind != VALUE_NUMBER ||
	       prog_field_number(field, given->number) != number;
}

static void add_fields(struct expectation *expectation, const struct prog *prog,
	const struct call *call, const struct trace *trace, const struct trace_entry *entry)
{
	const struct call_row *row = prog_row(call);

	for (unsigned f = 0; f < row->field_count && expectation->field_count < FIELDS_MAX; f++) {
		const struct field *field = &row->fields[f];

		if (field->offset + field->width > entry->image_size)
			continue;
		uint64_t number = field_get(field, trace->bytes + entry->image);
		if (is_answer(field, prog_value(prog, call, f), number))
			expectation->fields[expectation->field_count++] =
				(struct expect_field){.field = (uint8_t)f,
					.value = {.kind = VALUE_NUMBER, .number = number}};
	}
}

static void expect_call(struct prog_text *text, const struct trace *trace, uint32_t index)
{
	const struct call *call = &text->prog.calls[index];
	struct expectation *expectation = &text->expectations[index];
	const struct trace_entry *only = NULL;
	bool too_many = false;
	unsigned runs = 0;

	for (uint32_t e = 0; e < trace->entry_count; e++) {
		const struct trace_entry *entry = &trace->entries[e];

		if (entry->kind != TRACE_CALL || entry->call != index)
			continue;
		add_result(expectation, prog_row(call), entry->result, &too_many);
		only = entry;
		runs++;
	}
	if (too_many)
		expectation->alternative_count = 0;
	else if (runs == 1 && only->result >= 0)
		add_fields(expectation, &text->prog, call, trace, only);
}

bool expect_from_model(struct prog_text *text, uint16_t kernel)
{
	const struct prog *prog = &text->prog;
	uint32_t judged = judged_calls(prog);
	const char *reason;

	if (!prog_text_reserve(text, prog->call_count + 1))
		return false;
	memset(text->expectations, 0, prog->call_count * sizeof(*text->expectations));
	struct exec *exec = exec_open(&target_model, kernel, &reason);
	bool ran = exec && exec_run(exec, prog, &reason);
	for (uint32_t i = 0; ran && i < judged; i++) {
		/* A body may run again behind the injected failure. */
		bool unsure = prog->calls[i].body && judged < prog->call_count;

		if (!unsure && prog_row(&prog->calls[i])->kind != CALL_CONTROL)
			expect_call(text, exec_trace(exec), i);
	}
	exec_close(exec);
	return ran;
}
