/* SPDX-License-Identifier: Apache-2.0 */
/* Range trees against arrays: overlapping sets, disjoint sets, holes. */
#include <stdlib.h>

#include "impl/sim/rangetree.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define SPACE 4096
#define NODES 300
#define STEPS 20000

struct set {
	struct range_tree tree;
	struct range_node nodes[NODES];
	bool in[NODES];
	uint64_t base; /* of the space: also at the very end of u64 */
};

/* The first in order after `after` (-1: from the start) that intersects. */
static int naive_next(const struct set *set, int after, uint64_t first, uint64_t last)
{
	int n, best = -1;

	for (n = 0; n < NODES; n++) {
		const struct range_node *node = &set->nodes[n];

		if (!set->in[n] || node->first > last || node->last < first || n == after)
			continue;
		if (after >= 0 && node->first <= set->nodes[after].first)
			continue;
		if (best < 0 || node->first < set->nodes[best].first)
			best = n;
	}
	return best;
}

/* Walks all that intersect; the tree's firsts ascend, and their number is the naive one. */
static bool same_overlaps(const struct set *set, uint64_t first, uint64_t last)
{
	const struct range_node *node;
	uint64_t previous = 0;
	unsigned found = 0, wanted = 0;
	int n;

	for (n = 0; n < NODES; n++)
		wanted += set->in[n] && set->nodes[n].first <= last && set->nodes[n].last >= first;
	for (node = range_first(&set->tree, first, last); node;
		node = range_next(node, first, last)) {
		if (node->first < previous || node->first > last || node->last < first)
			return false;
		previous = node->first;
		found++;
	}
	return found == wanted;
}

static bool same_walk(const struct set *set)
{
	const struct range_node *node, *previous = NULL;
	unsigned count = 0;

	range_tree_for_each (node, &set->tree) {
		if (previous &&
			(previous->first > node->first || range_predecessor(node) != previous))
			return false;
		previous = node;
		count++;
	}
	return count == set->tree.count;
}

static uint32_t checked_height(const struct range_node *node, bool *good)
{
	uint32_t left, right;

	if (!node)
		return 0;
	left = checked_height(node->left, good);
	right = checked_height(node->right, good);
	*good = *good && left <= right + 1 && right <= left + 1 &&
		node->height == (left > right ? left : right) + 1;
	return node->height;
}

static bool overlapping(uint64_t seed, uint64_t base)
{
	struct set *set = calloc(1, sizeof(*set));
	bool good = true;
	unsigned step;

	set->base = base;
	range_tree_init(&set->tree);
	for (step = 0; step < STEPS && good; step++) {
		unsigned n = (unsigned)test_below(&seed, NODES);
		uint64_t first = base + test_below(&seed, SPACE);
		uint64_t last = first + test_below(&seed, base + SPACE - first);

		if (set->in[n]) {
			range_remove(&set->tree, &set->nodes[n]);
		} else {
			set->nodes[n].first = first;
			set->nodes[n].last = last;
			range_insert(&set->tree, &set->nodes[n]);
		}
		set->in[n] = !set->in[n];
		first = base + test_below(&seed, SPACE);
		last = first +
		       test_below(&seed, base + SPACE - first) / (1 + test_below(&seed, 100));
		good = same_overlaps(set, first, last);
		if (step % 100 == 0) {
			checked_height(set->tree.root, &good);
			good = good && same_walk(set);
		}
	}
	free(set);
	return good;
}

/* The lowest hole at or after from, unit by unit. */
static bool naive_hole(
	const bool *taken, uint64_t from, uint64_t length, uint64_t *first, uint64_t *last)
{
	uint64_t at;

	for (at = from; at < SPACE; at++) {
		if (taken[at])
			continue;
		*first = at;
		while (at < SPACE && !taken[at])
			at++;
		*last = at - 1;
		if (*last - *first + 1 >= length)
			return true;
	}
	return false;
}

static bool same_hole(const struct set *set, const bool *taken, uint64_t from, uint64_t length)
{
	uint64_t first = 0, last = 0, wanted_first = 0, wanted_last = 0;
	bool wanted = naive_hole(taken, from, length, &wanted_first, &wanted_last);
	bool found = range_hole(&set->tree, set->base + from, length, &first, &last);

	/* Behind the space all is free, unless the space ends with u64. */
	if (set->base + SPACE != 0)
		return !wanted || wanted_last == SPACE - 1 ||
		       (found && first == set->base + wanted_first &&
			       last == set->base + wanted_last);
	return found == wanted &&
	       (!found || (first == set->base + wanted_first && last == set->base + wanted_last));
}

static void mark(bool *taken, const struct set *set, unsigned n, bool value)
{
	uint64_t at;

	for (at = set->nodes[n].first; at != set->nodes[n].last + 1; at++)
		taken[at - set->base] = value;
}

static bool disjoint(uint64_t seed, uint64_t base)
{
	struct set *set = calloc(1, sizeof(*set));
	bool *taken = calloc(SPACE, sizeof(*taken));
	bool good = true;
	unsigned step;

	set->base = base;
	range_tree_init(&set->tree);
	for (step = 0; step < STEPS && good; step++) {
		unsigned n = (unsigned)test_below(&seed, NODES);
		uint64_t first = test_below(&seed, SPACE), length = 1 + test_below(&seed, 20), from;

		if (set->in[n]) {
			uint64_t shrink =
				test_below(&seed, set->nodes[n].last - set->nodes[n].first + 1);

			mark(taken, set, n, false);
			if (shrink)
				range_resize(&set->tree, &set->nodes[n],
					set->nodes[n].first + shrink, set->nodes[n].last);
			else
				range_remove(&set->tree, &set->nodes[n]);
			set->in[n] = shrink != 0;
			if (shrink)
				mark(taken, set, n, true);
		} else if (first + length <= SPACE &&
			   naive_next(set, -1, base + first, base + first + length - 1) < 0) {
			set->nodes[n].first = base + first;
			set->nodes[n].last = base + first + length - 1;
			range_insert(&set->tree, &set->nodes[n]);
			set->in[n] = true;
			mark(taken, set, n, true);
		}
		from = test_below(&seed, 3) ? test_below(&seed, SPACE) : 0;
		good = same_hole(set, taken, from, 1 + test_below(&seed, 40)) &&
		       same_overlaps(set, base + first, base + first);
	}
	free(taken);
	free(set);
	return good;
}

static void test_edges(void)
{
	struct range_node low = {.first = 0, .last = 9},
			  high = {.first = UINT64_MAX - 9, .last = UINT64_MAX};
	struct range_tree tree;
	uint64_t first, last;

	range_tree_init(&tree);
	tap_ok(range_hole(&tree, 5, 100, &first, &last) && first == 5 && last == UINT64_MAX,
		"empty: all is a hole");
	tap_ok(!range_first(&tree, 0, UINT64_MAX) && !range_lowest(&tree),
		"empty: nothing is found");
	range_insert(&tree, &high);
	range_insert(&tree, &low);
	tap_ok(range_hole(&tree, 0, 1, &first, &last) && first == 10 && last == UINT64_MAX - 10,
		"the hole between the ends of u64");
	tap_ok(!range_hole(&tree, UINT64_MAX - 5, 1, &first, &last),
		"no hole within the last range");
	tap_ok(!range_hole(&tree, 11, UINT64_MAX - 19, &first, &last),
		"a hole that is cut is too small");
	range_remove(&tree, &high);
	tap_ok(range_hole(&tree, 3, UINT64_MAX - 9, &first, &last) && first == 10 &&
			last == UINT64_MAX,
		"the hole up to the end of u64");
}

int main(void)
{
	tap_begin();
	test_edges();
	tap_ok(overlapping(test_seed(1), 0), "overlapping ranges agree with an array");
	tap_ok(overlapping(test_seed(2), UINT64_MAX - SPACE + 1), "the same at the end of u64");
	tap_ok(disjoint(test_seed(3), 0), "disjoint ranges and holes agree with an array");
	tap_ok(disjoint(test_seed(4), UINT64_MAX - SPACE + 1), "the same at the end of u64");
	return tap_end();
}
