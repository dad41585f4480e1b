/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads on a real kernel, whose turns nobody decides: the program runs again and again with one
 * OS thread each, with other delays each time.
 */
#ifndef IOMMUZZ_TOOLS_SUITE_REPEAT_H
#define IOMMUZZ_TOOLS_SUITE_REPEAT_H

#include "tools/suite.h"

#define SUITE_REPEATS 20u /* runs of a program, where nothing else is asked for */

struct suite_repeat {
	struct exec *exec;
	const struct test *test;
	uint16_t kernel;  /* profile */
	unsigned repeats; /* 0: SUITE_REPEATS */
	unsigned seconds; /* for one section, 0: 20 */
	struct test_result *result;
};

/*
 * Every run must do what the program expects. False: the result says what one of them did not, and
 * which run it was; or *reason why the program cannot run.
 */
bool suite_repeat_run(const struct suite_repeat *repeat, const char **reason);

#endif
