/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz check --mutants: how many of the switchable defects the suite and each oracle catch. */
#include <stdlib.h>
#include <string.h>

#include "impl/sim/bugs.h"
#include "tools/check.h"
#include "tools/files.h"
#include "tools/tool.h"

#define TIMEOUT 3 /* seconds for one test with a defect */
/* Every defect costs several runs of the whole suite, so programs with threads have few schedules
 * at first; what these do not show gets a search. */
#define SCHEDULES      20
#define DEEP_BOUND     2
#define DEEP_SCHEDULES 5000 /* of one program */
#define DEEP_TIMEOUT   60
#define CRASHES	       12 /* in one look: more of them cost time and say nothing new */
#define GOAL	       95 /* percent of the defects that the suite alone must catch */

/*
 * Ways of looking, each alone: expectations without oracles, then one oracle at a time without
 * looking at expectations. Crashes are the sanitizers' catch, whatever runs beside them; they are
 * seen by the way.
 */
enum {
	WAY_SUITE,
	WAY_MODEL,
	WAY_AUDIT,
	WAY_ISOLATION,
	WAY_ROLLBACK,
	WAY_MACHINE,
	WAY_SCHEDULER,
	WAY_SANITIZER,
	WAY_COUNT,
};

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
	[WAY_SCHEDULER] = {"scheduler", ORACLE_SCHEDULER},
	[WAY_SANITIZER] = {"sanitizer", 0},
};

struct capture {
	bool caught;
	char test[64]; /* the first test that saw it */
};

struct mutants {
	const struct check *check;
	bool *clean;	/* per test: passes without a defect */
	bool *noticed;	/* per test: with the current defect, something looked wrong */
	bool cut;	/* not the whole suite has looked at the current defect */
	bool deep;	/* programs with threads are searched */
	size_t failing; /* tests that fail without a defect */
	uint32_t total, caught_by_any;
	uint32_t caught[WAY_COUNT];
	uint32_t crashed; /* caught by the suite because a sanitizer ended its test, and only so */
	uint32_t alone[WAY_COUNT];    /* defects that nothing else sees in the whole suite */
	char control[WAY_COUNT][128]; /* the first of these: defect and test */
	uint32_t unlisted; /* survivors that the list lacks, or that it has and that are caught */
	char *survivors;   /* the list: a defect and the reason a line */
	char *first;	   /* another: a defect and the program that showed it the last time */
	uint32_t moved;	   /* defects that this program no longer shows */
};

/* One run of tests with one defect. */
struct look {
	struct mutants *mutants;
	const struct suite *suite; /* of which the tests are */
	unsigned way;		   /* WAY_COUNT: all oracles, only to see where one would speak */
	struct capture *captures;
	unsigned crashes;
	bool cut; /* not all tests were run */
};

static void catch (struct capture *capture, const struct test *test)
{
	if (!capture->caught)
		snprintf(capture->test, sizeof(capture->test), "%s", test->id);
	capture->caught = true;
}

static void note(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	(void)log;
	struct look *look = context;
	bool crash = result->status == TEST_FAIL && !result->oracle && !result->expectation;

	if (look->suite == &look->mutants->check->suite &&
		!look->mutants->clean[test - look->suite->tests])
		return;
	if (crash) {
		look->crashes++;
		catch (&look->captures[WAY_SANITIZER], test);
	}
	if (look->way == WAY_COUNT)
		look->mutants->noticed[test - look->suite->tests] = crash || result->oracle;
	else if (look->way == WAY_SUITE ? result->expectation : result->oracle != 0)
		catch (&look->captures[look->way], test);
}

/* The suite has spoken with one test; of crashes a few are enough, each costs a process. */
static bool enough(void *context)
{
	struct look *look = context;

	look->cut = look->crashes >= CRASHES ||
		    (look->way == WAY_SUITE && look->captures[WAY_SUITE].caught);
	return look->cut;
}

static void note_baseline(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	(void)log;
	struct mutants *mutants = context;

	mutants->clean[test - mutants->check->suite.tests] = result->status == TEST_PASS;
	if (result->status == TEST_FAIL || result->status == TEST_BROKEN) {
		tool_error("%s fails without a defect: %s", test->id, result->message);
		mutants->failing++;
	}
}

/* Runs the tests of a selection with the defect. */
static bool look_at(struct mutants *mutants, uint16_t bug, unsigned way, const bool *selected,
	struct capture *captures)
{
	const struct suite *all = &mutants->check->suite;
	struct suite some = {.tests = tool_grow(NULL, all->count, sizeof(*some.tests))};
	struct suite_config config = mutants->check->config;
	struct look look = {.mutants = mutants,
		.suite = selected ? &some : all,
		.way = way,
		.captures = captures};
	struct suite_pool pool = {.jobs = mutants->check->jobs,
		.timeout = TIMEOUT,
		.quiet = true,
		.done = note,
		.enough = enough,
		.context = &look};

	for (size_t t = 0; selected && t < all->count; t++)
		if (selected[t])
			some.tests[some.count++] = all->tests[t];
	config.bug = bug;
	config.schedules = (struct schedules){
		.kind = SCHEDULES_PCT, .seed = 1, .depth = SCHEDULES_DEPTH, .runs = SCHEDULES};
	if (mutants->deep) {
		config.schedules = (struct schedules){
			.kind = SCHEDULES_BOUNDED, .bound = DEEP_BOUND, .runs = DEEP_SCHEDULES};
		pool.timeout = DEEP_TIMEOUT;
	}
	config.oracles = way == WAY_COUNT ? ORACLE_ALL : ways[way].oracles;
	bool complete = !look.suite->count || suite_run_all(look.suite, &config, &pool);
	free(some.tests);
	if (way == WAY_COUNT)
		mutants->cut = look.cut;
	return complete;
}

/* Something that only one oracle, or only the sanitizers, see in the whole suite. */
static void count_alone(struct mutants *mutants, uint16_t bug, const struct capture *captures)
{
	unsigned only = 0, seen = 0;

	for (unsigned way = WAY_MODEL; way < WAY_COUNT; way++)
		if (captures[way].caught) {
			only = way;
			seen++;
		}
	/* What a call shows, the sanitizers are not needed for. */
	if (mutants->cut || seen != 1 || (only == WAY_SANITIZER && captures[WAY_SUITE].caught))
		return;
	if (!mutants->alone[only]++)
		snprintf(mutants->control[only], sizeof(mutants->control[only]), "%s in %s",
			sim_bug_info(bug)->name, captures[only].test);
}

/* What a list says about a defect, up to the end of the line; or NULL. */
static const char *listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = list; line && *line;) {
		if (strncmp(line, name, length) == 0 && strchr(" \t", line[length]))
			return line + length + strspn(line + length, " \t");
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return NULL;
}

static bool seen_by_suite(const struct capture *captures)
{
	return captures[WAY_SUITE].caught || captures[WAY_SANITIZER].caught;
}

static void print_mutant(
	struct mutants *mutants, const struct sim_bug_info *info, const struct capture *captures)
{
	const char *reason = listed(mutants->survivors, info->name);
	bool caught = seen_by_suite(captures);

	printf("%-28s %-8s", info->name, caught ? "caught" : "SURVIVED");
	for (unsigned way = 0; way < WAY_COUNT; way++)
		if (captures[way].caught)
			printf(" %s", ways[way].name);
	if (caught)
		printf("; first in %s",
			captures[captures[WAY_SUITE].caught ? WAY_SUITE : WAY_SANITIZER].test);
	putchar('\n');
	if (!caught)
		printf("    %s: %s\n", info->where, info->what);
	if (!caught && reason)
		printf("    listed: %.*s\n", (int)strcspn(reason, "\n"), reason);
	if (caught != !reason) {
		printf("    %s\n", caught ? "LISTED in conformance/survivors, but caught"
					  : "NOT LISTED in conformance/survivors");
		mutants->unlisted++;
	}
	fflush(stdout);
}

/* All schedules of a bound, of the programs that have any; what is seen is enough. */
static bool look_deep(
	struct mutants *mutants, uint16_t bug, const char *only, struct capture *captures)
{
	const struct suite *suite = &mutants->check->suite;
	bool *selected;

	if (seen_by_suite(captures))
		return true;
	selected = tool_grow(NULL, suite->count, sizeof(*selected));
	for (size_t t = 0; t < suite->count; t++)
		selected[t] = mutants->clean[t] &&
			      (!only || strcmp(suite->tests[t].id, only) == 0) &&
			      prog_has_threads(&suite->tests[t].text.prog);
	mutants->deep = true;
	bool complete = look_at(mutants, bug, WAY_SUITE, selected, captures);
	mutants->deep = false;
	free(selected);
	return complete;
}

/* The suite alone, one program of it or (NULL) all: at first as it is, then searched. */
static bool look_with_suite(
	struct mutants *mutants, uint16_t bug, const char *only, struct capture *captures)
{
	const struct suite *suite = &mutants->check->suite;
	bool *selected = tool_grow(NULL, suite->count, sizeof(*selected));

	for (size_t t = 0; t < suite->count; t++)
		selected[t] = !only || strcmp(suite->tests[t].id, only) == 0;
	bool complete = look_at(mutants, bug, WAY_SUITE, selected, captures) &&
			look_deep(mutants, bug, only, captures);
	free(selected);
	return complete;
}

/* The suite alone: most defects are shown by the program that showed them the last time. */
static bool run_mutant_quick(struct mutants *mutants, uint16_t bug)
{
	const struct sim_bug_info *info = sim_bug_info(bug);
	struct capture captures[WAY_COUNT] = {0};
	const char *listed_first = listed(mutants->first, info->name);
	char first[64] = "";

	if (listed_first)
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(listed_first, " \t\n"),
			listed_first);
	if (*first && !look_with_suite(mutants, bug, first, captures))
		return false;
	if (*first && !seen_by_suite(captures)) {
		printf("%s is not shown by %s, which conformance/caught names\n", info->name,
			first);
		mutants->moved++;
	}
	if (!seen_by_suite(captures) && !look_with_suite(mutants, bug, NULL, captures))
		return false;
	mutants->caught[WAY_SUITE] += seen_by_suite(captures);
	mutants->crashed += captures[WAY_SANITIZER].caught && !captures[WAY_SUITE].caught;
	mutants->total++;
	print_mutant(mutants, info, captures);
	return true;
}

static bool run_mutant(struct mutants *mutants, uint16_t bug)
{
	struct capture captures[WAY_COUNT] = {0};
	bool any = false;

	memset(mutants->noticed, 0, mutants->check->suite.count * sizeof(bool));
	/* An oracle that sees something makes all of them together see something: tests in which
	 * these see nothing need not be run for each. */
	if (!look_at(mutants, bug, WAY_SUITE, NULL, captures) ||
		!look_deep(mutants, bug, NULL, captures) ||
		!look_at(mutants, bug, WAY_COUNT, NULL, captures))
		return false;
	for (unsigned way = WAY_MODEL; way < WAY_SANITIZER; way++)
		if (!look_at(mutants, bug, way, mutants->noticed, captures))
			return false;
	for (unsigned way = 0; way < WAY_COUNT; way++) {
		mutants->caught[way] += captures[way].caught;
		any = any || captures[way].caught;
	}
	/* A crash ends the test of a suite without oracles too. */
	if (captures[WAY_SANITIZER].caught && !captures[WAY_SUITE].caught) {
		mutants->caught[WAY_SUITE]++;
		mutants->crashed++;
	}
	mutants->total++;
	mutants->caught_by_any += any;
	count_alone(mutants, bug, captures);
	print_mutant(mutants, sim_bug_info(bug), captures);
	return true;
}

/* What conformance/survivors and the score say of a run that went well otherwise. */
static int judge(const struct mutants *mutants, bool good)
{
	if (mutants->failing)
		return TOOL_BROKEN;
	if (mutants->unlisted)
		return TOOL_FAILED;
	/* One defect alone says nothing about the score. */
	if (mutants->check->config.bug)
		return mutants->caught[WAY_SUITE] || mutants->caught_by_any ? TOOL_OK : TOOL_FAILED;
	return good && mutants->caught[WAY_SUITE] * 100 >= mutants->total * GOAL ? TOOL_OK
										 : TOOL_FAILED;
}

static int print_score_quick(const struct mutants *mutants)
{
	uint32_t suite = mutants->caught[WAY_SUITE], total = mutants->total;

	printf("\n%u defects: %u caught by the suite alone (%.1f %%, goal %d %%), %u of them "
	       "because "
	       "a sanitizer ended the test; %u by another program than the last time\n",
		total, suite, total ? 100.0 * suite / total : 0, GOAL, mutants->crashed,
		mutants->moved);
	return judge(mutants, true);
}

static int print_score(const struct mutants *mutants)
{
	uint32_t suite = mutants->caught[WAY_SUITE], total = mutants->total, without = 0;

	fputs("\neach way alone: defects caught; of these, seen by nothing else in the whole "
	      "suite\n",
		stdout);
	printf("  %-10s %3u, %u of them because a sanitizer ended the test\n", ways[WAY_SUITE].name,
		suite, mutants->crashed);
	for (unsigned way = WAY_MODEL; way < WAY_COUNT; way++) {
		printf("  %-10s %3u %3u%s%s\n", ways[way].name, mutants->caught[way],
			mutants->alone[way],
			mutants->alone[way] ? "  as " : "  NO DEFECT OF ITS OWN",
			mutants->control[way]);
		without += !mutants->alone[way];
	}
	printf("%u defects: %u caught by the suite alone (%.1f %%, goal %d %%), %u with the "
	       "oracles\n",
		total, suite, total ? 100.0 * suite / total : 0, GOAL, mutants->caught_by_any);
	return judge(mutants, !without);
}

/* Lines of a list that name no defect; '#' begins a comment. */
static uint32_t count_unknown(const char *file, const char *list)
{
	uint32_t unknown = 0;

	for (const char *line = list; *line;) {
		size_t length = strcspn(line, "\n"), word = strcspn(line, " \t\n");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)word, line);
		if (word && *line != '#' && !sim_bug_find(name)) {
			tool_error("conformance/%s: there is no defect '%s'", file, name);
			unknown++;
		}
		line += length + (line[length] == '\n');
	}
	return unknown;
}

/* NULL: a message was printed. */
static char *read_list(const char *folder, const char *file)
{
	char *path = tool_grow(NULL, strlen(folder) + strlen(file) + 2, 1);
	size_t size;

	sprintf(path, "%s/%s", folder, file);
	char *list = (char *)files_read(path, &size);
	free(path);
	if (list && !count_unknown(file, list))
		return list;
	free(list);
	return NULL;
}

static bool read_lists(struct mutants *mutants, bool quick)
{
	char *folder = files_tree("conformance");

	if (!folder) {
		tool_error("check --mutants: no folder 'conformance' here or above the binary");
		return false;
	}
	mutants->survivors = read_list(folder, "survivors");
	if (quick && mutants->survivors)
		mutants->first = read_list(folder, "caught");
	free(folder);
	return mutants->survivors && (!quick || mutants->first);
}

int check_mutants(struct check *check, bool quick)
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
	if (!read_lists(&mutants, quick)) {
		free(mutants.survivors);
		return TOOL_BROKEN;
	}
	uint16_t only = check->config.bug;
	check->config.bug = 0;
	mutants.clean = tool_grow(NULL, check->suite.count, sizeof(bool));
	mutants.noticed = tool_grow(NULL, check->suite.count, sizeof(bool));
	memset(mutants.clean, 0, check->suite.count * sizeof(bool));
	bool complete = suite_run_all(&check->suite, &check->config, &pool);
	check->config.bug = only;
	for (uint16_t bug = 1; complete && bug < SIM_BUG_COUNT; bug++)
		if (!only || only == bug)
			complete = (quick ? run_mutant_quick : run_mutant)(&mutants, bug);
	int code = !complete ? TOOL_INTERRUPTED
		   : quick   ? print_score_quick(&mutants)
			     : print_score(&mutants);
	free(mutants.clean);
	free(mutants.noticed);
	free(mutants.survivors);
	free(mutants.first);
	return code;
}
