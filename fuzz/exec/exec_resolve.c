/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a call of a program into what a target runs: handles to values, fields to a struct image,
 * literals. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec_private.h"
#include "impl/abi/kernel_calls.h"

#define LITERAL_ALIGNMENT 8u
#define LITERAL_SIZE_MAX  (1u << 20)

bool buffer_reserve(struct buffer *buffer, uint32_t room)
{
	if (room <= buffer->room)
		return true;
	uint32_t wide = buffer->room ? buffer->room : 256;
	while (wide < room && wide < (1u << 30))
		wide *= 2;
	uint8_t *larger = wide < room ? NULL : realloc(buffer->bytes, wide);
	if (!larger)
		return false;
	buffer->bytes = larger;
	buffer->room = wide;
	return true;
}

/* What a producer that has not run, or failed, stands for. */
static uint64_t failed_output(const struct exec *exec, uint32_t call, unsigned output)
{
	const struct row_plan *plan = &exec->plans[exec->prog->calls[call].row];

	if (output >= plan->output_count)
		return 0;
	const struct field *field =
		&call_rows[exec->prog->calls[call].row].fields[plan->outputs[output]];
	return resource_is_descriptor((enum resource)field->resource) ? UINT64_MAX : 0;
}

uint64_t exec_output(const struct exec *exec, uint32_t i, unsigned output)
{
	if (i >= exec->prog->call_count || output >= CALL_OUTPUT_MAX)
		return 0;
	return exec->states[i].valid ? exec->states[i].outputs[output]
				     : failed_output(exec, i, output);
}

uint64_t exec_value(const struct exec *exec, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NUMBER: return value->number;
	case VALUE_MEM: return PROG_MEM_BASE + value->number;
	case VALUE_HANDLE: return exec_output(exec, value->call, value->output) + value->number;
	default: return 0;
	}
}

static bool is_literal(const struct value *value)
{
	return value->kind == VALUE_BYTES || value->kind == VALUE_STRUCT ||
	       value->kind == VALUE_ARRAY;
}

/* Number of elements of a literal, or of bytes where the pointer's length counts bytes. */
static uint64_t literal_length(
	const struct field *pointer, const struct field *count, const struct value *value)
{
	uint64_t elements = value->kind == VALUE_STRUCT ? 1 : value->count;

	if (value->kind == VALUE_BYTES || !pointer->pointee)
		return value->count;
	return count->kind == FIELD_LENGTH ? elements * pointer->pointee->size : elements;
}

static bool place_literal(struct exec *exec, struct frame *frame, const struct field *pointer,
	const struct value *value, unsigned depth, uint64_t *address);

/* Fields of one struct (the call's own or an element of a literal) from their values into
 * image[offset..]. */
static bool set_fields(struct exec *exec, struct frame *frame, const struct field *fields,
	unsigned field_count, const struct value *values, unsigned value_count,
	struct buffer *image, uint32_t offset, unsigned depth)
{
	for (unsigned f = 0; f < field_count && f < value_count; f++) {
		const struct field *field = &fields[f];
		const struct value *value = &values[f];
		uint64_t number = value->number;

		if (value->kind == VALUE_UNSET || !field->width)
			continue;
		if (is_literal(value)) {
			if (!place_literal(exec, frame, field, value, depth, &number))
				return false;
		} else if (value->kind != VALUE_NUMBER) {
			number = exec_value(exec, value);
		}
		image_set(field, image->bytes + offset, number);
	}
	return true;
}

static int field_named(const struct field *fields, unsigned count, const char *name)
{
	for (unsigned f = 0; f < count; f++)
		if (strcmp(fields[f].name, name) == 0)
			return (int)f;
	return -1;
}

/* A literal's own count field, unless the program says otherwise. */
static void set_counts(const struct field *fields, unsigned field_count, const struct value *values,
	unsigned value_count, uint8_t *image)
{
	for (unsigned f = 0; f < field_count && f < value_count; f++) {
		if (fields[f].kind != FIELD_USER_POINTER || !fields[f].count_field ||
			!is_literal(&values[f]))
			continue;
		int c = field_named(fields, field_count, fields[f].count_field);
		if (c >= 0 && (unsigned)c < value_count && values[c].kind == VALUE_UNSET)
			field_set(&fields[c], image,
				literal_length(&fields[f], &fields[c], &values[f]));
	}
}

static bool add_element(struct exec *exec, struct frame *frame, const struct layout *layout,
	const struct value *element, uint32_t offset, unsigned depth)
{
	const struct value *values = exec->prog->values + element->start;

	if (element->kind != VALUE_STRUCT ||
		element->start + element->count > exec->prog->value_count)
		return true;
	if (!set_fields(exec, frame, layout->fields, layout->field_count, values, element->count,
		    &frame->literal_bytes, offset, depth + 1))
		return false;
	set_counts(layout->fields, layout->field_count, values, element->count,
		frame->literal_bytes.bytes + offset);
	return true;
}

/* Room for size zeroed bytes of a literal; UINT32_MAX when memory is short. */
static uint32_t literal_room(struct frame *frame, uint32_t size, uint64_t *address)
{
	uint32_t start = frame->literal_bytes.used;

	if (frame->literal_count == frame->literal_room) {
		uint32_t wide = frame->literal_room ? frame->literal_room * 2 : 8;
		void *larger = realloc(frame->literals, wide * sizeof(*frame->literals));

		if (!larger)
			return UINT32_MAX;
		frame->literals = larger;
		frame->literal_room = wide;
	}
	if (!buffer_reserve(&frame->literal_bytes, start + size))
		return UINT32_MAX;
	memset(frame->literal_bytes.bytes + start, 0, size);
	frame->literal_bytes.used += size;
	*address = frame->window + frame->window_used;
	frame->window_used +=
		(size + LITERAL_ALIGNMENT - 1) / LITERAL_ALIGNMENT * LITERAL_ALIGNMENT;
	frame->literals[frame->literal_count++] =
		(struct resolved_literal){.address = *address, .count = size};
	return start;
}

/*
 * Elements may hold literals of their own, so bytes are addressed by offset here; pointers into
 * them are set at the end, when the buffer moves no more.
 */
static bool place_literal(struct exec *exec, struct frame *frame, const struct field *pointer,
	const struct value *value, unsigned depth, uint64_t *address)
{
	const struct layout *layout = pointer->pointee;
	uint32_t elements = value->kind == VALUE_ARRAY ? value->count : 1;
	uint64_t size = value->kind == VALUE_BYTES ? value->count
			: layout		   ? (uint64_t)elements * layout->size
						   : 0;

	*address = 0;
	if (size > LITERAL_SIZE_MAX || depth > PROG_DEPTH_MAX)
		return true;
	uint32_t start = literal_room(frame, (uint32_t)size, address);
	if (start == UINT32_MAX)
		return false;
	if (value->kind == VALUE_BYTES) {
		if (size)
			memcpy(frame->literal_bytes.bytes + start, exec->prog->bytes + value->start,
				size);
		return true;
	}
	for (uint32_t e = 0; layout && e < elements; e++) {
		const struct value *element =
			value->kind == VALUE_STRUCT ? value : &exec->prog->values[value->start + e];

		if (!add_element(exec, frame, layout, element, start + e * layout->size, depth))
			return false;
	}
	return true;
}

static void point_literals(struct frame *frame)
{
	uint32_t start = 0;

	for (uint32_t i = 0; i < frame->literal_count; i++) {
		frame->literals[i].bytes = frame->literal_bytes.bytes + start;
		start += frame->literals[i].count;
	}
}

static const struct value *field_value(const struct exec *exec, const struct call *call, int field)
{
	return field < 0 ? NULL : prog_value(exec->prog, call, (unsigned)field);
}

/* First word of the struct: how much of it the call sees and answers. */
static uint32_t size_word(
	const struct row_plan *plan, const struct call_row *row, const uint8_t *image)
{
	return plan->size >= 0 ? (uint32_t)image_get(&row->fields[plan->size], image) : row->size;
}

static bool build_image(struct exec *exec, const struct call *call, struct frame *frame,
	const struct value *tail, bool default_place)
{
	const struct call_row *row = prog_row(call);
	const struct row_plan *plan = &exec->plans[call->row];
	uint32_t tail_size = tail && tail->kind == VALUE_BYTES ? tail->count : 0;
	uint32_t size = row->size + tail_size;

	if (!buffer_reserve(&frame->image, size + (uint32_t)4096))
		return false;
	memcpy(frame->image.bytes, plan->defaults, row->size);
	/* Behind the struct come the literals, so their place depends on the image alone. */
	frame->window_used = (size + LITERAL_ALIGNMENT - 1) / LITERAL_ALIGNMENT * LITERAL_ALIGNMENT;
	if (!set_fields(exec, frame, row->fields, row->field_count,
		    exec->prog->values + call->first_value, row->field_count, &frame->image, 0, 0))
		return false;
	if (frame->literal_count)
		set_counts(row->fields, row->field_count, exec->prog->values + call->first_value,
			row->field_count, frame->image.bytes);
	if (tail_size)
		memcpy(frame->image.bytes + row->size, exec->prog->bytes + tail->start, tail_size);
	/* A larger size word without a tail means a tail of zeros, not what an earlier call left
	 * there. */
	uint32_t seen = row->framing == FRAMING_SIZE && default_place && !frame->literal_count
				? size_word(plan, row, frame->image.bytes)
				: 0;
	if (seen > size) {
		seen = seen < row->size + 4096u ? seen : row->size + 4096u;
		if (seen > size) {
			if (!buffer_reserve(&frame->image, seen))
				return false;
			memset(frame->image.bytes + size, 0, seen - size);
			size = seen;
		}
	}
	frame->image.used = size;
	return true;
}

static void set_own_range(
	struct frame *frame, const struct row_plan *plan, const struct call_row *row)
{
	frame->own_from = frame->own_to = 0;
	if (row->kind != CALL_IOCTL || !row->size)
		return;
	uint32_t seen = row->framing == FRAMING_FIXED ? row->size
						      : size_word(plan, row, frame->image.bytes);
	frame->own_from = frame->call.at;
	frame->own_to = frame->call.at + (seen < row->size ? seen : row->size);
}

/* Handles are resolved at once, and their calls may be running in other threads. */
static bool is_early(const struct exec *exec, const struct call *call)
{
	for (unsigned i = 0; i < prog_row(call)->field_count; i++) {
		const struct value *value = prog_value(exec->prog, call, i);

		if (value->kind == VALUE_HANDLE && value->call < exec->prog->call_count &&
			exec->prog->calls[value->call].thread &&
			exec->prog->calls[value->call].thread != call->thread)
			return true;
	}
	return false;
}

/* mem, and what programs map; elsewhere are the windows of arguments and addresses of nothing. */
static bool may_be_memory(uint64_t address)
{
	return (address >= PROG_MEM_BASE && address < EXEC_ARGUMENT_BASE &&
		       address - PROG_MEM_BASE < UINT64_C(64) << 20) ||
	       address >= EXEC_ARGUMENT_BASE + EXEC_THREADS * EXEC_ARGUMENT_SIZE;
}

bool exec_resolve(
	struct exec *exec, const struct exec_thread *thread, uint32_t i, struct frame *frame)
{
	const struct call *call = &exec->prog->calls[i];
	const struct call_row *row = prog_row(call);
	const struct row_plan *plan = &exec->plans[call->row];
	const struct value *tail = field_value(exec, call, plan->tail);
	const struct value *at = field_value(exec, call, plan->at);
	const struct value *bytes = field_value(exec, call, plan->bytes);
	const struct value *name = field_value(exec, call, plan->name);
	bool default_place = !at || at->kind == VALUE_UNSET;
	struct resolved_call *resolved = &frame->call;

	memset(resolved, 0, sizeof(*resolved));
	frame->literal_count = 0;
	frame->literal_bytes.used = 0;
	/* Half of a thread's window for its own calls, an eighth for each callback depth. */
	frame->window = EXEC_ARGUMENT_BASE + (uint64_t)thread->number * EXEC_ARGUMENT_SIZE +
			(thread->depth ? EXEC_ARGUMENT_SIZE / 2 +
						 (thread->depth - 1) * (EXEC_ARGUMENT_SIZE / 8)
				       : 0);
	if (!build_image(exec, call, frame, tail, default_place))
		return false;
	point_literals(frame);
	resolved->row = row;
	resolved->call = (uint16_t)i;
	resolved->thread = (uint8_t)thread->number;
	resolved->process = call->process;
	resolved->depth = (uint8_t)thread->depth;
	resolved->early = exec->config.threads && is_early(exec, call);
	/* In a callback only a named user copy fails: of the other points the model does not know
	 * the pass. */
	bool counted =
		!thread->depth || (call->fail == FAIL_POINT && call->fail_point == FAULT_USER_COPY);
	resolved->fail = call->fail == FAIL_SWEEP || !counted ? FAIL_NONE : call->fail;
	resolved->fail_point = call->fail_point;
	resolved->fail_nth = call->fail_nth;
	resolved->name = name ? exec_value(exec, name) : 0;
	if (row->field_count && row->fields[0].kind == FIELD_SUBJECT)
		resolved->subject = exec_value(exec, prog_value(exec->prog, call, 0));
	resolved->struct_size = row->size;
	resolved->image = frame->image.bytes;
	resolved->image_size = frame->image.used;
	if (row->kind == CALL_IOCTL || call->row == CALL_ID_ioctl)
		resolved->at = default_place ? frame->window : exec_value(exec, at);
	/* What it answers differs between targets (trace_physical): not where programs read. */
	if (call->row == CALL_ID_IOMMU_IOAS_NOIOMMU_GET_PA &&
		exec->prog->options.flags & PROG_OPTION_NOIOMMU && may_be_memory(resolved->at))
		resolved->at = frame->window;
	/* The value is the argument itself: nothing lies in memory. */
	if (row->framing == FRAMING_VALUE) {
		memcpy(&resolved->at, frame->image.bytes, sizeof(resolved->at));
		resolved->image_size = resolved->struct_size = 0;
	}
	if (bytes && bytes->kind == VALUE_BYTES) {
		resolved->bytes = prog_value_bytes(exec->prog, bytes);
		resolved->byte_count = bytes->count;
	}
	resolved->literals = frame->literals;
	resolved->literal_count = frame->literal_count;
	set_own_range(frame, plan, row);
	return true;
}
