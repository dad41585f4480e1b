/* SPDX-License-Identifier: Apache-2.0 */
/* A process changes its memory under a device: pinned pages stay, whatever becomes of addresses. */
#include "client.h"

static void read_byte(int fd, int access, uint64_t iova, uint32_t flags, const char *what)
{
	char byte = '-';
	int result = access_rw(fd, access, iova, &byte, 1, flags);

	printf("%s: %s %c\n", what, named(result), byte);
}

static void unmapped(int fd, uint32_t ioas, struct mock mock)
{
	char *memory = pages(4, MAP_SHARED), *other;
	uint64_t iova = 0;
	int access = new_access(fd, ioas, 1);

	memory[0] = 'a';
	memory[PAGE] = 'b';
	show("map", map_flags(fd, ioas, RW, memory, 4 * PAGE, &iova));
	show("pins", check_refs(fd, memory, 4 * PAGE, 1));
	munmap(memory, PAGE);
	show("pins where nothing is mapped", check_refs(fd, memory, PAGE, 1));
	show("pins of the rest", check_refs(fd, memory + PAGE, 3 * PAGE, 1));
	show("the device sees the rest",
		check_map(fd, mock.hwpt, iova + PAGE, memory + PAGE, 3 * PAGE));
	show("a second device", mock_flags(fd, ioas, 0, &mock));
	show("map across the hole", map_at(fd, ioas, memory, 2 * PAGE, 0x30000000));
	other = mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		-1, 0);
	other[0] = 'n';
	show("pins of new memory there", check_refs(fd, memory, PAGE, 0));
	show("the device does not see it", check_map(fd, mock.hwpt, iova, memory, PAGE));
	show("pin what was there", pin(fd, access, iova, PAGE, NULL, 0));
	read_byte(fd, access, iova + PAGE, 0, "second page");
	show("unmap", unmap_at(fd, ioas, iova, 4 * PAGE));
	show("no pins", check_refs(fd, memory, 4 * PAGE, 0));
	destroy(fd, mock.stdev);
	close(access);
	munmap(memory, 4 * PAGE);
}

/* Memory moves; its pages are the same. */
static void moved(int fd, uint32_t ioas, struct mock mock)
{
	char *memory = pages(2, MAP_SHARED);
	uint64_t iova = 0;

	memory[0] = 'm';
	map_flags(fd, ioas, RW, memory, 2 * PAGE, &iova);
	char *place = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *there = mremap(memory, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	printf("moved: %s\n", there == place ? "yes" : "no");
	show("pins follow", check_refs(fd, there, 2 * PAGE, 1));
	show("the device sees them", check_map(fd, mock.hwpt, iova, there, 2 * PAGE));
	show("pins of nothing", check_refs(fd, memory, PAGE, 0));
	show("unmap", unmap_at(fd, ioas, iova, 2 * PAGE));
	show("no pins", check_refs(fd, there, 2 * PAGE, 0));
	munmap(there, 2 * PAGE);
}

/* New pages at the same address. */
static void dropped(int fd, uint32_t ioas, struct mock mock)
{
	char *memory = pages(2, 0);
	uint64_t iova = 0;
	int access = new_access(fd, ioas, 0);

	memory[0] = 'o';
	map_flags(fd, ioas, RW, memory, 2 * PAGE, &iova);
	madvise(memory, 2 * PAGE, MADV_DONTNEED);
	printf("the process has %d\n", memory[0]);
	show("pins of new pages", check_refs(fd, memory, 2 * PAGE, 0));
	show("the device does not see them", check_map(fd, mock.hwpt, iova, memory, PAGE));
	memory[0] = 'n';
	read_byte(fd, access, iova, 0, "by address");
	show("unmap", unmap_at(fd, ioas, iova, 2 * PAGE));
	close(access);
	munmap(memory, 2 * PAGE);
}

/* Pages become the child's own when one of two writes; pinned ones stay the parent's. */
static void forked(int fd, uint32_t ioas, struct mock mock)
{
	char *memory = pages(1, 0);
	uint64_t iova = 0;

	memory[0] = 'p';
	map_flags(fd, ioas, RW, memory, PAGE, &iova);
	pid_t child = fork();
	if (child == 0) {
		show("child: not its page", check_map(fd, mock.hwpt, iova, memory, PAGE));
		show("child: no pin of its own", check_refs(fd, memory, PAGE, 0));
		memory[0] = 'c';
		_exit(0);
	}
	join(child);
	memory[0] = 'q';
	show("parent: its page", check_map(fd, mock.hwpt, iova, memory, PAGE));
	show("parent: its pin", check_refs(fd, memory, PAGE, 1));
	show("unmap", unmap_at(fd, ioas, iova, PAGE));
	munmap(memory, PAGE);
}

/* A mapping to read of private file memory gets a page of its own. */
static void copy_on_write(int fd, uint32_t ioas, struct mock mock)
{
	int file = memfd_create("text", 0);
	uint64_t iova = 0;

	if (ftruncate(file, (off_t)PAGE) != 0 || pwrite(file, "file", 4, 0) != 4)
		die("memfd");
	char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	show("map to read", map_flags(fd, ioas, IOMMU_IOAS_MAP_READABLE, memory, PAGE, &iova));
	show("pin", check_refs(fd, memory, PAGE, 1));
	memory[0] = 'F';
	show("after a write it is the same", check_map(fd, mock.hwpt, iova, memory, PAGE));
	show("pin", check_refs(fd, memory, PAGE, 1));
	show("unmap", unmap_at(fd, ioas, iova, PAGE));
	munmap(memory, PAGE);
	close(file);
}

static void odd_requests(int fd)
{
	char *memory = pages(2, 0);

	show("pins of half a page", check_refs(fd, memory, PAGE / 2, 0));
	show("pins at half a page", check_refs(fd, memory + 8, PAGE, 0));
	show("pins of nothing", check_refs(fd, memory, 0, 7));
	show("one too many", check_refs(fd, memory, PAGE, 1));
	show("an end that wraps", check_refs(fd, (void *)-PAGE, 2 * PAGE, 0));
	munmap(memory, 2 * PAGE);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);

	unmapped(fd, ioas, mock);
	moved(fd, ioas, mock);
	dropped(fd, ioas, mock);
	forked(fd, ioas, mock);
	copy_on_write(fd, ioas, mock);
	odd_requests(fd);
	close(fd);
	return 0;
}
