/* SPDX-License-Identifier: Apache-2.0 */
/* A broker opens the device and gives it to another process over a socket. */
#include "client.h"

#include <sys/socket.h>

static void send_fd(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		die("sendmsg");
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void tell(int socket)
{
	if (write(socket, "t", 1) != 1)
		die("write");
}

static void wait_for(int socket)
{
	char byte;

	if (read(socket, &byte, 1) != 1)
		die("read");
}

/* It was there before the device was opened, and has memory of its own. */
static int worker(int socket)
{
	char *memory = pages(2, 0), letters[7] = "";
	int fd = receive_fd(socket);
	uint64_t iova = 0x20000000;

	strcpy(memory, "worker");
	printf("worker: its next id is %u\n", new_ioas(fd));
	show("worker: map own memory", map_flags(fd, 1, RWF, memory, 2 * PAGE, &iova));
	show("worker: pinned", check_refs(fd, memory, 2 * PAGE, 1));
	printf("worker: VmPin %ld kB\n", status_kb("VmPin"));
	int access = receive_fd(socket), queue = receive_fd(socket);
	show("worker: read the broker's memory", access_rw(fd, access, 0x10000000, letters, 6, 0));
	printf("worker: %s\n", letters);
	show("worker: write it", access_rw(fd, access, 0x10000000, "W", 1, 1));
	struct iommu_hwpt_pgfault record;
	show("worker: read a fault", read(queue, &record, sizeof(record)));
	printf("worker: group %u cookie %u\n", record.grpid, record.cookie);
	tell(socket);
	wait_for(socket);
	printf("worker: %s\n", memory);
	close(queue);
	close(access);
	tell(socket);
	return 0;
}

static void broker(int socket)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd), parent, nested;
	struct mock mock = new_mock(fd, ioas);
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	char *memory = pages(1, 0), letters[7] = "";
	uint64_t iova = 0x10000000;

	strcpy(memory, "broker");
	show("broker: map", map_flags(fd, ioas, RWF, memory, PAGE, &iova));
	int access = new_access(fd, ioas, 0);
	hwpt_alloc(fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	call(fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc);
	nested_alloc(fd, mock.dev, parent, alloc.out_fault_id, 0, &nested);
	show("broker: attach", replace_to(fd, mock.stdev, nested));
	TEST(fd, IOMMU_TEST_OP_TRIGGER_IOPF, .trigger_iopf = {.dev_id = mock.dev, .grpid = 42});
	send_fd(socket, fd);
	send_fd(socket, access);
	send_fd(socket, (int)alloc.out_fault_fd);
	wait_for(socket);
	printf("broker: %s\n", memory);
	show("broker: read the worker's memory", access_rw(fd, access, 0x20000000, letters, 6, 0));
	printf("broker: %s\n", letters);
	show("broker: slowly", access_rw(fd, access, 0x20000000, letters, 6, 4));
	show("broker: write it", access_rw(fd, access, 0x20000000, "B", 1, 1));
	show("broker: destroy the worker's address space", destroy(fd, mock.hwpt));
	close((int)alloc.out_fault_fd);
	tell(socket);
	wait_for(socket);
	printf("broker: VmPin %ld kB\n", status_kb("VmPin"));
}

/* What a process maps outlives it only where it is pinned. */
static void after_death(void)
{
	int fd = open_iommu();
	uint32_t pinned = new_ioas(fd), loose = new_ioas(fd);
	int with = new_access(fd, pinned, 0), without = new_access(fd, loose, 0);
	char letters[6] = "";
	uint64_t iova = 0x10000000;

	new_mock(fd, pinned);
	pid_t child = fork();
	if (child == 0) {
		char *memory = pages(1, 0);

		strcpy(memory, "ghost");
		map_flags(fd, pinned, RWF, memory, PAGE, &iova);
		map_flags(fd, loose, RWF, memory, PAGE, &iova);
		show("child: read", access_rw(fd, without, iova, letters, 5, 0));
		_exit(0);
	}
	join(child);
	show("pinned memory of the dead", access_rw(fd, with, iova, letters, 5, 0));
	printf("%s\n", letters);
	show("what was not pinned", access_rw(fd, without, iova, letters, 5, 0));
	struct mock mock;
	show("pin it now", mock_flags(fd, loose, 0, &mock));
	show("unmap", unmap_at(fd, pinned, iova, PAGE));
	show("unmap", unmap_at(fd, loose, iova, PAGE));
	close(with);
	close(without);
	close(fd);
}

int main(void)
{
	int sockets[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
		die("socketpair");
	pid_t child = fork();
	if (child == 0) {
		close(sockets[0]);
		exit(worker(sockets[1]));
	}
	close(sockets[1]);
	broker(sockets[0]);
	show("worker ended", join(child));
	after_death();
	return 0;
}
