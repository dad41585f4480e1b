/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/minimise_private.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include "third_party/xxhash.h"

#include "fuzz/prog/binary.h"
#include "fuzz/prog/scene.h"

#define SEEN_SLOTS 65536u /* power of two; full means: tried again */

static bool seen_before(struct minimiser *m)
{
	size_t size = prog_encode(&m->candidate, m->buffer, m->room);
	uint64_t hash;
	uint32_t slot;

	if (size > m->room) {
		uint8_t *grown = realloc(m->buffer, size * 2);

		if (!grown)
			return false;
		m->buffer = grown;
		m->room = size * 2;
		size = prog_encode(&m->candidate, m->buffer, m->room);
	}
	hash = XXH64(m->buffer, size, 1) | 1;
	slot = (uint32_t)hash & (SEEN_SLOTS - 1);
	for (uint32_t tries = 0; tries < 16; tries++, slot = (slot + 1) & (SEEN_SLOTS - 1)) {
		if (m->seen[slot] == hash)
			return true;
		if (!m->seen[slot]) {
			m->seen[slot] = hash;
			return false;
		}
	}
	return false;
}

bool minimise_try(struct minimiser *m)
{
	prog_repair(&m->candidate);
	prog_compact(&m->candidate);
	if (prog_equal(&m->candidate, m->best))
		return false;
	if (seen_before(m)) {
		m->stats.remembered++;
		return false;
	}
	m->stats.tried++;
	if (!m->same_failure(m->context, &m->candidate))
		return false;
	if (!prog_copy(m->best, &m->candidate))
		return false;
	if (m->progress)
		m->progress(m->context, m->best->call_count);
	return true;
}

static bool try_without(struct minimiser *m)
{
	if (!prog_copy(&m->candidate, m->best))
		return false;
	prog_remove_calls(&m->candidate, m->drop);
	return m->candidate.call_count < m->best->call_count && minimise_try(m);
}

static bool clear_drop(struct minimiser *m)
{
	uint8_t *grown = realloc(m->drop, m->best->call_count + 1u);

	if (!grown)
		return false;
	m->drop = grown;
	memset(grown, 0, m->best->call_count + 1u);
	return true;
}

/* Everything behind call `from` at once, by halves: finds the last call that matters in few runs.
 */
static void drop_tail(struct minimiser *m)
{
	uint32_t low = 1, high = m->best->call_count;

	while (low < high) {
		uint32_t keep = low + (high - low) / 2;

		if (!clear_drop(m))
			return;
		memset(m->drop + keep, 1, m->best->call_count - keep);
		if (try_without(m))
			high = m->best->call_count;
		else
			low = keep + 1;
	}
}

/* All calls that the last one does not reach through handles, transitively, at once. */
static void drop_unrelated(struct minimiser *m)
{
	const struct prog *prog = m->best;
	uint32_t count = prog->call_count;

	if (!count || !clear_drop(m))
		return;
	memset(m->drop, 1, count - 1);
	for (uint32_t i = count; i-- > 0;) {
		const struct call *call = &prog->calls[i];

		if (m->drop[i])
			continue;
		for (unsigned f = 0; f < prog_row(call)->field_count; f++) {
			const struct value *value = prog_value(prog, call, f);

			if (value->kind == VALUE_HANDLE && value->call < count)
				m->drop[value->call] = 0;
		}
		if (call->body)
			m->drop[call->body - 1] = 0;
	}
	try_without(m);
}

static void drop_runs(struct minimiser *m)
{
	for (uint32_t run = m->best->call_count / 2; run >= 1; run /= 2) {
		uint32_t at = m->best->call_count;

		while (at > 0) {
			uint32_t first = at > run ? at - run : 0;

			if (!clear_drop(m))
				return;
			memset(m->drop + first, 1, at - first);
			try_without(m);
			at = first < m->best->call_count ? first : m->best->call_count;
		}
	}
}

/* A call together with everything that uses its outputs. */
static void drop_with_dependents(struct minimiser *m)
{
	for (uint32_t i = m->best->call_count; i-- > 0;) {
		const struct prog *prog = m->best;

		if (i >= prog->call_count || !clear_drop(m))
			continue;
		m->drop[i] = 1;
		for (uint32_t k = i + 1; k < prog->call_count; k++)
			for (unsigned f = 0; f < prog_row(&prog->calls[k])->field_count; f++) {
				const struct value *value = prog_value(prog, &prog->calls[k], f);

				if (value->kind == VALUE_HANDLE && value->call < prog->call_count &&
					m->drop[value->call])
					m->drop[k] = 1;
			}
		try_without(m);
	}
}

static void simplify_calls(struct minimiser *m)
{
	for (uint32_t i = 0; i < m->best->call_count; i++) {
		static const uint8_t parts = 3;

		for (uint8_t part = 0; part < parts; part++) {
			struct call *call;

			if (!prog_copy(&m->candidate, m->best))
				return;
			call = &m->candidate.calls[i];
			if (part == 0)
				call->fail = FAIL_NONE, call->fail_nth = 0, call->fail_point = 0;
			else if (part == 1)
				call->repeat = 0;
			else
				call->process = 0;
			minimise_try(m);
		}
	}
	if (prog_copy(&m->candidate, m->best)) {
		m->candidate.options = (struct prog_options){.bug = m->best->options.bug};
		minimise_try(m);
	}
}

static bool try_value(struct minimiser *m, uint32_t call, unsigned field, struct value value)
{
	if (!prog_copy(&m->candidate, m->best))
		return false;
	*prog_value(&m->candidate, &m->candidate.calls[call], field) = value;
	return minimise_try(m);
}

static void simplify_value(struct minimiser *m, uint32_t call, unsigned f)
{
	const struct field *field = &prog_row(&m->best->calls[call])->fields[f];
	struct value now = *prog_value(m->best, &m->best->calls[call], f);
	static const uint64_t numbers[] = {0, 1, 4096, 8192, 0x1000000, UINT64_MAX};

	if (now.kind == VALUE_UNSET || try_value(m, call, f, (struct value){.kind = VALUE_UNSET}))
		return;
	if (now.kind == VALUE_HANDLE && now.number) {
		try_value(m, call, f, value_handle(now.call, now.output, 0));
		return;
	}
	if (now.kind == VALUE_MEM) {
		if (now.number && !try_value(m, call, f, value_mem(0)))
			try_value(m, call, f, value_mem(now.number & ~UINT64_C(4095)));
		return;
	}
	if (now.kind != VALUE_NUMBER)
		return;
	if (field->kind == FIELD_FLAGS) {
		for (unsigned bit = 0; bit < 32; bit++) {
			now = *prog_value(m->best, &m->best->calls[call], f);
			if (now.kind == VALUE_NUMBER && now.number >> bit & 1)
				try_value(m, call, f,
					value_number(now.number & ~(UINT64_C(1) << bit)));
		}
		return;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == now.number ||
			try_value(m, call, f, value_number(prog_field_number(field, numbers[i]))))
			return;
}

static void simplify_values(struct minimiser *m)
{
	for (uint32_t i = 0; i < m->best->call_count; i++)
		for (unsigned f = 0; f < prog_row(&m->best->calls[i])->field_count; f++)
			simplify_value(m, i, f);
}

void prog_minimise(struct prog *prog, minimise_fn same_failure, void *context,
	void (*progress)(void *context, uint32_t calls_left), struct minimise_stats *stats)
{
	struct minimiser m = {.best = prog,
		.same_failure = same_failure,
		.context = context,
		.progress = progress};
	uint32_t before;

	m.stats.calls_before = prog->call_count;
	m.seen = calloc(SEEN_SLOTS, sizeof(*m.seen));
	prog_init(&m.candidate);
	if (m.seen) {
		drop_tail(&m);
		drop_unrelated(&m);
		do {
			before = m.stats.tried;
			drop_runs(&m);
			drop_with_dependents(&m);
			simplify_calls(&m);
			simplify_values(&m);
			minimise_threads(&m);
			minimise_switches(&m);
		} while (m.stats.tried != before);
	}
	prog_free(&m.candidate);
	free(m.seen);
	free(m.buffer);
	free(m.drop);
	m.stats.calls_after = prog->call_count;
	if (stats)
		*stats = m.stats;
}
