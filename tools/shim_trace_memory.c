/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shim_trace_memory.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "tools/tool.h"

#define MEM_MAX	   (UINT64_C(4) << 30)
#define WHOLE_MAX  (UINT64_C(1) << 30) /* larger mappings come piece by piece */
#define PIECES_MAX 256		       /* of the memory that one call is about */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Other files are read into pages that no second file view shares in these programs. Who may not
 * follow the link goes by the name. */
static bool is_memory_file(int pid, const struct trace_region *mapping)
{
	struct statfs filesystem;
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		(unsigned long long)mapping->first, (unsigned long long)mapping->end);
	if (statfs(path, &filesystem))
		return mapping->memory;
	return filesystem.f_type == TMPFS_MAGIC || filesystem.f_type == HUGETLBFS_MAGIC;
}

static bool names_memory(const char *path)
{
	static const char *const starts[] = {"/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"};

	for (unsigned n = 0; n < sizeof(starts) / sizeof(*starts); n++)
		if (!strncmp(path, starts[n], strlen(starts[n])))
			return true;
	return false;
}

/* One line of /proc/PID/maps. */
static bool read_mapping(const char *line, struct trace_region *mapping)
{
	unsigned long long first, end, offset, inode;
	unsigned device_major, device_minor;
	char modes[5];
	int name = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &first, &end, modes, &offset,
		    &device_major, &device_minor, &inode, &name) != 7)
		return false;
	*mapping = (struct trace_region){.first = first,
		.end = end,
		.protection = (modes[0] == 'r' ? 1u : 0) | (modes[1] == 'w' ? 2u : 0) |
			      (modes[2] == 'x' ? 4u : 0),
		.shared = modes[3] == 's',
		.device_major = device_major,
		.device_minor = device_minor,
		.inode = inode,
		.offset = inode ? offset : 0,
		.memory = name && names_memory(line + name)};
	return true;
}

void trace_maps_read(struct trace_maps *maps, int pid)
{
	char path[64], line[4096];
	FILE *list;

	*maps = (struct trace_maps){.pid = pid};
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	list = fopen(path, "re");
	while (list && fgets(line, sizeof(line), list)) {
		if (maps->count == maps->room) {
			maps->room = maps->room ? maps->room * 2 : 64;
			maps->mappings =
				tool_grow(maps->mappings, maps->room, sizeof(*maps->mappings));
		}
		if (read_mapping(line, &maps->mappings[maps->count]))
			maps->count++;
	}
	if (list)
		fclose(list);
}

void trace_maps_end(struct trace_maps *maps)
{
	free(maps->mappings);
}

bool trace_find_mapping(const struct trace_maps *maps, uint64_t address, struct trace_region *found)
{
	uint64_t before = 0;
	unsigned n = 0;

	while (n < maps->count && maps->mappings[n].end <= address)
		before = maps->mappings[n++].end;
	if (n == maps->count || maps->mappings[n].first > address) {
		*found = (struct trace_region){.first = before,
			.end = n < maps->count ? maps->mappings[n].first : TRACE_HIGHEST,
			.gone = true};
		return address < TRACE_HIGHEST;
	}
	*found = maps->mappings[n];
	if (found->inode && !found->shared && !is_memory_file(maps->pid, found))
		found->inode = found->offset = 0;
	return true;
}

/* The same memory, whatever may be done with it. */
static bool same_memory(const struct trace_region *a, const struct trace_region *b)
{
	return !a->gone && !b->gone && a->shared == b->shared && a->inode == b->inode &&
	       a->device_major == b->device_major && a->device_minor == b->device_minor &&
	       (!a->inode || a->first - a->offset == b->first - b->offset);
}

static void cut(struct trace_region *region, uint64_t first, uint64_t end)
{
	if (first > region->first) {
		region->offset += region->inode ? first - region->first : 0;
		region->first = first;
	}
	region->end = smaller(region->end, end);
}

static void add(struct trace_space *space, const struct trace_region *region)
{
	if (space->count == space->room) {
		space->room = space->room ? space->room * 2 : 16;
		space->regions = tool_grow(space->regions, space->room, sizeof(*space->regions));
	}
	space->regions[space->count++] = *region;
}

/* A region that lies in the range, cut to it and taken out of the space. False: none. */
static bool take(
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

void trace_forget(struct trace_space *space, uint64_t first, uint64_t end)
{
	struct trace_region forgotten;

	while (take(space, first, end, &forgotten))
		;
}

bool trace_unmap(struct trace_space *space, uint64_t first, uint64_t end, struct trace_region *gone)
{
	for (unsigned n = 0; n < space->count; n++) {
		const struct trace_region *region = &space->regions[n];

		if (region->gone || region->end <= first || region->first >= end)
			continue;
		first = region->first > first ? region->first : first;
		end = smaller(region->end, end);
		take(space, first, end, gone);
		gone->gone = true;
		gone->protection = 0;
		add(space, gone);
		return true;
	}
	return false;
}

const struct trace_region *trace_find_region(const struct trace_space *space, uint64_t address)
{
	for (unsigned n = 0; n < space->count; n++) {
		const struct trace_region *region = &space->regions[n];

		if (region->first <= address && address < region->end)
			return region;
	}
	return NULL;
}

static bool has_window(const struct trace_places *places, uint64_t window)
{
	for (unsigned n = places->count; n-- > 0;)
		if (places->windows[n] == window)
			return true;
	return false;
}

/* False: mem is full. */
static bool remember(struct trace_places *places, uint64_t first, uint64_t end)
{
	for (uint64_t window = first / TRACE_WINDOW; window <= (end - 1) / TRACE_WINDOW; window++) {
		if (has_window(places, window))
			continue;
		if (places->count == (MEM_MAX - TRACE_SCRATCH) / TRACE_WINDOW)
			return false;
		if (places->count == places->room) {
			places->room = places->room ? places->room * 2 : 16;
			places->windows =
				tool_grow(places->windows, places->room, sizeof(*places->windows));
		}
		places->windows[places->count++] = (uint32_t)window;
	}
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint64_t trace_places_settle(struct trace_places *places)
{
	if (places->count)
		qsort(places->windows, places->count, sizeof(*places->windows), by_number);
	return (TRACE_SCRATCH + places->count * TRACE_WINDOW) / TRACE_PAGE;
}

uint64_t trace_places_final(const struct trace_places *places, uint64_t offset)
{
	uint64_t address = offset - TRACE_FAR, n = 0;

	if (offset < TRACE_FAR)
		return offset;
	while (n < places->count && places->windows[n] < address / TRACE_WINDOW)
		n++;
	return TRACE_SCRATCH + n * TRACE_WINDOW + address % TRACE_WINDOW;
}

/* Where a known region, or what is not known, around the address ends. */
static uint64_t end_of_known(const struct trace_space *space, uint64_t address, uint64_t end)
{
	for (unsigned n = 0; n < space->count; n++) {
		const struct trace_region *region = &space->regions[n];

		if (region->end > address)
			end = smaller(end, region->first > address ? region->first : region->end);
	}
	return end;
}

/* What the program has to do for a piece of which that much is known. False: nothing. */
static bool needs_change(const struct trace_region *piece, const struct trace_region *known,
	enum trace_change *change)
{
	static const struct trace_region unknown = {.protection = 3};

	if (piece->gone) {
		*change = CHANGE_UNMAP;
		return !known || !known->gone;
	}
	*change = CHANGE_MAP;
	if (!known && (piece->shared || piece->inode))
		return true;
	if (known && !same_memory(known, piece))
		return true;
	*change = CHANGE_PROTECT;
	return piece->protection != (known ? known : &unknown)->protection;
}

/* Makes mem what the mapping is. */
static void settle(struct trace_space *space, const struct trace_region *mapping,
	const struct trace_changes *changes)
{
	uint64_t end;

	for (uint64_t from = mapping->first; from < mapping->end; from = end) {
		const struct trace_region *known = trace_find_region(space, from);
		struct trace_region piece = *mapping;
		enum trace_change change;
		bool changes_it;

		end = end_of_known(space, from, mapping->end);
		cut(&piece, from, end);
		changes_it = needs_change(&piece, known, &change);
		if (known && !changes_it)
			continue;
		trace_forget(space, from, end);
		add(space, &piece);
		if (changes_it)
			changes->change(changes->context, &piece, change);
	}
}

/* The part of a mapping that is to be known: all that can be, since it may be unmapped at once. */
static void choose(struct trace_region *mapping, uint64_t first, uint64_t end)
{
	if (mapping->gone)
		cut(mapping, first, end);
	else if (mapping->end - mapping->first > WHOLE_MAX)
		cut(mapping, first & ~(TRACE_WINDOW - 1),
			(end + TRACE_WINDOW - 1) & ~(TRACE_WINDOW - 1));
}

bool trace_place(struct trace_space *space, struct trace_places *places,
	const struct trace_maps *maps, uint64_t address, uint64_t length,
	const struct trace_changes *changes, uint64_t *at)
{
	uint64_t first = address & ~(TRACE_PAGE - 1), end;
	struct trace_region mapping;

	if (address < TRACE_LOWEST || address >= TRACE_HIGHEST)
		return false;
	end = smaller(length ? length : 1, TRACE_HIGHEST - address) + address;
	end = (end + TRACE_PAGE - 1) & ~(TRACE_PAGE - 1);
	for (unsigned n = 0; first < end && n < PIECES_MAX; n++) {
		if (!trace_find_mapping(maps, first, &mapping))
			break;
		choose(&mapping, first, mapping.gone ? first + TRACE_PAGE : end);
		if (!remember(places, mapping.first, mapping.end))
			return false;
		settle(space, &mapping, changes);
		first = mapping.end;
		if (mapping.gone)
			break;
	}
	*at = TRACE_FAR + address;
	return true;
}

void trace_refresh(struct trace_space *space, struct trace_places *places,
	const struct trace_maps *maps, const struct trace_changes *changes)
{
	struct trace_space known = {.count = 0};

	trace_space_copy(&known, space);
	for (unsigned n = 0; n < known.count; n++) {
		const struct trace_region *region = &known.regions[n];
		struct trace_region mapping;

		for (uint64_t at = region->first; !region->gone && at < region->end;) {
			trace_find_mapping(maps, at, &mapping);
			cut(&mapping, region->first, region->end);
			if (!remember(places, mapping.first, mapping.end))
				break;
			settle(space, &mapping, changes);
			at = mapping.end;
		}
	}
	trace_space_end(&known);
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
