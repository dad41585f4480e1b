/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interval trees over [first, last] of u64, intrusive, balanced, deterministic. Ranges may overlap
 * (reserved sets) or not (areas); the tree also keeps the widest gap below each node so that holes
 * of disjoint sets are found in O(log n).
 */
#ifndef IOMMUZZ_SIM_RANGETREE_H
#define IOMMUZZ_SIM_RANGETREE_H

#include <stdbool.h>
#include <stdint.h>

struct range_node {
	struct range_node *left, *right, *parent;
	uint64_t first, last;	/* inclusive */
	uint64_t subtree_last;	/* largest last below and here */
	uint64_t subtree_first; /* smallest first below and here */
	uint64_t subtree_gap;	/* widest run of uncovered values between ranges of the subtree (for
				   disjoint sets) */
	uint32_t height;	/* of the subtree */
};
struct range_tree {
	struct range_node *root;
	uint32_t count;
};

void range_tree_init(struct range_tree *tree);
/* first and last are set by the caller; equal firsts lie in the order of insertion. */
void range_insert(struct range_tree *tree, struct range_node *node);
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
