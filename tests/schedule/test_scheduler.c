/* SPDX-License-Identifier: Apache-2.0 */
/* Fibers, strategies and what the scheduler sees, each with something that goes wrong on purpose.
 */
#include <stdlib.h>
#include <string.h>

#include "impl/sim/fiber.h"
#include "impl/sim/lock.h"
#include "tests/schedule/crew.h"
#include "tests/tap.h"

/* -- fibers -- */

struct pair {
	struct fiber *main, *other;
	unsigned count;
};

static struct fiber *count_up(void *argument)
{
	struct pair *pair = argument;
	volatile double kept = 0.5;

	while (pair->count < 2000) {
		pair->count++;
		kept = kept * 2;
		fiber_switch(pair->other, pair->main);
	}
	return pair->main;
}

static void test_fibers(void)
{
	struct pair pair = {.main = fiber_adopt(), .other = fiber_create()};
	volatile double mine = 3.25;

	fiber_start(pair.other, count_up, &pair);
	for (unsigned i = 0; i < 1000; i++) {
		fiber_switch(pair.main, pair.other);
		mine = mine + 1;
	}
	tap_ok(pair.count == 1000 && mine > 1003 && mine < 1004, "a fiber goes on where it was");
	fiber_start(pair.other, count_up, &pair);
	fiber_switch(pair.main, pair.other);
	tap_ok(pair.count == 1001, "one that was left in the middle starts again");
	pair.count = 2000;
	fiber_switch(pair.main, pair.other);
	pair.count = 0;
	fiber_start(pair.other, count_up, &pair);
	fiber_switch(pair.main, pair.other);
	tap_ok(pair.count == 1, "and so does one that has returned");
	fiber_free(pair.other);
	fiber_free(pair.main);
}

/* -- threads that only pass points -- */

#define POINTS 3

static void pass_points(struct crew *crew, unsigned thread)
{
	(void)thread;
	for (unsigned i = 0; i < POINTS; i++)
		scheduler_point(crew->scheduler, SCHEDULE_ACCESS, 0);
}

static void test_counts(void)
{
	struct crew crew;
	uint64_t expected[] = {2, 2 + 2 * POINTS};

	/* Interleavings of two threads of POINTS + 1 pieces each: 8 over 4. */
	crew_open(&crew, false);
	crew.threads[1] = crew.threads[2] = pass_points;
	tap_ok(crew_run_all(&crew, strategy_plain(), 10, NULL) == 1, "until blocked: one run");
	for (unsigned bound = 0; bound < 2; bound++)
		tap_ok(crew_run_all(&crew, strategy_bounded(bound, false), 1000, NULL) ==
				expected[bound],
			"two threads, bound %u: %u runs", bound, (unsigned)expected[bound]);
	tap_ok(crew_run_all(&crew, strategy_bounded(100, false), 1000, NULL) == 70,
		"without a bound: every interleaving of four and four pieces, 70");
	crew.threads[3] = pass_points;
	tap_ok(crew_run_all(&crew, strategy_bounded(0, false), 1000, NULL) == 6,
		"three threads, bound 0: their six orders");
	tap_ok(crew_run_all(&crew, strategy_bounded(100, false), 100000, NULL) == 34650,
		"and every interleaving of 4, 4 and 4: 34650");
	tap_ok(crew_run_all(&crew, strategy_random(5, 30), 1000, NULL) == 30,
		"a random walk makes the runs asked for");
	crew_close(&crew);
}

/* -- a lost update, which one preemption shows -- */

struct counter {
	unsigned value, sum;
	bool locked;
	struct mutex mutex;
};

static void add_one(struct crew *crew, unsigned thread)
{
	struct counter *counter = crew->state;
	struct task *task = counter->locked ? crew_task(crew, thread) : NULL;

	if (task)
		mutex_lock(task, &counter->mutex);
	unsigned seen = counter->value;
	scheduler_point(crew->scheduler, SCHEDULE_ACCESS, 0);
	counter->value = seen + 1;
	if (task)
		mutex_unlock(task, &counter->mutex);
}

static void reset_counter(struct crew *crew)
{
	struct counter *counter = crew->state;

	counter->value = 0;
	counter->mutex = mutex_init(LOCK_OTHER);
}

static bool update_was_lost(struct crew *crew)
{
	return ((struct counter *)crew->state)->value != 2;
}

static void test_lost_update(void)
{
	struct counter counter = {0};
	struct crew crew;
	struct prog prog;

	crew_open(&crew, true);
	crew.state = &counter;
	crew.before = reset_counter;
	crew.threads[1] = crew.threads[2] = add_one;
	tap_ok(crew_run_all(&crew, strategy_bounded(0, true), 1000, update_was_lost) == 2 &&
			counter.value == 2,
		"bound 0 does not show a lost update");
	crew_run_all(&crew, strategy_bounded(1, true), 1000, update_was_lost);
	tap_ok(counter.value == 1, "bound 1 does");
	prog_init(&prog);
	tap_ok(schedule_of_run(crew.scheduler, &prog) && prog.switch_count == 1,
		"its schedule is one forced switch");
	bool always = true;
	for (unsigned i = 0; i < 1000; i++) {
		struct strategy *replay = strategy_replay(prog.switches, prog.switch_count);

		replay->begin(replay, crew.scheduler);
		crew_run(&crew, replay);
		always = always && counter.value == 1 && strategy_replay_lost(replay) < 0;
		replay->close(replay);
	}
	tap_ok(always, "which shows it 1000 times of 1000");
	prog.switches[0].occurrence = 7;
	struct strategy *replay = strategy_replay(prog.switches, prog.switch_count);
	replay->begin(replay, crew.scheduler);
	crew_run(&crew, replay);
	tap_ok(strategy_replay_lost(replay) == 0, "a switch whose place does not come is told");
	replay->close(replay);
	tap_ok(crew_run_all(&crew, strategy_random(1, 100), 1000, update_was_lost) < 100 &&
			crew_run_all(&crew, strategy_pct(1, 2, 100), 1000, update_was_lost) < 100,
		"random walk and PCT show it");
	counter.locked = true;
	crew_run_all(&crew, strategy_bounded(2, false), 10000, update_was_lost);
	tap_ok(counter.value == 2, "under a lock no schedule shows one");
	prog_free(&prog);
	crew_close(&crew);
}

/* -- PCT -- */

static void test_pct(void)
{
	struct crew crew;
	unsigned threads;
	uint32_t length;

	crew_open(&crew, false);
	crew.threads[1] = crew.threads[2] = pass_points;
	struct strategy *pct = strategy_pct(3, 3, 50);
	while (pct->begin(pct, crew.scheduler))
		crew_run(&crew, pct);
	double bound = strategy_pct_bound(pct, &threads, &length);
	pct->close(pct);
	/* START of the section, and for each thread its start, three points, its end (one leaves
	 * the section instead). */
	tap_ok(threads == 2 && length >= 9 && length <= 11, "PCT learns threads and length: %u %u",
		threads, length);
	double expected = 1.0 / (2.0 * length * length);
	tap_ok(bound > expected * 0.999 && bound < expected * 1.001,
		"and says its probability: 1/(2*%u^2)", length);
	crew_close(&crew);
}

/* -- deadlocks, lock orders -- */

struct two_locks {
	struct mutex first, second;
	bool crossed;
};

static void reset_locks(struct crew *crew)
{
	struct two_locks *locks = crew->state;

	locks->first = mutex_init(LOCK_WORKQUEUE);
	locks->second = mutex_init(LOCK_NOTIFIER);
}

static void take_both(struct crew *crew, unsigned thread)
{
	struct two_locks *locks = crew->state;
	struct task *task = crew_task(crew, thread);
	bool swap = locks->crossed && thread == 2;

	mutex_lock(task, swap ? &locks->second : &locks->first);
	mutex_lock(task, swap ? &locks->first : &locks->second);
	mutex_unlock(task, swap ? &locks->first : &locks->second);
	mutex_unlock(task, swap ? &locks->second : &locks->first);
}

static bool has_rule(struct crew *crew, const char *rule)
{
	struct scheduler_report report;

	return scheduler_report(crew->scheduler, &report) && strcmp(report.rule, rule) == 0;
}

static bool is_inverted(struct crew *crew)
{
	return has_rule(crew, "lock-order");
}

static bool is_stuck(struct crew *crew)
{
	return crew->end == SCHEDULER_DEADLOCK;
}

static void test_deadlock(void)
{
	struct two_locks locks = {.crossed = false};
	struct scheduler_report report;
	struct crew crew;

	crew_open(&crew, true);
	crew.state = &locks;
	crew.before = reset_locks;
	crew.threads[1] = crew.threads[2] = take_both;
	crew_run_all(&crew, strategy_bounded(2, true), 100000, is_inverted);
	tap_ok(crew.end == SCHEDULER_DONE && !is_inverted(&crew), "one order is no deadlock");
	crew_close(&crew);

	locks.crossed = true;
	crew_open(&crew, true);
	crew.state = &locks;
	crew.before = reset_locks;
	crew.threads[1] = crew.threads[2] = take_both;
	crew_run_all(&crew, strategy_plain(), 1, NULL);
	tap_ok(crew.end == SCHEDULER_DONE && is_inverted(&crew),
		"an inversion is told of although nothing was stuck");
	crew_run_all(&crew, strategy_bounded(1, true), 100000, is_stuck);
	tap_ok(is_stuck(&crew) && scheduler_report(crew.scheduler, &report) &&
			strcmp(report.rule, "deadlock") == 0,
		"one preemption makes it a deadlock");
	tap_ok(strstr(report.message, "A in its call 1 waits for notifier, held by B") &&
			strstr(report.message, "B in its call 1 waits for workqueue, held by A"),
		"who holds and waits for what: %s", report.message);
	crew_abandon(&crew);
	crew_close(&crew);
}

/* -- waiting -- */

struct event {
	struct wait_queue queue;
	bool done, told, again;
};

static bool is_done(const void *argument)
{
	return ((const struct event *)argument)->done;
}

static void wait_for_it(struct crew *crew, unsigned thread)
{
	struct event *event = crew->state;

	wait_event(crew_task(crew, thread), &event->queue, is_done, event, 0);
}

static void make_it(struct crew *crew, unsigned thread)
{
	struct event *event = crew->state;

	scheduler_point(crew->scheduler, SCHEDULE_ACCESS, 0);
	event->done = true;
	if (event->told)
		wake_up_all(crew_task(crew, thread), &event->queue);
}

static void spin_for_ever(struct crew *crew, unsigned thread)
{
	const struct event *event = crew->state;

	(void)thread;
	while (!event->again)
		scheduler_point(crew->scheduler, SCHEDULE_ACCESS, 0);
}

static void reset_event(struct crew *crew)
{
	struct event *event = crew->state;

	event->done = false;
	event->queue = (struct wait_queue){.word = 0};
}

static bool wake_was_lost(struct crew *crew)
{
	return crew->end == SCHEDULER_LOST_WAKEUP;
}

static void test_waiting(void)
{
	struct event event = {.told = true};
	struct crew crew;

	crew_open(&crew, true);
	crew.state = &event;
	crew.before = reset_event;
	crew.threads[1] = wait_for_it;
	crew.threads[2] = make_it;
	uint64_t runs = crew_run_all(&crew, strategy_bounded(2, true), 100000, wake_was_lost);
	tap_ok(crew.end == SCHEDULER_DONE && runs > 2, "a wake-up reaches who waits, in %u runs",
		(unsigned)runs);
	event.told = false;
	crew_run_all(&crew, strategy_bounded(2, true), 100000, wake_was_lost);
	tap_ok(wake_was_lost(&crew) && has_rule(&crew, "lost-wake-up"),
		"a condition without a wake-up is a lost one");
	crew_abandon(&crew);
	crew_close(&crew);

	crew_open(&crew, false);
	crew.state = &event;
	crew.threads[1] = spin_for_ever;
	crew_run_all(&crew, strategy_plain(), 1, NULL);
	tap_ok(crew.end == SCHEDULER_LIVELOCK && has_rule(&crew, "livelock"),
		"what never ends is a livelock");
	crew_close(&crew);
}

static void time_out(struct crew *crew, unsigned thread)
{
	struct event *event = crew->state;

	event->again = !wait_event(crew_task(crew, thread), &event->queue, is_done, event, 60000);
}

static void test_timeout(void)
{
	struct event event = {0};
	struct crew crew;

	crew_open(&crew, true);
	crew.state = &event;
	crew.before = reset_event;
	crew.threads[1] = time_out;
	crew.threads[2] = pass_points;
	crew_run_all(&crew, strategy_plain(), 1, NULL);
	tap_ok(crew.end == SCHEDULER_DONE && event.again,
		"a wait with a timeout ends when nobody else can go on");
	crew_close(&crew);
}

/* -- the reduction -- */

#define OUTCOMES 64

struct outcomes {
	struct mutex first, second;
	unsigned log[2];
	uint64_t seen; /* bit: both logs in one number */
};

static void write_both(struct crew *crew, unsigned thread)
{
	struct outcomes *outcomes = crew->state;
	struct task *task = crew_task(crew, thread);

	mutex_lock(task, &outcomes->first);
	outcomes->log[0] = outcomes->log[0] * 2 + (thread & 1);
	mutex_unlock(task, &outcomes->first);
	mutex_lock(task, &outcomes->second);
	outcomes->log[1] = outcomes->log[1] * 2 + (thread & 1);
	mutex_unlock(task, &outcomes->second);
}

static void reset_outcomes(struct crew *crew)
{
	struct outcomes *outcomes = crew->state;

	outcomes->first = mutex_init(LOCK_WORKQUEUE);
	outcomes->second = mutex_init(LOCK_NOTIFIER);
	outcomes->log[0] = outcomes->log[1] = 1;
}

static bool note_outcome(struct crew *crew)
{
	struct outcomes *outcomes = crew->state;

	outcomes->seen |= UINT64_C(1) << ((outcomes->log[0] & 3) * 4 + (outcomes->log[1] & 3));
	return false;
}

static void test_reduction(void)
{
	struct outcomes outcomes;
	struct crew crew;
	uint64_t seen[2], runs[2];

	crew_open(&crew, true);
	crew.state = &outcomes;
	crew.before = reset_outcomes;
	crew.threads[1] = crew.threads[2] = write_both;
	for (unsigned bound = 0; bound < 4; bound++) {
		for (unsigned reduce = 0; reduce < 2; reduce++) {
			outcomes.seen = 0;
			runs[reduce] = crew_run_all(
				&crew, strategy_bounded(bound, reduce), 1000000, note_outcome);
			seen[reduce] = outcomes.seen;
		}
		tap_ok(seen[0] == seen[1] && runs[1] <= runs[0] && (bound < 2 || runs[1] < runs[0]),
			"bound %u: the same outcomes in %u instead of %u runs", bound,
			(unsigned)runs[1], (unsigned)runs[0]);
	}
	tap_ok(__builtin_popcountll(outcomes.seen) == 4, "all four orders of two locks");
	crew_close(&crew);
}

/* -- the reduction where threads block -- */

struct queue {
	struct mutex mutex;
	struct rwsem sem;
	unsigned log, read;
	unsigned seen[512], seen_count;
};

/* Who got the mutex in which order, and what was read between: waiters block again and again. */
static void queue_up(struct crew *crew, unsigned thread)
{
	struct queue *queue = crew->state;
	struct task *task = crew_task(crew, thread);

	for (unsigned round = 0; round < 2; round++) {
		mutex_lock(task, &queue->mutex);
		down_write(task, &queue->sem);
		queue->log = queue->log * 3 + thread;
		up_write(task, &queue->sem);
		mutex_unlock(task, &queue->mutex);
	}
}

static void look_in(struct crew *crew, unsigned thread)
{
	struct queue *queue = crew->state;
	struct task *task = crew_task(crew, thread);

	down_read(task, &queue->sem);
	queue->read = queue->log;
	up_read(task, &queue->sem);
	mutex_lock(task, &queue->mutex);
	queue->read = queue->read * 128 + queue->log;
	mutex_unlock(task, &queue->mutex);
}

static void reset_queue(struct crew *crew)
{
	struct queue *queue = crew->state;

	queue->mutex = mutex_init(LOCK_WORKQUEUE);
	queue->sem = rwsem_init(LOCK_NOTIFIER);
	queue->log = queue->read = 0;
}

static bool note_queue(struct crew *crew)
{
	struct queue *queue = crew->state;
	unsigned outcome = queue->read * 128 + queue->log;

	for (unsigned i = 0; i < queue->seen_count; i++)
		if (queue->seen[i] == outcome)
			return false;
	if (queue->seen_count < sizeof(queue->seen) / sizeof(queue->seen[0]))
		queue->seen[queue->seen_count++] = outcome;
	return crew->end != SCHEDULER_DONE;
}

static bool same_outcomes(const struct queue *a, const struct queue *b)
{
	unsigned common = 0;

	for (unsigned i = 0; i < a->seen_count; i++)
		for (unsigned k = 0; k < b->seen_count; k++)
			common += a->seen[i] == b->seen[k];
	return common == a->seen_count && common == b->seen_count;
}

static void test_reduction_of_waiters(void)
{
	static struct queue queues[2];
	uint64_t runs[2];
	struct crew crew;

	crew_open(&crew, true);
	crew.before = reset_queue;
	crew.threads[1] = crew.threads[2] = queue_up;
	crew.threads[3] = look_in;
	for (unsigned bound = 0; bound < 3; bound++) {
		for (unsigned reduce = 0; reduce < 2; reduce++) {
			crew.state = &queues[reduce];
			queues[reduce].seen_count = 0;
			runs[reduce] = crew_run_all(
				&crew, strategy_bounded(bound, reduce), 1000000, note_queue);
		}
		tap_ok(crew.end == SCHEDULER_DONE && same_outcomes(&queues[0], &queues[1]) &&
				runs[1] <= runs[0],
			"waiters, bound %u: the same %u outcomes in %u instead of %u runs", bound,
			queues[0].seen_count, (unsigned)runs[1], (unsigned)runs[0]);
	}
	crew_close(&crew);
}

/* -- bytes -- */

static void test_bytes(void)
{
	struct crew crew;
	/* Who begins, then two switches. */
	static const uint8_t bytes[] = {0, 1, 2};
	uint32_t count;

	crew_open(&crew, false);
	crew.threads[1] = crew.threads[2] = pass_points;
	crew_run_all(&crew, strategy_bytes(NULL, 0), 10, NULL);
	tap_ok(scheduler_preemptions(crew.scheduler) == 0, "without bytes: until blocked");
	crew_run_all(&crew, strategy_bytes(bytes, sizeof(bytes)), 10, NULL);
	tap_ok(scheduler_preemptions(crew.scheduler) == 2,
		"three bytes: who begins, and two switches");
	const struct scheduler_step *steps = scheduler_steps(crew.scheduler, &count);
	unsigned switched[2] = {0}, n = 0;
	for (uint32_t s = 0; s < count; s++)
		if (steps[s].point == SCHEDULE_ACCESS && steps[s].next != steps[s].thread && n < 2)
			switched[n++] = s;
	tap_ok(n == 2 && steps[switched[0]].thread == 1 && steps[switched[1]].thread == 2,
		"there and back");
	bool rising = true;
	for (unsigned b = 1; b < 64; b++)
		rising = rising && schedule_stay((uint8_t)b) >= schedule_stay((uint8_t)(b - 1)) &&
			 schedule_stay((uint8_t)(b | 192)) == schedule_stay((uint8_t)b);
	tap_ok(rising && schedule_stay(0) == 0, "bytes stand for ever longer stays");
	crew_close(&crew);
}

int main(void)
{
	tap_begin();
	test_fibers();
	test_counts();
	test_lost_update();
	test_pct();
	test_deadlock();
	test_waiting();
	test_timeout();
	test_reduction();
	test_reduction_of_waiters();
	test_bytes();
	return tap_end();
}
