/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's side of AGENT_CHECK: tests of the suite that is compiled in, one after another. */
#include "tools/agent_check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fuzz/exec/kernel_log.h"
#include "tools/embedded.h"
#include "tools/machine.h"

/* -- the suite -- */

static void name_machine(struct live_probe *probe)
{
	struct utsname names;

	memset(probe, 0, sizeof(*probe));
	probe->kernel = LINUX_NEWEST;
	if (uname(&names) != 0)
		return;
	snprintf(probe->release, sizeof(probe->release), "%s", names.release);
	snprintf(probe->version, sizeof(probe->version), "%s", names.version);
}

void agent_suite_open(struct agent_suite *suite, const struct target_class *target, uint16_t bug)
{
	memset(suite, 0, sizeof(*suite));
	suite->config = (struct suite_config){.target = target, .bug = bug, .oracles = ORACLE_ALL};
	if (target == &target_live) {
		live_probe(&suite->probe);
		suite->config.probe = &suite->probe;
		suite->config.devices = live_device_count();
		suite->log = kernel_log_open(&suite->no_log);
	} else {
		name_machine(&suite->probe);
	}
	suite_load_embedded(&suite->suite, &suite->config);
	framing_add(&suite->suite, &suite->config);
}

void agent_suite_close(struct agent_suite *suite)
{
	if (suite->log)
		kernel_log_close(suite->log);
	suite_free(&suite->suite);
}

void agent_suite_hello(const struct agent_suite *suite, struct agent_hello *hello)
{
	memset(hello, 0, sizeof(*hello));
	hello->version = AGENT_VERSION;
	hello->test_count = (uint32_t)suite->suite.count;
	hello->suite_digest = embedded_digest();
	hello->probe = suite->probe;
	if (suite->no_log)
		snprintf(hello->no_log, sizeof(hello->no_log), "%s", suite->no_log);
}

/* -- one test -- */

/* Where the result of a test goes as soon as it is there. */
struct answer {
	int out;
	uint32_t index;
	bool came, sent;
};

static void send_result(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	struct answer *answer = context;
	struct test_result numbered = *result;

	(void)test;
	numbered.test = answer->index;
	answer->came = true;
	answer->sent = agent_send2(
		answer->out, AGENT_RESULT, &numbered, sizeof(numbered), log, strlen(log));
}

/* As init of a guest the death of this process is the death of its kernel (guest.c). */
static void break_down(const struct agent_suite *suite, uint16_t how)
{
	if (how == AGENT_BREAK_WARN) {
		/* Without a log nobody would see it. */
		if (suite->log && !live_warn())
			kernel_log_provoke(suite->log);
		return;
	}
	if (how == AGENT_BREAK_DIE)
		raise(SIGKILL);
	for (;;)
		pause();
}

static bool run_test(int out, const struct agent_suite *suite, const struct suite_config *config,
	const struct agent_check *request, uint32_t index)
{
	struct suite one = {.tests = &suite->suite.tests[index], .count = 1};
	struct answer answer = {.out = out, .index = index};
	struct suite_pool pool = {
		.jobs = 1,
		.timeout = request->timeout,
		.done = send_result,
		.context = &answer,
		.kernel_log = suite->log ? machine_log : NULL,
		.log = suite->log,
	};
	struct test_result none = {.status = TEST_BROKEN,
		.message = "the agent could not start a process for this test"};

	if (!agent_send(out, AGENT_BEGIN, &index, sizeof(index)))
		return false;
	if (request->break_at == index + 1)
		break_down(suite, request->break_how);
	suite_run_all(&one, config, &pool);
	if (!answer.came)
		send_result(&answer, one.tests, &none, "");
	return answer.sent;
}

bool agent_answer_check(int out, const struct agent_suite *suite, const void *body, size_t length)
{
	struct agent_check request;
	struct suite_config config = suite->config;

	if (length != sizeof(request))
		return agent_log(out, "agent: a request of %zu bytes, expected %zu", length,
			       sizeof(request)) &&
		       agent_send(out, AGENT_DONE, NULL, 0);
	memcpy(&request, body, sizeof(request));
	request.filter[sizeof(request.filter) - 1] = '\0';
	config.filter = *request.filter ? request.filter : NULL;
	config.kernel = request.kernel ? request.kernel : suite->probe.kernel;
	size_t end = suite->suite.count;
	if (request.count && request.from < end && request.count < end - request.from)
		end = request.from + request.count;
	for (size_t i = request.from; i < end; i++)
		if (suite_wants(&config, suite->suite.tests[i].id) &&
			!run_test(out, suite, &config, &request, (uint32_t)i))
			return false;
	return agent_send(out, AGENT_DONE, NULL, 0);
}
