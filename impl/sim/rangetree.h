/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interval trees over [first, last] of u64, intrusive, balanced, deterministic. Ranges may overlap
 * (reserved sets) or not (areas). A disjoint set also keeps the widest hole below each node, so
 * that holes are found in O(log n); what lies above all ranges is found at once. No locks inside.
 */
#ifndef IOMMUZZ_SIM_RANGETREE_H
#define IOMMUZZ_SIM_RANGETREE_H

#include <stdbool.h>
#include <stdint.h>

/* One cache line: at a million ranges each node that a search visits is a cache miss. */
struct range_node {
	struct range_node *left, *right;
	uint64_t first, last; /* inclusive */
	struct range_node *parent;
	union {
		uint64_t gap; /* disjoint set: free values right below first, down to the range
				 before or to 0 */
		uint64_t subtree_last; /* overlapping set: largest last below and here */
	};
	uint64_t subtree_gap; /* disjoint set: largest gap below and here */
	uint16_t height;      /* of the subtree */
	bool overlaps;	      /* as in the tree */
};
struct range_tree {
	struct range_node *root;
	struct range_node *highest; /* with the largest first */
	uint32_t count;
	bool overlaps; /* two ranges have overlapped since the tree was empty */
};

/* An empty tree. Nodes belong to the caller; a tree is guarded by its owner's lock. */
void range_tree_init(struct range_tree *tree);
/* first and last are set by the caller; equal firsts lie in the order of insertion. */
void range_insert(struct range_tree *tree, struct range_node *node);
/* Takes a node of this tree out of it; the caller frees it. */
void range_remove(struct range_tree *tree, struct range_node *node);
/* The node (in the tree) now ends at last or begins at first; its place among the others must not
 * change. */
void range_resize(struct range_tree *tree, struct range_node *node, uint64_t first, uint64_t last);
/* The node with the smallest first that intersects [first, last], or NULL. */
struct range_node *range_first(const struct range_tree *tree, uint64_t first, uint64_t last);
/* The next one after node that intersects [first, last], by ascending first. */
struct range_node *range_next(const struct range_node *node, uint64_t first, uint64_t last);
/* In-order walk over all. */
struct range_node *range_lowest(const struct range_tree *tree);
struct range_node *range_successor(const struct range_node *node);
struct range_node *range_predecessor(const struct range_node *node);
/*
 * For disjoint sets: the lowest maximal hole at or after `from` that is at least `length` wide (not
 * aligned). False when there is none up to UINT64_MAX.
 */
bool range_hole(const struct range_tree *tree, uint64_t from, uint64_t length, uint64_t *first,
	uint64_t *last);

#define range_tree_for_each(node, tree)                                                            \
	for ((node) = range_lowest(tree); (node); (node) = range_successor(node))

#endif
