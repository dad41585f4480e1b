/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty pages of ordinary memory, one by one, where large pages are not there to join them. */
#include "client.h"

#define IOVA  UINT64_C(0x4000000)
#define PAGES 16

static int fd;
static uint32_t hwpt;

static int dirty(uint16_t bits, uint64_t *count)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = IOMMU_TEST_OP_DIRTY,
		.id = hwpt,
		.dirty = {.iova = IOVA,
			.length = PAGES * PAGE,
			.page_size = PAGE,
			.uptr = (uintptr_t)&bits},
	};
	int result = call(fd, IOMMU_TEST_CMD, &command);

	*count = command.dirty.out_nr_dirty;
	return result;
}

static void show_bits(uint64_t page_size)
{
	uint64_t bits[2] = {0};
	int result = call(fd, IOMMU_HWPT_GET_DIRTY_BITMAP,
		CMD(iommu_hwpt_get_dirty_bitmap, .hwpt_id = hwpt, .iova = IOVA,
			.length = PAGES * PAGE, .page_size = page_size, .data = (uintptr_t)bits,
			.flags = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR));

	printf("  by %" PRIu64 ": %s %" PRIx64 " %" PRIx64 "\n", page_size, named(result), bits[0],
		bits[1]);
}

int main(void)
{
	char *memory = pages(PAGES, 0);
	struct mock device;
	uint32_t ioas;
	uint64_t count;

	fd = open_iommu();
	ioas = new_ioas(fd);
	device = new_mock(fd, ioas);
	show("hwpt", hwpt_alloc(fd, device.dev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	show("replace", replace_to(fd, device.stdev, hwpt));
	/* Not in their order, so that no two that follow each other lie side by side. */
	for (size_t n = 0; n < PAGES; n++)
		memory[n * 7 % PAGES * PAGE] = 1;
	show("map", map_at(fd, ioas, memory, PAGES * PAGE, IOVA));
	show("track", call(fd, IOMMU_HWPT_SET_DIRTY_TRACKING,
			      CMD(iommu_hwpt_set_dirty_tracking, .hwpt_id = hwpt,
				      .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE)));
	for (unsigned round = 1; round < 5; round++) {
		show("dirty", dirty((uint16_t)(0x2481 << round), &count));
		printf("  %" PRIu64 " new\n", count);
		for (uint64_t size = 2048; size <= 16384; size *= 2)
			show_bits(size);
	}
	return 0;
}
