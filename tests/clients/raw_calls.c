/* SPDX-License-Identifier: Apache-2.0 */
/* A client that goes past the C library's functions of its choice: syscall(), readv, stdio. */
#include "client.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static long result(long value)
{
	return value < 0 ? -errno : value;
}

static int fault(int fd, uint32_t dev, uint32_t group)
{
	return TEST(
		fd, IOMMU_TEST_OP_TRIGGER_IOPF, .trigger_iopf = {.dev_id = dev, .grpid = group});
}

static int queue_of(int fd, uint32_t *dev)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t ioas = new_ioas(fd), parent, nested;
	struct mock mock = new_mock(fd, ioas);

	hwpt_alloc(fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	call(fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc);
	nested_alloc(fd, mock.dev, parent, alloc.out_fault_id, 0, &nested);
	show("attach", replace_to(fd, mock.stdev, nested));
	*dev = mock.dev;
	return (int)alloc.out_fault_fd;
}

static void by_number(void)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/iommu", O_RDWR);

	show("alloc", result(syscall(SYS_ioctl, fd, IOMMU_IOAS_ALLOC, &ioas)));
	printf("id %u\n", ioas.out_ioas_id);
	long copy = syscall(SYS_dup, fd);
	show("close", result(syscall(SYS_close, fd)));
	show("destroy", result(syscall(SYS_ioctl, copy, IOMMU_DESTROY,
				CMD(iommu_destroy, .id = ioas.out_ioas_id))));
	show("a bad address", result(syscall(SYS_ioctl, copy, IOMMU_DESTROY, nowhere)));
	show("close", result(syscall(SYS_close, copy)));
}

static void in_pieces(int fd, int queue, uint32_t dev)
{
	struct iommu_hwpt_pgfault one = {0}, two = {0};
	struct iovec parts[] = {{&one, sizeof(one)}, {&two, sizeof(two)}};
	struct iommu_hwpt_page_response response = {0};
	struct iovec answer = {&response, sizeof(response)};

	show("faults", fault(fd, dev, 1) | fault(fd, dev, 2));
	show("readv", result(readv(queue, parts, 2)));
	printf("groups %u %u\n", one.grpid, two.grpid);
	response.cookie = one.cookie;
	show("writev", result(writev(queue, &answer, 1)));
	show("pread", result(pread(queue, &one, sizeof(one), 0)));
	show("pread elsewhere", result(pread(queue, &one, sizeof(one), 8)));
	response.cookie = two.cookie;
	show("pwrite", result(pwrite(queue, &response, sizeof(response), 0)));
}

static void by_stream(int fd, int queue, uint32_t dev)
{
	struct iommu_hwpt_pgfault record = {0};
	struct iommu_hwpt_page_response response = {0};
	FILE *stream = fdopen(dup(queue), "r+");

	setvbuf(stream, NULL, _IONBF, 0);
	show("fault", fault(fd, dev, 3));
	show("fread", (long)fread(&record, sizeof(record), 1, stream));
	printf("group %u\n", record.grpid);
	response.cookie = record.cookie;
	show("fwrite", (long)fwrite(&response, sizeof(response), 1, stream));
	show("fclose", fclose(stream));
}

static void flags(int queue)
{
	struct pollfd wait = {.fd = queue, .events = POLLIN};
	char bytes[40];

	show("non-blocking", fcntl(queue, F_SETFL, O_NONBLOCK));
	show("read", result(read(queue, bytes, sizeof(bytes))));
	show("flags", fcntl(queue, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	show("poll", poll(&wait, 1, 0));
	show("blocking", fcntl(queue, F_SETFL, 0));
	show("read", result(read(queue, bytes, sizeof(bytes))));
}

int main(void)
{
	int fd = open_iommu();
	uint32_t dev;

	by_number();
	int queue = queue_of(fd, &dev);
	in_pieces(fd, queue, dev);
	by_stream(fd, queue, dev);
	flags(queue);
	close(queue);
	close(fd);
	return 0;
}
