/* SPDX-License-Identifier: Apache-2.0 */
/* Timers, timeouts and notifier chains in pthread mode, four OS threads on each. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "impl/sim/notifier.h"
#include "impl/sim/syscall.h"
#include "impl/sim/timer.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define THREADS 4
#define ROUNDS	3000

struct shared {
	struct sim *sim;
	struct notifier_chain chain;
	struct wait_queue queue;
	struct timer common; /* that all threads start and cancel */
	uint32_t common_ran;
	uint32_t wrong;	  /* atomic, like the rest */
	uint32_t running; /* threads that have not ended */
	uint32_t called;
};

struct worker {
	struct timer timer; /* first */
	struct notifier_block block;
	struct shared *shared;
	struct task *task;
	unsigned number;
	uint32_t ran, cancelled;
	uint32_t registered; /* atomic: a call is right */
	pthread_t thread;
};

static void count(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_ACQ_REL);
}

static uint32_t value(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void start_all(struct shared *shared, struct worker *workers, void *(*run)(void *))
{
	unsigned n;

	shared->running = THREADS;
	for (n = 0; n < THREADS; n++) {
		workers[n] = (struct worker){
			.shared = shared, .task = sim_task(shared->sim, 0, n), .number = n};
		if (pthread_create(&workers[n].thread, NULL, run, &workers[n]))
			printf("Bail out! no threads\n");
	}
	for (n = 0; n < THREADS; n++)
		pthread_join(workers[n].thread, NULL);
}

static void ring(struct task *task, struct timer *timer)
{
	struct worker *worker = (struct worker *)(void *)timer;

	if (sim_now(task_sim(task)) < timer->at_ms)
		count(&worker->shared->wrong);
	count(&worker->ran);
}

static void ring_common(struct task *task, struct timer *timer)
{
	struct shared *shared =
		(struct shared *)(void *)((char *)timer - offsetof(struct shared, common));

	(void)task;
	count(&shared->common_ran);
}

/* Each start is either cancelled or runs once, whichever thread lets the time pass. */
static void *run_timers(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct task *task = worker->task;
	uint32_t ran = 0;
	unsigned round;

	for (round = 0; round < ROUNDS; round++) {
		timer_start(task, &worker->timer, 1 + (round + worker->number) % 5, ring);
		if (round % 7 == 0 && timer_cancel(task, &worker->timer))
			timer_start(task, &worker->timer, 3, ring);
		timer_start(task, &shared->common, 2, ring_common);
		timer_advance(task, round % 4);
		if (round % 3 == 0)
			timer_cancel(task, &shared->common);
		if (timer_cancel(task, &worker->timer)) {
			worker->cancelled++;
			continue;
		}
		ran++;
		/* Another thread may still be in it. */
		while (value(&worker->ran) < ran)
			sched_yield();
	}
	return NULL;
}

static void test_timers(struct shared *shared, struct worker *workers)
{
	uint32_t ran = 0;
	bool good = true;
	unsigned n;

	start_all(shared, workers, run_timers);
	timer_advance(sim_task(shared->sim, 0, 0), 100);
	for (n = 0; n < THREADS; n++) {
		good = good && workers[n].ran + workers[n].cancelled == ROUNDS;
		ran += workers[n].ran;
	}
	tap_ok(good && ran, "each timer that was started ran once or was cancelled (%u ran)", ran);
	tap_ok(!shared->wrong, "none ran before its time");
	tap_ok(shared->common_ran && shared->common_ran <= THREADS * ROUNDS &&
			!timer_cancel(sim_task(shared->sim, 0, 0), &shared->common),
		"one that all start and cancel runs at most once a start (%u)", shared->common_ran);
}

static bool never(const void *argument)
{
	(void)argument;
	return false;
}

static bool all_ended(const void *argument)
{
	return value(argument) <= 1;
}

/* Three threads time out, the last waits for them. */
static void *run_timeouts(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;

	if (worker->number) {
		if (wait_event(worker->task, &shared->queue, never, NULL, 5))
			count(&shared->wrong);
		__atomic_fetch_sub(&shared->running, 1, __ATOMIC_ACQ_REL);
		wake_up_all(worker->task, &shared->queue);
	} else if (!wait_event(worker->task, &shared->queue, all_ended, &shared->running, 60000)) {
		count(&shared->wrong);
	}
	return NULL;
}

/* What a chain's call brings along: the priority of the block before. */
struct round {
	struct shared *shared;
	int priority;
};

static int hear(struct task *task, struct notifier_block *block, uint32_t event, void *data)
{
	struct worker *worker =
		(struct worker *)(void *)((char *)block - offsetof(struct worker, block));
	struct round *round = data;

	(void)task;
	if (!value(&worker->registered) || block->priority > round->priority || event != 7)
		count(&round->shared->wrong);
	round->priority = block->priority;
	count(&round->shared->called);
	return NOTIFY_OK;
}

/* Every thread comes and goes, and calls in between. Behind unregister no call may come. */
static void *run_notifiers(void *argument)
{
	struct worker *worker = argument;
	struct shared *shared = worker->shared;
	struct task *task = worker->task;
	unsigned n;

	worker->block = (struct notifier_block){.call = hear, .priority = (int)worker->number / 2};
	for (n = 0; n < ROUNDS; n++) {
		struct round round = {shared, 100};
		uint32_t called = 0;

		__atomic_store_n(&worker->registered, 1, __ATOMIC_RELEASE);
		if (notifier_register(task, &shared->chain, &worker->block) ||
			notifier_register(task, &shared->chain, &worker->block) != -EEXIST)
			count(&shared->wrong);
		/* At least its own is there. */
		if (notifier_call(task, &shared->chain, 7, &round, 0, &called) != NOTIFY_OK ||
			!called || called > THREADS)
			count(&shared->wrong);
		if (notifier_unregister(task, &shared->chain, &worker->block) ||
			notifier_unregister(task, &shared->chain, &worker->block) != -ENOENT)
			count(&shared->wrong);
		__atomic_store_n(&worker->registered, 0, __ATOMIC_RELEASE);
	}
	return NULL;
}

int main(void)
{
	struct recorded recorded;
	struct shared shared = {.chain = notifier_chain_init()};
	struct worker workers[THREADS];

	shared.sim = test_sim(LOCKS_PTHREAD, &recorded);
	tap_begin();
	test_timers(&shared, workers);
	start_all(&shared, workers, run_timeouts);
	tap_ok(!shared.wrong && !shared.queue.waiters,
		"waits time out, or end when they are woken");
	start_all(&shared, workers, run_notifiers);
	tap_ok(!shared.wrong,
		"blocks are called in order while they are registered, and not after");
	tap_ok(!shared.chain.first && shared.called >= THREADS * ROUNDS &&
			!shared.chain.lock.holders,
		"the chain is empty again (%u calls)", shared.called);
	tap_ok(silent(&recorded), "no report");
	sim_destroy(shared.sim);
	return tap_end();
}
