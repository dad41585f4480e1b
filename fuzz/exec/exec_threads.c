/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a program: sections, the calls of each thread, barriers, and phases of the model. */
#include <pthread.h>
#include <string.h>

#include "fuzz/exec/exec_private.h"
#include "fuzz/schedule/scheduler.h"
#include "impl/sim/lock.h"

#define SLOT_BARRIER 2000u /* of the scheduler: beyond those of a sim */
#define SLOT_PHASE   2001u

static void switched(void *context, unsigned thread)
{
	struct exec *exec = context;

	exec->now = &exec->threads[thread];
}

static const char *call_name(void *context, unsigned thread, unsigned call)
{
	const struct exec *exec = context;
	uint32_t i = exec->prog ? prog_nth_call(exec->prog, thread, call) : UINT32_MAX;

	return i == UINT32_MAX ? NULL : prog_row(&exec->prog->calls[i])->name;
}

void exec_set_scheduler(struct exec *exec, struct scheduler *scheduler)
{
	const struct scheduler_owner owner = {
		.context = exec, .switched = switched, .call_name = call_name};

	exec->scheduler = scheduler;
	if (scheduler)
		scheduler_set_owner(scheduler, &owner);
	if (exec->target && exec->class->schedule && !exec->parallel)
		exec->class->schedule(exec->target, scheduler);
}

uint32_t exec_section_end(const struct prog *prog, uint32_t i)
{
	while (i < prog->call_count &&
		(prog->calls[i].thread ||
			(prog->calls[i].body && prog->calls[prog->calls[i].body - 1].thread)))
		i++;
	return i;
}

/* -- barriers and waits -- */

static unsigned barriers_of(const struct exec *exec, unsigned thread)
{
	unsigned count = 0;

	for (uint32_t i = exec->section_from; i < exec->section_to; i++)
		if (exec->prog->calls[i].thread == thread && !exec->prog->calls[i].body &&
			exec->prog->calls[i].row == CALL_ID_barrier)
			count += exec_repeats(exec, i);
	return count;
}

struct meeting {
	struct exec *exec;
	unsigned nth; /* barrier of each thread, from 1 */
};

/* Whether every thread that has so many barriers stands at that one, or is past it. */
static bool all_are_here(const void *argument)
{
	const struct meeting *meeting = argument;

	for (unsigned t = 1; t < EXEC_THREADS; t++)
		if (meeting->exec->threads[t].barriers >= meeting->nth &&
			meeting->exec->threads[t].arrived < meeting->nth)
			return false;
	return true;
}

static bool has_ended(const void *argument)
{
	return ((const struct exec_thread *)argument)->ended;
}

/* Until the condition holds; the executor's lock is held where threads run at once. */
static void wait_until_told(
	struct exec *exec, bool (*condition)(const void *), const void *argument, const char *what)
{
	while (!condition(argument)) {
		struct sim_wait wait = {.slot = SLOT_BARRIER,
			.what = what,
			.lock = exec,
			.ready = condition,
			.argument = argument};

		if (exec->parallel)
			pthread_cond_wait(&exec->told, &exec->lock);
		else if (exec->scheduler && scheduler_active(exec->scheduler))
			scheduler_block(exec->scheduler, &wait);
		else
			return;
	}
}

static void tell(struct exec *exec)
{
	if (exec->parallel)
		pthread_cond_broadcast(&exec->told);
	else if (exec->scheduler)
		scheduler_wake(exec->scheduler, SLOT_BARRIER);
}

void exec_barrier(struct exec *exec, struct exec_thread *thread)
{
	struct meeting meeting = {exec, thread->arrived + 1};

	if (!thread->number)
		return;
	thread->arrived++;
	tell(exec);
	wait_until_told(exec, all_are_here, &meeting, "barrier");
}

void exec_wait_thread(struct exec *exec, const struct exec_thread *thread, unsigned other)
{
	if (other < EXEC_THREADS && other != thread->number && exec->threads[other].in_section)
		wait_until_told(exec, has_ended, &exec->threads[other], "the end of a thread");
}

/* -- phases of the model -- */

/* The names of the lock classes stand for themselves, so that both sides can be compared. */
static uint32_t object_of(const char *what)
{
	for (unsigned class = 0; class < LOCK_CLASS_COUNT; class ++) {
		const char *name = lock_class_name((enum lock_class) class);

		if (name[0] == what[0] && strcmp(name, what) == 0)
			return class + 1;
	}
	return 0;
}

static enum schedule_point point_of(const char *what)
{
	switch (what[0]) {
	case 'p': return strcmp(what, "put") == 0 ? SCHEDULE_PUT : SCHEDULE_LOCK;
	case 'c': return SCHEDULE_CALLBACK;
	case 'u': return SCHEDULE_USER_COPY;
	case 'w': return SCHEDULE_WAIT;
	default: return SCHEDULE_LOCK;
	}
}

static bool something_happened(const void *argument)
{
	(void)argument;
	return false;
}

void exec_phase_event(void *context, const char *what, bool blocked)
{
	struct exec *exec = context;
	struct sim_wait wait = {.slot = SLOT_PHASE,
		.object = object_of(what),
		.what = what,
		.lock = what,
		.ready = something_happened};

	if (!exec->scheduler || !scheduler_active(exec->scheduler))
		return;
	if (blocked) {
		scheduler_block(exec->scheduler, &wait);
		return;
	}
	/* The step before this one is done: who waits may look again. */
	scheduler_wake(exec->scheduler, SLOT_PHASE);
	scheduler_point(exec->scheduler, point_of(what), wait.object);
}

/* -- sections -- */

bool exec_is_locked(uint16_t row)
{
	switch ((enum call_id)row) {
	case CALL_ID_access_rw:
	case CALL_ID_dma_read:
	case CALL_ID_dma_write:
	case CALL_ID_IOMMU_TEST_OP_MD_CHECK_MAP:
	case CALL_ID_IOMMU_TEST_OP_MD_CHECK_REFS: return false;
	default: return call_rows[row].kind != CALL_SYSTEM && call_rows[row].kind != CALL_CONTROL;
	}
}

void exec_run_thread(struct exec *exec, unsigned number)
{
	struct exec_thread *thread = &exec->threads[number];
	unsigned nth = thread->calls_before;
	bool first = true;

	for (uint32_t i = exec->section_from; i < exec->section_to && !exec->cut_short; i++) {
		if (exec->prog->calls[i].thread != number || exec->prog->calls[i].body)
			continue;
		for (uint32_t times = exec_repeats(exec, i); times && !exec->cut_short; times--) {
			if (exec->scheduler && !exec->parallel) {
				if (!first) {
					scheduler_wake(exec->scheduler, SLOT_PHASE);
					scheduler_point(exec->scheduler, SCHEDULE_START, 0);
				}
				scheduler_call(exec->scheduler, nth);
			}
			first = false;
			if (exec->parallel)
				exec_delay(thread);
			__atomic_store_n(&thread->at, i, __ATOMIC_RELAXED);
			thread->callback_count = 0;
			exec_run_call(exec, thread, i, NULL);
		}
		nth++;
	}
	exec_enter(exec);
	thread->ended = true;
	tell(exec);
	exec_leave(exec);
	if (exec->scheduler && !exec->parallel)
		scheduler_wake(exec->scheduler, SLOT_PHASE);
}

static void thread_entry(void *context, unsigned thread)
{
	exec_run_thread(context, thread);
}

/* The threads of [from, to); what each begins with. */
uint32_t exec_prepare_section(struct exec *exec, uint32_t from, uint32_t to)
{
	const struct prog *prog = exec->prog;
	uint32_t threads = 0;

	exec->section_from = from;
	exec->section_to = to;
	exec->cut_short = false;
	for (uint32_t i = from; i < to; i++)
		if (prog->calls[i].thread)
			threads |= UINT32_C(1) << prog->calls[i].thread;
	for (unsigned t = 1; t < EXEC_THREADS; t++) {
		struct exec_thread *thread = &exec->threads[t];

		thread->in_section = threads >> t & 1;
		thread->ended = false;
		thread->arrived = 0;
		thread->barriers = thread->in_section ? barriers_of(exec, t) : 0;
		thread->running = false;
		thread->depth = 0;
		/* Failures are counted for calls that run alone. */
		thread->fail = FAIL_NONE;
		thread->use_injected = false;
		thread->calls_before = thread->in_section ? prog_calls_before(prog, t, from) : 0;
	}
	return threads;
}

enum scheduler_end exec_run_section(struct exec *exec, uint32_t from, uint32_t to)
{
	enum scheduler_end end;

	if (exec->parallel)
		return exec_run_at_once(exec, from, to);
	uint32_t threads = exec_prepare_section(exec, from, to);
	scheduler_call(exec->scheduler, prog_calls_before(exec->prog, 0, from));
	end = scheduler_section(exec->scheduler, threads, thread_entry, exec);
	exec->now = &exec->threads[0];
	exec->has_resolved = false;
	if (end != SCHEDULER_DONE)
		exec->abandoned = true;
	return end;
}
