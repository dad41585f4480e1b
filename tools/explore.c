/* SPDX-License-Identifier: Apache-2.0 */
/* One program explored: progress, what came of it, findings with their schedules. */
#include "tools/explore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/targets/race_prog.h"
#include "impl/sim/bugs.h"
#include "tools/crash.h"
#include "tools/files.h"
#include "tools/tool.h"

#define REPLAYS		 2u
#define PROGRESS_SECONDS UINT64_C(10000000) /* microseconds between lines where no terminal is */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

bool explore_begin(struct exploration *exploration)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	exploration->hunt.interrupted = &interrupted;
	exploration->hunt.report = tmpfile();
	if (!exploration->hunt.report)
		tool_error("explore: cannot make a temporary file: %s", strerror(errno));
	return exploration->hunt.report != NULL;
}

void explore_end(struct exploration *exploration)
{
	if (exploration->hunt.report)
		fclose(exploration->hunt.report);
}

/* -- progress -- */

struct view {
	const char *path;
	const struct schedules *schedules;
	unsigned seconds;
	uint64_t start, last;
	bool terminal, shown;
};

/* "about 40 s left", by the share of schedules or of the time that is over. */
static void estimate(const struct view *view, const struct hunt_result *result, double passed,
	char *text, size_t size)
{
	double share = result->share, by_time = view->seconds ? passed / view->seconds : 0;

	*text = '\0';
	if (view->schedules->runs && result->runs)
		share = (double)result->runs / (double)view->schedules->runs;
	share = share > by_time ? share : by_time;
	if (passed < 1 || share < 0.01 || share > 1)
		return;
	snprintf(text, size, ", about %.0f %%, %.0f s left", share * 100,
		passed / share - passed + 0.5);
}

static void show_progress(void *context, const struct hunt_result *result)
{
	struct view *view = context;
	uint64_t now = tool_clock();
	double passed = (double)(now - view->start) / 1e6;
	char left[60];

	if (!view->terminal && now - view->last < PROGRESS_SECONDS)
		return;
	view->last = now;
	view->shown = true;
	estimate(view, result, passed, left, sizeof(left));
	fprintf(stderr,
		"%s%s: %" PRIu64 " schedules, %.0f a second, %" PRIu64 " outcomes, %" PRIu64
		" findings%s%s",
		view->terminal ? "\r\033[K" : "", view->path, result->runs,
		passed > 0 ? (double)result->runs / passed : 0, result->outcomes, result->found,
		left, view->terminal ? "" : "\n");
}

static struct hunt_result *hunt_shown(
	const struct exploration *exploration, struct hunt *hunt, const char *path)
{
	struct view view = {.path = path,
		.schedules = &hunt->schedules,
		.seconds = hunt->seconds,
		.start = tool_clock(),
		.terminal = isatty(STDERR_FILENO)};

	view.last = view.start;
	if (!exploration->quiet) {
		hunt->progress = show_progress;
		hunt->context = &view;
	}
	struct hunt_result *result = hunt_run(hunt);
	if (view.shown && view.terminal)
		fputs("\r\033[K", stderr);
	return result;
}

/* -- what came of it -- */

/* 1 - (1 - p)^n */
static double one_of(double p, uint64_t n)
{
	double none = 1;

	for (double base = 1 - p; n; n >>= 1, base *= base)
		if (n & 1)
			none *= base;
	return 1 - none;
}

/* Runs after which it was found with 95 %: -ln(0.05) / p, a little too many. */
#define RUNS_FOR_95 2.9957

static void print_pct(const struct hunt_result *result, unsigned depth)
{
	double p = result->pct_probability;

	if (!(p > 0) || !result->pct_length)
		return;
	printf("  pct: %u threads, %u points: one run finds a defect of depth %u with at least "
	       "1/(%u*%u^%u) = %.2g;",
		result->pct_threads, result->pct_length, depth, result->pct_threads,
		result->pct_length, depth - 1, p);
	printf(" 95 %% need %.0f runs, %" PRIu64 " find it with %.2g %%\n",
		p < 1 ? RUNS_FOR_95 / p + 1 : 1, result->runs, one_of(p, result->runs) * 100);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void print_bounded(const struct hunt_result *result, unsigned bound)
{
	if (result->complete)
		printf("complete for bound %u: ", bound);
	else
		printf("not complete for bound %u: ", bound);
	printf("%" PRIu64 " schedule%s (%" PRIu64 " left out as repetitions), %" PRIu64
	       " outcome%s",
		result->runs, plural(result->runs), result->left_out, result->outcomes,
		plural(result->outcomes));
	if (!result->complete && result->share > 0)
		printf(", about %.0f %% done", result->share * 100);
}

static void print_counts(
	const struct exploration *exploration, const char *path, const struct hunt_result *result)
{
	const struct schedules *schedules = &exploration->hunt.schedules;
	bool seeded = schedules->kind == SCHEDULES_RANDOM || schedules->kind == SCHEDULES_PCT;

	printf("%s: ", path);
	if (!result->threads)
		fputs("no threads: one run", stdout);
	else if (schedules->kind == SCHEDULES_BOUNDED)
		print_bounded(result, schedules->bound);
	else
		printf("%" PRIu64 " schedule%s (%s), %" PRIu64 " outcome%s", result->runs,
			plural(result->runs), schedules_name(schedules->kind), result->outcomes,
			plural(result->outcomes));
	if (seeded && result->threads)
		printf(" of seed %" PRIu64, schedules->seed);
	if (result->undecided)
		printf(", %" PRIu64 " not decided by the model", result->undecided);
	printf("%s%s%s\n", result->out_of_time && !result->finding_count ? ", out of time" : "",
		result->stopped ? ", interrupted" : "",
		result->finding_count ? "" : "; nothing found");
	if (schedules->kind == SCHEDULES_PCT && result->threads)
		print_pct(result, schedules->depth);
}

/* -- findings -- */

static void print_finding(const struct hunt_finding *finding, const struct prog *prog, FILE *out)
{
	struct prog_text text;

	if (finding->kind == HUNT_ORACLE) {
		oracle_print(&finding->finding, prog, out);
		return;
	}
	fprintf(out, "%s: %s\n", hunt_kind_name(finding), finding->finding.rule);
	prog_text_init(&text);
	if (finding->finding.call < prog->call_count && prog_text_from(&text, prog)) {
		fprintf(out, "  call %u: ", finding->finding.call + 1);
		prog_print_call(&text, finding->finding.call, out);
		fputc('\n', out);
	}
	prog_text_free(&text);
	fprintf(out, "  %s\n", finding->finding.message);
}

/* The program under the schedule of the finding, to be freed; description may be NULL. */
static char *print_forced(const struct hunt *hunt, const struct prog *prog,
	const struct hunt_finding *finding, const char *description)
{
	struct prog_text text;
	char *printed = NULL;

	prog_text_init(&text);
	if (prog_text_from(&text, prog) && schedules_force(&finding->by, &text.prog)) {
		prog_name_positional(&text.prog);
		if (!text.prog.options.bug)
			text.prog.options.bug = hunt->bug;
		if (!text.prog.options.kernel)
			text.prog.options.kernel = hunt->kernel;
		text.header.description = description ? tool_copy(description) : NULL;
		printed = prog_print_string(&text);
	}
	prog_text_free(&text);
	if (!printed)
		tool_error("out of memory");
	return printed;
}

static void print_schedule(const struct prog *prog, const struct hunt_finding *finding)
{
	if (finding->by.too_many) {
		puts("  too many forced switches for a line `schedule:` of a program");
		return;
	}
	struct prog forced;
	char *line = NULL;

	prog_init(&forced);
	if (prog_copy(&forced, prog) && schedules_force(&finding->by, &forced))
		line = schedules_line(&forced);
	if (line)
		printf("  #: %s\n", line);
	else
		puts("  no forced switch: threads run until they are blocked");
	free(line);
	prog_free(&forced);
}

/* In fresh processes and on fresh machines. */
static void replay(struct hunt hunt, const struct hunt_finding *finding)
{
	unsigned same_finding = 0, same_trace = 0;

	if (finding->by.too_many)
		return;
	hunt.by = &finding->by;
	hunt.keep_going = false;
	hunt.progress = NULL;
	for (unsigned i = 0; i < REPLAYS; i++) {
		struct hunt_result *again = hunt_run(&hunt);
		const struct hunt_finding *other =
			again && again->finding_count ? &again->findings[0] : NULL;
		bool same = other && hunt_same(other, finding);

		same_finding += same;
		same_trace += same && other->trace == finding->trace &&
			      (finding->kind == HUNT_CRASH || other->steps == finding->steps);
		hunt_free(again);
	}
	if (same_finding == REPLAYS && same_trace == REPLAYS)
		printf("  replayed twice: the same finding, %s\n",
			finding->kind == HUNT_CRASH ? "the same crash"
						    : "the same trace and steps");
	else if (same_finding == REPLAYS)
		printf("  replayed twice: the same finding, but another trace or other steps\n");
	else if (finding->kind == HUNT_ORACLE && !strcmp(finding->finding.rule, "lock-order"))
		printf("  replayed alone: not found; the two orders come from different "
		       "schedules\n");
	else
		printf("  replayed twice: found %u times: not deterministic\n", same_finding);
}

/* The program with its schedule, the finding in its first lines. */
static bool write_program(struct exploration *exploration, const struct test *test,
	const struct hunt_finding *finding)
{
	char *description = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&description, &size);

	if (!out)
		return false;
	fprintf(out, "Found by exploring %s:\n", test->id);
	print_finding(finding, &test->text.prog, out);
	fclose(out);
	char *printed = print_forced(&exploration->hunt, &test->text.prog, finding, description);
	exploration->written = printed && files_write(exploration->out, printed, strlen(printed));
	free(printed);
	free(description);
	return exploration->written;
}

/* -- how to see it again -- */

static void see_again(const char *program)
{
	printf("  see it again: iommuzz run %s, iommuzz run --timeline %s, iommuzz min %s\n",
		program, program, program);
}

/* No program can say that schedule: the search comes to it again. */
static void say_search(const struct exploration *exploration, const struct hunt *hunt,
	const char *path, const struct hunt_finding *finding)
{
	const struct schedules *schedules = &hunt->schedules;

	if (exploration->out && !exploration->written)
		printf("  %s: not written: no program can have this schedule\n", exploration->out);
	printf("  see it again: iommuzz explore --schedule %s", schedules_name(schedules->kind));
	if (schedules->kind == SCHEDULES_PCT)
		printf(" --depth %u", schedules->depth);
	if (schedules->kind == SCHEDULES_RANDOM || schedules->kind == SCHEDULES_PCT)
		printf(" --seed %" PRIu64 " --runs %" PRIu64, schedules->seed, finding->run);
	if (hunt->bug)
		printf(" --bug %s", sim_bug_info(hunt->bug)->name);
	if (hunt->kernel)
		printf(" --kernel %u.%u", hunt->kernel >> 8, hunt->kernel & 255);
	printf("%s%s %s\n", hunt->keep_going ? " --keep-going" : "",
		exploration->binary ? " --binary" : "", path);
}

/* Lines that the program needs before iommuzz run FILE shows what was found here. */
static void say_what_to_write(const struct exploration *exploration, const struct hunt *hunt,
	const struct test *test, const char *path, const struct hunt_finding *finding)
{
	const struct prog *prog = &test->text.prog;
	bool line = finding->by.count != 0;
	bool bug = hunt->bug && !prog->options.bug && !exploration->raw;

	if (bug)
		printf("  #: sim bug=%s\n", sim_bug_info(hunt->bug)->name);
	if (exploration->raw)
		puts("  see it again: --out FILE writes the program; then iommuzz run FILE,\n"
		     "  iommuzz run --timeline FILE, iommuzz min FILE");
	else if (line || bug)
		printf("  see it again: put %s into the program, or --out FILE does; then iommuzz "
		       "run FILE,\n  iommuzz run --timeline FILE, iommuzz min FILE\n",
			line && bug ? "these lines" : "that line");
	else if (prog->switch_count || prog->schedule_count)
		printf("  see it again: iommuzz run --schedule plain %s, or --out FILE; then "
		       "iommuzz "
		       "run FILE,\n  iommuzz run --timeline FILE, iommuzz min FILE\n",
			path);
	else
		see_again(path);
}

static bool report_finding(struct exploration *exploration, const struct test *test,
	const char *path, const struct hunt *hunt, const struct hunt_finding *finding)
{
	printf("\n%s: finding in schedule %" PRIu64, path, finding->run);
	if (exploration->hunt.keep_going)
		printf(" (%" PRIu64 " schedule%s with it)", finding->times, plural(finding->times));
	fputs(": ", stdout);
	print_finding(finding, &test->text.prog, stdout);
	bool threads = prog_has_threads(&test->text.prog);
	if (threads) {
		print_schedule(&test->text.prog, finding);
		replay(*hunt, finding);
	}
	bool writes = exploration->out && !exploration->written && !finding->by.too_many;
	if (writes && !write_program(exploration, test, finding))
		return false;
	if (writes || (!threads && !hunt->bug && !exploration->raw))
		see_again(writes ? exploration->out : path);
	else if (finding->by.too_many)
		say_search(exploration, hunt, path, finding);
	else
		say_what_to_write(exploration, hunt, test, path, finding);
	return true;
}

static int print_result(struct exploration *exploration, const struct test *test, const char *path,
	const struct hunt *hunt, const struct hunt_result *result)
{
	if (result->lost_machine) {
		tool_error("out of memory");
		return TOOL_BROKEN;
	}
	if (result->skipped[0]) {
		printf("%s: not run: %s\n", path, result->skipped);
		exploration->not_run++;
		return TOOL_SKIPPED;
	}
	print_counts(exploration, path, result);
	exploration->runs += result->runs;
	exploration->found += result->finding_count != 0;
	for (uint32_t i = 0; i < result->finding_count; i++) {
		if (result->findings[i].kind == HUNT_CRASH)
			crash_copy(exploration->hunt.report);
		if (!report_finding(exploration, test, path, hunt, &result->findings[i]))
			return TOOL_BROKEN;
	}
	fflush(stdout);
	if (result->stopped)
		return TOOL_INTERRUPTED;
	return result->finding_count ? TOOL_FAILED : TOOL_OK;
}

static int explore_test(struct exploration *exploration, struct test *test, const char *path)
{
	const struct suite_config config = {
		.target = &target_inproc, .kernel = exploration->hunt.kernel};
	struct hunt hunt = exploration->hunt;
	struct test_result skipped = {0};
	const char *lacks = schedules_lacks(&hunt.schedules, &test->text.prog);
	bool seeded =
		hunt.schedules.kind == SCHEDULES_RANDOM || hunt.schedules.kind == SCHEDULES_PCT;

	if (!lacks && suite_skips(&config, test, &skipped))
		lacks = skipped.reason;
	if (lacks) {
		printf("%s: not run: %s\n", path, lacks);
		exploration->not_run++;
		return TOOL_SKIPPED;
	}
	if (seeded && !hunt.schedules.runs && !hunt.seconds)
		hunt.schedules.runs = EXPLORE_RUNS_DEFAULT;
	hunt.test = test;
	struct hunt_result *result = hunt_shown(exploration, &hunt, path);
	if (!result)
		return TOOL_BROKEN;
	int code = print_result(exploration, test, path, &hunt, result);
	hunt_free(result);
	return code;
}

/* Bytes stand for the program that fuzz_race makes of them. */
static bool fit(struct prog_text *text)
{
	struct prog prog;

	prog_init(&prog);
	bool good = prog_copy(&prog, &text->prog);
	if (good) {
		race_fit(&prog);
		prog_text_free(text);
		prog_text_init(text);
		good = prog_text_from(text, &prog);
	}
	prog_free(&prog);
	if (!good)
		tool_error("out of memory");
	return good;
}

int explore_file(struct exploration *exploration, const char *path)
{
	struct test test = {0};
	int code = TOOL_BROKEN;

	prog_text_init(&test.text);
	test.id = (char *)(uintptr_t)path;
	if (files_load(path, exploration->binary, &test.text, &exploration->raw) &&
		(!exploration->raw || fit(&test.text))) {
		exploration->programs++;
		code = explore_test(exploration, &test, path);
	}
	prog_text_free(&test.text);
	return code;
}

void explore_sum(const struct exploration *exploration, size_t files)
{
	if (files < 2)
		return;
	printf("%zu programs, %zu not run, %" PRIu64 " schedules, %" PRIu64
	       " program%s with findings\n",
		exploration->programs, exploration->not_run, exploration->runs, exploration->found,
		plural(exploration->found));
}
