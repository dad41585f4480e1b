/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty bitmaps: a kernel sets the bits of a whole page table entry, and how large that is depends
 * on how memory lies physically (docs/LIVE.md). The implementation's bits must all be there; more
 * may be set where an entry with one of them can reach.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/diff_compare.h"

#define ENTRY_MAX (UINT64_C(2) << 20) /* bytes of IOVA that one entry maps at most */

struct bitmap {
	uint64_t iova, page_size, data, length; /* length: bytes of IOVA */
};

static uint64_t argument(const struct call_row *row, const char *name, const uint8_t *image)
{
	int field = call_field(row, name, strlen(name));

	return field < 0 ? 0 : field_get(&row->fields[field], image);
}

static bool read_bitmap(const struct trace *trace, const struct trace_entry *entry,
	const struct call_row *row, struct bitmap *bitmap)
{
	const uint8_t *image = trace->bytes + entry->image;

	if (entry->result != 0 || entry->image_size < row->size)
		return false;
	bitmap->iova = argument(row, "iova", image);
	bitmap->length = argument(row, "length", image);
	bitmap->page_size = argument(row, "page_size", image);
	bitmap->data = argument(row, "data", image);
	return bitmap->page_size && bitmap->length;
}

/* The byte that a call left at an address, or `before` where it changed nothing. */
static uint8_t byte_at(const struct trace *trace, const struct trace_entry *entry, uint64_t address,
	uint8_t before)
{
	for (uint32_t i = 0; i < entry->change_count; i++) {
		const struct trace_change *change = &trace->changes[entry->first_change + i];

		if (address - change->address < change->count)
			return trace->bytes[change->start + (address - change->address)];
	}
	return before;
}

static bool is_set(const struct trace *trace, const struct trace_entry *entry,
	const struct bitmap *bitmap, uint64_t bit)
{
	return byte_at(trace, entry, bitmap->data + bit / 8, 0) >> (bit % 8) & 1;
}

/* Whether the implementation has a bit in the largest entry that can hold this one. */
static bool is_reached(const struct trace *here, const struct trace_entry *entry,
	const struct bitmap *bitmap, uint64_t bit)
{
	uint64_t at = bitmap->iova + bit * bitmap->page_size, first = at & ~(ENTRY_MAX - 1);

	for (uint64_t iova = first; iova < first + ENTRY_MAX; iova += bitmap->page_size)
		if (iova >= bitmap->iova && iova - bitmap->iova < bitmap->length &&
			is_set(here, entry, bitmap, (iova - bitmap->iova) / bitmap->page_size))
			return true;
	return false;
}

/* All bits that the machine's change shows: set here too, or reached by one that is. */
static bool change_fits(const struct trace *here, const struct trace_entry *x,
	const struct trace *there, const struct trace_change *change, const struct bitmap *bitmap)
{
	for (uint32_t i = 0; i < change->count; i++) {
		uint64_t address = change->address + i, offset = address - bitmap->data;
		uint8_t more =
			there->bytes[change->start + i] & (uint8_t)~byte_at(here, x, address, 0);

		if (offset > bitmap->length / bitmap->page_size / 8)
			return false;
		for (unsigned bit = 0; bit < 8; bit++)
			if (more >> bit & 1 && !is_reached(here, x, bitmap, offset * 8 + bit))
				return false;
	}
	return true;
}

bool diff_coarser(const struct call_row *row, const struct trace *here, const struct trace_entry *x,
	const struct trace *there, const struct trace_entry *y)
{
	struct bitmap bitmap;

	if (row != &call_rows[CALL_ID_IOMMU_HWPT_GET_DIRTY_BITMAP] || x->result != y->result ||
		x->image_size != y->image_size || !read_bitmap(here, x, row, &bitmap) ||
		memcmp(here->bytes + x->image, there->bytes + y->image, x->image_size) != 0)
		return false;
	for (uint32_t i = 0; i < x->change_count; i++) {
		const struct trace_change *change = &here->changes[x->first_change + i];

		for (uint32_t b = 0; b < change->count; b++)
			if (here->bytes[change->start + b] &
				~byte_at(there, y, change->address + b, 0))
				return false;
	}
	for (uint32_t i = 0; i < y->change_count; i++)
		if (!change_fits(here, x, there, &there->changes[y->first_change + i], &bitmap))
			return false;
	return true;
}

bool diff_got_dirty(const struct prog *prog, const struct trace *here)
{
	for (uint32_t e = 0; e < here->entry_count; e++)
		if (prog->calls[here->entries[e].call].row == CALL_ID_IOMMU_HWPT_GET_DIRTY_BITMAP &&
			here->entries[e].change_count)
			return true;
	return false;
}
