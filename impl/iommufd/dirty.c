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
		if (area_of(node)->pages)
			iommu_free_dirty(task, iommu_take_dirty(task, hwpt->domain, node->first,
						       node->last, true));
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
		if (enable && !SIM_BUG(task, SET_DIRTY_NOT_FLUSHED))
			iommu_flush(task, hwpt->domain, 0, UINT64_MAX);
		up_read(task, &hwpt->ioas->iova_rwsem);
	} else {
		rc = -EOPNOTSUPP;
	}
	object_put(task, command->context, &hwpt->object);
	return rc;
}

/* The user's bitmap, and the part of it in one user page that is being put together. */
struct bitmap {
	uint64_t iova;	   /* of bit 0 */
	uint64_t data;	   /* address */
	uint64_t last_bit; /* that may be set: to the end of the page with the last one asked for */
	unsigned shift;
	uint64_t page;	    /* address; what is set there lies in [low, high) */
	uint32_t low, high; /* bytes; none set: low is SIM_PAGE_SIZE, high 0 */
	uint8_t old[SIM_PAGE_SIZE], bits[SIM_PAGE_SIZE];
};

static void bitmap_empty(struct bitmap *bitmap)
{
	bitmap->low = SIM_PAGE_SIZE;
	bitmap->high = 0;
}

/* Sets bits in user memory, in bytes [at, end) of the page; what cannot be written is lost. */
static void bitmap_write(struct task *task, struct bitmap *bitmap, uint32_t at, uint32_t end)
{
	struct mm *mm = task_mm(task);
	uint64_t address = bitmap->page + at;

	if (mm_copy_borrowed(task, mm, address, bitmap->old, end - at, false))
		return;
	for (uint32_t i = 0; i < end - at && !SIM_BUG(task, BITMAP_OVERWRITTEN); i++)
		bitmap->bits[at + i] |= bitmap->old[i];
	(void)mm_copy_borrowed(task, mm, address, bitmap->bits + at, end - at, true);
}

/* The page is complete. Bytes in which nothing is to be set are not touched. */
static void bitmap_flush(struct task *task, struct bitmap *bitmap)
{
	uint32_t at = bitmap->low, end;

	for (; at < bitmap->high; at = end) {
		for (end = at; end < bitmap->high && bitmap->bits[end]; end++)
			;
		if (end > at)
			bitmap_write(task, bitmap, at, end);
		for (; end < bitmap->high && !bitmap->bits[end]; end++)
			;
	}
	if (bitmap->high)
		memset(bitmap->bits + bitmap->low, 0, bitmap->high - bitmap->low);
	bitmap_empty(bitmap);
}

/* Room for `bytes` bytes from address on, which lie in one page. */
static uint8_t *bitmap_at(
	struct task *task, struct bitmap *bitmap, uint64_t address, uint32_t bytes)
{
	uint32_t at = (uint32_t)(address & (SIM_PAGE_SIZE - 1));

	if (address - at != bitmap->page) {
		bitmap_flush(task, bitmap);
		bitmap->page = address - at;
	}
	if (at < bitmap->low)
		bitmap->low = at;
	if (at + bytes > bitmap->high)
		bitmap->high = at + bytes;
	return bitmap->bits + at;
}

/* Sets bits [first, last]. */
static void bitmap_set(struct task *task, struct bitmap *bitmap, uint64_t first, uint64_t last)
{
	if (last > bitmap->last_bit)
		last = bitmap->last_bit;
	while (first <= last) {
		uint64_t address = bitmap->data + first / 8;
		uint64_t bytes = SIM_PAGE_SIZE - (address & (SIM_PAGE_SIZE - 1));
		uint64_t end = (first / 8 + bytes) * 8 - 1;
		unsigned head = 0xff & 0xffU << first % 8, tail;
		uint8_t *at;

		if (end > last)
			end = last;
		tail = 0xffU >> (7 - end % 8);
		bytes = end / 8 - first / 8 + 1;
		at = bitmap_at(task, bitmap, address, (uint32_t)bytes);
		at[0] = (uint8_t)(at[0] | (bytes > 1 ? head : head & tail));
		if (bytes > 1) {
			memset(at + 1, 0xff, bytes - 2);
			at[bytes - 1] = (uint8_t)(at[bytes - 1] | tail);
		}
		first = end + 1;
	}
}

/* Sets the bits of a word whose lowest one is bit `first`, all at once if they lie in one page. */
static void bitmap_set_word(struct task *task, struct bitmap *bitmap, uint64_t first, uint64_t word)
{
	uint64_t address = bitmap->data + first / 8, low;
	unsigned shift = (unsigned)(first % 8);
	uint8_t *at;

	if ((address & (SIM_PAGE_SIZE - 1)) > SIM_PAGE_SIZE - 9 || bitmap->last_bit < 63 ||
		first > bitmap->last_bit - 63) {
		for (; word; word &= word - 1) {
			uint64_t bit = first + (unsigned)__builtin_ctzll(word);

			bitmap_set(task, bitmap, bit, bit);
		}
		return;
	}
	at = bitmap_at(task, bitmap, address, 9);
	memcpy(&low, at, sizeof(low));
	low |= word << shift;
	memcpy(at, &low, sizeof(low));
	if (shift)
		at[8] = (uint8_t)(at[8] | word >> (64 - shift));
}

/* A word of dirty bits of pages of 2^shift bytes, the lowest one of the page at iova. */
static void bitmap_add(
	struct task *task, struct bitmap *bitmap, uint64_t iova, unsigned shift, uint64_t word)
{
	while (word) {
		/* It may begin in front of the bitmap, where it has no bits. */
		unsigned skip = (unsigned)__builtin_ctzll(word), run;
		uint64_t first, last;

		word >>= skip;
		iova += (uint64_t)skip << shift;
		first = iova - bitmap->iova;
		if (shift == bitmap->shift) {
			bitmap_set_word(task, bitmap, first >> shift, word);
			return;
		}
		run = ~word ? (unsigned)__builtin_ctzll(~word) : 64;
		last = first + (((uint64_t)run << shift) - 1);
		bitmap_set(task, bitmap, first >> bitmap->shift, last >> bitmap->shift);
		word = run < 64 ? word >> run : 0;
		iova += (uint64_t)run << shift;
	}
}

/* How far areas follow each other from iova on without a hole, at most to *last; false when there
 * is none at iova. Needs iova_rwsem. */
static bool covered_to(const struct ioas *ioas, uint64_t iova, uint64_t *last)
{
	struct range_item *node = range_map_first(&ioas->areas, iova, iova);
	uint64_t end;

	if (!node || !area_of(node)->pages)
		return false;
	do {
		end = node->last;
		if (end >= *last)
			return true;
		node = range_map_successor(node);
	} while (node && area_of(node)->pages && node->first == end + 1);
	*last = end;
	return true;
}

/* The walk. Needs iova_rwsem. */
static void read_dirty(
	struct command *command, struct hwpt *hwpt, uint64_t last, struct bitmap *bitmap)
{
	struct task *task = command->task;
	const struct iommu_hwpt_get_dirty_bitmap *get = &command->get_dirty;
	unsigned shift = (unsigned)__builtin_ctzll(iommu_dirty_unit(hwpt->domain));
	bool clear = !(get->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) ||
		     SIM_BUG(task, NO_CLEAR_CLEARS);
	uint64_t bytes = (last - get->iova) >> bitmap->shift >> 3;
	struct iommu_dirty *list;

	if (bytes > UINT64_MAX >> 4)
		bytes = UINT64_MAX >> 4;
	bitmap->last_bit = ((((get->data + bytes) | (SIM_PAGE_SIZE - 1)) - get->data) << 3) + 7;
	if (!covered_to(hwpt->ioas, get->iova, &last))
		return;
	list = iommu_take_dirty(task, hwpt->domain, get->iova, last,
		clear && !SIM_BUG(task, GET_DIRTY_CLEARS_LATE));
	if (clear && !SIM_BUG(task, GET_DIRTY_NOT_FLUSHED))
		iommu_flush(task, hwpt->domain, get->iova, last - get->iova + 1);
	for (const struct iommu_dirty *dirty = list; dirty; dirty = dirty->next)
		for (unsigned w = 0; w < IOMMU_DIRTY_WORDS; w++)
			if (dirty->bits[w])
				bitmap_add(task, bitmap, dirty->iova + ((uint64_t)w * 64 << shift),
					shift, dirty->bits[w]);
	bitmap_flush(task, bitmap);
	iommu_free_dirty(task, list);
	if (clear && SIM_BUG(task, GET_DIRTY_CLEARS_LATE))
		iommu_free_dirty(task, iommu_take_dirty(task, hwpt->domain, get->iova, last, true));
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
	struct bitmap *bitmap;
	uint64_t last;
	int rc;

	/* 6.12 has the sum only: no bytes from 0 on are all bytes. */
	if (!get->length && sim_since(task_sim(task), LINUX(6, 13)))
		return -EINVAL;
	if (__builtin_add_overflow(get->iova, get->length - 1, &last))
		return -EOVERFLOW;
	down_read(task, &hwpt->ioas->iova_rwsem);
	rc = check_range(command, hwpt, last);
	if (!rc) {
		bitmap = sim_alloc(task, sizeof(*bitmap));
		if (bitmap) {
			bitmap->iova = get->iova;
			bitmap->data = get->data;
			bitmap->shift = (unsigned)__builtin_ctzll(get->page_size);
			bitmap_empty(bitmap);
			read_dirty(command, hwpt, last, bitmap);
		} else {
			rc = -ENOMEM;
		}
		sim_free(task, bitmap, sizeof(*bitmap));
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
	uint64_t mapped, marked = 0;

	mapped = iommu_mark_dirty(command->task, hwpt->domain, command->test.dirty.iova,
		command->test.dirty.page_size, bits, count);
	if (!sim_since(task_sim(command->task), LINUX(6, 19)))
		return mapped;
	for (uint64_t i = 0; i < count; i++)
		marked += bits[i / 8] >> i % 8 & 1;
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
	/* No allocation of Linux is larger. */
	bits = bytes > INT32_MAX ? NULL : sim_alloc_array(task, bytes, 1);
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
