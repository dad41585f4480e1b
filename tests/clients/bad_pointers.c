/* SPDX-License-Identifier: Apache-2.0 */
/* Bad addresses for every argument: each is an error, none a crash, and nothing is left behind. */
#include "client.h"

static struct place {
	const char *name;
	char *end; /* a struct that ends here is whole */
	ptrdiff_t cut;
} places[] = {
	{"null", NULL, 0},
	{"no memory", NULL, 0},
	{"no right to read", NULL, 0},
	{"cut", NULL, 4},
	{"read-only", NULL, 0},
	{"the kernel's", NULL, 0},
};

static char *page_before_nothing(int protection)
{
	char *memory =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || munmap(memory + PAGE, PAGE) != 0)
		die("mmap");
	mprotect(memory, PAGE, protection);
	return memory + PAGE;
}

/* The command at an address of that kind. */
static void *put(size_t kind, const void *command, size_t size)
{
	char *at;

	switch (kind) {
	case 0: return NULL;
	case 1: return nowhere;
	case 2: return places[2].end - size;
	case 5: return (void *)0xffff888000000000;
	default: break;
	}
	at = places[kind].end - size + places[kind].cut;
	if (kind == 4)
		mprotect(places[4].end - PAGE, PAGE, PROT_READ | PROT_WRITE);
	memcpy(at, command, (size_t)(places[kind].end - at));
	if (kind == 4)
		mprotect(places[4].end - PAGE, PAGE, PROT_READ);
	return at;
}

/* A call whose struct is at a bad address. */
static void bad_struct(
	int fd, const char *name, unsigned long request, const void *command, size_t size)
{
	printf("%s:", name);
	for (size_t kind = 0; kind < sizeof(places) / sizeof(places[0]); kind++)
		printf(" %s", named(call(fd, request, put(kind, command, size))));
	printf("\n");
}

#define BAD_STRUCT(fd, request, type, ...)                                                         \
	bad_struct(fd, #request, request, CMD(type, __VA_ARGS__), sizeof(struct type))

static void structs(int fd, uint32_t ioas, struct mock mock, char *memory)
{
	BAD_STRUCT(fd, IOMMU_DESTROY, iommu_destroy, .id = 99);
	BAD_STRUCT(fd, IOMMU_IOAS_ALLOC, iommu_ioas_alloc, .flags = 0);
	BAD_STRUCT(fd, IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, .ioas_id = ioas);
	BAD_STRUCT(fd, IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, .ioas_id = ioas);
	BAD_STRUCT(fd, IOMMU_IOAS_MAP, iommu_ioas_map, .flags = RWF, .ioas_id = ioas,
		.user_va = (uintptr_t)memory, .length = PAGE, .iova = 0x40000000);
	BAD_STRUCT(fd, IOMMU_IOAS_UNMAP, iommu_ioas_unmap, .ioas_id = ioas, .iova = 0x40000000,
		.length = PAGE);
	BAD_STRUCT(fd, IOMMU_OPTION, iommu_option, .option_id = 0, .op = 1);
	BAD_STRUCT(fd, IOMMU_VFIO_IOAS, iommu_vfio_ioas, .op = 0);
	BAD_STRUCT(fd, IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, .dev_id = mock.dev, .pt_id = ioas);
	BAD_STRUCT(fd, IOMMU_GET_HW_INFO, iommu_hw_info, .dev_id = mock.dev);
	BAD_STRUCT(fd, IOMMU_FAULT_QUEUE_ALLOC, iommu_fault_alloc, .flags = 0);
	BAD_STRUCT(fd, IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, .hwpt_id = 99);
	BAD_STRUCT(fd, IOMMU_IOAS_CHANGE_PROCESS, iommu_ioas_change_process, .__reserved = 1);
	BAD_STRUCT(
		fd, IOMMU_TEST_CMD, iommu_test_cmd, .op = IOMMU_TEST_OP_CREATE_ACCESS, .id = ioas);
	BAD_STRUCT(fd, IOMMU_TEST_CMD, iommu_test_cmd, .op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = ioas);
	/* Numbers that no command has. */
	bad_struct(fd, "0x3b7f", 0x3b7f, memory, 8);
	bad_struct(fd, "0x3b97", 0x3b97, memory, 8);
	bad_struct(fd, "0x3bff", 0x3bff, memory, 8);
	bad_struct(fd, "0xc0083b80", 0xc0083b80, memory, 8);
	bad_struct(fd, "VFIO_IOMMU_GET_INFO", 0x3b70, memory, 24);
}

static void ranges(int fd, uint32_t ioas, char *bad)
{
	struct iommu_iova_range *half = (void *)(bad - 20);
	struct iommu_ioas_iova_ranges command = {
		.size = sizeof(command), .ioas_id = ioas, .num_iovas = 4};

	show("ranges to nowhere",
		call(fd, IOMMU_IOAS_IOVA_RANGES,
			CMD(iommu_ioas_iova_ranges, .ioas_id = ioas, .num_iovas = 1,
				.allowed_iovas = (uintptr_t)nowhere)));
	command.allowed_iovas = (uintptr_t)half;
	memset(half, 0x77, 20);
	show("ranges where half of them fit", call(fd, IOMMU_IOAS_IOVA_RANGES, &command));
	printf("  first %#" PRIx64 " told %u\n", half->start, command.num_iovas);
	show("allow from nowhere",
		call(fd, IOMMU_IOAS_ALLOW_IOVAS,
			CMD(iommu_ioas_allow_iovas, .ioas_id = ioas, .num_iovas = 1,
				.allowed_iovas = (uintptr_t)nowhere)));
	half->start = 0x10000000;
	half->last = 0x1fffffff;
	show("allow from half", call(fd, IOMMU_IOAS_ALLOW_IOVAS,
					CMD(iommu_ioas_allow_iovas, .ioas_id = ioas, .num_iovas = 2,
						.allowed_iovas = (uintptr_t)half)));
}

static void memory_to_map(int fd, uint32_t ioas, char *memory, char *bad)
{
	uint64_t iova = 0;

	show("map nowhere", map_flags(fd, ioas, RW, nowhere + 0xff8, PAGE, &iova));
	show("map null", map_flags(fd, ioas, RW, NULL, PAGE, &iova));
	show("map half there", map_flags(fd, ioas, RW, bad - PAGE, 2 * PAGE, &iova));
	show("map the first half", map_flags(fd, ioas, RW, bad - PAGE, PAGE, &iova));
	show("it is pinned", check_refs(fd, bad - PAGE, PAGE, 1));
	show("map to write what is to read",
		map_flags(fd, ioas, RW, places[4].end - PAGE, PAGE, &iova));
	show("map to read",
		map_flags(fd, ioas, IOMMU_IOAS_MAP_READABLE, places[4].end - PAGE, PAGE, &iova));
	show("map without rights", map_flags(fd, ioas, RW, places[2].end - PAGE, PAGE, &iova));
	show("map the kernel's", map_flags(fd, ioas, RW, (void *)0xffff888000000000, PAGE, &iova));
	show("check nowhere", check_map(fd, 4, iova, nowhere + 0xff8, PAGE));
	show("pins of nowhere", check_refs(fd, nowhere + 0xff8, PAGE, 0));
	show("pins of half", check_refs(fd, bad - PAGE, 2 * PAGE, 1));
	show("good memory", map_flags(fd, ioas, RW, memory, PAGE, &iova));
}

static void inner(int fd, uint32_t ioas, struct mock mock, char *memory, char *bad)
{
	int access = new_access(fd, ioas, 1);
	uint32_t id, parent;
	uint64_t iova = 0;

	map_flags(fd, ioas, RW, memory, 2 * PAGE, &iova);
	show("read to nowhere", access_rw(fd, access, iova, nowhere, 8, 0));
	show("read to half", access_rw(fd, access, iova, bad - 4, 8, 0));
	show("write from nowhere", access_rw(fd, access, iova, nowhere, 8, 1));
	show("write from half", access_rw(fd, access, iova, bad - 4, 8, 1));
	show("read to what is to read", access_rw(fd, access, iova, places[4].end - 8, 8, 0));
	show("pin and compare with nowhere", pin(fd, access, iova, PAGE, nowhere + 0xff8, 0));
	show("no pin of it", check_refs(fd, memory, PAGE, 1));
	hwpt_alloc(fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	show("data from nowhere", call(fd, IOMMU_HWPT_ALLOC,
					  CMD(iommu_hwpt_alloc, .dev_id = mock.dev, .pt_id = parent,
						  .data_type = IOMMU_HWPT_DATA_SELFTEST,
						  .data_len = 4, .data_uptr = (uintptr_t)nowhere)));
	show("info to nowhere", call(fd, IOMMU_GET_HW_INFO,
					CMD(iommu_hw_info, .dev_id = mock.dev, .data_len = 8,
						.data_uptr = (uintptr_t)nowhere)));
	show("info to half", call(fd, IOMMU_GET_HW_INFO,
				     CMD(iommu_hw_info, .dev_id = mock.dev, .data_len = 64,
					     .data_uptr = (uintptr_t)(bad - 8))));
	show("nested", nested_alloc(fd, mock.dev, parent, 0, 1, &id));
	struct iommu_hwpt_invalidate command = {
		.size = sizeof(command),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)(bad - 12),
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = 8,
		.entry_num = 2,
	};
	memset(bad - 12, 0, 12);
	show("invalidate with half a list", call(fd, IOMMU_HWPT_INVALIDATE, &command));
	printf("  %u done\n", command.entry_num);
	close(access);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);
	char *memory = pages(2, 0);

	places[2].end = page_before_nothing(PROT_NONE);
	places[3].end = page_before_nothing(PROT_READ | PROT_WRITE);
	places[4].end = page_before_nothing(PROT_READ);
	structs(fd, ioas, mock, memory);
	printf("next id %u\n", new_ioas(fd));
	ranges(fd, ioas, page_before_nothing(PROT_READ | PROT_WRITE));
	memory_to_map(fd, ioas, memory, page_before_nothing(PROT_READ | PROT_WRITE));
	unmap_at(fd, ioas, 0, UINT64_MAX);
	inner(fd, ioas, mock, memory, page_before_nothing(PROT_READ | PROT_WRITE));
	close(fd);
	return 0;
}
