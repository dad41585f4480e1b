/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/schedule/crew.h"

#include <string.h>

static void entry(void *context, unsigned thread)
{
	struct crew *crew = context;

	crew->threads[thread](crew, thread);
}

static struct sim_config configuration(void)
{
	return (struct sim_config){.locks = LOCKS_FIBER, .mem_pages = 16, .memlock = 1 << 20};
}

bool crew_open(struct crew *crew, bool with_sim)
{
	struct sim_config config = configuration();

	memset(crew, 0, sizeof(*crew));
	crew->scheduler = scheduler_open();
	if (with_sim)
		crew->sim = sim_create(&config);
	if (crew->sim && crew->scheduler)
		sim_set_scheduler(crew->sim, scheduler_for_sim(crew->scheduler));
	return crew->scheduler && (crew->sim || !with_sim);
}

void crew_close(struct crew *crew)
{
	sim_destroy(crew->sim);
	scheduler_close(crew->scheduler);
}

void crew_abandon(struct crew *crew)
{
	/* Where leak checkers find those that cannot be freed. */
	static __attribute__((used)) struct sim *kept[16];
	static unsigned count;

	if (!sim_abandon(crew->sim))
		kept[count++ % 16] = crew->sim;
	crew->sim = NULL;
}

struct task *crew_task(struct crew *crew, unsigned thread)
{
	return sim_task(crew->sim, 0, thread);
}

enum scheduler_end crew_run(struct crew *crew, struct strategy *strategy)
{
	struct sim_config config = configuration();
	uint32_t threads = 0;

	if (crew->sim)
		sim_reset(crew->sim, &config);
	if (crew->before)
		crew->before(crew);
	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		if (crew->threads[t])
			threads |= UINT32_C(1) << t;
	scheduler_begin(crew->scheduler, strategy);
	crew->end = scheduler_section(crew->scheduler, threads, entry, crew);
	scheduler_finish(crew->scheduler, crew->end);
	return crew->end;
}

uint64_t crew_run_all(struct crew *crew, struct strategy *strategy, uint64_t most,
	bool (*seen)(struct crew *crew))
{
	uint64_t runs = 0;

	while (runs < most && strategy->begin(strategy, crew->scheduler)) {
		crew_run(crew, strategy);
		runs++;
		if (seen && seen(crew))
			break;
	}
	strategy->close(strategy);
	return runs;
}
