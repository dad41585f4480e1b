/* SPDX-License-Identifier: Apache-2.0 */
/* What a device says of its IOMMU, caches of virtual IOMMUs, options. */
#include "client.h"

static void info(int fd, uint32_t dev, uint32_t type, uint32_t length, uint32_t flags)
{
	struct iommu_test_hw_info data[3];
	struct iommu_hw_info command = {
		.size = sizeof(command),
		.flags = flags,
		.dev_id = dev,
		.data_len = length,
		.data_uptr = (uintptr_t)data,
	};

	command.in_data_type = type;
	memset(data, 0x11, sizeof(data));
	int result = call(fd, IOMMU_GET_HW_INFO, &command);
	printf("info of %u bytes: %s type %#x has %u, capabilities %#" PRIx64 ", 2^%u\n", length,
		named(result), command.out_data_type, command.data_len,
		(uint64_t)command.out_capabilities, command.out_max_pasid_log2);
	printf("  %#x %#x %#x %#x\n", data[0].flags, data[0].test_reg, data[1].flags,
		data[1].test_reg);
}

static int check_cache(int fd, uint32_t dev, uint32_t id, uint32_t value)
{
	return TEST(fd, IOMMU_TEST_OP_DEV_CHECK_CACHE, .id = dev,
		.dev_check_cache = {.id = id, .cache = value});
}

static void invalidate(int fd, uint32_t viommu, const char *what, const void *requests,
	uint32_t size, uint32_t count)
{
	struct iommu_hwpt_invalidate command = {
		.size = sizeof(command),
		.hwpt_id = viommu,
		.data_uptr = (uintptr_t)requests,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
		.entry_len = size,
		.entry_num = count,
	};
	int result = call(fd, IOMMU_HWPT_INVALIDATE, &command);

	printf("%s: %s, %u done\n", what, named(result), command.entry_num);
}

static void caches(int fd, uint32_t ioas, struct mock mock)
{
	struct iommu_viommu_invalidate_selftest requests[] = {
		{0, 0x99, 0}, {0, 0x99, 3}, {0, 0x98, 1}, {0, 0x99, 2}};
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu), .type = IOMMU_VIOMMU_TYPE_SELFTEST, .dev_id = mock.dev};
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice), .dev_id = mock.dev, .virt_id = 0x99};
	struct iommu_viommu_invalidate_selftest wide[2][2] = {
		{{0, 0x99, 1}, {0, 0, 0}}, {{0, 0x99, 1}, {0, 0, 1}}};

	hwpt_alloc(fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &viommu.hwpt_id);
	show("viommu", call(fd, IOMMU_VIOMMU_ALLOC, &viommu));
	vdevice.viommu_id = viommu.out_viommu_id;
	show("vdevice", call(fd, IOMMU_VDEVICE_ALLOC, &vdevice));
	for (uint32_t id = 0; id < 5; id++)
		printf("cache %u: %s\n", id, named(check_cache(fd, mock.dev, id, 0xbaddad)));
	invalidate(fd, viommu.out_viommu_id, "four", requests, 12, 4);
	for (uint32_t id = 0; id < 4; id++)
		printf("cache %u: %s\n", id, named(check_cache(fd, mock.dev, id, 0)));
	requests[3].flags = 1;
	invalidate(fd, viommu.out_viommu_id, "all", requests + 3, 12, 1);
	for (uint32_t id = 0; id < 4; id++)
		printf("cache %u: %s\n", id, named(check_cache(fd, mock.dev, id, 0)));
	requests[3].flags = 2;
	invalidate(fd, viommu.out_viommu_id, "wild flag", requests + 3, 12, 1);
	requests[3] = (struct iommu_viommu_invalidate_selftest){0, 0x99, 4};
	invalidate(fd, viommu.out_viommu_id, "wild cache", requests + 3, 12, 1);
	invalidate(fd, viommu.out_viommu_id, "short entries", requests, 8, 1);
	invalidate(fd, viommu.out_viommu_id, "long entries", wide, 24, 1);
	invalidate(fd, viommu.out_viommu_id, "long entries with more", wide, 24, 2);
	invalidate(fd, viommu.out_viommu_id, "none", NULL, 0, 0);
	invalidate(fd, viommu.out_viommu_id, "too long", requests, 4097, 1);
	invalidate(fd, viommu.out_viommu_id, "too many", requests, 12, (1 << 19) + 1);
	invalidate(fd, viommu.out_viommu_id, "no length", requests, 0, 1);
}

static void option(
	int fd, const char *what, uint32_t id, uint16_t op, uint32_t object, uint64_t value)
{
	struct iommu_option command = {
		.size = sizeof(command),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = value,
	};
	int result = call(fd, IOMMU_OPTION, &command);

	printf("%s: %s %" PRIu64 "\n", what, named(result), (uint64_t)command.val64);
}

static void options(void)
{
	int fd = open_iommu();

	option(fd, "mode", 0, 1, 0, 5);
	option(fd, "set mode", 0, 0, 0, 1);
	option(fd, "mode", 0, 1, 0, 5);
	option(fd, "wild mode", 0, 0, 0, 2);
	option(fd, "mode of an object", 0, 1, 1, 0);
	uint32_t ioas = new_ioas(fd);
	option(fd, "set mode too late", 0, 0, 0, 0);
	option(fd, "huge pages", 1, 1, ioas, 5);
	option(fd, "no huge pages", 1, 0, ioas, 0);
	option(fd, "huge pages", 1, 1, ioas, 5);
	option(fd, "wild value", 1, 0, ioas, 2);
	option(fd, "wild operation", 1, 2, ioas, 0);
	option(fd, "of nothing", 1, 2, 77, 0);
	option(fd, "wild option", 2, 1, ioas, 0);
	close(fd);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);

	for (uint32_t length = 0; length <= 16; length += 4)
		info(fd, mock.dev, 0, length, 0);
	info(fd, mock.dev, IOMMU_HW_INFO_TYPE_SELFTEST, 8, IOMMU_HW_INFO_FLAG_INPUT_TYPE);
	info(fd, mock.dev, IOMMU_HW_INFO_TYPE_INTEL_VTD, 8, IOMMU_HW_INFO_FLAG_INPUT_TYPE);
	info(fd, mock.dev, IOMMU_HW_INFO_TYPE_INTEL_VTD, 8, 0);
	info(fd, ioas, 0, 8, 0);
	info(fd, mock.dev, 0, 8, 2);
	caches(fd, ioas, mock);
	options();
	show("physical address",
		call(fd, IOMMU_IOAS_NOIOMMU_GET_PA,
			CMD(iommu_ioas_noiommu_get_pa, .ioas_id = ioas, .length = 4096)));
	close(fd);
	return 0;
}
