/* SPDX-License-Identifier: Apache-2.0 */
/* TAP for test programs: `tap_begin`, any number of `tap_ok`, `return tap_end()` from main. */
#ifndef IOMMUZZ_TESTS_TAP_H
#define IOMMUZZ_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_number, tap_failures;

static inline void tap_begin(void)
{
	printf("TAP version 13\n");
}

/* One test. Returns holds, so that a caller can print diagnostics behind it. */
__attribute__((format(printf, 2, 3))) static inline bool tap_ok(bool holds, const char *format, ...)
{
	va_list arguments;

	printf("%s %d - ", holds ? "ok" : "not ok", ++tap_number);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	tap_failures += !holds;
	return holds;
}

/* Prints the plan; the exit status of main. */
static inline int tap_end(void)
{
	printf("1..%d\n", tap_number);
	return tap_failures ? 1 : 0;
}

#endif
