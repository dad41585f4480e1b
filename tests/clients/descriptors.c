/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors are descriptors: duplicates, limits, select, what can and cannot be done with them.
 */
#include "client.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>

static long result(long value)
{
	return value < 0 ? -errno : value;
}

static void duplicates(void)
{
	int fd = open_iommu(), copy, third;

	printf("first id %u\n", new_ioas(fd));
	copy = dup(fd);
	printf("close-on-exec of a duplicate %d\n", fcntl(copy, F_GETFD));
	close(fd);
	printf("second id %u\n", new_ioas(copy));
	third = fcntl(copy, F_DUPFD_CLOEXEC, 500);
	printf("at %d, close-on-exec %d\n", third, fcntl(third, F_GETFD));
	printf("third id %u\n", new_ioas(third));
	show("onto another", dup2(third, copy) == copy ? 0 : -errno);
	printf("fourth id %u\n", new_ioas(copy));
	show("dup3 on itself", result(dup3(copy, copy, O_CLOEXEC)));
	close(third);
	show("a closed one", destroy(third, 1));
	printf("fifth id %u\n", new_ioas(copy));
	/* Its place is taken by another file. */
	int null = open("/dev/null", O_RDWR);
	dup2(null, copy);
	show("no longer a context", destroy(copy, 1));
	show("but a file", result(write(copy, "x", 1)));
	close(null);
	close(copy);
}

static void operations(void)
{
	int fd = open_iommu();
	struct pollfd wait = {.fd = fd, .events = POLLIN | POLLOUT};
	struct timeval now = {0};
	struct stat status;
	fd_set reads;
	char byte = 0;

	show("read", result(read(fd, &byte, 1)));
	show("write", result(write(fd, &byte, 1)));
	show("poll", poll(&wait, 1, 0));
	printf("events %#x\n", (unsigned)wait.revents);
	FD_ZERO(&reads);
	FD_SET(fd, &reads);
	show("select", select(fd + 1, &reads, NULL, NULL, &now));
	show("mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	show("flags", fcntl(fd, F_GETFL) & O_ACCMODE);
	show("close-on-exec", fcntl(fd, F_GETFD));
	show("stat", fstat(fd, &status));
	printf("a character device: %s\n", S_ISCHR(status.st_mode) ? "yes" : "no");
	show("truncate", result(ftruncate(fd, 0)));
	show("a terminal", isatty(fd));
	close(fd);
	show("read-only", result(fd = open("/dev/iommu", O_RDONLY)) < 0 ? -errno : 0);
	printf("first id %u\n", new_ioas(fd));
	close(fd);
	show("a folder", result(open("/dev/iommu/x", O_RDWR)));
	show("create it anew", result(open("/dev/iommu", O_RDWR | O_CREAT | O_EXCL, 0600)));
	show("access", access("/dev/iommu", R_OK | W_OK));
	show("stat", stat("/dev/iommu", &status));
	printf("a character device: %s\n", S_ISCHR(status.st_mode) ? "yes" : "no");
	fd = openat(AT_FDCWD, "/dev/../dev//iommu", O_RDWR);
	printf("by another path: id %u\n", new_ioas(fd));
	close(fd);
	int folder = open("/dev", O_RDONLY | O_DIRECTORY);
	fd = openat(folder, "iommu", O_RDWR);
	printf("from its folder: id %u\n", new_ioas(fd));
	close(fd);
	close(folder);
}

static int fault_queue(int fd, uint32_t *id)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	int value = call(fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc);

	*id = alloc.out_fault_id;
	return value < 0 ? value : (int)alloc.out_fault_fd;
}

static void limits(void)
{
	struct rlimit limit, old;
	int fd = open_iommu(), one, two;
	uint32_t ioas = new_ioas(fd), id = 0;

	getrlimit(RLIMIT_NOFILE, &old);
	one = fault_queue(fd, &id);
	printf("queue %u\n", id);
	limit = old;
	limit.rlim_cur = (rlim_t)one + 1;
	setrlimit(RLIMIT_NOFILE, &limit);
	show("a queue over the limit", fault_queue(fd, &id));
	show("an access over the limit", new_access(fd, ioas, 0));
	show("a context over the limit", result(open("/dev/iommu", O_RDWR)));
	show("a duplicate over the limit", result(dup(fd)));
	setrlimit(RLIMIT_NOFILE, &old);
	two = fault_queue(fd, &id);
	printf("queue %u, the next descriptor: %s\n", id, two == one + 1 ? "yes" : "no");
	int access = new_access(fd, ioas, 0);
	printf("an access, the next descriptor: %s\n", access == two + 1 ? "yes" : "no");
	close(one);
	show("its queue is free", destroy(fd, 2));
	show("the other is not", destroy(fd, id));
	/* A duplicate keeps it. */
	one = dup(two);
	close(two);
	show("nor while a duplicate is open", destroy(fd, id));
	close(one);
	show("now", destroy(fd, id));
	show("the access holds its address space", destroy(fd, ioas));
	close(access);
	show("now", destroy(fd, ioas));
	close(fd);
}

static void children(void)
{
	int fd = open_iommu();
	uint32_t id = 0;
	int queue = fault_queue(fd, &id);

	pid_t child = fork();
	if (child == 0) {
		close(fd);
		pause();
		_exit(0);
	}
	close(queue);
	show("the child has the queue open", destroy(fd, id));
	kill(child, SIGKILL);
	printf("child ended with %d\n", join(child));
	show("its end closed it", destroy(fd, id));
	/* And what the parent closes first. */
	queue = fault_queue(fd, &id);
	child = fork();
	if (child == 0) {
		close(queue);
		_exit(destroy(fd, id) == -EBUSY ? 0 : 1);
	}
	show("the child closed it, the parent did not", join(child));
	close(queue);
	show("now", destroy(fd, id));
	close(fd);
}

static void not_for_them(int fd)
{
	int queue;
	uint32_t id = 0;

	queue = fault_queue(fd, &id);
	show("an ioctl on a queue", result(ioctl(queue, IOMMU_IOAS_ALLOC, NULL)));
	int access = new_access(fd, new_ioas(fd), 0);
	char byte;
	show("an ioctl on an access", result(ioctl(access, IOMMU_IOAS_ALLOC, NULL)));
	show("a read of an access", result(read(access, &byte, 1)));
	show("a mapping of a queue",
		mmap(NULL, PAGE, PROT_READ, MAP_SHARED, queue, 0) == MAP_FAILED ? -errno : 0);
	show("an ioctl on a pipe's end", result(ioctl(STDIN_FILENO, IOMMU_IOAS_ALLOC, NULL)));
	close(access);
	close(queue);
}

int main(void)
{
	duplicates();
	operations();
	limits();
	children();
	int fd = open_iommu();
	not_for_them(fd);
	close(fd);
	return 0;
}
