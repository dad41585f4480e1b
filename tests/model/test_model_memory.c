/* SPDX-License-Identifier: Apache-2.0 */
/* The reference model's memory: identity of pages over fork, exec, munmap and truncation
 * (specification 20). */
#include "tests/model/machine.h"
#include "tests/tap.h"

#define MEM   PROG_MEM_BASE
#define IOVA  MOCK_APERTURE_START
#define P2    1u
#define SHARE UINT64_C(0x40000000000)

/* An IOAS with a device; ids of the device. */
static void start(struct machine *machine, uint32_t ids[3])
{
	machine_start(machine, 0, 0);
	machine_ioas(machine);
	machine_mock(machine, 1, ids);
}

static int64_t check_map(struct machine *machine, uint32_t hwpt, uint64_t iova, uint64_t va)
{
	struct iommu_test_cmd test = {
		.id = hwpt,
		.md_check_map = {.iova = iova, .length = MACHINE_PAGE, .uptr = va},
	};

	return machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_MD_CHECK_MAP, &test);
}

static int64_t fork_process(struct machine *machine, unsigned process)
{
	struct resolved_call call = {.row = &call_rows[CALL_ID_fork], .name = process};
	struct call_outcome outcome;

	target_model.call(machine->target, &call, &outcome);
	return outcome.result;
}

static int64_t map_file(struct machine *machine, int32_t fd, uint32_t flags)
{
	struct call_mmap map = {
		.addr = SHARE,
		.length = 2 * MACHINE_PAGE,
		.prot = CALL_PROT_READ | CALL_PROT_WRITE,
		.flags = CALL_MAP_FIXED | flags,
		.fd = fd,
	};

	return machine_call(machine, CALL_ID_mmap, 0, &map);
}

static void test_fork(void)
{
	struct machine machine;
	uint32_t ids[3];

	start(&machine, ids);
	machine_put(&machine, MEM, "pinned", 6);
	machine_put(&machine, MEM + MACHINE_PAGE, "shared", 6);
	machine_map(&machine, 1, IOVA, MEM, MACHINE_PAGE);
	tap_ok(!fork_process(&machine, P2), "fork");
	machine_put(&machine, MEM, "PARENT", 6);
	machine_put(&machine, MEM + MACHINE_PAGE, "PARENT", 6);
	tap_ok(!check_map(&machine, ids[1], IOVA, MEM), "the parent keeps the pinned page");
	machine.process = P2;
	tap_ok(!machine_expect(&machine, MEM, "pinned", 6) &&
			!machine_expect(&machine, MEM + MACHINE_PAGE, "shared", 6),
		"the child has the memory of before");
	tap_ok(check_map(&machine, ids[1], IOVA, MEM) == -EINVAL &&
			machine_pins_are(&machine, MEM, 4096, 0),
		"the child has a copy of the pinned page");
	machine_call(&machine, CALL_ID_exec, 0, NULL);
	tap_ok(!machine_expect(&machine, MEM, "\0\0\0\0", 4), "exec gives fresh memory");
	machine_end(&machine);
}

static void test_munmap(void)
{
	struct call_munmap range = {.addr = MEM, .length = MACHINE_PAGE};
	struct call_dma dma = {.iova = IOVA, .length = 4, .buffer = MEM + 8 * MACHINE_PAGE};
	struct machine machine;
	uint32_t ids[3];

	start(&machine, ids);
	dma.dev_id = ids[2];
	machine_put(&machine, MEM, "kept", 4);
	machine_map(&machine, 1, IOVA, MEM, MACHINE_PAGE);
	machine_call(&machine, CALL_ID_munmap, 0, &range);
	tap_ok(!machine_call(&machine, CALL_ID_dma_read, machine.fd, &dma) &&
			!machine_expect(&machine, dma.buffer, "kept", 4),
		"a pinned page outlives munmap");
	tap_ok(machine_map(&machine, 1, 2 * IOVA, MEM, MACHINE_PAGE) == -EFAULT,
		"unmapped memory is not pinned");
	machine_end(&machine);
}

static void test_protection(void)
{
	struct call_mprotect protect = {
		.addr = MEM, .length = MACHINE_PAGE, .prot = CALL_PROT_READ};
	struct machine machine;
	uint32_t ids[3];

	start(&machine, ids);
	machine_call(&machine, CALL_ID_mprotect, 0, &protect);
	tap_ok(machine_map(&machine, 1, IOVA, MEM, MACHINE_PAGE) == -EFAULT,
		"no write pin of read-only memory");
	protect.prot = 0;
	machine_call(&machine, CALL_ID_mprotect, 0, &protect);
	tap_ok(machine_put(&machine, MEM, "x", 1) == -EFAULT, "PROT_NONE");
	machine_end(&machine);
}

static void test_memfd(void)
{
	struct call_memfd memfd = {.size = 2 * MACHINE_PAGE};
	struct call_ftruncate truncate = {.size = MACHINE_PAGE};
	struct machine machine;
	uint32_t ids[3];
	int64_t fd;

	start(&machine, ids);
	fd = machine_call(&machine, CALL_ID_memfd, 0, &memfd);
	map_file(&machine, (int32_t)fd, CALL_MAP_SHARED);
	machine_put(&machine, SHARE + MACHINE_PAGE, "end", 3);
	tap_ok(!machine_map(&machine, 1, IOVA, SHARE, 2 * MACHINE_PAGE) &&
			!check_map(&machine, ids[1], IOVA + MACHINE_PAGE, SHARE + MACHINE_PAGE),
		"shared pages are mapped");
	machine_call(&machine, CALL_ID_ftruncate, (uint64_t)fd, &truncate);
	tap_ok(machine_expect(&machine, SHARE + MACHINE_PAGE, "end", 3) == -EFAULT,
		"beyond the end");
	truncate.size = 2 * MACHINE_PAGE;
	machine_call(&machine, CALL_ID_ftruncate, (uint64_t)fd, &truncate);
	tap_ok(check_map(&machine, ids[1], IOVA + MACHINE_PAGE, SHARE + MACHINE_PAGE) == -EINVAL &&
			!machine_expect(&machine, SHARE + MACHINE_PAGE, "\0\0\0", 3),
		"the file has a new page, the mapping the old one");
	machine_end(&machine);
}

/* A long-term pin breaks the sharing of a private mapping first, so that its own stores reach the
 * pin. */
static void test_private_file(void)
{
	struct call_memfd memfd = {.size = 2 * MACHINE_PAGE};
	struct iommu_ioas_map map = {
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = 1,
		.user_va = SHARE,
		.length = MACHINE_PAGE,
		.iova = IOVA,
	};
	struct machine machine;
	uint32_t ids[3];
	int64_t fd;

	start(&machine, ids);
	fd = machine_call(&machine, CALL_ID_memfd, 0, &memfd);
	map_file(&machine, (int32_t)fd, CALL_MAP_PRIVATE);
	machine_ioctl(&machine, CALL_ID_IOMMU_IOAS_MAP, &map);
	machine_put(&machine, SHARE, "own", 3);
	tap_ok(!check_map(&machine, ids[1], IOVA, SHARE), "a store reaches the pinned page");
	machine_end(&machine);
}

int main(void)
{
	tap_begin();
	test_fork();
	test_munmap();
	test_protection();
	test_memfd();
	test_private_file();
	return tap_end();
}
