/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/min_threads.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

/* Where a failure is looked for when the program's own schedule does not show it. */
static const struct schedules first_searches[] = {
	{.kind = SCHEDULES_BOUNDED, .bound = 1, .runs = 5000},
	{.kind = SCHEDULES_BOUNDED, .bound = 2, .runs = 10000},
	{.kind = SCHEDULES_PCT, .depth = SCHEDULES_DEPTH, .seed = 1, .runs = 20000},
	{.kind = SCHEDULES_RANDOM, .seed = 1, .runs = 20000},
};

/* The same for a candidate whose schedule does not fit any more. */
static const struct schedules short_searches[] = {
	{.kind = SCHEDULES_BOUNDED, .bound = 1, .runs = 500},
	{.kind = SCHEDULES_BOUNDED, .bound = 2, .runs = 2000},
};
#define CALM_BOUND 2u
#define CALM_RUNS  20000u

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A hunt of a program that is no test: no text, no expectations. The process has a copy. */
static struct hunt_result *hunt(struct min_threads *min, const struct prog *prog)
{
	struct test test = {0};

	test.text.prog = *prog;
	min->hunt.test = &test;
	struct hunt_result *result = hunt_run(&min->hunt);
	min->hunt.test = NULL;
	if (!result)
		exit(TOOL_BROKEN);
	return result;
}

static const struct hunt_finding *wanted_in(
	const struct min_threads *min, const struct hunt_result *result)
{
	for (uint32_t i = 0; i < result->finding_count; i++)
		if (min->wanted.kind == HUNT_NOTHING ||
			hunt_same(&result->findings[i], &min->wanted))
			return &result->findings[i];
	return NULL;
}

/* Searches for the wanted finding (the first time: for any) and forces its switches. */
static bool search(struct min_threads *min, const struct schedules *schedules, uint32_t most,
	struct prog *prog, uint64_t *runs)
{
	min->hunt.schedules = *schedules;
	min->hunt.wanted = min->wanted.kind == HUNT_NOTHING ? NULL : &min->wanted;
	struct hunt_result *result = hunt(min, prog);
	const struct hunt_finding *found = wanted_in(min, result);
	bool good = found && !found->by.too_many && found->by.count <= most;

	min->hunt.wanted = NULL;
	*runs += result->runs;
	if (good && min->wanted.kind == HUNT_NOTHING)
		min->wanted = *found;
	good = good && schedules_force(&found->by, prog);
	hunt_free(result);
	return good;
}

bool min_threads_fails(struct min_threads *min, const struct prog *candidate)
{
	min->hunt.schedules = (struct schedules){.kind = SCHEDULES_OWN};
	struct hunt_result *result = hunt(min, candidate);
	bool fails = wanted_in(min, result) != NULL;

	hunt_free(result);
	return fails;
}

static void remember(struct min_threads *min, const struct prog *prog)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < prog->call_count; i++)
		seen |= UINT32_C(1) << prog->calls[i].thread;
	min->threads = (uint32_t)__builtin_popcount(seen);
	min->calls = prog->call_count;
	min->switches = prog->switch_count;
}

/* The finding of the line `schedule:` as it stands becomes the wanted one. */
static bool fails_as_it_stands(struct min_threads *min, const struct prog *prog)
{
	min->hunt.schedules = (struct schedules){.kind = SCHEDULES_OWN};
	struct hunt_result *result = hunt(min, prog);
	bool fails = result->finding_count != 0;

	if (fails)
		min->wanted = result->findings[0];
	hunt_free(result);
	return fails;
}

bool min_threads_begin(struct min_threads *min, struct prog *prog, char *reason, size_t reason_size)
{
	const struct schedules bytes = {.kind = SCHEDULES_BYTES}, plain = {.kind = SCHEDULES_PLAIN};
	uint64_t runs = 1;

	min->hunt.judge = false;
	min->hunt.check = 0;
	memset(&min->wanted, 0, sizeof(min->wanted));
	bool found = prog->switch_count ? fails_as_it_stands(min, prog)
					: search(min, prog->schedule_count ? &bytes : &plain,
						  PROG_SWITCH_MAX, prog, &runs);
	/* A schedule of a program that has changed since: not what is asked for. */
	if (found && strcmp(min->wanted.finding.rule, "schedule") == 0) {
		memset(&min->wanted, 0, sizeof(min->wanted));
		found = false;
	}
	remember(min, prog);
	for (size_t s = 0; !found && min->threads > 2 && s < COUNT(first_searches); s++)
		found = search(min, &first_searches[s], PROG_SWITCH_MAX, prog, &runs);
	if (!found) {
		snprintf(reason, reason_size, "does not fail in %" PRIu64 " schedules", runs);
		return false;
	}
	if (!min_threads_fails(min, prog)) {
		snprintf(reason, reason_size,
			"fails (%s: %s) in a search, and not by one schedule alone",
			hunt_kind_name(&min->wanted), min->wanted.finding.rule);
		return false;
	}
	remember(min, prog);
	return true;
}

bool min_threads_mend(struct min_threads *min, struct prog *candidate)
{
	struct min_threads now = {0};
	uint64_t runs = 0;

	remember(&now, candidate);
	bool fewer = now.calls < min->calls || now.threads < min->threads;
	bool fails = min_threads_fails(min, candidate);

	/* Switches are counted again at the end, where the program is short. */
	if (!fails && fewer && now.threads > 2) {
		min->searches++;
		for (size_t s = 0; !fails && s < COUNT(short_searches); s++)
			fails = search(min, &short_searches[s], PROG_SWITCH_MAX, candidate, &runs);
		fails = fails && min_threads_fails(min, candidate);
	}
	if (fails)
		remember(min, candidate);
	return fails;
}

void min_threads_calm(struct min_threads *min, struct prog *prog)
{
	struct prog other;
	uint64_t runs = 0;

	prog_init(&other);
	for (unsigned bound = 0; bound <= CALM_BOUND && prog->switch_count; bound++) {
		const struct schedules all = {
			.kind = SCHEDULES_BOUNDED, .bound = bound, .runs = CALM_RUNS};

		if (bound && prog->switch_count <= bound)
			break;
		if (!prog_copy(&other, prog) ||
			!search(min, &all, prog->switch_count - 1, &other, &runs) ||
			!min_threads_fails(min, &other))
			continue;
		prog_copy(prog, &other);
		break;
	}
	prog_free(&other);
	remember(min, prog);
}

uint32_t min_threads_count(struct min_threads *min, const struct prog *prog)
{
	uint32_t count = 0;

	min->hunt.schedules = (struct schedules){.kind = SCHEDULES_OWN};
	/* A crash ends its process, anything else lets the next run begin. */
	if (min->wanted.kind == HUNT_CRASH) {
		for (uint32_t i = 0; i < MIN_THREADS_TIMES; i++)
			count += min_threads_fails(min, prog);
		return count;
	}
	min->hunt.times = MIN_THREADS_TIMES;
	struct hunt_result *result = hunt(min, prog);
	const struct hunt_finding *found = wanted_in(min, result);

	count = found ? (uint32_t)found->times : 0;
	min->hunt.times = 0;
	hunt_free(result);
	return count;
}
