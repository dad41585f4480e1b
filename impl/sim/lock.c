/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of all lock operations, and single mode. */
#include "impl/sim/lock.h"

#include <stdarg.h>
#include <stdio.h>

#include "impl/sim/lock_private.h"

static const char *const class_names[LOCK_CLASS_COUNT] = {
#define LOCK_CLASS(identifier, name) [LOCK_##identifier] = name,
#include "lock_classes.def"
#undef LOCK_CLASS
};

const char *lock_class_name(enum lock_class class)
{
	return class < LOCK_CLASS_COUNT ? class_names[class] : "none";
}

uint32_t task_number(const struct task *task)
{
	return task->locks.number;
}

void sim_set_scheduler(struct sim *sim, const struct sim_scheduler *scheduler)
{
	sim->scheduler = scheduler;
}

static bool threaded(const struct task *task)
{
	return task->locks.slow >= LOCK_THREADS;
}

/* The scheduler of fiber mode, NULL in others. */
static inline const struct sim_scheduler *fibers(const struct task *task)
{
	return task->sim->config.locks == LOCKS_FIBER ? task->sim->scheduler : NULL;
}

/* A scheduling point: fibers may switch here, threads that run at once may be delayed. */
static void at_point(struct task *task, enum schedule_point point, uint32_t object)
{
	const struct sim_scheduler *scheduler = task->sim->scheduler;

	if (scheduler && task->sim->config.locks != LOCKS_SINGLE)
		scheduler->point(scheduler->context, task, point, object);
}

void schedule_point_slow(struct task *task, enum schedule_point point)
{
	at_point(task, point, 0);
}

/* Before a lock is tried. */
static void before_lock(struct task *task, uint16_t class, const void *lock, bool may_wait)
{
	const struct sim_scheduler *scheduler = fibers(task);

	if (scheduler && may_wait)
		scheduler->asked(scheduler->context, task, class, lock);
	at_point(task, SCHEDULE_LOCK, class + 1u);
}

static void note_taken(struct task *task, uint16_t class, const void *lock, bool shared)
{
	const struct sim_scheduler *scheduler = fibers(task);

	lock_note(&task->locks, class);
	if (scheduler)
		scheduler->taken(scheduler->context, task, class, lock, shared);
}

static void note_given(struct task *task, uint16_t class, const void *lock)
{
	const struct sim_scheduler *scheduler = fibers(task);

	lock_forget(&task->locks, class);
	if (scheduler)
		scheduler->given(scheduler->context, task, class, lock);
}

static void after_unlock(struct task *task, uint16_t class)
{
	at_point(task, SCHEDULE_UNLOCK, class + 1u);
}

void might_sleep_report(struct task *task, const char *what)
{
	sim_warn(task, "sleep-in-atomic", "%s in atomic context", what);
}

/*
 * A lock that is not free in single mode, or that the task has already: nobody could ever give it
 * back. Said once; the caller then goes on as the owner.
 */
static void report_taken(struct task *task, uint16_t class, uint32_t owner)
{
	if (owner == task->locks.number)
		sim_warn(task, "double-lock", "%s", lock_class_name((enum lock_class) class));
	else
		sim_warn(task, "deadlock", "%s is held by task %u",
			lock_class_name((enum lock_class) class), owner);
}

static void report_not_held(struct task *task, uint16_t class, uint32_t owner)
{
	sim_warn(task, "unlock-not-held", "%s, owner is task %u",
		lock_class_name((enum lock_class) class), owner);
}

void mutex_lock_slow(struct task *task, struct mutex *mutex)
{
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)};

	might_sleep(task, lock_class_name((enum lock_class)seen.class));
	before_lock(task, seen.class, mutex, true);
	seen.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);
	if (seen.owner == task->locks.number || (seen.owner && !threaded(task)))
		report_taken(task, seen.class, seen.owner);
	if (!threaded(task))
		mutex->owner = task->locks.number;
	else if (seen.owner != task->locks.number)
		wait_mutex(task, mutex);
	note_taken(task, seen.class, mutex, false);
}

bool mutex_trylock(struct task *task, struct mutex *mutex)
{
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)}, taken;

	before_lock(task, seen.class, mutex, false);
	seen.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);
	do {
		if (seen.owner)
			return false;
		taken = seen;
		taken.owner = task->locks.number;
	} while (!__atomic_compare_exchange_n(
		&mutex->word, &seen.word, taken.word, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	note_taken(task, seen.class, mutex, false);
	return true;
}

void mutex_unlock_slow(struct task *task, struct mutex *mutex)
{
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)};

	if (seen.owner != task->locks.number) {
		report_not_held(task, seen.class, seen.owner);
		return;
	}
	note_given(task, seen.class, mutex);
	release_mutex(task, mutex);
	after_unlock(task, seen.class);
}

void spin_lock_slow(struct task *task, struct spinlock *lock)
{
	struct spinlock seen = {.word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED)};

	before_lock(task, seen.class, lock, true);
	seen.word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
	if (seen.owner == task->locks.number || (seen.owner && !threaded(task)))
		report_taken(task, seen.class, seen.owner);
	if (!threaded(task))
		lock->owner = task->locks.number;
	else if (seen.owner != task->locks.number)
		wait_spin(task, lock);
	task->locks.slow++;
	note_taken(task, seen.class, lock, false);
}

void spin_unlock_slow(struct task *task, struct spinlock *lock)
{
	struct spinlock seen = {.word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED)};

	if (seen.owner != task->locks.number) {
		report_not_held(task, seen.class, seen.owner);
		return;
	}
	task->locks.slow--;
	note_given(task, seen.class, lock);
	release_spin(task, lock);
	after_unlock(task, seen.class);
}

void down_read_slow(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};

	might_sleep(task, lock_class_name((enum lock_class)seen.class));
	before_lock(task, seen.class, sem, true);
	seen.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED);
	if (seen.writer == task->locks.number || (seen.writer && !threaded(task)))
		report_taken(task, seen.class, seen.writer);
	/* A second reader of the same task would wait for ever as soon as a writer stands between
	 * the two. */
	else if (seen.readers && !threaded(task))
		sim_warn(task, "double-lock", "%s for reading",
			lock_class_name((enum lock_class)seen.class));
	if (!threaded(task)) {
		sem->writer = 0;
		sem->readers++;
	} else if (seen.writer != task->locks.number) {
		wait_read(task, sem);
	}
	note_taken(task, seen.class, sem, true);
}

void up_read_slow(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};

	if (!seen.readers || !task->locks.held[seen.class]) {
		report_not_held(task, seen.class, seen.writer);
		return;
	}
	note_given(task, seen.class, sem);
	release_read(task, sem);
	after_unlock(task, seen.class);
}

void down_write_slow(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};

	might_sleep(task, lock_class_name((enum lock_class)seen.class));
	before_lock(task, seen.class, sem, true);
	seen.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED);
	if (seen.writer == task->locks.number || (seen.writer && !threaded(task)))
		report_taken(task, seen.class, seen.writer);
	else if (seen.readers && !threaded(task))
		sim_warn(task, "deadlock", "%s has %u readers",
			lock_class_name((enum lock_class)seen.class), seen.readers);
	if (!threaded(task)) {
		sem->readers = 0;
		sem->writer = (uint16_t)task->locks.number;
	} else if (seen.writer != task->locks.number) {
		wait_write(task, sem);
	}
	note_taken(task, seen.class, sem, false);
}

void up_write_slow(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};

	if (seen.writer != task->locks.number) {
		report_not_held(task, seen.class, seen.writer);
		return;
	}
	note_given(task, seen.class, sem);
	release_write(task, sem, false);
	after_unlock(task, seen.class);
}

void downgrade_write(struct task *task, struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};

	if (seen.writer != task->locks.number) {
		report_not_held(task, seen.class, seen.writer);
		return;
	}
	release_write(task, sem, true);
	if (fibers(task)) {
		task->sim->scheduler->given(task->sim->scheduler->context, task, seen.class, sem);
		task->sim->scheduler->taken(
			task->sim->scheduler->context, task, seen.class, sem, true);
	}
}

bool mutex_is_held(const struct task *task, const struct mutex *mutex)
{
	struct mutex seen = {.word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED)};

	return seen.owner == task->locks.number;
}

bool rwsem_is_held(const struct task *task, const struct rwsem *sem)
{
	struct rwsem seen = {.word = __atomic_load_n(&sem->word, __ATOMIC_RELAXED)};

	return seen.writer == task->locks.number || (seen.readers && task->locks.held[seen.class]);
}

/*
 * Single mode: nobody else can change anything, except for deferred work and timers. Lets these run
 * until the condition holds; false when it never will before the deadline.
 */
static bool run_deferred_until(struct task *task, bool (*condition)(const void *),
	const void *argument, uint32_t timeout_ms)
{
	uint64_t deadline = task->sim->now_ms + timeout_ms;

	if (condition(argument))
		return true;
	workqueue_run_all(task);
	rcu_run(task);
	while (!condition(argument)) {
		if (!timer_run_next(task, timeout_ms ? deadline : UINT64_MAX))
			break;
		workqueue_run_all(task);
	}
	if (condition(argument))
		return true;
	if (timeout_ms && task->sim->now_ms < deadline)
		task->sim->now_ms = deadline;
	return false;
}

static bool is_done(const void *completion)
{
	return ((const struct completion *)completion)->done != 0;
}

void wait_for_completion(struct task *task, struct completion *completion)
{
	might_sleep(task, "wait_for_completion");
	schedule_point_slow(task, SCHEDULE_WAIT);
	if (threaded(task)) {
		wait_completion(task, completion);
		return;
	}
	if (!run_deferred_until(task, is_done, completion, 0)) {
		sim_warn(task, "wait-forever", "a completion that nobody completes");
		return;
	}
	if (completion->done != COMPLETION_ALL)
		completion->done--;
}

void complete(struct task *task, struct completion *completion)
{
	signal_completion(task, completion, false);
	schedule_point_slow(task, SCHEDULE_WAKE);
}

void complete_all(struct task *task, struct completion *completion)
{
	signal_completion(task, completion, true);
	schedule_point_slow(task, SCHEDULE_WAKE);
}

bool wait_event(struct task *task, struct wait_queue *queue, bool (*condition)(const void *),
	const void *argument, uint32_t timeout_ms)
{
	struct wait_queue seen;

	might_sleep(task, "wait_event");
	schedule_point_slow(task, SCHEDULE_WAIT);
	if (!threaded(task)) {
		if (run_deferred_until(task, condition, argument, timeout_ms))
			return true;
		if (!timeout_ms)
			sim_warn(task, "wait-forever", "a condition that nobody changes");
		return false;
	}
	for (;;) {
		seen.word = __atomic_load_n(&queue->word, __ATOMIC_ACQUIRE);
		if (condition(argument))
			return true;
		if (!wait_sequence(task, queue, seen.sequence, timeout_ms, condition, argument))
			return condition(argument);
	}
}

void wake_up_all(struct task *task, struct wait_queue *queue)
{
	wake_sequence(task, queue);
	schedule_point_slow(task, SCHEDULE_WAKE);
}

/* Names of the held classes whose bit is in which, with commas. */
static void name_held(const struct task *task, uint64_t which, char *text, size_t size)
{
	size_t used = 0;
	unsigned class;

	text[0] = '\0';
	for (class = 0; class < LOCK_CLASS_COUNT; class ++) {
		if (!task->locks.held[class] || !(which >> class & 1) || used >= size)
			continue;
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used ? ", " : "", class_names[class]);
	}
}

void lock_assert_callback(struct task *task, uint64_t allowed)
{
	char text[256];

	if (!task->locks.depth)
		return;
	name_held(task, ~allowed, text, sizeof(text));
	if (text[0])
		sim_warn(task, "lock-held-at-callback", "%s", text);
}

void lock_report_user_copy(struct task *task)
{
	char text[256];

	/* might_sleep has said so. */
	if (task->locks.slow & (LOCK_THREADS - 1))
		return;
	name_held(task, ~task->locks.copy_allowed, text, sizeof(text));
	if (text[0])
		sim_warn(task, "lock-held-at-user-copy", "%s", text);
}

void lock_assert_none(struct task *task)
{
	char text[256];

	if (task->locks.depth) {
		name_held(task, UINT64_MAX, text, sizeof(text));
		sim_warn(task, "lock-held-at-return", "%s", text);
	}
	if (task->rcu_depth)
		sim_warn(task, "rcu-unbalanced",
			"a read section is open at the return of a system call");
}

uint32_t lock_depth(const struct task *task)
{
	return task->locks.depth;
}
