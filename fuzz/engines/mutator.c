/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mutator for both engines: libFuzzer finds the LLVMFuzzerCustom functions in the binary,
 * afl-fuzz loads the same code as a shared object (AFL_CUSTOM_MUTATOR_LIBRARY). All knowledge of
 * programs is in fuzz/prog.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/binary.h"
#include "fuzz/prog/mutate.h"

#define EXPORT __attribute__((visibility("default")))
/* One mutation in so many is libFuzzer's own, to keep the plain byte form reachable. */
#define PLAIN_EVERY 16
/* One AFL++ mutation in so many splices, when afl-fuzz offers a partner. */
#define SPLICE_EVERY 4
/* Threads of a fresh program at most, where threads are wanted. */
#define THREADS 4

__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

EXPORT size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
EXPORT size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b,
	size_t b_size, uint8_t *out, size_t max_size, unsigned seed);

struct mutator;
EXPORT struct mutator *afl_custom_init(void *afl, unsigned seed);
EXPORT void afl_custom_deinit(struct mutator *mutator);
EXPORT size_t afl_custom_fuzz(struct mutator *mutator, uint8_t *data, size_t size, uint8_t **out,
	const uint8_t *partner, size_t partner_size, size_t max_size);
EXPORT uint32_t afl_custom_fuzz_count(struct mutator *mutator, const uint8_t *data, size_t size);
EXPORT const char *afl_custom_describe(struct mutator *mutator, size_t max_length);
EXPORT int32_t afl_custom_init_trim(struct mutator *mutator, uint8_t *data, size_t size);
EXPORT size_t afl_custom_trim(struct mutator *mutator, uint8_t **out);
EXPORT int32_t afl_custom_post_trim(struct mutator *mutator, unsigned char success);

static bool is_chosen(const char *mutator)
{
	const char *choice = getenv("IOMMUZZ_MUTATOR");
	return choice && !strcmp(choice, mutator);
}

/* IOMMUZZ_MUTATOR=bytes: how far an engine comes that knows nothing of programs (the benchmark
 * compares). */
static bool bytes_only(void)
{
	return is_chosen("bytes");
}

/*
 * IOMMUZZ_MUTATOR=threads: programs get threads, for targets that run them (fuzz_race sets it for
 * libFuzzer; afl-fuzz needs it in its environment). Programs that have threads keep them anyway.
 */
static uint32_t threads_wanted(void)
{
	return is_chosen("threads") ? THREADS : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (LLVMFuzzerMutate && (seed % PLAIN_EVERY == 0 || bytes_only()))
		return LLVMFuzzerMutate(data, size, max_size);
	return prog_mutate_bytes_with(data, size, max_size, seed, threads_wanted(), NULL);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
	uint8_t *out, size_t max_size, unsigned seed)
{
	/* No crossover at all leaves the input to the byte mutations. */
	if (bytes_only())
		return 0;
	return prog_splice_bytes(a, a_size, b, b_size, out, max_size, seed);
}

/* What afl-fuzz hands back with each call. It owns the output until the next one. */
struct mutator {
	uint64_t random;
	uint8_t *out;
	size_t room;
	bool spliced;
	uint32_t threads;
	struct mutation_summary last;
	char description[64];
	struct prog kept, candidate; /* trimming: the shortest program so far, and the one tried */
	uint8_t *kept_bytes, *candidate_bytes;
	size_t kept_size, candidate_size, trim_room;
	uint32_t step, steps;
	bool changed; /* the candidate differs from what is kept */
};

/* splitmix64: every seed gives a full-period sequence, no state but one word. */
static uint64_t next_random(struct mutator *mutator)
{
	uint64_t z = mutator->random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct mutator *afl_custom_init(void *afl, unsigned seed)
{
	(void)afl;
	struct mutator *mutator = calloc(1, sizeof(*mutator));
	if (!mutator)
		return NULL;
	mutator->random = seed;
	mutator->threads = threads_wanted();
	prog_init(&mutator->kept);
	prog_init(&mutator->candidate);
	return mutator;
}

void afl_custom_deinit(struct mutator *mutator)
{
	prog_free(&mutator->kept);
	prog_free(&mutator->candidate);
	free(mutator->kept_bytes);
	free(mutator->candidate_bytes);
	free(mutator->out);
	free(mutator);
}

size_t afl_custom_fuzz(struct mutator *mutator, uint8_t *data, size_t size, uint8_t **out,
	const uint8_t *partner, size_t partner_size, size_t max_size)
{
	if (mutator->room < max_size) {
		uint8_t *larger = realloc(mutator->out, max_size);
		if (!larger)
			return 0; /* skips this round */
		mutator->out = larger;
		mutator->room = max_size;
	}
	*out = mutator->out;
	uint64_t seed = next_random(mutator);
	mutator->spliced = partner_size && next_random(mutator) % SPLICE_EVERY == 0;
	if (mutator->spliced)
		return prog_splice_bytes(
			data, size, partner, partner_size, mutator->out, max_size, seed);
	if (size > max_size)
		size = max_size;
	memcpy(mutator->out, data, size);
	return prog_mutate_bytes_with(
		mutator->out, size, max_size, seed, mutator->threads, &mutator->last);
}

/* More rounds for longer programs, which have more places to change. */
uint32_t afl_custom_fuzz_count(struct mutator *mutator, const uint8_t *data, size_t size)
{
	(void)mutator;
	(void)data;
	return size > 4096 - 128 ? 4096 : (uint32_t)size + 128;
}

/* Becomes part of the name of a queue entry or crash. */
const char *afl_custom_describe(struct mutator *mutator, size_t max_length)
{
	size_t room = sizeof(mutator->description);
	if (max_length && max_length < room)
		room = max_length;
	if (mutator->spliced)
		snprintf(mutator->description, room, "splice");
	else
		snprintf(mutator->description, room, "iommuzz-%u-%s", mutator->last.rounds,
			mutation_name(mutator->last.first));
	for (char *c = mutator->description; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '-';
	return mutator->description;
}

/* Trimming drops one call a step, from the back, and keeps what leaves the coverage as it was. */
int32_t afl_custom_init_trim(struct mutator *mutator, uint8_t *data, size_t size)
{
	if (mutator->trim_room < size) {
		uint8_t *kept = realloc(mutator->kept_bytes, size);
		if (kept)
			mutator->kept_bytes = kept;
		uint8_t *candidate = realloc(mutator->candidate_bytes, size);
		if (candidate)
			mutator->candidate_bytes = candidate;
		if (!kept || !candidate)
			return 0;
		mutator->trim_room = size;
	}
	prog_decode(&mutator->kept, data, size);
	memcpy(mutator->kept_bytes, data, size);
	mutator->kept_size = size;
	mutator->step = 0;
	mutator->steps = mutator->kept.call_count;
	return (int32_t)mutator->steps;
}

/* afl-fuzz wants something to run that is no longer than the entry: if need be, what is kept. */
size_t afl_custom_trim(struct mutator *mutator, uint8_t **out)
{
	uint32_t count = mutator->kept.call_count, from_back = mutator->steps - mutator->step;
	uint8_t *drop = calloc(count + 1, 1);
	mutator->changed = false;
	if (drop && from_back && from_back <= count &&
		prog_copy(&mutator->candidate, &mutator->kept)) {
		drop[from_back - 1] = 1;
		prog_remove_calls(&mutator->candidate, drop);
		mutator->candidate_size = prog_encode(
			&mutator->candidate, mutator->candidate_bytes, mutator->trim_room);
		mutator->changed =
			mutator->candidate_size && mutator->candidate_size < mutator->kept_size;
	}
	free(drop);
	*out = mutator->changed ? mutator->candidate_bytes : mutator->kept_bytes;
	return mutator->changed ? mutator->candidate_size : mutator->kept_size;
}

int32_t afl_custom_post_trim(struct mutator *mutator, unsigned char success)
{
	if (success && mutator->changed && prog_copy(&mutator->kept, &mutator->candidate)) {
		memcpy(mutator->kept_bytes, mutator->candidate_bytes, mutator->candidate_size);
		mutator->kept_size = mutator->candidate_size;
	}
	return (int32_t)++mutator->step;
}
