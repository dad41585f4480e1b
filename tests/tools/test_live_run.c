/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suites on a real kernel, with a target that only pretends to be one: hangs, deaths, what the
 * kernel says, what is skipped, and known failures of exact kernels.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "impl/abi/kernel_calls.h"
#include "tests/tap.h"
#include "tests/tools/fake_target.h"
#include "tools/suite.h"

/* -- a kernel that hangs in poll, dies in memfd and knows nothing else -- */

static struct live_progress *progress;
static unsigned call_limit;

static void watch(struct live_progress *shared, unsigned seconds)
{
	progress = shared;
	call_limit = seconds;
}

static void hang(void)
{
	for (;;)
		pause();
}

static void fake_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	(void)target;
	progress->call = call->call + 1u;
	if (call->row == &call_rows[CALL_ID_poll])
		hang();
	if (call->row == &call_rows[CALL_ID_read]) {
		progress->hung = call->call + 1u;
		hang();
	}
	if (call->row == &call_rows[CALL_ID_memfd])
		raise(SIGKILL);
	if (call->row == &call_rows[CALL_ID_dup])
		usleep(1500000);
	*outcome = (struct call_outcome){.result = 3};
	if (call->row == &call_rows[CALL_ID_close])
		outcome->result = 0;
	progress->call = 0;
}

/* -- running -- */

#define TESTS_MAX 16

struct seen {
	unsigned count, begun;
	char id[TESTS_MAX][64];
	char log[TESTS_MAX][64];
	struct test_result result[TESTS_MAX];
	unsigned asked; /* times that the kernel's log was read */
	unsigned report_at;
};

static struct live_probe probe = {
	.release = "7.3.4-test",
	.kernel = LINUX(7, 3),
	.has_iommu = 1,
	.needs = ~((uint32_t)NEEDS_INPROC | (uint32_t)PROG_NEEDS_HUGETLB),
};

static void begin(void *context, const struct test *test)
{
	struct seen *seen = context;

	(void)test;
	seen->begun++;
}

static void done(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	struct seen *seen = context;

	snprintf(seen->id[seen->count], sizeof(seen->id[0]), "%s", test->id);
	snprintf(seen->log[seen->count], sizeof(seen->log[0]), "%s", log);
	seen->result[seen->count++] = *result;
}

static bool fake_log(void *log, char *title, size_t title_size, char *text, size_t size)
{
	struct seen *seen = log;

	if (++seen->asked != seen->report_at)
		return false;
	snprintf(title, title_size, "WARNING: CPU: 1 PID: 7 at f.c:3");
	snprintf(text, size, "WARNING: CPU: 1 PID: 7 at f.c:3\nCall Trace:\n");
	return true;
}

static bool run(struct seen *seen, const char *const *sources, unsigned jobs, unsigned timeout)
{
	const struct target_class fake = fake_target("live", fake_call);
	struct suite_config config = {.target = &fake, .probe = &probe};
	struct suite suite = {0};
	struct suite_pool pool = {
		.jobs = jobs,
		.timeout = timeout,
		.call_timeout = 1,
		.begin = begin,
		.done = done,
		.context = seen,
		.watch = watch,
		.kernel_log = seen->report_at ? fake_log : NULL,
		.log = seen,
	};

	for (unsigned i = 0; sources[i]; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%u", i);
		suite_add_source(&suite, id, sources[i], &config);
	}
	bool complete = suite_run_all(&suite, &config, &pool);
	suite_free(&suite);
	return complete;
}

#define PASSES "fd = open /dev/iommu -> ok\n"

static void test_hangs(void)
{
	static const char *const sources[] = {
		PASSES "\npoll fd events=IN -> 0\n",
		PASSES "memfd size=1P -> ok\n",
		PASSES "read fd at=mem+0 length=8 -> ok\n",
		PASSES "close fd -> 0\n",
		NULL,
	};
	struct seen seen = {0};

	tap_ok(run(&seen, sources, 1, 30), "a run goes on behind hangs and deaths");
	tap_ok(seen.count == 4 && seen.begun == 4, "every test is begun and reported");
	const struct test_result *hung = &seen.result[0], *died = &seen.result[1];
	const struct test_result *noted = &seen.result[2];
	tap_ok(hung->status == TEST_FAIL && strcmp(hung->rule, "hang") == 0,
		"a call that does not return is a hang");
	tap_ok(strcmp(hung->message, "call 2 did not return within 1 s") == 0, "message: %s",
		hung->message);
	tap_ok(hung->line == 3 && strncmp(hung->call, "poll fd", 7) == 0,
		"call and line are named: %u: %s", hung->line, hung->call);
	tap_ok(died->status == TEST_FAIL && strcmp(died->rule, "crash") == 0 && died->line == 2,
		"a death is a crash in its call: %s", died->message);
	tap_ok(noted->status == TEST_FAIL && strcmp(noted->rule, "hang") == 0 && noted->line == 2,
		"a hang that the target notes is one");
	tap_ok(seen.result[3].status == TEST_PASS, "control: what returns passes");
}

static void test_time(void)
{
	static const char *const sources[] = {
		PASSES "repeat 60: dup fd -> ok\n", PASSES "dup fd -> ok\n", NULL};
	struct seen seen = {0};

	run(&seen, sources, 2, 3);
	tap_ok(strcmp(seen.result[0].rule, "hang") == 0 &&
			strcmp(seen.result[0].message, "no end after 3 s") == 0,
		"a test has a limit of its own, a repeated call not that of one call: %s",
		seen.result[0].message);
	tap_ok(seen.result[1].status == TEST_PASS, "control: 1.5 s are within 1 s and its grace");
}

static void test_log(void)
{
	static const char *const sources[] = {PASSES, PASSES, PASSES, NULL};
	struct seen seen = {.report_at = 2};

	run(&seen, sources, 1, 30);
	tap_ok(seen.asked == 3, "the kernel's log is read after each test");
	tap_ok(seen.result[1].status == TEST_FAIL &&
			strcmp(seen.result[1].rule, "kernel-log") == 0 &&
			strncmp(seen.result[1].message, "WARNING: CPU: 1", 15) == 0,
		"a report fails the test during which it came");
	tap_ok(strstr(seen.log[1], "Call Trace"), "its lines are kept beside the result");
	tap_ok(seen.result[0].status == TEST_PASS && seen.result[2].status == TEST_PASS &&
			!*seen.log[0] && !*seen.log[2],
		"control: the tests around it pass");
}

static void test_known(void)
{
	static const char *const sources[] = {
		"#: known-fail live>=7.3.2,<7.3.5 a reason\nfd = open /dev/iommu -> EIO\n",
		"#: known-fail live>=7.3.2,<7.3.5 a reason\n" PASSES,
		"#: known-fail live>=7.3.5 a reason\nfd = open /dev/iommu -> EIO\n",
		"#: known-fail live<=7.3 a reason\nfd = open /dev/iommu -> EIO\n",
		"#: known-fail live=7.3.4 a reason\nfd = open /dev/iommu -> EIO\n",
		"#: known-fail live<7.3.4 a reason\nfd = open /dev/iommu -> EIO\n",
		"#: known-fail inproc a reason\nfd = open /dev/iommu -> EIO\n",
		NULL,
	};
	static const uint8_t statuses[] = {TEST_KNOWN_FAIL, TEST_KNOWN_PASS, TEST_FAIL,
		TEST_KNOWN_FAIL, TEST_KNOWN_FAIL, TEST_FAIL, TEST_FAIL};
	struct seen seen = {0};

	run(&seen, sources, 1, 30);
	for (unsigned i = 0; sources[i]; i++)
		tap_ok(seen.result[i].status == statuses[i], "on 7.3.4: %.*s",
			(int)strcspn(sources[i], "\n"), sources[i]);
	/* A kernel newer than any profile. */
	snprintf(probe.release, sizeof(probe.release), "7.9.1");
	static const char *const newer[] = {
		"#: known-fail live>=7.8 a reason\nfd = open /dev/iommu -> EIO\n", NULL};
	seen = (struct seen){0};
	run(&seen, newer, 1, 30);
	tap_ok(seen.result[0].status == TEST_KNOWN_FAIL, "on 7.9.1: live>=7.8");
	snprintf(probe.release, sizeof(probe.release), "7.3.4-test");
}

static void test_skips(void)
{
	static const struct {
		const char *source, *reason;
	} cases[] = {
		{"#: sim kernel=6.12\n" PASSES, "sim kernel=6.12, the running kernel is 7.3"},
		{"#: sim compat=Q-10\n" PASSES, "sim compat: the in-process implementation only"},
		{"#: sim seed=7\n" PASSES, "sim seed: the in-process implementation only"},
		{"#: needs hugetlb\n" PASSES, "no pages here"},
		{"#: needs cdev\n" PASSES, "no device named (--device)"},
		{"#: until 6.12\n" PASSES, "until Linux 6.12, the profile is 7.3"},
		{PASSES "fail user-copy#1: IOMMU_IOAS_ALLOC fd -> EFAULT\n",
			"fails named points: the in-process implementation only"},
		{PASSES "fail-nth 1: IOMMU_IOAS_ALLOC fd -> EFAULT\n", "no fail-nth here"},
		{PASSES "fail-nth *: IOMMU_IOAS_ALLOC fd -> 0\n", "no fail-nth here"},
	};
	const char *sources[sizeof(cases) / sizeof(cases[0]) + 3];
	unsigned count = 0;
	struct seen seen = {0};

	snprintf(probe.missing[17 - 1], sizeof(probe.missing[0]), "no pages here");
	snprintf(probe.no_faults, sizeof(probe.no_faults), "no fail-nth here");
	for (; count < sizeof(cases) / sizeof(cases[0]); count++)
		sources[count] = cases[count].source;
	sources[count] = "#: sim kernel=7.3 pages=16M\n" PASSES;
	sources[count + 1] = PASSES "ioctl fd 0x3bff size=8 -> 3\n";
	sources[count + 2] = NULL;
	run(&seen, sources, 1, 30);
	for (unsigned i = 0; i < count; i++)
		tap_ok(seen.result[i].status == TEST_SKIP &&
				strcmp(seen.result[i].reason, cases[i].reason) == 0,
			"skipped: %s", seen.result[i].reason);
	tap_ok(seen.begun == 2 && seen.result[count].status == TEST_PASS,
		"control: the running kernel and pages are no reason");
	tap_ok(seen.result[count + 1].status == TEST_PASS,
		"control: a call that the kernel may not know is no reason");
}

int main(void)
{
	tap_begin();
	test_hangs();
	test_time();
	test_log();
	test_known();
	test_skips();
	return tap_end();
}
