/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/workqueue.h"

#include "impl/sim/lock_private.h"

struct workqueue {
	struct workqueue *next; /* of the sim */
	const char *name;
	struct work *first, **last;
	bool running; /* atomic; somebody runs items: all others leave the queue alone */
	struct task worker;
};

struct workqueue *workqueue_create(struct task *task, const char *name)
{
	struct sim *sim = task->sim;
	struct workqueue *queue = sim_alloc(task, sizeof(*queue)), **link;

	if (!queue)
		return NULL;
	queue->name = name;
	queue->last = &queue->first;
	task_init(sim, &queue->worker, NULL, 0);
	sim_enter(sim, &sim->state_lock);
	for (link = &sim->workqueues; *link; link = &(*link)->next)
		;
	*link = queue;
	sim_leave(sim, &sim->state_lock);
	return queue;
}

bool workqueue_queue(struct task *task, struct workqueue *queue, struct work *work)
{
	struct sim *sim = task->sim;
	bool fresh;

	sim_enter(sim, &sim->state_lock);
	fresh = !work->queued;
	if (fresh) {
		work->queued = true;
		work->next = NULL;
		*queue->last = work;
		queue->last = &work->next;
	}
	sim_leave(sim, &sim->state_lock);
	return fresh;
}

static struct work *take_first(struct sim *sim, struct workqueue *queue)
{
	struct work *work;

	sim_enter(sim, &sim->state_lock);
	work = queue->first;
	if (work) {
		queue->first = work->next;
		if (!queue->first)
			queue->last = &queue->first;
		work->queued = false;
	}
	sim_leave(sim, &sim->state_lock);
	return work;
}

/* Runs the queue, whose `running` the caller has set. Nothing of the queue is touched once that is
 * cleared. */
static void run(struct task *task, struct workqueue *queue)
{
	struct sim *sim = task->sim;
	struct work *work;

	while ((work = take_first(sim, queue)) != NULL) {
		schedule_point(&queue->worker, SCHEDULE_WORK);
		work->run(&queue->worker, work);
		lock_assert_none(&queue->worker);
	}
	__atomic_store_n(&queue->running, false, __ATOMIC_RELEASE);
	lock_wake(task, SLOT_WAIT);
}

static bool is_idle(const void *argument)
{
	return !__atomic_load_n(&((const struct workqueue *)argument)->running, __ATOMIC_ACQUIRE);
}

static bool start_running(struct sim *sim, struct workqueue *queue)
{
	bool mine;

	sim_enter(sim, &sim->state_lock);
	mine = is_idle(queue);
	__atomic_store_n(&queue->running, true, __ATOMIC_RELEASE);
	sim_leave(sim, &sim->state_lock);
	return mine;
}

void workqueue_flush(struct task *task, struct workqueue *queue)
{
	might_sleep(task, "workqueue_flush");
	/* An item that flushes its own queue would wait for itself. */
	if (task == &queue->worker) {
		sim_warn(task, "deadlock", "%s is flushed by its own item", queue->name);
		return;
	}
	while (!start_running(task->sim, queue))
		wait_until(task, SLOT_WAIT, queue->name, is_idle, queue);
	run(task, queue);
}

bool workqueue_cancel(struct task *task, struct workqueue *queue, struct work *work)
{
	struct sim *sim = task->sim;
	struct work **link;
	bool found;

	might_sleep(task, "workqueue_cancel");
	sim_enter(sim, &sim->state_lock);
	found = work->queued;
	if (found) {
		for (link = &queue->first; *link != work; link = &(*link)->next)
			;
		*link = work->next;
		if (!*link)
			queue->last = link;
		work->queued = false;
	}
	sim_leave(sim, &sim->state_lock);
	if (task != &queue->worker)
		wait_until(task, SLOT_WAIT, queue->name, is_idle, queue);
	return found;
}

void workqueue_destroy(struct task *task, struct workqueue *queue)
{
	struct sim *sim = task->sim;
	struct workqueue **link;

	workqueue_flush(task, queue);
	sim_enter(sim, &sim->state_lock);
	for (link = &sim->workqueues; *link != queue; link = &(*link)->next)
		;
	*link = queue->next;
	sim_leave(sim, &sim->state_lock);
	task_remove(sim, &queue->worker);
	sim_free(task, queue, sizeof(*queue));
}

/* A queue with items that nobody runs yet, claimed for the caller. */
static struct workqueue *claim(struct sim *sim)
{
	struct workqueue *queue;

	sim_enter(sim, &sim->state_lock);
	for (queue = sim->workqueues; queue && (!queue->first || !is_idle(queue));
		queue = queue->next)
		;
	if (queue)
		__atomic_store_n(&queue->running, true, __ATOMIC_RELEASE);
	sim_leave(sim, &sim->state_lock);
	return queue;
}

void workqueue_run_all(struct task *task)
{
	struct workqueue *queue;

	while ((queue = claim(task->sim)) != NULL)
		run(task, queue);
}
