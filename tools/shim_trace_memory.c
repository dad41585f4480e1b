/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shim_trace_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

#define MEM_MAX	  (UINT64_C(4) << 30)
#define WINDOW	  (UINT64_C(64) << 20)
#define WHOLE_MAX (UINT64_C(1) << 30) /* larger mappings come piece by piece */

/* The mapping of the process with that address. */
static bool find_mapping(const struct shim_seen *seen, uint64_t address, struct trace_region *found)
{
	char path[64], line[4096], modes[5];
	unsigned long long first, end, offset, inode;
	unsigned device_major, device_minor;
	bool there = false;
	FILE *list;

	snprintf(path, sizeof(path), "/proc/%d/maps", seen->pid);
	list = fopen(path, "re");
	while (list && !there && fgets(line, sizeof(line), list)) {
		if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu", &first, &end, modes, &offset,
			    &device_major, &device_minor, &inode) != 7 ||
			end <= address)
			continue;
		there = first <= address;
		*found = (struct trace_region){.first = first,
			.end = end,
			.protection = (modes[0] == 'r' ? 1u : 0) | (modes[1] == 'w' ? 2u : 0) |
				      (modes[2] == 'x' ? 4u : 0),
			.shared = modes[3] == 's',
			.device_major = device_major,
			.device_minor = device_minor,
			.inode = modes[3] == 's' ? inode : 0,
			.offset = modes[3] == 's' ? offset : 0};
		break;
	}
	if (list)
		fclose(list);
	return there;
}

static bool same_kind(const struct trace_region *a, const struct trace_region *b)
{
	return a->protection == b->protection && a->shared == b->shared && a->inode == b->inode &&
	       (!a->inode || a->first - a->offset == b->first - b->offset);
}

static void cut(struct trace_region *region, uint64_t first, uint64_t end)
{
	if (first > region->first) {
		region->at += first - region->first;
		region->offset += region->inode ? first - region->first : 0;
		region->first = first;
	}
	if (end < region->end)
		region->end = end;
}

static struct trace_region *add(struct trace_space *space, const struct trace_region *region)
{
	if (space->count == space->room) {
		space->room = space->room ? space->room * 2 : 16;
		space->regions = tool_grow(space->regions, space->room, sizeof(*space->regions));
	}
	space->regions[space->count] = *region;
	return &space->regions[space->count++];
}

bool trace_take_region(
	struct trace_space *space, uint64_t first, uint64_t end, struct trace_region *taken)
{
	for (unsigned n = 0; n < space->count; n++) {
		struct trace_region whole = space->regions[n], left = whole, right = whole;

		if (whole.end <= first || whole.first >= end)
			continue;
		*taken = whole;
		cut(taken, first, end);
		space->regions[n] = space->regions[--space->count];
		if (whole.first < first) {
			cut(&left, 0, first);
			add(space, &left);
		}
		if (whole.end > end) {
			cut(&right, end, UINT64_MAX);
			add(space, &right);
		}
		return true;
	}
	return false;
}

bool trace_unmap(struct trace_space *space, uint64_t first, uint64_t end, struct trace_region *gone)
{
	for (unsigned n = 0; n < space->count; n++) {
		const struct trace_region *region = &space->regions[n];

		if (region->gone || region->end <= first || region->first >= end)
			continue;
		first = region->first > first ? region->first : first;
		end = region->end < end ? region->end : end;
		trace_take_region(space, first, end, gone);
		gone->gone = true;
		add(space, gone);
		return true;
	}
	return false;
}

bool trace_writable(const struct shim_seen *seen, uint64_t address)
{
	struct trace_region mapping;

	return find_mapping(seen, address, &mapping) && mapping.protection & 2;
}

/* The part of a mapping that one region is to hold. */
static void choose(struct trace_region *mapping, uint64_t address, uint64_t length)
{
	uint64_t end = address + length < address ? UINT64_MAX - WINDOW : address + length;

	if (mapping->end - mapping->first > WHOLE_MAX)
		cut(mapping, address & ~(WINDOW - 1), (end + WINDOW - 1) & ~(WINDOW - 1));
}

/* Leaves out what is known already. */
static void cut_known(
	const struct trace_space *space, struct trace_region *mapping, uint64_t address)
{
	for (unsigned n = 0; n < space->count; n++) {
		const struct trace_region *known = &space->regions[n];

		if (known->gone || !same_kind(known, mapping))
			continue;
		if (known->end <= address)
			cut(mapping, known->end, UINT64_MAX);
		else if (known->first > address)
			cut(mapping, 0, known->first);
	}
}

static bool find_window(const struct trace_places *places, uint64_t window, uint64_t *at)
{
	for (unsigned n = 0; n < places->count; n++) {
		if (places->windows[n].window != window)
			continue;
		*at = places->windows[n].at;
		return true;
	}
	return false;
}

/* Neighbours in the process are neighbours in mem, as far as windows were met in order. False: mem
 * is full. */
static bool place(struct trace_places *places, struct trace_region *region)
{
	uint64_t first = region->first / WINDOW, last = (region->end - 1) / WINDOW, at = 0;

	for (uint64_t window = first; window <= last; window++) {
		if (find_window(places, window, &at))
			continue;
		if (places->count == TRACE_WINDOWS || places->next + WINDOW > MEM_MAX)
			return false;
		places->windows[places->count++] = (struct trace_window){window, places->next};
		places->next += WINDOW;
	}
	find_window(places, first, &at);
	region->at = at + region->first % WINDOW;
	return true;
}

struct trace_region *trace_region(struct trace_space *space, struct trace_places *places,
	const struct shim_seen *seen, uint64_t address, uint64_t length)
{
	struct trace_region mapping, stale;

	if (!find_mapping(seen, address, &mapping))
		return NULL;
	for (unsigned n = 0; n < space->count; n++) {
		struct trace_region *known = &space->regions[n];

		if (!known->gone && known->first <= address && address < known->end &&
			same_kind(known, &mapping))
			return known;
	}
	cut_known(space, &mapping, address);
	choose(&mapping, address, length);
	if (!place(places, &mapping))
		return NULL;
	mapping.fresh = true;
	while (trace_take_region(space, mapping.first, mapping.end, &stale))
		mapping.again = true;
	return add(space, &mapping);
}

void trace_space_copy(struct trace_space *to, const struct trace_space *from)
{
	*to = (struct trace_space){.count = 0};
	for (unsigned n = 0; n < from->count; n++)
		add(to, &from->regions[n]);
}

void trace_space_end(struct trace_space *space)
{
	free(space->regions);
	*space = (struct trace_space){.count = 0};
}
