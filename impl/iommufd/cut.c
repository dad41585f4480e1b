/* SPDX-License-Identifier: Apache-2.0 */
/* Areas are cut in two, as VFIO's type 1 does where an unmap ends inside of them. 8.5 */
#include "impl/iommufd/iommufd.h"

/* What the two parts need: it is there before anything changes. */
struct cut {
	struct area *right;
	struct range_node *fill; /* of the right part, if domains map the area */
};

static void cut_free(struct task *task, struct cut *cut)
{
	sim_free(task, cut->right, sizeof(*cut->right));
	sim_free(task, cut->fill, sizeof(*cut->fill));
}

static int cut_alloc(struct task *task, const struct area *area, struct cut *cut)
{
	cut->right = sim_alloc(task, sizeof(*cut->right));
	cut->fill = area->fill ? sim_alloc(task, sizeof(*cut->fill)) : NULL;
	if (cut->right && (cut->fill || !area->fill))
		return 0;
	cut_free(task, cut);
	return -ENOMEM;
}

/* Whether an area may be cut in front of `second`. */
static int cut_check(
	struct task *task, const struct ioas *ioas, const struct area *area, uint64_t second)
{
	uint64_t mask = ioas->alignment - 1, skip = second - area->node.first;

	if (!area->pages || (area->prevent_access && !SIM_BUG(task, CUT_PREVENTED)))
		return -EBUSY;
	if (area->pages->is_dmabuf)
		return -EOPNOTSUPP;
	if ((second | (area->offset + skip)) & mask)
		return -EINVAL;
	return 0;
}

/* The bounds of items in the map stay, so the area leaves it and comes back shorter. */
static bool cut_map(struct ioas *ioas, struct area *area, struct area *right)
{
	uint64_t last = area->node.last;

	range_map_remove(&ioas->areas, &area->node);
	area->node.last = right->node.first - 1;
	if (range_map_insert(&ioas->areas, &area->node)) {
		if (range_map_insert(&ioas->areas, &right->node))
			return true;
		range_map_remove(&ioas->areas, &area->node);
	}
	area->node.last = last;
	range_map_insert(&ioas->areas, &area->node);
	return false;
}

/* Both parts are of the same pages, which domains go on to need. Pages mutex held. */
static int cut_area(
	struct task *task, struct ioas *ioas, struct area *area, uint64_t second, struct cut *cut)
{
	struct area *right = cut->right;
	struct range_node *fill = area->fill;

	if (area->accesses && !SIM_BUG(task, CUT_PINNED))
		return -EINVAL;
	if (ioas->domain_count && !ioas->small_pages)
		return -EINVAL;
	*right = *area;
	right->node.first = second;
	right->offset = area->offset + (second - area->node.first);
	if (SIM_BUG(task, CUT_OFFSET))
		right->offset = area->offset;
	right->fill = cut->fill;
	if (!cut_map(ioas, area, right))
		return -ENOMEM;
	if (fill) {
		cut->fill->first = area_first_page(right);
		cut->fill->last = area_last_page(right);
		range_resize(&area->pages->filled, fill, fill->first, area_last_page(area));
		range_insert(&area->pages->filled, cut->fill);
	}
	pages_get(task, area->pages);
	return 0;
}

/* Cuts the area with `last`, which becomes the last byte of its left part. */
static int cut_at(struct task *task, struct ioas *ioas, uint64_t last)
{
	struct range_item *node = range_map_first(&ioas->areas, last, last);
	struct area *area = node ? area_of(node) : NULL;
	struct pages *pages;
	struct cut cut;
	int rc;

	if (!area || last == node->first || last == node->last)
		return 0;
	rc = cut_check(task, ioas, area, last + 1);
	if (rc)
		return rc;
	rc = cut_alloc(task, area, &cut);
	if (rc)
		return rc;
	if (SIM_BUG(task, CUT_UNLOCKED)) {
		up_write(task, &ioas->iova_rwsem);
		down_write(task, &ioas->iova_rwsem);
	}
	pages = area->pages;
	mutex_lock(task, &pages->mutex);
	rc = cut_area(task, ioas, area, last + 1, &cut);
	mutex_unlock(task, &pages->mutex);
	if (rc)
		cut_free(task, &cut);
	return rc;
}

int ioas_cut(struct task *task, struct ioas *ioas, const uint64_t *cuts, uint32_t count)
{
	int rc = 0;

	down_read(task, &ioas->domains_rwsem);
	down_write(task, &ioas->iova_rwsem);
	ioas_touch(ioas);
	for (uint32_t i = 0; i < count && !rc; i++)
		rc = cut_at(task, ioas, cuts[i]);
	up_write(task, &ioas->iova_rwsem);
	up_read(task, &ioas->domains_rwsem);
	return rc;
}
