/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OS threads on one context (LOCKS_PTHREAD): maps, copies, unmaps, pins, attaches, replaces,
 * destroys and DMA at the same time, each thread with objects of its own and two IOASes in common.
 * Whatever the interleaving, only specified errnos come out (12.2) and nothing is left.
 */
#include "impl/iommufd/access.h"
#include "tests/iommufd/threads.h"

#define ROUNDS 2000

static void *map_and_unmap(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct iommu_ioas_map map = {.size = sizeof(map),
			.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = i % 4 ? w->shared->ioas : w->shared->other,
			.user_va = MEM_BASE + (i % 16) * PAGE,
			.length = (1 + i % 4) * PAGE};
		int64_t rc = worker_call(w, IOMMU_IOAS_MAP, &map, sizeof(map));

		worker_allow(w, "MAP", rc, 0);
		/* Another thread may have unmapped all. */
		if (!rc)
			worker_allow(w, "UNMAP", worker_unmap(w, map.ioas_id, map.iova, map.length),
				ENOENT, EBUSY, EDEADLK, 0);
	}
	return NULL;
}

static void *unmap_all(void *argument)
{
	struct worker *w = argument;

	/* ENOENT: while drivers were told, a new area has come to lie across the cursor. */
	for (unsigned i = 0; i < ROUNDS / 8; i++)
		worker_allow(w, "UNMAP all", worker_unmap(w, w->shared->ioas, 0, UINT64_MAX), EBUSY,
			EDEADLK, ENOENT, 0);
	return NULL;
}

static void *create_and_destroy(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct iommu_ioas_copy copy = {.size = sizeof(copy),
			.flags = IOMMU_IOAS_MAP_READABLE,
			.src_ioas_id = w->shared->ioas,
			.length = PAGE,
			.src_iova = MOCK_APERTURE_START};
		struct iommu_test_cmd mock = {0};

		worker_allow(w, "IOAS_ALLOC",
			worker_call(w, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)), 0);
		copy.dst_ioas_id = alloc.out_ioas_id;
		if (i % 4 == 0)
			worker_allow(w, "MOCK_DOMAIN of its own IOAS",
				worker_mock_domain(w, alloc.out_ioas_id, &mock), 0);
		worker_allow(
			w, "COPY", worker_call(w, IOMMU_IOAS_COPY, &copy, sizeof(copy)), ENOENT, 0);
		if (i % 4 == 0)
			worker_allow(w, "DESTROY of its own device",
				worker_destroy(w, mock.mock_domain.out_stdev_id), 0);
		/* EBUSY: somebody looked at the automatic page table just when it was to go. */
		worker_allow(w, "DESTROY", worker_destroy(w, alloc.out_ioas_id), EBUSY, 0);
	}
	return NULL;
}

static void *pin_and_replace(void *argument)
{
	struct worker *w = argument;
	uint32_t id;
	int64_t access = kernel_access_create(w->task, w->shared->fd, ACCESS_CREATE_NEEDS_PIN, &id);
	uint64_t handle = (uint64_t)access;

	worker_check(w, access > 0, "access_create fails");
	worker_allow(w, "attach", kernel_access_attach(w->task, handle, w->shared->ioas), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t iova = MOCK_APERTURE_START + (i % 8) * PAGE;

		worker_allow(w, "pin", kernel_access_pin(w->task, handle, iova, PAGE, 0), ENOENT,
			EINVAL, 0);
		if (i % 16 == 7)
			worker_allow(w, "replace",
				kernel_access_replace(w->task, handle, w->shared->other), 0);
		if (i % 16 == 9)
			worker_allow(w, "back",
				kernel_access_replace(w->task, handle, w->shared->ioas), 0);
		if (i % 4 == 3)
			kernel_access_unpin_range(w->task, handle, 0, UINT64_MAX);
	}
	worker_allow(w, "access_destroy", kernel_access_destroy(w->task, handle), 0);
	return NULL;
}

static void publish(struct worker *w, const struct iommu_test_cmd *mock)
{
	__atomic_store_n(&w->shared->device, mock->mock_domain.out_idev_id, __ATOMIC_RELAXED);
	__atomic_store_n(&w->shared->hwpt, mock->mock_domain.out_hwpt_id, __ATOMIC_RELAXED);
}

/* Devices come, do DMA and go; with them the automatic page table. */
static void *attach_and_destroy(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct iommu_test_cmd mock;

		worker_allow(w, "MOCK_DOMAIN", worker_mock_domain(w, w->shared->ioas, &mock), 0);
		publish(w, &mock);
		worker_allow(w, "DMA of its own device",
			worker_dma(
				w, mock.mock_domain.out_idev_id, MOCK_APERTURE_START, 100, i & 1),
			EFAULT, 0);
		worker_allow(w, "DESTROY of a device",
			worker_destroy(w, mock.mock_domain.out_stdev_id), 0);
	}
	return NULL;
}

static void *replace(void *argument)
{
	struct worker *w = argument;
	struct iommu_test_cmd mock;

	worker_allow(w, "MOCK_DOMAIN", worker_mock_domain(w, w->shared->other, &mock), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		publish(w, &mock);
		worker_allow(w, "REPLACE",
			worker_replace(w, mock.mock_domain.out_stdev_id,
				i & 1 ? w->shared->other : w->shared->ioas),
			0);
		/* What lasts in the other IOAS can be reached at once. */
		worker_allow(w, "DMA behind REPLACE",
			worker_dma(w, mock.mock_domain.out_idev_id,
				MOCK_APERTURE_START + i % LASTING_PAGES * PAGE, 64, i & 2),
			i & 1 ? 0 : EFAULT, 0);
	}
	worker_allow(w, "DESTROY", worker_destroy(w, mock.mock_domain.out_stdev_id), 0);
	return NULL;
}

/* DMA of whatever device there is, across pages; and what its page table says. */
static void *dma(void *argument)
{
	struct worker *w = argument;

	for (unsigned i = 0; i < ROUNDS * 2; i++) {
		uint32_t device = __atomic_load_n(&w->shared->device, __ATOMIC_RELAXED);
		struct iommu_test_cmd check = {.size = sizeof(check),
			.op = IOMMU_TEST_OP_MD_CHECK_MAP,
			.id = __atomic_load_n(&w->shared->hwpt, __ATOMIC_RELAXED),
			.md_check_map = {MOCK_APERTURE_START, PAGE, MEM_BASE}};

		/* ENOENT: it is gone, or its id is something else by now. */
		worker_allow(w, "DMA",
			worker_dma(w, device, MOCK_APERTURE_START + i % 5 * PAGE + 2000, PAGE,
				i % 3 == 0),
			EFAULT, ENOENT, 0);
		worker_allow(w, "MD_CHECK_MAP",
			worker_call(w, IOMMU_TEST_CMD, &check, sizeof(check)), EINVAL, ENOENT, 0);
	}
	return NULL;
}

int main(void)
{
	static void *(*const bodies[])(void *) = {map_and_unmap, map_and_unmap, pin_and_replace,
		create_and_destroy, unmap_all, attach_and_destroy, replace, dma};
	struct threads shared;

	threads_open(&shared);
	threads_run(&shared, bodies, sizeof(bodies) / sizeof(bodies[0]));
	return threads_close(&shared);
}
