/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a program in which the N-th decision to fail inside one call comes out as a failure. */
#include "tools/suite_sweep.h"

#include <stdarg.h>
#include <string.h>

#include "fuzz/exec/live_fault.h"
#include "fuzz/exec/names.h"

/* One run: of which call, the how manieth decision, and what came of it. */
struct injected_run {
	uint32_t call;
	uint16_t nth;
	bool reached;
	int64_t outcome; /* of the call when it was reached */
};

static bool found(struct suite_sweep *sweep, const struct injected_run *run, const char *rule,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
static bool found(struct suite_sweep *sweep, const struct injected_run *run, const char *rule,
	const char *format, ...)
{
	struct test_result *result = sweep->result;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->message, sizeof(result->message), format, arguments);
	va_end(arguments);
	snprintf(result->rule, sizeof(result->rule), "%s", rule);
	suite_describe_call(sweep->test, run->call, result);
	return false;
}

static void run_calls(struct suite_sweep *sweep, struct injected_run *run)
{
	const struct prog *prog = &sweep->test->text.prog;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		uint32_t times = exec_repeats(sweep->exec, i);

		if (times && i == run->call) {
			run->outcome = exec_step_failing(sweep->exec, i, run->nth);
			run->reached = exec_injected(sweep->exec, NULL);
			/* A call that has failed runs once more: nothing may be in its way. */
			times -= !run->reached || run->outcome >= 0;
		}
		for (; times; times--)
			exec_step_once(sweep->exec, i);
	}
	exec_finish(sweep->exec);
}

/* Says which injected failure an expectation was missed behind. */
static bool left_trace(struct suite_sweep *sweep, const struct injected_run *run)
{
	struct test_result *result = sweep->result;
	char outcome[32], message[sizeof(result->message)];

	result_text(outcome, sizeof(outcome), run->outcome);
	snprintf(message, sizeof(message), "%s", result->message);
	snprintf(result->message, sizeof(result->message),
		"behind a failure of call %u (%s with fail-nth %u): %.300s", run->call + 1, outcome,
		run->nth, message);
	snprintf(result->rule, sizeof(result->rule), "injected-trace");
	return false;
}

static bool judge(struct suite_sweep *sweep, const struct injected_run *run)
{
	struct test_result *result = sweep->result;
	bool failed = run->reached && run->outcome < 0;
	char outcome[32];

	result_text(outcome, sizeof(outcome), run->outcome);
	if (failed && !live_fault_error_allowed(run->outcome))
		return found(sweep, run, "injected-error",
			"fail-nth %u gave %s, which is no errno of an injected failure (14)",
			run->nth, outcome);
	/* A failure that the call has coped with may have led it another way. */
	if ((failed || !run->reached) &&
		!suite_judge(sweep->test, sweep->exec, sweep->kernel, true, result)) {
		result->expectation = true;
		return failed ? left_trace(sweep, run) : false;
	}
	if (sweep->pinned && sweep->pinned(exec_target(sweep->exec)))
		return found(sweep, run, "injected-pin",
			"fail-nth %u gave %s, and pages are pinned although all is closed",
			run->nth, outcome);
	return true;
}

static bool sweep_call(struct suite_sweep *sweep, uint32_t call)
{
	struct injected_run run = {.call = call};

	for (run.nth = 1; run.nth <= SUITE_SWEEP_MAX; run.nth++) {
		const char *reason = NULL;

		if (!exec_begin(sweep->exec, &sweep->test->text.prog, &reason)) {
			sweep->result->status = TEST_SKIP;
			snprintf(
				sweep->result->reason, sizeof(sweep->result->reason), "%s", reason);
			return false;
		}
		run_calls(sweep, &run);
		if (!judge(sweep, &run))
			return false;
		if (!run.reached)
			return true;
	}
	return found(sweep, &run, "injected-end", "a failure is reached in each of %d runs",
		SUITE_SWEEP_MAX);
}

bool suite_sweep_run(struct suite_sweep *sweep)
{
	const struct prog *prog = &sweep->test->text.prog;

	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].fail == FAIL_SWEEP && !prog->calls[i].body &&
			!sweep_call(sweep, i))
			return false;
	return true;
}
