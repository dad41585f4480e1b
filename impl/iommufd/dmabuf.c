/* SPDX-License-Identifier: Apache-2.0 */
/* The dma-bufs of the tests: contiguous memory of an exporter, which may take it back from
 * everybody who has mapped it. 4.7, 10.24 */
#include "impl/iommufd/iommufd.h"

#define DMABUF_PAGES_MAX 512U
#define OPEN_CLOEXEC	 UINT32_C(0x80000) /* O_CLOEXEC */

/* The object of a FILE_DMABUF. */
struct dmabuf {
	struct mutex lock; /* the reservation lock: everything below `users` */
	struct mm_region *region;
	uint64_t phys, size; /* bytes */
	uint32_t users;	     /* mappings by processes: none */
	bool revoked;
	struct pages *attached; /* newest first; each holds the file */
};

/* A place where an area is in a domain, to take it out again. Under the pages mutex. */
struct dmabuf_mapping {
	struct dmabuf_mapping *next;
	const struct area *area;
	struct iommu_domain *domain;
	uint64_t iova, length;
};

static struct dmabuf *dmabuf_create(struct task *task, uint64_t size)
{
	struct dmabuf *dmabuf = sim_alloc(task, sizeof(*dmabuf));

	if (!dmabuf)
		return NULL;
	dmabuf->lock = mutex_init(LOCK_DMABUF);
	dmabuf->size = size;
	dmabuf->region = mm_region_create(task, size, &dmabuf->users, NULL);
	/* All pages are there from the start, one behind the other. */
	for (uint64_t i = size >> SIM_PAGE_SHIFT; dmabuf->region && i--;) {
		const struct page *page = mm_region_page(task, dmabuf->region, i);

		if (page) {
			dmabuf->phys = page->phys;
			continue;
		}
		mm_region_destroy(task, dmabuf->region);
		dmabuf->region = NULL;
	}
	if (dmabuf->region)
		return dmabuf;
	sim_free(task, dmabuf, sizeof(*dmabuf));
	return NULL;
}

static void dmabuf_free(struct task *task, struct dmabuf *dmabuf)
{
	mm_region_destroy(task, dmabuf->region);
	sim_free(task, dmabuf, sizeof(*dmabuf));
}

uint64_t dmabuf_file_size(const struct file *file)
{
	return ((const struct dmabuf *)file->object)->size;
}

void dmabuf_file_release(struct task *task, struct file *file)
{
	dmabuf_free(task, file->object);
}

int64_t handle_IOMMU_TEST_OP_DMABUF_GET(struct command *command)
{
	struct task *task = command->task;
	uint64_t size = (uint64_t)command->test.dmabuf_get.length + SIM_PAGE_SIZE - 1;
	uint32_t flags = command->test.dmabuf_get.open_flags;
	struct dmabuf *dmabuf;
	struct file *file;
	int fd;

	size &= ~(SIM_PAGE_SIZE - 1);
	if (!size && SIM_BUG(task, DMABUF_EMPTY))
		size = SIM_PAGE_SIZE;
	if (!size || size > (DMABUF_PAGES_MAX - SIM_BUG(task, DMABUF_ONE_LESS)) << SIM_PAGE_SHIFT)
		return -EINVAL;
	dmabuf = dmabuf_create(task, size);
	if (!dmabuf)
		return -ENOMEM;
	file = file_open(task, FILE_DMABUF, dmabuf, flags);
	if (!file) {
		dmabuf_free(task, dmabuf);
		return -ENOMEM;
	}
	fd = file_reserve_fd(task);
	if (fd < 0) {
		file_put(task, file);
		return fd;
	}
	file_install_fd(task, fd, file);
	if (flags & OPEN_CLOEXEC && !SIM_BUG(task, DMABUF_KEPT_BY_EXEC))
		file_close_on_exec(task, fd);
	/* The kernel of this profile forgets to tell, so that nobody knows of the descriptor. */
	return sim_configuration(task_sim(task))->dmabuf_descriptor ? fd : 0;
}

/* What reaches the memory goes, for good: the pages object is dead. The dma-buf's lock is held. */
static void pages_revoke(struct task *task, struct pages *pages)
{
	mutex_lock(task, &pages->mutex);
	while (pages->mappings) {
		struct dmabuf_mapping *mapping = pages->mappings;

		iommu_unmap(task, mapping->domain, mapping->iova, mapping->length);
		if (!SIM_BUG(task, REVOKE_NOT_FLUSHED))
			iommu_flush(task, mapping->domain, mapping->iova, mapping->length);
		pages->mappings = mapping->next;
		sim_free(task, mapping, sizeof(*mapping));
	}
	if (SIM_BUG(task, REVOKED_LATE)) {
		mutex_unlock(task, &pages->mutex);
		mutex_lock(task, &pages->mutex);
	}
	pages->revoked = true;
	mutex_unlock(task, &pages->mutex);
}

int64_t handle_IOMMU_TEST_OP_DMABUF_REVOKE(struct command *command)
{
	struct task *task = command->task;
	struct file *file = file_from_fd(task, command->test.dmabuf_revoke.dmabuf_fd);
	bool revoked = command->test.dmabuf_revoke.revoked;
	struct dmabuf *dmabuf;

	if (!file)
		return -EBADF;
	if (file->kind != FILE_DMABUF) {
		file_put(task, file);
		return -EINVAL;
	}
	dmabuf = file->object;
	mutex_lock(task, &dmabuf->lock);
	dmabuf->revoked = revoked;
	if (revoked || !SIM_BUG(task, REVOKE_ZERO_KEEPS)) {
		for (struct pages *pages = dmabuf->attached; pages; pages = pages->next_attached)
			pages_revoke(task, pages);
	}
	mutex_unlock(task, &dmabuf->lock);
	file_put(task, file);
	return 0;
}

int dmabuf_check_range(const struct file *file, uint64_t start, uint64_t length)
{
	const struct dmabuf *dmabuf = file->object;

	return dmabuf->size <= start + (length - 1) ? -EINVAL : 0;
}

int dmabuf_attach(struct task *task, struct pages *pages)
{
	struct dmabuf *dmabuf = pages->file->object;
	int rc = 0;

	mutex_lock(task, &dmabuf->lock);
	if (dmabuf->revoked && !SIM_BUG(task, REVOKED_ATTACHED)) {
		rc = -ENODEV;
	} else {
		if (SIM_BUG(task, DMABUF_ATTACH_UNLOCKED)) {
			mutex_unlock(task, &dmabuf->lock);
			mutex_lock(task, &dmabuf->lock);
		}
		pages->dmabuf = dmabuf;
		pages->next_attached = dmabuf->attached;
		dmabuf->attached = pages;
	}
	mutex_unlock(task, &dmabuf->lock);
	return rc;
}

void dmabuf_detach(struct task *task, struct pages *pages)
{
	struct dmabuf *dmabuf = pages->dmabuf;
	struct pages **link;

	if (!dmabuf)
		return;
	mutex_lock(task, &dmabuf->lock);
	for (link = &dmabuf->attached; *link != pages; link = &(*link)->next_attached)
		;
	*link = pages->next_attached;
	mutex_unlock(task, &dmabuf->lock);
	pages->dmabuf = NULL;
}

uint64_t dmabuf_physical(const struct pages *pages, uint64_t offset)
{
	return pages->revoked || !pages->dmabuf ? 0 : pages->dmabuf->phys + pages->start + offset;
}

int dmabuf_map(struct task *task, struct area *area, struct pages *pages,
	struct iommu_domain *domain, uint64_t largest)
{
	struct dmabuf_mapping *mapping;
	int rc;

	if (pages->revoked)
		return 0;
	mapping = sim_alloc(task, sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	mapping->area = area;
	mapping->domain = domain;
	mapping->iova = area->node.first;
	mapping->length = area_length(area);
	rc = iommu_map(task, domain, mapping->iova, dmabuf_physical(pages, area->offset),
		mapping->length, area->protection, largest);
	if (rc) {
		sim_free(task, mapping, sizeof(*mapping));
		return rc;
	}
	mapping->next = pages->mappings;
	pages->mappings = mapping;
	return 0;
}

bool dmabuf_unmap(struct task *task, const struct area *area, struct pages *pages,
	const struct iommu_domain *domain)
{
	struct dmabuf_mapping **link = &pages->mappings, *mapping;

	while ((mapping = *link) && (mapping->area != area || mapping->domain != domain))
		link = &mapping->next;
	if (!mapping)
		return false;
	*link = mapping->next;
	sim_free(task, mapping, sizeof(*mapping));
	return true;
}
