/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an IOMMU_DESTROY takes beside calls on the same object (docs/kernel-findings.md). Two
 * threads ask an object without pause, the main one makes and destroys such objects, until one
 * DESTROY took 10 s or 100 s are over.
 *
 *     gcc -static -D_GNU_SOURCE -I tests/clients -I tests/clients/include \
 *             -o destroy_wait ci/measure/destroy_wait.c
 *     iommuzz_static vm run --image DIR --timeout 170 ./destroy_wait
 */
#include <pthread.h>
#include <time.h>

#include "client.h"

static int fd;
static uint32_t asked;
static bool done;

static void ask_device(uint32_t id)
{
	struct iommu_test_hw_info data;
	struct iommu_hw_info command = {.size = sizeof(command),
		.dev_id = id,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data};

	ioctl(fd, IOMMU_GET_HW_INFO, &command);
}

static void ask_ioas(uint32_t id)
{
	struct iommu_iova_range ranges[3];
	struct iommu_ioas_iova_ranges command = {.size = sizeof(command),
		.ioas_id = id,
		.num_iovas = 3,
		.allowed_iovas = (uintptr_t)ranges};

	ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &command);
}

static void *ask(void *how)
{
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED))
		((void (*)(uint32_t))how)(__atomic_load_n(&asked, __ATOMIC_RELAXED));
	return NULL;
}

/* Returns what has to be destroyed; that or what it brings is asked. */
static uint32_t make(bool device, uint32_t ioas)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct mock mock;

	if (device) {
		mock = new_mock(fd, ioas);
		__atomic_store_n(&asked, mock.dev, __ATOMIC_RELAXED);
		return mock.stdev;
	}
	ioctl(fd, IOMMU_IOAS_ALLOC, &alloc);
	__atomic_store_n(&asked, alloc.out_ioas_id, __ATOMIC_RELAXED);
	return alloc.out_ioas_id;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void measure(const char *what, bool device, void (*how)(uint32_t))
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	double begin = now(), worst = 0;
	unsigned count = 0;
	pthread_t threads[2];

	fd = open("/dev/iommu", O_RDWR);
	ioctl(fd, IOMMU_IOAS_ALLOC, &ioas);
	done = false;
	for (int t = 0; t < 2; t++)
		pthread_create(&threads[t], NULL, ask, (void *)how);
	while (worst < 10 && now() - begin < 100) {
		struct iommu_destroy destroy = {
			.size = sizeof(destroy), .id = make(device, ioas.out_ioas_id)};

		for (volatile unsigned pause = 0; pause < count % 50 * 100; pause++)
			;
		double start = now();
		while (ioctl(fd, IOMMU_DESTROY, &destroy) && errno == EBUSY)
			start = now();
		if (now() - start > worst)
			worst = now() - start;
		count++;
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	for (int t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	close(fd);
	printf("%s: %u destroyed, the slowest in %.3f s\n", what, count, worst);
	fflush(stdout);
}

int main(void)
{
	measure("IOAS beside IOAS_IOVA_RANGES", false, ask_ioas);
	measure("mock device beside GET_HW_INFO", true, ask_device);
	return 0;
}
