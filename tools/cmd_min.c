/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz min: the shortest program with the same failure. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/minimise.h"
#include "impl/sim/bugs.h"
#include "tools/files.h"
#include "tools/tool.h"

enum { MIN_BINARY, MIN_KERNEL, MIN_ORACLES, MIN_BUG, MIN_OUTPUT, MIN_QUIET };

static const struct option_spec min_options[] = {
	[MIN_BINARY] = {"binary", 'b', NULL,
		"Reads the binary form, whatever the bytes look like."},
	[MIN_KERNEL] = {"kernel", 'k', "VERSION", "The kernel profile, if the program names none."},
	[MIN_ORACLES] = {"oracles", 'o', "LIST", "Oracles to look with (default all)."},
	[MIN_BUG] = {"bug", 0, "NAME", "Switches a defect on (bugs build)."},
	[MIN_OUTPUT] = {"output", 'O', "FILE",
		"Writes the program to FILE instead of standard output."},
	[MIN_QUIET] = {"quiet", 'q', NULL, "No progress on standard error."},
	{0},
};

/* How a program fails. Crashes are a failure of their own: the process that ran the program ended.
 */
struct failure {
	uint32_t oracle;
	bool crash;
	char rule[64];
};

struct min {
	bool binary, quiet;
	uint16_t kernel, bug;
	uint32_t oracles;
	const char *output;
	struct oracle_run *run; /* when failures do not crash */
	struct failure failure;
};

static void judge(struct oracle_run *run, const struct prog *prog, struct failure *failure)
{
	struct finding finding;

	memset(failure, 0, sizeof(*failure));
	oracle_run_program(run, prog, &finding);
	failure->oracle = finding.oracle;
	memcpy(failure->rule, finding.rule, sizeof(failure->rule));
}

static struct oracle_run *open_oracles(const struct min *min)
{
	struct oracle_run *run = oracle_open(min->kernel, min->oracles);

	if (run) {
		oracle_set_bug(run, min->bug);
		oracle_set_work_limit(run, 0);
	}
	return run;
}

static void child(const struct min *min, const struct prog *prog, int to)
{
	struct failure failure;
	struct oracle_run *run = open_oracles(min);

	/* The report of a sanitizer would come once a candidate. */
	if (!freopen("/dev/null", "w", stderr))
		_exit(TOOL_BROKEN);
	alarm(20);
	if (run)
		judge(run, prog, &failure);
	_exit(run && write(to, &failure, sizeof(failure)) == (ssize_t)sizeof(failure)
			? 0
			: TOOL_BROKEN);
}

/* In a process of its own, so that a crash is an answer. */
static void judge_apart(const struct min *min, const struct prog *prog, struct failure *failure)
{
	int ends[2], status = 0;

	memset(failure, 0, sizeof(*failure));
	if (pipe(ends) != 0)
		return;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		child(min, prog, ends[1]);
	close(ends[1]);
	bool answered =
		pid > 0 && read(ends[0], failure, sizeof(*failure)) == (ssize_t)sizeof(*failure);
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (pid > 0 && !answered) {
		failure->crash = true;
		snprintf(failure->rule, sizeof(failure->rule), "%s",
			WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "sanitizer");
	}
}

static bool same(const struct failure *a, const struct failure *b)
{
	return a->oracle == b->oracle && a->crash == b->crash && strcmp(a->rule, b->rule) == 0;
}

static bool same_failure(void *context, const struct prog *candidate)
{
	struct min *min = context;
	struct failure failure;

	if (min->run)
		judge(min->run, candidate, &failure);
	else
		judge_apart(min, candidate, &failure);
	return same(&failure, &min->failure);
}

static void progress(void *context, uint32_t calls_left)
{
	const struct min *min = context;

	if (!min->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%u calls ", calls_left);
}

static bool print_program(const struct min *min, const struct prog *prog)
{
	struct prog_text text;

	prog_text_init(&text);
	char *printed = prog_text_from(&text, prog) ? prog_print_string(&text) : NULL;
	prog_text_free(&text);
	if (!printed) {
		tool_error("out of memory");
		return false;
	}
	bool done = true;
	if (min->output)
		done = files_write(min->output, printed, strlen(printed));
	else
		fputs(printed, stdout);
	free(printed);
	return done;
}

static int minimise(struct min *min, const char *path, struct prog *prog)
{
	struct minimise_stats stats = {0};

	judge_apart(min, prog, &min->failure);
	if (!min->failure.crash && !min->failure.oracle) {
		tool_error("%s: does not fail, nothing to minimise", path);
		return TOOL_SKIPPED;
	}
	if (!min->failure.crash)
		min->run = open_oracles(min);
	prog_minimise(prog, same_failure, min, progress, &stats);
	oracle_close(min->run);
	if (!min->quiet) {
		fprintf(stderr, "%s%s: %s: %s; %u calls of %u, %u candidates tried\n",
			isatty(STDERR_FILENO) ? "\r" : "", path,
			min->failure.crash ? "crash" : oracle_name(min->failure.oracle),
			min->failure.rule, stats.calls_after, stats.calls_before, stats.tried);
	}
	return print_program(min, prog) ? TOOL_OK : TOOL_BROKEN;
}

static bool read_option(struct min *min, const char **path, int option, const char *value)
{
	switch (option) {
	case MIN_BINARY: min->binary = true; return true;
	case MIN_KERNEL: return tool_kernel(value, &min->kernel);
	case MIN_ORACLES:
		if (oracle_parse(value, &min->oracles) && min->oracles)
			return true;
		tool_error("--oracles: expected all, or some of model, audit, isolation, rollback, "
			   "machine, found '%s'",
			value);
		return false;
	case MIN_BUG:
		min->bug = sim_bug_find(value);
		if (!min->bug || !sim_bugs_built())
			tool_error("--bug: no defect '%s' in this build", value);
		return min->bug && sim_bugs_built();
	case MIN_OUTPUT: min->output = value; return true;
	case MIN_QUIET: min->quiet = true; return true;
	case OPTIONS_WORD:
		if (*path)
			tool_error("min: one file at a time, found '%s' too", value);
		return !*path && (*path = value);
	default: return false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct min min = {.oracles = ORACLE_ALL};
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
	prog_text_init(&text);
	if (files_load(path, min.binary, &text, NULL))
		code = minimise(&min, path, &text.prog);
	prog_text_free(&text);
	return code;
}

const struct command command_min = {
	.name = "min",
	.brief = "shorten a program and keep its failure",
	.synopsis = "iommuzz min [OPTION]... FILE",
	.description = "Drops calls with all that depends on them, then simplifies the arguments "
		       "of those that are\n"
		       "left, as long as the program fails in the same way: the same oracle and "
		       "the same rule, or a\n"
		       "crash of the same kind. Prints the shorter program; what was done goes to "
		       "standard error.\n\n"
		       "FILE is a program as text or a crash file of a fuzzing engine (- is "
		       "standard input).",
	.options = min_options,
	.exit_status = "0   a program that still fails was printed\n"
		       "2   wrong usage, or a file that cannot be read, parsed or written\n"
		       "77  the program does not fail",
	.examples = "iommuzz min crash-1f3a > corpus/regress/what-it-was.prog",
	.run = run,
};
