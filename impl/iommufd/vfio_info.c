/* SPDX-License-Identifier: Apache-2.0 */
/* VFIO_IOMMU_GET_INFO on an iommufd: page sizes, and a chain of capabilities behind the struct. 8.6
 */
#include "impl/abi/vfio_abi.h"
#include "impl/iommufd/iommufd.h"

#define INFO_MIN  16U	     /* bytes that are read */
#define DMA_AVAIL UINT32_MAX /* there is no limit to tell */

/* A capability: where its bytes begin, and how many of them the caller has room for. */
struct capability {
	uint64_t address;
	uint64_t room;
};

static uint64_t page_sizes(struct task *task, struct ioas *ioas)
{
	uint64_t sizes = UINT64_MAX, below = SIM_PAGE_SIZE - 1;
	/* Before the mock had page tables in earnest it told one size. */
	bool one_size = !sim_since(task_sim(task), LINUX(6, 19));

	down_read(task, &ioas->domains_rwsem);
	for (uint32_t i = 0; i < ioas->domain_count; i++) {
		uint64_t here = iommu_domain_config(ioas->domains[i])->page_sizes;

		sizes &= one_size ? here & -here : here;
	}
	up_read(task, &ioas->domains_rwsem);
	if (sizes & below && !SIM_BUG(task, INFO_SUB_PAGES))
		sizes = (sizes & ~below) | SIM_PAGE_SIZE;
	return sizes;
}

/* Both return the size, or a negative errno. */
static int64_t put_dma_avail(
	struct task *task, struct ioas *ioas, const struct capability *capability)
{
	struct vfio_iommu_type1_info_dma_avail avail = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1},
		.avail = DMA_AVAIL,
	};

	(void)ioas;
	if (capability->room >= sizeof(avail) &&
		copy_to_user(task, capability->address, &avail, sizeof(avail)))
		return -EFAULT;
	return sizeof(avail);
}

/* What a walk over the usable ranges keeps. */
struct range_list {
	const struct capability *capability;
	uint32_t count;
};

static int put_range(struct task *task, void *context, uint64_t first, uint64_t last)
{
	struct range_list *list = context;
	struct vfio_iova_range range = {.start = first, .end = last};
	uint64_t at = sizeof(struct vfio_iommu_type1_info_cap_iova_range) +
		      (uint64_t)list->count * sizeof(range);

	if (list->capability->room >= at + sizeof(range) &&
		copy_to_user(task, list->capability->address + at, &range, sizeof(range)))
		return -EFAULT;
	list->count++;
	return 0;
}

static int64_t put_iova_ranges(
	struct task *task, struct ioas *ioas, const struct capability *capability)
{
	struct vfio_iommu_type1_info_cap_iova_range ranges = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1}};
	struct range_list list = {.capability = capability};
	uint64_t size;
	int rc = ioas_each_usable(task, ioas, put_range, &list);

	if (rc)
		return rc;
	size = sizeof(ranges) + (uint64_t)list.count * sizeof(struct vfio_iova_range);
	ranges.nr_iovas = list.count;
	if (capability->room >= size &&
		copy_to_user(task, capability->address, &ranges, sizeof(ranges)))
		return -EFAULT;
	return (int64_t)size;
}

/* Step 6: the whole length in *total. */
static int put_capabilities(
	struct command *command, struct ioas *ioas, uint32_t argsz, uint32_t *total)
{
	static int64_t (*const put[])(struct task *, struct ioas *, const struct capability *) = {
		put_dma_avail, put_iova_ranges};
	struct task *task = command->task;
	uint64_t before = 0;

	for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++) {
		struct capability capability = {.address = command->address + *total,
			.room = argsz > *total ? argsz - *total : 0};
		int64_t size = put[i](task, ioas, &capability);

		if (size < 0)
			return (int)size;
		if (before && argsz >= *total && !SIM_BUG(task, INFO_CHAIN_ENDS) &&
			copy_to_user(task, before + offsetof(struct vfio_info_cap_header, next),
				total, sizeof(*total)))
			return -EFAULT;
		before = capability.address;
		*total += ((uint32_t)size + 7) & ~UINT32_C(7);
		if (SIM_BUG(task, INFO_UNPADDED) && size % 8)
			*total -= 8 - (uint32_t)size % 8;
	}
	return 0;
}

static int put_info(struct command *command, struct ioas *ioas, struct vfio_iommu_type1_info *info)
{
	struct task *task = command->task;
	uint32_t argsz = info->argsz, total = sizeof(*info);
	uint64_t before;
	int rc;

	info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info->iova_pgsizes = page_sizes(task, ioas);
	down_read(task, &ioas->iova_rwsem);
	if (info->iova_pgsizes < ioas->alignment)
		info->iova_pgsizes = ioas->alignment;
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_IOVA);
	rc = put_capabilities(command, ioas, argsz, &total);
	if (!rc) {
		info->argsz = total;
		if (argsz >= total || SIM_BUG(task, INFO_OFFSET_ALWAYS))
			info->cap_offset = sizeof(*info);
		rc = copy_to_user(task, command->address, info,
			argsz < sizeof(*info) ? argsz : sizeof(*info));
	}
	lock_allow_user_copy(task, before);
	up_read(task, &ioas->iova_rwsem);
	return rc;
}

int64_t handle_VFIO_IOMMU_GET_INFO_COMPAT(struct command *command)
{
	struct task *task = command->task;
	struct vfio_iommu_type1_info info = {0};
	struct ioas *ioas;
	int rc = copy_from_user(task, &info, command->address, INFO_MIN);

	if (rc)
		return rc;
	if (info.argsz < INFO_MIN)
		return -EINVAL;
	ioas = compat_ioas_get(task, command->context);
	if (!ioas)
		return -ENODEV;
	rc = put_info(command, ioas, &info);
	ioas_put(task, ioas);
	return rc;
}
