/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual time. It stands still while tasks run and moves to the next timeout when somebody waits
 * for one (wait_event), or when timer_advance is called. Timers run in order of their time, then of
 * their start. With OS threads only timer_advance moves it, and wait_event's timeouts are the
 * host's.
 */
#ifndef IOMMUZZ_SIM_TIMER_H
#define IOMMUZZ_SIM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct sim;
struct task;
struct timer;

typedef void (*timer_function)(struct task *task, struct timer *timer);

/* Embedded in what it belongs to; the caller keeps it alive while it is armed. */
struct timer {
	struct timer *next;
	uint64_t at_ms;
	timer_function run;
	bool armed;
};

/* Runs run(task, timer) once, after_ms from now. Armed already: takes the new time. */
void timer_start(struct task *task, struct timer *timer, uint32_t after_ms, timer_function run);
/* Whether it was armed. */
bool timer_cancel(struct task *task, struct timer *timer);
/* Lets that many milliseconds pass. */
void timer_advance(struct task *task, uint32_t ms);
/* Moves time to the next timer, if that is at most until_ms, and runs it. False: there is none. */
bool timer_run_next(struct task *task, uint64_t until_ms);
/* Milliseconds since the sim began. */
uint64_t sim_now(const struct sim *sim);

#endif
