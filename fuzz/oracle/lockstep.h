/* SPDX-License-Identifier: Apache-2.0 */
/* Implementation and reference model in step: the same call on both, then the traces compared. */
#ifndef IOMMUZZ_FUZZ_ORACLE_LOCKSTEP_H
#define IOMMUZZ_FUZZ_ORACLE_LOCKSTEP_H

#include "fuzz/oracle/step.h"

struct lockstep {
	struct exec *impl;
	struct exec *model; /* NULL: the implementation alone */
	uint32_t compared;  /* trace entries that were equal */
};

enum lockstep_mode {
	LOCKSTEP_PROGRAM, /* with the failure that the program asks for */
	LOCKSTEP_PLAIN,	  /* without */
	LOCKSTEP_FAILING, /* the nth pass of any fault point fails */
};

/* Both machines fresh. False: not to be had, *reason says why. */
bool lockstep_begin(struct lockstep *pair, const struct prog *prog, const char **reason);
/*
 * One run of call i on both. Fills step (but for number) and returns whether the traces agree; else
 * finding is filled.
 */
bool lockstep_step(struct lockstep *pair, const struct prog *prog, uint32_t i,
	enum lockstep_mode mode, uint16_t nth, struct oracle_step *step, struct finding *finding);
/* Both programs end; what that shows is compared too. */
void lockstep_finish(struct lockstep *pair);

#endif
