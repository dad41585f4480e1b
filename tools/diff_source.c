/* SPDX-License-Identifier: Apache-2.0 */
/* Where `iommuzz diff` takes its programs from. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/prog/live.h"
#include "fuzz/prog/scene.h"
#include "fuzz/prog/text.h"
#include "tools/diff.h"
#include "tools/embedded.h"
#include "tools/standard.h"
#include "tools/tool.h"

#define PAGE UINT64_C(4096)

void diff_tally_add(struct diff_tally *tally, const char *name, uint64_t count)
{
	for (size_t i = 0; i < tally->count; i++)
		if (strcmp(tally->list[i].name, name) == 0) {
			tally->list[i].count += count;
			return;
		}
	tally->list = tool_grow(tally->list, tally->count + 1, sizeof(*tally->list));
	tally->list[tally->count++] = (struct diff_count){.name = tool_copy(name), .count = count};
}

uint64_t diff_tally_sum(const struct diff_tally *tally)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < tally->count; i++)
		sum += tally->list[i].count;
	return sum;
}

void diff_tally_free(struct diff_tally *tally)
{
	for (size_t i = 0; i < tally->count; i++)
		free(tally->list[i].name);
	free(tally->list);
	*tally = (struct diff_tally){0};
}

/* Standard programs differ in where their memory lies, so that comparing them means something. */
static void make_standard(struct prog *prog, uint64_t seed)
{
	struct prog_text text;
	struct parse_error error;
	struct random random;

	prog_text_init(&text);
	prog_clear(prog);
	random_seed(&random, seed);
	if (prog_parse(&text, standard_source, strlen(standard_source), &error) &&
		prog_copy(prog, &text.prog))
		for (uint32_t i = 2; i < 6; i++)
			call_set(prog, i, "user_va", value_mem(PAGE * random_below(&random, 1024)));
	prog_text_free(&text);
}

void diff_generate(const struct diff *diff, uint64_t number, struct prog *prog)
{
	if (diff->standard)
		make_standard(prog, diff->gen.seed + number);
	else
		gen_program(&diff->gen, number, prog);
}

/* Of a tree that is not here, the programs are compiled in. */
static bool load(const char *path, struct prog_text *text)
{
	const struct embedded_file *file = access(path, F_OK) ? embedded_find(path) : NULL;
	struct parse_error error;

	if (!file)
		return files_load_to_run(path, false, text);
	if (prog_parse(text, (const char *)file->bytes, (size_t)(file->end - file->bytes), &error))
		return true;
	tool_error("%s:%u:%u: %s", path, error.line, error.column, error.message);
	return false;
}

static bool next_file(struct diff *diff, struct prog *prog, char *origin, size_t size)
{
	while (diff->next_file < diff->files.count) {
		const char *path = diff->files.paths[diff->next_file++];
		struct prog_text text;
		bool loaded;

		prog_text_init(&text);
		loaded = load(path, &text) && prog_copy(prog, &text.prog);
		uint32_t needs = loaded ? text.header.needs : 0;
		prog_text_free(&text);
		if (!loaded) {
			diff_tally_add(&diff->not_run, "cannot be read", 1);
			diff->unreadable++;
			continue;
		}
		snprintf(origin, size, "%s", path);
		if (needs & PROG_NEEDS_HUGETLB)
			diff_tally_add(
				&diff->not_run, "huge pages, which depend on the machine", 1);
		else
			return true;
	}
	return false;
}

/* Whether the program may be sent; otherwise it is counted under the reason. */
static bool may_run(struct diff *diff, const struct prog *prog)
{
	const char *refused = prog_live_refused(prog);
	struct rule *hazard;

	if (!refused && prog->options.kernel && prog->options.kernel != diff->kernel)
		refused = "made for another kernel";
	if (refused) {
		diff_tally_add(&diff->not_run, refused, 1);
		return false;
	}
	hazard = rules_hazard(&diff->hazards, prog, diff->kernel);
	if (hazard)
		diff_tally_add(&diff->skipped, hazard->name, 1);
	return !hazard;
}

static bool wants_more(const struct diff *diff)
{
	return diff->accepted < diff->programs && diff->barren < DIFF_BARREN_MAX &&
	       (!diff->only || diff->next_number == diff->gen.first);
}

bool diff_next(struct diff *diff, struct prog *prog, char *origin, size_t size, bool *generated)
{
	while (!diff_time_up(diff) && !agent_interrupted()) {
		*generated = !next_file(diff, prog, origin, size);
		if (*generated && !wants_more(diff))
			return false;
		if (*generated) {
			uint64_t number = diff->next_number++;

			diff_generate(diff, number, prog);
			snprintf(origin, size, "--seed %" PRIu64 " --only %" PRIu64 "%s",
				diff->gen.seed, number, diff->standard ? " --standard" : "");
		}
		if (may_run(diff, prog)) {
			diff->accepted += *generated;
			return true;
		}
		diff->barren += *generated;
	}
	return false;
}

void diff_give_back(struct diff *diff)
{
	diff->accepted--;
	diff->barren++;
}
