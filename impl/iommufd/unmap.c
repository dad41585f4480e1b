/* SPDX-License-Identifier: Apache-2.0 */
/* UNMAP and the walk behind it. 3.9, 4.8 */
#include "impl/iommufd/iommufd.h"

/* What a walk has to remember while it drops its locks. */
struct unmap_walk {
	uint64_t start, last;
	uint64_t bytes;
	uint32_t areas;
	uint32_t tries;
};

/*
 * Step 8: both locks are held on entry and on return; the iova lock is dropped between, so that the
 * slow part runs while the area is only transitional.
 */
static void unmap_area(
	struct task *task, struct ioas *ioas, struct area *area, struct unmap_walk *walk)
{
	struct pages *pages = area->pages;

	if (!SIM_BUG(task, UNMAP_MARK_LATE))
		area->pages = NULL;
	up_write(task, &ioas->iova_rwsem);
	if (SIM_BUG(task, UNMAP_DOMAINS_DROPPED))
		up_read(task, &ioas->domains_rwsem);
	area_unfill(task, ioas, area, pages);
	walk->bytes += area_length(area);
	walk->areas++;
	if (SIM_BUG(task, UNMAP_DOMAINS_DROPPED))
		down_read(task, &ioas->domains_rwsem);
	down_write(task, &ioas->iova_rwsem);
	range_map_remove(&ioas->areas, &area->node);
	sim_free(task, area, sizeof(*area));
	pages_put(task, pages);
}

/* Steps 3 to 7 for the lowest area. 1: it can be unmapped now; 0: its accesses must be told first.
 */
static int unmap_check(struct task *task, struct area *area, struct unmap_walk *walk)
{
	uint64_t last = walk->last;

	if (!area->pages)
		return -EBUSY;
	if (area->locks)
		return -EBUSY;
	if (SIM_BUG(task, UNMAP_TAIL_CUT) && last < UINT64_MAX)
		last++;
	if ((area->node.first < walk->start && !SIM_BUG(task, UNMAP_HEAD_CUT)) ||
		area->node.last > last)
		return -ENOENT;
	if (area->node.first != walk->start)
		walk->tries = 0;
	if (!area->accesses || SIM_BUG(task, UNMAP_PINNED))
		return 1;
	walk->start = area->node.first;
	if (!SIM_BUG(task, PREVENT_ACCESS_UNSET))
		area->prevent_access = true;
	return 0;
}

/*
 * Walks until an area needs a callback (then *pinned is that area and the result is 1), an error,
 * or the end (0). Both locks are held.
 */
static int unmap_walk(
	struct task *task, struct ioas *ioas, struct unmap_walk *walk, const struct area **pinned)
{
	struct range_item *node;

	while ((node = range_map_first(&ioas->areas, walk->start, walk->last))) {
		struct area *area = area_of(node);
		uint64_t area_last = node->last;
		int rc;

		if (SIM_BUG(task, UNMAP_ALL_SHORT) && walk->last == UINT64_MAX && walk->areas == 2)
			return 0;
		rc = unmap_check(task, area, walk);
		if (rc < 0)
			return rc;
		if (!rc) {
			*pinned = area;
			return 1;
		}
		unmap_area(task, ioas, area, walk);
		if (area_last >= walk->last)
			return 0;
		walk->start = area_last + 1;
	}
	return 0;
}

int ioas_unmap(
	struct task *task, struct ioas *ioas, uint64_t first, uint64_t last, uint64_t *unmapped)
{
	struct unmap_walk walk = {.start = first, .last = last};
	const struct area *pinned = NULL;
	uint64_t iova = 0, length = 0;
	int rc;

	for (;;) {
		bool callback_locked;

		down_read(task, &ioas->domains_rwsem);
		down_write(task, &ioas->iova_rwsem);
		ioas_touch(ioas);
		rc = unmap_walk(task, ioas, &walk, &pinned);
		if (rc > 0 && !SIM_BUG(task, UNMAP_RANGE_LATE)) {
			iova = pinned->node.first;
			length = area_length(pinned);
		}
		up_write(task, &ioas->iova_rwsem);
		callback_locked = rc > 0 && SIM_BUG(task, CALLBACK_LOCKED);
		if (!callback_locked)
			up_read(task, &ioas->domains_rwsem);
		if (rc <= 0)
			break;
		if (SIM_BUG(task, UNMAP_RANGE_LATE)) {
			iova = pinned->node.first;
			length = area_length(pinned);
		}
		ioas_notify_unmap(task, ioas, iova, length);
		if (callback_locked)
			up_read(task, &ioas->domains_rwsem);
		if (++walk.tries > IOMMUFD_UNMAP_TRIES + SIM_BUG(task, UNMAP_ONE_MORE)) {
			sim_warn(task, "unmap-pins-kept",
				"drivers keep pins of IOVA 0x%llx of IOAS %u",
				(unsigned long long)iova, ioas->object.id);
			rc = -EDEADLK;
			break;
		}
	}
	*unmapped = walk.bytes;
	return rc;
}

/* Steps 2 to 7. */
static int ioas_unmap_range(struct command *command, struct ioas *ioas)
{
	struct task *task = command->task;
	struct iommu_ioas_unmap *unmap = &command->unmap;
	uint64_t last, unmapped;
	bool all = !unmap->iova && unmap->length == UINT64_MAX;
	int rc;

	if (all) {
		last = UINT64_MAX;
	} else {
		if (unmap->iova == UINT64_MAX || unmap->length == UINT64_MAX)
			return -EOVERFLOW;
		if (!unmap->length)
			return -EINVAL;
		if (__builtin_add_overflow(unmap->iova, unmap->length - 1, &last))
			return -EOVERFLOW;
	}
	rc = ioas_unmap(task, ioas, unmap->iova, last, &unmapped);
	if (rc)
		return rc;
	if (!unmapped && !all && !SIM_BUG(task, UNMAP_NOTHING))
		return -ENOENT;
	if (!SIM_BUG(task, UNMAP_LENGTH))
		unmap->length = unmapped;
	return 0;
}

int64_t handle_IOMMU_IOAS_UNMAP(struct command *command)
{
	struct ioas *ioas = ioas_get(command->task, command->context, command->unmap.ioas_id);
	int rc;

	if (!ioas)
		return -ENOENT;
	rc = ioas_unmap_range(command, ioas);
	if (SIM_BUG(command->task, UNMAP_RESPONDS_LOCKED))
		down_read(command->task, &ioas->domains_rwsem);
	if (!rc)
		rc = command_respond(command);
	if (SIM_BUG(command->task, UNMAP_RESPONDS_LOCKED))
		up_read(command->task, &ioas->domains_rwsem);
	ioas_put(command->task, ioas);
	return rc;
}
