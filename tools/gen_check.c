/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz gen --check: generated programs under all oracles; each kind of finding once, minimised.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/minimise.h"
#include "fuzz/prog/text.h"
#include "fuzz/schedule/strategy.h"
#include "tools/files.h"
#include "tools/gen.h"
#include "tools/tool.h"

/* Findings of one kind have the same oracle and rule, seen after the same call. */
struct kind {
	uint32_t oracle;
	int row; /* -1: at the end */
	char rule[64];
};

struct check_run {
	const struct gen *gen;
	struct oracle_run *oracles;
	struct kind *kinds; /* found so far */
	uint32_t kind_count;
	struct kind wanted; /* while minimising */
};

static struct kind kind_of(const struct finding *finding, const struct prog *prog)
{
	struct kind kind = {.oracle = finding->oracle, .row = -1};

	if (finding->call < prog->call_count)
		kind.row = prog->calls[finding->call].row;
	memcpy(kind.rule, finding->rule, sizeof(kind.rule));
	return kind;
}

static bool same_kind(const struct kind *a, const struct kind *b)
{
	return a->oracle == b->oracle && a->row == b->row && strcmp(a->rule, b->rule) == 0;
}

static bool is_known(const struct check_run *run, const struct kind *kind)
{
	for (uint32_t i = 0; i < run->kind_count; i++)
		if (same_kind(&run->kinds[i], kind))
			return true;
	return false;
}

static bool same_failure(void *context, const struct prog *candidate)
{
	struct check_run *run = context;
	struct finding finding;

	if (oracle_run_program(run->oracles, candidate, &finding))
		return false;
	struct kind kind = kind_of(&finding, candidate);
	return same_kind(&kind, &run->wanted);
}

/* By its bytes, then at random: a schedule with a finding becomes the program's own. */
static bool run_schedules(struct check_run *run, struct prog *prog, struct finding *finding)
{
	struct strategy *strategy = strategy_random(1, run->gen->schedules);
	struct scheduler *scheduler = oracle_scheduler(run->oracles);
	bool clean = true;

	if (oracle_run_program(run->oracles, prog, finding) && strategy && scheduler &&
		run->gen->schedules) {
		oracle_set_strategy(run->oracles, strategy);
		while (clean && strategy->begin(strategy, scheduler))
			clean = oracle_run_program(run->oracles, prog, finding);
		oracle_set_strategy(run->oracles, NULL);
	} else {
		clean = !finding->oracle;
	}
	if (strategy)
		strategy->close(strategy);
	if (!clean && schedule_of_run(scheduler, prog))
		prog->schedule_count = 0;
	return clean;
}

static bool print_program(const struct check_run *run, const struct prog *prog, uint64_t number)
{
	const struct gen *gen = run->gen;
	struct prog_text text;
	char name[80];
	bool done = false;

	snprintf(name, sizeof(name), "found-%" PRIu64 "-%" PRIu64, gen->seed, number);
	prog_text_init(&text);
	char *printed = prog_text_from(&text, prog) ? prog_print_string(&text) : NULL;
	if (printed && gen->folder) {
		char *path = tool_grow(NULL, strlen(gen->folder) + sizeof(name) + 8, 1);

		sprintf(path, "%s/%s.prog", gen->folder, name);
		done = files_write(path, printed, strlen(printed));
		printf("%s\n", path);
		free(path);
	} else if (printed) {
		done = true;
	}
	if (printed)
		fputs(printed, stdout);
	putchar('\n');
	fflush(stdout);
	free(printed);
	prog_text_free(&text);
	return done;
}

static bool report(
	struct check_run *run, struct prog *prog, uint64_t number, const struct finding *first)
{
	struct minimise_stats stats = {0};
	struct finding finding = *first;

	run->kinds = tool_grow(run->kinds, run->kind_count + 1, sizeof(*run->kinds));
	run->kinds[run->kind_count++] = run->wanted = kind_of(first, prog);
	prog_minimise(prog, same_failure, run, NULL, &stats);
	oracle_run_program(run->oracles, prog, &finding);
	printf("program %" PRIu64 " of seed %" PRIu64 ", %u calls of %u: ", number, run->gen->seed,
		stats.calls_after, stats.calls_before);
	oracle_print(&finding, prog, stdout);
	return print_program(run, prog, number);
}

int gen_check(const struct gen *gen)
{
	struct check_run run = {
		.gen = gen, .oracles = oracle_open(gen->options.kernel, ORACLE_ALL)};
	uint64_t failed = 0, not_run = 0, done = 0;
	struct finding finding;
	struct prog prog;
	bool written = true;

	prog_init(&prog);
	for (; run.oracles && written && done < gen->programs && run.kind_count < gen->findings;
		done++) {
		*gen->running = gen->first + done;
		gen_program(gen, gen->first + done, &prog);
		bool clean = prog_has_threads(&prog)
				     ? run_schedules(&run, &prog, &finding)
				     : oracle_run_program(run.oracles, &prog, &finding);

		not_run += oracle_skipped(run.oracles) != NULL;
		if (clean)
			continue;
		failed++;
		struct kind kind = kind_of(&finding, &prog);
		if (!is_known(&run, &kind))
			written = report(&run, &prog, gen->first + done, &finding);
	}
	bool ran = run.oracles != NULL;
	if (ran)
		printf("%" PRIu64 " programs of seed %" PRIu64 ", %" PRIu64 " not run, %" PRIu64
		       " with a finding, %u kinds\n",
			done, gen->seed, not_run, failed, run.kind_count);
	else
		tool_error("out of memory");
	prog_free(&prog);
	oracle_close(run.oracles);
	free(run.kinds);
	return !ran || !written ? TOOL_BROKEN : failed ? TOOL_FAILED : TOOL_OK;
}
