/* SPDX-License-Identifier: Apache-2.0 */
/* Races about reported events: the first device on a VIOMMU, which has one queue. */
#include "fuzz/prog/stage.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

#define FD_OUTPUT 1 /* of VEVENTQ_ALLOC */

void stage_vevent_trigger(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_TRIGGER_VEVENT);

	set_object(stage, call, "dev_id", stage->device[0], 2);
}

static uint32_t add_on_descriptor(struct stage *stage, enum call_id row)
{
	uint32_t call = add(stage, row);

	if (call != UINT32_MAX)
		*prog_value(stage->b->prog, &stage->b->prog->calls[call], 0) =
			value_handle(stage->veventq, FD_OUTPUT, 0);
	return call;
}

void stage_vevent_read(struct stage *stage)
{
	uint32_t call = add_on_descriptor(stage, chance(stage, 1, 6) ? CALL_ID_poll : CALL_ID_read);

	builder_set(stage->b, call, "at", value_mem((200u + 4u * stage->thread) * PAGE));
	set(stage, call, "length", 8 + 12 * below(stage, 4));
	set(stage, call, "events", 0x45);
}

void stage_vevent_close(struct stage *stage)
{
	add_on_descriptor(stage, CALL_ID_close);
}

void stage_vevent_queue(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_VEVENTQ_ALLOC);

	set_object(stage, call, "viommu_id", stage->viommu, 0);
	set(stage, call, "type",
		chance(stage, 1, 4) ? IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 : IOMMU_VEVENTQ_TYPE_SELFTEST);
	set(stage, call, "veventq_depth", 1 + below(stage, 2));
}

void stage_vevent_move(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	set_object(stage, call, "id", stage->device[0], 0);
	set_object(stage, call, "pt_id", chance(stage, 1, 3) ? stage->nested : stage->ioas[0], 0);
}

/* Leaves first: who is in use stays. */
void stage_vevent_destroy(struct stage *stage)
{
	const uint32_t objects[] = {
		stage->veventq, stage->veventq, stage->nested, stage->viommu, stage->device[0]};

	set_object(
		stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", objects[below(stage, 5)], 0);
}

static uint32_t add_for_device(struct stage *stage, enum call_id row)
{
	uint32_t call = add_ioctl(stage, row);

	set_object(stage, call, "dev_id", stage->device[0], 2);
	return call;
}

static void add_nested(struct stage *stage)
{
	uint32_t fields = prog_add_values(stage->b->prog, 2);

	stage->nested = add_for_device(stage, CALL_ID_IOMMU_HWPT_ALLOC);
	if (fields == UINT32_MAX)
		return;
	stage->b->prog->values[fields] = stage->b->prog->values[fields + 1] = value_number(0);
	set_object(stage, stage->nested, "pt_id", stage->viommu, 0);
	set(stage, stage->nested, "data_type", IOMMU_HWPT_DATA_SELFTEST);
	builder_set(stage->b, stage->nested, "data_uptr",
		(struct value){.kind = VALUE_STRUCT, .count = 2, .start = fields});
}

void stage_vevent_set_up(struct stage *stage)
{
	uint32_t parent = add_for_device(stage, CALL_ID_IOMMU_HWPT_ALLOC), call;

	set_object(stage, parent, "pt_id", stage->ioas[0], 0);
	set(stage, parent, "flags", IOMMU_HWPT_ALLOC_NEST_PARENT);
	stage->viommu = add_for_device(stage, CALL_ID_IOMMU_VIOMMU_ALLOC);
	set(stage, stage->viommu, "type", IOMMU_VIOMMU_TYPE_SELFTEST);
	set_object(stage, stage->viommu, "hwpt_id", parent, 0);
	call = add_for_device(stage, CALL_ID_IOMMU_VDEVICE_ALLOC);
	set_object(stage, call, "viommu_id", stage->viommu, 0);
	set(stage, call, "virt_id", 1 + below(stage, 3));
	add_nested(stage);
	call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	set_object(stage, call, "id", stage->device[0], 0);
	set_object(stage, call, "pt_id", stage->nested, 0);
	stage->veventq = add_ioctl(stage, CALL_ID_IOMMU_VEVENTQ_ALLOC);
	set_object(stage, stage->veventq, "viommu_id", stage->viommu, 0);
	set(stage, stage->veventq, "type", IOMMU_VEVENTQ_TYPE_SELFTEST);
	set(stage, stage->veventq, "veventq_depth", 1 + below(stage, 2));
	if (chance(stage, 1, 2))
		stage_vevent_trigger(stage);
	if (chance(stage, 1, 3))
		stage_vevent_close(stage);
}

void stage_vevent_end(struct stage *stage)
{
	const uint32_t objects[] = {stage->veventq, stage->nested, stage->viommu};

	stage_vevent_close(stage);
	for (unsigned i = 0; i < 3; i++)
		set_object(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", objects[i], 0);
}
