/* SPDX-License-Identifier: Apache-2.0 */
/* A program outside uses libiommuzz: its own memory, its own structs, an access that reads what it
 * mapped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/include/iommuzz.h"

#define PAGE ((size_t)4096)

static unsigned tests, failures, callbacks;

static void expect(const char *name, int64_t got, int64_t wanted)
{
	printf("%s %u - %s\n", got == wanted ? "ok" : "not ok", ++tests, name);
	if (got == wanted)
		return;
	failures++;
	printf("# got %lld, wanted %lld\n", (long long)got, (long long)wanted);
}

static bool count_unmap(void *context, uint64_t access, uint64_t iova, uint64_t length)
{
	(void)context;
	(void)access;
	(void)iova;
	(void)length;
	callbacks++;
	return false;
}

static void test_host_memory(void)
{
	struct iommuzz_options options = {.unmap = count_unmap};
	struct iommuzz *machine = iommuzz_create(&options);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_ioas_map map = {
		.size = sizeof(map), .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .length = UINT64_MAX};
	char *memory = aligned_alloc(PAGE, 4 * PAGE), back[16] = "";
	int64_t access;
	int fd = iommuzz_open(machine, "/dev/iommu");

	memset(memory, 0, 4 * PAGE);
	strcpy(memory + 100, "seen by a device");
	expect("open", fd >= 0, 1);
	expect("IOAS_ALLOC", iommuzz_ioctl(machine, fd, IOMMU_IOAS_ALLOC, (uintptr_t)&alloc), 0);
	map.ioas_id = alloc.out_ioas_id;
	map.user_va = (uintptr_t)memory;
	map.length = 4 * PAGE;
	expect("MAP", iommuzz_ioctl(machine, fd, IOMMU_IOAS_MAP, (uintptr_t)&map), 0);
	access = iommuzz_access_create(machine, fd, IOMMUZZ_ACCESS_NEEDS_PIN, NULL);
	expect("create", access > 0, 1);
	expect("attach", iommuzz_access_attach(machine, (uint64_t)access, alloc.out_ioas_id), 0);
	expect("pin",
		iommuzz_access_pin(machine, (uint64_t)access, map.iova, PAGE, IOMMUZZ_ACCESS_WRITE),
		0);
	expect("rw",
		iommuzz_access_rw(machine, (uint64_t)access, map.iova + 100, sizeof(back),
			(uintptr_t)back, 0),
		0);
	expect("the access reads the program's memory", memcmp(back, memory + 100, sizeof(back)),
		0);
	unmap.ioas_id = alloc.out_ioas_id;
	expect("UNMAP", iommuzz_ioctl(machine, fd, IOMMU_IOAS_UNMAP, (uintptr_t)&unmap), 0);
	expect("one callback", callbacks, 1);
	expect("a bad pointer", iommuzz_ioctl(machine, fd, IOMMU_IOAS_MAP, 0), -EFAULT);
	expect("close", iommuzz_close(machine, fd), 0);
	iommuzz_destroy(machine);
	free(memory);
}

static void test_own_memory(void)
{
	struct iommuzz_options options = {.own_memory = true, .kernel_major = 6, .kernel_minor = 2};
	struct iommuzz *machine = iommuzz_create(&options);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int fd = iommuzz_open(machine, "/dev/iommu");

	expect("write",
		(int64_t)iommuzz_memory_write(machine, IOMMUZZ_MEMORY_BASE, &alloc, sizeof(alloc)),
		sizeof(alloc));
	expect("IOAS_ALLOC", iommuzz_ioctl(machine, fd, IOMMU_IOAS_ALLOC, IOMMUZZ_MEMORY_BASE), 0);
	expect("read",
		(int64_t)iommuzz_memory_read(machine, IOMMUZZ_MEMORY_BASE, &alloc, sizeof(alloc)),
		sizeof(alloc));
	expect("the id", alloc.out_ioas_id, 1);
	expect("no HWPT_ALLOC in 6.2",
		iommuzz_ioctl(machine, fd, IOMMU_HWPT_ALLOC, IOMMUZZ_MEMORY_BASE), -ENOTTY);
	iommuzz_destroy(machine);
	options.kernel_minor = 1;
	expect("no iommufd in 6.1", iommuzz_create(&options) == NULL, 1);
}

int main(void)
{
	test_host_memory();
	test_own_memory();
	printf("1..%u\n", tests);
	return failures != 0;
}
