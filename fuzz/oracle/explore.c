/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/oracle/explore.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY 256u

/* A set with open addressing; false: the digest was there. */
static bool add_outcome(struct explore *explore, uint64_t digest)
{
	const uint64_t room = EXPLORE_OUTCOMES * 2;

	digest |= 1;
	if (explore->outcomes == EXPLORE_OUTCOMES)
		return false;
	for (uint64_t at = digest % room;; at = (at + 1) % room) {
		if (explore->digests[at] == digest)
			return false;
		if (!explore->digests[at]) {
			explore->digests[at] = digest;
			explore->outcomes++;
			return true;
		}
	}
}

static bool go_on(struct explore *explore)
{
	if (explore->runs_max && explore->runs >= explore->runs_max)
		return false;
	if (explore->progress && explore->runs % PROGRESS_EVERY == 0 &&
		!explore->progress(explore->context, explore)) {
		explore->interrupted = true;
		return false;
	}
	return true;
}

static bool explore_threads(
	struct explore *explore, const struct prog *prog, struct finding *finding)
{
	struct scheduler *scheduler = oracle_scheduler(explore->run);
	struct strategy *strategy = explore->strategy;
	bool good = true;

	oracle_set_strategy(explore->run, strategy);
	while (good && go_on(explore)) {
		if (!strategy->begin(strategy, scheduler)) {
			explore->complete = true;
			break;
		}
		good = oracle_run_program(explore->run, prog, finding);
		if (oracle_skipped(explore->run))
			break;
		explore->runs++;
		explore->steps += scheduler_step_count(scheduler);
		explore->preemptions += scheduler_preemptions(scheduler);
		add_outcome(explore, trace_thread_digest(oracle_trace(explore->run)));
		if (good && explore->judge)
			good = explore->judge(explore->context, finding);
	}
	oracle_set_strategy(explore->run, NULL);
	return good;
}

bool explore_program(struct explore *explore, const struct prog *prog, struct finding *finding)
{
	bool good;

	memset(finding, 0, sizeof(*finding));
	if (!explore->digests)
		explore->digests = calloc(EXPLORE_OUTCOMES * 2, sizeof(*explore->digests));
	if (!explore->digests || !oracle_scheduler(explore->run))
		return true;
	if (prog_has_threads(prog))
		return explore_threads(explore, prog, finding);
	good = oracle_run_program(explore->run, prog, finding);
	explore->runs = 1;
	explore->outcomes = 1;
	explore->complete = true;
	if (good && explore->judge && !oracle_skipped(explore->run))
		good = explore->judge(explore->context, finding);
	return good;
}

void explore_free(struct explore *explore)
{
	free(explore->digests);
	explore->digests = NULL;
}
