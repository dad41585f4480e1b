/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of page tables: much memory mapped, large dirty bitmaps. */
#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"
#include "tools/bench.h"

#define MIB	    (UINT64_C(1) << 20)
#define GIB	    (UINT64_C(1) << 30)
#define IOVA_BASE   UINT64_C(0x1000000)
#define FLAGS	    (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define DIRTY_BYTES (64 * GIB) /* of IOVA, one bit a page */
#define BITMAP	    (DIRTY_BYTES / SIM_PAGE_SIZE / 8)
#define MARKS_AT    MEM_BASE		/* what is marked: every other page */
#define BITMAP_AT   (MEM_BASE + BITMAP) /* what is read */
#define MANY_AREAS  UINT64_C(16384)

struct table {
	struct sim *sim;
	struct task *task;
	int fd;
	uint32_t ioas, device, hwpt;
	bool wrong; /* a call failed that must not */
};

/* One call, with its struct in and out. */
static void call(struct table *table, uint32_t number, void *argument, size_t size)
{
	table->wrong |= sim_put(table->task, ARGUMENT_BASE, argument, size) != 0;
	table->wrong |= sim_ioctl(table->task, table->fd, number, ARGUMENT_BASE) != 0;
	mm_peek(task_mm(table->task), ARGUMENT_BASE, argument, size);
}

#define CALL(table, number, argument) call((table), (number), &(argument), sizeof(argument))

/* A machine with that much memory, an IOAS and a device on it. */
static bool table_begin(struct table *table, struct bench *bench, uint64_t memory)
{
	struct sim_config config = {.locks = LOCKS_SINGLE,
		.memlock = UINT64_MAX,
		.capabilities = SIM_CAP_ALL,
		.mem_pages = (uint32_t)(memory / SIM_PAGE_SIZE)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_test_cmd test = {.size = sizeof(test), .op = IOMMU_TEST_OP_MOCK_DOMAIN};

	*table = (struct table){.sim = sim_create(&config)};
	bench->reason = table->sim ? NULL : "out of memory";
	if (!table->sim)
		return false;
	table->task = sim_task(table->sim, 0, 0);
	table->fd = (int)sim_open(table->task, "/dev/iommu");
	CALL(table, IOMMU_IOAS_ALLOC, alloc);
	table->ioas = alloc.out_ioas_id;
	test.id = table->ioas;
	CALL(table, IOMMU_TEST_CMD, test);
	table->device = test.mock_domain.out_idev_id;
	return true;
}

static void table_end(struct table *table, struct bench *bench)
{
	if (table->wrong)
		bench->reason = "a call failed that must succeed";
	sim_finish(table->sim);
	sim_destroy(table->sim);
}

static void map(
	struct table *table, uint32_t ioas, uint64_t user_va, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = FLAGS,
		.ioas_id = ioas,
		.user_va = user_va,
		.length = length,
		.iova = iova};

	CALL(table, IOMMU_IOAS_MAP, map);
}

/* The memory is there, as that of a program that has written to it. */
static void touch_memory(struct table *table, uint64_t length)
{
	map(table, table->ioas, MEM_BASE, length, IOVA_BASE);
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = table->ioas, .iova = IOVA_BASE, .length = length};
	CALL(table, IOMMU_IOAS_UNMAP, unmap);
}

static double map_gigabyte(struct bench *bench)
{
	struct table table;

	if (!table_begin(&table, bench, GIB))
		return BENCH_FAILED;
	touch_memory(&table, GIB);
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++)
			touch_memory(&table, GIB);
	table_end(&table, bench);
	return table.wrong ? BENCH_FAILED : bench_loop_rate(&loop) * (double)(GIB / SIM_PAGE_SIZE);
}

/* -- dirty bitmaps -- */

/* An IOAS of its own, mapped in that many areas of the same memory, in entries of one page. */
static void map_dirty(struct table *table, uint64_t areas, uint64_t memory)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_hwpt_selftest format = {.pagetable_type = MOCK_IOMMUPT_HUGE};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt),
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = table->device,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(format),
		.data_uptr = ARGUMENT_BASE + SIM_PAGE_SIZE};
	uint64_t length = DIRTY_BYTES / areas;

	CALL(table, IOMMU_IOAS_ALLOC, alloc);
	struct iommu_option option = {.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = alloc.out_ioas_id};
	CALL(table, IOMMU_OPTION, option);
	sim_put(table->task, hwpt.data_uptr, &format, sizeof(format));
	hwpt.pt_id = alloc.out_ioas_id;
	CALL(table, IOMMU_HWPT_ALLOC, hwpt);
	table->hwpt = hwpt.out_hwpt_id;
	for (uint64_t i = 0; i < areas; i++)
		map(table, alloc.out_ioas_id, MEM_BASE + i * length % memory, length, i * length);
	struct iommu_hwpt_set_dirty_tracking set = {.size = sizeof(set),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
		.hwpt_id = table->hwpt};
	CALL(table, IOMMU_HWPT_SET_DIRTY_TRACKING, set);
}

static void fill(struct table *table, uint64_t at, uint8_t byte)
{
	uint8_t bytes[SIM_PAGE_SIZE];

	memset(bytes, byte, sizeof(bytes));
	for (uint64_t done = 0; done < BITMAP; done += sizeof(bytes))
		mm_poke(task_mm(table->task), at + done, bytes, sizeof(bytes));
}

/* Nanoseconds of a read of the bitmap in which every other page is dirty. */
static double read_cost(struct bench *bench, uint64_t areas, uint64_t memory)
{
	uint32_t rounds = bench->brief ? 2 : 5;
	uint64_t elapsed = 0, seen = 0;
	struct table table;

	if (!table_begin(&table, bench, memory))
		return BENCH_FAILED;
	map_dirty(&table, areas, memory);
	fill(&table, MARKS_AT, 0x55);
	for (uint32_t round = 0; round < rounds && !table.wrong; round++) {
		struct iommu_test_cmd mark = {.size = sizeof(mark),
			.op = IOMMU_TEST_OP_DIRTY,
			.id = table.hwpt,
			.dirty = {.length = DIRTY_BYTES,
				.page_size = SIM_PAGE_SIZE,
				.uptr = MARKS_AT}};
		struct iommu_hwpt_get_dirty_bitmap get = {.size = sizeof(get),
			.hwpt_id = table.hwpt,
			.length = DIRTY_BYTES,
			.page_size = SIM_PAGE_SIZE,
			.data = BITMAP_AT};

		CALL(&table, IOMMU_TEST_CMD, mark);
		fill(&table, BITMAP_AT, 0);
		uint64_t start = bench_clock();
		CALL(&table, IOMMU_HWPT_GET_DIRTY_BITMAP, get);
		elapsed += bench_clock() - start;
		mm_peek(task_mm(table.task), BITMAP_AT + BITMAP - sizeof(seen), &seen,
			sizeof(seen));
		table.wrong |= seen != UINT64_C(0x5555555555555555);
	}
	table_end(&table, bench);
	return table.wrong ? BENCH_FAILED : (double)elapsed / rounds;
}

static double read_one(struct bench *bench)
{
	double cost = read_cost(bench, 1, DIRTY_BYTES);

	return cost < 0 ? cost : cost / 1e6;
}

static double read_ratio(struct bench *bench)
{
	double one = read_cost(bench, 1, DIRTY_BYTES);
	double many = one < 0 ? one : read_cost(bench, MANY_AREAS, DIRTY_BYTES / MANY_AREAS);

	return many < 0 ? BENCH_FAILED : many / one;
}

const struct measurement bench_domain[] = {
	{"map-domain", "pages/s", ">= 20000000 (release)",
		"MAP and UNMAP of 1 GiB, pages of 4 KiB, into a page table", false, map_gigabyte},
	{"dirty-bitmap", "ms", NULL,
		"the dirty bitmap (2 MiB) of 64 GiB in entries of 4 KiB, every other one dirty, "
		"one area",
		true, read_one},
	{"dirty-areas", "ratio", "<= 2", "the same with 16,384 areas against one", true,
		read_ratio},
	{0},
};
