/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shim_trace_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

#define HUGE	  (UINT64_C(2) << 20)
#define MEM_MAX	  (UINT64_C(4) << 30)
#define WHOLE_MAX (UINT64_C(64) << 20) /* larger mappings come piece by piece */

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

/* The part of a mapping that one region is to hold. */
static void choose(struct trace_region *mapping, uint64_t address, uint64_t length)
{
	uint64_t end = address + length < address ? UINT64_MAX - HUGE : address + length;

	if (mapping->end - mapping->first > WHOLE_MAX)
		cut(mapping, address & ~(HUGE - 1), (end + HUGE - 1) & ~(HUGE - 1));
}

struct trace_region *trace_region(struct trace_space *space, const struct shim_seen *seen,
	uint64_t address, uint64_t length, uint64_t *next)
{
	struct trace_region mapping, stale;

	if (!find_mapping(seen, address, &mapping))
		return NULL;
	for (unsigned n = 0; n < space->count; n++) {
		struct trace_region *known = &space->regions[n];

		if (known->first <= address && address < known->end && same_kind(known, &mapping))
			return known;
	}
	choose(&mapping, address, length);
	while (trace_take_region(space, mapping.first, mapping.end, &stale))
		;
	/* Large pages stay large. */
	if (mapping.end - mapping.first >= HUGE)
		*next += (mapping.first - *next) & (HUGE - 1);
	if (*next + (mapping.end - mapping.first) > MEM_MAX)
		return NULL;
	mapping.at = *next;
	mapping.fresh = true;
	*next += mapping.end - mapping.first;
	return add(space, &mapping);
}

void trace_move_regions(struct trace_space *space, uint64_t from, uint64_t to, uint64_t length)
{
	struct trace_region moved[64];
	unsigned count = 0;

	while (count < 64 && trace_take_region(space, from, from + length, &moved[count]))
		count++;
	for (unsigned n = 0; n < count; n++) {
		moved[n].first += to - from;
		moved[n].end += to - from;
		add(space, &moved[n]);
	}
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
