/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel's report that came once: a warning that a kernel gives only once (WARN_ONCE, lockdep) is
 * not lost because the programs that caused it are silent when they run again.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/binary.h"
#include "tools/diff.h"
#include "tools/tool.h"

#define RESTARTS_MAX 4u	 /* of a run, for reports; more of them are written without a search */
#define ONE_BY_ONE   60u /* seconds */

static bool name_it(struct diff *diff, const struct diff_report *report, const struct prog *prog,
	struct difference *difference)
{
	struct diff_answer there = {.head = {.outcome = AGENT_REPORT}};
	struct trace here;

	trace_init(&here);
	memcpy(there.head.reason, report->title, sizeof(there.head.reason));
	return diff_compare(prog, &here, &there, diff->kernel, difference);
}

/* Whether a record explains the report by one of the programs. */
static bool is_explained(struct diff *diff, const struct diff_report *report,
	const struct diff_sent *list, uint32_t count)
{
	struct difference difference;
	bool explained = false;
	struct prog prog;

	prog_init(&prog);
	for (uint32_t i = 0; i < count && !explained; i++) {
		struct trace here;

		prog_decode(&prog, list[i].bytes, list[i].size);
		explained = diff_run_here(diff, &prog, &here) &&
			    name_it(diff, report, &prog, &difference) &&
			    diff_explained(diff, &prog, &here, &difference);
		trace_free(&here);
	}
	prog_free(&prog);
	return explained;
}

static void write_culprit(struct diff *diff, struct diff_found *found, const struct prog *prog,
	const char *origin, const struct diff_answer *there)
{
	struct difference difference;
	struct trace here;
	char *text = NULL;

	if (diff_run_here(diff, prog, &here) &&
		diff_compare(prog, &here, there, diff->kernel, &difference))
		text = diff_print(prog, &here, there, &difference, found->key, origin);
	diff_write(diff, found, "", text);
	found->calls = prog->call_count;
	free(text);
	trace_free(&here);
}

/* One by one on a fresh machine, until one of them brings the report. *lost: the machine is. */
static bool find_culprit(struct diff *diff, struct diff_found *found, const struct diff_sent *list,
	uint32_t count, bool *lost)
{
	uint64_t end = tool_clock() + ONE_BY_ONE * UINT64_C(1000000);
	struct diff_answer there = {0};
	bool reported = false;
	struct prog prog;

	*lost = !diff_restart(diff);
	prog_init(&prog);
	for (uint32_t i = 0; i < count && !*lost && !reported; i++) {
		if (agent_interrupted() || tool_clock() > end)
			break;
		prog_decode(&prog, list[i].bytes, list[i].size);
		*lost = !diff_ask(diff, &prog, NULL, &there);
		reported = !*lost && there.head.outcome == AGENT_REPORT;
		if (reported)
			write_culprit(diff, found, &prog, list[i].origin, &there);
	}
	prog_free(&prog);
	trace_free(&there.trace);
	return reported;
}

/* The programs, and what the kernel said, as a file beside them. */
static void write_all(struct diff *diff, struct diff_found *found, const struct diff_report *report,
	const struct diff_sent *list, uint32_t count)
{
	char *path = diff_write_together(diff, found->key, list, count), file[4400];

	if (!path)
		return;
	snprintf(file, sizeof(file), "%.4300s/kernel-log.txt", path);
	files_write(file, report->text, strlen(report->text));
	tool_error("diff: the kernel said once: %s; the %u programs that ran are in %s",
		report->title, count, path);
	free(found->path);
	found->path = path;
}

bool diff_reported(
	struct diff *diff, const struct diff_report *report, struct diff_sent *list, uint32_t count)
{
	struct difference difference;
	struct diff_found *found;
	char origin[300];
	bool culprit = false, lost = false;
	struct prog prog;

	if (!count || is_explained(diff, report, list, count))
		return true;
	prog_init(&prog);
	prog_decode(&prog, list[0].bytes, list[0].size);
	name_it(diff, report, &prog, &difference);
	prog_free(&prog);
	snprintf(origin, sizeof(origin), "a report that came once in %u programs, first: %.160s",
		count, list[0].origin);
	if (!diff_record(diff, difference.key, origin, &found))
		return true;
	if (diff->report_restarts++ < RESTARTS_MAX)
		culprit = find_culprit(diff, found, list, count, &lost);
	if (!culprit)
		write_all(diff, found, report, list, count);
	return !lost;
}
