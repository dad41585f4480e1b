/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that a machine did not live through. One that kills it alone is named by the pipeline;
 * here are those that do so together: the fewest are looked for, and all that are left are written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/prog/binary.h"
#include "fuzz/prog/text.h"
#include "tools/diff.h"
#include "tools/tool.h"

#define STARTS_MAX     20u
#define SEARCH_DEATHS  8u /* that a search may cost */
#define SEARCH_SECONDS 60u
#define FOLDERS_MAX    8u /* in one run */
#define SECOND	       UINT64_C(1000000)

bool diff_restart(struct diff *diff)
{
	char reason[400] = "";

	diff_machine_stop(&diff->machine);
	if (agent_interrupted())
		return false;
	if (diff->machine.starts >= STARTS_MAX) {
		tool_error("diff: the machine died %u times; no more", diff->machine_deaths);
		return false;
	}
	if (diff_machine_start(&diff->machine, reason, sizeof(reason)))
		return true;
	tool_error("diff: the machine cannot be started again: %s", reason);
	return false;
}

/* -- the search -- */

struct search {
	struct diff *diff;
	struct diff_sent *list;
	uint32_t count, deaths;
	uint64_t end;
	bool broken; /* no machine any more */
};

/* Whether the machine dies of all that are left but [from, to). */
static bool dies_of(struct search *search, uint32_t from, uint32_t to)
{
	struct diff *diff = search->diff;
	uint8_t *bytes = NULL, *body;
	uint32_t count = 0;
	size_t used = 0, size;

	for (uint32_t i = 0; i < search->count; i++) {
		const struct diff_sent *sent = &search->list[i];

		if (sent->left_out || (i >= from && i < to))
			continue;
		bytes = tool_grow(bytes, used + sent->size + sizeof(sent->size), 1);
		memcpy(bytes + used, &sent->size, sizeof(sent->size));
		memcpy(bytes + used + sizeof(sent->size), sent->bytes, sent->size);
		used += sent->size + sizeof(sent->size);
		count++;
	}
	if (!count)
		return false;
	body = diff_send(diff, AGENT_BATCH, count, bytes, used)
		       ? diff_receive(diff, AGENT_TRACES, &size)
		       : NULL;
	bool died = !body && !agent_interrupted();
	free(body);
	free(bytes);
	if (died) {
		search->deaths++;
		diff->machine_deaths++;
		search->broken = !diff_restart(diff);
	}
	return died;
}

/* Runs of halving length, from the front: what matters is mostly near. */
static void reduce(struct search *search)
{
	for (uint32_t run = (search->count + 1) / 2; run; run = run == 1 ? 0 : (run + 1) / 2)
		for (uint32_t from = 0; from < search->count; from += run) {
			uint32_t to = from + run < search->count ? from + run : search->count;

			if (search->broken || search->deaths >= SEARCH_DEATHS ||
				agent_interrupted() || tool_clock() > search->end)
				return;
			if (dies_of(search, from, to))
				for (uint32_t i = from; i < to; i++)
					search->list[i].left_out = true;
		}
}

/* -- the folder -- */

static bool make_folder(const char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return true;
	tool_error("%s: %s", path, strerror(errno));
	return false;
}

static void write_program(const char *folder, uint32_t number, const struct diff_sent *sent)
{
	struct prog_text text;
	struct prog prog;
	char path[4400], id[16], *printed = NULL;

	snprintf(path, sizeof(path), "%s/%04u.bin", folder, number);
	files_write(path, sent->bytes, sent->size);
	prog_init(&prog);
	prog_text_init(&text);
	prog_decode(&prog, sent->bytes, sent->size);
	if (prog_text_from(&text, &prog)) {
		snprintf(id, sizeof(id), "%04u", number);
		text.header.id = tool_copy(id);
		text.header.description = tool_copy(sent->origin);
		printed = prog_print_string(&text);
	}
	snprintf(path, sizeof(path), "%s/%04u.prog", folder, number);
	if (printed)
		files_write(path, printed, strlen(printed));
	free(printed);
	prog_text_free(&text);
	prog_free(&prog);
}

char *diff_write_together(
	struct diff *diff, const char *key, const struct diff_sent *list, uint32_t count)
{
	char path[4300];
	uint32_t number = 0;

	if (!diff->folder || diff->lost_folders == FOLDERS_MAX || !make_folder(diff->folder))
		return NULL;
	snprintf(path, sizeof(path), "%.4000s/%.160s-together-%u", diff->folder, key,
		++diff->lost_folders);
	if (!make_folder(path))
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		if (!list[i].left_out)
			write_program(path, number++, &list[i]);
	return tool_copy(path);
}

void diff_lost(
	struct diff *diff, struct diff_sent *list, uint32_t count, const char *why, bool look)
{
	struct search search = {.diff = diff,
		.list = list,
		.count = count,
		.end = tool_clock() + SEARCH_SECONDS * SECOND};
	struct diff_found *found;
	char key[80], origin[300];
	uint32_t left = 0;
	bool again = false;

	if (!count)
		return;
	if (look) {
		again = dies_of(&search, 0, 0);
		if (again)
			reduce(&search);
	}
	for (uint32_t i = 0; i < count; i++)
		left += !list[i].left_out;
	snprintf(key, sizeof(key), "program.machine-died.%u.%u", diff->kernel >> 8,
		diff->kernel & 255);
	snprintf(origin, sizeof(origin), "%s; %u programs together%s, first: %.160s", why, left,
		again  ? ", each time"
		: look ? ", once and not again"
		       : "",
		list[0].origin);
	diff_record(diff, key, origin, &found);
	char *path = diff_write_together(diff, key, list, count);
	if (!path)
		return;
	tool_error("diff: %s; the %u programs that ran together are in %s", why, left, path);
	if (found->path)
		free(path);
	else
		found->path = path;
}
