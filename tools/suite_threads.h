/* SPDX-License-Identifier: Apache-2.0 */
/* Tests with threads: run under many schedules, judged behind each. */
#ifndef IOMMUZZ_TOOLS_SUITE_THREADS_H
#define IOMMUZZ_TOOLS_SUITE_THREADS_H

#include "tools/suite.h"

struct suite_threads {
	const struct suite_config *config; /* its schedules are run */
	const struct test *test;
	uint16_t kernel;
	struct oracle_run *oracles; /* the implementation, or NULL: */
	struct exec *exec;	    /* another target, with */
	struct scheduler *scheduler;
};

/*
 * Runs the program under the schedules of the configuration, or under its own alone if it has one.
 * False: a schedule failed, and finding (an oracle's) and result say how. *reason is set when it
 * could not be run.
 */
bool suite_threads_run(const struct suite_threads *threads, struct finding *finding,
	const char **reason, struct test_result *result);

#endif
