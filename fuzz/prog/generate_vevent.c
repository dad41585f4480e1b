/* SPDX-License-Identifier: Apache-2.0 */
/* Idioms of events that a device reports: a VIOMMU with a queue, reports, and the queue's file. */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

#define PAGE	  UINT64_C(4096)
#define BUFFER	  (236 * PAGE) /* where events are read to */
#define HEADER	  sizeof(struct iommufd_vevent_header)
#define EVENT	  (HEADER + sizeof(struct iommu_viommu_event_selftest))
#define FD_OUTPUT 1 /* of VEVENTQ_ALLOC */

/* On a context, with dev_id the device. */
static uint32_t add_for(struct builder *b, enum call_id row, const struct scene_device *device)
{
	uint32_t call = builder_call(b, row);

	builder_subject(b, call, device->context);
	builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
	return call;
}

static void move_to(struct builder *b, const struct scene_device *device, uint32_t table)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	builder_subject(b, call, device->context);
	builder_set(b, call, "id", value_handle(device->call, 0, 0));
	builder_set(b, call, "pt_id", value_handle(table, 0, 0));
	builder_done(b, call);
}

static void add_nested(
	struct builder *b, const struct scene_device *device, uint32_t viommu, uint32_t *table)
{
	uint32_t fields = prog_add_values(b->prog, 2);

	*table = add_for(b, CALL_ID_IOMMU_HWPT_ALLOC, device);
	if (fields == UINT32_MAX || *table == UINT32_MAX)
		return;
	b->prog->values[fields] = b->prog->values[fields + 1] = value_number(0);
	builder_set(b, *table, "pt_id", value_handle(viommu, 0, 0));
	builder_set(b, *table, "data_type", value_number(IOMMU_HWPT_DATA_SELFTEST));
	builder_set(b, *table, "data_len", value_number(4));
	builder_set(b, *table, "data_uptr",
		(struct value){.kind = VALUE_STRUCT, .count = 2, .start = fields});
	builder_done(b, *table);
}

static void add_queue(struct builder *b, const struct scene_device *device, uint32_t viommu)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_VEVENTQ_ALLOC);
	bool other = random_chance(b->random, 1, 8);

	builder_subject(b, call, device->context);
	builder_set(b, call, "viommu_id", value_handle(viommu, 0, 0));
	builder_set(b, call, "type",
		value_number(other ? random_below(b->random, 4) : IOMMU_VEVENTQ_TYPE_SELFTEST));
	builder_set(b, call, "veventq_depth", value_number(1 + random_below(b->random, 3)));
	builder_done(b, call);
	/* The scene takes the device from here. */
	if (call != UINT32_MAX && b->scene.veventqs)
		b->scene.veventq[b->scene.veventqs - 1].device = device->call;
}

/* From the parent of page tables to a device that can report. */
static void add_reporter(struct builder *b, const struct scene_device *device)
{
	uint32_t parent, viommu, call, table;

	parent = add_for(b, CALL_ID_IOMMU_HWPT_ALLOC, device);
	builder_set(b, parent, "pt_id", value_handle(device->ioas, 0, 0));
	builder_set(b, parent, "flags", value_number(IOMMU_HWPT_ALLOC_NEST_PARENT));
	builder_done(b, parent);
	viommu = add_for(b, CALL_ID_IOMMU_VIOMMU_ALLOC, device);
	if (viommu == UINT32_MAX)
		return;
	builder_set(b, viommu, "type", value_number(IOMMU_VIOMMU_TYPE_SELFTEST));
	builder_set(b, viommu, "hwpt_id", value_handle(parent, 0, 0));
	builder_done(b, viommu);
	if (!random_chance(b->random, 1, 8)) {
		call = add_for(b, CALL_ID_IOMMU_VDEVICE_ALLOC, device);
		builder_set(b, call, "viommu_id", value_handle(viommu, 0, 0));
		builder_set(b, call, "virt_id", value_number(random_below(b->random, 8)));
		builder_done(b, call);
	}
	add_nested(b, device, viommu, &table);
	if (table != UINT32_MAX && !random_chance(b->random, 1, 8))
		move_to(b, device, table);
	add_queue(b, device, viommu);
	if (random_chance(b->random, 1, 6))
		add_queue(b, device, viommu);
}

static void reports(struct builder *b, const struct scene_veventq *veventq)
{
	for (uint64_t count = 1 + random_below(b->random, 5); count; count--) {
		uint32_t call = builder_call(b, CALL_ID_IOMMU_TEST_OP_TRIGGER_VEVENT);

		builder_subject(b, call, veventq->context);
		builder_set(b, call, "dev_id", value_handle(veventq->device, 2, 0));
		builder_done(b, call);
	}
}

static void on_descriptor(struct builder *b, const struct scene_veventq *veventq)
{
	static const enum call_id rows[] = {CALL_ID_read, CALL_ID_read, CALL_ID_read, CALL_ID_read,
		CALL_ID_poll, CALL_ID_poll, CALL_ID_dup, CALL_ID_write};
	enum call_id row = rows[random_below(b->random, sizeof(rows) / sizeof(rows[0]))];
	uint32_t call;

	if (random_chance(b->random, 1, 32))
		row = CALL_ID_close;
	call = builder_call(b, row);
	if (call == UINT32_MAX)
		return;
	*prog_value(b->prog, &b->prog->calls[call], 0) = value_handle(veventq->call, FD_OUTPUT, 0);
	builder_set(b, call, "at", value_mem(BUFFER + random_below(b->random, 64)));
	builder_set(b, call, "length",
		value_number(random_below(b->random, 4) * EVENT +
			     (random_chance(b->random, 1, 3) ? HEADER : 0) +
			     (random_chance(b->random, 1, 12) ? random_below(b->random, 9) : 0)));
	builder_set(b, call, "events", value_number(random_below(b->random, 128)));
	builder_done(b, call);
}

void builder_vevent(struct builder *b)
{
	struct scene_device device = builder_need_device(b);
	struct scene_veventq veventq;

	if (device.call == UINT16_MAX)
		return;
	if (!b->scene.veventqs || random_chance(b->random, 1, 5))
		add_reporter(b, &device);
	if (!b->scene.veventqs)
		return;
	veventq = b->scene.veventq[builder_pick(b, b->scene.veventqs)];
	if (random_chance(b->random, 4, 5))
		reports(b, &veventq);
	for (uint64_t count = random_below(b->random, 4); count && !b->full; count--)
		on_descriptor(b, &veventq);
}
