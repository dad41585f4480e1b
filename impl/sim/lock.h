/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of the simulated kernel. All are plain words: zero is unlocked, no init that allocates, no destroy, so that
 * they can live in any arena, also one shared by processes. Mode per sim (enum lock_mode). Every operation is a
 * scheduling point. Class names are string constants, used in reports and schedules ("iova_rwsem").
 * Sleeping locks, user copies and allocations in atomic context (spinlock or RCU read section held) are reported;
 * so are double locks, unlocks by another task and locks held when a system call returns.
 */
#ifndef IOMMUZZ_SIM_LOCK_H
#define IOMMUZZ_SIM_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct task;
struct sim;

enum lock_class {
#define LOCK_CLASS(identifier, name) LOCK_##identifier,
#include "lock_classes.def"
#undef LOCK_CLASS
	LOCK_CLASS_COUNT
};
const char *lock_class_name(enum lock_class class);

struct mutex {
	uint32_t owner; /* task number + 1, 0 free */
	uint16_t class;
	uint16_t waiters;
};
struct rwsem {
	uint32_t writer; /* task number + 1, 0 none */
	uint16_t class;
	uint16_t waiters;
	uint32_t readers;
};
struct spinlock {
	uint32_t owner;
	uint16_t class;
	uint16_t waiters;
};
struct completion {
	uint32_t done;
	uint32_t waiters;
};
struct wait_queue {
	uint32_t sequence; /* advanced by each wake */
	uint32_t waiters;
};

static inline struct mutex mutex_init(enum lock_class class)
{
	return (struct mutex){.class = (uint16_t)class};
}
static inline struct rwsem rwsem_init(enum lock_class class)
{
	return (struct rwsem){.class = (uint16_t)class};
}
static inline struct spinlock spinlock_init(enum lock_class class)
{
	return (struct spinlock){.class = (uint16_t)class};
}

void mutex_lock(struct task *task, struct mutex *mutex);
bool mutex_trylock(struct task *task, struct mutex *mutex);
void mutex_unlock(struct task *task, struct mutex *mutex);
void down_read(struct task *task, struct rwsem *sem);
void up_read(struct task *task, struct rwsem *sem);
void down_write(struct task *task, struct rwsem *sem);
void up_write(struct task *task, struct rwsem *sem);
void downgrade_write(struct task *task, struct rwsem *sem);
void spin_lock(struct task *task, struct spinlock *lock);
void spin_unlock(struct task *task, struct spinlock *lock);

bool mutex_is_held(const struct task *task, const struct mutex *mutex);
bool rwsem_is_held(const struct task *task, const struct rwsem *sem);

/* Waits until complete() was called; each wakes one. complete_all wakes all for good. */
void wait_for_completion(struct task *task, struct completion *completion);
void complete(struct task *task, struct completion *completion);
void complete_all(struct task *task, struct completion *completion);
/*
 * Waits until condition(argument) holds, testing it after each wake. A timeout in virtual milliseconds, 0: none.
 * False when it timed out. In single mode a false condition that nobody can change is a report and false.
 */
bool wait_event(struct task *task, struct wait_queue *queue, bool (*condition)(const void *),
	const void *argument, uint32_t timeout_ms);
void wake_up_all(struct task *task, struct wait_queue *queue);

void rcu_read_lock(struct task *task);
void rcu_read_unlock(struct task *task);
/* Runs release(task, object) after every reader of now has ended. */
void call_rcu(struct task *task, void (*release)(struct task *, void *), void *object);
void synchronize_rcu(struct task *task);

/* A scheduling point that is no lock: user copies, allocations, callbacks, marked accesses. */
void schedule_point(struct task *task, enum schedule_point point);

/* Before calling out to a driver or notifier: reports every lock held whose class is not in allowed (bit mask). */
void lock_assert_callback(struct task *task, uint64_t allowed);
/* Before something that may sleep: reports when in atomic context. what names it. */
void might_sleep(struct task *task, const char *what);
/* At the return of a system call: reports locks still held. */
void lock_assert_none(struct task *task);
/* Number of locks the task holds. */
uint32_t lock_depth(const struct task *task);

#endif
