/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which outcomes programs with threads have: what each thread saw, over many schedules. Two builds,
 * or two ways to explore, are compared by writing the outcomes of one and giving them to the other
 * as known: outcomes that were not known are shown with a schedule.
 *
 * usage: outcomes [OPTION...] FILE.prog...
 *   --bound B        all schedules with at most B preemptions (default 1)
 *   --whole          without leaving out schedules that only repeat others
 *   --marked         in builds with every access: at marked points only, as in all others
 *   --random N       and N random walks
 *   --pct N          and N runs by PCT of depth 3
 *   --seed S         of these two, and of the first generated program
 *   --generate N     and N generated programs of two threads
 *   --runs-max N     of the schedules with few preemptions (default: all)
 *   --blind POINT    no switches at points of that name, as if they were not marked
 *   --bug NAME       a switched-on defect (builds with defects)
 *   --write FILE     writes "PROGRAM DIGEST" for each outcome
 *   --known FILE     outcomes that are not new
 * Exit: 0 nothing new, 1 something new, 2 usage, 3 an exploration that did not end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/generate.h"
#include "fuzz/prog/text.h"
#include "fuzz/schedule/every_access.h"
#include "fuzz/schedule/strategy.h"
#include "impl/sim/bugs.h"
#include "tools/run.h"

#define LEARN_RUNS   200
#define LEARN_ROUNDS 12
#define NEW_SHOWN    3

struct digests {
	uint64_t *set;
	size_t count, room;
};

struct options {
	unsigned bound;
	bool reduce, marked;
	uint64_t random, pct, seed, runs_max, generate;
	int blind; /* enum schedule_point, -1: none */
	uint16_t bug;
	FILE *write;
	const char *known;
};

struct outcomes {
	const struct options *options;
	struct oracle_run *run;
	struct prog_text text;
	const char *name; /* of the program: the file's, without folder and ".prog" */
	struct digests seen, known;
	bool is_compared;
	uint64_t runs, left_out, learned;
	unsigned shown, new_outcomes;
	bool complete;
	unsigned all_new; /* of all programs */
	bool all_complete;
};

/* -- sets -- */

static bool digests_add(struct digests *digests, uint64_t digest)
{
	size_t at;

	digest |= 1;
	if (digests->count * 2 >= digests->room) {
		struct digests larger = {.room = digests->room ? digests->room * 2 : 1024};

		larger.set = calloc(larger.room, sizeof(*larger.set));
		if (!larger.set)
			abort();
		for (size_t i = 0; i < digests->room; i++)
			if (digests->set[i])
				digests_add(&larger, digests->set[i]);
		free(digests->set);
		*digests = larger;
	}
	for (at = digest % digests->room; digests->set[at]; at = (at + 1) % digests->room)
		if (digests->set[at] == digest)
			return false;
	digests->set[at] = digest;
	digests->count++;
	return true;
}

static bool digests_has(const struct digests *digests, uint64_t digest)
{
	digest |= 1;
	for (size_t at = digests->room ? digest % digests->room : 0;
		digests->room && digests->set[at]; at = (at + 1) % digests->room)
		if (digests->set[at] == digest)
			return true;
	return false;
}

static void read_known(struct outcomes *outcomes)
{
	char name[200];
	uint64_t digest;
	FILE *file;

	outcomes->known.count = 0;
	memset(outcomes->known.set, 0, outcomes->known.room * sizeof(*outcomes->known.set));
	file = fopen(outcomes->options->known, "r");
	if (!file) {
		fprintf(stderr, "outcomes: %s: cannot be read\n", outcomes->options->known);
		exit(2);
	}
	while (fscanf(file, "%199s %" SCNx64, name, &digest) == 2)
		if (strcmp(name, outcomes->name) == 0)
			digests_add(&outcomes->known, digest);
	fclose(file);
}

/* -- one run -- */

static uint64_t mix(uint64_t digest, const char *text)
{
	for (; *text; text++)
		digest = (digest ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return digest;
}

/* What is wrong is an outcome too; the first inversion of locks is told once only. */
static uint64_t outcome_of(struct outcomes *outcomes, bool good, const struct finding *finding)
{
	uint64_t digest = trace_thread_digest(oracle_trace(outcomes->run));

	if (good || strcmp(finding->rule, "lock-order") == 0)
		return digest;
	return mix(digest, finding->rule);
}

static void show(struct outcomes *outcomes, bool good, const struct finding *finding)
{
	struct prog *prog = &outcomes->text.prog;

	if (outcomes->shown++ >= NEW_SHOWN)
		return;
	printf("# new outcome of %s%s%s%s%s\n", outcomes->name, good ? "" : ": ",
		good ? "" : finding->rule, good ? "" : ": ", good ? "" : finding->message);
	schedule_of_run(oracle_scheduler(outcomes->run), prog);
	prog_print(&outcomes->text, stdout);
	prog->switch_count = 0;
	run_print_entries(oracle_trace(outcomes->run), 0, &outcomes->text, stdout);
}

static bool run_once(struct outcomes *outcomes)
{
	struct finding finding = {0};
	bool good = oracle_run_program(outcomes->run, &outcomes->text.prog, &finding);
	uint64_t digest;

	if (oracle_skipped(outcomes->run)) {
		printf("# %s is skipped: %s\n", outcomes->name, oracle_skipped(outcomes->run));
		return false;
	}
	outcomes->runs++;
	digest = outcome_of(outcomes, good, &finding);
	if (!digests_add(&outcomes->seen, digest))
		return true;
	if (outcomes->options->write)
		fprintf(outcomes->options->write, "%s %016" PRIx64 "\n", outcomes->name, digest);
	if (outcomes->is_compared && !digests_has(&outcomes->known, digest)) {
		outcomes->new_outcomes++;
		show(outcomes, good, &finding);
	}
	return true;
}

/* -- strategies -- */

/* Another strategy that is not asked at points of one kind. */
struct blind {
	struct strategy strategy;
	struct strategy *inner;
	uint8_t point;
};

static bool blind_begin(struct strategy *strategy, struct scheduler *scheduler)
{
	struct strategy *inner = ((struct blind *)strategy)->inner;

	return inner->begin(inner, scheduler);
}

static unsigned blind_choose(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	const struct blind *blind = (struct blind *)strategy;
	uint32_t count;

	if (current != SCHEDULER_NONE &&
		scheduler_steps(scheduler, &count)[step].point == blind->point)
		return strategy_default(current, ready);
	return blind->inner->choose(blind->inner, scheduler, current, ready, step);
}

static void blind_end(
	struct strategy *strategy, struct scheduler *scheduler, enum scheduler_end end)
{
	struct strategy *inner = ((struct blind *)strategy)->inner;

	if (inner->end)
		inner->end(inner, scheduler, end);
}

/* Runs until the strategy has no more, or `most` runs (0: no limit). */
static bool explore(struct outcomes *outcomes, struct strategy *strategy, uint64_t most)
{
	struct blind blind = {
		.strategy = {.begin = blind_begin, .choose = blind_choose, .end = blind_end},
		.inner = strategy,
		.point = (uint8_t)outcomes->options->blind};
	struct strategy *outer = outcomes->options->blind < 0 ? strategy : &blind.strategy;
	struct scheduler *scheduler = oracle_scheduler(outcomes->run);
	bool more = true;

	outer->name = strategy->name;
	oracle_set_strategy(outcomes->run, outer);
	for (uint64_t made = 0; !most || made < most; made++) {
		more = outer->begin(outer, scheduler);
		if (!more || !run_once(outcomes))
			break;
	}
	oracle_set_strategy(outcomes->run, NULL);
	return !more;
}

static void explore_all(struct outcomes *outcomes)
{
	const struct options *options = outcomes->options;
	struct strategy *strategy = strategy_bounded(options->bound, options->reduce);
	struct strategy_progress progress;

	explore(outcomes, strategy, options->runs_max);
	strategy_bounded_progress(strategy, &progress);
	outcomes->complete = progress.complete;
	outcomes->left_out = progress.left_out;
	strategy->close(strategy);
	if (options->random) {
		strategy = strategy_random(options->seed, options->random);
		explore(outcomes, strategy, 0);
		strategy->close(strategy);
	}
	if (options->pct) {
		strategy = strategy_pct(options->seed, 3, options->pct);
		explore(outcomes, strategy, 0);
		strategy->close(strategy);
	}
}

/*
 * In builds with every access: which memory threads share is learned from the runs themselves,
 * until an exploration shows no more than was known when it began.
 */
static void explore_program(struct outcomes *outcomes)
{
	struct strategy *strategy;

	every_access_forget();
	if (!EVERY_ACCESS || outcomes->options->marked) {
		explore_all(outcomes);
		return;
	}
	strategy = strategy_random(1, LEARN_RUNS);
	explore(outcomes, strategy, 0);
	strategy->close(strategy);
	for (unsigned round = 0; round < LEARN_ROUNDS; round++) {
		outcomes->learned += every_access_learn();
		outcomes->runs = 0;
		explore_all(outcomes);
		if (!every_access_unlearned())
			return;
	}
	outcomes->complete = false;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The program in text, by that name. */
static void explore_text(struct outcomes *outcomes, const char *name)
{
	double start = now();

	outcomes->name = name;
	outcomes->text.prog.switch_count = 0;
	outcomes->text.prog.schedule_count = 0;
	outcomes->seen.count = 0;
	memset(outcomes->seen.set, 0, outcomes->seen.room * sizeof(*outcomes->seen.set));
	outcomes->runs = outcomes->left_out = outcomes->learned = 0;
	outcomes->shown = outcomes->new_outcomes = 0;
	outcomes->is_compared = outcomes->options->known != NULL;
	if (outcomes->is_compared)
		read_known(outcomes);
	explore_program(outcomes);
	printf("%s: %zu outcomes, %u new, %" PRIu64 " runs, %" PRIu64 " left out, %s, %.1f s",
		outcomes->name, outcomes->seen.count, outcomes->new_outcomes, outcomes->runs,
		outcomes->left_out, outcomes->complete ? "complete" : "not complete",
		now() - start);
	if (EVERY_ACCESS && !outcomes->options->marked)
		printf(", %" PRIu64 " shared places", outcomes->learned);
	printf("\n");
	fflush(stdout);
	outcomes->all_new += outcomes->new_outcomes;
	outcomes->all_complete &= outcomes->complete || outcomes->options->runs_max;
}

static void explore_file(struct outcomes *outcomes, const char *path)
{
	const char *slash = strrchr(path, '/');
	char message[400], name[200];

	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : path);
	name[strcspn(name, ".")] = '\0';
	if (!prog_parse_file(&outcomes->text, path, message, sizeof(message))) {
		fprintf(stderr, "outcomes: %s\n", message);
		exit(2);
	}
	explore_text(outcomes, name);
}

static void explore_generated(struct outcomes *outcomes, uint64_t seed)
{
	const struct generate_options options = {.threads = 2};
	struct random random;
	struct prog prog;
	char name[40];

	random_seed(&random, seed);
	prog_init(&prog);
	prog_generate(&prog, &random, &options);
	prog_text_free(&outcomes->text);
	prog_text_init(&outcomes->text);
	if (!prog_text_from(&outcomes->text, &prog))
		abort();
	snprintf(name, sizeof(name), "generated-%" PRIu64, seed);
	if (prog_has_threads(&prog))
		explore_text(outcomes, name);
	prog_free(&prog);
}

/* -- arguments -- */

static int point_of(const char *name)
{
	static const char *const names[] = {
#define SCHEDULE_POINT(identifier, name) [SCHEDULE_##identifier] = name,
#include "impl/abi/schedule_points.def"
#undef SCHEDULE_POINT
	};

	for (int i = 0; i < SCHEDULE_POINT_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	fprintf(stderr, "outcomes: no point is called %s\n", name);
	exit(2);
}

static bool option(struct options *options, const char *name, const char *value)
{
	uint64_t number = strtoull(value, NULL, 10);

	if (strcmp(name, "--bound") == 0)
		options->bound = (unsigned)number;
	else if (strcmp(name, "--random") == 0)
		options->random = number;
	else if (strcmp(name, "--pct") == 0)
		options->pct = number;
	else if (strcmp(name, "--seed") == 0)
		options->seed = number;
	else if (strcmp(name, "--runs-max") == 0)
		options->runs_max = number;
	else if (strcmp(name, "--generate") == 0)
		options->generate = number;
	else if (strcmp(name, "--blind") == 0)
		options->blind = point_of(value);
	else if (strcmp(name, "--bug") == 0)
		options->bug = sim_bug_find(value);
	else if (strcmp(name, "--write") == 0)
		options->write = fopen(value, "w");
	else if (strcmp(name, "--known") == 0)
		options->known = value;
	else
		return false;
	if ((strcmp(name, "--write") == 0 && !options->write) ||
		(strcmp(name, "--bug") == 0 && !options->bug)) {
		fprintf(stderr, "outcomes: %s %s: cannot be had\n", name, value);
		exit(2);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options options = {.bound = 1, .reduce = true, .seed = 1, .blind = -1};
	struct outcomes outcomes = {.options = &options, .all_complete = true};
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--whole") == 0)
			options.reduce = false;
		else if (strcmp(argv[at], "--marked") == 0)
			options.marked = true;
		else if (at + 1 < argc && option(&options, argv[at], argv[at + 1]))
			at++;
		else
			return fprintf(stderr, "outcomes: unknown option: %s\n", argv[at]), 2;
	}
	outcomes.run = oracle_open(0, ORACLE_MACHINE | ORACLE_SCHEDULER);
	if (!outcomes.run || (at == argc && !options.generate))
		return fprintf(stderr, "usage: outcomes [OPTION...] FILE.prog...\n"), 2;
	oracle_set_bug(outcomes.run, options.bug);
	oracle_set_work_limit(outcomes.run, 0);
	prog_text_init(&outcomes.text);
	for (; at < argc; at++)
		explore_file(&outcomes, argv[at]);
	for (uint64_t n = 0; n < options.generate; n++)
		explore_generated(&outcomes, options.seed + n);
	if (options.write)
		fclose(options.write);
	prog_text_free(&outcomes.text);
	oracle_close(outcomes.run);
	free(outcomes.seen.set);
	free(outcomes.known.set);
	return outcomes.all_new ? 1 : outcomes.all_complete ? 0 : 3;
}
