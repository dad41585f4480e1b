/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty tracking (specification 4.12, 4.13, 10.19). The unit is an entry of the page table, whose
 * size follows from what is contiguous (10.20). */
#include "fuzz/oracle/model.h"

#define HUGE_ENTRY     (UINT64_C(1) << 20)
#define LARGEST_ENTRY  (UINT64_C(1) << 36)
#define DIRTY_BITS_MAX (UINT64_C(16) * 1024 * 1024 * 8)

void model_dirty_forget(struct model_hwpt *hwpt, uint64_t start, uint64_t last)
{
	for (uint32_t i = hwpt->dirty.count; i--;) {
		const struct model_entry *entry = model_array_at(&hwpt->dirty, i);

		if (entry->start <= last && entry->last >= start)
			model_array_remove(&hwpt->dirty, i, 1);
	}
}

static struct model_hwpt *get_hwpt(
	struct model *model, const struct model_command *command, uint32_t id)
{
	return model_object_get(model, command->context, id, MODEL_HWPT);
}

int64_t model_rule_IOMMU_HWPT_SET_DIRTY_TRACKING(struct model *model, struct model_command *command)
{
	uint32_t flags = command->set_dirty.flags;
	struct model_hwpt *hwpt;
	int rc = -EOPNOTSUPP;

	if (flags > IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	hwpt = get_hwpt(model, command, command->set_dirty.hwpt_id);
	if (!hwpt)
		return -ENOENT;
	if (hwpt->tracks) {
		const struct model_ioas *ioas = hwpt->ioas;

		model_phase(model, "iova_rwsem");
		for (uint32_t i = 0; flags && i < ioas->areas.count; i++) {
			const struct model_area *area = model_area_at(ioas, i);

			if (!area->transitional)
				model_dirty_forget(hwpt, area->start, area->last);
		}
		hwpt->tracking = flags;
		rc = 0;
	}
	model_object_put(model, &hwpt->object);
	return rc;
}

/* ---- entries ---- */

static uint64_t physical(const struct model_area *area, uint64_t iova)
{
	const struct model_page *page =
		model_pages_pinned(area->pages, model_area_page(area, iova));

	if (!page)
		return 0;
	return page->index * MODEL_PAGE + (area->offset + (iova - area->start)) % MODEL_PAGE;
}

/* The contiguous run around iova. */
static struct model_entry run_of(const struct model_area *area, uint64_t iova)
{
	uint64_t delta = physical(area, iova) - iova, in_page = delta % MODEL_PAGE;
	struct model_entry run = {iova, iova};

	/* Page by page, both ways; pages begin where iova + in_page is a multiple. */
	run.start -= (run.start + in_page) % MODEL_PAGE;
	while (run.start > area->start && physical(area, run.start - 1) - (run.start - 1) == delta)
		run.start -= MODEL_PAGE;
	if (run.start < area->start || run.start > iova)
		run.start = area->start;
	run.last += MODEL_PAGE - 1 - (run.last + in_page) % MODEL_PAGE;
	while (run.last < area->last && physical(area, run.last + 1) - (run.last + 1) == delta)
		run.last += MODEL_PAGE;
	if (run.last > area->last || run.last < iova)
		run.last = area->last;
	return run;
}

static bool usable(const struct model_hwpt *hwpt, uint64_t size, bool small)
{
	if (small && size > MODEL_PAGE)
		return false;
	return !hwpt->huge || size == HUGE_ENTRY || size == MODEL_PAGE;
}

/* The entry with iova; false where nothing is mapped. */
static bool entry_at(const struct model_hwpt *hwpt, uint64_t iova, struct model_entry *entry)
{
	uint32_t index = model_area_index(hwpt->ioas, iova);
	const struct model_area *area;
	struct model_entry run;
	uint64_t delta;
	bool small;

	if (index == hwpt->ioas->areas.count || !hwpt->joined)
		return false;
	area = model_area_at(hwpt->ioas, index);
	if (area->start > iova || !area->filled)
		return false;
	small = hwpt->object.serial > area->serial ? hwpt->small : area->small;
	run = run_of(area, iova);
	delta = physical(area, iova) - iova;
	for (uint64_t size = LARGEST_ENTRY; size >= hwpt->page_size; size /= 2) {
		entry->start = iova - iova % size;
		entry->last = entry->start + (size - 1);
		if (usable(hwpt, size, small) && !(delta % size) && entry->start >= run.start &&
			entry->last <= run.last)
			return true;
	}
	return false;
}

/* ---- reading ---- */

static void set_bit(struct model *model, uint64_t data, uint64_t bit)
{
	struct model_mm *mm = model->process->mm;
	uint8_t byte;

	if (model_peek(model, mm, &byte, data + bit / 8, 1) != 1 || byte >> bit % 8 & 1)
		return;
	byte = (uint8_t)(byte | 1 << bit % 8);
	model_poke(model, mm, data + bit / 8, &byte, 1);
}

/* Bits behind the last one asked for are written up to the end of its page. */
static void report(struct model *model, const struct iommu_hwpt_get_dirty_bitmap *get,
	const struct model_entry *entry)
{
	uint64_t unit = get->page_size & -get->page_size;
	uint64_t asked = get->data + (get->length - 1) / unit / 8;
	uint64_t end = asked - asked % MODEL_PAGE + MODEL_PAGE;

	for (uint64_t bit = (entry->start - get->iova) / unit;
		bit <= (entry->last - get->iova) / unit && get->data + bit / 8 < end; bit++)
		set_bit(model, get->data, bit);
}

/* The last byte of the areas that follow each other from iova on; false when there is none. */
static bool reach(const struct model_ioas *ioas, uint64_t iova, uint64_t *last)
{
	bool any = false;

	for (uint32_t i = model_area_index(ioas, iova); i < ioas->areas.count; i++) {
		const struct model_area *area = model_area_at(ioas, i);

		if (area->start > iova || area->transitional)
			break;
		any = true;
		*last = area->last;
		iova = area->last + 1;
	}
	return any;
}

static void read_dirty(
	struct model *model, struct model_hwpt *hwpt, const struct iommu_hwpt_get_dirty_bitmap *get)
{
	uint64_t last = get->iova + (get->length - 1), end;

	if (!reach(hwpt->ioas, get->iova, &end))
		return;
	if (end < last)
		last = end;
	for (uint32_t i = 0; i < hwpt->dirty.count; i++) {
		const struct model_entry *entry = model_array_at(&hwpt->dirty, i);

		if (entry->start >= get->iova && entry->start <= last)
			report(model, get, entry);
	}
	if (!get->flags)
		model_dirty_forget(hwpt, get->iova, last);
}

/* Steps 3 to 8. */
static int check_range(const struct model *model, const struct model_hwpt *hwpt,
	const struct iommu_hwpt_get_dirty_bitmap *get)
{
	uint64_t end = get->iova + get->length;

	/* 6.12 looks at the sum alone: from 0 on, a length of 0 is everything. */
	if (!get->length && model->config.kernel >= LINUX(6, 13))
		return -EINVAL;
	if (end - 1 < get->iova)
		return -EOVERFLOW;
	if (get->iova % hwpt->ioas->alignment || end % hwpt->ioas->alignment)
		return -EINVAL;
	if (!get->page_size || (get->iova | end) & (get->page_size - 1))
		return -EINVAL;
	return hwpt->tracks ? 0 : -EOPNOTSUPP;
}

int64_t model_rule_IOMMU_HWPT_GET_DIRTY_BITMAP(struct model *model, struct model_command *command)
{
	const struct iommu_hwpt_get_dirty_bitmap *get = &command->get_dirty;
	struct model_hwpt *hwpt;
	int rc;

	if (get->flags > IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR || get->__reserved)
		return -EOPNOTSUPP;
	hwpt = get_hwpt(model, command, get->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	model_phase(model, "iova_rwsem");
	rc = check_range(model, hwpt, get);
	if (!rc)
		read_dirty(model, hwpt, get);
	model_object_put(model, &hwpt->object);
	return rc;
}

/* ---- the test that marks ---- */

bool model_dirty_mark(struct model *model, struct model_hwpt *hwpt, uint64_t iova)
{
	struct model_entry entry;

	if (!entry_at(hwpt, iova, &entry))
		return false;
	model_dirty_forget(hwpt, entry.start, entry.last);
	*(struct model_entry *)model_array_insert(model, &hwpt->dirty, hwpt->dirty.count) = entry;
	return true;
}

static int mark_all(struct model *model, struct model_hwpt *hwpt, struct model_command *command)
{
	uint64_t unit = command->test.dirty.page_size, count = command->test.dirty.length / unit;
	bool mapped_only = model->config.kernel < LINUX(6, 19);
	uint64_t bytes = (count + 7) / 8, marked = 0;
	uint8_t *bits;
	int rc;

	if (!hwpt->tracking)
		return -EINVAL;
	if (bytes > INT32_MAX) /* more than any allocation of Linux */
		return -ENOMEM;
	bits = model_alloc(model, bytes);
	model_phase(model, "user-copy");
	rc = model_copy_in(model, bits, command->test.dirty.uptr, bytes);
	model_phase(model, "iommu_table");
	for (uint64_t i = 0; !rc && i < count; i++) {
		if (!(bits[i / 8] >> i % 8 & 1))
			continue;
		if (model_dirty_mark(model, hwpt, command->test.dirty.iova + i * unit) ||
			!mapped_only)
			marked++;
	}
	model_free(model, bits, bytes);
	model_phase(model, "user-copy");
	command->test.dirty.out_nr_dirty = marked;
	return rc ? rc : model_respond(model, command);
}

int64_t model_rule_IOMMU_TEST_OP_DIRTY(struct model *model, struct model_command *command)
{
	uint64_t unit = command->test.dirty.page_size, length = command->test.dirty.length;
	struct model_hwpt *hwpt;
	int rc;

	if (!unit || !length || !command->test.dirty.uptr || command->test.dirty.iova % unit ||
		length % unit)
		return -EINVAL;
	if (length / unit > DIRTY_BITS_MAX && model->config.kernel >= LINUX(6, 19))
		return -EOVERFLOW;
	hwpt = get_hwpt(model, command, command->test.id);
	if (!hwpt)
		return -ENOENT;
	rc = mark_all(model, hwpt, command);
	model_object_put(model, &hwpt->object);
	return rc;
}
