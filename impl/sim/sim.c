/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "impl/abi/catalogue.h"
#include "impl/sim/mm/mm_private.h"
#include "impl/sim/sim_private.h"

#define DEFAULT_MEM_PAGES 16384
#define PHYSICAL_FIRST                                                                             \
	UINT64_C(0x100000) /* page number: 4 GiB, so that no physical address is 0                 \
			    */

/* Everything but the arena's chunks, the host locks and the scheduler. False: host memory is short.
 */
static bool start(struct sim *sim, const struct sim_config *config)
{
	struct mm *mm;

	arena_reset(sim);
	sim->config = *config;
	if (!sim->config.kernel)
		sim->config.kernel = LINUX_NEWEST;
	if (!sim->config.mem_pages)
		sim->config.mem_pages = DEFAULT_MEM_PAGES;
	sim->threads = config->locks == LOCKS_PTHREAD;
	if (sim->threads)
		lock_parking_init(sim);
	sim->mm_count = 0;
	sim->warnings = 0;
	memset(sim->processes, 0, sizeof(sim->processes));
	sim->tasks = NULL;
	sim->users = NULL;
	sim->physical = (struct physical){.next = PHYSICAL_FIRST, .epoch = 1};
	sim->real_files = NULL;
	sim->devices = sim->last_device = NULL;
	sim->device_count = 0;
	sim->rcu_first = NULL;
	sim->rcu_last = &sim->rcu_first;
	sim->workqueues = NULL;
	sim->timers = NULL;
	sim->now_ms = 0;
	iommufd_start(sim);
	mm = mm_create(sim, config->provider);
	return mm &&
	       !process_create(sim, 0, config->uid, config->capabilities, config->memlock, mm);
}

struct sim *sim_create(const struct sim_config *config)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	pthread_mutex_init(&sim->arena_lock, NULL);
	pthread_mutex_init(&sim->memory_lock, NULL);
	pthread_mutex_init(&sim->state_lock, NULL);
	if (!start(sim, config)) {
		sim_destroy(sim);
		return NULL;
	}
	return sim;
}

void sim_reset(struct sim *sim, const struct sim_config *config)
{
	/* An arena forgets all objects at once; those from malloc have to be given back by the code
	 * under test. */
	if (SIM_MALLOC_OBJECTS)
		sim_finish(sim);
	if (!start(sim, config))
		abort();
}

void sim_finish(struct sim *sim)
{
	struct process *first = sim->processes[0];
	unsigned n;

	/* Their accesses hold the iommufd open. */
	if (first)
		iommufd_finish(&first->main);
	for (n = 0; n < SIM_PROCESSES; n++) {
		if (sim->processes[n] && sim->processes[n]->alive)
			process_exit(sim->processes[n]);
	}
	if (!first)
		return;
	files_release_late(&first->main);
	workqueue_run_all(&first->main);
	rcu_run(&first->main);
	sim->timers = NULL;
}

static void free_sim(struct sim *sim)
{
	arena_destroy(sim);
	lock_parking_destroy(sim);
	pthread_mutex_destroy(&sim->arena_lock);
	pthread_mutex_destroy(&sim->memory_lock);
	pthread_mutex_destroy(&sim->state_lock);
	free(sim);
}

bool sim_abandon(struct sim *sim)
{
	if (!SIM_MALLOC_OBJECTS)
		free_sim(sim);
	return !SIM_MALLOC_OBJECTS;
}

void sim_destroy(struct sim *sim)
{
	if (!sim)
		return;
	sim_finish(sim);
	free_sim(sim);
}

uint16_t sim_kernel(const struct sim *sim)
{
	return sim->config.kernel;
}

bool sim_since(const struct sim *sim, uint16_t release)
{
	return sim->config.kernel >= release;
}

enum lock_mode sim_lock_mode(const struct sim *sim)
{
	return sim->config.locks;
}

const struct sim_config *sim_configuration(const struct sim *sim)
{
	return &sim->config;
}

void *sim_iommufd_state(const struct sim *sim)
{
	return (void *)(uintptr_t)sim->iommufd;
}

void sim_warn(struct task *task, const char *rule, const char *format, ...)
{
	const struct sim_events *events = &task->sim->config.events;
	char message[256];
	va_list arguments;

	__atomic_fetch_add(&task->sim->warnings, 1, __ATOMIC_RELAXED);
	if (!events->report)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	events->report(events->context, rule, message);
}

uint32_t sim_warnings(const struct sim *sim)
{
	return __atomic_load_n(&sim->warnings, __ATOMIC_RELAXED);
}
