/* SPDX-License-Identifier: Apache-2.0 */
/* Two runs of a suite, test by test. */
#include "tools/compare.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cJSON.h>

#include "tools/files.h"
#include "tools/report.h"
#include "tools/tool.h"

/* -- reading -- */

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

static void name_place(const char *path, const char *source, const char *end)
{
	unsigned line = 1, column = 1;

	for (const char *at = source; at < end; at++) {
		column = *at == '\n' ? 1 : column + 1;
		line += *at == '\n';
	}
	tool_error("%s:%u:%u: expected JSON as iommuzz check --json writes it", path, line, column);
}

cJSON *compare_parse(const char *path)
{
	const char *end = NULL;
	struct stat status;
	size_t size;

	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
		tool_error("%s: is a directory, expected a file of results that iommuzz check "
			   "--json writes",
			path);
		return NULL;
	}
	char *source = (char *)files_read(path, &size);
	if (!source)
		return NULL;
	if (!size) {
		tool_error("%s: empty, expected results of iommuzz check --json", path);
		free(source);
		return NULL;
	}
	/* The byte behind the file is 0, so that nothing but white space may follow. */
	cJSON *root = cJSON_ParseWithLengthOpts(source, size + 1, &end, true);
	if (!root)
		name_place(
			path, source, end && end >= source && end <= source + size ? end : source);
	free(source);
	return root;
}

static bool read_status(const char *name, enum test_status *status)
{
	for (unsigned s = 0; test_status_names[s]; s++)
		if (strcmp(test_status_names[s], name) == 0) {
			*status = (enum test_status)s;
			return true;
		}
	return false;
}

static bool read_test(const char *path, const cJSON *object, size_t at, struct compare_test *test)
{
	const char *status = text_of(object, "status");

	*test = (struct compare_test){.id = text_of(object, "id"), .at = at};
	if (!*test->id) {
		tool_error("%s: tests[%zu].id: expected the id of a test", path, at);
		return false;
	}
	if (!read_status(status, &test->status)) {
		tool_error("%s: tests[%zu].status: expected pass, fail, skip, known-fail, "
			   "known-pass or broken, found '%.40s'",
			path, at, status);
		return false;
	}
	test->why = text_of(object, test->status == TEST_SKIP || test->status == TEST_KNOWN_FAIL
					    ? "reason"
					    : "message");
	test->from_kernel = strcmp(text_of(object, "rule"), "kernel-log") == 0;
	return true;
}

static int by_id(const void *a, const void *b)
{
	const struct compare_test *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

bool compare_is_interrupted(const cJSON *root)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "interrupted"));
}

bool compare_load(const char *path, struct compare_results *results)
{
	const cJSON *tests, *object;
	size_t room = 0;

	*results = (struct compare_results){.path = path, .root = compare_parse(path)};
	if (!results->root)
		return false;
	tests = cJSON_GetObjectItemCaseSensitive(results->root, "tests");
	if (!cJSON_IsArray(tests)) {
		tool_error("%s: tests: expected the list of results that iommuzz check --json "
			   "writes",
			path);
		return false;
	}
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(results->root, "machine");
	results->interrupted = compare_is_interrupted(results->root);
	results->target = text_of(results->root, "target");
	results->suite = text_of(results->root, "suite");
	results->release = text_of(machine, "release");
	results->config = text_of(machine, "config");
	cJSON_ArrayForEach(object, tests)
	{
		if (results->count == room) {
			room = room ? room * 2 : 256;
			results->tests = tool_grow(results->tests, room, sizeof(*results->tests));
		}
		struct compare_test *test = &results->tests[results->count];
		if (!read_test(path, object, results->count, test))
			return false;
		results->count++;
	}
	if (results->count)
		qsort(results->tests, results->count, sizeof(*results->tests), by_id);
	return true;
}

void compare_free(struct compare_results *results)
{
	cJSON_Delete(results->root);
	free(results->tests);
	*results = (struct compare_results){0};
}

/* -- comparing -- */

enum change {
	CHANGE_FAILURE,
	CHANGE_FIXED,
	CHANGE_SKIPPED,
	CHANGE_SKIP_GONE,
	CHANGE_GONE,
	CHANGE_OTHER,
	CHANGE_NEW, /* counted only */
	CHANGE_NONE,
};

static const struct {
	const char *line, *one, *many;
} changes[] = {
	[CHANGE_FAILURE] = {"NEW FAILURE", "new failure", "new failures"},
	[CHANGE_FIXED] = {"fixed", "fixed", "fixed"},
	[CHANGE_SKIPPED] = {"newly skipped", "newly skipped", "newly skipped"},
	[CHANGE_SKIP_GONE] = {"skip vanished", "skip vanished", "skips vanished"},
	[CHANGE_GONE] = {"test vanished", "test vanished", "tests vanished"},
	[CHANGE_OTHER] = {"changed", "changed", "changed"},
	[CHANGE_NEW] = {NULL, "new test", "new tests"},
};

static bool is_failure(const struct compare_test *test)
{
	return test->status == TEST_FAIL || test->status == TEST_KNOWN_PASS ||
	       test->status == TEST_BROKEN;
}

static const char *behind_number(const char *text)
{
	return text + strspn(text, "0123456789");
}

/* CPU and process of a kernel's report differ from run to run. */
static bool same_reason(const struct compare_test *old, const struct compare_test *new)
{
	const char *a = old->why, *b = new->why;

	if (!old->from_kernel || !new->from_kernel)
		return strcmp(a, b) == 0;
	for (; *a || *b; a++, b++) {
		a = behind_number(a);
		b = behind_number(b);
		if (*a != *b)
			return false;
		if (!*a)
			break;
	}
	return true;
}

/* Either may be missing. */
static enum change change_of(const struct compare_test *old, const struct compare_test *new)
{
	if (!new)
		return CHANGE_GONE;
	if (is_failure(new) && (!old || !is_failure(old)))
		return CHANGE_FAILURE;
	if (!old)
		return CHANGE_NEW;
	if (new->status == TEST_SKIP && old->status != TEST_SKIP)
		return CHANGE_SKIPPED;
	if (is_failure(old) && !is_failure(new))
		return CHANGE_FIXED;
	if (old->status == TEST_SKIP && new->status != TEST_SKIP)
		return CHANGE_SKIP_GONE;
	if (old->status == new->status && same_reason(old, new))
		return CHANGE_NONE;
	return old->status == TEST_KNOWN_FAIL && new->status == TEST_PASS ? CHANGE_FIXED
									  : CHANGE_OTHER;
}

/* One line, whatever a file holds. */
static void print_outcome(const struct compare_test *test, FILE *out)
{
	fputs(test_status_names[test->status], out);
	if (!*test->why)
		return;
	fputs(" (", out);
	for (const char *c = test->why; *c; c++)
		fputc((unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c, out);
	fputc(')', out);
}

static void print_change(enum change change, const struct compare_test *old,
	const struct compare_test *new, FILE *out)
{
	fprintf(out, "%-15s %s: ", changes[change].line, old ? old->id : new->id);
	if (old)
		print_outcome(old, out);
	else
		fputs("was not there", out);
	fputs(" -> ", out);
	if (new)
		print_outcome(new, out);
	else
		fputs("is not there", out);
	fputc('\n', out);
}

static void note_difference(
	const char *what, const char *old, const char *new, const char *why, FILE *out)
{
	if (strcmp(old, new) != 0)
		fprintf(out, "note: %s: %s -> %s%s\n", what, *old ? old : "none",
			*new ? new : "none", why);
}

/* Prints one kind of change, walking both lists in the order of ids. */
static void walk(const struct compare_results *old, const struct compare_results *new,
	enum change wanted, size_t counts[CHANGE_NONE + 1], FILE *out)
{
	for (size_t o = 0, n = 0; o < old->count || n < new->count;) {
		int order = o == old->count   ? 1
			    : n == new->count ? -1
					      : strcmp(old->tests[o].id, new->tests[n].id);
		const struct compare_test *a = order <= 0 ? &old->tests[o++] : NULL;
		const struct compare_test *b = order >= 0 ? &new->tests[n++] : NULL;
		enum change change = change_of(a, b);

		if (change != wanted)
			continue;
		counts[change]++;
		if (changes[change].line)
			print_change(change, a, b, out);
	}
}

size_t compare_print(
	const struct compare_results *old, const struct compare_results *new, FILE *out)
{
	size_t counts[CHANGE_NONE + 1] = {0};

	note_difference("targets differ", old->target, new->target, "", out);
	note_difference("kernels differ", old->release, new->release, "", out);
	note_difference("kernel configurations differ", old->config, new->config, "", out);
	note_difference("suites differ", old->suite, new->suite,
		": tests may have changed under the same id", out);
	if (old->interrupted)
		fprintf(out, "note: %s: interrupted, not all tests ran\n", old->path);
	if (new->interrupted)
		fprintf(out, "note: %s: interrupted, so that no new failure means nothing\n",
			new->path);
	for (unsigned change = 0; change < CHANGE_NONE; change++)
		walk(old, new, (enum change)change, counts, out);
	for (unsigned change = 0; change < CHANGE_NONE; change++)
		fprintf(out, "%s%zu %s", change ? ", " : "", counts[change],
			counts[change] == 1 ? changes[change].one : changes[change].many);
	fprintf(out, "; %zu tests before, %zu now\n", old->count, new->count);
	return counts[CHANGE_FAILURE];
}
