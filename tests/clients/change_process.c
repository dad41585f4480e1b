/* SPDX-License-Identifier: Apache-2.0 */
/* A server hands its guest to its successor: mappings of files change their owner. */
#include "client.h"

#include <sys/resource.h>

static void show_counts(const char *when)
{
	printf("%s: VmPin %ld kB VmLck %ld kB\n", when, status_kb("VmPin"), status_kb("VmLck"));
}

static int change(int fd)
{
	return call(fd, IOMMU_IOAS_CHANGE_PROCESS, CMD(iommu_ioas_change_process, .__reserved = 0));
}

static void drop_privileges(void)
{
	struct rlimit limit = {64 * PAGE, 64 * PAGE};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
		die("setuid");
}

/* Runs in the successor; pipes say whose turn it is. */
static int successor(int fd, uint32_t ioas, int file, int start, int done, const char *memory)
{
	char byte = 0;
	uint64_t iova = 0x10000000;

	if (read(start, &byte, 1) != 1)
		return 1;
	show_counts("successor before");
	show("change", change(fd));
	show_counts("successor after");
	show("once more", change(fd));
	show_counts("successor after");
	if (write(done, "d", 1) != 1 || read(start, &byte, 1) != 1)
		return 1;
	show("map", map_file(fd, ioas, RWF, file, 4 * PAGE, 4 * PAGE, &iova));
	show_counts("successor with more");
	show("pins", check_refs(fd, memory, 8 * PAGE, 1));
	show("unmap all", unmap_at(fd, ioas, 0, UINT64_MAX));
	show_counts("successor at the end");
	return 0;
}

static void hand_over(bool by_process)
{
	int fd = open_iommu(), start[2], done[2], file = memfd_create("guest", 0);
	uint64_t iova = 0;
	char byte;

	if (pipe(start) != 0 || pipe(done) != 0 || ftruncate(file, 8 * PAGE) != 0)
		die("set-up");
	char *memory = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	show("mode", call(fd, IOMMU_OPTION,
			     CMD(iommu_option, .option_id = IOMMU_OPTION_RLIMIT_MODE,
				     .op = IOMMU_OPTION_OP_SET, .val64 = by_process)));
	uint32_t ioas = new_ioas(fd);
	new_mock(fd, ioas);
	drop_privileges();
	show("map", map_file(fd, ioas, RW, file, 0, 4 * PAGE, &iova));
	show_counts("server");
	pid_t child = fork();
	if (child == 0)
		exit(successor(fd, ioas, file, start[0], done[1], memory));
	if (write(start[1], "s", 1) != 1 || read(done[0], &byte, 1) != 1)
		die("pipe");
	show_counts("server after the change");
	if (write(start[1], "s", 1) != 1)
		die("pipe");
	show("successor ended", join(child));
	show_counts("server at the end");
	close(fd);
}

static void refused(void)
{
	int fd = open_iommu(), file = memfd_create("guest", 0);
	uint32_t ioas = new_ioas(fd);
	char *memory = pages(1, 0);
	uint64_t iova = 0;

	if (ftruncate(file, PAGE) != 0)
		die("ftruncate");
	show("nothing mapped", change(fd));
	show("map a file", map_file(fd, ioas, RW, file, 0, PAGE, &iova));
	show("change", change(fd));
	show("map memory", map_flags(fd, ioas, RW, memory, PAGE, &iova));
	show("change", change(fd));
	show("unmap it", unmap_at(fd, ioas, iova, PAGE));
	show("change", change(fd));
	show("a reserved word", call(fd, IOMMU_IOAS_CHANGE_PROCESS,
					CMD(iommu_ioas_change_process, .__reserved = 1)));
	close(fd);
}

static void apart(const char *name, bool by_process)
{
	printf("-- %s --\n", name);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		hand_over(by_process);
		exit(0);
	}
	show("ended", join(child));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	refused();
	apart("by user", false);
	apart("by process", true);
	return 0;
}
