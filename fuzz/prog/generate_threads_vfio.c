/* SPDX-License-Identifier: Apache-2.0 */
/* Races about the compat IOAS: one range of it is mapped, cut and unmapped, and the IOAS changes.
 */
#include "fuzz/prog/stage.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/vfio_abi.h"

/* Mostly the one of the first area, so that the calls meet. */
static void set_compat(struct stage *stage, uint64_t op)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_VFIO_IOAS);

	set_object(stage, call, "ioas_id", stage->ioas[chance(stage, 1, 6) ? 1 : 0], 0);
	set(stage, call, "op", op);
}

void stage_compat_set(struct stage *stage)
{
	set_compat(stage, below(stage, 3));
}

void stage_compat_type(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_VFIO_SET_IOMMU_COMPAT);

	set(stage, call, "type", chance(stage, 3, 4) ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU);
}

void stage_compat_map(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_VFIO_IOMMU_MAP_DMA_COMPAT);

	set(stage, call, "flags", 1 + below(stage, 3));
	builder_set(stage->b, call, "vaddr", value_mem(below(stage, 8) * PAGE));
	set(stage, call, "iova", AREA + below(stage, 5) * 2 * PAGE);
	set(stage, call, "size", PAGE << below(stage, 3));
}

void stage_compat_unmap(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_VFIO_IOMMU_UNMAP_DMA_COMPAT);

	if (chance(stage, 1, 8)) {
		set(stage, call, "flags", VFIO_DMA_UNMAP_FLAG_ALL);
		return;
	}
	set(stage, call, "iova", AREA + below(stage, AREA_PAGES) * PAGE);
	set(stage, call, "size", PAGE << below(stage, 3));
}

void stage_compat_info(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, chance(stage, 3, 4) ? CALL_ID_VFIO_IOMMU_GET_INFO_COMPAT
							     : CALL_ID_VFIO_CHECK_EXTENSION_COMPAT);

	set(stage, call, "argsz", chance(stage, 1, 2) ? 72 : 24);
	set(stage, call, "extension", VFIO_DMA_CC_IOMMU);
}

void stage_compat_set_up(struct stage *stage)
{
	set_compat(stage, IOMMU_VFIO_IOAS_SET);
	if (chance(stage, 3, 4))
		stage_compat_type(stage);
}
