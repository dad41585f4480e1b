/* SPDX-License-Identifier: Apache-2.0 */
/* Prints test results in the forms that other tools read. */
#include "tools/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

const char *const report_format_names[] = {"tap", "tap14", "ktap", "junit", NULL};

bool report_set_format(const char *name, enum report_format *format)
{
	for (unsigned i = 0; report_format_names[i]; i++)
		if (strcmp(report_format_names[i], name) == 0) {
			*format = (enum report_format)i;
			return true;
		}
	tool_error_near(name, report_format_names,
		"--format: expected tap, tap14, ktap or junit, found '%s'", name);
	return false;
}

/* -- pieces -- */

/* One line of TAP's description or directive: '#' and '\' have a meaning there, a line break would
 * end it. */
static void print_tap_text(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
}

static void print_yaml(const char *indent, const char *key, const char *text, FILE *out)
{
	if (!*text)
		return;
	fprintf(out, "%s%s: '", indent, key);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
	fputs("'\n", out);
}

/* The kernel's words, line by line as diagnostics. */
static void print_log(const char *log, FILE *out)
{
	while (*log) {
		size_t length = strcspn(log, "\n");

		fprintf(out, "# kernel: %.*s\n", (int)length, log);
		log += length + (log[length] == '\n');
	}
}

static const char *severity(const struct test_result *result)
{
	switch (result->status) {
	case TEST_BROKEN: return "broken";
	case TEST_KNOWN_FAIL: return "todo";
	case TEST_KNOWN_PASS: return "unexpected pass";
	default: return "fail";
	}
}

static void print_details(const struct test *test, const struct test_result *result, FILE *out)
{
	char spec[400];

	suite_requirements(test, spec, sizeof(spec));
	fputs("  ---\n", out);
	print_yaml("  ", "message", result->message, out);
	print_yaml("  ", "severity", severity(result), out);
	if (result->oracle)
		print_yaml("  ", "oracle", oracle_name(result->oracle), out);
	print_yaml("  ", "rule", result->rule, out);
	print_yaml("  ", "expected", result->expected, out);
	print_yaml("  ", "got", result->got, out);
	print_yaml("  ", "call", result->call, out);
	print_yaml("  ", "schedule", result->schedule, out);
	if (test->path)
		print_yaml("  ", "file", test->path, out);
	if (result->line)
		fprintf(out, "  line: %u\n", result->line);
	print_yaml("  ", "spec", spec, out);
	fputs("  ...\n", out);
}

/* -- TAP and KTAP -- */

/* What was run of a program with threads: all of a bound, or as many as it was when one failed. */
static void print_schedules(
	const struct report *report, const struct test_result *result, FILE *out)
{
	if (!result->schedules || !report->schedules ||
		report->schedules->kind != SCHEDULES_BOUNDED)
		return;
	fprintf(out, " # bound %u: %" PRIu64 " schedules%s, %" PRIu64 " left out, %u outcomes",
		report->schedules->bound, result->schedules, result->explored ? "" : " so far",
		result->left_out, result->outcomes);
}

/* How the failing schedule is made again; that of a crash has no number. */
static void print_again(
	const struct report *report, const struct test *test, const struct test_result *result)
{
	const struct schedules *schedules = report->schedules;
	const struct prog *prog = &test->text.prog;

	if (!schedules || !test->path || strcmp(report->target, "inproc") != 0 ||
		!prog_has_threads(prog) || prog->switch_count || prog->schedule_count)
		return;
	fputs("# ", report->out);
	if (result->schedules)
		fprintf(report->out, "schedule %" PRIu64 "; ", result->schedules);
	fputs("to see it: iommuzz explore ", report->out);
	if (schedules->kind == SCHEDULES_BOUNDED)
		fprintf(report->out, "--bound %u", schedules->bound);
	else
		fprintf(report->out, "--schedule %s --seed %" PRIu64,
			schedules_name(schedules->kind), schedules->seed);
	fprintf(report->out, " --out FILE.prog %s\n", test->path);
}

static void print_unshown(
	const struct report *report, const struct test *test, const struct test_result *result)
{
	if (*result->unshown)
		fprintf(report->out, "# %s: allowed, and not seen: %s\n", test->id,
			result->unshown);
}

static void print_undecided(
	const struct report *report, const struct test *test, const struct test_result *result)
{
	if (result->undecided)
		fprintf(report->out, "# %s: schedules not decided by the model %" PRIu64 "\n",
			test->id, result->undecided);
}

static void tap_test(struct report *report, const struct test *test,
	const struct test_result *result, const char *log)
{
	bool ok = result->status == TEST_PASS || result->status == TEST_SKIP;

	fprintf(report->out, "%s %u - ", ok ? "ok" : "not ok", report->number);
	print_tap_text(test->id, report->out);
	if (result->status == TEST_SKIP || result->status == TEST_KNOWN_FAIL) {
		fputs(result->status == TEST_SKIP ? " # SKIP " : " # TODO XFAIL ", report->out);
		print_tap_text(result->reason, report->out);
	} else {
		print_schedules(report, result, report->out);
	}
	fputc('\n', report->out);
	if (!ok) {
		print_details(test, result, report->out);
		print_again(report, test, result);
	}
	print_unshown(report, test, result);
	print_undecided(report, test, result);
	print_log(log, report->out);
}

/* KTAP has no blocks: diagnostics come before the line of their test. */
static void ktap_test(struct report *report, const struct test *test,
	const struct test_result *result, const char *log)
{
	bool ok = result->status == TEST_PASS || result->status == TEST_SKIP;

	if (!ok) {
		fprintf(report->out, "# %s: %s\n", test->id, result->message);
		if (*result->call)
			fprintf(report->out, "# %s:%u: %s\n", test->path ? test->path : test->id,
				result->line, result->call);
		print_again(report, test, result);
	}
	print_unshown(report, test, result);
	print_log(log, report->out);
	fprintf(report->out, "%s %u %s", ok ? "ok" : "not ok", report->number, test->id);
	if (result->status == TEST_SKIP)
		fprintf(report->out, " # SKIP %s", result->reason);
	else if (result->status == TEST_KNOWN_FAIL)
		fprintf(report->out, " # XFAIL %s", result->reason);
	else
		print_schedules(report, result, report->out);
	fputc('\n', report->out);
}

/* -- JUnit -- */

static void print_xml(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		switch (c) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default:
			/* XML 1.0 has no other control characters. */
			fputc(c < 0x20 && c != '\n' && c != '\t' ? '?' : c, out);
		}
	}
}

static void junit_test(struct report *report, const struct test *test,
	const struct test_result *result, const char *log)
{
	FILE *out = report->case_stream;
	const char *folder = test->path ? test->path : "generated";

	if (!out)
		return;
	fputs("  <testcase name=\"", out);
	print_xml(test->id, out);
	fputs("\" classname=\"", out);
	print_xml(folder, out);
	fprintf(out, "\" time=\"%.6f\"", result->microseconds / 1e6);
	if (result->status == TEST_PASS) {
		fputs("/>\n", out);
		return;
	}
	fputs(">\n    ", out);
	if (result->status == TEST_SKIP || result->status == TEST_KNOWN_FAIL) {
		fprintf(out, "<skipped message=\"%s",
			result->status == TEST_SKIP ? "" : "known failure: ");
		print_xml(result->reason, out);
		fputs("\"/>\n", out);
	} else {
		const char *element = result->status == TEST_BROKEN ? "error" : "failure";

		fprintf(out, "<%s message=\"", element);
		print_xml(result->message, out);
		fputs("\">", out);
		print_xml(result->call, out);
		if (*result->schedule)
			fputs("\n", out);
		print_xml(result->schedule, out);
		if (*log)
			fputs("\n", out);
		print_xml(log, out);
		fprintf(out, "</%s>\n", element);
	}
	fputs("  </testcase>\n", out);
}

static void junit_end(struct report *report)
{
	uint32_t failures = report->counts[TEST_FAIL] + report->counts[TEST_KNOWN_PASS];

	if (report->case_stream)
		fclose(report->case_stream);
	fprintf(report->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites>\n<testsuite name=\"iommuzz %s\" tests=\"%u\" failures=\"%u\" "
		"errors=\"%u\" skipped=\"%u\">\n",
		report->target, report->number, failures, report->counts[TEST_BROKEN],
		report->counts[TEST_SKIP] + report->counts[TEST_KNOWN_FAIL]);
	fputs(report->cases ? report->cases : "", report->out);
	fputs("</testsuite>\n</testsuites>\n", report->out);
	free(report->cases);
}

/* -- all -- */

void report_begin(struct report *report, size_t total)
{
	FILE *out = report->out;

	switch (report->format) {
	case REPORT_TAP: fputs("TAP version 13\n", out); break;
	case REPORT_TAP14: fputs("TAP version 14\n", out); break;
	case REPORT_KTAP: fputs("KTAP version 1\n", out); break;
	case REPORT_JUNIT:
		report->case_stream = open_memstream(&report->cases, &report->case_bytes);
		break;
	}
	if (report->format != REPORT_JUNIT && report->run && report->run->no_log)
		fprintf(out, "# the kernel log is not read: %s\n", report->run->no_log);
	if (report->format != REPORT_JUNIT && report->threads && report->schedules &&
		report->schedules->kind == SCHEDULES_RANDOM)
		fprintf(out, "# programs with threads: %" PRIu64 " schedules of seed %" PRIu64 "\n",
			report->schedules->runs, report->schedules->seed);
	if (report->format != REPORT_JUNIT)
		fprintf(out, "1..%zu%s\n", total, total ? "" : " # SKIP no test was selected");
	if (report->json)
		report_json_begin(report);
}

void report_test(struct report *report, const struct test *test, const struct test_result *result,
	const char *log)
{
	report->number++;
	report->counts[result->status]++;
	report->undecided += result->undecided;
	switch (report->format) {
	case REPORT_TAP:
	case REPORT_TAP14: tap_test(report, test, result, log); break;
	case REPORT_KTAP: ktap_test(report, test, result, log); break;
	case REPORT_JUNIT: junit_test(report, test, result, log); break;
	}
	if (report->json)
		report_json_test(report, test, result, log);
}

void report_end(struct report *report, bool interrupted)
{
	const uint32_t *counts = report->counts;

	if (report->format == REPORT_JUNIT) {
		junit_end(report);
	} else {
		if (interrupted && report->format != REPORT_KTAP)
			fputs("Bail out! interrupted\n", report->out);
		fprintf(report->out,
			"# pass %u, fail %u, skip %u, known failures %u, unexpected passes %u, "
			"broken %u",
			counts[TEST_PASS], counts[TEST_FAIL], counts[TEST_SKIP],
			counts[TEST_KNOWN_FAIL], counts[TEST_KNOWN_PASS], counts[TEST_BROKEN]);
		if (report->undecided)
			fprintf(report->out, ", schedules not decided by the model %" PRIu64,
				report->undecided);
		fputc('\n', report->out);
	}
	if (report->json)
		report_json_end(report, interrupted);
}
