/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read sections are counted per task. A grace period ends when each task that was inside a section
 * at its start has left it once.
 */
#include "impl/sim/lock_private.h"

struct rcu_callback {
	struct rcu_callback *next;
	void (*release)(struct task *, void *);
	void *object;
};

void rcu_read_lock(struct task *task)
{
	schedule_point(task, SCHEDULE_RCU);
	if (!task_threaded(task)) {
		task->rcu_depth++;
	} else if (task->rcu_depth == 0) {
		/* A read-modify-write, so that the section's loads come after it for whoever waits.
		 */
		__atomic_exchange_n(&task->rcu_depth, 1, __ATOMIC_SEQ_CST);
	} else {
		__atomic_store_n(&task->rcu_depth, task->rcu_depth + 1, __ATOMIC_RELAXED);
	}
	task->locks.slow++;
}

void rcu_read_unlock(struct task *task)
{
	if (!task->rcu_depth) {
		sim_warn(task, "rcu-unbalanced", "the end of a read section without its start");
		return;
	}
	task->locks.slow--;
	if (!task_threaded(task)) {
		task->rcu_depth--;
		task->rcu_sequence += task->rcu_depth == 0;
		return;
	}
	if (task->rcu_depth == 1)
		__atomic_fetch_add(&task->rcu_sequence, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&task->rcu_depth, task->rcu_depth - 1, __ATOMIC_SEQ_CST);
	if (task->rcu_depth == 0) {
		lock_wake(task, SLOT_RCU);
		schedule_point(task, SCHEDULE_RCU);
	}
}

struct reader {
	const struct task *task;
	uint32_t sequence;
};

static bool has_left(const void *argument)
{
	const struct reader *reader = argument;

	return !__atomic_load_n(&reader->task->rcu_depth, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&reader->task->rcu_sequence, __ATOMIC_SEQ_CST) != reader->sequence;
}

static struct task *first_task(struct sim *sim)
{
	struct task *task;

	sim_enter(sim, &sim->state_lock);
	task = sim->tasks;
	sim_leave(sim, &sim->state_lock);
	return task;
}

/* Tasks are only added while others run, at the front: the list from here on stands still. */
static void wait_for_readers(struct task *task)
{
	const struct task *other;

	for (other = first_task(task->sim); other; other = other->next) {
		struct reader reader = {
			other, __atomic_load_n(&other->rcu_sequence, __ATOMIC_SEQ_CST)};

		if (has_left(&reader))
			continue;
		if (!task_threaded(task) || other == task) {
			sim_warn(task, "deadlock", "synchronize_rcu inside a read section");
			continue;
		}
		wait_until(task, SLOT_RCU, "rcu", has_left, &reader);
	}
}

void call_rcu(struct task *task, void (*release)(struct task *, void *), void *object)
{
	struct sim *sim = task->sim;
	struct rcu_callback *callback = sim_alloc_internal(sim, sizeof(*callback));

	if (!callback) {
		wait_for_readers(task);
		release(task, object);
		return;
	}
	*callback = (struct rcu_callback){.release = release, .object = object};
	sim_enter(sim, &sim->state_lock);
	*sim->rcu_last = callback;
	sim->rcu_last = &callback->next;
	sim_leave(sim, &sim->state_lock);
}

void rcu_run(struct task *task)
{
	struct sim *sim = task->sim;
	struct rcu_callback *callback;

	for (;;) {
		sim_enter(sim, &sim->state_lock);
		callback = sim->rcu_first;
		sim->rcu_first = NULL;
		sim->rcu_last = &sim->rcu_first;
		sim_leave(sim, &sim->state_lock);
		if (!callback)
			return;
		wait_for_readers(task);
		while (callback) {
			struct rcu_callback *next = callback->next;

			callback->release(task, callback->object);
			sim_free_internal(sim, callback, sizeof(*callback));
			callback = next;
		}
	}
}

void synchronize_rcu(struct task *task)
{
	might_sleep(task, "synchronize_rcu");
	schedule_point(task, SCHEDULE_RCU);
	wait_for_readers(task);
	rcu_run(task);
}
