/* SPDX-License-Identifier: Apache-2.0 */
/* What a program under `iommuzz shim` does, written as a program of ours that does the same. */
#ifndef IOMMUZZ_TOOLS_SHIM_TRACE_H
#define IOMMUZZ_TOOLS_SHIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "impl/shim/server.h"

struct shim_trace;

/* The strings are the caller's, and stay. */
struct shim_trace_options {
	const char *path;	      /* NAME.prog */
	uint16_t kernel;	      /* 0: newest */
	bool vfio_container, noiommu; /* the machine has them */
	const char *description;      /* one line */
};

/* NULL: *message, of room bytes, says why: the file cannot be written. */
struct shim_trace *shim_trace_start(
	const struct shim_trace_options *options, char *message, size_t room);
/*
 * As the observer's functions. What does not fit in a program any more is left out, with all that
 * follows; the first time says so on standard error.
 */
void shim_trace_seen(struct shim_trace *trace, const struct shim_seen *seen);
void shim_trace_closed(struct shim_trace *trace, struct shim_key key);
void shim_trace_exited(struct shim_trace *trace, int pid);
/* Writes the file in canonical form. False: *message, of room bytes, says why. */
bool shim_trace_write(struct shim_trace *trace, char *message, size_t room);
void shim_trace_end(struct shim_trace *trace);

#endif
