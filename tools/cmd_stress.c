/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz stress: programs with threads, run by real threads again and again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/target_inproc.h"
#include "fuzz/oracle/interleave.h"
#include "fuzz/prog/generate.h"
#include "impl/sim/bugs.h"
#include "tools/files.h"
#include "tools/suite.h"
#include "tools/tool.h"

#define RUNS_DEFAULT   100
#define BATCH	       10   /* runs of one program before the next one has its turn */
#define OUTCOMES       256  /* different ones that are told apart, a program */
#define GENERATE_CALLS 4    /* threads of generated programs */
#define SEARCH_RUNS    500u /* of the model, for one outcome */
#define HANG_SECONDS   20

enum {
	STRESS_RUNS,
	STRESS_SECONDS,
	STRESS_SEED,
	STRESS_GENERATE,
	STRESS_FILTER,
	STRESS_KERNEL,
	STRESS_BUG,
	STRESS_HANG,
	STRESS_QUIET,
};

static const struct option_spec stress_options[] = {
	[STRESS_RUNS] = {"runs", 'n', "N", "Runs of each program (default 100)."},
	[STRESS_SECONDS] = {"seconds", 't', "N",
		"Ends behind so many seconds, each program with as many runs as it got."},
	[STRESS_SEED] = {"seed", 's', "N", "Of delays and generated programs (default 1)."},
	[STRESS_GENERATE] = {"generate", 'g', "N",
		"Runs N generated programs too; alone, where no SUITE is named."},
	[STRESS_FILTER] = {"filter", 'f', "GLOB", "Only programs whose id matches."},
	[STRESS_KERNEL] = {"kernel", 'k', "VERSION", "The kernel profile (default: the newest)."},
	[STRESS_BUG] = {"bug", 'b', "NAME", "Switches a defect on (bugs build)."},
	[STRESS_HANG] = {"hang", 0, "SECONDS", "Threads that take longer hang (default 20)."},
	[STRESS_QUIET] = {"quiet", 'q', NULL, "Only what is wrong, and the sum at the end."},
	{0},
};

struct subject {
	const struct test *test;
	uint32_t runs, outcomes;
	uint64_t digests[OUTCOMES];
	bool ended; /* something was found, or it does not apply */
};

struct stress {
	struct suite_config config;
	struct suite suite;
	struct oracle_run *oracles;
	struct subject *subjects;
	size_t count;
	uint64_t runs, seconds, seed, generate, hang, start;
	uint64_t total, failed, skipped;
	bool quiet;
};

static void note_outcome(struct subject *subject, uint64_t digest)
{
	for (uint32_t i = 0; i < subject->outcomes; i++)
		if (subject->digests[i] == digest)
			return;
	if (subject->outcomes < OUTCOMES)
		subject->digests[subject->outcomes++] = digest;
}

static void show_program(const struct test *test)
{
	char *text = prog_print_string(&test->text);

	if (text)
		fputs(text, stdout);
	free(text);
}

static void show_failure(struct stress *stress, struct subject *subject, uint64_t seed,
	const struct finding *finding, const struct test_result *result)
{
	const struct test *test = subject->test;

	printf("%s: run %u, seed %" PRIu64 ":\n", test->id, subject->runs, seed);
	if (finding->oracle)
		oracle_print(finding, &test->text.prog, stdout);
	else
		printf("line %u: %s: %s\n", result->line, result->call, result->message);
	if (!test->path)
		show_program(test);
	stress->failed++;
	subject->ended = true;
}

/* What a program says of results holds in every order, unless it forces one. */
static bool meets_expectations(
	struct stress *stress, const struct test *test, struct test_result *result)
{
	uint16_t kernel = test->text.prog.options.kernel ? test->text.prog.options.kernel
							 : suite_kernel(&stress->config);

	return test->text.prog.switch_count || !test->path ||
	       suite_judge(test, oracle_exec(stress->oracles), kernel, true, result);
}

static void run_once(struct stress *stress, struct subject *subject)
{
	uint64_t seed = stress->seed + subject->runs * UINT64_C(0x10001);
	struct exec_parallel parallel = {
		.seed = random_mix(&seed), .seconds = (unsigned)stress->hang};
	struct finding finding = {0};
	struct test_result result = {0};

	oracle_set_parallel(stress->oracles, &parallel);
	bool good = oracle_run_program(stress->oracles, &subject->test->text.prog, &finding);
	if (oracle_skipped(stress->oracles)) {
		if (!stress->quiet)
			printf("%s: skipped: %s\n", subject->test->id,
				oracle_skipped(stress->oracles));
		stress->skipped++;
		subject->ended = true;
		return;
	}
	subject->runs++;
	stress->total++;
	note_outcome(subject, trace_thread_digest(oracle_trace(stress->oracles)));
	if (!good || !meets_expectations(stress, subject->test, &result))
		show_failure(stress, subject, parallel.seed, &finding, &result);
}

static bool time_is_over(const struct stress *stress)
{
	return stress->seconds &&
	       tool_clock() - stress->start >= stress->seconds * UINT64_C(1000000);
}

/* Turns of a few runs each, so that a limit in time cuts all programs alike. */
static void run_all(struct stress *stress)
{
	bool more = true;

	while (more && !time_is_over(stress)) {
		more = false;
		for (size_t i = 0; i < stress->count && !time_is_over(stress); i++) {
			struct subject *subject = &stress->subjects[i];

			/* Another program: what was right for the last one is forgotten. */
			oracle_set_strategy(stress->oracles, NULL);
			for (unsigned n = 0;
				n < BATCH && !subject->ended && subject->runs < stress->runs; n++)
				run_once(stress, subject);
			more |= !subject->ended && subject->runs < stress->runs;
		}
	}
}

/* -- which programs -- */

static bool applies(const struct stress *stress, const struct test *test)
{
	const struct prog_header *header = &test->text.header;
	uint16_t kernel = test->text.prog.options.kernel ? test->text.prog.options.kernel
							 : suite_kernel(&stress->config);
	bool right = !test->broken && prog_has_threads(&test->text.prog);

	return right && (!header->since || kernel >= header->since) &&
	       (!header->until || kernel <= header->until) &&
	       (!test->text.prog.options.bug || sim_bugs_built());
}

static bool add_generated(struct stress *stress)
{
	const struct generate_options options = {
		.kernel = stress->config.kernel, .threads = GENERATE_CALLS};
	struct prog prog;

	prog_init(&prog);
	for (uint64_t i = 0; i < stress->generate; i++) {
		struct prog_text text = {0};
		struct random random;
		char id[40];

		random_seed(&random, stress->seed + i);
		prog_generate(&prog, &random, &options);
		snprintf(id, sizeof(id), "generated-%" PRIu64, stress->seed + i);
		prog_text_init(&text);
		prog_copy(&text.prog, &prog);
		char *source = prog_print_string(&text);
		if (source)
			suite_add_source(&stress->suite, id, source, &stress->config);
		free(source);
		prog_text_free(&text);
	}
	prog_free(&prog);
	return true;
}

/* A file that cannot be read or parsed must not pass for one without threads. */
static bool all_parse(const struct stress *stress)
{
	bool good = true;

	for (size_t i = 0; i < stress->suite.count; i++) {
		const struct test *test = &stress->suite.tests[i];

		if (test->broken)
			tool_error("%s", test->broken);
		good &= !test->broken;
	}
	return good;
}

static bool load(struct stress *stress, const char *const *paths, size_t count)
{
	static const char *const folders[] = {"conformance/race", "corpus/regress"};
	bool good = true;

	for (size_t i = 0; good && i < count; i++)
		good = suite_load(&stress->suite, paths[i], &stress->config);
	for (size_t i = 0; good && !count && !stress->generate && i < 2; i++) {
		char *folder = files_tree(folders[i]);

		good = folder && suite_load(&stress->suite, folder, &stress->config);
		if (!folder)
			tool_error("stress: no %s here; name a SUITE", folders[i]);
		free(folder);
	}
	if (!good || !all_parse(stress) || !add_generated(stress))
		return false;
	stress->subjects = tool_grow(NULL, stress->suite.count + 1, sizeof(*stress->subjects));
	memset(stress->subjects, 0, (stress->suite.count + 1) * sizeof(*stress->subjects));
	for (size_t i = 0; i < stress->suite.count; i++)
		if (applies(stress, &stress->suite.tests[i]))
			stress->subjects[stress->count++].test = &stress->suite.tests[i];
	if (!stress->count)
		tool_error("stress: no program with threads among %zu", stress->suite.count);
	return stress->count;
}

/* -- the command -- */

static bool set_bug(struct stress *stress, const char *name)
{
	stress->config.bug = sim_bug_find(name);
	if (stress->config.bug && sim_bugs_built())
		return true;
	tool_error(stress->config.bug
			   ? "--bug: %s: this build has no switchable defects; use the bugs preset"
			   : "--bug: there is no defect '%s'",
		name);
	return false;
}

static bool read_option(struct stress *stress, int option, const char *value)
{
	switch (option) {
	case STRESS_RUNS: return tool_number("runs", value, 1, UINT32_MAX, &stress->runs);
	case STRESS_SECONDS: return tool_number("seconds", value, 1, 86400, &stress->seconds);
	case STRESS_SEED: return tool_number("seed", value, 0, UINT64_MAX, &stress->seed);
	case STRESS_GENERATE: return tool_number("generate", value, 1, 1000000, &stress->generate);
	case STRESS_FILTER: stress->config.filter = value; return true;
	case STRESS_KERNEL: return tool_kernel(value, &stress->config.kernel);
	case STRESS_HANG: return tool_number("hang", value, 1, 86400, &stress->hang);
	case STRESS_BUG: return set_bug(stress, value);
	default: stress->quiet = true; return true;
	}
}

static int summary(const struct stress *stress)
{
	size_t several = 0;

	for (size_t i = 0; i < stress->count; i++) {
		const struct subject *subject = &stress->subjects[i];

		several += subject->outcomes > 1;
		if (!stress->quiet && subject->runs)
			printf("%-40s %6u runs %4u outcomes\n", subject->test->id, subject->runs,
				subject->outcomes);
	}
	const struct interleave *interleave = oracle_interleave(stress->oracles);
	printf("%" PRIu64 " runs of %zu programs with real threads, %zu with different outcomes; "
	       "%" PRIu64 " failed, %" PRIu64 " skipped, %" PRIu64 " undecided\n",
		stress->total, stress->count, several, stress->failed, stress->skipped,
		interleave ? interleave_undecided(interleave) : 0);
	return tool_exit(stress->failed ? TOOL_FAILED : TOOL_OK);
}

static int run_stress(struct stress *stress, const char *const *paths, size_t count)
{
	if (!load(stress, paths, count))
		return TOOL_BROKEN;
	stress->oracles = oracle_open(stress->config.kernel, ORACLE_ALL);
	if (!stress->oracles) {
		tool_error("stress: out of memory");
		return TOOL_BROKEN;
	}
	oracle_set_bug(stress->oracles, stress->config.bug);
	oracle_set_work_limit(stress->oracles, 0);
	if (oracle_scheduler(stress->oracles) && oracle_interleave(stress->oracles))
		interleave_set_limit(oracle_interleave(stress->oracles), SEARCH_RUNS);
	stress->start = tool_clock();
	run_all(stress);
	return summary(stress);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct stress stress = {.config = {.target = &target_inproc},
		.runs = RUNS_DEFAULT,
		.seed = 1,
		.hang = HANG_SECONDS};
	const char **paths = NULL, *value;
	struct options options;
	size_t count = 0;
	int option, code = -1;

	options_init(&options, command, argc, argv);
	while (code < 0 && (option = options_next(&options, &value)) != OPTIONS_END) {
		if (option == OPTIONS_HELP) {
			code = TOOL_OK;
		} else if (option == OPTIONS_WORD) {
			paths = tool_grow(paths, count + 1, sizeof(*paths));
			paths[count++] = value;
		} else if (option == OPTIONS_WRONG || !read_option(&stress, option, value)) {
			code = TOOL_BROKEN;
		}
	}
	if (code < 0)
		code = run_stress(&stress, paths, count);
	oracle_close(stress.oracles);
	free(stress.subjects);
	suite_free(&stress.suite);
	free(paths);
	return code;
}

const struct command command_stress = {
	.name = "stress",
	.brief = "run programs with real threads",
	.synopsis = "iommuzz stress [OPTION]... [SUITE]...",
	.description =
		"Runs programs with threads again and again, each thread of a program as an OS "
		"thread. What\n"
		"overlaps is chance, which delays between calls and at scheduling points vary; the "
		"results\n"
		"must be those that the model gives in some order of its steps, and those that the "
		"program\n"
		"expects. Meant for a build with ThreadSanitizer (preset tsan): a race that it "
		"reports is an\n"
		"access without a scheduling point, which fibers cannot see "
		"(docs/SCHEDULES.md).\n\n"
		"Without a SUITE: conformance/race and corpus/regress. Programs without threads "
		"are left out.\n"
		"Threads that do not end within 20 s (--hang) end the command with exit code 1 and "
		"a line "
		"that says in\n"
		"which call each of them is.",
	.options = stress_options,
	.exit_status = "0    nothing was found\n"
		       "1    a program failed, or its threads hung\n"
		       "2    wrong usage, a file that cannot be read or parsed, or nothing to run\n"
		       "66   ThreadSanitizer has reported something (preset tsan)",
	.examples = "build/tsan/iommuzz stress --seconds 60\n"
		    "build/tsan/iommuzz stress --generate 1000 --runs 20 --seed 7",
	.run = run,
};
