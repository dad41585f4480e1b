/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty tracking of page tables: the switch, the bitmap, and the test that marks pages. 4.12, 4.13,
 * 10.19 */
#include "impl/iommufd/iommufd.h"

#define DIRTY_BITS_MAX (UINT64_C(16) << 23) /* of one DIRTY */

static struct hwpt *hwpt_get(struct command *command, uint32_t id)
{
	return (struct hwpt *)object_get(command->task, command->context, id, OBJECT_HWPT_PAGING);
}

/* The dirty entries of completed areas become clean. Needs iova_rwsem. */
static void clear_all(struct task *task, struct hwpt *hwpt)
{
	struct range_item *node;

	range_map_for_each(node, &hwpt->ioas->areas)
	{
		uint64_t at = node->first, size;

		while (area_of(node)->pages &&
			iommu_next_dirty(task, hwpt->domain, &at, node->last, &size, true))
			at = node->first;
	}
}

int64_t handle_IOMMU_HWPT_SET_DIRTY_TRACKING(struct command *command)
{
	struct task *task = command->task;
	bool enable = command->set_dirty.flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	struct hwpt *hwpt;
	int rc = 0;

	if (command->set_dirty.flags & ~(uint32_t)IOMMU_HWPT_DIRTY_TRACKING_ENABLE &&
		!SIM_BUG(task, SET_DIRTY_FLAGS))
		return -EOPNOTSUPP;
	hwpt = hwpt_get(command, command->set_dirty.hwpt_id);
	if (!hwpt)
		return -ENOENT;
	if (iommu_domain_config(hwpt->domain)->dirty_tracking ||
		SIM_BUG(task, SET_DIRTY_ANY_HWPT)) {
		down_read(task, &hwpt->ioas->iova_rwsem);
		if (enable && !(SIM_BUG(task, SET_DIRTY_TWICE) && iommu_tracks(hwpt->domain)))
			clear_all(task, hwpt);
		iommu_track_dirty(hwpt->domain, enable);
		up_read(task, &hwpt->ioas->iova_rwsem);
	} else {
		rc = -EOPNOTSUPP;
	}
	object_put(task, command->context, &hwpt->object);
	return rc;
}

/* The user's bitmap. */
struct bitmap {
	uint64_t iova;	   /* of bit 0 */
	uint64_t data;	   /* address */
	uint64_t last_bit; /* that may be set: to the end of the page with the last one asked for */
	unsigned shift;
};

/* Sets bits [first, last]; what cannot be written is lost. */
static void bitmap_set(
	struct task *task, const struct bitmap *bitmap, uint64_t first, uint64_t last)
{
	if (last > bitmap->last_bit)
		last = bitmap->last_bit;
	for (uint64_t at = first / 8; at <= last / 8 && first <= last; at++) {
		uint64_t address = bitmap->data + at;
		uint8_t byte, bits = 0xff;

		if (at == first / 8)
			bits = (uint8_t)(bits & 0xff << first % 8);
		if (at == last / 8)
			bits = (uint8_t)(bits & 0xff >> (7 - last % 8));
		if (mm_copy_borrowed(task, task_mm(task), address, &byte, 1, false))
			continue;
		byte = SIM_BUG(task, BITMAP_OVERWRITTEN) ? bits : (uint8_t)(byte | bits);
		(void)mm_copy_borrowed(task, task_mm(task), address, &byte, 1, true);
	}
}

/* One area's part of the walk. */
static void read_area(struct task *task, struct hwpt *hwpt, const struct bitmap *bitmap,
	uint64_t first, uint64_t last, bool clear)
{
	uint64_t at = first, size;

	while (iommu_next_dirty(task, hwpt->domain, &at, last, &size, clear)) {
		uint64_t end = at + (size - 1);

		/* Of an entry that begins before the range nothing is told. */
		if (at >= bitmap->iova)
			bitmap_set(task, bitmap, (at - bitmap->iova) >> bitmap->shift,
				(end - bitmap->iova) >> bitmap->shift);
		if (end >= last)
			return;
		at = end + 1;
	}
}

/* From area to area, up to the first hole. Needs iova_rwsem. */
static void read_areas(struct command *command, struct hwpt *hwpt, uint64_t last)
{
	struct task *task = command->task;
	const struct iommu_hwpt_get_dirty_bitmap *get = &command->get_dirty;
	bool clear = !(get->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
	struct bitmap bitmap = {.iova = get->iova,
		.data = get->data,
		.shift = (unsigned)__builtin_ctzll(get->page_size)};
	uint64_t at = get->iova, bytes = (last - get->iova) >> bitmap.shift >> 3;

	if (bytes > UINT64_MAX >> 4)
		bytes = UINT64_MAX >> 4;
	bitmap.last_bit = ((((get->data + bytes) | (SIM_PAGE_SIZE - 1)) - get->data) << 3) + 7;
	for (;;) {
		struct range_item *node = range_map_first(&hwpt->ioas->areas, at, at);
		uint64_t end;

		if (!node || !area_of(node)->pages)
			return;
		end = node->last < last ? node->last : last;
		read_area(task, hwpt, &bitmap, at, end, clear || SIM_BUG(task, NO_CLEAR_CLEARS));
		if (end == last)
			return;
		at = end + 1;
	}
}

/* Steps 4 to 8. Needs iova_rwsem. */
static int check_range(struct command *command, const struct hwpt *hwpt, uint64_t last)
{
	const struct iommu_hwpt_get_dirty_bitmap *get = &command->get_dirty;
	uint64_t ends = get->iova | (last + 1);

	if (ends & (hwpt->ioas->alignment - 1) && !SIM_BUG(command->task, GET_DIRTY_MISALIGNED))
		return -EINVAL;
	if (!get->page_size || ends & (get->page_size - 1))
		return -EINVAL;
	return iommu_domain_config(hwpt->domain)->dirty_tracking ? 0 : -EOPNOTSUPP;
}

static int read_bitmap(struct command *command, struct hwpt *hwpt)
{
	const struct iommu_hwpt_get_dirty_bitmap *get = &command->get_dirty;
	struct task *task = command->task;
	uint64_t last;
	void *memory;
	int rc;

	/* 6.12 has the sum only: no bytes from 0 on are all bytes. */
	if (!get->length && sim_since(task_sim(task), LINUX(6, 13)))
		return -EINVAL;
	if (__builtin_add_overflow(get->iova, get->length - 1, &last))
		return -EOVERFLOW;
	down_read(task, &hwpt->ioas->iova_rwsem);
	rc = check_range(command, hwpt, last);
	if (!rc) {
		memory = sim_alloc(task, sizeof(struct bitmap));
		if (memory)
			read_areas(command, hwpt, last);
		else
			rc = -ENOMEM;
		sim_free(task, memory, sizeof(struct bitmap));
	}
	up_read(task, &hwpt->ioas->iova_rwsem);
	return rc;
}

int64_t handle_IOMMU_HWPT_GET_DIRTY_BITMAP(struct command *command)
{
	struct hwpt *hwpt;
	int rc;

	if (command->get_dirty.flags & ~(uint32_t)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR ||
		(command->get_dirty.__reserved && !SIM_BUG(command->task, GET_DIRTY_RESERVED)))
		return -EOPNOTSUPP;
	hwpt = hwpt_get(command, command->get_dirty.hwpt_id);
	if (!hwpt)
		return -ENOENT;
	rc = read_bitmap(command, hwpt);
	object_put(command->task, command->context, &hwpt->object);
	return rc;
}

/* Step 6; the number of bits. 6.12 counts those of mapped pages. */
static uint64_t mark_bits(
	struct command *command, struct hwpt *hwpt, const uint8_t *bits, uint64_t count)
{
	struct task *task = command->task;
	bool all = sim_since(task_sim(task), LINUX(6, 19));
	uint64_t marked = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t iova = command->test.dirty.iova + i * command->test.dirty.page_size;

		if (!bits[i / 8]) {
			i |= 7;
			continue;
		}
		if (!(bits[i / 8] & 1 << i % 8))
			continue;
		marked += all || iommu_translate(task, hwpt->domain, iova);
		iommu_mark_dirty(task, hwpt->domain, iova);
	}
	return marked;
}

static int mark(struct command *command, struct hwpt *hwpt, uint64_t count)
{
	struct task *task = command->task;
	uint64_t bytes = (count + 7) / 8;
	uint8_t *bits;
	int rc;

	if (!iommu_tracks(hwpt->domain) && !SIM_BUG(task, DIRTY_UNTRACKED))
		return -EINVAL;
	bits = sim_alloc_array(task, bytes, 1);
	if (!bits)
		return -ENOMEM;
	rc = copy_from_user(task, bits, command->test.dirty.uptr, bytes);
	if (!rc) {
		command->test.dirty.out_nr_dirty = mark_bits(command, hwpt, bits, count);
		rc = command_respond(command);
	}
	sim_free(task, bits, bytes);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_DIRTY(struct command *command)
{
	uint64_t page_size = command->test.dirty.page_size, length = command->test.dirty.length;
	struct hwpt *hwpt;
	int rc;

	if (!page_size || !length || command->test.dirty.iova % page_size || length % page_size ||
		!command->test.dirty.uptr)
		return -EINVAL;
	if (length / page_size > DIRTY_BITS_MAX && sim_since(task_sim(command->task), LINUX(6, 19)))
		return -EOVERFLOW;
	hwpt = hwpt_get(command, command->test.id);
	if (!hwpt)
		return -ENOENT;
	rc = mark(command, hwpt, length / page_size);
	object_put(command->task, command->context, &hwpt->object);
	return rc;
}
