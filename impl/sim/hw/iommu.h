/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOMMU as a device: page tables with several page sizes, an IOTLB per device that must be
 * flushed, devices that do DMA through it. Knows nothing of iommufd.
 *
 * Locks: tables, attachments and IOTLBs have spinlocks of their own, since a device does DMA
 * whenever it likes: while its domain is mapped, unmapped, flushed or replaced. What the
 * specification's locks order is left to callers: maps of one range (domains and iova locks),
 * attaches of one device (group mutex). Order: iommu_domain, iommu_device, iommu_table. Ends of
 * objects need that nobody uses them; functions without a task look without locks and are for
 * oracles, between calls.
 */
#ifndef IOMMUZZ_SIM_HW_IOMMU_H
#define IOMMUZZ_SIM_HW_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

struct task;
struct sim;

enum iommu_protection { IOMMU_PROT_READ = 1, IOMMU_PROT_WRITE = 2 };

struct iommu_domain_config {
	uint64_t page_sizes;			/* bit n set: pages of 2^n bytes */
	uint64_t aperture_first, aperture_last; /* inclusive */
	bool dirty_tracking;
	bool software; /* for devices without an IOMMU: translates nobody's DMA */
};

struct iommu_domain; /* one IO page table */

/* NULL: no memory (fault points ALLOC, PAGE_TABLE). */
struct iommu_domain *iommu_domain_create(
	struct task *task, const struct iommu_domain_config *config);
/* The table must be empty of attachments; entries left are dropped. */
void iommu_domain_destroy(struct task *task, struct iommu_domain *domain);
const struct iommu_domain_config *iommu_domain_config(const struct iommu_domain *domain);

#define IOMMU_TAGS 4u /* by which cached translations are invalidated: page number modulo this */

/*
 * The first of two stages: what its own table, empty at first, leads to is translated once more by
 * parent, a domain that is not nested and outlives it. What the parent unmaps and flushes leaves
 * the devices attached here, too. NULL: no memory.
 */
struct iommu_domain *iommu_domain_create_nested(struct task *task, struct iommu_domain *parent);
/* NULL: it is not nested. */
struct iommu_domain *iommu_domain_parent(const struct iommu_domain *domain);
/* A guest has changed its table: drops the translations of a tag (IOMMU_TAGS: of all) that devices
 * attached to a nested domain have cached. */
void iommu_domain_invalidate(struct task *task, struct iommu_domain *domain, uint32_t tag);

/*
 * Maps [iova, +length) to the physically contiguous [phys, +length), with the largest page sizes
 * that fit, never larger than largest (0: no limit; PAGE_SIZE when large pages are disabled).
 * -ENXIO misaligned, -EADDRINUSE already mapped, -ENOMEM (fault point PAGE_TABLE), -ERANGE outside
 * the aperture, -EINVAL no protection bits; on error nothing stays mapped.
 */
int iommu_map(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t phys,
	uint64_t length, uint32_t protection, uint64_t largest);
/* Removes every entry inside [iova, +length) (entries never straddle what iommu_map was given).
 * Bytes removed. Does not flush. */
uint64_t iommu_unmap(
	struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t length);
/*
 * Drops translations of [iova, +length) from the IOTLB of every device attached to the domain.
 * After the return no DMA that used one is under way.
 */
void iommu_flush(struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t length);
/* Translation by the tables (not the IOTLB): physical address of iova, 0 when not mapped
 * (specification 10.20). */
uint64_t iommu_translate(struct task *task, struct iommu_domain *domain, uint64_t iova);
/*
 * The next entry at or after *iova: its start in *iova, size, physical address, protection. False
 * when none. For audits and dirty bitmaps.
 */
bool iommu_next_entry(const struct iommu_domain *domain, uint64_t *iova, uint64_t *size,
	uint64_t *phys, uint32_t *protection);
/* How many entries, of whatever size, the table holds. */
uint64_t iommu_entry_count(const struct iommu_domain *domain);

/*
 * Dirty entries of a domain with dirty_tracking: those that devices wrote through while the
 * hardware tracked. What is not mapped is never dirty; entries that are unmapped are forgotten.
 * Whether the hardware tracks is a switch of its own: off leaves what is dirty. IOTLBs remember
 * that an entry is dirty, so whoever makes it clean must flush.
 */
void iommu_track_dirty(struct iommu_domain *domain, bool on);
bool iommu_tracks(const struct iommu_domain *domain);
#define IOMMU_DIRTY_WORDS 128u

/* Dirty bits at one moment, by ascending IOVA. */
struct iommu_dirty {
	struct iommu_dirty *next;
	uint64_t iova; /* of the lowest bit of bits[0]; a bit stands for iommu_dirty_unit bytes */
	uint64_t bits[IOMMU_DIRTY_WORDS];
};

/*
 * For each bit i that is set in `bits` (count of them, lowest first): the entry with iova + i *
 * unit becomes dirty, if there is one. All at one moment. How many of them had an entry.
 */
uint64_t iommu_mark_dirty(struct task *task, struct iommu_domain *domain, uint64_t iova,
	uint64_t unit, const uint8_t *bits, uint64_t count);
/*
 * The dirty entries that reach into [iova, last], all bits of each that begins there; clean from
 * now on if clear, also one that begins before. The caller frees the list (NULL: nothing is dirty).
 */
struct iommu_dirty *iommu_take_dirty(
	struct task *task, struct iommu_domain *domain, uint64_t iova, uint64_t last, bool clear);
void iommu_free_dirty(struct task *task, struct iommu_dirty *list);
/* Bytes that a bit stands for. */
uint64_t iommu_dirty_unit(const struct iommu_domain *domain);
/* For oracles: the first run of dirty bytes at or after *first. */
bool iommu_next_dirty(const struct iommu_domain *domain, uint64_t *first, uint64_t *last);
bool iommu_is_dirty(const struct iommu_domain *domain, uint64_t iova);

struct iommu_device; /* something that does DMA; attached per PASID */

/* A device with PASIDs 0 to max_pasids - 1, none of them attached. Fault point ALLOC: NULL. */
struct iommu_device *iommu_device_create(struct task *task, uint32_t max_pasids);
/* Domains with dirty tracking are refused from here on. */
void iommu_device_forbid_dirty_tracking(struct iommu_device *device);
/* From here on every second attach in a row of that PASID (not 0) finds no memory; a detach begins
 * anew. */
void iommu_device_alternate_pasid(struct iommu_device *device, uint32_t pasid);
/* No IOMMU is in front of it: it reaches nothing by IOVA, and makes no page requests. Which domains
 * it is attached to is the caller's business. */
void iommu_device_without_iommu(struct iommu_device *device);
bool iommu_device_has_iommu(const struct iommu_device *device);
bool iommu_device_tracks_dirty(const struct iommu_device *device);
/* Detaches everything first. */
void iommu_device_destroy(struct task *task, struct iommu_device *device);
/*
 * Makes domain (NULL: blocked) the translation of that PASID (0: the RID) and flushes the device's
 * IOTLB for it. Passes fault point DRIVER (-EINVAL) and ALLOC (-ENOMEM) when domain is not NULL; on
 * error the old one stays. -EINVAL: no such PASID, or the RID cannot use a domain that tracks dirty
 * pages.
 */
int iommu_device_attach(struct task *task, struct iommu_device *device, uint32_t pasid,
	struct iommu_domain *domain);
struct iommu_domain *iommu_device_domain(const struct iommu_device *device, uint32_t pasid);
/* The first attachment from *pasid on, which becomes its PASID; NULL when there is none. */
struct iommu_domain *iommu_device_next_attached(const struct iommu_device *device, uint32_t *pasid);

/*
 * Page requests. A device makes them while somebody has enabled them, as often as he disables them
 * again, and waits for one answer to each. False: not enabled.
 */
void iommu_device_enable_requests(struct task *task, struct iommu_device *device);
void iommu_device_disable_requests(struct task *task, struct iommu_device *device);
bool iommu_device_request(struct task *task, struct iommu_device *device);
void iommu_device_answer(struct task *task, struct iommu_device *device, bool success);
/* Requests without an answer, and how often they are enabled. For oracles. */
uint32_t iommu_device_requests(const struct iommu_device *device);
uint32_t iommu_device_requests_enabled(const struct iommu_device *device);

/*
 * One DMA transfer, translated through the IOTLB (filled from the table on a miss). First the whole
 * range is translated; 0, or -EFAULT when something is not translated or not permitted (nothing is
 * transferred then), or -EIO when a translation leads to a page that no longer exists (a use after
 * unpin: reported as "dma to a freed page") or was invalidated and is still cached ("dma by an
 * invalidated translation").
 */
int iommu_device_dma(struct task *task, struct iommu_device *device, uint32_t pasid, uint64_t iova,
	void *buffer, uint64_t length, bool write);
#define IOMMU_CACHED_DIRTY 4u
/* What the device would reach now at iova: physical address through IOTLB then table, 0 on a fault.
 * Fills the IOTLB. *protection has IOMMU_CACHED_DIRTY if a write would not tell the table. */
uint64_t iommu_device_probe(struct task *task, struct iommu_device *device, uint32_t pasid,
	uint64_t iova, uint32_t *protection);
/* Drops the translations of a tag (IOMMU_TAGS: of all) that the device has cached, of every PASID.
 */
void iommu_device_invalidate(struct task *task, struct iommu_device *device, uint32_t tag);
/* A cached translation from before the last invalidation of its tag, its address in *iova. For
 * oracles. */
bool iommu_device_stale(const struct iommu_device *device, uint64_t *iova);
/* Every device of the sim, by creation order, for oracles: index from 0, NULL at the end. */
struct iommu_device *iommu_device_nth(const struct sim *sim, uint32_t index);
uint32_t iommu_device_max_pasids(const struct iommu_device *device);

#endif
