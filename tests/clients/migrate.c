/* SPDX-License-Identifier: Apache-2.0 */
/* Live migration: a device writes, rounds of dirty bitmaps say what to send again. */
#include "client.h"

#define GUEST_PAGES 256
#define GUEST_IOVA  MOCK_APERTURE_START

struct machine {
	int fd;
	uint32_t ioas, hwpt;
	struct mock mock;
	uint8_t *memory;
};

static int dirty(struct machine *machine, uint64_t iova, size_t length, size_t unit,
	const void *bitmap, uint64_t *count)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = IOMMU_TEST_OP_DIRTY,
		.id = machine->hwpt,
		.dirty = {.iova = iova,
			.length = length,
			.page_size = unit,
			.uptr = (uintptr_t)bitmap},
	};
	int result = call(machine->fd, IOMMU_TEST_CMD, &command);

	*count = command.dirty.out_nr_dirty;
	return result;
}

static int get_bitmap(struct machine *machine, uint64_t iova, size_t length, size_t unit,
	uint32_t flags, void *bitmap)
{
	return call(machine->fd, IOMMU_HWPT_GET_DIRTY_BITMAP,
		CMD(iommu_hwpt_get_dirty_bitmap, .hwpt_id = machine->hwpt, .flags = flags,
			.iova = iova, .length = length, .page_size = unit,
			.data = (uintptr_t)bitmap));
}

static int track(struct machine *machine, uint32_t flags)
{
	return call(machine->fd, IOMMU_HWPT_SET_DIRTY_TRACKING,
		CMD(iommu_hwpt_set_dirty_tracking, .hwpt_id = machine->hwpt, .flags = flags));
}

/* Device writes to these pages: the mock's table is told, the memory changes. */
static void device_writes(struct machine *machine, size_t first, size_t step, uint8_t value)
{
	uint8_t bits[GUEST_PAGES / 8] = {0};
	uint64_t count = 0;

	for (size_t page = first; page < GUEST_PAGES; page += step) {
		bits[page / 8] |= (uint8_t)(1 << page % 8);
		memset(machine->memory + page * PAGE, value, PAGE);
	}
	show("device writes", dirty(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, bits, &count));
	printf("  %" PRIu64 " pages\n", count);
}

static size_t count_bits(const uint8_t *bits, size_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += (size_t)__builtin_popcount(bits[i]);
	return count;
}

static void set_up(struct machine *machine)
{
	uint32_t hwpt = 0;

	machine->fd = open_iommu();
	machine->ioas = new_ioas(machine->fd);
	machine->memory = pages(GUEST_PAGES, 0);
	memset(machine->memory, 0xff, GUEST_PAGES * PAGE);
	/* One bit for each page: nothing may be mapped in larger pieces. */
	call(machine->fd, IOMMU_OPTION,
		CMD(iommu_option, .option_id = IOMMU_OPTION_HUGE_PAGES, .op = IOMMU_OPTION_OP_SET,
			.object_id = machine->ioas, .val64 = 0));
	machine->mock = new_mock(machine->fd, machine->ioas);
	show("page table with dirty tracking",
		hwpt_alloc(machine->fd, machine->mock.dev, machine->ioas,
			IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &machine->hwpt));
	hwpt = machine->hwpt;
	show("the device moves to it", replace(machine->fd, machine->mock.stdev, &hwpt));
	show("map the guest", map_at(machine->fd, machine->ioas, machine->memory,
				      GUEST_PAGES * PAGE, GUEST_IOVA));
}

/* Sends all, then what changed meanwhile, until little is left. */
static void migrate(struct machine *machine)
{
	static const size_t steps[] = {1, 3, 17, 100};
	uint8_t *target = calloc(GUEST_PAGES, PAGE), bits[GUEST_PAGES / 8];

	show("tracking on", track(machine, 1));
	memcpy(target, machine->memory, GUEST_PAGES * PAGE);
	for (size_t round = 0; round < 4; round++) {
		device_writes(machine, round, steps[round], (uint8_t)round);
		memset(bits, 0, sizeof(bits));
		show("bitmap", get_bitmap(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, 0, bits));
		printf("round %zu: %zu pages to send\n", round, count_bits(bits, sizeof(bits)));
		for (size_t page = 0; page < GUEST_PAGES; page++)
			if (bits[page / 8] >> page % 8 & 1)
				memcpy(target + page * PAGE, machine->memory + page * PAGE, PAGE);
	}
	printf("the target is %s\n",
		memcmp(target, machine->memory, GUEST_PAGES * PAGE) == 0 ? "the same" : "another");
	free(target);
}

static void peculiarities(struct machine *machine)
{
	uint8_t bits[GUEST_PAGES / 4] = {0}, half[4096 / 8];
	uint64_t count = 0;

	device_writes(machine, 5, 64, 9);
	show("look without clearing",
		get_bitmap(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, 1, bits));
	printf("  %zu pages\n", count_bits(bits, sizeof(bits)));
	show("bits are added",
		get_bitmap(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, 0, bits + 1));
	printf("  %zu pages\n", count_bits(bits, sizeof(bits)));
	memset(bits, 0, sizeof(bits));
	show("nothing is left", get_bitmap(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, 0, bits));
	printf("  %zu pages\n", count_bits(bits, sizeof(bits)));
	memset(half, 0xaa, sizeof(half));
	show("every second 2 KiB", dirty(machine, GUEST_IOVA, 16 * PAGE, 2048, half, &count));
	printf("  %" PRIu64 " bits\n", count);
	show("in 2 KiB", get_bitmap(machine, GUEST_IOVA, 16 * PAGE, 2048, 1, bits));
	printf("  %zu pages\n", count_bits(bits, sizeof(bits)));
	memset(bits, 0, sizeof(bits));
	show("in 16 KiB", get_bitmap(machine, GUEST_IOVA, 16 * PAGE, 4 * PAGE, 1, bits));
	printf("  %#x %#x\n", bits[0], bits[1]);
	show("into no memory", get_bitmap(machine, GUEST_IOVA, 16 * PAGE, PAGE, 0, NULL));
	show("lost", get_bitmap(machine, GUEST_IOVA, 16 * PAGE, PAGE, 0, bits));
	printf("  %zu pages\n", count_bits(bits + 2, 6));
	show("no length", get_bitmap(machine, GUEST_IOVA, 0, PAGE, 0, bits));
	show("no page size", get_bitmap(machine, GUEST_IOVA, PAGE, 0, 0, bits));
	show("odd start", get_bitmap(machine, GUEST_IOVA + 512, PAGE, PAGE, 0, bits));
	show("wild flag", get_bitmap(machine, GUEST_IOVA, PAGE, PAGE, 2, bits));
	show("where nothing is mapped", get_bitmap(machine, 0x70000000, PAGE, PAGE, 0, bits));
	show("a range over the end",
		get_bitmap(machine, UINT64_MAX - PAGE + 1, 2 * PAGE, PAGE, 0, bits));
}

static void on_and_off(struct machine *machine)
{
	uint8_t bits[GUEST_PAGES / 8] = {0};
	uint64_t count = 0;

	device_writes(machine, 0, 2, 1);
	show("on again clears", track(machine, 1));
	get_bitmap(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, 0, bits);
	printf("  %zu pages\n", count_bits(bits, sizeof(bits)));
	device_writes(machine, 0, 4, 1);
	show("off", track(machine, 0));
	show("no more writes are seen", dirty(machine, GUEST_IOVA, PAGE, PAGE, "\1", &count));
	get_bitmap(machine, GUEST_IOVA, GUEST_PAGES * PAGE, PAGE, 0, bits);
	printf("but those before: %zu pages\n", count_bits(bits, sizeof(bits)));
	show("wild flag", track(machine, 2));
	uint32_t with = machine->hwpt;
	machine->hwpt = machine->mock.hwpt;
	show("a table that is gone", track(machine, 1));
	show("a plain table",
		hwpt_alloc(machine->fd, machine->mock.dev, machine->ioas, 0, &machine->hwpt));
	show("cannot track", track(machine, 1));
	show("has no bitmap", get_bitmap(machine, GUEST_IOVA, PAGE, PAGE, 0, bits));
	machine->hwpt = with;
}

int main(void)
{
	struct machine machine = {0};
	struct mock blind;
	uint32_t hwpt;

	set_up(&machine);
	migrate(&machine);
	peculiarities(&machine);
	on_and_off(&machine);
	show("a device without dirty bits",
		mock_flags(machine.fd, machine.ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &blind));
	show("cannot have such a table", hwpt_alloc(machine.fd, blind.dev, machine.ioas,
						 IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	show("nor use that of another", replace_to(machine.fd, blind.stdev, machine.hwpt));
	close(machine.fd);
	return 0;
}
