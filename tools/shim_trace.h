/* SPDX-License-Identifier: Apache-2.0 */
/* What a program under `iommuzz shim` does, written as a program of ours that does the same. */
#ifndef IOMMUZZ_TOOLS_SHIM_TRACE_H
#define IOMMUZZ_TOOLS_SHIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "impl/shim/server.h"

struct shim_trace;

struct shim_trace_options {
	uint16_t kernel; /* 0: newest */
	uint32_t seed;
	bool vfio_container, noiommu; /* the machine has them */
	const char *description;      /* one line */
};

/* NULL: memory. */
struct shim_trace *shim_trace_start(const struct shim_trace_options *options);
/* As the observer's functions. */
void shim_trace_seen(struct shim_trace *trace, const struct shim_seen *seen);
void shim_trace_closed(struct shim_trace *trace, struct shim_key key);
void shim_trace_exited(struct shim_trace *trace, int pid);
/* Writes the file, named NAME.prog, in canonical form. False: *message says why, and is the
 * caller's. */
bool shim_trace_write(struct shim_trace *trace, const char *path, char *message, size_t room);
void shim_trace_end(struct shim_trace *trace);

#endif
