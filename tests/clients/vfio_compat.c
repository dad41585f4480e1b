/* SPDX-License-Identifier: Apache-2.0 */
/* A client of VFIO's type1 interface that was given /dev/iommu as its container. */
#include "client.h"

#include <linux/vfio.h>

static int compat(int fd, uint16_t op, uint32_t *id)
{
	struct iommu_vfio_ioas command = {.size = sizeof(command), .ioas_id = *id, .op = op};
	int result = call(fd, IOMMU_VFIO_IOAS, &command);

	*id = command.ioas_id;
	return result;
}

static int by_value(int fd, unsigned long request, unsigned long value)
{
	int result = ioctl(fd, request, value);

	return result < 0 ? -errno : result;
}

static int dma_map(int fd, uint32_t flags, const void *from, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)from,
		.iova = iova,
		.size = size,
	};

	return call(fd, VFIO_IOMMU_MAP_DMA, &map);
}

static void dma_unmap(int fd, const char *what, uint32_t flags, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .flags = flags, .iova = iova, .size = size};
	int result = call(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	printf("%s: %s, size %#llx\n", what, named(result), (unsigned long long)unmap.size);
}

static void extensions(int fd)
{
	for (unsigned long i = 0; i <= 11; i++)
		printf("extension %lu: %s\n", i, named(by_value(fd, VFIO_CHECK_EXTENSION, i)));
	show("version", by_value(fd, VFIO_GET_API_VERSION, 0));
}

static void info(int fd, uint32_t size)
{
	uint8_t buffer[160];
	struct vfio_iommu_type1_info *head = (void *)buffer;
	uint32_t end = sizeof(buffer);

	memset(buffer, 0xee, sizeof(buffer));
	head->argsz = size;
	printf("info %u: %s", size, named(call(fd, VFIO_IOMMU_GET_INFO, buffer)));
	/* Bytes that are as they were were not written. */
	while (end && buffer[end - 1] == 0xee)
		end--;
	printf(", %u bytes:", end);
	for (uint32_t i = 0; i < end; i++)
		printf("%s%02x", i % 4 ? "" : " ", buffer[i]);
	printf("\n");
}

static void mappings(int fd, char *memory)
{
	show("map", dma_map(fd, 3, memory, 0x1000000, 8 * PAGE));
	show("map over it", dma_map(fd, 3, memory, 0x1001000, PAGE));
	show("map to read", dma_map(fd, 1, memory, 0x1010000, PAGE));
	show("wild flag", dma_map(fd, 4, memory, 0x1020000, PAGE));
	show("nothing", dma_map(fd, 3, memory, 0x1020000, 0));
	show("an end that wraps", dma_map(fd, 3, (void *)-PAGE, 0x1020000, 2 * PAGE));
	dma_unmap(fd, "unmap nothing", 0, 0x2000000, PAGE);
	dma_unmap(fd, "no size", 0, 0x1000000, 0);
	dma_unmap(fd, "in the middle", 0, 0x1002000, PAGE);
	dma_unmap(fd, "around", 0, 0xfff000, 16 * PAGE);
	dma_unmap(fd, "a wrong flag", 8, 0x1000000, PAGE);
	dma_unmap(fd, "all with a size", 2, 0, PAGE);
	dma_unmap(fd, "all", 2, 0, 0);
	dma_unmap(fd, "all again", 2, 0, 0);
	dma_unmap(fd, "an end that wraps", 0, UINT64_MAX, 2);
}

/* Type 1 of the first version may cut what it has mapped. */
static void first_version(int fd, uint32_t ioas, char *memory)
{
	struct mock mock;

	show("type 1", by_value(fd, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	show("map", dma_map(fd, 3, memory, 0x1000000, 8 * PAGE));
	dma_unmap(fd, "the second page", 0, 0x1001000, PAGE);
	dma_unmap(fd, "half a page", 0, 0x1004000, PAGE / 2);
	dma_unmap(fd, "the last two", 0, 0x1006000, 2 * PAGE);
	show("a device", mock_flags(fd, ioas, 0, &mock));
	show("pins", check_refs(fd, memory, PAGE, 1));
	show("pins", check_refs(fd, memory + PAGE, PAGE, 0));
	show("pins", check_refs(fd, memory + 2 * PAGE, 4 * PAGE, 1));
	dma_unmap(fd, "the third page", 0, 0x1002000, PAGE);
	show("pins", check_refs(fd, memory + 2 * PAGE, PAGE, 0));
	show("the fourth is there",
		check_map(fd, mock.hwpt, 0x1003000, memory + 3 * PAGE, 3 * PAGE));
	info(fd, 160);
	show("cache coherent", by_value(fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	destroy(fd, mock.stdev);
	dma_unmap(fd, "all", 2, 0, 0);
}

int main(void)
{
	int fd = open_iommu();
	char *memory = pages(8, 0);
	uint32_t ioas, id = 0;

	extensions(fd);
	show("type 1 without an address space", by_value(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	info(fd, 160);
	show("map without", dma_map(fd, 3, memory, 0x1000000, PAGE));
	dma_unmap(fd, "unmap without", 0, 0x1000000, PAGE);
	show("none is there", compat(fd, IOMMU_VFIO_IOAS_GET, &id));
	ioas = id = new_ioas(fd);
	show("set it", compat(fd, IOMMU_VFIO_IOAS_SET, &id));
	id = 0;
	show("get it", compat(fd, IOMMU_VFIO_IOAS_GET, &id));
	printf("id %u\n", id);
	extensions(fd);
	show("type 1", by_value(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	show("type 2", by_value(fd, VFIO_SET_IOMMU, 2));
	show("dirty pages", call(fd, VFIO_IOMMU_DIRTY_PAGES, memory));
	for (uint32_t size = 12; size <= 76; size += 4)
		info(fd, size);
	mappings(fd, memory);
	first_version(fd, ioas, memory);
	id = 99;
	show("set a wrong one", compat(fd, IOMMU_VFIO_IOAS_SET, &id));
	show("clear", compat(fd, IOMMU_VFIO_IOAS_CLEAR, &id));
	show("get", compat(fd, IOMMU_VFIO_IOAS_GET, &id));
	id = ioas;
	show("set", compat(fd, IOMMU_VFIO_IOAS_SET, &id));
	show("destroy it", destroy(fd, ioas));
	show("get", compat(fd, IOMMU_VFIO_IOAS_GET, &id));
	show("a wrong operation", compat(fd, 3, &id));
	close(fd);
	return 0;
}
