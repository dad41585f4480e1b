/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz check --mutants: how many of the switchable defects the suite and each oracle catch. */
#include <stdlib.h>
#include <string.h>

#include "impl/sim/bugs.h"
#include "tools/check.h"
#include "tools/tool.h"

#define TIMEOUT 10 /* seconds for one test with a defect */
#define GOAL	95 /* percent of the defects that the suite alone must catch */

/* Ways of looking, each alone: expectations, then one oracle at a time without looking at
 * expectations. */
enum { WAY_SUITE, WAY_MODEL, WAY_AUDIT, WAY_ISOLATION, WAY_ROLLBACK, WAY_MACHINE, WAY_COUNT };

static const struct {
	const char *name;
	uint32_t oracles;
} ways[WAY_COUNT] = {
	[WAY_SUITE] = {"suite", 0},
	[WAY_MODEL] = {"model", ORACLE_MODEL},
	[WAY_AUDIT] = {"audit", ORACLE_AUDIT},
	[WAY_ISOLATION] = {"isolation", ORACLE_ISOLATION},
	[WAY_ROLLBACK] = {"rollback", ORACLE_ROLLBACK},
	[WAY_MACHINE] = {"machine", ORACLE_MACHINE},
};

struct capture {
	bool caught, crash;
	char test[64], rule[64]; /* the first test that saw it */
};

struct mutants {
	const struct check *check;
	bool *clean;	/* per test: passes without a defect */
	uint8_t *seen;	/* per test: bits of the ways that saw the current defect there */
	size_t failing; /* tests that fail without a defect */
	uint32_t total, caught_by_any;
	uint32_t caught[WAY_COUNT];
	uint32_t alone[WAY_COUNT];    /* defects that in some test no other oracle saw */
	char control[WAY_COUNT][160]; /* the first of these: defect and test */
};

/* One way of looking at one defect. */
struct look {
	struct mutants *mutants;
	unsigned way;
	struct capture *capture;
};

static size_t index_of(const struct mutants *mutants, const struct test *test)
{
	return (size_t)(test - mutants->check->suite.tests);
}

static void note(void *context, const struct test *test, const struct test_result *result)
{
	struct look *look = context;
	size_t index = index_of(look->mutants, test);
	bool crash = result->status == TEST_FAIL && !result->oracle && !result->expectation;
	bool seen = look->way == WAY_SUITE ? result->expectation : result->oracle != 0;

	if (!look->mutants->clean[index] || !(seen || crash))
		return;
	/* A crash is the sanitizers' catch, whatever oracle runs beside them. */
	if (!crash)
		look->mutants->seen[index] |= (uint8_t)(1u << look->way);
	else
		look->mutants->seen[index] = UINT8_MAX;
	if (look->capture->caught)
		return;
	look->capture->caught = true;
	look->capture->crash = crash;
	snprintf(look->capture->test, sizeof(look->capture->test), "%s", test->id);
	snprintf(look->capture->rule, sizeof(look->capture->rule), "%s", result->rule);
}

static void note_baseline(void *context, const struct test *test, const struct test_result *result)
{
	struct mutants *mutants = context;

	mutants->clean[index_of(mutants, test)] = result->status == TEST_PASS;
	if (result->status == TEST_FAIL || result->status == TEST_BROKEN) {
		tool_error("%s fails without a defect: %s", test->id, result->message);
		mutants->failing++;
	}
}

static bool look_at(struct mutants *mutants, uint16_t bug, unsigned way, struct capture *capture)
{
	struct suite_config config = mutants->check->config;
	struct look look = {.mutants = mutants, .way = way, .capture = capture};
	struct suite_pool pool = {.jobs = mutants->check->jobs,
		.timeout = TIMEOUT,
		.quiet = true,
		.done = note,
		.context = &look};

	config.bug = bug;
	config.oracles = ways[way].oracles;
	return suite_run_all(&mutants->check->suite, &config, &pool);
}

/* Tests in which one oracle saw the defect and no other did. */
static void count_alone(struct mutants *mutants, uint16_t bug)
{
	bool alone[WAY_COUNT] = {false};

	for (size_t t = 0; t < mutants->check->suite.count; t++)
		for (unsigned way = WAY_MODEL; way < WAY_COUNT; way++) {
			if ((mutants->seen[t] & ~(1u << WAY_SUITE)) != 1u << way)
				continue;
			if (!alone[way] && !mutants->alone[way])
				snprintf(mutants->control[way], sizeof(mutants->control[way]),
					"%s in %s", sim_bug_info(bug)->name,
					mutants->check->suite.tests[t].id);
			alone[way] = true;
		}
	for (unsigned way = 0; way < WAY_COUNT; way++)
		mutants->alone[way] += alone[way];
}

static void print_mutant(const struct sim_bug_info *info, const struct capture *catches)
{
	const struct capture *suite = &catches[WAY_SUITE];

	printf("%-28s %-8s", info->name, suite->caught ? "caught" : "SURVIVED");
	for (unsigned way = 0; way < WAY_COUNT; way++)
		if (catches[way].caught)
			printf(" %s%s", ways[way].name, catches[way].crash ? "(crash)" : "");
	if (suite->caught)
		printf("; first by %s", suite->test);
	putchar('\n');
	if (!suite->caught)
		printf("    %s: %s\n", info->where, info->what);
	fflush(stdout);
}

static bool run_mutant(struct mutants *mutants, uint16_t bug)
{
	struct capture catches[WAY_COUNT] = {0};
	bool any = false;

	memset(mutants->seen, 0, mutants->check->suite.count);
	for (unsigned way = 0; way < WAY_COUNT; way++) {
		if (!look_at(mutants, bug, way, &catches[way]))
			return false;
		mutants->caught[way] += catches[way].caught;
		any = any || catches[way].caught;
	}
	mutants->total++;
	mutants->caught_by_any += any;
	count_alone(mutants, bug);
	print_mutant(sim_bug_info(bug), catches);
	return true;
}

static int print_score(const struct mutants *mutants)
{
	uint32_t suite = mutants->caught[WAY_SUITE], total = mutants->total;

	fputs("\neach way alone: defects caught; of these, seen by no other oracle in some test\n",
		stdout);
	for (unsigned way = 0; way < WAY_COUNT; way++)
		printf("  %-10s %3u %3u%s%s\n", ways[way].name, mutants->caught[way],
			mutants->alone[way], *mutants->control[way] ? "  as " : "",
			mutants->control[way]);
	printf("%u defects: %u caught by the suite alone (%.1f %%, goal %d %%), %u with the "
	       "oracles\n",
		total, suite, total ? 100.0 * suite / total : 0, GOAL, mutants->caught_by_any);
	if (mutants->failing)
		return TOOL_BROKEN;
	return total && suite * 100 >= total * GOAL ? TOOL_OK : TOOL_FAILED;
}

int check_mutants(struct check *check)
{
	struct mutants mutants = {.check = check};
	struct suite_pool pool = {.jobs = check->jobs,
		.timeout = check->timeout,
		.done = note_baseline,
		.context = &mutants};

	if (!sim_bugs_built()) {
		tool_error("check --mutants: this build has no switchable defects; use the bugs "
			   "preset");
		return TOOL_SKIPPED;
	}
	mutants.clean = tool_grow(NULL, check->suite.count, sizeof(bool));
	mutants.seen = tool_grow(NULL, check->suite.count, 1);
	memset(mutants.clean, 0, check->suite.count * sizeof(bool));
	bool complete = suite_run_all(&check->suite, &check->config, &pool);
	for (uint16_t bug = 1; complete && bug < SIM_BUG_COUNT; bug++)
		if (!check->config.bug || check->config.bug == bug)
			complete = run_mutant(&mutants, bug);
	free(mutants.clean);
	free(mutants.seen);
	return complete ? print_score(&mutants) : TOOL_INTERRUPTED;
}
