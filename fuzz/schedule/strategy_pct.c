/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probabilistic concurrency testing: threads have random priorities, the highest ready one runs,
 * and at depth - 1 random steps the running one becomes the last of all.
 */
#include <stdlib.h>

#include "fuzz/prog/random.h"
#include "fuzz/schedule/strategy.h"

#define DEPTH_MAX 16u

struct pct {
	struct strategy strategy;
	struct random random;
	uint64_t seed, runs, made;
	unsigned depth, threads;
	uint32_t length; /* steps of the longest run so far */
	uint32_t changes[DEPTH_MAX];
	uint32_t priority[SCHEDULER_THREADS]; /* the larger the sooner */
};

static void shuffle_priorities(struct pct *pct)
{
	for (unsigned t = 0; t < SCHEDULER_THREADS; t++)
		pct->priority[t] = pct->depth + t;
	for (unsigned t = SCHEDULER_THREADS - 1; t; t--) {
		unsigned other = (unsigned)random_below(&pct->random, t + 1);
		uint32_t kept = pct->priority[t];

		pct->priority[t] = pct->priority[other];
		pct->priority[other] = kept;
	}
}

static bool pct_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct pct *pct = (struct pct *)strategy;

	if (pct->runs && pct->made == pct->runs)
		return false;
	random_seed(&pct->random, pct->seed + pct->made++ * UINT64_C(0x9e3779b97f4a7c15));
	shuffle_priorities(pct);
	for (unsigned c = 0; c + 1 < pct->depth; c++)
		pct->changes[c] = pct->length ? (uint32_t)random_below(&pct->random, pct->length)
					      : UINT32_MAX;
	scheduler_quiet_until(scheduler, 0);
	return true;
}

static unsigned pct_choose(struct strategy *strategy, struct scheduler *scheduler, unsigned current,
	uint32_t ready, uint32_t step)
{
	struct pct *pct = (struct pct *)strategy;
	unsigned next = SCHEDULER_NONE;

	(void)scheduler;
	for (unsigned c = 0; c + 1 < pct->depth; c++)
		if (pct->changes[c] == step && current != SCHEDULER_NONE)
			pct->priority[current] = c;
	for (; ready; ready &= ready - 1) {
		unsigned t = (unsigned)__builtin_ctz(ready);

		if (next == SCHEDULER_NONE || pct->priority[t] > pct->priority[next])
			next = t;
	}
	return next;
}

static void pct_end(struct strategy *strategy, struct scheduler *scheduler, enum scheduler_end end)
{
	struct pct *pct = (struct pct *)strategy;
	uint32_t count, seen = 0;
	const struct scheduler_step *steps = scheduler_steps(scheduler, &count);

	(void)end;
	for (uint32_t s = 0; s < count; s++)
		seen |= UINT32_C(1) << steps[s].thread;
	unsigned threads = (unsigned)__builtin_popcount(seen & ~1u);
	pct->threads = threads > pct->threads ? threads : pct->threads;
	pct->length = count > pct->length ? count : pct->length;
}

static void pct_close(struct strategy *strategy)
{
	free(strategy);
}

struct strategy *strategy_pct(uint64_t seed, unsigned depth, uint64_t runs)
{
	struct pct *pct = calloc(1, sizeof(*pct));

	if (!pct)
		return NULL;
	pct->strategy = (struct strategy){.name = "pct",
		.begin = pct_begin,
		.choose = pct_choose,
		.end = pct_end,
		.close = pct_close};
	pct->seed = seed;
	pct->runs = runs;
	pct->depth = depth < 1 ? 1 : depth > DEPTH_MAX ? DEPTH_MAX : depth;
	return &pct->strategy;
}

double strategy_pct_bound(const struct strategy *strategy, unsigned *threads, uint32_t *length)
{
	const struct pct *pct = (const struct pct *)strategy;
	double probability = pct->threads ? 1.0 / pct->threads : 1.0;

	for (unsigned d = 1; d < pct->depth && pct->length; d++)
		probability /= pct->length;
	*threads = pct->threads;
	*length = pct->length;
	return probability;
}
