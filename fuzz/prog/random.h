/* SPDX-License-Identifier: Apache-2.0 */
/* A small deterministic generator (splitmix64 seeded xoshiro256**), never shared between users. */
#ifndef IOMMUZZ_FUZZ_PROG_RANDOM_H
#define IOMMUZZ_FUZZ_PROG_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state[4];
};

static inline uint64_t random_mix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline void random_seed(struct random *random, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		random->state[i] = random_mix(&seed);
}

static inline uint64_t random_rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t random_next(struct random *random)
{
	uint64_t *s = random->state;
	uint64_t result = random_rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = random_rotate(s[3], 45);
	return result;
}

/* In [0, bound); 0 when bound is 0. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
	return bound ? (uint64_t)(((unsigned __int128)random_next(random) * bound) >> 64) : 0;
}

/* True in `chances` of `of` cases. */
static inline bool random_chance(struct random *random, uint32_t chances, uint32_t of)
{
	return random_below(random, of) < chances;
}

#endif
