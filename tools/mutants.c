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

struct catch
{
	bool caught, crash;
	char test[64], rule[64]; /* the first test that saw it */
};

struct look {
	const bool *clean; /* per test: passes without a defect */
	const struct suite *suite;
	uint32_t oracles;
	struct catch *catch;
};

static void note(void *context, const struct test *test, const struct test_result *result)
{
	struct look *look = context;
	bool crash = result->status == TEST_FAIL && !result->oracle && !result->expectation;
	bool seen = look->oracles ? result->oracle != 0 : result->expectation;

	if (look->catch->caught || !look->clean[test - look->suite->tests] || !(seen || crash))
		return;
	look->catch->caught = true;
	look->catch->crash = crash;
	snprintf(look->catch->test, sizeof(look->catch->test), "%s", test->id);
	snprintf(look->catch->rule, sizeof(look->catch->rule), "%s", result->rule);
}

struct baseline {
	bool *clean;
	const struct suite *suite;
	size_t failing;
};

static void note_baseline(void *context, const struct test *test, const struct test_result *result)
{
	struct baseline *baseline = context;
	bool clean = result->status == TEST_PASS;

	baseline->clean[test - baseline->suite->tests] = clean;
	if (result->status == TEST_FAIL || result->status == TEST_BROKEN) {
		tool_error("%s fails without a defect: %s", test->id, result->message);
		baseline->failing++;
	}
}

static bool look_at(const struct check *check, uint16_t bug, unsigned way, const bool *clean,
	struct catch *catch)
{
	struct suite_config config = check->config;
	struct look look = {.clean = clean,
		.suite = &check->suite,
		.oracles = ways[way].oracles,
		.catch = catch};
	struct suite_pool pool = {.jobs = check->jobs,
		.timeout = TIMEOUT,
		.quiet = true,
		.done = note,
		.context = &look};

	config.bug = bug;
	config.oracles = ways[way].oracles;
	return suite_run_all(&check->suite, &config, &pool);
}

static void print_mutant(const struct sim_bug_info *info, const struct catch *catches)
{
	const struct catch *suite = &catches[WAY_SUITE];

	printf("%-40s %-8s", info->name, suite->caught ? "caught" : "SURVIVED");
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

/* Which oracles have a defect that no other oracle sees. */
static void print_uniques(const uint32_t *unique, const uint32_t *caught)
{
	fputs("\nby each way alone (and by no other oracle):", stdout);
	for (unsigned way = 0; way < WAY_COUNT; way++)
		printf(" %s %u (%u)", ways[way].name, caught[way], unique[way]);
	putchar('\n');
}

int check_mutants(struct check *check)
{
	uint32_t caught[WAY_COUNT] = {0}, unique[WAY_COUNT] = {0}, total = 0, by_any = 0;
	struct baseline baseline = {.suite = &check->suite};
	struct suite_pool pool = {.jobs = check->jobs,
		.timeout = check->timeout,
		.done = note_baseline,
		.context = &baseline};

	if (!sim_bugs_built()) {
		tool_error("check --mutants: this build has no switchable defects; use the bugs "
			   "preset");
		return TOOL_SKIPPED;
	}
	baseline.clean = tool_grow(NULL, check->suite.count, sizeof(bool));
	memset(baseline.clean, 0, check->suite.count);
	bool complete = suite_run_all(&check->suite, &check->config, &pool);
	for (uint16_t bug = 1; complete && bug < SIM_BUG_COUNT; bug++) {
		struct catch catches[WAY_COUNT] = {0};
		unsigned seen = 0, last = 0;

		for (unsigned way = 0; complete && way < WAY_COUNT; way++) {
			complete = look_at(check, bug, way, baseline.clean, &catches[way]);
			caught[way] += catches[way].caught;
			if (way != WAY_SUITE && catches[way].caught && !catches[way].crash) {
				seen++;
				last = way;
			}
		}
		if (!complete)
			break;
		total++;
		unique[WAY_SUITE] += catches[WAY_SUITE].caught && !seen;
		if (seen == 1)
			unique[last]++;
		by_any += catches[WAY_SUITE].caught || seen;
		print_mutant(sim_bug_info(bug), catches);
	}
	free(baseline.clean);
	if (!complete)
		return TOOL_INTERRUPTED;
	print_uniques(unique, caught);
	printf("%u defects: %u caught by the suite alone (%.1f %%, goal %d %%), %u with the "
	       "oracles\n",
		total, caught[WAY_SUITE], total ? 100.0 * caught[WAY_SUITE] / total : 0, GOAL,
		by_any);
	if (baseline.failing)
		return TOOL_BROKEN;
	return total && caught[WAY_SUITE] * 100 >= total * GOAL ? TOOL_OK : TOOL_FAILED;
}
