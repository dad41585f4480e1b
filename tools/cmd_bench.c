/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz bench: the budgets of DESIGN.md section 8, measured. */
#include <stdlib.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/files.h"
#include "tools/tool.h"

#define RUNS_MAX 99

enum { BENCH_SHORT, BENCH_JSON, BENCH_RUNS, BENCH_ONLY };

static const struct option_spec bench_options[] = {
	[BENCH_SHORT] = {"short", 's', NULL,
		"Fewer programs and areas (100,000 instead of 1,000,000), 3 runs."},
	[BENCH_JSON] = {"json", 'j', "FILE", "Writes all values as JSON too."},
	[BENCH_RUNS] = {"runs", 'n', "N",
		"Runs of each measurement (default 5); the median counts."},
	[BENCH_ONLY] = {"only", 'o', "TEXT", "Only measurements whose name contains TEXT."},
	{0},
};

struct bench {
	struct bench_size size;
	unsigned runs;
	const char *only;
	FILE *json;
	unsigned printed;
	bool failed;
};

#if defined(__SANITIZE_ADDRESS__)
#define BUILD "AddressSanitizer"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BUILD "AddressSanitizer"
#endif
#endif
#ifndef BUILD
#define BUILD "without sanitizers"
#endif

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_value(double value, FILE *out)
{
	if (value >= 1000)
		fprintf(out, "%12.0f", value);
	else
		fprintf(out, "%12.2f", value);
}

static void json_measurement(
	struct bench *bench, const struct measurement *what, const double *values)
{
	FILE *out = bench->json;

	fprintf(out, "%s\n    {\"name\": ", bench->printed ? "," : "");
	tool_json_string(what->name, out);
	fprintf(out,
		", \"unit\": \"%s\", \"budget\": \"%s\", \"median\": %.6g, \"min\": %.6g, \"max\": "
		"%.6g, \"runs\": [",
		what->unit, what->budget, values[bench->runs / 2], values[0],
		values[bench->runs - 1]);
	for (unsigned r = 0; r < bench->runs; r++)
		fprintf(out, "%s%.6g", r ? ", " : "", values[r]);
	fputs("]}", out);
}

static void measure(struct bench *bench, const struct measurement *what)
{
	double values[RUNS_MAX];

	if (bench->only && !strstr(what->name, bench->only))
		return;
	for (unsigned r = 0; r < bench->runs; r++) {
		values[r] = what->take(&bench->size);
		if (values[r] < 0) {
			printf("%-42s could not be measured\n", what->name);
			bench->failed = true;
			return;
		}
	}
	qsort(values, bench->runs, sizeof(values[0]), by_value);
	printf("%-42s", what->name);
	print_value(values[bench->runs / 2], stdout);
	print_value(values[0], stdout);
	print_value(values[bench->runs - 1], stdout);
	printf("  %-8s %s%s\n", what->unit, *what->budget ? what->high_is_good ? ">= " : "<= " : "",
		what->budget);
	fflush(stdout);
	if (bench->json)
		json_measurement(bench, what, values);
	bench->printed++;
}

static void measure_all(struct bench *bench)
{
	static const struct measurement *const groups[] = {
		bench_programs, bench_machine, bench_areas};

	printf("build: %s; median of %u runs; many areas: %u\n", BUILD, bench->runs,
		bench->size.areas);
	printf("%-42s%12s%12s%12s  %-8s %s\n", "measurement", "median", "min", "max", "unit",
		"budget");
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (const struct measurement *what = groups[g]; what->name; what++)
			measure(bench, what);
}

static int run_bench(struct bench *bench, const char *path)
{
	char *json = NULL;
	size_t bytes = 0;

	if (path) {
		bench->json = open_memstream(&json, &bytes);
		if (bench->json)
			fprintf(bench->json,
				"{\n  \"build\": \"%s\",\n  \"areas\": %u,\n  \"measurements\": [",
				BUILD, bench->size.areas);
	}
	measure_all(bench);
	int code = bench->failed ? TOOL_BROKEN : TOOL_OK;
	if (bench->json) {
		fputs("\n  ]\n}\n", bench->json);
		fclose(bench->json);
		if (!files_write(path, json, bytes))
			code = TOOL_BROKEN;
		free(json);
	}
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct bench bench = {
		.size = {.programs = 200000, .calls = 1000000, .areas = 1000000}, .runs = 5};
	struct options options;
	const char *value, *path = NULL;
	uint64_t runs = 0;
	bool is_short = false;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		switch (option) {
		case BENCH_SHORT: is_short = true; break;
		case BENCH_JSON: path = value; break;
		case BENCH_RUNS:
			if (!tool_number("runs", value, 1, RUNS_MAX, &runs))
				return TOOL_BROKEN;
			break;
		case BENCH_ONLY: bench.only = value; break;
		case OPTIONS_HELP: return TOOL_OK;
		case OPTIONS_WORD:
			tool_error("bench: expected options only, found '%s'", value);
			return TOOL_BROKEN;
		default: return TOOL_BROKEN;
		}
	}
	if (is_short) {
		bench.size =
			(struct bench_size){.programs = 20000, .calls = 100000, .areas = 100000};
		bench.runs = 3;
	}
	if (runs)
		bench.runs = (unsigned)runs;
	return run_bench(&bench, path);
}

const struct command command_bench = {
	.name = "bench",
	.brief = "measure the budgets of the design",
	.synopsis = "iommuzz bench [--short] [--runs N] [--json FILE] [--only TEXT]",
	.description =
		"Measures each budget several times and prints the median, the smallest and the "
		"largest value.\n"
		"The standard program is open, IOAS_ALLOC, 4 maps, 4 unmaps, close: decoded, run "
		"and traced on\n"
		"a fresh machine. Nothing here fails because it is slow. Take the numbers of a "
		"release build on\n"
		"an idle machine; the budget with audit and model is meant for the asan build.",
	.options = bench_options,
	.exit_status = "0   measured\n2   wrong usage, or something could not be measured",
	.examples = "iommuzz bench --json bench.json\nbuild/asan/iommuzz bench --only 'audit and "
		    "model'",
	.run = run,
};
