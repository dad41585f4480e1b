/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements on a bare machine: system calls without program, trace or oracle around them. */
#include <stddef.h>
#include <stdlib.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/sim.h"
#include "impl/sim/syscall.h"
#include "tools/bench.h"
#include "tools/tool.h"

#define AREA_PAGES 2	/* an area and the gap behind it */
#define PROBES	   1000 /* maps that are timed */
#define SMALL	   1000 /* areas of the small IOAS */

/* A machine with one context and one IOAS. */
struct bench_machine {
	struct sim *sim;
	struct task *task;
	int fd;
	uint32_t ioas;
};

static const struct sim_config config = {
	.locks = LOCKS_SINGLE,
	.mem_pages = 16384,
	.memlock = UINT64_C(8) << 20,
	.capabilities = SIM_CAP_ALL,
};

static double seconds_since(uint64_t start)
{
	uint64_t now = tool_clock();

	return (double)(now > start ? now - start : 1) / 1e6;
}

/* The struct goes to user memory and comes back, as for any caller. */
static int64_t command(struct bench_machine *machine, uint32_t number, void *argument, size_t size)
{
	mm_poke(task_mm(machine->task), ARGUMENT_BASE, argument, size);
	int64_t result = sim_ioctl(machine->task, machine->fd, number, ARGUMENT_BASE);
	mm_peek(task_mm(machine->task), ARGUMENT_BASE, argument, size);
	return result;
}

static bool machine_open(struct bench_machine *machine)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	machine->sim = sim_create(&config);
	if (!machine->sim) {
		tool_error("bench: out of memory");
		return false;
	}
	machine->task = sim_task(machine->sim, 0, 0);
	machine->fd = (int)sim_open(machine->task, "/dev/iommu");
	if (machine->fd >= 0 && command(machine, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)) == 0) {
		machine->ioas = alloc.out_ioas_id;
		return true;
	}
	tool_error("bench: cannot make an IOAS");
	sim_destroy(machine->sim);
	return false;
}

static double create_and_end(const struct bench_size *size)
{
	uint32_t times = size->programs / 10 + 1;
	uint64_t start = tool_clock();

	for (uint32_t i = 0; i < times; i++) {
		struct sim *sim = sim_create(&config);

		if (!sim)
			return -1;
		sim_finish(sim);
		sim_destroy(sim);
	}
	return seconds_since(start) / times * 1e9;
}

static double reset_and_end(const struct bench_size *size)
{
	struct sim *sim = sim_create(&config);

	if (!sim)
		return -1;
	uint64_t start = tool_clock();
	for (uint32_t i = 0; i < size->programs; i++) {
		sim_reset(sim, &config);
		sim_finish(sim);
	}
	double value = seconds_since(start) / size->programs * 1e9;
	sim_destroy(sim);
	return value;
}

static double failed_destroy(const struct bench_size *size)
{
	struct bench_machine machine;
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = 999};

	if (!machine_open(&machine))
		return -1;
	mm_poke(task_mm(machine.task), ARGUMENT_BASE, &destroy, sizeof(destroy));
	uint64_t start = tool_clock();
	for (uint32_t i = 0; i < size->calls; i++)
		if (sim_ioctl(machine.task, machine.fd, IOMMU_DESTROY, ARGUMENT_BASE) >= 0)
			return -1;
	double value = seconds_since(start) / size->calls * 1e9;
	sim_destroy(machine.sim);
	return value;
}

static int64_t map(struct bench_machine *machine, bool fixed, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = (fixed ? IOMMU_IOAS_MAP_FIXED_IOVA : 0) | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = machine->ioas,
		.user_va = MEM_BASE,
		.length = length,
		.iova = iova,
	};

	return command(machine, IOMMU_IOAS_MAP, &map, sizeof(map));
}

static int64_t unmap(struct bench_machine *machine, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = machine->ioas,
		.iova = iova,
		.length = length,
	};

	return command(machine, IOMMU_IOAS_UNMAP, &unmap, sizeof(unmap));
}

static double map_unmap_pairs(const struct bench_size *size)
{
	struct bench_machine machine;

	if (!machine_open(&machine))
		return -1;
	uint64_t start = tool_clock();
	for (uint32_t i = 0; i < size->calls; i++)
		if (map(&machine, true, SIM_PAGE_SIZE, SIM_PAGE_SIZE) < 0 ||
			unmap(&machine, SIM_PAGE_SIZE, SIM_PAGE_SIZE) < 0) {
			tool_error("bench: map or unmap failed");
			sim_destroy(machine.sim);
			return -1;
		}
	double value = size->calls / seconds_since(start);
	sim_destroy(machine.sim);
	return value;
}

/* -- many areas -- */

enum order { ORDER_ASCENDING, ORDER_RANDOM, ORDER_AUTOMATIC };

/* A permutation of [0, 2^32): no IOVA comes twice, and none near the one before. */
static uint64_t place(enum order order, uint64_t i)
{
	uint64_t slot = order == ORDER_RANDOM
				? (i * UINT64_C(2654435761) + 12345) & UINT64_C(0xffffffff)
				: i;

	return (slot + 1) * AREA_PAGES * SIM_PAGE_SIZE;
}

static int64_t map_nth(struct bench_machine *machine, enum order order, uint64_t i)
{
	/* Automatic: areas fill the space from its start, so that the only hole is behind the last
	 * one. */
	if (order == ORDER_AUTOMATIC)
		return map(machine, false, 0, SIM_PAGE_SIZE);
	return map(machine, true, place(order, i), SIM_PAGE_SIZE);
}

/* Seconds for PROBES maps at `areas` areas; negative after an error. */
static double time_maps(enum order order, uint32_t areas)
{
	struct bench_machine machine;
	uint64_t i = 0;

	if (!machine_open(&machine))
		return -1;
	/* The bulk of the automatic case is put there by fixed maps: what is timed is the search
	 * for the hole. */
	for (; i < areas; i++)
		if ((order == ORDER_AUTOMATIC
				    ? map(&machine, true, (i + 1) * SIM_PAGE_SIZE, SIM_PAGE_SIZE)
				    : map_nth(&machine, order, i)) < 0)
			break;
	bool filled = i == areas;
	uint64_t start = tool_clock();
	for (; filled && i < areas + PROBES; i++)
		filled = map_nth(&machine, order, i) >= 0;
	double value = seconds_since(start);
	if (!filled)
		tool_error("bench: a map failed at %llu areas", (unsigned long long)i);
	sim_destroy(machine.sim);
	return filled ? value : -1;
}

static double ratio(enum order order, const struct bench_size *size)
{
	double few = time_maps(order, SMALL), many = time_maps(order, size->areas);

	return few < 0 || many < 0 ? -1 : many / few;
}

static double ratio_ascending(const struct bench_size *size)
{
	return ratio(ORDER_ASCENDING, size);
}

static double ratio_random(const struct bench_size *size)
{
	return ratio(ORDER_RANDOM, size);
}

static double ratio_automatic(const struct bench_size *size)
{
	return ratio(ORDER_AUTOMATIC, size);
}

const struct measurement bench_machine[] = {
	{"map + unmap of one page, no domain", "pairs/s", "5000000", true, map_unmap_pairs},
	{"failed DESTROY", "ns", "", false, failed_destroy},
	{"sim create + end", "ns", "", false, create_and_end},
	{"sim reset + end", "ns", "500", false, reset_and_end},
	{0},
};

const struct measurement bench_areas[] = {
	{"map at many areas / at 1000, ascending", "times", "2", false, ratio_ascending},
	{"map at many areas / at 1000, random", "times", "4", false, ratio_random},
	{"map at many areas / at 1000, automatic", "times", "2", false, ratio_automatic},
	{0},
};
