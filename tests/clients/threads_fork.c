/* SPDX-License-Identifier: Apache-2.0 */
/* Eight threads work on one context and start processes that do the same. */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 8
#define ROUNDS	60

struct worker {
	pthread_t thread;
	int fd, number;
	uint32_t ioas, hwpt;
	char *memory;
	unsigned maps, copies, reads, children, errors;
};

static uint64_t place(const struct worker *worker)
{
	return MOCK_APERTURE_START + (uint64_t)worker->number * 0x1000000;
}

/* Everything a child may do after fork in a program with threads. */
static int child_work(const struct worker *worker, int access)
{
	uint32_t value = 0;
	uint64_t iova = place(worker) + 0x800000;

	if (map_at(worker->fd, worker->ioas, worker->memory + PAGE, PAGE, iova) != 0)
		return 1;
	if (access_rw(worker->fd, access, iova, &value, 4, 0) != 0 ||
		value != (uint32_t)worker->number)
		return 2;
	if (unmap_at(worker->fd, worker->ioas, iova, PAGE) != 0)
		return 3;
	uint32_t own = new_ioas(worker->fd);
	return destroy(worker->fd, own) == 0 ? 0 : 4;
}

static void fork_child(struct worker *worker, int access)
{
	pid_t child = fork();

	if (child == 0)
		_exit(child_work(worker, access));
	int status = join(child);
	if (status != 0) {
		fprintf(stderr, "thread %d: child failed at %d\n", worker->number, status);
		worker->errors++;
	}
	worker->children++;
}

static bool one_round(struct worker *worker, int access, int round)
{
	uint64_t iova = place(worker) + (uint64_t)round * PAGE;
	uint32_t value = 0;

	if (map_at(worker->fd, worker->ioas, worker->memory, PAGE, iova) != 0)
		return false;
	worker->maps++;
	if (access_rw(worker->fd, access, iova, &value, 4, 0) != 0 ||
		value != (uint32_t)worker->number + 100)
		return false;
	worker->reads++;
	if (check_map(worker->fd, worker->hwpt, iova, worker->memory, PAGE) != 0)
		return false;
	if (round % 3 == 0) {
		if (call(worker->fd, IOMMU_IOAS_COPY,
			    CMD(iommu_ioas_copy, .flags = RWF, .dst_ioas_id = worker->ioas,
				    .src_ioas_id = worker->ioas, .length = PAGE,
				    .dst_iova = iova + 0x400000, .src_iova = iova)) != 0)
			return false;
		worker->copies++;
		if (unmap_at(worker->fd, worker->ioas, iova + 0x400000, PAGE) != 0)
			return false;
	}
	if (round % 20 == 7)
		fork_child(worker, access);
	return unmap_at(worker->fd, worker->ioas, iova, PAGE) == 0;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	int access = new_access(worker->fd, worker->ioas, 0);

	for (int round = 0; round < ROUNDS; round++)
		if (access < 0 || !one_round(worker, access, round)) {
			fprintf(stderr, "thread %d: round %d: %s\n", worker->number, round,
				strerror(errno));
			worker->errors++;
		}
	close(access);
	return NULL;
}

int main(void)
{
	struct worker workers[THREADS] = {0}, sum = {0};
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);
	/* Shared, so that a fork does not turn pages into copies under a mapping. */
	char *memory = pages(THREADS * 2, MAP_SHARED);

	for (int i = 0; i < THREADS; i++) {
		char *own = memory + (size_t)i * 2 * PAGE;
		uint32_t values[] = {(uint32_t)i + 100, (uint32_t)i};

		memcpy(own, &values[0], 4);
		memcpy(own + PAGE, &values[1], 4);
		workers[i] = (struct worker){
			.fd = fd, .number = i, .ioas = ioas, .hwpt = mock.hwpt, .memory = own};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			die("pthread_create");
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		sum.maps += workers[i].maps;
		sum.copies += workers[i].copies;
		sum.reads += workers[i].reads;
		sum.children += workers[i].children;
		sum.errors += workers[i].errors;
	}
	printf("maps %u copies %u reads %u children %u errors %u\n", sum.maps, sum.copies,
		sum.reads, sum.children, sum.errors);
	show("no pin is left", check_refs(fd, memory, THREADS * 2 * PAGE, 0));
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	show("the device leaves", destroy(fd, mock.stdev));
	show("the address space, too", destroy(fd, ioas));
	printf("next id %u\n", new_ioas(fd));
	close(fd);
	return 0;
}
