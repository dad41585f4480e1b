/* SPDX-License-Identifier: Apache-2.0 */
/* Devices without an IOMMU, and where their IOVAs lead to (specification 4.22). */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

#define PAGE  UINT64_C(4096)
#define PLACE UINT64_C(0x1000000)

static void add_device(struct builder *b, uint32_t context, uint32_t ioas, bool bare)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS);

	builder_subject(b, call, context);
	builder_set(b, call, "id", value_handle(ioas, 0, 0));
	builder_set(b, call, "dev_flags", value_number(bare ? MOCK_FLAGS_DEVICE_NOIOMMU : 0));
	builder_done(b, call);
}

static void add_area(struct builder *b, uint32_t context, uint32_t ioas, uint64_t pages)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_IOAS_MAP);

	builder_subject(b, call, context);
	builder_set(b, call, "flags",
		value_number(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			     IOMMU_IOAS_MAP_WRITEABLE));
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "user_va", value_mem(random_below(b->random, 24) * PAGE));
	builder_set(b, call, "length", value_number(pages * PAGE));
	builder_set(b, call, "iova", value_number(PLACE));
	builder_done(b, call);
}

static void get_address(struct builder *b, uint32_t context, uint32_t ioas, uint64_t pages)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_IOAS_NOIOMMU_GET_PA);
	bool within = !random_chance(b->random, 1, 8);
	uint64_t offset = random_below(b->random, within ? pages * PAGE : 2 * pages * PAGE);

	builder_subject(b, call, context);
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "iova", value_number(PLACE + offset));
	builder_set(b, call, "length", value_number(1 + random_below(b->random, 4 * PAGE)));
	builder_done(b, call);
}

void builder_noiommu(struct builder *b)
{
	uint32_t context = builder_need_context(b),
		 calls = 2 + (uint32_t)random_below(b->random, 4),
		 ioas = builder_call(b, CALL_ID_IOMMU_IOAS_ALLOC);
	uint64_t pages = 1 + random_below(b->random, 8);
	bool late = random_chance(b->random, 1, 3);

	builder_subject(b, ioas, context);
	builder_done(b, ioas);
	if (b->full)
		return;
	b->prog->options.flags |= PROG_OPTION_NOIOMMU;
	if (late)
		add_area(b, context, ioas, pages);
	if (random_chance(b->random, 1, 8)) /* that one remembers the pages */
		add_device(b, context, ioas, false);
	add_device(b, context, ioas, true);
	if (!late)
		add_area(b, context, ioas, pages);
	while (calls-- && !b->full)
		get_address(b, context, ioas, pages);
}
