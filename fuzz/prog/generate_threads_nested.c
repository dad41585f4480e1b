/* SPDX-License-Identifier: Apache-2.0 */
/* Races about one VIOMMU: its vDEVICEs, nested page tables, queues and pages. */
#include "fuzz/prog/stage.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define VIRT_ID	  0x99u
#define MAP_AT	  (160 * PAGE)
#define QUEUE_AT  UINT64_C(0x3000000)
#define REQUEST	  12u /* bytes */
#define DATA_SIZE 24u

static struct value bytes(struct stage *stage, const void *data, uint32_t count)
{
	uint32_t start = prog_add_bytes(stage->b->prog, data, count);

	if (start == UINT32_MAX)
		return (struct value){.kind = VALUE_UNSET};
	return (struct value){.kind = VALUE_BYTES, .count = count, .start = start};
}

/* One of the devices, mostly the first. */
static uint32_t some_device(struct stage *stage)
{
	return stage->device[1] != NONE && chance(stage, 1, 3) ? stage->device[1]
							       : stage->device[0];
}

void stage_nested_name(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_VDEVICE_ALLOC);

	set_object(stage, call, "viommu_id", stage->viommu, 0);
	set_object(stage, call, "dev_id", some_device(stage), 2);
	set(stage, call, "virt_id", VIRT_ID - below(stage, 2));
}

static uint32_t add_nested(struct stage *stage)
{
	static const uint8_t iotlb[4] = {1};
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_HWPT_ALLOC);

	set_object(stage, call, "dev_id", some_device(stage), 2);
	set_object(stage, call, "pt_id", chance(stage, 3, 4) ? stage->viommu : stage->parent, 0);
	set(stage, call, "data_type", IOMMU_HWPT_DATA_SELFTEST);
	builder_set(stage->b, call, "data_uptr", bytes(stage, iotlb, sizeof(iotlb)));
	return call;
}

void stage_nested_alloc(struct stage *stage)
{
	add_nested(stage);
}

void stage_nested_move(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	set_object(stage, call, "id", some_device(stage), 0);
	set_object(stage, call, "pt_id",
		chance(stage, 2, 3)   ? stage->nested
		: chance(stage, 1, 2) ? stage->parent
				      : stage->ioas[0],
		0);
}

/* What there is of it goes: the vDEVICE by what its id may be. */
void stage_nested_destroy(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_DESTROY);

	switch (below(stage, 5)) {
	case 0: set_object(stage, call, "id", stage->nested, 0); break;
	case 1: set_object(stage, call, "id", stage->viommu, 0); break;
	case 2: set_object(stage, call, "id", stage->parent, 0); break;
	default: set_object(stage, call, "id", stage->vdevice, 0); break;
	}
}

void stage_nested_destroy_device(struct stage *stage)
{
	set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", some_device(stage), 0);
}

void stage_nested_invalidate(struct stage *stage)
{
	bool viommu = chance(stage, 1, 2);
	uint32_t size = viommu ? REQUEST : 8, call;
	uint8_t requests[2 * REQUEST] = {0};

	requests[0] = chance(stage, 1, 3);
	requests[size - 4] = (uint8_t)below(stage, 4);
	if (viommu)
		requests[4] = requests[REQUEST + 4] = VIRT_ID;
	call = add_ioctl(stage, CALL_ID_IOMMU_HWPT_INVALIDATE);
	set_object(stage, call, "hwpt_id", viommu ? stage->viommu : stage->nested, 0);
	set(stage, call, "data_type", IOMMU_HWPT_INVALIDATE_DATA_SELFTEST);
	builder_set(stage->b, call, "data_uptr", bytes(stage, requests, 2 * size));
	set(stage, call, "entry_num", 1 + below(stage, 2));
	set(stage, call, "entry_len", size);
}

void stage_nested_check(struct stage *stage)
{
	bool cache = chance(stage, 1, 2);
	uint32_t call = add_ioctl(stage, cache ? CALL_ID_IOMMU_TEST_OP_DEV_CHECK_CACHE
					       : CALL_ID_IOMMU_TEST_OP_MD_CHECK_IOTLB);

	set_object(stage, call, "id", cache ? some_device(stage) : stage->nested, cache ? 2 : 0);
	set(stage, call, cache ? "cache_id" : "iotlb_id", below(stage, 4));
}

void stage_nested_queue(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_HW_QUEUE_ALLOC);

	set_object(stage, call, "viommu_id", stage->viommu, 0);
	set(stage, call, "type", IOMMU_HW_QUEUE_TYPE_SELFTEST);
	set(stage, call, "index", below(stage, 2));
	set(stage, call, "nesting_parent_iova", QUEUE_AT);
	set(stage, call, "length", PAGE);
}

void stage_nested_unmap(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_UNMAP);

	set_object(stage, call, "ioas_id", stage->ioas[0], 0);
	set(stage, call, "iova", QUEUE_AT);
	set(stage, call, "length", PAGE);
}

void stage_nested_mmap(struct stage *stage)
{
	uint64_t at = MAP_AT + 2 * PAGE * below(stage, 2);
	uint32_t call;

	if (chance(stage, 1, 3)) {
		call = add(stage, CALL_ID_munmap);
		builder_set(stage->b, call, "addr", value_mem(at));
		set(stage, call, "length", 2 * PAGE);
		return;
	}
	call = add(stage, CALL_ID_mmap);
	builder_set(stage->b, call, "addr", value_mem(at));
	set(stage, call, "length", 2 * PAGE);
	set(stage, call, "prot", CALL_PROT_READ | CALL_PROT_WRITE);
	set(stage, call, "flags", CALL_MAP_SHARED | CALL_MAP_FIXED);
	builder_set(stage->b, call, "fd", value_handle(stage->context, 0, 0));
	set(stage, call, "offset", PAGE);
}

void stage_nested_dma(struct stage *stage)
{
	uint32_t call;

	if (is_excluded(stage, NEEDS_INPROC))
		return;
	call = add_ioctl(stage, chance(stage, 1, 2) ? CALL_ID_dma_read : CALL_ID_dma_write);
	set_object(stage, call, "dev_id", some_device(stage), 2);
	set(stage, call, "iova", QUEUE_AT);
	set(stage, call, "length", 64);
	builder_set(stage->b, call, "buffer", value_mem(128 * PAGE));
}

void stage_nested_set_up(struct stage *stage)
{
	uint8_t data[DATA_SIZE] = {7};
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_HWPT_ALLOC);

	set_object(stage, call, "dev_id", stage->device[0], 2);
	set_object(stage, call, "pt_id", stage->ioas[0], 0);
	set(stage, call, "flags", IOMMU_HWPT_ALLOC_NEST_PARENT);
	stage->parent = call;
	call = add_ioctl(stage, CALL_ID_IOMMU_VIOMMU_ALLOC);
	set(stage, call, "type", IOMMU_VIOMMU_TYPE_SELFTEST);
	set_object(stage, call, "dev_id", stage->device[0], 2);
	set_object(stage, call, "hwpt_id", stage->parent, 0);
	if (chance(stage, 2, 3))
		builder_set(stage->b, call, "data_uptr", bytes(stage, data, sizeof(data)));
	stage->viommu = call;
	stage->vdevice = add_ioctl(stage, CALL_ID_IOMMU_VDEVICE_ALLOC);
	set_object(stage, stage->vdevice, "viommu_id", stage->viommu, 0);
	set_object(stage, stage->vdevice, "dev_id", stage->device[0], 2);
	set(stage, stage->vdevice, "virt_id", VIRT_ID);
	stage->nested = add_nested(stage);
	call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_MAP);
	set_object(stage, call, "ioas_id", stage->ioas[0], 0);
	set(stage, call, "flags",
		IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
	set(stage, call, "iova", QUEUE_AT);
	builder_set(stage->b, call, "user_va", value_mem(12 * PAGE));
	set(stage, call, "length", PAGE);
	if (chance(stage, 1, 3))
		stage_nested_move(stage);
	if (chance(stage, 1, 4))
		stage_nested_queue(stage);
}

void stage_nested_end(struct stage *stage)
{
	uint32_t ends[] = {stage->vdevice, stage->nested, stage->viommu, stage->parent};

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", ends[i], 0);
}
