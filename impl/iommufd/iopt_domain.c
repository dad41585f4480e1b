/* SPDX-License-Identifier: Apache-2.0 */
/* Domains and accesses joining and leaving an IOAS, and its page-size option. 3.4, 3.8, 4.9, 7.2 */
#include "impl/iommufd/iommufd.h"

static void ioas_lock_all(struct task *task, struct ioas *ioas)
{
	down_write(task, &ioas->domains_rwsem);
	down_write(task, &ioas->iova_rwsem);
}

static void ioas_unlock_all(struct task *task, struct ioas *ioas)
{
	up_write(task, &ioas->iova_rwsem);
	up_write(task, &ioas->domains_rwsem);
}

/* Doubles a table of pointers so that index `count` exists. The slots are zero. */
static int grow(struct task *task, void *table, uint32_t *room, uint32_t count)
{
	void **old, **bigger;
	uint32_t wanted = *room ? *room * 2 : 4;

	if (count < *room)
		return 0;
	bigger = sim_alloc_array(task, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memcpy(&old, table, sizeof(old));
	if (*room)
		memcpy(bigger, old, *room * sizeof(*bigger));
	sim_free(task, old, *room * sizeof(*old));
	memcpy(table, &bigger, sizeof(bigger));
	*room = wanted;
	return 0;
}

/* Steps 3 and 4: what lies outside the aperture. */
static int reserve_aperture(struct task *task, struct ioas *ioas, struct iommu_domain *domain)
{
	const struct iommu_domain_config *config = iommu_domain_config(domain);
	int rc = 0;

	if (config->aperture_first)
		rc = ioas_reserve(task, ioas, 0, config->aperture_first - 1, domain);
	if (!rc && config->aperture_last != UINT64_MAX)
		rc = ioas_reserve(task, ioas, config->aperture_last + 1, UINT64_MAX, domain);
	if (rc)
		ioas_unreserve(task, ioas, domain);
	return rc;
}

/* Step 5: all completed areas in IOVA order, or none. */
static int fill_areas(struct task *task, struct ioas *ioas, struct iommu_domain *domain)
{
	bool first = !ioas->domain_count;
	struct range_item *node, *undo;
	int rc = 0;

	range_map_for_each(node, &ioas->areas)
	{
		if (!area_of(node)->pages)
			continue;
		rc = area_fill_domain(task, ioas, area_of(node), domain, first);
		if (rc)
			break;
	}
	if (!rc)
		return 0;
	range_map_for_each(undo, &ioas->areas)
	{
		if (undo == node)
			break;
		if (area_of(undo)->pages)
			area_unfill_domain(task, area_of(undo), domain, first);
	}
	return rc;
}

static int add_domain_locked(struct task *task, struct ioas *ioas, struct iommu_domain *domain)
{
	uint64_t sizes = iommu_domain_config(domain)->page_sizes, alignment = sizes & -sizes;
	int rc;

	if (alignment > SIM_PAGE_SIZE)
		return -EINVAL;
	if (alignment < ioas->alignment)
		alignment = ioas->alignment;
	if (alignment != ioas->alignment) {
		rc = ioas_check_alignment(ioas, (uint32_t)alignment);
		if (rc)
			return rc;
	}
	rc = reserve_aperture(task, ioas, domain);
	if (rc)
		return rc;
	if (SIM_BUG(task, ALIGNMENT_BEFORE_FILL))
		ioas->alignment = (uint32_t)alignment;
	rc = grow(task, &ioas->domains, &ioas->domain_room, ioas->domain_count);
	if (!rc)
		rc = fill_areas(task, ioas, domain);
	if (rc) {
		if (!SIM_BUG(task, DOMAIN_FAILURE_RESERVATION))
			ioas_unreserve(task, ioas, domain);
		return rc;
	}
	if (SIM_BUG(task, DOMAIN_LISTED_UNLOCKED)) {
		ioas_unlock_all(task, ioas);
		ioas_lock_all(task, ioas);
	}
	ioas->domains[ioas->domain_count++] = domain;
	ioas->alignment = (uint32_t)alignment;
	return 0;
}

int ioas_add_domain(struct task *task, struct ioas *ioas, struct iommu_domain *domain)
{
	int rc;

	ioas_lock_all(task, ioas);
	ioas_touch(ioas);
	rc = add_domain_locked(task, ioas, domain);
	ioas_unlock_all(task, ioas);
	return rc;
}

void ioas_remove_domain(struct task *task, struct ioas *ioas, struct iommu_domain *domain)
{
	struct range_item *node;
	uint32_t index = 0;

	ioas_lock_all(task, ioas);
	ioas_touch(ioas);
	while (ioas->domains[index] != domain)
		index++;
	ioas->domains[index] = ioas->domains[--ioas->domain_count];
	range_map_for_each(node, &ioas->areas)
	{
		if (area_of(node)->pages)
			area_unfill_domain(task, area_of(node), domain, !ioas->domain_count);
	}
	if (!SIM_BUG(task, DOMAIN_RESERVATION_KEPT))
		ioas_unreserve(task, ioas, domain);
	if (!SIM_BUG(task, ALIGNMENT_NOT_LOWERED))
		ioas->alignment = ioas_alignment(ioas);
	ioas_unlock_all(task, ioas);
}

int ioas_add_access(
	struct task *task, struct ioas *ioas, struct access *access, uint32_t *list_index)
{
	uint32_t index = 0, alignment;
	int rc;

	ioas_lock_all(task, ioas);
	ioas_touch(ioas);
	while (index < ioas->access_room && ioas->accesses[index])
		index++;
	if (SIM_BUG(task, LIST_INDEX_UNLOCKED)) {
		ioas_unlock_all(task, ioas);
		ioas_lock_all(task, ioas);
	}
	rc = index > UINT16_MAX ? -EBUSY : grow(task, &ioas->accesses, &ioas->access_room, index);
	if (rc)
		goto unlock;
	alignment = access->alignment > ioas->alignment ? access->alignment : ioas->alignment;
	if (alignment != ioas->alignment && !SIM_BUG(task, ACCESS_ALIGNMENT_UNCHECKED)) {
		rc = ioas_check_alignment(ioas, alignment);
		if (rc)
			goto unlock;
	}
	spin_lock(task, &ioas->access_lock);
	ioas->accesses[index] = access;
	ioas->access_count++;
	spin_unlock(task, &ioas->access_lock);
	ioas->alignment = alignment;
	*list_index = index;
unlock:
	ioas_unlock_all(task, ioas);
	return rc;
}

void ioas_remove_access(
	struct task *task, struct ioas *ioas, struct access *access, uint32_t list_index)
{
	ioas_lock_all(task, ioas);
	ioas_touch(ioas);
	if (list_index >= ioas->access_room || ioas->accesses[list_index] != access) {
		sim_warn(task, "access-not-listed", "access %u is not at index %u of IOAS %u",
			access->object.id, list_index, ioas->object.id);
	} else {
		spin_lock(task, &ioas->access_lock);
		ioas->accesses[list_index] = NULL;
		ioas->access_count--;
		spin_unlock(task, &ioas->access_lock);
	}
	if (!SIM_BUG(task, ACCESS_ALIGNMENT_KEPT))
		ioas->alignment = ioas_alignment(ioas);
	ioas_unlock_all(task, ioas);
}

/* The option is read without a lock. */
static int set_large_pages_locked(struct ioas *ioas, bool enable)
{
	int rc;

	if (enable) {
		__atomic_store_n(&ioas->small_pages, false, __ATOMIC_RELAXED);
		ioas->alignment = ioas_alignment(ioas);
		return 0;
	}
	if (ioas->small_pages)
		return 0;
	if (ioas->domain_count && ioas->areas.count)
		return -EINVAL;
	if (ioas->alignment < SIM_PAGE_SIZE) {
		rc = ioas_check_alignment(ioas, SIM_PAGE_SIZE);
		if (rc)
			return rc;
	}
	__atomic_store_n(&ioas->small_pages, true, __ATOMIC_RELAXED);
	ioas->alignment = ioas_alignment(ioas);
	return 0;
}

int ioas_set_large_pages(struct task *task, struct ioas *ioas, bool enable)
{
	int rc;

	if (SIM_BUG(task, OPTION_LOCK_ORDER)) {
		down_write(task, &ioas->iova_rwsem);
		down_write(task, &ioas->domains_rwsem);
	} else {
		ioas_lock_all(task, ioas);
	}
	ioas_touch(ioas);
	rc = set_large_pages_locked(ioas, enable);
	ioas_unlock_all(task, ioas);
	return rc;
}
