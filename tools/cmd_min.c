/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz min: the shortest program with the same failure. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/minimise.h"
#include "fuzz/prog/text.h"
#include "impl/sim/bugs.h"
#include "tools/crash.h"
#include "tools/expect.h"
#include "tools/files.h"
#include "tools/min_live.h"
#include "tools/min_threads.h"
#include "tools/tool.h"

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_SEEN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_SEEN 1
#endif
#endif
#ifdef LEAKS_ARE_SEEN
#include <sanitizer/lsan_interface.h>
#endif

#define SECONDS_MAX 20 /* of one run; a longer one is taken for a hang */

enum { MIN_BINARY, MIN_KERNEL, MIN_ORACLES, MIN_BUG, MIN_OUTPUT, MIN_PLAIN, MIN_QUIET, MIN_TARGET };

static const struct option_spec min_options[] = {
	[MIN_BINARY] = {"binary", 'b', NULL,
		"Reads the binary form, whatever the bytes look like."},
	[MIN_KERNEL] = {"kernel", 'k', "VERSION", "The kernel profile, if the program names none."},
	[MIN_ORACLES] = {"oracles", 'o', "LIST", "Oracles to look with (default all)."},
	[MIN_BUG] = {"bug", 0, "NAME", "Switches a defect on (bugs build)."},
	[MIN_OUTPUT] = {"output", 'O', "FILE",
		"Writes the program to FILE instead of standard output. NAME.prog gives the\n"
		"program the id NAME."},
	[MIN_PLAIN] = {"plain", 'p', NULL, "Writes no expectations."},
	[MIN_QUIET] = {"quiet", 'q', NULL, "No progress on standard error."},
	[MIN_TARGET] = {"target", 't', "TARGET",
		"inproc (the implementation, default) or live (the running kernel)."},
	{0},
};

/* How a program fails. Plain data: it crosses a pipe. */
struct failure {
	uint32_t oracle;
	bool crash;	   /* the process that ran the program ended, or it left memory behind */
	char rule[64];	   /* the oracle's; of a crash: the signal, or what a sanitizer said */
	char skipped[100]; /* why it was not run */
};

struct min {
	bool binary, quiet, plain;
	uint16_t kernel, bug;
	uint32_t oracles;
	const char *output;
	FILE *report; /* what the last process wrote on standard error */
	struct failure failure;
	bool live;	  /* judged on the real kernel */
	bool by_schedule; /* the program has threads, and fails by its line `schedule:` */
	struct min_threads threads;
	struct min_live real;
};

static struct oracle_run *open_oracles(const struct min *min)
{
	struct oracle_run *run = oracle_open(min->kernel, min->oracles);

	if (run) {
		oracle_set_bug(run, min->bug);
		oracle_set_work_limit(run, 0);
	}
	return run;
}

/* -- processes: a crash is an answer, whichever candidate it comes with -- */

static _Noreturn void child(struct min *min, const struct prog *prog,
	bool (*work)(struct min *min, const struct prog *prog, FILE *out), int to)
{
	FILE *out = fdopen(to, "w");

	dup2(fileno(min->report), STDERR_FILENO);
	alarm(SECONDS_MAX);
	bool done = out && work(min, prog, out);
	_exit(done && fflush(out) == 0 ? TOOL_OK : TOOL_BROKEN);
}

/* What work wrote, to be freed. NULL without memory or processes. */
static char *apart(struct min *min, const struct prog *prog,
	bool (*work)(struct min *min, const struct prog *prog, FILE *out), size_t *size,
	int *status)
{
	int ends[2];
	char *text = NULL;
	FILE *copy = open_memstream(&text, size);

	rewind(min->report);
	if (!copy || ftruncate(fileno(min->report), 0) != 0 || pipe(ends) != 0)
		return NULL;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		child(min, prog, work, ends[1]);
	close(ends[1]);
	char bytes[4096];
	for (ssize_t count; pid > 0 && (count = read(ends[0], bytes, sizeof(bytes))) > 0;)
		fwrite(bytes, 1, (size_t)count, copy);
	close(ends[0]);
	fclose(copy);
	while (pid > 0 && waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0)
		return text;
	free(text);
	return NULL;
}

/* -- judging -- */

static bool leaks(void)
{
#ifdef LEAKS_ARE_SEEN
	return __lsan_do_recoverable_leak_check() != 0;
#else
	return false;
#endif
}

static bool judge(struct min *min, const struct prog *prog, FILE *out)
{
	struct oracle_run *run = open_oracles(min);
	struct failure failure = {0};
	struct finding finding;

	if (!run)
		return false;
	oracle_run_program(run, prog, &finding);
	failure.oracle = finding.oracle;
	snprintf(failure.rule, sizeof(failure.rule), "%s", finding.rule);
	if (oracle_skipped(run))
		snprintf(failure.skipped, sizeof(failure.skipped), "%s", oracle_skipped(run));
	bool look = !failure.oracle && (!min->failure.rule[0] || min->failure.crash);
	if (look) {
		oracle_close(run);
		failure.crash = leaks();
	}
	if (failure.crash)
		snprintf(failure.rule, sizeof(failure.rule), "leak of memory");
	return fwrite(&failure, sizeof(failure), 1, out) == 1;
}

static void judge_live(struct min *min, const struct prog *prog, struct failure *failure)
{
	struct min_live_failure live;

	min_live_judge(&min->real, prog, &live);
	memset(failure, 0, sizeof(*failure));
	snprintf(failure->rule, sizeof(failure->rule), "%.63s", live.rule);
	snprintf(failure->skipped, sizeof(failure->skipped), "%s", live.skipped);
	if (min->real.known || !live.fails)
		return;
	min->real.known = true;
	min->real.row = live.row;
	min->real.result = live.result;
}

static void judge_apart(struct min *min, const struct prog *prog, struct failure *failure)
{
	size_t size;
	int status = 0;

	if (min->live) {
		judge_live(min, prog, failure);
		return;
	}
	char *answer = apart(min, prog, judge, &size, &status);

	memset(failure, 0, sizeof(*failure));
	if (!answer) {
		tool_error("min: cannot run a process: %s", strerror(errno));
		exit(TOOL_BROKEN);
	}
	if (size == sizeof(*failure)) {
		memcpy(failure, answer, size);
	} else {
		failure->crash = true;
		crash_name(min->report, status, failure->rule, sizeof(failure->rule));
	}
	free(answer);
}

static bool same_failure(void *context, const struct prog *candidate)
{
	struct min *min = context;
	struct failure failure;

	/* Where threads are left, the candidate may get another schedule (minimise.h). */
	if (min->by_schedule && prog_has_threads(candidate))
		return min_threads_mend(&min->threads, (struct prog *)(uintptr_t)candidate);
	judge_apart(min, candidate, &failure);
	return failure.oracle == min->failure.oracle && failure.crash == min->failure.crash &&
	       strcmp(failure.rule, min->failure.rule) == 0;
}

static void progress(void *context, uint32_t calls_left)
{
	const struct min *min = context;

	if (!min->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%u calls ", calls_left);
}

/* -- the result -- */

/* NAME of DIRECTORY/NAME.prog, to be freed, or NULL. */
static char *id_of_output(const char *path)
{
	const char *base = path && strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t length = base ? strlen(base) : 0;

	if (length <= 5 || strcmp(base + length - 5, ".prog") != 0 || strpbrk(base, " \t#"))
		return NULL;
	char *id = tool_copy(base);
	id[length - 5] = '\0';
	return id;
}

static const char *kind_of(const struct failure *failure)
{
	return failure->crash	 ? "crash"
	       : failure->oracle ? oracle_name(failure->oracle)
				 : "on the real kernel";
}

/* The first kernel that knows all calls, if not the oldest; a program may name its own kernel. */
static uint16_t first_kernel(const struct prog *prog)
{
	uint16_t first = LINUX(6, 2);

	for (uint32_t i = 0; i < prog->call_count && !prog->options.kernel; i++)
		if (prog_row(&prog->calls[i])->since > first)
			first = prog_row(&prog->calls[i])->since;
	return first > LINUX(6, 2) ? first : 0;
}

static bool print_text(const struct min *min, const struct prog *prog, bool plain, FILE *out)
{
	struct prog_text text;
	char description[160];

	prog_text_init(&text);
	if (!prog_text_from(&text, prog))
		return false;
	prog_name_positional(&text.prog);
	snprintf(description, sizeof(description), "Once failed: %s: %s.", kind_of(&min->failure),
		min->failure.rule);
	text.header.description = tool_copy(description);
	text.header.id = id_of_output(min->output);
	text.header.since = first_kernel(prog);
	/* What the model does not know, it cannot expect. */
	bool modelled = !min->live || call_rows[min->real.row].implemented;
	/* And with threads it would say what one order of them gives. */
	modelled = modelled && !prog_has_threads(prog);
	if (!plain && modelled)
		expect_from_model(&text, min->kernel);
	prog_print(&text, out);
	prog_text_free(&text);
	return !ferror(out);
}

static bool print_expecting(struct min *min, const struct prog *prog, FILE *out)
{
	return print_text(min, prog, min->plain, out);
}

static bool print_program(struct min *min, const struct prog *prog)
{
	int status = 0;
	size_t size = 0;
	char *printed = apart(min, prog, print_expecting, &size, &status);

	/* The model, too, may be what crashes. */
	if (!printed || !WIFEXITED(status) || WEXITSTATUS(status) != TOOL_OK) {
		free(printed);
		FILE *out = open_memstream(&printed, &size);
		bool done = out && print_text(min, prog, true, out);

		if (!out || fclose(out) != 0 || !done) {
			tool_error("out of memory");
			return false;
		}
	}
	bool written = true;
	if (min->output)
		written = files_write(min->output, printed, size);
	else
		fwrite(printed, 1, size, stdout);
	free(printed);
	return written;
}

/* Makes a failure of threads a schedule, and says how it fails. */
static void begin_threads(struct min *min, struct prog *prog)
{
	struct hunt_finding *wanted = &min->threads.wanted;

	min->threads.hunt = (struct hunt){.kernel = min->kernel,
		.bug = min->bug,
		.oracles = min->oracles,
		.report = min->report};
	min->by_schedule = true;
	if (!min_threads_begin(
		    &min->threads, prog, min->failure.skipped, sizeof(min->failure.skipped)))
		return;
	min->failure.oracle = wanted->finding.oracle;
	min->failure.crash = wanted->kind == HUNT_CRASH;
	snprintf(min->failure.rule, sizeof(min->failure.rule), "%s", wanted->finding.rule);
}

/* Runs the result again and again, each time on a fresh machine. */
static bool verify(struct min *min, const char *path, const struct prog *prog)
{
	uint32_t count = min_threads_count(&min->threads, prog);

	if (!min->quiet || count != MIN_THREADS_TIMES)
		fprintf(stderr, "%s: fails %u of %u times, with %u forced switch%s\n", path, count,
			MIN_THREADS_TIMES, prog->switch_count, prog->switch_count == 1 ? "" : "es");
	return count == MIN_THREADS_TIMES;
}

static int minimise(struct min *min, const char *path, struct prog *prog)
{
	struct minimise_stats stats = {0};

	if (!min->live && prog->options.bug && !sim_bugs_built()) {
		tool_error("%s: not run: needs the bugs build", path);
		return TOOL_SKIPPED;
	}
	/* In the program itself, where it stays unless it does not matter. */
	if (!prog->options.kernel)
		prog->options.kernel = min->kernel;
	min->kernel = 0;
	if (!min->live && prog_has_threads(prog))
		begin_threads(min, prog);
	else
		judge_apart(min, prog, &min->failure);
	if (!*min->failure.rule) {
		if (min->by_schedule)
			tool_error("%s: %s", path, min->failure.skipped);
		else if (min->failure.skipped[0])
			tool_error("%s: not %s: %s", path, min->live ? "minimised" : "run",
				min->failure.skipped);
		else
			tool_error("%s: does not fail, nothing to minimise", path);
		return TOOL_SKIPPED;
	}
	prog_minimise(prog, same_failure, min, progress, &stats);
	if (min->by_schedule && prog_has_threads(prog))
		min_threads_calm(&min->threads, prog);
	if (!min->quiet) {
		fprintf(stderr, "%s%s: %s: %s; %u calls of %u, %u candidates tried\n",
			isatty(STDERR_FILENO) ? "\r" : "", path, kind_of(&min->failure),
			min->failure.rule, stats.calls_after, stats.calls_before, stats.tried);
	}
	if (min->by_schedule && !verify(min, path, prog))
		return TOOL_BROKEN;
	return print_program(min, prog) ? TOOL_OK : TOOL_BROKEN;
}

static bool read_option(struct min *min, const char **path, int option, const char *value)
{
	switch (option) {
	case MIN_BINARY: min->binary = true; return true;
	case MIN_KERNEL: return tool_kernel(value, &min->kernel);
	case MIN_PLAIN: min->plain = true; return true;
	case MIN_ORACLES:
		if (oracle_parse(value, &min->oracles) && min->oracles)
			return true;
		tool_error("--oracles: expected all, or some of model, audit, isolation, rollback, "
			   "machine, scheduler, found '%s'",
			value);
		return false;
	case MIN_BUG:
		min->bug = sim_bug_find(value);
		if (!min->bug || !sim_bugs_built())
			tool_error("--bug: no defect '%s' in this build", value);
		return min->bug && sim_bugs_built();
	case MIN_OUTPUT: min->output = value; return true;
	case MIN_QUIET: min->quiet = true; return true;
	case MIN_TARGET: {
		const struct target_class *target = machine_target(value);

		min->live = target == &target_live;
		if (target == &target_model)
			tool_error("--target: min works on inproc and live");
		return target && target != &target_model;
	}
	case OPTIONS_WORD:
		if (*path)
			tool_error("min: one file at a time, found '%s' too", value);
		return !*path && (*path = value);
	default: return false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct min min = {.oracles = ORACLE_ALL, .real = {.machine = {.keeper = -1}}};
	struct options options;
	struct prog_text text;
	const char *value, *path = NULL;
	int code = TOOL_BROKEN;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_HELP)
			return TOOL_OK;
		if (!read_option(&min, &path, option, value))
			return TOOL_BROKEN;
	}
	if (!path) {
		tool_error("min: expected a file; see iommuzz min --help");
		return TOOL_BROKEN;
	}
	if (min.output && !files_can_write(min.output))
		return TOOL_BROKEN;
	min.report = tmpfile();
	if (!min.report) {
		tool_error("min: cannot make a temporary file: %s", strerror(errno));
		return TOOL_BROKEN;
	}
	prog_text_init(&text);
	if (min.live)
		code = machine_open(&min.real.machine, "min");
	if ((!min.live || code < 0) && files_load_to_run(path, min.binary, &text)) {
		min.real.text = &text;
		min.real.kernel = min.kernel ? min.kernel : min.real.machine.probe.kernel;
		code = minimise(&min, path, &text.prog);
	} else if (code < 0) {
		code = TOOL_BROKEN;
	}
	machine_close(&min.real.machine);
	prog_text_free(&text);
	fclose(min.report);
	return code;
}

const struct command command_min = {
	.name = "min",
	.brief = "shorten a program and keep its failure",
	.synopsis = "iommuzz min [OPTION]... FILE",
	.description =
		"Drops calls with all that depends on them, then simplifies the arguments of those "
		"that are\n"
		"left, as long as the program fails in the same way: the same oracle and the same "
		"rule, or a\n"
		"crash of the same kind (signal, sanitizer's error, hang). Every candidate runs in "
		"a "
		"process of\n"
		"its own. Failures that only a sanitizer sees need a build with it "
		"(build/asan/iommuzz).\n\n"
		"Prints the shorter program; what was done goes to standard error. Its calls are "
		"given as\n"
		"expectations what the reference model answers: the program is a test, which "
		"iommuzz check\n"
		"passes as soon as the failure is mended. Behind an injected failure (fail, "
		"fail-nth "
		"N) nothing\n"
		"is expected.\n\n"
		"A program with threads fails by a schedule. One without a line `schedule:` is "
		"explored until it\n"
		"fails; then calls go, then threads, then forced switches. A candidate whose "
		"schedule does not\n"
		"fit any more is explored for a moment. The result has its line `schedule:`; it is "
		"run 1000\n"
		"times, and must fail each time. It has no expectations.\n\n"
		"FILE is a program as text, as iommuzz fuzz leaves it beside each finding "
		"(FINDING.prog), or a\n"
		"crash file of fuzz_iommufd (- is standard input).\n\n"
		"With --target live the program fails where the running kernel does not do what it "
		"expects; a\n"
		"shorter one must have the same call fail in the same way where the reference "
		"model disagrees. A\n"
		"call that hangs, a death and a report in the kernel's log are failures too.",
	.options = min_options,
	.exit_status = "0   a program that still fails was printed\n"
		       "2   wrong usage, or a file that cannot be read, parsed or written\n"
		       "77  the program does not fail, or cannot be run here",
	.examples = "iommuzz min crash-1f3a.prog > corpus/regress/what-it-was.prog\n"
		    "build/asan/iommuzz min -O corpus/regress/what-it-was.prog crash-1f3a.prog",
	.run = run,
};
