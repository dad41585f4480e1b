/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wait for a fault, each by another call; epoll in all its modes. */
#include "client.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int fd, queue;
static struct mock device;
static pthread_barrier_t start;

static void fault(uint32_t group)
{
	show("fault",
		TEST(fd, IOMMU_TEST_OP_TRIGGER_IOPF,
			.trigger_iopf = {.dev_id = device.dev, .pasid = -1u, .grpid = group}));
}

static void serve(void)
{
	struct iommu_hwpt_pgfault record;
	int served = 0;

	while (read(queue, &record, sizeof(record)) == sizeof(record)) {
		struct iommu_hwpt_page_response response = {.cookie = record.cookie};

		served += write(queue, &response, sizeof(response)) == sizeof(response);
	}
	printf("served: %d\n", served);
}

static long wait_by(int way)
{
	struct pollfd waited = {.fd = queue, .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	struct timespec limit = {.tv_sec = 10};
	int set = epoll_create1(0);
	fd_set descriptors;

	FD_ZERO(&descriptors);
	FD_SET(queue, &descriptors);
	epoll_ctl(set, EPOLL_CTL_ADD, queue, &event);
	pthread_barrier_wait(&start);
	switch (way) {
	case 0: return poll(&waited, 1, 10000);
	case 1: return ppoll(&waited, 1, &limit, NULL);
	case 2: return pselect(queue + 1, &descriptors, NULL, NULL, &limit, NULL);
	case 3: return epoll_wait(set, &event, 1, 10000);
	case 4: return epoll_pwait(set, &event, 1, 10000, NULL);
	default: return epoll_pwait2(set, &event, 1, &limit, NULL);
	}
}

static void *wait_in_thread(void *way)
{
	return (void *)wait_by((int)(long)way);
}

static void wake_threads(void)
{
	pthread_t threads[6];
	void *result;

	pthread_barrier_init(&start, NULL, 7);
	for (long n = 0; n < 6; n++)
		pthread_create(&threads[n], NULL, wait_in_thread, (void *)n);
	pthread_barrier_wait(&start);
	usleep(30000);
	fault(1);
	for (int n = 0; n < 6; n++) {
		pthread_join(threads[n], &result);
		printf("thread %d: %ld\n", n, (long)result);
	}
	serve();
}

static void events(const char *what, int set)
{
	struct epoll_event event = {0};
	int count = epoll_wait(set, &event, 1, 0);

	printf("%s: %d %" PRIx32 "\n", what, count, event.events);
}

static void by_mode(const char *name, uint32_t mode)
{
	struct epoll_event event = {.events = mode};
	int set = epoll_create1(0), outer = epoll_create1(0);

	printf("-- %s\n", name);
	show("add", epoll_ctl(set, EPOLL_CTL_ADD, queue, &event) ? -errno : 0);
	event.events = EPOLLIN;
	epoll_ctl(outer, EPOLL_CTL_ADD, set, &event);
	events("nothing", set);
	fault(2);
	events("outer", outer);
	events("one", set);
	events("again", set);
	fault(3);
	events("one more", set);
	serve();
	events("served", set);
	close(outer);
	close(set);
}

int main(void)
{
	struct iommu_fault_alloc made = {.size = sizeof(made)};
	uint32_t ioas, parent, nested;

	fd = open_iommu();
	ioas = new_ioas(fd);
	device = new_mock(fd, ioas);
	show("parent", hwpt_alloc(fd, device.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	show("queue", call(fd, IOMMU_FAULT_QUEUE_ALLOC, &made));
	queue = (int)made.out_fault_fd;
	show("nested", nested_alloc(fd, device.dev, parent, made.out_fault_id, 0, &nested));
	show("attach", replace_to(fd, device.stdev, nested));
	wake_threads();
	by_mode("level", EPOLLIN);
	by_mode("edge", EPOLLIN | EPOLLET);
	by_mode("edge, both ways", EPOLLIN | EPOLLOUT | EPOLLET);
	by_mode("once", EPOLLIN | EPOLLONESHOT);
	by_mode("exclusive", EPOLLIN | EPOLLEXCLUSIVE);
	return 0;
}
