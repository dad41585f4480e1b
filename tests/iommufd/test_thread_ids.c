/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OS threads (LOCKS_PTHREAD) that guess: each makes any call on any id, so that objects go while
 * others look them up, attach to them, replace them and do DMA, and ids are taken again at once as
 * something else. What comes out is not predicted call by call; only that no result is one that
 * the specification does not know, and that everything can be taken down behind it.
 */
#include "impl/iommufd/access.h"
#include "tests/iommufd/threads.h"

#define ROUNDS 6000
#define IDS    20 /* that are guessed */

struct driver {
	uint64_t access;
	bool attached;
};

static int64_t map_some(struct worker *w, uint32_t ioas)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = MEM_BASE + worker_below(w, 16) * PAGE,
		.length = (1 + worker_below(w, 4)) * PAGE,
		.iova = MOCK_APERTURE_START + worker_below(w, 8) * PAGE};

	return worker_call(w, IOMMU_IOAS_MAP, &map, sizeof(map));
}

static int64_t copy_some(struct worker *w, uint32_t to, uint32_t from)
{
	struct iommu_ioas_copy copy = {.size = sizeof(copy),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = PAGE,
		.dst_iova = MOCK_APERTURE_START + worker_below(w, 8) * PAGE,
		.src_iova = MOCK_APERTURE_START + worker_below(w, 8) * PAGE};

	return worker_call(w, IOMMU_IOAS_COPY, &copy, sizeof(copy));
}

/* What nobody would guess goes at once. */
static int64_t allocate(struct worker *w)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	int64_t result = worker_call(w, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc));

	return !result && alloc.out_ioas_id > IDS ? worker_destroy(w, alloc.out_ioas_id) : result;
}

static int64_t add_device(struct worker *w, uint32_t id)
{
	struct iommu_test_cmd mock;
	int64_t result = worker_mock_domain(w, id, &mock);

	return !result && mock.mock_domain.out_stdev_id > IDS
		       ? worker_destroy(w, mock.mock_domain.out_stdev_id)
		       : result;
}

static int64_t check_map(struct worker *w, uint32_t hwpt)
{
	struct iommu_test_cmd check = {.size = sizeof(check),
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = hwpt,
		.md_check_map = {MOCK_APERTURE_START, PAGE, MEM_BASE}};

	return worker_call(w, IOMMU_TEST_CMD, &check, sizeof(check));
}

static int64_t ranges(struct worker *w, uint32_t ioas)
{
	struct iommu_ioas_iova_ranges query = {.size = sizeof(query),
		.ioas_id = ioas,
		.num_iovas = 4,
		.allowed_iovas = ARGUMENT_BASE + w->number * UINT64_C(0x10000) + 0x1000};

	return worker_call(w, IOMMU_IOAS_IOVA_RANGES, &query, sizeof(query));
}

/* Attaches only what is not attached: the rest would be a wrong driver (7.3). */
static int64_t use_access(struct worker *w, struct driver *driver, uint32_t ioas)
{
	uint64_t iova = MOCK_APERTURE_START + worker_below(w, 8) * PAGE;
	int64_t result;

	if (!driver->attached) {
		result = kernel_access_attach(w->task, driver->access, ioas);
		driver->attached = !result;
		return result;
	}
	switch (worker_below(w, 4)) {
	case 0: return kernel_access_replace(w->task, driver->access, ioas);
	case 1: kernel_access_unpin_range(w->task, driver->access, 0, UINT64_MAX); return 0;
	default: return kernel_access_pin(w->task, driver->access, iova, PAGE, 0);
	}
}

static int64_t some_call(struct worker *w, struct driver *driver)
{
	uint32_t id = 1 + worker_below(w, IDS), other = 1 + worker_below(w, IDS);
	uint64_t iova = MOCK_APERTURE_START + worker_below(w, 8) * PAGE;

	switch (worker_below(w, 20)) {
	case 0: return allocate(w);
	case 1:
	case 2: return add_device(w, id);
	case 3:
	case 4: return worker_replace(w, id, other);
	case 5: return worker_destroy(w, id);
	case 6: return worker_unmap(w, id, 0, UINT64_MAX);
	case 7: return worker_unmap(w, id, iova, 4 * PAGE);
	case 8: return copy_some(w, id, other);
	case 9: return check_map(w, id);
	case 10: return ranges(w, id);
	case 11: return use_access(w, driver, id);
	case 12:
	case 13:
	case 14:
	case 15: return worker_dma(w, id, iova + 100, PAGE, worker_below(w, 2));
	default: return map_some(w, id);
	}
}

static void *guess(void *argument)
{
	struct worker *w = argument;
	uint32_t id;
	int64_t access = kernel_access_create(w->task, w->shared->fd, ACCESS_CREATE_NEEDS_PIN, &id);

	struct driver driver = {.access = (uint64_t)access};

	worker_check(w, access > 0, "access_create fails");
	for (unsigned i = 0; i < ROUNDS; i++)
		worker_allow(w, "a call on any id", some_call(w, &driver), ENOENT, EINVAL, EBUSY,
			EEXIST, EADDRINUSE, EFAULT, EDEADLK, EMSGSIZE, ENOSPC, EPERM, 0);
	worker_allow(w, "access_destroy", kernel_access_destroy(w->task, driver.access), 0);
	return NULL;
}

int main(void)
{
	static void *(*const bodies[])(void *) = {guess, guess, guess, guess, guess, guess};
	struct threads shared;

	threads_open(&shared);
	threads_run(&shared, bodies, sizeof(bodies) / sizeof(bodies[0]));
	return threads_close(&shared);
}
