/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces between processes and machines. Both ends are the same build (the agent's hello proves
 * it), so records travel as they are in memory.
 */
#ifndef IOMMUZZ_FUZZ_EXEC_TRACE_STREAM_H
#define IOMMUZZ_FUZZ_EXEC_TRACE_STREAM_H

#include <stddef.h>

#include "fuzz/exec/trace.h"

/*
 * What implementation and kernel can both show, taken in place: the entries of callbacks go,
 * because a kernel's drivers call nobody whom a program could ask, and so do marks of injected
 * failures. The indices of the calls stay. The trace must not be appended to afterwards.
 */
void trace_stream_common(struct trace *trace);
/* trace_digest of the common part; the trace stays as it is. */
uint64_t trace_stream_digest(const struct trace *trace);

/* Bytes that trace_stream_write needs. */
size_t trace_stream_size(const struct trace *trace);
/* Writes the trace to `out`, which has room for that many bytes. */
void trace_stream_write(const struct trace *trace, void *out);
/*
 * Reads a trace into an initialised one (replaced). False when the bytes are none, or memory is
 * short: then the trace is empty. Every index in it is checked: the bytes may come from a broken
 * machine.
 */
bool trace_stream_read(struct trace *trace, const void *bytes, size_t size);

#endif
