/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From steps to rows. What runs between two steps is known: the thread of the later one. So calls
 * begin and end, and locks are taken and given, between the steps where their thread says so.
 */
#include "fuzz/schedule/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/timeline_private.h"

#define NOTHING UINT32_MAX

/* Around the calls of a thread: which is open and which comes next, as indices of `calls`. */
struct cursor {
	uint32_t open, next, end;
	uint32_t span; /* of the open call */
	uint32_t step; /* the thread's last step */
};

struct builder {
	struct layout *layout;
	const struct timeline *timeline;
	bool every, failed;  /* failed: host memory */
	uint32_t *calls;     /* indices, by thread, section and number */
	uint32_t *switches;  /* steps before that one behind which somebody else runs */
	uint8_t *shown;	     /* steps that have a row of their own */
	uint32_t *row_of;    /* steps */
	uint32_t *next_call; /* of the thread at its next step; NOTHING: there is none */
	uint32_t *taken_row; /* holds */
	uint32_t *next_hold; /* holds that were taken behind the same step; by step in first_hold */
	uint32_t *first_hold;
	struct cursor cursors[SCHEDULER_THREADS];
	uint8_t alive, ready;
	uint32_t fold; /* row that further points join */
};

/* -- before the rows -- */

static int compare_calls(const struct timeline_call *a, const struct timeline_call *b)
{
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->section != b->section)
		return a->section < b->section ? -1 : 1;
	return a->call < b->call ? -1 : a->call > b->call;
}

static void sift(const struct builder *builder, uint32_t root, uint32_t count)
{
	const struct timeline_call *calls = builder->timeline->calls;
	uint32_t *order = builder->calls;

	for (uint32_t child; (child = root * 2 + 1) < count; root = child) {
		uint32_t kept = order[root];

		if (child + 1 < count &&
			compare_calls(&calls[order[child]], &calls[order[child + 1]]) < 0)
			child++;
		if (compare_calls(&calls[kept], &calls[order[child]]) >= 0)
			return;
		order[root] = order[child];
		order[child] = kept;
	}
}

/* Heap sort: no calls are equal, so the result is the same everywhere. */
static void sort_calls(struct builder *builder)
{
	uint32_t count = builder->timeline->call_count, *order = builder->calls;

	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = count / 2; i--;)
		sift(builder, i, count);
	for (uint32_t i = count; i > 1; i--) {
		uint32_t largest = order[0];

		order[0] = order[i - 1];
		order[i - 1] = largest;
		sift(builder, 0, i - 1);
	}
	for (unsigned t = 0; t < SCHEDULER_THREADS; t++)
		builder->cursors[t] = (struct cursor){.open = NOTHING, .step = NOTHING};
	for (uint32_t i = count; i--;) {
		const struct timeline_call *call = &builder->timeline->calls[order[i]];
		struct cursor *cursor = &builder->cursors[call->thread % SCHEDULER_THREADS];

		cursor->next = i;
		if (!cursor->end)
			cursor->end = i + 1;
	}
}

static void find_lanes(struct builder *builder)
{
	struct layout *layout = builder->layout;
	const struct timeline *timeline = builder->timeline;
	uint32_t seen = 0;

	for (uint32_t s = 0; s < timeline->step_count; s++)
		seen |= UINT32_C(1) << timeline->steps[s].thread |
			(uint32_t)timeline->steps[s].ready << 1;
	for (uint32_t i = 0; i < timeline->call_count; i++)
		seen |= UINT32_C(1) << timeline->calls[i].thread;
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		if (seen >> t & 1) {
			layout->lane_of[t] = (uint8_t)layout->lane_count;
			layout->lanes[layout->lane_count++] = (uint8_t)t;
		}
}

/* A thread begins: before its first call, and nobody could choose anything. */
static bool begins(const struct scheduler_step *step)
{
	return step->point == SCHEDULE_START && step->thread && !step->ready;
}

static bool forced(const struct scheduler_step *step)
{
	return step->thread && step->next != step->thread && !begins(step) &&
	       step->point != SCHEDULE_BLOCK && step->point != SCHEDULE_END;
}

static void show_step(
	struct builder *builder, uint32_t step, uint8_t thread, unsigned point, uint16_t class)
{
	const struct scheduler_step *seen;

	if (step >= builder->timeline->step_count)
		return;
	seen = &builder->timeline->steps[step];
	if (seen->thread == thread && seen->point == point && seen->object == class + 1u)
		builder->shown[step] = true;
}

/* Whether somebody else ran, or something went wrong, while it was held. */
static bool hold_matters(const struct builder *builder, const struct scheduler_hold *hold)
{
	uint32_t count = builder->timeline->step_count, failed = builder->timeline->failed_step;
	uint32_t end = hold->to == UINT32_MAX || hold->to >= count ? count : hold->to + 1;

	if (builder->every || hold->to == UINT32_MAX)
		return true;
	if (hold->from < failed && failed < end)
		return true;
	return hold->from + 1 < end && builder->switches[end] != builder->switches[hold->from + 1];
}

static void find_shown(struct builder *builder)
{
	const struct timeline *timeline = builder->timeline;
	const struct scheduler_step *steps = timeline->steps;
	unsigned before = 0;

	for (uint32_t s = 0; s < timeline->step_count; s++) {
		builder->switches[s + 1] =
			builder->switches[s] + (steps[s].next != steps[s].thread);
		/* A point that lets somebody else go on is worth a row, whatever it is. */
		builder->shown[s] = builder->every || forced(&steps[s]) ||
				    steps[s].point == SCHEDULE_BLOCK ||
				    steps[s].point == SCHEDULE_CALLBACK ||
				    (steps[s].thread && steps[s].point != SCHEDULE_END &&
					    steps[s].ready & ~before) ||
				    s == timeline->failed_step;
		if (!begins(&steps[s]))
			before = steps[s].ready;
		builder->layout->forced += forced(&steps[s]);
	}
	for (uint32_t h = 0; h < timeline->hold_count; h++) {
		const struct scheduler_hold *hold = &timeline->holds[h];

		if (!hold->thread || !hold_matters(builder, hold))
			continue;
		show_step(builder, hold->from, hold->thread, SCHEDULE_LOCK, hold->class);
		if (hold->to != UINT32_MAX)
			show_step(
				builder, hold->to + 1, hold->thread, SCHEDULE_UNLOCK, hold->class);
	}
}

static void find_next_calls(struct builder *builder)
{
	const struct timeline *timeline = builder->timeline;
	uint32_t next[256];

	for (unsigned t = 0; t < 256; t++)
		next[t] = NOTHING;
	for (uint32_t s = timeline->step_count; s--;) {
		builder->next_call[s] = next[timeline->steps[s].thread];
		if (!begins(&timeline->steps[s]))
			next[timeline->steps[s].thread] = timeline->steps[s].call;
	}
}

static void link_holds(struct builder *builder)
{
	const struct timeline *timeline = builder->timeline;

	for (uint32_t s = 0; s < timeline->step_count; s++)
		builder->first_hold[s] = NOTHING;
	for (uint32_t h = timeline->hold_count; h--;) {
		uint32_t from = timeline->holds[h].from;

		builder->taken_row[h] = NOTHING;
		if (from >= timeline->step_count || !timeline->holds[h].thread)
			continue;
		builder->next_hold[h] = builder->first_hold[from];
		builder->first_hold[from] = h;
	}
}

/* -- rows -- */

/* A further row; its index. */
static uint32_t add_row(struct builder *builder, enum row_kind kind, unsigned thread, uint32_t step)
{
	struct layout *layout = builder->layout;

	builder->fold = NOTHING;
	if (layout->row_count == layout->row_room) {
		uint32_t room = layout->row_room ? layout->row_room * 2 : 128;
		struct row *rows = realloc(layout->rows, room * sizeof(*rows));

		if (!rows) {
			builder->failed = true;
			return 0;
		}
		layout->rows = rows;
		layout->row_room = room;
	}
	layout->rows[layout->row_count] = (struct row){.kind = (uint8_t)kind,
		.thread = (uint8_t)thread,
		.next = (uint8_t)thread,
		.ready = builder->ready,
		.alive = builder->alive,
		.step = step,
		.call = NOTHING,
		.hold = NOTHING};
	return layout->row_count++;
}

static void add_call_row(
	struct builder *builder, enum row_kind kind, unsigned thread, uint32_t step, uint32_t call)
{
	uint32_t row = add_row(builder, kind, thread, step);

	if (!builder->failed)
		builder->layout->rows[row].call = call;
}

static void end_call(struct builder *builder, unsigned thread, uint32_t step)
{
	struct cursor *cursor = &builder->cursors[thread];

	add_call_row(builder, ROW_RESULT, thread, step, cursor->open);
	builder->layout->spans[cursor->span].last = builder->layout->row_count - 1;
	builder->layout->spans[cursor->span].open = false;
	cursor->open = NOTHING;
}

/* The thread has come to call `to` (NOTHING: as far as its calls returned). */
static void advance_calls(struct builder *builder, unsigned thread, uint32_t to, uint32_t step)
{
	struct layout *layout = builder->layout;
	const struct timeline_call *calls = builder->timeline->calls;
	struct cursor *cursor = &builder->cursors[thread];

	while (!builder->failed) {
		if (cursor->open != NOTHING) {
			if (to == NOTHING ? !calls[cursor->open].result
					  : calls[cursor->open].call >= to)
				return;
			end_call(builder, thread, step);
			continue;
		}
		if (cursor->next == cursor->end)
			return;
		uint32_t call = builder->calls[cursor->next];
		if (calls[call].section >= layout->sections ||
			(to == NOTHING ? !calls[call].result : calls[call].call > to))
			return;
		cursor->next++;
		cursor->open = call;
		cursor->span = layout->span_count++;
		layout->spans[cursor->span] =
			(struct span){.call = call, .first = layout->row_count, .open = true};
		add_call_row(builder, ROW_CALL, thread, step, call);
	}
}

static void add_main(struct builder *builder, uint32_t section, uint32_t step)
{
	struct cursor *cursor = &builder->cursors[0];

	for (; cursor->next < cursor->end && !builder->failed; cursor->next++) {
		uint32_t call = builder->calls[cursor->next];

		if (builder->timeline->calls[call].section > section)
			return;
		add_call_row(builder, ROW_MAIN, 0, step, call);
	}
}

/* The section is over, or the run is. */
static void end_section(struct builder *builder, uint32_t step)
{
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		if (builder->alive >> (t - 1) & 1)
			advance_calls(builder, t, NOTHING, step);
}

/* Locks that were taken behind the last step, but not at it. */
static void add_taken(struct builder *builder, uint32_t step, unsigned thread)
{
	const struct timeline *timeline = builder->timeline;
	const struct cursor *cursor = &builder->cursors[thread];
	const struct scheduler_step *last;

	for (uint32_t h = builder->first_hold[step]; h != NOTHING; h = builder->next_hold[h]) {
		const struct scheduler_hold *hold = &timeline->holds[h];
		uint32_t row;

		if (hold->thread != thread)
			continue;
		last = cursor->step == NOTHING ? NULL : &timeline->steps[cursor->step];
		if (last && cursor->step == step && last->point == SCHEDULE_LOCK &&
			last->object == hold->class + 1u)
			continue;
		/* A trylock that nobody noticed. */
		if (!hold_matters(builder, hold) && (cursor->step == step || !last))
			continue;
		row = add_row(builder, ROW_TAKEN, thread, step);
		if (builder->failed)
			return;
		builder->layout->rows[row].hold = h;
		builder->taken_row[h] = row;
	}
}

static void add_step(struct builder *builder, uint32_t s)
{
	const struct scheduler_step *step = &builder->timeline->steps[s];
	struct layout *layout = builder->layout;
	bool shown = builder->shown[s] || s == builder->timeline->failed_step;
	uint32_t at = builder->fold;

	/* Where calls and threads begin and end has rows of its own. */
	if ((step->point == SCHEDULE_END || step->point == SCHEDULE_START) && !shown) {
		builder->row_of[s] = layout->row_count ? layout->row_count - 1 : 0;
		builder->fold = NOTHING;
		return;
	}
	if (!shown && at != NOTHING && layout->rows[at].thread == step->thread) {
		layout->rows[at].kind = ROW_FOLD;
		layout->rows[at].step_count++;
		builder->row_of[s] = at;
		return;
	}
	at = add_row(builder, ROW_POINT, step->thread, s);
	if (builder->failed)
		return;
	layout->rows[at].step_count = 1;
	layout->rows[at].next = step->next;
	layout->rows[at].forced = forced(step);
	layout->rows[at].failed = s == builder->timeline->failed_step;
	builder->row_of[s] = at;
	if (!shown)
		builder->fold = at;
}

static void begin_section(struct builder *builder, uint32_t s)
{
	const struct scheduler_step *step = &builder->timeline->steps[s];

	end_section(builder, s);
	builder->alive = builder->ready = 0;
	add_main(builder, builder->layout->sections++, s);
	builder->alive = builder->ready = step->ready;
	builder->row_of[s] = add_row(builder, ROW_SECTION, 0, s);
	if (!builder->failed && s == builder->timeline->failed_step)
		builder->layout->rows[builder->row_of[s]].failed = true;
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		builder->cursors[t].step = NOTHING;
}

/* What the blocked ones wait for, when nobody is left. */
static void add_stuck(struct builder *builder)
{
	const struct timeline *timeline = builder->timeline;
	uint32_t last = timeline->step_count - 1;

	for (unsigned t = 1; t < SCHEDULER_THREADS && !builder->failed; t++) {
		uint32_t step = builder->cursors[t].step;

		if (!(builder->alive >> (t - 1) & 1) || builder->ready >> (t - 1) & 1 ||
			step == NOTHING || timeline->steps[step].point != SCHEDULE_BLOCK)
			continue;
		/* The last row says it. */
		if (step == last)
			continue;
		uint32_t row = add_row(builder, ROW_STUCK, t, last);
		if (!builder->failed)
			builder->layout->rows[row].step_count = step;
	}
}

/* What the thread of step s did with its calls since the step before. */
static void advance_to(struct builder *builder, uint32_t s)
{
	const struct scheduler_step *step = &builder->timeline->steps[s];
	uint32_t before = s ? s - 1 : 0, open;

	if (step->point == SCHEDULE_END) {
		advance_calls(builder, step->thread, NOTHING, before);
		return;
	}
	advance_calls(builder, step->thread, step->call, before);
	open = builder->cursors[step->thread].open;
	/* Between two calls, unless the same one is repeated. */
	if (step->point == SCHEDULE_START && open != NOTHING && !builder->failed &&
		builder->timeline->calls[open].call == step->call &&
		builder->next_call[s] != step->call)
		end_call(builder, step->thread, before);
}

static void build_rows(struct builder *builder)
{
	const struct timeline *timeline = builder->timeline;

	builder->fold = NOTHING;
	for (uint32_t s = 0; s < timeline->step_count && !builder->failed; s++) {
		const struct scheduler_step *step = &timeline->steps[s];
		unsigned thread = step->thread;

		if (step->point == SCHEDULE_START && !thread) {
			begin_section(builder, s);
			continue;
		}
		if (begins(step)) {
			builder->row_of[s] = builder->layout->row_count - 1;
			continue;
		}
		if (s)
			add_taken(builder, s - 1, thread);
		advance_to(builder, s);
		add_step(builder, s);
		/* Who is let go on here is seen to be from the next row on. */
		builder->ready = step->ready;
		builder->cursors[thread].step = s;
		if (step->point == SCHEDULE_END && thread)
			builder->alive &= (uint8_t)~(1u << (thread - 1));
	}
	uint32_t last = timeline->step_count ? timeline->step_count - 1 : 0;
	if (timeline->step_count)
		end_section(builder, last);
	if (timeline->step_count && !builder->failed)
		add_stuck(builder);
	builder->alive = builder->ready = 0;
	add_main(builder, UINT32_MAX, last);
}

/* -- bars -- */

static uint32_t last_lane_row(const struct layout *layout)
{
	uint32_t last = layout->row_count;

	while (last && layout->rows[last - 1].kind == ROW_MAIN)
		last--;
	return last ? last - 1 : 0;
}

/* Rows of a hold; false: it is within one row. */
static bool place_bar(const struct builder *builder, uint32_t h, uint32_t end, struct bar *bar)
{
	const struct scheduler_hold *hold = &builder->timeline->holds[h];
	uint32_t count = builder->timeline->step_count;

	if (!hold->thread || hold->from >= count)
		return false;
	*bar = (struct bar){.hold = h, .open = hold->to == UINT32_MAX, .last = end};
	bar->first = builder->taken_row[h] != NOTHING ? builder->taken_row[h]
						      : builder->row_of[hold->from];
	if (!bar->open && hold->to + 1 < count)
		bar->last = builder->row_of[hold->to + 1];
	return bar->open || bar->first < bar->last;
}

static void build_bars(struct builder *builder)
{
	struct layout *layout = builder->layout;
	uint32_t end = last_lane_row(layout);
	uint32_t free_from[SCHEDULER_THREADS][32] = {{0}};

	for (uint32_t h = 0; h < builder->timeline->hold_count; h++) {
		unsigned thread = builder->timeline->holds[h].thread, slot = 0;
		struct bar bar;

		if (thread >= SCHEDULER_THREADS || !place_bar(builder, h, end, &bar))
			continue;
		while (slot < 31 && free_from[thread][slot] > bar.first)
			slot++;
		bar.slot = (uint8_t)slot;
		free_from[thread][slot] = bar.last + 1;
		if (layout->slots[thread] <= slot)
			layout->slots[thread] = (uint8_t)(slot + 1);
		layout->bars[layout->bar_count++] = bar;
	}
	for (uint32_t i = 0; i < layout->span_count; i++)
		if (layout->spans[i].open)
			layout->spans[i].last = end;
}

/* -- the whole -- */

static bool prepare(struct builder *builder)
{
	const struct timeline *timeline = builder->timeline;
	struct layout *layout = builder->layout;
	size_t steps = timeline->step_count + (size_t)1, holds = timeline->hold_count + (size_t)1,
	       calls = timeline->call_count + (size_t)1;

	builder->calls = calloc(calls, sizeof(*builder->calls));
	builder->switches = calloc(steps, sizeof(*builder->switches));
	builder->shown = calloc(steps, sizeof(*builder->shown));
	builder->next_call = calloc(steps, sizeof(*builder->next_call));
	builder->row_of = calloc(steps, sizeof(*builder->row_of));
	builder->first_hold = calloc(steps, sizeof(*builder->first_hold));
	builder->taken_row = calloc(holds, sizeof(*builder->taken_row));
	builder->next_hold = calloc(holds, sizeof(*builder->next_hold));
	layout->bars = calloc(holds, sizeof(*layout->bars));
	layout->spans = calloc(calls, sizeof(*layout->spans));
	return builder->calls && builder->switches && builder->shown && builder->row_of &&
	       builder->next_call && builder->first_hold && builder->taken_row &&
	       builder->next_hold && layout->bars && layout->spans;
}

struct layout *layout_open(const struct timeline *timeline, bool every)
{
	struct layout *layout = calloc(1, sizeof(*layout));
	struct builder builder = {.layout = layout, .timeline = timeline, .every = every};

	if (!layout)
		return NULL;
	layout->timeline = timeline;
	builder.failed = !prepare(&builder);
	if (!builder.failed) {
		sort_calls(&builder);
		find_lanes(&builder);
		find_shown(&builder);
		find_next_calls(&builder);
		link_holds(&builder);
		build_rows(&builder);
	}
	if (!builder.failed)
		build_bars(&builder);
	free(builder.calls);
	free(builder.switches);
	free(builder.shown);
	free(builder.row_of);
	free(builder.next_call);
	free(builder.first_hold);
	free(builder.taken_row);
	free(builder.next_hold);
	if (!builder.failed)
		return layout;
	layout_close(layout);
	return NULL;
}

void layout_close(struct layout *layout)
{
	if (!layout)
		return;
	free(layout->rows);
	free(layout->bars);
	free(layout->spans);
	free(layout);
}
