/* SPDX-License-Identifier: Apache-2.0 */
/* A device without an IOMMU (--devices noiommu): where its IOVAs lead to. */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#define SIZE (4 * PAGE)

static int get_pa(int fd, struct iommu_ioas_noiommu_get_pa *get, uint64_t iova, uint64_t length)
{
	get->iova = iova;
	get->length = length;
	return call(fd, IOMMU_IOAS_NOIOMMU_GET_PA, get);
}

int main(void)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct iommu_ioas_noiommu_get_pa get = {.size = sizeof(get), .ioas_id = new_ioas(fd)};
	struct iommu_test_cmd device = {.size = sizeof(device),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		.id = get.ioas_id,
		.mock_domain_flags = {.dev_flags = MOCK_FLAGS_DEVICE_NOIOMMU}};
	uint64_t first;

	tap_begin();
	tap_ok(!call(fd, IOMMU_TEST_CMD, &device), "a device");
	tap_ok(!map(fd, get.ioas_id, memory, SIZE, APERTURE), "mapped");
	if (getuid()) {
		tap_ok(get_pa(fd, &get, APERTURE, PAGE) == -EPERM, "not for everybody");
		return tap_end();
	}
	tap_ok(!get_pa(fd, &get, APERTURE, PAGE) && get.length == PAGE && !(get.out_phys % PAGE),
		"where the first page is");
	first = get.out_phys;
	tap_ok(!get_pa(fd, &get, APERTURE + 5, 1) && get.length == 1 && get.out_phys == first + 5,
		"and a byte in it");
	tap_ok(get_pa(fd, &get, APERTURE + SIZE, 1) == -ENOENT, "behind it there is nothing");
	tap_ok(!unmap(fd, get.ioas_id, APERTURE, SIZE) && get_pa(fd, &get, APERTURE, 1) == -ENOENT,
		"nor when it is unmapped");
	return tap_end();
}
