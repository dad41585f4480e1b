/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/iommufd/threads.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "impl/iommufd/access.h"
#include "impl/sim/alloc.h"
#include "tests/tap.h"

#define IDS_MAX	    128
#define BUFFER_PAGE 64 /* of mem: where DMA of worker 0 comes from and goes to */

static void count(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

int64_t worker_call(struct worker *w, uint32_t command, void *argument, size_t size)
{
	uint64_t at = ARGUMENT_BASE + w->number * UINT64_C(0x10000);
	int64_t result;

	sim_put(w->task, at, argument, size);
	result = sim_ioctl(w->task, w->shared->fd, command, at);
	mm_peek(task_mm(w->task), at, argument, size);
	return result;
}

void worker_check(struct worker *w, bool holds, const char *what)
{
	if (holds)
		return;
	printf("# thread %u: %s\n", w->number, what);
	count(&w->shared->failures);
}

void worker_allow(struct worker *w, const char *what, int64_t result, ...)
{
	bool allowed = !result;
	va_list errors;
	int error;

	va_start(errors, result);
	while ((error = va_arg(errors, int)))
		allowed = allowed || result == -error;
	va_end(errors);
	if (allowed)
		return;
	printf("# thread %u: %s gives %lld\n", w->number, what, (long long)result);
	count(&w->shared->failures);
}

uint32_t worker_below(struct worker *w, uint32_t limit)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(w->random >> 33) % limit;
}

int64_t worker_unmap(struct worker *w, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = length};
	int64_t result = worker_call(w, IOMMU_IOAS_UNMAP, &unmap, sizeof(unmap));

	if (result == -EDEADLK)
		count(&w->shared->deadlocks);
	if (!result && length != UINT64_MAX)
		worker_check(w, unmap.length && unmap.length <= length,
			"UNMAP succeeds with a length that cannot be");
	return result;
}

int64_t worker_destroy(struct worker *w, uint32_t id)
{
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = id};

	return worker_call(w, IOMMU_DESTROY, &destroy, sizeof(destroy));
}

int64_t worker_mock_domain(struct worker *w, uint32_t pt_id, struct iommu_test_cmd *command)
{
	*command = (struct iommu_test_cmd){
		.size = sizeof(*command), .op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = pt_id};
	return worker_call(w, IOMMU_TEST_CMD, command, sizeof(*command));
}

int64_t worker_replace(struct worker *w, uint32_t stdev, uint32_t pt_id)
{
	struct iommu_test_cmd command = {.size = sizeof(command),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = stdev,
		.mock_domain_replace = {.pt_id = pt_id}};

	return worker_call(w, IOMMU_TEST_CMD, &command, sizeof(command));
}

int64_t worker_dma(struct worker *w, uint32_t device, uint64_t iova, uint64_t length, bool write)
{
	uint64_t buffer = MEM_BASE + (BUFFER_PAGE + w->number) * PAGE;
	uint8_t bytes[PAGE];
	int64_t result;

	memset(bytes, write ? MARK : 0, length);
	sim_put(w->task, buffer, bytes, length);
	result = kernel_dma(w->task, w->shared->fd, device, 0, iova, length, buffer, write);
	mm_peek(task_mm(w->task), buffer, bytes, length);
	for (uint64_t i = 0; !result && i < length; i++)
		if (bytes[i] != MARK) {
			worker_check(w, false, "DMA reads what nobody has mapped");
			break;
		}
	if (!result)
		count(&w->shared->transfers);
	return result;
}

static void report(void *context, const char *rule, const char *message)
{
	struct threads *shared = context;

	/* Pins that keep coming back may win a hundred times. */
	if (!strcmp(rule, "unmap-pins-kept")) {
		count(&shared->kept_pins);
		return;
	}
	printf("# report %s: %s\n", rule, message);
	count(&shared->failures);
}

static uint32_t new_ioas(struct worker *main)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_iova_range range = {MOCK_APERTURE_START, MOCK_APERTURE_LAST};
	uint64_t at = ARGUMENT_BASE + 0x1000;
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow), .num_iovas = 1, .allowed_iovas = at};

	worker_allow(
		main, "IOAS_ALLOC", worker_call(main, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)), 0);
	sim_put(main->task, at, &range, sizeof(range));
	allow.ioas_id = alloc.out_ioas_id;
	worker_allow(main, "ALLOW_IOVAS",
		worker_call(main, IOMMU_IOAS_ALLOW_IOVAS, &allow, sizeof(allow)), 0);
	return alloc.out_ioas_id;
}

/* What stays mapped in the other IOAS while workers run. */
static void map_lasting(struct worker *main)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = main->shared->other,
		.user_va = MEM_BASE,
		.length = LASTING_PAGES * PAGE,
		.iova = MOCK_APERTURE_START};

	worker_allow(main, "lasting MAP", worker_call(main, IOMMU_IOAS_MAP, &map, sizeof(map)), 0);
}

void threads_open(struct threads *shared)
{
	struct sim_config config = {.locks = LOCKS_PTHREAD,
		.memlock = UINT64_C(1) << 30, /* without CAP_IPC_LOCK: pages are charged */
		.events = {.context = shared, .report = report}};
	struct worker main = {.shared = shared};

	memset(shared, 0, sizeof(*shared));
	shared->sim = sim_create(&config);
	shared->task = main.task = sim_task(shared->sim, 0, 0);
	shared->fd = (int)sim_open(shared->task, "/dev/iommu");
	for (uint64_t page = 0; page < MAPPED_PAGES; page++) {
		uint8_t bytes[PAGE];

		memset(bytes, MARK, sizeof(bytes));
		sim_put(shared->task, MEM_BASE + page * PAGE, bytes, sizeof(bytes));
	}
	shared->ioas = new_ioas(&main);
	shared->other = new_ioas(&main);
	map_lasting(&main);
	tap_begin();
}

static void *start(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(&w->shared->start);
	return w->body(w);
}

void threads_run(struct threads *shared, void *(*const *bodies)(void *), unsigned workers)
{
	struct worker worker[WORKERS_MAX];

	pthread_barrier_init(&shared->start, NULL, workers);
	for (unsigned i = 0; i < workers; i++) {
		worker[i] = (struct worker){.shared = shared,
			.task = sim_task(shared->sim, 0, i + 1),
			.number = i + 1,
			.body = bodies[i],
			.random = i + 1};
		if (pthread_create(&worker[i].thread, NULL, start, &worker[i])) {
			printf("Bail out! no threads\n");
			return;
		}
	}
	for (unsigned i = 0; i < workers; i++)
		pthread_join(worker[i].thread, NULL);
	pthread_barrier_destroy(&shared->start);
	tap_ok(!shared->failures, "only specified results, no report, DMA only where it may go");
	tap_ok(shared->deadlocks == shared->kept_pins,
		"each UNMAP that gave up said so, and no other (%u, %u)", shared->deadlocks,
		shared->kept_pins);
	printf("# %u DMA transfers succeeded\n", shared->transfers);
	shared->failures = 0;
}

/* Objects go in any order but that of their ids: a device before its page table before the IOAS. */
static void destroy_all(struct worker *main)
{
	for (unsigned round = 0; round < 4; round++)
		for (uint32_t id = 1; id <= IDS_MAX; id++)
			worker_allow(
				main, "last DESTROY", worker_destroy(main, id), ENOENT, EBUSY, 0);
}

static bool ids_are_free(struct worker *main)
{
	for (uint32_t id = 1; id <= IDS_MAX; id++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		if (worker_call(main, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)) ||
			alloc.out_ioas_id != id) {
			printf("# id %u is not free\n", id);
			return false;
		}
	}
	return true;
}

/* Between what is mapped and the buffers of DMA nothing was ever written. */
static bool untouched(struct threads *shared)
{
	uint8_t byte[PAGE];

	for (uint64_t page = MAPPED_PAGES; page < BUFFER_PAGE; page++) {
		mm_peek(task_mm(shared->task), MEM_BASE + page * PAGE, byte, sizeof(byte));
		for (size_t i = 0; i < sizeof(byte); i++)
			if (byte[i])
				return false;
	}
	return true;
}

int threads_close(struct threads *shared)
{
	struct worker main = {.shared = shared, .task = shared->task};
	const struct user *user = process_user(task_process(shared->task));

	worker_unmap(&main, shared->ioas, 0, UINT64_MAX);
	worker_unmap(&main, shared->other, 0, UINT64_MAX);
	destroy_all(&main);
	tap_ok(!shared->failures, "everything can be unmapped and destroyed");
	tap_ok(!mm_pins(shared->sim) && !user_locked(user),
		"no page is pinned or charged (%llu, %llu)",
		(unsigned long long)mm_pins(shared->sim), (unsigned long long)user_locked(user));
	tap_ok(ids_are_free(&main), "every id is free");
	tap_ok(untouched(shared), "memory that nobody mapped is as it was");
	shared->failures = 0;
	worker_allow(&main, "close", sim_close(shared->task, shared->fd), 0);
	sim_finish(shared->sim);
	tap_ok(!shared->failures && !sim_alloc_objects(shared->sim),
		"nothing is left behind the end (%llu objects)",
		(unsigned long long)sim_alloc_objects(shared->sim));
	sim_destroy(shared->sim);
	return tap_end();
}
