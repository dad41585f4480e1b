/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences that a program shows behind others and not alone: something of the machine, or of the
 * harness, outlived a program. Which, is found by leaving programs out.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/binary.h"
#include "tools/diff.h"
#include "tools/tool.h"

#define SEARCH_SECONDS 60
#define WRITTEN_MAX    4u /* programs that ran before, as files */

struct search {
	struct diff *diff;
	const struct prog *prog;
	struct trace here;
	struct diff_answer there;
	struct difference difference;
	uint8_t **programs; /* that must run before it: lengths and binary forms */
	size_t *sizes;
	uint32_t count;
	uint64_t end;
	bool lost;
};

static bool differs_behind(struct search *search, uint32_t from, uint32_t to)
{
	struct diff_encoded before = {0};
	struct difference difference;
	uint8_t *bytes = NULL;
	bool differs;

	for (uint32_t i = 0; i < search->count; i++) {
		if (i >= from && i < to)
			continue;
		bytes = tool_grow(bytes, before.size + search->sizes[i], 1);
		memcpy(bytes + before.size, search->programs[i], search->sizes[i]);
		before.size += search->sizes[i];
		before.count++;
	}
	before.bytes = bytes;
	search->lost =
		search->lost || !diff_ask(search->diff, search->prog, &before, &search->there);
	free(bytes);
	differs = !search->lost && diff_compare(search->prog, &search->here, &search->there,
					   search->diff->kernel, &difference);
	if (differs)
		search->difference = difference;
	return differs;
}

static void leave_out(struct search *search, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		free(search->programs[i]);
	memmove(search->programs + from, search->programs + to,
		(search->count - to) * sizeof(*search->programs));
	memmove(search->sizes + from, search->sizes + to,
		(search->count - to) * sizeof(*search->sizes));
	search->count -= to - from;
}

/* Runs of halving length, from the front: what matters is mostly near. */
static void reduce(struct search *search)
{
	for (uint32_t run = (search->count + 1) / 2; run; run = run == 1 ? 0 : (run + 1) / 2)
		for (uint32_t from = 0; from < search->count && !search->lost;) {
			uint32_t to = from + run < search->count ? from + run : search->count;

			if (agent_interrupted() || tool_clock() > search->end)
				return;
			if (differs_behind(search, from, to))
				leave_out(search, from, to);
			else
				from = to;
		}
}

static void split(struct search *search, const struct diff_encoded *before)
{
	size_t at = 0;

	search->programs = tool_grow(NULL, before->count, sizeof(*search->programs));
	search->sizes = tool_grow(NULL, before->count, sizeof(*search->sizes));
	for (; search->count < before->count; search->count++) {
		uint32_t size;

		memcpy(&size, before->bytes + at, sizeof(size));
		size += (uint32_t)sizeof(size);
		search->programs[search->count] = tool_grow(NULL, size, 1);
		memcpy(search->programs[search->count], before->bytes + at, size);
		search->sizes[search->count] = size;
		at += size;
	}
}

/* The programs that ran before, as KEY-before-N.prog. */
static void write_before(struct search *search, struct diff_found *found)
{
	struct prog prog;

	prog_init(&prog);
	for (uint32_t i = 0; i < search->count && i < WRITTEN_MAX; i++) {
		struct prog_text text;
		char suffix[24], id[200], *printed = NULL;

		prog_decode(&prog, search->programs[i] + 4, search->sizes[i] - 4);
		prog_text_init(&text);
		snprintf(suffix, sizeof(suffix), "-before-%u", i + 1);
		snprintf(id, sizeof(id), "%s%s", found->key, suffix);
		if (prog_text_from(&text, &prog)) {
			text.header.id = tool_copy(id);
			printed = prog_print_string(&text);
		}
		diff_write(search->diff, found, suffix, printed);
		free(printed);
		prog_text_free(&text);
	}
	prog_free(&prog);
}

static void write_all(struct search *search, const char *origin, bool again)
{
	char key[sizeof(search->difference.key) + 16], where[4400], *text;
	struct diff_found *found;

	if (again)
		snprintf(key, sizeof(key), "unsteady.%s", search->difference.key);
	else
		snprintf(key, sizeof(key), "unsteady.program.%u.%u", search->diff->kernel >> 8,
			search->diff->kernel & 255);
	if (!diff_record(search->diff, key, origin, &found))
		return;
	if (again)
		snprintf(where, sizeof(where), "%s, run behind %u other programs", origin,
			search->count);
	else
		snprintf(where, sizeof(where), "%s; seen once and never again", origin);
	text = diff_print(search->prog, &search->here, &search->there, &search->difference,
		found->key, where);
	found->calls = search->prog->call_count;
	diff_write(search->diff, found, "", text);
	free(text);
	if (again)
		write_before(search, found);
}

bool diff_unsteady(struct diff *diff, const struct prog *prog, const char *origin,
	const struct diff_encoded *before)
{
	struct search search = {.diff = diff,
		.prog = prog,
		.difference = {.entry = -1},
		.end = tool_clock() + SEARCH_SECONDS * UINT64_C(1000000)};

	if (!diff_run_here(diff, prog, &search.here))
		return true;
	split(&search, before);
	bool again = differs_behind(&search, 0, 0);
	bool explained = again && diff_explained(diff, prog, &search.here, &search.difference);
	if (again && !explained && diff->minimise)
		reduce(&search);
	/* The last answer may be that of a shorter list which showed nothing. */
	if (again && !explained && !search.lost)
		differs_behind(&search, 0, 0);
	if (!explained && !search.lost)
		write_all(&search, origin, again);
	while (search.count)
		free(search.programs[--search.count]);
	free(search.programs);
	free(search.sizes);
	trace_free(&search.here);
	trace_free(&search.there.trace);
	return !search.lost;
}
