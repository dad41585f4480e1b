/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_IOAS_NOIOMMU_GET_PA names the physical page of the memory that is mapped: what no program
 * can see. 4.22 */
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/sim.h"
#include "impl/sim/syscall.h"
#include "tests/tap.h"

#define PAGES	 4u
#define IOVA	 UINT64_C(0x1000000)
#define ARGUMENT ARGUMENT_BASE

/* The call's struct goes through the machine's memory. */
static int64_t call(struct task *task, int fd, uint32_t command, void *image, uint64_t size)
{
	int64_t result;

	copy_to_user(task, ARGUMENT, image, size);
	result = sim_ioctl(task, fd, command, ARGUMENT);
	copy_from_user(task, image, ARGUMENT, size);
	return result;
}

static void test_pages(struct task *task, int fd, uint32_t ioas)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = MEM_BASE,
		.length = PAGES * SIM_PAGE_SIZE,
		.iova = IOVA};

	tap_ok(!call(task, fd, IOMMU_IOAS_MAP, &map, sizeof(map)), "mapped");
	for (uint64_t offset = 0; offset < PAGES * SIM_PAGE_SIZE; offset += 1000) {
		struct iommu_ioas_noiommu_get_pa get = {
			.size = sizeof(get), .ioas_id = ioas, .iova = IOVA + offset, .length = 64};
		struct page_view seen;

		tap_ok(!call(task, fd, IOMMU_IOAS_NOIOMMU_GET_PA, &get, sizeof(get)) &&
				!mm_look_up(task, MEM_BASE + offset, &seen) &&
				get.out_phys == seen.phys + offset % SIM_PAGE_SIZE &&
				get.length == 64,
			"the page at offset %u", (unsigned)offset);
	}
}

int main(void)
{
	struct sim_config config = {.capabilities = SIM_CAP_ALL, .noiommu = true};
	struct sim *sim = sim_create(&config);
	struct task *task = sim_task(sim, 0, 0);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_test_cmd device = {
		.size = sizeof(device), .op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS};
	int fd = (int)sim_open(task, "/dev/iommu");

	tap_begin();
	tap_ok(!call(task, fd, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)), "an IOAS");
	device.id = alloc.out_ioas_id;
	device.mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_NOIOMMU;
	tap_ok(!call(task, fd, IOMMU_TEST_CMD, &device, sizeof(device)), "a device");
	test_pages(task, fd, alloc.out_ioas_id);
	sim_finish(sim);
	sim_destroy(sim);
	return tap_end();
}
