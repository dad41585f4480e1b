/* SPDX-License-Identifier: Apache-2.0 */
/* Prints test results: TAP 13 (for prove), TAP 14, KTAP, JUnit, and JSON beside any of them. */
#ifndef IOMMUZZ_TOOLS_REPORT_H
#define IOMMUZZ_TOOLS_REPORT_H

#include "tools/suite.h"

enum report_format { REPORT_TAP, REPORT_TAP14, REPORT_KTAP, REPORT_JUNIT };

/* Where and of what results are; JSON carries it. */
struct report_run {
	const struct live_probe *probe; /* of a real kernel, else NULL */
	const char *no_log;		/* why the log of that kernel is not read; NULL: it is */
	const char *const *devices;	/* that programs may use */
	unsigned device_count;
	uint64_t suite_digest, seed;
	int64_t start; /* seconds since 1970 */
};

struct report_skips;

struct report {
	enum report_format format;
	FILE *out;
	FILE *json;		      /* NULL: none. Closed by the caller */
	const struct report_run *run; /* may be NULL */
	const char *target;
	uint16_t kernel;
	uint32_t counts[TEST_BROKEN + 1];  /* by enum test_status */
	uint32_t number;		   /* tests printed */
	uint64_t undecided;		   /* searches of the model that were given up */
	const struct schedules *schedules; /* of programs with threads; may be NULL */
	bool threads;			   /* there are such programs */
	/* JUnit states its totals first, so its cases wait in memory. */
	char *cases;
	size_t case_bytes;
	FILE *case_stream;
	struct report_skips *skips; /* JSON's summary grows in here */
};

/* Version line and plan. total is the number of tests that will come. */
void report_begin(struct report *report, size_t total);
/* log: what the kernel said during the test, or "". */
void report_test(struct report *report, const struct test *test, const struct test_result *result,
	const char *log);
/* Totals. interrupted: not all tests came. */
void report_end(struct report *report, bool interrupted);

/* report_json.c: the same for report->json. */
void report_json_begin(struct report *report);
void report_json_test(struct report *report, const struct test *test,
	const struct test_result *result, const char *log);
void report_json_end(struct report *report, bool interrupted);
/* "pass", "known-fail", ... by enum test_status; ended by NULL. */
extern const char *const test_status_names[];

/* The value of --format; false after an error that says what was expected. */
bool report_set_format(const char *name, enum report_format *format);
extern const char *const report_format_names[];

#endif
