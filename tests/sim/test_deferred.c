/* SPDX-License-Identifier: Apache-2.0 */
/* RCU callbacks, work queues, timers, notifier chains and reference counts, in single mode. */
#include <errno.h>
#include <string.h>

#include "impl/sim/lock.h"
#include "impl/sim/notifier.h"
#include "impl/sim/refcount.h"
#include "impl/sim/syscall.h"
#include "impl/sim/timer.h"
#include "impl/sim/workqueue.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

/* The order in which things ran, a letter each. */
static char *trail;

static void leave(char letter)
{
	size_t length = strlen(trail);

	trail[length] = letter;
	trail[length + 1] = '\0';
}

static void release(struct task *task, void *object)
{
	(void)task;
	leave(*(const char *)object);
}

static void test_rcu(struct task *task)
{
	char text[16] = "";

	trail = text;
	rcu_read_lock(task);
	call_rcu(task, release, "a");
	call_rcu(task, release, "b");
	rcu_read_unlock(task);
	tap_ok(!strcmp(text, ""), "call_rcu defers");
	synchronize_rcu(task);
	tap_ok(!strcmp(text, "ab"), "synchronize_rcu runs callbacks in order");
	call_rcu(task, release, "c");
	sim_mprotect(task, 0, 0, 0);
	tap_ok(!strcmp(text, "abc"), "the return of a system call runs callbacks");
}

struct item {
	struct work work;
	char letter;
	struct workqueue *queue;
	struct item *more; /* queued by this one */
};

static void run_item(struct task *task, struct work *work)
{
	struct item *item = (struct item *)(void *)work;

	leave(item->letter);
	if (item->more)
		workqueue_queue(task, item->queue, &item->more->work);
}

static void test_workqueue(struct task *task, struct recorded *recorded)
{
	struct workqueue *queue = workqueue_create(task, "test");
	struct item c = {work_init(run_item), 'c', queue, NULL};
	struct item a = {work_init(run_item), 'a', queue, &c},
		    b = {work_init(run_item), 'b', queue, NULL};
	char text[16] = "";

	trail = text;
	tap_ok(workqueue_queue(task, queue, &a.work) && workqueue_queue(task, queue, &b.work) &&
			!workqueue_queue(task, queue, &a.work),
		"an item is queued once");
	tap_ok(!strcmp(text, ""), "queueing defers");
	workqueue_flush(task, queue);
	tap_ok(!strcmp(text, "abc"), "items run in order, those they queue behind them");
	workqueue_queue(task, queue, &a.work);
	workqueue_queue(task, queue, &b.work);
	tap_ok(workqueue_cancel(task, queue, &a.work) && !workqueue_cancel(task, queue, &a.work),
		"cancel takes out what has not run");
	sim_mprotect(task, 0, 0, 0);
	tap_ok(!strcmp(text, "abcb"), "the return of a system call runs items");
	workqueue_queue(task, queue, &b.work);
	workqueue_destroy(task, queue);
	tap_ok(!strcmp(text, "abcbb") && silent(recorded), "destroying a queue runs what is in it");
}

struct alarm {
	struct timer timer;
	char letter;
};

static void ring(struct task *task, struct timer *timer)
{
	(void)task;
	leave(((struct alarm *)(void *)timer)->letter);
}

static bool rang(const void *argument)
{
	return strchr(trail, *(const char *)argument) != NULL;
}

static void test_timers(struct task *task, struct recorded *recorded)
{
	struct alarm a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};
	struct wait_queue queue = {.word = 0};
	uint64_t start = sim_now(task_sim(task));
	char text[16] = "";

	trail = text;
	timer_start(task, &b.timer, 20, ring);
	timer_start(task, &a.timer, 10, ring);
	timer_start(task, &c.timer, 20, ring);
	timer_advance(task, 9);
	tap_ok(!strcmp(text, "") && sim_now(task_sim(task)) == start + 9,
		"time moves only when told to");
	timer_advance(task, 11);
	tap_ok(!strcmp(text, "abc"), "timers run by time, then by start");
	timer_start(task, &a.timer, 5, ring);
	b.letter = 'd';
	timer_start(task, &b.timer, 5, ring);
	tap_ok(timer_cancel(task, &a.timer) && !timer_cancel(task, &a.timer),
		"cancel says whether it was armed");
	tap_ok(wait_event(task, &queue, rang, "d", 100) && !strcmp(text, "abcd") &&
			sim_now(task_sim(task)) == start + 25,
		"a wait moves time to the timer that ends it");
	timer_start(task, &a.timer, 500, ring);
	tap_ok(!wait_event(task, &queue, rang, "z", 100) && sim_now(task_sim(task)) == start + 125,
		"a wait that times out takes its time");
	tap_ok(timer_cancel(task, &a.timer) && silent(recorded), "a later timer is still armed");
}

struct listener {
	struct notifier_block block;
	char letter;
	int answer;
	struct notifier_chain *leaves; /* unregisters itself from it */
};

static int hear(struct task *task, struct notifier_block *block, uint32_t event, void *data)
{
	struct listener *listener = (struct listener *)(void *)block;

	(void)event;
	(void)data;
	leave(listener->letter);
	if (listener->leaves)
		notifier_unregister(task, listener->leaves, block);
	return listener->answer;
}

static void test_notifiers(struct task *task, struct recorded *recorded)
{
	struct notifier_chain chain = notifier_chain_init();
	struct listener low = {{NULL, hear, -1}, 'l', NOTIFY_OK, NULL};
	struct listener first = {{NULL, hear, 5}, '1', NOTIFY_OK, NULL};
	struct listener second = {{NULL, hear, 5}, '2', NOTIFY_DONE, NULL};
	struct mutex mutex = mutex_init(LOCK_GROUP);
	char text[32] = "";
	uint32_t called;

	trail = text;
	notifier_register(task, &chain, &low.block);
	notifier_register(task, &chain, &first.block);
	notifier_register(task, &chain, &second.block);
	tap_ok(notifier_register(task, &chain, &first.block) == -EEXIST,
		"a block is registered once");
	tap_ok(notifier_call(task, &chain, 7, NULL, 0, &called) == NOTIFY_OK && called == 3 &&
			!strcmp(text, "12l"),
		"by priority, then by registration");
	first.answer = NOTIFY_BAD;
	tap_ok(notifier_call(task, &chain, 7, NULL, 0, &called) == NOTIFY_BAD && called == 1,
		"a block can stop the call");
	first.answer = NOTIFY_OK;
	first.leaves = &chain;
	text[0] = '\0';
	tap_ok(notifier_call_unlocked(task, &chain, 7, NULL, 0, &called) == NOTIFY_OK &&
			called == 3 && notifier_unregister(task, &chain, &first.block) == -ENOENT,
		"without the lock a block may unregister itself");
	tap_ok(silent(recorded), "correct use is silent");
	second.leaves = &chain;
	notifier_call(task, &chain, 7, NULL, 0, NULL);
	tap_ok(recorded->reports && !strcmp(recorded->rule, "deadlock"),
		"with the lock that is a deadlock");
	recorded->reports = 0;
	chain.lock.writer = 0;
	mutex_lock(task, &mutex);
	second.leaves = NULL;
	notifier_call_unlocked(task, &chain, 7, NULL, 0, NULL);
	tap_ok(reported(recorded, "lock-held-at-callback"),
		"a lock held across the call is reported");
	mutex_unlock(task, &mutex);
}

static void test_refcounts(struct task *task, struct recorded *recorded)
{
	struct refcount count = refcount_init(1);

	refcount_inc(task, &count);
	tap_ok(!refcount_dec_and_test(task, &count) && refcount_inc_not_zero(task, &count),
		"counts up and down");
	refcount_dec(task, &count);
	tap_ok(refcount_dec_if_one(&count) && !refcount_dec_if_one(&count) &&
			!refcount_inc_not_zero(task, &count),
		"from one to none, once");
	tap_ok(silent(recorded), "correct use is silent");
	refcount_inc(task, &count);
	tap_ok(reported(recorded, "refcount"), "an addition on zero");
	count = refcount_init(0);
	tap_ok(!refcount_dec_and_test(task, &count) && reported(recorded, "refcount"),
		"an underflow");
	tap_ok(refcount_read(&count) == REFCOUNT_SATURATED,
		"a count that went wrong stays saturated");
	count = refcount_init(REFCOUNT_MAX);
	refcount_inc(task, &count);
	tap_ok(reported(recorded, "refcount"), "an overflow");
	count = refcount_init(1);
	refcount_dec(task, &count);
	tap_ok(reported(recorded, "refcount"), "the last reference dropped by accident");
}

int main(void)
{
	struct recorded recorded;
	struct sim *sim = test_sim(LOCKS_SINGLE, &recorded);
	struct task *task = sim_task(sim, 0, 0);

	tap_begin();
	test_rcu(task);
	test_workqueue(task, &recorded);
	test_timers(task, &recorded);
	test_notifiers(task, &recorded);
	test_refcounts(task, &recorded);
	sim_destroy(sim);
	return tap_end();
}
