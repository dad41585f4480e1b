/* SPDX-License-Identifier: Apache-2.0 */
/* MAP and COPY. 3.6, 3.7, 4.4, 4.6 */
#include "impl/iommufd/iommufd.h"

#define COPY_PIECES 8U /* pieces of a COPY that need no memory of their own */

static uint8_t map_protection(uint32_t flags)
{
	return (uint8_t)((flags & IOMMU_IOAS_MAP_READABLE ? IOMMU_PROT_READ : 0) |
			 (flags & IOMMU_IOAS_MAP_WRITEABLE ? IOMMU_PROT_WRITE : 0));
}

static void pieces_free_areas(struct task *task, struct map_piece *pieces, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		sim_free(task, pieces[i].area, sizeof(*pieces[i].area));
}

/* Steps 6 and 7 of 3.6. Step 8 cannot happen: no pages object is larger than the address space. */
static int piece_check(
	struct task *task, const struct ioas *ioas, const struct map_piece *piece, uint32_t flags)
{
	if (flags & IOMMU_IOAS_MAP_WRITEABLE && !piece->pages->writable &&
		!SIM_BUG(task, COPY_READ_ONLY_SOURCE))
		return -EPERM;
	if (piece->offset & (SIM_PAGE_SIZE - 1) & (ioas->alignment - 1) &&
		!SIM_BUG(task, MAP_OFFSET_MISALIGNED))
		return -EINVAL;
	return 0;
}

/* Phase 1: IOVA and transitional areas. */
static int map_insert(struct task *task, struct ioas *ioas, struct map_piece *pieces,
	uint32_t count, uint32_t flags, uint64_t address, uint64_t length, uint64_t *iova)
{
	uint64_t start = *iova, next;
	uint32_t i;
	int rc;

	if ((length & (ioas->alignment - 1) && !SIM_BUG(task, MAP_LENGTH_MISALIGNED)) || !length)
		return -EINVAL;
	if (flags & IOMMU_IOAS_MAP_FIXED_IOVA)
		rc = ioas_check_fixed(task, ioas, start, length);
	else
		rc = ioas_choose_iova(task, ioas, address, length, &start);
	if (rc)
		return rc;
	if (flags & IOMMU_IOAS_MAP_FIXED_IOVA ? SIM_BUG(task, FIXED_CHECK_UNLOCKED)
					      : SIM_BUG(task, AUTOMATIC_CHOICE_UNLOCKED)) {
		up_write(task, &ioas->iova_rwsem);
		down_write(task, &ioas->iova_rwsem);
	}
	next = start;
	for (i = 0; i < count; i++) {
		struct area *area = pieces[i].area;

		rc = piece_check(task, ioas, &pieces[i], flags);
		if (rc)
			break;
		area->node.first = next;
		area->node.last = next + (pieces[i].length - 1);
		area->offset = pieces[i].offset;
		area->protection = map_protection(flags);
		area->origin = task_origin(task);
		area->piece = count > 1;
		if (!range_map_insert(&ioas->areas, &area->node)) {
			rc = -ENOMEM;
			break;
		}
		if (SIM_BUG(task, MAP_PUBLISHED_UNPINNED))
			area->pages = pieces[i].pages;
		next += pieces[i].length;
	}
	if (!rc) {
		*iova = start;
		return 0;
	}
	while (i)
		range_map_remove(&ioas->areas, &pieces[--i].area->node);
	return rc;
}

/* Phases 2 and 3: fill the domains, publish. domains_rwsem is held for reading. */
static int map_fill(struct task *task, struct ioas *ioas, struct map_piece *pieces, uint32_t count)
{
	struct mutex *held = SIM_BUG(task, PUBLISHED_UNDER_PAGES) ? &pieces[0].pages->mutex : NULL;
	uint32_t done = 0;
	int rc = 0;

	if (ioas->domain_count) {
		for (; done < count && !rc; done++)
			rc = area_fill(task, ioas, pieces[done].area, pieces[done].pages);
	}
	held = rc ? NULL : held;
	if (held)
		mutex_lock(task, held);
	down_write(task, &ioas->iova_rwsem);
	ioas_touch(ioas);
	if (!rc) {
		for (uint32_t i = 0; i < count; i++)
			pieces[i].area->pages = pieces[i].pages;
		if (held)
			mutex_unlock(task, held);
	} else if (!SIM_BUG(task, MAP_FAILURE_AREA)) {
		/* The last one tried has cleaned up after itself. */
		while (--done)
			area_unfill(task, ioas, pieces[done - 1].area, pieces[done - 1].pages);
		for (uint32_t i = 0; i < count; i++)
			range_map_remove(&ioas->areas, &pieces[i].area->node);
		pieces_free_areas(task, pieces, count);
	}
	up_write(task, &ioas->iova_rwsem);
	return rc;
}

int ioas_map_pieces(struct task *task, struct ioas *ioas, struct map_piece *pieces, uint32_t count,
	uint32_t flags, uint64_t address, uint64_t length, uint64_t *iova)
{
	int rc = 0;

	for (uint32_t i = 0; i < count && !rc; i++) {
		pieces[i].area = sim_alloc(task, sizeof(*pieces[i].area));
		if (!pieces[i].area) {
			pieces_free_areas(task, pieces, i);
			rc = -ENOMEM;
		}
	}
	if (!rc) {
		down_write(task, &ioas->iova_rwsem);
		rc = map_insert(task, ioas, pieces, count, flags, address, length, iova);
		up_write(task, &ioas->iova_rwsem);
		if (rc) {
			pieces_free_areas(task, pieces, count);
		} else {
			down_read(task, &ioas->domains_rwsem);
			rc = map_fill(task, ioas, pieces, count);
			up_read(task, &ioas->domains_rwsem);
		}
	}
	for (uint32_t i = 0; i < count && rc; i++)
		pages_put(task, pieces[i].pages);
	return rc;
}

/* Steps 5 and 6; kernels without MAP_FILE look at the length first. */
static int check_source(struct task *task, uint64_t user_va, uint64_t length)
{
	uint64_t end;
	int bad_length = !length || length > UINT64_MAX - SIM_PAGE_SIZE ? -EINVAL : 0;

	if (bad_length && !sim_since(task_sim(task), LINUX(6, 14)))
		return bad_length;
	if (__builtin_add_overflow(user_va, length, &end) && !SIM_BUG(task, MAP_VA_OVERFLOW))
		return -EOVERFLOW;
	return bad_length;
}

int ioas_map_user(struct task *task, struct ioas *ioas, struct iommu_ioas_map *map)
{
	struct map_piece piece = {.length = map->length};
	uint64_t iova = map->iova;
	int rc = check_source(task, map->user_va, map->length);

	if (rc)
		return rc;
	piece.offset = map->user_va & (SIM_PAGE_SIZE - 1);
	piece.pages = pages_create(task, ioas->context, NULL, map->user_va, map->length,
		map->flags & IOMMU_IOAS_MAP_WRITEABLE);
	if (!piece.pages)
		return -ENOMEM;
	rc = ioas_map_pieces(task, ioas, &piece, 1, map->flags, map->user_va, map->length, &iova);
	map->iova = rc ? map->iova : iova;
	return rc;
}

int64_t handle_IOMMU_IOAS_MAP(struct command *command)
{
	struct task *task = command->task;
	struct iommu_ioas_map *map = &command->map;
	struct ioas *ioas;
	int rc;

	if ((map->flags & ~(uint32_t)IOAS_MAP_FLAGS || map->__reserved) &&
		!SIM_BUG(task, MAP_FLAGS))
		return -EOPNOTSUPP;
	if (map->iova == UINT64_MAX || map->length == UINT64_MAX)
		return -EOVERFLOW;
	if (SIM_BUG(task, MAP_LOOKUP_FIRST)) {
		ioas = ioas_get(task, command->context, map->ioas_id);
		if (!ioas)
			return -ENOENT;
		ioas_put(task, ioas);
	}
	if (!(map->flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)) &&
		!SIM_BUG(task, MAP_NO_ACCESS))
		return -EINVAL;
	ioas = ioas_get(task, command->context, map->ioas_id);
	if (!ioas)
		return -ENOENT;
	rc = ioas_map_user(task, ioas, map);
	if (!rc)
		rc = command_respond(command);
	ioas_put(task, ioas);
	return rc;
}

/* The parts of the source of a COPY. */
struct copy_source {
	struct map_piece *pieces;
	struct map_piece few[COPY_PIECES];
	uint32_t count, room;
	uint64_t address; /* of the first byte, for the automatic choice */
};

static void source_put(struct task *task, struct copy_source *source)
{
	if (source->pieces != source->few)
		sim_free(task, source->pieces, source->room * sizeof(*source->pieces));
}

static int source_add(struct task *task, struct copy_source *source, struct pages *pages,
	uint64_t offset, uint64_t length)
{
	struct map_piece *piece;

	if (source->count == source->room) {
		struct map_piece *more = sim_alloc_array(task, source->room * 2, sizeof(*more));

		if (!more)
			return -ENOMEM;
		memcpy(more, source->pieces, source->count * sizeof(*more));
		source_put(task, source);
		source->pieces = more;
		source->room *= 2;
	}
	if (!SIM_BUG(task, COPY_SOURCE_UNHELD))
		pages_get(task, pages);
	piece = &source->pieces[source->count++];
	piece->pages = pages;
	piece->offset = offset;
	piece->length = length;
	return 0;
}

/* Step 7: [first, last] must be covered by contiguous completed areas. Their pages stay referenced.
 */
static int source_scan(struct task *task, struct ioas *ioas, uint64_t first, uint64_t last,
	struct copy_source *source)
{
	struct range_item *node = range_map_first(&ioas->areas, first, last);
	int rc;

	for (; node; node = range_map_next(node, last)) {
		struct area *area = area_of(node);
		uint64_t end = node->last < last ? node->last : last;

		if (node->first > first || !area->pages)
			break;
		rc = source_add(task, source, area->pages,
			area->offset + (SIM_BUG(task, COPY_FIRST_PAGE) ? 0 : first - node->first),
			end - first + 1);
		if (rc)
			return rc;
		if (end == last)
			return 0;
		first = end + 1;
	}
	return source->count && SIM_BUG(task, COPY_HOLE) ? 0 : -ENOENT;
}

/* Steps 5 to 8. */
static int source_open(struct command *command, struct copy_source *source)
{
	struct task *task = command->task;
	struct iommu_ioas_copy *copy = &command->copy;
	struct ioas *ioas = ioas_get(task, command->context, copy->src_ioas_id);
	uint64_t last;
	int rc;

	if (!ioas)
		return -ENOENT;
	if (!copy->length) {
		rc = -EINVAL;
	} else if (__builtin_add_overflow(copy->src_iova, copy->length - 1, &last)) {
		rc = -EOVERFLOW;
	} else {
		down_read(task, &ioas->iova_rwsem);
		rc = source_scan(task, ioas, copy->src_iova, last, source);
		up_read(task, &ioas->iova_rwsem);
		for (uint32_t i = 0; SIM_BUG(task, COPY_SOURCE_UNHELD) && i < source->count; i++)
			pages_get(task, source->pieces[i].pages);
	}
	ioas_put(task, ioas);
	if (!rc)
		source->address = source->pieces[0].pages->start + source->pieces[0].offset;
	return rc;
}

/* Step 1: the source IOVA of the tests; an unknown source stays for step 5 to find. */
static void copy_syz(struct command *command)
{
	struct iommu_ioas_copy *copy = &command->copy;
	struct ioas *ioas;

	copy->flags &= ~(uint32_t)MOCK_FLAGS_ACCESS_SYZ;
	ioas = ioas_get(command->task, command->context, copy->src_ioas_id);
	if (!ioas)
		return;
	copy->src_iova = ioas_syz_iova(command->task, ioas, copy->src_iova);
	ioas_put(command->task, ioas);
}

/* Steps 9 to 12. The source's references go to the mapping or are dropped. */
static int copy_into(struct command *command, struct copy_source *source)
{
	struct task *task = command->task;
	struct iommu_ioas_copy *copy = &command->copy;
	uint64_t iova = copy->dst_iova;
	struct ioas *ioas = ioas_get(task, command->context, copy->dst_ioas_id);
	int rc;

	if (!ioas) {
		for (uint32_t i = 0; i < source->count; i++)
			pages_put(task, source->pieces[i].pages);
		return -ENOENT;
	}
	rc = ioas_map_pieces(task, ioas, source->pieces, source->count, copy->flags,
		source->address, copy->length, &iova);
	if (rc && SIM_BUG(task, COPY_USERS_LEAK))
		return rc;
	if (!rc) {
		copy->dst_iova = iova;
		rc = command_respond(command);
	}
	ioas_put(task, ioas);
	return rc;
}

int64_t handle_IOMMU_IOAS_COPY(struct command *command)
{
	struct task *task = command->task;
	struct iommu_ioas_copy *copy = &command->copy;
	struct copy_source source;
	int rc;

	if (copy->flags & MOCK_FLAGS_ACCESS_SYZ)
		copy_syz(command);
	if (copy->flags & ~(uint32_t)IOAS_MAP_FLAGS && !SIM_BUG(task, COPY_FLAGS))
		return -EOPNOTSUPP;
	if (copy->length == UINT64_MAX || copy->src_iova == UINT64_MAX ||
		copy->dst_iova == UINT64_MAX)
		return -EOVERFLOW;
	if (!(copy->flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)) &&
		!SIM_BUG(task, COPY_NO_ACCESS))
		return -EINVAL;
	source.pieces = source.few;
	source.room = COPY_PIECES;
	source.count = 0;
	rc = source_open(command, &source);
	if (rc) {
		for (uint32_t i = 0; i < source.count; i++)
			pages_put(task, source.pieces[i].pages);
	} else {
		rc = copy_into(command, &source);
	}
	source_put(task, &source);
	return rc;
}
