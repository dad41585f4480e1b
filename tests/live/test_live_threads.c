/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that run at once, on the kernel of this machine: the calls that need no /dev/iommu. What
 * the program expects in any order holds in each run; what only one order gives does not hold for
 * long, which shows that orders differ.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/target_live.h"
#include "tests/tap.h"
#include "tools/suite_repeat.h"

#define MANY 3000u /* runs in which both orders of two calls come about */

static const char any_order[] = "fd = memfd size=4K\n"
				"thread A: put mem+0 \"a\" -> 0\n"
				"thread A: da = dup fd -> ok\n"
				"thread A: close da -> 0\n"
				"thread B: expect mem+0 \"a\" -> 0 | EILSEQ\n"
				"thread B: db = dup fd -> ok\n"
				"thread B: ftruncate db size=8K -> 0\n"
				"join\n"
				"expect mem+0 \"a\" -> 0\n"
				"close fd -> 0\n"
				"close db -> 0\n";
static const char one_order[] = "thread A: put mem+0 \"a\" -> 0\n"
				"thread B: expect mem+0 \"a\" -> 0\n";
static const char by_barrier[] = "thread A: put mem+0 \"a\" -> 0\n"
				 "thread A: barrier\n"
				 "thread B: barrier\n"
				 "thread B: expect mem+0 \"a\" -> 0\n";
static const char by_wait[] = "thread B: put mem+1P \"b\" -> 0\n"
			      "thread A: wait B\n"
			      "thread A: expect mem+1P \"b\" -> 0\n";
static const char two_sections[] = "thread A: put mem+0 \"a\" -> 0\n"
				   "thread B: put mem+8 \"b\" -> 0\n"
				   "join\n"
				   "expect mem+0 \"a\" -> 0\n"
				   "thread A: expect mem+8 \"b\" -> 0\n"
				   "thread B: put mem+1P \"c\" -> 0\n"
				   "join\n"
				   "expect mem+1P \"c\" -> 0\n";

struct outcome {
	bool good, ran;
	struct test_result result;
};

static struct outcome run(struct exec *exec, const char *source, unsigned repeats)
{
	struct suite_config config = {.target = &target_live};
	struct suite suite = {0};
	struct outcome outcome = {0};
	const char *reason = NULL;

	suite_add_source(&suite, "threads", source, &config);
	if (suite.tests[0].broken) {
		snprintf(outcome.result.message, sizeof(outcome.result.message), "%s",
			suite.tests[0].broken);
	} else {
		const struct suite_repeat repeat = {.exec = exec,
			.test = &suite.tests[0],
			.kernel = LINUX_NEWEST,
			.repeats = repeats,
			.result = &outcome.result};

		outcome.good = suite_repeat_run(&repeat, &reason);
		outcome.ran = !reason;
	}
	if (reason)
		snprintf(outcome.result.message, sizeof(outcome.result.message), "%s", reason);
	suite_free(&suite);
	return outcome;
}

static void holds(struct exec *exec, const char *source, const char *what)
{
	struct outcome outcome = run(exec, source, 200);

	if (!tap_ok(outcome.good, "%s", what))
		printf("# %s %s\n", outcome.result.call, outcome.result.message);
}

int main(void)
{
	static char output[1 << 16];
	const char *reason = "";

	/* While a live target is open, stdout is not; what is printed waits. */
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	tap_begin();
	target_live_without_iommu(true);
	struct exec *exec = exec_open(&target_live, LINUX_NEWEST, &reason);
	if (!exec) {
		tap_ok(strstr(reason, "sanitizer") != NULL, "threads # SKIP %s", reason);
		return tap_end();
	}
	holds(exec, any_order, "results that any order gives");
	holds(exec, by_barrier, "a barrier orders");
	holds(exec, by_wait, "waiting for a thread orders");
	holds(exec, two_sections, "two sections, calls of main between them");
	struct outcome both = run(exec, one_order, MANY);
	tap_ok(both.ran && !both.good && strstr(both.result.message, "(run "),
		"what only one order gives fails, and the run is named");
	exec_close(exec);
	return tap_end();
}
