/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idioms of PASIDs: a device that has some, page tables for them, and what comes, moves and goes
 * there. For live kernels every PASID is detached by the idiom that attached it (specification
 * 10.27).
 */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

#define PAGE UINT64_C(4096)

struct place {
	struct scene_device device;
	uint64_t pasid;
};

/* A device with PASIDs, mostly one that is there. */
static struct scene_device some_device(struct builder *b)
{
	uint32_t call, ioas;

	for (uint32_t i = b->scene.devices; i-- > 0;)
		if (b->scene.device[i].pasids && !random_chance(b->random, 1, 4))
			return b->scene.device[i];
	if (b->scene.devices && random_chance(b->random, 1, 10)) /* one without */
		return builder_need_device(b);
	ioas = builder_need_ioas(b);
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS);
	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "id", value_handle(ioas, 0, 0));
	builder_set(b, call, "dev_flags",
		value_number(MOCK_FLAGS_DEVICE_PASID |
			     (random_chance(b->random, 1, 6) ? MOCK_FLAGS_DEVICE_NO_DIRTY : 0)));
	builder_done(b, call);
	if (call == UINT32_MAX || !b->scene.devices)
		return (struct scene_device){.call = UINT16_MAX};
	return b->scene.device[b->scene.devices - 1];
}

/* A page table for PASIDs, mostly; in its IOAS or in another one. */
static struct value some_table(struct builder *b, const struct scene_device *device)
{
	uint32_t call, ioas = device->ioas;

	if (random_chance(b->random, 1, 10)) { /* whatever is there */
		bool itself = random_chance(b->random, 1, 2);

		return itself ? value_handle(device->call, random_chance(b->random, 1, 2), 0)
			      : value_handle(device->ioas, 0, 0);
	}
	for (uint32_t i = b->scene.hwpts; i-- > 0;)
		if (b->scene.hwpt[i].context == device->context &&
			(b->scene.hwpt[i].pasids || random_chance(b->random, 1, 8)) &&
			!random_chance(b->random, 1, 3))
			return value_handle(b->scene.hwpt[i].call, 0, 0);
	if (random_chance(b->random, 1, 3)) {
		uint32_t other = builder_need_ioas(b);

		if (builder_context_of(b, other) == device->context)
			ioas = other;
	}
	call = builder_call(b, CALL_ID_IOMMU_HWPT_ALLOC);
	builder_subject(b, call, device->context);
	builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
	builder_set(b, call, "pt_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "flags",
		value_number(
			IOMMU_HWPT_ALLOC_PASID |
			(random_chance(b->random, 1, 4) ? IOMMU_HWPT_ALLOC_DIRTY_TRACKING : 0)));
	builder_done(b, call);
	return value_handle(call == UINT32_MAX ? device->call : call, 0, 0);
}

static uint32_t add_at(struct builder *b, const struct place *place, enum call_id row)
{
	uint32_t call = builder_call(b, row);

	builder_subject(b, call, place->device.context);
	builder_set(b, call, "id", value_handle(place->device.call, 0, 0));
	builder_set(b, call, "pasid", value_number(place->pasid));
	return call;
}

static void attach(struct builder *b, const struct place *place)
{
	struct value table = some_table(b, &place->device);
	uint32_t call = add_at(b, place, CALL_ID_IOMMU_TEST_OP_PASID_ATTACH);

	builder_set(b, call, "pt_id", table);
	builder_done(b, call);
}

static void replace(struct builder *b, const struct place *place)
{
	struct value table = some_table(b, &place->device);
	uint32_t call = add_at(b, place, CALL_ID_IOMMU_TEST_OP_PASID_REPLACE);

	builder_set(b, call, "pt_id", table);
	builder_done(b, call);
}

static void check(struct builder *b, const struct place *place)
{
	struct value table = some_table(b, &place->device);
	uint32_t call = add_at(b, place, CALL_ID_IOMMU_TEST_OP_PASID_CHECK_HWPT);

	builder_set(b, call, "hwpt_id", random_chance(b->random, 1, 3) ? value_number(0) : table);
	builder_done(b, call);
}

static void move_rid(struct builder *b, const struct place *place)
{
	struct value table = some_table(b, &place->device);
	uint32_t call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	builder_subject(b, call, place->device.context);
	builder_set(b, call, "id", value_handle(place->device.call, 0, 0));
	builder_set(b, call, "pt_id", table);
	builder_done(b, call);
}

static void transfer(struct builder *b, const struct place *place)
{
	struct scene_area *area = builder_some_area(b, UINT32_MAX);
	struct value iova;
	uint32_t call;

	if (!area || b->options->live || b->options->exclude_needs & NEEDS_INPROC)
		return;
	iova = area->iova;
	call = builder_call(
		b, random_chance(b->random, 1, 2) ? CALL_ID_dma_read : CALL_ID_dma_write);
	builder_subject(b, call, place->device.context);
	builder_set(b, call, "dev_id", value_handle(place->device.call, 2, 0));
	builder_set(b, call, "iova", iova);
	builder_set(b, call, "length", value_number(64));
	builder_set(b, call, "buffer", value_mem(128 * PAGE));
	builder_set(b, call, "pasid", value_number(place->pasid));
	builder_done(b, call);
}

static void (*const meanwhile[])(struct builder *b, const struct place *place) = {
	replace, replace, replace, check, check, move_rid, transfer, transfer, attach};

void builder_pasid(struct builder *b)
{
	static const uint32_t pasids[] = {1, 1, 1, 2, 2, 3, 1024, 1024, 0,
		(1 << MOCK_PASID_WIDTH) - 1, 1 << MOCK_PASID_WIDTH};
	struct place place = {.device = some_device(b)};
	uint32_t call;

	if (place.device.call == UINT16_MAX)
		return;
	if (random_chance(b->random, 5, 6))
		move_rid(b, &place);
	else if (random_chance(b->random, 1, 2)) /* PASID 0 is the RID */
		builder_done(b, add_at(b, &place, CALL_ID_IOMMU_TEST_OP_PASID_DETACH));
	place.pasid = pasids[random_below(b->random, sizeof(pasids) / sizeof(pasids[0]))];
	attach(b, &place);
	for (uint64_t n = random_below(b->random, 4); n; n--)
		meanwhile[random_below(b->random, sizeof(meanwhile) / sizeof(meanwhile[0]))](
			b, &place);
	if (!b->options->live && random_chance(b->random, 1, 3))
		return;
	call = add_at(b, &place, CALL_ID_IOMMU_TEST_OP_PASID_DETACH);
	if (call != UINT32_MAX && b->options->live)
		scene_add(&b->scene, b->prog, call);
	else
		builder_done(b, call);
}
