/* SPDX-License-Identifier: Apache-2.0 */
/* Much of everything: a large guest, thousands of areas, hundreds of objects. */
#include "client.h"

#define MIB ((size_t)1 << 20)

static void large_guest(void)
{
	int fd = open_iommu(), file = memfd_create("guest", 0);
	uint32_t ioas = new_ioas(fd), bare = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);
	uint64_t iova = 0x10000000, far = 1ULL << 40;
	int access = new_access(fd, ioas, 0);

	if (ftruncate(file, 64 * MIB) != 0)
		die("ftruncate");
	char *memory = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	for (size_t at = 0; at < 64 * MIB; at += MIB)
		memory[at] = (char)(at / MIB);
	show("map 64 MiB", map_file(fd, ioas, RWF, file, 0, 64 * MIB, &iova));
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	show("the device sees it", check_map(fd, mock.hwpt, iova, memory, 64 * MIB));
	char *copy = calloc(1, 16 * MIB);
	show("read 16 MiB", access_rw(fd, access, iova + 20 * MIB, copy, 16 * MIB, 0));
	printf("%d %d\n", copy[0], copy[15 * MIB]);
	memset(copy, 0x5a, 16 * MIB);
	show("write 16 MiB", access_rw(fd, access, iova + 40 * MIB, copy, 16 * MIB, 1));
	printf("%#x %#x %d\n", memory[40 * MIB], memory[56 * MIB - 1], memory[56 * MIB]);
	show("map 1 TiB of nothing", map_flags(fd, bare, RWF, nowhere, 1ULL << 40, &far));
	show("unmap it", unmap_at(fd, bare, far, 1ULL << 40));
	show("unmap", unmap_at(fd, ioas, iova, 64 * MIB));
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	free(copy);
	close(access);
	close(fd);
	munmap(memory, 64 * MIB);
	close(file);
}

static void many_areas(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	char *memory = pages(64, 0);
	unsigned bad = 0;

	for (unsigned i = 0; i < 5000; i++)
		bad += map_at(fd, ioas, memory + i % 64 * PAGE, PAGE,
			       MOCK_APERTURE_START + (uint64_t)i * 2 * PAGE) != 0;
	printf("5000 areas: %u bad\n", bad);
	struct mock mock = new_mock(fd, ioas);
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	show("pins", check_refs(fd, memory, 8 * PAGE, 79));
	show("pins", check_refs(fd, memory + 8 * PAGE, 56 * PAGE, 78));
	bad = 0;
	for (unsigned i = 0; i < 5000; i += 50)
		bad += check_map(fd, mock.hwpt, MOCK_APERTURE_START + (uint64_t)i * 2 * PAGE,
			       memory + i % 64 * PAGE, PAGE) != 0;
	printf("100 looked at: %u bad\n", bad);
	/* The gaps fill from below. */
	uint64_t iova = 0, length = UINT64_MAX;
	show("map", map_flags(fd, ioas, RW, memory, PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("map 3 pages", map_flags(fd, ioas, RW, memory, 3 * PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("unmap all", unmap(fd, ioas, 0, &length));
	printf("%" PRIu64 " bytes\n", length);
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	close(fd);
	munmap(memory, 64 * PAGE);
}

static void many_objects(void)
{
	int fd = open_iommu(), copies[64];
	uint32_t last = 0, hwpt;
	unsigned bad = 0;

	for (int i = 0; i < 500; i++)
		last = new_ioas(fd);
	printf("the 500th has id %u\n", last);
	for (uint32_t id = 1; id <= 500; id += 2)
		bad += destroy(fd, id) != 0;
	printf("every second destroyed: %u bad, next id %u\n", bad, new_ioas(fd));
	struct mock mocks[20];
	for (int i = 0; i < 20; i++)
		mocks[i] = new_mock(fd, 500);
	printf("the 20th device: %u on %u\n", mocks[19].dev, mocks[19].hwpt);
	bad = 0;
	for (int i = 0; i < 100; i++)
		bad += hwpt_alloc(fd, mocks[i % 20].dev, 500, 0, &hwpt) != 0;
	printf("100 page tables: %u bad, the last is %u\n", bad, hwpt);
	char *memory = pages(1, 0);
	uint64_t iova = 0;
	show("map into all of them", map_flags(fd, 500, RW, memory, PAGE, &iova));
	show("one pin", check_refs(fd, memory, PAGE, 1));
	show("the last one has it", check_map(fd, hwpt, iova, memory, PAGE));
	for (int i = 0; i < 64; i++)
		copies[i] = dup(fd);
	close(fd);
	for (int i = 0; i < 63; i++)
		close(copies[i]);
	show("still", check_refs(copies[63], memory, PAGE, 1));
	close(copies[63]);
	fd = open_iommu();
	show("none", check_refs(fd, memory, PAGE, 0));
	close(fd);
}

static void many_contexts(void)
{
	int fds[100];
	unsigned bad = 0;

	for (int i = 0; i < 100; i++) {
		fds[i] = open_iommu();
		for (int k = 0; k <= i % 7; k++)
			bad += new_ioas(fds[i]) != (uint32_t)k + 1;
	}
	for (int i = 0; i < 100; i++)
		bad += new_ioas(fds[i]) != (uint32_t)(i % 7) + 2;
	printf("100 contexts: %u bad\n", bad);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
}

int main(void)
{
	large_guest();
	many_areas();
	many_objects();
	many_contexts();
	return 0;
}
