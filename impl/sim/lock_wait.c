/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of threads: each is one word, changed by compare-and-swap; a task that must wait counts
 * itself in the word and sleeps in a parking slot of the sim. Slots go by lock class, not by
 * address, and a wake rouses everybody in the slot: contention is rare, lost wake-ups are not to be
 * had.
 */
#include <errno.h>
#include <time.h>

#include "impl/sim/lock_private.h"

#define SPINS 64

static bool is_pthread(const struct task *task)
{
	return task->sim->config.locks == LOCKS_PTHREAD;
}

void lock_parking_init(struct sim *sim)
{
	unsigned slot;

	if (sim->parking_ready)
		return;
	for (slot = 0; slot < SLOT_COUNT; slot++) {
		pthread_mutex_init(&sim->parking[slot].mutex, NULL);
		pthread_cond_init(&sim->parking[slot].condition, NULL);
	}
	sim->parking_ready = true;
}

void lock_parking_destroy(struct sim *sim)
{
	unsigned slot;

	if (!sim->parking_ready)
		return;
	for (slot = 0; slot < SLOT_COUNT; slot++) {
		pthread_mutex_destroy(&sim->parking[slot].mutex);
		pthread_cond_destroy(&sim->parking[slot].condition);
	}
	sim->parking_ready = false;
}

void lock_wake(struct task *task, uint32_t slot)
{
	struct sim *sim = task->sim;

	if (is_pthread(task)) {
		pthread_mutex_lock(&sim->parking[slot].mutex);
		pthread_cond_broadcast(&sim->parking[slot].condition);
		pthread_mutex_unlock(&sim->parking[slot].mutex);
	} else if (sim->scheduler && sim->config.locks == LOCKS_FIBER) {
		sim->scheduler->wake(sim->scheduler->context, task, slot);
	}
}

/* What a task waits for. step tries to get it, or to count the task as a waiter (want_wait), in one
 * atomic step. */
struct wait {
	bool (*step)(struct task *task, void *lock, bool *counted);
	void *lock;
	uint32_t slot;
	uint32_t object; /* 1 + class, 0: no lock */
	const char *what;
	/* Whether step would succeed, without doing it. */
	bool (*ready)(const void *argument);
	const void *argument;
};

/* Nothing comes between the last look and the sleep, whatever is looked at. */
static bool try_step(struct task *task, const struct wait *wait, bool *counted)
{
	bool got;

	uninterrupted_begin(wait);
	got = wait->step(task, wait->lock, counted);
	uninterrupted_end();
	return got;
}

static void deadline_after(struct timespec *deadline, uint32_t timeout_ms)
{
	clock_gettime(CLOCK_REALTIME, deadline);
	deadline->tv_sec += timeout_ms / 1000;
	deadline->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (deadline->tv_nsec >= 1000000000) {
		deadline->tv_nsec -= 1000000000;
		deadline->tv_sec++;
	}
}

/* Sleeps until step succeeds. timeout_ms 0: none; false when it passed. */
static bool wait_for(struct task *task, const struct wait *wait, uint32_t timeout_ms)
{
	const struct sim_scheduler *scheduler = task->sim->scheduler;
	struct parking *parking = &task->sim->parking[wait->slot];
	struct timespec deadline;
	bool counted = false, got = true;

	if (!is_pthread(task)) {
		while (!try_step(task, wait, &counted)) {
			if (!scheduler) {
				sim_warn(task, "deadlock", "%s without a scheduler", wait->what);
				return false;
			}
			struct sim_wait blocked = {.slot = wait->slot,
				.object = wait->object,
				.what = wait->what,
				.lock = wait->lock,
				.timeout_ms = timeout_ms,
				.ready = wait->ready,
				.argument = wait->argument};

			scheduler->block(scheduler->context, task, &blocked);
			if (timeout_ms)
				return try_step(task, wait, &counted);
		}
		return true;
	}
	if (timeout_ms)
		deadline_after(&deadline, timeout_ms);
	pthread_mutex_lock(&parking->mutex);
	while (!wait->step(task, wait->lock, &counted)) {
		int error = timeout_ms ? pthread_cond_timedwait(
						 &parking->condition, &parking->mutex, &deadline)
				       : pthread_cond_wait(&parking->condition, &parking->mutex);

		if (error == ETIMEDOUT) {
			got = wait->step(task, wait->lock, &counted);
			break;
		}
	}
	pthread_mutex_unlock(&parking->mutex);
	return got;
}

/* A mutex and a spinlock have the same layout. */
static bool step_mutex(struct task *task, void *lock, bool *counted)
{
	struct mutex *mutex = lock;
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)}, next;

	do {
		next = seen;
		if (!seen.owner) {
			next.owner = task->locks.number;
			next.waiters = (uint16_t)(next.waiters - *counted);
		} else if (!*counted) {
			next.waiters++;
		} else {
			return false;
		}
	} while (!__atomic_compare_exchange_n(
		&mutex->word, &seen.word, next.word, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	*counted = seen.owner != 0;
	return !seen.owner;
}

static bool is_free(const void *lock)
{
	return !((const struct mutex *)lock)->owner;
}

static void wait_owned(struct task *task, struct mutex *mutex)
{
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)}, next;
	struct wait wait = {step_mutex, mutex, seen.class, seen.class + 1u,
		lock_class_name((enum lock_class)seen.class), is_free, mutex};
	unsigned spin;

	for (spin = 0; spin < SPINS; spin++) {
		next = seen;
		next.owner = task->locks.number;
		if (!seen.owner && __atomic_compare_exchange_n(&mutex->word, &seen.word, next.word,
					   true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		if (!is_pthread(task))
			break;
		seen.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);
	}
	wait_for(task, &wait, 0);
}

static void release_owned(struct task *task, struct mutex *mutex)
{
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)}, next;

	do {
		next = seen;
		next.owner = 0;
	} while (!__atomic_compare_exchange_n(
		&mutex->word, &seen.word, next.word, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (seen.waiters)
		lock_wake(task, seen.class);
}

void wait_mutex(struct task *task, struct mutex *mutex)
{
	wait_owned(task, mutex);
}

void release_mutex(struct task *task, struct mutex *mutex)
{
	release_owned(task, mutex);
}

void wait_spin(struct task *task, struct spinlock *lock)
{
	wait_owned(task, (struct mutex *)(void *)lock);
}

void release_spin(struct task *task, struct spinlock *lock)
{
	release_owned(task, (struct mutex *)(void *)lock);
}

_Static_assert(
	sizeof(struct mutex) == 8 && sizeof(struct spinlock) == 8 && sizeof(struct rwsem) == 8,
	"a lock is one word");

static bool step_read(struct task *task, void *lock, bool *counted)
{
	struct rwsem *sem = lock;
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)}, next;

	(void)task;
	do {
		next = seen;
		if (!seen.writer) {
			next.readers++;
			next.waiters = (uint16_t)(next.waiters - *counted);
		} else if (!*counted) {
			next.waiters++;
		} else {
			return false;
		}
	} while (!__atomic_compare_exchange_n(
		&sem->word, &seen.word, next.word, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	*counted = seen.writer != 0;
	return !seen.writer;
}

static bool step_write(struct task *task, void *lock, bool *counted)
{
	struct rwsem *sem = lock;
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)}, next;
	bool free;

	do {
		next = seen;
		free = !seen.writer && !seen.readers;
		if (free) {
			next.writer = (uint16_t)task->locks.number;
			next.waiters = (uint16_t)(next.waiters - *counted);
		} else if (!*counted) {
			next.waiters++;
		} else {
			return false;
		}
	} while (!__atomic_compare_exchange_n(
		&sem->word, &seen.word, next.word, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	*counted = !free;
	return free;
}

static bool is_readable(const void *lock)
{
	return !((const struct rwsem *)lock)->writer;
}

static bool is_writable(const void *lock)
{
	return !((const struct rwsem *)lock)->holders;
}

static void wait_rwsem(struct task *task, struct rwsem *sem,
	bool (*step)(struct task *, void *, bool *), bool (*ready)(const void *))
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};
	struct wait wait = {step, sem, seen.class, seen.class + 1u,
		lock_class_name((enum lock_class)seen.class), ready, sem};

	wait_for(task, &wait, 0);
}

void wait_read(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)}, next;

	while (!seen.writer) {
		next = seen;
		next.readers++;
		if (__atomic_compare_exchange_n(&sem->word, &seen.word, next.word, true,
			    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
	wait_rwsem(task, sem, step_read, is_readable);
}

void wait_write(struct task *task, struct rwsem *sem)
{
	wait_rwsem(task, sem, step_write, is_writable);
}

void release_read(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)}, next;

	do {
		next = seen;
		next.readers--;
	} while (!__atomic_compare_exchange_n(
		&sem->word, &seen.word, next.word, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (seen.waiters && seen.readers == 1)
		lock_wake(task, seen.class);
}

void release_write(struct task *task, struct rwsem *sem, bool keep_reading)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)}, next;

	do {
		next = seen;
		next.writer = 0;
		next.readers = keep_reading;
	} while (!__atomic_compare_exchange_n(
		&sem->word, &seen.word, next.word, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (seen.waiters)
		lock_wake(task, seen.class);
}

static bool step_completion(struct task *task, void *object, bool *counted)
{
	struct completion *completion = object;
	struct completion seen = {.word = __atomic_load_n(&completion->word, __ATOMIC_RELAXED)},
			  next;

	(void)task;
	do {
		next = seen;
		if (seen.done) {
			next.done -= seen.done != COMPLETION_ALL;
			next.waiters -= *counted;
		} else if (!*counted) {
			next.waiters++;
		} else {
			return false;
		}
	} while (!__atomic_compare_exchange_n(&completion->word, &seen.word, next.word, true,
		__ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	*counted = !seen.done;
	return seen.done != 0;
}

static bool is_completed(const void *completion)
{
	return ((const struct completion *)completion)->done != 0;
}

void wait_completion(struct task *task, struct completion *completion)
{
	struct wait wait = {step_completion, completion, SLOT_COMPLETION, 0, "completion",
		is_completed, completion};

	wait_for(task, &wait, 0);
}

void signal_completion(struct task *task, struct completion *completion, bool all)
{
	struct completion seen = {.word = __atomic_load_n(&completion->word, __ATOMIC_RELAXED)},
			  next;

	do {
		next = seen;
		if (all)
			next.done = COMPLETION_ALL;
		else
			next.done += seen.done < COMPLETION_ALL - 1;
	} while (!__atomic_compare_exchange_n(&completion->word, &seen.word, next.word, true,
		__ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (seen.waiters)
		lock_wake(task, SLOT_COMPLETION);
}

struct sequence_wait {
	struct wait_queue *queue;
	uint32_t seen;
};

static bool step_sequence(struct task *task, void *object, bool *counted)
{
	struct sequence_wait *wait = object;
	struct wait_queue seen = {.word = __atomic_load_n(&wait->queue->word, __ATOMIC_RELAXED)},
			  next;
	bool moved;

	(void)task;
	do {
		next = seen;
		moved = seen.sequence != wait->seen;
		if (moved)
			next.waiters -= *counted;
		else if (!*counted)
			next.waiters++;
		else
			return false;
	} while (!__atomic_compare_exchange_n(&wait->queue->word, &seen.word, next.word, true,
		__ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	*counted = !moved;
	return moved;
}

bool wait_sequence(struct task *task, struct wait_queue *queue, uint32_t seen, uint32_t timeout_ms,
	bool (*condition)(const void *), const void *argument)
{
	struct sequence_wait sequence = {queue, seen};
	/* Ready when what is waited for holds, woken or not: a wake-up that was lost is seen. */
	struct wait wait = {step_sequence, &sequence, SLOT_WAIT, 0, "wait", condition, argument};
	struct wait_queue last, next;

	if (wait_for(task, &wait, timeout_ms))
		return true;
	/* Timed out: step has counted this task, nobody takes it off again. */
	last.word = __atomic_load_n(&queue->word, __ATOMIC_RELAXED);
	do {
		next = last;
		next.waiters--;
	} while (!__atomic_compare_exchange_n(
		&queue->word, &last.word, next.word, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return false;
}

void wake_sequence(struct task *task, struct wait_queue *queue)
{
	struct wait_queue seen = {.word = __atomic_load_n(&queue->word, __ATOMIC_RELAXED)}, next;

	do {
		next = seen;
		next.sequence++;
	} while (!__atomic_compare_exchange_n(
		&queue->word, &seen.word, next.word, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (seen.waiters)
		lock_wake(task, SLOT_WAIT);
}

struct until {
	bool (*done)(const void *);
	const void *argument;
};

static bool step_until(struct task *task, void *object, bool *counted)
{
	const struct until *until = object;

	(void)task;
	(void)counted;
	return until->done(until->argument);
}

void wait_until(struct task *task, uint32_t slot, const char *what, bool (*done)(const void *),
	const void *argument)
{
	struct until until = {done, argument};
	struct wait wait = {step_until, &until, slot, 0, what, done, argument};

	wait_for(task, &wait, 0);
}
