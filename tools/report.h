/* SPDX-License-Identifier: Apache-2.0 */
/* Prints test results: TAP 13 (for prove), TAP 14, KTAP, JUnit, and JSON beside any of them. */
#ifndef IOMMUZZ_TOOLS_REPORT_H
#define IOMMUZZ_TOOLS_REPORT_H

#include "tools/suite.h"

enum report_format { REPORT_TAP, REPORT_TAP14, REPORT_KTAP, REPORT_JUNIT };

struct report {
	enum report_format format;
	FILE *out;
	FILE *json; /* NULL: none. Closed by the caller */
	const char *target;
	uint16_t kernel;
	uint32_t counts[TEST_BROKEN + 1]; /* by enum test_status */
	uint32_t number;		  /* tests printed */
	/* JUnit states its totals first, so its cases wait in memory. */
	char *cases;
	size_t case_bytes;
	FILE *case_stream;
};

/* Version line and plan. total is the number of tests that will come. */
void report_begin(struct report *report, size_t total);
/* log: what the kernel said during the test, or "". */
void report_test(struct report *report, const struct test *test, const struct test_result *result,
	const char *log);
/* Totals. interrupted: not all tests came. */
void report_end(struct report *report, bool interrupted);

/* The format of a name; false when there is none of it. */
bool report_find_format(const char *name, enum report_format *format);
extern const char *const report_format_names[];

#endif
