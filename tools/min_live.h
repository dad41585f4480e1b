/* SPDX-License-Identifier: Apache-2.0 */
/* How a program fails on the real kernel, and whether a shorter one fails in the same way. */
#ifndef IOMMUZZ_TOOLS_MIN_LIVE_H
#define IOMMUZZ_TOOLS_MIN_LIVE_H

#include "fuzz/prog/text.h"
#include "tools/machine.h"

struct min_live {
	uint16_t kernel;
	struct machine machine;
	const struct prog_text *text; /* whose expectations say what is wrong; until they have */
	/* The call that is wrong, once it is known, and what it does. */
	bool known;
	uint16_t row;
	int64_t result;
};

/* Plain data: it crosses from process to process. */
struct min_live_failure {
	bool fails;
	uint16_t row;
	int64_t result;
	char rule[80];	   /* "IOMMU_IOAS_MAP gives EBUSY", "hang in IOMMU_DESTROY", ... */
	char skipped[100]; /* why there is nothing to judge */
};

/*
 * Runs the program in a process of its own. The first time (known is false) it fails if it does not
 * do what text expects, and the reference model does; later if the same call does the same and the
 * reference model disagrees. Hangs, deaths and reports in the kernel's log are failures at any
 * time.
 */
void min_live_judge(
	struct min_live *live, const struct prog *prog, struct min_live_failure *failure);

#endif
