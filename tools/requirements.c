/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iommuzz check --requirements: the index of requirements against the programs' headers.
 *
 * conformance/requirements holds one requirement a line: its id, then how it is shown: `program`
 * (programs name it in their headers), `check WHAT` (another kind of test), `later WHERE` (out of
 * scope for now) or `unobservable REASON`. A further line `correction PROGRAM: WHAT` says where a
 * running kernel contradicts the specification there, and which program shows it. '#' begins a
 * comment.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/check.h"
#include "tools/embedded.h"
#include "tools/files.h"
#include "tools/tool.h"

enum shown { SHOWN_PROGRAM, SHOWN_CHECK, SHOWN_LATER, SHOWN_UNOBSERVABLE, SHOWN_CORRECTED };

static const char *const shown_words[] = {
	"program", "check", "later", "unobservable", "correction"};

struct requirement {
	char *id, *text;
	enum shown shown;
	uint32_t line;
	uint32_t programs; /* that name it */
	char *names;	   /* the first of them */
};

struct index {
	struct requirement *rows, *corrections;
	size_t count, correction_count;
	uint32_t wrong; /* lines that could not be read */
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct requirement *)a)->id, ((const struct requirement *)b)->id);
}

static int by_line(const void *a, const void *b)
{
	const struct requirement *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

static struct requirement *find(const struct index *index, const char *id)
{
	struct requirement wanted = {.id = (char *)(uintptr_t)id};

	return bsearch(&wanted, index->rows, index->count, sizeof(*index->rows), by_id);
}

static void append(struct requirement **rows, size_t *count, const struct requirement *row)
{
	if ((*count & (*count - 1)) == 0)
		*rows = tool_grow(*rows, *count ? *count * 2 : 1, sizeof(**rows));
	(*rows)[(*count)++] = *row;
}

static void add_row(struct index *index, const char *path, char *line, uint32_t number)
{
	char *rest = line + strcspn(line, " \t");

	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	size_t length = strcspn(rest, " \t:");
	unsigned shown = 0;
	for (; shown < sizeof(shown_words) / sizeof(shown_words[0]); shown++)
		if (strlen(shown_words[shown]) == length &&
			memcmp(rest, shown_words[shown], length) == 0)
			break;
	if (shown == sizeof(shown_words) / sizeof(shown_words[0])) {
		tool_error("%s:%u: expected program, check, later, unobservable or correction "
			   "behind '%s', "
			   "found '%.*s'",
			path, number, line, (int)length, rest);
		index->wrong++;
		return;
	}
	rest += length;
	rest += strspn(rest, " \t:");
	struct requirement row = {
		.id = line, .text = rest, .shown = (enum shown)shown, .line = number};
	if (shown == SHOWN_CORRECTED)
		append(&index->corrections, &index->correction_count, &row);
	else
		append(&index->rows, &index->count, &row);
}

/* Rows point into source. */
static void read_index(struct index *index, const char *path, char *source)
{
	uint32_t number = 0;

	for (char *line = source; line && *line;) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		number++;
		line += strspn(line, " \t");
		for (size_t end = strlen(line); end && strchr(" \t\r", line[end - 1]);)
			line[--end] = '\0';
		if (*line && *line != '#')
			add_row(index, path, line, number);
		line = next;
	}
	qsort(index->rows, index->count, sizeof(*index->rows), by_id);
	for (size_t i = 1; i < index->count; i++)
		if (strcmp(index->rows[i - 1].id, index->rows[i].id) == 0) {
			tool_error("%s:%u: '%s' is there already", path, index->rows[i].line,
				index->rows[i].id);
			index->wrong++;
		}
}

static void note_program(struct requirement *row, const char *id)
{
	if (row->programs++ >= 3)
		return;
	size_t used = row->names ? strlen(row->names) : 0;

	row->names = tool_grow(row->names, used + strlen(id) + 2, 1);
	sprintf(row->names + used, "%s%s", used ? " " : "", id);
}

/* Names that programs give and the index does not have. */
static uint32_t match_programs(struct index *index, const struct suite *suite)
{
	uint32_t unknown = 0;

	for (size_t t = 0; t < suite->count; t++) {
		const struct prog_header *header = &suite->tests[t].text.header;

		for (uint32_t r = 0; r < header->requirement_count; r++) {
			struct requirement *row = find(index, header->requirements[r]);

			if (row) {
				note_program(row, suite->tests[t].id);
				continue;
			}
			printf("%-16s UNKNOWN, named by %s\n", header->requirements[r],
				suite->tests[t].id);
			unknown++;
		}
	}
	return unknown;
}

static bool shows(const struct suite *suite, const char *id, size_t length, const char *requirement)
{
	for (size_t t = 0; t < suite->count; t++) {
		const struct prog_header *header = &suite->tests[t].text.header;

		if (strlen(suite->tests[t].id) != length ||
			memcmp(suite->tests[t].id, id, length) != 0)
			continue;
		for (uint32_t r = 0; r < header->requirement_count; r++)
			if (strcmp(header->requirements[r], requirement) == 0)
				return true;
	}
	return false;
}

/* Programs that a row names, but that are gone or no longer say that they show it. */
static uint32_t match_rows(const struct index *index, const struct suite *suite)
{
	uint32_t stale = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct requirement *row = &index->rows[i];

		for (const char *word = row->text; row->shown == SHOWN_PROGRAM && *word;) {
			size_t length = strcspn(word, " \t,");

			if (length && !shows(suite, word, length, row->id)) {
				printf("%-16s STALE: no program %.*s names it\n", row->id,
					(int)length, word);
				stale++;
			}
			word += length;
			word += strspn(word, " \t,");
		}
	}
	return stale;
}

/* Corrections of what is no requirement, or that no program shows. */
static uint32_t match_corrections(const struct index *index, const struct suite *suite)
{
	uint32_t stale = 0;

	for (size_t i = 0; i < index->correction_count; i++) {
		const struct requirement *row = &index->corrections[i];
		size_t length = strcspn(row->text, " \t:");

		if (find(index, row->id) && shows(suite, row->text, length, row->id))
			continue;
		printf("%-16s STALE: no program %.*s shows the correction\n", row->id, (int)length,
			row->text);
		stale++;
	}
	return stale;
}

/* Whether an expectation is met by success, or by failure alone. */
static bool wants_success(const struct expectation *expectation)
{
	for (unsigned a = 0; a < expectation->alternative_count; a++)
		if (expectation->alternatives[a].result != EXPECT_ERRNO)
			return true;
	return false;
}

static bool is_test(const struct suite *suite, const char *id)
{
	for (size_t t = 0; t < suite->count; t++)
		if (strcmp(suite->tests[t].id, id) == 0)
			return true;
	return false;
}

/* A regression shows what was once wrong and generated tests have their twins beside them. */
static bool is_conformance(const struct test *test)
{
	return test->path && !strstr(test->path, "corpus/regress");
}

/*
 * A failure shows a check only if the same call also succeeds: in the same program, or in the one
 * that its header names as twin. Programs for which that does not hold.
 */
static uint32_t match_twins(const struct suite *suite)
{
	uint32_t wrong = 0;

	for (size_t t = 0; t < suite->count; t++) {
		const struct prog_text *text = &suite->tests[t].text;
		bool failure = false, success = false;

		for (uint32_t i = 0; i < text->prog.call_count; i++) {
			if (!text->expectations[i].alternative_count)
				continue;
			success = success || wants_success(&text->expectations[i]);
			failure = failure || !wants_success(&text->expectations[i]);
		}
		if (text->header.twin && !is_test(suite, text->header.twin))
			printf("%-16s STALE: its twin %s does not exist\n", suite->tests[t].id,
				text->header.twin);
		else if (failure && !success && !text->header.twin &&
			 is_conformance(&suite->tests[t]))
			printf("%-16s NO TWIN: it expects failures only, and names no twin\n",
				suite->tests[t].id);
		else
			continue;
		wrong++;
	}
	return wrong;
}

static void print_row(const struct requirement *row)
{
	printf("%-16s ", row->id);
	if (row->programs) {
		printf("%u program%s: %s%s", row->programs, row->programs == 1 ? "" : "s",
			row->names, row->programs > 3 ? " ..." : "");
		if (row->shown == SHOWN_CHECK)
			printf("; check %s", row->text);
	} else if (row->shown == SHOWN_PROGRAM) {
		printf("NOT SHOWN%s%s", *row->text ? ": " : "", row->text);
	} else {
		printf("%s %s", shown_words[row->shown], row->text);
	}
	putchar('\n');
}

static void print_corrections(const struct index *index)
{
	if (index->correction_count)
		puts("\nWhere a running kernel contradicts the specification:");
	for (size_t i = 0; i < index->correction_count; i++)
		printf("%-16s %s\n", index->corrections[i].id, index->corrections[i].text);
}

static int summarise(const struct index *index, uint32_t unknown, uint32_t twins, size_t broken)
{
	size_t programs = 0, other[4] = {0}, missing = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct requirement *row = &index->rows[i];

		if (row->programs)
			programs++;
		else if (row->shown == SHOWN_PROGRAM)
			missing++;
		else
			other[row->shown]++;
	}
	printf("\n%zu requirements: %zu shown by programs, %zu by other checks, %zu later, %zu "
	       "unobservable, %zu not "
	       "shown; %u unknown or stale names; %u programs without a twin\n",
		index->count, programs, other[SHOWN_CHECK], other[SHOWN_LATER],
		other[SHOWN_UNOBSERVABLE], missing, unknown, twins);
	if (index->wrong || broken)
		return TOOL_BROKEN;
	return missing || unknown || twins ? TOOL_FAILED : TOOL_OK;
}

static size_t report_broken(const struct suite *suite)
{
	size_t broken = 0;

	for (size_t t = 0; t < suite->count; t++)
		if (suite->tests[t].broken) {
			tool_error("%s", suite->tests[t].broken);
			broken++;
		}
	return broken;
}

/* The index and its name, of the tree or compiled in; both are to be freed. */
static char *read_source(const struct check *check, char **path)
{
	char *folder = check->embedded ? NULL : files_tree("conformance");
	size_t size;

	*path = tool_grow(NULL, (folder ? strlen(folder) : strlen("conformance")) + 16, 1);
	sprintf(*path, "%s/requirements", folder ? folder : "conformance");
	free(folder);
	return (char *)embedded_or_file(*path, &size);
}

int check_requirements(const struct check *check)
{
	struct index index = {0};
	char *path, *source = read_source(check, &path);
	int code = TOOL_BROKEN;

	if (source) {
		read_index(&index, path, source);
		size_t broken = report_broken(&check->suite);
		uint32_t unknown = match_programs(&index, &check->suite) +
				   match_rows(&index, &check->suite) +
				   match_corrections(&index, &check->suite);
		qsort(index.rows, index.count, sizeof(*index.rows), by_line);
		for (size_t i = 0; i < index.count; i++)
			print_row(&index.rows[i]);
		print_corrections(&index);
		code = summarise(&index, unknown, match_twins(&check->suite), broken);
	}
	for (size_t i = 0; i < index.count; i++)
		free(index.rows[i].names);
	free(index.rows);
	free(index.corrections);
	free(source);
	free(path);
	return code;
}
