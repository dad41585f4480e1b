/* SPDX-License-Identifier: Apache-2.0 */
/* What `iommuzz diff` says: while it runs, at the end, and as JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/diff.h"
#include "tools/tool.h"

#define TERMINAL_PERIOD 500000u /* microseconds between two lines of progress */
#define LOG_PERIOD	10000000u
#define EXPLAINED_LIMIT 1000u	/* explained differences: fewer than one program in that many */
#define ERRNOS_FROM	1000u	/* programs from which the table of errnos says something */
#define EXPLAINED_FROM	10000u	/* programs from which that is judged */
#define STALE_FROM	100000u /* programs after which an explanation should have come up */

static double rate_of(const struct diff *diff)
{
	return diff->busy ? (double)diff->compared * 1e6 / (double)diff->busy : 0;
}

void diff_progress(const struct diff *diff, bool last)
{
	static uint64_t told;
	uint64_t now = tool_clock(), all = diff->files.count + diff->programs, left = 0;
	bool terminal = isatty(STDERR_FILENO);
	double rate = rate_of(diff);

	if (diff->quiet)
		return;
	if (last) {
		if (terminal && told)
			fputs("\r\033[K", stderr);
		return;
	}
	if (!told)
		told = now;
	if (now - told < (terminal ? TERMINAL_PERIOD : LOG_PERIOD))
		return;
	told = now;
	if (diff->seconds)
		left = diff->seconds - (now - diff->started) / 1000000;
	else if (rate > 0 && all > diff->compared)
		left = (uint64_t)((double)(all - diff->compared) / rate);
	fprintf(stderr, "%s%" PRIu64 " programs compared, %.0f a second, %zu kinds of difference",
		terminal ? "\r\033[K" : "diff: ", diff->compared, rate, diff->found_count);
	if (left < UINT64_C(1) << 32)
		fprintf(stderr, ", about %" PRIu64 " s left", left);
	if (!terminal)
		fputc('\n', stderr);
	fflush(stderr);
}

static void print_tally(const char *title, const struct diff_tally *tally)
{
	if (!tally->count)
		return;
	printf("%s: %" PRIu64 "\n", title, diff_tally_sum(tally));
	for (size_t i = 0; i < tally->count; i++)
		printf("  %10" PRIu64 "  %s\n", tally->list[i].count, tally->list[i].name);
}

static void print_found(const struct diff *diff)
{
	if (!diff->found_count)
		return;
	printf("differences: %zu kinds\n", diff->found_count);
	for (size_t i = 0; i < diff->found_count; i++) {
		const struct diff_found *found = &diff->found[i];

		printf("  %10" PRIu64 "  %s\n", found->count, found->key);
		if (found->path && found->calls)
			printf("              %s (%u calls)\n", found->path, found->calls);
		else if (found->path)
			printf("              %s\n", found->path);
		if (*found->origin)
			printf("              first: %s\n", found->origin);
	}
}

/* Explanations that explain nothing any more should go. */
static void tell_stale(const struct diff *diff)
{
	if (diff->compared < STALE_FROM)
		return;
	for (size_t i = 0; i < diff->differences.count; i++) {
		const struct rule *rule = &diff->differences.list[i];

		if (!rule->seen && diff->kernel >= rule->first && diff->kernel <= rule->last)
			printf("stale: the explained difference '%s' did not occur\n", rule->name);
	}
}

/* What was asked for and not compared. */
static void tell_incomplete(const struct diff *diff)
{
	if (diff->unanswered)
		printf("not compared: %" PRIu64 " programs that had no answer when the time was "
		       "over\n",
			diff->unanswered);
	if (diff->barren >= DIFF_BARREN_MAX)
		printf("given up: %" PRIu64 " generated programs in a row could not be compared\n",
			diff->barren);
	if (diff->unreadable)
		printf("incomplete: %u files cannot be read\n", diff->unreadable);
}

static void json_tally(const char *name, const struct diff_tally *tally, FILE *out)
{
	fprintf(out, "  \"%s\": {", name);
	for (size_t i = 0; i < tally->count; i++) {
		fputs(i ? ", " : "", out);
		tool_json_string(tally->list[i].name, out);
		fprintf(out, ": %" PRIu64, tally->list[i].count);
	}
	fputs("},\n", out);
}

static void json_text(const char *name, const char *text, FILE *out)
{
	fprintf(out, "  \"%s\": ", name);
	tool_json_string(text, out);
	fputs(",\n", out);
}

static void json_found(const struct diff *diff, FILE *out)
{
	fputs("  \"differences\": [", out);
	for (size_t i = 0; i < diff->found_count; i++) {
		const struct diff_found *found = &diff->found[i];

		fprintf(out, "%s\n    {\"key\": ", i ? "," : "");
		tool_json_string(found->key, out);
		fprintf(out, ", \"count\": %" PRIu64 ", \"calls\": %u, \"first\": ", found->count,
			found->calls);
		tool_json_string(found->origin, out);
		fputs(", \"file\": ", out);
		tool_json_string(found->path ? found->path : "", out);
		fputs("}", out);
	}
	fputs("],\n", out);
}

static bool write_json(const struct diff *diff, bool interrupted)
{
	const struct live_probe *probe = &diff->machine.hello.probe;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return false;
	fputs("{\n", out);
	json_text("commit", tool_commit, out);
	json_text(
		"release", diff->machine.target == &target_inproc ? "inproc" : probe->release, out);
	json_text("config_digest", probe->config_digest, out);
	fprintf(out, "  \"kernel\": \"%u.%u\",\n  \"suite_digest\": \"%016" PRIx64 "\",\n",
		diff->kernel >> 8, diff->kernel & 255, diff->machine.hello.suite_digest);
	fprintf(out,
		"  \"seed\": %" PRIu64 ",\n  \"interrupted\": %s,\n  \"compared\": %" PRIu64
		",\n  \"from_files\": %" PRIu64 ",\n  \"rate\": %.0f,\n  \"machine_deaths\": %u,\n"
		"  \"explained\": %" PRIu64 ",\n",
		diff->gen.seed, interrupted ? "true" : "false", diff->compared, diff->from_files,
		rate_of(diff), diff->machine_deaths, diff->explained);
	json_tally("explanations", &diff->explanations, out);
	json_tally("skipped", &diff->skipped, out);
	json_tally("not_run", &diff->not_run, out);
	json_found(diff, out);
	fputs("  \"errnos\": ", out);
	diff_errnos_json(&diff->errnos, out);
	fputs("\n}\n", out);
	bool done = fclose(out) == 0 && files_write(diff->json, text, size);
	free(text);
	return done;
}

int diff_summary(struct diff *diff, bool interrupted)
{
	bool inproc = diff->machine.target == &target_inproc;
	bool covered = false;
	uint32_t few = 0;

	diff_progress(diff, true);
	printf("compared: %" PRIu64 " programs (%" PRIu64 " from files) with %s%s, profile %u.%u, "
	       "seed %" PRIu64 "\n",
		diff->compared, diff->from_files, inproc ? "the implementation" : "Linux ",
		inproc ? "" : diff->machine.hello.probe.release, diff->kernel >> 8,
		diff->kernel & 255, diff->gen.seed);
	printf("rate: %.0f %s programs a second\n", rate_of(diff),
		diff->standard ? "standard" : "honest");
	print_tally("not run", &diff->not_run);
	print_tally("skipped by hazard", &diff->skipped);
	print_tally("explained", &diff->explanations);
	print_found(diff);
	if (diff->machine_deaths)
		printf("the machine died %u times\n", diff->machine_deaths);
	tell_stale(diff);
	tell_incomplete(diff);
	if (diff->compared >= EXPLAINED_FROM &&
		diff->explained * EXPLAINED_LIMIT >= diff->compared) {
		printf("explained differences cover too much: %" PRIu64 " of %" PRIu64
		       " programs, 0.1 %% is the limit\n",
			diff->explained, diff->compared);
		covered = true;
	}
	if (diff->errnos.count && !diff->standard && (diff->least || diff->compared >= ERRNOS_FROM))
		few = diff_errnos_print(&diff->errnos, diff->least, stdout);
	if (few)
		printf("%u errnos were reached less than %" PRIu64 " times\n", few, diff->least);
	bool written = !diff->json || write_json(diff, interrupted);
	if (interrupted)
		return TOOL_INTERRUPTED;
	if (!written)
		return TOOL_BROKEN;
	if (!diff->compared && !diff->found_count) {
		tool_error("diff: no program was compared");
		return TOOL_BROKEN;
	}
	if (diff->found_count || covered || few)
		return TOOL_FAILED;
	return diff->unreadable || diff->barren >= DIFF_BARREN_MAX ? TOOL_BROKEN : TOOL_OK;
}
