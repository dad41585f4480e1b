/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tools/fake_target.h"

#include <stdlib.h>

struct target {
	int unused;
};

static struct target *fake_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	(void)config;
	(void)events;
	*reason = "out of memory";
	return calloc(1, sizeof(struct target));
}

static void fake_close(struct target *target)
{
	free(target);
}

static bool fake_reset(struct target *target, const struct target_config *config)
{
	(void)target;
	(void)config;
	return true;
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

struct target_class fake_target(
	const char *name, void (*call)(struct target *target, const struct resolved_call *call,
				  struct call_outcome *outcome))
{
	return (struct target_class){
		.name = name,
		.open = fake_open,
		.close = fake_close,
		.reset = fake_reset,
		.call = call,
		.has = fake_has,
		.finish = fake_finish,
	};
}
