/* SPDX-License-Identifier: Apache-2.0 */
/* A type1 client whose container is /dev/vfio/vfio, where that is an iommufd (--devices vfio). */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "impl/abi/vfio_abi.h"

#define SIZE (4 * PAGE)

static void test_node(int fd)
{
	struct stat by_path, by_fd;

	tap_ok(!access("/dev/vfio/vfio", R_OK | W_OK) && access("/dev/vfio/0", F_OK),
		"the node is there, and no group");
	tap_ok(!stat("/dev/vfio/vfio", &by_path) && S_ISCHR(by_path.st_mode) &&
			(by_path.st_mode & 0777) == 0666 && minor(by_path.st_rdev) == 196,
		"everybody's, misc minor 196");
	tap_ok(!fstat(fd, &by_fd) && by_fd.st_rdev == by_path.st_rdev, "and so is the descriptor");
}

static void test_accounting(int fd, int plain)
{
	struct iommu_option option = {.size = sizeof(option),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET};

	tap_ok(!call(fd, IOMMU_OPTION, &option) && option.val64 == 1, "it accounts by mm");
	tap_ok(!call(plain, IOMMU_OPTION, &option) && option.val64 == 0, "/dev/iommu does not");
}

static void test_setup(int fd)
{
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat), .ioas_id = new_ioas(fd), .op = IOMMU_VFIO_IOAS_SET};
	uint32_t hwpt;

	tap_ok(ioctl(fd, VFIO_GET_API_VERSION) == VFIO_API_VERSION, "API version");
	tap_ok(ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1, "it is of type 1");
	tap_ok(ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0 && errno == ENODEV,
		"nothing can be set without an address space");
	tap_ok(!call(fd, IOMMU_VFIO_IOAS, &compat) && new_device(fd, compat.ioas_id, &hwpt),
		"an address space, and a device on it");
	tap_ok(!ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "now it can");
}

static void test_mapping(int fd)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = address_of(memory),
		.iova = APERTURE,
		.size = SIZE};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = APERTURE, .size = SIZE};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	long locked = status_kib("VmLck");

	tap_ok(!call(fd, VFIO_IOMMU_GET_INFO, &info) && info.iova_pgsizes & PAGE, "page sizes");
	tap_ok(!call(fd, VFIO_IOMMU_MAP_DMA, &map) && !check_refs(fd, memory, SIZE, 1), "mapped");
	tap_ok(status_kib("VmPin") >= 16, "what is pinned shows");
	tap_ok(!call(fd, VFIO_IOMMU_UNMAP_DMA, &unmap) && unmap.size == SIZE &&
			!check_refs(fd, memory, SIZE, 0) && status_kib("VmLck") == locked,
		"unmapped");
}

int main(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC),
	    plain = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	tap_begin();
	tap_ok(fd >= 0 && plain >= 0, "opened");
	test_node(fd);
	test_accounting(fd, plain);
	test_setup(fd);
	test_mapping(fd);
	return tap_end();
}
