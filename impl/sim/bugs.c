/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/bugs.h"

#include <string.h>

#include "impl/sim/sim_private.h"

static const struct sim_bug_info bugs[SIM_BUG_COUNT] = {
	[SIM_BUG_NONE] = {"none", "", "no defect"},
#define BUG(identifier, name, where, what) [BUG_##identifier] = {name, where, what},
#include "bugs.def"
#undef BUG
};

const struct sim_bug_info *sim_bug_info(uint16_t bug)
{
	return &bugs[bug < SIM_BUG_COUNT ? bug : SIM_BUG_NONE];
}

uint16_t sim_bug_find(const char *name)
{
	uint16_t bug;

	for (bug = 1; bug < SIM_BUG_COUNT; bug++) {
		if (!strcmp(bugs[bug].name, name))
			return bug;
	}
	return SIM_BUG_NONE;
}

bool sim_bugs_built(void)
{
#ifdef IOMMUZZ_BUGS
	return true;
#else
	return false;
#endif
}

#ifdef IOMMUZZ_BUGS
bool sim_bug_on(const struct task *task, enum sim_bug bug)
{
	return task->sim->config.bug == bug;
}
#endif
