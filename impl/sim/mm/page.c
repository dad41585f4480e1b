/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: where they come from, what they are worth, and their end. */
#include <string.h>

#include "impl/sim/mm/mm_private.h"

/* Unlike any byte that programs write by themselves; a use after the end of a page shows it. */
#define POISON 0x6b
/* Numbers that one object takes at most; pages beyond get theirs one by one, so that numbers never
 * run out. */
#define RESERVE_MAX (UINT64_C(1) << 32)

/* Page numbers for pages of memory from index on, congruent to congruent modulo 1 GiB. False: host
 * memory. */
static bool reserve(
	struct sim *sim, struct memory *memory, uint64_t index, uint64_t pages, uint64_t congruent)
{
	struct physical *physical = &sim->physical;
	uint64_t first = physical->next + ((congruent - physical->next) & (GIB_PAGES - 1));

	if (physical->span_count == physical->span_room) {
		uint32_t room = physical->span_room ? physical->span_room * 2 : 16;
		struct span *spans = sim_alloc_internal(sim, room * sizeof(*spans));

		if (!spans)
			return false;
		if (physical->spans)
			memcpy(spans, physical->spans, physical->span_count * sizeof(*spans));
		sim_free_internal(sim, physical->spans, physical->span_room * sizeof(*spans));
		physical->spans = spans;
		physical->span_room = room;
	}
	physical->spans[physical->span_count++] = (struct span){first, pages, index, memory};
	/* One number stays free, so that pages of two objects are never contiguous. */
	physical->next = first + pages + 1;
	return true;
}

static uint64_t last_base(const struct sim *sim)
{
	return sim->physical.spans[sim->physical.span_count - 1].first;
}

/* The span with that page number, NULL when it was never handed out. */
static struct span *span_of(const struct sim *sim, uint64_t number)
{
	uint32_t low = 0, high = sim->physical.span_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (sim->physical.spans[middle].first <= number)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low ||
		number - sim->physical.spans[low - 1].first >= sim->physical.spans[low - 1].pages)
		return NULL;
	return &sim->physical.spans[low - 1];
}

struct memory *memory_create(
	struct sim *sim, enum memory_kind kind, uint64_t pages, uint64_t congruent)
{
	struct memory *memory = sim_alloc_internal(sim, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->kind = (uint8_t)kind;
	memory->reserved = pages < RESERVE_MAX || kind == MEMORY_REAL ? pages : RESERVE_MAX;
	if (!reserve(sim, memory, 0, memory->reserved, congruent)) {
		sim_free_internal(sim, memory, sizeof(*memory));
		return NULL;
	}
	memory->base = last_base(sim);
	return memory;
}

bool memory_next_generation(struct sim *sim, struct memory *memory)
{
	uint64_t pages = (memory->size + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT;

	if (memory->later_count == memory->later_room) {
		uint32_t room = memory->later_room ? memory->later_room * 2 : 4;
		uint64_t *later = sim_alloc_internal(sim, room * sizeof(*later));

		if (!later)
			return false;
		if (memory->later)
			memcpy(later, memory->later, memory->later_count * sizeof(*later));
		sim_free_internal(sim, memory->later, memory->later_room * sizeof(*later));
		memory->later = later;
		memory->later_room = room;
	}
	if (pages > RESERVE_MAX)
		pages = RESERVE_MAX;
	if (pages < memory->reserved)
		pages = memory->reserved;
	if (!reserve(sim, memory, 0, pages, memory->base))
		return false;
	memory->reserved = pages;
	memory->later[memory->later_count++] = last_base(sim);
	return true;
}

void memory_put(struct sim *sim, struct memory *memory)
{
	uint32_t late;

	if (--memory->references)
		return;
	if (memory->is_file)
		real_file_forget(sim, memory);
	memory_drop(sim, memory, 0, UINT64_MAX);
	radix_clear(sim, &memory->pages);
	span_of(sim, memory->base)->memory = NULL;
	for (late = 0; late < memory->later_count; late++)
		span_of(sim, memory->later[late])->memory = NULL;
	for (late = 0; memory->far && late < sim->physical.span_count; late++) {
		if (sim->physical.spans[late].memory == memory)
			sim->physical.spans[late].memory = NULL;
	}
	sim_free_internal(sim, memory->later, memory->later_room * sizeof(*memory->later));
	sim_free_internal(sim, memory, sizeof(*memory));
}

/* The page number of a new page, 0: host memory. */
static uint64_t new_number(
	struct sim *sim, struct memory *memory, uint64_t index, uint16_t generation)
{
	if (index >= memory->reserved) {
		memory->far = true;
		return reserve(sim, memory, index, 1, memory->base + index) ? last_base(sim) : 0;
	}
	while (generation > memory->later_count) {
		if (!memory_next_generation(sim, memory))
			return 0;
	}
	return (generation ? memory->later[generation - 1] : memory->base) + index;
}

struct page *page_create(
	struct sim *sim, struct memory *memory, uint64_t index, uint16_t generation)
{
	uint64_t number = new_number(sim, memory, index, generation);
	struct page *page = number ? sim_alloc_internal(sim, sizeof(*page)) : NULL;

	if (!page)
		return NULL;
	page->phys = number << SIM_PAGE_SHIFT;
	page->refs = 1;
	page->index = index;
	page->object = memory;
	page->generation = generation;
	page->compound = memory->huge;
	sim->physical.pages++;
	return page;
}

static bool is_real(const struct page *page)
{
	return page->object && ((const struct memory *)page->object)->kind == MEMORY_REAL;
}

/* The end of a page that nobody refers to. */
static void page_free(struct sim *sim, struct page *page)
{
	if (is_real(page))
		page->bytes = NULL;
	if (is_real(page) && !((const struct memory *)page->object)->region) {
		*radix_slot(sim, &((struct memory *)page->object)->pages, page->index) = NULL;
		memory_put(sim, page->object);
		page->object = NULL;
	}
	if (!page->object && sim->physical.stray_count) {
		void **slot = radix_slot(sim, &sim->physical.strays, page->phys >> SIM_PAGE_SHIFT);

		if (slot && *slot == page) {
			*slot = NULL;
			sim->physical.stray_count--;
		}
	}
	if (page->bytes) {
		memset(page->bytes, POISON, SIM_PAGE_SIZE);
		sim_free_internal(sim, page->bytes, SIM_PAGE_SIZE);
	}
	sim->physical.pages--;
	sim_free_internal(sim, page, sizeof(*page));
}

void page_leave(struct sim *sim, const struct memory *memory, struct page *page)
{
	page->refs--;
	if (page->object == memory && (page->refs || page->pins)) {
		void **slot = radix_slot(sim, &sim->physical.strays, page->phys >> SIM_PAGE_SHIFT);

		page->object = NULL;
		if (slot) {
			*slot = page;
			sim->physical.stray_count++;
		}
	}
	if (!page->refs && !page->pins)
		page_free(sim, page);
}

bool memory_drop(struct sim *sim, struct memory *memory, uint64_t index, uint64_t count)
{
	uint64_t end = count > UINT64_MAX - index ? UINT64_MAX : index + count;
	bool any = false;

	for (;; index++) {
		struct page *page = radix_next(&memory->pages, &index);

		if (!page || index >= end)
			return any;
		*radix_slot(sim, &memory->pages, index) = NULL;
		page_leave(sim, memory, page);
		any = true;
	}
}

uint8_t *page_bytes(struct sim *sim, struct page *page)
{
	if (!page->bytes)
		page->bytes = sim_alloc_internal(sim, SIM_PAGE_SIZE);
	return page->bytes;
}

/* Tells of a change at every address where the task sees the page, in ascending order. */
static void report_change(struct task *task, const struct page *page, size_t offset,
	const void *old, const void *bytes, size_t count, uint64_t known_va)
{
	const struct sim_events *events = &task->sim->config.events;
	const struct mm *mm = task_mm(task);
	struct range_node *node;
	uint64_t va;

	if (!mm)
		return;
	if (is_real(page) || (known_va && !mm->shared_mappings)) {
		va = is_real(page) ? (uint64_t)(uintptr_t)page->bytes : known_va;
		events->memory(events->context, va + offset, old, bytes, (uint32_t)count);
		return;
	}
	range_tree_for_each (node, &mm->vmas) {
		if (vma_shows(vma_of(node), page, &va))
			events->memory(events->context, va + offset, old, bytes, (uint32_t)count);
	}
}

bool page_store(struct sim *sim, struct task *report, struct page *page, size_t offset,
	const void *from, size_t count, uint64_t known_va)
{
	uint8_t *bytes = page_bytes(sim, page);

	if (!bytes)
		return false;
	/* Before the store, while what was there needs no copy. */
	if (report && sim->config.events.memory)
		report_change(report, page, offset, bytes + offset, from, count, known_va);
	memcpy(bytes + offset, from, count);
	return true;
}

void page_read(struct task *task, const struct page *page, size_t offset, void *to, size_t count)
{
	struct sim *sim = task->sim;

	sim_enter(sim, &sim->memory_lock);
	if (is_real(page)) {
		size_t done = real_page_read(page, offset, to, count);

		memset((uint8_t *)to + done, 0, count - done);
	} else if (page->bytes) {
		memcpy(to, page->bytes + offset, count);
	} else {
		memset(to, 0, count);
	}
	sim_leave(sim, &sim->memory_lock);
}

void page_write(struct task *task, struct page *page, size_t offset, const void *from, size_t count)
{
	struct sim *sim = task->sim;

	sim_enter(sim, &sim->memory_lock);
	if (is_real(page)) {
		uint8_t old[SIM_PAGE_SIZE];
		size_t done =
			sim->config.events.memory ? real_page_read(page, offset, old, count) : 0;

		if (real_page_write(page, offset, from, count) == count && done == count)
			report_change(task, page, offset, old, from, count, 0);
	} else {
		page_store(sim, task, page, offset, from, count, 0);
	}
	sim_leave(sim, &sim->memory_lock);
}

void page_unpin(struct task *task, struct page **pages, uint64_t count)
{
	struct sim *sim = task->sim;
	uint64_t n;

	sim_enter(sim, &sim->memory_lock);
	for (n = 0; n < count; n++) {
		struct page *page = pages[n];

		if (!page->pins) {
			sim_warn(task, "unpin-not-pinned", "page %#llx",
				(unsigned long long)page->phys);
			continue;
		}
		sim->physical.pins--;
		if (!--page->pins && !page->refs)
			page_free(sim, page);
	}
	sim_leave(sim, &sim->memory_lock);
}

struct page *page_at(const struct sim *sim, uint64_t phys)
{
	uint64_t number = phys >> SIM_PAGE_SHIFT;
	const struct span *span;
	struct page *page = NULL;

	sim_enter(sim, &sim->memory_lock);
	span = span_of(sim, number);
	if (span && span->memory)
		page = radix_get(&span->memory->pages, span->index + number - span->first);
	if (page && page->phys >> SIM_PAGE_SHIFT != number)
		page = NULL;
	if (!page && span && sim->physical.stray_count)
		page = radix_get(&sim->physical.strays, number);
	sim_leave(sim, &sim->memory_lock);
	return page;
}

uint64_t mm_pages(const struct sim *sim)
{
	return sim->physical.pages;
}

uint64_t mm_pins(const struct sim *sim)
{
	return sim->physical.pins;
}
