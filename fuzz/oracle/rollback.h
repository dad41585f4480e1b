/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rollback: a failed call leaves the visible state as it was (I9), except for what a table of
 * exceptions allows, each row citing the specification.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_ROLLBACK_H
#define IOMMUZZ_FUZZ_ORACLE_ROLLBACK_H

#include "fuzz/oracle/step.h"

struct rollback;

/* Scratch memory, reused for many machines. NULL when memory is short. */
struct rollback *rollback_open(void);
void rollback_close(struct rollback *rollback);
/* A fresh machine: takes the digest of its state. sim stays valid until the next begin. */
void rollback_begin(struct rollback *rollback, struct sim *sim);
/*
 * After a call: when it failed, the state must equal that after the step before (or after begin).
 * Returns false and fills finding (oracle ORACLE_ROLLBACK) when it does not and no exception allows
 * it.
 */
bool rollback_step(
	struct rollback *rollback, const struct oracle_step *step, struct finding *finding);

#endif
