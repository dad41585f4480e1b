/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/schedule/lock_graph.h"

#include <stdio.h>
#include <string.h>

void lock_graph_init(struct lock_graph *graph)
{
	/* 12.1: IOAS mutex, group mutex, domains_rwsem, iova_rwsem, pages mutex; an access's lock
	 * before the IOAS's; the creation lock before all iova_rwsem. */
	static const struct {
		uint16_t first, second;
	} order[] = {
		{LOCK_IOAS_MUTEX, LOCK_GROUP},
		{LOCK_GROUP, LOCK_DOMAINS},
		{LOCK_DOMAINS, LOCK_IOVA},
		{LOCK_IOVA, LOCK_PAGES},
		{LOCK_ACCESS, LOCK_DOMAINS},
		{LOCK_ACCESS, LOCK_IOVA},
		{LOCK_IOAS_CREATION, LOCK_IOVA},
	};

	memset(graph, 0, sizeof(*graph));
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		graph->before[order[i].second] |= UINT64_C(1) << order[i].first;
}

/* A way from class `from` to class `to`, each asked for behind the one before; its length, 0: none.
 */
static unsigned find_way(const struct lock_graph *graph, uint16_t from, uint16_t to, uint16_t *way)
{
	uint16_t queue[LOCK_CLASS_COUNT], next[LOCK_CLASS_COUNT];
	unsigned first = 0, last = 0;
	uint64_t seen = UINT64_C(1) << to;

	/* Backwards from `to`, so that `next` leads forwards. */
	queue[last++] = to;
	while (first < last) {
		uint16_t class = queue[first++];
		uint64_t before = graph->before[class] & ~seen;

		for (; before; before &= before - 1) {
			uint16_t found = (uint16_t)__builtin_ctzll(before);

			next[found] = class;
			seen |= UINT64_C(1) << found;
			queue[last++] = found;
		}
		if (seen >> from & 1)
			break;
	}
	if (!(seen >> from & 1) || from == to)
		return 0;
	unsigned length = 0;
	for (uint16_t class = from;; class = next[class]) {
		way[length++] = class;
		if (class == to)
			return length;
	}
}

bool lock_graph_ask(
	struct lock_graph *graph, uint16_t class, uint64_t held, char *text, size_t size)
{
	uint64_t fresh = held & ~graph->before[class] & ~(UINT64_C(1) << class);

	graph->before[class] |= fresh;
	for (; fresh; fresh &= fresh - 1) {
		uint16_t holder = (uint16_t)__builtin_ctzll(fresh), way[LOCK_CLASS_COUNT];
		unsigned length = find_way(graph, class, holder, way);
		size_t used = 0;

		if (!length || graph->said[class] >> holder & 1)
			continue;
		graph->said[class] |= UINT64_C(1) << holder;
		for (unsigned i = 0; i < length && used < size; i++)
			used += (size_t)snprintf(text + used, size - used, "%s -> ",
				lock_class_name((enum lock_class)way[i]));
		if (used < size)
			snprintf(text + used, size - used, "%s",
				lock_class_name((enum lock_class) class));
		return false;
	}
	return true;
}
