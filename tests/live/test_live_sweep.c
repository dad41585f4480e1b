/* SPDX-License-Identifier: Apache-2.0 */
/* How sweeps on a real kernel judge, shown on a target that is none: its failures are made up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/live_fault.h"
#include "tests/tap.h"
#include "tools/suite_sweep.h"

#define DECISIONS 4

/* What the made-up kernel does when the N-th decision of a call comes out as a failure. */
enum defect { SOUND, WRONG_ERRNO, LEAVES_TRACE, LEAVES_PIN, NEVER_ENDS, FAILS_UNASKED };

static enum defect defect;
static unsigned runs, injected_calls;

struct target {
	uint32_t objects; /* ids given out */
	bool leaked;
	uint8_t image[CALL_STRUCT_MAX];
};

static struct target *fake_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	(void)config;
	(void)events;
	(void)reason;
	return calloc(1, sizeof(struct target));
}

static void fake_close(struct target *target)
{
	free(target);
}

static bool fake_reset(struct target *target, const struct target_config *config)
{
	(void)config;
	memset(target, 0, sizeof(*target));
	runs++;
	return true;
}

static int64_t failure(struct target *target, uint16_t nth)
{
	target->leaked |= defect == LEAVES_PIN && nth == 3;
	target->objects += defect == LEAVES_TRACE && nth == 2;
	return defect == WRONG_ERRNO && nth == DECISIONS ? -EBUSY : nth == 1 ? -ENOENT : -ENOMEM;
}

static void fake_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	bool alloc = call->row == &call_rows[CALL_ID_IOMMU_IOAS_ALLOC];

	*outcome = (struct call_outcome){.result = alloc ? 0 : 3, .image = target->image};
	memcpy(target->image, call->image, call->struct_size);
	outcome->image_size = call->struct_size;
	outcome->injected =
		call->fail == FAIL_NTH && (call->fail_nth <= DECISIONS || defect == NEVER_ENDS);
	injected_calls += outcome->injected;
	if (outcome->injected) {
		outcome->result = failure(target, call->fail_nth);
	} else if (alloc) {
		target->objects++;
		memcpy(target->image + 8, &target->objects, sizeof(target->objects));
	}
	if (defect == FAILS_UNASKED && alloc && !outcome->injected)
		outcome->result = -ENOMEM;
}

static bool fake_has(struct target *target, uint32_t needs, const char **reason)
{
	(void)target;
	(void)needs;
	(void)reason;
	return true;
}

static void fake_finish(struct target *target)
{
	(void)target;
}

static bool fake_pinned(const struct target *target)
{
	return target->leaked;
}

static const struct target_class fake = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.reset = fake_reset,
	.call = fake_call,
	.has = fake_has,
	.finish = fake_finish,
};

static bool sweep(enum defect chosen, struct test_result *result)
{
	static const char source[] = "#: id a\nfd = open /dev/iommu\n"
				     "fail-nth *: as = IOMMU_IOAS_ALLOC fd -> 0 {out_ioas_id=1}\n"
				     "IOMMU_IOAS_ALLOC fd -> 0 {out_ioas_id=2}\n";
	const char *reason = "";
	struct test test = {.id = (char *)(uintptr_t)"a"};
	struct parse_error error;

	defect = chosen;
	runs = injected_calls = 0;
	memset(result, 0, sizeof(*result));
	prog_text_init(&test.text);
	struct exec *exec = exec_open(&fake, 0, &reason);
	bool passed = false;
	if (exec && prog_parse(&test.text, source, sizeof(source) - 1, &error)) {
		struct suite_sweep run = {
			.exec = exec, .test = &test, .result = result, .pinned = fake_pinned};

		passed = suite_sweep_run(&run);
	}
	exec_close(exec);
	prog_text_free(&test.text);
	return passed;
}

static void caught(enum defect chosen, const char *rule, const char *words)
{
	struct test_result result;
	bool passed = sweep(chosen, &result);

	tap_ok(!passed && strcmp(result.rule, rule) == 0 && strstr(result.message, words),
		"found: %s: %s", result.rule, result.message);
}

int main(void)
{
	struct test_result result;

	tap_begin();
	tap_ok(sweep(SOUND, &result) && injected_calls == DECISIONS,
		"each decision fails once, then the program passes %s", result.message);
	caught(WRONG_ERRNO, "injected-error", "fail-nth 4 gave EBUSY");
	caught(LEAVES_TRACE, "injected-trace", "fail-nth 2");
	caught(LEAVES_PIN, "injected-pin", "fail-nth 3");
	caught(NEVER_ENDS, "injected-end", "1000");
	tap_ok(!sweep(FAILS_UNASKED, &result) && result.expectation,
		"without injection the expectations hold: %s", result.message);
	tap_ok(live_fault_error_allowed(-ENOMEM) && live_fault_error_allowed(-ENOENT) &&
			live_fault_error_allowed(-EFAULT) && live_fault_error_allowed(-EINVAL) &&
			!live_fault_error_allowed(-EBUSY) && !live_fault_error_allowed(0) &&
			!live_fault_error_allowed(ENOMEM),
		"errnos of injected failures");
	return tap_end();
}
