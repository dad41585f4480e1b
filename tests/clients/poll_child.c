/* SPDX-License-Identifier: Apache-2.0 */
/* One process waits for the faults that another one causes, in several ways. */
#include "client.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

struct shared {
	int fd, queue;
	uint32_t dev;
};

static int fault(const struct shared *shared, uint32_t group)
{
	return TEST(shared->fd, IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {.dev_id = shared->dev, .grpid = group, .perm = 2, .addr = 0x9000});
}

/* Takes one fault and answers it; its group. */
static int take(const struct shared *shared)
{
	struct iommu_hwpt_pgfault record;
	struct iommu_hwpt_page_response response = {.code = 0};

	if (read(shared->queue, &record, sizeof(record)) != sizeof(record))
		return -1;
	response.cookie = record.cookie;
	if (write(shared->queue, &response, sizeof(response)) != sizeof(response))
		return -2;
	return (int)record.grpid;
}

static int waits_in_poll(const struct shared *shared)
{
	struct pollfd wait = {.fd = shared->queue, .events = POLLIN};

	return poll(&wait, 1, 10000) == 1 && wait.revents == POLLIN ? take(shared) : 200;
}

static int waits_in_select(const struct shared *shared)
{
	struct timeval limit = {10, 0};
	fd_set reads;

	FD_ZERO(&reads);
	FD_SET(shared->queue, &reads);
	return select(shared->queue + 1, &reads, NULL, NULL, &limit) == 1 ? take(shared) : 200;
}

static int waits_in_epoll(const struct shared *shared)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, shared->queue, &event) != 0)
		return 201;
	return epoll_wait(epoll, &event, 1, 10000) == 1 ? take(shared) : 200;
}

static int waits_in_ppoll(const struct shared *shared)
{
	struct pollfd waits[2] = {
		{.fd = -1, .events = POLLIN}, {.fd = shared->queue, .events = POLLIN}};
	struct timespec limit = {10, 0};

	return ppoll(waits, 2, &limit, NULL) == 1 && waits[1].revents ? take(shared) : 200;
}

/* Busy waiting is a way, too. */
static int reads_until_there(const struct shared *shared)
{
	for (int i = 0; i < 10000; i++) {
		int group = take(shared);

		if (group != -1)
			return group;
		usleep(500);
	}
	return 200;
}

static int (*const ways[])(const struct shared *) = {
	waits_in_poll, waits_in_select, waits_in_epoll, waits_in_ppoll, reads_until_there};

static void set_up(struct shared *shared, uint32_t *stdev)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t ioas, parent, nested;

	shared->fd = open_iommu();
	ioas = new_ioas(shared->fd);
	struct mock mock = new_mock(shared->fd, ioas);
	shared->dev = mock.dev;
	*stdev = mock.stdev;
	hwpt_alloc(shared->fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	show("queue", call(shared->fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	shared->queue = (int)alloc.out_fault_fd;
	show("nested", nested_alloc(shared->fd, mock.dev, parent, alloc.out_fault_id, 0, &nested));
	show("attach", replace_to(shared->fd, mock.stdev, nested));
}

int main(void)
{
	struct shared shared;
	struct pollfd wait = {.events = POLLIN};
	uint32_t stdev;

	set_up(&shared, &stdev);
	for (uint32_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid_t child = fork();
		if (child == 0)
			_exit(ways[i](&shared));
		usleep(30000);
		show("fault", fault(&shared, 50 + i));
		printf("child took group %d\n", join(child));
		wait.fd = shared.queue;
		show("nothing for the parent", poll(&wait, 1, 0));
	}
	/* Two wait, one event: both wake, one gets it. */
	pid_t children[2];
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			wait.fd = shared.queue;
			if (poll(&wait, 1, 10000) != 1)
				_exit(200);
			usleep(20000);
			int group = take(&shared);
			_exit(group < 0 ? 1 : group);
		}
	}
	usleep(30000);
	show("fault", fault(&shared, 90));
	int first = join(children[0]), second = join(children[1]);
	printf("one took %d, the other found nothing: %s\n", first > second ? first : second,
		first == 1 || second == 1 ? "yes" : "no");
	show("device leaves", destroy(shared.fd, stdev));
	close(shared.queue);
	close(shared.fd);
	return 0;
}
