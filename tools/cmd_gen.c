/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz gen: makes programs, and tells how honest the mix is. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/names.h"
#include "fuzz/prog/generate.h"
#include "tools/files.h"
#include "tools/tool.h"

enum { GEN_SEED, GEN_PROGRAMS, GEN_CALLS, GEN_FAILURES, GEN_KERNEL, GEN_TARGET, GEN_STATS, GEN_DIGEST, GEN_OUTPUT };

static const struct option_spec gen_options[] = {
	[GEN_SEED] = { "seed", 's', "N", "Seed of the first program; the next ones count up (default 1)." },
	[GEN_PROGRAMS] = { "programs", 'n', "N", "How many programs (default 1; 10000 with --stats or --digest)." },
	[GEN_CALLS] = { "calls", 'c', "N", "Calls of a program at most (default 40)." },
	[GEN_FAILURES] = { "failures", 0, NULL, "Inject failures in a share of the programs." },
	[GEN_KERNEL] = { "kernel", 'k', "VERSION", "The kernel profile." },
	[GEN_TARGET] = { "target", 't', "TARGET", "inproc (default) or model: where --stats and --digest run them." },
	[GEN_STATS] = { "stats", 0, NULL,
		"Runs the programs; prints per call how often it succeeded and with which\n"
		"errno it failed, and how many programs held a domain or a pin." },
	[GEN_DIGEST] = { "digest", 0, NULL,
		"Runs the programs; prints the digest of each trace. Two builds, compilers\n"
		"or processes must print the same." },
	[GEN_OUTPUT] = { "output", 'o', "DIR", "Writes gen-SEED.prog files to DIR (made if it is not there)." },
	{ 0 },
};

struct gen {
	uint64_t seed, programs;
	struct generate_options options;
	const struct target_class *target;
	bool stats, digest;
	const char *folder;
};

#define ERRNO_LIMIT 600

struct call_stats {
	uint64_t uses, successes;
	uint32_t errnos[ERRNO_LIMIT];
};

struct stats {
	struct call_stats calls[CALL_ID_COUNT];
	uint64_t run, not_run, executed, with_domain, with_pin;
};

/* -- running -- */

static void count_entry(struct stats *stats, const struct prog *prog, const struct trace_entry *entry, bool *domain,
	bool *pin)
{
	uint16_t row = prog->calls[entry->call].row;
	struct call_stats *call = &stats->calls[row];

	call->uses++;
	stats->executed++;
	if (entry->result < 0) {
		call->errnos[-entry->result < ERRNO_LIMIT ? -entry->result : 0]++;
		return;
	}
	call->successes++;
	if (row == CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN || row == CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS)
		*domain = true;
	if (row == CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES || row == CALL_ID_access_pin)
		*pin = true;
}

static void count_program(struct stats *stats, const struct prog *prog, const struct trace *trace)
{
	bool domain = false, pin = false;

	stats->run++;
	for (uint32_t e = 0; e < trace->entry_count; e++)
		if (trace->entries[e].kind == TRACE_CALL)
			count_entry(stats, prog, &trace->entries[e], &domain, &pin);
	stats->with_domain += domain;
	stats->with_pin += pin;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_call(const struct call_row *row, const struct call_stats *call, FILE *out)
{
	const char *between = "  ";

	fprintf(out, "%-36s %9" PRIu64 " %6.1f %%", row->name, call->uses, percent(call->successes, call->uses));
	for (int error = 1; error < ERRNO_LIMIT; error++) {
		char name[24];

		if (!call->errnos[error])
			continue;
		fprintf(out, "%s%s %.1f %%", between, result_text(name, sizeof(name), -error),
			percent(call->errnos[error], call->uses));
		between = ", ";
	}
	fputc('\n', out);
}

static void print_stats(const struct stats *stats, FILE *out)
{
	fprintf(out, "%-36s %9s %8s  %s\n", "call", "uses", "success", "failures");
	for (unsigned r = 0; r < CALL_ID_COUNT; r++)
		if (stats->calls[r].uses)
			print_call(&call_rows[r], &stats->calls[r], out);
	for (unsigned r = 0; r < CALL_ID_COUNT; r++)
		if (!stats->calls[r].uses && call_rows[r].implemented)
			fprintf(out, "%-36s %9d\n", call_rows[r].name, 0);
	fprintf(out, "\nprograms run             %9" PRIu64 "\nprograms not run (yet)   %9" PRIu64
		     "\ncalls in a program       %9.1f\nprograms with a domain   %9.1f %%\nprograms with a pin      %9.1f "
		     "%%\n",
		stats->run, stats->not_run, stats->run ? (double)stats->executed / (double)stats->run : 0,
		percent(stats->with_domain, stats->run), percent(stats->with_pin, stats->run));
}

static int run_all(const struct gen *gen)
{
	const char *reason = NULL;
	struct exec *exec = exec_open(gen->target, gen->options.kernel, &reason);
	struct stats *stats = tool_grow(NULL, 1, sizeof(*stats));
	struct random random;
	struct prog prog;

	memset(stats, 0, sizeof(*stats));
	if (!exec) {
		tool_error("target %s: %s", gen->target->name, reason);
		free(stats);
		return TOOL_BROKEN;
	}
	prog_init(&prog);
	for (uint64_t i = 0; i < gen->programs; i++) {
		random_seed(&random, gen->seed + i);
		prog_generate(&prog, &random, &gen->options);
		if (!exec_run(exec, &prog, &reason)) {
			stats->not_run++;
			if (gen->digest)
				printf("%" PRIu64 " not run: %s\n", gen->seed + i, reason);
			continue;
		}
		count_program(stats, &prog, exec_trace(exec));
		if (gen->digest)
			printf("%" PRIu64 " %016" PRIx64 "\n", gen->seed + i, trace_digest(exec_trace(exec)));
	}
	if (gen->stats)
		print_stats(stats, stdout);
	prog_free(&prog);
	exec_close(exec);
	free(stats);
	return TOOL_OK;
}

/* -- printing -- */

static bool emit(const struct gen *gen, const struct prog *prog, uint64_t seed)
{
	struct prog_text text;
	char name[40], path[4096];

	prog_text_init(&text);
	char *printed = NULL;
	if (prog_text_from(&text, prog)) {
		snprintf(name, sizeof(name), "gen-%" PRIu64, seed);
		free(text.header.id);
		text.header.id = strdup(name);
		printed = prog_print_string(&text);
	}
	prog_text_free(&text);
	if (!printed) {
		tool_error("out of memory");
		return false;
	}
	bool done = true;
	if (gen->folder) {
		snprintf(path, sizeof(path), "%s/gen-%" PRIu64 ".prog", gen->folder, seed);
		done = files_write(path, printed, strlen(printed));
	} else {
		printf("%s%s", seed == gen->seed ? "" : "\n", printed);
	}
	free(printed);
	return done;
}

static int print_all(const struct gen *gen)
{
	struct random random;
	struct prog prog;
	int code = TOOL_OK;

	if (gen->folder && mkdir(gen->folder, 0777) != 0 && errno != EEXIST) {
		tool_error("%s: %s", gen->folder, strerror(errno));
		return TOOL_BROKEN;
	}
	prog_init(&prog);
	for (uint64_t i = 0; code == TOOL_OK && i < gen->programs; i++) {
		random_seed(&random, gen->seed + i);
		prog_generate(&prog, &random, &gen->options);
		if (!emit(gen, &prog, gen->seed + i))
			code = TOOL_BROKEN;
	}
	prog_free(&prog);
	return code;
}

/* -- the command -- */

static bool read_option(struct gen *gen, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case GEN_SEED: return tool_number("seed", value, 0, UINT64_MAX, &gen->seed);
	case GEN_PROGRAMS: return tool_number("programs", value, 1, UINT32_MAX, &gen->programs);
	case GEN_CALLS:
		if (!tool_number("calls", value, 1, PROG_CALL_MAX, &number))
			return false;
		gen->options.call_max = (uint32_t)number;
		return true;
	case GEN_FAILURES: return gen->options.failures = true;
	case GEN_KERNEL: return tool_kernel(value, &gen->options.kernel);
	case GEN_TARGET:
		gen->target = strcmp(value, "inproc") == 0 ? &target_inproc :
			strcmp(value, "model") == 0	   ? &target_model :
							     NULL;
		if (!gen->target)
			tool_error("--target: expected inproc or model, found '%s'", value);
		return gen->target != NULL;
	case GEN_STATS: return gen->stats = true;
	case GEN_DIGEST: return gen->digest = true;
	case GEN_OUTPUT: gen->folder = value; return true;
	case OPTIONS_WORD: tool_error("gen: expected options only, found '%s'", value); return false;
	default: return false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct gen gen = { .seed = 1, .target = &target_inproc };
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_HELP)
			return TOOL_OK;
		if (!read_option(&gen, option, value))
			return TOOL_BROKEN;
	}
	if (!gen.programs)
		gen.programs = gen.stats || gen.digest ? 10000 : 1;
	return gen.stats || gen.digest ? run_all(&gen) : print_all(&gen);
}

const struct command command_gen = {
	.name = "gen",
	.brief = "generate programs, or show how good the generator's mix is",
	.synopsis = "iommuzz gen [--seed N] [--programs N] [-o DIR]\n"
		    "iommuzz gen --stats [--seed N] [--programs N]\n"
		    "iommuzz gen --digest [--seed N] [--programs N]",
	.description = "Prints programs as the fuzzers' generator makes them. The same seed gives the same program on\n"
		       "every machine.\n\n"
		       "With --stats the programs are run instead and counted: a fuzzer whose calls mostly fail in the\n"
		       "same early check finds little, so every call should succeed in a fair share of its uses.",
	.options = gen_options,
	.exit_status = "0   done\n2   wrong usage, or a file that cannot be written",
	.examples = "iommuzz gen --seed 7\niommuzz gen --stats --programs 100000",
	.run = run,
};
