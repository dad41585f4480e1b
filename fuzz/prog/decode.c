/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to program. Every byte string decodes; what is not there reads as zero. Layout:
 * docs/BINARY.md. */
#include <string.h>

#include "fuzz/prog/binary_private.h"
#include "fuzz/prog/names.h"
#include "impl/abi/points.h"

struct decoder {
	struct prog *prog;
	const struct binary_plan *plans;
	const uint8_t *at, *end;
	uint32_t call; /* being decoded */
	struct producers producers;
};

static uint64_t take_slowly(struct decoder *decoder, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes && decoder->at < decoder->end; i++)
		number |= (uint64_t)*decoder->at++ << (8 * i);
	return number;
}

/* A little-endian number of 1 to 8 bytes. */
static inline uint64_t take(struct decoder *decoder, unsigned bytes)
{
	uint64_t number = 0;

	if ((size_t)(decoder->end - decoder->at) < bytes)
		return take_slowly(decoder, bytes);
	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)decoder->at[i] << (8 * i);
	decoder->at += bytes;
	return number;
}

static inline uint8_t take_byte(struct decoder *decoder)
{
	return decoder->at < decoder->end ? *decoder->at++ : 0;
}

/* One byte, or 0xff and two. */
static uint16_t take_count(struct decoder *decoder)
{
	uint8_t small = take_byte(decoder);

	return small == 0xff ? (uint16_t)take(decoder, 2) : small;
}

static void decode_switches(struct decoder *decoder)
{
	uint32_t count = (uint32_t)take(decoder, 2);

	for (uint32_t i = 0; i < count && decoder->at < decoder->end; i++) {
		struct schedule_switch *next = prog_add_switch(decoder->prog);
		uint8_t threads = take_byte(decoder);

		if (!next)
			return;
		next->thread = threads & 15;
		next->to = threads >> 4;
		next->point = take_byte(decoder);
		next->object = take_byte(decoder);
		next->call = take_count(decoder);
		next->occurrence = take_count(decoder);
	}
}

static void decode_schedule(struct decoder *decoder)
{
	struct prog *prog = decoder->prog;
	uint32_t count = take_byte(decoder) % (PROG_SCHEDULE_MAX + 1u);

	for (uint32_t i = 0; i < count && decoder->at < decoder->end; i++)
		prog->schedule[prog->schedule_count++] = take_byte(decoder);
}

static void decode_options(struct decoder *decoder, uint8_t present)
{
	struct prog_options *options = &decoder->prog->options;

	if (present & OPTION_KERNEL)
		options->kernel = (uint16_t)take(decoder, 2);
	if (present & OPTION_BUG)
		options->bug = (uint16_t)take(decoder, 2);
	if (present & OPTION_PAGES)
		options->pages = (uint32_t)take(decoder, 4);
	if (present & OPTION_SEED)
		options->seed = (uint32_t)take(decoder, 4);
	if (present & OPTION_MEMLOCK)
		options->memlock = take(decoder, 8);
	if (present & OPTION_FLAGS)
		options->flags = take_byte(decoder);
	if (present & OPTION_COMPAT)
		options->compat = (uint32_t)take(decoder, 4);
	if (present & OPTION_SWITCHES)
		decode_switches(decoder);
	prog_repair_options(decoder->prog);
}

static inline void set_number(struct value *value, const struct field *field, uint64_t number)
{
	value->kind = VALUE_NUMBER;
	value->number = field->width == 8 ? number : prog_field_number(field, number);
}

static inline void set_mem(struct value *value, uint64_t offset)
{
	value->kind = VALUE_MEM;
	value->number = offset;
}

static inline void set_handle(
	struct decoder *decoder, struct value *value, struct producer producer, uint64_t offset)
{
	const struct call *calls = decoder->prog->calls;

	if (calls[producer.call].body &&
		!prog_handle_reaches(decoder->prog, decoder->call, producer.call))
		return;
	value->kind = VALUE_HANDLE;
	value->output = producer.output;
	value->call = producer.call;
	value->number = offset;
}

/* The n-th producer of the field's type counted backwards; around from the start when there are
 * fewer. */
static inline void set_handle_back(struct decoder *decoder, const struct field *field,
	struct value *value, uint32_t back, uint64_t offset)
{
	uint32_t count = producers_count(&decoder->producers, field->resource);

	if (!count)
		return;
	if (back >= count)
		back %= count;
	set_handle(
		decoder, value, producers_get(&decoder->producers, field->resource, back), offset);
}

/* Any output of any earlier call. */
static void set_handle_any(struct decoder *decoder, struct value *value, bool has_offset)
{
	uint32_t distance = (uint32_t)take(decoder, 2);
	uint32_t output = take_byte(decoder);
	uint64_t offset = has_offset ? take(decoder, 8) : 0;
	struct producer producer;
	uint8_t fields[CALL_OUTPUT_MAX];
	int outputs;

	if (!decoder->call)
		return;
	producer.call = (uint16_t)(decoder->call - 1 - distance % decoder->call);
	outputs = call_outputs(prog_row(&decoder->prog->calls[producer.call]), fields);
	if (outputs <= 0)
		return;
	producer.output = (uint8_t)(output % (unsigned)outputs);
	set_handle(decoder, value, producer, offset);
}

static uint64_t named_number(const struct field *field, uint8_t index)
{
	unsigned count = 0;

	while (field->names && field->names[count].name)
		count++;
	return count ? field->names[index % count].value : index;
}

/* 2^n, and the numbers on either side of it and its negation. */
static uint64_t power_number(uint8_t byte)
{
	uint64_t power = UINT64_C(1) << (byte & 63);

	switch (byte >> 6) {
	case 0: return power;
	case 1: return power - 1;
	case 2: return power + 1;
	default: return -power;
	}
}

__attribute__((noinline)) static void decode_bytes(struct decoder *decoder,
	const struct field *field, uint32_t index, uint32_t count, unsigned depth)
{
	struct prog *prog = decoder->prog;
	const uint8_t *bytes = decoder->at;
	uint32_t start;

	if (count > (size_t)(decoder->end - decoder->at))
		count = (uint32_t)(decoder->end - decoder->at);
	decoder->at += count;
	if (!prog_field_takes(field, VALUE_BYTES, depth))
		return;
	start = prog_add_bytes(prog, bytes, count);
	if (start == UINT32_MAX)
		return;
	prog->values[index] = (struct value){.kind = VALUE_BYTES, .count = count, .start = start};
}

static void decode_value(
	struct decoder *decoder, const struct field *field, uint32_t index, unsigned depth);

static bool decode_struct(
	struct decoder *decoder, const struct layout *layout, uint32_t index, unsigned depth)
{
	struct prog *prog = decoder->prog;
	uint32_t first = prog_add_values(prog, layout->field_count);

	if (first == UINT32_MAX)
		return false;
	prog->values[index] =
		(struct value){.kind = VALUE_STRUCT, .count = layout->field_count, .start = first};
	for (uint32_t i = 0; i < layout->field_count; i++)
		decode_value(decoder, &layout->fields[i], first + i, depth + 1);
	return true;
}

static void decode_array(struct decoder *decoder, const struct field *field, uint32_t index,
	uint32_t count, unsigned depth)
{
	struct prog *prog = decoder->prog;
	uint32_t first, done = 0;

	if (!prog_field_takes(field, VALUE_ARRAY, depth))
		return;
	/* An element takes a byte at least; a large count alone must not cost anything. */
	if (count > (size_t)(decoder->end - decoder->at))
		count = (uint32_t)(decoder->end - decoder->at);
	first = prog_add_values(prog, count);
	if (first == UINT32_MAX)
		return;
	while (done < count && decoder->at < decoder->end &&
		decode_struct(decoder, field->pointee, first + done, depth))
		done++;
	prog->values[index] = (struct value){.kind = VALUE_ARRAY, .count = done, .start = first};
}

/* Tags 0x40 to 0x5f for handles, bytes and literals. */
__attribute__((noinline)) static void decode_long(struct decoder *decoder,
	const struct field *field, uint32_t index, uint8_t tag, unsigned depth)
{
	struct value *value = &decoder->prog->values[index];
	uint32_t back;

	switch (tag) {
	case TAG_HANDLE_1: set_handle_back(decoder, field, value, take_byte(decoder), 0); break;
	case TAG_HANDLE_1_BYTE:
		back = take_byte(decoder);
		set_handle_back(decoder, field, value, back, (uint64_t)(int8_t)take_byte(decoder));
		break;
	case TAG_HANDLE_1_PAGES:
		back = take_byte(decoder);
		set_handle_back(decoder, field, value, back, take_byte(decoder) * PAGE_BYTES);
		break;
	case TAG_HANDLE_1_OFFSET:
		back = take_byte(decoder);
		set_handle_back(decoder, field, value, back, take(decoder, 8));
		break;
	case TAG_HANDLE_ANY:
	case TAG_HANDLE_ANY_OFFSET:
		set_handle_any(decoder, value, tag == TAG_HANDLE_ANY_OFFSET);
		break;
	case TAG_BYTES_1: decode_bytes(decoder, field, index, take_byte(decoder), depth); break;
	case TAG_BYTES_4:
		decode_bytes(decoder, field, index, (uint32_t)take(decoder, 4), depth);
		break;
	case TAG_STRUCT:
		if (prog_field_takes(field, VALUE_STRUCT, depth))
			decode_struct(decoder, field->pointee, index, depth);
		break;
	case TAG_ARRAY_1: decode_array(decoder, field, index, take_byte(decoder), depth); break;
	case TAG_ARRAY_2:
		decode_array(decoder, field, index, (uint32_t)take(decoder, 2), depth);
		break;
	case TAG_MEM_PAGES_1: set_mem(value, take_byte(decoder) * PAGE_BYTES); break;
	case TAG_MEM_PAGES_2: set_mem(value, take(decoder, 2) * PAGE_BYTES); break;
	case TAG_MEM_PAGE_OFFSET:
		set_mem(value, take_byte(decoder) * PAGE_BYTES);
		value->number += take(decoder, 2);
		break;
	case TAG_MEM_8: set_mem(value, take(decoder, 8)); break;
	default: /* TAG_MEM_HUGE */ set_mem(value, take_byte(decoder) * HUGE_BYTES); break;
	}
}

/* Out of line, as all of the rarer tags: what decodes the usual ones stays small. */
__attribute__((noinline)) static uint64_t decode_number(
	struct decoder *decoder, const struct field *field, uint8_t tag)
{
	switch (tag) {
	case TAG_NUMBER_2: return take(decoder, 2);
	case TAG_NUMBER_4: return take(decoder, 4);
	case TAG_NUMBER_8: return take(decoder, 8);
	case TAG_PAGES_1: return take_byte(decoder) * PAGE_BYTES;
	case TAG_PAGES_2: return take(decoder, 2) * PAGE_BYTES;
	case TAG_PAGES_4: return take(decoder, 4) * PAGE_BYTES;
	case TAG_NEGATIVE_1: return ~(uint64_t)take_byte(decoder);
	case TAG_NAMED: return named_number(field, take_byte(decoder));
	case TAG_POWER: return power_number(take_byte(decoder));
	default: /* TAG_NUMBER_1 and the tags without meaning */ return take_byte(decoder);
	}
}

static bool is_number_tag(uint8_t tag)
{
	return (tag > TAG_HANDLE_ANY_OFFSET && tag <= TAG_NAMED) || tag >= TAG_POWER;
}

static void decode_scalar(
	struct decoder *decoder, const struct field *field, uint32_t index, unsigned depth)
{
	struct value *value = &decoder->prog->values[index];
	uint8_t tag = take_byte(decoder);

	if (tag == TAG_UNSET)
		return;
	if (tag >= TAG_NUMBER)
		set_number(value, field, tag - (uint64_t)TAG_NUMBER);
	else if (tag >= TAG_PAGES)
		set_number(value, field, (tag - TAG_PAGES + UINT64_C(1)) * PAGE_BYTES);
	else if (tag >= TAG_MEM)
		set_mem(value, (tag - (uint64_t)TAG_MEM) * PAGE_BYTES);
	else if (tag < TAG_HANDLE)
		set_number(value, field, binary_constants[tag - TAG_CONSTANT]);
	else if (tag < TAG_HANDLE_1)
		set_handle_back(decoder, field, value, tag - (uint32_t)TAG_HANDLE, 0);
	else if (is_number_tag(tag))
		set_number(value, field, decode_number(decoder, field, tag));
	else
		decode_long(decoder, field, index, tag, depth);
}

static void decode_value(
	struct decoder *decoder, const struct field *field, uint32_t index, unsigned depth)
{
	uint32_t limit, count;
	uint8_t tag;

	switch (field->kind) {
	case FIELD_BYTES:
	case FIELD_TAIL:
		tag = take_byte(decoder);
		if (tag == TAG_UNSET)
			return;
		count = tag == 0xff   ? (uint32_t)take(decoder, 4)
			: tag == 0xfe ? (uint32_t)take(decoder, 2)
				      : tag - 1u;
		decode_bytes(decoder, field, index, count, depth);
		return;
	case FIELD_NAME:
		limit = names_field_limit(field);
		tag = take_byte(decoder);
		if (tag == TAG_UNSET || !limit)
			return;
		decoder->prog->values[index] = (struct value){
			.kind = VALUE_NUMBER,
			.number = (tag - 1u) % limit,
		};
		return;
	default: decode_scalar(decoder, field, index, depth);
	}
}

static void decode_failure(struct decoder *decoder, struct call *call)
{
	uint8_t byte = take_byte(decoder);

	call->fail = byte & 3;
	if (call->fail == FAIL_POINT)
		call->fail_point = (uint8_t)((byte >> 2) % FAULT_POINT_COUNT);
	if (call->fail == FAIL_POINT || call->fail == FAIL_NTH) {
		uint16_t nth = take_count(decoder);

		call->fail_nth = nth == UINT16_MAX ? nth : (uint16_t)(nth + 1);
	}
}

/* The optional parts. body is 1 + the index of the `on` call that could have more calls, or 0. */
static void decode_parts(struct decoder *decoder, struct call *call, uint8_t parts, uint16_t body)
{
	if (parts & PART_PLACE) {
		uint8_t place = take_byte(decoder);

		call->thread = (uint8_t)((place & 15) % (PROG_THREAD_MAX + 1));
		call->process = (place >> 4) % PROG_PROCESS_MAX;
	}
	if (parts & PART_FAIL)
		decode_failure(decoder, call);
	if (parts & PART_REPEAT) {
		call->repeat = take_count(decoder);
		call->repeat = call->repeat == 1 ? 0 : call->repeat;
	}
	if ((parts & PART_BODY) && body) {
		call->body = body;
		call->thread = decoder->prog->calls[body - 1].thread;
		call->process = decoder->prog->calls[body - 1].process;
	}
}

/* True unless the program is full. */
static bool decode_call(struct decoder *decoder, uint16_t *body)
{
	struct prog *prog = decoder->prog;
	uint16_t row = (uint16_t)(take(decoder, CALL_ID_COUNT > 256 ? 2 : 1) % CALL_ID_COUNT);
	uint8_t parts = take_byte(decoder);
	struct call *call = prog_add_call(prog, row);
	const struct binary_plan *plan = &decoder->plans[row];
	const struct field *fields = call_rows[row].fields;
	uint32_t first;

	if (!call)
		return false;
	decoder->call = prog->call_count - 1;
	first = call->first_value;
	if (parts & (PART_PLACE | PART_FAIL | PART_REPEAT | PART_BODY))
		decode_parts(decoder, call, parts, *body);
	if (!call->body)
		*body = prog_has_body(row) ? (uint16_t)prog->call_count : 0;
	if (parts & (PART_FRAMING | PART_SPARE)) {
		for (unsigned i = 0; i < call_rows[row].field_count; i++)
			if (!plan->parts[i] || (parts & plan->parts[i] & ~PART_NEVER))
				decode_value(decoder, &fields[i], first + i, 0);
	} else {
		for (unsigned i = 0; i < plan->usual_count; i++)
			decode_value(decoder, &fields[plan->usual[i]], first + plan->usual[i], 0);
	}
	producers_add_call(&decoder->producers, prog, decoder->call, plan);
	return true;
}

void prog_decode(struct prog *prog, const uint8_t *data, size_t size)
{
	struct decoder decoder;
	uint8_t version, present;
	uint16_t body = 0;

	prog_clear(prog);
	decoder.prog = prog;
	decoder.plans = binary_plans();
	decoder.at = data;
	decoder.end = data ? data + size : data;
	memset(decoder.producers.counts, 0, sizeof(decoder.producers.counts));
	version = take_byte(&decoder);
	present = take_byte(&decoder);
	if (present)
		decode_options(&decoder, present);
	if (version == BINARY_WITH_SCHEDULE)
		decode_schedule(&decoder);
	while (decoder.at < decoder.end && decode_call(&decoder, &body))
		;
	if (prog->schedule_count)
		prog_repair_schedule(prog);
}
