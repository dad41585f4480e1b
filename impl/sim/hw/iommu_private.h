/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of the IOMMU, for impl/sim/hw only. */
#ifndef IOMMUZZ_SIM_HW_IOMMU_PRIVATE_H
#define IOMMUZZ_SIM_HW_IOMMU_PRIVATE_H

#include "impl/sim/hw/iommu.h"
#include "impl/sim/rangetree.h"
#include "impl/sim/sim_private.h"

/*
 * A run: what one iommu_map put down, or what is left of it. The entries of a run follow from it
 * (table_entry): at each place the largest page that is aligned in both spaces and lies inside.
 */
struct table_run {
	struct range_node node; /* bytes of IOVA; first */
	uint64_t phys;		/* of node.first */
	uint64_t sizes;		/* page sizes that this run may use */
	uint32_t protection;
};

struct page_table {
	struct range_tree runs;
	uint64_t entries;
	struct table_run *last; /* that a lookup found, or NULL */
};

/* One entry of a run, and so of the table. */
struct table_entry {
	uint64_t iova, size, phys;
	uint32_t protection;
};

/* The entry with iova, false when there is none. */
bool table_lookup(struct page_table *table, uint64_t iova, struct table_entry *entry);
/* The first entry that begins at or after iova. */
bool table_next(const struct page_table *table, uint64_t iova, struct table_entry *entry);
/* Nothing is mapped there, sizes are right. -ENOMEM: host memory. */
int table_map(
	struct sim *sim, struct page_table *table, const struct table_entry *range, uint64_t sizes);
/* Removes the entries inside [first, last]; the bytes removed. What host memory is too short to cut
 * stays. */
uint64_t table_unmap(struct sim *sim, struct page_table *table, uint64_t first, uint64_t last);
bool table_mapped(const struct page_table *table, uint64_t first, uint64_t last);
void table_clear(struct sim *sim, struct page_table *table);

#define IOTLB_SETS 16u
#define IOTLB_WAYS 4u

/* A cached piece of an entry, at most a page of SIM_PAGE_SIZE. */
struct iotlb_entry {
	uint64_t iova, phys;
	uint32_t size; /* 0: free */
	uint32_t pasid;
	uint32_t protection;
	uint32_t stamp; /* invalidations of its tag before, by device and attachment */
	bool dirty; /* the table knows that it was written through, and need not be told again */
};

struct iotlb {
	uint32_t used;
	uint8_t victim[IOTLB_SETS]; /* way that goes next */
	struct iotlb_entry entries[IOTLB_SETS][IOTLB_WAYS];
};

struct iotlb_entry *iotlb_lookup(struct iotlb *tlb, uint32_t pasid, uint64_t iova);
/* Fills in the piece of entry around iova and returns it. */
struct iotlb_entry *iotlb_fill(
	struct iotlb *tlb, uint32_t pasid, uint64_t iova, const struct table_entry *entry);
void iotlb_flush_range(struct iotlb *tlb, uint32_t pasid, uint64_t first, uint64_t last);
void iotlb_flush_pasid(struct iotlb *tlb, uint32_t pasid);
/* Of that PASID (UINT32_MAX: of any), and that tag (IOMMU_TAGS: any). */
void iotlb_flush_tag(struct iotlb *tlb, uint32_t pasid, uint32_t tag);
static inline uint32_t iotlb_tag(uint64_t iova)
{
	return (uint32_t)(iova >> SIM_PAGE_SHIFT) % IOMMU_TAGS;
}

struct attachment {
	struct attachment *next, **link; /* of the domain, or of the parent of a nested one */
	struct iommu_device *device;
	struct iommu_domain *domain;
	uint32_t pasid;
	struct attachment *next_pasid;	  /* of the device, by pasid */
	uint32_t invalidated[IOMMU_TAGS]; /* how often, under the device's lock */
};

/* The dirty bits of a domain, under its table_lock. */
struct dirty_map {
	struct range_tree blocks;
	struct dirty_block *last; /* that was written to, or NULL */
	unsigned shift;		  /* of the smallest page */
};

void dirty_init(struct dirty_map *map, uint64_t page_sizes);
/* Ranges of whole entries. What host memory is too short for is lost. */
void dirty_set(struct sim *sim, struct dirty_map *map, uint64_t first, uint64_t last);
void dirty_clear(struct sim *sim, struct dirty_map *map, uint64_t first, uint64_t last);
bool dirty_test(const struct dirty_map *map, uint64_t iova);
/* The bits of [first, last], for iommu_free_dirty; clear from now on if clear. */
struct iommu_dirty *dirty_take(
	struct sim *sim, struct dirty_map *map, uint64_t first, uint64_t last, bool clear);
/* The first run of dirty pages that begins at or after *first. */
bool dirty_next_run(const struct dirty_map *map, uint64_t *first, uint64_t *last);

struct iommu_domain {
	struct iommu_domain_config config;
	struct page_table table;
	struct dirty_map dirty; /* under table_lock */
	bool tracking;
	struct iommu_domain *parent; /* NULL: the only stage */
	struct spinlock table_lock;
	struct attachment *attachments;
	struct spinlock attachments_lock;
};

struct iommu_device {
	struct iommu_device *next, *previous; /* of the sim, by creation */
	uint32_t max_pasids;
	bool no_dirty_tracking;
	bool no_iommu;
	uint32_t requests_enabled, requests; /* how often; without an answer */
	bool next_refused;		     /* of the alternating PASID */
	uint32_t alternating;		     /* PASID, 0: none */
	struct attachment *attachments;	  /* changed by attaches, which their caller serialises */
	struct spinlock lock;		  /* a transfer, or a change of attachments and tlb */
	uint32_t invalidated[IOMMU_TAGS]; /* how often, under lock */
	struct iotlb tlb;
};

/* The domain that lists the attachments: whose flushes reach them. */
static inline struct iommu_domain *domain_root(struct iommu_domain *domain)
{
	return domain->parent ? domain->parent : domain;
}
/* One more invalidation of a tag, or of all. */
void invalidation_count(uint32_t *invalidated, uint32_t tag);
/* The entry with iova, behind all stages; takes table_lock. */
bool domain_lookup(
	struct task *task, struct iommu_domain *domain, uint64_t iova, struct table_entry *entry);
/* Takes the attachment at link out of its device and its domain. */
void attachment_remove(struct task *task, struct attachment **link);

#endif
