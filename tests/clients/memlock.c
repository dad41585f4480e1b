/* SPDX-License-Identifier: Apache-2.0 */
/* A user without privileges and the limit of locked memory. */
#include "client.h"

#include <sys/resource.h>

#define NOBODY 65534

static void drop_privileges(size_t limit_pages)
{
	struct rlimit limit = {limit_pages * PAGE, limit_pages * PAGE};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		die("RLIMIT_MEMLOCK");
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		die("setuid");
}

static void show_counts(const char *when)
{
	printf("%s: VmPin %ld kB VmLck %ld kB\n", when, status_kb("VmPin"), status_kb("VmLck"));
}

static int option(int fd, uint32_t op, uint64_t value)
{
	return call(fd, IOMMU_OPTION,
		CMD(iommu_option, .option_id = IOMMU_OPTION_RLIMIT_MODE, .op = (uint16_t)op,
			.val64 = value));
}

static void limited(int fd, uint32_t ioas)
{
	char *memory = pages(32, 0);
	uint64_t one = 0, two = 0, three = 0;

	memset(memory, 1, 32 * PAGE);
	show("privileged option", option(fd, IOMMU_OPTION_OP_SET, 1));
	show("10 pages", map_flags(fd, ioas, RW, memory, 10 * PAGE, &one));
	show_counts("of 16");
	show("10 more", map_flags(fd, ioas, RW, memory + 10 * PAGE, 10 * PAGE, &two));
	show("without a pin", check_refs(fd, memory + 10 * PAGE, 10 * PAGE, 0));
	show_counts("still");
	show("6 more", map_flags(fd, ioas, RW, memory + 10 * PAGE, 6 * PAGE, &two));
	show_counts("full");
	show("1 more", map_flags(fd, ioas, RW, memory + 20 * PAGE, PAGE, &three));
	show("the same pages again", map_flags(fd, ioas, RW, memory, PAGE, &three));
	show("unmap 6", unmap_at(fd, ioas, two, 6 * PAGE));
	show("again now", map_flags(fd, ioas, RW, memory, PAGE, &three));
	show_counts("11");
	show("unmap all", unmap_at(fd, ioas, 0, UINT64_MAX));
	show_counts("none");
	munmap(memory, 32 * PAGE);
}

/* The limit is the user's, not the process's. */
static void two_processes(int fd, uint32_t ioas, bool per_process)
{
	char *memory = pages(32, 0);
	uint64_t one = 0;

	memset(memory, 1, 32 * PAGE);
	show("10 pages", map_flags(fd, ioas, RW, memory, 10 * PAGE, &one));
	pid_t child = fork();
	if (child == 0) {
		int result = map_flags(fd, ioas, RW, memory + 16 * PAGE, 10 * PAGE, &one);

		show(per_process ? "10 of the child's own" : "10 of the same user", result);
		show_counts("child");
		if (result == 0)
			unmap_at(fd, ioas, one, 10 * PAGE);
		one = 0;
		show("5 of the child", map_flags(fd, ioas, RW, memory + 16 * PAGE, 5 * PAGE, &one));
		show_counts("child");
		unmap_at(fd, ioas, one, 5 * PAGE);
		_exit(0);
	}
	join(child);
	show_counts("parent");
	unmap_at(fd, ioas, 0, UINT64_MAX);
	munmap(memory, 32 * PAGE);
}

/* A domain pins what was mapped before, a driver what it uses. */
static void later(int fd, uint32_t ioas)
{
	char *memory = pages(32, 0);
	uint64_t iova = MOCK_APERTURE_START;
	struct mock mock;
	int access = new_access(fd, ioas, 1);

	memset(memory, 1, 32 * PAGE);
	show("20 pages without a device", map_flags(fd, ioas, RWF, memory, 20 * PAGE, &iova));
	show("a device", mock_flags(fd, ioas, 0, &mock));
	show("no pins", check_refs(fd, memory, 20 * PAGE, 0));
	show("a driver pins 17", pin(fd, access, iova, 17 * PAGE, memory, 0));
	show("a driver pins 16", pin(fd, access, iova, 16 * PAGE, memory, 0));
	show_counts("pinned");
	show("one of them again", pin(fd, access, iova, PAGE, memory, 0));
	show("one more", pin(fd, access, iova + 18 * PAGE, PAGE, memory + 18 * PAGE, 0));
	show("unmap", unmap_at(fd, ioas, iova, 20 * PAGE));
	show_counts("unmapped");
	close(access);
	munmap(memory, 32 * PAGE);
}

static void by_user(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd), free_ioas = new_ioas(fd);

	new_mock(fd, ioas);
	drop_privileges(16);
	limited(fd, ioas);
	two_processes(fd, ioas, false);
	later(fd, free_ioas);
	close(fd);
}

static void by_process(void)
{
	int fd = open_iommu();

	show("count by process", option(fd, IOMMU_OPTION_OP_SET, 1));
	uint32_t ioas = new_ioas(fd);
	show("no longer", option(fd, IOMMU_OPTION_OP_SET, 0));
	new_mock(fd, ioas);
	drop_privileges(16);
	limited(fd, ioas);
	two_processes(fd, ioas, true);
	close(fd);
}

/* Who may lock anything is not limited, whoever looks later. */
static void privileged(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	char *memory = pages(32, 0);
	uint64_t one = 0, two = 0;

	new_mock(fd, ioas);
	show("32 pages as root", map_flags(fd, ioas, RW, memory, 32 * PAGE, &one));
	show_counts("root");
	drop_privileges(16);
	show("16 as nobody", map_flags(fd, ioas, RW, memory, 16 * PAGE, &two));
	show_counts("nobody");
	show("1 more", map_flags(fd, ioas, RW, memory, PAGE, &two));
	close(fd);
	show_counts("closed");
	show("open again", open("/dev/iommu", O_RDWR) < 0 ? -errno : 0);
}

static void apart(const char *name, void (*part)(void))
{
	printf("-- %s --\n", name);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		part();
		fflush(stdout);
		_exit(0);
	}
	show("ended", join(child));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	apart("by user", by_user);
	apart("by process", by_process);
	apart("privileged", privileged);
	return 0;
}
