/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz bench: medians of several runs of each measurement. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "impl/sim/bugs.h"
#include "tools/bench.h"
#include "tools/files.h"
#include "tools/tool.h"

#define RUNS_MAX	  100
#define BATCH_NANOSECONDS 2000000u /* a batch shall last this long at least */

enum { BENCH_SHORT, BENCH_RUNS, BENCH_JSON, BENCH_CSV, BENCH_ONLY, BENCH_LIST };

static const struct option_spec bench_options[] = {
	[BENCH_SHORT] = {"short", 0, NULL,
		"Fewer and shorter runs: the whole in well under a minute."},
	[BENCH_RUNS] = {"runs", 'r', "N", "Runs of each measurement (default 7, with --short 3)."},
	[BENCH_JSON] = {"json", 'j', "FILE", "Writes all runs as JSON to FILE."},
	[BENCH_CSV] = {"csv", 'c', "FILE", "Writes medians, minima and maxima as CSV to FILE."},
	[BENCH_ONLY] = {"only", 'o', "PATTERN",
		"Only the measurements whose names match (may be given several times)."},
	[BENCH_LIST] = {"list", 'l', NULL, "Prints the measurements, measures nothing."},
	{0},
};

struct series {
	const struct measurement *measurement;
	double values[RUNS_MAX]; /* sorted */
	unsigned count;
	const char *reason; /* of no values */
};

struct report {
	struct bench bench;
	unsigned runs;
	const char *json, *csv, *only[16];
	unsigned only_count;
	bool list;
	int argc;
	char **argv;
	struct series *series;
	size_t count;
};

/* -- the clock -- */

uint64_t bench_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct bench_loop bench_loop_begin(const struct bench *bench)
{
	uint64_t now = bench_clock();

	return (struct bench_loop){.start = now, .limit = now + (uint64_t)(bench->seconds * 1e9)};
}

bool bench_loop_more(struct bench_loop *loop)
{
	uint64_t now = bench_clock();

	loop->done += loop->batch;
	if (loop->done && now >= loop->limit) {
		loop->limit = now;
		return false;
	}
	if (!loop->batch)
		loop->batch = 1;
	else if ((now - loop->start) / (loop->done / loop->batch + 1) < BATCH_NANOSECONDS)
		loop->batch *= 2;
	return true;
}

double bench_loop_rate(const struct bench_loop *loop)
{
	return 1e9 / bench_loop_cost(loop);
}

double bench_loop_cost(const struct bench_loop *loop)
{
	return (double)(loop->limit - loop->start) / (double)loop->done;
}

/* -- the build -- */

static const char *build_name(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return "asan";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	return sim_bugs_built() ? "bugs" : "asan";
#elif __has_feature(thread_sanitizer)
	return "tsan";
#elif __has_feature(memory_sanitizer)
	return "msan";
#endif
#endif
#ifdef __OPTIMIZE__
	return sim_bugs_built() ? "release with defects" : "release";
#else
	return "not optimised";
#endif
}

static const char *compiler_name(void)
{
#ifdef __clang__
	return "clang " __clang_version__;
#else
	return "gcc " __VERSION__;
#endif
}

/* -- measuring -- */

static int compare_values(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct series *series)
{
	const double *values = series->values;
	unsigned middle = series->count / 2;

	return series->count % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

static void measure(struct report *report, struct series *series)
{
	const struct measurement *measurement = series->measurement;
	unsigned runs = report->bench.brief && measurement->once ? 1 : report->runs;

	for (unsigned i = 0; i < runs; i++) {
		double value = measurement->measure(&report->bench);

		if (value < 0) {
			series->count = 0;
			series->reason = report->bench.reason;
			return;
		}
		series->values[series->count++] = value;
	}
	qsort(series->values, series->count, sizeof(series->values[0]), compare_values);
}

/* -- printing -- */

static const char *number_text(double value, char buffer[32])
{
	snprintf(buffer, 32, value >= 1000 ? "%.0f" : value >= 10 ? "%.1f" : "%.3f", value);
	return buffer;
}

static void print_series(const struct series *series)
{
	const struct measurement *measurement = series->measurement;
	char middle[32], low[32], high[32];

	if (!series->count) {
		printf("%-22s not measured: %s\n", measurement->name,
			series->reason ? series->reason : "unknown");
		return;
	}
	printf("%-22s %12s %-12s %10s .. %-10s %2u  %-22s %s\n", measurement->name,
		number_text(median(series), middle), measurement->unit,
		number_text(series->values[0], low),
		number_text(series->values[series->count - 1], high), series->count,
		measurement->budget ? measurement->budget : "", measurement->what);
	fflush(stdout);
}

static void json_series(const struct series *series, FILE *out)
{
	const struct measurement *measurement = series->measurement;

	fprintf(out, "  {\"name\": \"%s\", \"unit\": \"%s\", \"what\": ", measurement->name,
		measurement->unit);
	tool_json_string(measurement->what, out);
	fputs(", \"budget\": ", out);
	if (measurement->budget)
		tool_json_string(measurement->budget, out);
	else
		fputs("null", out);
	if (series->count) {
		fprintf(out,
			",\n   \"median\": %.6g, \"minimum\": %.6g, \"maximum\": %.6g, \"runs\": [",
			median(series), series->values[0], series->values[series->count - 1]);
		for (unsigned i = 0; i < series->count; i++)
			fprintf(out, "%s%.6g", i ? ", " : "", series->values[i]);
		fputs("]}", out);
	} else {
		fputs(", \"not_measured\": ", out);
		tool_json_string(series->reason ? series->reason : "unknown", out);
		fputc('}', out);
	}
}

static void print_json(const struct report *report, FILE *out)
{
	fputs("{\"command\": [\"iommuzz\"", out);
	for (int i = 0; i < report->argc; i++) {
		fputs(", ", out);
		tool_json_string(report->argv[i], out);
	}
	fputs("], \"commit\": ", out);
	tool_json_string(tool_commit, out);
	fputs(", \"build\": ", out);
	tool_json_string(build_name(), out);
	fputs(", \"compiler\": ", out);
	tool_json_string(compiler_name(), out);
	fprintf(out, ", \"seconds\": %g, \"measurements\": [\n", report->bench.seconds);
	for (size_t i = 0; i < report->count; i++) {
		fputs(i ? ",\n" : "", out);
		json_series(&report->series[i], out);
	}
	fputs("\n]}\n", out);
}

static void csv_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++)
		fputs(*text == '"' ? "\"\"" : (char[]){*text, 0}, out);
	fputc('"', out);
}

static void print_csv(const struct report *report, FILE *out)
{
	fputs("command,commit,build,compiler,name,unit,median,minimum,maximum,runs,budget\n", out);
	for (size_t i = 0; i < report->count; i++) {
		const struct series *series = &report->series[i];
		const struct measurement *measurement = series->measurement;

		fputs("\"iommuzz", out);
		for (int a = 0; a < report->argc; a++)
			fprintf(out, " %s", report->argv[a]);
		fprintf(out, "\",%s,\"%s\",", tool_commit, build_name());
		csv_text(compiler_name(), out);
		fprintf(out, ",%s,%s,", measurement->name, measurement->unit);
		if (series->count)
			fprintf(out, "%.6g,%.6g,%.6g,", median(series), series->values[0],
				series->values[series->count - 1]);
		else
			fputs(",,,", out);
		fprintf(out, "%u,", series->count);
		csv_text(measurement->budget ? measurement->budget : "", out);
		fputc('\n', out);
	}
}

static bool write_file(const struct report *report, const char *path,
	void (*print)(const struct report *report, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = path ? open_memstream(&text, &size) : NULL;

	if (!path)
		return true;
	if (!out) {
		tool_error("out of memory");
		return false;
	}
	print(report, out);
	fclose(out);
	bool done = files_write(path, text, size);
	free(text);
	return done;
}

/* -- command -- */

static bool wanted(const struct report *report, const char *name)
{
	for (unsigned i = 0; i < report->only_count; i++)
		if (fnmatch(report->only[i], name, 0) == 0)
			return true;
	return !report->only_count;
}

static void collect(struct report *report, const struct measurement *list)
{
	for (; list->name; list++) {
		if (!wanted(report, list->name))
			continue;
		report->series =
			tool_grow(report->series, report->count + 1, sizeof(*report->series));
		report->series[report->count++] = (struct series){.measurement = list};
	}
}

static int run_report(struct report *report)
{
	bool missing = false;

	collect(report, bench_programs);
	collect(report, bench_machine);
	collect(report, bench_threads);
	collect(report, bench_domain);
	if (!report->count) {
		tool_error("bench: no measurement is named '%s'; see iommuzz bench --list",
			report->only[0]);
		return TOOL_BROKEN;
	}
	/* Before minutes of measuring whose results could not be kept. */
	if (!report->list && ((report->json && !files_can_write(report->json)) ||
				     (report->csv && !files_can_write(report->csv))))
		return TOOL_BROKEN;
	if (!report->list) {
		printf("build %s, compiler %s, commit %s, %u runs of %g s\n", build_name(),
			compiler_name(), tool_commit, report->runs, report->bench.seconds);
		printf("%-22s %12s %-12s %10s    %-10s %2s  %-22s %s\n", "NAME", "MEDIAN", "UNIT",
			"MINIMUM", "MAXIMUM", "N", "BUDGET", "WHAT");
	}
	for (size_t i = 0; i < report->count; i++) {
		const struct measurement *measurement = report->series[i].measurement;

		if (report->list) {
			printf("%-22s %-12s %s\n", measurement->name, measurement->unit,
				measurement->what);
			continue;
		}
		measure(report, &report->series[i]);
		print_series(&report->series[i]);
		missing = missing || !report->series[i].count;
	}
	if (!report->list && (!write_file(report, report->json, print_json) ||
				     !write_file(report, report->csv, print_csv)))
		return TOOL_BROKEN;
	return missing ? TOOL_FAILED : TOOL_OK;
}

static bool read_option(struct report *report, int option, const char *value)
{
	uint64_t runs;

	switch (option) {
	case BENCH_SHORT: report->bench.brief = true; return true;
	case BENCH_RUNS:
		if (!tool_number("runs", value, 1, RUNS_MAX, &runs))
			return false;
		report->runs = (unsigned)runs;
		return true;
	case BENCH_JSON: report->json = value; return true;
	case BENCH_CSV: report->csv = value; return true;
	case BENCH_ONLY:
		if (report->only_count == sizeof(report->only) / sizeof(report->only[0])) {
			tool_error("bench: too many --only");
			return false;
		}
		report->only[report->only_count++] = value;
		return true;
	case BENCH_LIST: report->list = true; return true;
	case OPTIONS_WORD: tool_error("bench: takes no arguments, found '%s'", value); return false;
	default: return false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct report report = {.argc = argc, .argv = argv};
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_HELP)
			return tool_exit(TOOL_OK);
		if (!read_option(&report, option, value))
			return TOOL_BROKEN;
	}
	if (!report.runs)
		report.runs = report.bench.brief ? 3 : 7;
	report.bench.seconds = report.bench.brief ? 0.1 : 0.5;
	int code = run_report(&report);
	free(report.series);
	return tool_exit(code);
}

const struct command command_bench = {
	.name = "bench",
	.brief = "measure speed",
	.synopsis =
		"iommuzz bench [--short] [--runs N] [--only PATTERN]... [--json FILE] [--csv FILE]",
	.description = "Measures what DESIGN.md section 8 sets budgets for and some more, on one "
		       "core: each line\n"
		       "is the median of several runs with the lowest and the highest. Seconds are "
		       "those of the\n"
		       "processor (of `conformance`: those of the clock), so that other work on "
		       "the machine\n"
		       "counts little. Budgets are shown beside the figures and never judged: a "
		       "figure is true\n"
		       "of one machine and one moment, and that of a budget marked (release) or "
		       "(asan) counts in\n"
		       "that build alone. Which build this is is printed first.\n"
		       "\n"
		       "Ratios compare two figures of one run: a MAP at 1,000,000 areas with one "
		       "at 1,000.",
	.options = bench_options,
	.exit_status = "0   everything was measured\n"
		       "1   something could not be measured (the reason is printed)\n"
		       "2   wrong usage, or the file cannot be written",
	.examples = "iommuzz bench --short\n"
		    "iommuzz bench --only 'map-*' --runs 21 --json map.json",
	.run = run,
};
