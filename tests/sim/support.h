/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the simulated machine share: sims whose reports and memory changes are
 * recorded, and numbers. */
#ifndef IOMMUZZ_TESTS_SIM_SUPPORT_H
#define IOMMUZZ_TESTS_SIM_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/sim/sim.h"

#define PAGE SIM_PAGE_SIZE

struct recorded_change {
	uint64_t address;
	uint32_t count;
	uint8_t old, now; /* first bytes */
};

struct recorded {
	unsigned reports;
	char rule[64]; /* of the first report */
	char message[128];
	unsigned changes;
	struct recorded_change change[16];
};

/* A sim in that mode, with 256 pages of mem, all capabilities, 64 pages of memlock; events go to
 * *recorded. */
struct sim *test_sim(enum lock_mode mode, struct recorded *recorded);
struct sim_config test_config(enum lock_mode mode, struct recorded *recorded);
/* One report since the last call, with that rule. Forgets it. */
bool reported(struct recorded *recorded, const char *rule);
/* Nothing was reported. Prints what was. */
bool silent(const struct recorded *recorded);

/* A deterministic sequence; *state is its seed. */
uint64_t test_random(uint64_t *state);
uint64_t test_below(uint64_t *state, uint64_t limit);
/* Says which seed the test runs with. */
uint64_t test_seed(uint64_t seed);

#endif
