/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz vm table: results of several kernels side by side. */
#include "tools/vm_check.h"

#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "tools/compare.h"
#include "tools/tool.h"

#define COLUMNS_MAX 32
#define NAME_WIDTH  60

/* One file of results. */
struct column {
	const char *path;
	cJSON *results;
	const cJSON **cells; /* per row: the test, or NULL */
	char name[48];
	uint32_t counts[TEST_BROKEN + 1];
};

/* Test ids in the order in which they first come. */
struct table {
	struct column columns[COLUMNS_MAX];
	size_t column_count;
	const char **ids;
	size_t row_count;
};

/* What stands in a cell; failures are what an eye should find. */
static const char *const status_words[] = {"pass", "FAIL", "skip", "known", "XPASS", "BROKEN"};

static int status_of(const cJSON *test)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(test, "status"));

	for (int i = 0; name && i <= TEST_BROKEN; i++)
		if (strcmp(name, test_status_names[i]) == 0)
			return i;
	return TEST_BROKEN;
}

/* -- reading -- */

static void name_column(struct column *column, const char *path)
{
	const cJSON *root = column->results;
	const cJSON *machine = cJSON_GetObjectItem(root, "machine");
	const char *release = cJSON_GetStringValue(cJSON_GetObjectItem(machine, "release"));

	if (!release)
		release = cJSON_GetStringValue(cJSON_GetObjectItem(root, "kernel"));
	if (!release)
		release = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	snprintf(column->name, sizeof(column->name), "%s", release);
}

static bool read_column(struct column *column, const char *path)
{
	column->path = path;
	column->results = compare_parse(path);
	if (!column->results)
		return false;
	if (cJSON_IsArray(cJSON_GetObjectItem(column->results, "tests"))) {
		name_column(column, path);
		return true;
	}
	tool_error("%s: no results, expected what --json writes", path);
	cJSON_Delete(column->results);
	column->results = NULL;
	return false;
}

static size_t row_of(struct table *table, const char *id, size_t near)
{
	for (size_t i = 0; i < table->row_count; i++) {
		/* Files list the same tests in the same order. */
		size_t row = (near + i) % table->row_count;

		if (strcmp(table->ids[row], id) == 0)
			return row;
	}
	if ((table->row_count & (table->row_count - 1)) == 0)
		table->ids = tool_grow(table->ids, table->row_count ? table->row_count * 2 : 1,
			sizeof(*table->ids));
	table->ids[table->row_count] = id;
	return table->row_count++;
}

static void add_rows(struct table *table, const struct column *column)
{
	const cJSON *test;
	size_t near = 0;

	cJSON_ArrayForEach(test, cJSON_GetObjectItem(column->results, "tests"))
	{
		const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(test, "id"));

		if (id)
			near = row_of(table, id, near) + 1;
	}
}

static void fill_cells(struct table *table, struct column *column)
{
	const cJSON *test;
	size_t near = 0;

	column->cells = tool_grow(NULL, table->row_count, sizeof(*column->cells));
	memset(column->cells, 0, table->row_count * sizeof(*column->cells));
	cJSON_ArrayForEach(test, cJSON_GetObjectItem(column->results, "tests"))
	{
		const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(test, "id"));

		if (!id)
			continue;
		near = row_of(table, id, near);
		column->cells[near++] = test;
		column->counts[status_of(test)]++;
	}
}

/* -- printing -- */

static bool is_plain(const struct table *table, size_t row)
{
	for (size_t c = 0; c < table->column_count; c++) {
		const cJSON *test = table->columns[c].cells[row];

		if (!test || status_of(test) != TEST_PASS)
			return false;
	}
	return true;
}

/* What some kernel skips and no other fails says what kernels lack; --all lists it. */
static bool is_skipped(const struct table *table, size_t row)
{
	for (size_t c = 0; c < table->column_count; c++) {
		const cJSON *test = table->columns[c].cells[row];
		int status = test ? status_of(test) : TEST_SKIP;

		if (status != TEST_SKIP && status != TEST_PASS)
			return false;
	}
	return !is_plain(table, row);
}

static int width_of(const struct column *column)
{
	int width = (int)strlen(column->name);

	return width > 6 ? width : 6;
}

static void print_row(const struct table *table, size_t row)
{
	printf("%-*s", NAME_WIDTH, table->ids[row]);
	for (size_t c = 0; c < table->column_count; c++) {
		const struct column *column = &table->columns[c];
		const cJSON *test = column->cells[row];

		printf("  %-*s", width_of(column), test ? status_words[status_of(test)] : "-");
	}
	putchar('\n');
}

/* Why, under a row: once where several kernels say the same. */
static void print_reasons(const struct table *table, size_t row)
{
	for (size_t c = 0; c < table->column_count; c++) {
		const cJSON *test = table->columns[c].cells[row];
		int status = test ? status_of(test) : TEST_PASS;

		if (status == TEST_PASS || status == TEST_SKIP)
			continue;
		const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(
			test, status == TEST_KNOWN_FAIL ? "reason" : "message"));
		printf("    %s: %s\n", table->columns[c].name, text ? text : "no reason given");
	}
}

static void print_header(const struct table *table)
{
	printf("%-*s", NAME_WIDTH, "");
	for (size_t c = 0; c < table->column_count; c++)
		printf("  %-*s", width_of(&table->columns[c]), table->columns[c].name);
	putchar('\n');
}

static void print_counts(const char *name, const uint32_t counts[])
{
	printf("%s: %u passed, %u failed, %u skipped, %u known failures, %u unexpected passes, "
	       "%u broken\n",
		name, counts[TEST_PASS], counts[TEST_FAIL], counts[TEST_SKIP],
		counts[TEST_KNOWN_FAIL], counts[TEST_KNOWN_PASS], counts[TEST_BROKEN]);
}

static void print_totals(const struct table *table)
{
	uint32_t totals[TEST_BROKEN + 1] = {0};

	for (size_t c = 0; c < table->column_count; c++) {
		const struct column *column = &table->columns[c];

		print_counts(column->name, column->counts);
		for (int i = 0; i <= TEST_BROKEN; i++)
			totals[i] += column->counts[i];
	}
	print_counts("all", totals);
}

static void print_table(const struct table *table, bool all)
{
	size_t plain = 0, skipped = 0;

	print_header(table);
	for (size_t row = 0; row < table->row_count; row++) {
		bool is_hidden = is_plain(table, row) || is_skipped(table, row);

		plain += is_plain(table, row);
		skipped += is_skipped(table, row);
		if (is_hidden && !all)
			continue;
		print_row(table, row);
		print_reasons(table, row);
	}
	if (!all)
		printf("(not listed: %zu tests that pass everywhere, %zu that pass or are "
		       "skipped)\n",
			plain, skipped);
	print_totals(table);
	for (size_t c = 0; c < table->column_count; c++)
		if (compare_is_interrupted(table->columns[c].results))
			printf("note: %s: interrupted, not all tests ran\n",
				table->columns[c].path);
}

static int exit_code(const struct table *table)
{
	int code = TOOL_OK;

	for (size_t c = 0; c < table->column_count; c++) {
		const uint32_t *counts = table->columns[c].counts;

		if (counts[TEST_BROKEN] || compare_is_interrupted(table->columns[c].results))
			return TOOL_BROKEN;
		if (counts[TEST_FAIL] || counts[TEST_KNOWN_PASS])
			code = TOOL_FAILED;
	}
	return code;
}

int vm_table(const char *const *paths, size_t count, bool all)
{
	struct table table = {.column_count = 0};
	int code = TOOL_OK;

	if (count > COLUMNS_MAX) {
		tool_error("vm table: expected at most %d files", COLUMNS_MAX);
		return TOOL_BROKEN;
	}
	for (size_t i = 0; code == TOOL_OK && i < count; i++) {
		if (read_column(&table.columns[i], paths[i]))
			table.column_count++;
		else
			code = TOOL_BROKEN;
	}
	if (code == TOOL_OK) {
		for (size_t c = 0; c < count; c++)
			add_rows(&table, &table.columns[c]);
		for (size_t c = 0; c < count; c++)
			fill_cells(&table, &table.columns[c]);
		print_table(&table, all);
		code = exit_code(&table);
	}
	for (size_t c = 0; c < table.column_count; c++) {
		cJSON_Delete(table.columns[c].results);
		free(table.columns[c].cells);
	}
	free(table.ids);
	return code;
}
