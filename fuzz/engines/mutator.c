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

#include "fuzz/prog/mutate.h"

#define EXPORT __attribute__((visibility("default")))
/* One mutation in so many is libFuzzer's own, to keep the plain byte form reachable. */
#define PLAIN_EVERY 16
/* One AFL++ mutation in so many splices, when afl-fuzz offers a partner. */
#define SPLICE_EVERY 4

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

/* IOMMUZZ_MUTATOR=bytes: how far an engine comes that knows nothing of programs (the benchmark
 * compares). */
static bool bytes_only(void)
{
	const char *choice = getenv("IOMMUZZ_MUTATOR");
	return choice && !strcmp(choice, "bytes");
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (LLVMFuzzerMutate && (seed % PLAIN_EVERY == 0 || bytes_only()))
		return LLVMFuzzerMutate(data, size, max_size);
	return prog_mutate_bytes(data, size, max_size, seed);
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
	uint64_t seed; /* of the last mutation */
	char description[64];
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
	if (mutator)
		mutator->random = seed;
	return mutator;
}

void afl_custom_deinit(struct mutator *mutator)
{
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
	uint64_t seed = mutator->seed = next_random(mutator);
	mutator->spliced = partner_size && next_random(mutator) % SPLICE_EVERY == 0;
	if (mutator->spliced)
		return prog_splice_bytes(
			data, size, partner, partner_size, mutator->out, max_size, seed);
	if (size > max_size)
		size = max_size;
	memcpy(mutator->out, data, size);
	return prog_mutate_bytes(mutator->out, size, max_size, seed);
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
		prog_mutate_describe(mutator->seed, mutator->description, room);
	for (char *c = mutator->description; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '-';
	return mutator->description;
}
