/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver (oracle.h) tells audit, isolation and rollback about one executed call. */
#ifndef IOMMUZZ_FUZZ_ORACLE_STEP_H
#define IOMMUZZ_FUZZ_ORACLE_STEP_H

#include <stdarg.h>

#include "fuzz/oracle/oracle.h"

struct sim;

/* One executed top-level call, callbacks included. The state does not change between two steps. */
struct oracle_step {
	const struct prog *prog;
	uint32_t index;			  /* of the call in the program */
	uint32_t number;		  /* executed calls of this run so far, from 1 */
	const struct resolved_call *call; /* as the implementation saw it; NULL for control calls */
	const uint8_t *image; /* the struct after the call, image_size bytes; NULL without one */
	uint32_t image_size;
	int64_t result; /* >= 0 or negative errno */
	bool injected;	/* an injected failure was reached in it */
	bool callbacks; /* at least one callback ran inside it: other calls may have succeeded in
			   there */
};

/*
 * Fills the finding (oracle, rule, the step's index, one line of message) and returns false, so
 * that a check can `return finding_set(...)`. call: oracle_step.index, or UINT32_MAX at the end.
 */
bool finding_set(struct finding *finding, uint32_t oracle, uint32_t call, const char *rule,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
