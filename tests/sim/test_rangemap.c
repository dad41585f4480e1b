/* SPDX-License-Identifier: Apache-2.0 */
/* Range maps against arrays: order, searches and holes, from empty to several levels and back. */
#include <stdlib.h>

#include "impl/sim/rangemap.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define SPACE 20000
#define STEPS 20000
#define UNIT  3 /* the longest range */

struct set {
	struct range_map map;
	struct range_item items[SPACE]; /* by first - base */
	uint8_t length[SPACE];		/* 0: no range begins here */
	uint64_t base;
	uint32_t count;
};

static bool begins(const struct set *set, uint64_t at)
{
	return at < SPACE && set->length[at];
}

/* Whether a range covers at. */
static bool covered(const struct set *set, uint64_t at)
{
	for (uint64_t back = 0; back < UNIT && back <= at; back++)
		if (set->length[at - back] > back)
			return true;
	return false;
}

static bool same_walk(const struct set *set)
{
	const struct range_item *item = range_map_lowest(&set->map);
	uint32_t count = 0;

	for (uint64_t at = 0; at < SPACE; at++) {
		if (!begins(set, at))
			continue;
		if (item != &set->items[at] || item->first != set->base + at ||
			item->last != item->first + set->length[at] - 1)
			return false;
		item = range_map_successor(item);
		count++;
	}
	return !item && count == set->map.count && count == set->count;
}

static bool same_first(const struct set *set, uint64_t from, uint64_t to)
{
	const struct range_item *found =
		range_map_first(&set->map, set->base + from, set->base + to);
	uint64_t at = from >= UNIT ? from - UNIT + 1 : 0;

	for (; at <= to; at++)
		if (begins(set, at) && at + set->length[at] > from)
			return found == &set->items[at];
	return !found;
}

/* The lowest hole at or after from, unit by unit; behind the space all is free unless u64 ends. */
static bool same_hole(const struct set *set, uint64_t from, uint64_t length)
{
	uint64_t first = 0, last = 0, end;
	bool found = range_map_hole(&set->map, set->base + from, length, &first, &last);

	for (uint64_t at = from; at < SPACE; at = end + 1) {
		end = at;
		if (covered(set, at))
			continue;
		while (end < SPACE && !covered(set, end))
			end++;
		if (end == SPACE && set->base + SPACE)
			return found && first == set->base + at && last == UINT64_MAX;
		if (end - at >= length)
			return found && first == set->base + at && last == set->base + end - 1;
	}
	if (!(set->base + SPACE))
		return !found;
	return found && first == set->base + SPACE && last == UINT64_MAX;
}

static void add(struct set *set, uint64_t at, uint8_t length)
{
	struct range_item *item = &set->items[at];

	for (uint64_t to = at; to < at + length; to++)
		if (to >= SPACE || covered(set, to))
			return;
	item->first = set->base + at;
	item->last = item->first + length - 1;
	set->length[at] = length;
	set->count++;
	if (!range_map_insert(&set->map, item))
		tap_ok(false, "insertion");
}

static void drop(struct set *set, uint64_t at)
{
	set->length[at] = 0;
	set->count--;
	range_map_remove(&set->map, &set->items[at]);
}

static bool some_queries(const struct set *set, uint64_t *seed)
{
	uint64_t from = test_below(seed, SPACE), to = from + test_below(seed, 50);

	if (to >= SPACE)
		to = SPACE - 1;
	return same_first(set, from, to) && same_hole(set, from, 1 + test_below(seed, 12)) &&
	       (test_below(seed, 50) || same_hole(set, 0, 1 + test_below(seed, 40)));
}

/* Grows in random places, then shrinks as much. */
static bool scattered(struct set *set, uint64_t seed)
{
	bool good = true;

	for (unsigned step = 0; step < 2 * STEPS && good; step++) {
		uint64_t at = test_below(&seed, SPACE);
		bool adds = test_below(&seed, 8) < (step < STEPS ? 7u : 1u);

		if (begins(set, at)) {
			if (!adds)
				drop(set, at);
		} else if (adds) {
			add(set, at, (uint8_t)(1 + test_below(&seed, UNIT)));
		} else {
			/* The next one above, so that the map does shrink. */
			while (at < SPACE && !begins(set, at))
				at++;
			if (at < SPACE)
				drop(set, at);
		}
		good = some_queries(set, &seed);
		if (step % 5000 == 0)
			good = good && same_walk(set);
	}
	for (uint64_t at = 0; at < SPACE; at++)
		if (begins(set, at))
			drop(set, at);
	return good && same_walk(set);
}

/* Without holes upwards or downwards, then taken away in the other direction, every second first.
 */
static bool in_order(struct set *set, bool down, uint64_t seed)
{
	bool good = true;

	for (uint64_t n = 0; n < SPACE && good; n++) {
		add(set, down ? SPACE - 1 - n : n, 1);
		good = n % 97 || some_queries(set, &seed);
	}
	good = good && same_walk(set);
	for (uint64_t part = 0; part < 2; part++)
		for (uint64_t n = part; n < SPACE && good; n += 2) {
			drop(set, down ? n : SPACE - 1 - n);
			good = n % 97 || some_queries(set, &seed);
		}
	return good && same_walk(set);
}

static void test_set(struct sim *sim, uint64_t base, const char *where)
{
	struct set *set = calloc(1, sizeof(*set));

	set->base = base;
	range_map_init(&set->map, sim);
	tap_ok(same_walk(set) && same_hole(set, 5, 7) && same_first(set, 0, SPACE - 1), "empty, %s",
		where);
	tap_ok(scattered(set, test_seed(1)), "in random order, %s", where);
	tap_ok(in_order(set, false, test_seed(2)), "ascending, %s", where);
	tap_ok(in_order(set, true, test_seed(3)), "descending, %s", where);
	add(set, 7, 2);
	range_map_destroy(&set->map);
	tap_ok(!set->map.count && !range_map_lowest(&set->map), "destroyed with an item, %s",
		where);
	free(set);
}

int main(void)
{
	struct recorded recorded = {0};
	struct sim *sim = test_sim(LOCKS_SINGLE, &recorded);

	tap_begin();
	test_set(sim, 0, "from 0 on");
	test_set(sim, UINT64_MAX - SPACE + 1, "up to the end of u64");
	sim_destroy(sim);
	return tap_end();
}
