/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty bits of a domain: one for each of its smallest pages, those of an entry always equal, kept
 * in blocks by IOVA. Reading costs what the bits occupy, however many entries and areas there are.
 */
#include <string.h>

#include "impl/sim/hw/iommu_private.h"

#define BLOCK_BITS (IOMMU_DIRTY_WORDS * 64)

struct dirty_block {
	struct range_node node; /* IOVAs */
	uint64_t count;		/* of bits set; never 0 between calls */
	struct iommu_dirty dirty;
};

static struct dirty_block *block_of(struct range_node *node)
{
	return (struct dirty_block *)(void *)node;
}

/* Bit numbers, of smallest pages from 0 on. */
struct bits {
	uint64_t first, last;
};

static struct bits bits_of(const struct dirty_map *map, uint64_t first, uint64_t last)
{
	return (struct bits){first >> map->shift, last >> map->shift};
}

/* The part of word w of a block that begins with bit base. */
static uint64_t mask_of(struct bits bits, uint64_t base, unsigned w)
{
	uint64_t low = base + w * 64, mask = UINT64_MAX;

	if (bits.first > low + 63 || bits.last < low)
		return 0;
	if (bits.first > low)
		mask &= UINT64_MAX << (bits.first - low);
	if (bits.last < low + 63)
		mask &= UINT64_MAX >> (63 - (bits.last - low));
	return mask;
}

static struct dirty_block *block_make(struct sim *sim, struct dirty_map *map, uint64_t base)
{
	uint64_t first = base << map->shift;
	struct dirty_block *block;

	if (map->last && map->last->node.first == first)
		return map->last;
	block = block_of(range_first(&map->blocks, first, first));
	if (!block) {
		block = sim_alloc_internal(sim, sizeof(*block));
		if (!block)
			return NULL;
		memset(block, 0, sizeof(*block));
		block->node.first = first;
		block->node.last = first + ((BLOCK_BITS << map->shift) - 1);
		block->dirty.iova = first;
		range_insert(&map->blocks, &block->node);
	}
	map->last = block;
	return block;
}

static void block_drop(struct sim *sim, struct dirty_map *map, struct dirty_block *block)
{
	if (map->last == block)
		map->last = NULL;
	range_remove(&map->blocks, &block->node);
	sim_free_internal(sim, block, sizeof(*block));
}

void dirty_init(struct dirty_map *map, uint64_t page_sizes)
{
	map->shift = (unsigned)__builtin_ctzll(page_sizes);
	map->last = NULL;
	range_tree_init(&map->blocks);
}

void dirty_set(struct sim *sim, struct dirty_map *map, uint64_t first, uint64_t last)
{
	struct bits bits = bits_of(map, first, last);

	for (uint64_t base = bits.first - bits.first % BLOCK_BITS; base <= bits.last;
		base += BLOCK_BITS) {
		struct dirty_block *block = block_make(sim, map, base);
		unsigned from = bits.first > base ? (unsigned)(bits.first - base) / 64 : 0;

		if (!block)
			return;
		for (unsigned w = from; w < IOMMU_DIRTY_WORDS && base + w * 64 <= bits.last; w++) {
			uint64_t fresh = mask_of(bits, base, w) & ~block->dirty.bits[w];

			block->count += (unsigned)__builtin_popcountll(fresh);
			block->dirty.bits[w] |= fresh;
		}
	}
}

bool dirty_test(const struct dirty_map *map, uint64_t iova)
{
	const struct dirty_block *block = map->last;
	uint64_t bit = iova >> map->shift & (BLOCK_BITS - 1);

	if (!block || iova < block->node.first || iova > block->node.last)
		block = block_of(range_first(&map->blocks, iova, iova));
	return block && block->dirty.bits[bit / 64] >> bit % 64 & 1;
}

void dirty_clear(struct sim *sim, struct dirty_map *map, uint64_t first, uint64_t last)
{
	struct bits bits = bits_of(map, first, last);
	struct range_node *node = range_first(&map->blocks, first, last), *next;

	for (; node; node = next) {
		struct dirty_block *block = block_of(node);
		uint64_t base = node->first >> map->shift;

		next = range_next(node, first, last);
		for (unsigned w = 0; w < IOMMU_DIRTY_WORDS; w++) {
			uint64_t gone = mask_of(bits, base, w) & block->dirty.bits[w];

			block->count -= (unsigned)__builtin_popcountll(gone);
			block->dirty.bits[w] &= ~gone;
		}
		if (!block->count)
			block_drop(sim, map, block);
	}
}

/* A copy of the bits of [first, last], NULL when there are none or host memory is short. */
static struct dirty_block *block_copy(struct sim *sim, const struct dirty_map *map,
	const struct dirty_block *block, uint64_t first, uint64_t last)
{
	struct dirty_block *copy = sim_alloc_internal(sim, sizeof(*copy));
	struct bits bits = bits_of(map, first, last);

	if (!copy)
		return NULL;
	*copy = *block;
	copy->count = 0;
	for (unsigned w = 0; w < IOMMU_DIRTY_WORDS; w++) {
		copy->dirty.bits[w] &= mask_of(bits, block->node.first >> map->shift, w);
		copy->count += (unsigned)__builtin_popcountll(copy->dirty.bits[w]);
	}
	if (copy->count)
		return copy;
	sim_free_internal(sim, copy, sizeof(*copy));
	return NULL;
}

struct iommu_dirty *dirty_take(
	struct sim *sim, struct dirty_map *map, uint64_t first, uint64_t last, bool clear)
{
	struct range_node *node = range_first(&map->blocks, first, last), *next;
	struct iommu_dirty *list = NULL, **end = &list;

	for (; node; node = next) {
		struct dirty_block *block = block_of(node), *taken;

		next = range_next(node, first, last);
		if (clear && node->first >= first && node->last <= last) {
			range_remove(&map->blocks, node);
			if (map->last == block)
				map->last = NULL;
			taken = block;
		} else {
			taken = block_copy(sim, map, block, first, last);
		}
		if (!taken)
			continue;
		taken->dirty.next = NULL;
		*end = &taken->dirty;
		end = &taken->dirty.next;
	}
	if (clear)
		dirty_clear(sim, map, first, last);
	return list;
}

bool dirty_next_run(const struct dirty_map *map, uint64_t *first, uint64_t *last)
{
	struct range_node *node = range_first(&map->blocks, *first, UINT64_MAX);
	uint64_t at = *first;
	bool any = false;

	/* Bit by bit: for oracles, whose programs are small. */
	for (; node; node = range_successor(node)) {
		if (any && node->first != *last + 1)
			return true;
		for (at = at > node->first ? at : node->first; at <= node->last && at >= *first;
			at += UINT64_C(1) << map->shift) {
			bool set = dirty_test(map, at);

			if (set && !any)
				*first = at;
			if (!set && any)
				return true;
			if (set)
				*last = at + ((UINT64_C(1) << map->shift) - 1);
			any = any || set;
		}
	}
	return any;
}

void iommu_free_dirty(struct task *task, struct iommu_dirty *list)
{
	while (list) {
		struct iommu_dirty *next = list->next;
		char *block = (char *)list - offsetof(struct dirty_block, dirty);

		sim_free_internal(task->sim, block, sizeof(struct dirty_block));
		list = next;
	}
}
