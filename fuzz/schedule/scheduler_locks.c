/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds and waits for which lock, and what is wrong when nobody can go on. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/scheduler_private.h"

void scheduler_keep_locks(struct scheduler *scheduler, bool keep)
{
	scheduler->keep_locks = keep;
}

const struct scheduler_hold *scheduler_holds(const struct scheduler *scheduler, uint32_t *count)
{
	*count = scheduler->hold_count;
	return scheduler->holds;
}

bool scheduler_report(const struct scheduler *scheduler, struct scheduler_report *report)
{
	if (scheduler->has_report)
		*report = scheduler->report;
	return scheduler->has_report;
}

/* The first one of a run counts. */
static bool begin_report(struct scheduler *scheduler, const char *rule)
{
	if (scheduler->has_report)
		return false;
	scheduler->has_report = true;
	snprintf(scheduler->report.rule, sizeof(scheduler->report.rule), "%s", rule);
	scheduler->report.step = scheduler->active && scheduler->step_count
					 ? scheduler->step_count - 1
					 : SCHEDULER_NONE;
	scheduler->report.message[0] = '\0';
	return true;
}

static void __attribute__((format(printf, 2, 3))) add_text(
	struct scheduler *scheduler, const char *format, ...)
{
	struct scheduler_report *report = &scheduler->report;
	size_t used = strlen(report->message);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(report->message + used, sizeof(report->message) - used, format, arguments);
	va_end(arguments);
}

/* "A in call 2 IOMMU_IOAS_UNMAP". */
static void add_thread(struct scheduler *scheduler, unsigned t, unsigned call)
{
	const struct scheduler_owner *owner = &scheduler->owner;
	const char *name = owner->call_name ? owner->call_name(owner->context, t, call) : NULL;

	if (t)
		add_text(scheduler, "%c", 'A' + (int)t - 1);
	else
		add_text(scheduler, "main");
	add_text(scheduler, " in its call %u%s%s", call + 1, name ? " " : "", name ? name : "");
}

/* -- locks -- */

static uint64_t held_classes(const struct thread *thread)
{
	uint64_t mask = 0;

	for (uint32_t h = 0; h < thread->held_count; h++)
		mask |= UINT64_C(1) << thread->held[h].class;
	return mask;
}

void scheduler_asked(void *context, struct task *task, uint16_t class, const void *lock)
{
	struct scheduler *scheduler = context;
	const struct thread *thread = &scheduler->threads[scheduler->current];
	char way[200];

	(void)task;
	(void)lock;
	scheduler_touch(scheduler, UINT64_C(1) << class, 0);
	if (!thread->held_count ||
		lock_graph_ask(&scheduler->graph, class, held_classes(thread), way, sizeof(way)))
		return;
	if (!begin_report(scheduler, "lock-order"))
		return;
	add_thread(scheduler, scheduler->current, thread->call);
	add_text(scheduler, " asks for %s and holds", lock_class_name((enum lock_class) class));
	for (uint32_t h = 0; h < thread->held_count; h++)
		add_text(scheduler, "%s %s", h ? "," : "",
			lock_class_name((enum lock_class)thread->held[h].class));
	add_text(scheduler, "; the other order was seen or is specified: %s", way);
	/* The lock's own point comes behind this. */
	if (scheduler->active)
		scheduler->report.step = scheduler->step_count;
}

static uint32_t keep_hold(
	struct scheduler *scheduler, uint16_t class, const void *lock, bool shared)
{
	if (scheduler->hold_count == scheduler->hold_room) {
		uint32_t room = scheduler->hold_room ? scheduler->hold_room * 2 : 256;
		void *holds = realloc(scheduler->holds, room * sizeof(*scheduler->holds));

		if (!holds)
			return UINT32_MAX;
		scheduler->holds = holds;
		scheduler->hold_room = room;
	}
	scheduler->holds[scheduler->hold_count] = (struct scheduler_hold){
		.from = scheduler->step_count ? scheduler->step_count - 1 : 0,
		.to = UINT32_MAX,
		.class = class,
		.call = scheduler->threads[scheduler->current].call,
		.thread = (uint8_t)scheduler->current,
		.shared = shared,
		.lock = lock};
	return scheduler->hold_count++;
}

void scheduler_taken(
	void *context, struct task *task, uint16_t class, const void *lock, bool shared)
{
	struct scheduler *scheduler = context;
	struct thread *thread = &scheduler->threads[scheduler->current];
	uint64_t bit = UINT64_C(1) << class;

	(void)task;
	scheduler_touch(scheduler, shared ? bit : 0, shared ? 0 : bit);
	if (thread->held_count == HELD_MAX)
		return;
	thread->held[thread->held_count++] = (struct scheduler_lock){.lock = lock,
		.class = class,
		.call = thread->call,
		.shared = shared,
		.step = scheduler->keep_locks ? keep_hold(scheduler, class, lock, shared)
					      : UINT32_MAX};
}

void scheduler_given(void *context, struct task *task, uint16_t class, const void *lock)
{
	struct scheduler *scheduler = context;
	struct thread *thread = &scheduler->threads[scheduler->current];

	(void)task;
	for (uint32_t h = thread->held_count; h--;) {
		struct scheduler_lock *held = &thread->held[h];
		uint64_t bit = UINT64_C(1) << class;

		if (held->lock != lock || held->class != class)
			continue;
		scheduler_touch(scheduler, held->shared ? bit : 0, held->shared ? 0 : bit);
		if (held->step < scheduler->hold_count)
			scheduler->holds[held->step].to =
				scheduler->step_count ? scheduler->step_count - 1 : 0;
		memmove(held, held + 1, (thread->held_count - h - 1) * sizeof(*held));
		thread->held_count--;
		return;
	}
}

/* -- nobody can go on -- */

/* Whose timeout comes first, or none. */
static struct thread *first_timeout(struct scheduler *scheduler)
{
	struct thread *first = NULL;

	for (unsigned t = 1; t < SCHEDULER_THREADS; t++) {
		struct thread *thread = &scheduler->threads[t];

		if (thread->state == THREAD_BLOCKED && thread->wait.timeout_ms &&
			(!first || thread->wait.timeout_ms < first->wait.timeout_ms))
			first = thread;
	}
	return first;
}

static struct thread *first_ready(struct scheduler *scheduler)
{
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++) {
		struct thread *thread = &scheduler->threads[t];

		if (thread->state == THREAD_BLOCKED && thread->wait.ready &&
			thread->wait.ready(thread->wait.argument))
			return thread;
	}
	return NULL;
}

static void add_holders(struct scheduler *scheduler, const struct thread *waiting)
{
	bool any = false;

	for (unsigned t = 0; t < SCHEDULER_THREADS; t++)
		for (uint32_t h = 0; h < scheduler->threads[t].held_count; h++) {
			const struct scheduler_lock *held = &scheduler->threads[t].held[h];

			if (held->lock != waiting->wait.lock)
				continue;
			add_text(scheduler, "%s", any ? " and " : ", held by ");
			add_thread(scheduler, t, held->call);
			any = true;
		}
}

static void describe(struct scheduler *scheduler)
{
	bool any = false;

	for (unsigned t = 1; t < SCHEDULER_THREADS; t++) {
		const struct thread *thread = &scheduler->threads[t];

		if (thread->state != THREAD_BLOCKED)
			continue;
		add_text(scheduler, "%s", any ? "; " : "");
		add_thread(scheduler, t, thread->call);
		add_text(scheduler, " waits for %s", thread->wait.what);
		add_holders(scheduler, thread);
		any = true;
	}
}

enum scheduler_end scheduler_stuck(struct scheduler *scheduler)
{
	struct thread *timeout = first_timeout(scheduler);
	bool lost = first_ready(scheduler) != NULL;

	/* A wait that is over and was not told of is lost, whether or not a timeout saves it. */
	if (lost && begin_report(scheduler, "lost-wake-up"))
		describe(scheduler);
	if (timeout) {
		timeout->state = THREAD_READY;
		return SCHEDULER_DONE;
	}
	if (lost)
		return SCHEDULER_LOST_WAKEUP;
	if (begin_report(scheduler, "deadlock"))
		describe(scheduler);
	return SCHEDULER_DEADLOCK;
}

void scheduler_report_livelock(struct scheduler *scheduler)
{
	if (!begin_report(scheduler, "livelock"))
		return;
	add_text(scheduler, "no end after %u steps: ", scheduler->step_count);
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		if (scheduler->threads[t].state == THREAD_READY) {
			add_thread(scheduler, t, scheduler->threads[t].call);
			add_text(scheduler, "; ");
		}
}

void scheduler_report_alone(struct scheduler *scheduler, const struct sim_wait *wait)
{
	if (!begin_report(scheduler, "deadlock"))
		return;
	add_thread(scheduler, 0, scheduler->threads[0].call);
	add_text(scheduler, " waits for %s while nobody else runs", wait->what);
}
