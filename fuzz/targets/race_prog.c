/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/targets/race_prog.h"

/* Bodies run where their `on` call does. */
static void settle_bodies(struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].body)
			prog->calls[i].thread = prog->calls[prog->calls[i].body - 1].thread;
}

static uint32_t threads_of(const struct prog *prog)
{
	uint32_t threads = 0;

	for (uint32_t i = 0; i < prog->call_count; i++)
		threads |= UINT32_C(1) << prog->calls[i].thread;
	return threads & ~UINT32_C(1);
}

static void fold(struct prog *prog, uint32_t threads)
{
	for (uint8_t t = RACE_THREADS + 1; t <= PROG_THREAD_MAX; t++)
		if (threads >> t & 1)
			prog_merge_threads(prog, t, (uint8_t)(t - RACE_THREADS));
}

/* The later half to A and B in turn: what they share is made before. */
static void deal(struct prog *prog)
{
	uint32_t half = prog->call_count / 2, nth = 0;

	prog->switch_count = 0;
	for (uint32_t i = half; i < prog->call_count; i++)
		if (!prog->calls[i].body)
			prog->calls[i].thread = (uint8_t)(1 + nth++ % 2);
	settle_bodies(prog);
}

/* Every second call of the only thread to another one. */
static void share(struct prog *prog, uint8_t only)
{
	uint8_t other = only == 1 ? 2 : 1;
	uint32_t nth = 0;

	prog->switch_count = 0;
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (!prog->calls[i].body && prog->calls[i].thread == only && nth++ % 2)
			prog->calls[i].thread = other;
	settle_bodies(prog);
}

static void cut(struct prog *prog)
{
	uint8_t drop[PROG_CALL_MAX] = {0};
	uint32_t calls[PROG_THREAD_MAX + 1] = {0};
	bool any = false;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		struct call *call = &prog->calls[i];

		if (!call->thread || call->body)
			continue;
		/* Failures are for calls that run alone. */
		call->fail = FAIL_NONE;
		if (call->repeat > RACE_REPEATS)
			call->repeat = RACE_REPEATS;
		drop[i] = ++calls[call->thread] > RACE_CALLS;
		any = any || drop[i];
	}
	if (any)
		prog_remove_calls(prog, drop);
}

void race_fit(struct prog *prog)
{
	uint32_t threads = threads_of(prog);

	if (!threads)
		deal(prog);
	else if (threads >> (RACE_THREADS + 1))
		fold(prog, threads);
	threads = threads_of(prog);
	if (threads && !(threads & (threads - 1)))
		share(prog, (uint8_t)__builtin_ctz(threads));
	prog_drop_endless_waits(prog);
	cut(prog);
	prog_repair(prog);
}
