/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of drivers that processes map through the iommufd. 5.4, 6.11 */
#include "impl/iommufd/iommufd.h"

#define MAP_SHARED_BIT 1u

/* The lowest free offsets. -ENOMEM: there are none. */
static int place(struct task *task, struct region *region, uint64_t length)
{
	struct iommufd_context *context = region->context;
	uint64_t first, last;
	int rc = -ENOMEM;

	spin_lock(task, &context->regions_lock);
	if (range_hole(&context->regions, SIM_PAGE_SIZE, length, &first, &last)) {
		region->node.first = first;
		region->node.last = first + length - 1;
		range_insert(&context->regions, &region->node);
		rc = 0;
	}
	spin_unlock(task, &context->regions_lock);
	return rc;
}

int region_create(struct task *task, struct iommufd_context *context, uint64_t length,
	struct iommufd_object *owner, struct region **out)
{
	struct region *region = sim_alloc(task, sizeof(*region));
	int rc = -ENOMEM;

	if (!region)
		return -ENOMEM;
	region->context = context;
	region->owner = owner;
	region->pages = mm_region_create(task, length, &owner->users, context->file);
	if (region->pages) {
		rc = place(task, region, length);
		if (!rc) {
			*out = region;
			return 0;
		}
		mm_region_destroy(task, region->pages);
	}
	sim_free(task, region, sizeof(*region));
	return rc;
}

void region_destroy(struct task *task, struct region *region)
{
	struct iommufd_context *context = region->context;

	spin_lock(task, &context->regions_lock);
	range_remove(&context->regions, &region->node);
	spin_unlock(task, &context->regions_lock);
	mm_region_destroy(task, region->pages);
	sim_free(task, region, sizeof(*region));
}

/* Steps 4 and 5: the region at exactly that place, with its owner held. */
static struct region *find_region(
	struct task *task, struct iommufd_context *context, uint64_t offset, uint64_t length)
{
	struct region *region;
	bool found;

	spin_lock(task, &context->regions_lock);
	region = (struct region *)(void *)range_first(&context->regions, offset, offset);
	found = region && (region->node.first == offset || SIM_BUG(task, MMAP_ANY_OFFSET)) &&
		(region->node.last - region->node.first + 1 == length ||
			SIM_BUG(task, MMAP_ANY_LENGTH)) &&
		object_try_get(task, context, region->owner);
	spin_unlock(task, &context->regions_lock);
	return found ? region : NULL;
}

int64_t iommufd_file_mmap(struct task *task, struct file *file, uint64_t addr, uint64_t length,
	uint32_t prot, uint32_t flags, uint64_t offset)
{
	struct iommufd_context *context = file->object;
	struct iommufd_object *owner;
	struct region *region;
	int64_t result;

	if (!sim_since(task_sim(task), LINUX(6, 17)))
		return -ENODEV;
	if (!length || length & (SIM_PAGE_SIZE - 1))
		return -EINVAL;
	if (!(flags & MAP_SHARED_BIT))
		return -EINVAL;
	if (prot & MM_EXEC)
		return -EPERM;
	region = find_region(task, context, offset, length);
	if (!region)
		return -ENXIO;
	owner = region->owner;
	result = mm_region_map(task, region->pages, addr, prot, flags);
	object_put(task, context, owner);
	return result;
}
