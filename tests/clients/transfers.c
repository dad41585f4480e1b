/* SPDX-License-Identifier: Apache-2.0 */
/* All ways to move bytes to and from each kind of file, and what its open flags allow. */
#include "client.h"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static struct mock mock;
static int iommu;
/* Of which the compiler knows nothing. */
static volatile int less = -1, too_many = 1025;

static long result(long value)
{
	return value < 0 ? -errno : value;
}

static void fault(void)
{
	TEST(iommu, IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {.dev_id = mock.dev, .perm = 3, .addr = PAGE, .grpid = 1});
}

static void event(void)
{
	TEST(iommu, IOMMU_TEST_OP_TRIGGER_VEVENT, .trigger_vevent = {.dev_id = mock.dev});
}

static void nothing(void)
{
}

static void reads(int fd, void (*arm)(void))
{
	char bytes[400];
	struct iovec all = {bytes, sizeof(bytes)}, halves[2] = {{bytes, 20}, {bytes + 20, 20}};
	struct iovec gap[3] = {{bytes, 0}, {bytes, 40}, {NULL, 0}};

	arm();
	show("readv", result(readv(fd, &all, 1)));
	arm();
	show("readv of two halves", result(readv(fd, halves, 2)));
	show("read of the rest", result(read(fd, bytes, sizeof(bytes))));
	arm();
	show("readv with empty pieces", result(readv(fd, gap, 3)));
	show("readv of nothing", result(readv(fd, &all, 0)));
	show("readv of less", result(readv(fd, &all, less)));
	show("readv of too many", result(readv(fd, &all, too_many)));
	show("readv of what is not there", result(readv(fd, nowhere, 1)));
	show("pread", result(pread(fd, bytes, sizeof(bytes), 0)));
	show("pread further on", result(pread(fd, bytes, sizeof(bytes), 5)));
	show("pread before", result(pread(fd, bytes, sizeof(bytes), -1)));
	show("preadv", result(preadv(fd, &all, 1, 0)));
	show("preadv before", result(preadv(fd, &all, 1, -1)));
	arm();
	show("preadv2", result(preadv2(fd, &all, 1, -1, 0)));
	show("preadv2 at a place", result(preadv2(fd, &all, 1, 0, 0)));
	show("preadv2 before", result(preadv2(fd, &all, 1, -2, 0)));
	arm();
	show("preadv2 that does not wait", result(preadv2(fd, &all, 1, -1, RWF_NOWAIT)));
	show("preadv2 with priority", result(preadv2(fd, &all, 1, -1, RWF_HIPRI)));
	show("preadv2 of a wrong kind", result(preadv2(fd, &all, 1, -1, 1 << 30)));
}

static void writes(int fd)
{
	char bytes[40] = "";
	struct iovec all = {bytes, sizeof(bytes)};

	show("write of a part", result(write(fd, bytes, 5)));
	show("write of nothing", result(write(fd, bytes, 0)));
	show("writev", result(writev(fd, &all, 1)));
	show("writev of nothing", result(writev(fd, &all, 0)));
	show("writev of what is not there", result(writev(fd, nowhere, 1)));
	show("pwrite", result(pwrite(fd, bytes, 5, 0)));
	show("pwritev", result(pwritev(fd, &all, 1, 0)));
	show("pwritev2", result(pwritev2(fd, &all, 1, -1, 0)));
	show("pwritev2 at a place", result(pwritev2(fd, &all, 1, 0, 0)));
	show("pwritev2 that does not wait", result(pwritev2(fd, &all, 1, -1, RWF_NOWAIT)));
	show("pwritev2 at the end", result(pwritev2(fd, &all, 1, -1, RWF_APPEND)));
}

static void splices(int fd, int from, int to, int memory)
{
	struct iovec piece = {&mock, sizeof(mock)};
	off64_t place = 0;
	off_t offset = 0;

	show("splice to a pipe", result(splice(fd, NULL, to, NULL, 16, SPLICE_F_NONBLOCK)));
	show("at a place", result(splice(fd, &place, to, NULL, 16, 0)));
	show("splice from a pipe", result(splice(from, NULL, fd, NULL, 8, 0)));
	show("splice to itself", result(splice(fd, NULL, fd, NULL, 8, 0)));
	show("splice to memory", result(splice(fd, NULL, memory, NULL, 8, 0)));
	show("splice to nothing", result(splice(fd, NULL, -1, NULL, 8, 0)));
	show("splice of nothing", result(splice(fd, NULL, to, NULL, 0, 0)));
	show("tee to a pipe", result(tee(fd, to, 8, SPLICE_F_NONBLOCK)));
	show("tee from a pipe", result(tee(from, fd, 8, 0)));
	show("tee of nothing", result(tee(fd, fd, 0, 0)));
	show("vmsplice", result(vmsplice(fd, &piece, 1, SPLICE_F_NONBLOCK)));
	show("vmsplice of a wrong kind", result(vmsplice(fd, &piece, 1, 1 << 10)));
	show("vmsplice of nothing", result(vmsplice(fd, &piece, 0, 0)));
	show("sendfile to a pipe", result(sendfile(to, fd, NULL, 16)));
	show("at a place", result(sendfile(to, fd, &offset, 16)));
	show("sendfile from memory", result(sendfile(fd, memory, NULL, 16)));
	show("sendfile to memory", result(sendfile(memory, fd, NULL, 16)));
	show("copy from memory", result(copy_file_range(memory, NULL, fd, NULL, 16, 0)));
	show("copy to memory", result(copy_file_range(fd, NULL, memory, NULL, 16, 0)));
	show("splice by number",
		result(syscall(SYS_splice, fd, NULL, to, NULL, 16, SPLICE_F_NONBLOCK)));
}

static void flags(int fd, int flag, const char *name)
{
	int before = fcntl(fd, F_GETFL);

	show(name, result(fcntl(fd, F_SETFL, before | flag)));
	printf("  flags %#o\n", (unsigned)fcntl(fd, F_GETFL));
	fcntl(fd, F_SETFL, before);
}

static void controls(int fd)
{
	int on = 1, off = 0;

	printf("flags %#o\n", (unsigned)fcntl(fd, F_GETFL));
	flags(fd, O_NONBLOCK, "O_NONBLOCK");
	flags(fd, O_APPEND, "O_APPEND");
	flags(fd, O_ASYNC, "O_ASYNC");
	flags(fd, O_DIRECT, "O_DIRECT");
	flags(fd, O_NOATIME, "O_NOATIME");
	show("FIONBIO", result(ioctl(fd, FIONBIO, &on)));
	printf("  flags %#o\n", (unsigned)fcntl(fd, F_GETFL));
	ioctl(fd, FIONBIO, &off);
	show("FIOASYNC", result(ioctl(fd, FIOASYNC, &on)));
	show("not FIOASYNC", result(ioctl(fd, FIOASYNC, &off)));
	show("FIOASYNC of what is not there", result(ioctl(fd, FIOASYNC, nowhere)));
	show("FIONREAD", result(ioctl(fd, FIONREAD, &on)));
	show("size of a pipe", result(fcntl(fd, F_GETPIPE_SZ)));
	show("another size", result(fcntl(fd, F_SETPIPE_SZ, 65536)));
	show("seek", result(lseek(fd, 0, SEEK_SET)));
	show("seek further", result(lseek(fd, 5, SEEK_SET)));
	show("seek to the end", result(lseek(fd, 0, SEEK_END)));
	show("sync", result(fsync(fd)));
	show("truncate", result(ftruncate(fd, 0)));
	show("allocate", result(fallocate(fd, 0, 0, 10)));
	show("advise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	show("advise wrongly", posix_fadvise(fd, 0, 0, 77));
	show("another command", result(fcntl(fd, 9999)));
}

static void polls(int fd, void (*arm)(void))
{
	struct pollfd all = {.fd = fd, .events = -1};

	show("poll", poll(&all, 1, 0));
	printf("events %#x\n", (unsigned)all.revents);
	arm();
	show("poll", poll(&all, 1, 0));
	printf("events %#x\n", (unsigned)all.revents);
	show("poll of what is not there", result(poll(nowhere, 1, 0)));
}

static void every(const char *name, int fd, void (*arm)(void))
{
	int ends[2], memory = memfd_create("memory", 0);

	printf("-- %s\n", name);
	if (pipe(ends) || ftruncate(memory, (off_t)PAGE) || write(ends[1], name, 6) != 6)
		die("pipe");
	reads(fd, arm);
	writes(fd);
	splices(fd, ends[0], ends[1], memory);
	controls(fd);
	polls(fd, arm);
	close(ends[0]);
	close(ends[1]);
	close(memory);
}

static int faults(uint32_t ioas, uint32_t *parent)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t nested;

	show("queue", call(iommu, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	hwpt_alloc(iommu, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, parent);
	nested_alloc(iommu, mock.dev, *parent, alloc.out_fault_id, 1, &nested);
	show("attach", replace_to(iommu, mock.stdev, nested));
	return (int)alloc.out_fault_fd;
}

static int events(uint32_t ioas, uint32_t parent)
{
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = mock.dev,
		.hwpt_id = parent};
	struct iommu_veventq_alloc queue = {
		.size = sizeof(queue), .type = IOMMU_VEVENTQ_TYPE_SELFTEST, .veventq_depth = 64};
	uint32_t nested;

	show("detach", replace_to(iommu, mock.stdev, ioas));
	show("viommu", call(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	show("nested", nested_alloc(iommu, mock.dev, viommu.out_viommu_id, 0, 1, &nested));
	show("vdevice", call(iommu, IOMMU_VDEVICE_ALLOC,
				CMD(iommu_vdevice_alloc, .viommu_id = viommu.out_viommu_id,
					.dev_id = mock.dev, .virt_id = 5)));
	queue.viommu_id = viommu.out_viommu_id;
	show("queue", call(iommu, IOMMU_VEVENTQ_ALLOC, &queue));
	show("attach", replace_to(iommu, mock.stdev, nested));
	return (int)queue.out_veventq_fd;
}

static void modes(void)
{
	static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, 3, O_RDWR | O_APPEND,
		O_RDWR | O_NONBLOCK, O_RDWR | O_TRUNC | O_CREAT, O_RDWR | O_SYNC | O_NOATIME,
		O_RDWR | O_DIRECT, O_RDWR | O_DIRECTORY};

	for (size_t n = 0; n < sizeof(modes) / sizeof(*modes); n++) {
		int fd = open("/dev/iommu", modes[n] | O_CLOEXEC, 0600);
		char byte = 0;

		printf("opened with %#o: %s\n", (unsigned)modes[n], named(fd < 0 ? -errno : 0));
		if (fd < 0)
			continue;
		printf("  flags %#o, read %s", (unsigned)fcntl(fd, F_GETFL),
			named(result(read(fd, &byte, 1))));
		printf(", write %s", named(result(write(fd, &byte, 1))));
		printf(", mmap %s", mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED
					    ? named(-errno)
					    : "0");
		printf(", id %u\n", new_ioas(fd));
		close(fd);
	}
}

int main(void)
{
	uint32_t ioas, parent;
	int fd;

	/* Nothing here waits. */
	alarm(20);
	iommu = open_iommu();
	ioas = new_ioas(iommu);
	mock = new_mock(iommu, ioas);
	every("iommufd", iommu, nothing);
	fd = new_access(iommu, ioas, 0);
	every("access", fd, nothing);
	close(fd);
	fd = faults(ioas, &parent);
	every("fault queue", fd, fault);
	every("event queue", events(ioas, parent), event);
	modes();
	return 0;
}
