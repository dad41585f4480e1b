/* SPDX-License-Identifier: Apache-2.0 */
/* Between lock.c (checks, single mode) and lock_wait.c (threads): the latter blocks until it has
 * the lock. */
#ifndef IOMMUZZ_SIM_LOCK_PRIVATE_H
#define IOMMUZZ_SIM_LOCK_PRIVATE_H

#include "impl/sim/sim_private.h"

void wait_mutex(struct task *task, struct mutex *mutex);
void wait_spin(struct task *task, struct spinlock *lock);
void wait_read(struct task *task, struct rwsem *sem);
void wait_write(struct task *task, struct rwsem *sem);
/* Release; the word is not touched after the step that frees it. */
void release_mutex(struct task *task, struct mutex *mutex);
void release_spin(struct task *task, struct spinlock *lock);
void release_read(struct task *task, struct rwsem *sem);
void release_write(struct task *task, struct rwsem *sem, bool keep_reading);
void wait_completion(struct task *task, struct completion *completion);
void signal_completion(struct task *task, struct completion *completion, bool all);
/* True when woken or the sequence is no more `seen`; false on a timeout. condition: what the caller
 * waits for, for reports. */
bool wait_sequence(struct task *task, struct wait_queue *queue, uint32_t seen, uint32_t timeout_ms,
	bool (*condition)(const void *), const void *argument);
void wake_sequence(struct task *task, struct wait_queue *queue);
/* Sleeps until done(argument) holds; whoever makes it hold calls lock_wake(task, slot). */
void wait_until(struct task *task, uint32_t slot, const char *what, bool (*done)(const void *),
	const void *argument);

#define COMPLETION_ALL UINT32_MAX

#endif
