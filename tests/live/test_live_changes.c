/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of memory are looked for where a call may make them. Generated programs run that way and
 * with all memory compared after each call: the traces are the same. What cannot be without
 * /dev/iommu is left out there. IOMMUZZ_SEED and IOMMUZZ_PROGRAMS choose other programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/target_live.h"
#include "fuzz/prog/generate.h"
#include "fuzz/prog/text.h"
#include "tests/tap.h"

#define MEM_PAGES 64u

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static void generate(struct prog *prog, uint64_t seed)
{
	struct generate_options options = {.call_max = 24, .live = true};
	struct random random;

	random_seed(&random, seed);
	prog_generate(prog, &random, &options);
	prog->options.pages = MEM_PAGES;
}

/* Digests of the traces of all programs, quick or not. False: no target. */
static bool run_all(uint64_t *digests, unsigned long programs, uint64_t seed, bool check_all,
	const char **reason)
{
	struct exec *exec;
	struct prog prog;

	target_live_check_all(check_all);
	exec = exec_open(&target_live, 0, reason);
	target_live_check_all(false);
	if (!exec)
		return false;
	prog_init(&prog);
	for (unsigned long i = 0; i < programs; i++) {
		generate(&prog, seed + i);
		digests[i] = exec_run(exec, &prog, reason) ? trace_digest(exec_trace(exec)) : 0;
	}
	prog_free(&prog);
	exec_close(exec);
	return true;
}

static void show(uint64_t seed)
{
	struct prog_text text = {0};

	generate(&text.prog, seed);
	printf("# seed %llu\n", (unsigned long long)seed);
	for (uint32_t i = 0; i < text.prog.call_count; i++) {
		printf("# ");
		prog_print_call(&text, i, stdout);
		printf("\n");
	}
	prog_free(&text.prog);
}

static void test_generated(unsigned long programs, uint64_t seed)
{
	uint64_t *quick = calloc(programs, sizeof(*quick)), *all = calloc(programs, sizeof(*all));
	unsigned long differences = 0;
	const char *reason = "";

	if (!quick || !all || !run_all(quick, programs, seed, false, &reason) ||
		!run_all(all, programs, seed, true, &reason)) {
		tap_ok(true, "changes # SKIP %s", reason);
	} else {
		for (unsigned long i = 0; i < programs; i++) {
			if (quick[i] == all[i])
				continue;
			if (!differences++)
				show(seed + i);
		}
		tap_ok(!differences, "%lu programs: the quick way misses no change", programs);
	}
	free(quick);
	free(all);
}

/* A program by hand, and how many places its last call changes. */
static unsigned last_call_changes(const char *source, bool check_all)
{
	const char *reason = "";
	struct parse_error error;
	struct prog_text text;
	struct exec *exec;
	unsigned changes = 0;

	prog_text_init(&text);
	target_live_check_all(check_all);
	exec = exec_open(&target_live, 0, &reason);
	target_live_check_all(false);
	if (!prog_parse(&text, source, strlen(source), &error))
		printf("# %u: %s\n", error.line, error.message);
	else if (exec && exec_run(exec, &text.prog, &reason)) {
		const struct trace *trace = exec_trace(exec);

		changes = trace->entries[trace->entry_count - 1].change_count;
	}
	exec_close(exec);
	prog_text_free(&text);
	return changes;
}

static void test_by_hand(void)
{
	static const char other_place[] =
		"#: id a\nmfd = memfd size=2P\n"
		"mmap mem+0 length=2P prot=READ|WRITE flags=SHARED|FIXED fd=mfd\n"
		"mmap mem+4P length=1P prot=READ|WRITE flags=SHARED|FIXED fd=mfd offset=4K\n"
		"put mem+1P \"x\"\n";
	static const char nothing[] = "#: id a\nput mem+0 \"\\x00\\x00\"\n";

	tap_ok(last_call_changes(other_place, false) == 2, "a store shows at each of its places");
	tap_ok(last_call_changes(other_place, true) == 2, "also when everything is compared");
	tap_ok(!last_call_changes(nothing, false) && !last_call_changes(nothing, true),
		"zeroes over zeroes change nothing");
}

int main(void)
{
	static char output[1 << 20];
	const char *reason = "";
	struct exec *exec;

	/* While a live target is open, stdout is not; what is printed waits. */
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	tap_begin();
	target_live_without_iommu(true);
	exec = exec_open(&target_live, 0, &reason);
	if (!exec) {
		tap_ok(true, "live target # SKIP %s", reason);
		return tap_end();
	}
	exec_close(exec);
	test_by_hand();
	test_generated(setting("IOMMUZZ_PROGRAMS", 500), setting("IOMMUZZ_SEED", 1));
	return tap_end();
}
