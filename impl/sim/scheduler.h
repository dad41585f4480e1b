/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What LOCKS_FIBER needs from its owner: cooperative threads in one OS thread. The lock layer calls
 * these; a sim in fiber mode without a scheduler behaves as one with a single thread that never
 * switches.
 */
#ifndef IOMMUZZ_SIM_SCHEDULER_H
#define IOMMUZZ_SIM_SCHEDULER_H

#include <stdint.h>

#include "impl/abi/points.h"

struct sim;
struct task;

struct sim_scheduler {
	void *context;
	/* A scheduling point of that task; what names the lock class, NULL for the others. May
	 * switch. */
	void (*point)(
		void *context, struct task *task, enum schedule_point point, const char *what);
	/*
	 * The task cannot go on until somebody calls wake on slot, or timeout_ms (0: none) have
	 * passed. May return early. holder: number of the task that owns the lock it waits for, 0
	 * when not known.
	 */
	void (*block)(void *context, struct task *task, uint32_t slot, const char *what,
		uint32_t holder, uint32_t timeout_ms);
	void (*wake)(void *context, struct task *task, uint32_t slot);
};

/* Installs it (NULL: none) until the sim is destroyed, over resets. The caller keeps *scheduler
 * alive. */
void sim_set_scheduler(struct sim *sim, const struct sim_scheduler *scheduler);
/* The number by which locks know a task, from 1. */
uint32_t task_number(const struct task *task);

#endif
