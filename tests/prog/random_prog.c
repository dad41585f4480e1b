/* SPDX-License-Identifier: Apache-2.0 */
#include "random_prog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/names.h"
#include "impl/abi/points.h"

uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint32_t random_below(struct random *random, uint32_t limit)
{
	return (uint32_t)((random_next(random) >> 32) * limit >> 32);
}

bool random_one_in(struct random *random, uint32_t n)
{
	return random_below(random, n) == 0;
}

/* Small numbers, powers of two and their neighbours, whole pages, anything. */
static uint64_t random_number(struct random *random)
{
	uint64_t number = random_next(random);

	switch (random_below(random, 6)) {
	case 0: return number & 0x3f;
	case 1: return (UINT64_C(1) << (number & 63)) + random_below(random, 3) - 1;
	case 2: return number % 70000 * 4096;
	case 3: return -(number % 300);
	case 4: return number >> (number & 63);
	default: return number;
	}
}

static void random_value(struct random *random, struct prog *prog, const struct field *field,
	uint32_t index, unsigned depth);

static void random_struct(struct random *random, struct prog *prog, const struct layout *layout,
	uint32_t index, unsigned depth)
{
	uint32_t first = prog_add_values(prog, layout->field_count);

	if (first == UINT32_MAX)
		return;
	prog->values[index] =
		(struct value){.kind = VALUE_STRUCT, .count = layout->field_count, .start = first};
	for (uint32_t i = 0; i < layout->field_count; i++)
		if (!random_one_in(random, 3))
			random_value(random, prog, &layout->fields[i], first + i, depth + 1);
}

static void random_array(struct random *random, struct prog *prog, const struct layout *layout,
	uint32_t index, unsigned depth)
{
	uint32_t count = random_one_in(random, 200) ? 300 : random_below(random, 4);
	uint32_t first = prog_add_values(prog, count);

	if (first == UINT32_MAX ||
		PROG_VALUE_MAX - prog->value_count < 2 * count * layout->field_count)
		return;
	prog->values[index] = (struct value){.kind = VALUE_ARRAY, .count = count, .start = first};
	for (uint32_t i = 0; i < count; i++)
		random_struct(random, prog, layout, first + i, depth);
}

static void random_bytes(struct random *random, struct prog *prog, uint32_t index)
{
	uint8_t bytes[400];
	uint32_t count = random_one_in(random, 50) ? sizeof(bytes) : random_below(random, 12);
	bool readable = random_one_in(random, 2);
	uint32_t start;

	for (uint32_t i = 0; i < count; i++)
		bytes[i] =
			(uint8_t)(readable ? 0x20 + random_below(random, 95) : random_next(random));
	start = prog_add_bytes(prog, bytes, count);
	if (start != UINT32_MAX)
		prog->values[index] =
			(struct value){.kind = VALUE_BYTES, .count = count, .start = start};
}

/* The last call is the user. Earlier outputs of any type, since stale and wrong handles are
 * programs too. */
static void random_handle(struct random *random, struct prog *prog, uint32_t index)
{
	uint32_t user = prog->call_count - 1;
	uint8_t fields[CALL_OUTPUT_MAX];

	for (unsigned tries = 0; user && tries < 8; tries++) {
		uint32_t call = random_below(random, user);
		int outputs = call_outputs(prog_row(&prog->calls[call]), fields);

		if (outputs <= 0 || !prog_handle_reaches(prog, user, call))
			continue;
		prog->values[index] = (struct value){
			.kind = VALUE_HANDLE,
			.call = (uint16_t)call,
			.output = (uint8_t)random_below(random, (uint32_t)outputs),
			.number = random_one_in(random, 4) ? random_number(random) : 0,
		};
		return;
	}
}

static void random_value(struct random *random, struct prog *prog, const struct field *field,
	uint32_t index, unsigned depth)
{
	enum value_kind kind = (enum value_kind)random_below(random, VALUE_ARRAY + 1);
	uint64_t number = random_number(random);
	unsigned names = 0;

	if (!prog_field_takes(field, kind, depth))
		return;
	while (field->names && field->names[names].name)
		names++;
	if (names && !random_one_in(random, 4))
		number = field->names[random_below(random, names)].value;
	switch (kind) {
	case VALUE_NUMBER:
		prog->values[index] = (struct value){
			.kind = VALUE_NUMBER, .number = prog_field_number(field, number)};
		break;
	case VALUE_HANDLE: random_handle(random, prog, index); break;
	case VALUE_MEM:
		prog->values[index] = (struct value){.kind = VALUE_MEM, .number = number};
		break;
	case VALUE_BYTES: random_bytes(random, prog, index); break;
	case VALUE_STRUCT: random_struct(random, prog, field->pointee, index, depth); break;
	case VALUE_ARRAY: random_array(random, prog, field->pointee, index, depth); break;
	default: break;
	}
}

static void random_failure(struct random *random, struct call *call)
{
	call->fail = (uint8_t)random_below(random, FAIL_SWEEP + 1);
	if (call->fail == FAIL_POINT)
		call->fail_point = (uint8_t)random_below(random, FAULT_POINT_COUNT);
	if (call->fail == FAIL_POINT || call->fail == FAIL_NTH)
		call->fail_nth =
			(uint16_t)(1 + random_below(random, random_one_in(random, 5) ? 65535 : 5));
}

static bool random_call(struct random *random, struct prog *prog, uint16_t body)
{
	enum call_id row = (enum call_id)random_below(random, CALL_ID_COUNT);
	struct call *call = prog_add_call(prog, random_one_in(random, 30) ? CALL_ID_on : row);
	uint32_t first;

	if (!call)
		return false;
	first = call->first_value;
	call->body = body;
	if (body) {
		call->thread = prog->calls[body - 1].thread;
		call->process = prog->calls[body - 1].process;
	} else if (random_one_in(random, 3)) {
		call->thread = (uint8_t)random_below(random, PROG_THREAD_MAX + 1);
		call->process = (uint8_t)random_below(random, PROG_PROCESS_MAX);
	}
	if (random_one_in(random, 6))
		random_failure(random, call);
	if (random_one_in(random, 8))
		call->repeat =
			(uint16_t)(2 + random_below(random, random_one_in(random, 2) ? 65533 : 10));
	row = (enum call_id)call->row;
	for (unsigned i = 0; i < call_rows[row].field_count; i++)
		if (!random_one_in(random, 3))
			random_value(random, prog, &call_rows[row].fields[i], first + i, 0);
	return true;
}

static void random_options(struct random *random, struct prog *prog)
{
	struct prog_options *options = &prog->options;
	uint32_t present = (uint32_t)random_next(random);

	if (present & 1)
		options->kernel = (uint16_t)LINUX(6, 2 + random_below(random, 18));
	if (present & 2)
		options->bug = (uint16_t)random_below(random, 70);
	if (present & 4)
		options->pages = random_below(random, PROG_PAGES_MAX + 1);
	if (present & 8)
		options->seed = (uint32_t)random_number(random);
	if (present & 16)
		options->memlock = random_number(random);
	if (options->memlock || (present & 32))
		options->flags |= PROG_OPTION_MEMLOCK_SET;
	if (present & 64)
		options->flags |= PROG_OPTION_CAPS_NONE;
	if (present & 128)
		options->flags |= present & 256 ? PROG_OPTION_IOASID_X2 : PROG_OPTION_IOASID_X3;
	if (present & 512)
		options->compat = (uint32_t)random_number(random);
}

static void random_switches(struct random *random, struct prog *prog)
{
	uint32_t count = 1 + random_below(random, 4);

	for (uint32_t i = 0; i < count; i++) {
		struct schedule_switch *next = prog_add_switch(prog);

		next->thread = (uint8_t)random_below(random, PROG_THREAD_MAX + 1);
		next->to = (uint8_t)((next->thread + 1 + random_below(random, PROG_THREAD_MAX)) %
				     (PROG_THREAD_MAX + 1));
		next->point = (uint8_t)random_below(random, SCHEDULE_POINT_COUNT);
		next->object = random_below(random, PROG_LOCK_CLASSES + 1);
		next->call = (uint16_t)random_below(
			random, random_one_in(random, 4) ? PROG_CALL_MAX : 4);
		next->occurrence =
			(uint16_t)(1 + random_below(random, random_one_in(random, 4) ? 65535 : 4));
	}
}

/* Once the calls are there: only programs with threads and without switches have some. */
static void random_schedule(struct random *random, struct prog *prog)
{
	if (prog->switch_count || !prog_has_threads(prog) || random_one_in(random, 3))
		return;
	prog->schedule_count = random_one_in(random, 8)
				       ? PROG_SCHEDULE_MAX
				       : random_below(random, PROG_SCHEDULE_MAX + 1);
	for (uint32_t i = 0; i < prog->schedule_count; i++)
		prog->schedule[i] = (uint8_t)random_next(random);
}

void random_prog(struct random *random, struct prog *prog)
{
	uint32_t calls = random_below(random, random_one_in(random, 100) ? 400 : 12);

	prog_clear(prog);
	if (random_one_in(random, 3))
		random_options(random, prog);
	if (random_one_in(random, 6))
		random_switches(random, prog);
	for (uint32_t i = 0; i < calls; i++) {
		uint32_t index = prog->call_count;

		if (!random_call(random, prog, 0))
			return;
		if (!prog_has_body(prog->calls[index].row))
			continue;
		for (uint32_t j = random_below(random, 4); j; j--)
			if (!random_call(random, prog, (uint16_t)(index + 1)))
				return;
	}
	random_schedule(random, prog);
}

static void damage_call(struct random *random, struct prog *prog, struct call *call)
{
	switch (random_below(random, 9)) {
	case 0: call->row = (uint16_t)random_next(random); break;
	case 1: call->thread = (uint8_t)random_next(random); break;
	case 2: call->process = (uint8_t)random_next(random); break;
	case 3: call->fail = (uint8_t)random_next(random); break;
	case 4: call->fail_point = (uint8_t)random_next(random); break;
	case 5: call->fail_nth = (uint16_t)random_below(random, 2); break;
	case 6: call->repeat = (uint16_t)random_below(random, 3); break;
	case 7: call->body = (uint16_t)random_below(random, prog->call_count + 2); break;
	default: call->first_value = random_below(random, 2 * prog->value_count + 1); break;
	}
}

static void damage_value(struct random *random, struct prog *prog, struct value *value)
{
	switch (random_below(random, 4)) {
	case 0: value->kind = (uint8_t)random_below(random, VALUE_ARRAY + 3); break;
	case 1: value->call = (uint16_t)random_below(random, prog->call_count + 5); break;
	case 2: value->output = (uint8_t)random_next(random); break;
	default: value->number = random_number(random); break;
	}
}

void random_damage(struct random *random, struct prog *prog)
{
	uint32_t count = 1 + random_below(random, 6);

	for (uint32_t i = 0; i < count && prog->call_count; i++) {
		if (random_one_in(random, 2) || !prog->value_count)
			damage_call(
				random, prog, &prog->calls[random_below(random, prog->call_count)]);
		else
			damage_value(random, prog,
				&prog->values[random_below(random, prog->value_count)]);
	}
	if (random_one_in(random, 3)) {
		prog->options.kernel = (uint16_t)random_next(random);
		prog->options.pages = (uint32_t)random_next(random);
		prog->options.flags = (uint32_t)random_next(random);
	}
	if (prog->switch_count)
		memset(&prog->switches[0], (int)random_below(random, 256),
			sizeof(prog->switches[0]));
	if (random_one_in(random, 3))
		prog->schedule_count = random_below(random, 2 * PROG_SCHEDULE_MAX);
}

bool random_alter(struct random *random, struct prog *prog)
{
	struct call *call;

	if (!prog->call_count)
		return false;
	if (prog->schedule_count && random_one_in(random, 2)) {
		if (random_one_in(random, 2))
			prog->schedule_count--;
		else
			prog->schedule[random_below(random, prog->schedule_count)] ^= 1;
		return true;
	}
	call = &prog->calls[random_below(random, prog->call_count)];
	for (unsigned i = 0; i < prog_row(call)->field_count; i++) {
		struct value *value = prog_value(prog, call, i);

		if (random_one_in(random, 2))
			continue;
		if (value->kind == VALUE_NUMBER || value->kind == VALUE_MEM ||
			value->kind == VALUE_HANDLE) {
			value->number ^= UINT64_C(1) << random_below(random, 64);
			return true;
		}
		if (value->kind == VALUE_BYTES && value->count) {
			prog->bytes[value->start + random_below(random, value->count)] ^= 1;
			return true;
		}
		if (value->kind == VALUE_UNSET) {
			value->kind = VALUE_NUMBER;
			value->number = 0;
			return true;
		}
	}
	call->repeat = (uint16_t)(call->repeat + 7);
	return true;
}

static void random_expectation(
	struct random *random, const struct call_row *row, struct expectation *expectation)
{
	static const int errors[] = {EINVAL, EBUSY, EFAULT, ENOMEM, EOPNOTSUPP, ENOENT};
	bool by_version = random_one_in(random, 4);

	expectation->alternative_count = (uint8_t)(by_version ? 2 : 1 + random_below(random, 4));
	for (unsigned i = 0; i < expectation->alternative_count; i++) {
		struct expect_alternative *next = &expectation->alternatives[i];

		next->result = (uint8_t)(1 + random_below(random, EXPECT_ERRNO));
		if (next->result == EXPECT_ERRNO)
			next->value = errors[random_below(random, 6)];
		if (next->result == EXPECT_VALUE)
			next->value = (int32_t)(random_number(random) & INT32_MAX);
	}
	if (by_version) {
		expectation->alternatives[0].since = LINUX(6, 13);
		expectation->alternatives[1].before = LINUX(6, 13);
	}
	for (uint8_t i = 0; i < row->field_count && expectation->field_count < 6; i++) {
		struct expect_field *next = &expectation->fields[expectation->field_count];

		if (!row->fields[i].width || !(row->fields[i].direction & FIELD_OUT) ||
			random_one_in(random, 2))
			continue;
		next->field = i;
		next->value.kind = VALUE_NUMBER;
		next->value.number = prog_field_number(&row->fields[i], random_number(random));
		expectation->field_count++;
	}
}

/* Names that begin like made-up ones, and words that are flags elsewhere. */
static char *random_name(struct random *random, uint32_t call, unsigned output)
{
	static const char *const stems[] = {
		"x", "unmap", "notify", "main", "ok", "on", "as", "fd", "iova"};
	char name[40];

	if (call < 6 && !output)
		return strdup(stems[call]);
	snprintf(name, sizeof(name), "%s%u_%u", stems[random_below(random, 9)], call, output);
	return strdup(name);
}

void random_text(struct random *random, struct prog_text *text)
{
	struct prog_header *header = &text->header;

	prog_text_reserve(text, text->prog.call_count);
	for (uint32_t i = 0; i < text->prog.call_count; i++) {
		const struct call_row *row = prog_row(&text->prog.calls[i]);
		uint8_t fields[CALL_OUTPUT_MAX];
		int outputs = call_outputs(row, fields);

		for (int j = 0; j < outputs; j++)
			if (!random_one_in(random, 3)) {
				free(text->names[i][j]);
				text->names[i][j] = random_name(random, i, (unsigned)j);
			}
		if (random_one_in(random, 3))
			random_expectation(random, row, &text->expectations[i]);
		if (random_one_in(random, 8) && !text->prog.calls[i].body)
			text->comments[i] =
				strdup(random_one_in(random, 2) ? "# a comment\n#\n# more" : "");
	}
	if (text->prog.call_count && text->comments[0] && !*text->comments[0]) {
		free(text->comments[0]);
		text->comments[0] = NULL;
	}
	if (random_one_in(random, 2))
		header->description = strdup("What it shows.\n\nAnd why.");
	if (random_one_in(random, 2))
		header->id = strdup("some-id");
	if (random_one_in(random, 2))
		header->needs = (uint32_t)NEEDS_TEST | (uint32_t)PROG_NEEDS_ROOT;
	if (random_one_in(random, 2))
		header->since = LINUX(6, 6);
	if (random_one_in(random, 2))
		header->known_fail = strdup("live>=6.12,<7.0 mock needs a reset");
}
