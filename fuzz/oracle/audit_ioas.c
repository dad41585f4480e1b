/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of one IOAS: its sets of intervals, its alignment, and its domains by runs. I1 to I4,
 * I17 */
#include "fuzz/oracle/audit_private.h"

/* Cast away const for the tree walks, which change nothing. */
static struct range_tree *tree_of(const struct range_tree *tree)
{
	return (struct range_tree *)(uintptr_t)tree;
}

/* A walk over a set of intervals in ascending order. */
struct disjoint {
	const char *what;
	uint32_t count;
	uint64_t last; /* of the newest interval */
};

static bool check_interval(struct audit *audit, const struct ioas *ioas, struct disjoint *walk,
	uint64_t first, uint64_t last)
{
	if (last < first || (walk->count && first <= walk->last))
		return AUDIT_BROKEN(audit, "I1 disjoint", "IOAS %u: %s [0x%llx, 0x%llx] overlaps",
			ioas->object.id, walk->what, (unsigned long long)first,
			(unsigned long long)last);
	if (ioas->reserved.count && range_first(&ioas->reserved, first, last))
		return AUDIT_BROKEN(audit, "I1 reserved",
			"IOAS %u: %s [0x%llx, 0x%llx] is partly reserved", ioas->object.id,
			walk->what, (unsigned long long)first, (unsigned long long)last);
	walk->last = last;
	walk->count++;
	return true;
}

static bool check_count(
	struct audit *audit, const struct ioas *ioas, const struct disjoint *walk, uint32_t count)
{
	if (walk->count != count)
		return AUDIT_BROKEN(audit, "I1 count", "IOAS %u: %u of %u %ss found",
			ioas->object.id, walk->count, count, walk->what);
	return true;
}

static bool check_areas_disjoint(struct audit *audit, const struct ioas *ioas)
{
	struct disjoint walk = {.what = "area"};
	const struct range_item *item;

	range_map_for_each(item, &ioas->areas)
	{
		if (!check_interval(audit, ioas, &walk, item->first, item->last))
			return false;
	}
	return check_count(audit, ioas, &walk, ioas->areas.count);
}

static bool check_allowed_disjoint(struct audit *audit, const struct ioas *ioas)
{
	struct disjoint walk = {.what = "allowed interval"};
	const struct range_node *node;

	range_tree_for_each (node, tree_of(&ioas->allowed)) {
		if (!check_interval(audit, ioas, &walk, node->first, node->last))
			return false;
	}
	return check_count(audit, ioas, &walk, ioas->allowed.count);
}

/* Each locks an area once. Their pins are no bound: an in-kernel driver may drop what is not its
 * own.
 */
static uint32_t internal_accesses(const struct ioas *ioas)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ioas->access_room; i++)
		count += ioas->accesses[i] && ioas->accesses[i]->internal;
	return count;
}

static bool check_area(struct audit *audit, const struct ioas *ioas, const struct area *area)
{
	uint64_t mask = ioas->alignment - 1, in_page = area->offset & (SIM_PAGE_SIZE - 1);
	unsigned long long iova = area->node.first;

	if (!area->pages)
		return AUDIT_BROKEN(audit, "transitional",
			"IOAS %u: the area at 0x%llx is transitional between calls",
			ioas->object.id, iova);
	if (in_page & mask || (!area->piece && (area->node.first | area_length(area)) & mask))
		return AUDIT_BROKEN(audit, "I4 alignment",
			"IOAS %u: the area at 0x%llx is not aligned to %u", ioas->object.id, iova,
			ioas->alignment);
	if (area_last_page(area) >= area->pages->count)
		return AUDIT_BROKEN(audit, "area bounds",
			"IOAS %u: the area at 0x%llx ends beyond its pages", ioas->object.id, iova);
	if (area->filled != (ioas->domain_count != 0))
		return AUDIT_BROKEN(audit, "I2 filled",
			"IOAS %u: the area at 0x%llx is %sfilled with %u domains", ioas->object.id,
			iova, area->filled ? "" : "not ", ioas->domain_count);
	if (area->locks > internal_accesses(ioas))
		return AUDIT_BROKEN(audit, "I17 locks",
			"IOAS %u: the area at 0x%llx has %u locks, more than queues",
			ioas->object.id, iova, area->locks);
	return true;
}

/* How many bytes from byte `offset` of a pages object on, at most `most`, are physically
 * contiguous, and where. */
static bool source_run(
	const struct pages *pages, uint64_t offset, uint64_t most, uint64_t *phys, uint64_t *length)
{
	uint64_t index = offset >> SIM_PAGE_SHIFT, in_page = offset & (SIM_PAGE_SIZE - 1);
	const struct pin_run *run = NULL;

	if (pages->is_dmabuf) {
		*phys = dmabuf_physical(pages, offset);
		*length = most;
		return true;
	}
	*length = 0;
	for (; *length < most; index++) {
		const struct page *page;

		/* Contiguous pages may lie in several runs. */
		if (!run || index > run->node.last)
			run = (const struct pin_run *)(void *)range_first(
				&pages->pins, index, index);
		page = run ? run->pages[index - run->node.first] : NULL;
		if (!*length) {
			if (!page)
				return false;
			*phys = page->phys + in_page;
			*length = SIM_PAGE_SIZE - in_page;
		} else if (page && page->phys == *phys + *length) {
			*length += SIM_PAGE_SIZE;
		} else {
			break;
		}
	}
	if (*length > most)
		*length = most;
	return true;
}

/* The entries of one domain while a walk over the areas consumes them. */
struct entries {
	const struct iommu_domain *domain;
	uint64_t iova, size, phys; /* of the current entry */
	uint32_t protection;
	bool valid;
};

static void entries_next(struct entries *entries, uint64_t from)
{
	entries->iova = from;
	entries->valid = iommu_next_entry(entries->domain, &entries->iova, &entries->size,
		&entries->phys, &entries->protection);
}

/* Consumes the entries that must map one physically contiguous run. */
static bool check_run(struct audit *audit, const struct ioas *ioas, const struct area *area,
	struct entries *entries, uint64_t iova, uint64_t phys, uint64_t length)
{
	while (length) {
		if (!entries->valid || entries->iova != iova || entries->size > length)
			return AUDIT_BROKEN(audit,
				entries->valid && entries->iova < iova ? "I3 stray" : "I2 mapped",
				"IOAS %u: IOVA 0x%llx should be mapped, the next entry is at "
				"0x%llx (%llu bytes)",
				ioas->object.id, (unsigned long long)iova,
				entries->valid ? (unsigned long long)entries->iova : 0,
				entries->valid ? (unsigned long long)entries->size : 0);
		if (entries->phys != phys || entries->protection != area->protection)
			return AUDIT_BROKEN(audit, "I2 target",
				"IOAS %u: IOVA 0x%llx leads to 0x%llx with protection %u, not to "
				"0x%llx with %u",
				ioas->object.id, (unsigned long long)iova,
				(unsigned long long)entries->phys, entries->protection,
				(unsigned long long)phys, area->protection);
		if (ioas->small_pages && entries->size != SIM_PAGE_SIZE)
			return AUDIT_BROKEN(audit, "large pages",
				"IOAS %u: an entry of %llu bytes although large pages are off",
				ioas->object.id, (unsigned long long)entries->size);
		iova += entries->size;
		phys += entries->size;
		length -= entries->size;
		if (iova)
			entries_next(entries, iova);
		else
			entries->valid = false; /* the last of all addresses */
	}
	return true;
}

/* Every completed area is mapped to its pages, and nothing else is. */
static bool check_domain(
	struct audit *audit, const struct ioas *ioas, const struct iommu_domain *domain)
{
	struct entries entries = {.domain = domain};
	struct range_item *node;

	entries_next(&entries, 0);
	range_map_for_each(node, &ioas->areas)
	{
		const struct area *area = area_of(node);
		uint64_t done = 0, total = area_length(area), phys, length;

		if (area->pages->revoked) /* the memory was taken back */
			continue;
		for (; done < total; done += length) {
			if (!source_run(
				    area->pages, area->offset + done, total - done, &phys, &length))
				return AUDIT_BROKEN(audit, "I5 pinned",
					"IOAS %u: the page behind IOVA 0x%llx is not pinned",
					ioas->object.id, (unsigned long long)(node->first + done));
			if (!check_run(
				    audit, ioas, area, &entries, node->first + done, phys, length))
				return false;
		}
	}
	if (entries.valid)
		return AUDIT_BROKEN(audit, "I3 stray",
			"IOAS %u: IOVA 0x%llx is mapped without an area", ioas->object.id,
			(unsigned long long)entries.iova);
	return true;
}

/* Reservations of domains are exactly what lies outside their apertures. */
static bool check_reserved(struct audit *audit, const struct ioas *ioas)
{
	uint32_t owned = 0, expected = 0;
	struct range_node *node;

	for (uint32_t i = 0; i < ioas->domain_count; i++) {
		const struct iommu_domain_config *config = iommu_domain_config(ioas->domains[i]);

		expected += config->aperture_first != 0;
		expected += config->aperture_last != UINT64_MAX;
	}
	range_tree_for_each (node, tree_of(&ioas->reserved))
		owned += ((const struct reserved_range *)(void *)node)->owner != NULL;
	if (owned != expected)
		return AUDIT_BROKEN(audit, "reservations",
			"IOAS %u: %u reservations of domains, %u expected", ioas->object.id, owned,
			expected);
	return true;
}

bool audit_ioas(struct audit *audit, const struct ioas *ioas)
{
	uint32_t accesses = 0;
	struct range_item *node;

	if (ioas->alignment != ioas_alignment(ioas))
		return AUDIT_BROKEN(audit, "I4 alignment",
			"IOAS %u: alignment is %u, its contributors imply %u", ioas->object.id,
			ioas->alignment, ioas_alignment(ioas));
	if (!check_areas_disjoint(audit, ioas) || !check_allowed_disjoint(audit, ioas) ||
		!check_reserved(audit, ioas))
		return false;
	range_map_for_each(node, &ioas->areas)
	{
		if (!check_area(audit, ioas, area_of(node)))
			return false;
	}
	for (uint32_t i = 0; i < ioas->access_room; i++) {
		const struct access *access = ioas->accesses[i];

		if (!access)
			continue;
		accesses++;
		if (access->ioas_unpin != ioas || access->list_index != i)
			return AUDIT_BROKEN(audit, "access list",
				"IOAS %u lists access %u at %u, which is not there",
				ioas->object.id, access->object.id, i);
	}
	if (accesses != ioas->access_count)
		return AUDIT_BROKEN(audit, "access list", "IOAS %u counts %u accesses and lists %u",
			ioas->object.id, ioas->access_count, accesses);
	for (uint32_t i = 0; i < ioas->domain_count; i++) {
		if (!check_domain(audit, ioas, ioas->domains[i]))
			return false;
	}
	return true;
}
