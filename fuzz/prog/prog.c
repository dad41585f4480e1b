/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/prog.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/names.h"
#include "impl/abi/kernel_calls.h"

void prog_init(struct prog *prog)
{
	memset(prog, 0, sizeof(*prog));
}

void prog_clear(struct prog *prog)
{
	memset(&prog->options, 0, sizeof(prog->options));
	prog->call_count = 0;
	prog->value_count = 0;
	prog->byte_count = 0;
	prog->switch_count = 0;
	prog->schedule_count = 0;
}

void prog_free(struct prog *prog)
{
	free(prog->calls);
	free(prog->values);
	free(prog->bytes);
	free(prog->switches);
	prog_init(prog);
}

/* Doubling keeps a reused program free of allocations once it has seen its largest input. */
static void *grow(void *array, uint32_t *room, uint32_t need, size_t size)
{
	uint32_t next = *room ? *room : 64;
	void *memory;

	while (next < need)
		next *= 2;
	memory = realloc(array, (size_t)next * size);
	if (memory)
		*room = next;
	return memory;
}

static bool reserve_calls(struct prog *prog, uint32_t need)
{
	struct call *calls = prog->calls;

	if (need > prog->call_room)
		calls = grow(calls, &prog->call_room, need, sizeof(*calls));
	if (calls)
		prog->calls = calls;
	return calls || !need;
}

static bool reserve_values(struct prog *prog, uint32_t need)
{
	struct value *values = prog->values;

	if (need > prog->value_room || !values) /* never NULL: calls without values point there */
		values = grow(values, &prog->value_room, need, sizeof(*values));
	if (values)
		prog->values = values;
	return values || !need;
}

static bool reserve_bytes(struct prog *prog, uint32_t need)
{
	uint8_t *bytes = prog->bytes;

	if (need > prog->byte_room || !bytes)
		bytes = grow(bytes, &prog->byte_room, need, 1);
	if (bytes)
		prog->bytes = bytes;
	return bytes || !need;
}

static bool reserve_switches(struct prog *prog, uint32_t need)
{
	struct schedule_switch *switches = prog->switches;

	if (need > prog->switch_room)
		switches = grow(switches, &prog->switch_room, need, sizeof(*switches));
	if (switches)
		prog->switches = switches;
	return switches || !need;
}

uint32_t prog_add_values(struct prog *prog, uint32_t n)
{
	uint32_t first = prog->value_count;

	if (n > PROG_VALUE_MAX - first || !reserve_values(prog, first + n))
		return UINT32_MAX;
	if (n)
		memset(&prog->values[first], 0, n * sizeof(struct value));
	prog->value_count += n;
	return first;
}

uint32_t prog_add_bytes(struct prog *prog, const void *bytes, uint32_t n)
{
	uint32_t first = prog->byte_count;

	if (n > PROG_BYTES_MAX - first || !reserve_bytes(prog, first + n))
		return UINT32_MAX;
	if (n)
		memcpy(&prog->bytes[first], bytes, n);
	prog->byte_count += n;
	return first;
}

struct call *prog_add_call(struct prog *prog, enum call_id row)
{
	uint32_t index = prog->call_count;
	uint32_t values;
	struct call *call;

	if (index >= PROG_CALL_MAX || !reserve_calls(prog, index + 1))
		return NULL;
	values = prog_add_values(prog, call_rows[row].field_count);
	if (values == UINT32_MAX)
		return NULL;
	call = &prog->calls[index];
	memset(call, 0, sizeof(*call));
	call->row = (uint16_t)row;
	call->first_value = values;
	prog->call_count++;
	return call;
}

struct schedule_switch *prog_add_switch(struct prog *prog)
{
	uint32_t index = prog->switch_count;

	if (index >= PROG_SWITCH_MAX || !reserve_switches(prog, index + 1))
		return NULL;
	memset(&prog->switches[index], 0, sizeof(struct schedule_switch));
	prog->switch_count++;
	return &prog->switches[index];
}

bool prog_copy(struct prog *to, const struct prog *from)
{
	prog_clear(to);
	if (!reserve_calls(to, from->call_count) || !reserve_values(to, from->value_count) ||
		!reserve_bytes(to, from->byte_count) || !reserve_switches(to, from->switch_count))
		return false;
	to->options = from->options;
	to->call_count = from->call_count;
	to->value_count = from->value_count;
	to->byte_count = from->byte_count;
	to->switch_count = from->switch_count;
	to->schedule_count = from->schedule_count;
	memcpy(to->schedule, from->schedule, sizeof(to->schedule));
	if (to->call_count)
		memcpy(to->calls, from->calls, to->call_count * sizeof(*to->calls));
	if (to->value_count)
		memcpy(to->values, from->values, to->value_count * sizeof(*to->values));
	if (to->byte_count)
		memcpy(to->bytes, from->bytes, to->byte_count);
	if (to->switch_count)
		memcpy(to->switches, from->switches, to->switch_count * sizeof(*to->switches));
	return true;
}

static bool values_equal(const struct prog *a, uint64_t first_a, const struct prog *b,
	uint64_t first_b, uint32_t count, unsigned depth);

static bool value_equal(const struct prog *a, const struct value *x, const struct prog *b,
	const struct value *y, unsigned depth)
{
	if (x->kind != y->kind)
		return false;
	switch (x->kind) {
	case VALUE_UNSET: return true;
	case VALUE_NUMBER:
	case VALUE_MEM: return x->number == y->number;
	case VALUE_HANDLE:
		return x->call == y->call && x->output == y->output && x->number == y->number;
	case VALUE_BYTES:
		return x->count == y->count &&
		       (!x->count || !memcmp(&a->bytes[x->start], &b->bytes[y->start], x->count));
	default:
		return x->count == y->count && depth < 2 * PROG_DEPTH_MAX &&
		       values_equal(a, x->start, b, y->start, x->count, depth + 1);
	}
}

static bool values_equal(const struct prog *a, uint64_t first_a, const struct prog *b,
	uint64_t first_b, uint32_t count, unsigned depth)
{
	for (uint32_t i = 0; i < count; i++)
		if (!value_equal(a, &a->values[first_a + i], b, &b->values[first_b + i], depth))
			return false;
	return true;
}

static bool call_equal(
	const struct prog *a, const struct call *x, const struct prog *b, const struct call *y)
{
	return x->row == y->row && x->thread == y->thread && x->process == y->process &&
	       x->fail == y->fail && x->fail_point == y->fail_point && x->fail_nth == y->fail_nth &&
	       x->repeat == y->repeat && x->body == y->body &&
	       values_equal(a, x->first_value, b, y->first_value, call_rows[x->row].field_count, 0);
}

static bool options_equal(const struct prog_options *a, const struct prog_options *b)
{
	return a->kernel == b->kernel && a->bug == b->bug && a->pages == b->pages &&
	       a->seed == b->seed && a->memlock == b->memlock && a->flags == b->flags &&
	       a->compat == b->compat;
}

static bool switch_equal(const struct schedule_switch *a, const struct schedule_switch *b)
{
	return a->thread == b->thread && a->to == b->to && a->point == b->point &&
	       a->call == b->call && a->occurrence == b->occurrence && a->object == b->object;
}

bool prog_equal(const struct prog *a, const struct prog *b)
{
	if (!options_equal(&a->options, &b->options) || a->call_count != b->call_count ||
		a->switch_count != b->switch_count || a->schedule_count != b->schedule_count ||
		memcmp(a->schedule, b->schedule, a->schedule_count) != 0)
		return false;
	for (uint32_t i = 0; i < a->switch_count; i++)
		if (!switch_equal(&a->switches[i], &b->switches[i]))
			return false;
	for (uint32_t i = 0; i < a->call_count; i++)
		if (!call_equal(a, &a->calls[i], b, &b->calls[i]))
			return false;
	return true;
}

bool prog_has_threads(const struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].thread)
			return true;
	return false;
}

uint32_t prog_nth_call(const struct prog *prog, unsigned thread, uint32_t nth)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].thread == thread && !prog->calls[i].body && !nth--)
			return i;
	return UINT32_MAX;
}

uint32_t prog_calls_before(const struct prog *prog, unsigned thread, uint32_t end)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < end; i++)
		count += prog->calls[i].thread == thread && !prog->calls[i].body;
	return count;
}

bool prog_has_body(uint16_t row)
{
	return row == CALL_ID_on;
}

bool prog_opens_iommufd(const struct prog *prog, uint64_t path)
{
	return path == CALL_OPEN_IOMMU ||
	       (path == CALL_OPEN_CONTAINER && prog->options.flags & PROG_OPTION_CONTAINER);
}

static enum resource opened_resource(const struct prog *prog, uint64_t path)
{
	if (prog_opens_iommufd(prog, path))
		return RESOURCE_IOMMUFD;
	if (path == CALL_OPEN_CONTAINER)
		return RESOURCE_CONTAINER;
	return path >= CALL_OPEN_CDEV ? RESOURCE_VFIO_DEVICE : RESOURCE_GROUP;
}

enum resource prog_output_resource(const struct prog *prog, uint32_t call, unsigned output)
{
	/* A chain of dup is followed some steps only, so that the cost of a handle stays bounded.
	 */
	for (unsigned steps = 0; steps < 8; steps++) {
		const struct call *producer = &prog->calls[call];
		const struct call_row *row = prog_row(producer);
		uint8_t fields[CALL_OUTPUT_MAX];
		const struct value *first;

		if (output >= (unsigned)call_outputs(row, fields))
			return RESOURCE_NONE;
		first = prog_value(prog, producer, 0);
		if (producer->row == CALL_ID_open)
			return opened_resource(
				prog, first->kind == VALUE_NUMBER ? first->number : 0);
		if (row->fields[fields[output]].resource != RESOURCE_ANY_FD)
			return row->fields[fields[output]].resource;
		if (first->kind != VALUE_HANDLE || first->call >= call)
			return RESOURCE_ANY_FD;
		call = first->call;
		output = first->output;
	}
	return RESOURCE_ANY_FD;
}

bool prog_field_takes(const struct field *field, enum value_kind kind, unsigned depth)
{
	bool bytes = field->kind == FIELD_BYTES || field->kind == FIELD_TAIL;

	/* The result of a call is no argument of it. */
	if (field->kind == FIELD_RESOURCE && field->direction == FIELD_OUT && !field->width)
		return kind == VALUE_UNSET;
	switch (kind) {
	case VALUE_UNSET: return true;
	case VALUE_NUMBER: return !bytes && (field->kind != FIELD_NAME || names_field_limit(field));
	case VALUE_HANDLE:
	case VALUE_MEM: return !bytes && field->kind != FIELD_NAME;
	case VALUE_BYTES: return bytes || field->kind == FIELD_USER_POINTER;
	case VALUE_STRUCT:
	case VALUE_ARRAY:
		return field->kind == FIELD_USER_POINTER && field->pointee &&
		       field->pointee->field_count && depth < PROG_DEPTH_MAX;
	}
	return false;
}

uint64_t prog_field_number(const struct field *field, uint64_t number)
{
	unsigned bits = 8u * field->width;

	if (field->kind == FIELD_NAME) {
		uint32_t limit = names_field_limit(field);

		return limit ? number % limit : 0;
	}
	if (bits == 0 || bits >= 64)
		return number;
	number &= (UINT64_C(1) << bits) - 1;
	if (field->is_signed && number >> (bits - 1))
		number |= ~((UINT64_C(1) << bits) - 1);
	return number;
}
