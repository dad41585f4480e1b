/* SPDX-License-Identifier: Apache-2.0 */
/* Races about page faults: one queue with its descriptor, a page table that has it, one device. */
#include "fuzz/prog/stage.h"
#include "impl/abi/iommufd_abi.h"

static struct scene_device scene_of(const struct stage *stage)
{
	return (struct scene_device){.call = (uint16_t)stage->device[0],
		.context = (uint16_t)stage->context,
		.ioas = (uint16_t)stage->ioas[0]};
}

/* What an idiom has added is the thread's. */
static void take_over(struct stage *stage, uint32_t from)
{
	for (uint32_t i = from; i < stage->b->prog->call_count; i++)
		stage->b->prog->calls[i].thread = stage->thread;
}

void stage_faults(struct stage *stage)
{
	struct scene_device device = scene_of(stage);
	uint32_t from = stage->b->prog->call_count;

	builder_faults(stage->b, &device);
	take_over(stage, from);
}

void stage_fault_file(struct stage *stage)
{
	uint32_t from = stage->b->prog->call_count;

	builder_fault_file(stage->b, stage->fault);
	take_over(stage, from);
}

void stage_fault_close(struct stage *stage)
{
	uint32_t call = add(stage, CALL_ID_close);

	if (call != UINT32_MAX)
		*prog_value(stage->b->prog, &stage->b->prog->calls[call], 0) =
			value_handle(stage->fault, 1, 0);
}

void stage_fault_move(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	set_object(stage, call, "id", stage->device[0], 0);
	set_object(
		stage, call, "pt_id", chance(stage, 1, 2) ? stage->fault_table : stage->ioas[0], 0);
}

void stage_fault_destroy(struct stage *stage)
{
	const uint32_t objects[] = {stage->fault, stage->fault_table, stage->device[0]};

	set_object(
		stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", objects[below(stage, 3)], 0);
}

void stage_fault_set_up(struct stage *stage)
{
	uint32_t call;

	stage->fault = add_ioctl(stage, CALL_ID_IOMMU_FAULT_QUEUE_ALLOC);
	stage->fault_table = add_ioctl(stage, CALL_ID_IOMMU_HWPT_ALLOC);
	set_object(stage, stage->fault_table, "dev_id", stage->device[0], 2);
	set_object(stage, stage->fault_table, "pt_id", stage->ioas[0], 0);
	set(stage, stage->fault_table, "flags", IOMMU_HWPT_FAULT_ID_VALID);
	set_object(stage, stage->fault_table, "fault_id", stage->fault, 0);
	call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	set_object(stage, call, "id", stage->device[0], 0);
	set_object(stage, call, "pt_id", stage->fault_table, 0);
	stage_faults(stage);
	if (chance(stage, 1, 2))
		stage_fault_file(stage);
}

void stage_fault_end(struct stage *stage)
{
	stage_fault_close(stage);
	set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", stage->fault_table, 0);
	set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", stage->fault, 0);
}
