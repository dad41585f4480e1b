/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: every counter and every structure of the machine against what the object graph implies
 * (specification 19, DESIGN.md section 5). Reads the implementation's structures, changes nothing.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_AUDIT_H
#define IOMMUZZ_FUZZ_ORACLE_AUDIT_H

#include "fuzz/oracle/step.h"

struct audit;

/* Scratch memory of one auditor, reused for many machines. NULL when memory is short. */
struct audit *audit_open(void);
void audit_close(struct audit *audit);
/* A fresh machine: forgets what was known of the last one. sim stays valid until the next begin. */
void audit_begin(struct audit *audit, struct sim *sim);
/*
 * After a call: what its journal touched, or everything (always below 256 objects, every 64 calls).
 * Returns false and fills finding (oracle ORACLE_AUDIT) at the first broken rule.
 */
bool audit_step(struct audit *audit, const struct oracle_step *step, struct finding *finding);
/* The whole graph before the program's end. */
bool audit_whole(struct audit *audit, struct finding *finding);
/* After sim_finish: no object, pin, file, mapping or accounted page is left. I6 */
bool audit_end(struct audit *audit, struct finding *finding);

#endif
