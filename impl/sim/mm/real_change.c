/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process of the host does to its memory: pages that are pinned outlive their place with the
 * contents that they had, as copies.
 */
#include "impl/sim/host.h"
#include "impl/sim/mm/real.h"

/* Its bytes are ours from now on. */
static void detach(struct sim *sim, struct page *page, uint8_t *kept)
{
	uint8_t *bytes = kept ? kept : sim_alloc_internal(sim, SIM_PAGE_SIZE);
	void **slot = radix_slot(sim, &sim->physical.strays, page->phys >> SIM_PAGE_SHIFT);

	if (bytes && !kept)
		real_page_read(page, 0, bytes, SIM_PAGE_SIZE);
	real_page_leave(sim, page);
	page->bytes = bytes;
	if (slot && !*slot) {
		*slot = page;
		sim->physical.stray_count++;
	}
}

/* Pages of other contents at these places have other numbers from now on. */
static void next_generation(struct sim *sim, struct memory *memory)
{
	uint64_t first = 0;

	if (!sim->physical.stray_count && !radix_next(&memory->pages, &first))
		memory->generation = 0;
	else if (memory->generation < UINT16_MAX)
		memory->generation++;
}

/* The pages [index, +count) of memory. kept: copies made before, or NULL. */
static void detach_range(struct sim *sim, struct memory *memory, uint64_t index, uint64_t count,
	const struct radix *kept)
{
	uint64_t end = count > UINT64_MAX - index ? UINT64_MAX : index + count;
	bool any = false;

	memory->references++;
	for (;; index++) {
		struct page *page = radix_next(&memory->pages, &index);
		void **copy;

		if (!page || index >= end)
			break;
		copy = kept && radix_get(kept, index)
			       ? radix_slot(sim, (struct radix *)(uintptr_t)kept, index)
			       : NULL;
		detach(sim, page, copy ? *copy : NULL);
		if (copy)
			*copy = NULL;
		any = true;
	}
	if (any)
		next_generation(sim, memory);
	memory_put(sim, memory);
}

void real_goes(struct sim *sim, struct mm *mm, uint64_t address, uint64_t length)
{
	uint64_t index = address >> SIM_PAGE_SHIFT;
	uint64_t end = ((address + length - 1) >> SIM_PAGE_SHIFT) + 1;

	if (mm->real && length)
		detach_range(sim, mm->real, index, end - index, NULL);
}

static void forget_kept(struct sim *sim, struct mm *mm)
{
	uint64_t index;

	for (index = 0;; index++) {
		void *bytes = radix_next(&mm->kept, &index);

		if (!bytes)
			break;
		sim_free_internal(sim, bytes, SIM_PAGE_SIZE);
		*radix_slot(sim, &mm->kept, index) = NULL;
	}
	radix_clear(sim, &mm->kept);
}

void real_release(struct sim *sim, struct mm *mm)
{
	if (mm->real) {
		detach_range(sim, mm->real, 0, UINT64_MAX, &mm->kept);
		mm->real->real_mm = NULL;
		memory_put(sim, mm->real);
		mm->real = NULL;
	}
	forget_kept(sim, mm);
}

void host_memory_goes(struct task *task, struct mm *mm, uint64_t address, uint64_t length)
{
	struct sim *sim = task->sim;

	down_write(task, &mm->lock);
	sim_enter(sim, &sim->memory_lock);
	real_goes(sim, mm, address, length);
	sim_leave(sim, &sim->memory_lock);
	up_write(task, &mm->lock);
}

void host_files_go(struct task *task, struct mm *mm, uint64_t address, uint64_t length)
{
	uint64_t va = address & ~(SIM_PAGE_SIZE - 1), end, index, count;
	struct sim *sim = task->sim;

	if (__builtin_add_overflow(va, (length + SIM_PAGE_SIZE - 1) & ~(SIM_PAGE_SIZE - 1), &end))
		return;
	sim_enter(sim, &sim->memory_lock);
	for (; va < end; va += count << SIM_PAGE_SHIFT) {
		struct memory *memory = real_file_at(sim, mm, va, end, &index, &count);

		if (!count)
			break;
		if (memory)
			detach_range(sim, memory, index, count, NULL);
	}
	sim_leave(sim, &sim->memory_lock);
}

uint32_t host_memory_pins(const struct mm *mm, uint64_t address, uint64_t length)
{
	uint64_t index = address >> SIM_PAGE_SHIFT, end = (address + length) >> SIM_PAGE_SHIFT;
	uint32_t count = 0;

	sim_enter(mm->sim, &mm->sim->memory_lock);
	for (; mm->real; index++) {
		if (!radix_next(&mm->real->pages, &index) || index >= end)
			break;
		count++;
	}
	sim_leave(mm->sim, &mm->sim->memory_lock);
	return count;
}

void host_memory_leaves(struct task *task, struct mm *mm)
{
	struct sim *sim = task->sim;
	uint64_t index;

	sim_enter(sim, &sim->memory_lock);
	forget_kept(sim, mm);
	for (index = 0; mm->real; index++) {
		const struct page *page = radix_next(&mm->real->pages, &index);
		void **slot = page ? radix_slot(sim, &mm->kept, index) : NULL;

		if (!slot)
			break;
		*slot = sim_alloc_internal(sim, SIM_PAGE_SIZE);
		if (*slot)
			real_page_read(page, 0, *slot, SIM_PAGE_SIZE);
	}
	sim_leave(sim, &sim->memory_lock);
}

void host_memory_stays(struct task *task, struct mm *mm)
{
	sim_enter(task->sim, &task->sim->memory_lock);
	forget_kept(task->sim, mm);
	sim_leave(task->sim, &task->sim->memory_lock);
}

/* The page keeps its number, by which it is found among the strays. */
static bool move_page(struct sim *sim, struct memory *memory, struct page *page, uint64_t index)
{
	void **stray = radix_slot(sim, &sim->physical.strays, page->phys >> SIM_PAGE_SHIFT);
	void **slot = radix_slot(sim, &memory->pages, index);

	if (!stray || !slot)
		return false;
	if (!*stray) {
		*stray = page;
		sim->physical.stray_count++;
	}
	*radix_slot(sim, &memory->pages, page->index) = NULL;
	*slot = page;
	page->index = index;
	page->bytes = (uint8_t *)(uintptr_t)(index << SIM_PAGE_SHIFT);
	return true;
}

void host_memory_moved(
	struct task *task, struct mm *mm, uint64_t from, uint64_t to, uint64_t length)
{
	uint64_t first = from >> SIM_PAGE_SHIFT, index = first;
	struct sim *sim = task->sim;
	bool any = false;

	down_write(task, &mm->lock);
	sim_enter(sim, &sim->memory_lock);
	for (; mm->real; index++) {
		struct page *page = radix_next(&mm->real->pages, &index);

		if (!page || index >= (from + length) >> SIM_PAGE_SHIFT ||
			!move_page(sim, mm->real, page, index - first + (to >> SIM_PAGE_SHIFT)))
			break;
		any = true;
	}
	if (any)
		next_generation(sim, mm->real);
	sim_leave(sim, &sim->memory_lock);
	up_write(task, &mm->lock);
}

void host_file_cut(struct task *task, uint64_t device, uint64_t inode, uint64_t from, uint64_t to)
{
	struct sim *sim = task->sim;
	uint64_t first = (from + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT;
	struct memory *memory;

	sim_enter(sim, &sim->memory_lock);
	memory = real_file_find(sim, device, inode);
	if (memory && to >> SIM_PAGE_SHIFT > first)
		detach_range(sim, memory, first, (to >> SIM_PAGE_SHIFT) - first, NULL);
	sim_leave(sim, &sim->memory_lock);
}

uint64_t host_pins(struct sim *sim)
{
	uint64_t pins;

	sim_enter(sim, &sim->memory_lock);
	pins = sim->physical.pins;
	sim_leave(sim, &sim->memory_lock);
	return pins;
}
