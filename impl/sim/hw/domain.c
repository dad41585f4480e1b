/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "impl/sim/hw/iommu_private.h"

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
		range_tree_init(&domain->table.runs);
	}
	return domain;
}

void iommu_domain_destroy(struct task *task, struct iommu_domain *domain)
{
	if (domain->attachments)
		sim_warn(task, "domain-in-use", "a domain with devices attached is destroyed");
	while (domain->attachments) {
		struct attachment **link = &domain->attachments->device->attachments;

		while (*link != domain->attachments)
			link = &(*link)->next_pasid;
		attachment_remove(task, link);
	}
	table_clear(task->sim, &domain->table);
	sim_free(task, domain, sizeof(*domain));
}

const struct iommu_domain_config *iommu_domain_config(const struct iommu_domain *domain)
{
	return &domain->config;
}

int iommu_map(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t phys,
	uint64_t length, uint32_t protection, uint64_t largest)
{
	const struct iommu_domain_config *config = &domain->config;
	struct table_entry range = {iova, length, phys, protection};
	uint64_t smallest = config->page_sizes & -config->page_sizes, sizes = config->page_sizes;

	if (!(protection & (IOMMU_PROT_READ | IOMMU_PROT_WRITE)) || !length)
		return -EINVAL;
	if (iova < config->aperture_first || iova > config->aperture_last ||
		length - 1 > config->aperture_last - iova)
		return -ERANGE;
	if ((iova | phys | length) & (smallest - 1))
		return -ENXIO;
	if (table_mapped(&domain->table, iova, iova + length - 1))
		return -EADDRINUSE;
	if (fault_here(task, FAULT_PAGE_TABLE))
		return -ENOMEM;
	if (largest && largest >= smallest)
		sizes &= largest * 2 - 1;
	return table_map(task->sim, &domain->table, &range, sizes);
}

uint64_t iommu_unmap(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t length)
{
	uint64_t last;

	if (!length)
		return 0;
	if (__builtin_add_overflow(iova, length - 1, &last))
		last = UINT64_MAX;
	return table_unmap(task->sim, &domain->table, iova, last);
}

void iommu_flush(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t length)
{
	struct attachment *attachment;
	uint64_t last;

	(void)task;
	if (!length)
		return;
	if (__builtin_add_overflow(iova, length - 1, &last))
		last = UINT64_MAX;
	for (attachment = domain->attachments; attachment; attachment = attachment->next)
		iotlb_flush_range(&attachment->device->tlb, attachment->pasid, iova, last);
}

uint64_t iommu_translate(const struct iommu_domain *domain, uint64_t iova)
{
	struct table_entry entry;

	/* A lookup remembers where it was, which nobody sees. */
	if (!table_lookup(&((struct iommu_domain *)(uintptr_t)domain)->table, iova, &entry))
		return 0;
	return entry.phys + (iova - entry.iova);
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
