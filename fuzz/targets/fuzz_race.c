/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs with two to four threads (race_prog.h) under all oracles. An input makes several runs:
 * one as its forced switches or schedule bytes say, which the mutator changes, and some with random
 * priorities (PCT), which reach orders that no byte asks for and cost less than another input. What
 * is found is written with the switches that were made, so that it comes again whatever made it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/oracle/interleave.h"
#include "fuzz/prog/binary.h"
#include "fuzz/schedule/strategy.h"
#include "fuzz/targets/finding.h"
#include "fuzz/targets/race_prog.h"

#define RUNS  8 /* by priorities */
#define DEPTH 3 /* of the defects that they look for: two changes of priority */
/* Runs of the model in one search for an order: a tenth of a second under ASan. */
#define ORDERS_MAX 500u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

/* Fake stacks cost a third of the time here, where stacks are started again with every run. */
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=0";
}

/* The input that runs. */
static struct oracle_run *run;
static struct prog prog;

/* The program with the switches that its last run made, up to where it is now. */
static void write_schedule(FILE *out)
{
	struct prog forced;

	prog_init(&forced);
	if (prog_copy(&forced, &prog)) {
		/* Without a switch the schedule bytes would decide again, and decide the same. */
		if (schedule_of_run(oracle_scheduler(run), &forced) && forced.switch_count)
			forced.schedule_count = 0;
		else
			forced.switch_count = 0;
		print_program(&forced, out);
	}
	prog_free(&forced);
}

/* At the end: what the model did not decide is not what it found right. */
static void print_given_up(void)
{
	uint64_t given_up = run ? interleave_undecided(oracle_interleave(run)) : 0;

	if (given_up)
		fprintf(stderr,
			"searches for an order that were given up: %" PRIu64 " (no verdict of the "
			"model)\n",
			given_up);
}

/* Over the program that was written before the run. */
static void save_schedule(void)
{
	const char *path = getenv("IOMMUZZ_PROGRAM");
	FILE *out = path && run ? fopen(path, "w") : NULL;

	if (!out)
		return;
	write_schedule(out);
	fclose(out);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("IOMMUZZ_MUTATOR", "threads", 0);
	/* libFuzzer has a callback of its own there, which keeps the input. */
	if (__sanitizer_set_death_callback && !LLVMFuzzerMutate)
		__sanitizer_set_death_callback(save_schedule);
	atexit(print_given_up);
	prog_init(&prog);
	return 0;
}

static void report(const struct finding *finding)
{
	oracle_print(finding, &prog, stderr);
	if (getenv("IOMMUZZ_PROGRAM"))
		save_schedule();
	else
		write_schedule(stderr);
	fflush(stderr);
	abort();
}

/*
 * One run. Locks are judged by this run alone, or a finding would need earlier inputs. A forced
 * switch whose place a mutation removed is no finding.
 */
static void run_once(void)
{
	struct finding finding;

	scheduler_forget_order(oracle_scheduler(run));
	if (!oracle_run_program(run, &prog, &finding) &&
		!(finding.oracle == ORACLE_SCHEDULER && !strcmp(finding.rule, "schedule")))
		report(&finding);
}

static uint64_t hash(const uint8_t *data, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/*
 * The first run tells how long the others will be, about. One whose search for an order is given up
 * is the last: the next search would take as long.
 */
static void run_by_priorities(uint64_t seed, uint64_t given_up)
{
	struct scheduler *scheduler = oracle_scheduler(run);
	struct strategy *strategy = strategy_pct(seed, DEPTH, RUNS);

	if (!strategy)
		return;
	strategy->end(strategy, scheduler, SCHEDULER_DONE);
	oracle_set_strategy(run, strategy);
	while (interleave_undecided(oracle_interleave(run)) == given_up &&
		strategy->begin(strategy, scheduler))
		run_once();
	oracle_set_strategy(run, NULL);
	strategy->close(strategy);
}

static void open_run(void)
{
	run = oracle_open(0, ORACLE_ALL);
	if (!run || !oracle_scheduler(run)) {
		/* A target that cannot look must not pass for one that found nothing. */
		fprintf(stderr, "the oracles cannot be opened: out of memory\n");
		abort();
	}
	choose_defect(run);
	oracle_set_work_limit(run, TARGET_WORK_LIMIT);
	interleave_set_limit(oracle_interleave(run), ORDERS_MAX);
}

/* In the program itself, so that what is written of a finding has it. */
static void name_defect(void)
{
	const char *name = getenv("IOMMUZZ_BUG");

	if (name && !prog.options.bug)
		prog.options.bug = sim_bug_find(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	prog_decode(&prog, data, size);
	race_fit(&prog);
	if (!run)
		open_run();
	name_defect();
	uint64_t given_up = interleave_undecided(oracle_interleave(run));
	save_program(&prog);
	run_once();
	if (!oracle_skipped(run) && prog_has_threads(&prog))
		run_by_priorities(hash(data, size), given_up);
	end_input(&run, &prog);
	return 0;
}
