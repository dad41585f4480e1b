/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/mutate.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/binary.h"
#include "fuzz/prog/builder.h"
#include "fuzz/prog/mutate_threads.h"

static const char *const names[MUTATION_COUNT] = {"generate", "insert", "delete", "duplicate",
	"swap", "splice", "argument", "failure", "framing", "callback", "thread", "swap-threads",
	"copy-to-thread", "meeting", "schedule"};
static const uint8_t weights[MUTATION_COUNT] = {1, 26, 12, 6, 6, 14, 24, 4, 3, 4, 10, 5, 8, 4, 32};
#define THREADS_USUAL 4 /* of fresh programs for those that had threads */

const char *mutation_name(enum mutation mutation)
{
	return (unsigned)mutation < MUTATION_COUNT ? names[mutation] : "unknown";
}

static bool remove_range(struct prog *prog, uint32_t first, uint32_t count)
{
	uint8_t *drop = calloc(prog->call_count + 1, 1);

	if (!drop)
		return false;
	for (uint32_t i = first; i < first + count && i < prog->call_count; i++)
		drop[i] = 1;
	prog_remove_calls(prog, drop);
	free(drop);
	return true;
}

static void mutate_delete(struct prog *prog, struct random *random)
{
	uint32_t count = 1;

	if (!prog->call_count)
		return;
	if (random_chance(random, 1, 6))
		count += (uint32_t)random_below(random, 6);
	remove_range(prog, (uint32_t)random_below(random, prog->call_count), count);
}

/* A copy of calls [first, first + count) of `from`, appended; handles inside the run follow it. */
static void append_run(struct prog *prog, const struct prog *from, uint32_t first, uint32_t count)
{
	uint32_t base = prog->call_count;

	for (uint32_t i = first; i < first + count && i < from->call_count; i++) {
		uint32_t values = prog->value_count;

		if (!prog_copy_call(prog, from, i))
			return;
		for (uint32_t k = values; k < prog->value_count; k++) {
			struct value *value = &prog->values[k];

			if (value->kind != VALUE_HANDLE)
				continue;
			if (value->call >= first && value->call < i)
				value->call = (uint16_t)(value->call - first + base);
			else /* outside: the nearest of that type, found by repair of the type below
			      */
				value->call = UINT16_MAX;
		}
		if (prog->calls[prog->call_count - 1].body) {
			uint32_t on = prog->calls[prog->call_count - 1].body - 1u;

			prog->calls[prog->call_count - 1].body =
				(uint16_t)(on >= first ? on - first + base + 1 : 0);
		}
	}
}

/* Gives handles that lost their producer the newest one of the type that the field wants. */
static void remap_handles(struct prog *prog, uint32_t first, uint32_t before, struct random *random)
{
	for (uint32_t i = first; i < prog->call_count; i++) {
		const struct call_row *row = prog_row(&prog->calls[i]);

		for (unsigned f = 0; f < row->field_count; f++) {
			struct value *value = prog_value(prog, &prog->calls[i], f);

			if (value->kind != VALUE_HANDLE || value->call != UINT16_MAX)
				continue;
			value->kind = VALUE_UNSET;
			for (uint32_t p = before; p-- > 0 && value->kind == VALUE_UNSET;) {
				uint8_t outputs[CALL_OUTPUT_MAX];
				int count = call_outputs(prog_row(&prog->calls[p]), outputs);

				for (int o = 0; o < count; o++)
					if (!prog->calls[p].body &&
						resource_matches(
							(enum resource)row->fields[f].resource,
							prog_output_resource(
								prog, p, (unsigned)o)) &&
						!random_chance(random, 1, 3)) {
						*value =
							value_handle(p, (unsigned)o, value->number);
						break;
					}
			}
		}
	}
}

static void mutate_splice(struct prog *prog, const struct prog *other, struct random *random)
{
	struct prog result;
	uint32_t keep, first, count, before;

	if (!other->call_count)
		return;
	prog_init(&result);
	if (!prog_copy(&result, prog)) {
		prog_free(&result);
		return;
	}
	keep = (uint32_t)random_below(random, prog->call_count + 1);
	if (keep < prog->call_count && random_chance(random, 1, 2))
		remove_range(&result, keep, prog->call_count - keep);
	first = (uint32_t)random_below(random, other->call_count);
	count = 1 + (uint32_t)random_below(random, other->call_count - first);
	before = result.call_count;
	append_run(&result, other, first, count);
	remap_handles(&result, before, before, random);
	if (!result.schedule_count) {
		result.schedule_count = other->schedule_count;
		memcpy(result.schedule, other->schedule, sizeof(result.schedule));
	}
	prog_repair(&result);
	if (prog_has_threads(&result))
		prog_drop_endless_waits(&result);
	prog_copy(prog, &result);
	prog_free(&result);
}

static void mutate_duplicate(struct prog *prog, struct random *random)
{
	struct prog copy;
	uint32_t index, before = prog->call_count;

	if (!before)
		return;
	prog_init(&copy);
	if (prog_copy(&copy, prog)) {
		index = (uint32_t)random_below(random, before);
		if (!prog->calls[index].body && prog->calls[index].row != CALL_ID_on &&
			prog_copy_call(prog, &copy, index) && random_chance(random, 1, 8))
			prog->calls[prog->call_count - 1].repeat =
				(uint16_t)(1 + random_below(random, 300));
		/* At the end it would be in a section of its own. */
		if (prog->call_count > before && prog->calls[before].thread)
			prog_move_tail(prog, before, index + 1);
	}
	prog_free(&copy);
}

static void mutate_swap(struct prog *prog, struct random *random)
{
	uint32_t i;
	struct call held;

	if (prog->call_count < 2)
		return;
	i = (uint32_t)random_below(random, prog->call_count - 1);
	if (prog->calls[i].body || prog->calls[i + 1].body)
		return;
	held = prog->calls[i];
	prog->calls[i] = prog->calls[i + 1];
	prog->calls[i + 1] = held;
	for (uint32_t k = 0; k < prog->value_count; k++) {
		struct value *value = &prog->values[k];

		if (value->kind == VALUE_HANDLE && (value->call == i || value->call == i + 1))
			value->call = (uint16_t)(2 * i + 1 - value->call);
	}
}

static void mutate_argument(
	struct prog *prog, struct random *random, const struct generate_options *options)
{
	uint32_t i;
	const struct call_row *row;

	if (!prog->call_count)
		return;
	i = (uint32_t)random_below(random, prog->call_count);
	row = prog_row(&prog->calls[i]);
	if (row->field_count)
		prog_generate_value(
			prog, i, (unsigned)random_below(random, row->field_count), random, options);
}

static void mutate_failure(struct prog *prog, struct random *random)
{
	struct call *call;

	if (!prog->call_count)
		return;
	call = &prog->calls[random_below(random, prog->call_count)];
	if (call->fail != FAIL_NONE && random_chance(random, 1, 2)) {
		call->fail = FAIL_NONE;
		call->fail_nth = 0;
		call->fail_point = 0;
		return;
	}
	prog_generate_failure(call, random);
}

static void mutate_framing(
	struct prog *prog, struct random *random, const struct generate_options *options)
{
	for (int tries = 0; tries < 8 && prog->call_count; tries++) {
		uint32_t i = (uint32_t)random_below(random, prog->call_count);
		const struct call_row *row = prog_row(&prog->calls[i]);
		unsigned f = (unsigned)random_below(random, row->field_count + 1u);

		if (f >= row->field_count || row->framing != FRAMING_SIZE)
			continue;
		if (row->fields[f].kind == FIELD_SIZE)
			*prog_value(prog, &prog->calls[i], f) =
				value_number(row->size + random_below(random, 40) - 20);
		else if (row->fields[f].kind == FIELD_AT)
			*prog_value(prog, &prog->calls[i], f) =
				value_mem(16384 * 4096 - random_below(random, 96));
		else
			prog_generate_value(prog, i, f, random, options);
		return;
	}
}

static void mutate_callback(
	struct prog *prog, struct random *random, const struct generate_options *options)
{
	struct builder b = {.prog = prog, .random = random, .options = options};
	uint32_t producers = 0, chosen = 0, end;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		if (prog->calls[i].row == CALL_ID_on && random_chance(random, 1, 3)) {
			remove_range(prog, i, 1);
			return;
		}
		if (prog->calls[i].row == CALL_ID_access_create &&
			!random_below(random, ++producers))
			chosen = i;
	}
	if (!producers)
		return;
	end = prog->call_count;
	scene_build(&b.scene, prog, end);
	builder_callback(&b, chosen);
	if (prog_has_threads(prog)) { /* it has to be there before they begin */
		prog_move_tail(prog, end, chosen + 1);
		return;
	}
	/* The body was appended; a replay of the calls behind the access makes it matter. */
	prog_generate_insert(prog, prog->call_count, random, options);
}

static void mutate_insert(
	struct prog *prog, struct random *random, const struct generate_options *options)
{
	uint32_t at = (uint32_t)random_below(random, prog->call_count + 1), count;

	while (at < prog->call_count && prog->calls[at].body)
		at++;
	count = prog_generate_insert(prog, at, random, options);
	if (prog_has_threads(prog))
		mutate_adopt(prog, at, count, random);
}

/* A fresh program, with threads if they are asked for or the old one had some. */
static void mutate_generate(struct prog *prog, struct random *random,
	const struct generate_options *options, bool threads)
{
	struct generate_options all = *options;

	if (threads && !all.threads)
		all.threads = THREADS_USUAL;
	prog_generate(prog, random, &all);
}

static enum mutation choose(struct random *random, bool partner, bool threads)
{
	int count = threads ? MUTATION_COUNT : MUTATE_THREAD;
	uint32_t total = 0, at;

	for (int i = 0; i < count; i++)
		total += weights[i];
	at = (uint32_t)random_below(random, total);
	for (int i = 0; i < count; i++) {
		if (at < weights[i])
			return i == MUTATE_SPLICE && !partner ? MUTATE_INSERT : (enum mutation)i;
		at -= weights[i];
	}
	return MUTATE_INSERT;
}

enum mutation prog_mutate(struct prog *prog, const struct prog *other, struct random *random,
	const struct generate_options *options)
{
	bool threads = options->threads || prog_has_threads(prog);
	enum mutation mutation =
		prog->call_count ? choose(random, other != NULL, threads) : MUTATE_GENERATE;

	switch (mutation) {
	case MUTATE_INSERT: mutate_insert(prog, random, options); break;
	case MUTATE_DELETE: mutate_delete(prog, random); break;
	case MUTATE_DUPLICATE: mutate_duplicate(prog, random); break;
	case MUTATE_SWAP: mutate_swap(prog, random); break;
	case MUTATE_SPLICE: mutate_splice(prog, other, random); break;
	case MUTATE_ARGUMENT: mutate_argument(prog, random, options); break;
	case MUTATE_FAILURE: mutate_failure(prog, random); break;
	case MUTATE_FRAMING: mutate_framing(prog, random, options); break;
	case MUTATE_CALLBACK: mutate_callback(prog, random, options); break;
	case MUTATE_THREAD: mutate_thread(prog, random); break;
	case MUTATE_THREAD_SWAP: mutate_thread_swap(prog, random); break;
	case MUTATE_THREAD_COPY: mutate_thread_copy(prog, random); break;
	case MUTATE_MEETING: mutate_meeting(prog, random); break;
	case MUTATE_SCHEDULE: mutate_schedule(prog, random); break;
	case MUTATE_GENERATE:
	case MUTATION_COUNT: mutate_generate(prog, random, options, threads); break;
	}
	prog_repair(prog);
	if (threads || prog_has_threads(prog))
		prog_drop_endless_waits(prog);
	return mutation;
}

/* Encodes, dropping calls from the end until it fits. */
static size_t encode_fitting(struct prog *prog, uint8_t *data, size_t max_size)
{
	size_t size = prog_encode(prog, data, max_size);

	while (size > max_size && prog->call_count) {
		remove_range(prog, prog->call_count - 1, 1);
		prog_compact(prog);
		size = prog_encode(prog, data, max_size);
	}
	if (size <= max_size && size)
		return size;
	if (max_size)
		data[0] = 0;
	return 1;
}

static uint32_t rounds(struct random *random)
{
	uint32_t n = 1;

	while (n < 6 && random_chance(random, 1, 2))
		n++;
	return n;
}

size_t prog_mutate_bytes_with(uint8_t *data, size_t size, size_t max_size, uint64_t seed,
	uint32_t threads, struct mutation_summary *done)
{
	const struct generate_options options = {.failures = true, .threads = threads};
	struct mutation_summary summary = {0, MUTATE_GENERATE};
	struct random random;
	struct prog prog;

	random_seed(&random, seed);
	prog_init(&prog);
	prog_decode(&prog, data, size);
	summary.rounds = rounds(&random);
	for (uint32_t i = 0; i < summary.rounds; i++) {
		enum mutation mutation = prog_mutate(&prog, NULL, &random, &options);

		summary.first = i ? summary.first : mutation;
	}
	prog_compact(&prog);
	size = encode_fitting(&prog, data, max_size);
	prog_free(&prog);
	if (done)
		*done = summary;
	return size;
}

size_t prog_mutate_bytes(uint8_t *data, size_t size, size_t max_size, uint64_t seed)
{
	return prog_mutate_bytes_with(data, size, max_size, seed, 0, NULL);
}

size_t prog_splice_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
	uint8_t *out, size_t max_size, uint64_t seed)
{
	struct random random;
	struct prog first, second;
	size_t size;

	random_seed(&random, seed);
	prog_init(&first);
	prog_init(&second);
	prog_decode(&first, a, a_size);
	prog_decode(&second, b, b_size);
	mutate_splice(&first, &second, &random);
	prog_compact(&first);
	size = encode_fitting(&first, out, max_size);
	prog_free(&first);
	prog_free(&second);
	return size;
}
