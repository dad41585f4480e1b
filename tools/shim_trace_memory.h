/* SPDX-License-Identifier: Apache-2.0 */
/* Where the memory of traced processes lies in `mem` of the program that is written. */
#ifndef IOMMUZZ_TOOLS_SHIM_TRACE_MEMORY_H
#define IOMMUZZ_TOOLS_SHIM_TRACE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "impl/shim/server.h"

#define TRACE_PAGE    UINT64_C(4096)
#define TRACE_SCRATCH (UINT64_C(16) << 20) /* start of mem: for buffers of single calls */

/* A piece of a process's memory. */
struct trace_region {
	uint64_t first, end; /* addresses in the process */
	uint64_t at;	     /* offset in mem */
	unsigned protection; /* bits 1 read, 2 write, 4 execute */
	bool shared;
	uint64_t inode, offset; /* of a file, 0: none */
	uint32_t device_major, device_minor;
	bool gone;  /* unmapped */
	bool again; /* it has been mapped there before */
	bool fresh; /* the caller has not said in the program yet what it is */
};

struct trace_space {
	struct trace_region *regions;
	unsigned count, room;
};

/* Addresses of processes go to mem window by window, so that what is mapped anew finds its place.
 */
#define TRACE_WINDOWS 64
struct trace_places {
	struct trace_window {
		uint64_t window; /* number in the address space */
		uint64_t at;	 /* offset in mem */
	} windows[TRACE_WINDOWS];
	unsigned count;
	uint64_t next; /* end of what mem has so far */
};

/*
 * The region with an address that a call is about, length bytes of it: known, or a new one. NULL:
 * nothing is mapped there, or mem is full.
 */
struct trace_region *trace_region(struct trace_space *space, struct trace_places *places,
	const struct shim_seen *seen, uint64_t address, uint64_t length);
/* What of a region lies in the range is gone; it is remembered. False: none is left. */
bool trace_unmap(
	struct trace_space *space, uint64_t first, uint64_t end, struct trace_region *gone);
/* Whether the process could write there. */
bool trace_writable(const struct shim_seen *seen, uint64_t address);
/* A region that lies in the range, cut to it and taken out of the space. False: none. */
bool trace_take_region(
	struct trace_space *space, uint64_t first, uint64_t end, struct trace_region *taken);
void trace_space_copy(struct trace_space *to, const struct trace_space *from);
void trace_space_end(struct trace_space *space);

#endif
