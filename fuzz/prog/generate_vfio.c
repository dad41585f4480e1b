/* SPDX-License-Identifier: Apache-2.0 */
/* Idioms of VFIO's calls on an iommufd: an IOAS becomes the compat IOAS, and is used as one. */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/vfio_abi.h"

#define PAGE	 UINT64_C(4096)
#define APERTURE UINT64_C(0x1000000)

/* Where the struct lies, so that what stands behind it can be looked at. */
static struct value struct_place(struct builder *b)
{
	return value_mem((232 + random_below(b->random, 4)) * PAGE);
}

/* Sets, now and then asks or clears. The IOAS that is compat then, UINT32_MAX if none. */
static uint32_t set_compat(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b), call = builder_call(b, CALL_ID_IOMMU_VFIO_IOAS);
	uint64_t op =
		random_chance(b->random, 1, 8) ? random_below(b->random, 4) : IOMMU_VFIO_IOAS_SET;

	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "op", value_number(op));
	builder_done(b, call);
	return call == UINT32_MAX ? call : ioas;
}

void builder_set_iommu(struct builder *b)
{
	uint32_t context = builder_need_context(b), call;
	bool set = random_chance(b->random, 2, 3);

	if (random_chance(b->random, 1, 2)) {
		uint32_t ioas = set_compat(b);

		context = ioas == UINT32_MAX ? context : builder_context_of(b, ioas);
	}
	call = builder_call(
		b, set ? CALL_ID_VFIO_SET_IOMMU_COMPAT : CALL_ID_VFIO_CHECK_EXTENSION_COMPAT);
	builder_subject(b, call, context);
	builder_set(b, call, set ? "type" : "extension",
		value_number(set && random_chance(b->random, 5, 6) ? VFIO_TYPE1_IOMMU
								   : random_below(b->random, 12)));
	builder_done(b, call);
}

static void map_dma(struct builder *b, uint32_t context)
{
	uint32_t call = builder_call(b, CALL_ID_VFIO_IOMMU_MAP_DMA_COMPAT);
	uint64_t length = builder_some_pages(b), va = random_below(b->random, 24) * PAGE;

	if (random_chance(b->random, 1, 12)) /* parts of pages */
		length -= 2048;
	builder_subject(b, call, context);
	builder_set(b, call, "flags", value_number(1 + random_below(b->random, 3)));
	builder_set(b, call, "vaddr", value_mem(va));
	builder_set(
		b, call, "iova", value_number(APERTURE + random_below(b->random, 64) * 4 * PAGE));
	builder_set(b, call, "size", value_number(length));
	builder_done(b, call);
}

/* Mostly a part of an area, which is cut where large pages are off. */
static void unmap_dma(struct builder *b, uint32_t context, uint32_t ioas)
{
	uint32_t call = builder_call(b, CALL_ID_VFIO_IOMMU_UNMAP_DMA_COMPAT);
	struct scene_area *area = builder_some_area(b, ioas);

	builder_subject(b, call, context);
	if (random_chance(b->random, 1, 8)) {
		builder_set(b, call, "flags", value_number(VFIO_DMA_UNMAP_FLAG_ALL));
	} else if (area) {
		uint64_t pages = area->length / PAGE, skip = 0, size = area->length;
		struct value iova = area->iova;

		if (pages > 1 && random_chance(b->random, 3, 4)) {
			skip = random_below(b->random, pages);
			size = (1 + random_below(b->random, pages - skip)) * PAGE;
		}
		if (random_chance(b->random, 1, 10))
			size += random_below(b->random, 3) * 2047;
		iova.number += skip * PAGE;
		builder_set(b, call, "iova", iova);
		builder_set(b, call, "size", value_number(size));
	} else {
		builder_set(b, call, "iova", value_number(APERTURE));
		builder_set(b, call, "size", value_number(builder_some_pages(b)));
	}
	if (random_chance(b->random, 1, 3))
		builder_set(b, call, "at", struct_place(b));
	builder_done(b, call);
}

static void get_info(struct builder *b, uint32_t context)
{
	static const uint8_t sizes[] = {16, 20, 24, 35, 36, 40, 71, 72, 88, 104, 120, 200};
	uint32_t call = builder_call(b, CALL_ID_VFIO_IOMMU_GET_INFO_COMPAT);

	builder_subject(b, call, context);
	builder_set(b, call, "argsz", value_number(sizes[random_below(b->random, sizeof(sizes))]));
	builder_set(b, call, "at", struct_place(b));
	builder_done(b, call);
}

void builder_vfio(struct builder *b)
{
	uint32_t ioas = set_compat(b), context, calls = 1 + (uint32_t)random_below(b->random, 4);

	if (ioas == UINT32_MAX)
		return;
	context = builder_context_of(b, ioas);
	if (random_chance(b->random, 1, 3)) {
		uint32_t call = builder_call(b, CALL_ID_VFIO_SET_IOMMU_COMPAT);

		builder_subject(b, call, context);
		builder_set(b, call, "type", value_number(VFIO_TYPE1_IOMMU));
		builder_done(b, call);
	}
	while (calls-- && !b->full) {
		switch (random_below(b->random, 5)) {
		case 0:
		case 1: map_dma(b, context); break;
		case 2:
		case 3: unmap_dma(b, context, ioas); break;
		default: get_info(b, context); break;
		}
	}
}
