/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of the simulated kernel. All are plain words: zero is unlocked, no init that allocates, no
 * destroy, so that they can live in any arena, also one shared by processes. Mode per sim (enum
 * lock_mode). Every operation is a scheduling point. Class names are string constants, used in
 * reports and schedules ("iova_rwsem"). Sleeping locks, user copies and allocations in atomic
 * context (spinlock or RCU read section held) are reported; so are double locks, unlocks by another
 * task and locks held when a system call returns.
 *
 * Each lock is one 64-bit word, so that the releasing task learns of waiters in the same step: it
 * never touches the lock again, and the next owner may free it. Reports (events.report) have the
 * rules "double-lock", "deadlock", "unlock-not-held", "sleep-in-atomic", "lock-held-at-return",
 * "lock-held-at-callback", "lock-held-at-user-copy", "wait-forever", "rcu-unbalanced".
 */
#ifndef IOMMUZZ_SIM_LOCK_H
#define IOMMUZZ_SIM_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "impl/abi/points.h"

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
	union {
		struct {
			uint32_t owner; /* task number, 0 free */
			uint16_t class;
			uint16_t waiters;
		};
		uint64_t word;
	};
};
struct rwsem {
	union {
		struct {
			union {
				struct {
					uint16_t writer; /* task number, 0 none */
					uint16_t readers;
				};
				/* both, so that the inline paths store what they will load */
				uint32_t holders;
			};
			uint16_t class;
			uint16_t waiters;
		};
		uint64_t word;
	};
};
struct spinlock {
	union {
		struct {
			uint32_t owner;
			uint16_t class;
			uint16_t waiters;
		};
		uint64_t word;
	};
};
struct completion {
	union {
		struct {
			uint32_t done; /* COMPLETION_ALL: for good */
			uint32_t waiters;
		};
		uint64_t word;
	};
};
struct wait_queue {
	union {
		struct {
			uint32_t sequence; /* advanced by each wake */
			uint32_t waiters;
		};
		uint64_t word;
	};
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

/* What a task knows of its locks: the first member of struct task, for the inline paths below only.
 */
struct task_locks {
	uint32_t number; /* of the task, from 1: what owner words hold */
	uint32_t slow;	 /* LOCK_THREADS unless in single mode, plus the depth of atomic context */
	uint32_t depth;	 /* locks held */
	uint16_t held[LOCK_CLASS_COUNT]; /* locks held of each class */
	uint64_t copy_allowed;		 /* bit a class: lock_allow_user_copy */
};
#define LOCK_THREADS UINT32_C(0x10000)
#define RWSEM_READER UINT32_C(0x10000) /* holders: one reader, no writer */

static inline struct task_locks *task_locks(struct task *task)
{
	return (struct task_locks *)(void *)task;
}
static inline void lock_note(struct task_locks *locks, uint16_t class)
{
	locks->held[class]++;
	locks->depth++;
}
static inline void lock_forget(struct task_locks *locks, uint16_t class)
{
	locks->held[class]--;
	locks->depth--;
}

/* The paths for threads, contention and misuse. */
void mutex_lock_slow(struct task *task, struct mutex *mutex);
void mutex_unlock_slow(struct task *task, struct mutex *mutex);
void down_read_slow(struct task *task, struct rwsem *sem);
void up_read_slow(struct task *task, struct rwsem *sem);
void down_write_slow(struct task *task, struct rwsem *sem);
void up_write_slow(struct task *task, struct rwsem *sem);
void spin_lock_slow(struct task *task, struct spinlock *lock);
void spin_unlock_slow(struct task *task, struct spinlock *lock);
void schedule_point_slow(struct task *task, enum schedule_point point);

static inline void mutex_lock(struct task *task, struct mutex *mutex)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow != 0 || mutex->owner != 0, 0)) {
		mutex_lock_slow(task, mutex);
		return;
	}
	mutex->owner = locks->number;
	lock_note(locks, mutex->class);
}
static inline void mutex_unlock(struct task *task, struct mutex *mutex)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow >= LOCK_THREADS || mutex->owner != locks->number, 0)) {
		mutex_unlock_slow(task, mutex);
		return;
	}
	mutex->owner = 0;
	lock_forget(locks, mutex->class);
}
/* Takes the mutex if that needs no waiting; false: somebody has it. Passes no lock order check. */
bool mutex_trylock(struct task *task, struct mutex *mutex);

static inline void down_read(struct task *task, struct rwsem *sem)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow != 0 || sem->holders != 0, 0)) {
		down_read_slow(task, sem);
		return;
	}
	sem->holders = RWSEM_READER;
	lock_note(locks, sem->class);
}
static inline void up_read(struct task *task, struct rwsem *sem)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow >= LOCK_THREADS || sem->holders != RWSEM_READER ||
				     locks->held[sem->class] == 0,
		    0)) {
		up_read_slow(task, sem);
		return;
	}
	sem->holders = 0;
	lock_forget(locks, sem->class);
}
static inline void down_write(struct task *task, struct rwsem *sem)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow != 0 || sem->holders != 0, 0)) {
		down_write_slow(task, sem);
		return;
	}
	sem->holders = locks->number;
	lock_note(locks, sem->class);
}
static inline void up_write(struct task *task, struct rwsem *sem)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow >= LOCK_THREADS || sem->holders != locks->number, 0)) {
		up_write_slow(task, sem);
		return;
	}
	sem->holders = 0;
	lock_forget(locks, sem->class);
}
/* The writer becomes a reader without letting another writer in. */
void downgrade_write(struct task *task, struct rwsem *sem);

static inline void spin_lock(struct task *task, struct spinlock *lock)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow >= LOCK_THREADS || lock->owner != 0, 0)) {
		spin_lock_slow(task, lock);
		return;
	}
	lock->owner = locks->number;
	locks->slow++;
	lock_note(locks, lock->class);
}
static inline void spin_unlock(struct task *task, struct spinlock *lock)
{
	struct task_locks *locks = task_locks(task);

	if (__builtin_expect(locks->slow >= LOCK_THREADS || lock->owner != locks->number, 0)) {
		spin_unlock_slow(task, lock);
		return;
	}
	lock->owner = 0;
	locks->slow--;
	lock_forget(locks, lock->class);
}

/* For assertions. A reader is known by class only: true when the task holds some rwsem of that
 * class for reading. */
bool mutex_is_held(const struct task *task, const struct mutex *mutex);
bool rwsem_is_held(const struct task *task, const struct rwsem *sem);

/* Waits until complete() was called; each wakes one. complete_all wakes all for good. */
void wait_for_completion(struct task *task, struct completion *completion);
void complete(struct task *task, struct completion *completion);
void complete_all(struct task *task, struct completion *completion);
/*
 * Waits until condition(argument) holds, testing it after each wake. A timeout in virtual
 * milliseconds, 0: none. False when it timed out. In single mode a false condition that nobody can
 * change is a report and false.
 */
bool wait_event(struct task *task, struct wait_queue *queue, bool (*condition)(const void *),
	const void *argument, uint32_t timeout_ms);
/* Every waiter of the queue tests its condition again. May be called with spinlocks held. */
void wake_up_all(struct task *task, struct wait_queue *queue);

/* A reading section; they nest. Inside, the task may not sleep. */
void rcu_read_lock(struct task *task);
void rcu_read_unlock(struct task *task);
/*
 * Runs release(task, object) after every reader of now has ended: at the return of a system call,
 * in synchronize_rcu or at the end of the sim, with the task that is there then. Host memory short:
 * waits for the readers here.
 */
void call_rcu(struct task *task, void (*release)(struct task *, void *), void *object);
void synchronize_rcu(struct task *task);

/* A scheduling point that is no lock: user copies, allocations, callbacks, marked accesses. */
static inline void schedule_point(struct task *task, enum schedule_point point)
{
	if (__builtin_expect(task_locks(task)->slow >= LOCK_THREADS, 0))
		schedule_point_slow(task, point);
}

/* Before calling out to a driver or notifier: reports every lock held whose class is not in allowed
 * (bit mask). */
void lock_assert_callback(struct task *task, uint64_t allowed);
/*
 * The classes (bit mask) that the task may hold at a user copy from here on; none by default. Set
 * around the copies where specification 12.4 names locks. Returns the mask before, to be restored.
 */
static inline uint64_t lock_allow_user_copy(struct task *task, uint64_t allowed)
{
	uint64_t before = task_locks(task)->copy_allowed;

	task_locks(task)->copy_allowed = allowed;
	return before;
}
/* Reports every lock held whose class is not allowed at a user copy. */
void lock_report_user_copy(struct task *task);
/* Before each user copy: it may fault and wait for anything. */
static inline void lock_assert_user_copy(struct task *task)
{
	if (__builtin_expect(task_locks(task)->depth != 0, 0))
		lock_report_user_copy(task);
}
/* The report of might_sleep. */
void might_sleep_report(struct task *task, const char *what);
/* Before something that may sleep: reports when in atomic context. what names it. */
static inline void might_sleep(struct task *task, const char *what)
{
	if (__builtin_expect((task_locks(task)->slow & (LOCK_THREADS - 1)) != 0, 0))
		might_sleep_report(task, what);
}
/* At the return of a system call: reports locks still held. */
void lock_assert_none(struct task *task);
/* Number of locks the task holds. */
uint32_t lock_depth(const struct task *task);
/* Whether other threads may run between two instructions: reference counts must be atomic then. */
static inline bool task_threaded(struct task *task)
{
	return task_locks(task)->slow >= LOCK_THREADS;
}

#endif
