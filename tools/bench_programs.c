/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of whole programs: run, judged, decoded, generated, mutated. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/exec/exec.h"
#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/binary.h"
#include "fuzz/prog/generate.h"
#include "fuzz/prog/mutate.h"
#include "fuzz/prog/text.h"
#include "tools/bench.h"
#include "tools/files.h"
#include "tools/standard.h"
#include "tools/tool.h"

struct standard {
	struct prog prog;
	uint8_t bytes[1024];
	size_t size;
};

static bool make_standard(struct standard *standard, struct bench *bench)
{
	struct prog_text text;
	struct parse_error error;

	prog_init(&standard->prog);
	prog_text_init(&text);
	bool done = prog_parse(&text, standard_source, strlen(standard_source), &error);
	if (done)
		standard->size = prog_encode(&text.prog, standard->bytes, sizeof(standard->bytes));
	prog_text_free(&text);
	if (done && standard->size <= sizeof(standard->bytes))
		return true;
	bench->reason = "the standard program cannot be read";
	return false;
}

/* A program that fails early would be a fine but wrong measurement. */
static bool all_succeeded(const struct trace *trace, struct bench *bench)
{
	for (uint32_t i = 0; i < trace->entry_count; i++)
		if (trace->entries[i].result < 0)
			bench->reason = "a call of the standard program fails";
	return trace->entry_count && !bench->reason;
}

static double standard(struct bench *bench)
{
	struct standard standard;
	struct exec *exec = exec_open(&target_inproc, 0, &bench->reason);
	double rate = BENCH_FAILED;

	if (!exec)
		return rate;
	bench->reason = NULL;
	if (make_standard(&standard, bench)) {
		struct bench_loop loop = bench_loop_begin(bench);

		while (bench_loop_more(&loop))
			for (uint64_t i = 0; i < loop.batch; i++) {
				prog_decode(&standard.prog, standard.bytes, standard.size);
				exec_run(exec, &standard.prog, &bench->reason);
			}
		if (all_succeeded(exec_trace(exec), bench))
			rate = bench_loop_rate(&loop);
	}
	prog_free(&standard.prog);
	exec_close(exec);
	return rate;
}

static double judged(struct bench *bench, uint32_t oracles)
{
	struct standard standard;
	struct oracle_run *run = oracle_open(0, oracles);
	struct finding finding = {0};
	double rate = BENCH_FAILED;

	bench->reason = run ? NULL : "out of memory";
	if (!run)
		return rate;
	if (make_standard(&standard, bench)) {
		struct bench_loop loop = bench_loop_begin(bench);

		while (!finding.oracle && bench_loop_more(&loop))
			for (uint64_t i = 0; !finding.oracle && i < loop.batch; i++) {
				prog_decode(&standard.prog, standard.bytes, standard.size);
				oracle_run_program(run, &standard.prog, &finding);
			}
		if (finding.oracle)
			bench->reason = "an oracle objects to the standard program";
		else if (all_succeeded(oracle_trace(run), bench))
			rate = bench_loop_rate(&loop);
	}
	prog_free(&standard.prog);
	oracle_close(run);
	return rate;
}

static double standard_model_audit(struct bench *bench)
{
	return judged(bench, ORACLE_MODEL | ORACLE_AUDIT);
}

static double standard_oracles(struct bench *bench)
{
	return judged(bench, ORACLE_ALL);
}

static double decode(struct bench *bench)
{
	struct standard standard;
	double rate = BENCH_FAILED;

	if (make_standard(&standard, bench)) {
		struct bench_loop loop = bench_loop_begin(bench);

		while (bench_loop_more(&loop))
			for (uint64_t i = 0; i < loop.batch; i++)
				prog_decode(&standard.prog, standard.bytes, standard.size);
		rate = bench_loop_rate(&loop);
	}
	prog_free(&standard.prog);
	return rate;
}

static double generated(struct bench *bench)
{
	struct exec *exec = exec_open(&target_inproc, 0, &bench->reason);
	struct random random;
	struct prog prog;

	if (!exec)
		return BENCH_FAILED;
	prog_init(&prog);
	random_seed(&random, 1);
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++) {
			prog_generate(&prog, &random, NULL);
			exec_run(exec, &prog, &bench->reason);
		}
	prog_free(&prog);
	exec_close(exec);
	return bench_loop_rate(&loop);
}

static double generate(struct bench *bench)
{
	struct random random;
	struct prog prog;

	prog_init(&prog);
	random_seed(&random, 1);
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++)
			prog_generate(&prog, &random, NULL);
	prog_free(&prog);
	return bench_loop_rate(&loop);
}

#define MUTATION_INPUTS 64
#define MUTATION_ROOM	4096

static double mutate(struct bench *bench)
{
	static uint8_t inputs[MUTATION_INPUTS][MUTATION_ROOM], data[MUTATION_ROOM];
	size_t sizes[MUTATION_INPUTS];
	struct random random;
	struct prog prog;

	prog_init(&prog);
	random_seed(&random, 1);
	for (unsigned i = 0; i < MUTATION_INPUTS; i++) {
		prog_generate(&prog, &random, NULL);
		sizes[i] = prog_encode(&prog, inputs[i], MUTATION_ROOM);
		if (sizes[i] > MUTATION_ROOM)
			sizes[i] = MUTATION_ROOM;
	}
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++) {
			unsigned at = (unsigned)(i % MUTATION_INPUTS);

			memcpy(data, inputs[at], sizes[at]);
			prog_mutate_bytes(data, sizes[at], MUTATION_ROOM, random_next(&random));
		}
	prog_free(&prog);
	return bench_loop_rate(&loop);
}

/* The suite as a user runs it, by the same binary, on one core. */
static double conformance(struct bench *bench)
{
	char *folder = files_tree("conformance");
	int status = 0;

	if (!folder) {
		bench->reason = "the folder conformance is not near";
		return BENCH_FAILED;
	}
	uint64_t start = tool_clock();
	pid_t pid = fork();
	if (pid == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		dup2(nowhere, STDOUT_FILENO);
		dup2(nowhere, STDERR_FILENO);
		execl("/proc/self/exe", "iommuzz", "check", "--jobs", "1", folder, (char *)NULL);
		_exit(127);
	}
	free(folder);
	bool ended = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);
	if (!ended || WEXITSTATUS(status) != 0) {
		bench->reason = "the suite does not pass";
		return BENCH_FAILED;
	}
	return (double)(tool_clock() - start) / 1e6;
}

const struct measurement bench_programs[] = {
	{"standard", "programs/s", ">= 400000 (release)",
		"standard program: open, IOAS_ALLOC, 4 maps, 4 unmaps, close; decoded, run, traced",
		false, standard},
	{"standard-model-audit", "programs/s", ">= 40000 (asan)",
		"the same with the model in step and the audit", false, standard_model_audit},
	{"standard-oracles", "programs/s", NULL, "the same with all oracles", false,
		standard_oracles},
	{"decode", "programs/s", NULL, "the standard program decoded only", false, decode},
	{"generate", "programs/s", NULL, "programs generated only", false, generate},
	{"generated", "programs/s", NULL, "generated programs, made, run and traced", false,
		generated},
	{"mutate", "mutations/s", NULL, "decode, mutate, encode, as an engine calls it", false,
		mutate},
	{"conformance", "s", "<= 5 (release)",
		"the in-process conformance suite with its oracles, one job", true, conformance},
	{0},
};
