/* SPDX-License-Identifier: Apache-2.0 */
/* MAP, COPY and UNMAP (specification 3.5 to 3.7, 3.9, 4.4, 4.6, 4.8). */
#include "fuzz/oracle/model.h"

#define MAP_FLAGS                                                                                  \
	((uint32_t)(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE))
#define HUGE_SIZE UINT64_C(0x200000)

/* ---- automatic IOVA, 3.5 ---- */

static uint64_t roundup_power(uint64_t value)
{
	return value <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(value - 1));
}

/* Steps 7 and 8: moves *start up to where length bytes may begin in [*start, last]. */
static bool fit(
	uint64_t *start, uint64_t last, uint64_t alignment, uint64_t page_offset, uint64_t length)
{
	uint64_t s = *start;

	if (s & (alignment - 1)) {
		if (s > UINT64_MAX - (alignment - 1))
			return false;
		s = (s + alignment - 1) & ~(alignment - 1);
	}
	s |= page_offset;
	if (s >= last || last - s < length - 1)
		return false;
	*start = s;
	return true;
}

/* The lowest obstacle, area or reservation, that ends at or above from. */
static bool next_obstacle(const struct model_ioas *ioas, uint64_t from, struct model_range *found)
{
	uint32_t index = model_area_index(ioas, from);
	bool any = false;

	if (index < ioas->areas.count) {
		const struct model_area *area = model_area_at(ioas, index);

		*found = (struct model_range){.start = area->start, .last = area->last};
		any = true;
	}
	for (uint32_t i = 0; i < ioas->reserved.count; i++) {
		const struct model_range *range = model_array_at(&ioas->reserved, i);

		if (range->last < from || (any && range->start >= found->start))
			continue;
		*found = *range;
		any = true;
	}
	return any;
}

/* Step 8 in one window. */
static bool search_window(const struct model_ioas *ioas, uint64_t start, uint64_t last,
	uint64_t alignment, uint64_t page_offset, uint64_t length, uint64_t *iova)
{
	uint64_t from = start;

	if (!fit(&from, last, alignment, page_offset, length))
		return false;
	for (;;) {
		struct model_range obstacle = {0};
		bool blocked = next_obstacle(ioas, from, &obstacle) && obstacle.start <= last;

		if (!blocked || obstacle.start > from) {
			uint64_t hole = from;

			if (fit(&hole, blocked ? obstacle.start - 1 : last, alignment, page_offset,
				    length)) {
				*iova = hole;
				return true;
			}
		}
		if (!blocked || obstacle.last >= last)
			return false;
		from = obstacle.last + 1;
	}
}

uint64_t model_choose_iova(
	const struct model_ioas *ioas, uint64_t address, uint64_t length, int *error)
{
	const uint64_t low = MODEL_PAGE, high = UINT64_MAX - MODEL_PAGE;
	uint64_t page_offset = address % MODEL_PAGE, alignment, iova;

	*error = 0;
	if (length == 0 || length >= UINT64_MAX / 2) {
		*error = -EOVERFLOW;
		return 0;
	}
	alignment = roundup_power(length);
	if (address && (address & -address) < alignment)
		alignment = address & -address;
	if (alignment > HUGE_SIZE)
		alignment = HUGE_SIZE;
	if (alignment < ioas->alignment) {
		*error = -EINVAL;
		return 0;
	}
	if (!ioas->allowed.count &&
		search_window(ioas, low, high, alignment, page_offset, length, &iova))
		return iova;
	for (uint32_t i = 0; i < ioas->allowed.count; i++) {
		struct model_range window =
			*(struct model_range *)model_array_at(&ioas->allowed, i);

		/* Touching intervals are one window. */
		for (; i + 1 < ioas->allowed.count; i++) {
			const struct model_range *next = model_array_at(&ioas->allowed, i + 1);

			if (next->start != window.last + 1)
				break;
			window.last = next->last;
		}
		if (window.start < low)
			window.start = low;
		if (window.last > high)
			window.last = high;
		if (window.start <= window.last && search_window(ioas, window.start, window.last,
							   alignment, page_offset, length, &iova))
			return iova;
	}
	*error = -ENOSPC;
	return 0;
}

/* ---- inserting ---- */

/* A piece of a source that becomes one area. */
struct piece {
	struct model_pages *pages; /* holds a reference */
	uint64_t offset, length;   /* bytes */
	struct model_area *area;   /* while the call owns it */
};

static int check_fixed(const struct model_ioas *ioas, uint64_t iova, uint64_t length)
{
	uint64_t last = iova + (length - 1);
	uint32_t index;

	if (iova & (ioas->alignment - 1))
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	if (model_ranges_intersect(&ioas->reserved, iova, last))
		return -EINVAL;
	index = model_area_index(ioas, iova);
	if (index < ioas->areas.count && model_area_at(ioas, index)->start <= last)
		return -EEXIST;
	return 0;
}

/* 3.5 or 3.6 as a whole: where length bytes go. */
static int place(const struct model_ioas *ioas, uint32_t flags, uint64_t address, uint64_t length,
	uint64_t *iova)
{
	int rc;

	if (!length || length & (ioas->alignment - 1))
		return -EINVAL;
	if (flags & IOMMU_IOAS_MAP_FIXED_IOVA)
		return check_fixed(ioas, *iova, length);
	*iova = model_choose_iova(ioas, address, length, &rc);
	return rc;
}

static int insert_piece(struct model *model, struct model_ioas *ioas, struct piece *piece,
	uint32_t flags, uint64_t iova)
{
	struct model_area *area;
	uint32_t index;

	if ((flags & IOMMU_IOAS_MAP_WRITEABLE) && !piece->pages->writable)
		return -EPERM;
	if (piece->offset & (ioas->alignment - 1))
		return -EINVAL;
	area = model_alloc(model, sizeof(*area));
	area->start = iova;
	area->last = iova + (piece->length - 1);
	area->pages = model_pages_get(piece->pages);
	area->offset = piece->offset;
	area->readable = flags & IOMMU_IOAS_MAP_READABLE;
	area->writeable = flags & IOMMU_IOAS_MAP_WRITEABLE;
	area->transitional = true;
	piece->area = area;
	index = model_area_index(ioas, iova);
	*(struct model_area **)model_array_insert(model, &ioas->areas, index) = area;
	return 0;
}

static void remove_pieces(struct model *model, struct model_ioas *ioas,
	const struct model_array *pieces, uint32_t inserted)
{
	for (uint32_t i = 0; i < inserted; i++) {
		const struct piece *piece = model_array_at(pieces, i);

		model_area_remove(model, ioas, model_area_index(ioas, piece->area->start));
	}
}

/* Phase 1 of 3.7, behind the choice of the IOVA. */
static int insert_pieces(struct model *model, struct model_ioas *ioas,
	const struct model_array *pieces, uint32_t flags, uint64_t iova)
{
	for (uint32_t i = 0; i < pieces->count; i++) {
		struct piece *piece = model_array_at(pieces, i);
		int rc = insert_piece(model, ioas, piece, flags, iova);

		if (rc) {
			remove_pieces(model, ioas, pieces, i);
			return rc;
		}
		iova += piece->length;
	}
	return 0;
}

/* Phase 2. */
static int fill_pieces(
	struct model *model, struct model_ioas *ioas, const struct model_array *pieces)
{
	for (uint32_t i = 0; i < pieces->count; i++) {
		const struct piece *piece = model_array_at(pieces, i);
		int rc = model_area_fill(model, ioas, piece->area);

		if (!rc)
			continue;
		while (i--)
			model_area_drain(model, ((struct piece *)model_array_at(pieces, i))->area);
		return rc;
	}
	return 0;
}

/* 3.7 for areas that are inserted. Where there is no domain, phases 2 and 3 are one step. */
static int finish_pieces(
	struct model *model, struct model_ioas *ioas, const struct model_array *pieces)
{
	int rc = 0;

	model_lock(
		model, &ioas->domains, false, ioas->hwpts.count ? "domains_rwsem" : "iova_rwsem");
	if (ioas->hwpts.count) {
		rc = fill_pieces(model, ioas, pieces);
		model_phase(model, "iova_rwsem");
	}
	if (rc)
		remove_pieces(model, ioas, pieces, pieces->count);
	for (uint32_t i = 0; !rc && i < pieces->count; i++)
		((struct piece *)model_array_at(pieces, i))->area->transitional = false;
	model_unlock(model, &ioas->domains, false);
	return rc;
}

static int map_pieces(struct model *model, struct model_ioas *ioas,
	const struct model_array *pieces, uint32_t flags, uint64_t iova)
{
	int rc = insert_pieces(model, ioas, pieces, flags, iova);

	return rc ? rc : finish_pieces(model, ioas, pieces);
}

int model_map_user(struct model *model, struct model_ioas *ioas, struct model_context *context,
	struct iommu_ioas_map *argument)
{
	struct model_array pieces;
	struct piece *piece;
	int rc = !argument->length || argument->length > UINT64_MAX - MODEL_PAGE ? -EINVAL : 0;

	if (rc && model->config.kernel < LINUX(6, 14))
		return rc;
	if (argument->user_va + argument->length < argument->user_va)
		return -EOVERFLOW;
	if (rc)
		return rc;
	model_phase(model, "iova_rwsem");
	rc = place(ioas, argument->flags, argument->user_va, argument->length, &argument->iova);
	if (rc)
		return rc;
	model_array_init(&pieces, sizeof(*piece));
	piece = model_array_insert(model, &pieces, 0);
	piece->pages = model_pages_new(model, context, NULL, argument->user_va, argument->length,
		argument->flags & IOMMU_IOAS_MAP_WRITEABLE);
	piece->offset = argument->user_va % MODEL_PAGE;
	piece->length = argument->length;
	rc = map_pieces(model, ioas, &pieces, argument->flags, argument->iova);
	model_pages_put(model, piece->pages);
	model_array_end(model, &pieces);
	return rc;
}

int64_t model_rule_IOMMU_IOAS_MAP(struct model *model, struct model_command *command)
{
	struct iommu_ioas_map *argument = &command->map;
	struct model_ioas *ioas;
	int rc;

	if ((argument->flags & ~MAP_FLAGS) || argument->__reserved)
		return -EOPNOTSUPP;
	if (argument->iova == UINT64_MAX || argument->length == UINT64_MAX)
		return -EOVERFLOW;
	if (!(argument->flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)))
		return -EINVAL;
	ioas = model_object_get(model, command->context, argument->ioas_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	rc = model_map_user(model, ioas, command->context, argument);
	model_phase(model, "put");
	if (!rc)
		rc = model_respond(model, command);
	model_object_release(&ioas->object);
	return rc;
}

/* The one area of a file, and where it goes. Steps 8 and 9 of 4.7. */
static int map_of_file(struct model *model, struct model_ioas *ioas, struct model_command *command,
	struct model_file *file)
{
	struct iommu_ioas_map_file *argument = &command->map_file;
	struct model_array pieces;
	struct piece *piece;
	int rc = place(ioas, argument->flags, argument->start, argument->length, &argument->iova);

	if (rc)
		return rc;
	model_array_init(&pieces, sizeof(*piece));
	piece = model_array_insert(model, &pieces, 0);
	*piece = (struct piece){.offset = argument->start % MODEL_PAGE,
		.length = argument->length,
		.pages = model_pages_new(model, command->context, file, argument->start,
			argument->length, argument->flags & IOMMU_IOAS_MAP_WRITEABLE)};
	rc = map_pieces(model, ioas, &pieces, argument->flags, argument->iova);
	model_pages_put(model, piece->pages);
	model_array_end(model, &pieces);
	return rc;
}

/* Step 7: whether the dma-buf can be mapped there. */
static int check_dmabuf(struct model *model, const struct iommu_ioas_map_file *argument,
	const struct model_file *file)
{
	if (argument->start + (argument->length - 1) >= file->memory->size)
		return -EINVAL;
	model_phase(model, "dmabuf");
	return file->revoked ? -ENODEV : 0;
}

/* From step 5 on. */
static int map_descriptor(
	struct model *model, struct model_ioas *ioas, struct model_command *command)
{
	const struct iommu_ioas_map_file *argument = &command->map_file;
	struct model_file *file;
	int rc;

	if (argument->length == 0)
		return -EINVAL;
	if (argument->start > UINT64_MAX - (argument->length - 1))
		return -EOVERFLOW;
	file = argument->fd < 0 ? NULL : model_file_at(model, (uint64_t)argument->fd);
	if (!file)
		return -EBADF;
	if (argument->length > UINT64_MAX - MODEL_PAGE)
		return -EINVAL;
	/* The source holds the file before it has a place. */
	file->refs++;
	rc = file->kind == MODEL_FILE_DMABUF ? check_dmabuf(model, argument, file) : 0;
	if (!rc) {
		model_phase(model, "iova_rwsem");
		rc = map_of_file(model, ioas, command, file);
	}
	model_file_put(model, file);
	return rc;
}

int64_t model_rule_IOMMU_IOAS_MAP_FILE(struct model *model, struct model_command *command)
{
	const struct iommu_ioas_map_file *argument = &command->map_file;
	const uint32_t access = IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE;
	struct model_ioas *ioas;
	int rc;

	if (argument->flags & ~MAP_FLAGS)
		return -EOPNOTSUPP;
	if (argument->length == UINT64_MAX || argument->iova == UINT64_MAX)
		return -EOVERFLOW;
	if ((argument->flags & access) == 0)
		return -EINVAL;
	ioas = model_object_get(model, command->context, argument->ioas_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	rc = map_descriptor(model, ioas, command);
	model_phase(model, "put");
	if (!rc)
		rc = model_respond(model, command);
	model_object_release(&ioas->object);
	return rc;
}

/* The pieces of the source that cover [start, last], each with a reference. */
static int collect_pieces(struct model *model, const struct model_ioas *ioas, uint64_t start,
	uint64_t last, struct model_array *pieces)
{
	if (!model_area_cover(ioas, start, last))
		return -ENOENT;
	for (uint32_t i = model_area_index(ioas, start);; i++) {
		const struct model_area *area = model_area_at(ioas, i);
		uint64_t end = area->last < last ? area->last : last;
		struct piece *piece = model_array_insert(model, pieces, pieces->count);

		piece->pages = model_pages_get(area->pages);
		piece->offset = area->offset + (start - area->start);
		piece->length = end - start + 1;
		if (end == last)
			return 0;
		start = end + 1;
	}
}

/* 4.4 from step 9 on. */
static int copy_pieces(
	struct model *model, struct model_command *command, const struct model_array *pieces)
{
	struct iommu_ioas_copy *argument = &command->copy;
	const struct piece *first = model_array_at(pieces, 0);
	struct model_ioas *ioas =
		model_object_get(model, command->context, argument->dst_ioas_id, MODEL_IOAS);
	int rc;

	if (!ioas)
		return -ENOENT;
	model_phase(model, "iova_rwsem");
	rc = place(ioas, argument->flags, first->pages->start + first->offset, argument->length,
		&argument->dst_iova);
	if (!rc)
		rc = map_pieces(model, ioas, pieces, argument->flags, argument->dst_iova);
	model_phase(model, "put");
	if (!rc)
		rc = model_respond(model, command);
	model_object_release(&ioas->object);
	return rc;
}

/* Steps 6 to 8: gives up the source. */
static int scan_source(struct model *model, struct model_ioas *source,
	const struct iommu_ioas_copy *argument, struct model_array *pieces)
{
	uint64_t last = argument->src_iova + (argument->length - 1);
	int rc;

	if (!argument->length) {
		rc = -EINVAL;
	} else if (last < argument->src_iova) {
		rc = -EOVERFLOW;
	} else {
		model_phase(model, "iova_rwsem");
		rc = collect_pieces(model, source, argument->src_iova, last, pieces);
	}
	model_object_put(model, &source->object);
	return rc;
}

/* Step 1. */
static void rewrite_source(struct model *model, struct model_command *command)
{
	struct iommu_ioas_copy *argument = &command->copy;
	const struct model_ioas *source;

	if (!(argument->flags & MOCK_FLAGS_ACCESS_SYZ))
		return;
	argument->flags &= ~(uint32_t)MOCK_FLAGS_ACCESS_SYZ;
	model_phase(model, "object_table");
	source = model_object_find(command->context, argument->src_ioas_id, MODEL_IOAS);
	if (source && !model_should_fail(model, FAULT_LOOKUP))
		argument->src_iova = model_syz_address(source, argument->src_iova);
}

int64_t model_rule_IOMMU_IOAS_COPY(struct model *model, struct model_command *command)
{
	struct iommu_ioas_copy *argument = &command->copy;
	struct model_ioas *source;
	struct model_array pieces;
	int rc;

	rewrite_source(model, command);
	if (argument->flags & ~MAP_FLAGS)
		return -EOPNOTSUPP;
	if (argument->length == UINT64_MAX || argument->src_iova == UINT64_MAX ||
		argument->dst_iova == UINT64_MAX)
		return -EOVERFLOW;
	if (!(argument->flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)))
		return -EINVAL;
	source = model_object_get(model, command->context, argument->src_ioas_id, MODEL_IOAS);
	if (!source)
		return -ENOENT;
	model_array_init(&pieces, sizeof(struct piece));
	rc = scan_source(model, source, argument, &pieces);
	if (!rc)
		rc = copy_pieces(model, command, &pieces);
	for (uint32_t i = 0; i < pieces.count; i++)
		model_pages_put(model, ((struct piece *)model_array_at(&pieces, i))->pages);
	model_array_end(model, &pieces);
	return rc;
}

/* ---- unmapping ---- */

/* Every access of the IOAS is told, those that join meanwhile with a higher index too (7.8). */
static bool notify_accesses(
	struct model *model, struct model_ioas *ioas, uint64_t iova, uint64_t length)
{
	bool any = false;

	for (uint32_t i = 0; i < ioas->accesses.count; i++) {
		struct model_access *access =
			*(struct model_access **)model_array_at(&ioas->accesses, i);

		if (!access || access->dying)
			continue;
		any = true;
		model_access_notify(model, access, iova, length);
	}
	return any;
}

/* Step 7: the callbacks of one area, without locks. False: nobody was to be called. */
static bool call_back(struct model *model, struct model_ioas *ioas, struct model_area *area)
{
	uint64_t start = area->start, length = area->last - area->start + 1;
	bool any;

	area->prevent_access = true;
	model_unlock(model, &ioas->domains, false);
	any = notify_accesses(model, ioas, start, length);
	model_lock(model, &ioas->domains, false, "iova_rwsem");
	return any;
}

/* Step 8. The IOVA stays occupied until the lock is taken again. */
static void take_out(struct model *model, struct model_ioas *ioas, struct model_area *area)
{
	area->transitional = true;
	if (area->filled) {
		model_phase(model, "pages_mutex");
		model_area_drain(model, area);
	}
	model_phase(model, "iova_rwsem");
	model_area_remove(model, ioas, model_area_index(ioas, area->start));
}

/* With domains_rwsem for reading, in a step. */
static int unmap_locked(struct model *model, struct model_ioas *ioas, uint64_t start, uint64_t last,
	uint64_t *unmapped)
{
	unsigned tries = 0, idle = 0;

	for (;;) {
		uint32_t index = model_area_index(ioas, start);
		struct model_area *area;
		uint64_t end;

		if (index == ioas->areas.count)
			return 0;
		area = model_area_at(ioas, index);
		if (area->start > last)
			return 0;
		if (area->transitional || area->locks)
			return -EBUSY;
		if (area->start < start || area->last > last)
			return -ENOENT;
		if (area->start != start)
			tries = 0;
		if (area->accesses) {
			start = area->start;
			/* Two rounds without anybody to call are like a hundred. */
			if (!call_back(model, ioas, area) && idle++ && model->turns)
				return -EDEADLK;
			if (++tries > MODEL_UNMAP_TRIES)
				return -EDEADLK;
			continue;
		}
		end = area->last;
		*unmapped += end - area->start + 1;
		take_out(model, ioas, area);
		if (end >= last)
			return 0;
		start = end + 1;
	}
}

int model_unmap(struct model *model, struct model_ioas *ioas, uint64_t start, uint64_t last,
	uint64_t *unmapped)
{
	int rc;

	*unmapped = 0;
	model_lock(model, &ioas->domains, false, "iova_rwsem");
	rc = unmap_locked(model, ioas, start, last, unmapped);
	model_unlock(model, &ioas->domains, false);
	return rc;
}

/* 4.8 from step 2 on. */
static int unmap_from(
	struct model *model, struct model_ioas *ioas, struct iommu_ioas_unmap *argument)
{
	bool all = argument->iova == 0 && argument->length == UINT64_MAX;
	uint64_t last = argument->iova + (argument->length - 1), unmapped;
	int rc;

	if (all) {
		last = UINT64_MAX;
	} else {
		if (argument->iova == UINT64_MAX || argument->length == UINT64_MAX)
			return -EOVERFLOW;
		if (!argument->length)
			return -EINVAL;
		if (last < argument->iova)
			return -EOVERFLOW;
	}
	rc = model_unmap(model, ioas, argument->iova, last, &unmapped);
	if (rc)
		return rc;
	if (!all && !unmapped)
		return -ENOENT;
	argument->length = unmapped;
	return 0;
}

int64_t model_rule_IOMMU_IOAS_UNMAP(struct model *model, struct model_command *command)
{
	struct model_ioas *ioas =
		model_object_get(model, command->context, command->unmap.ioas_id, MODEL_IOAS);
	int rc;

	if (!ioas)
		return -ENOENT;
	rc = unmap_from(model, ioas, &command->unmap);
	model_phase(model, "put");
	if (!rc)
		rc = model_respond(model, command);
	model_object_release(&ioas->object);
	return rc;
}
