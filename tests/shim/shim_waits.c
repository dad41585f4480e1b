/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors are real ones: limits, duplicates, poll, epoll, calls by number, exec. */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void test_descriptors(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN | POLLOUT};
	struct epoll_event event = {.events = EPOLLIN};
	struct rlimit limit = {(rlim_t)fd + 1, 1024};
	int epoll = epoll_create1(EPOLL_CLOEXEC), copy;
	struct stat status;

	tap_ok(!fstat(fd, &status) && S_ISCHR(status.st_mode) && fcntl(fd, F_GETFD) == FD_CLOEXEC,
		"it looks like a device");
	tap_ok(poll(&wait, 1, 0) == 1 && wait.revents == (POLLIN | POLLOUT),
		"what has no poll is always ready");
	tap_ok(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EPERM,
		"and nothing for epoll");
	close(epoll);
	copy = dup(fd);
	close(fd);
	tap_ok(new_ioas(copy) != 0, "a duplicate is the same file");
	tap_ok(dup2(copy, fd) == fd && !close(copy), "and goes back");
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &limit);
	tap_ok(open("/dev/iommu", O_RDWR) < 0 && errno == EMFILE, "the limit of descriptors holds");
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void test_queue(int fd)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	char byte;

	tap_ok(!call(fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc), "a queue of faults");
	tap_ok(!epoll_ctl(epoll, EPOLL_CTL_ADD, (int)alloc.out_fault_fd, &event) &&
			!epoll_wait(epoll, &event, 1, 0) &&
			!read((int)alloc.out_fault_fd, &byte, 0),
		"waits for events and is empty");
	tap_ok(destroy(fd, alloc.out_fault_id) == -EBUSY, "is in use while it is open");
	close((int)alloc.out_fault_fd);
	tap_ok(!destroy(fd, alloc.out_fault_id), "and not when close returns");
	close(epoll);
}

static void test_numbers(void)
{
	long fd = syscall(SYS_openat, AT_FDCWD, "/dev//iommu", O_RDWR);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	tap_ok(fd >= 0 && !syscall(SYS_ioctl, fd, IOMMU_IOAS_ALLOC, &alloc) &&
			!syscall(SYS_close, fd) && syscall(SYS_close, fd) < 0,
		"calls by number");
}

static void test_exec(int fd, const char *self)
{
	char number[16];
	int status = -1;
	pid_t child = fork();

	if (!child) {
		fcntl(fd, F_SETFD, 0);
		snprintf(number, sizeof(number), "%d", fd);
		/* An empty environment: the shim sees to its own. */
		execle(self, self, number, (char *)NULL, (char *[]){NULL});
		_exit(9);
	}
	waitpid(child, &status, 0);
	tap_ok(!status, "exec keeps the context, whatever the environment");
}

int main(int argc, char **argv)
{
	int fd;

	if (argc > 1) {
		fd = atoi(argv[1]);
		return destroy(fd, 1) || !new_ioas(fd) || destroy(fd, 1) != 0;
	}
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	tap_begin();
	tap_ok(new_ioas(fd) == 1, "the first id");
	test_descriptors(fd);
	test_queue(fd);
	test_numbers();
	test_exec(fd, "/proc/self/exe");
	return tap_end();
}
