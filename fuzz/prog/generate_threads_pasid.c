/* SPDX-License-Identifier: Apache-2.0 */
/* Races about the PASIDs of one device: few PASIDs, two page tables. */
#include "fuzz/prog/stage.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

static uint32_t add_on_device(struct stage *stage, enum call_id row)
{
	uint32_t call = add_ioctl(stage, row);

	set_object(stage, call, "id", stage->pasid_device, 0);
	set(stage, call, "pasid", chance(stage, 1, 6) ? below(stage, 3) : 1);
	return call;
}

/* Page tables for PASIDs, and now and then one that is not. */
static void set_table(struct stage *stage, uint32_t call, const char *field)
{
	set_object(stage, call, field, stage->table[below(stage, 2)], 0);
	if (chance(stage, 1, 10))
		set_object(stage, call, field, stage->pasid_device, 1);
	else if (chance(stage, 1, 12))
		set_object(stage, call, field, stage->ioas[below(stage, 2)], 0);
}

void stage_pasid_attach(struct stage *stage)
{
	set_table(stage, add_on_device(stage, CALL_ID_IOMMU_TEST_OP_PASID_ATTACH), "pt_id");
}

void stage_pasid_replace(struct stage *stage)
{
	set_table(stage, add_on_device(stage, CALL_ID_IOMMU_TEST_OP_PASID_REPLACE), "pt_id");
}

void stage_pasid_detach(struct stage *stage)
{
	add_on_device(stage, CALL_ID_IOMMU_TEST_OP_PASID_DETACH);
}

void stage_pasid_check(struct stage *stage)
{
	uint32_t call = add_on_device(stage, CALL_ID_IOMMU_TEST_OP_PASID_CHECK_HWPT);

	if (chance(stage, 2, 3))
		set_table(stage, call, "hwpt_id");
}

void stage_pasid_move_rid(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	set_object(stage, call, "id", stage->pasid_device, 0);
	set_table(stage, call, "pt_id");
	if (chance(stage, 1, 3))
		set_object(stage, call, "pt_id", stage->ioas[0], 0);
}

void stage_pasid_destroy_table(struct stage *stage)
{
	set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id",
		stage->table[below(stage, 2)], 0);
}

void stage_pasid_dma(struct stage *stage)
{
	uint32_t call =
		add_ioctl(stage, chance(stage, 1, 2) ? CALL_ID_dma_read : CALL_ID_dma_write);

	set_object(stage, call, "dev_id", stage->pasid_device, 2);
	set(stage, call, "iova", AREA + below(stage, AREA_PAGES) * PAGE);
	set(stage, call, "length", 64);
	set(stage, call, "pasid", chance(stage, 5, 6));
	builder_set(stage->b, call, "buffer", value_mem(128 * PAGE));
}

void stage_pasid_set_up(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS);

	set_object(stage, call, "id", stage->ioas[0], 0);
	set(stage, call, "dev_flags", MOCK_FLAGS_DEVICE_PASID);
	stage->pasid_device = call;
	for (unsigned i = 0; i < 2; i++) {
		call = add_ioctl(stage, CALL_ID_IOMMU_HWPT_ALLOC);
		set_object(stage, call, "dev_id", stage->pasid_device, 2);
		set_object(stage, call, "pt_id", stage->ioas[chance(stage, 1, 2)], 0);
		set(stage, call, "flags", IOMMU_HWPT_ALLOC_PASID);
		stage->table[i] = call;
	}
	call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	set_object(stage, call, "id", stage->pasid_device, 0);
	set_object(stage, call, "pt_id", stage->table[0], 0);
	if (chance(stage, 1, 2))
		stage_pasid_attach(stage);
}

void stage_pasid_end(struct stage *stage)
{
	for (uint64_t pasid = 0; pasid < 3; pasid++) {
		uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_PASID_DETACH);

		set_object(stage, call, "id", stage->pasid_device, 0);
		set(stage, call, "pasid", pasid);
	}
	for (unsigned i = 0; i < 3; i++)
		set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id",
			i < 2 ? stage->table[i] : stage->pasid_device, 0);
}
