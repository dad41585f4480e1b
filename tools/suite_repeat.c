/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/suite_repeat.h"

#include <string.h>

static void name_run(struct test_result *result, unsigned run, unsigned repeats)
{
	size_t used = strlen(result->message);

	snprintf(result->message + used, sizeof(result->message) - used, " (run %u of %u)", run,
		repeats);
}

bool suite_repeat_run(const struct suite_repeat *repeat, const char **reason)
{
	unsigned repeats = repeat->repeats ? repeat->repeats : SUITE_REPEATS;
	bool good = true;

	*reason = NULL;
	for (unsigned run = 1; good && run <= repeats; run++) {
		const struct exec_parallel parallel = {.seed = run, .seconds = repeat->seconds};

		exec_set_parallel(repeat->exec, &parallel);
		good = exec_run(repeat->exec, &repeat->test->text.prog, reason);
		if (!good)
			break;
		good = suite_judge(
			repeat->test, repeat->exec, repeat->kernel, true, repeat->result);
		repeat->result->expectation = !good;
		if (!good)
			name_run(repeat->result, run, repeats);
	}
	exec_set_parallel(repeat->exec, NULL);
	return good;
}
