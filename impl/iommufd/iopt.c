/* SPDX-License-Identifier: Apache-2.0 */
/* Which IOVAs of an IOAS may be used: reservations, alignment, the automatic choice and the fixed
 * check. 3.3 to 3.6 */
#include "impl/iommufd/iommufd.h"

int ioas_reserve(
	struct task *task, struct ioas *ioas, uint64_t first, uint64_t last, const void *owner)
{
	struct reserved_range *reserved;

	if (range_map_first(&ioas->areas, first, last) && !SIM_BUG(task, RESERVE_AREA))
		return -EADDRINUSE;
	if (range_first(&ioas->allowed, first, last) && !SIM_BUG(task, RESERVE_ALLOWED))
		return -EADDRINUSE;
	reserved = sim_alloc(task, sizeof(*reserved));
	if (!reserved)
		return -ENOMEM;
	reserved->node.first = first;
	reserved->node.last = last;
	reserved->owner = owner;
	range_insert(&ioas->reserved, &reserved->node);
	ioas_touch(ioas);
	return 0;
}

void ioas_unreserve(struct task *task, struct ioas *ioas, const void *owner)
{
	struct range_node *node = range_lowest(&ioas->reserved), *next;

	for (; node; node = next) {
		struct reserved_range *reserved = (struct reserved_range *)(void *)node;

		next = range_successor(node);
		if (reserved->owner != owner)
			continue;
		range_remove(&ioas->reserved, node);
		sim_free(task, reserved, sizeof(*reserved));
	}
	ioas_touch(ioas);
}

static uint64_t domain_page_size(const struct iommu_domain *domain)
{
	uint64_t sizes = iommu_domain_config(domain)->page_sizes;

	return sizes & -sizes;
}

uint32_t ioas_alignment(const struct ioas *ioas)
{
	uint64_t alignment = ioas->small_pages ? SIM_PAGE_SIZE : 1;

	for (uint32_t i = 0; i < ioas->domain_count; i++) {
		uint64_t size = domain_page_size(ioas->domains[i]);

		alignment = size > alignment ? size : alignment;
	}
	for (uint32_t i = 0; i < ioas->access_room; i++) {
		if (ioas->accesses[i] && ioas->accesses[i]->alignment > alignment)
			alignment = ioas->accesses[i]->alignment;
	}
	return (uint32_t)alignment;
}

int ioas_check_alignment(const struct ioas *ioas, uint32_t alignment)
{
	uint64_t mask = alignment - 1;
	struct range_item *node;

	range_map_for_each(node, &ioas->areas)
	{
		const struct area *area = area_of(node);

		if ((node->first | area_length(area) | (area->offset & (SIM_PAGE_SIZE - 1))) & mask)
			return -EADDRINUSE;
	}
	return 0;
}

int ioas_check_fixed(struct task *task, const struct ioas *ioas, uint64_t iova, uint64_t length)
{
	uint64_t last, checked_first = iova, checked_last;

	if (iova & (ioas->alignment - 1) && !SIM_BUG(task, FIXED_MISALIGNED))
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	if (SIM_BUG(task, FIXED_END_SIGNED))
		last = (uint64_t)((int64_t)iova + (int64_t)(length - 1));
	checked_last = last;
	if (SIM_BUG(task, FIXED_RESERVED_FIRST) && iova < last)
		checked_first++;
	if (range_first(&ioas->reserved, checked_first, checked_last))
		return -EINVAL;
	if (SIM_BUG(task, FIXED_OVERLAP_LAST) && iova < last)
		checked_last = last - (length > SIM_PAGE_SIZE ? SIM_PAGE_SIZE : 1);
	if (range_map_first(&ioas->areas, iova, checked_last))
		return -EEXIST;
	return 0;
}

/* What an automatic choice wants. */
struct choice {
	struct task *task;
	uint64_t length;
	uint64_t alignment;
	uint64_t page_offset;
};

/* Moves *first up to the first aligned place with the page offset; false when [*first, last] is
 * then too small. */
static bool choice_fits(const struct choice *choice, uint64_t *first, uint64_t last)
{
	uint64_t start;

	if (__builtin_add_overflow(*first, choice->alignment - 1, &start))
		return false;
	start = (start & ~(choice->alignment - 1)) | choice->page_offset;
	if (start >= last)
		return false;
	if (SIM_BUG(choice->task, HOLE_EXACT) ? last - start < choice->length
					      : last - start < choice->length - 1)
		return false;
	*first = start;
	return true;
}

/* The first fitting part of [first, last], which no area touches, that is not reserved. */
static bool choose_unreserved(const struct choice *choice, const struct ioas *ioas, uint64_t first,
	uint64_t last, uint64_t *iova)
{
	struct range_node *node = range_first(&ioas->reserved, first, last);
	uint64_t hole;

	for (; node; node = range_next(node, first, last)) {
		if (node->first > first) {
			hole = first;
			if (choice_fits(choice, &hole, node->first - 1)) {
				*iova = hole;
				return true;
			}
		}
		if (node->last >= last)
			return false;
		if (node->last + 1 > first)
			first = node->last + 1;
	}
	hole = first;
	if (!choice_fits(choice, &hole, last))
		return false;
	*iova = hole;
	return true;
}

/* Steps 7 and 8 for one window. Only holes that are wide enough are visited. */
static bool choose_in_window(const struct choice *choice, const struct ioas *ioas, uint64_t first,
	uint64_t last, uint64_t *iova)
{
	uint64_t hole_first, hole_last;

	if (!choice_fits(choice, &first, last))
		return false;
	while (range_map_hole(&ioas->areas, first, choice->length, &hole_first, &hole_last)) {
		if (hole_first > last)
			return false;
		if (hole_first < first)
			hole_first = first;
		if (hole_last > last)
			hole_last = last;
		if (choose_unreserved(choice, ioas, hole_first, hole_last, iova))
			return true;
		if (hole_last == last)
			return false;
		first = hole_last + 1;
	}
	return false;
}

/* Step 6: the allowed set clipped and with adjacent intervals merged, or everything but the first
 * and last page. */
static int choose_window(const struct choice *choice, const struct ioas *ioas, uint64_t *iova)
{
	const uint64_t lowest = SIM_BUG(choice->task, AUTOMATIC_FIRST_PAGE) ? 0 : SIM_PAGE_SIZE;
	const uint64_t highest = UINT64_MAX - SIM_PAGE_SIZE;
	struct range_node *node = range_lowest(&ioas->allowed);

	if (!node || SIM_BUG(choice->task, ALLOWED_IGNORED))
		return choose_in_window(choice, ioas, lowest, highest, iova) ? 0 : -ENOSPC;
	while (node) {
		uint64_t first = node->first, last = node->last;

		for (node = range_successor(node); node && node->first == last + 1 &&
						   !SIM_BUG(choice->task, ALLOWED_NOT_MERGED);
			node = range_successor(node))
			last = node->last;
		if (first < lowest)
			first = lowest;
		if (last > highest)
			last = highest;
		if (first <= last && choose_in_window(choice, ioas, first, last, iova))
			return 0;
	}
	return -ENOSPC;
}

int ioas_choose_iova(struct task *task, const struct ioas *ioas, uint64_t address, uint64_t length,
	uint64_t *iova)
{
	struct choice choice = {.task = task, .length = length};
	uint64_t lowest_bit = address & -address;

	if (!length || (length >= UINT64_MAX / 2 && !SIM_BUG(task, AUTOMATIC_HALF)))
		return -EOVERFLOW;
	choice.alignment = length == 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(length - 1));
	if (address && lowest_bit < choice.alignment && !SIM_BUG(task, AUTOMATIC_ADDRESS))
		choice.alignment = lowest_bit;
	if (choice.alignment > SIM_HUGE_SIZE)
		choice.alignment = SIM_HUGE_SIZE;
	if (choice.alignment < ioas->alignment && !SIM_BUG(task, AUTOMATIC_MISALIGNED))
		return -EINVAL;
	if (!SIM_BUG(task, AUTOMATIC_OFFSET))
		choice.page_offset = address & (SIM_PAGE_SIZE - 1);
	return choose_window(&choice, ioas, iova);
}

uint64_t ioas_syz_iova(struct task *task, struct ioas *ioas, uint64_t value)
{
	uint32_t nth = (uint32_t)value, offset = (uint32_t)(value >> 32);
	struct range_item *node;
	uint64_t iova = 0;

	down_read(task, &ioas->iova_rwsem);
	if (nth < ioas->areas.count || SIM_BUG(task, SYZ_COUNT)) {
		node = range_map_lowest(&ioas->areas);
		for (; nth && node && range_map_successor(node); nth--)
			node = range_map_successor(node);
		if (node)
			iova = node->first + (SIM_BUG(task, SYZ_OFFSET) ? 0 : offset);
	}
	up_read(task, &ioas->iova_rwsem);
	return iova;
}
