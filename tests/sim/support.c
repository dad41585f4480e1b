/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/support.h"

#include <stdio.h>
#include <string.h>

static void on_report(void *context, const char *rule, const char *message)
{
	struct recorded *recorded = context;

	if (recorded->reports++)
		return;
	snprintf(recorded->rule, sizeof(recorded->rule), "%s", rule);
	snprintf(recorded->message, sizeof(recorded->message), "%s", message);
}

static void on_memory(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count)
{
	struct recorded *recorded = context;

	if (recorded->changes < 16)
		recorded->change[recorded->changes] = (struct recorded_change){
			address, count, *(const uint8_t *)old, *(const uint8_t *)bytes};
	recorded->changes++;
}

struct sim_config test_config(enum lock_mode mode, struct recorded *recorded)
{
	memset(recorded, 0, sizeof(*recorded));
	return (struct sim_config){.locks = mode,
		.mem_pages = 256,
		.memlock = 64 * PAGE,
		.capabilities = SIM_CAP_ALL,
		.events = {.context = recorded, .memory = on_memory, .report = on_report}};
}

struct sim *test_sim(enum lock_mode mode, struct recorded *recorded)
{
	struct sim_config config = test_config(mode, recorded);

	return sim_create(&config);
}

bool reported(struct recorded *recorded, const char *rule)
{
	bool right = recorded->reports == 1 && !strcmp(recorded->rule, rule);

	if (!right)
		printf("# %u reports, first %s: %s\n", recorded->reports, recorded->rule,
			recorded->message);
	recorded->reports = 0;
	recorded->rule[0] = '\0';
	return right;
}

bool silent(const struct recorded *recorded)
{
	if (recorded->reports)
		printf("# %u reports, first %s: %s\n", recorded->reports, recorded->rule,
			recorded->message);
	return !recorded->reports;
}

uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t test_below(uint64_t *state, uint64_t limit)
{
	return test_random(state) % limit;
}

uint64_t test_seed(uint64_t seed)
{
	printf("# seed %llu\n", (unsigned long long)seed);
	return seed;
}
