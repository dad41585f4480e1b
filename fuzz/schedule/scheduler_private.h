/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's insides, for fuzz/schedule only. */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_SCHEDULER_PRIVATE_H
#define IOMMUZZ_FUZZ_SCHEDULE_SCHEDULER_PRIVATE_H

#include "fuzz/schedule/lock_graph.h"
#include "fuzz/schedule/scheduler.h"
#include "impl/sim/fiber.h"

#define HELD_MAX	   32	/* locks of one thread */
#define SCHEDULER_SLOT_END 1000 /* wake-ups at the end of a thread */

enum thread_state { THREAD_IDLE, THREAD_READY, THREAD_BLOCKED, THREAD_ENDED };

struct thread {
	struct scheduler *scheduler;
	unsigned number;
	enum thread_state state;
	struct fiber *fiber; /* kept over runs */
	uint16_t call;
	uint32_t step;	      /* its last one: what it does now belongs to it */
	bool open;	      /* what it does may touch anything */
	struct sim_wait wait; /* BLOCKED */
	uint32_t held_count;
	struct scheduler_lock held[HELD_MAX];
};

/*
 * What the code between two points touches, for the reduction of strategy_bounded: a bit a lock
 * class and these. Two pieces of code may be exchanged when neither writes what the other touches.
 */
struct footprint {
	uint64_t reads, writes;
};
#define FOOTPRINT_EXECUTOR  (UINT64_C(1) << 63) /* the program's own books: outputs, pins */
#define FOOTPRINT_WAKE	    (UINT64_C(1) << 62)
#define FOOTPRINT_MEMORY    (UINT64_C(1) << 61) /* of users */
#define FOOTPRINT_REFERENCE (UINT64_C(1) << 60)
#define FOOTPRINT_SHARED    (UINT64_C(1) << 59) /* marked accesses */
#define FOOTPRINT_RCU	    (UINT64_C(1) << 58)
#define FOOTPRINT_WORK	    (UINT64_C(1) << 57)
_Static_assert(LOCK_CLASS_COUNT < 57, "lock classes and tokens share the bits of a footprint");

struct scheduler {
	struct strategy *strategy;
	struct scheduler_owner owner;
	struct sim_scheduler for_sim;
	bool active, stopping, keep_locks;
	unsigned current;
	uint32_t running, ended; /* threads of the section: count, bits */
	enum scheduler_end end;
	void (*entry)(void *context, unsigned thread);
	void *entry_context;

	uint32_t step_count, step_room, quiet_until, preemptions;
	uint32_t progress; /* the step at which a call ended last */
	struct scheduler_step *steps;
	struct footprint *footprints; /* of the code behind each step */

	struct thread threads[SCHEDULER_THREADS];
	struct lock_graph graph; /* of all runs */
	struct scheduler_hold *holds;
	uint32_t hold_count, hold_room;
	bool has_report;
	struct scheduler_report report;
};

/* What the current step touches. */
static inline void scheduler_touch(struct scheduler *scheduler, uint64_t reads, uint64_t writes)
{
	if (scheduler->active) {
		struct footprint *footprint =
			&scheduler->footprints[scheduler->threads[scheduler->current].step];

		footprint->reads |= reads;
		footprint->writes |= writes;
	}
}
/* What a point stands for itself. */
static inline void scheduler_touch_point(struct scheduler *scheduler, unsigned point)
{
	static const uint64_t touched[SCHEDULE_POINT_COUNT] = {
		[SCHEDULE_USER_COPY] = FOOTPRINT_MEMORY,
		/* Who destroys an object looks at its counters under the table's lock. */
		[SCHEDULE_PUT] = FOOTPRINT_REFERENCE | UINT64_C(1) << LOCK_OBJECTS,
		[SCHEDULE_ACCESS] = FOOTPRINT_SHARED,
		[SCHEDULE_RCU] = FOOTPRINT_RCU,
		[SCHEDULE_WORK] = FOOTPRINT_WORK | FOOTPRINT_EXECUTOR,
		[SCHEDULE_CALLBACK] = FOOTPRINT_EXECUTOR,
		[SCHEDULE_WAIT] = FOOTPRINT_WAKE,
		[SCHEDULE_WAKE] = FOOTPRINT_WAKE,
	};

	if (touched[point])
		scheduler_touch(scheduler, 0, touched[point]);
}

/* scheduler_locks.c: who holds and waits for what. */
void scheduler_locks_init(struct scheduler *scheduler);
void scheduler_asked(void *context, struct task *task, uint16_t class, const void *lock);
void scheduler_taken(
	void *context, struct task *task, uint16_t class, const void *lock, bool shared);
void scheduler_given(void *context, struct task *task, uint16_t class, const void *lock);
/*
 * Nobody can go on. Makes whose timeout comes first ready, if any has one; otherwise says what is
 * wrong and how the section ends.
 */
enum scheduler_end scheduler_stuck(struct scheduler *scheduler);
void scheduler_report_livelock(struct scheduler *scheduler);
/* The main thread waits although nobody else runs. */
void scheduler_report_alone(struct scheduler *scheduler, const struct sim_wait *wait);

#endif
