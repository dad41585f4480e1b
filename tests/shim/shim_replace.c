/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that replace the address space of one access all the time. */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS	1500

static int fd;
static uint32_t ioas[2];
static uint32_t access_id;

static int access_command(uint32_t op, struct iommu_test_cmd *argument)
{
	argument->size = sizeof(*argument);
	argument->op = op;
	return call(fd, IOMMU_TEST_CMD, argument);
}

static void *work(void *argument)
{
	uintptr_t wrong = 0;

	(void)argument;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct iommu_test_cmd replace = {
			.id = access_id, .access_replace_ioas = {.ioas_id = ioas[round & 1]}};
		int result = access_command(IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, &replace);

		/* While another one is in its callback there is nothing to replace. */
		wrong += result && result != -EBUSY && result != -ENOENT;
	}
	return (void *)wrong;
}

int main(void)
{
	struct iommu_test_cmd create = {0};
	pthread_t threads[THREADS];
	uintptr_t wrong = 0;
	void *result;

	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	create.id = ioas[0] = new_ioas(fd);
	ioas[1] = new_ioas(fd);
	tap_begin();
	tap_ok(!access_command(IOMMU_TEST_OP_CREATE_ACCESS, &create), "an access");
	access_id = create.create_access.out_access_fd;
	for (unsigned n = 0; n < THREADS; n++)
		pthread_create(&threads[n], NULL, work, NULL);
	for (unsigned n = 0; n < THREADS; n++) {
		pthread_join(threads[n], &result);
		wrong += (uintptr_t)result;
	}
	tap_ok(!wrong, "every replacement succeeds, or meets another");
	return tap_end();
}
