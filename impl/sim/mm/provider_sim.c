/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated pages: what an address shows, and when it gets a page of its own. */
#include <errno.h>

#include "impl/sim/mm/mm_private.h"

struct vma *mm_find_vma(const struct mm *mm, uint64_t va)
{
	return vma_of(range_first(&mm->vmas, va, va));
}

struct page *memory_page(struct sim *sim, struct memory *memory, uint64_t index)
{
	void **slot;

	if (index >= (memory->size + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT)
		return NULL;
	slot = radix_slot(sim, &memory->pages, index);
	if (slot && !*slot)
		*slot = page_create(sim, memory, index, memory->generation);
	return slot ? *slot : NULL;
}

/* A page that only this mm has at index, with the contents of old (NULL: zeroes), which it
 * replaces. */
static struct page *page_of_its_own(
	struct sim *sim, struct memory *memory, uint64_t index, struct page *old)
{
	bool here = old && old->object == memory;
	uint16_t generation = here ? (uint16_t)(old->generation + 1) : memory->generation;
	void **slot = radix_slot(sim, &memory->pages, index);
	struct page *page = slot ? page_create(sim, memory, index, generation) : NULL;

	if (!page)
		return NULL;
	if (old && old->bytes && !page_store(sim, NULL, page, 0, old->bytes, SIM_PAGE_SIZE, 0)) {
		page_leave(sim, memory, page);
		return NULL;
	}
	if (old)
		memory_changed(sim);
	if (*slot)
		page_leave(sim, memory, *slot);
	*slot = page;
	return page;
}

/* The page of a private mapping. own: it must be nobody else's. */
static bool private_fault(struct sim *sim, const struct vma *vma, uint64_t at, bool own, bool make,
	struct page **page)
{
	uint64_t index = vma->private_index + at;
	struct page *now = radix_get(&vma->private->pages, index);

	/* Beyond the end of the file even pages of its own are out of reach. */
	if (vma->shared &&
		vma->shared_index + at >= (vma->shared->size + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT)
		return false;
	if (!now && vma->shared) {
		now = memory_page(sim, vma->shared, vma->shared_index + at);
		if (!now)
			return false;
		make = false;
		if (own)
			now = page_of_its_own(sim, vma->private, index, now);
	} else if (own ? !now || now->refs > 1 : make && !now) {
		now = page_of_its_own(sim, vma->private, index, now);
		make = true;
	}
	*page = now;
	return now || !(own || make);
}

static bool vma_fault(struct sim *sim, const struct vma *vma, uint64_t at, bool own, bool make,
	struct page **page)
{
	if (vma->private)
		return private_fault(sim, vma, at, own, make, page);
	*page = memory_page(sim, vma->shared, vma->shared_index + at);
	return *page != NULL;
}

static bool permitted(const struct vma *vma, enum fault_intent intent)
{
	/* Pages of a driver are there for the processor alone. */
	if (vma->shared && vma->shared->region &&
		(intent == INTENT_LOOK || intent == INTENT_PIN_READ || intent == INTENT_PIN_WRITE))
		return false;
	switch (intent) {
	case INTENT_READ: return vma->protection != 0;
	case INTENT_LOOK:
	case INTENT_PIN_READ: return vma->protection & MM_READ;
	default: return vma->protection & MM_WRITE;
	}
}

/*
 * A page in the page table is found without asking whether the mapping may be read. Which pages of
 * files are there is not known here; what a mapping has of its own is.
 */
static bool found_unread(const struct vma *vma, uint64_t at, enum fault_intent intent)
{
	const struct page *page;

	if (!vma->protection || !vma->private ||
		(intent != INTENT_LOOK && intent != INTENT_PIN_READ))
		return false;
	page = radix_get(&vma->private->pages, vma->private_index + at);
	return page && (intent == INTENT_LOOK || page->refs == 1);
}

bool sim_fault(struct mm *mm, uint64_t va, enum fault_intent intent, bool make, struct page **page)
{
	const struct vma *vma = mm_find_vma(mm, va);

	if (!vma)
		return false;
	if (!permitted(vma, intent) &&
		!found_unread(vma, (va - vma->node.first) >> SIM_PAGE_SHIFT, intent))
		return false;
	bool shares = intent == INTENT_READ || intent == INTENT_LOOK;
	return vma_fault(mm->sim, vma, (va - vma->node.first) >> SIM_PAGE_SHIFT, !shares,
		make || !shares, page);
}

/* Long private anonymous runs: one look at the table for RADIX_FANOUT pages. */
static uint64_t pin_private(
	struct sim *sim, struct memory *memory, uint64_t index, uint64_t count, struct page **pages)
{
	void **slot = NULL;
	uint64_t n;

	for (n = 0; n < count; n++, index++) {
		struct page *page;

		slot = slot && index % RADIX_FANOUT ? slot + 1
						    : radix_slot(sim, &memory->pages, index);
		if (!slot)
			break;
		page = *slot;
		if (!page) {
			page = page_create(sim, memory, index, memory->generation);
			*slot = page;
		} else if (page->refs > 1) {
			page = page_of_its_own(sim, memory, index, page);
		}
		if (!page)
			break;
		page->pins++;
		pages[n] = page;
	}
	return n;
}

uint64_t sim_pin(
	struct sim *sim, const struct vma *vma, uint64_t at, uint64_t count, struct page **pages)
{
	uint64_t n;

	if (vma->private && !vma->shared) {
		n = pin_private(sim, vma->private, vma->private_index + at, count, pages);
	} else {
		for (n = 0; n < count && vma_fault(sim, vma, at + n, true, true, &pages[n]); n++)
			pages[n]->pins++;
	}
	sim->physical.pins += n;
	return n;
}

/* own: the mm is that of the caller, whose page table can be looked at. */
static int64_t pin_range(struct sim *sim, const struct mm *mm, uint64_t va, uint64_t count,
	bool write, bool own, struct page **pages)
{
	enum fault_intent intent = write ? INTENT_PIN_WRITE : INTENT_PIN_READ;
	uint64_t done = 0;

	while (done < count) {
		const struct vma *vma = mm_find_vma(mm, va);
		uint64_t wanted = count - done, at, got;

		if (!vma)
			break;
		at = (va - vma->node.first) >> SIM_PAGE_SHIFT;
		if (wanted > vma_pages(vma) - at)
			wanted = vma_pages(vma) - at;
		if (!permitted(vma, intent)) {
			if (!own || !found_unread(vma, at, intent))
				break;
			wanted = 1;
		}
		got = sim_pin(sim, vma, at, wanted, pages + done);
		done += got;
		va += got << SIM_PAGE_SHIFT;
		if (got < wanted)
			break;
	}
	return (int64_t)done;
}

static int64_t pin(struct task *task, struct mm *mm, uint64_t va, uint64_t count, bool write,
	bool own, struct page **pages)
{
	struct sim *sim = task->sim;
	int64_t done;

	down_read(task, &mm->lock);
	sim_enter(sim, &sim->memory_lock);
	if (mm->provider == MM_REAL)
		done = real_pin(sim, mm, va, count, write, pages);
	else
		done = pin_range(sim, mm, va, count, write, own, pages);
	sim_leave(sim, &sim->memory_lock);
	up_read(task, &mm->lock);
	return done || !count ? done : -EFAULT;
}

struct page *mm_visible_page(struct task *task, uint64_t va)
{
	struct sim *sim = task->sim;
	struct mm *mm = task_mm(task);
	struct page *page = NULL;
	bool huge;

	if (!mm)
		return NULL;
	down_read(task, &mm->lock);
	sim_enter(sim, &sim->memory_lock);
	if (mm->provider == MM_REAL)
		real_look_up(sim, mm, va, &page, &huge);
	else if (!sim_fault(mm, va & ~(SIM_PAGE_SIZE - 1), INTENT_LOOK, true, &page))
		page = NULL;
	sim_leave(sim, &sim->memory_lock);
	up_read(task, &mm->lock);
	return page;
}

int64_t mm_pin(struct task *task, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages)
{
	return pin(task, mm, va, count, write, mm == task_mm(task), pages);
}

int64_t mm_pin_remote(struct task *task, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages)
{
	return pin(task, mm, va, count, write, false, pages);
}

int mm_look_up(struct task *task, uint64_t va, struct page_view *seen)
{
	struct sim *sim = task->sim;
	struct mm *mm = task_mm(task);
	struct page *found = NULL;
	bool there, huge = false;

	if (va >> SIM_PAGE_SHIFT == UINT64_MAX >> SIM_PAGE_SHIFT)
		return -EOVERFLOW;
	if (!mm)
		return -EFAULT;
	down_read(task, &mm->lock);
	sim_enter(sim, &sim->memory_lock);
	if (mm->provider == MM_REAL)
		there = real_look_up(sim, mm, va, &found, &huge);
	else
		there = sim_fault(mm, va & ~(SIM_PAGE_SIZE - 1), INTENT_LOOK, false, &found);
	/* Once the locks are gone others may unmap and free it. */
	*seen = (struct page_view){.page = found, .compound = huge};
	if (found) {
		seen->phys = found->phys;
		seen->pins = found->pins;
		seen->compound = huge || found->compound;
	}
	sim_leave(sim, &sim->memory_lock);
	up_read(task, &mm->lock);
	return there ? 0 : -EFAULT;
}

bool vma_shows(const struct vma *vma, const struct page *page, uint64_t *va)
{
	uint64_t at;

	if (!vma->protection)
		return false;
	at = page->index - vma->private_index;
	if (vma->private && at < vma_pages(vma) &&
		radix_get(&vma->private->pages, page->index) == page) {
		*va = vma->node.first + (at << SIM_PAGE_SHIFT);
		return true;
	}
	at = page->index - vma->shared_index;
	if (!vma->shared || page->object != vma->shared || at >= vma_pages(vma) ||
		(vma->private && radix_get(&vma->private->pages, vma->private_index + at)))
		return false;
	*va = vma->node.first + (at << SIM_PAGE_SHIFT);
	return true;
}
