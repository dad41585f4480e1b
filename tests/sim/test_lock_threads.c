/* SPDX-License-Identifier: Apache-2.0 */
/* Pthread mode: four OS threads on every primitive; plain counters under the locks would be torn by
 * a lock that fails. */
#include <pthread.h>
#include <stdio.h>

#include "impl/sim/alloc.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/refcount.h"
#include "impl/sim/syscall.h"
#include "impl/sim/workqueue.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define THREADS 4
#define ROUNDS	3000

struct node {
	uint64_t value, copy;
};

struct shared {
	struct sim *sim;
	struct mutex mutex;
	struct rwsem sem;
	struct spinlock spin;
	struct completion ping, pong;
	struct wait_queue queue;
	uint32_t generation; /* atomic; queue is woken when it moves */
	uint64_t under_mutex, under_write, under_spin;
	uint64_t torn; /* atomic */
	struct refcount count;
	struct node *published; /* atomic; freed through call_rcu */
	struct workqueue *workqueue;
	struct work work;
	uint64_t ran;
};

struct worker {
	struct shared *shared;
	struct task *task;
	unsigned number;
	pthread_t thread;
};

static void start_all(struct shared *shared, struct worker *workers, void *(*run)(void *))
{
	unsigned n;

	for (n = 0; n < THREADS; n++) {
		workers[n] = (struct worker){
			.shared = shared, .task = sim_task(shared->sim, 0, n), .number = n};
		if (pthread_create(&workers[n].thread, NULL, run, &workers[n]))
			printf("Bail out! no threads\n");
	}
	for (n = 0; n < THREADS; n++)
		pthread_join(workers[n].thread, NULL);
}

static void *run_locks(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct task *task = worker->task;
	uint64_t state = worker->number;
	unsigned round;

	for (round = 0; round < ROUNDS; round++) {
		mutex_lock(task, &shared->mutex);
		shared->under_mutex++;
		mutex_unlock(task, &shared->mutex);
		spin_lock(task, &shared->spin);
		shared->under_spin++;
		spin_unlock(task, &shared->spin);
		if (test_below(&state, 4)) {
			uint64_t seen;

			down_read(task, &shared->sem);
			seen = shared->under_write;
			if (seen != shared->under_write || seen & 1)
				__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
			up_read(task, &shared->sem);
		} else {
			down_write(task, &shared->sem);
			shared->under_write++;
			shared->under_write++;
			if (round & 1) {
				downgrade_write(task, &shared->sem);
				up_read(task, &shared->sem);
			} else {
				up_write(task, &shared->sem);
			}
		}
		if (mutex_trylock(task, &shared->mutex)) {
			shared->under_mutex++;
			mutex_unlock(task, &shared->mutex);
		} else {
			mutex_lock(task, &shared->mutex);
			shared->under_mutex++;
			mutex_unlock(task, &shared->mutex);
		}
	}
	return NULL;
}

static void test_locks(struct shared *shared, struct worker *workers)
{
	start_all(shared, workers, run_locks);
	tap_ok(shared->under_mutex == 2 * THREADS * ROUNDS, "mutex: every increment is there");
	tap_ok(shared->under_spin == THREADS * ROUNDS, "spinlock: every increment is there");
	tap_ok(!shared->torn, "rwsem: readers never see a writer at work");
	tap_ok(!shared->mutex.owner && !shared->mutex.waiters && !shared->sem.readers &&
			!shared->sem.writer && !shared->sem.waiters && !shared->spin.owner &&
			!shared->spin.waiters,
		"all locks are free and nobody waits");
}

static bool generation_moved(const void *argument)
{
	const uint32_t *generation = argument;

	return __atomic_load_n(generation, __ATOMIC_ACQUIRE) >= ROUNDS;
}

/* Threads 0 and 1 play ping-pong; 2 raises a count that 3 waits for. */
static void *run_waits(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	unsigned round;

	for (round = 0; round < ROUNDS; round++) {
		switch (worker->number) {
		case 0:
			complete(worker->task, &shared->ping);
			wait_for_completion(worker->task, &shared->pong);
			break;
		case 1:
			wait_for_completion(worker->task, &shared->ping);
			complete(worker->task, &shared->pong);
			break;
		case 2:
			__atomic_fetch_add(&shared->generation, 1, __ATOMIC_RELEASE);
			wake_up_all(worker->task, &shared->queue);
			break;
		default: break;
		}
	}
	if (worker->number == 3 &&
		!wait_event(worker->task, &shared->queue, generation_moved, &shared->generation, 0))
		__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void release_node(struct task *task, void *object)
{
	struct node *node = object;

	node->value = 1;
	node->copy = 2;
	sim_free(task, node, sizeof(*node));
}

/* Three readers look at a node that the fourth thread replaces. */
static void *run_rcu(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct task *task = worker->task;
	unsigned round;

	for (round = 0; round < ROUNDS; round++) {
		struct node *node;

		if (worker->number) {
			rcu_read_lock(task);
			node = __atomic_load_n(&shared->published, __ATOMIC_ACQUIRE);
			if (node && node->value != node->copy)
				__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
			rcu_read_unlock(task);
			continue;
		}
		node = sim_alloc(task, sizeof(*node));
		node->value = node->copy = round;
		node = __atomic_exchange_n(&shared->published, node, __ATOMIC_ACQ_REL);
		if (node)
			call_rcu(task, release_node, node);
		if (round % 8 == 0)
			synchronize_rcu(task);
	}
	return NULL;
}

static void count_work(struct task *task, struct work *work)
{
	struct shared *shared =
		(struct shared *)(void *)((char *)work - offsetof(struct shared, work));

	(void)task;
	shared->ran++;
}

/* Memory, reference counts and an ordered queue, all at once. */
static void *run_machine(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct task *task = worker->task;
	uint64_t place = MEM_BASE + worker->number * PAGE, state = worker->number;
	unsigned round;

	for (round = 0; round < ROUNDS / 4; round++) {
		uint64_t value = test_random(&state), back = 0;
		struct page *page;
		int64_t at;

		refcount_inc(task, &shared->count);
		workqueue_queue(task, shared->workqueue, &shared->work);
		if (copy_to_user(task, place, &value, sizeof(value)) ||
			copy_from_user(task, &back, place, sizeof(back)) || back != value)
			__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
		if (mm_pin(task, task_mm(task), place, 1, true, &page) == 1) {
			page_read(task, page, 0, &back, sizeof(back));
			if (back != value || page_at(shared->sim, page->phys) != page)
				__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
			page_unpin(task, &page, 1);
		}
		at = sim_mmap(task, 0, PAGE, 3, 0x22, -1, 0);
		if (at < 0 || sim_put(task, (uint64_t)at, "x", 1) ||
			sim_munmap(task, (uint64_t)at, PAGE))
			__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
		workqueue_flush(task, shared->workqueue);
		if (refcount_dec_and_test(task, &shared->count))
			__atomic_fetch_add(&shared->torn, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(void)
{
	struct recorded recorded;
	struct sim_config config = test_config(LOCKS_PTHREAD, &recorded);
	struct shared shared = {.mutex = mutex_init(LOCK_PAGES),
		.sem = rwsem_init(LOCK_IOVA),
		.spin = spinlock_init(LOCK_OBJECTS),
		.count = refcount_init(1),
		.work = work_init(count_work)};
	struct worker workers[THREADS];
	struct task *task;

	config.events.memory = NULL;
	shared.sim = sim_create(&config);
	task = sim_task(shared.sim, 0, 0);
	tap_begin();
	printf("# seeds are the numbers of the threads\n");
	test_locks(&shared, workers);
	start_all(&shared, workers, run_waits);
	tap_ok(!shared.torn && !shared.ping.waiters && !shared.pong.done && !shared.queue.waiters,
		"completions and wait queues lose no wake-up");
	start_all(&shared, workers, run_rcu);
	synchronize_rcu(task);
	tap_ok(!shared.torn, "rcu: no reader sees a released node");
	sim_free(task, shared.published, sizeof(struct node));
	tap_ok(sim_alloc_objects(shared.sim) == 0, "rcu: every node was released");
	shared.workqueue = workqueue_create(task, "test");
	start_all(&shared, workers, run_machine);
	workqueue_destroy(task, shared.workqueue);
	tap_ok(!shared.torn && refcount_read(&shared.count) == 1,
		"memory, pins and counts under four threads");
	tap_ok(shared.ran >= ROUNDS / 4 && mm_pins(shared.sim) == 0,
		"the ordered queue ran, no pin is left");
	tap_ok(silent(&recorded), "no report");
	sim_destroy(shared.sim);
	return tap_end();
}
