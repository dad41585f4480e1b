/* SPDX-License-Identifier: Apache-2.0 */
/* In-kernel accesses as a driver sees them: which it has, what it pinned, and what its unmap
 * callback does. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec_private.h"
#include "impl/abi/kernel_calls.h"

/* Nested rounds of the retry rule (specification 7.8) multiply; beyond this a driver behaves. */
#define CALLBACK_LIMIT 1000

/* The newest of that handle: targets may use a handle again. */
static struct access_slot *find_access(struct exec *exec, uint64_t handle)
{
	for (uint32_t i = exec->access_count; i--;)
		if (exec->accesses[i].handle == handle)
			return &exec->accesses[i];
	return NULL;
}

static void forget_pin(struct exec *exec, uint32_t index)
{
	memmove(exec->pins + index, exec->pins + index + 1,
		(exec->pin_count - index - 1) * sizeof(*exec->pins));
	exec->pin_count--;
}

static void note_pin(struct exec *exec, uint64_t handle, uint64_t iova, uint64_t length)
{
	if (exec->pin_count == exec->pin_room) {
		uint32_t wide = exec->pin_room ? exec->pin_room * 2 : 64;
		void *larger = realloc(exec->pins, wide * sizeof(*exec->pins));

		if (!larger)
			return;
		exec->pins = larger;
		exec->pin_room = wide;
	}
	exec->pins[exec->pin_count++] =
		(struct pin){.handle = handle, .iova = iova, .length = length};
}

static void note_unpin(struct exec *exec, uint64_t handle, uint64_t iova, uint64_t length)
{
	for (uint32_t i = exec->pin_count; i--;)
		if (exec->pins[i].handle == handle && exec->pins[i].iova == iova &&
			exec->pins[i].length == length) {
			forget_pin(exec, i);
			return;
		}
}

static bool pin_intersects(const struct pin *pin, const struct callback_range *range)
{
	uint64_t pin_last = pin->iova + (pin->length - 1);
	uint64_t last = range->length > UINT64_MAX - range->iova ? UINT64_MAX
								 : range->iova + range->length - 1;

	return pin->handle == range->handle && range->length && pin->iova <= last &&
	       pin_last >= range->iova;
}

static void note_new_access(struct exec *exec, uint32_t i, const struct call_outcome *outcome)
{
	struct call_access_create made;

	if (exec->access_count == EXEC_ACCESS_MAX || outcome->image_size < sizeof(made))
		return;
	memcpy(&made, outcome->image, sizeof(made));
	exec->accesses[exec->access_count++] =
		(struct access_slot){.handle = made.out_access, .creator = (uint16_t)i};
}

static void note_ended_access(struct exec *exec, uint64_t handle)
{
	struct access_slot *slot = find_access(exec, handle);

	if (slot) {
		size_t behind = (size_t)(exec->accesses + exec->access_count - (slot + 1));

		memmove(slot, slot + 1, behind * sizeof(*slot));
		exec->access_count--;
	}
	for (uint32_t i = exec->pin_count; i--;)
		if (exec->pins[i].handle == handle)
			forget_pin(exec, i);
}

void exec_note_access(struct exec *exec, uint32_t i, const struct resolved_call *call,
	const struct call_outcome *outcome)
{
	struct call_access_pin pin;

	if (outcome->result < 0)
		return;
	switch (exec->prog->calls[i].row) {
	case CALL_ID_access_create: note_new_access(exec, i, outcome); break;
	case CALL_ID_access_destroy: note_ended_access(exec, call->subject); break;
	case CALL_ID_access_pin:
		memcpy(&pin, call->image, sizeof(pin));
		note_pin(exec, call->subject, pin.iova, pin.length);
		break;
	case CALL_ID_access_unpin:
		memcpy(&pin, call->image, sizeof(pin));
		note_unpin(exec, call->subject, pin.iova, pin.length);
		break;
	default: break;
	}
}

static int64_t unpin_one(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range, uint64_t iova, uint64_t length)
{
	struct call_access_pin pin = {.iova = iova, .length = length};

	note_unpin(exec, range->handle, iova, length);
	return exec_quiet_call(
		exec, thread, i, CALL_ID_access_unpin, range->handle, &pin, sizeof(pin));
}

/* Yields how many pins it released. */
static int64_t unpin_all(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range)
{
	int64_t released = 0;

	for (uint32_t p = 0; p < exec->pin_count;) {
		struct pin pin = exec->pins[p];

		if (!pin_intersects(&pin, range)) {
			p++;
			continue;
		}
		forget_pin(exec, p);
		struct call_access_pin argument = {.iova = pin.iova, .length = pin.length};
		exec_quiet_call(exec, thread, i, CALL_ID_access_unpin, range->handle, &argument,
			sizeof(argument));
		released++;
	}
	return released;
}

static int64_t unpin_given(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range)
{
	const struct call *call = &exec->prog->calls[i];
	const struct call_row *row = prog_row(call);
	int iova = call_field(row, "iova", 4), length = call_field(row, "length", 6);

	if (iova < 0 || length < 0)
		return 0;
	return unpin_one(exec, thread, i, range,
		exec_value(exec, prog_value(exec->prog, call, (unsigned)iova)),
		exec_value(exec, prog_value(exec->prog, call, (unsigned)length)));
}

static int64_t install_body(struct exec *exec, uint32_t i)
{
	const struct call *call = &exec->prog->calls[i];
	struct access_slot *slot =
		find_access(exec, exec_value(exec, prog_value(exec->prog, call, 0)));

	if (slot)
		slot->on = (uint16_t)(i + 1);
	return 0;
}

int64_t exec_control(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range)
{
	switch (exec->prog->calls[i].row) {
	case CALL_ID_on: return install_body(exec, i);
	case CALL_ID_unpin_all: return range ? unpin_all(exec, thread, i, range) : 0;
	case CALL_ID_unpin: return range ? unpin_given(exec, thread, i, range) : 0;
	case CALL_ID_barrier: exec_barrier(exec, thread); return 0;
	case CALL_ID_wait:
		exec_wait_thread(exec, thread,
			(unsigned)prog_value(exec->prog, &exec->prog->calls[i], 0)->number);
		return 0;
	default: return 0;
	}
}

static void trace_callback(struct exec *exec, const struct exec_thread *thread,
	const struct access_slot *slot, uint64_t iova, uint64_t length)
{
	struct trace_entry *entry = trace_add(&exec->trace, TRACE_CALLBACK);
	uint64_t range[2] = {iova, length};

	if (!entry)
		return;
	entry->depth = (uint8_t)thread->depth;
	entry->call = slot->creator;
	entry->thread = (uint8_t)thread->number;
	trace_set_image(&exec->trace, entry, range, sizeof(range));
}

static void run_body(struct exec *exec, struct exec_thread *thread, uint16_t body,
	const struct callback_range *range)
{
	const struct prog *prog = exec->prog;

	thread->depth++;
	for (uint32_t i = body; i < prog->call_count && prog->calls[i].body == body; i++) {
		uint32_t times = prog->calls[i].repeat ? prog->calls[i].repeat : 1;

		/* A repeat of a call that notifies again would multiply; the limit on callbacks
		 * bounds both. */
		while (times-- && thread->callback_count++ < CALLBACK_LIMIT)
			exec_run_call(exec, thread, i, range);
	}
	thread->depth--;
	thread->running = true;
}

bool exec_unmap_event(
	void *context, unsigned number, uint64_t handle, uint64_t iova, uint64_t length)
{
	struct exec *exec = context;
	struct exec_thread *thread = &exec->threads[number];
	struct callback_range range = {.handle = handle, .iova = iova, .length = length};
	uint16_t body = 0;

	exec_enter(exec);
	struct access_slot *slot = find_access(exec, handle);
	if (slot) {
		trace_callback(exec, thread, slot, iova, length);
		body = slot->on;
		if (thread->depth >= EXEC_DEPTH_MAX || thread->callback_count++ >= CALLBACK_LIMIT)
			body = 0;
	}
	/* A correct driver, which the target plays itself, keeps no pin in the range. */
	for (uint32_t p = exec->pin_count; slot && !body && p--;)
		if (pin_intersects(&exec->pins[p], &range))
			forget_pin(exec, p);
	exec_leave(exec);
	if (body)
		run_body(exec, thread, body, &range);
	return body != 0;
}
