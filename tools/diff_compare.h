/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between the implementation and a machine, under a name that stays the same. */
#ifndef IOMMUZZ_TOOLS_DIFF_COMPARE_H
#define IOMMUZZ_TOOLS_DIFF_COMPARE_H

#include "tools/diff_rules.h"
#include "tools/diff_wire.h"

/* A program as a machine ran it. */
struct diff_answer {
	struct agent_trace head;
	struct trace trace; /* common part; empty unless it ran */
};

struct difference {
	char key[160]; /* CALL.WHAT.SERIES, as "IOMMU_IOAS_MAP.result-EINVAL-ok.7.3" */
	uint8_t what;  /* enum diff_what */
	uint8_t field; /* DIFF_FIELD: of the row */
	uint16_t call; /* index in the program */
	int64_t entry; /* of the traces, -1: none */
	int64_t here, there;
};

/*
 * diff_dirty.c: whether two entries of a call that reads dirty bits are equal at the granularity
 * that the machine's page table has.
 */
bool diff_coarser(const struct call_row *row, const struct trace *here, const struct trace_entry *x,
	const struct trace *there, const struct trace_entry *y);

/*
 * diff_dirty.c: whether a program got dirty bits. Which pages are neighbours changes from run to
 * run, and so may what such a program is told.
 */
bool diff_got_dirty(const struct prog *prog, const struct trace *here);

/*
 * The first difference between the implementation's trace (common part, trace_stream.h) and the
 * machine's answer. The key holds nothing that depends on seed, address or id. False: they agree.
 */
bool diff_compare(const struct prog *prog, const struct trace *here,
	const struct diff_answer *there, uint16_t kernel, struct difference *difference);

/*
 * The program as text, with the results of both sides before each call and the first difference in
 * words (malloc'ed; NULL when memory is short). origin: where it came from, one line.
 */
char *diff_print(const struct prog *prog, const struct trace *here, const struct diff_answer *there,
	const struct difference *difference, const char *id, const char *origin);

#endif
