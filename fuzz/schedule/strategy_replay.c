/* SPDX-License-Identifier: Apache-2.0 */
/* Forced switches: taking them from a run, and making a run with them. */
#include <stdlib.h>

#include "fuzz/schedule/scheduler_private.h"
#include "fuzz/schedule/strategy.h"

/* Whether the thread at the step could not go on: then somebody must follow, whoever it is. */
static bool is_stop(const struct scheduler_step *step)
{
	return step->point == SCHEDULE_BLOCK || step->point == SCHEDULE_END || step->thread == 0;
}

struct schedule_switch schedule_switch_at(
	const struct scheduler_step *steps, uint32_t step, unsigned to)
{
	return (struct schedule_switch){.thread = steps[step].thread,
		.to = (uint8_t)to,
		.point = steps[step].point,
		.call = steps[step].call,
		.object = steps[step].object,
		.occurrence = scheduler_occurrence(steps, step)};
}

bool schedule_of_run(const struct scheduler *scheduler, struct prog *prog)
{
	prog->switch_count = 0;
	for (uint32_t s = 0; s < scheduler->step_count; s++) {
		const struct scheduler_step *step = &scheduler->steps[s];
		uint32_t ready = (uint32_t)step->ready << 1;
		struct schedule_switch *next;

		if (!ready || step->next == step->thread ||
			step->next == strategy_default(
					      is_stop(step) ? SCHEDULER_NONE : step->thread, ready))
			continue;
		next = prog_add_switch(prog);
		if (!next)
			return false;
		*next = schedule_switch_at(scheduler->steps, s, step->next);
	}
	return true;
}

struct replay {
	struct strategy strategy;
	const struct schedule_switch *switches;
	uint32_t count, next;
	bool made;
};

static bool replay_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct replay *replay = (struct replay *)strategy;
	bool first = !replay->made;

	replay->made = true;
	replay->next = 0;
	scheduler_quiet_until(scheduler, 0);
	return first;
}

/* Without a lock class any will do, and the occurrence counts all of them. */
static bool is_here(
	const struct schedule_switch *next, const struct scheduler_step *steps, uint32_t step)
{
	const struct scheduler_step *here = &steps[step];
	uint16_t count = 0;

	if (here->thread != next->thread || here->call != next->call || here->point != next->point)
		return false;
	if (next->object)
		return here->object == next->object &&
		       scheduler_occurrence(steps, step) == next->occurrence;
	for (uint32_t s = 0; s <= step; s++)
		count = (uint16_t)(count + (steps[s].thread == here->thread &&
						   steps[s].call == here->call &&
						   steps[s].point == here->point));
	return count == next->occurrence;
}

static unsigned replay_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	struct replay *replay = (struct replay *)strategy;
	unsigned next = strategy_default(current, ready);

	if (replay->next == replay->count)
		return next;
	const struct schedule_switch *forced = &replay->switches[replay->next];
	if (!is_here(forced, scheduler->steps, step) || !(ready >> forced->to & 1))
		return next;
	replay->next++;
	return forced->to;
}

static void replay_close(struct strategy *strategy)
{
	free(strategy);
}

struct strategy *strategy_replay(const struct schedule_switch *switches, uint32_t count)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	if (!replay)
		return NULL;
	replay->strategy = (struct strategy){.name = "replay",
		.begin = replay_begin,
		.choose = replay_choose,
		.close = replay_close};
	replay->switches = switches;
	replay->count = count;
	return &replay->strategy;
}

int64_t strategy_replay_lost(const struct strategy *strategy)
{
	const struct replay *replay = (const struct replay *)strategy;

	return replay->next < replay->count ? (int64_t)replay->next : -1;
}
