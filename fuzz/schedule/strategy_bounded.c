/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All runs with at most so many preemptions, depth first: each run repeats the choices of the one
 * before up to a place, decides there otherwise, and goes on until blocked.
 *
 * The reduction. Preempting thread A at point p for B, and preempting it at its next point p+1 for
 * B, are the same run if what A does between the two and what the others do until A runs again
 * touch nothing in common that one of them writes: the two pieces can be exchanged. The runs of p+1
 * come first, so what the others touched in them is known when p is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/scheduler_private.h"
#include "fuzz/schedule/strategy.h"

/* A step at which there was a choice. */
struct node {
	uint32_t step, ready;
	uint32_t untried;      /* threads not chosen here yet */
	uint8_t current;       /* who stood at the point and could go on; 0: nobody */
	uint8_t chosen, first; /* first: the default */
	uint8_t preemptions;   /* before it */
	bool alone; /* `own` and `later` hold: the next step was the next point of current */
	uint32_t known, later_known;		    /* threads in others, later */
	struct footprint own;			    /* of current between this point and its next */
	struct footprint others[SCHEDULER_THREADS]; /* when switched to that one: until current
						       ran again */
	struct footprint later[SCHEDULER_THREADS];  /* the same at current's next point */
};

struct bounded {
	struct strategy strategy;
	unsigned bound;
	bool reduce, started, complete, broken;
	struct node *path;
	uint32_t length, room;
	uint32_t at;	/* nodes of the path that this run has passed */
	uint32_t fresh; /* nodes from here on are of this run */
	uint32_t last[SCHEDULER_THREADS];
	struct strategy_progress progress;
};

static bool conflict(const struct footprint *a, const struct footprint *b)
{
	return (a->writes & (b->reads | b->writes)) || (b->writes & a->reads);
}

static struct node *add_node(struct bounded *bounded)
{
	if (bounded->length == bounded->room) {
		uint32_t room = bounded->room ? bounded->room * 2 : 256;
		void *path = realloc(bounded->path, room * sizeof(*bounded->path));

		if (!path)
			return NULL;
		bounded->path = path;
		bounded->room = room;
	}
	return &bounded->path[bounded->length++];
}

/* -- behind a run: what was touched -- */

static void join_footprint(struct footprint *to, const struct footprint *from)
{
	to->reads |= from->reads;
	to->writes |= from->writes;
}

/* What the others touched from the switch at the node until its current thread ran again. */
static void gather_others(
	struct bounded *bounded, const struct scheduler *scheduler, struct node *node)
{
	struct footprint *others = &node->others[node->chosen];
	const struct scheduler_step *steps = scheduler->steps;
	uint32_t next = steps[node->step].next;

	/* Where each thread stood: what it does when it goes on belongs to its last step. */
	for (unsigned t = 0; t < SCHEDULER_THREADS; t++)
		bounded->last[t] = UINT32_MAX;
	for (uint32_t s = 0; s <= node->step; s++)
		bounded->last[steps[s].thread] = s;
	if (!(node->known >> node->chosen & 1))
		*others = (struct footprint){0, 0};
	node->known |= UINT32_C(1) << node->chosen;
	for (uint32_t s = node->step; s < scheduler->step_count && next != node->current; s++) {
		if (s > node->step) {
			join_footprint(others, &scheduler->footprints[s]);
			bounded->last[steps[s].thread] = s;
		}
		next = steps[s].next;
		if (bounded->last[next] != UINT32_MAX && next != node->current)
			join_footprint(others, &scheduler->footprints[bounded->last[next]]);
	}
}

static void learn(struct bounded *bounded, const struct scheduler *scheduler)
{
	for (uint32_t n = 0; n < bounded->length; n++) {
		struct node *node = &bounded->path[n];

		if (!node->current || node->step + 1 >= scheduler->step_count)
			continue;
		if (node->chosen != node->first)
			gather_others(bounded, scheduler, node);
		if (n < bounded->fresh || node->chosen != node->first)
			continue;
		const struct scheduler_step *after = &scheduler->steps[node->step + 1];
		node->own = scheduler->footprints[node->step];
		node->alone = after->thread == node->current && after->point != SCHEDULE_BLOCK &&
			      after->point != SCHEDULE_END;
	}
}

/* -- between runs -- */

/* Whether switching to `next` here only repeats what a switch one point later showed. */
static bool repeats(const struct bounded *bounded, struct node *node, unsigned next)
{
	if (!bounded->reduce || !node->current || !node->alone ||
		!(node->later_known >> next & 1) || conflict(&node->own, &node->later[next]))
		return false;
	node->others[next] = node->later[next];
	node->known |= UINT32_C(1) << next;
	return true;
}

/* Takes the last node away; what it knows helps the one before. */
static void drop_node(struct bounded *bounded)
{
	const struct node *node = &bounded->path[--bounded->length];
	struct node *before = &bounded->path[bounded->length - 1];

	if (!bounded->length || !node->current || before->current != node->current ||
		before->step + 1 != node->step || before->chosen != before->first)
		return;
	before->later_known = node->known;
	memcpy(before->later, node->others, sizeof(before->later));
}

/* The next choice that was not made yet, at the end of the path. False: all were. */
static bool go_back(struct bounded *bounded)
{
	while (bounded->length) {
		struct node *node = &bounded->path[bounded->length - 1];

		while (node->untried) {
			unsigned next = (unsigned)__builtin_ctz(node->untried);

			node->untried &= node->untried - 1;
			if (repeats(bounded, node, next)) {
				bounded->progress.left_out++;
				continue;
			}
			node->chosen = (uint8_t)next;
			return true;
		}
		drop_node(bounded);
	}
	return false;
}

static bool bounded_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct bounded *bounded = (struct bounded *)strategy;

	if (bounded->complete || bounded->broken)
		return false;
	if (bounded->started && !go_back(bounded)) {
		bounded->complete = true;
		bounded->progress.complete = true;
		return false;
	}
	bounded->started = true;
	bounded->at = 0;
	bounded->fresh = bounded->length;
	bounded->progress.runs++;
	scheduler_quiet_until(scheduler, 0);
	return true;
}

/* -- in a run -- */

static unsigned decide(struct bounded *bounded, unsigned current, uint32_t ready, uint32_t step)
{
	unsigned first = strategy_default(current, ready), used = 0;
	const struct node *last = bounded->length ? &bounded->path[bounded->length - 1] : NULL;

	if (last)
		used = last->preemptions + (last->current && last->chosen != last->first ? 1u : 0u);
	if (!(ready & (ready - 1)) || (current != SCHEDULER_NONE && used >= bounded->bound))
		return first;
	struct node *node = add_node(bounded);
	if (!node) {
		bounded->broken = true;
		return first;
	}
	*node = (struct node){.step = step,
		.ready = ready,
		.untried = ready & ~(UINT32_C(1) << first),
		.current = (uint8_t)(current == SCHEDULER_NONE ? 0 : current),
		.first = (uint8_t)first,
		.chosen = (uint8_t)first,
		.preemptions = (uint8_t)used};
	bounded->at = bounded->length;
	return first;
}

static unsigned bounded_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	struct bounded *bounded = (struct bounded *)strategy;

	(void)scheduler;
	while (bounded->at < bounded->length && bounded->path[bounded->at].step < step)
		bounded->at++;
	if (bounded->at < bounded->length) {
		const struct node *node = &bounded->path[bounded->at];

		if (node->step != step)
			return strategy_default(current, ready);
		bounded->at++;
		/* The same choices must lead to the same place. */
		if (node->ready != ready) {
			bounded->broken = true;
			return strategy_default(current, ready);
		}
		return node->chosen;
	}
	return decide(bounded, current, ready, step);
}

static void bounded_end(
	struct strategy *strategy, struct scheduler *scheduler, enum scheduler_end end)
{
	struct bounded *bounded = (struct bounded *)strategy;

	(void)end;
	if (bounded->reduce)
		learn(bounded, scheduler);
}

static void bounded_close(struct strategy *strategy)
{
	struct bounded *bounded = (struct bounded *)strategy;

	free(bounded->path);
	free(bounded);
}

struct strategy *strategy_bounded(unsigned bound, bool reduce)
{
	struct bounded *bounded = calloc(1, sizeof(*bounded));

	if (!bounded)
		return NULL;
	bounded->strategy = (struct strategy){.name = "bounded",
		.begin = bounded_begin,
		.choose = bounded_choose,
		.end = bounded_end,
		.close = bounded_close};
	bounded->bound = bound < 200 ? bound : 200;
	bounded->reduce = reduce;
	return &bounded->strategy;
}

void strategy_bounded_progress(const struct strategy *strategy, struct strategy_progress *progress)
{
	*progress = ((const struct bounded *)strategy)->progress;
}
