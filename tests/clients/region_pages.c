/* SPDX-License-Identifier: Apache-2.0 */
/* The page of registers as memory: what can be done to its mapping, and who else can reach it. */
#include "client.h"

#define VALUE 0xcafe

static int fd;
static uint32_t ioas, viommu;
static uint64_t offset;
static size_t length;
static struct mock mock;

static long result(long value)
{
	return value < 0 ? -errno : value;
}

static void set_up(void)
{
	struct iommu_viommu_selftest data = {.in_data = VALUE};
	struct iommu_viommu_alloc alloc = {.size = sizeof(alloc),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data};

	fd = open_iommu();
	ioas = new_ioas(fd);
	mock = new_mock(fd, ioas);
	hwpt_alloc(fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &alloc.hwpt_id);
	alloc.dev_id = mock.dev;
	show("viommu", call(fd, IOMMU_VIOMMU_ALLOC, &alloc));
	viommu = alloc.out_viommu_id;
	offset = data.out_mmap_offset;
	length = data.out_mmap_length;
}

static void *region(void)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static const char *is_there(const void *at)
{
	return *(const volatile uint32_t *)at == VALUE ? "there" : "another";
}

static void advice(void)
{
	static const struct {
		const char *name;
		int number;
	} all[] = {{"NORMAL", MADV_NORMAL}, {"RANDOM", MADV_RANDOM},
		{"SEQUENTIAL", MADV_SEQUENTIAL}, {"DONTNEED", MADV_DONTNEED}, {"FREE", MADV_FREE},
		{"REMOVE", MADV_REMOVE}, {"COLD", MADV_COLD}, {"PAGEOUT", MADV_PAGEOUT},
		{"POPULATE_READ", MADV_POPULATE_READ}, {"POPULATE_WRITE", MADV_POPULATE_WRITE},
		{"DONTFORK", MADV_DONTFORK}, {"DOFORK", MADV_DOFORK}, {"DONTDUMP", MADV_DONTDUMP},
		{"DODUMP", MADV_DODUMP}, {"WIPEONFORK", MADV_WIPEONFORK},
		{"DONTNEED_LOCKED", MADV_DONTNEED_LOCKED}, {"none", 77}};

	for (size_t n = 0; n < sizeof(all) / sizeof(*all); n++) {
		void *at = region();

		printf("advice %s: %s, %s\n", all[n].name,
			named(result(madvise(at, length, all[n].number))), is_there(at));
		munmap(at, length);
	}
}

static void moves(void)
{
	char *at = region(), *room, *moved;

	room = mmap(NULL, 4 * length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap(at, length, 2 * length, MREMAP_MAYMOVE);
	printf("larger: %s\n", moved == MAP_FAILED ? named(-errno) : "moved");
	moved = mremap(at, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	printf("moved: %s\n", moved == MAP_FAILED ? named(-errno) : is_there(moved));
	at = moved == MAP_FAILED ? at : moved;
	moved = mremap(at, length, PAGE, 0);
	printf("smaller: %s\n", moved == MAP_FAILED ? named(-errno) : is_there(moved));
	moved = mremap(at, 0, length, MREMAP_MAYMOVE);
	printf("a second one of it: %s\n", moved == MAP_FAILED ? named(-errno) : is_there(moved));
	if (moved != MAP_FAILED)
		munmap(moved, length);
	munmap(at, length);
	at = region();
	moved = mremap(at, length, length, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	printf("moved, the old stays: %s\n", moved == MAP_FAILED ? named(-errno) : is_there(moved));
	if (moved != MAP_FAILED)
		munmap(moved, length);
	munmap(at, length);
	munmap(room, 4 * length);
}

static void others(void)
{
	char *at = region();
	int ends[2];
	uint64_t iova = 0x1000000;

	if (pipe(ends))
		die("pipe");
	show("lock", result(mlock(at, length)));
	show("sync", result(msync(at, length, MS_SYNC)));
	show("only to read", result(mprotect(at, length, PROT_READ)));
	show("to execute", result(mprotect(at, length, PROT_READ | PROT_EXEC)));
	show("to write again", result(mprotect(at, length, PROT_READ | PROT_WRITE)));
	show("written to a pipe", result(write(ends[1], at, 8)));
	show("read from a pipe", result(read(ends[0], at, 8)));
	show("mapped for a device", map_at(fd, ioas, at, length, iova));
	show("sync later", result(msync(at, length, MS_ASYNC)));
	munmap(at, PAGE);
	show("destroy the viommu", destroy(fd, viommu));
	munmap(at + PAGE, length - PAGE);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	set_up();
	advice();
	moves();
	others();
	show("destroy the viommu", destroy(fd, viommu));
	return 0;
}
