/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/rangetree.h"

#include <stddef.h>

/*
 * Height-balanced trees: a search visits few nodes, which is what counts at a million areas, where
 * each node is a cache miss.
 */

void range_tree_init(struct range_tree *tree)
{
	*tree = (struct range_tree){.root = NULL};
}

static uint32_t height_of(const struct range_node *node)
{
	return node ? node->height : 0;
}

/* Values strictly between two ranges, 0 when they touch or overlap. */
static uint64_t between(uint64_t last, uint64_t first)
{
	return first > last ? first - last - 1 : 0;
}

/* Recomputes what is kept of a subtree; whether anything changed. */
static bool update(struct range_node *node)
{
	const struct range_node *left = node->left, *right = node->right;
	uint64_t first = node->first, last = node->last, gap = 0, hole;
	uint32_t height = 0;
	bool changed;

	if (left) {
		first = left->subtree_first;
		if (left->subtree_last > last)
			last = left->subtree_last;
		gap = left->subtree_gap;
		hole = between(left->subtree_last, node->first);
		if (hole > gap)
			gap = hole;
		height = left->height;
	}
	if (right) {
		if (right->subtree_last > last)
			last = right->subtree_last;
		if (right->subtree_gap > gap)
			gap = right->subtree_gap;
		hole = between(node->last, right->subtree_first);
		if (hole > gap)
			gap = hole;
		if (right->height > height)
			height = right->height;
	}
	height++;
	changed = first != node->subtree_first || last != node->subtree_last ||
		  gap != node->subtree_gap || height != node->height;
	node->subtree_first = first;
	node->subtree_last = last;
	node->subtree_gap = gap;
	node->height = height;
	return changed;
}

/* Puts child where old hangs. */
static void replace_child(struct range_tree *tree, struct range_node *old, struct range_node *child)
{
	struct range_node *parent = old->parent;

	if (!parent)
		tree->root = child;
	else if (parent->left == old)
		parent->left = child;
	else
		parent->right = child;
	if (child)
		child->parent = parent;
}

static struct range_node *rotate_left(struct range_tree *tree, struct range_node *node)
{
	struct range_node *right = node->right;

	replace_child(tree, node, right);
	node->right = right->left;
	if (node->right)
		node->right->parent = node;
	right->left = node;
	node->parent = right;
	update(node);
	update(right);
	return right;
}

static struct range_node *rotate_right(struct range_tree *tree, struct range_node *node)
{
	struct range_node *left = node->left;

	replace_child(tree, node, left);
	node->left = left->right;
	if (node->left)
		node->left->parent = node;
	left->right = node;
	node->parent = left;
	update(node);
	update(left);
	return left;
}

/* Restores balance and what is kept, from node up to where nothing changes any more. */
static void rebalance(struct range_tree *tree, struct range_node *node)
{
	while (node) {
		uint32_t left = height_of(node->left), right = height_of(node->right);
		bool changed = true;

		if (left > right + 1) {
			if (height_of(node->left->left) < height_of(node->left->right))
				rotate_left(tree, node->left);
			node = rotate_right(tree, node);
		} else if (right > left + 1) {
			if (height_of(node->right->right) < height_of(node->right->left))
				rotate_right(tree, node->right);
			node = rotate_left(tree, node);
		} else {
			changed = update(node);
		}
		if (!changed)
			break;
		node = node->parent;
	}
}

void range_insert(struct range_tree *tree, struct range_node *node)
{
	struct range_node *parent = NULL, **link = &tree->root;

	while (*link) {
		parent = *link;
		link = node->first < parent->first ? &parent->left : &parent->right;
	}
	node->left = node->right = NULL;
	node->parent = parent;
	node->subtree_first = node->first;
	node->subtree_last = node->last;
	node->subtree_gap = 0;
	node->height = 1;
	*link = node;
	tree->count++;
	rebalance(tree, parent);
}

void range_remove(struct range_tree *tree, struct range_node *node)
{
	struct range_node *start;

	tree->count--;
	if (node->left && node->right) {
		struct range_node *next = node->right;

		while (next->left)
			next = next->left;
		start = next->parent == node ? next : next->parent;
		replace_child(tree, next, next->right);
		next->left = node->left;
		next->right = node->right;
		if (next->left)
			next->left->parent = next;
		if (next->right)
			next->right->parent = next;
		replace_child(tree, node, next);
		/* next stands in for node: what it keeps is stale and must be seen as changed on
		 * the way up */
		next->height = node->height;
		next->subtree_first = node->subtree_first;
		next->subtree_last = node->subtree_last;
		next->subtree_gap = node->subtree_gap;
		rebalance(tree, start);
		if (start != next)
			rebalance(tree, next);
	} else {
		start = node->parent;
		replace_child(tree, node, node->left ? node->left : node->right);
		rebalance(tree, start);
	}
	node->left = node->right = node->parent = NULL;
}

void range_resize(struct range_tree *tree, struct range_node *node, uint64_t first, uint64_t last)
{
	node->first = first;
	node->last = last;
	rebalance(tree, node);
}

/* The first node in order below node that intersects; subtree_last of node is known to be at least
 * first. */
static struct range_node *search(struct range_node *node, uint64_t first, uint64_t last)
{
	for (;;) {
		if (node->left && node->left->subtree_last >= first) {
			node = node->left;
			continue;
		}
		if (node->first > last)
			return NULL;
		if (node->last >= first)
			return node;
		node = node->right;
		if (!node || node->subtree_last < first)
			return NULL;
	}
}

struct range_node *range_first(const struct range_tree *tree, uint64_t first, uint64_t last)
{
	struct range_node *root = tree->root;

	if (!root || root->subtree_last < first || root->subtree_first > last)
		return NULL;
	return search(root, first, last);
}

struct range_node *range_next(const struct range_node *node, uint64_t first, uint64_t last)
{
	for (;;) {
		const struct range_node *child;

		if (node->right && node->right->subtree_last >= first)
			return search(node->right, first, last);
		do {
			child = node;
			node = node->parent;
			if (!node)
				return NULL;
		} while (node->right == child);
		if (node->first > last)
			return NULL;
		if (node->last >= first)
			return (struct range_node *)(uintptr_t)node;
	}
}

struct range_node *range_lowest(const struct range_tree *tree)
{
	struct range_node *node = tree->root;

	while (node && node->left)
		node = node->left;
	return node;
}

struct range_node *range_successor(const struct range_node *node)
{
	const struct range_node *child;

	if (node->right) {
		struct range_node *next = node->right;

		while (next->left)
			next = next->left;
		return next;
	}
	do {
		child = node;
		node = node->parent;
	} while (node && node->right == child);
	return (struct range_node *)(uintptr_t)node;
}

struct range_node *range_predecessor(const struct range_node *node)
{
	const struct range_node *child;

	if (node->left) {
		struct range_node *previous = node->left;

		while (previous->right)
			previous = previous->right;
		return previous;
	}
	do {
		child = node;
		node = node->parent;
	} while (node && node->left == child);
	return (struct range_node *)(uintptr_t)node;
}

/* The first gap of a subtree that is at least wide; subtree_gap says that there is one. */
static void lowest_gap(
	const struct range_node *node, uint64_t wide, uint64_t *first, uint64_t *last)
{
	for (;;) {
		const struct range_node *left = node->left, *right = node->right;

		if (left && left->subtree_gap >= wide) {
			node = left;
			continue;
		}
		if (left && between(left->subtree_last, node->first) >= wide) {
			*first = left->subtree_last + 1;
			*last = node->first - 1;
			return;
		}
		if (between(node->last, right->subtree_first) >= wide) {
			*first = node->last + 1;
			*last = right->subtree_first - 1;
			return;
		}
		node = right;
	}
}

/* The first gap at least wide between node or what follows it and its successor; false when there
 * is none. */
static bool gap_after(const struct range_node *node, uint64_t wide, uint64_t *first, uint64_t *last)
{
	for (;;) {
		const struct range_node *right = node->right, *child;

		if (right && between(node->last, right->subtree_first) >= wide) {
			*first = node->last + 1;
			*last = right->subtree_first - 1;
			return true;
		}
		if (right && right->subtree_gap >= wide) {
			lowest_gap(right, wide, first, last);
			return true;
		}
		do {
			child = node;
			node = node->parent;
			if (!node)
				return false;
		} while (node->right == child);
		if (between(child->subtree_last, node->first) >= wide) {
			*first = child->subtree_last + 1;
			*last = node->first - 1;
			return true;
		}
	}
}

/* The node with the smallest first >= value. */
static const struct range_node *at_or_after(const struct range_tree *tree, uint64_t value)
{
	const struct range_node *node = tree->root, *best = NULL;

	while (node) {
		if (node->first >= value) {
			best = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return best;
}

bool range_hole(const struct range_tree *tree, uint64_t from, uint64_t length, uint64_t *first,
	uint64_t *last)
{
	const struct range_node *node = range_first(tree, from, from), *next;
	uint64_t wide = length ? length : 1;

	if (node) {
		if (node->last == UINT64_MAX)
			return false;
		from = node->last + 1;
		next = range_successor(node);
	} else {
		next = at_or_after(tree, from);
	}
	*first = from;
	*last = next ? next->first - 1 : UINT64_MAX;
	if ((!next || next->first > from) && *last - *first >= wide - 1)
		return true;
	if (!next)
		return false;
	if (gap_after(next, wide, first, last))
		return true;
	*first = tree->root->subtree_last;
	*last = UINT64_MAX;
	if (*first == UINT64_MAX)
		return false;
	++*first;
	return *last - *first >= wide - 1;
}
