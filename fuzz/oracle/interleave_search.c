/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hint: a step of the model that the specification ties to a lock comes when the implementation
 * took that lock in the same call, and the start of a call when it started there. Of the threads
 * that can go on, the one whose step came first in the implementation goes first.
 *
 * The hint is seldom wrong more than once or twice, but may be so at the beginning, of which depth
 * first tries every end. Where that takes long, orders that depart from the hint once are tried,
 * then those that do so twice, then all.
 */
#include "fuzz/oracle/interleave_search.h"

#include <stdlib.h>
#include <string.h>

/* How many departures from the hint orders may have, and how many of these are tried at most. */
static const struct stage {
	uint32_t departures, runs;
} stages[] = {{UINT32_MAX, 1000}, {1, 1000}, {2, 4000}, {UINT32_MAX, UINT32_MAX}};
#define STAGES (sizeof(stages) / sizeof(*stages))

struct mark {
	uint64_t when;
	uint16_t call, object;
	uint8_t thread, point;
};

struct node {
	uint32_t step, ready, untried;
	uint8_t chosen;
	bool departs; /* from the hint */
};

struct search {
	struct strategy strategy;
	struct mark *marks; /* of the implementation, by thread and time */
	uint32_t mark_count, mark_room;
	uint32_t first_mark[SCHEDULER_THREADS + 1];
	struct node *path;
	uint32_t length, room, at;
	uint32_t stage, runs; /* of stages; begun in it */
	bool started, broken;
	bool cut;  /* an order of this stage would have departed once more */
	bool ends; /* a mark is the end of a call, and stands for all its steps */
};

/* -- the hint -- */

static void add_mark(struct search *search, const struct mark *mark)
{
	if (search->mark_count == search->mark_room) {
		uint32_t room = search->mark_room ? search->mark_room * 2 : 512;
		void *marks = realloc(search->marks, room * sizeof(*search->marks));

		if (!marks)
			return;
		search->marks = marks;
		search->mark_room = room;
	}
	search->marks[search->mark_count++] = *mark;
}

/* When the thread of step s went on behind it. */
static uint32_t went_on(const struct scheduler_step *steps, uint32_t count, uint32_t s)
{
	uint8_t thread = steps[s].thread;

	while (s < count && steps[s].next != thread)
		s++;
	return s;
}

static int by_thread_and_time(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->when != y->when)
		return x->when < y->when ? -1 : 1;
	return 0;
}

static void sort_marks(struct search *search)
{
	uint32_t m = 0;

	if (search->mark_count)
		qsort(search->marks, search->mark_count, sizeof(*search->marks),
			by_thread_and_time);
	for (unsigned t = 0; t <= SCHEDULER_THREADS; t++) {
		while (m < search->mark_count && search->marks[m].thread < t)
			m++;
		search->first_mark[t] = m;
	}
}

static void begin(struct search *search, bool ends)
{
	search->mark_count = search->length = search->runs = 0;
	search->stage = 0;
	search->started = search->broken = search->cut = false;
	search->ends = ends;
}

void search_begin(struct search *search, const struct scheduler *seen)
{
	uint32_t steps_count, holds_count;
	const struct scheduler_step *steps = scheduler_steps(seen, &steps_count);
	const struct scheduler_hold *holds = scheduler_holds(seen, &holds_count);

	begin(search, false);
	for (uint32_t s = 0; s < steps_count; s++)
		if (steps[s].point == SCHEDULE_END)
			add_mark(search, &(struct mark){.when = 2 * (uint64_t)s,
						 .call = steps[s].call,
						 .thread = steps[s].thread,
						 .point = SCHEDULE_END});
		else if (steps[s].point != SCHEDULE_LOCK && steps[s].point != SCHEDULE_UNLOCK &&
			 steps[s].point != SCHEDULE_BLOCK)
			add_mark(search,
				&(struct mark){.when = 2 * (uint64_t)went_on(steps, steps_count, s),
					.call = steps[s].call,
					.object = steps[s].object,
					.thread = steps[s].thread,
					.point = steps[s].point});
	for (uint32_t h = 0; h < holds_count; h++)
		add_mark(search, &(struct mark){.when = 2 * (uint64_t)holds[h].from + 1,
					 .call = holds[h].call,
					 .object = (uint16_t)(holds[h].class + 1),
					 .thread = holds[h].thread,
					 .point = SCHEDULE_LOCK});
	sort_marks(search);
}

void search_begin_ends(struct search *search, const struct prog *prog, const struct trace *trace)
{
	begin(search, true);
	for (uint32_t e = 0; e < trace->entry_count; e++) {
		const struct trace_entry *entry = &trace->entries[e];

		if (entry->kind == TRACE_CALL && entry->thread && !entry->depth)
			add_mark(search,
				&(struct mark){.when = e + 1,
					.call = (uint16_t)prog_calls_before(
						prog, prog->calls[entry->call].thread, entry->call),
					.thread = entry->thread});
	}
	sort_marks(search);
}

/* When the implementation did what the thread is about to do; 0 when that is not known. */
static uint64_t when_of(const struct search *search, const struct scheduler_step *steps, uint32_t s)
{
	const struct scheduler_step *step = &steps[s];
	uint32_t nth = search->ends ? 0 : scheduler_occurrence(steps, s) - 1u;
	/* Between two calls, the end that is to come is that of the second. */
	uint32_t call = step->call;

	if (search->ends && step->point == SCHEDULE_START)
		call++;
	for (uint32_t m = search->first_mark[step->thread];
		m < search->first_mark[step->thread + 1]; m++) {
		const struct mark *mark = &search->marks[m];

		if (mark->call == call &&
			(search->ends ||
				(mark->point == step->point && mark->object == step->object)) &&
			!nth--)
			return mark->when;
	}
	return 0;
}

/* When the implementation began the thread's next section: it has ended `ended` ones. */
static uint64_t when_begun(const struct search *search, unsigned thread, uint32_t ended)
{
	for (uint32_t m = search->first_mark[thread]; m < search->first_mark[thread + 1]; m++) {
		if (!ended)
			return search->marks[m].when;
		ended -= search->marks[m].point == SCHEDULE_END;
	}
	return 0;
}

static uint32_t count_ends(const struct scheduler_step *steps, uint32_t count, unsigned thread)
{
	uint32_t ends = 0;

	for (uint32_t s = 0; s < count; s++)
		ends += steps[s].thread == thread && steps[s].point == SCHEDULE_END;
	return ends;
}

static unsigned likeliest(const struct search *search, struct scheduler *scheduler, uint32_t ready)
{
	uint32_t count;
	const struct scheduler_step *steps = scheduler_steps(scheduler, &count);
	unsigned best = (unsigned)__builtin_ctz(ready);
	uint64_t earliest = UINT64_MAX;

	for (; ready; ready &= ready - 1) {
		unsigned t = (unsigned)__builtin_ctz(ready);
		uint32_t s = count;
		uint64_t when = 0;

		while (s && steps[s - 1].thread != t)
			s--;
		if (s && steps[s - 1].point == SCHEDULE_BLOCK)
			when = UINT64_MAX - 1;
		else if (!s || steps[s - 1].point == SCHEDULE_END)
			when = when_begun(search, t, count_ends(steps, count, t));
		else
			when = when_of(search, steps, s - 1);
		if (when < earliest) {
			earliest = when;
			best = t;
		}
	}
	return best;
}

/* -- depth first -- */

/* The next order of the stage; false: there is none. */
static bool next_order(struct search *search)
{
	uint32_t departures = 0;

	for (uint32_t n = 0; n < search->length; n++)
		departures += search->path[n].departs;
	for (; search->length; search->length--) {
		struct node *node = &search->path[search->length - 1];

		departures -= node->departs;
		if (!node->untried)
			continue;
		if (departures == stages[search->stage].departures) {
			search->cut = true;
			continue;
		}
		node->chosen = (uint8_t)__builtin_ctz(node->untried);
		node->untried &= node->untried - 1;
		node->departs = true;
		return true;
	}
	return false;
}

/* The stage is over: the next one from the beginning. False: all orders there are were tried. */
static bool next_stage(struct search *search, bool complete)
{
	if (complete || search->stage + 1 == STAGES)
		return false;
	search->stage++;
	search->length = search->runs = 0;
	search->cut = false;
	return true;
}

static bool search_next(struct strategy *strategy, struct scheduler *scheduler)
{
	struct search *search = (struct search *)strategy;
	bool more = !search->started;

	if (search->broken)
		return false;
	if (!more && search->runs < stages[search->stage].runs)
		more = next_order(search) || next_stage(search, !search->cut);
	else if (!more)
		more = next_stage(search, false);
	search->runs++;
	search->started = true;
	search->at = 0;
	scheduler_quiet_until(scheduler, 0);
	return more;
}

static unsigned search_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	struct search *search = (struct search *)strategy;

	(void)current;
	if (!(ready & (ready - 1)))
		return (unsigned)__builtin_ctz(ready);
	if (search->at < search->length) {
		const struct node *node = &search->path[search->at++];

		if (node->step != step || node->ready != ready) {
			search->broken = true;
			return (unsigned)__builtin_ctz(ready);
		}
		return node->chosen;
	}
	unsigned best = likeliest(search, scheduler, ready);
	if (search->length == search->room) {
		uint32_t room = search->room ? search->room * 2 : 256;
		void *path = realloc(search->path, room * sizeof(*search->path));

		if (!path) {
			search->broken = true;
			return best;
		}
		search->path = path;
		search->room = room;
	}
	search->path[search->length++] = (struct node){.step = step,
		.ready = ready,
		.untried = ready & ~(UINT32_C(1) << best),
		.chosen = (uint8_t)best};
	search->at = search->length;
	return best;
}

struct search *search_open(void)
{
	struct search *search = calloc(1, sizeof(*search));

	if (search)
		search->strategy = (struct strategy){
			.name = "search", .begin = search_next, .choose = search_choose};
	return search;
}

void search_close(struct search *search)
{
	if (!search)
		return;
	free(search->marks);
	free(search->path);
	free(search);
}

struct strategy *search_strategy(struct search *search)
{
	return &search->strategy;
}
