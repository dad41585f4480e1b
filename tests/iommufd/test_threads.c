/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OS threads on one context (LOCKS_PTHREAD): maps, copies, unmaps, pins, replaces and destroys at
 * the same time, without a domain, since tables and IOTLBs have no locks of their own. Whatever the
 * interleaving, only specified errnos come out (12.2) and nothing is left.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/iommufd/access.h"
#include "impl/sim/alloc.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"

#define PAGE   SIM_PAGE_SIZE
#define ROUNDS 3000

struct shared {
	struct sim *sim;
	int fd;
	uint32_t ioas;
	int failures;
};

struct worker {
	struct shared *shared;
	struct task *task;
	unsigned number; /* from 1 */
	pthread_t thread;
};

static int64_t call(struct worker *w, uint32_t command, void *argument, size_t size)
{
	uint64_t at = ARGUMENT_BASE + w->number * UINT64_C(0x10000);
	int64_t result;

	sim_put(w->task, at, argument, size);
	result = sim_ioctl(w->task, w->shared->fd, command, at);
	mm_peek(task_mm(w->task), at, argument, size);
	return result;
}

/* Every errno but those named is wrong. */
static void allow(
	struct worker *w, const char *what, int64_t result, int first, int second, int third)
{
	if (result >= 0 || result == -first || result == -second || result == -third)
		return;
	printf("# thread %u: %s gives %lld\n", w->number, what, (long long)result);
	__atomic_fetch_add(&w->shared->failures, 1, __ATOMIC_RELAXED);
}

static void *map_and_unmap(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct iommu_ioas_map map = {.size = sizeof(map),
			.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = w->shared->ioas,
			.user_va = MEM_BASE + (i % 16) * PAGE,
			.length = (1 + i % 4) * PAGE};
		struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = w->shared->ioas};
		int64_t rc = call(w, IOMMU_IOAS_MAP, &map, sizeof(map));

		allow(w, "MAP", rc, 0, 0, 0);
		if (rc)
			continue;
		unmap.iova = map.iova;
		unmap.length = map.length;
		/* Another thread may have unmapped all. */
		allow(w, "UNMAP", call(w, IOMMU_IOAS_UNMAP, &unmap, sizeof(unmap)), ENOENT, EBUSY,
			EDEADLK);
	}
	return NULL;
}

static void *unmap_all(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS / 8; i++) {
		struct iommu_ioas_unmap unmap = {
			.size = sizeof(unmap), .ioas_id = w->shared->ioas, .length = UINT64_MAX};

		/* ENOENT: while drivers were told, a new area has come to lie across the cursor. */
		allow(w, "UNMAP all", call(w, IOMMU_IOAS_UNMAP, &unmap, sizeof(unmap)), EBUSY,
			EDEADLK, ENOENT);
	}
	return NULL;
}

static void *create_and_destroy(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct iommu_destroy destroy = {.size = sizeof(destroy)};
		struct iommu_ioas_copy copy = {.size = sizeof(copy),
			.flags = IOMMU_IOAS_MAP_READABLE,
			.src_ioas_id = w->shared->ioas,
			.length = PAGE,
			.src_iova = PAGE};

		allow(w, "IOAS_ALLOC", call(w, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)), 0, 0, 0);
		copy.dst_ioas_id = alloc.out_ioas_id;
		allow(w, "COPY", call(w, IOMMU_IOAS_COPY, &copy, sizeof(copy)), ENOENT, 0, 0);
		destroy.id = alloc.out_ioas_id;
		allow(w, "DESTROY", call(w, IOMMU_DESTROY, &destroy, sizeof(destroy)), 0, 0, 0);
	}
	return NULL;
}

static void *pin_and_replace(void *argument)
{
	struct worker *w = argument;
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	uint32_t id;
	int64_t access = kernel_access_create(w->task, w->shared->fd, ACCESS_CREATE_NEEDS_PIN, &id);

	allow(w, "access_create", access, 0, 0, 0);
	allow(w, "IOAS_ALLOC", call(w, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)), 0, 0, 0);
	allow(w, "attach", kernel_access_attach(w->task, (uint64_t)access, w->shared->ioas), 0, 0,
		0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t iova = PAGE + (i % 8) * PAGE;

		allow(w, "pin", kernel_access_pin(w->task, (uint64_t)access, iova, PAGE, 0), ENOENT,
			EINVAL, 0);
		if (i % 16 == 7)
			allow(w, "replace",
				kernel_access_replace(w->task, (uint64_t)access, alloc.out_ioas_id),
				0, 0, 0);
		if (i % 16 == 8)
			allow(w, "back",
				kernel_access_replace(w->task, (uint64_t)access, w->shared->ioas),
				0, 0, 0);
		if (i % 4 == 3)
			kernel_access_unpin_range(w->task, (uint64_t)access, 0, UINT64_MAX);
	}
	allow(w, "access_destroy", kernel_access_destroy(w->task, (uint64_t)access), 0, 0, 0);
	destroy.id = alloc.out_ioas_id;
	allow(w, "DESTROY of the second IOAS", call(w, IOMMU_DESTROY, &destroy, sizeof(destroy)), 0,
		0, 0);
	return NULL;
}

static void report(void *context, const char *rule, const char *message)
{
	struct shared *shared = context;

	/* Pins that keep coming back may win a hundred times. */
	if (!strcmp(rule, "unmap-pins-kept"))
		return;
	printf("# report %s: %s\n", rule, message);
	__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED);
}

int main(void)
{
	static void *(*const bodies[])(void *) = {
		map_and_unmap, map_and_unmap, pin_and_replace, create_and_destroy, unmap_all};
	enum { WORKERS = sizeof(bodies) / sizeof(bodies[0]) };
	struct shared shared = {0};
	struct sim_config config = {.locks = LOCKS_PTHREAD,
		.capabilities = SIM_CAP_ALL,
		.events = {.context = &shared, .report = report}};
	struct worker workers[WORKERS + 1];
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	bool good;

	shared.sim = sim_create(&config);
	for (unsigned i = 0; i <= WORKERS; i++)
		workers[i] = (struct worker){
			.shared = &shared, .task = sim_task(shared.sim, 0, i), .number = i};
	shared.fd = (int)sim_open(workers[0].task, "/dev/iommu");
	allow(&workers[0], "IOAS_ALLOC", call(&workers[0], IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)),
		0, 0, 0);
	shared.ioas = alloc.out_ioas_id;
	for (unsigned i = 1; i <= WORKERS; i++)
		pthread_create(&workers[i].thread, NULL, bodies[i - 1], &workers[i]);
	for (unsigned i = 1; i <= WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	good = !shared.failures;
	printf("%sok 1 - only specified results\n", good ? "" : "not ");
	shared.failures = 0;
	allow(&workers[0], "close", sim_close(workers[0].task, shared.fd), 0, 0, 0);
	sim_finish(shared.sim);
	if (mm_pins(shared.sim) || sim_alloc_objects(shared.sim)) {
		printf("# %llu pins, %llu objects left\n", (unsigned long long)mm_pins(shared.sim),
			(unsigned long long)sim_alloc_objects(shared.sim));
		shared.failures++;
	}
	printf("%sok 2 - nothing is left\n1..2\n", shared.failures ? "not " : "");
	sim_destroy(shared.sim);
	return !good || shared.failures;
}
