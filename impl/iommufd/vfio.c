/* SPDX-License-Identifier: Apache-2.0 */
/* The IOAS that VFIO's calls on an iommufd stand for, and those calls. 4.21, 8; VFIO's structs
 * begin with argsz, which says no more than that they are long enough. */
#include "impl/abi/vfio_abi.h"
#include "impl/iommufd/iommufd.h"

struct ioas *compat_ioas_get(struct task *task, struct iommufd_context *context)
{
	struct ioas *ioas;

	spin_lock(task, &context->objects_lock);
	ioas = context->compat_ioas;
	if (SIM_BUG(task, COMPAT_LOOKUP_UNLOCKED)) {
		spin_unlock(task, &context->objects_lock);
		spin_lock(task, &context->objects_lock);
	}
	if (ioas && !object_lock_counters(task, &ioas->object))
		ioas = NULL;
	spin_unlock(task, &context->objects_lock);
	return ioas;
}

static int compat_get(struct command *command)
{
	struct ioas *ioas = compat_ioas_get(command->task, command->context);

	if (!ioas)
		return -ENODEV;
	command->vfio_ioas.ioas_id = ioas->object.id;
	ioas_put(command->task, ioas);
	return command_respond(command);
}

static void compat_set(struct task *task, struct iommufd_context *context, struct ioas *ioas)
{
	spin_lock(task, &context->objects_lock);
	context->compat_ioas = ioas;
	spin_unlock(task, &context->objects_lock);
}

int64_t handle_IOMMU_VFIO_IOAS(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	struct ioas *ioas;

	if (command->vfio_ioas.__reserved && !SIM_BUG(task, COMPAT_RESERVED_FIELD))
		return -EOPNOTSUPP;
	switch (command->vfio_ioas.op) {
	case IOMMU_VFIO_IOAS_GET: return compat_get(command);
	case IOMMU_VFIO_IOAS_SET:
		ioas = ioas_get(task, context, command->vfio_ioas.ioas_id);
		if (!ioas)
			return -ENOENT;
		if (!SIM_BUG(task, COMPAT_FIRST_KEPT) || !context->compat_ioas)
			compat_set(task, context, ioas);
		if (!SIM_BUG(task, COMPAT_HELD))
			ioas_put(task, ioas);
		return 0;
	case IOMMU_VFIO_IOAS_CLEAR: compat_set(task, context, NULL); return 0;
	default: return -EOPNOTSUPP;
	}
}

/* The first two rules of 8.7: 1 when an IOAS has to be made. The table lock is held. */
static int compat_missing(const struct iommufd_context *context)
{
	if (context->no_iommu)
		return -EINVAL;
	return !context->compat_ioas;
}

int compat_ioas_ensure(struct task *task, struct iommufd_context *context)
{
	struct iommufd_object *object;
	int missing, rc;

	spin_lock(task, &context->objects_lock);
	missing = compat_missing(context);
	spin_unlock(task, &context->objects_lock);
	if (missing <= 0)
		return missing;
	rc = ioas_create(task, context, &object);
	if (rc)
		return rc;
	/* Somebody else may have been faster. */
	spin_lock(task, &context->objects_lock);
	missing = compat_missing(context);
	if (missing > 0) {
		context->compat_ioas = (struct ioas *)object;
		idr_replace(&context->objects, object->id, object);
	}
	spin_unlock(task, &context->objects_lock);
	if (missing > 0)
		return 0;
	object_abort(task, context, object);
	return missing;
}

int compat_set_no_iommu(struct task *task, struct iommufd_context *context)
{
	int rc = 0;

	spin_lock(task, &context->objects_lock);
	if (context->compat_ioas)
		rc = -EINVAL;
	else
		context->no_iommu = true;
	spin_unlock(task, &context->objects_lock);
	return rc;
}

int64_t handle_VFIO_GET_API_VERSION_COMPAT(struct command *command)
{
	(void)command;
	return VFIO_API_VERSION;
}

/* No page table of these devices enforces cache coherency, so only an IOAS without any does. */
static int64_t extension_coherent(struct command *command)
{
	struct task *task = command->task;
	struct ioas *ioas = compat_ioas_get(task, command->context);
	bool coherent;

	if (!ioas)
		return -ENODEV;
	mutex_lock(task, &ioas->mutex);
	coherent = !ioas->hwpts || SIM_BUG(task, COHERENCY_ASSUMED);
	mutex_unlock(task, &ioas->mutex);
	ioas_put(task, ioas);
	return coherent;
}

static bool no_iommu_mode(struct command *command)
{
	schedule_point(command->task, SCHEDULE_ACCESS);
	return __atomic_load_n(&command->context->no_iommu, __ATOMIC_RELAXED);
}

int64_t handle_VFIO_CHECK_EXTENSION_COMPAT(struct command *command)
{
	uint64_t extension = command->address;

	if (SIM_BUG(command->task, EXTENSION_TRUNCATED))
		extension = (uint32_t)extension;
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL: return !no_iommu_mode(command);
	case VFIO_DMA_CC_IOMMU: return extension_coherent(command);
	case VFIO_UPDATE_VADDR: return SIM_BUG(command->task, EXTENSION_VADDR);
	/* The kernel is not configured for it, unless a group is there that needs it. */
	case VFIO_NOIOMMU_IOMMU: return no_iommu_mode(command);
	default: return 0;
	}
}

int64_t handle_VFIO_SET_IOMMU_COMPAT(struct command *command)
{
	struct task *task = command->task;
	uint64_t type = command->address;
	struct ioas *ioas;
	int rc = 0;

	if (type == VFIO_NOIOMMU_IOMMU && no_iommu_mode(command))
		return task_capable(task, SIM_CAP_SYS_RAWIO) ? 0 : -EPERM;
	if ((type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU &&
		    !SIM_BUG(task, SET_IOMMU_ANY_TYPE)) ||
		no_iommu_mode(command))
		return -EINVAL;
	ioas = compat_ioas_get(task, command->context);
	if (!ioas)
		return -ENODEV;
	if ((type == VFIO_TYPE1_IOMMU && !SIM_BUG(task, TYPE1_LARGE_PAGES)) ||
		SIM_BUG(task, TYPE1V2_SMALL_PAGES))
		rc = ioas_set_large_pages(task, ioas, false);
	ioas_put(task, ioas);
	return rc;
}

int64_t handle_VFIO_IOMMU_MAP_DMA_COMPAT(struct command *command)
{
	struct task *task = command->task;
	struct vfio_iommu_type1_dma_map map;
	uint32_t known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	struct iommu_ioas_map to = {.flags = IOMMU_IOAS_MAP_FIXED_IOVA};
	struct ioas *ioas;
	int rc = copy_from_user(task, &map, command->address, sizeof(map));

	if (rc)
		return rc;
	if ((map.argsz < sizeof(map) && !SIM_BUG(task, MAP_DMA_ARGSZ)) ||
		(map.flags & ~known && !SIM_BUG(task, MAP_DMA_FLAGS)))
		return -EINVAL;
	ioas = compat_ioas_get(task, command->context);
	if (!ioas)
		return -ENODEV;
	if (map.flags & VFIO_DMA_MAP_FLAG_READ)
		to.flags |= IOMMU_IOAS_MAP_READABLE;
	if (map.flags & VFIO_DMA_MAP_FLAG_WRITE || SIM_BUG(task, MAP_DMA_WRITEABLE))
		to.flags |= IOMMU_IOAS_MAP_WRITEABLE;
	to.user_va = map.vaddr;
	to.length = map.size;
	to.iova = map.iova;
	rc = ioas_map_user(task, ioas, &to);
	ioas_put(task, ioas);
	return rc;
}

/* Step 5: areas that the range cuts are cut first, where only small pages are used. */
static int unmap_cutting(struct task *task, struct ioas *ioas, uint64_t iova, uint64_t size)
{
	uint64_t cuts[] = {iova + size - 1, iova - 1};

	schedule_point(task, SCHEDULE_ACCESS);
	if (!__atomic_load_n(&ioas->small_pages, __ATOMIC_RELAXED) || SIM_BUG(task, UNMAP_UNCUT))
		return 0;
	return ioas_cut(task, ioas, cuts, iova && !SIM_BUG(task, CUT_END_ONLY) ? 2 : 1);
}

static int unmap_range(
	struct task *task, struct ioas *ioas, uint64_t iova, uint64_t size, uint64_t *unmapped)
{
	uint64_t last;

	if (!size)
		return -EINVAL;
	if (__builtin_add_overflow(iova, size - 1, &last))
		return -EOVERFLOW;
	return ioas_unmap(task, ioas, iova, last, unmapped);
}

/* Steps 4 to 6: what was unmapped is told also when that failed in the end. */
static int unmap_and_tell(
	struct command *command, struct ioas *ioas, struct vfio_iommu_type1_dma_unmap *unmap)
{
	struct task *task = command->task;
	uint64_t unmapped = 0;
	int rc;

	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if ((unmap->iova || unmap->size) && !SIM_BUG(task, UNMAP_ALL_RANGE))
			return -EINVAL;
		rc = ioas_unmap(task, ioas, 0, UINT64_MAX, &unmapped);
	} else {
		rc = unmap_cutting(task, ioas, unmap->iova, unmap->size);
		if (rc)
			return rc;
		rc = unmap_range(task, ioas, unmap->iova, unmap->size, &unmapped);
	}
	if (rc && SIM_BUG(task, UNMAP_DMA_UNTOLD))
		return rc;
	if (!rc && !unmapped && SIM_BUG(task, UNMAP_DMA_EMPTY))
		rc = -ENOENT;
	unmap->size = unmapped;
	if (copy_to_user(task, command->address, unmap, sizeof(*unmap)))
		return -EFAULT;
	return rc;
}

int64_t handle_VFIO_IOMMU_UNMAP_DMA_COMPAT(struct command *command)
{
	struct task *task = command->task;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct ioas *ioas;
	int rc = copy_from_user(task, &unmap, command->address, sizeof(unmap));

	if (rc)
		return rc;
	if (unmap.argsz < sizeof(unmap) || unmap.flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	ioas = compat_ioas_get(task, command->context);
	if (!ioas)
		return -ENODEV;
	rc = unmap_and_tell(command, ioas, &unmap);
	ioas_put(task, ioas);
	return rc;
}
