/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sweeps on a real kernel, whose state cannot be copied: the program runs anew for each N, with the
 * N-th decision to fail inside the marked call coming out as a failure, until one is not reached.
 */
#ifndef IOMMUZZ_TOOLS_SUITE_SWEEP_H
#define IOMMUZZ_TOOLS_SUITE_SWEEP_H

#include "tools/suite.h"

#define SUITE_SWEEP_MAX 1000 /* runs of one call; specification 14 */

struct suite_sweep {
	struct exec *exec;
	const struct test *test;
	uint16_t kernel; /* profile */
	struct test_result *result;
	/* Asked after each run: whether pins are left although all is closed. May be NULL. */
	bool (*pinned)(const struct target *target);
};

/*
 * Runs the program for each of its calls with `fail-nth *`. A run in which the failure was reached
 * may end that call only with an errno of section 14; then the call, made again without failure,
 * and all behind it must do what the program expects, so that a trace left behind shows, and no
 * page stays pinned. The run that is not reached must meet all expectations. False: the result says
 * what did not hold (rule injected-error, injected-trace, injected-pin, injected-end; none for an
 * expectation), or that the program was skipped.
 */
bool suite_sweep_run(struct suite_sweep *sweep);

#endif
