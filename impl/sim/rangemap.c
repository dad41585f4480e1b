/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/rangemap.h"

#include <string.h>

#include "impl/sim/alloc.h"

#define LEAF_ITEMS 19 /* a leaf takes 512 bytes, a branch 1 KiB */
#define CHILDREN   31
#define HEIGHT_MAX 16 /* a full node stands for 15 times the insertions of one below it */
#define CACHE_LINE 64
#define BLOCK_MAX  63 /* leaves that the allocator keeps in one piece */

struct range_branch;

struct range_leaf {
	struct range_branch *parent;
	struct range_leaf *next, *previous;
	uint64_t gap; /* the widest one between two items */
	uint32_t count;
	uint64_t first[LEAF_ITEMS], last[LEAF_ITEMS];
	struct range_item *items[LEAF_ITEMS];
};

/* Bounds and gaps are those of the children. A search reads the first half alone. */
struct range_branch {
	struct range_branch *parent;
	uint64_t gap; /* the widest one of all below */
	uint32_t count;
	uint64_t first[CHILDREN];
	void *children[CHILDREN];
	uint64_t last[CHILDREN], gaps[CHILDREN];
};

/*
 * Leaves lie together and not between what they list, so that those of a large map take few pages:
 * a search among them is one miss of the cache and not several of the page tables as well.
 */
struct range_block {
	struct range_block *next;
	uint64_t count;
	struct range_leaf leaves[];
};

/* What a branch keeps of a child. */
struct summary {
	uint64_t first, last, gap;
};

void range_map_init(struct range_map *map, struct sim *sim)
{
	*map = (struct range_map){.sim = sim};
}

static size_t block_size(uint64_t leaves)
{
	return sizeof(struct range_block) + leaves * sizeof(struct range_leaf);
}

/* Blocks double: 1 leaf, which is all that most maps need, 3, 7, up to BLOCK_MAX. */
static bool block_add(struct range_map *map)
{
	uint64_t count = map->blocks ? map->blocks->count * 2 + 1 : 1;
	struct range_block *block;

	if (count > BLOCK_MAX)
		count = BLOCK_MAX;
	block = sim_alloc_internal(map->sim, block_size(count));
	if (!block)
		return false;
	block->count = count;
	block->next = map->blocks;
	map->blocks = block;
	while (count--) {
		block->leaves[count].next = map->spare;
		map->spare = &block->leaves[count];
	}
	return true;
}

static void *node_alloc(struct range_map *map, uint32_t height)
{
	struct range_leaf *leaf;

	if (height)
		return sim_alloc_internal(map->sim, sizeof(struct range_branch));
	if (!map->spare && !block_add(map))
		return NULL;
	leaf = map->spare;
	map->spare = leaf->next;
	leaf->parent = NULL;
	leaf->next = leaf->previous = NULL;
	leaf->gap = 0;
	leaf->count = 0;
	return leaf;
}

static void node_free(struct range_map *map, void *node, uint32_t height)
{
	struct range_leaf *leaf = node;

	if (height) {
		sim_free_internal(map->sim, node, sizeof(struct range_branch));
	} else {
		leaf->next = map->spare;
		map->spare = leaf;
	}
}

static void free_branches(struct range_map *map, void *node, uint32_t height)
{
	const struct range_branch *branch = node;

	for (uint32_t i = 0; height > 1 && i < branch->count; i++)
		free_branches(map, branch->children[i], height - 1);
	if (height)
		node_free(map, node, height);
}

void range_map_destroy(struct range_map *map)
{
	free_branches(map, map->root, map->height);
	while (map->blocks) {
		struct range_block *block = map->blocks;

		map->blocks = block->next;
		sim_free_internal(map->sim, block, block_size(block->count));
	}
	range_map_init(map, map->sim);
}

/* The last place whose first is at most value, 0 if there is none. */
static inline uint32_t place_of(const uint64_t *firsts, uint32_t count, uint64_t value)
{
	uint32_t i = 0;

	while (i + 8 < count && firsts[i + 8] <= value)
		i += 8;
	while (i + 1 < count && firsts[i + 1] <= value)
		i++;
	return i;
}

/* All lines of what a search is about to read at once, instead of one after the other. */
static inline void fetch(const void *node)
{
	for (unsigned line = 0; line < sizeof(struct range_leaf) / CACHE_LINE; line++)
		__builtin_prefetch((const char *)node + line * CACHE_LINE);
}

/* The leaf in which value lies or would be put; the map is not empty. */
static inline struct range_leaf *leaf_of(const struct range_map *map, uint64_t value)
{
	void *node = map->root;

	for (uint32_t height = map->height; height; height--) {
		const struct range_branch *branch = node;

		node = branch->children[place_of(branch->first, branch->count, value)];
		fetch(node);
	}
	return node;
}

/* -- what is kept of children -- */

/* Values strictly between two neighbours; overlaps, which only a defect of the user makes, count 0.
 */
static inline uint64_t between(uint64_t last, uint64_t first)
{
	return first > last ? first - last - 1 : 0;
}

static inline struct summary leaf_summary(const struct range_leaf *leaf)
{
	return (struct summary){leaf->first[0], leaf->last[leaf->count - 1], leaf->gap};
}

static inline struct summary branch_summary(const struct range_branch *branch)
{
	return (struct summary){branch->first[0], branch->last[branch->count - 1], branch->gap};
}

static inline bool same_summary(const struct summary *a, const struct summary *b)
{
	return a->first == b->first && a->last == b->last && a->gap == b->gap;
}

static void leaf_measure(struct range_leaf *leaf)
{
	leaf->gap = 0;
	for (uint32_t i = 1; i < leaf->count; i++) {
		uint64_t gap = between(leaf->last[i - 1], leaf->first[i]);

		leaf->gap = gap > leaf->gap ? gap : leaf->gap;
	}
}

static void branch_measure(struct range_branch *branch)
{
	branch->gap = branch->count ? branch->gaps[0] : 0;
	for (uint32_t i = 1; i < branch->count; i++) {
		uint64_t gap = between(branch->last[i - 1], branch->first[i]);

		gap = gap > branch->gaps[i] ? gap : branch->gaps[i];
		branch->gap = gap > branch->gap ? gap : branch->gap;
	}
}

static inline void set_child(struct range_branch *branch, uint32_t i, const struct summary *child)
{
	branch->first[i] = child->first;
	branch->last[i] = child->last;
	branch->gaps[i] = child->gap;
}

/* The widest gap of or beside child i. */
static uint64_t gap_around(const struct range_branch *branch, uint32_t i)
{
	uint64_t widest = branch->gaps[i], gap;

	if (i) {
		gap = between(branch->last[i - 1], branch->first[i]);
		widest = gap > widest ? gap : widest;
	}
	if (i + 1 < branch->count) {
		gap = between(branch->last[i], branch->first[i + 1]);
		widest = gap > widest ? gap : widest;
	}
	return widest;
}

/* The place of a node in its parent; key lay in the node when what is kept was last right. */
static inline uint32_t place_in(const struct range_branch *parent, uint64_t key)
{
	return place_of(parent->first, parent->count, key);
}

/*
 * A child of branch with key now has that summary; so on upwards while something changes. The
 * children of a branch are measured anew only when its widest gap may have shrunk.
 */
static void climb(struct range_branch *branch, uint64_t key, struct summary child)
{
	for (; branch; branch = branch->parent) {
		uint32_t i = place_in(branch, key);
		struct summary was = branch_summary(branch);
		uint64_t before = gap_around(branch, i), after;

		set_child(branch, i, &child);
		after = gap_around(branch, i);
		if (after >= was.gap)
			branch->gap = after;
		else if (before >= was.gap)
			branch_measure(branch);
		child = branch_summary(branch);
		if (same_summary(&child, &was))
			return;
	}
}

/* A leaf that had that summary has changed. */
static inline void leaf_changed(struct range_leaf *leaf, const struct summary *was)
{
	struct summary now = leaf_summary(leaf);

	if (leaf->parent && !same_summary(&now, was))
		climb(leaf->parent, was->first, now);
}

/* -- insertion -- */

static void leaf_put(struct range_leaf *leaf, uint32_t i, struct range_item *item)
{
	uint32_t behind = leaf->count - i;

	memmove(&leaf->first[i + 1], &leaf->first[i], behind * sizeof(leaf->first[0]));
	memmove(&leaf->last[i + 1], &leaf->last[i], behind * sizeof(leaf->last[0]));
	memmove(&leaf->items[i + 1], &leaf->items[i], behind * sizeof(leaf->items[0]));
	leaf->first[i] = item->first;
	leaf->last[i] = item->last;
	leaf->items[i] = item;
	leaf->count++;
	item->leaf = leaf;
}

/* The widest gap of a leaf after an item was put at i. */
static void measure_after_put(struct range_leaf *leaf, uint32_t i)
{
	bool first = !i, last = i + 1 == leaf->count;
	uint64_t low = first ? 0 : between(leaf->last[i - 1], leaf->first[i]);
	uint64_t high = last ? 0 : between(leaf->last[i], leaf->first[i + 1]);

	if (!first && !last && between(leaf->last[i - 1], leaf->first[i + 1]) == leaf->gap) {
		leaf_measure(leaf);
		return;
	}
	leaf->gap = low > leaf->gap ? low : leaf->gap;
	leaf->gap = high > leaf->gap ? high : leaf->gap;
}

/* Nodes for an insertion that splits: all of them, or none. */
struct supply {
	void *nodes[HEIGHT_MAX + 2]; /* a leaf, branches from below, a root */
	uint32_t count, used;
};

static bool supply_add(struct range_map *map, struct supply *supply)
{
	uint32_t n = supply->count;

	if (n >= HEIGHT_MAX + 2)
		return false;
	supply->nodes[n] = node_alloc(map, n);
	if (!supply->nodes[n])
		return false;
	supply->count++;
	return true;
}

static bool supply_for(struct range_map *map, const struct range_leaf *leaf, struct supply *supply)
{
	const struct range_branch *branch = leaf->parent;
	bool enough = supply_add(map, supply);

	for (; enough && branch && branch->count == CHILDREN; branch = branch->parent)
		enough = supply_add(map, supply);
	if (enough && !branch)
		enough = supply_add(map, supply);
	if (enough)
		return true;
	while (supply->count) {
		supply->count--;
		node_free(map, supply->nodes[supply->count], supply->count);
	}
	return false;
}

static void set_parent(void *child, uint32_t height, struct range_branch *parent)
{
	if (height)
		((struct range_branch *)child)->parent = parent;
	else
		((struct range_leaf *)child)->parent = parent;
}

static void branch_put(struct range_branch *branch, uint32_t i, void *child, uint32_t child_height,
	const struct summary *of)
{
	uint32_t behind = branch->count - i;

	memmove(&branch->first[i + 1], &branch->first[i], behind * sizeof(branch->first[0]));
	memmove(&branch->last[i + 1], &branch->last[i], behind * sizeof(branch->last[0]));
	memmove(&branch->gaps[i + 1], &branch->gaps[i], behind * sizeof(branch->gaps[0]));
	memmove(&branch->children[i + 1], &branch->children[i],
		behind * sizeof(branch->children[0]));
	set_child(branch, i, of);
	branch->children[i] = child;
	branch->count++;
	set_parent(child, child_height, branch);
}

/* Moves the children from i on to the empty branch `to`. */
static void branch_move(
	struct range_branch *branch, uint32_t i, struct range_branch *to, uint32_t child_height)
{
	uint32_t moved = branch->count - i;

	memcpy(to->first, &branch->first[i], moved * sizeof(to->first[0]));
	memcpy(to->last, &branch->last[i], moved * sizeof(to->last[0]));
	memcpy(to->gaps, &branch->gaps[i], moved * sizeof(to->gaps[0]));
	memcpy(to->children, &branch->children[i], moved * sizeof(to->children[0]));
	to->count = moved;
	branch->count = i;
	for (i = 0; i < moved; i++)
		set_parent(to->children[i], child_height, to);
}

/*
 * `right` has been split from `left` and follows it; both have their new contents, the parent knows
 * of left as it was. An ascending sequence leaves full nodes behind.
 */
static void split_upwards(struct range_map *map, struct supply *supply, struct range_branch *parent,
	void *left, struct summary left_of, void *right, struct summary right_of)
{
	uint32_t height = 0; /* of left and right */

	for (; parent; height++) {
		uint32_t i = place_in(parent, left_of.first);
		struct range_branch *more = NULL;
		uint64_t key = left_of.first;

		set_child(parent, i, &left_of);
		if (parent->count < CHILDREN) {
			branch_put(parent, i + 1, right, height, &right_of);
			branch_measure(parent);
			climb(parent->parent, key, branch_summary(parent));
			return;
		}
		more = supply->nodes[supply->used++];
		branch_move(parent, i + 1 == CHILDREN ? CHILDREN : CHILDREN / 2 + 1, more, height);
		if (i + 1 > parent->count || (i + 1 == parent->count && more->count == 0))
			branch_put(more, i + 1 - parent->count, right, height, &right_of);
		else
			branch_put(parent, i + 1, right, height, &right_of);
		branch_measure(parent);
		branch_measure(more);
		left = parent;
		right = more;
		parent = parent->parent;
		left_of = branch_summary(left);
		right_of = branch_summary(right);
	}
	parent = supply->nodes[supply->used++];
	branch_put(parent, 0, left, height, &left_of);
	branch_put(parent, 1, right, height, &right_of);
	branch_measure(parent);
	map->root = parent;
	map->height = height + 1;
}

/* Insertion at i of a full leaf. */
static bool leaf_split(
	struct range_map *map, struct range_leaf *leaf, uint32_t i, struct range_item *item)
{
	uint32_t kept = i == LEAF_ITEMS && !leaf->next ? LEAF_ITEMS : LEAF_ITEMS / 2, moved;
	struct supply supply = {.count = 0};
	struct range_leaf *more;

	if (!supply_for(map, leaf, &supply))
		return false;
	more = supply.nodes[supply.used++];
	moved = LEAF_ITEMS - kept;
	memcpy(more->first, &leaf->first[kept], moved * sizeof(more->first[0]));
	memcpy(more->last, &leaf->last[kept], moved * sizeof(more->last[0]));
	memcpy(more->items, &leaf->items[kept], moved * sizeof(more->items[0]));
	for (uint32_t n = 0; n < moved; n++)
		more->items[n]->leaf = more;
	more->count = moved;
	leaf->count = kept;
	more->next = leaf->next;
	more->previous = leaf;
	if (more->next)
		more->next->previous = more;
	leaf->next = more;
	if (i > kept || kept == LEAF_ITEMS)
		leaf_put(more, i - kept, item);
	else
		leaf_put(leaf, i, item);
	leaf_measure(leaf);
	leaf_measure(more);
	split_upwards(
		map, &supply, leaf->parent, leaf, leaf_summary(leaf), more, leaf_summary(more));
	return true;
}

bool range_map_insert(struct range_map *map, struct range_item *item)
{
	struct range_leaf *leaf;
	struct summary was;
	uint32_t i;

	if (!map->root)
		map->root = node_alloc(map, 0);
	if (!map->root)
		return false;
	leaf = leaf_of(map, item->first);
	i = place_of(leaf->first, leaf->count, item->first);
	if (i < leaf->count && leaf->first[i] < item->first)
		i++;
	if (leaf->count == LEAF_ITEMS) {
		if (!leaf_split(map, leaf, i, item))
			return false;
	} else if (leaf->count) {
		was = leaf_summary(leaf);
		leaf_put(leaf, i, item);
		measure_after_put(leaf, i);
		leaf_changed(leaf, &was);
	} else {
		leaf_put(leaf, 0, item);
	}
	map->count++;
	return true;
}

/* -- removal: nodes go when they are empty -- */

static void branch_take(struct range_branch *branch, uint32_t i)
{
	uint32_t behind = --branch->count - i;

	memmove(&branch->first[i], &branch->first[i + 1], behind * sizeof(branch->first[0]));
	memmove(&branch->last[i], &branch->last[i + 1], behind * sizeof(branch->last[0]));
	memmove(&branch->gaps[i], &branch->gaps[i + 1], behind * sizeof(branch->gaps[0]));
	memmove(&branch->children[i], &branch->children[i + 1],
		behind * sizeof(branch->children[0]));
}

/* A leaf with a parent has become empty; key was its last first. */
static void leaf_drop(struct range_map *map, struct range_leaf *leaf, uint64_t key)
{
	struct range_branch *branch = leaf->parent;
	void *child = leaf;
	uint32_t height = 0;

	if (leaf->previous)
		leaf->previous->next = leaf->next;
	if (leaf->next)
		leaf->next->previous = leaf->previous;
	/* Branches without any other child go too; the root has two. */
	for (;; height++) {
		uint32_t i = place_in(branch, key);

		node_free(map, child, height);
		branch_take(branch, i);
		if (branch->count)
			break;
		child = branch;
		branch = branch->parent;
	}
	branch_measure(branch);
	climb(branch->parent, key, branch_summary(branch));
	while (map->height && ((struct range_branch *)map->root)->count == 1) {
		struct range_branch *root = map->root;

		map->root = root->children[0];
		node_free(map, root, map->height);
		map->height--;
		set_parent(map->root, map->height, NULL);
	}
}

/* The widest gap of a leaf, not empty, after an item was taken from i with those gaps beside it. */
static void measure_after_take(struct range_leaf *leaf, uint32_t i, uint64_t low, uint64_t high)
{
	uint64_t gap;

	if (i && i < leaf->count) {
		gap = between(leaf->last[i - 1], leaf->first[i]);
		leaf->gap = gap > leaf->gap ? gap : leaf->gap;
	} else if (low == leaf->gap || high == leaf->gap) {
		leaf_measure(leaf);
	}
}

void range_map_remove(struct range_map *map, struct range_item *item)
{
	struct range_leaf *leaf = item->leaf;
	uint32_t i = place_of(leaf->first, leaf->count, item->first), behind;
	struct summary was = leaf_summary(leaf);
	uint64_t low, high;

	while (leaf->items[i] != item)
		i--;
	low = i ? between(leaf->last[i - 1], leaf->first[i]) : 0;
	high = i + 1 < leaf->count ? between(leaf->last[i], leaf->first[i + 1]) : 0;
	behind = --leaf->count - i;
	memmove(&leaf->first[i], &leaf->first[i + 1], behind * sizeof(leaf->first[0]));
	memmove(&leaf->last[i], &leaf->last[i + 1], behind * sizeof(leaf->last[0]));
	memmove(&leaf->items[i], &leaf->items[i + 1], behind * sizeof(leaf->items[0]));
	item->leaf = NULL;
	map->count--;
	if (leaf->count) {
		measure_after_take(leaf, i, low, high);
		leaf_changed(leaf, &was);
	} else if (leaf->parent) {
		leaf_drop(map, leaf, was.first);
	} else {
		leaf->gap = 0;
	}
}

/* -- searches -- */

struct range_item *range_map_first(const struct range_map *map, uint64_t first, uint64_t last)
{
	const struct range_leaf *leaf;
	uint32_t i;

	if (!map->count)
		return NULL;
	leaf = leaf_of(map, first);
	i = place_of(leaf->first, leaf->count, first);
	if (leaf->last[i] < first && ++i == leaf->count) {
		leaf = leaf->next;
		i = 0;
	}
	return leaf && leaf->first[i] <= last ? leaf->items[i] : NULL;
}

struct range_item *range_map_lowest(const struct range_map *map)
{
	return map->count ? leaf_of(map, 0)->items[0] : NULL;
}

struct range_item *range_map_successor(const struct range_item *item)
{
	const struct range_leaf *leaf = item->leaf;
	uint32_t i = place_of(leaf->first, leaf->count, item->first) + 1;

	if (i < leaf->count)
		return leaf->items[i];
	return leaf->next ? leaf->next->items[0] : NULL;
}

/* The first gap of a leaf behind its place i. */
static bool gap_in_leaf(
	const struct range_leaf *leaf, uint32_t i, uint64_t wide, uint64_t *first, uint64_t *last)
{
	for (; i + 1 < leaf->count; i++) {
		if (between(leaf->last[i], leaf->first[i + 1]) >= wide) {
			*first = leaf->last[i] + 1;
			*last = leaf->first[i + 1] - 1;
			return true;
		}
	}
	return false;
}

/*
 * The first gap behind child i of a branch: *first and *last if it lies between two children, else
 * the child that has it; NULL and first > last when there is none.
 */
static void *gap_in_branch(const struct range_branch *branch, uint32_t i, uint64_t wide,
	uint64_t *first, uint64_t *last)
{
	*first = 1;
	*last = 0;
	for (; i + 1 < branch->count; i++) {
		if (between(branch->last[i], branch->first[i + 1]) >= wide) {
			*first = branch->last[i] + 1;
			*last = branch->first[i + 1] - 1;
			return NULL;
		}
		if (branch->gaps[i + 1] >= wide)
			return branch->children[i + 1];
	}
	return NULL;
}

/* The first gap below a node that has one. */
static void lowest_gap(void *node, uint32_t height, uint64_t wide, uint64_t *first, uint64_t *last)
{
	for (; height; height--) {
		const struct range_branch *branch = node;

		node = branch->gaps[0] >= wide ? branch->children[0]
					       : gap_in_branch(branch, 0, wide, first, last);
		if (!node)
			return;
	}
	gap_in_leaf(node, 0, wide, first, last);
}

/* The first gap behind place i of a leaf that two items enclose. */
static bool gap_behind(
	const struct range_leaf *leaf, uint32_t i, uint64_t wide, uint64_t *first, uint64_t *last)
{
	const struct range_branch *branch = leaf->parent;
	uint64_t key = leaf->first[i];
	uint32_t height = 0; /* of the children of branch */

	if (leaf->gap >= wide && gap_in_leaf(leaf, i, wide, first, last))
		return true;
	for (; branch; branch = branch->parent, height++) {
		void *child;

		/* Most branches are passed without a look at their children. */
		if (branch->gap < wide)
			continue;
		child = gap_in_branch(branch, place_in(branch, key), wide, first, last);
		if (child)
			lowest_gap(child, height, wide, first, last);
		if (child || *first <= *last)
			return true;
	}
	return false;
}

/* Behind the last item. */
static bool hole_at_end(const struct range_map *map, uint64_t wide, uint64_t *first, uint64_t *last)
{
	const struct range_branch *root = map->root;
	const struct range_leaf *leaf = map->root;
	uint64_t end = map->height ? root->last[root->count - 1] : leaf->last[leaf->count - 1];

	if (end == UINT64_MAX)
		return false;
	*first = end + 1;
	*last = UINT64_MAX;
	return *last - *first >= wide - 1;
}

bool range_map_hole(const struct range_map *map, uint64_t from, uint64_t length, uint64_t *first,
	uint64_t *last)
{
	uint64_t wide = length ? length : 1;
	const struct range_leaf *leaf;
	uint32_t i;

	*first = from;
	*last = UINT64_MAX;
	if (!map->count)
		return *last - *first >= wide - 1;
	leaf = leaf_of(map, from);
	i = place_of(leaf->first, leaf->count, from);
	if (leaf->first[i] <= from) {
		if (leaf->last[i] == UINT64_MAX)
			return false;
		if (leaf->last[i] >= from)
			from = leaf->last[i] + 1;
		if (++i == leaf->count) {
			leaf = leaf->next;
			i = 0;
		}
	}
	*first = from;
	*last = leaf ? leaf->first[i] - 1 : UINT64_MAX;
	if ((!leaf || leaf->first[i] > from) && *last - *first >= wide - 1)
		return true;
	if (!leaf)
		return false;
	return gap_behind(leaf, i, wide, first, last) || hole_at_end(map, wide, first, last);
}
