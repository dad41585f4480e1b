/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps programs inside the language: repair after mutation. Copies of calls. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/prog.h"
#include "impl/abi/points.h"

struct repair {
	struct prog *prog;
	uint32_t call; /* whose values are being repaired */
	unsigned corrections;
	uint64_t claimed[PROG_VALUE_MAX / 64]; /* a bit per value that something holds already */
};

/* No two holders may share values, or mending one would break the other. */
static bool claim(struct repair *repair, uint64_t start, uint32_t count)
{
	if (start > repair->prog->value_count || count > repair->prog->value_count - start)
		return false;
	for (uint64_t i = start; i < start + count; i++)
		if (repair->claimed[i / 64] >> (i % 64) & 1)
			return false;
	for (uint64_t i = start; i < start + count; i++)
		repair->claimed[i / 64] |= UINT64_C(1) << (i % 64);
	return true;
}

static void set_u8(struct repair *repair, uint8_t *member, uint8_t value)
{
	repair->corrections += *member != value;
	*member = value;
}

static void set_u16(struct repair *repair, uint16_t *member, uint16_t value)
{
	repair->corrections += *member != value;
	*member = value;
}

static void set_u32(struct repair *repair, uint32_t *member, uint32_t value)
{
	repair->corrections += *member != value;
	*member = value;
}

static void unset(struct repair *repair, struct value *value)
{
	memset(value, 0, sizeof(*value));
	repair->corrections++;
}

static void repair_options(struct repair *repair)
{
	struct prog_options *options = &repair->prog->options;
	uint32_t flags = options->flags & PROG_OPTION_ALL;

	if (options->kernel && options->kernel < LINUX(6, 2))
		set_u16(repair, &options->kernel, LINUX(6, 2));
	if (options->kernel > LINUX_NEWEST)
		set_u16(repair, &options->kernel, LINUX_NEWEST);
	if (options->pages > PROG_PAGES_MAX)
		set_u32(repair, &options->pages, PROG_PAGES_MAX);
	if (flags & PROG_OPTION_IOASID_X2)
		flags &= ~(uint32_t)PROG_OPTION_IOASID_X3;
	if (options->memlock)
		flags |= PROG_OPTION_MEMLOCK_SET;
	set_u32(repair, &options->flags, flags);
}

static void repair_switches(struct repair *repair)
{
	struct prog *prog = repair->prog;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < prog->switch_count; i++) {
		struct schedule_switch next = prog->switches[i];

		set_u8(repair, &next.thread, next.thread % (PROG_THREAD_MAX + 1));
		set_u8(repair, &next.to, next.to % (PROG_THREAD_MAX + 1));
		set_u8(repair, &next.point, next.point % SCHEDULE_POINT_COUNT);
		set_u8(repair, &next.reserved, 0);
		set_u16(repair, &next.call, next.call % PROG_CALL_MAX);
		set_u16(repair, &next.occurrence, next.occurrence ? next.occurrence : 1);
		set_u32(repair, &next.object, next.object > PROG_LOCK_CLASSES ? 0 : next.object);
		if (next.thread != next.to)
			prog->switches[kept++] = next;
	}
	set_u32(repair, &prog->switch_count, kept);
}

/* Whether the call may stand in the body it claims: directly behind the `on` call or the body's
 * last call. */
static bool body_is_right(const struct prog *prog, uint32_t index)
{
	uint32_t body = prog->calls[index].body;

	if (!body)
		return true;
	if (body > index || !prog_has_body(prog->calls[body - 1].row) || prog->calls[body - 1].body)
		return false;
	return body == index || prog->calls[index - 1].body == body;
}

static void repair_failure(struct repair *repair, struct call *call)
{
	bool counted = call->fail == FAIL_POINT || call->fail == FAIL_NTH;

	if (call->fail > FAIL_SWEEP)
		set_u8(repair, &call->fail, FAIL_NONE);
	set_u8(repair, &call->fail_point,
		call->fail == FAIL_POINT ? call->fail_point % FAULT_POINT_COUNT : 0);
	if (!counted)
		set_u16(repair, &call->fail_nth, 0);
	else if (!call->fail_nth)
		set_u16(repair, &call->fail_nth, 1);
}

static void repair_placement(struct repair *repair, uint32_t index)
{
	struct prog *prog = repair->prog;
	struct call *call = &prog->calls[index];

	set_u8(repair, &call->thread, call->thread % (PROG_THREAD_MAX + 1));
	set_u8(repair, &call->process, call->process % PROG_PROCESS_MAX);
	if (!body_is_right(prog, index))
		set_u16(repair, &call->body, 0);
	/* A body runs where its callback is called; its calls carry the place of the `on` call. */
	if (call->body) {
		set_u8(repair, &call->thread, prog->calls[call->body - 1].thread);
		set_u8(repair, &call->process, prog->calls[call->body - 1].process);
	}
	if (call->repeat == 1)
		set_u16(repair, &call->repeat, 0);
	repair_failure(repair, call);
}

static void repair_handle(struct repair *repair, struct value *value)
{
	const struct prog *prog = repair->prog;
	uint8_t fields[CALL_OUTPUT_MAX];
	const struct call *producer;
	int outputs;

	if (!prog_handle_reaches(prog, repair->call, value->call)) {
		unset(repair, value);
		return;
	}
	producer = &prog->calls[value->call];
	outputs = call_outputs(prog_row(producer), fields);
	if (outputs <= 0)
		unset(repair, value);
	else if (value->output >= outputs)
		set_u8(repair, &value->output, (uint8_t)(value->output % outputs));
}

static void repair_value(
	struct repair *repair, const struct field *field, uint32_t index, unsigned depth);

static void repair_struct(
	struct repair *repair, const struct layout *layout, uint32_t index, unsigned depth)
{
	struct value *value = &repair->prog->values[index];

	if (value->kind != VALUE_STRUCT || value->count != layout->field_count ||
		!claim(repair, value->start, value->count)) {
		unset(repair, value);
		return;
	}
	for (uint32_t i = 0; i < value->count; i++)
		repair_value(repair, &layout->fields[i], (uint32_t)value->start + i, depth + 1);
}

/* An element has to be a struct, also when the array's values are out of order. */
static void repair_array(
	struct repair *repair, const struct layout *layout, uint32_t index, unsigned depth)
{
	struct value *value = &repair->prog->values[index];
	uint32_t kept = 0;

	if (!claim(repair, value->start, value->count)) {
		unset(repair, value);
		return;
	}
	for (uint32_t i = 0; i < value->count; i++) {
		struct value *element = &repair->prog->values[value->start + i];

		repair_struct(repair, layout, (uint32_t)value->start + i, depth);
		if (element->kind != VALUE_STRUCT)
			continue;
		if (kept != i)
			repair->prog->values[value->start + kept] = *element;
		kept++;
	}
	set_u32(repair, &value->count, kept);
}

static void repair_value(
	struct repair *repair, const struct field *field, uint32_t index, unsigned depth)
{
	struct prog *prog = repair->prog;
	struct value *value = &prog->values[index];
	uint64_t number;

	if (!prog_field_takes(field, value->kind, depth)) {
		unset(repair, value);
		return;
	}
	switch (value->kind) {
	case VALUE_NUMBER:
		number = prog_field_number(field, value->number);
		repair->corrections += number != value->number;
		value->number = number;
		break;
	case VALUE_HANDLE: repair_handle(repair, value); break;
	case VALUE_BYTES:
		if (value->start > prog->byte_count ||
			value->count > prog->byte_count - value->start)
			unset(repair, value);
		break;
	case VALUE_STRUCT: repair_struct(repair, field->pointee, index, depth); break;
	case VALUE_ARRAY: repair_array(repair, field->pointee, index, depth); break;
	default: break;
	}
}

/* Gives the call values of its own, equal to those it shares if it has any. */
static bool own_values(struct repair *repair, struct call *call)
{
	struct prog *prog = repair->prog;
	uint32_t old = call->first_value, count = prog_row(call)->field_count;
	bool shared = old <= prog->value_count && count <= prog->value_count - old;

	repair->corrections++;
	call->first_value = prog_add_values(prog, count);
	if (call->first_value == UINT32_MAX)
		return false;
	if (shared)
		memcpy(&prog->values[call->first_value], &prog->values[old],
			count * sizeof(struct value));
	return claim(repair, call->first_value, count);
}

static void repair_call(struct repair *repair, uint32_t index)
{
	struct prog *prog = repair->prog;
	struct call *call = &prog->calls[index];
	const struct call_row *row;

	if (call->row >= CALL_ID_COUNT)
		set_u16(repair, &call->row, call->row % CALL_ID_COUNT);
	row = prog_row(call);
	if (!claim(repair, call->first_value, row->field_count) && !own_values(repair, call)) {
		/* Full: the program ends here. */
		prog->call_count = index;
		return;
	}
	repair->call = index;
	repair_placement(repair, index);
	for (uint32_t i = 0; i < row->field_count; i++)
		repair_value(repair, &row->fields[i], call->first_value + i, 0);
}

bool prog_handle_reaches(const struct prog *prog, uint32_t user, uint32_t producer)
{
	uint32_t body;

	if (producer >= user || user >= prog->call_count)
		return false;
	body = prog->calls[producer].body;
	/* Outputs of a callback that may not have run are none of another callback's business. */
	return !body || !prog->calls[user].body || prog->calls[user].body == body;
}

unsigned prog_repair_options(struct prog *prog)
{
	struct repair repair;

	repair.prog = prog;
	repair.corrections = 0;
	repair_options(&repair);
	repair_switches(&repair);
	return repair.corrections;
}

unsigned prog_repair_schedule(struct prog *prog)
{
	struct repair repair;
	bool keep = !prog->switch_count && prog->schedule_count && prog_has_threads(prog);

	repair.corrections = 0;
	if (!keep)
		set_u32(&repair, &prog->schedule_count, 0);
	else if (prog->schedule_count > PROG_SCHEDULE_MAX)
		set_u32(&repair, &prog->schedule_count, PROG_SCHEDULE_MAX);
	return repair.corrections;
}

unsigned prog_repair(struct prog *prog)
{
	struct repair repair;

	repair.prog = prog;
	repair.corrections = 0;
	memset(repair.claimed, 0, sizeof(repair.claimed));
	/* What mutations left behind would fill the arrays in the long run. */
	if (prog->value_count > PROG_VALUE_MAX / 2 || prog->byte_count > PROG_BYTES_MAX / 2)
		prog_compact(prog);
	repair_options(&repair);
	repair_switches(&repair);
	for (uint32_t i = 0; i < prog->call_count; i++)
		repair_call(&repair, i);
	return repair.corrections + prog_repair_schedule(prog);
}

static bool is_inside(const struct value *value, uint32_t count)
{
	return value->start <= count && value->count <= count - value->start;
}

static void copy_values(struct prog *to, uint64_t first_to, const struct prog *from,
	uint64_t first_from, uint32_t count, unsigned depth)
{
	for (uint32_t i = 0; i < count; i++) {
		struct value value = from->values[first_from + i];
		uint32_t start = 0;

		if (value.kind == VALUE_BYTES) {
			if (is_inside(&value, from->byte_count))
				start = prog_add_bytes(
					to, prog_value_bytes(from, &value), value.count);
			else
				start = UINT32_MAX;
			value.start = start;
		} else if (value.kind == VALUE_STRUCT || value.kind == VALUE_ARRAY) {
			start = UINT32_MAX;
			if (depth < 2 * PROG_DEPTH_MAX && is_inside(&value, from->value_count))
				start = prog_add_values(to, value.count);
			if (start != UINT32_MAX)
				copy_values(to, start, from, value.start, value.count, depth + 1);
			value.start = start;
		}
		if (start == UINT32_MAX)
			memset(&value, 0, sizeof(value));
		to->values[first_to + i] = value;
	}
}

bool prog_copy_call(struct prog *to, const struct prog *from, uint32_t index)
{
	const struct call *source = &from->calls[index];
	struct call *call = prog_add_call(to, source->row);
	uint32_t first;

	if (!call)
		return false;
	first = call->first_value;
	*call = *source;
	call->first_value = first;
	copy_values(to, first, from, source->first_value, prog_row(source)->field_count, 0);
	return true;
}

void prog_compact(struct prog *prog)
{
	struct prog packed;

	prog_init(&packed);
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		if (call->row >= CALL_ID_COUNT || call->first_value > prog->value_count ||
			prog_row(call)->field_count > prog->value_count - call->first_value ||
			!prog_copy_call(&packed, prog, i)) {
			prog_free(&packed);
			return;
		}
	}
	free(prog->calls);
	free(prog->values);
	free(prog->bytes);
	packed.switches = prog->switches;
	packed.switch_count = prog->switch_count;
	packed.switch_room = prog->switch_room;
	packed.options = prog->options;
	packed.schedule_count = prog->schedule_count;
	memcpy(packed.schedule, prog->schedule, sizeof(packed.schedule));
	*prog = packed;
}
