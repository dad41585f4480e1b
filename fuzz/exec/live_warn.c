/* SPDX-License-Identifier: Apache-2.0 */
/* A real warning on demand: mock devices are misused as their kernel does not expect (10.27). */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz/exec/kernel_log.h"
#include "fuzz/exec/live_private.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"

#define PASID 100

/* A device that allows PASIDs, on a page table that allows them too; its stdev, or 0. */
static uint32_t make_device(int fd, uint32_t *hwpt)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_test_cmd device = {
		.size = sizeof(device), .op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS};
	struct iommu_hwpt_alloc table = {.size = sizeof(table), .flags = IOMMU_HWPT_ALLOC_PASID};

	if (ioctl(fd, IOMMU_IOAS_ALLOC, &ioas))
		return 0;
	device.id = ioas.out_ioas_id;
	device.mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_PASID;
	if (ioctl(fd, IOMMU_TEST_CMD, &device))
		return 0;
	table.dev_id = device.mock_domain_flags.out_idev_id;
	table.pt_id = ioas.out_ioas_id;
	if (ioctl(fd, IOMMU_HWPT_ALLOC, &table))
		return 0;
	*hwpt = table.out_hwpt_id;
	return device.mock_domain_flags.out_stdev_id;
}

/* Destroys the device while a PASID of it is attached. */
static bool misuse(int fd)
{
	struct iommu_test_cmd replace = {
		.size = sizeof(replace), .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE};
	struct iommu_test_cmd attach = {.size = sizeof(attach), .op = IOMMU_TEST_OP_PASID_ATTACH};
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	uint32_t hwpt = 0, stdev = make_device(fd, &hwpt);

	if (!stdev)
		return false;
	destroy.id = replace.id = attach.id = stdev;
	replace.mock_domain_replace.pt_id = attach.pasid_attach.pt_id = hwpt;
	attach.pasid_attach.pasid = PASID;
	return !ioctl(fd, IOMMU_TEST_CMD, &replace) && !ioctl(fd, IOMMU_TEST_CMD, &attach) &&
	       !ioctl(fd, IOMMU_DESTROY, &destroy);
}

bool live_warn(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool misused = misuse(fd);
	close(fd);
	return misused;
}
