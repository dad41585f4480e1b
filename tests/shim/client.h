/* SPDX-License-Identifier: Apache-2.0 */
/* Short forms for the programs of this folder, which run under `iommuzz shim` (ci/tests.d/shim.t).
 */
#ifndef IOMMUZZ_TESTS_SHIM_CLIENT_H
#define IOMMUZZ_TESTS_SHIM_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "tests/tap.h"

#define PAGE	 UINT64_C(4096)
#define APERTURE UINT64_C(0x1000000)
#define ALL_MAP	 (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

static inline uintptr_t address_of(const void *pointer)
{
	return (uintptr_t)pointer;
}

/* 0 or negative errno, as all below. */
static inline int call(int fd, unsigned long number, void *argument)
{
	return ioctl(fd, number, argument) < 0 ? -errno : 0;
}

static inline uint32_t new_ioas(int fd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	return call(fd, IOMMU_IOAS_ALLOC, &alloc) ? 0 : alloc.out_ioas_id;
}

static inline int map(int fd, uint32_t ioas, const void *memory, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map argument = {.size = sizeof(argument),
		.flags = ALL_MAP,
		.ioas_id = ioas,
		.user_va = address_of(memory),
		.length = length,
		.iova = iova};

	return call(fd, IOMMU_IOAS_MAP, &argument);
}

static inline int unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap argument = {
		.size = sizeof(argument), .ioas_id = ioas, .iova = iova, .length = length};

	return call(fd, IOMMU_IOAS_UNMAP, &argument);
}

static inline int destroy(int fd, uint32_t id)
{
	struct iommu_destroy argument = {.size = sizeof(argument), .id = id};

	return call(fd, IOMMU_DESTROY, &argument);
}

/* A mock device; its page table in *hwpt. The id of the device, 0: failed. */
static inline uint32_t new_device(int fd, uint32_t ioas, uint32_t *hwpt)
{
	struct iommu_test_cmd argument = {
		.size = sizeof(argument), .op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = ioas};

	if (call(fd, IOMMU_TEST_CMD, &argument))
		return 0;
	*hwpt = argument.mock_domain.out_hwpt_id;
	return argument.mock_domain.out_stdev_id;
}

static inline int check_map(
	int fd, uint32_t hwpt, const void *memory, uint64_t length, uint64_t iova)
{
	struct iommu_test_cmd argument = {.size = sizeof(argument),
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = hwpt,
		.md_check_map = {.iova = iova, .length = length, .uptr = address_of(memory)}};

	return call(fd, IOMMU_TEST_CMD, &argument);
}

static inline int check_refs(int fd, const void *memory, uint64_t length, uint32_t refs)
{
	struct iommu_test_cmd argument = {.size = sizeof(argument),
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.md_check_refs = {.refs = refs, .length = length, .uptr = address_of(memory)}};

	return call(fd, IOMMU_TEST_CMD, &argument);
}

/* VmPin or VmLck of this process in KiB. */
static inline long status_kib(const char *name)
{
	char line[256];
	long value = -1;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && value < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, strlen(name)))
			value = strtol(line + strlen(name) + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

#endif
