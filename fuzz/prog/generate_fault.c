/* SPDX-License-Identifier: Apache-2.0 */
/* Idioms of page faults: queues, page tables that have one, faults, and what their descriptors do.
 */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"

#define PAGE	    UINT64_C(4096)
#define BUFFER	    (230 * PAGE) /* where faults are read to */
#define RECORD	    sizeof(struct iommu_hwpt_pgfault)
#define RESPONSE    sizeof(struct iommu_hwpt_page_response)
#define ANSWERS_MAX 4u
#define FD_OUTPUT   1 /* of FAULT_QUEUE_ALLOC */

/* A queue of that context, made when there is none and now and then anyway. */
static uint32_t need_queue(struct builder *b, uint16_t context)
{
	uint32_t call;

	for (int tries = 0; tries < 4 && b->scene.faults && !random_chance(b->random, 1, 8);
		tries++) {
		const struct scene_fault *fault = &b->scene.fault[builder_pick(b, b->scene.faults)];

		if (fault->context == context)
			return fault->call;
	}
	call = builder_call(b, CALL_ID_IOMMU_FAULT_QUEUE_ALLOC);
	builder_subject(b, call, context);
	builder_done(b, call);
	return call;
}

/* A page table with a queue, which the device mostly moves to. */
static void fault_table(struct builder *b, const struct scene_device *device)
{
	uint32_t queue = need_queue(b, device->context), call, table;

	table = builder_call(b, CALL_ID_IOMMU_HWPT_ALLOC);
	builder_subject(b, table, device->context);
	builder_set(b, table, "dev_id", value_handle(device->call, 2, 0));
	builder_set(b, table, "pt_id", value_handle(device->ioas, 0, 0));
	builder_set(b, table, "flags",
		value_number(
			IOMMU_HWPT_FAULT_ID_VALID |
			(random_chance(b->random, 1, 6) ? IOMMU_HWPT_ALLOC_DIRTY_TRACKING : 0)));
	if (queue != UINT32_MAX)
		builder_set(b, table, "fault_id", value_handle(queue, 0, 0));
	builder_done(b, table);
	if (table == UINT32_MAX || random_chance(b->random, 1, 6))
		return;
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	builder_subject(b, call, device->context);
	builder_set(b, call, "id", value_handle(device->call, 0, 0));
	builder_set(b, call, "pt_id", value_handle(table, 0, 0));
	builder_done(b, call);
}

void builder_faults(struct builder *b, const struct scene_device *device)
{
	static const uint32_t pasids[] = {0, 0, 0, 0, 1, 2, 1024, UINT32_MAX};

	for (uint64_t count = 1 + random_below(b->random, 3); count; count--) {
		uint32_t call = builder_call(b, CALL_ID_IOMMU_TEST_OP_TRIGGER_IOPF);

		builder_subject(b, call, device->context);
		builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
		builder_set(b, call, "grpid", value_number(random_below(b->random, 4)));
		builder_set(b, call, "perm", value_number(random_below(b->random, 16)));
		builder_set(b, call, "addr", value_number(random_below(b->random, 64) * PAGE));
		builder_set(b, call, "pasid", value_number(pasids[random_below(b->random, 8)]));
		builder_done(b, call);
	}
}

/* Mostly the lowest cookies, which faults get; the values of an array, unset when there is no room.
 */
static struct value answers(struct builder *b, uint32_t count)
{
	uint32_t elements = prog_add_values(b->prog, count);

	for (uint32_t i = 0; i < count && elements != UINT32_MAX; i++) {
		uint32_t fields = prog_add_values(b->prog, 2);

		if (fields == UINT32_MAX)
			return (struct value){.kind = VALUE_UNSET};
		b->prog->values[fields] = value_number(
			random_chance(b->random, 1, 4) ? random_below(b->random, ANSWERS_MAX + 1)
						       : i + 1);
		b->prog->values[fields + 1] = value_number(
			random_chance(b->random, 1, 12) ? 2 : random_below(b->random, 2));
		b->prog->values[elements + i] =
			(struct value){.kind = VALUE_STRUCT, .count = 2, .start = fields};
	}
	if (elements == UINT32_MAX)
		return (struct value){.kind = VALUE_UNSET};
	return (struct value){.kind = VALUE_ARRAY, .count = count, .start = elements};
}

/* A length in units, now and then by a little wrong. */
static struct value some_length(struct builder *b, uint64_t units, uint64_t unit)
{
	return value_number(
		units * unit + (random_chance(b->random, 1, 12) ? random_below(b->random, 9) : 0));
}

static void on_descriptor(struct builder *b, uint32_t queue, enum call_id row)
{
	uint32_t call = builder_call(b, row), count;

	if (call == UINT32_MAX)
		return;
	*prog_value(b->prog, &b->prog->calls[call], 0) = value_handle(queue, FD_OUTPUT, 0);
	switch (row) {
	case CALL_ID_read:
		builder_set(b, call, "length", some_length(b, random_below(b->random, 4), RECORD));
		builder_set(b, call, "at", value_mem(BUFFER + random_below(b->random, 64)));
		break;
	case CALL_ID_write:
		count = 1 + (uint32_t)random_below(b->random, ANSWERS_MAX);
		builder_set(b, call, "at", answers(b, count));
		builder_set(b, call, "length", some_length(b, count, RESPONSE));
		break;
	default: builder_set(b, call, "events", value_number(random_below(b->random, 128))); break;
	}
	builder_done(b, call);
}

void builder_fault_file(struct builder *b, uint32_t queue)
{
	static const enum call_id rows[] = {CALL_ID_read, CALL_ID_read, CALL_ID_read, CALL_ID_write,
		CALL_ID_write, CALL_ID_poll, CALL_ID_poll, CALL_ID_dup};

	on_descriptor(b, queue, rows[random_below(b->random, sizeof(rows) / sizeof(rows[0]))]);
}

void builder_fault(struct builder *b)
{
	struct scene_device device = builder_need_device(b);
	uint32_t queue;

	if (device.call == UINT16_MAX)
		return;
	if (!b->scene.faults || random_chance(b->random, 1, 4))
		fault_table(b, &device);
	if (random_chance(b->random, 3, 4))
		builder_faults(b, &device);
	queue = need_queue(b, device.context);
	for (uint64_t count = random_below(b->random, 4); count && !b->full; count--)
		builder_fault_file(b, queue);
	if (random_chance(b->random, 1, 24))
		on_descriptor(b, queue, CALL_ID_close);
}
