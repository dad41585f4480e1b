/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cooperative threads of one program in one OS thread: who runs at each scheduling point is a
 * choice, made by a strategy (strategy.h) and written down, so that every run can be repeated.
 *
 * The main thread (0) runs alone, until it calls scheduler_section: then threads A to H (1 to 8)
 * run until all have ended or nobody can go on. Points of the main thread alone are not counted.
 *
 * The same scheduler runs the implementation (through struct sim_scheduler) and the reference model
 * (whose points are the phases of the specification), each with an instance of its own. Nothing
 * here knows of programs.
 */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_SCHEDULER_H
#define IOMMUZZ_FUZZ_SCHEDULE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/sim/scheduler.h"

#define SCHEDULER_THREADS 9		    /* main and A to H */
#define SCHEDULER_NONE	  UINT32_MAX	    /* no thread */
#define SCHEDULER_LIMIT	  UINT32_C(200000)  /* steps in which no call ends: a livelock */
#define SCHEDULER_LENGTH  UINT32_C(8000000) /* steps of a run; a longer one is given up */

struct scheduler;
struct strategy;

/* How a section ended. */
enum scheduler_end {
	SCHEDULER_DONE,	       /* all threads have ended */
	SCHEDULER_DEADLOCK,    /* nobody can go on */
	SCHEDULER_LOST_WAKEUP, /* nobody goes on, although what somebody waits for is there */
	SCHEDULER_LIVELOCK,    /* SCHEDULER_LIMIT steps without the end of a call */
	SCHEDULER_STOPPED,     /* given up: by the strategy, or longer than SCHEDULER_LENGTH */
};

/* One passed point, in the order of the run. */
struct scheduler_step {
	uint8_t thread; /* who was at the point */
	uint8_t point;	/* enum schedule_point; BLOCK: it could not go on; END: it has ended; START:
			   the section began (thread 0) */
	uint8_t next;	/* who ran behind it */
	uint8_t ready;	/* bit t - 1: thread t could have run */
	uint16_t call;	/* index among the top-level calls of the thread, from 0 */
	uint16_t object; /* 1 + lock class; for the model the phase's; 0: none */
};

/* A lock that a thread holds or has asked for. */
struct scheduler_lock {
	const void *lock;
	uint16_t class;
	uint16_t call; /* of the holder, as in scheduler_step */
	bool shared;
	uint32_t step; /* when it was taken */
};
/* Taken and given, for pictures: kept when scheduler_keep_locks was set. */
struct scheduler_hold {
	uint32_t from, to; /* steps; to is UINT32_MAX when it was never given back */
	uint16_t class;
	uint16_t call; /* of the thread, as in scheduler_step */
	uint8_t thread;
	bool shared;
	const void *lock;
};

/* What was wrong, as text: rule is a stable name ("deadlock", "lock-order", "lost-wake-up",
 * "livelock"), message one line. */
struct scheduler_report {
	char rule[32], message[600];
	uint32_t step; /* at which it was seen; SCHEDULER_NONE: outside sections */
};

/* NULL when host memory is short. */
struct scheduler *scheduler_open(void);
void scheduler_close(struct scheduler *scheduler);

/* What the executor tells and is told. names: text of the current call of a thread, for reports. */
struct scheduler_owner {
	void *context;
	/* thread runs from here on. */
	void (*switched)(void *context, unsigned thread);
	/* Name of top-level call `call` of a thread ("IOMMU_IOAS_MAP"), for reports. */
	const char *(*call_name)(void *context, unsigned thread, unsigned call);
};
void scheduler_set_owner(struct scheduler *scheduler, const struct scheduler_owner *owner);

/*
 * A new run: no steps, no locks, threads idle. strategy stays the caller's; NULL: run until
 * blocked.
 */
void scheduler_begin(struct scheduler *scheduler, struct strategy *strategy);
/*
 * Runs threads (bit t: thread t, from 1) until all ended, each as entry(context, thread). What
 * cannot go on is abandoned where it stands. Called by the main thread alone.
 */
enum scheduler_end scheduler_section(struct scheduler *scheduler, uint32_t threads,
	void (*entry)(void *context, unsigned thread), void *context);
/* The run is over: the strategy learns of it. */
void scheduler_finish(struct scheduler *scheduler, enum scheduler_end end);
/* The current thread starts its top-level call of that index. */
void scheduler_call(struct scheduler *scheduler, unsigned call);
/*
 * What the current thread does from here on may share anything with others, not only what lies
 * under locks and behind marked accesses (calls on memory, descriptors, DMA): the reduction of
 * strategy_bounded takes nothing for granted. Returns what was said before, to be said again at the
 * end.
 */
bool scheduler_open_to_all(struct scheduler *scheduler, bool open);
/* The current thread writes down what a call gave, at top level or in a callback. */
void scheduler_call_done(struct scheduler *scheduler);
/* Whether a section runs, and who in it. */
bool scheduler_active(const struct scheduler *scheduler);
unsigned scheduler_current(const struct scheduler *scheduler);
/* Bit t: thread t has ended. */
uint32_t scheduler_ended(const struct scheduler *scheduler);

/* The current thread is at a point; may switch. No effect outside sections. */
void scheduler_point(struct scheduler *scheduler, unsigned point, uint32_t object);
/* The current thread cannot go on until scheduler_wake(slot); may return early. */
void scheduler_block(struct scheduler *scheduler, const struct sim_wait *wait);
void scheduler_wake(struct scheduler *scheduler, uint32_t slot);
/* For a sim in LOCKS_FIBER; lives as long as the scheduler. */
const struct sim_scheduler *scheduler_for_sim(struct scheduler *scheduler);

/* Everything passed so far, in order. Valid until the next run begins. */
const struct scheduler_step *scheduler_steps(const struct scheduler *scheduler, uint32_t *count);
/* Keeps taken and given locks from the next run on. */
void scheduler_keep_locks(struct scheduler *scheduler, bool keep);
const struct scheduler_hold *scheduler_holds(const struct scheduler *scheduler, uint32_t *count);
/* Forced switches in the run so far: away from a thread that could have gone on. */
uint32_t scheduler_preemptions(const struct scheduler *scheduler);
/*
 * The first thing that was wrong in the run; false: nothing. Deadlocks and lost wake-ups name who
 * holds and waits for what; "lock-order" comes at the first inversion in all runs of this
 * scheduler.
 */
bool scheduler_report(const struct scheduler *scheduler, struct scheduler_report *report);
/* What is known of the order of locks is forgotten: the next run is judged alone. */
void scheduler_forget_order(struct scheduler *scheduler);

/* For strategies: no choice is asked for before that step as long as the current thread can go on.
 */
void scheduler_quiet_until(struct scheduler *scheduler, uint32_t step);
uint32_t scheduler_step_count(const struct scheduler *scheduler);
/* How often the place of step n (thread, call, point, object) was passed up to it, from 1. */
uint16_t scheduler_occurrence(const struct scheduler_step *steps, uint32_t n);
/* For strategies: this run ends here (SCHEDULER_STOPPED) at the next choice. */
void scheduler_stop(struct scheduler *scheduler);

#endif
