/* SPDX-License-Identifier: Apache-2.0 */
/* Program to bytes, each value in its shortest form. Layout: docs/BINARY.md. */
#include <string.h>

#include "fuzz/prog/binary_private.h"
#include "fuzz/prog/names.h"

struct encoder {
	const struct prog *prog;
	const struct binary_plan *plans;
	uint8_t *out;
	size_t room, used;
	uint32_t call;
	struct producers producers;
};

static void put(struct encoder *encoder, uint64_t number, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, encoder->used++)
		if (encoder->used < encoder->room)
			encoder->out[encoder->used] = (uint8_t)(number >> (8 * i));
}

static void put_byte(struct encoder *encoder, unsigned byte)
{
	put(encoder, byte, 1);
}

static void put_count(struct encoder *encoder, uint16_t count)
{
	if (count < 0xff) {
		put_byte(encoder, count);
		return;
	}
	put_byte(encoder, 0xff);
	put(encoder, count, 2);
}

static void put_tagged(
	struct encoder *encoder, enum binary_tag tag, uint64_t number, unsigned bytes)
{
	put_byte(encoder, tag);
	put(encoder, number, bytes);
}

static void encode_options(struct encoder *encoder)
{
	const struct prog *prog = encoder->prog;
	const struct prog_options *options = &prog->options;
	unsigned present =
		(options->kernel ? OPTION_KERNEL : 0u) | (options->bug ? OPTION_BUG : 0u) |
		(options->pages ? OPTION_PAGES : 0u) | (options->seed ? OPTION_SEED : 0u) |
		(options->memlock ? OPTION_MEMLOCK : 0u) | (options->flags ? OPTION_FLAGS : 0u) |
		(options->compat ? OPTION_COMPAT : 0u) |
		(prog->switch_count ? OPTION_SWITCHES : 0u);

	put_byte(encoder, prog->schedule_count ? BINARY_WITH_SCHEDULE : BINARY_VERSION);
	put_byte(encoder, present);
	put(encoder, options->kernel, present & OPTION_KERNEL ? 2 : 0);
	put(encoder, options->bug, present & OPTION_BUG ? 2 : 0);
	put(encoder, options->pages, present & OPTION_PAGES ? 4 : 0);
	put(encoder, options->seed, present & OPTION_SEED ? 4 : 0);
	put(encoder, options->memlock, present & OPTION_MEMLOCK ? 8 : 0);
	put(encoder, options->flags, present & OPTION_FLAGS ? 1 : 0);
	put(encoder, options->compat, present & OPTION_COMPAT ? 4 : 0);
	put(encoder, prog->switch_count, present & OPTION_SWITCHES ? 2 : 0);
	for (uint32_t i = 0; i < prog->switch_count; i++) {
		const struct schedule_switch *next = &prog->switches[i];

		put_byte(encoder, next->thread | (unsigned)next->to << 4);
		put_byte(encoder, next->point);
		put_byte(encoder, next->object);
		put_count(encoder, next->call);
		put_count(encoder, next->occurrence);
	}
	if (prog->schedule_count)
		put_byte(encoder, prog->schedule_count);
	for (uint32_t i = 0; i < prog->schedule_count; i++)
		put_byte(encoder, prog->schedule[i]);
}

static int constant_index(uint64_t number)
{
	for (int i = 0; i < CONSTANT_COUNT; i++)
		if (binary_constants[i] == number)
			return i;
	return -1;
}

/* A name's index saves bytes for numbers such as 0xdeadbeef. */
static int named_index(const struct field *field, uint64_t number)
{
	for (int i = 0; i < 256 && field->names && field->names[i].name; i++)
		if (prog_field_number(field, field->names[i].value) == number)
			return i;
	return -1;
}

static void encode_wide_number(struct encoder *encoder, const struct field *field, uint64_t number)
{
	int named = named_index(field, number);
	uint64_t pages = number % PAGE_BYTES ? UINT64_MAX : number / PAGE_BYTES;

	if (number <= UINT8_MAX)
		put_tagged(encoder, TAG_NUMBER_1, number, 1);
	else if (named >= 0)
		put_tagged(encoder, TAG_NAMED, (uint64_t)named, 1);
	else if (pages <= UINT8_MAX)
		put_tagged(encoder, TAG_PAGES_1, pages, 1);
	else if (~number <= UINT8_MAX)
		put_tagged(encoder, TAG_NEGATIVE_1, ~number, 1);
	else if (number <= UINT16_MAX)
		put_tagged(encoder, TAG_NUMBER_2, number, 2);
	else if (pages <= UINT16_MAX)
		put_tagged(encoder, TAG_PAGES_2, pages, 2);
	else if (number <= UINT32_MAX)
		put_tagged(encoder, TAG_NUMBER_4, number, 4);
	else if (pages <= UINT32_MAX)
		put_tagged(encoder, TAG_PAGES_4, pages, 4);
	else
		put_tagged(encoder, TAG_NUMBER_8, number, 8);
}

static void encode_number(struct encoder *encoder, const struct field *field, uint64_t number)
{
	int constant = constant_index(number);

	if (number < NUMBER_COUNT)
		put_byte(encoder, TAG_NUMBER + (unsigned)number);
	else if (number % PAGE_BYTES == 0 && number / PAGE_BYTES <= PAGES_COUNT)
		put_byte(encoder, TAG_PAGES + (unsigned)(number / PAGE_BYTES) - 1);
	else if (constant >= 0)
		put_byte(encoder, TAG_CONSTANT + (unsigned)constant);
	else
		encode_wide_number(encoder, field, number);
}

static void encode_mem(struct encoder *encoder, uint64_t offset)
{
	uint64_t page = offset / PAGE_BYTES, rest = offset % PAGE_BYTES;

	if (!rest && page < MEM_COUNT)
		put_byte(encoder, TAG_MEM + (unsigned)page);
	else if (!rest && page <= UINT8_MAX)
		put_tagged(encoder, TAG_MEM_PAGES_1, page, 1);
	else if (offset % HUGE_BYTES == 0 && offset / HUGE_BYTES <= UINT8_MAX)
		put_tagged(encoder, TAG_MEM_HUGE, offset / HUGE_BYTES, 1);
	else if (!rest && page <= UINT16_MAX)
		put_tagged(encoder, TAG_MEM_PAGES_2, page, 2);
	else if (page <= UINT8_MAX)
		put_tagged(encoder, TAG_MEM_PAGE_OFFSET, page | rest << 8, 3);
	else
		put_tagged(encoder, TAG_MEM_8, offset, 8);
}

/* How many producers of the field's type back the value's is, or UINT32_MAX. */
static uint32_t handle_back(
	const struct encoder *encoder, const struct field *field, const struct value *value)
{
	uint32_t count = producers_count(&encoder->producers, field->resource);

	for (uint32_t back = 0; back < count; back++) {
		struct producer producer =
			producers_get(&encoder->producers, field->resource, back);

		if (producer.call == value->call && producer.output == value->output)
			return back;
	}
	return UINT32_MAX;
}

static void encode_handle(
	struct encoder *encoder, const struct field *field, const struct value *value)
{
	uint32_t back = handle_back(encoder, field, value);
	uint64_t offset = value->number;

	if (back == UINT32_MAX) {
		put_byte(encoder, offset ? TAG_HANDLE_ANY_OFFSET : TAG_HANDLE_ANY);
		put(encoder, encoder->call - 1 - value->call, 2);
		put_byte(encoder, value->output);
		put(encoder, offset, offset ? 8 : 0);
		return;
	}
	if (!offset && back < HANDLE_COUNT) {
		put_byte(encoder, TAG_HANDLE + back);
		return;
	}
	if (!offset) {
		put_tagged(encoder, TAG_HANDLE_1, back, 1);
		return;
	}
	if (offset + 128 < 256)
		put_tagged(encoder, TAG_HANDLE_1_BYTE, back | (offset & 0xff) << 8, 2);
	else if (offset % PAGE_BYTES == 0 && offset / PAGE_BYTES <= UINT8_MAX)
		put_tagged(encoder, TAG_HANDLE_1_PAGES, back | offset / PAGE_BYTES << 8, 2);
	else {
		put_tagged(encoder, TAG_HANDLE_1_OFFSET, back, 1);
		put(encoder, offset, 8);
	}
}

static void put_bytes(struct encoder *encoder, const struct value *value)
{
	for (uint32_t i = 0; i < value->count; i++)
		put_byte(encoder, encoder->prog->bytes[value->start + i]);
}

static void encode_value(
	struct encoder *encoder, const struct field *field, const struct value *value);

static void encode_struct(
	struct encoder *encoder, const struct layout *layout, const struct value *value)
{
	for (uint32_t i = 0; i < layout->field_count; i++)
		encode_value(encoder, &layout->fields[i], &encoder->prog->values[value->start + i]);
}

static void encode_array(
	struct encoder *encoder, const struct field *field, const struct value *value)
{
	bool small = value->count <= UINT8_MAX;
	/* PROG_VALUE_MAX lets no array of more elements than two bytes count into a program. */
	uint32_t count = value->count <= UINT16_MAX ? value->count : UINT16_MAX;

	put_tagged(encoder, small ? TAG_ARRAY_1 : TAG_ARRAY_2, count, small ? 1 : 2);
	for (uint32_t i = 0; i < count; i++)
		encode_struct(encoder, field->pointee, &encoder->prog->values[value->start + i]);
}

static void encode_scalar(
	struct encoder *encoder, const struct field *field, const struct value *value)
{
	bool small = value->count <= UINT8_MAX;

	switch (value->kind) {
	case VALUE_NUMBER: encode_number(encoder, field, value->number); break;
	case VALUE_HANDLE: encode_handle(encoder, field, value); break;
	case VALUE_MEM: encode_mem(encoder, value->number); break;
	case VALUE_BYTES:
		put_tagged(encoder, small ? TAG_BYTES_1 : TAG_BYTES_4, value->count, small ? 1 : 4);
		put_bytes(encoder, value);
		break;
	case VALUE_STRUCT:
		put_byte(encoder, TAG_STRUCT);
		encode_struct(encoder, field->pointee, value);
		break;
	case VALUE_ARRAY: encode_array(encoder, field, value); break;
	default: put_byte(encoder, TAG_UNSET); break;
	}
}

static void encode_value(
	struct encoder *encoder, const struct field *field, const struct value *value)
{
	switch (field->kind) {
	case FIELD_BYTES:
	case FIELD_TAIL:
		if (value->kind == VALUE_UNSET)
			put_byte(encoder, TAG_UNSET);
		else if (value->count < 0xfd)
			put_byte(encoder, value->count + 1);
		else if (value->count <= UINT16_MAX)
			put_tagged(encoder, 0xfe, value->count, 2);
		else
			put_tagged(encoder, 0xff, value->count, 4);
		if (value->kind != VALUE_UNSET)
			put_bytes(encoder, value);
		break;
	case FIELD_NAME:
		put_byte(encoder,
			value->kind == VALUE_UNSET ? TAG_UNSET : (unsigned)(value->number + 1));
		break;
	default: encode_scalar(encoder, field, value);
	}
}

static unsigned parts_of(
	const struct prog *prog, const struct call *call, const struct binary_plan *plan)
{
	const struct call_row *row = prog_row(call);
	unsigned parts = 0;

	if (!call->body && (call->thread || call->process))
		parts |= PART_PLACE;
	if (call->fail)
		parts |= PART_FAIL;
	if (call->repeat)
		parts |= PART_REPEAT;
	if (call->body)
		parts |= PART_BODY;
	for (unsigned i = 0; i < row->field_count; i++)
		if (prog_value(prog, call, i)->kind != VALUE_UNSET)
			parts |= plan->parts[i] & ~(unsigned)PART_NEVER;
	return parts;
}

static void encode_call(struct encoder *encoder, uint32_t index)
{
	const struct prog *prog = encoder->prog;
	const struct call *call = &prog->calls[index];
	const struct call_row *row = prog_row(call);
	const struct binary_plan *plan = &encoder->plans[call->row];
	unsigned parts = parts_of(prog, call, plan);

	encoder->call = index;
	put(encoder, call->row, CALL_ID_COUNT > 256 ? 2 : 1);
	put_byte(encoder, parts);
	if (parts & PART_PLACE)
		put_byte(encoder, call->thread | (unsigned)call->process << 4);
	if (parts & PART_FAIL) {
		put_byte(encoder, call->fail | (unsigned)call->fail_point << 2);
		if (call->fail != FAIL_SWEEP)
			put_count(encoder, (uint16_t)(call->fail_nth - 1));
	}
	if (parts & PART_REPEAT)
		put_count(encoder, call->repeat);
	for (unsigned i = 0; i < row->field_count; i++)
		if (!plan->parts[i] || (parts & plan->parts[i]))
			encode_value(encoder, &row->fields[i], prog_value(prog, call, i));
	producers_add_call(&encoder->producers, prog, index, plan);
}

size_t prog_encode(const struct prog *prog, uint8_t *out, size_t room)
{
	struct encoder encoder;

	encoder.prog = prog;
	encoder.plans = binary_plans();
	encoder.out = out;
	encoder.room = room;
	encoder.used = 0;
	memset(encoder.producers.counts, 0, sizeof(encoder.producers.counts));
	encode_options(&encoder);
	for (uint32_t i = 0; i < prog->call_count; i++)
		encode_call(&encoder, i);
	return encoder.used;
}
