/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/mutate_threads.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/generate.h"

#define THREADS_USUAL 4 /* more cost runs and hardly find more */

/* A top-level call of a thread other than main, UINT32_MAX if there is none. */
static uint32_t some_call(const struct prog *prog, struct random *random)
{
	uint32_t seen = 0, chosen = UINT32_MAX;

	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].thread && !prog->calls[i].body && !random_below(random, ++seen))
			chosen = i;
	return chosen;
}

static uint8_t last_thread(const struct prog *prog)
{
	uint8_t last = 0;

	for (uint32_t i = 0; i < prog->call_count; i++)
		last = prog->calls[i].thread > last ? prog->calls[i].thread : last;
	return last;
}

/* One that the program has, or seldom the next. Not `except`, unless it is alone. */
static uint8_t other_thread(const struct prog *prog, uint8_t except, struct random *random)
{
	uint8_t last = last_thread(prog), thread;

	if (last < THREADS_USUAL && (last < 2 || random_chance(random, 1, 8)))
		return (uint8_t)(last + 1);
	thread = (uint8_t)(1 + random_below(random, except ? last - 1u : last));
	return except && thread >= except ? (uint8_t)(thread + 1) : thread;
}

/* A few calls in a row, in two threads by turns. */
static void make_threads(struct prog *prog, struct random *random)
{
	uint32_t count = 2 + (uint32_t)random_below(random, 4), first;

	if (prog->call_count < 2)
		return;
	first = (uint32_t)random_below(random, prog->call_count - 1);
	for (uint32_t i = first; i < first + count && i < prog->call_count; i++)
		if (!prog->calls[i].body)
			prog_move_call(prog, i,
				(uint8_t)(i < first + 2 ? 1 + i - first
							: 1 + random_below(random, 2)));
}

void mutate_thread(struct prog *prog, struct random *random)
{
	uint32_t index = some_call(prog, random);

	if (index == UINT32_MAX) {
		make_threads(prog, random);
		return;
	}
	if (random_chance(random, 1, 4)) /* into a thread that it was not in, from main too */
		index = (uint32_t)random_below(random, prog->call_count);
	if (prog->calls[index].body)
		return;
	if (prog->calls[index].thread && random_chance(random, 1, 10))
		prog_move_call(prog, index, 0);
	else
		prog_move_call(prog, index, other_thread(prog, prog->calls[index].thread, random));
}

void mutate_thread_swap(struct prog *prog, struct random *random)
{
	for (unsigned tries = 0; tries < 8; tries++) {
		uint32_t a = some_call(prog, random), b = some_call(prog, random);
		uint8_t thread;

		if (a == UINT32_MAX)
			return;
		thread = prog->calls[a].thread;
		if (thread == prog->calls[b].thread)
			continue;
		prog_move_call(prog, a, prog->calls[b].thread);
		prog_move_call(prog, b, thread);
		return;
	}
}

void mutate_thread_copy(struct prog *prog, struct random *random)
{
	uint32_t index = some_call(prog, random), from = prog->call_count;
	struct prog copy;

	if (index == UINT32_MAX || prog_has_body(prog->calls[index].row))
		return;
	prog_init(&copy);
	if (prog_copy(&copy, prog) && prog_copy_call(prog, &copy, index)) {
		prog->calls[from].thread = other_thread(prog, prog->calls[index].thread, random);
		prog_move_tail(prog, from, index + 1);
	}
	prog_free(&copy);
}

/* -- barrier, join and wait -- */

static bool is_meeting(const struct call *call)
{
	return !call->body && (call->row == CALL_ID_barrier || call->row == CALL_ID_join ||
				      call->row == CALL_ID_wait);
}

static bool remove_meeting(struct prog *prog, struct random *random)
{
	uint8_t drop[PROG_CALL_MAX] = {0};
	uint32_t seen = 0, chosen = 0;

	for (uint32_t i = 0; i < prog->call_count; i++)
		if (is_meeting(&prog->calls[i]) && !random_below(random, ++seen))
			chosen = i;
	if (!seen)
		return false;
	drop[chosen] = 1;
	prog_remove_calls(prog, drop);
	return true;
}

/* Before a call of a thread; in that thread, or between it and what came before. */
static void add_meeting(struct prog *prog, enum call_id row, uint8_t thread, struct random *random)
{
	uint32_t seen = 0, at = UINT32_MAX, from = prog->call_count;
	struct call *call;

	for (uint32_t i = 0; i < prog->call_count; i++)
		if (!prog->calls[i].body && prog->calls[i].thread &&
			(!thread || prog->calls[i].thread == thread) &&
			!random_below(random, ++seen))
			at = i;
	call = at == UINT32_MAX ? NULL : prog_add_call(prog, row);
	if (!call)
		return;
	call->thread = thread;
	if (row == CALL_ID_wait)
		*prog_value(prog, call, 0) = (struct value){
			.kind = VALUE_NUMBER, .number = 1 + random_below(random, thread - 1u)};
	prog_move_tail(prog, from, at);
}

void mutate_meeting(struct prog *prog, struct random *random)
{
	uint8_t last = last_thread(prog), thread;

	if (random_chance(random, 1, 2) && remove_meeting(prog, random))
		return;
	if (last < 2)
		return;
	switch (random_below(random, 4)) {
	case 0: add_meeting(prog, CALL_ID_join, 0, random); break;
	case 1:
		thread = (uint8_t)(2 + random_below(random, last - 1u));
		add_meeting(prog, CALL_ID_wait, thread, random);
		break;
	default: /* of two threads: one alone waits for nobody */
		thread = (uint8_t)(1 + random_below(random, last));
		add_meeting(prog, CALL_ID_barrier, thread, random);
		add_meeting(prog, CALL_ID_barrier, other_thread(prog, thread, random), random);
		break;
	}
}

/* -- schedules -- */

static void insert_bytes(struct prog *prog, uint32_t at, const uint8_t *bytes, uint32_t count)
{
	uint32_t room = PROG_SCHEDULE_MAX - prog->schedule_count;

	count = count < room ? count : room;
	memmove(&prog->schedule[at + count], &prog->schedule[at], prog->schedule_count - at);
	memcpy(&prog->schedule[at], bytes, count);
	prog->schedule_count += count;
}

static void remove_bytes(struct prog *prog, uint32_t at, uint32_t count)
{
	memmove(&prog->schedule[at], &prog->schedule[at + count],
		prog->schedule_count - at - count);
	prog->schedule_count -= count;
}

/* A little longer or shorter, another follower, or anything. */
static uint8_t changed_byte(uint8_t byte, struct random *random)
{
	switch (random_below(random, 4)) {
	case 0: return (uint8_t)((byte & 0xc0) | ((byte + 1) & 0x3f));
	case 1: return (uint8_t)((byte & 0xc0) | ((byte - 1) & 0x3f));
	case 2: return (uint8_t)(byte ^ (0x40u << random_below(random, 2)));
	default: return (uint8_t)random_next(random);
	}
}

void mutate_schedule(struct prog *prog, struct random *random)
{
	uint32_t count = prog->schedule_count, at = (uint32_t)random_below(random, count + 1);
	uint32_t length = 1 + (uint32_t)random_below(random, 4);
	uint8_t bytes[PROG_SCHEDULE_MAX];

	if (prog->switch_count) { /* bytes mean nothing beside them */
		prog->switch_count -= 1 + (uint32_t)random_below(random, prog->switch_count);
		return;
	}
	if (!count || random_chance(random, 1, 24)) {
		prog_generate_schedule(prog, random);
		return;
	}
	memcpy(bytes, prog->schedule, sizeof(bytes));
	switch (random_below(random, 8)) {
	case 0:
		bytes[0] = (uint8_t)random_next(random);
		insert_bytes(prog, at, bytes, 1);
		break;
	case 1: remove_bytes(prog, at == count ? at - 1 : at, 1); break;
	case 2:
		length = length < count - at ? length : count - at;
		remove_bytes(prog, at, length);
		break;
	case 3:
		length = length < count ? length : count;
		insert_bytes(prog, at, bytes + random_below(random, count - length + 1), length);
		break;
	default:
		at = at == count ? at - 1 : at;
		prog->schedule[at] = changed_byte(prog->schedule[at], random);
		break;
	}
}

void mutate_adopt(struct prog *prog, uint32_t at, uint32_t count, struct random *random)
{
	uint32_t neighbour = at && random_chance(random, 1, 2) ? at - 1 : at + count;
	uint8_t thread;

	if (neighbour >= prog->call_count || random_chance(random, 1, 4))
		return;
	thread = prog->calls[neighbour].thread;
	for (uint32_t i = at; i < at + count; i++)
		prog->calls[i].thread = thread;
}
