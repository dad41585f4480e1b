/* SPDX-License-Identifier: Apache-2.0 */
/* Pages objects as accesses use them: records of pins, reading and writing. 7.5 to 7.7 */
#include "impl/iommufd/iommufd.h"

/* The record of exactly that interval. Pages mutex held. */
static struct access_record *find_record(const struct pages *pages, uint64_t first, uint64_t last)
{
	struct range_node *node = range_first(&pages->records, first, last);

	for (; node; node = range_next(node, first, last)) {
		if (node->first == first && node->last == last)
			return (struct access_record *)(void *)node;
	}
	return NULL;
}

static int new_record(struct task *task, struct pages *pages, uint64_t first, uint64_t last)
{
	struct access_record *record = sim_alloc(task, sizeof(*record));
	int rc;

	if (!record)
		return -ENOMEM;
	rc = pages_pin(task, pages, first, last, true);
	if (!rc && fault_here(task, FAULT_STORE)) {
		pages_release(task, pages, first, last);
		rc = -EINVAL;
	}
	if (rc) {
		sim_free(task, record, sizeof(*record));
		return rc;
	}
	record->node.first = first;
	record->node.last = last;
	record->users = 1;
	range_insert(&pages->records, &record->node);
	return 0;
}

int pages_add_record(struct task *task, struct pages *pages, struct area *area, uint64_t first,
	uint64_t last, struct page **out)
{
	struct access_record *record;
	int rc = 0;

	if (pages->is_dmabuf)
		return -EINVAL;
	mutex_lock(task, &pages->mutex);
	record = find_record(pages, first, last);
	if (record)
		record->users++;
	else
		rc = new_record(task, pages, first, last);
	if (!rc) {
		area->accesses++;
		for (uint64_t index = first; out && index <= last; index++)
			*out++ = pages_pinned_page(pages, index);
	}
	mutex_unlock(task, &pages->mutex);
	return rc;
}

bool pages_drop_record(
	struct task *task, struct pages *pages, struct area *area, uint64_t first, uint64_t last)
{
	struct access_record *record;
	bool found = false;

	mutex_lock(task, &pages->mutex);
	record = find_record(pages, first, last);
	if (record && area->accesses) {
		found = true;
		area->accesses--;
		if (!--record->users) {
			range_remove(&pages->records, &record->node);
			sim_free(task, record, sizeof(*record));
			pages_release(task, pages, first, last);
		}
	}
	mutex_unlock(task, &pages->mutex);
	return found;
}

/* Takes the area's pins from records inside [first, last]. */
static void drop_records_within(struct task *task, struct area *area, uint64_t first, uint64_t last)
{
	struct pages *pages = area->pages;
	struct range_node *node, *next;

	for (node = range_first(&pages->records, first, last); node && area->accesses;
		node = next) {
		struct access_record *record = (struct access_record *)node;
		uint32_t users = record->users < area->accesses ? record->users : area->accesses;

		next = range_next(node, first, last);
		if (node->first < first || node->last > last)
			continue;
		area->accesses -= users;
		record->users -= users;
		if (record->users)
			continue;
		range_remove(&pages->records, node);
		pages_release(task, pages, node->first, node->last);
		sim_free(task, record, sizeof(*record));
	}
}

void pages_drop_records(struct task *task, struct area *area)
{
	drop_records_within(task, area, area_first_page(area), area_last_page(area));
	/* A driver that has returned this area's pins in the name of another left that one's here.
	 */
	drop_records_within(task, area, 0, UINT64_MAX);
	area->accesses = 0;
}

/* Between a buffer and pinned pages of the object. */
static void copy_pinned(struct task *task, struct pages *pages, uint64_t offset, char *buffer,
	uint64_t length, bool write)
{
	while (length) {
		struct page *page = pages_pinned_page(pages, offset >> SIM_PAGE_SHIFT);
		uint64_t in_page = offset & (SIM_PAGE_SIZE - 1), count = SIM_PAGE_SIZE - in_page;

		count = count < length ? count : length;
		if (write)
			page_write(task, page, in_page, buffer, count);
		else
			page_read(task, page, in_page, buffer, count);
		buffer += count;
		offset += count;
		length -= count;
	}
}

/* The pin path: transient pins are not charged, and pages that are pinned already are used as they
 * are. */
static int rw_pinned(struct task *task, struct pages *pages, uint64_t offset, void *buffer,
	uint64_t length, bool write)
{
	uint64_t first = offset >> SIM_PAGE_SHIFT, last = (offset + length - 1) >> SIM_PAGE_SHIFT;
	int rc;

	mutex_lock(task, &pages->mutex);
	rc = pages_pin(task, pages, first, last, false);
	if (!rc) {
		schedule_point(task, SCHEDULE_USER_COPY);
		copy_pinned(task, pages, offset, buffer, length, write);
		pages_release(task, pages, first, last);
	}
	mutex_unlock(task, &pages->mutex);
	return rc;
}

/* One page of an address space as it is now; -ESRCH when the space is gone. */
static int rw_remote_page(
	struct task *task, struct mm *mm, uint64_t va, void *buffer, uint64_t length, bool write)
{
	struct page *page;
	int64_t count;

	if (!mm_get(mm))
		return -ESRCH;
	if (fault_here(task, FAULT_REMOTE)) {
		mm_put(task, mm);
		return -EINVAL;
	}
	schedule_point(task, SCHEDULE_USER_COPY);
	count = mm_pin_remote(task, mm, va & ~(SIM_PAGE_SIZE - 1), 1, write, &page);
	mm_put(task, mm);
	if (count < 0)
		return (int)count;
	if (write)
		page_write(task, page, va & (SIM_PAGE_SIZE - 1), buffer, length);
	else
		page_read(task, page, va & (SIM_PAGE_SIZE - 1), buffer, length);
	page_unpin(task, &page, 1);
	return 0;
}

/* A kernel thread borrows the source's address space and copies as its owner would: one user copy.
 */
static int rw_borrowed(
	struct task *task, struct mm *mm, uint64_t va, void *buffer, uint64_t length, bool write)
{
	int rc;

	if (fault_here(task, FAULT_USER_COPY) || !mm_get(mm))
		return -EFAULT;
	schedule_point(task, SCHEDULE_USER_COPY);
	rc = mm_copy_borrowed(task, mm, va, buffer, length, write);
	mm_put(task, mm);
	return rc;
}

/* The mapper itself: an ordinary user copy under the locks of a walk. 12.4 */
static int rw_own(struct task *task, uint64_t va, void *buffer, uint64_t length, bool write)
{
	uint64_t before =
		lock_allow_user_copy(task, UINT64_C(1) << LOCK_ACCESS | UINT64_C(1) << LOCK_IOVA);
	int rc = write ? copy_to_user(task, va, buffer, length)
		       : copy_from_user(task, buffer, va, length);

	lock_allow_user_copy(task, before);
	return rc;
}

int pages_rw(struct task *task, struct pages *pages, uint64_t offset, void *buffer, uint64_t length,
	uint32_t flags)
{
	bool write = flags & ACCESS_WRITE;
	uint64_t va = pages->start + offset;
	int rc;

	if (write && !pages->writable)
		return -EPERM;
	if (pages->is_dmabuf)
		return -EINVAL;
	/* A file has no address to copy from or to. */
	if (pages->file)
		return rw_pinned(task, pages, offset, buffer, length, write);
	if (flags & ACCESS_KTHREAD) {
		if (!mm_alive(pages->mm))
			return rw_pinned(task, pages, offset, buffer, length, write);
		return rw_borrowed(task, pages->mm, va, buffer, length, write);
	}
	if (task_mm(task) == pages->mm && !(flags & ACCESS_SLOW_PATH))
		return rw_own(task, va, buffer, length, write);
	if ((va & (SIM_PAGE_SIZE - 1)) + length > SIM_PAGE_SIZE)
		return rw_pinned(task, pages, offset, buffer, length, write);
	rc = rw_remote_page(task, pages->mm, va, buffer, length, write);
	if (rc == -ESRCH)
		rc = rw_pinned(task, pages, offset, buffer, length, write);
	return rc;
}
