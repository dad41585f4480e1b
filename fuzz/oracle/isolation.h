/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Isolation: no device and no access reaches a page that it should not. After UNMAP, detach,
 * replace or destroy has returned, neither page table nor IOTLB nor a returned pin leads to the old
 * pages.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_ISOLATION_H
#define IOMMUZZ_FUZZ_ORACLE_ISOLATION_H

#include "fuzz/oracle/step.h"

struct isolation;

/* Scratch memory, reused for many machines. NULL when memory is short. */
struct isolation *isolation_open(void);
void isolation_close(struct isolation *isolation);
/* A fresh machine: forgets the last one. sim stays valid until the next begin. */
void isolation_begin(struct isolation *isolation, struct sim *sim);
/* After a call. Returns false and fills finding (oracle ORACLE_ISOLATION) at the first page reached
 * wrongly. */
bool isolation_step(
	struct isolation *isolation, const struct oracle_step *step, struct finding *finding);

#endif
