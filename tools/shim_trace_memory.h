/* SPDX-License-Identifier: Apache-2.0 */
/* Where the memory of traced processes lies in `mem` of the program that is written. */
#ifndef IOMMUZZ_TOOLS_SHIM_TRACE_MEMORY_H
#define IOMMUZZ_TOOLS_SHIM_TRACE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "impl/shim/server.h"

#define TRACE_PAGE    UINT64_C(4096)
#define TRACE_SCRATCH (UINT64_C(16) << 20) /* start of mem: for buffers of single calls */

/* Addresses outside are nobody's memory: the program has the same numbers. */
#define TRACE_LOWEST  UINT64_C(0x10000)
#define TRACE_HIGHEST (UINT64_C(1) << 47)

/* A piece of a process's memory, or of what lies between its mappings. */
struct trace_region {
	uint64_t first, end; /* addresses in the process */
	unsigned protection; /* bits 1 read, 2 write, 4 execute */
	bool shared;
	uint64_t inode, offset; /* of a file of memory, 0: none */
	uint32_t device_major, device_minor;
	bool memory; /* the name of what is mapped is that of a file of memory */
	bool gone;   /* nothing is mapped there */
};

/* The mappings of a process, in order, as they are during one call. */
struct trace_maps {
	int pid;
	struct trace_region *mappings;
	unsigned count, room;
};

/* Reads them; ended by trace_maps_end. */
void trace_maps_read(struct trace_maps *maps, int pid);
void trace_maps_end(struct trace_maps *maps);

struct trace_space {
	struct trace_region *regions;
	unsigned count, room;
};

/*
 * While the trace is written an address A lies at mem + TRACE_FAR + A. Windows of addresses that
 * were met move together in the end, in their order, so that neighbours stay neighbours.
 */
#define TRACE_FAR    (UINT64_C(1) << 48)
#define TRACE_WINDOW (UINT64_C(4) << 20)
struct trace_places {
	uint32_t *windows; /* numbers in the address space */
	unsigned count, room;
};

/* Pages that mem has in the end. Sorts the windows. */
uint64_t trace_places_settle(struct trace_places *places);
/* Where an offset in mem goes in the end; only behind trace_places_settle. */
uint64_t trace_places_final(const struct trace_places *places, uint64_t offset);

/* What makes mem at a piece what it is in the process: before, all of mem is private and both
 * readable and writable. */
enum trace_change {
	CHANGE_PROTECT,
	CHANGE_MAP,
	CHANGE_UNMAP,
};

/* Told of each change. The piece is there during the call. */
struct trace_changes {
	void (*change)(void *context, const struct trace_region *piece, enum trace_change change);
	void *context;
};

/*
 * Makes mem in the program what length bytes from address are in the process, up to the first
 * page without memory. False: they have no place in mem.
 */
bool trace_place(struct trace_space *space, struct trace_places *places,
	const struct trace_maps *maps, uint64_t address, uint64_t length,
	const struct trace_changes *changes, uint64_t *at);
/* Makes what is known of mem what it is in the process by now. */
void trace_refresh(struct trace_space *space, struct trace_places *places,
	const struct trace_maps *maps, const struct trace_changes *changes);
/* The mapping of the process with that address, or what is between mappings. False: neither. */
bool trace_find_mapping(
	const struct trace_maps *maps, uint64_t address, struct trace_region *found);
/* The region with that address, NULL: none. */
const struct trace_region *trace_find_region(const struct trace_space *space, uint64_t address);
/* What of a region lies in the range is gone; it is remembered. False: none is left. */
bool trace_unmap(
	struct trace_space *space, uint64_t first, uint64_t end, struct trace_region *gone);
/* What is known of the range is forgotten. */
void trace_forget(struct trace_space *space, uint64_t first, uint64_t end);
void trace_space_copy(struct trace_space *to, const struct trace_space *from);
void trace_space_end(struct trace_space *space);

#endif
