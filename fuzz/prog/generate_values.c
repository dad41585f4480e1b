/* SPDX-License-Identifier: Apache-2.0 */
/* Values by kind of field, deliberate faults, callback bodies, and the entry points of generate.h.
 */
#include <string.h>

#include "fuzz/prog/builder.h"
#include "fuzz/prog/live.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/points.h"

#define PAGE	      UINT64_C(4096)
#define CALLS_DEFAULT 40
#define RW_MAX	      UINT64_C(0x1000000)
#define SWEEP_SHARE   2 /* of 16 injected failures */

static const uint64_t boundaries[] = {0, 1, 2, 7, 8, 12, 16, 2047, 2048, 4095, 4096, 4097,
	0x1000000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, UINT64_C(1) << 63,
	UINT64_MAX - 4096, UINT64_MAX - 1, UINT64_MAX};

static uint64_t boundary(struct builder *b)
{
	uint64_t number =
		boundaries[random_below(b->random, sizeof(boundaries) / sizeof(boundaries[0]))];

	return random_chance(b->random, 1, 5) ? number + random_below(b->random, 3) - 1 : number;
}

/* An earlier output that may stand for `want`; any type when `loose`. UNSET when there is none. */
static struct value some_handle(struct builder *b, uint32_t call, enum resource want, bool loose)
{
	struct value found = {.kind = VALUE_UNSET};
	uint32_t seen = 0;

	for (uint32_t i = call; i-- > 0 && seen < 12;) {
		uint8_t fields[CALL_OUTPUT_MAX];
		int count = call_outputs(prog_row(&b->prog->calls[i]), fields);

		if (b->prog->calls[i].body)
			continue;
		for (int output = 0; output < count; output++) {
			enum resource have = prog_output_resource(b->prog, i, (unsigned)output);

			if (!loose && !resource_matches(want, have))
				continue;
			/* Reservoir over the newest dozen: each is equally likely. */
			if (!random_below(b->random, ++seen))
				found = value_handle(i, (unsigned)output, 0);
		}
	}
	return found;
}

static uint64_t some_flags(struct builder *b, const struct field *field)
{
	uint64_t flags = 0;

	for (const struct named_value *name = field->names; name && name->name; name++)
		if (random_chance(b->random, 1, 3))
			flags |= name->value;
	return flags;
}

static uint64_t some_enumerator(struct builder *b, const struct field *field)
{
	uint32_t count = 0;

	while (field->names && field->names[count].name)
		count++;
	return count ? field->names[random_below(b->random, count)].value : 0;
}

static struct value some_bytes(struct builder *b, uint32_t count)
{
	uint8_t bytes[64];
	uint32_t start;

	if (count > sizeof(bytes))
		count = sizeof(bytes);
	for (uint32_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)random_below(b->random, 256);
	start = prog_add_bytes(b->prog, bytes, count);
	if (start == UINT32_MAX)
		return (struct value){.kind = VALUE_UNSET};
	return (struct value){.kind = VALUE_BYTES, .count = count, .start = start};
}

/* Moving megabytes takes longer than all other calls of a program together, and finds no more. */
static void limit_bytes(struct builder *b, uint32_t call, unsigned index)
{
	const struct call_row *row = prog_row(&b->prog->calls[call]);
	struct value *value = prog_value(b->prog, &b->prog->calls[call], index);

	if (row->fields[index].kind != FIELD_LENGTH || value->number <= 64 * PAGE)
		return;
	switch (row - call_rows) {
	case CALL_ID_access_rw:
	case CALL_ID_dma_read:
	case CALL_ID_dma_write:
	case CALL_ID_IOMMU_TEST_OP_ACCESS_RW:
		if (value->number > RW_MAX) /* refused before a byte moves */
			return;
		break;
	case CALL_ID_fill:
	case CALL_ID_read:
	case CALL_ID_write: break;
	default: return;
	}
	value->number = random_chance(b->random, 1, 2) ? 64 * PAGE : 0;
}

void builder_value(struct builder *b, uint32_t call, unsigned index)
{
	struct call *target = &b->prog->calls[call];
	const struct field *field = &prog_row(target)->fields[index];
	struct value value = {.kind = VALUE_UNSET};

	switch ((enum field_kind)field->kind) {
	case FIELD_SUBJECT:
	case FIELD_RESOURCE:
		if (field->direction == FIELD_OUT)
			return;
		value = some_handle(
			b, call, (enum resource)field->resource, random_chance(b->random, 1, 14));
		break;
	case FIELD_IOVA:
		value = some_handle(b, call, RESOURCE_IOVA, false);
		if (value.kind == VALUE_UNSET || random_chance(b->random, 1, 2))
			value = value_number(0x1000000 + random_below(b->random, 64) * PAGE);
		break;
	case FIELD_LENGTH:
		value = value_number(random_chance(b->random, 1, 6)
					     ? boundary(b)
					     : (1 + random_below(b->random, 8)) * PAGE);
		break;
	case FIELD_FLAGS: value = value_number(some_flags(b, field)); break;
	case FIELD_ENUM: value = value_number(some_enumerator(b, field)); break;
	case FIELD_USER_VA:
	case FIELD_USER_POINTER: value = value_mem(random_below(b->random, 256) * PAGE / 2); break;
	case FIELD_NUMBER:
		value = value_number(
			random_chance(b->random, 1, 3) ? boundary(b) : random_below(b->random, 16));
		break;
	case FIELD_BYTES: value = some_bytes(b, 1 + (uint32_t)random_below(b->random, 40)); break;
	case FIELD_NAME: value = value_number(random_below(b->random, b->processes + 1u)); break;
	case FIELD_SIZE:
	case FIELD_RESERVED:
	case FIELD_TAIL:
	case FIELD_AT: return;
	}
	if (prog_field_takes(field, (enum value_kind)value.kind, 0))
		*prog_value(b->prog, &b->prog->calls[call], index) = value;
	limit_bytes(b, call, index);
}

/* Breaks size, tail or place of the struct. */
static void bend_framing(struct builder *b, uint32_t call)
{
	const struct call_row *row = prog_row(&b->prog->calls[call]);

	for (unsigned i = 0; i < row->field_count; i++) {
		struct value value = {.kind = VALUE_UNSET};

		if (!random_chance(b->random, 1, 3))
			continue;
		if (row->fields[i].kind == FIELD_SIZE)
			value = value_number(row->size + random_below(b->random, 33) - 16);
		else if (row->fields[i].kind == FIELD_TAIL)
			value = some_bytes(b, 1 + (uint32_t)random_below(b->random, 16));
		else if (row->fields[i].kind == FIELD_AT)
			value = value_mem(random_below(b->random, 2)
						  ? 200 * PAGE - row->size / 2
						  : 16384 * PAGE - random_below(b->random, 80));
		else
			continue;
		*prog_value(b->prog, &b->prog->calls[call], i) = value;
	}
}

void builder_bend(struct builder *b, uint32_t call)
{
	const struct call_row *row = prog_row(&b->prog->calls[call]);
	unsigned index;
	struct value *value;
	const struct field *field;

	if (!row->field_count)
		return;
	if (row->framing == FRAMING_SIZE && random_chance(b->random, 1, 10)) {
		bend_framing(b, call);
		return;
	}
	index = (unsigned)random_below(b->random, row->field_count);
	field = &row->fields[index];
	value = prog_value(b->prog, &b->prog->calls[call], index);
	if (field->width == 0 && field->kind != FIELD_SUBJECT)
		return;
	switch (random_below(b->random, 5)) {
	case 0:
		if (field->kind == FIELD_SUBJECT || field->kind == FIELD_RESOURCE) {
			struct value handle =
				some_handle(b, call, (enum resource)field->resource, true);

			if (handle.kind != VALUE_UNSET)
				*value = handle;
			break;
		}
		value->kind = VALUE_NUMBER;
		value->number = boundary(b);
		break;
	case 1:
		if (value->kind == VALUE_NUMBER)
			value->number ^= UINT64_C(1) << random_below(
						 b->random, field->width ? field->width * 8u : 32);
		else if (value->kind == VALUE_HANDLE || value->kind == VALUE_MEM)
			value->number += random_chance(b->random, 1, 2) ? 1 : 2048;
		break;
	case 2: *value = (struct value){.kind = VALUE_UNSET}; break;
	default:
		if (field->kind == FIELD_SUBJECT)
			break;
		*value = value_number(boundary(b));
		break;
	}
	if (value->kind == VALUE_NUMBER)
		value->number = prog_field_number(field, value->number);
	limit_bytes(b, call, index);
}

void builder_callback(struct builder *b, uint32_t access)
{
	uint32_t on = builder_call(b, CALL_ID_on), count = 1 + (uint32_t)random_below(b->random, 3);

	if (on == UINT32_MAX)
		return;
	builder_subject(b, on, access);
	builder_set(b, on, "event", value_number(CALL_ON_UNMAP));
	for (uint32_t i = 0; i < count; i++) {
		static const uint16_t rows[] = {CALL_ID_unpin_all, CALL_ID_unpin_all, CALL_ID_unpin,
			CALL_ID_nothing, CALL_ID_access_replace, CALL_ID_access_pin,
			CALL_ID_access_attach, CALL_ID_access_detach, CALL_ID_access_rw,
			CALL_ID_IOMMU_IOAS_UNMAP, CALL_ID_IOMMU_DESTROY};
		uint32_t call = builder_call(b,
			(enum call_id)
				rows[random_below(b->random, sizeof(rows) / sizeof(rows[0]))]);

		if (call == UINT32_MAX)
			return;
		b->prog->calls[call].body = (uint16_t)(on + 1);
		for (unsigned f = 0; f < prog_row(&b->prog->calls[call])->field_count; f++)
			builder_value(b, call, f);
		if (prog_row(&b->prog->calls[call])->kind == CALL_KERNEL)
			builder_subject(b, call, access);
	}
}

void prog_generate_failure(struct call *call, struct random *random)
{
	uint64_t kind = random_below(random, 16);

	call->fail_point = 0;
	call->fail_nth = 0;
	if (kind < SWEEP_SHARE) {
		call->fail = FAIL_SWEEP;
	} else if (kind & 1) {
		call->fail = FAIL_NTH;
		call->fail_nth = (uint16_t)(1 + random_below(random, 12));
	} else {
		call->fail = FAIL_POINT;
		call->fail_point = (uint8_t)random_below(random, FAULT_POINT_COUNT);
		call->fail_nth = (uint16_t)(1 + random_below(random, 3));
	}
}

static void add_failure(struct prog *prog, struct random *random)
{
	struct call *call = &prog->calls[random_below(random, prog->call_count)];

	if (prog_row(call)->kind == CALL_CONTROL || prog_row(call)->kind == CALL_SYSTEM ||
		call->body)
		return;
	prog_generate_failure(call, random);
}

void prog_generate(struct prog *prog, struct random *random, const struct generate_options *options)
{
	static const struct generate_options defaults;
	struct builder b = {
		.prog = prog, .random = random, .options = options ? options : &defaults};
	uint32_t limit = b.options->call_max ? b.options->call_max : CALLS_DEFAULT, calls;

	prog_clear(prog);
	scene_build(&b.scene, prog, 0);
	if (b.options->threads) {
		builder_threads(&b);
		prog_drop_endless_waits(prog);
		prog_repair(prog);
		return;
	}
	calls = 4 + (uint32_t)random_below(random, limit > 4 ? limit - 3 : 1);
	builder_prelude(&b);
	while (prog->call_count < calls && !b.full)
		builder_idiom(&b);
	if (b.options->failures && prog->call_count && random_chance(random, 1, 5))
		add_failure(prog, random);
	prog_repair(prog);
	if (b.options->live)
		prog_live_mend(prog);
}

uint32_t prog_generate_insert(struct prog *prog, uint32_t at, struct random *random,
	const struct generate_options *options)
{
	struct builder b = {.prog = prog, .random = random, .options = options};
	uint32_t from = prog->call_count;

	if (at > from)
		at = from;
	while (at < from && prog->calls[at].body) /* never into a body */
		at++;
	scene_build(&b.scene, prog, at);
	for (uint32_t i = 0; i < from; i++)
		if (prog->calls[i].row == CALL_ID_process || prog->calls[i].row == CALL_ID_fork)
			b.processes++;
	builder_idiom(&b);
	prog_move_tail(prog, from, at);
	return prog->call_count - from;
}

void prog_generate_value(struct prog *prog, uint32_t call, unsigned field, struct random *random,
	const struct generate_options *options)
{
	struct builder b = {.prog = prog, .random = random, .options = options};

	if (random_chance(random, 1, 2)) {
		scene_build(&b.scene, prog, call);
		builder_value(&b, call, field);
	} else {
		builder_bend(&b, call);
	}
}
