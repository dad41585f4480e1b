/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "impl/abi/catalogue.h"
#include "impl/sim/hw/iommu_private.h"
#include "impl/sim/mm/mm.h"

struct iommu_domain *iommu_domain_create(
	struct task *task, const struct iommu_domain_config *config)
{
	struct iommu_domain *domain = sim_alloc(task, sizeof(*domain));

	if (domain && fault_here(task, FAULT_PAGE_TABLE)) {
		sim_free(task, domain, sizeof(*domain));
		return NULL;
	}
	if (domain) {
		domain->config = *config;
		domain->table_lock = spinlock_init(LOCK_IOMMU_TABLE);
		domain->attachments_lock = spinlock_init(LOCK_IOMMU_DOMAIN);
		range_tree_init(&domain->table.runs);
		dirty_init(&domain->dirty, config->page_sizes);
	}
	return domain;
}

struct iommu_domain *iommu_domain_create_nested(struct task *task, struct iommu_domain *parent)
{
	struct iommu_domain_config config = parent->config;
	struct iommu_domain *domain;

	config.dirty_tracking = false;
	domain = iommu_domain_create(task, &config);
	if (domain)
		domain->parent = parent;
	return domain;
}

struct iommu_domain *iommu_domain_parent(const struct iommu_domain *domain)
{
	return domain->parent;
}

/* A device attached to it; of those to the parent only its own. */
static struct attachment *find_attachment(struct iommu_domain *domain)
{
	struct attachment *attachment = domain_root(domain)->attachments;

	while (attachment && domain->parent && attachment->domain != domain)
		attachment = attachment->next;
	return attachment;
}

void iommu_domain_destroy(struct task *task, struct iommu_domain *domain)
{
	struct attachment *attachment = find_attachment(domain);

	if (attachment)
		sim_warn(task, "domain-in-use", "a domain with devices attached is destroyed");
	for (; attachment; attachment = find_attachment(domain)) {
		struct attachment **link = &attachment->device->attachments;

		while (*link != attachment)
			link = &(*link)->next_pasid;
		attachment_remove(task, link);
	}
	dirty_clear(task->sim, &domain->dirty, 0, UINT64_MAX);
	table_clear(task->sim, &domain->table);
	sim_free(task, domain, sizeof(*domain));
}

const struct iommu_domain_config *iommu_domain_config(const struct iommu_domain *domain)
{
	return &domain->config;
}

static int map_locked(struct task *task, struct iommu_domain *domain,
	const struct table_entry *range, uint64_t sizes)
{
	if (table_mapped(&domain->table, range->iova, range->iova + range->size - 1))
		return -EADDRINUSE;
	if (fault_here(task, FAULT_PAGE_TABLE))
		return -ENOMEM;
	return table_map(task->sim, &domain->table, range, sizes);
}

static bool is_huge(const struct sim *sim, uint64_t phys)
{
	const struct page *page = page_at(sim, phys);

	return page && page->compound;
}

int iommu_map(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t phys,
	uint64_t length, uint32_t protection, uint64_t largest)
{
	const struct iommu_domain_config *config = &domain->config;
	struct table_entry range = {iova, length, phys, protection};
	uint64_t smallest = config->page_sizes & -config->page_sizes, sizes = config->page_sizes;
	int rc;

	/* Before the mock had page tables in earnest it did not look at the access. */
	if (!length || (!(protection & (IOMMU_PROT_READ | IOMMU_PROT_WRITE)) &&
			       sim_since(task->sim, LINUX(6, 19))))
		return -EINVAL;
	if (iova < config->aperture_first || iova > config->aperture_last ||
		length - 1 > config->aperture_last - iova)
		return -ERANGE;
	if ((iova | phys | length) & (smallest - 1))
		return -ENXIO;
	if (task->sim->config.scattered && !is_huge(task->sim, phys))
		largest = SIM_PAGE_SIZE;
	if (largest && largest >= smallest)
		sizes &= largest * 2 - 1;
	spin_lock(task, &domain->table_lock);
	rc = map_locked(task, domain, &range, sizes);
	spin_unlock(task, &domain->table_lock);
	return rc;
}

uint64_t iommu_unmap(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t length)
{
	uint64_t last, bytes;

	if (!length)
		return 0;
	if (__builtin_add_overflow(iova, length - 1, &last))
		last = UINT64_MAX;
	spin_lock(task, &domain->table_lock);
	bytes = table_unmap(task->sim, &domain->table, iova, last);
	if (domain->dirty.blocks.count && !SIM_BUG(task, DIRTY_NOT_FORGOTTEN))
		dirty_clear(task->sim, &domain->dirty, iova, last);
	spin_unlock(task, &domain->table_lock);
	return bytes;
}

void iommu_flush(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t length)
{
	struct attachment *attachment;
	uint64_t last;

	if (!length)
		return;
	if (__builtin_add_overflow(iova, length - 1, &last))
		last = UINT64_MAX;
	spin_lock(task, &domain->attachments_lock);
	for (attachment = domain->attachments; attachment; attachment = attachment->next) {
		struct iommu_device *device = attachment->device;

		spin_lock(task, &device->lock);
		/* Which addresses of a nested domain lead here only its guest knows. */
		if (attachment->domain == domain)
			iotlb_flush_range(&device->tlb, attachment->pasid, iova, last);
		else if (!SIM_BUG(task, NESTED_UNMAP_NOT_FLUSHED))
			iotlb_flush_pasid(&device->tlb, attachment->pasid);
		spin_unlock(task, &device->lock);
	}
	spin_unlock(task, &domain->attachments_lock);
}

void invalidation_count(uint32_t *invalidated, uint32_t tag)
{
	for (uint32_t n = 0; n < IOMMU_TAGS; n++)
		if (tag == IOMMU_TAGS || tag == n)
			invalidated[n]++;
}

void iommu_domain_invalidate(struct task *task, struct iommu_domain *domain, uint32_t tag)
{
	struct iommu_domain *root = domain_root(domain);
	struct attachment *attachment;

	spin_lock(task, &root->attachments_lock);
	for (attachment = root->attachments; attachment; attachment = attachment->next) {
		struct iommu_device *device = attachment->device;

		if (attachment->domain != domain)
			continue;
		spin_lock(task, &device->lock);
		invalidation_count(attachment->invalidated, tag);
		if (!SIM_BUG(task, INVALIDATE_NOT_FLUSHED))
			iotlb_flush_tag(&device->tlb, attachment->pasid, tag);
		spin_unlock(task, &device->lock);
	}
	spin_unlock(task, &root->attachments_lock);
}

static bool stage_lookup(
	struct task *task, struct iommu_domain *domain, uint64_t iova, struct table_entry *entry)
{
	bool found;

	spin_lock(task, &domain->table_lock);
	found = table_lookup(&domain->table, iova, entry);
	spin_unlock(task, &domain->table_lock);
	return found;
}

bool domain_lookup(
	struct task *task, struct iommu_domain *domain, uint64_t iova, struct table_entry *entry)
{
	struct table_entry second;
	uint64_t at, start;

	if (!stage_lookup(task, domain, iova, entry))
		return false;
	if (!domain->parent)
		return true;
	at = entry->phys + (iova - entry->iova);
	if (!stage_lookup(task, domain->parent, at, &second))
		return false;
	if (second.size < entry->size)
		entry->size = second.size;
	start = iova & ~(entry->size - 1);
	entry->phys = second.phys + (at - (iova - start) - second.iova);
	entry->iova = start;
	entry->protection &= second.protection;
	return true;
}

uint64_t iommu_translate(struct task *task, struct iommu_domain *domain, uint64_t iova)
{
	struct table_entry entry;

	return domain_lookup(task, domain, iova, &entry) ? entry.phys + (iova - entry.iova) : 0;
}

bool iommu_next_entry(const struct iommu_domain *domain, uint64_t *iova, uint64_t *size,
	uint64_t *phys, uint32_t *protection)
{
	struct table_entry entry;

	if (!table_next(&domain->table, *iova, &entry))
		return false;
	*iova = entry.iova;
	*size = entry.size;
	*phys = entry.phys;
	*protection = entry.protection;
	return true;
}

uint64_t iommu_entry_count(const struct iommu_domain *domain)
{
	return domain->table.entries;
}

void iommu_track_dirty(struct iommu_domain *domain, bool on)
{
	__atomic_store_n(&domain->tracking, on, __ATOMIC_RELAXED);
}

bool iommu_tracks(const struct iommu_domain *domain)
{
	return __atomic_load_n(&domain->tracking, __ATOMIC_RELAXED);
}

uint64_t iommu_mark_dirty(struct task *task, struct iommu_domain *domain, uint64_t iova,
	uint64_t unit, const uint8_t *bits, uint64_t count)
{
	struct table_entry entry = {.size = 0};
	uint64_t marked = 0;

	spin_lock(task, &domain->table_lock);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = iova + i * unit;

		if (!bits[i / 8]) {
			i |= 7;
			continue;
		}
		if (!(bits[i / 8] & 1 << i % 8))
			continue;
		if (at - entry.iova < entry.size) { /* is marked already */
			marked++;
			continue;
		}
		if (!table_lookup(&domain->table, at, &entry)) {
			entry.size = 0;
			continue;
		}
		marked++;
		dirty_set(task->sim, &domain->dirty, entry.iova, entry.iova + (entry.size - 1));
	}
	spin_unlock(task, &domain->table_lock);
	return marked;
}

struct iommu_dirty *iommu_take_dirty(
	struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t last, bool clear)
{
	struct iommu_dirty *list = NULL;
	struct table_entry entry;

	spin_lock(task, &domain->table_lock);
	if (table_lookup(&domain->table, last, &entry))
		last = entry.iova + (entry.size - 1);
	if (table_lookup(&domain->table, iova, &entry) && entry.iova < iova) {
		if (clear)
			dirty_clear(task->sim, &domain->dirty, entry.iova,
				entry.iova + (entry.size - 1));
		iova = entry.iova + (entry.size - 1);
		iova += iova != UINT64_MAX;
	}
	if (iova <= last)
		list = dirty_take(task->sim, &domain->dirty, iova, last, clear);
	spin_unlock(task, &domain->table_lock);
	return list;
}

uint64_t iommu_dirty_unit(const struct iommu_domain *domain)
{
	return UINT64_C(1) << domain->dirty.shift;
}

bool iommu_next_dirty(const struct iommu_domain *domain, uint64_t *first, uint64_t *last)
{
	return dirty_next_run(&domain->dirty, first, last);
}

bool iommu_is_dirty(const struct iommu_domain *domain, uint64_t iova)
{
	return dirty_test(&domain->dirty, iova);
}
