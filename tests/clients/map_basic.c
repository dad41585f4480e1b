/* SPDX-License-Identifier: Apache-2.0 */
/* An address space: where mappings go, what may not overlap, what unmap takes. */
#include "client.h"

static void print_ranges(int fd, uint32_t ioas)
{
	struct iommu_iova_range ranges[8];
	struct iommu_ioas_iova_ranges command = {
		.size = sizeof(command),
		.ioas_id = ioas,
		.num_iovas = 8,
		.allowed_iovas = (uintptr_t)ranges,
	};

	show("ranges", call(fd, IOMMU_IOAS_IOVA_RANGES, &command));
	for (uint32_t i = 0; i < command.num_iovas && i < 8; i++)
		printf("  %#" PRIx64 "-%#" PRIx64 "\n", ranges[i].start, ranges[i].last);
	printf("  alignment %" PRIu64 "\n", (uint64_t)command.out_iova_alignment);
	command.num_iovas = 0;
	command.allowed_iovas = 0;
	show("ranges without room", call(fd, IOMMU_IOAS_IOVA_RANGES, &command));
	printf("  %u in all\n", command.num_iovas);
}

static int allow(int fd, uint32_t ioas, struct iommu_iova_range *ranges, uint32_t count)
{
	return call(fd, IOMMU_IOAS_ALLOW_IOVAS,
		CMD(iommu_ioas_allow_iovas, .ioas_id = ioas, .num_iovas = count,
			.allowed_iovas = (uintptr_t)ranges));
}

static void automatic(int fd, char *memory)
{
	static const struct {
		size_t offset, length;
	} wanted[] = {{0, 1}, {0, 3}, {1, 1}, {4, 8}, {0, 512}, {3, 5}};
	uint32_t ioas = new_ioas(fd);
	uint64_t iova, length = UINT64_MAX;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int result = map_flags(fd, ioas, RW, memory + wanted[i].offset * PAGE,
			wanted[i].length * PAGE, &iova);
		printf("%zu pages of page %zu: %s %#" PRIx64 "\n", wanted[i].length,
			wanted[i].offset, named(result), iova);
	}
	iova = 0;
	show("an odd piece", map_flags(fd, ioas, RW, memory + 0x123, 0x2001, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("unmap all", unmap(fd, ioas, 0, &length));
	printf("%" PRIu64 " bytes\n", length);
	length = UINT64_MAX;
	show("unmap all of nothing", unmap(fd, ioas, 0, &length));
	printf("%" PRIu64 " bytes\n", length);
	destroy(fd, ioas);
}

static void fixed(int fd, char *memory)
{
	uint32_t ioas = new_ioas(fd);
	uint64_t length = 0x3000;

	show("map 0x1000 +0x1000", map_at(fd, ioas, memory, 0x1000, 0x1000));
	show("map 0x2000 +0x1000", map_at(fd, ioas, memory, 0x1000, 0x2000));
	show("map 0x3000 +0x2000", map_at(fd, ioas, memory, 0x2000, 0x3000));
	show("map over it", map_at(fd, ioas, memory, 0x1000, 0x4000));
	show("map the byte before", map_at(fd, ioas, memory, 1, 0xfff));
	show("map that byte again", map_at(fd, ioas, memory, 1, 0xfff));
	show("map nothing", map_at(fd, ioas, memory, 0, 0x10000));
	show("map the last bytes", map_at(fd, ioas, memory, 2, UINT64_MAX - 1));
	show("map beyond the end", map_at(fd, ioas, memory, 3, UINT64_MAX - 1));
	show("unmap across half an area", unmap(fd, ioas, 0x1000, &length));
	show("the first areas are gone", unmap_at(fd, ioas, 0x1000, 0x2000));
	show("unmap inside an area", unmap_at(fd, ioas, 0x3000, 0x1000));
	length = 0x10000;
	show("unmap around it", unmap(fd, ioas, 0x800, &length));
	printf("%#" PRIx64 " bytes\n", length);
	show("unmap nothing", unmap_at(fd, ioas, 0x1000, 0));
	show("unmap beyond the end", unmap_at(fd, ioas, UINT64_MAX - 1, 3));
	show("unmap in no address space", unmap_at(fd, 77, 0x1000, 0x1000));
	destroy(fd, ioas);
}

static void flags(int fd, char *memory)
{
	uint32_t ioas = new_ioas(fd);
	uint64_t iova = 0;

	show("neither readable nor writeable", map_flags(fd, ioas, 0, memory, PAGE, &iova));
	show("unknown flag", map_flags(fd, ioas, RW | 8, memory, PAGE, &iova));
	show("readable", map_flags(fd, ioas, IOMMU_IOAS_MAP_READABLE, memory, PAGE, &iova));
	show("writeable", map_flags(fd, ioas, IOMMU_IOAS_MAP_WRITEABLE, memory, PAGE, &iova));
	iova = UINT64_MAX;
	show("iova of all ones", map_flags(fd, ioas, RW, memory, PAGE, &iova));
	iova = 0;
	show("an address that wraps", map_flags(fd, ioas, RW, (void *)-PAGE, 2 * PAGE, &iova));
	show("half of everything", map_flags(fd, ioas, RW, memory, SIZE_MAX / 2, &iova));
	destroy(fd, ioas);
}

static void reserved(int fd, char *memory)
{
	uint32_t ioas = new_ioas(fd);
	struct iommu_iova_range allowed[] = {{0x10000, 0x11fff}, {0x20000, 0x2ffff}};
	struct iommu_iova_range overlap[] = {{0x10000, 0x11fff}, {0x11000, 0x12000}};
	struct iommu_iova_range single[] = {{5, 5}};
	uint64_t iova = 0;

	print_ranges(fd, ioas);
	show("reserve", TEST(fd, IOMMU_TEST_OP_ADD_RESERVED, .id = ioas,
				.add_reserved = {.start = 0x4000, .length = 0x4000}));
	print_ranges(fd, ioas);
	show("map into it", map_at(fd, ioas, memory, PAGE, 0x7000));
	show("map beside it", map_at(fd, ioas, memory, PAGE, 0x8000));
	show("allow", allow(fd, ioas, allowed, 2));
	show("allow overlapping", allow(fd, ioas, overlap, 2));
	show("allow one byte", allow(fd, ioas, single, 1));
	for (int i = 0; i < 3; i++) {
		show("map two pages", map_flags(fd, ioas, RW, memory, 2 * PAGE, &iova));
		printf("at %#" PRIx64 "\n", iova);
	}
	show("map elsewhere by number", map_at(fd, ioas, memory, PAGE, 0x40000));
	show("allow all", allow(fd, ioas, NULL, 0));
	show("reserve what is mapped", TEST(fd, IOMMU_TEST_OP_ADD_RESERVED, .id = ioas,
					       .add_reserved = {.start = 0x8000, .length = 1}));
	new_mock(fd, new_ioas(fd));
	uint32_t with_domain = new_ioas(fd);
	new_mock(fd, with_domain);
	print_ranges(fd, with_domain);
	iova = 0;
	show("map", map_flags(fd, with_domain, RW, memory, PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("map at 1 MiB", map_at(fd, with_domain, memory, PAGE, 1 << 20));
	show("map an odd address", map_flags(fd, with_domain, RW, memory + 1, PAGE, &iova));
	show("map half a page", map_flags(fd, with_domain, RW, memory + 0x800, 0x800, &iova));
	printf("at %#" PRIx64 "\n", iova);
}

int main(void)
{
	int fd = open_iommu();
	/* Addresses decide where automatic mappings go. */
	char *memory = pages(1024, 0);

	automatic(fd, memory);
	fixed(fd, memory);
	flags(fd, memory);
	reserved(fd, memory);
	close(fd);
	return 0;
}
