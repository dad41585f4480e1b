/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices themselves are asked. After each call every device touches the ends of each area that
 * it may reach, which fills its IOTLB as real traffic would; after the next call it tries the same
 * addresses again. What it then reaches must be what the areas of its IOAS say, no more, no less,
 * and a page that is alive and pinned. Through a nested page table it reaches the same, as guests
 * of the mock map every address to itself; what they invalidate must leave the IOTLB.
 */
#include "fuzz/oracle/isolation.h"

#include <stdlib.h>

#include "fuzz/oracle/graph.h"

#define DEVICES_MAX 6
#define PASIDS_MAX  4  /* looked at per device */
#define AREAS_MAX   24 /* looked at per PASID and step */
#define PROBES_MAX  (DEVICES_MAX * AREAS_MAX * 4)

struct probe {
	const struct iommu_device *device;
	uint32_t pasid;
	uint64_t iova;
};

/* Where a transfer would come from. */
struct requester {
	struct iommu_device *device;
	uint32_t pasid;
};

struct isolation {
	struct sim *sim;
	uint32_t count;
	struct probe probes[PROBES_MAX];
};

struct isolation *isolation_open(void)
{
	return calloc(1, sizeof(struct isolation));
}

void isolation_close(struct isolation *isolation)
{
	free(isolation);
}

void isolation_begin(struct isolation *isolation, struct sim *sim)
{
	isolation->sim = sim;
	isolation->count = 0;
}

/* Where the IOAS says that iova leads, 0 when nowhere; the area's protection in *protection, and
 * whether the memory is pinned or, of a dma-buf, lent. */
static uint64_t expected_at(
	const struct ioas *ioas, uint64_t iova, uint32_t *protection, bool *is_lent)
{
	struct range_item *node = ioas ? range_map_first(&ioas->areas, iova, iova) : NULL;
	const struct area *area = node ? area_of(node) : NULL;
	const struct page *page;

	*protection = 0;
	if (!area || !area->pages)
		return 0;
	*protection = area->protection;
	*is_lent = area->pages->is_dmabuf;
	if (*is_lent)
		return dmabuf_physical(area->pages, area->offset + (iova - area->node.first));
	page = pages_pinned_page(area->pages, area_page_at(area, iova));
	return page ? page->phys +
			       ((area->offset + (iova - area->node.first)) & (SIM_PAGE_SIZE - 1))
		    : 0;
}

/* Whether nobody tracks what is written there, or it is known to be dirty. */
static bool is_tracked(struct requester from, uint64_t iova)
{
	const struct iommu_domain *domain = iommu_device_domain(from.device, from.pasid);

	if (iommu_domain_parent(domain))
		domain = iommu_domain_parent(domain);
	return !iommu_tracks(domain) || iommu_is_dirty(domain, iova);
}

static bool check_probe(struct isolation *isolation, const struct oracle_step *step,
	struct finding *finding, struct task *task, struct requester from, const struct ioas *ioas,
	uint64_t iova)
{
	bool is_lent = false;
	uint32_t allowed, given = 0;
	uint64_t expected = expected_at(ioas, iova, &allowed, &is_lent);
	uint64_t reached = iommu_device_probe(task, from.device, from.pasid, iova, &given);
	const struct page *page;

	if (!iommu_device_has_iommu(from.device))
		expected = 0;
	if (!reached && !expected)
		return true;
	if (reached && !expected)
		return finding_set(finding, ORACLE_ISOLATION, step->index, "dma after unmap",
			"device reaches physical %#llx at iova %#llx of PASID %u, which nothing "
			"maps for it",
			(unsigned long long)reached, (unsigned long long)iova, from.pasid);
	if (reached != expected)
		return finding_set(finding, ORACLE_ISOLATION, step->index,
			"dma reaches the wrong page",
			"iova %#llx: expected physical %#llx, device reaches %#llx",
			(unsigned long long)iova, (unsigned long long)expected,
			(unsigned long long)reached);
	if (given & ~(allowed | IOMMU_CACHED_DIRTY))
		return finding_set(finding, ORACLE_ISOLATION, step->index, "dma permission",
			"iova %#llx: the area allows %#x, the device may %#x",
			(unsigned long long)iova, allowed, given);
	if (given & IOMMU_CACHED_DIRTY && !is_tracked(from, iova))
		return finding_set(finding, ORACLE_ISOLATION, step->index, "dma is not tracked",
			"iova %#llx of PASID %u: a write would not make the clean entry dirty",
			(unsigned long long)iova, from.pasid);
	page = page_at(isolation->sim, reached & ~(SIM_PAGE_SIZE - 1));
	if (!page || (!page->pins && !is_lent))
		return finding_set(finding, ORACLE_ISOLATION, step->index,
			"dma to an unpinned page",
			"iova %#llx leads to physical %#llx, whose pin was given back",
			(unsigned long long)iova, (unsigned long long)reached);
	return true;
}

/* What was invalidated is not cached any more. */
static bool check_stale(
	const struct oracle_step *step, struct finding *finding, const struct iommu_device *device)
{
	uint64_t iova;

	if (!iommu_device_stale(device, &iova))
		return true;
	return finding_set(finding, ORACLE_ISOLATION, step->index, "stale translation",
		"a device still uses what was invalidated for iova %#llx",
		(unsigned long long)iova);
}

static void remember(struct isolation *isolation, struct requester from, uint64_t iova)
{
	if (isolation->count < PROBES_MAX)
		isolation->probes[isolation->count++] =
			(struct probe){from.device, from.pasid, iova};
}

/* Touches first and last byte of each area, so that the IOTLB knows them when they go. */
static bool touch_areas(struct isolation *isolation, const struct oracle_step *step,
	struct finding *finding, struct task *task, struct requester from, const struct ioas *ioas)
{
	struct range_item *node;
	uint32_t areas = 0;

	if (!ioas)
		return true;
	range_map_for_each(node, &ioas->areas)
	{
		if (!area_of(node)->pages)
			continue;
		if (++areas > AREAS_MAX)
			break;
		remember(isolation, from, node->first);
		if (!check_probe(isolation, step, finding, task, from, ioas, node->first))
			return false;
		if (node->first == node->last)
			continue;
		remember(isolation, from, node->last);
		if (!check_probe(isolation, step, finding, task, from, ioas, node->last))
			return false;
	}
	return true;
}

/* What the RID and the lowest PASIDs reach. */
static bool touch_device(struct isolation *isolation, const struct oracle_step *step,
	struct finding *finding, struct task *task, struct iommu_device *device)
{
	struct iommu_domain *domain;
	uint32_t pasid = 0;

	for (uint32_t n = 0; n < PASIDS_MAX; n++, pasid++) {
		domain = iommu_device_next_attached(device, &pasid);
		if (!domain)
			return true;
		if (!touch_areas(isolation, step, finding, task, (struct requester){device, pasid},
			    graph_ioas_of(isolation->sim, domain)))
			return false;
	}
	return true;
}

/* What was reached before the call must be reached no more, or still be right. */
static bool touch_again(struct isolation *isolation, const struct oracle_step *step,
	struct finding *finding, struct task *task, struct iommu_device *device,
	const struct probe *before, uint32_t count)
{
	const struct ioas *ioas = NULL;
	uint32_t pasid = UINT32_MAX; /* whose IOAS that is */

	for (uint32_t i = 0; i < count; i++) {
		struct requester from = {device, before[i].pasid};

		if (before[i].device != device)
			continue;
		if (pasid != from.pasid) {
			pasid = from.pasid;
			ioas = graph_ioas_of(isolation->sim, iommu_device_domain(device, pasid));
		}
		if (!check_probe(isolation, step, finding, task, from, ioas, before[i].iova))
			return false;
	}
	return true;
}

bool isolation_step(
	struct isolation *isolation, const struct oracle_step *step, struct finding *finding)
{
	struct task *task = sim_task(isolation->sim, 0, 0);
	uint32_t old = isolation->count;
	struct probe before[PROBES_MAX];
	struct iommu_device *device;

	if (!task || !iommu_device_nth(isolation->sim, 0))
		return true;
	memcpy(before, isolation->probes, old * sizeof(before[0]));
	isolation->count = 0;
	for (uint32_t n = 0; n < DEVICES_MAX && (device = iommu_device_nth(isolation->sim, n));
		n++) {
		if (!check_stale(step, finding, device) ||
			!touch_again(isolation, step, finding, task, device, before, old) ||
			!touch_device(isolation, step, finding, task, device))
			return false;
	}
	return true;
}
