/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of mappings: what is pinned, for how long, and who pays (specification 3.2 and 11).
 */
#include "fuzz/oracle/model.h"

struct model_pages *model_pages_new(struct model *model, struct model_context *context,
	struct model_file *file, uint64_t address, uint64_t length, bool writable)
{
	struct model_pages *pages = model_alloc(model, sizeof(*pages));
	struct model_task *task = model->process->task;
	uint64_t offset = address % MODEL_PAGE;

	pages->refs = 1;
	pages->mm = model->process->mm;
	pages->mm->refs++;
	pages->task = model_task_get(task);
	pages->file = file;
	if (file)
		file->refs++;
	pages->start = address - offset;
	pages->page_count = (offset + length - 1) / MODEL_PAGE + 1;
	pages->writable = writable;
	if (task->caps & CALL_CAP_IPC_LOCK)
		pages->account = MODEL_ACCOUNT_NONE;
	else
		pages->account = context->mode_mm ? MODEL_ACCOUNT_MM : MODEL_ACCOUNT_USER;
	model_array_init(&pages->needs, sizeof(struct model_need));
	model_array_init(&pages->records, sizeof(struct model_record));
	if (model_pages_of_dmabuf(pages))
		model_dmabuf_attach(model, pages);
	return pages;
}

struct model_pages *model_pages_get(struct model_pages *pages)
{
	pages->refs++;
	return pages;
}

static uint32_t need_index(const struct model_pages *pages, uint64_t index)
{
	const struct model_array *needs = &pages->needs;
	uint32_t low = 0, high = needs->count;

	if (high && ((struct model_need *)model_array_at(needs, high - 1))->index < index)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (((struct model_need *)model_array_at(needs, middle))->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct model_need *need_find(const struct model_pages *pages, uint64_t index)
{
	uint32_t i = need_index(pages, index);
	struct model_need *need;

	if (i == pages->needs.count)
		return NULL;
	need = model_array_at(&pages->needs, i);
	return need->index == index ? need : NULL;
}

struct model_page *model_pages_pinned(const struct model_pages *pages, uint64_t index)
{
	struct model_need *need = need_find(pages, index);

	if (model_pages_of_dmabuf(pages))
		return model_dmabuf_page(pages, index);
	return need ? need->page : NULL;
}

/* Who is charged, NULL for nobody. */
static uint64_t *locked_counter(struct model *model, const struct model_pages *pages)
{
	switch (pages->account) {
	case MODEL_ACCOUNT_USER: return &model_uid(model, pages->task->uid)->locked;
	case MODEL_ACCOUNT_MM: return &pages->mm->locked;
	default: return NULL;
	}
}

static int charge(struct model *model, struct model_pages *pages, uint64_t count)
{
	uint64_t *locked = locked_counter(model, pages);
	uint64_t paid = count < pages->kept ? count : pages->kept;

	count -= paid;
	if (locked && count) {
		if (*locked + count > pages->task->memlock / MODEL_PAGE)
			return -ENOMEM;
		*locked += count;
	}
	pages->kept -= paid;
	pages->mm->pinned += count;
	return 0;
}

static void uncharge(struct model *model, struct model_pages *pages, uint64_t count)
{
	uint64_t *locked = locked_counter(model, pages);

	if (pages->account == MODEL_ACCOUNT_MM && !pages->mm->alive) {
		pages->kept += count;
		return;
	}
	if (locked)
		*locked -= count;
	pages->mm->pinned -= count;
}

/* Takes one need away from each page of [first, last]; the number of pages that nobody needs any
 * more. */
static uint64_t drop_needs(
	struct model *model, struct model_pages *pages, uint64_t first, uint64_t last)
{
	uint32_t from = need_index(pages, first), to = from, kept = from;

	for (; to < pages->needs.count; to++) {
		struct model_need *need = model_array_at(&pages->needs, to);

		if (need->index > last)
			break;
		if (--need->need == 0)
			model_page_unpin(model, need->page);
		else
			*(struct model_need *)model_array_at(&pages->needs, kept++) = *need;
	}
	model_array_remove(&pages->needs, kept, to - kept);
	return to - kept;
}

void model_pages_put(struct model *model, struct model_pages *pages)
{
	if (--pages->refs)
		return;
	/* Pins of a driver that never gave them back end with the IOAS (I6). */
	for (uint32_t i = 0; i < pages->needs.count; i++)
		model_page_unpin(
			model, ((struct model_need *)model_array_at(&pages->needs, i))->page);
	uncharge(model, pages, pages->needs.count);
	model_array_end(model, &pages->needs);
	model_array_end(model, &pages->records);
	if (model_pages_of_dmabuf(pages))
		model_dmabuf_detach(pages);
	if (pages->file)
		model_file_put(model, pages->file);
	model_mm_put(model, pages->mm);
	model_task_put(model, pages->task);
	model_free(model, pages, sizeof(*pages));
}

int model_pages_source(
	struct model *model, struct model_pages *pages, uint64_t index, struct model_page **page)
{
	uint64_t at = pages->start + index * MODEL_PAGE;

	if (!pages->file && !pages->mm->alive)
		return -EFAULT;
	if (!pages->file)
		return model_fault(model, pages->mm, at,
			pages->writable ? MODEL_PIN_WRITE : MODEL_PIN_READ, page);
	/* Whole pages of a memfd, or none. */
	if (pages->file->kind != MODEL_FILE_MEMFD ||
		at / MODEL_PAGE >= pages->file->memory->size / MODEL_PAGE)
		return -EINVAL;
	*page = model_backing_page(model, pages->file->memory, at / MODEL_PAGE, true);
	return 0;
}

bool model_pages_foreign(const struct model *model, const struct model_pages *pages)
{
	bool other_mm = pages->mm != model->process->mm;

	if (pages->account == MODEL_ACCOUNT_USER)
		return other_mm || pages->task->uid != model->process->task->uid;
	return pages->account == MODEL_ACCOUNT_MM && other_mm;
}

int model_pages_adopt(struct model *model, struct model_pages *pages)
{
	bool foreign = model_pages_foreign(model, pages);
	int rc = foreign && pages->account == MODEL_ACCOUNT_MM && !pages->mm->alive ? -EINVAL : 0;
	uint64_t *locked;

	if (foreign)
		uncharge(model, pages, pages->needs.count);
	pages->kept = 0;
	model_mm_put(model, pages->mm);
	model_task_put(model, pages->task);
	pages->mm = model->process->mm;
	pages->mm->refs++;
	pages->task = model_task_get(model->process->task);
	if (!foreign)
		return rc;
	locked = locked_counter(model, pages);
	*locked += pages->needs.count;
	pages->mm->pinned += pages->needs.count;
	return rc;
}

int model_pages_need(struct model *model, struct model_pages *pages, uint64_t first, uint64_t last)
{
	uint64_t fresh = 0;
	int rc = 0;

	/* Memory of a dma-buf is never pinned. */
	if (model_pages_of_dmabuf(pages))
		return 0;
	for (uint64_t index = first; index <= last; index++) {
		uint32_t i = need_index(pages, index);
		struct model_need *need =
			i < pages->needs.count ? model_array_at(&pages->needs, i) : NULL;
		struct model_page *page;

		if (need && need->index == index) {
			need->need++;
			continue;
		}
		rc = model_pages_source(model, pages, index, &page);
		if (rc) {
			if (index > first)
				drop_needs(model, pages, first, index - 1);
			return rc;
		}
		model_page_pin(page);
		need = model_array_insert(model, &pages->needs, i);
		*need = (struct model_need){.index = index, .page = page, .need = 1};
		fresh++;
	}
	rc = charge(model, pages, fresh);
	if (rc)
		drop_needs(model, pages, first, last);
	return rc;
}

void model_pages_release(
	struct model *model, struct model_pages *pages, uint64_t first, uint64_t last)
{
	uncharge(model, pages, drop_needs(model, pages, first, last));
}
