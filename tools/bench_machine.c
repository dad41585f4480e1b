/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements below programs: system calls on one machine, the machine itself, its locks. */
#include <stdlib.h>
#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/sim/lock.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"
#include "tools/bench.h"

#define BATCH 100u /* calls between two looks at the clock */
#define SLOT  64u  /* bytes between two structs in user memory */
#define MAPS_AT                                                                                    \
	(MEM_BASE + UINT64_C(0x100000)) /* a struct a map, so that none is written while the clock \
					   runs */
#define UNMAPS_AT  (MEM_BASE + UINT64_C(0x200000))
#define IOVA_BASE  UINT64_C(0x1000000)
#define FEW_AREAS  UINT64_C(1000)
#define MANY_AREAS UINT64_C(1000000)
#define FLAGS	   (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

struct machine {
	struct sim *sim;
	struct task *task;
	int fd;
	uint32_t ioas;
	bool wrong; /* a call failed that must not */
};

static const struct sim_config config = {
	.locks = LOCKS_SINGLE,
	.memlock = UINT64_MAX,
	.capabilities = SIM_CAP_ALL,
};

static bool machine_begin(struct machine *machine, struct bench *bench)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	*machine = (struct machine){.sim = sim_create(&config)};
	bench->reason = NULL;
	if (!machine->sim) {
		bench->reason = "out of memory";
		return false;
	}
	machine->task = sim_task(machine->sim, 0, 0);
	machine->fd = (int)sim_open(machine->task, "/dev/iommu");
	sim_put(machine->task, MAPS_AT, &alloc, sizeof(alloc));
	machine->wrong = sim_ioctl(machine->task, machine->fd, IOMMU_IOAS_ALLOC, MAPS_AT) != 0;
	mm_peek(task_mm(machine->task), MAPS_AT, &alloc, sizeof(alloc));
	machine->ioas = alloc.out_ioas_id;
	return true;
}

static void machine_end(struct machine *machine, struct bench *bench)
{
	if (machine->wrong)
		bench->reason = "a call failed that must succeed";
	sim_finish(machine->sim);
	sim_destroy(machine->sim);
}

static void put_map(struct machine *machine, uint64_t slot, uint32_t flags, uint64_t iova)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = flags,
		.ioas_id = machine->ioas,
		.user_va = MEM_BASE,
		.length = SIM_PAGE_SIZE,
		.iova = iova};

	machine->wrong |= sim_put(machine->task, MAPS_AT + slot * SLOT, &map, sizeof(map)) != 0;
}

static void put_unmap(struct machine *machine, uint64_t slot, uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap),
		.ioas_id = machine->ioas,
		.iova = iova,
		.length = SIM_PAGE_SIZE};

	machine->wrong |=
		sim_put(machine->task, UNMAPS_AT + slot * SLOT, &unmap, sizeof(unmap)) != 0;
}

static inline void map(struct machine *machine, uint64_t slot)
{
	machine->wrong |=
		sim_ioctl(machine->task, machine->fd, IOMMU_IOAS_MAP, MAPS_AT + slot * SLOT) != 0;
}

static inline void unmap(struct machine *machine, uint64_t slot)
{
	machine->wrong |= sim_ioctl(machine->task, machine->fd, IOMMU_IOAS_UNMAP,
				  UNMAPS_AT + slot * SLOT) != 0;
}

static double map_unmap(struct bench *bench)
{
	struct machine machine;

	if (!machine_begin(&machine, bench))
		return BENCH_FAILED;
	put_map(&machine, 0, FLAGS | IOMMU_IOAS_MAP_FIXED_IOVA, IOVA_BASE);
	put_unmap(&machine, 0, IOVA_BASE);
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++) {
			map(&machine, 0);
			unmap(&machine, 0);
		}
	machine_end(&machine, bench);
	return machine.wrong ? BENCH_FAILED : bench_loop_rate(&loop);
}

static double failed_destroy(struct bench *bench)
{
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = 0x7fffffff};
	struct machine machine;

	if (!machine_begin(&machine, bench))
		return BENCH_FAILED;
	sim_put(machine.task, MAPS_AT, &destroy, sizeof(destroy));
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++)
			machine.wrong |=
				sim_ioctl(machine.task, machine.fd, IOMMU_DESTROY, MAPS_AT) == 0;
	machine_end(&machine, bench);
	return machine.wrong ? BENCH_FAILED : bench_loop_cost(&loop);
}

/* -- maps among many areas -- */

enum order { ASCENDING, SCATTERED, AUTOMATIC };

/* A bijection on [0, 2^22) without visible order: four times as many places as areas. */
static uint64_t scatter(uint64_t i)
{
	const uint64_t mask = (UINT64_C(1) << 22) - 1;

	for (int round = 0; round < 3; round++) {
		i = (i * UINT64_C(0x2545f4914f6cdd1d)) & mask;
		i ^= i >> 11;
	}
	return i;
}

static uint64_t place(enum order order, uint64_t i)
{
	return IOVA_BASE + (order == SCATTERED ? scatter(i) : i) * SIM_PAGE_SIZE;
}

static void put_maps(struct machine *machine, enum order order, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		put_map(machine, i, order == AUTOMATIC ? FLAGS : FLAGS | IOMMU_IOAS_MAP_FIXED_IOVA,
			order == AUTOMATIC ? 0 : place(order, first + i));
}

static void fill(struct machine *machine, enum order order, uint64_t areas)
{
	for (uint64_t done = 0; done < areas && !machine->wrong; done += BATCH) {
		put_maps(machine, order, done, BATCH);
		for (uint64_t i = 0; i < BATCH; i++)
			map(machine, i);
	}
}

/* Where automatic maps went is in their structs. */
static void unmap_batch(struct machine *machine)
{
	struct iommu_ioas_map done;

	for (uint64_t i = 0; i < BATCH; i++) {
		mm_peek(task_mm(machine->task), MAPS_AT + i * SLOT, (void *)&done, sizeof(done));
		put_unmap(machine, i, done.iova);
		unmap(machine, i);
	}
}

/* Nanoseconds of a map at that many areas: maps in batches, taken away again while the clock
 * stands. */
static double map_cost(struct bench *bench, enum order order, uint64_t areas, uint32_t rounds)
{
	struct machine machine;
	uint64_t elapsed = 0;

	if (!machine_begin(&machine, bench))
		return BENCH_FAILED;
	fill(&machine, order, areas);
	for (uint32_t round = 0; round < rounds && !machine.wrong; round++) {
		put_maps(&machine, order, areas + (order == SCATTERED ? round * BATCH : 0), BATCH);
		uint64_t start = bench_clock();
		for (uint64_t i = 0; i < BATCH; i++)
			map(&machine, i);
		elapsed += bench_clock() - start;
		unmap_batch(&machine);
	}
	machine_end(&machine, bench);
	return machine.wrong ? BENCH_FAILED : (double)elapsed / (double)rounds / BATCH;
}

static double map_ratio(struct bench *bench, enum order order)
{
	uint32_t rounds = bench->brief ? 200 : 1000;
	double few = map_cost(bench, order, FEW_AREAS, rounds);
	double many = few < 0 ? few : map_cost(bench, order, MANY_AREAS, rounds);

	return many < 0 ? BENCH_FAILED : many / few;
}

static double map_ascending(struct bench *bench)
{
	return map_ratio(bench, ASCENDING);
}

static double map_scattered(struct bench *bench)
{
	return map_ratio(bench, SCATTERED);
}

static double map_automatic(struct bench *bench)
{
	return map_ratio(bench, AUTOMATIC);
}

static double map_at_many(struct bench *bench)
{
	return map_cost(bench, ASCENDING, MANY_AREAS, bench->brief ? 200 : 1000);
}

/* -- the machine itself -- */

static double create_end(struct bench *bench)
{
	struct bench_loop loop = bench_loop_begin(bench);
	bool made = true;

	while (made && bench_loop_more(&loop))
		for (uint64_t i = 0; made && i < loop.batch; i++) {
			struct sim *sim = sim_create(&config);

			made = sim != NULL;
			if (made) {
				sim_finish(sim);
				sim_destroy(sim);
			}
		}
	bench->reason = made ? NULL : "out of memory";
	return made ? bench_loop_cost(&loop) / 1000 : BENCH_FAILED;
}

static double reset_end(struct bench *bench)
{
	struct sim *sim = sim_create(&config);

	bench->reason = sim ? NULL : "out of memory";
	if (!sim)
		return BENCH_FAILED;
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++) {
			sim_finish(sim);
			sim_reset(sim, &config);
		}
	sim_finish(sim);
	sim_destroy(sim);
	return bench_loop_cost(&loop) / 1000;
}

static double lock_unlock(struct bench *bench)
{
	struct sim *sim = sim_create(&config);

	bench->reason = sim ? NULL : "out of memory";
	if (!sim)
		return BENCH_FAILED;
	struct task *task = sim_task(sim, 0, 0);
	struct mutex mutex = mutex_init((enum lock_class)0);
	struct bench_loop loop = bench_loop_begin(bench);
	while (bench_loop_more(&loop))
		for (uint64_t i = 0; i < loop.batch; i++) {
			mutex_lock(task, &mutex);
			__asm__ volatile("" : : "r"(&mutex) : "memory"); /* keeps the pair */
			mutex_unlock(task, &mutex);
			__asm__ volatile("" : : "r"(&mutex) : "memory");
		}
	sim_finish(sim);
	sim_destroy(sim);
	return bench_loop_cost(&loop);
}

const struct measurement bench_machine[] = {
	{"map-unmap", "pairs/s", ">= 5000000 (release)",
		"MAP and UNMAP of one page by system calls, no domain", false, map_unmap},
	{"map-ascending", "ratio", "<= 2",
		"a MAP at 1,000,000 areas against 1,000, ascending fixed IOVAs", true,
		map_ascending},
	{"map-scattered", "ratio", "<= 4", "the same, fixed IOVAs in random order", true,
		map_scattered},
	{"map-automatic", "ratio", "<= 2", "the same, automatic IOVAs, the hole at the end", true,
		map_automatic},
	{"map-many", "ns", NULL, "a MAP at 1,000,000 areas, ascending fixed IOVAs", true,
		map_at_many},
	{"destroy-failed", "ns", NULL, "an IOMMU_DESTROY of an id that is not there", false,
		failed_destroy},
	{"machine-create", "us", NULL, "a machine made and ended, its memory given back", false,
		create_end},
	{"machine-reset", "us", "< 0.5 (release)", "a machine made and ended, its memory kept",
		false, reset_end},
	{"lock-unlock", "ns", "<= 20 (release)",
		"a lock and an unlock, two scheduling points that do not switch", false,
		lock_unlock},
	{0},
};
