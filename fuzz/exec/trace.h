/* SPDX-License-Identifier: Apache-2.0 */
/* What a run showed: per call the result, the struct as it came back and the user memory that
 * changed. */
#ifndef IOMMUZZ_FUZZ_EXEC_TRACE_H
#define IOMMUZZ_FUZZ_EXEC_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "impl/abi/catalogue.h"

/* A maximal run of bytes of user memory that differs from before the call. Content:
 * trace.bytes[start..]. */
struct trace_change {
	uint64_t address;
	uint32_t start, count;
};

enum trace_kind {
	TRACE_CALL,	/* a call of the program returned */
	TRACE_CALLBACK, /* a callback was entered: iova and length of the unmap notification are in
			   outputs */
};

struct trace_entry {
	uint8_t kind;  /* enum trace_kind */
	uint8_t depth; /* callbacks around it: 0 at top level */
	uint8_t thread;
	uint8_t injected; /* a failure was injected into it */
	uint16_t call; /* index in the program (TRACE_CALLBACK: of the call that created the access)
			*/
	uint16_t image_size; /* bytes of the struct as read back from user memory; 0 without struct
			      */
	int64_t result; /* >= 0, or negative errno. New descriptors are renamed: n-th descriptor of
			   the run */
	uint32_t image; /* first byte in trace.bytes; for TRACE_CALLBACK u64 iova, u64 length */
	uint32_t first_change, change_count;
	uint8_t own_first, own_count; /* bytes of the struct in which machines may differ: not
					 compared */
};

struct trace {
	struct trace_entry *entries;
	struct trace_change *changes;
	uint8_t *bytes;
	uint32_t entry_count, change_count, byte_count;
	uint32_t entry_room, change_room, byte_room;
};

/* An empty trace; clear empties it and keeps its memory, free gives that back. */
void trace_init(struct trace *trace);
void trace_clear(struct trace *trace);
void trace_free(struct trace *trace);
/* Appends; the entry is zeroed but for kind. NULL when memory is short. */
struct trace_entry *trace_add(struct trace *trace, enum trace_kind kind);
void trace_set_image(
	struct trace *trace, struct trace_entry *entry, const void *image, uint32_t size);
/*
 * Adds a change to the newest entry. Changes of an entry are sorted by address, maximal and
 * disjoint: trace_finish_entry sorts and merges what was added in any order.
 */
void trace_add_change(struct trace *trace, uint64_t address, const void *bytes, uint32_t count);
void trace_finish_entry(struct trace *trace);

/* First entry at or after `from` that differs between the two, or -1 when equal to the end of both.
 */
int64_t trace_compare(const struct trace *a, const struct trace *b, uint32_t from);
/* A 64-bit digest of all entries (XXH64), the same in every build and process. */
uint64_t trace_digest(const struct trace *trace);
/* The same, whatever the order in which threads took turns: what each of them saw. */
#define TRACE_THREADS 9
uint64_t trace_thread_digest(const struct trace *trace);
/* Whether entry x of one trace equals entry y of another. */
bool trace_entries_equal(const struct trace *a, uint32_t x, const struct trace *b, uint32_t y);
/* The same, whatever they did to user memory. */
bool trace_results_equal(const struct trace *a, uint32_t x, const struct trace *b, uint32_t y);
/* One difference as lines "call 3 IOMMU_IOAS_MAP: result: expected EEXIST, got 0", for messages. */
void trace_explain(const struct trace *expected, const struct trace *got, int64_t entry,
	const struct call_row *row, FILE *out);

#endif
