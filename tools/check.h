/* SPDX-License-Identifier: Apache-2.0 */
/* What the forms of `iommuzz check` share: the plain run, --requirements and --mutants. */
#ifndef IOMMUZZ_TOOLS_CHECK_H
#define IOMMUZZ_TOOLS_CHECK_H

#include "tools/machine.h"
#include "tools/report.h"
#include "tools/suite.h"

struct check {
	struct suite_config config;
	struct suite suite;
	enum report_format format;
	const char *json; /* path or NULL */
	unsigned jobs, timeout, call_timeout;
	bool embedded;		/* the suites that are compiled in, whatever else is there */
	struct machine machine; /* with the target live */
};

/* requirements.c: which requirement of conformance/requirements is shown by what. An exit code. */
int check_requirements(const struct check *check);
/*
 * mutants.c: the suite once per switchable defect, and each oracle. quick: the suite alone, and of
 * it first the program that conformance/caught names. An exit code.
 */
int check_mutants(struct check *check, bool quick);

#endif
