/* SPDX-License-Identifier: Apache-2.0 */
/* Results as JSON: what ran where, each test, and what could not be shown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/report.h"
#include "tools/tool.h"

const char *const test_status_names[] = {
	"pass", "fail", "skip", "known-fail", "known-pass", "broken", NULL};

/* What was skipped for one reason, and which requirement no test has shown. */
struct tally_row {
	char *text;
	uint32_t skipped, run;
};

struct tally {
	struct tally_row *rows;
	size_t count;
};

struct report_skips {
	struct tally reasons, requirements;
};

static struct tally_row *tally_find(struct tally *tally, const char *text)
{
	for (size_t i = 0; i < tally->count; i++)
		if (strcmp(tally->rows[i].text, text) == 0)
			return &tally->rows[i];
	if ((tally->count & (tally->count - 1)) == 0)
		tally->rows = tool_grow(
			tally->rows, tally->count ? tally->count * 2 : 1, sizeof(*tally->rows));
	tally->rows[tally->count] = (struct tally_row){.text = tool_copy(text)};
	return &tally->rows[tally->count++];
}

static void tally_free(struct tally *tally)
{
	for (size_t i = 0; i < tally->count; i++)
		free(tally->rows[i].text);
	free(tally->rows);
}

static void count_skips(
	struct report *report, const struct test *test, const struct test_result *result)
{
	const struct prog_header *header = &test->text.header;
	bool skipped = result->status == TEST_SKIP;

	if (skipped)
		tally_find(&report->skips->reasons, result->reason)->skipped++;
	for (uint32_t i = 0; i < header->requirement_count; i++) {
		struct tally_row *row =
			tally_find(&report->skips->requirements, header->requirements[i]);

		row->skipped += skipped;
		row->run += !skipped;
	}
}

static void string_member(FILE *out, const char *key, const char *text)
{
	fprintf(out, "\"%s\": ", key);
	tool_json_string(text, out);
}

static void json_member(FILE *out, const char *key, const char *text)
{
	if (!*text)
		return;
	fputs(", ", out);
	string_member(out, key, text);
}

static void print_machine(const struct report_run *run, FILE *out)
{
	const struct live_probe *probe = run->probe;

	if (!probe) {
		fputs("null", out);
		return;
	}
	fputc('{', out);
	string_member(out, "release", probe->release);
	json_member(out, "version", probe->version);
	fprintf(out, ", \"config\": ");
	if (*probe->config_digest)
		tool_json_string(probe->config_digest, out);
	else
		fputs("null", out);
	fputs(", \"kernel_log\": ", out);
	tool_json_string(run->no_log ? run->no_log : "read", out);
	fputs(", \"devices\": [", out);
	for (unsigned i = 0; i < run->device_count; i++) {
		fputs(i ? ", " : "", out);
		tool_json_string(run->devices[i], out);
	}
	fputs("]}", out);
}

void report_json_begin(struct report *report)
{
	static const struct report_run none;
	const struct report_run *run = report->run ? report->run : &none;
	FILE *out = report->json;
	char start[40] = "";
	time_t seconds = run->start;
	struct tm utc;

	if (gmtime_r(&seconds, &utc))
		strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%SZ", &utc);
	report->skips = tool_grow(NULL, 1, sizeof(*report->skips));
	memset(report->skips, 0, sizeof(*report->skips));
	fprintf(out, "{\n  \"target\": \"%s\",\n  \"kernel\": \"%u.%u\",\n", report->target,
		report->kernel >> 8, report->kernel & 255);
	fputs("  \"iommuzz\": {", out);
	string_member(out, "version", tool_version);
	json_member(out, "commit", tool_commit);
	fprintf(out, "},\n  \"suite\": \"%016" PRIx64 "\",\n  \"seed\": %" PRIu64 ",\n  ",
		run->suite_digest, run->seed);
	string_member(out, "start", start);
	fputs(",\n  \"machine\": ", out);
	print_machine(run, out);
	fputs(",\n  \"tests\": [", out);
}

void report_json_test(struct report *report, const struct test *test,
	const struct test_result *result, const char *log)
{
	FILE *out = report->json;
	char spec[400];

	count_skips(report, test, result);
	suite_requirements(test, spec, sizeof(spec));
	fprintf(out, "%s\n    {\"id\": ", report->number == 1 ? "" : ",");
	tool_json_string(test->id, out);
	fprintf(out, ", \"status\": \"%s\", \"microseconds\": %u",
		test_status_names[result->status], result->microseconds);
	json_member(out, "reason", result->reason);
	json_member(out, "message", result->message);
	if (result->oracle)
		json_member(out, "oracle", oracle_name(result->oracle));
	json_member(out, "rule", result->rule);
	json_member(out, "expected", result->expected);
	json_member(out, "got", result->got);
	json_member(out, "call", result->call);
	json_member(out, "file", test->path ? test->path : "");
	if (result->line)
		fprintf(out, ", \"line\": %u", result->line);
	if (result->schedules)
		fprintf(out,
			", \"schedules\": %" PRIu64 ", \"left_out\": %" PRIu64 ", \"outcomes\": %u",
			result->schedules, result->left_out, result->outcomes);
	json_member(out, "schedule", result->schedule);
	json_member(out, "spec", spec);
	json_member(out, "kernel_log", log);
	fputc('}', out);
}

static int by_count(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	if (x->skipped != y->skipped)
		return x->skipped > y->skipped ? -1 : 1;
	return strcmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	return strcmp(x->text, y->text);
}

static void tally_sort(struct tally *tally, int (*order)(const void *, const void *))
{
	if (tally->count)
		qsort(tally->rows, tally->count, sizeof(*tally->rows), order);
}

static void print_skips(struct report_skips *skips, FILE *out)
{
	const char *between = "\n    ";

	tally_sort(&skips->reasons, by_count);
	fputs("  \"not_shown\": {\n  \"skips\": [", out);
	for (size_t i = 0; i < skips->reasons.count; i++) {
		fprintf(out, "%s{\"count\": %u, \"reason\": ", between,
			skips->reasons.rows[i].skipped);
		tool_json_string(skips->reasons.rows[i].text, out);
		fputc('}', out);
		between = ",\n    ";
	}
	fputs("\n  ],\n  \"requirements\": [", out);
	tally_sort(&skips->requirements, by_text);
	between = "";
	for (size_t i = 0; i < skips->requirements.count; i++) {
		if (skips->requirements.rows[i].run)
			continue;
		fputs(between, out);
		tool_json_string(skips->requirements.rows[i].text, out);
		between = ", ";
	}
	fputs("]},\n", out);
}

void report_json_end(struct report *report, bool interrupted)
{
	const uint32_t *counts = report->counts;
	FILE *out = report->json;

	fputs("\n  ],\n", out);
	print_skips(report->skips, out);
	fprintf(out,
		"  \"pass\": %u, \"fail\": %u, \"skip\": %u, \"known_fail\": %u, "
		"\"known_pass\": %u, \"broken\": %u, \"interrupted\": %s\n}\n",
		counts[TEST_PASS], counts[TEST_FAIL], counts[TEST_SKIP], counts[TEST_KNOWN_FAIL],
		counts[TEST_KNOWN_PASS], counts[TEST_BROKEN], interrupted ? "true" : "false");
	tally_free(&report->skips->reasons);
	tally_free(&report->skips->requirements);
	free(report->skips);
	report->skips = NULL;
}
