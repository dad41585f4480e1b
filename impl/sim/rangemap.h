/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large sets of disjoint intervals [first, last] of u64: a B+tree. Bounds and gaps lie side by side
 * in wide nodes, so that a search among a million ranges misses the cache a few times only; small
 * or overlapping sets are better off with impl/sim/rangetree.h. What happens depends on the
 * intervals and their order of insertion alone. The caller serialises; searches change nothing.
 */
#ifndef IOMMUZZ_SIM_RANGEMAP_H
#define IOMMUZZ_SIM_RANGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;
struct range_leaf;
struct range_block;

/* A range, member of what it stands for. Bounds are set before it is inserted and stay. */
struct range_item {
	uint64_t first, last; /* inclusive */
	struct range_leaf *leaf;
};

struct range_map {
	struct sim *sim;
	void *root;	 /* a leaf if height is 0; NULL before the first insertion */
	uint32_t height; /* levels above the leaves */
	uint32_t count;
	struct range_block *blocks; /* of leaves, newest first */
	struct range_leaf *spare;   /* leaves of them that are not in use */
};

/* An empty map; its nodes are bookkeeping of sim (sim_alloc_internal). */
void range_map_init(struct range_map *map, struct sim *sim);
/* Frees all nodes, leaves only here; the items are the caller's. */
void range_map_destroy(struct range_map *map);
/* item overlaps none of the others. False, and nothing changed, when host memory is short. */
bool range_map_insert(struct range_map *map, struct range_item *item);
void range_map_remove(struct range_map *map, struct range_item *item);
/* The lowest item that intersects [first, last], or NULL. */
struct range_item *range_map_first(const struct range_map *map, uint64_t first, uint64_t last);
/* In order, NULL at the end. */
struct range_item *range_map_lowest(const struct range_map *map);
struct range_item *range_map_successor(const struct range_item *item);
/* The successor if it intersects [.., last], for walks begun with range_map_first. */
static inline struct range_item *range_map_next(const struct range_item *item, uint64_t last)
{
	struct range_item *next = range_map_successor(item);

	return next && next->first <= last ? next : NULL;
}
/*
 * The lowest run of uncovered values at or after `from` that is at least `length` wide (not
 * aligned), up to the next item. False when there is none up to UINT64_MAX.
 */
bool range_map_hole(const struct range_map *map, uint64_t from, uint64_t length, uint64_t *first,
	uint64_t *last);

#define range_map_for_each(item, map)                                                              \
	for ((item) = range_map_lowest(map); (item); (item) = range_map_successor(item))

#endif
