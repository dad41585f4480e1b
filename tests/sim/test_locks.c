/* SPDX-License-Identifier: Apache-2.0 */
/* Single mode: correct use is silent, and each misuse is reported once (negative controls). */
#include <string.h>

#include "impl/sim/alloc.h"
#include "impl/sim/lock.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

static void test_correct_use(struct task *task, struct recorded *recorded)
{
	struct mutex mutex = mutex_init(LOCK_IOAS_MUTEX);
	struct rwsem sem = rwsem_init(LOCK_IOVA), other = rwsem_init(LOCK_DOMAINS);
	struct spinlock spin = spinlock_init(LOCK_OBJECTS);
	bool held;

	mutex_lock(task, &mutex);
	down_read(task, &other);
	down_write(task, &sem);
	spin_lock(task, &spin);
	held = mutex_is_held(task, &mutex) && rwsem_is_held(task, &sem) &&
	       rwsem_is_held(task, &other) && lock_depth(task) == 4;
	spin_unlock(task, &spin);
	downgrade_write(task, &sem);
	held = held && rwsem_is_held(task, &sem);
	up_read(task, &sem);
	mutex_unlock(task, &mutex);
	up_read(task, &other);
	tap_ok(held && lock_depth(task) == 0 && !mutex_is_held(task, &mutex),
		"locks know who holds them");
	tap_ok(mutex_trylock(task, &mutex) && !mutex_trylock(task, &mutex),
		"trylock takes a free mutex only");
	mutex_unlock(task, &mutex);
	lock_assert_none(task);
	tap_ok(silent(recorded), "correct use is silent");
}

static void test_double(struct task *task, struct recorded *recorded)
{
	struct mutex mutex = mutex_init(LOCK_PAGES);
	struct rwsem sem = rwsem_init(LOCK_IOVA);
	struct spinlock spin = spinlock_init(LOCK_OBJECTS);

	mutex_lock(task, &mutex);
	mutex_lock(task, &mutex);
	tap_ok(reported(recorded, "double-lock"), "a mutex locked twice");
	tap_ok(strstr(recorded->message, "pages_mutex") != NULL, "the report names the class");
	mutex_unlock(task, &mutex);
	mutex_unlock(task, &mutex);
	tap_ok(reported(recorded, "unlock-not-held"), "a mutex unlocked twice");
	spin_lock(task, &spin);
	spin_lock(task, &spin);
	tap_ok(reported(recorded, "double-lock"), "a spinlock locked twice");
	down_write(task, &sem);
	tap_ok(reported(recorded, "sleep-in-atomic"), "a sleeping lock under a spinlock");
	down_write(task, &sem);
	recorded->reports = 0;
}

static void test_double_semaphore(struct task *task, struct recorded *recorded)
{
	struct rwsem sem = rwsem_init(LOCK_IOVA);

	down_write(task, &sem);
	down_read(task, &sem);
	tap_ok(reported(recorded, "double-lock"), "a writer that reads");
	up_read(task, &sem);
	down_read(task, &sem);
	down_read(task, &sem);
	tap_ok(reported(recorded, "double-lock"), "a second reader of one task");
	down_write(task, &sem);
	tap_ok(reported(recorded, "deadlock"), "a reader that writes");
}

static void test_foreign(struct task *task, struct task *other, struct recorded *recorded)
{
	struct mutex mutex = mutex_init(LOCK_PAGES);
	struct spinlock spin = spinlock_init(LOCK_OBJECTS);
	struct rwsem sem = rwsem_init(LOCK_IOVA);

	mutex_lock(task, &mutex);
	mutex_unlock(other, &mutex);
	tap_ok(reported(recorded, "unlock-not-held"), "a mutex unlocked by another task");
	mutex_lock(other, &mutex);
	tap_ok(reported(recorded, "deadlock"), "a mutex that another task never gives back");
	spin_unlock(task, &spin);
	tap_ok(reported(recorded, "unlock-not-held"), "a spinlock that nobody holds is unlocked");
	up_read(task, &sem);
	tap_ok(reported(recorded, "unlock-not-held"), "a semaphore that nobody reads is released");
	down_read(task, &sem);
	up_write(task, &sem);
	tap_ok(reported(recorded, "unlock-not-held"), "a reader releases as a writer");
}

static void test_atomic(struct task *task, struct recorded *recorded)
{
	struct spinlock spin = spinlock_init(LOCK_OBJECTS);
	struct mutex mutex = mutex_init(LOCK_PAGES);
	uint32_t value = 1;
	void *object;

	spin_lock(task, &spin);
	mutex_lock(task, &mutex);
	tap_ok(reported(recorded, "sleep-in-atomic"), "a mutex under a spinlock");
	mutex_unlock(task, &mutex);
	copy_to_user(task, MEM_BASE, &value, sizeof(value));
	tap_ok(reported(recorded, "sleep-in-atomic"), "a user copy under a spinlock");
	spin_unlock(task, &spin);
	mutex_lock(task, &mutex);
	copy_to_user(task, MEM_BASE, &value, sizeof(value));
	tap_ok(reported(recorded, "lock-held-at-user-copy"), "a user copy under a mutex");
	lock_allow_user_copy(task, UINT64_C(1) << LOCK_PAGES);
	copy_to_user(task, MEM_BASE, &value, sizeof(value));
	tap_ok(silent(recorded), "a user copy under a mutex that is allowed there");
	lock_allow_user_copy(task, 0);
	mutex_unlock(task, &mutex);
	spin_lock(task, &spin);
	object = sim_alloc(task, 8);
	tap_ok(reported(recorded, "sleep-in-atomic"), "an allocation under a spinlock");
	sim_free(task, object, 8);
	spin_unlock(task, &spin);
	rcu_read_lock(task);
	mutex_lock(task, &mutex);
	tap_ok(reported(recorded, "sleep-in-atomic"), "a mutex in a read section");
	mutex_unlock(task, &mutex);
	synchronize_rcu(task);
	recorded->reports = recorded->reports == 2;
	tap_ok(reported(recorded, "sleep-in-atomic"), "waiting for readers as a reader");
	rcu_read_unlock(task);
	rcu_read_unlock(task);
	tap_ok(reported(recorded, "rcu-unbalanced"), "the end of a read section that never began");
	copy_to_user(task, MEM_BASE, &value, sizeof(value));
	tap_ok(silent(recorded), "the task may sleep again");
}

static bool never(const void *argument)
{
	(void)argument;
	return false;
}

static void test_leftovers(struct task *task, struct recorded *recorded)
{
	struct rwsem sem = rwsem_init(LOCK_IOVA);
	struct mutex mutex = mutex_init(LOCK_GROUP);
	struct completion completion = {.word = 0};
	struct wait_queue queue = {.word = 0};

	down_read(task, &sem);
	mutex_lock(task, &mutex);
	lock_assert_callback(task, UINT64_C(1) << LOCK_GROUP);
	tap_ok(reported(recorded, "lock-held-at-callback") &&
			!strcmp(recorded->message, "iova_rwsem"),
		"a lock across a callback that allows another");
	lock_assert_callback(task, UINT64_C(1) << LOCK_GROUP | UINT64_C(1) << LOCK_IOVA);
	tap_ok(silent(recorded), "locks that the callback allows");
	sim_munmap(task, MEM_BASE, PAGE);
	tap_ok(reported(recorded, "lock-held-at-return"), "locks held when a system call returns");
	mutex_unlock(task, &mutex);
	up_read(task, &sem);
	wait_for_completion(task, &completion);
	tap_ok(reported(recorded, "wait-forever"), "a completion that nobody completes");
	tap_ok(!wait_event(task, &queue, never, NULL, 0) && reported(recorded, "wait-forever"),
		"a condition that nobody makes true");
	tap_ok(!wait_event(task, &queue, never, NULL, 5) && silent(recorded),
		"the same with a timeout");
	complete(task, &completion);
	wait_for_completion(task, &completion);
	complete_all(task, &completion);
	wait_for_completion(task, &completion);
	wait_for_completion(task, &completion);
	tap_ok(silent(recorded), "completions: once each, and for good");
}

int main(void)
{
	struct recorded recorded;
	struct sim *sim = test_sim(LOCKS_SINGLE, &recorded);
	struct task *task = sim_task(sim, 0, 0);
	unsigned fixture;

	tap_begin();
	test_correct_use(task, &recorded);
	for (fixture = 0; fixture < 5; fixture++) {
		struct sim_config config = test_config(LOCKS_SINGLE, &recorded);

		sim_reset(sim, &config);
		task = sim_task(sim, 0, 0);
		switch (fixture) {
		case 0: test_double(task, &recorded); break;
		case 1: test_double_semaphore(task, &recorded); break;
		case 2: test_foreign(task, sim_task(sim, 0, 1), &recorded); break;
		case 3: test_atomic(task, &recorded); break;
		default: test_leftovers(task, &recorded); break;
		}
	}
	sim_destroy(sim);
	return tap_end();
}
