/* SPDX-License-Identifier: Apache-2.0 */
/* Results of a real kernel in every form: what ran where, the kernel's words, what was not shown.
 */
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "tests/tap.h"
#include "tools/report.h"

#define LOG "WARNING: CPU: 1 at f.c:3 <x>\nRIP: 0010:f+0x1/0x2\n"

static const struct live_probe probe = {
	.release = "7.3.4",
	.version = "#1 SMP",
	.config_digest = "0123456789abcdef",
	.kernel = LINUX(7, 3),
};

static const char *const devices[] = {"0000:00:02.0"};

/* The report as text; *json gets the JSON beside it. Both are to be freed. */
static char *print(enum report_format format, const char *no_log, uint64_t given_up, char **json)
{
	const struct {
		const char *source;
		struct test_result result;
		const char *log;
	} cases[] = {
		{"#: req 1.1/1\nfd = open /dev/iommu\n", {.status = TEST_PASS, .microseconds = 7},
			""},
		{"#: req 1.1/2 req 1.1/1\nfd = open /dev/iommu\n",
			{.status = TEST_SKIP, .reason = "no device"}, ""},
		{"#: req 1.1/2\nfd = open /dev/iommu\n",
			{.status = TEST_SKIP, .reason = "no device"}, ""},
		{"fd = open /dev/iommu\n",
			{.status = TEST_FAIL,
				.rule = "kernel-log",
				.message = "WARNING: CPU: 1 at f.c:3 <x>",
				.undecided = given_up},
			LOG},
	};
	const size_t count = sizeof(cases) / sizeof(cases[0]);
	struct suite_config config = {.target = &target_live};
	struct report_run run = {.probe = &probe,
		.no_log = no_log,
		.devices = devices,
		.device_count = 1,
		.suite_digest = 0xabc,
		.seed = 5,
		.start = 86400};
	struct report report = {
		.format = format, .run = &run, .target = "live", .kernel = LINUX(7, 3)};
	struct suite suite = {0};
	size_t text_size, json_size;
	char *text = NULL;

	*json = NULL;
	report.out = open_memstream(&text, &text_size);
	report.json = open_memstream(json, &json_size);
	for (size_t i = 0; i < count; i++) {
		char id[8] = {'t', (char)('0' + i)};

		suite_add_source(&suite, id, cases[i].source, &config);
	}
	report_begin(&report, count);
	for (size_t i = 0; i < count; i++)
		report_test(&report, &suite.tests[i], &cases[i].result, cases[i].log);
	report_end(&report, false);
	fclose(report.out);
	fclose(report.json);
	suite_free(&suite);
	return text;
}

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool is_text(const cJSON *object, const char *key, const char *text)
{
	const char *found = cJSON_GetStringValue(get(object, key));

	return found && strcmp(found, text) == 0;
}

static void test_json(const char *json)
{
	cJSON *root = cJSON_Parse(json);
	const cJSON *machine = get(root, "machine"), *tests = get(root, "tests");
	const cJSON *skips = get(get(root, "not_shown"), "skips");
	const cJSON *missing = get(get(root, "not_shown"), "requirements");

	tap_ok(root, "JSON can be read");
	tap_ok(is_text(root, "target", "live") && is_text(root, "kernel", "7.3") &&
			is_text(root, "suite", "0000000000000abc") &&
			is_text(root, "start", "1970-01-02T00:00:00Z") &&
			get(get(root, "iommuzz"), "commit"),
		"what ran");
	tap_ok(is_text(machine, "release", "7.3.4") && is_text(machine, "version", "#1 SMP") &&
			is_text(machine, "config", "0123456789abcdef") &&
			is_text(machine, "kernel_log", "read") &&
			cJSON_GetArraySize(get(machine, "devices")) == 1,
		"where it ran");
	tap_ok(cJSON_GetArraySize(tests) == 4 &&
			is_text(cJSON_GetArrayItem(tests, 3), "kernel_log", LOG) &&
			!get(cJSON_GetArrayItem(tests, 0), "kernel_log"),
		"the kernel's words are with the test that they came with");
	tap_ok(cJSON_GetArraySize(skips) == 1 &&
			is_text(cJSON_GetArrayItem(skips, 0), "reason", "no device") &&
			get(cJSON_GetArrayItem(skips, 0), "count")->valueint == 2,
		"reasons of skips are counted");
	tap_ok(cJSON_GetArraySize(missing) == 1 &&
			strcmp(cJSON_GetStringValue(cJSON_GetArrayItem(missing, 0)), "1.1/2") == 0,
		"a requirement is not shown if all its tests were skipped");
	cJSON_Delete(root);
}

static void test_text(enum report_format format, const char *wanted, const char *no_log)
{
	char *json, *text = print(format, no_log, 0, &json);

	tap_ok(strstr(text, wanted), "%s: %.*s", report_format_names[format],
		(int)strcspn(wanted, "\n"), wanted);
	if (no_log)
		tap_ok(strstr(json, "\"kernel_log\": \"not permitted\""), "and JSON says so");
	free(text);
	free(json);
}

int main(void)
{
	char *json, *text;

	tap_begin();
	text = print(REPORT_TAP, NULL, 0, &json);
	test_json(json);
	tap_ok(!strstr(text, "the kernel log is not read"),
		"control: a log that is read is no news");
	tap_ok(!strstr(text, "not decided"), "control: nothing was given up");
	free(text);
	free(json);
	text = print(REPORT_TAP, NULL, 3, &json);
	tap_ok(strstr(text, ", broken 0, schedules not decided by the model 3\n"),
		"searches that were given up are in the last line");
	free(text);
	free(json);
	test_text(
		REPORT_TAP, "# kernel: WARNING: CPU: 1 at f.c:3 <x>\n# kernel: RIP: 0010:f", NULL);
	test_text(REPORT_TAP, "TAP version 13\n# the kernel log is not read: not permitted\n1..4\n",
		"not permitted");
	test_text(
		REPORT_KTAP, "# kernel: WARNING: CPU: 1 at f.c:3 <x>\n# kernel: RIP: 0010:f", NULL);
	test_text(REPORT_JUNIT, "WARNING: CPU: 1 at f.c:3 &lt;x&gt;\nRIP: 0010:f", NULL);
	return tap_end();
}
