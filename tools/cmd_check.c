/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz check: runs suites of programs as tests. */
#include "tools/check.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "impl/sim/bugs.h"
#include "tools/files.h"
#include "tools/tool.h"

#define QUIET_MILLISECONDS  100
#define CHECK_SCHEDULE_RUNS 1000

enum {
	CHECK_TARGET,
	CHECK_KERNEL,
	CHECK_FILTER,
	CHECK_FORMAT,
	CHECK_JSON,
	CHECK_ORACLES,
	CHECK_NO_ORACLES,
	CHECK_BUG,
	CHECK_JOBS,
	CHECK_TIMEOUT,
	CHECK_CALL_TIMEOUT,
	CHECK_DEVICE,
	CHECK_REPEAT,
	CHECK_EMBEDDED,
	CHECK_LIST,
	CHECK_REQUIREMENTS,
	CHECK_MUTANTS,
	CHECK_QUICK,
	CHECK_SCHEDULES,
	CHECK_SEED,
	CHECK_EXPLORE,
	CHECK_VERBOSE,
};

static const struct option_spec check_options[] = {
	[CHECK_TARGET] = {"target", 't', "TARGET",
		"What is tested: inproc (the implementation, default), model (the reference\n"
		"model) or live (the running kernel: docs/LIVE.md)."},
	[CHECK_KERNEL] = {"kernel", 'k', "VERSION",
		"The kernel profile, from 6.2 to the newest (default; with the target live\n"
		"the running kernel's). A program's own `sim kernel=` comes first."},
	[CHECK_FILTER] = {"filter", 'f', "GLOB", "Only tests whose id matches, as 'ioas-map-*'."},
	[CHECK_FORMAT] = {"format", 'F', "FORMAT", "tap (TAP 13, default), tap14, ktap or junit."},
	[CHECK_JSON] = {"json", 'j', "FILE", "Writes all results as JSON too."},
	[CHECK_ORACLES] = {"oracles", 'o', "LIST",
		"Oracles that watch each run: all (default), none, or some of model, audit,\n"
		"isolation, rollback, machine, scheduler, joined by commas. Only with the\n"
		"target inproc."},
	[CHECK_NO_ORACLES] = {"no-oracles", 0, NULL,
		"The same as --oracles none: expectations alone."},
	[CHECK_BUG] = {"bug", 'b', "NAME",
		"Switches a defect on (bugs build); the suite should fail."},
	[CHECK_JOBS] = {"jobs", 'J', "N", "Worker processes (default 1)."},
	[CHECK_TIMEOUT] = {"timeout", 0, "SECONDS",
		"A test that takes longer has failed (default 60). In-process it is its processor\n"
		"time that counts, or 20 times as long by the clock."},
	[CHECK_CALL_TIMEOUT] = {"call-timeout", 0, "SECONDS",
		"With the target live: a call that takes longer hangs, and its test has\n"
		"failed (default 10)."},
	[CHECK_DEVICE] = {"device", 'd', "ADDRESS",
		"With the target live: lends the PCI device at ADDRESS (0000:00:02.0) to the\n"
		"programs. It is bound to vfio-pci and given back to its driver in the end.\n"
		"May be given several times; devices that are not named are not touched."},
	[CHECK_REPEAT] = {"repeat", 0, "N",
		"With the target live: runs of each program with threads, as real threads\n"
		"(default 20)."},
	[CHECK_EMBEDDED] = {"embedded", 0, NULL,
		"Runs the suites that are compiled in, also where the source tree is found."},
	[CHECK_LIST] = {"list", 'l', NULL, "Prints the ids of the tests, runs nothing."},
	[CHECK_REQUIREMENTS] = {"requirements", 0, NULL,
		"Runs nothing; lists every requirement of conformance/requirements with the\n"
		"programs that show it. Exit 1 if one in scope is not shown or a program\n"
		"names one that does not exist, or expects failures alone without a twin."},
	[CHECK_MUTANTS] = {"mutants", 0, NULL,
		"Runs the suite once per switchable defect (bugs build) and tells which are\n"
		"caught, by what. Exit 1 if the suite alone catches less than 95 %, if an\n"
		"oracle or the sanitizers have no defect that nothing else sees, or if\n"
		"conformance/survivors is not the list of those that the suite misses."},
	[CHECK_QUICK] = {"quick", 0, NULL,
		"With --mutants: the suite alone, without the oracles, and for each defect first\n"
		"the program that conformance/caught names."},
	[CHECK_SCHEDULES] = {"schedules", 's', "N",
		"Random schedules of each program with threads (default 1000)."},
	[CHECK_SEED] = {"seed", 'S', "N", "Of those schedules (default 1)."},
	[CHECK_EXPLORE] = {"explore", 'e', "BOUND",
		"Instead: all schedules of each program with threads that have at most so\n"
		"many forced switches; their number is printed with the test. A test may\n"
		"then take 3600 seconds."},
	[CHECK_VERBOSE] = {"verbose", 'v', NULL,
		"Tells of results that a program allows and no schedule gave."},
	{0},
};

static void show(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	report_test(context, test, result, log);
	/* A reader of the pipe sees each test when it is done. */
	fflush(((struct report *)context)->out);
}

static int exit_code(const struct report *report, bool complete)
{
	const uint32_t *counts = report->counts;

	if (!complete)
		return TOOL_INTERRUPTED;
	if (counts[TEST_BROKEN])
		return TOOL_BROKEN;
	if (counts[TEST_FAIL] || counts[TEST_KNOWN_PASS])
		return TOOL_FAILED;
	return counts[TEST_SKIP] == report->number ? TOOL_SKIPPED : TOOL_OK;
}

/* What report_run points at. */
struct origin {
	struct report_run run;
	const char *devices[LIVE_DEVICE_MAX];
};

static void describe_origin(const struct check *check, struct origin *origin)
{
	const struct machine *machine = &check->machine;

	*origin = (struct origin){.run = {.start = (int64_t)time(NULL)}};
	if (check->json)
		origin->run.suite_digest = suite_digest(&check->suite);
	if (!check->config.probe)
		return;
	origin->run.probe = check->config.probe;
	origin->run.no_log = machine->log ? NULL : machine->no_log;
	for (unsigned n = 0; n < live_device_count(); n++)
		origin->devices[origin->run.device_count++] = live_device_address(n);
	origin->run.devices = origin->devices;
}

/* Work that the last test has left to the kernel is looked at, too. */
static bool kernel_is_quiet(const struct check *check)
{
	char title[300], text[4096];

	if (!check->machine.log)
		return true;
	poll(NULL, 0, QUIET_MILLISECONDS);
	if (!machine_log(check->machine.log, title, sizeof(title), text, sizeof(text)))
		return true;
	tool_error("check: the kernel's log, behind the last test: %s", title);
	return false;
}

/* Whether schedules are chosen for any of the tests. */
static bool has_threads(const struct check *check)
{
	for (size_t i = 0; !check->config.probe && i < check->suite.count; i++) {
		const struct prog *prog = &check->suite.tests[i].text.prog;

		if (prog_has_threads(prog) && !prog->switch_count && !prog->schedule_count)
			return true;
	}
	return false;
}

static int run_suite(const struct check *check)
{
	struct origin origin;
	struct report report = {
		.format = check->format,
		.out = stdout,
		.run = &origin.run,
		.target = check->config.target->name,
		.kernel = suite_kernel(&check->config),
		.schedules = &check->config.schedules,
	};
	struct suite_pool pool = {
		.jobs = check->jobs,
		.timeout = check->timeout,
		.call_timeout = check->call_timeout,
		.done = show,
		.context = &report,
		.kernel_log = check->machine.log ? machine_log : NULL,
		.log = check->machine.log,
	};
	char *json = NULL;
	size_t json_bytes = 0;

	describe_origin(check, &origin);
	report.threads = has_threads(check);
	if (check->json && !files_can_write(check->json))
		return TOOL_BROKEN;
	if (check->json)
		report.json = open_memstream(&json, &json_bytes);
	report_begin(&report, check->suite.count);
	bool complete = suite_run_all(&check->suite, &check->config, &pool);
	report_end(&report, !complete);
	int code = exit_code(&report, complete);
	if (!kernel_is_quiet(check) && (code == TOOL_OK || code == TOOL_SKIPPED))
		code = TOOL_FAILED;
	if (report.json) {
		fclose(report.json);
		if (!files_write(check->json, json, json_bytes))
			code = TOOL_BROKEN;
		free(json);
	}
	return code;
}

static bool set_oracles(struct check *check, const char *list)
{
	if (oracle_parse(list, &check->config.oracles))
		return true;
	tool_error("--oracles: expected all, none, or some of model, audit, isolation, rollback, "
		   "machine, scheduler, found '%s'",
		list);
	return false;
}

static bool set_bug(struct check *check, const char *name)
{
	const char *names[SIM_BUG_COUNT + 1];
	size_t count = 0;

	check->config.bug = sim_bug_find(name);
	if (check->config.bug && sim_bugs_built())
		return true;
	if (check->config.bug) {
		tool_error("--bug: this build has no switchable defects; use the bugs preset");
		return false;
	}
	for (uint16_t bug = 1; bug < SIM_BUG_COUNT; bug++)
		names[count++] = sim_bug_info(bug)->name;
	names[count] = NULL;
	tool_error_near(name, names, "--bug: there is no defect '%s'", name);
	return false;
}

/* The tests of the source tree: conformance and what was once found. */
static bool load_tree(struct check *check, const char *conformance)
{
	char *regress = files_tree("corpus/regress");
	bool found = suite_load(&check->suite, conformance, &check->config);

	/* Nothing may have been found yet. */
	if (found && regress && files_has_programs(regress))
		found = suite_load(&check->suite, regress, &check->config);
	free(regress);
	return found;
}

/* From the tree, or compiled in where there is none; and the framing of each call. */
static bool load_default(struct check *check)
{
	char *conformance = check->embedded ? NULL : files_tree("conformance");
	bool found = true;

	if (conformance)
		found = load_tree(check, conformance);
	else
		suite_load_embedded(&check->suite, &check->config);
	if (found)
		framing_add(&check->suite, &check->config);
	free(conformance);
	return found;
}

struct check_words {
	const char **paths;
	size_t count;
	bool requirements, mutants, quick, list;
};

/* An exit code, or -1 to go on. */
static int read_option(
	struct check *check, struct check_words *words, int option, const char *value)
{
	uint64_t number = 0;
	bool right = true;

	switch (option) {
	case CHECK_TARGET:
		check->config.target = machine_target(value);
		right = check->config.target != NULL;
		break;
	case CHECK_KERNEL: right = tool_kernel(value, &check->config.kernel); break;
	case CHECK_FILTER: check->config.filter = value; break;
	case CHECK_FORMAT: right = report_set_format(value, &check->format); break;
	case CHECK_JSON: check->json = value; break;
	case CHECK_ORACLES: right = set_oracles(check, value); break;
	case CHECK_NO_ORACLES: check->config.oracles = 0; break;
	case CHECK_BUG: right = set_bug(check, value); break;
	case CHECK_JOBS:
		right = tool_number("jobs", value, 1, 64, &number);
		check->jobs = (unsigned)number;
		break;
	case CHECK_TIMEOUT:
		right = tool_number("timeout", value, 1, 86400, &number);
		check->timeout = (unsigned)number;
		break;
	case CHECK_CALL_TIMEOUT:
		right = tool_number("call-timeout", value, 1, 86400, &number);
		check->call_timeout = (unsigned)number;
		break;
	case CHECK_DEVICE: right = machine_name_device(&check->machine, value); break;
	case CHECK_REPEAT:
		right = tool_number("repeat", value, 1, 1000000, &number);
		check->config.repeats = (unsigned)number;
		break;
	case CHECK_EMBEDDED: check->embedded = true; break;
	case CHECK_LIST: words->list = true; break;
	case CHECK_REQUIREMENTS: words->requirements = true; break;
	case CHECK_MUTANTS: words->mutants = true; break;
	case CHECK_QUICK: words->quick = true; break;
	case CHECK_SCHEDULES:
		check->config.schedules.kind = SCHEDULES_RANDOM;
		right = tool_number(
			"schedules", value, 1, UINT64_MAX, &check->config.schedules.runs);
		break;
	case CHECK_SEED:
		right = tool_number("seed", value, 0, UINT64_MAX, &check->config.schedules.seed);
		break;
	case CHECK_EXPLORE:
		check->config.schedules.kind = SCHEDULES_BOUNDED;
		check->config.schedules.runs = 0;
		right = tool_number("explore", value, 0, SCHEDULES_BOUND_MAX, &number);
		check->config.schedules.bound = (unsigned)number;
		break;
	case CHECK_VERBOSE: check->config.verbose = true; break;
	case OPTIONS_WORD:
		words->paths = tool_grow(words->paths, words->count + 1, sizeof(*words->paths));
		words->paths[words->count++] = value;
		break;
	case OPTIONS_HELP: return TOOL_OK;
	default: return TOOL_BROKEN;
	}
	return right ? -1 : TOOL_BROKEN;
}

static bool load_suites(struct check *check, const struct check_words *words)
{
	bool loaded = true;

	for (size_t i = 0; loaded && i < words->count; i++)
		loaded = suite_load(&check->suite, words->paths[i], &check->config);
	return words->count ? loaded : load_default(check);
}

static int list_tests(const struct suite *suite)
{
	for (size_t i = 0; i < suite->count; i++)
		puts(suite->tests[i].id);
	return tool_exit(TOOL_OK);
}

/* A target that is not to be had is one message here, not one failure a test. */
static int open_target(struct check *check)
{
	const char *reason;

	if (check->config.target == &target_live) {
		int code = machine_open(&check->machine, "check");

		check->config.probe = &check->machine.probe;
		check->config.devices = live_device_count();
		return code;
	}
	if (check->machine.named_count) {
		tool_error("check: --device is for --target live");
		return TOOL_BROKEN;
	}
	struct suite_runner *runner = suite_open(&check->config, &reason);
	if (!runner) {
		tool_error("target %s: %s", check->config.target->name, reason);
		return TOOL_BROKEN;
	}
	suite_close(runner);
	return -1;
}

static int run_check(struct check *check, const struct check_words *words)
{
	if (words->quick && !words->mutants) {
		tool_error("check: --quick is for --mutants");
		return TOOL_BROKEN;
	}
	bool runs = !words->requirements && !words->mutants && !words->list;
	int code = runs ? open_target(check) : -1;

	if (code >= 0)
		return code;
	/* The index is about all programs. */
	if (words->requirements)
		check->config.filter = NULL;
	if (!load_suites(check, words))
		return TOOL_BROKEN;
	if (words->requirements)
		return check_requirements(check);
	if (words->mutants)
		return check_mutants(check, words->quick);
	if (!check->suite.count) {
		tool_error("check: no test matches '%s'",
			check->config.filter ? check->config.filter : "*");
		return TOOL_BROKEN;
	}
	return words->list ? list_tests(&check->suite) : run_suite(check);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct check check = {
		.config = {.target = &target_inproc,
			.oracles = ORACLE_ALL,
			.schedules = {.kind = SCHEDULES_RANDOM,
				.seed = 1,
				.runs = CHECK_SCHEDULE_RUNS,
				.depth = SCHEDULES_DEPTH}},
		.jobs = 1,
		.machine = {.keeper = -1},
	};
	struct check_words words = {0};
	struct options options;
	const char *value;
	int code = -1;

	options_init(&options, command, argc, argv);
	for (int option; code < 0 && (option = options_next(&options, &value)) != OPTIONS_END;)
		code = read_option(&check, &words, option, value);
	if (!check.timeout)
		check.timeout = check.config.schedules.kind == SCHEDULES_BOUNDED ? 3600 : 60;
	if (code < 0)
		code = run_check(&check, &words);
	if (!machine_close(&check.machine))
		code = TOOL_BROKEN;
	suite_free(&check.suite);
	free(words.paths);
	return code;
}

const struct command command_check = {
	.name = "check",
	.brief = "run conformance tests",
	.synopsis = "iommuzz check [OPTION]... [SUITE]...\n"
		    "iommuzz check --requirements\n"
		    "iommuzz check --mutants [--quick]",
	.description =
		"Runs programs as tests: every call must give what the program expects "
		"(docs/PROGRAMS.md),\n"
		"and the oracles must find nothing. A SUITE is a program as text, a folder "
		"(searched for\n"
		"NAME.prog) or - (one program from standard input). Crash files of fuzzing "
		"engines hold no\n"
		"expectations: iommuzz run runs them, iommuzz min makes tests of them.\n\n"
		"Without a SUITE, conformance/ and corpus/regress/ of the source tree are "
		"run (where there is\n"
		"none, as they were when the command was built), and the\n"
		"framing tests that are generated for every ioctl of the catalogue (ids "
		"framing-CALL-CASE).\n\n"
		"A test that does not apply (kernel profile, what the target lacks) is "
		"skipped with the\n"
		"reason. One that its header names as known to fail does not count when it "
		"fails, and is a\n"
		"failure when it passes. Tests run in worker processes: one that crashes or "
		"hangs has failed,\n"
		"and the others still run.\n\n"
		"A program with threads runs under 1000 random schedules, or under its own alone "
		"if it has one\n"
		"(docs/SCHEDULES.md); its expectations and the oracles must hold behind each. A "
		"failure names\n"
		"the forced switches that repeat it.\n\n"
		"On a real kernel (--target live) no oracle looks on; what the machine lacks "
		"is skipped (iommuzz\n"
		"probe shows it), and what the kernel reports in its log while a test runs "
		"fails that test.",
	.options = check_options,
	.exit_status =
		"0    all tests passed (or were skipped, or failed as known)\n"
		"1    a test failed, or passed unexpectedly\n"
		"2    wrong usage, a broken program, a broken harness\n"
		"77   every test was skipped, or there is no /dev/iommu for the target live\n"
		"130  interrupted",
	.examples = "iommuzz check\n"
		    "iommuzz check --kernel 6.6 --filter 'ioas-*'\n"
		    "iommuzz check --explore 2 conformance/race\n"
		    "iommuzz check --target live --json results.json\n"
		    "prove --ext .prog -r -e 'iommuzz check' conformance/map\n"
		    "iommuzz check --format junit --json results.json > results.xml",
	.run = run,
};
