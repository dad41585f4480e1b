/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz gen --stats and --digest: what generated programs do on the implementation. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/prog/names.h"
#include "tools/gen.h"
#include "tools/schedules.h"
#include "tools/tool.h"

#define ERRNO_MAX    200 /* larger ones are counted together */
#define GOAL_SUCCESS 20	 /* per cent of each call's uses */
#define GOAL_DOMAIN  50	 /* per cent of programs */
#define GOAL_PIN     25

struct call_stats {
	uint64_t uses, successes, injected;
	uint64_t failures[ERRNO_MAX + 1]; /* by positive errno */
};

struct stats {
	uint64_t programs, calls, domains, pins, not_run;
	struct call_stats rows[CALL_ID_COUNT];
};

static bool attaches(uint16_t row)
{
	return row == CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN ||
	       row == CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS;
}

static bool pins(uint16_t row)
{
	return row == CALL_ID_access_pin || row == CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES;
}

static void count_trace(struct stats *stats, const struct prog *prog, const struct trace *trace)
{
	bool domain = false, pin = false;

	for (uint32_t i = 0; i < trace->entry_count; i++) {
		const struct trace_entry *entry = &trace->entries[i];

		if (entry->kind != TRACE_CALL)
			continue;
		uint16_t row = prog->calls[entry->call].row;
		struct call_stats *call = &stats->rows[row];

		stats->calls++;
		call->uses++;
		call->injected += entry->injected;
		if (entry->result < 0) {
			int64_t error = -entry->result;

			call->failures[error < ERRNO_MAX ? error : ERRNO_MAX]++;
			continue;
		}
		call->successes++;
		domain = domain || attaches(row);
		pin = pin || pins(row);
	}
	stats->programs++;
	stats->domains += domain;
	stats->pins += pin;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static bool judged(const struct gen *gen, int row, const struct call_stats *call)
{
	return call_rows[row].implemented && call->uses >= gen->goal_uses;
}

static bool share_missed(uint64_t part, uint64_t whole, uint64_t goal)
{
	return part * 100 < whole * goal;
}

/* -- as text -- */

/* Errnos by count, most frequent first. */
static void print_errors(const struct call_stats *call)
{
	bool printed[ERRNO_MAX + 1] = {false};

	for (;;) {
		int most = -1;

		for (int e = 1; e <= ERRNO_MAX; e++)
			if (!printed[e] && call->failures[e] &&
				(most < 0 || call->failures[e] > call->failures[most]))
				most = e;
		if (most < 0)
			break;
		printed[most] = true;
		const char *name = most < ERRNO_MAX ? names_errno(most) : "other";
		if (name)
			printf(" %s %" PRIu64, name, call->failures[most]);
		else
			printf(" %d %" PRIu64, most, call->failures[most]);
	}
}

static void print_row(const struct gen *gen, int row, const struct call_stats *call)
{
	bool missed =
		judged(gen, row, call) && share_missed(call->successes, call->uses, GOAL_SUCCESS);

	printf("%-38s %9" PRIu64 " %9" PRIu64 " %5.1f %%%s ", call_rows[row].name, call->uses,
		call->successes, percent(call->successes, call->uses), missed ? " MISSED" : "");
	print_errors(call);
	if (call->injected)
		printf(" (%" PRIu64 " injected)", call->injected);
	if (!call_rows[row].implemented)
		printf(" (not implemented)");
	putchar('\n');
}

static bool print_goal(const char *what, uint64_t part, uint64_t whole, uint64_t goal)
{
	bool missed = share_missed(part, whole, goal);

	printf("%-48s %5.1f %%  goal %" PRIu64 " %%  %s\n", what, percent(part, whole), goal,
		missed ? "MISSED" : "holds");
	return !missed;
}

static bool print_stats(const struct gen *gen, const struct stats *stats)
{
	uint64_t wanting = 0, considered = 0;

	printf("%-38s %9s %9s %7s  %s\n", "CALL", "USES", "SUCCEEDED", "SHARE", "FAILED WITH");
	for (int row = 0; row < CALL_ID_COUNT; row++) {
		const struct call_stats *call = &stats->rows[row];

		if (!call->uses)
			continue;
		print_row(gen, row, call);
		if (!judged(gen, row, call))
			continue;
		considered++;
		wanting += share_missed(call->successes, call->uses, GOAL_SUCCESS);
	}
	for (int row = 0; row < CALL_ID_COUNT; row++)
		if (!stats->rows[row].uses && call_rows[row].implemented)
			printf("%-38s %9d\n", call_rows[row].name, 0);
	printf("\n%" PRIu64 " programs of seed %" PRIu64 ", %" PRIu64 " calls, %.1f a program",
		stats->programs, gen->seed, stats->calls,
		stats->programs ? (double)stats->calls / (double)stats->programs : 0);
	if (stats->not_run)
		printf(", %" PRIu64 " not run", stats->not_run);
	putchar('\n');
	bool domain = print_goal(
		"programs that held a domain", stats->domains, stats->programs, GOAL_DOMAIN);
	bool pin = print_goal(
		"programs that held an access pin", stats->pins, stats->programs, GOAL_PIN);
	printf("%-48s %3" PRIu64 "/%-3" PRIu64 "  goal all   %s\n",
		"calls of which 20 % of the uses succeed", considered - wanting, considered,
		wanting ? "MISSED" : "holds");
	return domain && pin && !wanting;
}

/* -- as JSON -- */

static void json_row(int row, const struct call_stats *call)
{
	const char *between = "";

	printf("{\"call\": \"%s\", \"implemented\": %s, \"uses\": %" PRIu64
	       ", \"successes\": %" PRIu64 ", \"injected\": %" PRIu64 ", \"errors\": {",
		call_rows[row].name, call_rows[row].implemented ? "true" : "false", call->uses,
		call->successes, call->injected);
	for (int e = 1; e <= ERRNO_MAX; e++) {
		if (!call->failures[e])
			continue;
		const char *name = e < ERRNO_MAX ? names_errno(e) : "other";

		if (name)
			printf("%s\"%s\": %" PRIu64, between, name, call->failures[e]);
		else
			printf("%s\"%d\": %" PRIu64, between, e, call->failures[e]);
		between = ", ";
	}
	printf("}}");
}

static bool json_stats(const struct gen *gen, const struct stats *stats)
{
	bool holds = !share_missed(stats->domains, stats->programs, GOAL_DOMAIN) &&
		     !share_missed(stats->pins, stats->programs, GOAL_PIN);
	const char *between = "\n";

	printf("{\"seed\": %" PRIu64 ", \"programs\": %" PRIu64 ", \"not_run\": %" PRIu64
	       ", \"calls\": %" PRIu64 ", \"held_domain\": %" PRIu64 ", \"held_pin\": %" PRIu64
	       ", \"rows\": [",
		gen->seed, stats->programs, stats->not_run, stats->calls, stats->domains,
		stats->pins);
	for (int row = 0; row < CALL_ID_COUNT; row++) {
		const struct call_stats *call = &stats->rows[row];

		if (!call->uses)
			continue;
		if (judged(gen, row, call) &&
			share_missed(call->successes, call->uses, GOAL_SUCCESS))
			holds = false;
		fputs(between, stdout);
		json_row(row, call);
		between = ",\n";
	}
	printf("\n], \"goals_hold\": %s}\n", holds ? "true" : "false");
	return holds;
}

/* -- running -- */

static struct exec *open_exec(const struct gen *gen, struct scheduler **scheduler)
{
	const char *reason = "out of memory";
	struct exec *exec = exec_open(gen->target, gen->options.kernel, &reason);

	*scheduler = exec && gen->options.threads ? scheduler_open() : NULL;
	if (exec && gen->options.threads && !*scheduler) {
		exec_close(exec);
		exec = NULL;
	}
	if (!exec)
		tool_error("gen: %s", reason);
	else if (*scheduler)
		exec_set_scheduler(exec, *scheduler);
	return exec;
}

int gen_stats(const struct gen *gen)
{
	struct scheduler *scheduler;
	struct exec *exec = open_exec(gen, &scheduler);
	struct stats *stats = calloc(1, sizeof(*stats));
	const char *reason;
	struct prog prog;
	bool holds = false;

	prog_init(&prog);
	for (uint64_t i = 0; exec && stats && i < gen->programs; i++) {
		*gen->running = gen->first + i;
		gen_program(gen, gen->first + i, &prog);
		if (schedules_run(exec, scheduler, &prog, NULL, &reason))
			count_trace(stats, &prog, exec_trace(exec));
		else
			stats->not_run++;
	}
	bool ran = exec && stats;
	if (ran)
		holds = gen->json ? json_stats(gen, stats) : print_stats(gen, stats);
	prog_free(&prog);
	free(stats);
	exec_close(exec);
	scheduler_close(scheduler);
	return !ran ? TOOL_BROKEN : holds ? TOOL_OK : TOOL_FAILED;
}

int gen_digest(const struct gen *gen)
{
	struct scheduler *scheduler;
	struct exec *exec = open_exec(gen, &scheduler);
	uint64_t digest = 0;
	const char *reason;
	struct prog prog;

	prog_init(&prog);
	for (uint64_t i = 0; exec && i < gen->programs; i++) {
		*gen->running = gen->first + i;
		gen_program(gen, gen->first + i, &prog);
		digest ^= schedules_run(exec, scheduler, &prog, NULL, &reason)
				  ? trace_digest(exec_trace(exec))
				  : 1;
		digest = random_mix(&digest); /* order matters */
	}
	prog_free(&prog);
	exec_close(exec);
	scheduler_close(scheduler);
	if (!exec)
		return TOOL_BROKEN;
	printf("%016" PRIx64 "\n", digest);
	return TOOL_OK;
}
