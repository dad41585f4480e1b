/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz gen: programs from seeds; printed, or run for statistics, a digest or findings. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/prog/binary.h"
#include "fuzz/prog/text.h"
#include "tools/files.h"
#include "tools/gen.h"
#include "tools/tool.h"

enum {
	GEN_SEED,
	GEN_PROGRAMS,
	GEN_FIRST,
	GEN_KERNEL,
	GEN_CALLS,
	GEN_FAILURES,
	GEN_TARGET,
	GEN_STATS,
	GEN_DIGEST,
	GEN_CHECK,
	GEN_FINDINGS,
	GEN_USES,
	GEN_JSON,
	GEN_BINARY,
	GEN_OUTPUT,
	GEN_THREADS,
	GEN_SCHEDULES_OPTION
};

static const struct option_spec gen_options[] = {
	[GEN_SEED] = {"seed", 's', "N", "The sequence of programs (default 1)."},
	[GEN_PROGRAMS] = {"programs", 'n', "N",
		"How many programs (default 1; 10000 with the forms that run them)."},
	[GEN_FIRST] = {"first", 0, "N", "Number of the first program in its sequence (default 0)."},
	[GEN_KERNEL] = {"kernel", 'k', "VERSION",
		"Calls that are newer than this release become rare."},
	[GEN_CALLS] = {"calls", 'c', "N", "Calls in a program at most (default 40)."},
	[GEN_FAILURES] = {"failures", 0, NULL, "Injects a failure in every fifth program."},
	[GEN_TARGET] = {"target", 't', "TARGET",
		"With --stats and --digest: inproc (default) or model."},
	[GEN_STATS] = {"stats", 0, NULL,
		"Runs the programs and prints per call how often it was used, how often it\n"
		"succeeded and with which errnos it failed; then the share of programs that\n"
		"had a device attached, and of those that held an access pin, and the goals."},
	[GEN_DIGEST] = {"digest", 0, NULL,
		"Runs the programs and prints one 64-bit digest of all traces."},
	[GEN_CHECK] = {"check", 0, NULL,
		"Runs the programs with all oracles and prints findings, minimised."},
	[GEN_FINDINGS] = {"findings", 0, "N",
		"With --check: kinds of findings after which it ends (default 1)."},
	[GEN_USES] = {"uses", 0, "N",
		"With --stats: uses from which a call's share of successes is judged\n"
		"(default 100)."},
	[GEN_JSON] = {"json", 'j', NULL, "With --stats: prints JSON."},
	[GEN_BINARY] = {"binary", 'b', NULL, "Writes the binary form, as fuzzing engines keep it."},
	[GEN_OUTPUT] = {"output", 'o', "DIR",
		"Writes each program, or finding, to a file in DIR. DIR is made if need be."},
	[GEN_THREADS] = {"threads", 'T', "N",
		"Programs with two to N threads (N from 2 to 4) that race on a few objects,\n"
		"and their schedule bytes. --calls and --failures say nothing then."},
	[GEN_SCHEDULES_OPTION] = {"schedules", 0, "N",
		"With --check and --threads: random schedules of each program, behind the\n"
		"one of its bytes (default 20)."},
	{0},
};

enum form { FORM_PRINT, FORM_STATS, FORM_DIGEST, FORM_CHECK };

struct request {
	struct gen gen;
	enum form form;
	bool binary, counted; /* counted: --programs was given */
};

void gen_program(const struct gen *gen, uint64_t number, struct prog *prog)
{
	struct random random;
	uint64_t state = gen->seed;

	/* Every program has a seed of its own, so that one can be had without those before it. */
	state = random_mix(&state) + number;
	random_seed(&random, random_mix(&state));
	prog_generate(prog, &random, &gen->options);
}

/* -- printing -- */

static bool write_text(const struct gen *gen, uint64_t number, const struct prog *prog)
{
	char name[80], *path = NULL, *printed = NULL;
	struct prog_text text;

	snprintf(name, sizeof(name), "gen-%" PRIu64 "-%" PRIu64, gen->seed, number);
	prog_text_init(&text);
	bool done = prog_text_from(&text, prog);
	if (done) {
		text.header.id = tool_copy(name);
		printed = prog_print_string(&text);
		done = printed != NULL;
	}
	if (!done) {
		tool_error("out of memory");
	} else if (gen->folder) {
		path = tool_grow(NULL, strlen(gen->folder) + sizeof(name) + 8, 1);
		sprintf(path, "%s/%s.prog", gen->folder, name);
		done = files_write(path, printed, strlen(printed));
	} else {
		printf("%s%s", number == gen->first ? "" : "\n", printed);
	}
	free(path);
	free(printed);
	prog_text_free(&text);
	return done;
}

static bool write_binary(const struct gen *gen, uint64_t number, const struct prog *prog)
{
	size_t size = prog_encode(prog, NULL, 0);
	uint8_t *bytes = tool_grow(NULL, size, 1);
	bool done;

	prog_encode(prog, bytes, size);
	if (gen->folder) {
		char *path = tool_grow(NULL, strlen(gen->folder) + 64, 1);

		sprintf(path, "%s/gen-%" PRIu64 "-%" PRIu64, gen->folder, gen->seed, number);
		done = files_write(path, bytes, size);
		free(path);
	} else {
		done = fwrite(bytes, 1, size, stdout) == size;
	}
	free(bytes);
	return done;
}

static int print_programs(const struct request *request)
{
	const struct gen *gen = &request->gen;
	struct prog prog;
	bool done = true;

	prog_init(&prog);
	for (uint64_t i = gen->first; done && i < gen->first + gen->programs; i++) {
		gen_program(gen, i, &prog);
		done = request->binary ? write_binary(gen, i, &prog) : write_text(gen, i, &prog);
	}
	prog_free(&prog);
	return done ? TOOL_OK : TOOL_BROKEN;
}

/* -- running -- */

static int run_form(const struct request *request)
{
	switch (request->form) {
	case FORM_STATS: return tool_exit(gen_stats(&request->gen));
	case FORM_DIGEST: return tool_exit(gen_digest(&request->gen));
	case FORM_CHECK: return tool_exit(gen_check(&request->gen));
	default: return tool_exit(print_programs(request));
	}
}

/* In a process of its own, so that a crash can be told with the program that caused it. */
static int run_apart(struct request *request)
{
	struct gen *gen = &request->gen;
	int status;

	gen->running = mmap(NULL, sizeof(*gen->running), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (gen->running == MAP_FAILED) {
		tool_error("out of memory");
		return TOOL_BROKEN;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		exit(run_form(request));
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		tool_error("cannot start a process: %s", strerror(errno));
		return TOOL_BROKEN;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) <= TOOL_BROKEN)
		return WEXITSTATUS(status);
	if (gen->options.threads)
		tool_error("the process ended (%s) in program %" PRIu64
			   ": iommuzz gen --seed %" PRIu64 " --first %" PRIu64
			   " --threads %u > FILE, iommuzz explore --schedule random FILE",
			WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "sanitizer",
			*gen->running, gen->seed, *gen->running, gen->options.threads);
	else
		tool_error("the process ended (%s) in program %" PRIu64
			   ": iommuzz gen --seed %" PRIu64 " --first %" PRIu64 "%s --calls %u",
			WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "sanitizer",
			*gen->running, gen->seed, *gen->running,
			gen->options.failures ? " --failures" : "",
			gen->options.call_max ? gen->options.call_max : 40);
	return TOOL_FAILED;
}

/* -- options -- */

static bool number_option(
	uint32_t *target, const char *name, const char *value, uint64_t low, uint64_t high)
{
	uint64_t number;

	if (!tool_number(name, value, low, high, &number))
		return false;
	*target = (uint32_t)number;
	return true;
}

static bool set_form(struct request *request, enum form form)
{
	if (request->form != FORM_PRINT && request->form != form) {
		tool_error("gen: --stats, --digest and --check exclude each other");
		return false;
	}
	request->form = form;
	return true;
}

static bool read_option(struct request *request, int option, const char *value)
{
	struct gen *gen = &request->gen;

	switch (option) {
	case GEN_SEED: return tool_number("seed", value, 0, UINT64_MAX, &gen->seed);
	case GEN_PROGRAMS:
		request->counted = true;
		return tool_number("programs", value, 1, UINT32_MAX, &gen->programs);
	case GEN_FIRST: return tool_number("first", value, 0, UINT64_MAX / 2, &gen->first);
	case GEN_KERNEL: return tool_kernel(value, &gen->options.kernel);
	case GEN_CALLS:
		return number_option(&gen->options.call_max, "calls", value, 1, PROG_CALL_MAX);
	case GEN_FAILURES: gen->options.failures = true; return true;
	case GEN_TARGET:
		gen->target = strcmp(value, "inproc") == 0  ? &target_inproc
			      : strcmp(value, "model") == 0 ? &target_model
							    : NULL;
		if (!gen->target)
			tool_error("--target: expected inproc or model, found '%s'", value);
		return gen->target != NULL;
	case GEN_STATS: return set_form(request, FORM_STATS);
	case GEN_DIGEST: return set_form(request, FORM_DIGEST);
	case GEN_CHECK: return set_form(request, FORM_CHECK);
	case GEN_FINDINGS: return number_option(&gen->findings, "findings", value, 1, 1000);
	case GEN_USES: return number_option(&gen->goal_uses, "uses", value, 1, UINT32_MAX);
	case GEN_THREADS: return number_option(&gen->options.threads, "threads", value, 2, 4);
	case GEN_SCHEDULES_OPTION:
		return number_option(&gen->schedules, "schedules", value, 0, 1000000);
	case GEN_JSON: gen->json = true; return true;
	case GEN_BINARY: request->binary = true; return true;
	case GEN_OUTPUT: gen->folder = value; return true;
	case OPTIONS_WORD: tool_error("gen: takes no arguments, found '%s'", value); return false;
	default: return false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct request request = {.gen = {.seed = 1,
					  .target = &target_inproc,
					  .goal_uses = 100,
					  .findings = 1,
					  .schedules = GEN_SCHEDULES}};
	struct gen *gen = &request.gen;
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_HELP)
			return tool_exit(TOOL_OK);
		if (!read_option(&request, option, value))
			return TOOL_BROKEN;
	}
	if (!request.counted)
		gen->programs = request.form == FORM_PRINT ? 1 : 10000;
	if (gen->json && request.form != FORM_STATS) {
		tool_error("gen: --json goes with --stats");
		return TOOL_BROKEN;
	}
	if (request.binary && !gen->folder && gen->programs > 1) {
		tool_error("gen: several binary programs need a folder: --output DIR");
		return TOOL_BROKEN;
	}
	if (gen->folder && mkdir(gen->folder, 0777) != 0 && errno != EEXIST) {
		tool_error("%s: %s", gen->folder, strerror(errno));
		return TOOL_BROKEN;
	}
	return request.form == FORM_PRINT ? run_form(&request) : run_apart(&request);
}

const struct command command_gen = {
	.name = "gen",
	.brief = "make programs from a seed; run them for statistics or findings",
	.synopsis =
		"iommuzz gen [-s SEED] [-n PROGRAMS] [--binary] [-o DIR]\n"
		"iommuzz gen --stats [--json] [-s SEED] [-n PROGRAMS]\n"
		"iommuzz gen --digest [-s SEED] [-n PROGRAMS]\n"
		"iommuzz gen --check [--threads N] [--findings N] [-s SEED] [-n PROGRAMS] [-o DIR]",
	.description =
		"Makes programs as fuzzing does when it makes a fresh one. The same seed, number "
		"and options\n"
		"give the same program on every machine. Without a form that runs them, prints "
		"them as text;\n"
		"a program names its seed and number as its id.\n\n"
		"--stats shows whether the mix is honest: at least 20 % of each call's uses must "
		"succeed,\n"
		"half of the programs must hold a domain (an attached device) at some time, and a "
		"quarter an\n"
		"access pin. Calls of callbacks are counted like all others; calls that the "
		"implementation\n"
		"does not have yet (iommuzz ops --unimplemented) are listed and not judged.\n\n"
		"--digest is one number for what all programs did: builds by different compilers, "
		"with\n"
		"another allocator or another layout of memory, must agree on it.\n\n"
		"--check compares each program with the reference model and runs the other "
		"oracles. The first\n"
		"finding of each kind (oracle, rule and call) is shortened and printed with its "
		"seed. Programs\n"
		"with threads run by their schedule bytes, then under random schedules; a finding "
		"of theirs is\n"
		"printed with its line `schedule:`.",
	.options = gen_options,
	.exit_status = "0   done; with --stats: every goal holds; with --check: nothing was found\n"
		       "1   a goal is missed, a finding, or a program that ended the process\n"
		       "2   wrong usage, or a file that cannot be written",
	.examples = "iommuzz gen --seed 7\n"
		    "iommuzz gen --stats --programs 100000\n"
		    "iommuzz gen --check --failures --findings 10 -o found",
	.run = run,
};
