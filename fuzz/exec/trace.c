/* SPDX-License-Identifier: Apache-2.0 */
/* What a run showed: recording, comparing, digest. */
#include "fuzz/exec/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include "xxhash.h"

#include "fuzz/exec/names.h"

void trace_init(struct trace *trace)
{
	memset(trace, 0, sizeof(*trace));
}

void trace_clear(struct trace *trace)
{
	trace->entry_count = 0;
	trace->change_count = 0;
	trace->byte_count = 0;
}

void trace_free(struct trace *trace)
{
	free(trace->entries);
	free(trace->changes);
	free(trace->bytes);
	trace_init(trace);
}

/* Room for `more` elements behind `count`; doubling keeps appending cheap. */
static bool grow(void **array, uint32_t *room, uint32_t count, uint64_t more, size_t size)
{
	uint64_t need = (uint64_t)count + more;

	if (need <= *room)
		return true;
	uint64_t wide = *room ? (uint64_t)*room * 2 : 64;
	if (wide < need)
		wide = need;
	if (wide > UINT32_MAX)
		return false;
	void *larger = realloc(*array, (size_t)wide * size);
	if (!larger)
		return false;
	*array = larger;
	*room = (uint32_t)wide;
	return true;
}

struct trace_entry *trace_add(struct trace *trace, enum trace_kind kind)
{
	if (!grow((void **)&trace->entries, &trace->entry_room, trace->entry_count, 1,
		    sizeof(*trace->entries)))
		return NULL;
	struct trace_entry *entry = &trace->entries[trace->entry_count++];
	memset(entry, 0, sizeof(*entry));
	entry->kind = (uint8_t)kind;
	entry->image = trace->byte_count;
	entry->first_change = trace->change_count;
	return entry;
}

static bool add_bytes(struct trace *trace, const void *bytes, uint32_t count)
{
	if (!grow((void **)&trace->bytes, &trace->byte_room, trace->byte_count, count, 1))
		return false;
	if (count)
		memcpy(trace->bytes + trace->byte_count, bytes, count);
	trace->byte_count += count;
	return true;
}

void trace_set_image(
	struct trace *trace, struct trace_entry *entry, const void *image, uint32_t size)
{
	entry->image = trace->byte_count;
	entry->image_size = add_bytes(trace, image, size) ? (uint16_t)size : 0;
}

void trace_add_change(struct trace *trace, uint64_t address, const void *bytes, uint32_t count)
{
	if (!trace->entry_count || !count)
		return;
	if (!grow((void **)&trace->changes, &trace->change_room, trace->change_count, 1,
		    sizeof(*trace->changes)))
		return;
	uint32_t start = trace->byte_count;
	if (!add_bytes(trace, bytes, count))
		return;
	trace->changes[trace->change_count++] =
		(struct trace_change){.address = address, .start = start, .count = count};
	trace->entries[trace->entry_count - 1].change_count++;
}

/* Insertion sort: stable, so that of two changes of one byte the later stays behind; lists are
 * nearly sorted. */
static void sort_changes(struct trace_change *changes, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct trace_change moved = changes[i];
		uint32_t k = i;

		for (; k && changes[k - 1].address > moved.address; k--)
			changes[k] = changes[k - 1];
		changes[k] = moved;
	}
}

static bool sorted_and_apart(const struct trace_change *changes, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (changes[i].address <= changes[i - 1].address + changes[i - 1].count)
			return false;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct trace_change *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/*
 * Puts a cluster of touching changes together as one, its bytes at the end of trace->bytes. The
 * cluster loses its order.
 */
static struct trace_change merge_cluster(
	struct trace *trace, struct trace_change *cluster, uint32_t count)
{
	struct trace_change merged = {.address = cluster[0].address, .start = trace->byte_count};
	uint64_t end = 0;

	for (uint32_t i = 0; i < count; i++)
		if (cluster[i].address + cluster[i].count > end)
			end = cluster[i].address + cluster[i].count;
	merged.count = (uint32_t)(end - merged.address);
	if (!grow((void **)&trace->bytes, &trace->byte_room, trace->byte_count, merged.count, 1))
		return cluster[0];
	trace->byte_count += merged.count;
	/* In the order in which they were added (start rises with it), so that the last writer
	 * wins. */
	qsort(cluster, count, sizeof(*cluster), by_start);
	for (uint32_t i = 0; i < count; i++)
		memcpy(trace->bytes + merged.start + (cluster[i].address - merged.address),
			trace->bytes + cluster[i].start, cluster[i].count);
	return merged;
}

void trace_finish_entry(struct trace *trace)
{
	if (!trace->entry_count)
		return;
	struct trace_entry *entry = &trace->entries[trace->entry_count - 1];

	if (entry->change_count < 2)
		return;
	struct trace_change *changes = trace->changes + entry->first_change;
	if (sorted_and_apart(changes, entry->change_count))
		return;
	sort_changes(changes, entry->change_count);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < entry->change_count;) {
		uint64_t end = changes[i].address + changes[i].count;
		uint32_t k = i + 1;

		for (; k < entry->change_count && changes[k].address <= end; k++)
			if (changes[k].address + changes[k].count > end)
				end = changes[k].address + changes[k].count;
		changes[kept++] =
			k == i + 1 ? changes[i] : merge_cluster(trace, changes + i, k - i);
		i = k;
	}
	entry->change_count = kept;
	trace->change_count = entry->first_change + kept;
}

static bool change_equal(const struct trace *a, const struct trace_change *p, const struct trace *b,
	const struct trace_change *q)
{
	return p->address == q->address && p->count == q->count &&
	       memcmp(a->bytes + p->start, b->bytes + q->start, p->count) == 0;
}

static bool changes_equal(const struct trace *a, const struct trace_entry *x, const struct trace *b,
	const struct trace_entry *y)
{
	if (x->change_count != y->change_count)
		return false;
	for (uint32_t i = 0; i < x->change_count; i++)
		if (!change_equal(a, &a->changes[x->first_change + i], b,
			    &b->changes[y->first_change + i]))
			return false;
	return true;
}

static bool images_equal(const uint8_t *a, const uint8_t *b, const struct trace_entry *entry)
{
	uint32_t own = entry->own_first, behind = own + entry->own_count;

	if (!entry->own_count || behind > entry->image_size)
		return memcmp(a, b, entry->image_size) == 0;
	return memcmp(a, b, own) == 0 &&
	       memcmp(a + behind, b + behind, entry->image_size - behind) == 0;
}

static bool results_equal(const struct trace *a, const struct trace_entry *x, const struct trace *b,
	const struct trace_entry *y)
{
	if (x->kind != y->kind || x->depth != y->depth || x->thread != y->thread ||
		x->call != y->call || x->result != y->result || x->image_size != y->image_size)
		return false;
	return !x->image_size || images_equal(a->bytes + x->image, b->bytes + y->image, x);
}

static bool entries_equal(const struct trace *a, const struct trace_entry *x, const struct trace *b,
	const struct trace_entry *y)
{
	return results_equal(a, x, b, y) && changes_equal(a, x, b, y);
}

int64_t trace_compare(const struct trace *a, const struct trace *b, uint32_t from)
{
	uint32_t most = a->entry_count > b->entry_count ? a->entry_count : b->entry_count;

	for (uint32_t i = from; i < most; i++)
		if (i >= a->entry_count || i >= b->entry_count ||
			!entries_equal(a, &a->entries[i], b, &b->entries[i]))
			return i;
	return -1;
}

/* Out of line: with lengths known, compilers warn of the header's pointer arithmetic. */
__attribute__((noinline)) static void hash_bytes(
	XXH64_state_t *state, const uint8_t *bytes, size_t count)
{
	XXH64_update(state, bytes, count);
}

static void hash_number(XXH64_state_t *state, uint64_t number)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
	hash_bytes(state, bytes, sizeof(bytes));
}

static void hash_entry(
	XXH64_state_t *state, const struct trace *trace, const struct trace_entry *entry)
{
	hash_number(state, entry->kind | (uint64_t)entry->depth << 8 |
				   (uint64_t)entry->thread << 16 | (uint64_t)entry->injected << 24 |
				   (uint64_t)entry->call << 32 | (uint64_t)entry->image_size << 48);
	hash_number(state, (uint64_t)entry->result);
	if (entry->image_size)
		hash_bytes(state, trace->bytes + entry->image, entry->image_size);
	hash_number(state, entry->change_count);
	for (uint32_t k = 0; k < entry->change_count; k++) {
		const struct trace_change *change = &trace->changes[entry->first_change + k];

		hash_number(state, change->address);
		hash_number(state, change->count);
		hash_bytes(state, trace->bytes + change->start, change->count);
	}
}

uint64_t trace_digest(const struct trace *trace)
{
	XXH64_state_t state;

	XXH64_reset(&state, 0);
	for (uint32_t i = 0; i < trace->entry_count; i++)
		hash_entry(&state, trace, &trace->entries[i]);
	return XXH64_digest(&state);
}

uint64_t trace_thread_digest(const struct trace *trace)
{
	XXH64_state_t state;

	XXH64_reset(&state, 0);
	for (unsigned thread = 0; thread < TRACE_THREADS; thread++)
		for (uint32_t i = 0; i < trace->entry_count; i++)
			if (trace->entries[i].thread == thread)
				hash_entry(&state, trace, &trace->entries[i]);
	return XXH64_digest(&state);
}

bool trace_entries_equal(const struct trace *a, uint32_t x, const struct trace *b, uint32_t y)
{
	return entries_equal(a, &a->entries[x], b, &b->entries[y]);
}

bool trace_results_equal(const struct trace *a, uint32_t x, const struct trace *b, uint32_t y)
{
	return results_equal(a, &a->entries[x], b, &b->entries[y]);
}

static void explain_result(
	const struct trace_entry *expected, const struct trace_entry *got, FILE *out)
{
	char want[24], have[24];

	fprintf(out, "result: expected %s, got %s\n",
		result_text(want, sizeof(want), expected->result),
		result_text(have, sizeof(have), got->result));
}

static void explain_image(const struct trace *a, const struct trace_entry *x, const struct trace *b,
	const struct trace_entry *y, const struct call_row *row, FILE *out)
{
	if (x->image_size != y->image_size) {
		fprintf(out, "struct: expected %u bytes, got %u\n", x->image_size, y->image_size);
		return;
	}
	const uint8_t *want = a->bytes + x->image, *have = b->bytes + y->image;

	for (unsigned f = 0; row && x->kind == TRACE_CALL && f < row->field_count; f++) {
		const struct field *field = &row->fields[f];

		if (!field->width || field->offset + field->width > x->image_size)
			continue;
		if (memcmp(want + field->offset, have + field->offset, field->width) != 0) {
			fprintf(out, "%s: expected 0x%" PRIx64 ", got 0x%" PRIx64 "\n", field->name,
				field_get(field, want), field_get(field, have));
			return;
		}
	}
	for (unsigned i = 0; i < x->image_size; i++)
		if (want[i] != have[i]) {
			fprintf(out, "%s byte %u: expected 0x%02x, got 0x%02x\n",
				x->kind == TRACE_CALLBACK ? "range" : "struct", i, want[i],
				have[i]);
			return;
		}
}

static void explain_change(
	const struct trace *trace, const struct trace_entry *entry, uint32_t index, FILE *out)
{
	if (index >= entry->change_count) {
		fputs("no change", out);
		return;
	}
	const struct trace_change *change = &trace->changes[entry->first_change + index];
	char place[40];

	fprintf(out, "%u bytes at %s =", change->count,
		address_text(place, sizeof(place), change->address));
	for (uint32_t i = 0; i < change->count && i < 16; i++)
		fprintf(out, " %02x", trace->bytes[change->start + i]);
	if (change->count > 16)
		fputs(" ...", out);
}

static void explain_changes(const struct trace *a, const struct trace_entry *x,
	const struct trace *b, const struct trace_entry *y, FILE *out)
{
	uint32_t most = x->change_count > y->change_count ? x->change_count : y->change_count;

	for (uint32_t i = 0; i < most; i++) {
		if (i < x->change_count && i < y->change_count &&
			change_equal(a, &a->changes[x->first_change + i], b,
				&b->changes[y->first_change + i]))
			continue;
		fputs("user memory: expected ", out);
		explain_change(a, x, i, out);
		fputs(", got ", out);
		explain_change(b, y, i, out);
		fputc('\n', out);
		return;
	}
}

static void explain_missing(const struct trace_entry *entry, const char *what, FILE *out)
{
	fprintf(out, "%s: %s call %u\n", what,
		entry->kind == TRACE_CALLBACK ? "a callback of" : "the return of",
		entry->call + 1u);
}

void trace_explain(const struct trace *expected, const struct trace *got, int64_t entry,
	const struct call_row *row, FILE *out)
{
	if (entry < 0)
		return;
	uint32_t i = (uint32_t)entry;
	if (i >= expected->entry_count) {
		if (i < got->entry_count)
			explain_missing(&got->entries[i], "not expected", out);
		return;
	}
	const struct trace_entry *x = &expected->entries[i];
	if (i >= got->entry_count) {
		explain_missing(x, "expected but missing", out);
		return;
	}
	const struct trace_entry *y = &got->entries[i];
	if (x->kind != y->kind || x->depth != y->depth || x->call != y->call) {
		fprintf(out, "order: expected %s call %u, got %s call %u\n",
			x->kind == TRACE_CALLBACK ? "a callback of" : "the return of", x->call + 1u,
			y->kind == TRACE_CALLBACK ? "a callback of" : "the return of",
			y->call + 1u);
		return;
	}
	fprintf(out, "call %u %s: ", x->call + 1u,
		x->kind == TRACE_CALLBACK ? "callback"
		: row			  ? row->name
					  : "");
	if (x->result != y->result)
		explain_result(x, y, out);
	else if (x->image_size != y->image_size ||
		 (x->image_size &&
			 memcmp(expected->bytes + x->image, got->bytes + y->image, x->image_size)))
		explain_image(expected, x, got, y, row, out);
	else
		explain_changes(expected, x, got, y, out);
}
