/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop: a thread's faults arrive at epoll, poll and select, and are answered. */
#include "client.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#define FAULTS 64

struct loop {
	int fd, queue, done, epoll;
	uint32_t dev, stdev, nested;
	unsigned seen, answered, wakeups;
	uint64_t addresses;
};

static void *device_thread(void *argument)
{
	struct loop *loop = argument;
	uint64_t one = 1;

	for (uint32_t i = 0; i < FAULTS; i++) {
		if (TEST(loop->fd, IOMMU_TEST_OP_TRIGGER_IOPF,
			    .trigger_iopf = {.dev_id = loop->dev,
				    .grpid = i,
				    .perm = 1,
				    .addr = (i + 1) * PAGE}) < 0)
			die("IOMMU_TEST_OP_TRIGGER_IOPF");
		if (i % 8 == 7)
			usleep(2000);
	}
	if (write(loop->done, &one, sizeof(one)) != sizeof(one))
		die("eventfd");
	return NULL;
}

static void set_up(struct loop *loop)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t ioas, parent;

	loop->fd = open_iommu();
	ioas = new_ioas(loop->fd);
	struct mock mock = new_mock(loop->fd, ioas);
	hwpt_alloc(loop->fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	show("queue", call(loop->fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	loop->queue = (int)alloc.out_fault_fd;
	show("nested",
		nested_alloc(loop->fd, mock.dev, parent, alloc.out_fault_id, 0, &loop->nested));
	show("attach", replace_to(loop->fd, mock.stdev, loop->nested));
	loop->dev = mock.dev;
	loop->stdev = mock.stdev;
	loop->done = eventfd(0, EFD_CLOEXEC);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
}

static void answer_all(struct loop *loop)
{
	struct iommu_hwpt_pgfault records[8];
	struct iommu_hwpt_page_response responses[8];
	ssize_t count;

	while ((count = read(loop->queue, records, sizeof(records))) > 0) {
		size_t got = (size_t)count / sizeof(records[0]);

		for (size_t i = 0; i < got; i++) {
			loop->seen++;
			loop->addresses += records[i].addr;
			responses[i] = (struct iommu_hwpt_page_response){
				.cookie = records[i].cookie, .code = i % 2};
		}
		ssize_t written = write(loop->queue, responses, got * sizeof(responses[0]));
		if (written < 0)
			die("write");
		loop->answered += (unsigned)((size_t)written / sizeof(responses[0]));
	}
	if (count < 0)
		die("read");
}

static void run(struct loop *loop)
{
	struct epoll_event queue = {.events = EPOLLIN, .data = {.fd = loop->queue}};
	struct epoll_event done = {.events = EPOLLIN, .data = {.fd = loop->done}};
	struct epoll_event events[2];
	pthread_t thread;
	bool running = true;

	show("epoll", epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->queue, &queue));
	show("epoll", epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->done, &done));
	show("nothing yet", epoll_wait(loop->epoll, events, 2, 20));
	pthread_create(&thread, NULL, device_thread, loop);
	while (running || loop->seen < FAULTS) {
		int count = epoll_wait(loop->epoll, events, 2, 5000);

		if (count <= 0) {
			printf("no event came\n");
			break;
		}
		for (int i = 0; i < count; i++)
			if (events[i].data.fd == loop->done) {
				running = false;
				epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->done, NULL);
			} else {
				loop->wakeups++;
				answer_all(loop);
			}
	}
	pthread_join(thread, NULL);
	printf("seen %u answered %u addresses %#" PRIx64 "\n", loop->seen, loop->answered,
		loop->addresses);
	printf("woken more than once: %s\n", loop->wakeups > 1 ? "yes" : "no");
	show("quiet again", epoll_wait(loop->epoll, events, 2, 20));
}

static int fault(struct loop *loop)
{
	return TEST(loop->fd, IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {.dev_id = loop->dev, .grpid = 5, .perm = 1, .addr = 0x7000});
}

static void other_waits(struct loop *loop)
{
	struct pollfd wait = {.fd = loop->queue, .events = POLLIN};
	struct timeval now = {0};
	fd_set reads, writes;

	show("poll in vain", poll(&wait, 1, 10));
	FD_ZERO(&reads);
	FD_ZERO(&writes);
	FD_SET(loop->queue, &reads);
	FD_SET(loop->queue, &writes);
	show("select", select(loop->queue + 1, &reads, &writes, NULL, &now));
	printf("to read %d to write %d\n", FD_ISSET(loop->queue, &reads) != 0,
		FD_ISSET(loop->queue, &writes) != 0);
	show("fault", fault(loop));
	show("poll", poll(&wait, 1, 1000));
	printf("events %#x\n", (unsigned)wait.revents);
	FD_SET(loop->queue, &reads);
	FD_ZERO(&writes);
	show("select", select(loop->queue + 1, &reads, &writes, NULL, NULL));
	/* A duplicate is the same queue. */
	int duplicate = dup(loop->queue);
	close(loop->queue);
	loop->queue = duplicate;
	answer_all(loop);
	printf("seen %u answered %u\n", loop->seen, loop->answered);
	wait.fd = duplicate;
	show("poll in vain", poll(&wait, 1, 10));
}

int main(void)
{
	struct loop loop = {0};

	set_up(&loop);
	run(&loop);
	other_waits(&loop);
	close(loop.queue);
	close(loop.fd);
	return 0;
}
