/* SPDX-License-Identifier: Apache-2.0 */
/* Devices change their page tables while a driver reads and a program maps. */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>

struct shared {
	int fd, access;
	uint32_t ioas;
	atomic_bool stop;
	atomic_uint errors, reads;
};

static void *reader(void *argument)
{
	struct shared *shared = argument;
	uint32_t value;

	while (!atomic_load(&shared->stop)) {
		if (access_rw(shared->fd, shared->access, 0x2000000, &value, 4, 0) != 0 ||
			value != 0x12345678)
			atomic_fetch_add(&shared->errors, 1);
		atomic_fetch_add(&shared->reads, 1);
	}
	return NULL;
}

static void *mapper(void *argument)
{
	struct shared *shared = argument;
	char *memory = pages(4, 0);
	uint64_t iova;

	while (!atomic_load(&shared->stop)) {
		iova = 0;
		if (map_flags(shared->fd, shared->ioas, RW, memory, 4 * PAGE, &iova) != 0 ||
			unmap_at(shared->fd, shared->ioas, iova, 4 * PAGE) != 0)
			atomic_fetch_add(&shared->errors, 1);
	}
	munmap(memory, 4 * PAGE);
	return NULL;
}

static void rounds(struct shared *shared, struct mock mock, uint32_t *memory)
{
	uint32_t tables[3], other = new_ioas(shared->fd), ids[4];
	unsigned bad = 0;

	for (int i = 0; i < 3; i++)
		show("table", hwpt_alloc(shared->fd, mock.dev, shared->ioas, 0, &tables[i]));
	printf("tables %u %u %u, automatic %u\n", tables[0], tables[1], tables[2], mock.hwpt);
	for (int round = 0; round < 100; round++) {
		uint32_t target = tables[round % 3];

		if (replace(shared->fd, mock.stdev, &target) != 0 || target != tables[round % 3] ||
			check_map(shared->fd, target, 0x2000000, memory, PAGE) != 0)
			bad++;
	}
	printf("100 moves, %u bad\n", bad);
	show("the automatic table is gone", destroy(shared->fd, mock.hwpt));
	for (int round = 0; round < 4; round++) {
		ids[round] = round % 2 ? shared->ioas : other;
		show("to an address space", replace(shared->fd, mock.stdev, &ids[round]));
		printf("table %u\n", ids[round]);
	}
	show("to the same", replace(shared->fd, mock.stdev, &ids[3]));
	for (int i = 0; i < 3; i++)
		show("destroy", destroy(shared->fd, tables[i]));
	show("the device leaves", destroy(shared->fd, mock.stdev));
	show("replace it", replace_to(shared->fd, mock.stdev, shared->ioas));
}

/* A failed replace leaves everything as it was. */
static void failures(struct shared *shared, uint32_t *memory)
{
	uint32_t other = new_ioas(shared->fd);
	struct mock mock = new_mock(shared->fd, shared->ioas);
	char *gone = pages(1, 0);

	show("map low in the other", map_at(shared->fd, other, memory, PAGE, 0x1000));
	show("its mapping is below the aperture", replace_to(shared->fd, mock.stdev, other));
	show("unmap", unmap_at(shared->fd, other, 0x1000, PAGE));
	show("map memory that goes", map_at(shared->fd, other, gone, PAGE, 0x3000000));
	munmap(gone, PAGE);
	show("it is gone", replace_to(shared->fd, mock.stdev, other));
	show("still there", check_map(shared->fd, mock.hwpt, 0x2000000, memory, PAGE));
	show("one pin", check_refs(shared->fd, memory, PAGE, 1));
	show("unmap", unmap_at(shared->fd, other, 0x3000000, PAGE));
	show("now it works", replace_to(shared->fd, mock.stdev, other));
	show("no pin", check_refs(shared->fd, memory, PAGE, 0));
	destroy(shared->fd, mock.stdev);
}

int main(void)
{
	struct shared shared = {.fd = open_iommu()};
	uint32_t *memory = pages(1, 0);
	pthread_t threads[2];

	shared.ioas = new_ioas(shared.fd);
	shared.access = new_access(shared.fd, shared.ioas, 0);
	*memory = 0x12345678;
	show("map", map_at(shared.fd, shared.ioas, memory, PAGE, 0x2000000));
	/* Before anything is mapped that it could not reach. */
	struct mock mock = new_mock(shared.fd, shared.ioas);
	pthread_create(&threads[0], NULL, reader, &shared);
	pthread_create(&threads[1], NULL, mapper, &shared);
	while (!atomic_load(&shared.reads))
		usleep(1000);
	rounds(&shared, mock, memory);
	atomic_store(&shared.stop, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	printf("errors of the threads: %u\n", atomic_load(&shared.errors));
	failures(&shared, memory);
	close(shared.access);
	close(shared.fd);
	return 0;
}
