/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets do with a finding: print it readably and crash, so that every engine keeps the
 * input. */
#ifndef IOMMUZZ_FUZZ_TARGETS_FINDING_H
#define IOMMUZZ_FUZZ_TARGETS_FINDING_H

#include <stdio.h>
#include <stdlib.h>

#include "fuzz/oracle/oracle.h"

/* Runs the program with all oracles; prints and aborts on a finding. run is made at the first use
 * and kept. */
static inline void run_and_report(struct oracle_run **run, const struct prog *prog)
{
	struct finding finding;

	if (!*run)
		*run = oracle_open(0, ORACLE_ALL);
	if (!*run)
		return;
	if (oracle_run_program(*run, prog, &finding))
		return;
	oracle_print(&finding, prog, stderr);
	fflush(stderr);
	abort();
}

#endif
