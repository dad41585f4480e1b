/* SPDX-License-Identifier: Apache-2.0 */
/* Suites in worker processes, with a target that spins, sleeps or dies: what is a hang, what a
 * crash. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "impl/abi/kernel_calls.h"
#include "tests/tap.h"
#include "tests/tools/fake_target.h"
#include "tools/suite.h"

#define LIMIT 1 /* seconds for a test */

static void fake_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	(void)target;
	for (volatile unsigned turns = 0; call->row == &call_rows[CALL_ID_poll]; turns++)
		;
	if (call->row == &call_rows[CALL_ID_dup])
		usleep(2500000);
	if (call->row == &call_rows[CALL_ID_memfd])
		raise(SIGKILL);
	*outcome = (struct call_outcome){.result = 3};
}

#define TESTS 4

static void done(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	struct test_result *results = context;

	(void)log;
	results[test->id[1] - '0'] = *result;
}

int main(void)
{
	static const char *const sources[TESTS] = {
		"fd = open /dev/iommu -> ok\npoll fd events=IN -> 0\n",
		"fd = open /dev/iommu -> ok\ndup fd -> ok\n",
		"fd = open /dev/iommu -> ok\nmemfd size=1P -> ok\n",
		"fd = open /dev/iommu -> ok\n",
	};
	const struct target_class fake = fake_target("fake", fake_call);
	struct suite_config config = {.target = &fake};
	struct suite suite = {0};
	struct test_result results[TESTS] = {0};
	struct suite_pool pool = {.jobs = 2, .timeout = LIMIT, .done = done, .context = results};

	tap_begin();
	for (unsigned i = 0; i < TESTS; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%u", i);
		suite_add_source(&suite, id, sources[i], &config);
	}
	tap_ok(suite_run_all(&suite, &config, &pool), "a run goes on behind hangs and deaths");
	tap_ok(strcmp(results[0].rule, "hang") == 0 &&
			strcmp(results[0].message, "no end after 1 s") == 0,
		"a test that spins hangs: %s", results[0].message);
	tap_ok(results[1].status == TEST_PASS,
		"control: one that waits as long for the processor does not");
	tap_ok(strcmp(results[2].rule, "crash") == 0, "one that dies has crashed: %s",
		results[2].message);
	tap_ok(results[3].status == TEST_PASS, "control: one that returns passes");
	suite_free(&suite);
	return tap_end();
}
