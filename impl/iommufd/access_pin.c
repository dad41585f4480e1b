/* SPDX-License-Identifier: Apache-2.0 */
/* What an attached access does with mapped memory: pin, unpin, read, write. 7.5 to 7.7 */
#include "impl/iommufd/iommufd.h"

/* A walk over the contiguous completed areas that cover [at, last]. */
struct walk {
	uint64_t at, last; /* what is left */
	uint64_t end;	   /* last IOVA of the current part */
	struct area *area;
};

/* The area that holds walk->at; false: not mapped, or transitional. iova_rwsem is held. */
static bool walk_part(const struct ioas *ioas, struct walk *walk)
{
	struct range_item *node = range_map_first(&ioas->areas, walk->at, walk->at);

	if (!node || !area_of(node)->pages)
		return false;
	walk->area = area_of(node);
	walk->end = node->last < walk->last ? node->last : walk->last;
	return true;
}

/* Goes on behind the current part; false at the end. */
static bool walk_next(struct walk *walk)
{
	if (walk->end == walk->last)
		return false;
	walk->at = walk->end + 1;
	return true;
}

/* Steps 5c and 5d. */
static int check_protection(const struct area *area, uint32_t flags)
{
	if (flags & ACCESS_WRITE) {
		if (!(area->protection & IOMMU_PROT_WRITE) || !area->pages->writable)
			return -EPERM;
	} else if (!(area->protection & IOMMU_PROT_READ)) {
		return -EPERM;
	}
	return 0;
}

/* Steps 5a to 5d. */
static int check_pin(struct task *task, const struct walk *walk, uint32_t flags)
{
	const struct area *area = walk->area;
	const uint64_t mask = SIM_PAGE_SIZE - 1;

	if (area->prevent_access && !SIM_BUG(task, PIN_PREVENTED))
		return -EINVAL;
	if ((area->offset + (walk->at - area->node.first)) & mask)
		return -EINVAL;
	if (walk->end != walk->last && (area->offset + (walk->end - area->node.first) + 1) & mask)
		return -EINVAL;
	return SIM_BUG(task, PIN_PROTECTION) ? 0 : check_protection(area, flags);
}

/* What an internal access pins cannot be unmapped. 4.20 */
static void lock_area(struct task *task, struct area *area, uint32_t step)
{
	if (!SIM_BUG(task, QUEUE_MEMORY_UNLOCKED))
		__atomic_fetch_add(&area->locks, step, __ATOMIC_RELAXED);
}

/* Releases the records of [first, last], which were made part by part. */
static void unpin_walk(struct task *task, const struct access *access, const struct ioas *ioas,
	uint64_t first, uint64_t last)
{
	struct walk walk = {.at = first, .last = last};

	do {
		if (access->internal && walk_part(ioas, &walk))
			lock_area(task, walk.area, (uint32_t)-1);
		if (!walk_part(ioas, &walk) || !pages_drop_record(task, walk.area->pages, walk.area,
						       area_page_at(walk.area, walk.at),
						       area_page_at(walk.area, walk.end))) {
			sim_warn(task, "unpin-without-pin",
				"IOVA 0x%llx of IOAS %u has no pin of that size",
				(unsigned long long)walk.at, ioas->object.id);
			if (!walk.area || walk.area->node.first > walk.at ||
				walk.area->node.last < walk.at)
				return;
		}
	} while (walk_next(&walk));
}

static int pin_walk(struct task *task, const struct access *access, uint64_t iova, uint64_t last,
	struct page **out, uint32_t flags)
{
	const struct ioas *ioas = access->ioas;
	struct walk walk = {.at = iova, .last = last};
	int rc;

	do {
		uint64_t first_page, last_page;

		rc = walk_part(ioas, &walk) ? check_pin(task, &walk, flags) : -ENOENT;
		if (rc)
			break;
		first_page = area_page_at(walk.area, walk.at);
		last_page = area_page_at(walk.area, walk.end);
		rc = pages_add_record(
			task, walk.area->pages, walk.area, first_page, last_page, out);
		if (rc)
			break;
		if (access->internal)
			lock_area(task, walk.area, 1);
		if (out)
			out += last_page - first_page + 1;
	} while (walk_next(&walk));
	if (rc && walk.at != iova && !SIM_BUG(task, PIN_PREFIX_LEAK))
		unpin_walk(task, access, ioas, iova, walk.at - 1);
	return rc;
}

int access_pin_pages(struct task *task, struct access *access, uint64_t iova, uint64_t length,
	struct page **out, uint32_t flags)
{
	uint64_t last;
	int rc = -ENOENT;

	if ((!access->needs_pin || !(access->has_unmap || access->internal)) &&
		!SIM_BUG(task, PIN_NEEDS_PIN)) {
		sim_warn(task, "pin-not-allowed", "access %u was not made for pins",
			access->object.id);
		return -EINVAL;
	}
	if (!length)
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	mutex_lock(task, &access->lock);
	if (access->ioas) {
		struct ioas *ioas = access->ioas;

		ioas_touch(ioas);
		down_read(task, &ioas->iova_rwsem);
		rc = pin_walk(task, access, iova, last, out, flags);
		up_read(task, &ioas->iova_rwsem);
	}
	mutex_unlock(task, &access->lock);
	return rc;
}

void access_unpin_pages(struct task *task, struct access *access, uint64_t iova, uint64_t length)
{
	uint64_t last;

	if (!length || __builtin_add_overflow(iova, length - 1, &last)) {
		sim_warn(
			task, "unpin-bad-range", "access %u unpins a bad range", access->object.id);
		return;
	}
	mutex_lock(task, &access->lock);
	if (access->ioas_unpin) {
		struct ioas *ioas = access->ioas_unpin;

		ioas_touch(ioas);
		down_read(task, &ioas->iova_rwsem);
		unpin_walk(task, access, ioas, iova, last);
		up_read(task, &ioas->iova_rwsem);
	} else {
		sim_warn(
			task, "unpin-not-attached", "access %u is not attached", access->object.id);
	}
	mutex_unlock(task, &access->lock);
}

/* Adds the bytes of every part that has been transferred to *done. */
static int rw_walk(struct task *task, struct ioas *ioas, uint64_t iova, char *buffer, uint64_t last,
	uint32_t flags, uint64_t *done)
{
	struct walk walk = {.at = iova, .last = last};
	int rc;

	do {
		uint64_t count;

		if (!walk_part(ioas, &walk))
			return -ENOENT;
		if (walk.area->prevent_access && !SIM_BUG(task, RW_PREVENTED))
			return -EINVAL;
		if (!SIM_BUG(task, RW_PROTECTION)) {
			rc = check_protection(walk.area, flags);
			if (rc)
				return rc;
		}
		count = walk.end - walk.at + 1;
		rc = pages_rw(task, walk.area->pages,
			walk.area->offset + (walk.at - walk.area->node.first), buffer, count,
			flags);
		if (rc)
			return rc;
		buffer += count;
		*done += count;
	} while (walk_next(&walk));
	return 0;
}

int access_rw(struct task *task, struct access *access, uint64_t iova, void *buffer,
	uint64_t length, uint32_t flags, uint64_t *done)
{
	uint64_t last;
	int rc = -ENOENT;

	*done = 0;
	if (!length)
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	mutex_lock(task, &access->lock);
	if (access->ioas) {
		struct ioas *ioas = access->ioas;

		if (SIM_BUG(task, RW_UNLOCKED))
			mutex_unlock(task, &access->lock);
		down_read(task, &ioas->iova_rwsem);
		rc = rw_walk(task, ioas, iova, buffer, last, flags, done);
		up_read(task, &ioas->iova_rwsem);
		if (SIM_BUG(task, RW_UNLOCKED))
			mutex_lock(task, &access->lock);
	}
	mutex_unlock(task, &access->lock);
	return rc;
}
