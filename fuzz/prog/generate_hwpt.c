/* SPDX-License-Identifier: Apache-2.0 */
/* Idioms of page tables that are made by hand, and of what an IOMMU tells about itself. */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

#define PAGE UINT64_C(4096)

bool builder_some_hwpt(struct builder *b, uint16_t context, struct scene_hwpt *found)
{
	for (int tries = 0; tries < 4 && b->scene.hwpts; tries++) {
		*found = b->scene.hwpt[builder_pick(b, b->scene.hwpts)];
		if (found->context == context)
			return true;
	}
	return false;
}

/* An IOAS of that context: the device's, another one, or a fresh one. */
static uint32_t some_ioas(struct builder *b, const struct scene_device *device)
{
	uint32_t ioas;

	if (random_chance(b->random, 1, 8)) {
		ioas = builder_call(b, CALL_ID_IOMMU_IOAS_ALLOC);
		builder_subject(b, ioas, device->context);
		builder_done(b, ioas);
		return ioas;
	}
	ioas = builder_need_ioas(b);
	if (builder_context_of(b, ioas) != device->context || random_chance(b->random, 1, 2))
		return device->ioas;
	return ioas;
}

/* The mock's data: mostly a format that there is. */
static void set_data(struct builder *b, uint32_t call)
{
	uint32_t fields = call == UINT32_MAX ? UINT32_MAX : prog_add_values(b->prog, 2);

	if (fields == UINT32_MAX)
		return;
	b->prog->values[fields] = value_number(random_below(b->random, 3));
	b->prog->values[fields + 1] =
		value_number(random_chance(b->random, 1, 12) ? 2 : random_below(b->random, 3) == 0);
	builder_set(b, call, "data_type", value_number(IOMMU_HWPT_DATA_SELFTEST));
	builder_set(b, call, "data_uptr",
		(struct value){.kind = VALUE_STRUCT, .count = 2, .start = fields});
	if (random_chance(b->random, 1, 6))
		builder_set(b, call, "data_len", value_number(3 + random_below(b->random, 7)));
}

void builder_hwpt(struct builder *b)
{
	static const uint8_t flags[] = {
		0,
		0,
		0,
		IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		IOMMU_HWPT_ALLOC_NEST_PARENT,
		IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		IOMMU_HWPT_ALLOC_PASID,
		IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		IOMMU_HWPT_FAULT_ID_VALID,
	};
	struct scene_device device = builder_need_device(b);
	uint32_t ioas, call;

	if (device.call == UINT16_MAX)
		return;
	ioas = some_ioas(b, &device);
	call = builder_call(b, CALL_ID_IOMMU_HWPT_ALLOC);
	builder_subject(b, call, device.context);
	builder_set(b, call, "dev_id", value_handle(device.call, 2, 0));
	builder_set(b, call, "pt_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "flags",
		value_number(flags[random_below(b->random, sizeof(flags) / sizeof(flags[0]))]));
	if (random_chance(b->random, 1, 5))
		set_data(b, call);
	if (random_chance(b->random, 1, 20)) /* not as a parent: without data */
		builder_set(b, call, "pt_id", value_handle(device.call, 1, 0));
	builder_done(b, call);
}

void builder_hw_info(struct builder *b)
{
	static const uint8_t lengths[] = {0, 1, 4, 7, 8, 8, 8, 9, 16, 64};
	struct scene_device device = builder_need_device(b);
	uint32_t call;

	if (device.call == UINT16_MAX)
		return;
	call = builder_call(b, CALL_ID_IOMMU_GET_HW_INFO);
	builder_subject(b, call, device.context);
	builder_set(b, call, "dev_id", value_handle(device.call, 2, 0));
	builder_set(b, call, "data_len",
		value_number(lengths[random_below(b->random, sizeof(lengths))]));
	builder_set(b, call, "data_uptr", value_mem(200 * PAGE + random_below(b->random, 64)));
	if (random_chance(b->random, 1, 3)) {
		builder_set(b, call, "flags", value_number(IOMMU_HW_INFO_FLAG_INPUT_TYPE));
		builder_set(b, call, "in_data_type",
			value_number(random_chance(b->random, 1, 2) ? IOMMU_HW_INFO_TYPE_SELFTEST
								    : random_below(b->random, 3)));
	}
	builder_done(b, call);
}

/* Tracking goes on, pages are marked, the bitmap is read. */
void builder_dirty(struct builder *b)
{
	struct scene_device device = builder_need_device(b);
	struct scene_area *area, seen;
	struct scene_hwpt hwpt;
	uint64_t unit = random_chance(b->random, 2, 3) ? 2048 : PAGE;
	uint32_t call;

	if (device.call == UINT16_MAX)
		return;
	if (!builder_some_hwpt(b, device.context, &hwpt) || random_chance(b->random, 1, 3)) {
		call = builder_call(b, CALL_ID_IOMMU_HWPT_ALLOC);
		builder_subject(b, call, device.context);
		builder_set(b, call, "dev_id", value_handle(device.call, 2, 0));
		builder_set(b, call, "pt_id", value_handle(device.ioas, 0, 0));
		builder_set(b, call, "flags", value_number(IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
		builder_done(b, call);
		if (call == UINT32_MAX || !builder_some_hwpt(b, device.context, &hwpt))
			return;
	}
	call = builder_call(b, CALL_ID_IOMMU_HWPT_SET_DIRTY_TRACKING);
	builder_subject(b, call, hwpt.context);
	builder_set(b, call, "hwpt_id", value_handle(hwpt.call, 0, 0));
	builder_set(b, call, "flags", value_number(!random_chance(b->random, 1, 6)));
	builder_done(b, call);
	area = builder_some_area(b, hwpt.ioas);
	if (!area)
		return;
	seen = *area;
	if (random_chance(b->random, 3, 4)) {
		call = builder_call(b, CALL_ID_IOMMU_TEST_OP_DIRTY);
		builder_subject(b, call, hwpt.context);
		builder_set(b, call, "id", value_handle(hwpt.call, 0, 0));
		builder_set(b, call, "iova", seen.iova);
		builder_set(b, call, "length", value_number(seen.length));
		builder_set(b, call, "page_size", value_number(unit));
		/* Whatever lies there. */
		builder_set(b, call, "uptr", value_mem(random_below(b->random, 210 * PAGE)));
		builder_done(b, call);
	}
	call = builder_call(b, CALL_ID_IOMMU_HWPT_GET_DIRTY_BITMAP);
	builder_subject(b, call, hwpt.context);
	builder_set(b, call, "hwpt_id", value_handle(hwpt.call, 0, 0));
	builder_set(b, call, "flags", value_number(random_chance(b->random, 1, 4)));
	builder_set(b, call, "iova", seen.iova);
	builder_set(b, call, "length", value_number(seen.length));
	builder_set(b, call, "page_size", value_number(unit));
	builder_set(b, call, "data", value_mem(220 * PAGE + random_below(b->random, 64)));
	builder_done(b, call);
}
