/* SPDX-License-Identifier: Apache-2.0 */
/* The search in its process: runs, judges, writes down. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/oracle/explore.h"
#include "fuzz/oracle/interleave.h"
#include "tools/hunt_private.h"
#include "tools/tool.h"

#define ALARM_SECONDS 30u /* one run, and some more; longer is a hang */
#define ALARM_RUNS    64u

struct search {
	const struct hunt *hunt;
	struct hunt_result *result;
	struct prog *prog;
	struct explore explore;
	struct strategy *inner;	  /* what the noting strategy asks; its own */
	struct oracle_run *again; /* where runs are made a second time */
	struct prog forced;	  /* the program with the schedule of such a run */
	uint64_t start;
	uint8_t judged; /* kind of the finding that judge made */
};

/* FNV-1a over what was passed: equal runs, equal digests. */
static uint64_t digest_steps(const struct scheduler *scheduler)
{
	uint32_t count;
	const struct scheduler_step *steps = scheduler_steps(scheduler, &count);
	uint64_t digest = UINT64_C(0xcbf29ce484222325);

	for (uint32_t s = 0; s < count; s++) {
		const uint64_t parts = (uint64_t)steps[s].thread | (uint64_t)steps[s].point << 8 |
				       (uint64_t)steps[s].next << 16 |
				       (uint64_t)steps[s].call << 32 |
				       (uint64_t)steps[s].object << 48;

		digest = (digest ^ parts) * UINT64_C(0x100000001b3);
		digest ^= digest >> 29;
	}
	return digest;
}

static struct oracle_run *open_oracles(const struct hunt *hunt)
{
	struct oracle_run *run = oracle_open(hunt->kernel, hunt->oracles);

	if (run) {
		oracle_set_bug(run, hunt->bug);
		oracle_set_work_limit(run, 0);
	}
	return run;
}

/* -- judging one run -- */

static void set_finding(struct finding *finding, uint32_t call, const char *rule, const char *text)
{
	memset(finding, 0, sizeof(*finding));
	finding->call = call;
	snprintf(finding->rule, sizeof(finding->rule), "%s", rule);
	snprintf(finding->message, sizeof(finding->message), "%.399s", text);
}

static uint16_t profile_of(const struct search *search)
{
	const struct suite_config config = {.kernel = search->hunt->kernel};

	return search->prog->options.kernel ? search->prog->options.kernel : suite_kernel(&config);
}

static bool meets_expectations(
	struct search *search, struct oracle_run *run, struct finding *finding)
{
	const struct test *test = search->hunt->test;
	struct test_result result = {0};
	uint16_t kernel = profile_of(search);

	if (!search->hunt->judge || suite_judge(test, oracle_exec(run), kernel, true, &result))
		return true;
	const struct trace_entry *entry = suite_first_unmet(test, oracle_exec(run), kernel);
	set_finding(finding, entry ? entry->call : UINT32_MAX, "expectation", result.message);
	if (!entry && result.call[0])
		snprintf(finding->message, sizeof(finding->message), "%.140s: %.239s",
			result.message, result.call);
	search->judged = HUNT_EXPECTATION;
	return false;
}

/* The schedule of the last run once more, forced, on another machine. */
static bool is_steady(struct search *search, struct finding *finding)
{
	struct oracle_run *run = search->explore.run;
	struct finding other;
	char message[sizeof(finding->message)];

	if (search->result->now.too_many || !schedules_force(&search->result->now, &search->forced))
		return true;
	if (!search->again)
		search->again = open_oracles(search->hunt);
	if (!search->again)
		return true;
	search->result->checked++;
	bool good = oracle_run_program(search->again, &search->forced, &other);
	const struct trace *trace = oracle_trace(run), *second = oracle_trace(search->again);
	bool same_steps = digest_steps(oracle_scheduler(run)) ==
			  digest_steps(oracle_scheduler(search->again));
	if (good && same_steps && trace_digest(trace) == trace_digest(second))
		return true;
	int64_t at = trace_compare(trace, second, 0);
	if (!good)
		snprintf(message, sizeof(message), "the second run alone has a finding: %s: %.200s",
			other.rule, other.message);
	else
		snprintf(message, sizeof(message),
			"the same schedule gave another %s the second time",
			same_steps ? "trace" : "order of steps");
	uint32_t call =
		at >= 0 && (uint32_t)at < trace->entry_count ? trace->entries[at].call : UINT32_MAX;
	set_finding(finding, call, "not deterministic", message);
	search->judged = HUNT_UNSTEADY;
	return false;
}

static bool judge(void *context, struct finding *finding)
{
	struct search *search = context;
	struct hunt_result *result = search->result;
	uint32_t steps = scheduler_step_count(oracle_scheduler(search->explore.run));

	result->runs = search->explore.runs;
	result->step_count = search->explore.steps;
	result->preemptions = search->explore.preemptions;
	result->outcomes = search->explore.outcomes;
	result->longest = steps > result->longest ? steps : result->longest;
	if (result->runs % ALARM_RUNS == 0)
		alarm(ALARM_SECONDS);
	if (!meets_expectations(search, search->explore.run, finding))
		return false;
	return !result->threads || result->runs > search->hunt->check || is_steady(search, finding);
}

/* -- how far it is -- */

/*
 * Depth first, late switches come before early ones: when the first switch of the runs has come
 * down to step p of n, about ((n - p) / n) ^ bound of all is done.
 */
static double share_done(const struct search *search)
{
	const struct hunt_result *result = search->result;
	double rest = 0, share = 1;

	if (search->hunt->schedules.kind != SCHEDULES_BOUNDED || !result->longest)
		return 0;
	if (result->now.first_step < result->longest)
		rest = (double)(result->longest - result->now.first_step) / result->longest;
	for (unsigned b = 0; b < search->hunt->schedules.bound || b < 1; b++)
		share *= rest;
	return share;
}

static bool go_on(void *context, const struct explore *explore)
{
	struct search *search = context;
	struct hunt_result *result = search->result;

	(void)explore;
	result->share = share_done(search);
	if (!search->hunt->seconds ||
		tool_clock() - search->start < search->hunt->seconds * UINT64_C(1000000))
		return true;
	result->out_of_time = true;
	return false;
}

static void describe_strategy(struct search *search)
{
	struct hunt_result *result = search->result;
	struct strategy_progress progress;

	if (search->hunt->schedules.kind == SCHEDULES_BOUNDED) {
		strategy_bounded_progress(search->inner, &progress);
		result->left_out = progress.left_out;
		result->complete = progress.complete;
	} else if (search->hunt->schedules.kind == SCHEDULES_PCT) {
		result->pct_probability = strategy_pct_bound(
			search->inner, &result->pct_threads, &result->pct_length);
	}
}

/* -- writing down -- */

bool hunt_same(const struct hunt_finding *a, const struct hunt_finding *b)
{
	return a->kind == b->kind && a->finding.oracle == b->finding.oracle &&
	       strcmp(a->finding.rule, b->finding.rule) == 0;
}

void hunt_add(struct hunt_result *result, const struct hunt_finding *finding)
{
	result->found++;
	for (uint32_t i = 0; i < result->finding_count; i++)
		if (hunt_same(&result->findings[i], finding)) {
			result->findings[i].times++;
			return;
		}
	if (result->finding_count == HUNT_FINDINGS)
		return;
	struct hunt_finding *added = &result->findings[result->finding_count];
	*added = *finding;
	added->times = 1;
	memcpy(&added->by, &result->now, sizeof(added->by));
	result->finding_count++;
}

/* Whether it is the one that is looked for, or anything is. */
static bool is_wanted(const struct search *search, const struct finding *finding)
{
	const struct hunt_finding *wanted = search->hunt->wanted;

	return !wanted || (finding->oracle == wanted->finding.oracle &&
				  strcmp(finding->rule, wanted->finding.rule) == 0);
}

static void add_finding(
	struct search *search, struct oracle_run *run, const struct finding *finding)
{
	/* Large: it holds switches. */
	static struct hunt_finding added;

	memset(&added, 0, sizeof(added));
	added.kind = finding->oracle ? HUNT_ORACLE : search->judged;
	added.finding = *finding;
	added.run = search->result->runs;
	added.trace = trace_digest(oracle_trace(run));
	if (search->result->threads)
		added.steps = digest_steps(oracle_scheduler(run));
	hunt_add(search->result, &added);
}

static void count(struct search *search)
{
	struct hunt_result *result = search->result;
	struct interleave *interleave = oracle_interleave(search->explore.run);

	result->runs = search->explore.runs;
	result->step_count = search->explore.steps;
	result->preemptions = search->explore.preemptions;
	result->outcomes = search->explore.outcomes;
	result->complete = search->explore.complete;
	if (interleave)
		result->undecided = interleave_undecided(interleave);
	if (search->inner)
		describe_strategy(search);
}

static bool was_skipped(struct search *search, struct oracle_run *run)
{
	if (!oracle_skipped(run))
		return false;
	snprintf(search->result->skipped, sizeof(search->result->skipped), "%s",
		oracle_skipped(run));
	return true;
}

/* -- the two forms -- */

static void search_all(struct search *search)
{
	struct finding finding;
	bool good, more;

	do {
		search->judged = HUNT_NOTHING;
		good = explore_program(&search->explore, search->prog, &finding);
		count(search);
		if (was_skipped(search, search->explore.run))
			return;
		bool passed_over = !good && !is_wanted(search, &finding);
		if (!good && !passed_over)
			add_finding(search, search->explore.run, &finding);
		more = !good && search->result->threads &&
		       (search->hunt->keep_going || passed_over);
	} while (more);
}

/* What the program says, or the one schedule that is asked for; each time on a fresh machine. */
static void run_own(struct search *search)
{
	const struct hunt *hunt = search->hunt;
	uint32_t times = hunt->times ? hunt->times : 1;

	for (uint32_t i = 0; i < times; i++) {
		struct oracle_run *run = open_oracles(hunt);
		struct finding finding;

		search->result->lost_machine = !run;
		if (!run)
			return;
		alarm(ALARM_SECONDS);
		search->judged = HUNT_NOTHING;
		bool good = oracle_run_program(run, search->prog, &finding);
		search->result->runs++;
		bool skipped = was_skipped(search, run);
		if (good && !skipped)
			good = meets_expectations(search, run, &finding);
		if (!good)
			add_finding(search, run, &finding);
		search->result->outcomes = 1;
		oracle_close(run);
		if (skipped)
			return;
	}
	search->result->complete = true;
}

/* Until a strategy says otherwise, the switches are the program's. */
static void note_own(const struct prog *prog, struct switch_notes *notes)
{
	notes->count = prog->switch_count;
	if (prog->switch_count)
		memcpy(notes->switches, prog->switches,
			prog->switch_count * sizeof(*prog->switches));
}

void hunt_work(const struct hunt *hunt, struct hunt_result *result)
{
	struct search search = {.hunt = hunt,
		.result = result,
		.prog = &hunt->test->text.prog,
		.start = tool_clock()};

	result->threads = prog_has_threads(search.prog);
	alarm(ALARM_SECONDS);
	if (hunt->by) {
		schedules_force(hunt->by, search.prog);
		memcpy(&result->now, hunt->by, sizeof(result->now));
	} else {
		note_own(search.prog, &result->now);
	}
	search.inner = hunt->by ? NULL : schedules_open(&hunt->schedules, search.prog);
	if (!search.inner) {
		run_own(&search);
		return;
	}
	prog_init(&search.forced);
	search.explore = (struct explore){.run = open_oracles(hunt),
		.strategy = schedules_noted(search.inner, &result->now),
		.judge = judge,
		.progress = go_on,
		.context = &search};
	result->lost_machine = !search.explore.run || !search.explore.strategy ||
			       !prog_copy(&search.forced, search.prog);
	if (result->lost_machine)
		return;
	if (hunt->schedules.kind == SCHEDULES_BOUNDED)
		search.explore.runs_max = hunt->schedules.runs;
	search_all(&search);
}
