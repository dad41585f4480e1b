/* SPDX-License-Identifier: Apache-2.0 */
/* The translation cache of a device: four ways, the oldest of a set goes first. */
#include "impl/sim/hw/iommu_private.h"

static uint32_t set_of(uint32_t pasid, uint64_t iova)
{
	return ((uint32_t)(iova >> SIM_PAGE_SHIFT) ^ pasid * 5) % IOTLB_SETS;
}

struct iotlb_entry *iotlb_lookup(struct iotlb *tlb, uint32_t pasid, uint64_t iova)
{
	struct iotlb_entry *set = tlb->entries[set_of(pasid, iova)];
	unsigned way;

	for (way = 0; way < IOTLB_WAYS; way++) {
		if (iova - set[way].iova < set[way].size && set[way].pasid == pasid)
			return &set[way];
	}
	return NULL;
}

struct iotlb_entry *iotlb_fill(
	struct iotlb *tlb, uint32_t pasid, uint64_t iova, const struct table_entry *entry)
{
	uint32_t set = set_of(pasid, iova);
	uint32_t size =
		entry->size < SIM_PAGE_SIZE ? (uint32_t)entry->size : (uint32_t)SIM_PAGE_SIZE;
	uint64_t start = iova & ~(uint64_t)(size - 1);
	struct iotlb_entry *free = NULL;
	unsigned way;

	for (way = 0; way < IOTLB_WAYS && !free; way++) {
		if (!tlb->entries[set][way].size)
			free = &tlb->entries[set][way];
	}
	if (free) {
		tlb->used++;
	} else {
		free = &tlb->entries[set][tlb->victim[set]];
		tlb->victim[set] = (uint8_t)((tlb->victim[set] + 1) % IOTLB_WAYS);
	}
	*free = (struct iotlb_entry){.iova = start,
		.phys = entry->phys + (start - entry->iova),
		.size = size,
		.pasid = pasid,
		.protection = entry->protection};
	return free;
}

static void flush_set(
	struct iotlb *tlb, uint32_t set, uint32_t pasid, uint64_t first, uint64_t last)
{
	unsigned way;

	for (way = 0; way < IOTLB_WAYS; way++) {
		struct iotlb_entry *entry = &tlb->entries[set][way];

		if (entry->size && entry->pasid == pasid && entry->iova <= last &&
			entry->iova + (entry->size - 1) >= first) {
			entry->size = 0;
			tlb->used--;
		}
	}
}

void iotlb_flush_range(struct iotlb *tlb, uint32_t pasid, uint64_t first, uint64_t last)
{
	uint64_t page = first >> SIM_PAGE_SHIFT, end = last >> SIM_PAGE_SHIFT;
	uint32_t set;

	if (!tlb->used)
		return;
	if (end - page < IOTLB_SETS) {
		for (; page <= end; page++)
			flush_set(tlb, set_of(pasid, page << SIM_PAGE_SHIFT), pasid, first, last);
		return;
	}
	for (set = 0; set < IOTLB_SETS; set++)
		flush_set(tlb, set, pasid, first, last);
}

void iotlb_flush_pasid(struct iotlb *tlb, uint32_t pasid)
{
	iotlb_flush_range(tlb, pasid, 0, UINT64_MAX);
}

void iotlb_flush_tag(struct iotlb *tlb, uint32_t pasid, uint32_t tag)
{
	struct iotlb_entry *entry = &tlb->entries[0][0];
	struct iotlb_entry *end = entry + IOTLB_SETS * IOTLB_WAYS;

	if (!tlb->used)
		return;
	for (; entry < end; entry++) {
		if (entry->size && (pasid == UINT32_MAX || entry->pasid == pasid) &&
			(tag == IOMMU_TAGS || iotlb_tag(entry->iova) == tag)) {
			entry->size = 0;
			tlb->used--;
		}
	}
}
