/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What LOCKS_FIBER needs from its owner: cooperative threads in one OS thread. The lock layer calls
 * these; a sim in fiber mode without a scheduler behaves as one with a single thread that never
 * switches.
 */
#ifndef IOMMUZZ_SIM_SCHEDULER_H
#define IOMMUZZ_SIM_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "impl/abi/points.h"

struct sim;
struct task;

/* What a task waits for. */
struct sim_wait {
	uint32_t slot;	     /* what wake will name */
	uint32_t object;     /* 1 + lock class, 0: no lock */
	const char *what;    /* "iova_rwsem", "completion", "wait", "rcu", a queue's name */
	const void *lock;    /* the lock, or what stands for it */
	uint32_t timeout_ms; /* virtual; 0: none */
	/* Whether the wait could end now, asked by the scheduler when nobody can go on. */
	bool (*ready)(const void *argument);
	const void *argument;
};

struct sim_scheduler {
	void *context;
	/*
	 * A scheduling point of that task, before the step that it names (UNLOCK and WAKE: behind
	 * it). object: 1 + class of the lock, 0 for the others. May switch. In LOCKS_PTHREAD the
	 * only one that is called, by many threads at once: it may delay.
	 */
	void (*point)(void *context, struct task *task, enum schedule_point point, uint32_t object);
	/* The task cannot go on until somebody calls wake on the slot, or the timeout has passed.
	 * May return early. */
	void (*block)(void *context, struct task *task, const struct sim_wait *wait);
	void (*wake)(void *context, struct task *task, uint32_t slot);
	/*
	 * A lock is about to be waited for or taken (before any waiting), is taken, is given back.
	 * Never switch. shared: for reading. asked is not told of a trylock.
	 */
	void (*asked)(void *context, struct task *task, uint16_t class, const void *lock);
	void (*taken)(
		void *context, struct task *task, uint16_t class, const void *lock, bool shared);
	void (*given)(void *context, struct task *task, uint16_t class, const void *lock);
};

/* Installs it (NULL: none) until the sim is destroyed, over resets. The caller keeps *scheduler
 * alive. */
void sim_set_scheduler(struct sim *sim, const struct sim_scheduler *scheduler);
/* The number by which locks know a task, from 1. */
uint32_t task_number(const struct task *task);

#endif
