/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/timer.h"

#include "impl/sim/sim_private.h"

static bool take_out(struct sim *sim, struct timer *timer)
{
	struct timer **link;

	if (!timer->armed)
		return false;
	for (link = &sim->timers; *link != timer; link = &(*link)->next)
		;
	*link = timer->next;
	timer->armed = false;
	return true;
}

void timer_start(struct task *task, struct timer *timer, uint32_t after_ms, timer_function run)
{
	struct sim *sim = task->sim;
	struct timer **link;

	sim_enter(sim, &sim->state_lock);
	take_out(sim, timer);
	timer->at_ms = sim->now_ms + after_ms;
	timer->run = run;
	timer->armed = true;
	for (link = &sim->timers; *link && (*link)->at_ms <= timer->at_ms; link = &(*link)->next)
		;
	timer->next = *link;
	*link = timer;
	sim_leave(sim, &sim->state_lock);
}

bool timer_cancel(struct task *task, struct timer *timer)
{
	struct sim *sim = task->sim;
	bool armed;

	sim_enter(sim, &sim->state_lock);
	armed = take_out(sim, timer);
	sim_leave(sim, &sim->state_lock);
	return armed;
}

bool timer_run_next(struct task *task, uint64_t until_ms)
{
	struct sim *sim = task->sim;
	timer_function run = NULL;
	struct timer *timer;

	sim_enter(sim, &sim->state_lock);
	timer = sim->timers;
	if (timer && timer->at_ms <= until_ms) {
		if (timer->at_ms > sim->now_ms)
			sim->now_ms = timer->at_ms;
		take_out(sim, timer);
		run = timer->run; /* now: it may be started again at once */
	}
	sim_leave(sim, &sim->state_lock);
	if (!run)
		return false;
	run(task, timer);
	return true;
}

void timer_advance(struct task *task, uint32_t ms)
{
	uint64_t until = sim_now(task->sim) + ms;

	while (timer_run_next(task, until))
		;
	sim_enter(task->sim, &task->sim->state_lock);
	if (task->sim->now_ms < until)
		task->sim->now_ms = until;
	sim_leave(task->sim, &task->sim->state_lock);
}

uint64_t sim_now(const struct sim *sim)
{
	uint64_t now;

	sim_enter(sim, &sim->state_lock);
	now = sim->now_ms;
	sim_leave(sim, &sim->state_lock);
	return now;
}
