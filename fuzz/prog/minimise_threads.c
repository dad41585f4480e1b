/* SPDX-License-Identifier: Apache-2.0 */
/* Fewest threads, then fewest preemptions. */
#include <string.h>

#include "fuzz/prog/minimise_private.h"

#define STAY_MASK  0x3fu
#define STAY_EXACT 32u /* below it a byte says the number of points as it is */

static bool has_thread(const struct prog *prog, uint8_t thread)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].thread == thread)
			return true;
	return false;
}

static bool copy_best(struct minimiser *m)
{
	return prog_copy(&m->candidate, m->best);
}

static bool try_merge(struct minimiser *m, uint8_t from, uint8_t to)
{
	if (!copy_best(m))
		return false;
	prog_merge_threads(&m->candidate, from, to);
	return minimise_try(m);
}

/* Main first: what needs no concurrency loses it at once. */
static void merge_threads(struct minimiser *m)
{
	for (uint8_t from = PROG_THREAD_MAX; from; from--)
		for (uint8_t to = 0; to <= PROG_THREAD_MAX && has_thread(m->best, from); to++)
			if (to != from && (!to || has_thread(m->best, to)))
				try_merge(m, from, to);
}

/* Makes call `index` a call of main at that place. */
static bool try_in_main(struct minimiser *m, uint32_t index, uint32_t to)
{
	if (!copy_best(m))
		return false;
	prog_move_call(&m->candidate, index, 0);
	if (to != index)
		prog_place_call(&m->candidate, index, to);
	return minimise_try(m);
}

/* Before its section, behind it, or where it stands, which makes two sections of one. */
static void move_to_main(struct minimiser *m, uint32_t index)
{
	const struct prog *prog = m->best;
	uint32_t first = index, last = index;

	while (first && prog->calls[first - 1].thread)
		first--;
	while (last + 1 < prog->call_count && prog->calls[last + 1].thread)
		last++;
	if (!prog_has_body(prog->calls[index].row) &&
		(try_in_main(m, index, first) || try_in_main(m, index, last)))
		return;
	try_in_main(m, index, index);
}

/* B and D become A and B: their order decides who runs first. */
static void close_gaps(struct minimiser *m)
{
	for (uint8_t to = 1; to < PROG_THREAD_MAX; to++) {
		uint8_t from = to;

		while (from <= PROG_THREAD_MAX && !has_thread(m->best, from))
			from++;
		if (from > PROG_THREAD_MAX)
			return;
		if (from != to)
			try_merge(m, from, to);
	}
}

void minimise_threads(struct minimiser *m)
{
	if (!prog_has_threads(m->best))
		return;
	merge_threads(m);
	for (uint32_t i = 0; i < m->best->call_count; i++)
		if (m->best->calls[i].thread && !m->best->calls[i].body)
			move_to_main(m, i);
	close_gaps(m);
}

/* -- preemptions -- */

static bool try_without_switches(struct minimiser *m, uint32_t first, uint32_t count)
{
	struct prog *candidate = &m->candidate;

	if (!copy_best(m))
		return false;
	memmove(&candidate->switches[first], &candidate->switches[first + count],
		(candidate->switch_count - first - count) * sizeof(*candidate->switches));
	candidate->switch_count -= count;
	return minimise_try(m);
}

static void remove_bytes(struct prog *prog, uint32_t first, uint32_t count)
{
	memmove(&prog->schedule[first], &prog->schedule[first + count],
		prog->schedule_count - first - count);
	prog->schedule_count -= count;
}

/* Later switches come earlier then, so that the next byte may have to make up for it. */
static bool try_without_bytes(struct minimiser *m, uint32_t first, uint32_t count)
{
	uint32_t stay = 0;

	if (!copy_best(m))
		return false;
	for (uint32_t i = first; i < first + count; i++)
		stay += (m->best->schedule[i] & STAY_MASK) + 1;
	remove_bytes(&m->candidate, first, count);
	if (minimise_try(m))
		return true;
	if (first + count >= m->best->schedule_count || !copy_best(m))
		return false;
	stay += m->best->schedule[first + count] & STAY_MASK;
	if (stay >= STAY_EXACT)
		return false;
	remove_bytes(&m->candidate, first, count);
	m->candidate.schedule[first] =
		(uint8_t)((m->candidate.schedule[first] & ~STAY_MASK) | stay);
	return minimise_try(m);
}

/* Runs of halving length from the back, until none can go. */
static void drop_all(struct minimiser *m, const uint32_t *count,
	bool (*try_without)(struct minimiser *m, uint32_t first, uint32_t count))
{
	for (uint32_t run = *count; run; run /= 2)
		for (uint32_t end = *count; end;) {
			uint32_t length = run < end ? run : end;

			try_without(m, end - length, length);
			end -= length;
			end = end < *count ? end : *count;
		}
}

/* The lowest of those that can run follows. */
static void simplify_bytes(struct minimiser *m)
{
	for (uint32_t i = 0; i < m->best->schedule_count; i++) {
		if (!(m->best->schedule[i] & ~STAY_MASK) || !copy_best(m))
			continue;
		m->candidate.schedule[i] &= STAY_MASK;
		minimise_try(m);
	}
}

void minimise_switches(struct minimiser *m)
{
	if (m->best->switch_count)
		drop_all(m, &m->best->switch_count, try_without_switches);
	if (m->best->schedule_count)
		drop_all(m, &m->best->schedule_count, try_without_bytes);
	simplify_bytes(m);
}
