/* SPDX-License-Identifier: Apache-2.0 */
/* The run itself: fibers, who can go on, what was passed. */
#include "fuzz/schedule/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/every_access.h"
#include "fuzz/schedule/scheduler_private.h"
#include "fuzz/schedule/strategy.h"

struct scheduler *scheduler_open(void)
{
	struct scheduler *scheduler = calloc(1, sizeof(*scheduler));

	if (!scheduler)
		return NULL;
	scheduler->threads[0].fiber = fiber_adopt();
	scheduler->step_room = 1024;
	scheduler->steps = malloc(scheduler->step_room * sizeof(*scheduler->steps));
	scheduler->footprints = malloc(scheduler->step_room * sizeof(*scheduler->footprints));
	lock_graph_init(&scheduler->graph);
	scheduler_locks_init(scheduler);
	if (scheduler->threads[0].fiber && scheduler->steps && scheduler->footprints)
		return scheduler;
	scheduler_close(scheduler);
	return NULL;
}

void scheduler_close(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	for (unsigned t = 0; t < SCHEDULER_THREADS; t++)
		fiber_free(scheduler->threads[t].fiber);
	free(scheduler->steps);
	free(scheduler->footprints);
	free(scheduler->holds);
	free(scheduler);
}

void scheduler_forget_order(struct scheduler *scheduler)
{
	lock_graph_init(&scheduler->graph);
}

void scheduler_set_owner(struct scheduler *scheduler, const struct scheduler_owner *owner)
{
	scheduler->owner = *owner;
}

void scheduler_begin(struct scheduler *scheduler, struct strategy *strategy)
{
	scheduler->strategy = strategy;
	scheduler->step_count = 0;
	scheduler->progress = 0;
	/* Otherwise the strategy's begin has said so. */
	if (!strategy)
		scheduler->quiet_until = UINT32_MAX;
	scheduler->preemptions = 0;
	scheduler->active = false;
	scheduler->stopping = false;
	scheduler->current = 0;
	scheduler->ended = 0;
	scheduler->has_report = false;
	scheduler->hold_count = 0;
	for (unsigned t = 0; t < SCHEDULER_THREADS; t++) {
		scheduler->threads[t].state = THREAD_IDLE;
		scheduler->threads[t].call = 0;
		scheduler->threads[t].held_count = 0;
	}
}

void scheduler_finish(struct scheduler *scheduler, enum scheduler_end end)
{
	if (scheduler->strategy && scheduler->strategy->end)
		scheduler->strategy->end(scheduler->strategy, scheduler, end);
}

void scheduler_call(struct scheduler *scheduler, unsigned call)
{
	scheduler->threads[scheduler->current].call = (uint16_t)call;
	scheduler->progress = scheduler->step_count;
	scheduler_touch(scheduler, 0, FOOTPRINT_EXECUTOR);
}

bool scheduler_open_to_all(struct scheduler *scheduler, bool open)
{
	struct thread *thread = &scheduler->threads[scheduler->current];
	bool before = thread->open;

	thread->open = open;
	if (open)
		scheduler_touch(scheduler, 0, UINT64_MAX);
	return before;
}

void scheduler_call_done(struct scheduler *scheduler)
{
	scheduler_touch(scheduler, 0, FOOTPRINT_EXECUTOR);
}

bool scheduler_active(const struct scheduler *scheduler)
{
	return scheduler->active;
}

unsigned scheduler_current(const struct scheduler *scheduler)
{
	return scheduler->current;
}

uint32_t scheduler_ended(const struct scheduler *scheduler)
{
	return scheduler->ended;
}

const struct scheduler_step *scheduler_steps(const struct scheduler *scheduler, uint32_t *count)
{
	*count = scheduler->step_count;
	return scheduler->steps;
}

uint32_t scheduler_step_count(const struct scheduler *scheduler)
{
	return scheduler->step_count;
}

uint16_t scheduler_occurrence(const struct scheduler_step *steps, uint32_t n)
{
	const struct scheduler_step *here = &steps[n];
	uint16_t count = 0;

	for (uint32_t s = 0; s <= n; s++)
		count = (uint16_t)(count + (steps[s].thread == here->thread &&
						   steps[s].call == here->call &&
						   steps[s].point == here->point &&
						   steps[s].object == here->object));
	return count;
}

uint32_t scheduler_preemptions(const struct scheduler *scheduler)
{
	return scheduler->preemptions;
}

void scheduler_quiet_until(struct scheduler *scheduler, uint32_t step)
{
	scheduler->quiet_until = step;
}

void scheduler_stop(struct scheduler *scheduler)
{
	scheduler->stopping = true;
}

/* -- steps -- */

static uint32_t ready_mask(const struct scheduler *scheduler)
{
	uint32_t mask = 0;

	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		mask |= (uint32_t)(scheduler->threads[t].state == THREAD_READY) << t;
	return mask;
}

/* The new step, or NULL: no call ends any more, or the run is too long (or host memory short). */
static struct scheduler_step *add_step(struct scheduler *scheduler, unsigned point, uint32_t object)
{
	uint32_t n = scheduler->step_count;

	if (__builtin_expect(n - scheduler->progress >= SCHEDULER_LIMIT, 0))
		return NULL;
	if (__builtin_expect(n == scheduler->step_room, 0)) {
		uint32_t room = scheduler->step_room * 2;
		void *steps, *footprints;

		if (n >= SCHEDULER_LENGTH)
			return NULL;
		steps = realloc(scheduler->steps, room * sizeof(*scheduler->steps));
		if (!steps)
			return NULL;
		scheduler->steps = steps;
		footprints = realloc(scheduler->footprints, room * sizeof(*scheduler->footprints));
		if (!footprints)
			return NULL;
		scheduler->footprints = footprints;
		scheduler->step_room = room;
	}
	struct scheduler_step *step = &scheduler->steps[n];
	*step = (struct scheduler_step){
		.thread = (uint8_t)scheduler->current,
		.point = (uint8_t)point,
		.next = (uint8_t)scheduler->current,
		.call = scheduler->threads[scheduler->current].call,
		.object = (uint16_t)object,
	};
	scheduler->footprints[n] =
		(struct footprint){0, scheduler->threads[scheduler->current].open ? UINT64_MAX : 0};
	scheduler->threads[scheduler->current].step = n;
	scheduler->step_count = n + 1;
	return step;
}

/* -- switching -- */

/* That thread is the current one; its fiber. */
static struct fiber *become(struct scheduler *scheduler, unsigned next)
{
	scheduler->current = next;
	if (scheduler->owner.switched)
		scheduler->owner.switched(scheduler->owner.context, next);
	return scheduler->threads[next].fiber;
}

/* Leaves the current fiber for good or until somebody chooses it again. */
static void switch_to(struct scheduler *scheduler, unsigned next)
{
	unsigned from = scheduler->current;

	if (next != from)
		fiber_switch(scheduler->threads[from].fiber, become(scheduler, next));
}

/* The section ends, from whatever thread this is: the main thread goes on. */
static unsigned end_section(struct scheduler *scheduler, enum scheduler_end end)
{
	scheduler->end = end;
	scheduler->active = false;
	return 0;
}

/* There is no step any more: too many without the end of a call, or too many in all. */
static unsigned end_long_section(struct scheduler *scheduler)
{
	if (scheduler->step_count - scheduler->progress < SCHEDULER_LIMIT)
		return end_section(scheduler, SCHEDULER_STOPPED);
	scheduler_report_livelock(scheduler);
	return end_section(scheduler, SCHEDULER_LIVELOCK);
}

/* 0: the strategy has given the run up. */
static unsigned ask_strategy(
	struct scheduler *scheduler, unsigned current, uint32_t ready, uint32_t step)
{
	struct strategy *strategy = scheduler->strategy;
	unsigned next = strategy ? strategy->choose(strategy, scheduler, current, ready, step)
				 : strategy_default(current, ready);

	return scheduler->stopping ? end_section(scheduler, SCHEDULER_STOPPED) : next;
}

void scheduler_point(struct scheduler *scheduler, unsigned point, uint32_t object)
{
	struct scheduler_step *step;

	if (!scheduler->active)
		return;
	step = add_step(scheduler, point, object);
	if (__builtin_expect(!step, 0)) {
		switch_to(scheduler, end_long_section(scheduler));
		return;
	}
	uint32_t n = scheduler->step_count - 1;
	uint32_t ready = ready_mask(scheduler);
	step->ready = (uint8_t)(ready >> 1);
	if (n < scheduler->quiet_until)
		return;
	unsigned next = ask_strategy(scheduler, scheduler->current, ready, n);
	scheduler->steps[n].next = (uint8_t)next;
	if (next == scheduler->current)
		return;
	scheduler->preemptions += next != 0;
	switch_to(scheduler, next);
}

/* The current thread cannot go on: who does? THREAD_READY ones, else whose wait has a timeout; the
 * main thread when nobody can. */
static unsigned pass_on(struct scheduler *scheduler, unsigned point, uint32_t object)
{
	struct scheduler_step *step = add_step(scheduler, point, object);

	if (!step)
		return end_long_section(scheduler);
	uint32_t n = scheduler->step_count - 1;
	uint32_t ready = ready_mask(scheduler);
	if (!ready) {
		every_access_of(NULL);
		enum scheduler_end end = scheduler_stuck(scheduler);
		every_access_of(scheduler);

		ready = ready_mask(scheduler);
		if (!ready)
			return end_section(scheduler, end);
	}
	scheduler->steps[n].ready = (uint8_t)(ready >> 1);
	unsigned next = ask_strategy(scheduler, SCHEDULER_NONE, ready, n);
	scheduler->steps[n].next = (uint8_t)next;
	return next;
}

void scheduler_block(struct scheduler *scheduler, const struct sim_wait *wait)
{
	struct thread *thread = &scheduler->threads[scheduler->current];
	uint64_t looked = FOOTPRINT_WAKE | (wait->object ? UINT64_C(1) << (wait->object - 1) : 0);

	if (!scheduler->active) {
		scheduler_report_alone(scheduler, wait);
		return;
	}
	thread->state = THREAD_BLOCKED;
	thread->wait = *wait;
	scheduler_touch(scheduler, looked, 0);
	switch_to(scheduler, pass_on(scheduler, SCHEDULE_BLOCK, wait->object));
	/* It looks again, whether or not it gets it now. */
	scheduler_touch(scheduler, looked, 0);
}

void scheduler_wake(struct scheduler *scheduler, uint32_t slot)
{
	scheduler_touch(scheduler, 0, FOOTPRINT_WAKE);
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++) {
		struct thread *thread = &scheduler->threads[t];

		if (thread->state == THREAD_BLOCKED && thread->wait.slot == slot)
			thread->state = THREAD_READY;
	}
}

/* -- sections -- */

static struct fiber *thread_main(void *argument)
{
	struct thread *thread = argument;
	struct scheduler *scheduler = thread->scheduler;

	/* A step of its own, and no choice: that was made when it was chosen to start. */
	if (!add_step(scheduler, SCHEDULE_START, 0))
		return become(scheduler, end_long_section(scheduler));
	scheduler->entry(scheduler->entry_context, thread->number);
	thread->state = THREAD_ENDED;
	scheduler->ended |= UINT32_C(1) << thread->number;
	scheduler->progress = scheduler->step_count;
	scheduler_touch(scheduler, 0, FOOTPRINT_EXECUTOR);
	/* Whoever waits for its end looks again. */
	scheduler_wake(scheduler, SCHEDULER_SLOT_END);
	scheduler->running--;
	return become(scheduler, scheduler->running ? pass_on(scheduler, SCHEDULE_END, 0)
						    : end_section(scheduler, SCHEDULER_DONE));
}

static bool prepare(struct scheduler *scheduler, uint32_t threads)
{
	scheduler->running = 0;
	scheduler->ended = 0;
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++) {
		struct thread *thread = &scheduler->threads[t];

		thread->state = THREAD_IDLE;
		if (!(threads >> t & 1))
			continue;
		if (!thread->fiber)
			thread->fiber = fiber_create();
		if (!thread->fiber)
			return false;
		thread->scheduler = scheduler;
		thread->number = t;
		thread->state = THREAD_READY;
		thread->held_count = 0;
		thread->open = false;
		fiber_start(thread->fiber, thread_main, thread);
		scheduler->running++;
	}
	return true;
}

enum scheduler_end scheduler_section(struct scheduler *scheduler, uint32_t threads,
	void (*entry)(void *context, unsigned thread), void *context)
{
	scheduler->entry = entry;
	scheduler->entry_context = context;
	if (!prepare(scheduler, threads))
		return SCHEDULER_STOPPED;
	if (!scheduler->running)
		return SCHEDULER_DONE;
	scheduler->active = true;
	every_access_section();
	every_access_of(scheduler);
	scheduler->end = SCHEDULER_STOPPED;
	if (add_step(scheduler, SCHEDULE_START, 0)) {
		uint32_t n = scheduler->step_count - 1, ready = ready_mask(scheduler);
		unsigned next = ask_strategy(scheduler, SCHEDULER_NONE, ready, n);

		scheduler->steps[n].ready = (uint8_t)(ready >> 1);
		scheduler->steps[n].next = (uint8_t)next;
		switch_to(scheduler, next);
	}
	scheduler->active = false;
	every_access_of(NULL);
	if (scheduler->owner.switched)
		scheduler->owner.switched(scheduler->owner.context, 0);
	return scheduler->end;
}

/* -- for a sim -- */

static void sim_point(void *context, struct task *task, enum schedule_point point, uint32_t object)
{
	struct scheduler *scheduler = context;

	if (!scheduler->active)
		return;
	(void)task;
	scheduler_point(scheduler, point, object);
	scheduler_touch_point(scheduler, point);
	/* Also an attempt that fails looks at the lock. */
	if (point == SCHEDULE_LOCK)
		scheduler_touch(scheduler, UINT64_C(1) << (object - 1), 0);
}

static void sim_block(void *context, struct task *task, const struct sim_wait *wait)
{
	struct scheduler *scheduler = context;

	(void)task;
	scheduler_block(scheduler, wait);
}

static void sim_wake(void *context, struct task *task, uint32_t slot)
{
	(void)task;
	scheduler_wake(context, slot);
}

void scheduler_locks_init(struct scheduler *scheduler)
{
	scheduler->for_sim = (struct sim_scheduler){
		.context = scheduler,
		.point = sim_point,
		.block = sim_block,
		.wake = sim_wake,
		.asked = scheduler_asked,
		.taken = scheduler_taken,
		.given = scheduler_given,
	};
}

const struct sim_scheduler *scheduler_for_sim(struct scheduler *scheduler)
{
	return &scheduler->for_sim;
}
