/* SPDX-License-Identifier: Apache-2.0 */
/* The simple strategies: until blocked, random walk, schedule bytes. */
#include "fuzz/schedule/strategy.h"

#include <stdlib.h>

#include "fuzz/prog/random.h"

unsigned strategy_default(unsigned current, uint32_t ready)
{
	if (current != SCHEDULER_NONE && (ready >> current & 1))
		return current;
	return (unsigned)__builtin_ctz(ready);
}

static void free_strategy(struct strategy *strategy)
{
	free(strategy);
}

/* -- one run until blocked -- */

struct plain {
	struct strategy strategy;
	bool made;
};

static bool plain_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct plain *plain = (struct plain *)strategy;
	bool first = !plain->made;

	plain->made = true;
	scheduler_quiet_until(scheduler, UINT32_MAX);
	return first;
}

static unsigned plain_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	(void)strategy;
	(void)scheduler;
	(void)step;
	return strategy_default(current, ready);
}

struct strategy *strategy_plain(void)
{
	struct plain *plain = calloc(1, sizeof(*plain));

	if (!plain)
		return NULL;
	plain->strategy = (struct strategy){.name = "plain",
		.begin = plain_begin,
		.choose = plain_choose,
		.close = free_strategy};
	return &plain->strategy;
}

/* -- random walk -- */

struct walk {
	struct strategy strategy;
	struct random random;
	uint64_t seed, runs, made;
};

static bool walk_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct walk *walk = (struct walk *)strategy;

	if (walk->runs && walk->made == walk->runs)
		return false;
	random_seed(&walk->random, walk->seed + walk->made++ * UINT64_C(0x9e3779b97f4a7c15));
	scheduler_quiet_until(scheduler, 0);
	return true;
}

static unsigned nth_ready(uint32_t ready, uint32_t n)
{
	while (n--)
		ready &= ready - 1;
	return (unsigned)__builtin_ctz(ready);
}

static unsigned walk_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	struct walk *walk = (struct walk *)strategy;

	(void)scheduler;
	(void)current;
	(void)step;
	if (!(ready & (ready - 1)))
		return (unsigned)__builtin_ctz(ready);
	return nth_ready(
		ready, (uint32_t)random_below(&walk->random, (uint32_t)__builtin_popcount(ready)));
}

struct strategy *strategy_random(uint64_t seed, uint64_t runs)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return NULL;
	walk->strategy = (struct strategy){.name = "random",
		.begin = walk_begin,
		.choose = walk_choose,
		.close = free_strategy};
	walk->seed = seed;
	walk->runs = runs;
	return &walk->strategy;
}

/* -- schedule bytes -- */

struct bytes {
	struct strategy strategy;
	const uint8_t *bytes;
	uint32_t count, next;
	bool made;
};

uint32_t schedule_stay(uint8_t byte)
{
	uint32_t code = byte & 63;

	/* Every length up to 31, then ever larger steps: up to about 400 points. */
	return code < 32 ? code : 32 + (code - 32) * (code - 32) * 3 / 8;
}

/* Up to which step the current thread stays, by the next byte. */
static void stay(struct bytes *bytes, struct scheduler *scheduler, uint32_t step)
{
	scheduler_quiet_until(scheduler,
		bytes->next < bytes->count ? step + 1 + schedule_stay(bytes->bytes[bytes->next])
					   : UINT32_MAX);
}

static bool bytes_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct bytes *bytes = (struct bytes *)strategy;
	bool first = !bytes->made;

	bytes->made = true;
	bytes->next = 0;
	stay(bytes, scheduler, 0);
	return first;
}

static unsigned bytes_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	struct bytes *bytes = (struct bytes *)strategy;
	unsigned next = strategy_default(current, ready);

	if (bytes->next < bytes->count) {
		uint32_t others =
			current == SCHEDULER_NONE ? ready : ready & ~(UINT32_C(1) << current);

		if (others)
			next = nth_ready(others, (uint32_t)(bytes->bytes[bytes->next] >> 6) %
							 (uint32_t)__builtin_popcount(others));
		bytes->next++;
	}
	stay(bytes, scheduler, step);
	return next;
}

struct strategy *strategy_bytes(const uint8_t *bytes, uint32_t count)
{
	struct bytes *strategy = calloc(1, sizeof(*strategy));

	if (!strategy)
		return NULL;
	strategy->strategy = (struct strategy){.name = "bytes",
		.begin = bytes_begin,
		.choose = bytes_choose,
		.close = free_strategy};
	strategy->bytes = bytes;
	strategy->count = count;
	return &strategy->strategy;
}
