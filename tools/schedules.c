/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a strategy by name, and noting what it decides. */
#include "tools/schedules.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/text.h"
#include "impl/sim/scheduler.h"
#include "tools/tool.h"

static const char *const kind_names[] = {
	[SCHEDULES_OWN] = "own",
	[SCHEDULES_BOUNDED] = "bounded",
	[SCHEDULES_RANDOM] = "random",
	[SCHEDULES_PCT] = "pct",
	[SCHEDULES_PLAIN] = "plain",
	[SCHEDULES_BYTES] = "bytes",
	[SCHEDULES_REPLAY] = "replay",
	NULL,
};

bool schedules_parse(const char *option, const char *text, enum schedules_kind *kind)
{
	for (unsigned k = SCHEDULES_BOUNDED; kind_names[k]; k++)
		if (strcmp(kind_names[k], text) == 0) {
			*kind = (enum schedules_kind)k;
			return true;
		}
	tool_error_near(text, kind_names + SCHEDULES_BOUNDED,
		"--%s: expected bounded, random, pct, plain, bytes or replay, found '%s'", option,
		text);
	return false;
}

const char *schedules_name(enum schedules_kind kind)
{
	return kind_names[kind];
}

const char *schedules_lacks(const struct schedules *schedules, const struct prog *prog)
{
	if (schedules->kind == SCHEDULES_BYTES && !prog->schedule_count)
		return "has no schedule bytes";
	if (schedules->kind == SCHEDULES_REPLAY && !prog->switch_count)
		return "has no line `schedule:`";
	return NULL;
}

struct strategy *schedules_open(const struct schedules *schedules, const struct prog *prog)
{
	switch (schedules->kind) {
	case SCHEDULES_BOUNDED: return strategy_bounded(schedules->bound, !schedules->all);
	case SCHEDULES_RANDOM: return strategy_random(schedules->seed, schedules->runs);
	case SCHEDULES_PCT: return strategy_pct(schedules->seed, schedules->depth, schedules->runs);
	case SCHEDULES_PLAIN: return strategy_plain();
	case SCHEDULES_BYTES: return strategy_bytes(prog->schedule, prog->schedule_count);
	default: return NULL;
	}
}

struct strategy *schedules_open_own(const struct prog *prog)
{
	if (prog->switch_count)
		return strategy_replay(prog->switches, prog->switch_count);
	return prog->schedule_count ? strategy_bytes(prog->schedule, prog->schedule_count)
				    : strategy_plain();
}

bool schedules_run(struct exec *exec, struct scheduler *scheduler, const struct prog *prog,
	struct strategy *strategy, const char **reason)
{
	struct strategy *own = NULL;
	bool ran;

	if (!prog_has_threads(prog))
		return exec_run(exec, prog, reason);
	if (!strategy) {
		strategy = own = schedules_open_own(prog);
		if (!own) {
			*reason = "out of memory";
			return false;
		}
		own->begin(own, scheduler);
	}
	scheduler_begin(scheduler, strategy);
	ran = exec_run(exec, prog, reason);
	scheduler_finish(scheduler, SCHEDULER_DONE);
	if (own)
		own->close(own);
	return ran;
}

/* -- notes -- */

struct noted {
	struct strategy strategy;
	struct strategy *inner;
	struct switch_notes *notes;
};

static bool noted_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct noted *noted = (struct noted *)strategy;

	noted->notes->count = noted->notes->too_many = 0;
	noted->notes->first_step = UINT32_MAX;
	return noted->inner->begin(noted->inner, scheduler);
}

static void note(
	struct switch_notes *notes, const struct scheduler *scheduler, unsigned next, uint32_t step)
{
	uint32_t count;
	const struct scheduler_step *steps = scheduler_steps(scheduler, &count);

	if (notes->first_step == UINT32_MAX)
		notes->first_step = step;
	if (notes->count == PROG_SWITCH_MAX) {
		notes->too_many = 1;
		return;
	}
	notes->switches[notes->count++] = schedule_switch_at(steps, step, next);
}

static unsigned noted_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	struct noted *noted = (struct noted *)strategy;
	unsigned next = noted->inner->choose(noted->inner, scheduler, current, ready, step);

	/* A thread that has not ended can be chosen again after it blocked: no default either. */
	if (next != strategy_default(current, ready))
		note(noted->notes, scheduler, next, step);
	return next;
}

static void noted_end(
	struct strategy *strategy, struct scheduler *scheduler, enum scheduler_end end)
{
	struct noted *noted = (struct noted *)strategy;

	if (noted->inner->end)
		noted->inner->end(noted->inner, scheduler, end);
}

static void noted_close(struct strategy *strategy)
{
	struct noted *noted = (struct noted *)strategy;

	noted->inner->close(noted->inner);
	free(noted);
}

struct strategy *schedules_noted(struct strategy *inner, struct switch_notes *notes)
{
	struct noted *noted = inner ? calloc(1, sizeof(*noted)) : NULL;

	if (!noted) {
		if (inner)
			inner->close(inner);
		return NULL;
	}
	noted->strategy = (struct strategy){.name = inner->name,
		.begin = noted_begin,
		.choose = noted_choose,
		.end = noted_end,
		.close = noted_close};
	noted->inner = inner;
	noted->notes = notes;
	return &noted->strategy;
}

bool schedules_force(const struct switch_notes *notes, struct prog *prog)
{
	prog->schedule_count = 0;
	prog->switch_count = 0;
	for (uint32_t i = 0; i < notes->count; i++) {
		struct schedule_switch *next = prog_add_switch(prog);

		if (!next)
			return false;
		*next = notes->switches[i];
	}
	return true;
}

bool schedules_force_run(const struct scheduler *scheduler, struct prog *prog)
{
	prog->schedule_count = 0;
	return schedule_of_run(scheduler, prog);
}

char *schedules_line(const struct prog *prog)
{
	struct prog_text text;
	char *printed = NULL, *line = NULL;

	prog_text_init(&text);
	if (prog->switch_count && prog_text_from(&text, prog))
		printed = prog_print_string(&text);
	prog_text_free(&text);
	char *found = printed ? strstr(printed, "schedule:") : NULL;
	if (found) {
		found[strcspn(found, "\n")] = '\0';
		line = tool_copy(found);
	}
	free(printed);
	return line;
}
