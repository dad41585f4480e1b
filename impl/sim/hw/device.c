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

void attachment_remove(struct task *task, struct attachment **link)
{
	struct attachment *attachment = *link;

	*link = attachment->next_pasid;
	*attachment->link = attachment->next;
	if (attachment->next)
		attachment->next->link = attachment->link;
	iotlb_flush_pasid(&attachment->device->tlb, attachment->pasid);
	sim_free(task, attachment, sizeof(*attachment));
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

int iommu_device_attach(
	struct task *task, struct iommu_device *device, uint32_t pasid, struct iommu_domain *domain)
{
	struct attachment **link, *attachment;

	if (pasid && pasid >= device->max_pasids)
		return -EINVAL;
	link = find_link(device, pasid);
	if (!domain) {
		if (*link && (*link)->pasid == pasid)
			attachment_remove(task, link);
		return 0;
	}
	if (fault_here(task, FAULT_DRIVER))
		return -EINVAL;
	attachment = sim_alloc(task, sizeof(*attachment));
	if (!attachment)
		return -ENOMEM;
	if (*link && (*link)->pasid == pasid)
		attachment_remove(task, link);
	*attachment = (struct attachment){.next = domain->attachments,
		.link = &domain->attachments,
		.device = device,
		.domain = domain,
		.pasid = pasid,
		.next_pasid = *link};
	if (attachment->next)
		attachment->next->link = &attachment->next;
	domain->attachments = attachment;
	*link = attachment;
	iotlb_flush_pasid(&device->tlb, pasid);
	return 0;
}

struct iommu_domain *iommu_device_domain(const struct iommu_device *device, uint32_t pasid)
{
	const struct attachment *attachment = device->attachments;

	while (attachment && attachment->pasid < pasid)
		attachment = attachment->next_pasid;
	return attachment && attachment->pasid == pasid ? attachment->domain : NULL;
}

/* Through the IOTLB, then the table. */
static const struct iotlb_entry *translate(
	struct iommu_device *device, uint32_t pasid, uint64_t iova)
{
	const struct iotlb_entry *cached = iotlb_lookup(&device->tlb, pasid, iova);
	struct iommu_domain *domain;
	struct table_entry entry;

	if (cached)
		return cached;
	domain = iommu_device_domain(device, pasid);
	if (!domain || !table_lookup(&domain->table, iova, &entry))
		return NULL;
	return iotlb_fill(&device->tlb, pasid, iova, &entry);
}

uint64_t iommu_device_probe(struct task *task, struct iommu_device *device, uint32_t pasid,
	uint64_t iova, uint32_t *protection)
{
	const struct iotlb_entry *cached = translate(device, pasid, iova);

	(void)task;
	if (!cached)
		return 0;
	*protection = cached->protection;
	return cached->phys + (iova - cached->iova);
}

/* A piece of a transfer: within one page. */
struct piece {
	uint64_t phys;
	uint32_t count;
};

/* Translates the whole range; the number of pieces, -EFAULT. pieces has room for one a 2 KiB unit
 * and two more. */
static int64_t translate_range(struct iommu_device *device, uint32_t pasid, uint64_t iova,
	uint64_t length, bool write, struct piece *pieces)
{
	uint32_t needed = write ? IOMMU_PROT_WRITE : IOMMU_PROT_READ;
	int64_t count = 0;

	while (length) {
		const struct iotlb_entry *cached = translate(device, pasid, iova);
		uint64_t part;

		if (!cached || !(cached->protection & needed))
			return -EFAULT;
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
	count = translate_range(device, pasid, iova, length, write, pieces);
	result = count < 0 ? (int)count : transfer(task, pieces, count, buffer, write);
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
