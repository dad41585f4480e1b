/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of programs with threads: schedules, and points of the scheduler alone. */
#include <string.h>

#include "fuzz/exec/target_inproc.h"
#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/text.h"
#include "fuzz/schedule/strategy.h"
#include "tools/bench.h"

static const char race_source[] =
	"fd = open /dev/iommu\n"
	"as = IOMMU_IOAS_ALLOC fd\n"
	"thread A: IOMMU_IOAS_MAP fd flags=FIXED_IOVA|READABLE ioas_id=as user_va=mem length=1P "
	"iova=16M\n"
	"thread B: IOMMU_IOAS_MAP fd flags=FIXED_IOVA|READABLE ioas_id=as user_va=mem length=1P "
	"iova=32M\n"
	"thread A: IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=1P\n"
	"thread B: IOMMU_IOAS_UNMAP fd ioas_id=as iova=32M length=1P\n";

static bool make_race(struct prog_text *text, struct bench *bench)
{
	struct parse_error error;

	prog_text_init(text);
	if (prog_parse(text, race_source, strlen(race_source), &error))
		return true;
	bench->reason = "the program cannot be read";
	return false;
}

static bool all_succeeded(const struct trace *trace, struct bench *bench)
{
	for (uint32_t i = 0; i < trace->entry_count; i++)
		if (trace->entries[i].result < 0)
			bench->reason = "a call of the program fails";
	return trace->entry_count && !bench->reason;
}

/* The machine alone, without oracles. */
static double schedules(struct bench *bench)
{
	struct exec *exec = exec_open(&target_inproc, 0, &bench->reason);
	struct scheduler *scheduler = scheduler_open();
	struct strategy *strategy = strategy_random(1, 0);
	struct prog_text text;
	double rate = BENCH_FAILED;

	if (exec && scheduler && strategy && make_race(&text, bench)) {
		struct bench_loop loop = bench_loop_begin(bench);

		bench->reason = NULL;
		exec_set_scheduler(exec, scheduler);
		while (bench_loop_more(&loop))
			for (uint64_t i = 0; i < loop.batch; i++) {
				strategy->begin(strategy, scheduler);
				scheduler_begin(scheduler, strategy);
				exec_run(exec, &text.prog, &bench->reason);
				scheduler_finish(scheduler, SCHEDULER_DONE);
			}
		if (all_succeeded(exec_trace(exec), bench))
			rate = bench_loop_rate(&loop);
		prog_text_free(&text);
	}
	if (strategy)
		strategy->close(strategy);
	exec_close(exec);
	scheduler_close(scheduler);
	return rate;
}

static double schedules_judged(struct bench *bench, uint32_t oracles, struct strategy *strategy)
{
	struct oracle_run *run = oracle_open(0, oracles);
	struct finding finding = {0};
	struct prog_text text;
	double rate = BENCH_FAILED;

	bench->reason = run && strategy ? NULL : "out of memory";
	if (run && strategy && make_race(&text, bench)) {
		struct bench_loop loop = bench_loop_begin(bench);
		struct scheduler *scheduler = oracle_scheduler(run);

		oracle_set_strategy(run, strategy);
		while (scheduler && !finding.oracle && bench_loop_more(&loop))
			for (uint64_t i = 0; !finding.oracle && i < loop.batch; i++) {
				strategy->begin(strategy, scheduler);
				oracle_run_program(run, &text.prog, &finding);
			}
		if (finding.oracle)
			bench->reason = "an oracle objects to the program";
		else if (all_succeeded(oracle_trace(run), bench))
			rate = bench_loop_rate(&loop);
		prog_text_free(&text);
	}
	if (strategy)
		strategy->close(strategy);
	oracle_close(run);
	return rate;
}

static double schedules_oracles(struct bench *bench)
{
	return schedules_judged(bench, ORACLE_ALL, strategy_random(1, 0));
}

/* -- points -- */

#define POINTS 20000u /* of one section: fewer than a livelock has */

static void pass_points(void *context, unsigned thread)
{
	(void)thread;
	for (unsigned i = 0; i < POINTS / 2; i++)
		scheduler_point(context, SCHEDULE_LOCK, 0);
}

static unsigned choose_other(struct strategy *strategy, struct scheduler *scheduler,
	unsigned current, uint32_t ready, uint32_t step)
{
	uint32_t others = current == SCHEDULER_NONE ? ready : ready & ~(UINT32_C(1) << current);

	(void)strategy;
	(void)scheduler;
	(void)step;
	return (unsigned)__builtin_ctz(others ? others : ready);
}

static double points(struct bench *bench, struct strategy *strategy)
{
	struct scheduler *scheduler = scheduler_open();

	bench->reason = "out of memory";
	if (!scheduler)
		return BENCH_FAILED;
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++) {
			scheduler_begin(scheduler, strategy);
			scheduler_section(scheduler, 6, pass_points, scheduler);
			scheduler_finish(scheduler, SCHEDULER_DONE);
		}
	scheduler_close(scheduler);
	return bench_loop_cost(&loop) / POINTS;
}

static double point_stays(struct bench *bench)
{
	return points(bench, NULL);
}

static double point_switches(struct bench *bench)
{
	struct strategy other = {.name = "other", .choose = choose_other};

	return points(bench, &other);
}

const struct measurement bench_threads[] = {
	{"schedules", "schedules/s", ">= 100000 (release)",
		"two threads, six calls (open, IOAS_ALLOC, 2 maps, 2 unmaps), random schedules; no "
		"oracles (asan: >= 15000)",
		false, schedules},
	{"schedules-oracles", "schedules/s", NULL, "the same with all oracles", false,
		schedules_oracles},
	{"point-stays", "ns", "<= 10 (release)", "a scheduling point that does not switch", false,
		point_stays},
	{"point-switches", "ns", "<= 100 (release)", "a scheduling point that switches", false,
		point_switches},
	{0},
};
