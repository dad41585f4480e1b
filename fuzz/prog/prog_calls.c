/* SPDX-License-Identifier: Apache-2.0 */
/* Takes calls out of programs and moves them between threads, with everything that names them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/prog.h"

static void renumber_values(struct prog *prog, uint64_t first, uint32_t count,
	const uint16_t *renumbered, unsigned depth)
{
	for (uint32_t i = 0; i < count; i++) {
		struct value *value = &prog->values[first + i];

		if (value->kind == VALUE_HANDLE) {
			if (renumbered[value->call] == UINT16_MAX)
				memset(value, 0, sizeof(*value));
			else
				value->call = renumbered[value->call];
		} else if ((value->kind == VALUE_STRUCT || value->kind == VALUE_ARRAY) &&
			   depth < 2 * PROG_DEPTH_MAX) {
			renumber_values(prog, value->start, value->count, renumbered, depth + 1);
		}
	}
}

/* A switch counts calls of its thread, so that removing one moves the later ones. */
static void renumber_switches(struct prog *prog, const uint16_t *renumbered)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < prog->switch_count; i++) {
		struct schedule_switch next = prog->switches[i];
		uint16_t seen = 0, before = 0;
		bool removed = false;

		for (uint32_t j = 0; j < prog->call_count && seen <= next.call; j++) {
			if (prog->calls[j].thread != next.thread || prog->calls[j].body)
				continue;
			removed = seen == next.call && renumbered[j] == UINT16_MAX;
			before = (uint16_t)(before +
					    (seen < next.call && renumbered[j] != UINT16_MAX));
			seen++;
		}
		if (removed)
			continue;
		if (seen > next.call)
			next.call = before;
		prog->switches[kept++] = next;
	}
	prog->switch_count = kept;
}

void prog_remove_calls(struct prog *prog, const uint8_t *drop)
{
	uint16_t renumbered[PROG_CALL_MAX];
	uint16_t kept = 0;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		uint16_t body = prog->calls[i].body;
		bool gone = drop[i] || (body && renumbered[body - 1] == UINT16_MAX);

		renumbered[i] = gone ? UINT16_MAX : kept++;
	}
	renumber_switches(prog, renumbered);
	for (uint32_t i = 0; i < prog->call_count; i++) {
		struct call call = prog->calls[i];

		if (renumbered[i] == UINT16_MAX)
			continue;
		renumber_values(
			prog, call.first_value, prog_row(&call)->field_count, renumbered, 0);
		if (call.body)
			call.body = (uint16_t)(renumbered[call.body - 1] + 1);
		prog->calls[renumbered[i]] = call;
	}
	prog->call_count = kept;
	prog_repair_schedule(prog);
	prog_compact(prog);
}

void prog_strip_threads(struct prog *prog)
{
	uint8_t drop[PROG_CALL_MAX] = {0};
	bool any = false;

	prog->switch_count = 0;
	prog->schedule_count = 0;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		struct call *call = &prog->calls[i];

		call->thread = 0;
		drop[i] = call->row == CALL_ID_barrier || call->row == CALL_ID_join ||
			  call->row == CALL_ID_wait;
		any = any || drop[i];
	}
	if (any)
		prog_remove_calls(prog, drop);
}

/* Which call each switch names; to be freed, NULL without memory. */
static uint32_t *named_calls(const struct prog *prog)
{
	uint32_t *named = calloc(prog->switch_count + 1u, sizeof(*named));

	for (uint32_t i = 0; named && i < prog->switch_count; i++)
		named[i] = prog_nth_call(prog, prog->switches[i].thread, prog->switches[i].call);
	return named;
}

/* Makes switches name the calls that they named. Frees named. */
static void name_again(struct prog *prog, uint32_t *named)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; named && i < prog->switch_count; i++) {
		struct schedule_switch next = prog->switches[i];

		if (named[i] != UINT32_MAX) {
			next.thread = prog->calls[named[i]].thread;
			next.call = (uint16_t)prog_calls_before(
				prog, prog->calls[named[i]].thread, named[i]);
		}
		if (next.thread != next.to)
			prog->switches[kept++] = next;
	}
	prog->switch_count = kept;
	free(named);
}

/* Gives each call the thread in `threads` (a byte a call, bodies by their `on` call). */
static void set_threads(struct prog *prog, const uint8_t *threads)
{
	uint32_t *named = named_calls(prog);

	for (uint32_t i = 0; i < prog->call_count; i++)
		prog->calls[i].thread = threads[prog->calls[i].body ? prog->calls[i].body - 1u : i];
	name_again(prog, named);
	prog_repair_schedule(prog);
}

static void get_threads(const struct prog *prog, uint8_t threads[PROG_CALL_MAX])
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		threads[i] = prog->calls[i].thread;
}

void prog_move_call(struct prog *prog, uint32_t index, uint8_t thread)
{
	uint8_t threads[PROG_CALL_MAX];

	get_threads(prog, threads);
	threads[index] = thread;
	set_threads(prog, threads);
}

/* `wait` for a thread that is gone; without one nobody waits for the main thread. */
static void merge_waits(struct prog *prog, uint8_t from, uint8_t to)
{
	uint8_t drop[PROG_CALL_MAX] = {0};
	bool any = false;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		struct call *call = &prog->calls[i];
		struct value *name = prog_value(prog, call, 0);

		if (call->row != CALL_ID_wait || name->kind != VALUE_NUMBER)
			continue;
		if (name->number == from)
			name->number = to;
		drop[i] = name->number == to && (call->thread == to || !to);
		any = any || drop[i];
	}
	if (any)
		prog_remove_calls(prog, drop);
}

void prog_merge_threads(struct prog *prog, uint8_t from, uint8_t to)
{
	uint8_t threads[PROG_CALL_MAX];

	get_threads(prog, threads);
	for (uint32_t i = 0; i < prog->call_count; i++)
		threads[i] = threads[i] == from ? to : threads[i];
	for (uint32_t i = 0; i < prog->switch_count; i++) {
		struct schedule_switch *next = &prog->switches[i];

		next->to = next->to == from ? to : next->to;
	}
	set_threads(prog, threads);
	merge_waits(prog, from, to);
}

void prog_place_call(struct prog *prog, uint32_t from, uint32_t to)
{
	uint32_t *named = named_calls(prog);
	uint16_t renumbered[PROG_CALL_MAX];
	struct call held = prog->calls[from];

	for (uint32_t i = 0; i < prog->call_count; i++)
		renumbered[i] = (uint16_t)(i == from		 ? to
					   : i > from && i <= to ? i - 1
					   : i < from && i >= to ? i + 1
								 : i);
	if (to > from)
		memmove(&prog->calls[from], &prog->calls[from + 1], sizeof(held) * (to - from));
	else
		memmove(&prog->calls[to + 1], &prog->calls[to], sizeof(held) * (from - to));
	prog->calls[to] = held;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		struct call *call = &prog->calls[i];

		renumber_values(
			prog, call->first_value, prog_row(call)->field_count, renumbered, 0);
		if (call->body)
			call->body = (uint16_t)(renumbered[call->body - 1] + 1);
	}
	for (uint32_t i = 0; named && i < prog->switch_count; i++)
		if (named[i] != UINT32_MAX)
			named[i] = renumbered[named[i]];
	name_again(prog, named);
}

/* Where call `old` stands after the calls [from, count) were moved to `at`. */
static uint32_t moved(uint32_t old, uint32_t at, uint32_t from, uint32_t count)
{
	if (old >= from)
		return old - from + at;
	return old >= at ? old + count - from : old;
}

void prog_move_tail(struct prog *prog, uint32_t from, uint32_t at)
{
	uint32_t count = prog->call_count, added = count - from;
	struct call held;

	for (uint32_t i = 0; i < added; i++) { /* one by one: few are added at a time */
		held = prog->calls[from + i];
		memmove(&prog->calls[at + i + 1], &prog->calls[at + i], sizeof(held) * (from - at));
		prog->calls[at + i] = held;
	}
	for (uint32_t i = 0; i < prog->value_count; i++)
		if (prog->values[i].kind == VALUE_HANDLE)
			prog->values[i].call =
				(uint16_t)moved(prog->values[i].call, at, from, count);
	for (uint32_t i = 0; i < count; i++)
		if (prog->calls[i].body)
			prog->calls[i].body =
				(uint16_t)(1 + moved(prog->calls[i].body - 1u, at, from, count));
}

/* Whether a top-level call meets other threads in a way that always ends. */
static bool meeting_ends(const struct prog *prog, const struct call *call, bool barriers)
{
	const struct value *name = prog_value(prog, call, 0);

	if (call->row == CALL_ID_barrier)
		return !call->body;
	if (call->row != CALL_ID_wait || (name->kind == VALUE_NUMBER && !name->number))
		return true;
	return !barriers && !call->body && name->kind == VALUE_NUMBER &&
	       name->number < call->thread;
}

void prog_drop_endless_waits(struct prog *prog)
{
	uint8_t drop[PROG_CALL_MAX];
	bool barriers = false, any = false;

	for (uint32_t i = 0; i < prog->call_count; i++)
		barriers = barriers ||
			   (prog->calls[i].row == CALL_ID_barrier && prog->calls[i].thread);
	for (uint32_t i = 0; i < prog->call_count; i++) {
		drop[i] = !meeting_ends(prog, &prog->calls[i], barriers);
		any = any || drop[i];
	}
	if (any)
		prog_remove_calls(prog, drop);
}
