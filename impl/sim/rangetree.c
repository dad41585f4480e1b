/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/rangetree.h"

#include <stddef.h>

/*
 * Height-balanced trees. A set is taken for disjoint until two of its ranges overlap; what is kept
 * below each node is then computed once for the other kind, and stays of that kind until the tree
 * is empty.
 */

void range_tree_init(struct range_tree *tree)
{
	*tree = (struct range_tree){.root = NULL};
}

static uint16_t height_of(const struct range_node *node)
{
	return node ? node->height : 0;
}

/* Recomputes what is kept of a subtree; whether anything changed. */
static bool update(const struct range_tree *tree, struct range_node *node)
{
	const struct range_node *left = node->left, *right = node->right;
	uint16_t left_height = height_of(left), right_height = height_of(right);
	uint16_t height = (uint16_t)((left_height > right_height ? left_height : right_height) + 1);
	uint64_t *kept, value;
	bool changed;

	if (tree->overlaps) {
		kept = &node->subtree_last;
		value = node->last;
		if (left && left->subtree_last > value)
			value = left->subtree_last;
		if (right && right->subtree_last > value)
			value = right->subtree_last;
	} else {
		kept = &node->subtree_gap;
		value = node->gap;
		if (left && left->subtree_gap > value)
			value = left->subtree_gap;
		if (right && right->subtree_gap > value)
			value = right->subtree_gap;
	}
	changed = value != *kept || height != node->height;
	*kept = value;
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
	update(tree, node);
	update(tree, right);
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
	update(tree, node);
	update(tree, left);
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
			changed = update(tree, node);
		}
		if (!changed)
			break;
		node = node->parent;
	}
}

/* The set is no more disjoint: largest lasts take the place of gaps, from the leaves up. */
static void become_overlapping(struct range_tree *tree)
{
	struct range_node *node = tree->root, *from = NULL;

	tree->overlaps = true;
	while (node) {
		struct range_node *next;

		if (from == node->parent && node->left)
			next = node->left;
		else if ((from == node->parent || from == node->left) && node->right)
			next = node->right;
		else
			next = node->parent;
		if (next == node->parent) {
			node->overlaps = true;
			update(tree, node);
		}
		from = node;
		node = next;
	}
}

/* The free values between below (NULL: 0) and node. */
static uint64_t gap_between(const struct range_node *below, const struct range_node *node)
{
	return below ? node->first - below->last - 1 : node->first;
}

static bool touch(const struct range_node *below, const struct range_node *above)
{
	return below && above && below->last >= above->first;
}

void range_insert(struct range_tree *tree, struct range_node *node)
{
	struct range_node *parent = tree->highest, **link = &tree->root;
	struct range_node *below = NULL, *above = NULL;

	node->left = node->right = NULL;
	node->height = 1;
	if (!parent) {
		tree->overlaps = false;
	} else if (node->first >= parent->first) {
		below = parent;
		link = &parent->right;
	}
	while (*link) {
		parent = *link;
		if (node->first < parent->first) {
			above = parent;
			link = &parent->left;
		} else {
			below = parent;
			link = &parent->right;
		}
	}
	node->parent = parent;
	*link = node;
	node->overlaps = tree->overlaps;
	tree->count++;
	if (!above)
		tree->highest = node;
	/* In a disjoint set only the neighbours can overlap. */
	if (!tree->overlaps && (touch(below, node) || touch(node, above))) {
		become_overlapping(tree);
	} else if (tree->overlaps) {
		node->subtree_last = node->last;
	} else {
		node->gap = node->subtree_gap = gap_between(below, node);
		if (above)
			above->gap = gap_between(node, above);
	}
	rebalance(tree, parent);
	if (above && above != parent)
		rebalance(tree, above);
}

/* Takes node out of the shape of the tree; the lowest node whose subtree has changed. */
static struct range_node *detach(
	struct range_tree *tree, struct range_node *node, struct range_node *next)
{
	struct range_node *start;

	if (!node->left || !node->right) {
		start = node->parent;
		replace_child(tree, node, node->left ? node->left : node->right);
		return start;
	}
	start = next->parent == node ? next : next->parent;
	replace_child(tree, next, next->right);
	next->left = node->left;
	next->right = node->right;
	next->left->parent = next;
	if (next->right)
		next->right->parent = next;
	replace_child(tree, node, next);
	/* What next keeps is stale; the way up must compare with what stood here. */
	next->height = node->height;
	next->subtree_gap = node->subtree_gap;
	if (tree->overlaps)
		next->subtree_last = node->subtree_last;
	return start;
}

void range_remove(struct range_tree *tree, struct range_node *node)
{
	struct range_node *next = range_successor(node), *start;

	tree->count--;
	if (!next)
		tree->highest = range_predecessor(node);
	else if (!tree->overlaps)
		next->gap = next->first - (node->first - node->gap);
	start = detach(tree, node, next);
	rebalance(tree, start);
	if (next && next != start)
		rebalance(tree, next);
	node->left = node->right = node->parent = NULL;
}

void range_resize(struct range_tree *tree, struct range_node *node, uint64_t first, uint64_t last)
{
	struct range_node *below = range_predecessor(node), *above = range_successor(node);

	node->first = first;
	node->last = last;
	if (!tree->overlaps && (touch(below, node) || touch(node, above))) {
		become_overlapping(tree);
		return;
	}
	if (!tree->overlaps) {
		node->gap = gap_between(below, node);
		if (above)
			above->gap = gap_between(node, above);
	}
	rebalance(tree, node);
	if (above)
		rebalance(tree, above);
}

/* Overlapping set: the first node in order below node that intersects; its subtree_last is at least
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

/* In a disjoint set lasts ascend with firsts: no look at the other child is needed. */
static struct range_node *search_disjoint(struct range_node *node, uint64_t first, uint64_t last)
{
	struct range_node *best = NULL;

	while (node) {
		if (node->last < first) {
			node = node->right;
		} else {
			best = node;
			if (node->first <= first)
				break;
			node = node->left;
		}
	}
	return best && best->first <= last ? best : NULL;
}

struct range_node *range_first(const struct range_tree *tree, uint64_t first, uint64_t last)
{
	struct range_node *root = tree->root;

	if (!root)
		return NULL;
	if (!tree->overlaps)
		return first > tree->highest->last ? NULL : search_disjoint(root, first, last);
	return root->subtree_last < first ? NULL : search(root, first, last);
}

struct range_node *range_next(const struct range_node *node, uint64_t first, uint64_t last)
{
	struct range_node *next;

	if (!node->overlaps) {
		next = range_successor(node);
		return next && next->first <= last && next->last >= first ? next : NULL;
	}
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

/* The lowest node of a subtree with a gap at least wide; subtree_gap says that there is one. */
static const struct range_node *lowest_gap(const struct range_node *node, uint64_t wide)
{
	for (;;) {
		if (node->left && node->left->subtree_gap >= wide)
			node = node->left;
		else if (node->gap >= wide)
			return node;
		else
			node = node->right;
	}
}

/* The first node after node with a gap at least wide. */
static const struct range_node *gap_after(const struct range_node *node, uint64_t wide)
{
	for (;;) {
		const struct range_node *child;

		if (node->right && node->right->subtree_gap >= wide)
			return lowest_gap(node->right, wide);
		do {
			child = node;
			node = node->parent;
			if (!node)
				return NULL;
		} while (node->right == child);
		if (node->gap >= wide)
			return node;
	}
}

/* The first node that ends at or after from. */
static const struct range_node *ending_after(const struct range_tree *tree, uint64_t from)
{
	const struct range_node *node = tree->root, *best = NULL;

	while (node) {
		if (node->last >= from) {
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
	const struct range_node *node = NULL;
	uint64_t wide = length ? length : 1;

	*first = from;
	if (tree->root && tree->root->subtree_gap >= wide)
		node = ending_after(tree, from);
	if (node) {
		/* The hole below it may begin before from. */
		if (node->first <= from || node->first - from < wide || node->gap < wide)
			node = gap_after(node, wide);
		if (node) {
			*last = node->first - 1;
			if (node->first - node->gap > from)
				*first = node->first - node->gap;
			return true;
		}
	}
	*last = UINT64_MAX;
	if (tree->highest && tree->highest->last >= from) {
		if (tree->highest->last == UINT64_MAX)
			return false;
		*first = tree->highest->last + 1;
	}
	return *last - *first >= wide - 1;
}
