/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory in huge pages: large entries of page tables, and how they show in dirty bitmaps. */
#include "client.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#define HUGE ((size_t)2 << 20)

struct machine {
	int fd;
	uint32_t ioas, hwpt;
	struct mock mock;
};

static int huge_pages_option(int fd, uint32_t ioas, uint64_t value)
{
	return call(fd, IOMMU_OPTION,
		CMD(iommu_option, .option_id = IOMMU_OPTION_HUGE_PAGES, .op = IOMMU_OPTION_OP_SET,
			.object_id = ioas, .val64 = value));
}

/* Marks one 4 KiB piece and tells how many pieces are dirty then. */
static void mark(struct machine *machine, const char *what, uint64_t iova)
{
	uint8_t bits[HUGE / 4096 / 8 * 2] = {0};
	size_t count = 0;

	show(what, TEST(machine->fd, IOMMU_TEST_OP_DIRTY, .id = machine->hwpt,
			   .dirty = {.iova = iova,
				   .length = PAGE,
				   .page_size = PAGE,
				   .uptr = (uintptr_t)"\1"}));
	show("bitmap", call(machine->fd, IOMMU_HWPT_GET_DIRTY_BITMAP,
			       CMD(iommu_hwpt_get_dirty_bitmap, .hwpt_id = machine->hwpt,
				       .iova = 0x10000000, .length = 2 * HUGE, .page_size = PAGE,
				       .data = (uintptr_t)bits)));
	for (size_t i = 0; i < sizeof(bits); i++)
		count += (size_t)__builtin_popcount(bits[i]);
	printf("  %zu pieces\n", count);
}

static void tables(struct machine *machine, uint32_t type, bool large)
{
	struct iommu_hwpt_selftest data = {.pagetable_type = type};
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	machine->fd = open_iommu();
	machine->ioas = new_ioas(machine->fd);
	if (!large)
		show("no large entries", huge_pages_option(machine->fd, machine->ioas, 0));
	machine->mock = new_mock(machine->fd, machine->ioas);
	alloc.dev_id = machine->mock.dev;
	alloc.pt_id = machine->ioas;
	show("page table", call(machine->fd, IOMMU_HWPT_ALLOC, &alloc));
	machine->hwpt = alloc.out_hwpt_id;
	show("tracking",
		call(machine->fd, IOMMU_HWPT_SET_DIRTY_TRACKING,
			CMD(iommu_hwpt_set_dirty_tracking, .hwpt_id = machine->hwpt, .flags = 1)));
}

static void by_memory(char *memory, uint32_t type, bool large)
{
	struct machine machine;

	printf("-- table %u, large entries %s --\n", type, large ? "yes" : "no");
	tables(&machine, type, large);
	show("map", map_at(machine.fd, machine.ioas, memory, 2 * HUGE, 0x10000000));
	show("the device sees it",
		check_map(machine.fd, machine.hwpt, 0x10000000, memory, 2 * HUGE));
	show("pieces do not count", check_refs(machine.fd, memory, HUGE, 55));
	mark(&machine, "first piece", 0x10000000);
	mark(&machine, "piece in the second page", 0x10000000 + HUGE + 5 * PAGE);
	show("large entries", huge_pages_option(machine.fd, machine.ioas, 1));
	show("no large entries", huge_pages_option(machine.fd, machine.ioas, 0));
	show("unmap", unmap_at(machine.fd, machine.ioas, 0x10000000, 2 * HUGE));
	/* One page off: nothing larger fits. */
	show("map off",
		map_at(machine.fd, machine.ioas, memory + PAGE, 2 * HUGE - PAGE, 0x10000000));
	mark(&machine, "first piece", 0x10000000);
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	close(machine.fd);
	printf("VmPin %ld kB\n", status_kb("VmPin"));
}

static void by_file(void)
{
	int file = memfd_create("huge", MFD_HUGETLB | MFD_CLOEXEC);
	struct machine machine;
	uint64_t iova = 0x10000000;

	printf("-- file of huge pages --\n");
	if (file < 0 || ftruncate(file, 2 * HUGE) != 0)
		die("memfd of huge pages");
	tables(&machine, MOCK_IOMMUPT_DEFAULT, true);
	/* One page: whether two are neighbours is the machine's business. */
	show("map", map_file(machine.fd, machine.ioas, RWF, file, 0, HUGE, &iova));
	char *memory = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	memory[HUGE] = 'h';
	show("the device sees it", check_map(machine.fd, machine.hwpt, 0x10000000, memory, HUGE));
	mark(&machine, "first piece", 0x10000000);
	show("unmap", unmap_at(machine.fd, machine.ioas, iova, HUGE));
	iova = 0;
	show("a piece of it", map_file(machine.fd, machine.ioas, RW, file, HUGE, PAGE, &iova));
	int access = new_access(machine.fd, machine.ioas, 0);
	char letter = 0;
	show("read", access_rw(machine.fd, access, iova, &letter, 1, 0));
	printf("%c\n", letter);
	show("pieces do not count", check_refs(machine.fd, memory, HUGE, 77));
	close(access);
	close(machine.fd);
	munmap(memory, 2 * HUGE);
	close(file);
}

int main(void)
{
	char *memory = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (memory == MAP_FAILED)
		die("huge pages");
	memset(memory, 1, 2 * HUGE);
	by_memory(memory, MOCK_IOMMUPT_HUGE, true);
	by_memory(memory, MOCK_IOMMUPT_DEFAULT, false);
	by_file();
	return 0;
}
