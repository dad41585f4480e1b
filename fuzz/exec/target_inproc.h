/* SPDX-License-Identifier: Apache-2.0 */
/* What only the in-process implementation can be asked: its machine and what that reported. For the
 * oracles. */
#ifndef IOMMUZZ_FUZZ_EXEC_TARGET_INPROC_H
#define IOMMUZZ_FUZZ_EXEC_TARGET_INPROC_H

#include "fuzz/exec/target.h"

struct sim;

/* The machine, valid until the target is closed; the same one after a reset. */
struct sim *target_inproc_sim(struct target *target);

/* What the machine reported (sim_events.report): a broken rule of the lock layer, or a WARN. */
struct inproc_report {
	char rule[64];
	char message[200];
	bool is_warning; /* a WARN of the kernel, as opposed to a rule of the machine */
	bool by_driver; /* a WARN that answers a wrong use of the in-kernel API (7.2, 7.4 to 7.8) */
};

/*
 * The first report since the last time, for the caller to judge, valid until the next call. NULL
 * when there was none. `all` is filled with how many there were.
 */
const struct inproc_report *target_inproc_report(struct target *target, uint32_t *all);

#endif
