/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: changes are sorted, maximal and disjoint; comparing, explaining and digests agree. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/names.h"
#include "fuzz/exec/trace.h"
#include "fuzz/prog/prog.h"
#include "tests/tap.h"

static struct trace_entry *add_call(struct trace *trace, uint16_t call, int64_t result)
{
	struct trace_entry *entry = trace_add(trace, TRACE_CALL);

	entry->call = call;
	entry->result = result;
	return entry;
}

static bool change_is(const struct trace *trace, uint32_t index, uint64_t address, const char *text)
{
	const struct trace_change *change = &trace->changes[trace->entries[0].first_change + index];

	return index < trace->entries[0].change_count && change->address == address &&
	       change->count == strlen(text) &&
	       memcmp(trace->bytes + change->start, text, change->count) == 0;
}

static void test_changes(void)
{
	struct trace trace;

	trace_init(&trace);
	add_call(&trace, 0, 0);
	trace_add_change(&trace, 100, "later", 5);
	trace_add_change(&trace, 50, "first", 5);
	trace_finish_entry(&trace);
	tap_ok(trace.entries[0].change_count == 2 && change_is(&trace, 0, 50, "first") &&
			change_is(&trace, 1, 100, "later"),
		"changes are sorted by address");

	trace_clear(&trace);
	add_call(&trace, 0, 0);
	trace_add_change(&trace, 104, "ef", 2);
	trace_add_change(&trace, 100, "abcd", 4);
	trace_finish_entry(&trace);
	tap_ok(trace.entries[0].change_count == 1 && change_is(&trace, 0, 100, "abcdef"),
		"changes that touch become one");

	trace_clear(&trace);
	add_call(&trace, 0, 0);
	trace_add_change(&trace, 102, "XXXX", 4);
	trace_add_change(&trace, 100, "abcd", 4);
	trace_add_change(&trace, 101, "z", 1);
	trace_finish_entry(&trace);
	tap_ok(trace.entries[0].change_count == 1 && change_is(&trace, 0, 100, "azcdXX"),
		"of changes that overlap the later one counts");

	trace_clear(&trace);
	trace_add_change(&trace, 1, "x", 1);
	trace_finish_entry(&trace);
	tap_ok(!trace.entry_count && !trace.change_count, "a change without an entry is ignored");
	trace_free(&trace);
}

/* A cheap generator: the test needs variety, not quality. */
static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static bool random_changes_hold(uint32_t seed)
{
	uint8_t memory[256], known[256] = {0}, shown[256] = {0}, value[256];
	struct trace trace;
	uint64_t end = 0;
	bool holds = true;

	trace_init(&trace);
	add_call(&trace, 0, 0);
	for (unsigned i = 0, n = next(&seed) % 30; i < n; i++) {
		uint32_t at = next(&seed) % 200, count = 1 + next(&seed) % 40;
		uint8_t bytes[64];

		for (uint32_t b = 0; b < count; b++) {
			bytes[b] = (uint8_t)next(&seed);
			memory[at + b] = bytes[b];
			known[at + b] = 1;
		}
		trace_add_change(&trace, at, bytes, count);
	}
	trace_finish_entry(&trace);
	for (uint32_t c = 0; c < trace.entries[0].change_count; c++) {
		const struct trace_change *change = &trace.changes[c];

		holds = holds && (!c || change->address > end);
		end = change->address + change->count;
		for (uint32_t b = 0; b < change->count; b++) {
			shown[change->address + b] = 1;
			value[change->address + b] = trace.bytes[change->start + b];
		}
	}
	for (unsigned i = 0; i < 256; i++)
		holds = holds && known[i] == shown[i] && (!known[i] || value[i] == memory[i]);
	trace_free(&trace);
	return holds;
}

static void test_compare(void)
{
	struct trace a, b;
	uint8_t image[8] = {8, 0, 0, 0, 1, 2, 3, 4};

	trace_init(&a);
	trace_init(&b);
	for (uint16_t i = 0; i < 3; i++) {
		trace_set_image(&a, add_call(&a, i, 0), image, sizeof(image));
		trace_set_image(&b, add_call(&b, i, 0), image, sizeof(image));
	}
	tap_ok(trace_compare(&a, &b, 0) == -1 && trace_digest(&a) == trace_digest(&b),
		"equal traces are equal");
	b.entries[1].result = -22;
	tap_ok(trace_compare(&a, &b, 0) == 1 && trace_compare(&a, &b, 2) == -1,
		"the first difference at or after a place is found");
	tap_ok(trace_digest(&a) != trace_digest(&b), "a result is in the digest");
	b.entries[1].result = 0;
	b.bytes[b.entries[2].image + 5] = 9;
	tap_ok(trace_compare(&a, &b, 0) == 2 && trace_digest(&a) != trace_digest(&b),
		"an image is in both");
	b.bytes[b.entries[2].image + 5] = 2;
	trace_add_change(&b, 77, "x", 1);
	trace_finish_entry(&b);
	tap_ok(trace_compare(&a, &b, 0) == 2 && trace_digest(&a) != trace_digest(&b),
		"a change is in both");
	add_call(&a, 3, 0);
	tap_ok(trace_compare(&a, &b, 3) == 3, "a missing entry is a difference");
	trace_free(&a);
	trace_free(&b);
}

static bool explains(
	const struct trace *expected, const struct trace *got, int64_t entry, const char *part)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	trace_explain(expected, got, entry, &call_rows[CALL_ID_IOMMU_IOAS_MAP], out);
	fclose(out);
	bool found = strstr(text, part) != NULL;
	if (!found)
		printf("# '%s' is not in: %s", part, text);
	free(text);
	return found;
}

static void test_explain(void)
{
	struct trace a, b;
	uint8_t image[40] = {40}, other[40] = {40};

	trace_init(&a);
	trace_init(&b);
	other[32] = 0x10; /* iova */
	trace_set_image(&a, add_call(&a, 0, -17), image, sizeof(image));
	trace_set_image(&b, add_call(&b, 0, 0), image, sizeof(image));
	tap_ok(explains(&a, &b, 0, "call 1 IOMMU_IOAS_MAP: result: expected EEXIST, got 0"),
		"a result is explained");
	a.entries[0].result = 0;
	memcpy(b.bytes + b.entries[0].image, other, sizeof(other));
	tap_ok(explains(&a, &b, 0, "iova: expected 0x0, got 0x10"),
		"a field is explained by its name");
	memcpy(b.bytes + b.entries[0].image, image, sizeof(image));
	trace_add_change(&b, PROG_MEM_BASE + 4096, "\x01\x02", 2);
	tap_ok(explains(&a, &b, 0,
		       "user memory: expected no change, got 2 bytes at mem+0x1000 = 01 02"),
		"a change of memory is explained");
	add_call(&a, 1, 0);
	tap_ok(explains(&a, &b, 1, "expected but missing"), "a missing entry is explained");
	trace_free(&a);
	trace_free(&b);
}

int main(void)
{
	char text[32];
	uint32_t failed = 0;

	tap_begin();
	test_changes();
	for (uint32_t seed = 0; seed < 2000; seed++)
		failed += !random_changes_hold(seed);
	tap_ok(!failed, "2000 random lists of changes: maximal, disjoint, the last writer wins");
	test_compare();
	test_explain();
	tap_ok(strcmp(result_text(text, sizeof(text), -16), "EBUSY") == 0 &&
			strcmp(result_text(text, sizeof(text), 7), "7") == 0 &&
			strcmp(result_text(text, sizeof(text), -4095), "-4095") == 0,
		"results are numbers or names");
	return tap_end();
}
