/* SPDX-License-Identifier: Apache-2.0 */
/* Pages objects: which source pages are pinned, for whom and at whose charge; filling of
 * domains. 3.1, 3.2, 11 */
#include "impl/iommufd/iommufd.h"

struct pages *pages_create(struct task *task, struct iommufd_context *context, struct file *file,
	uint64_t start, uint64_t length, bool writable)
{
	struct pages *pages = sim_alloc(task, sizeof(*pages));
	uint64_t offset = start & (SIM_PAGE_SIZE - 1);

	if (!pages)
		return NULL;
	pages->references = 1;
	pages->mutex = mutex_init(LOCK_PAGES);
	pages->mm = mm_grab(task_mm(task));
	pages->process = process_get(task_process(task));
	pages->file = file ? file_get(file) : NULL;
	pages->start = start - offset;
	/* length is at most U64_MAX - PAGE_SIZE, but the sum with offset may be more: count without
	 * it. */
	pages->count =
		(length >> SIM_PAGE_SHIFT) +
		(((length & (SIM_PAGE_SIZE - 1)) + offset + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT);
	pages->writable = writable;
	pages->is_dmabuf = file && file->kind == FILE_DMABUF;
	if (pages->is_dmabuf ||
		(task_capable(task, SIM_CAP_IPC_LOCK) && !SIM_BUG(task, CAPABILITY_IGNORED)))
		pages->account = ACCOUNT_NONE;
	else
		pages->account = context->account_mm && !SIM_BUG(task, ACCOUNT_MODE) ? ACCOUNT_MM
										     : ACCOUNT_USER;
	/* The three trees are zero, which is empty: most objects never need them. */
	return pages;
}

void pages_get(struct task *task, struct pages *pages)
{
	schedule_point(task, SCHEDULE_PUT);
	__atomic_fetch_add(&pages->references, 1, __ATOMIC_RELAXED);
}

void pages_put(struct task *task, struct pages *pages)
{
	schedule_point(task, SCHEDULE_PUT);
	/* Nobody can add a reference to the last one, so no atomic step is needed to see that it is
	 * the last. */
	if (__atomic_load_n(&pages->references, __ATOMIC_ACQUIRE) != 1 &&
		__atomic_sub_fetch(&pages->references, 1, __ATOMIC_ACQ_REL))
		return;
	dmabuf_detach(task, pages);
	if (pages->file && !SIM_BUG(task, SOURCE_FILE_KEPT))
		file_put(task, pages->file);
	mm_drop(task, pages->mm);
	process_put(task, pages->process);
	sim_free(task, pages, sizeof(*pages));
}

/* Charges what is pinned and not charged yet. 11 */
static int pages_charge(struct task *task, struct pages *pages)
{
	uint64_t more = pages->pinned - pages->charged;
	uint64_t limit = process_memlock(pages->process);

	if (pages->pinned <= pages->charged)
		return 0;
	schedule_point(task, SCHEDULE_ACCESS);
	if (fault_here(task, FAULT_ACCOUNT))
		return -ENOMEM;
	if (SIM_BUG(task, ACCOUNT_ALL_AGAIN))
		more = pages->pinned;
	if (SIM_BUG(task, ACCOUNT_LIMIT))
		limit++;
	switch (pages->account) {
	case ACCOUNT_USER:
		if (SIM_BUG(task, ACCOUNT_TWO_STEPS)) {
			if (user_locked(process_user(pages->process)) + more > limit)
				return -ENOMEM;
			schedule_point(task, SCHEDULE_ACCESS);
			limit = UINT64_MAX;
		}
		if (!user_locked_add(process_user(pages->process), more, limit))
			return -ENOMEM;
		break;
	case ACCOUNT_MM:
		/* Pages of a file are charged to an address space that is gone, too. */
		if (!mm_locked_add(pages->mm, more, limit))
			return -ENOMEM;
		break;
	default: break;
	}
	mm_pinned_add(pages->mm, (int64_t)more);
	pages->charged = pages->pinned;
	return 0;
}

/* Returns the charge of what is no longer pinned. */
static void pages_uncharge(struct task *task, struct pages *pages)
{
	uint64_t less = pages->charged - pages->pinned;

	schedule_point(task, SCHEDULE_ACCESS);
	/* Nobody returns it any more: what is pinned next is paid for. */
	if (pages->account == ACCOUNT_MM && !mm_alive(pages->mm))
		return;
	pages->charged = pages->pinned;
	if (SIM_BUG(task, ACCOUNT_KEPT) && !pages->pinned)
		return;
	switch (pages->account) {
	case ACCOUNT_USER: user_locked_sub(process_user(pages->process), less); break;
	case ACCOUNT_MM: mm_locked_sub(pages->mm, less); break;
	default: break;
	}
	mm_pinned_add(pages->mm, -(int64_t)less);
}

/* The counter of a mode and VmPin of one owner, up. */
static bool owner_charge(struct process *process, struct mm *mm, uint8_t account, uint64_t count)
{
	uint64_t limit = process_memlock(process);

	if (account == ACCOUNT_USER ? !user_locked_add(process_user(process), count, limit)
				    : !mm_locked_add(mm, count, limit))
		return false;
	mm_pinned_add(mm, (int64_t)count);
	return true;
}

/* And down; an address space that is gone has no counters any more. */
static void owner_uncharge(
	struct task *task, struct process *process, struct mm *mm, uint8_t account, uint64_t count)
{
	bool alive = mm_get(mm);

	if (account == ACCOUNT_USER)
		user_locked_sub(process_user(process), count);
	else if (alive)
		mm_locked_sub(mm, count);
	if (!alive)
		return;
	mm_pinned_add(mm, -(int64_t)count);
	mm_put(task, mm);
}

int pages_charge_caller(struct task *task, uint8_t account, uint64_t count)
{
	if (!count)
		return 0;
	if (fault_here(task, FAULT_ACCOUNT) ||
		!owner_charge(task_process(task), task_mm(task), account, count))
		return -ENOMEM;
	return 0;
}

int pages_change_owner(struct task *task, struct pages *pages, bool charged)
{
	struct process *process = pages->process;
	struct mm *mm = pages->mm;
	/* The old charge cannot be returned; the rest is done all the same. */
	int rc = charged && pages->account == ACCOUNT_MM && !mm_alive(mm) ? -EINVAL : 0;

	if (charged && !SIM_BUG(task, CHANGE_OLD_CHARGED))
		owner_uncharge(task, process, mm, pages->account, pages->pinned);
	if (!charged && pages->pinned && mm != task_mm(task))
		__atomic_store_n(&machine_of(task)->moved_uncharged, true, __ATOMIC_RELAXED);
	pages->charged = pages->pinned;
	pages->process = process_get(task_process(task));
	pages->mm = mm_grab(task_mm(task));
	mm_drop(task, mm);
	process_put(task, process);
	return rc;
}

static struct pin_run *run_of(struct range_node *node)
{
	return (struct pin_run *)(void *)node;
}

static size_t run_size(const struct pin_run *run)
{
	return sizeof(*run) + (run->node.last - run->node.first + 1) * sizeof(run->pages[0]);
}

struct page *pages_pinned_page(const struct pages *pages, uint64_t index)
{
	struct range_node *node = range_first(&pages->pins, index, index);

	return node ? run_of(node)->pages[index - node->first] : NULL;
}

/* Pages that one scratch buffer holds: the size of a run and of a pin request. 10.26 */
static uint64_t scratch_pages(struct task *task)
{
	uint32_t limit = __atomic_load_n(&machine_of(task)->temp_memory_limit, __ATOMIC_RELAXED);
	uint64_t count = (limit ? limit : IOMMUFD_TEMP_MEMORY) / sizeof(struct page *);

	if (count > IOMMUFD_TEMP_MEMORY / sizeof(struct page *))
		count = IOMMUFD_TEMP_MEMORY / sizeof(struct page *);
	return count ? count : 1;
}

/* Pins count pages from page index first on; fewer than that only of memory. */
static int64_t source_pin(
	struct task *task, struct pages *pages, uint64_t first, uint64_t count, struct page **out)
{
	bool write = pages->writable && !SIM_BUG(task, PIN_WITHOUT_WRITE);
	uint64_t start = pages->start + (first << SIM_PAGE_SHIFT);

	if (!pages->file)
		return mm_pin(task, pages->mm, start, count, write, out);
	if (SIM_BUG(task, FILE_START_IGNORED))
		start = first << SIM_PAGE_SHIFT;
	return file_pin(task, pages->file, start >> SIM_PAGE_SHIFT, count, out);
}

/* Pins slots [first, last] of a run, all of them empty. What was pinned before a failure stays in
 * the run. */
static int run_pin(
	struct task *task, struct pages *pages, struct pin_run *run, uint64_t first, uint64_t last)
{
	while (first <= last) {
		int64_t count;

		if (fault_here(task, FAULT_PIN))
			return -EFAULT;
		schedule_point(task, SCHEDULE_USER_COPY);
		count = source_pin(
			task, pages, first, last - first + 1, &run->pages[first - run->node.first]);
		if (count < 0)
			return (int)count;
		run->live += (uint64_t)count;
		pages->pinned += (uint64_t)count;
		first += (uint64_t)count;
	}
	return 0;
}

/* Pins the empty slots among [first, last] of an existing run. */
static int run_refill(
	struct task *task, struct pages *pages, struct pin_run *run, uint64_t first, uint64_t last)
{
	int rc = 0;

	while (first <= last && !rc) {
		uint64_t end = first;

		if (run->pages[first - run->node.first]) {
			first++;
			continue;
		}
		while (end < last && !run->pages[end + 1 - run->node.first])
			end++;
		rc = run_pin(task, pages, run, first, end);
		first = end + 1;
	}
	return rc;
}

/* A new run for the gap [first, last]. */
static int run_add(struct task *task, struct pages *pages, uint64_t first, uint64_t last)
{
	struct pin_run *run;
	int rc;

	run = sim_alloc(task, sizeof(*run) + (last - first + 1) * sizeof(run->pages[0]));
	if (!run)
		return -ENOMEM;
	run->node.first = first;
	run->node.last = last;
	rc = run_pin(task, pages, run, first, last);
	if (!run->live)
		sim_free(task, run, run_size(run));
	else
		range_insert(&pages->pins, &run->node);
	return rc;
}

static int pages_pin_missing(struct task *task, struct pages *pages, uint64_t first, uint64_t last)
{
	uint64_t most = scratch_pages(task);
	int rc = 0;

	while (first <= last && !rc) {
		struct range_node *node = range_first(&pages->pins, first, last);
		uint64_t end = last;

		if (node && node->first <= first) {
			end = node->last < last ? node->last : last;
			rc = run_refill(task, pages, run_of(node), first, end);
		} else {
			if (node)
				end = node->first - 1;
			if (end - first >= most)
				end = first + most - 1;
			rc = run_add(task, pages, first, end);
		}
		first = end + 1;
	}
	return rc;
}

int pages_pin(struct task *task, struct pages *pages, uint64_t first, uint64_t last, bool charge)
{
	bool alive;
	int rc;

	if (pages->is_dmabuf)
		return 0;
	if (fault_here(task, FAULT_SCRATCH))
		return -ENOMEM;
	alive = mm_get(pages->mm);
	if (!alive && !pages->file) {
		/* Already pinned pages stay usable without their address space. */
		for (uint64_t index = first; index <= last; index++) {
			if (!pages_pinned_page(pages, index))
				return -EFAULT;
		}
		return 0;
	}
	rc = pages_pin_missing(task, pages, first, last);
	if (!rc && charge)
		rc = pages_charge(task, pages);
	if (alive)
		mm_put(task, pages->mm);
	if (rc && !SIM_BUG(task, PIN_FAILURE_LEAK))
		pages_release(task, pages, first, last);
	return rc;
}

/* Unpins all of [first, last]; nobody needs them. */
static void pages_unpin(struct task *task, struct pages *pages, uint64_t first, uint64_t last)
{
	struct range_node *node = range_first(&pages->pins, first, last), *next;

	for (; node; node = next) {
		struct pin_run *run = run_of(node);
		uint64_t begin = node->first > first ? node->first : first;
		uint64_t end = node->last < last ? node->last : last;

		next = range_next(node, first, last);
		while (begin <= end) {
			struct page **slot = &run->pages[begin - node->first];
			uint64_t count = 0;

			while (begin + count <= end && slot[count])
				count++;
			if (count) {
				schedule_point(task, SCHEDULE_USER_COPY);
				page_unpin(task, slot, count);
				memset(slot, 0, count * sizeof(*slot));
				run->live -= count;
				pages->pinned -= count;
			}
			begin += count + 1;
		}
		if (!run->live) {
			range_remove(&pages->pins, node);
			sim_free(task, run, run_size(run));
		}
	}
}

void pages_release(struct task *task, struct pages *pages, uint64_t first, uint64_t last)
{
	uint64_t index = first;

	if (SIM_BUG(task, RELEASE_LAST_KEPT) && last > first)
		last--;
	while (index <= last) {
		const struct range_node *filled = range_first(&pages->filled, index, last);
		const struct range_node *record = range_first(&pages->records, index, last);
		const struct range_node *needed = filled;
		uint64_t end = last;

		if (SIM_BUG(task, RELEASE_RECORDS))
			record = NULL;
		if (!filled || (record && record->first < filled->first))
			needed = record;
		if (needed && needed->first <= index) {
			if (needed->last >= last)
				break;
			index = needed->last + 1;
			continue;
		}
		if (needed)
			end = needed->first - 1;
		pages_unpin(task, pages, index, end);
		index = end + 1;
	}
	if (pages->charged > pages->pinned)
		pages_uncharge(task, pages);
}

/* Maps an area whose pages are all pinned, one call a physically contiguous run. */
static int area_map_domain(struct task *task, struct ioas *ioas, struct area *area,
	struct pages *pages, struct iommu_domain *domain)
{
	uint64_t iova = area->node.first, left = area_length(area), index = area_first_page(area);
	uint64_t in_page = area->offset & (SIM_PAGE_SIZE - 1), mapped = 0;
	uint64_t largest =
		ioas->small_pages && !SIM_BUG(task, SMALL_PAGES_IGNORED) ? SIM_PAGE_SIZE : 0;
	uint32_t protection = area->protection;
	struct pin_run *run = NULL;

	if (pages->is_dmabuf)
		return dmabuf_map(task, area, pages, domain, largest);
	if (SIM_BUG(task, DMA_READ_ONLY_IGNORED))
		protection |= IOMMU_PROT_WRITE;
	while (left) {
		uint64_t phys = 0, length = 0;
		int rc;

		do {
			uint64_t here, step = SIM_PAGE_SIZE - in_page;

			if (!run || index > run->node.last)
				run = run_of(range_first(&pages->pins, index, index));
			here = run->pages[index - run->node.first]->phys + in_page;
			if (!length)
				phys = here;
			else if (here != phys + length)
				break;
			length += step < left - length ? step : left - length;
			in_page = 0;
			index++;
		} while (length < left);
		rc = iommu_map(task, domain, iova, phys, length, protection, largest);
		if (rc) {
			if (mapped) {
				iommu_unmap(task, domain, area->node.first, mapped);
				iommu_flush(task, domain, area->node.first, mapped);
			}
			return rc;
		}
		mapped += length;
		iova += length;
		left -= length;
	}
	return 0;
}

static void area_unmap_domain(
	struct task *task, struct area *area, struct pages *pages, struct iommu_domain *domain)
{
	uint64_t length = area_length(area);

	if (pages->is_dmabuf && !dmabuf_unmap(task, area, pages, domain))
		return;
	iommu_unmap(task, domain, area->node.first, length);
	if (SIM_BUG(task, UNMAP_FLUSH_SHORT) && length > SIM_PAGE_SIZE)
		length -= SIM_PAGE_SIZE;
	if (!SIM_BUG(task, UNMAP_NOT_FLUSHED))
		iommu_flush(task, domain, area->node.first, length);
}

/* The node that says that domains need the area's pages; in no tree yet. */
static struct range_node *area_new_fill(struct task *task, const struct area *area)
{
	struct range_node *fill = sim_alloc(task, sizeof(*fill));

	if (fill) {
		fill->first = area_first_page(area);
		fill->last = area_last_page(area);
	}
	return fill;
}

static void area_mark_filled(struct area *area, struct pages *pages, struct range_node *fill)
{
	if (!pages->is_dmabuf)
		range_insert(&pages->filled, fill);
	area->fill = fill;
	area->filled = true;
}

static void area_mark_unfilled(struct task *task, struct area *area, struct pages *pages)
{
	struct range_node *fill = area->fill;

	if (!area->filled)
		return;
	area->fill = NULL;
	area->filled = false;
	if (!pages->is_dmabuf) {
		range_remove(&pages->filled, fill);
		pages_release(task, pages, fill->first, fill->last);
	}
	sim_free(task, fill, sizeof(*fill));
}

/* Into all domains, or none. Every page is pinned. */
static int area_map_domains(
	struct task *task, struct ioas *ioas, struct area *area, struct pages *pages)
{
	uint32_t done = 0;
	int rc = 0;

	for (; done < ioas->domain_count && !rc; done++)
		rc = area_map_domain(task, ioas, area, pages, ioas->domains[done]);
	if (!rc)
		return 0;
	/* The last one tried has cleaned up after itself. */
	while (--done)
		area_unmap_domain(task, area, pages, ioas->domains[done - 1]);
	return rc;
}

int area_fill(struct task *task, struct ioas *ioas, struct area *area, struct pages *pages)
{
	struct range_node *fill = area_new_fill(task, area);
	int rc;

	if (!fill)
		return -ENOMEM;
	mutex_lock(task, &pages->mutex);
	rc = pages_pin(task, pages, fill->first, fill->last, true);
	if (!rc) {
		rc = area_map_domains(task, ioas, area, pages);
		if (!rc)
			area_mark_filled(area, pages, fill);
		else if (!SIM_BUG(task, FILL_FAILURE_LEAK))
			pages_release(task, pages, fill->first, fill->last);
	}
	mutex_unlock(task, &pages->mutex);
	if (rc)
		sim_free(task, fill, sizeof(*fill));
	return rc;
}

void area_unfill(struct task *task, struct ioas *ioas, struct area *area, struct pages *pages)
{
	uint32_t count = ioas->domain_count;

	if (!area->filled)
		return;
	if (SIM_BUG(task, UNMAP_FIRST_DOMAIN) && count)
		count = 1;
	mutex_lock(task, &pages->mutex);
	for (uint32_t i = 0; i < count; i++)
		area_unmap_domain(task, area, pages, ioas->domains[i]);
	area_mark_unfilled(task, area, pages);
	mutex_unlock(task, &pages->mutex);
}

int area_fill_domain(struct task *task, struct ioas *ioas, struct area *area,
	struct iommu_domain *domain, bool first)
{
	struct range_node *fill = first ? area_new_fill(task, area) : NULL;
	struct pages *pages = area->pages;
	int rc = 0;

	if (first && !fill)
		return -ENOMEM;
	mutex_lock(task, &pages->mutex);
	if (first)
		rc = pages_pin(task, pages, fill->first, fill->last, true);
	if (!rc) {
		rc = area_map_domain(task, ioas, area, pages, domain);
		if (!rc && first)
			area_mark_filled(area, pages, fill);
		else if (rc && first)
			pages_release(task, pages, fill->first, fill->last);
	}
	mutex_unlock(task, &pages->mutex);
	if (rc)
		sim_free(task, fill, sizeof(*fill));
	return rc;
}

void area_unfill_domain(
	struct task *task, struct area *area, struct iommu_domain *domain, bool last)
{
	struct pages *pages = area->pages;

	mutex_lock(task, &pages->mutex);
	area_unmap_domain(task, area, pages, domain);
	if (last)
		area_mark_unfilled(task, area, pages);
	mutex_unlock(task, &pages->mutex);
}
