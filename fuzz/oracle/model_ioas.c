/* SPDX-License-Identifier: Apache-2.0 */
/* The IOAS: areas, reserved and allowed sets, alignment, domains (specification 3.1 to 3.4, 3.8).
 */
#include "fuzz/oracle/model.h"

struct model_ioas *model_ioas_new(struct model *model, struct model_context *context)
{
	struct model_ioas *ioas = model_alloc(model, sizeof(*ioas));

	model_array_init(&ioas->areas, sizeof(struct model_area *));
	model_array_init(&ioas->reserved, sizeof(struct model_range));
	model_array_init(&ioas->allowed, sizeof(struct model_range));
	model_array_init(&ioas->hwpts, sizeof(struct model_hwpt *));
	model_array_init(&ioas->accesses, sizeof(struct model_access *));
	ioas->alignment = 1;
	model_object_reserve(model, context, &ioas->object, MODEL_IOAS);
	return ioas;
}

/* The next record within the area's pages, or of any page: lowest first, the oldest of them. */
static struct model_record *stale_record(const struct model_area *area, bool any, uint32_t *index)
{
	uint64_t first = any ? 0 : model_area_page(area, area->start);
	uint64_t last = any ? UINT64_MAX : model_area_page(area, area->last);
	struct model_record *best = NULL;

	for (uint32_t i = 0; i < area->pages->records.count; i++) {
		struct model_record *record = model_array_at(&area->pages->records, i);

		if (record->first < first || record->last > last ||
			(best && best->first <= record->first))
			continue;
		best = record;
		*index = i;
	}
	return best;
}

/*
 * Pins that drivers never gave back end with the area (I6). Who has given back another one's pins
 * has left his own here, maybe of other pages.
 */
static void drop_stale_pins(struct model *model, struct model_area *area)
{
	for (int any = 0; any < 2; any++) {
		struct model_record *record;
		uint32_t index;

		while (area->accesses && (record = stale_record(area, any, &index))) {
			area->accesses--;
			if (--record->users)
				continue;
			uint64_t first = record->first, last = record->last;

			model_array_remove(&area->pages->records, index, 1);
			model_pages_release(model, area->pages, first, last);
		}
	}
}

void model_ioas_end(struct model *model, struct model_ioas *ioas)
{
	/* Area by area, as UNMAP (3.9). */
	while (ioas->areas.count) {
		model_phase(model, "domains_rwsem");
		drop_stale_pins(model, model_area_at(ioas, 0));
		model_area_remove(model, ioas, 0);
	}
	model_array_end(model, &ioas->areas);
	model_array_end(model, &ioas->reserved);
	model_array_end(model, &ioas->allowed);
	model_array_end(model, &ioas->hwpts);
	model_array_end(model, &ioas->accesses);
	model_free(model, ioas, sizeof(*ioas));
}

/* ---- areas ---- */

uint32_t model_area_index(const struct model_ioas *ioas, uint64_t iova)
{
	uint32_t low = 0, high = ioas->areas.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (model_area_at(ioas, middle)->last < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t model_area_page(const struct model_area *area, uint64_t iova)
{
	return (area->offset + (iova - area->start)) / MODEL_PAGE;
}

bool model_area_cover(const struct model_ioas *ioas, uint64_t start, uint64_t last)
{
	for (uint32_t i = model_area_index(ioas, start); i < ioas->areas.count; i++) {
		const struct model_area *area = model_area_at(ioas, i);

		if (area->start > start || area->transitional)
			return false;
		if (area->last >= last)
			return true;
		start = area->last + 1;
	}
	return false;
}

/* Why a page table does not take an area whose pages are there, 0 if it does. */
static int refused(
	const struct model *model, const struct model_ioas *ioas, const struct model_area *area)
{
	/* Only VFIO's MAP_DMA comes here without access. */
	if (!area->readable && !area->writeable && model->config.kernel >= LINUX(6, 19))
		return -EINVAL;
	/* Only a COPY of several small areas comes here misaligned (3.7). */
	for (uint32_t i = 0; i < ioas->hwpts.count; i++) {
		const struct model_hwpt *hwpt =
			*(struct model_hwpt **)model_array_at(&ioas->hwpts, i);

		if ((area->start | (area->last + 1) | area->offset) & (hwpt->page_size - 1))
			return -ENXIO;
	}
	return 0;
}

int model_area_fill(struct model *model, struct model_ioas *ioas, struct model_area *area)
{
	uint64_t first = model_area_page(area, area->start),
		 last = model_area_page(area, area->last);
	int rc;

	if (!ioas->hwpts.count)
		return 0;
	rc = model_pages_need(model, area->pages, first, last);
	if (rc)
		return rc;
	area->filled = true;
	area->small = ioas->small_pages;
	area->serial = model->objects;
	if (area->pages->dead)
		return 0;
	rc = refused(model, ioas, area);
	if (rc)
		model_area_drain(model, area);
	return rc;
}
void model_area_drain(struct model *model, struct model_area *area)
{
	if (!area->filled)
		return;
	area->filled = false;
	model_pages_release(model, area->pages, model_area_page(area, area->start),
		model_area_page(area, area->last));
}

void model_area_remove(struct model *model, struct model_ioas *ioas, uint32_t index)
{
	struct model_area *area = model_area_at(ioas, index);

	for (uint32_t i = 0; i < ioas->hwpts.count; i++)
		model_dirty_forget(*(struct model_hwpt **)model_array_at(&ioas->hwpts, i),
			area->start, area->last);
	model_area_drain(model, area);
	model_array_remove(&ioas->areas, index, 1);
	model_pages_put(model, area->pages);
	model_free(model, area, sizeof(*area));
}

uint64_t model_syz_address(const struct model_ioas *ioas, uint64_t value)
{
	uint32_t nth = (uint32_t)value;

	if (nth >= ioas->areas.count)
		return 0;
	return model_area_at(ioas, nth)->start + (value >> 32);
}

/* ---- reserved and allowed sets ---- */

bool model_ranges_intersect(const struct model_array *ranges, uint64_t start, uint64_t last)
{
	for (uint32_t i = 0; i < ranges->count; i++) {
		const struct model_range *range = model_array_at(ranges, i);

		if (range->start <= last && range->last >= start)
			return true;
	}
	return false;
}

int model_ioas_reserve(struct model *model, struct model_ioas *ioas, uint64_t start, uint64_t last,
	const void *owner)
{
	uint32_t area = model_area_index(ioas, start);
	struct model_range *range;

	if (area < ioas->areas.count && model_area_at(ioas, area)->start <= last)
		return -EADDRINUSE;
	if (model_ranges_intersect(&ioas->allowed, start, last))
		return -EADDRINUSE;
	range = model_array_insert(model, &ioas->reserved, ioas->reserved.count);
	*range = (struct model_range){.start = start, .last = last, .owner = owner};
	return 0;
}

void model_ioas_unreserve(struct model_ioas *ioas, const void *owner)
{
	for (uint32_t i = ioas->reserved.count; i--;) {
		const struct model_range *range = model_array_at(&ioas->reserved, i);

		if (range->owner == owner)
			model_array_remove(&ioas->reserved, i, 1);
	}
}

int64_t model_rule_IOMMU_IOAS_ALLOC(struct model *model, struct model_command *command)
{
	struct model_ioas *ioas;
	int rc;

	if (command->ioas_alloc.flags)
		return -EOPNOTSUPP;
	model_phase(model, "object_table");
	ioas = model_ioas_new(model, command->context);
	command->ioas_alloc.out_ioas_id = ioas->object.id;
	rc = model_respond(model, command);
	if (rc)
		model_phase(model, "ioas_creation_lock");
	else
		model_pass(model, &command->context->creation, false, "ioas_creation_lock");
	if (rc) {
		model_object_remove(command->context, &ioas->object);
		model_ioas_end(model, ioas);
	} else {
		model_object_publish(&ioas->object);
	}
	return rc;
}

/* Reads the user's list into `list`, sorted. */
static int read_allowed(struct model *model, const struct iommu_ioas_allow_iovas *argument,
	struct model_array *list)
{
	for (uint32_t n = 0; n < argument->num_iovas; n++) {
		struct iommu_iova_range range;
		struct model_range *slot;
		uint32_t at = 0;
		int rc = model_copy_in(
			model, &range, argument->allowed_iovas + n * sizeof(range), sizeof(range));

		if (rc)
			return rc;
		if (range.start >= range.last ||
			model_ranges_intersect(list, range.start, range.last))
			return -EINVAL;
		while (at < list->count &&
			((struct model_range *)model_array_at(list, at))->start < range.start)
			at++;
		slot = model_array_insert(model, list, at);
		*slot = (struct model_range){.start = range.start, .last = range.last};
	}
	return 0;
}

static int set_allowed(
	struct model *model, struct model_ioas *ioas, const struct iommu_ioas_allow_iovas *argument)
{
	struct model_array list;
	int rc;

	model_array_init(&list, sizeof(struct model_range));
	rc = read_allowed(model, argument, &list);
	if (!rc)
		model_phase(model, "iova_rwsem");
	for (uint32_t i = 0; !rc && i < list.count; i++) {
		const struct model_range *range = model_array_at(&list, i);

		if (model_ranges_intersect(&ioas->reserved, range->start, range->last))
			rc = -EADDRINUSE;
	}
	if (rc) {
		model_array_end(model, &list);
		return rc;
	}
	model_array_end(model, &ioas->allowed);
	ioas->allowed = list;
	return 0;
}

/* The first two checks of ALLOW_IOVAS and IOVA_RANGES (4.3, 4.5); *ioas gets a reference. */
static int look_up_ioas(struct model *model, struct model_command *command, uint32_t reserved,
	uint32_t id, struct model_ioas **ioas)
{
	if (reserved)
		return -EOPNOTSUPP;
	*ioas = model_object_get(model, command->context, id, MODEL_IOAS);
	return *ioas ? 0 : -ENOENT;
}

int64_t model_rule_IOMMU_IOAS_ALLOW_IOVAS(struct model *model, struct model_command *command)
{
	struct iommu_ioas_allow_iovas *argument = &command->allow_iovas;
	struct model_ioas *ioas;
	int rc = look_up_ioas(model, command, argument->__reserved, argument->ioas_id, &ioas);

	if (rc)
		return rc;
	rc = set_allowed(model, ioas, argument);
	model_object_put(model, &ioas->object);
	return rc;
}

bool model_reserved_hole(
	const struct model_ioas *ioas, uint64_t from, struct iommu_iova_range *hole)
{
	bool moved = true;

	hole->start = from;
	hole->last = UINT64_MAX;
	while (moved) {
		moved = false;
		for (uint32_t i = 0; i < ioas->reserved.count; i++) {
			const struct model_range *range = model_array_at(&ioas->reserved, i);

			if (range->start > hole->start || range->last < hole->start)
				continue;
			if (range->last == UINT64_MAX)
				return false;
			hole->start = range->last + 1;
			moved = true;
		}
	}
	for (uint32_t i = 0; i < ioas->reserved.count; i++) {
		const struct model_range *range = model_array_at(&ioas->reserved, i);

		if (range->start > hole->start && range->start - 1 < hole->last)
			hole->last = range->start - 1;
	}
	return true;
}

static int show_ranges(
	struct model *model, const struct model_ioas *ioas, struct model_command *command)
{
	struct iommu_ioas_iova_ranges *argument = &command->iova_ranges;
	uint32_t capacity = argument->num_iovas, total = 0;
	struct iommu_iova_range hole;
	uint64_t from = 0;
	int rc;

	while (model_reserved_hole(ioas, from, &hole)) {
		if (total < capacity) {
			rc = model_copy_out(model, argument->allowed_iovas + total * sizeof(hole),
				&hole, sizeof(hole));
			if (rc)
				return rc;
		}
		total++;
		if (hole.last == UINT64_MAX)
			break;
		from = hole.last + 1;
	}
	argument->num_iovas = total;
	argument->out_iova_alignment = ioas->alignment;
	rc = model_respond(model, command);
	if (rc)
		return rc;
	return total > capacity ? -EMSGSIZE : 0;
}

int64_t model_rule_IOMMU_IOAS_IOVA_RANGES(struct model *model, struct model_command *command)
{
	struct iommu_ioas_iova_ranges *argument = &command->iova_ranges;
	struct model_ioas *ioas;
	int rc = look_up_ioas(model, command, argument->__reserved, argument->ioas_id, &ioas);

	if (rc)
		return rc;
	model_phase(model, "iova_rwsem");
	rc = show_ranges(model, ioas, command);
	model_object_put(model, &ioas->object);
	return rc;
}

/* ---- alignment and domains ---- */

static bool areas_aligned(const struct model_ioas *ioas, uint64_t alignment)
{
	for (uint32_t i = 0; i < ioas->areas.count; i++) {
		const struct model_area *area = model_area_at(ioas, i);
		uint64_t length = area->last - area->start + 1;

		if ((area->start | length | area->offset) & (alignment - 1))
			return false;
	}
	return true;
}

static uint64_t ioas_alignment(const struct model_ioas *ioas)
{
	uint64_t alignment = ioas->small_pages ? MODEL_PAGE : 1;

	for (uint32_t i = 0; i < ioas->hwpts.count; i++) {
		const struct model_hwpt *hwpt =
			*(struct model_hwpt **)model_array_at(&ioas->hwpts, i);

		if (hwpt->page_size > alignment)
			alignment = hwpt->page_size;
	}
	for (uint32_t i = 0; i < ioas->accesses.count; i++) {
		const struct model_access *access =
			*(struct model_access **)model_array_at(&ioas->accesses, i);

		if (access && access->needs_pin)
			alignment = MODEL_PAGE;
	}
	return alignment;
}

int model_ioas_realign(struct model_ioas *ioas)
{
	uint64_t alignment = ioas_alignment(ioas);

	if (alignment > ioas->alignment && !areas_aligned(ioas, alignment))
		return -EADDRINUSE;
	ioas->alignment = alignment;
	return 0;
}

static void drain_areas(struct model *model, struct model_ioas *ioas, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		model_area_drain(model, model_area_at(ioas, i));
}

/* Completed areas are pinned by their first domain; further ones find everything pinned. */
static int fill_areas(struct model *model, struct model_ioas *ioas)
{
	for (uint32_t i = 0; i < ioas->areas.count; i++) {
		struct model_area *area = model_area_at(ioas, i);
		int rc = area->transitional ? 0 : model_area_fill(model, ioas, area);

		if (rc) {
			drain_areas(model, ioas, i);
			return rc;
		}
	}
	return 0;
}

int model_ioas_add_domain(struct model *model, struct model_ioas *ioas, struct model_hwpt *hwpt)
{
	uint64_t alignment = hwpt->page_size > ioas->alignment ? hwpt->page_size : ioas->alignment;
	int rc = 0;

	if (alignment > MODEL_PAGE)
		return -EINVAL;
	if (alignment != ioas->alignment && !areas_aligned(ioas, alignment))
		return -EADDRINUSE;
	if (hwpt->first)
		rc = model_ioas_reserve(model, ioas, 0, hwpt->first - 1, hwpt);
	if (!rc && hwpt->last != UINT64_MAX)
		rc = model_ioas_reserve(model, ioas, hwpt->last + 1, UINT64_MAX, hwpt);
	if (!rc) {
		*(struct model_hwpt **)model_array_insert(model, &ioas->hwpts, ioas->hwpts.count) =
			hwpt;
		if (ioas->hwpts.count == 1)
			rc = fill_areas(model, ioas);
		if (rc)
			ioas->hwpts.count--;
	}
	if (rc)
		model_ioas_unreserve(ioas, hwpt);
	else
		ioas->alignment = alignment;
	hwpt->joined = !rc;
	hwpt->small = ioas->small_pages;
	return rc;
}

void model_ioas_remove_domain(struct model *model, struct model_ioas *ioas, struct model_hwpt *hwpt)
{
	for (uint32_t i = 0; i < ioas->hwpts.count; i++) {
		if (*(struct model_hwpt **)model_array_at(&ioas->hwpts, i) != hwpt)
			continue;
		model_array_remove(&ioas->hwpts, i, 1);
		hwpt->joined = false;
		if (!ioas->hwpts.count)
			drain_areas(model, ioas, ioas->areas.count);
		break;
	}
	model_ioas_unreserve(ioas, hwpt);
	model_ioas_realign(ioas);
}
