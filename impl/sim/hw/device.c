/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: attachments by PASID, and DMA. */
#include <errno.h>
#include <string.h>

#include "impl/sim/hw/iommu_private.h"
#include "impl/sim/mm/mm.h"

struct iommu_device *iommu_device_create(struct task *task, uint32_t max_pasids)
{
	struct sim *sim = task->sim;
	struct iommu_device *device = sim_alloc(task, sizeof(*device));

	if (!device)
		return NULL;
	device->max_pasids = max_pasids;
	device->lock = spinlock_init(LOCK_IOMMU_DEVICE);
	sim_enter(sim, &sim->state_lock);
	device->previous = sim->last_device;
	if (sim->last_device)
		sim->last_device->next = device;
	else
		sim->devices = device;
	sim->last_device = device;
	sim_leave(sim, &sim->state_lock);
	return device;
}

void iommu_device_forbid_dirty_tracking(struct iommu_device *device)
{
	device->no_dirty_tracking = true;
}

void iommu_device_without_iommu(struct iommu_device *device)
{
	device->no_iommu = true;
}

bool iommu_device_has_iommu(const struct iommu_device *device)
{
	return !device->no_iommu;
}

void iommu_device_alternate_pasid(struct iommu_device *device, uint32_t pasid)
{
	device->alternating = pasid;
}

bool iommu_device_tracks_dirty(const struct iommu_device *device)
{
	return !device->no_dirty_tracking;
}

static void list_in_domain(struct task *task, struct attachment *attachment)
{
	struct iommu_domain *domain = domain_root(attachment->domain);

	spin_lock(task, &domain->attachments_lock);
	attachment->next = domain->attachments;
	attachment->link = &domain->attachments;
	if (attachment->next)
		attachment->next->link = &attachment->next;
	domain->attachments = attachment;
	spin_unlock(task, &domain->attachments_lock);
}

/* Ends an attachment that its device no longer has. */
static void attachment_free(struct task *task, struct attachment *attachment)
{
	struct iommu_domain *domain = domain_root(attachment->domain);

	spin_lock(task, &domain->attachments_lock);
	*attachment->link = attachment->next;
	if (attachment->next)
		attachment->next->link = attachment->link;
	spin_unlock(task, &domain->attachments_lock);
	sim_free(task, attachment, sizeof(*attachment));
}

void attachment_remove(struct task *task, struct attachment **link)
{
	struct attachment *attachment = *link;
	struct iommu_device *device = attachment->device;

	spin_lock(task, &device->lock);
	*link = attachment->next_pasid;
	if (!attachment->pasid || !SIM_BUG(task, PASID_DETACH_NOT_FLUSHED))
		iotlb_flush_pasid(&device->tlb, attachment->pasid);
	spin_unlock(task, &device->lock);
	attachment_free(task, attachment);
}

void iommu_device_destroy(struct task *task, struct iommu_device *device)
{
	struct sim *sim = task->sim;

	while (device->attachments)
		attachment_remove(task, &device->attachments);
	sim_enter(sim, &sim->state_lock);
	if (device->previous)
		device->previous->next = device->next;
	else
		sim->devices = device->next;
	if (device->next)
		device->next->previous = device->previous;
	else
		sim->last_device = device->previous;
	sim_leave(sim, &sim->state_lock);
	sim_free(task, device, sizeof(*device));
}

/* Where the attachment of that PASID is, or would be. */
static struct attachment **find_link(struct iommu_device *device, uint32_t pasid)
{
	struct attachment **link = &device->attachments;

	while (*link && (*link)->pasid < pasid)
		link = &(*link)->next_pasid;
	return link;
}

/* What the hardware says to a domain for that PASID. */
static int check_attach(struct task *task, struct iommu_device *device, uint32_t pasid,
	const struct iommu_domain *domain)
{
	if (!pasid && device->no_dirty_tracking && domain->config.dirty_tracking &&
		!SIM_BUG(task, DIRTY_ATTACHED))
		return -EINVAL;
	if (fault_here(task, FAULT_DRIVER))
		return -EINVAL;
	if (pasid && pasid == device->alternating) {
		device->next_refused = !device->next_refused;
		if (!device->next_refused)
			return -ENOMEM;
	}
	return 0;
}

int iommu_device_attach(
	struct task *task, struct iommu_device *device, uint32_t pasid, struct iommu_domain *domain)
{
	struct attachment **link, *attachment, *old;
	int rc;

	if (pasid && pasid >= device->max_pasids && !SIM_BUG(task, PASID_RANGE))
		return -EINVAL;
	link = find_link(device, pasid);
	old = *link && (*link)->pasid == pasid ? *link : NULL;
	if (!domain) {
		if (pasid && pasid == device->alternating)
			device->next_refused = false;
		if (old)
			attachment_remove(task, link);
		return 0;
	}
	rc = check_attach(task, device, pasid, domain);
	if (rc)
		return rc;
	attachment = sim_alloc(task, sizeof(*attachment));
	if (!attachment)
		return -ENOMEM;
	*attachment = (struct attachment){.device = device,
		.domain = domain,
		.pasid = pasid,
		.next_pasid = old ? old->next_pasid : *link};
	/* Flushes of the new domain reach the device before it can use it, those of the old one
	 * until it cannot. */
	list_in_domain(task, attachment);
	spin_lock(task, &device->lock);
	*link = attachment;
	if (!pasid || !SIM_BUG(task, PASID_REPLACE_NOT_FLUSHED))
		iotlb_flush_pasid(&device->tlb, pasid);
	spin_unlock(task, &device->lock);
	if (old)
		attachment_free(task, old);
	return 0;
}

static const struct attachment *find_attachment(const struct iommu_device *device, uint32_t pasid)
{
	const struct attachment *attachment = device->attachments;

	while (attachment && attachment->pasid < pasid)
		attachment = attachment->next_pasid;
	return attachment && attachment->pasid == pasid ? attachment : NULL;
}

struct iommu_domain *iommu_device_domain(const struct iommu_device *device, uint32_t pasid)
{
	const struct attachment *attachment = find_attachment(device, pasid);

	return attachment ? attachment->domain : NULL;
}

struct iommu_domain *iommu_device_next_attached(const struct iommu_device *device, uint32_t *pasid)
{
	const struct attachment *attachment = device->attachments;

	while (attachment && attachment->pasid < *pasid)
		attachment = attachment->next_pasid;
	if (!attachment)
		return NULL;
	*pasid = attachment->pasid;
	return attachment->domain;
}

/* How often translations of that address were invalidated. */
static uint32_t stamp_of(
	const struct iommu_device *device, const struct attachment *attachment, uint64_t iova)
{
	uint32_t tag = iotlb_tag(iova);

	return device->invalidated[tag] + attachment->invalidated[tag];
}

void iommu_device_invalidate(struct task *task, struct iommu_device *device, uint32_t tag)
{
	spin_lock(task, &device->lock);
	invalidation_count(device->invalidated, tag);
	if (!SIM_BUG(task, CACHE_NOT_FLUSHED))
		iotlb_flush_tag(&device->tlb, UINT32_MAX, tag);
	spin_unlock(task, &device->lock);
}

static bool is_stale(const struct iommu_device *device, const struct iotlb_entry *entry)
{
	const struct attachment *attachment = find_attachment(device, entry->pasid);

	return attachment && entry->stamp != stamp_of(device, attachment, entry->iova);
}

bool iommu_device_stale(const struct iommu_device *device, uint64_t *iova)
{
	const struct iotlb_entry *entry = &device->tlb.entries[0][0];
	const struct iotlb_entry *end = entry + IOTLB_SETS * IOTLB_WAYS;

	for (; device->tlb.used && entry < end; entry++) {
		*iova = entry->iova;
		if (entry->size && is_stale(device, entry))
			return true;
	}
	return false;
}

/* Through the IOTLB, then the table. The device's lock is held. */
static struct iotlb_entry *translate(
	struct task *task, struct iommu_device *device, uint32_t pasid, uint64_t iova)
{
	struct iotlb_entry *cached = iotlb_lookup(&device->tlb, pasid, iova);
	const struct attachment *attachment;
	struct iotlb_entry *filled;
	struct table_entry entry;

	if (cached)
		return cached;
	attachment = find_attachment(device, pasid);
	if (!attachment || (device->no_iommu && !SIM_BUG(task, NOIOMMU_TRANSLATED)) ||
		!domain_lookup(task, attachment->domain, iova, &entry))
		return NULL;
	filled = iotlb_fill(&device->tlb, pasid, iova, &entry);
	filled->stamp = stamp_of(device, attachment, filled->iova);
	return filled;
}

uint64_t iommu_device_probe(struct task *task, struct iommu_device *device, uint32_t pasid,
	uint64_t iova, uint32_t *protection)
{
	const struct iotlb_entry *cached;
	uint64_t phys = 0;

	spin_lock(task, &device->lock);
	cached = translate(task, device, pasid, iova);
	if (cached) {
		*protection = cached->protection | (cached->dirty ? IOMMU_CACHED_DIRTY : 0);
		phys = cached->phys + (iova - cached->iova);
	}
	spin_unlock(task, &device->lock);
	return phys;
}

/* A piece of a transfer: within one page. */
struct piece {
	uint64_t phys;
	uint32_t count;
};

/* Translates the whole range; the number of pieces, -EFAULT, -EIO. pieces has room for one a 2 KiB
 * unit and two more. */
static int64_t translate_range(struct task *task, struct iommu_device *device, uint32_t pasid,
	uint64_t iova, uint64_t length, bool write, struct piece *pieces)
{
	uint32_t needed = write ? IOMMU_PROT_WRITE : IOMMU_PROT_READ;
	int64_t count = 0;

	while (length) {
		const struct iotlb_entry *cached = translate(task, device, pasid, iova);
		uint64_t part;

		if (!cached || !(cached->protection & needed))
			return -EFAULT;
		if (is_stale(device, cached)) {
			sim_warn(task, "dma by an invalidated translation", "iova %#llx",
				(unsigned long long)iova);
			return -EIO;
		}
		part = cached->size - (iova - cached->iova);
		if (part > length)
			part = length;
		pieces[count++] =
			(struct piece){cached->phys + (iova - cached->iova), (uint32_t)part};
		iova += part;
		length -= part;
	}
	return count;
}

static int transfer(
	struct task *task, const struct piece *pieces, int64_t count, uint8_t *buffer, bool write)
{
	struct sim *sim = task->sim;
	int64_t n;

	schedule_point(task, SCHEDULE_USER_COPY);
	for (n = 0; n < count; n++) {
		if (!page_at(sim, pieces[n].phys)) {
			sim_warn(task, "dma to a freed page", "physical address %#llx",
				(unsigned long long)pieces[n].phys);
			return -EIO;
		}
	}
	for (n = 0; n < count; n++) {
		struct page *page = page_at(sim, pieces[n].phys);
		size_t offset = pieces[n].phys % SIM_PAGE_SIZE;

		if (write)
			page_write(task, page, offset, buffer, pieces[n].count);
		else
			page_read(task, page, offset, buffer, pieces[n].count);
		buffer += pieces[n].count;
	}
	return 0;
}

/* The table learns what was written, if it tracks, unless the IOTLB knows that it does. */
static void mark_written(struct task *task, struct iommu_device *device, uint32_t pasid,
	uint64_t iova, uint64_t length)
{
	struct iommu_domain *domain = domain_root(iommu_device_domain(device, pasid));

	if (!iommu_tracks(domain) || SIM_BUG(task, DMA_NOT_DIRTY))
		return;
	while (length) {
		struct iotlb_entry *cached = translate(task, device, pasid, iova);
		uint64_t part;

		if (!cached)
			return;
		if (!cached->dirty)
			iommu_mark_dirty(task, domain, iova, 1, (const uint8_t[]){1}, 1);
		cached->dirty = true;
		part = cached->size - (iova - cached->iova);
		if (part >= length)
			return;
		iova += part;
		length -= part;
	}
}

int iommu_device_dma(struct task *task, struct iommu_device *device, uint32_t pasid, uint64_t iova,
	void *buffer, uint64_t length, bool write)
{
	struct piece few[18], *pieces = few;
	uint64_t room = length / 2048 + 2, last;
	int64_t count;
	int result;

	if (length && __builtin_add_overflow(iova, length - 1, &last))
		return -EFAULT;
	if (room > sizeof(few) / sizeof(few[0])) {
		pieces = sim_alloc_internal(task->sim, room * sizeof(*pieces));
		if (!pieces)
			return -ENOMEM;
	}
	/* Held to the end: an unmap's flush waits here, so that pages stay until the bytes have
	 * moved. */
	spin_lock(task, &device->lock);
	count = translate_range(task, device, pasid, iova, length, write, pieces);
	result = count < 0 ? (int)count : transfer(task, pieces, count, buffer, write);
	if (write && !result)
		mark_written(task, device, pasid, iova, length);
	spin_unlock(task, &device->lock);
	if (pieces != few)
		sim_free_internal(task->sim, pieces, room * sizeof(*pieces));
	return result;
}

struct iommu_device *iommu_device_nth(const struct sim *sim, uint32_t index)
{
	struct iommu_device *device;

	sim_enter(sim, &sim->state_lock);
	for (device = sim->devices; device && index; device = device->next)
		index--;
	sim_leave(sim, &sim->state_lock);
	return device;
}

uint32_t iommu_device_max_pasids(const struct iommu_device *device)
{
	return device->max_pasids;
}

/* ---- page requests ---- */

void iommu_device_enable_requests(struct task *task, struct iommu_device *device)
{
	spin_lock(task, &device->lock);
	device->requests_enabled += !device->no_iommu;
	spin_unlock(task, &device->lock);
}

void iommu_device_disable_requests(struct task *task, struct iommu_device *device)
{
	spin_lock(task, &device->lock);
	device->requests_enabled -= !device->no_iommu;
	spin_unlock(task, &device->lock);
}

bool iommu_device_request(struct task *task, struct iommu_device *device)
{
	bool enabled;

	spin_lock(task, &device->lock);
	enabled = device->requests_enabled;
	device->requests += enabled;
	spin_unlock(task, &device->lock);
	return enabled;
}

void iommu_device_answer(struct task *task, struct iommu_device *device, bool success)
{
	(void)success;
	spin_lock(task, &device->lock);
	if (device->requests)
		device->requests--;
	else
		sim_warn(task, "page-request", "a device gets an answer that it does not wait for");
	spin_unlock(task, &device->lock);
}

uint32_t iommu_device_requests(const struct iommu_device *device)
{
	return device->requests;
}

uint32_t iommu_device_requests_enabled(const struct iommu_device *device)
{
	return device->requests_enabled;
}
