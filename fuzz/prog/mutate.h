/* SPDX-License-Identifier: Apache-2.0 */
/* Structure-aware mutation: the one core behind libFuzzer's and AFL++'s custom mutators. */
#ifndef IOMMUZZ_FUZZ_PROG_MUTATE_H
#define IOMMUZZ_FUZZ_PROG_MUTATE_H

#include "fuzz/prog/generate.h"

enum mutation {
	MUTATE_GENERATE, /* a fresh program */
	MUTATE_INSERT,
	MUTATE_DELETE,
	MUTATE_DUPLICATE,
	MUTATE_SWAP,
	MUTATE_SPLICE,	 /* a run of calls of another program, handles remapped */
	MUTATE_ARGUMENT, /* one argument to a boundary value or another handle */
	MUTATE_FAILURE,	 /* toggles or moves an injected failure */
	MUTATE_FRAMING,	 /* size, tail, at */
	MUTATE_CALLBACK, /* adds, changes or drops an `on` body */
	/* Only of programs that have threads, and where options.threads asks for them: */
	MUTATE_THREAD,	    /* moves a call to another thread */
	MUTATE_THREAD_SWAP, /* two calls change threads */
	MUTATE_THREAD_COPY, /* copies a call into another thread */
	MUTATE_MEETING,	    /* adds or removes join, barrier or wait */
	MUTATE_SCHEDULE,    /* schedule bytes */
	MUTATION_COUNT
};

/*
 * Applies one mutation; other is the partner of SPLICE (may be NULL). Returns what was done.
 * options.threads: also gives threads to programs that have none. Programs with threads keep them
 * in any case, and their calls meet in ways that end (prog_drop_endless_waits).
 */
enum mutation prog_mutate(struct prog *prog, const struct prog *other, struct random *random,
	const struct generate_options *options);
const char *mutation_name(enum mutation mutation);

/*
 * For engines: decodes, mutates once or several times, encodes into data (room max_size). A program
 * that does not fit is cut at a call's end. Returns the new size, at least 1.
 */
size_t prog_mutate_bytes(uint8_t *data, size_t size, size_t max_size, uint64_t seed);
/* The same; threads as options.threads in prog_mutate. What was done goes to *done (may be NULL).
 */
struct mutation_summary {
	uint32_t rounds;
	enum mutation first;
};
size_t prog_mutate_bytes_with(uint8_t *data, size_t size, size_t max_size, uint64_t seed,
	uint32_t threads, struct mutation_summary *done);
/* Splices two inputs into out; returns the size. */
size_t prog_splice_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
	uint8_t *out, size_t max_size, uint64_t seed);
#endif
