/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages and what maps them. A page is identified by its address in the model; it is shared by
 * whoever maps the same memory, so that comparing pointers answers MD_CHECK_MAP (10.9).
 */
#include "fuzz/oracle/model.h"

static const uint8_t zeros[MODEL_PAGE];

/* ---- pages ---- */

struct model_page *model_page_new(struct model *model, uint64_t index)
{
	struct model_page *page = model_alloc(model, sizeof(*page));

	page->refs = 1;
	page->index = index;
	return page;
}

void model_page_put(struct model *model, struct model_page *page)
{
	if (--page->refs)
		return;
	model_free(model, page->content, MODEL_PAGE);
	model_free(model, page, sizeof(*page));
}

void model_page_pin(struct model_page *page)
{
	page->refs++;
	page->pins++;
}

void model_page_unpin(struct model *model, struct model_page *page)
{
	page->pins--;
	model_page_put(model, page);
}

void model_page_read(const struct model_page *page, uint64_t offset, void *bytes, uint64_t count)
{
	if (page && page->content)
		memcpy(bytes, page->content + offset, count);
	else
		memset(bytes, 0, count);
}

void model_page_write(struct model *model, struct model_page *page, uint64_t offset,
	const void *bytes, uint64_t count)
{
	if (!page->content)
		page->content = model_alloc(model, MODEL_PAGE);
	memcpy(page->content + offset, bytes, count);
}

static struct model_page *page_copy(
	struct model *model, const struct model_page *from, uint64_t index)
{
	struct model_page *page = model_page_new(model, index);

	if (from && from->content)
		model_page_write(model, page, 0, from->content, MODEL_PAGE);
	return page;
}

/* ---- slots: sorted arrays of pages ---- */

static uint32_t slot_index(const struct model_array *slots, uint64_t index)
{
	uint32_t low = 0, high = slots->count;

	/* Most arrays are filled upwards. */
	if (high && ((struct model_slot *)model_array_at(slots, high - 1))->index < index)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct model_slot *slot = model_array_at(slots, middle);

		if (slot->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct model_slot *slot_find(const struct model_array *slots, uint64_t index)
{
	uint32_t i = slot_index(slots, index);
	struct model_slot *slot;

	if (i == slots->count)
		return NULL;
	slot = model_array_at(slots, i);
	return slot->index == index ? slot : NULL;
}

/* Takes over the reference to page. */
static void slot_add(
	struct model *model, struct model_array *slots, uint64_t index, struct model_page *page)
{
	struct model_slot *slot = model_array_insert(model, slots, slot_index(slots, index));

	slot->index = index;
	slot->page = page;
}

/* Drops the pages of [first, last]. */
static void slot_remove(
	struct model *model, struct model_array *slots, uint64_t first, uint64_t last)
{
	uint32_t from = slot_index(slots, first), to = from;

	for (; to < slots->count; to++) {
		struct model_slot *slot = model_array_at(slots, to);

		if (slot->index > last)
			break;
		model_page_put(model, slot->page);
	}
	model_array_remove(slots, from, to - from);
}

/* ---- files and shared memory ---- */

struct model_backing *model_backing_new(struct model *model, uint64_t size)
{
	struct model_backing *backing = model_alloc(model, sizeof(*backing));

	backing->refs = 1;
	backing->size = size;
	model_array_init(&backing->slots, sizeof(struct model_slot));
	return backing;
}

void model_backing_put(struct model *model, struct model_backing *backing)
{
	if (--backing->refs)
		return;
	slot_remove(model, &backing->slots, 0, UINT64_MAX);
	model_array_end(model, &backing->slots);
	model_free(model, backing, sizeof(*backing));
}

void model_backing_map(struct model_backing *backing)
{
	backing->refs++;
	if (backing->owner)
		backing->owner->users++;
	if (backing->holds)
		backing->holds->refs++;
}

void model_backing_unmap(struct model *model, struct model_backing *backing)
{
	if (backing->owner)
		backing->owner->users--;
	if (backing->holds)
		*(struct model_file **)model_array_insert(model, &model->late, model->late.count) =
			backing->holds;
	model_backing_put(model, backing);
}

void model_release_late(struct model *model)
{
	while (model->late.count) {
		struct model_file *file =
			*(struct model_file **)model_array_at(&model->late, --model->late.count);

		model_file_put(model, file);
	}
}

struct model_page *model_backing_page(
	struct model *model, struct model_backing *backing, uint64_t index, bool make)
{
	struct model_slot *slot = slot_find(&backing->slots, index);
	struct model_page *page;

	if (slot)
		return slot->page;
	if (!make)
		return NULL;
	page = model_page_new(model, index);
	slot_add(model, &backing->slots, index, page);
	return page;
}

/* Private copies of pages beyond the end go too, as truncation does for every mapping. */
static void truncate_copies(
	struct model *model, struct model_mm *mm, const struct model_backing *backing)
{
	uint64_t end = (backing->size + MODEL_PAGE - 1) / MODEL_PAGE;

	for (uint32_t i = 0; i < mm->vmas.count; i++) {
		struct model_vma *vma = model_array_at(&mm->vmas, i);
		uint64_t first = vma->offset / MODEL_PAGE, kept;

		if (vma->backing != backing || vma->shared)
			continue;
		kept = end > first ? end - first : 0;
		if (kept < (vma->end - vma->start) / MODEL_PAGE)
			slot_remove(model, &mm->slots, vma->start / MODEL_PAGE + kept,
				vma->end / MODEL_PAGE - 1);
	}
}

void model_backing_resize(struct model *model, struct model_backing *backing, uint64_t size)
{
	bool shrinks = size < backing->size;
	uint64_t tail = size % MODEL_PAGE;

	backing->size = size;
	if (!shrinks)
		return;
	slot_remove(model, &backing->slots, (size + MODEL_PAGE - 1) / MODEL_PAGE, UINT64_MAX);
	if (tail) {
		struct model_page *page =
			model_backing_page(model, backing, size / MODEL_PAGE, false);

		if (page && page->content)
			model_page_write(model, page, tail, zeros, MODEL_PAGE - tail);
	}
	for (uint32_t i = 0; i < model->mms.count; i++)
		truncate_copies(
			model, *(struct model_mm **)model_array_at(&model->mms, i), backing);
}

/* ---- stores that are reported ---- */

static void report_at(struct model *model, uint64_t address, const uint8_t *old, const void *bytes,
	uint64_t count)
{
	model->events.memory(model->events.context, address, old, bytes, (uint32_t)count);
}

/* A process sees nothing through a mapping without any permission. */
static bool is_readable(struct model_mm *mm, uint64_t address)
{
	const struct model_vma *vma = model_vma_find(mm, address);

	return vma && vma->prot;
}

/* Tells of a store before it is done, at every address where the process sees the page. */
static void report_store(struct model *model, const struct model_page *page, uint64_t offset,
	const void *bytes, uint64_t count)
{
	struct model_mm *mm = model->process->mm;
	struct model_slot *slot;
	const uint8_t *old = page->content ? page->content + offset : zeros;

	if (!model->events.memory || !model->process->alive)
		return;
	slot = slot_find(&mm->slots, page->index);
	if (slot && slot->page == page && is_readable(mm, page->index * MODEL_PAGE))
		report_at(model, page->index * MODEL_PAGE + offset, old, bytes, count);
	for (uint32_t i = 0; i < mm->vmas.count; i++) {
		struct model_vma *vma = model_array_at(&mm->vmas, i);
		uint64_t address = vma->start + page->index * MODEL_PAGE - vma->offset;

		if (!vma->backing || !vma->prot || page->index * MODEL_PAGE < vma->offset ||
			address >= vma->end ||
			model_backing_page(model, vma->backing, page->index, false) != page)
			continue;
		if (vma->shared || !slot_find(&mm->slots, address / MODEL_PAGE))
			report_at(model, address + offset, old, bytes, count);
	}
}

void model_store(struct model *model, struct model_page *page, uint64_t offset, const void *bytes,
	uint64_t count)
{
	report_store(model, page, offset, bytes, count);
	model_page_write(model, page, offset, bytes, count);
}

/* ---- VMAs ---- */

uint32_t model_vma_index(const struct model_mm *mm, uint64_t address)
{
	uint32_t i = 0;

	while (i < mm->vmas.count &&
		((struct model_vma *)model_array_at(&mm->vmas, i))->end <= address)
		i++;
	return i;
}

struct model_vma *model_vma_find(const struct model_mm *mm, uint64_t address)
{
	uint32_t i = model_vma_index(mm, address);
	struct model_vma *vma;

	if (i == mm->vmas.count)
		return NULL;
	vma = model_array_at(&mm->vmas, i);
	return vma->start <= address ? vma : NULL;
}

void model_vma_add(struct model *model, struct model_mm *mm, const struct model_vma *vma)
{
	uint32_t i = model_vma_index(mm, vma->start);

	memcpy(model_array_insert(model, &mm->vmas, i), vma, sizeof(*vma));
	if (vma->backing)
		model_backing_map(vma->backing);
}

void model_vma_split(struct model *model, struct model_mm *mm, uint64_t address)
{
	uint32_t i = model_vma_index(mm, address);
	struct model_vma *vma, low;

	if (i == mm->vmas.count)
		return;
	vma = model_array_at(&mm->vmas, i);
	if (vma->start >= address)
		return;
	low = *vma;
	low.end = address;
	vma->offset += address - vma->start;
	vma->start = address;
	if (low.backing)
		model_backing_map(low.backing);
	memcpy(model_array_insert(model, &mm->vmas, i), &low, sizeof(low));
}

void model_vma_remove(struct model *model, struct model_mm *mm, uint64_t start, uint64_t end)
{
	uint32_t from, to;

	model_vma_split(model, mm, start);
	model_vma_split(model, mm, end);
	from = model_vma_index(mm, start);
	for (to = from; to < mm->vmas.count; to++) {
		struct model_vma *vma = model_array_at(&mm->vmas, to);

		if (vma->start >= end)
			break;
		if (vma->backing)
			model_backing_unmap(model, vma->backing);
	}
	model_array_remove(&mm->vmas, from, to - from);
	if (from != to || mm->slots.count)
		slot_remove(model, &mm->slots, start / MODEL_PAGE, (end - 1) / MODEL_PAGE);
}

/* ---- address spaces ---- */

struct model_mm *model_mm_new(struct model *model)
{
	struct model_mm *mm = model_alloc(model, sizeof(*mm));

	mm->refs = 1;
	mm->alive = true;
	model_array_init(&mm->vmas, sizeof(struct model_vma));
	model_array_init(&mm->slots, sizeof(struct model_slot));
	*(struct model_mm **)model_array_insert(model, &model->mms, model->mms.count) = mm;
	return mm;
}

struct model_mm *model_mm_fresh(struct model *model)
{
	struct model_mm *mm = model_mm_new(model);
	struct model_vma vma = {.start = PROG_MEM_BASE, .prot = CALL_PROT_READ | CALL_PROT_WRITE};

	vma.end = vma.start + model->config.mem_pages * MODEL_PAGE;
	if (vma.end > vma.start)
		model_vma_add(model, mm, &vma);
	vma.start = EXEC_ARGUMENT_BASE;
	vma.end = vma.start + (uint64_t)EXEC_THREADS * EXEC_ARGUMENT_SIZE;
	model_vma_add(model, mm, &vma);
	return mm;
}

struct model_mm *model_mm_fork(struct model *model, struct model_mm *parent)
{
	struct model_mm *mm = model_mm_new(model);

	for (uint32_t i = 0; i < parent->vmas.count; i++)
		model_vma_add(model, mm, model_array_at(&parent->vmas, i));
	for (uint32_t i = 0; i < parent->slots.count; i++) {
		struct model_slot *from = model_array_at(&parent->slots, i);
		struct model_slot *to = model_array_insert(model, &mm->slots, i);

		to->index = from->index;
		/* The parent keeps a pinned page, else DMA and its own view would part. */
		if (from->page->pins) {
			to->page = page_copy(model, from->page, from->index);
			continue;
		}
		to->page = from->page;
		to->page->refs++;
		to->copy_on_write = true;
		from->copy_on_write = true;
	}
	return mm;
}

void model_mm_exit(struct model *model, struct model_mm *mm)
{
	if (!mm->alive)
		return;
	mm->alive = false;
	model_vma_remove(model, mm, 0, MODEL_TASK_SIZE);
	for (uint32_t i = 0; i < model->mms.count; i++) {
		if (*(struct model_mm **)model_array_at(&model->mms, i) == mm) {
			model_array_remove(&model->mms, i, 1);
			break;
		}
	}
}

void model_mm_put(struct model *model, struct model_mm *mm)
{
	if (--mm->refs)
		return;
	model_mm_exit(model, mm);
	model_array_end(model, &mm->vmas);
	model_array_end(model, &mm->slots);
	model_free(model, mm, sizeof(*mm));
}

/* ---- faults ---- */

/* Whatever can be accessed at all can be loaded, as on x86; pins ask for the permission itself. */
static bool kind_permitted(const struct model_vma *vma, enum model_fault_kind kind)
{
	/* Pages of a driver are for the processor (5.4 step 6). */
	if (vma->backing && vma->backing->holds && kind != MODEL_COPY_IN && kind != MODEL_COPY_OUT)
		return false;
	switch (kind) {
	case MODEL_COPY_OUT:
	case MODEL_PIN_WRITE:
	case MODEL_REMOTE_WRITE: return vma->prot & CALL_PROT_WRITE;
	case MODEL_LOOK:
	case MODEL_PIN_READ:
	case MODEL_REMOTE_READ: return vma->prot & CALL_PROT_READ;
	default: return vma->prot != 0;
	}
}

/* A write, or a long-term pin, needs a page that belongs to this address space alone. */
static bool kind_owns(enum model_fault_kind kind)
{
	return kind == MODEL_COPY_OUT || kind == MODEL_PIN_WRITE || kind == MODEL_REMOTE_WRITE ||
	       kind == MODEL_PIN_READ;
}

static struct model_page *fault_private(struct model *model, struct model_mm *mm, uint64_t address,
	struct model_page *file_page, bool own)
{
	struct model_slot *slot = slot_find(&mm->slots, address / MODEL_PAGE);
	struct model_page *page;

	if (slot && !(own && slot->copy_on_write))
		return slot->page;
	if (!own)
		return file_page;
	if (!slot) {
		page = page_copy(model, file_page, address / MODEL_PAGE);
		slot_add(model, &mm->slots, address / MODEL_PAGE, page);
		return page;
	}
	if (slot->page->refs > 1) {
		page = page_copy(model, slot->page, slot->index);
		model_page_put(model, slot->page);
		slot->page = page;
	}
	slot->copy_on_write = false;
	return slot->page;
}

/*
 * The lookup of pages begins in the page table, without asking whether the mapping may be read: a
 * page that this address space has of its own is found whatever may be done with it.
 */
static bool found_unread(const struct model *model, const struct model_mm *mm,
	const struct model_vma *vma, uint64_t address, enum model_fault_kind kind)
{
	const struct model_slot *slot = slot_find(&mm->slots, address / MODEL_PAGE);

	if (!slot || vma->shared || !vma->prot)
		return false;
	return kind == MODEL_LOOK || (kind == MODEL_PIN_READ && mm == model->process->mm &&
					     (!slot->copy_on_write || slot->page->refs == 1));
}

int model_fault(struct model *model, struct model_mm *mm, uint64_t address,
	enum model_fault_kind kind, struct model_page **page)
{
	struct model_vma *vma = model_vma_find(mm, address);
	struct model_page *file_page = NULL;

	if (kind == MODEL_LOOK && address >= -MODEL_PAGE)
		return -EOVERFLOW;
	if (!vma || (!kind_permitted(vma, kind) && !found_unread(model, mm, vma, address, kind)))
		return -EFAULT;
	if (vma->backing) {
		uint64_t offset = vma->offset + (address - vma->start);

		if (offset / MODEL_PAGE >= (vma->backing->size + MODEL_PAGE - 1) / MODEL_PAGE)
			return -EFAULT;
		file_page = model_backing_page(model, vma->backing, offset / MODEL_PAGE, true);
	}
	if (vma->shared)
		*page = file_page;
	else
		*page = fault_private(model, mm, address, file_page, kind_owns(kind));
	return 0;
}
