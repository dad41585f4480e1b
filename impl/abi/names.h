/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of flags and enumerators, and the layouts that user pointers point at, for the rows of
 * calls.def. Included by catalogue.c alone. Names are the ABI's without prefix; `since` is from
 * specification section 15, 0 meaning as old as the call.
 */
#ifndef IOMMUZZ_ABI_NAMES_H
#define IOMMUZZ_ABI_NAMES_H

#include "fields.h"

#define NAMES_END {NULL, 0, 0}

static const struct named_value no_flags[] = {NAMES_END};

static const struct named_value map_flags[] = {
	{"FIXED_IOVA", IOMMU_IOAS_MAP_FIXED_IOVA, 0},
	{"WRITEABLE", IOMMU_IOAS_MAP_WRITEABLE, 0},
	{"READABLE", IOMMU_IOAS_MAP_READABLE, 0},
	NAMES_END,
};

static const struct named_value copy_flags[] = {
	{"FIXED_IOVA", IOMMU_IOAS_MAP_FIXED_IOVA, 0},
	{"WRITEABLE", IOMMU_IOAS_MAP_WRITEABLE, 0},
	{"READABLE", IOMMU_IOAS_MAP_READABLE, 0},
	{"SYZ", MOCK_FLAGS_ACCESS_SYZ, 0},
	NAMES_END,
};

static const struct named_value option_ops[] = {
	{"SET", IOMMU_OPTION_OP_SET, 0},
	{"GET", IOMMU_OPTION_OP_GET, 0},
	NAMES_END,
};

static const struct named_value vfio_ioas_ops[] = {
	{"GET", IOMMU_VFIO_IOAS_GET, 0},
	{"SET", IOMMU_VFIO_IOAS_SET, 0},
	{"CLEAR", IOMMU_VFIO_IOAS_CLEAR, 0},
	NAMES_END,
};

static const struct named_value hwpt_alloc_flags[] = {
	{"NEST_PARENT", IOMMU_HWPT_ALLOC_NEST_PARENT, LINUX(6, 7)},
	{"DIRTY_TRACKING", IOMMU_HWPT_ALLOC_DIRTY_TRACKING, LINUX(6, 7)},
	{"FAULT_ID_VALID", IOMMU_HWPT_FAULT_ID_VALID, LINUX(6, 11)},
	{"PASID", IOMMU_HWPT_ALLOC_PASID, LINUX(6, 15)},
	NAMES_END,
};

static const struct named_value hwpt_data_types[] = {
	{"NONE", IOMMU_HWPT_DATA_NONE, 0},
	{"VTD_S1", IOMMU_HWPT_DATA_VTD_S1, LINUX(6, 7)},
	{"ARM_SMMUV3", IOMMU_HWPT_DATA_ARM_SMMUV3, LINUX(6, 13)},
	{"AMD_GUEST", IOMMU_HWPT_DATA_AMD_GUEST, LINUX(7, 2)},
	{"SELFTEST", IOMMU_HWPT_DATA_SELFTEST, LINUX(6, 7)},
	NAMES_END,
};

static const struct named_value hw_info_flags[] = {
	{"INPUT_TYPE", IOMMU_HW_INFO_FLAG_INPUT_TYPE, LINUX(6, 17)},
	NAMES_END,
};

static const struct named_value hw_info_types[] = {
	{"DEFAULT", IOMMU_HW_INFO_TYPE_DEFAULT, 0},
	{"NONE", IOMMU_HW_INFO_TYPE_NONE, 0},
	{"INTEL_VTD", IOMMU_HW_INFO_TYPE_INTEL_VTD, 0},
	{"ARM_SMMUV3", IOMMU_HW_INFO_TYPE_ARM_SMMUV3, LINUX(6, 13)},
	{"TEGRA241_CMDQV", IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, LINUX(6, 17)},
	{"AMD", IOMMU_HW_INFO_TYPE_AMD, LINUX(7, 2)},
	{"SELFTEST", IOMMU_HW_INFO_TYPE_SELFTEST, 0},
	NAMES_END,
};

static const struct named_value hw_capabilities[] = {
	{"DIRTY_TRACKING", IOMMU_HW_CAP_DIRTY_TRACKING, LINUX(6, 7)},
	{"PCI_PASID_EXEC", IOMMU_HW_CAP_PCI_PASID_EXEC, LINUX(6, 15)},
	{"PCI_PASID_PRIV", IOMMU_HW_CAP_PCI_PASID_PRIV, LINUX(6, 15)},
	{"PCI_ATS_NOT_SUPPORTED", IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, LINUX(7, 2)},
	NAMES_END,
};

static const struct named_value set_dirty_flags[] = {
	{"ENABLE", IOMMU_HWPT_DIRTY_TRACKING_ENABLE, 0},
	NAMES_END,
};

static const struct named_value get_dirty_flags[] = {
	{"NO_CLEAR", IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, 0},
	NAMES_END,
};

static const struct named_value invalidate_data_types[] = {
	{"VTD_S1", IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, 0},
	{"ARM_SMMUV3", IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, LINUX(6, 13)},
	{"SELFTEST", IOMMU_HWPT_INVALIDATE_DATA_SELFTEST, 0},
	{"SELFTEST_INVALID", IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID, 0},
	NAMES_END,
};

static const struct named_value viommu_types[] = {
	{"DEFAULT", IOMMU_VIOMMU_TYPE_DEFAULT, 0},
	{"ARM_SMMUV3", IOMMU_VIOMMU_TYPE_ARM_SMMUV3, 0},
	{"TEGRA241_CMDQV", IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, LINUX(6, 17)},
	{"SELFTEST", IOMMU_VIOMMU_TYPE_SELFTEST, 0},
	NAMES_END,
};

static const struct named_value veventq_types[] = {
	{"DEFAULT", IOMMU_VEVENTQ_TYPE_DEFAULT, 0},
	{"ARM_SMMUV3", IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, 0},
	{"TEGRA241_CMDQV", IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, LINUX(6, 17)},
	{"SELFTEST", IOMMU_VEVENTQ_TYPE_SELFTEST, 0},
	NAMES_END,
};

static const struct named_value hw_queue_types[] = {
	{"DEFAULT", IOMMU_HW_QUEUE_TYPE_DEFAULT, 0},
	{"TEGRA241_CMDQV", IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV, 0},
	{"SELFTEST", IOMMU_HW_QUEUE_TYPE_SELFTEST, 0},
	NAMES_END,
};

static const struct named_value pgfault_perm[] = {
	{"READ", IOMMU_PGFAULT_PERM_READ, 0},
	{"WRITE", IOMMU_PGFAULT_PERM_WRITE, 0},
	{"EXEC", IOMMU_PGFAULT_PERM_EXEC, 0},
	{"PRIV", IOMMU_PGFAULT_PERM_PRIV, 0},
	NAMES_END,
};

static const struct named_value page_response_codes[] = {
	{"SUCCESS", IOMMUFD_PAGE_RESP_SUCCESS, 0},
	{"INVALID", IOMMUFD_PAGE_RESP_INVALID, 0},
	NAMES_END,
};

/* The mock. */
static const struct named_value create_access_flags[] = {
	{"NEEDS_PIN_PAGES", MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES, 0},
	NAMES_END,
};

static const struct named_value access_pages_flags[] = {
	{"WRITE", MOCK_FLAGS_ACCESS_WRITE, 0},
	{"SYZ", MOCK_FLAGS_ACCESS_SYZ, 0},
	NAMES_END,
};

static const struct named_value test_access_rw_flags[] = {
	{"WRITE", MOCK_ACCESS_RW_WRITE, 0},
	{"SLOW_PATH", MOCK_ACCESS_RW_SLOW_PATH, 0},
	{"SYZ", MOCK_FLAGS_ACCESS_SYZ, 0},
	NAMES_END,
};

static const struct named_value mock_device_flags[] = {
	{"NO_DIRTY", MOCK_FLAGS_DEVICE_NO_DIRTY, 0},
	{"PASID", MOCK_FLAGS_DEVICE_PASID, LINUX(6, 15)},
	{"NOIOMMU", MOCK_FLAGS_DEVICE_NOIOMMU, LINUX(7, 3)},
	NAMES_END,
};

static const struct named_value invalidate_flags[] = {
	{"ALL", IOMMU_TEST_INVALIDATE_FLAG_ALL, 0},
	NAMES_END,
};

static const struct named_value pagetable_types[] = {
	{"DEFAULT", MOCK_IOMMUPT_DEFAULT, 0},
	{"HUGE", MOCK_IOMMUPT_HUGE, LINUX(6, 19)},
	NAMES_END,
};

static const struct named_value open_flags[] = {
	{"RDWR", 02, 0},
	{"CLOEXEC", 02000000, 0},
	NAMES_END,
};

/* VFIO. */
static const struct named_value vfio_extensions[] = {
	{"TYPE1_IOMMU", VFIO_TYPE1_IOMMU, 0},
	{"SPAPR_TCE_IOMMU", VFIO_SPAPR_TCE_IOMMU, 0},
	{"TYPE1v2_IOMMU", VFIO_TYPE1v2_IOMMU, 0},
	{"DMA_CC_IOMMU", VFIO_DMA_CC_IOMMU, 0},
	{"EEH", VFIO_EEH, 0},
	{"TYPE1_NESTING_IOMMU", 6, 0},
	{"SPAPR_TCE_v2_IOMMU", VFIO_SPAPR_TCE_v2_IOMMU, 0},
	{"NOIOMMU_IOMMU", VFIO_NOIOMMU_IOMMU, 0},
	{"UNMAP_ALL", VFIO_UNMAP_ALL, LINUX(5, 12)},
	{"UPDATE_VADDR", VFIO_UPDATE_VADDR, LINUX(5, 12)},
	NAMES_END,
};

static const struct named_value group_status_flags[] = {
	{"VIABLE", VFIO_GROUP_FLAGS_VIABLE, 0},
	{"CONTAINER_SET", VFIO_GROUP_FLAGS_CONTAINER_SET, 0},
	NAMES_END,
};

static const struct named_value type1_info_flags[] = {
	{"PGSIZES", VFIO_IOMMU_INFO_PGSIZES, 0},
	{"CAPS", VFIO_IOMMU_INFO_CAPS, 0},
	NAMES_END,
};

static const struct named_value dma_map_flags[] = {
	{"READ", VFIO_DMA_MAP_FLAG_READ, 0},
	{"WRITE", VFIO_DMA_MAP_FLAG_WRITE, 0},
	{"VADDR", VFIO_DMA_MAP_FLAG_VADDR, LINUX(5, 12)},
	NAMES_END,
};

static const struct named_value dma_unmap_flags[] = {
	{"GET_DIRTY_BITMAP", VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, LINUX(5, 8)},
	{"ALL", VFIO_DMA_UNMAP_FLAG_ALL, LINUX(5, 12)},
	{"VADDR", VFIO_DMA_UNMAP_FLAG_VADDR, LINUX(5, 12)},
	NAMES_END,
};

static const struct named_value dirty_pages_flags[] = {
	{"START", VFIO_IOMMU_DIRTY_PAGES_FLAG_START, 0},
	{"STOP", VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, 0},
	{"GET_BITMAP", VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP, 0},
	NAMES_END,
};

static const struct named_value spapr_info_flags[] = {
	{"DDW", VFIO_IOMMU_SPAPR_INFO_DDW, 0},
	NAMES_END,
};

static const struct named_value bind_flags[] = {
	{"TOKEN", VFIO_DEVICE_BIND_FLAG_TOKEN, LINUX(6, 17)},
	NAMES_END,
};

static const struct named_value attach_flags[] = {
	{"PASID", VFIO_DEVICE_ATTACH_PASID, LINUX(6, 15)},
	NAMES_END,
};

/* Calls that are not ioctls. */
#define NUMBERED_NODES(prefix, base)                                                               \
	{prefix "0", (base), 0}, {prefix "1", (base) + 1, 0}, {prefix "2", (base) + 2, 0},         \
		{prefix "3", (base) + 3, 0}, {prefix "4", (base) + 4, 0},                          \
		{prefix "5", (base) + 5, 0}, {prefix "6", (base) + 6, 0},                          \
		{prefix "7", (base) + 7, 0}

static const struct named_value open_paths[] = {
	{"/dev/iommu", CALL_OPEN_IOMMU, LINUX(6, 2)},
	{"/dev/vfio/vfio", CALL_OPEN_CONTAINER, 0},
	NUMBERED_NODES("/dev/vfio/", CALL_OPEN_GROUP),
	NUMBERED_NODES("/dev/vfio/noiommu-", CALL_OPEN_NOIOMMU_GROUP),
	NUMBERED_NODES("/dev/vfio/devices/vfio", CALL_OPEN_CDEV),
	NAMES_END,
};

static const struct named_value poll_events[] = {
	{"IN", CALL_POLL_IN, 0},
	{"PRI", CALL_POLL_PRI, 0},
	{"OUT", CALL_POLL_OUT, 0},
	{"ERR", CALL_POLL_ERR, 0},
	{"HUP", CALL_POLL_HUP, 0},
	{"RDNORM", CALL_POLL_RDNORM, 0},
	NAMES_END,
};

static const struct named_value prot_flags[] = {
	{"READ", CALL_PROT_READ, 0},
	{"WRITE", CALL_PROT_WRITE, 0},
	{"EXEC", CALL_PROT_EXEC, 0},
	NAMES_END,
};

static const struct named_value mmap_flags[] = {
	{"SHARED", CALL_MAP_SHARED, 0},
	{"PRIVATE", CALL_MAP_PRIVATE, 0},
	{"FIXED", CALL_MAP_FIXED, 0},
	{"ANONYMOUS", CALL_MAP_ANONYMOUS, 0},
	{"HUGETLB", CALL_MAP_HUGETLB, 0},
	NAMES_END,
};

static const struct named_value memfd_flags[] = {
	{"HUGETLB", CALL_MEMFD_HUGETLB, 0},
	NAMES_END,
};

static const struct named_value caps_flags[] = {
	{"IPC_LOCK", CALL_CAP_IPC_LOCK, 0},
	{"SYS_RAWIO", CALL_CAP_SYS_RAWIO, 0},
	{"SYS_RESOURCE", CALL_CAP_SYS_RESOURCE, 0},
	NAMES_END,
};

static const struct named_value access_create_flags[] = {
	{"NEEDS_PIN", CALL_ACCESS_NEEDS_PIN, 0},
	{"NO_UNMAP", CALL_ACCESS_NO_UNMAP, 0},
	NAMES_END,
};

static const struct named_value access_flags[] = {
	{"WRITE", CALL_ACCESS_WRITE, 0},
	{"KTHREAD", CALL_ACCESS_KTHREAD, 0},
	{"SLOW_PATH", CALL_ACCESS_SLOW_PATH, 0},
	NAMES_END,
};

static const struct named_value on_events[] = {
	{"unmap", CALL_ON_UNMAP, 0},
	{"notify", CALL_ON_NOTIFY, 0},
	NAMES_END,
};

static const struct named_value notify_kinds[] = {
	{"ALL", CALL_NOTIFY_ALL, 0},
	{"ALLOC", CALL_NOTIFY_ALLOC, 0},
	{"FREE", CALL_NOTIFY_FREE, 0},
	{"BIND", CALL_NOTIFY_BIND, 0},
	{"UNBIND", CALL_NOTIFY_UNBIND, 0},
	NAMES_END,
};

/* Layouts behind user pointers. Drivers' data are those of the mock: the only driver that every
 * machine has. */
#define LAYOUT(type, list)                                                                         \
	{.name = #type,                                                                            \
		.size = sizeof(struct type),                                                       \
		.field_count = sizeof(list) / sizeof((list)[0]),                                   \
		.fields = list}

static const struct field iova_range_fields[] = {
	IOVA(iommu_iova_range, start, FIELD_INOUT),
	IOVA(iommu_iova_range, last, FIELD_INOUT),
};
static const struct layout iova_range_layout = LAYOUT(iommu_iova_range, iova_range_fields);

static const struct field hwpt_selftest_fields[] = {
	NUMBER(iommu_hwpt_selftest, iotlb, FIELD_IN),
	ENUM(iommu_hwpt_selftest, pagetable_type, FIELD_IN, pagetable_types),
};
static const struct layout hwpt_selftest_layout = LAYOUT(iommu_hwpt_selftest, hwpt_selftest_fields);

static const struct field test_hw_info_fields[] = {
	NUMBER(iommu_test_hw_info, flags, FIELD_OUT),
	NUMBER(iommu_test_hw_info, test_reg, FIELD_OUT),
};
static const struct layout test_hw_info_layout = LAYOUT(iommu_test_hw_info, test_hw_info_fields);

static const struct field hwpt_invalidate_selftest_fields[] = {
	FLAGS(iommu_hwpt_invalidate_selftest, flags, invalidate_flags),
	NUMBER(iommu_hwpt_invalidate_selftest, iotlb_id, FIELD_IN),
};
static const struct layout hwpt_invalidate_selftest_layout =
	LAYOUT(iommu_hwpt_invalidate_selftest, hwpt_invalidate_selftest_fields);

static const struct field viommu_selftest_fields[] = {
	NUMBER(iommu_viommu_selftest, in_data, FIELD_IN),
	NUMBER(iommu_viommu_selftest, out_data, FIELD_OUT),
	NUMBER(iommu_viommu_selftest, out_mmap_offset, FIELD_OUT),
	LENGTH(iommu_viommu_selftest, out_mmap_length, FIELD_OUT),
};
static const struct layout viommu_selftest_layout =
	LAYOUT(iommu_viommu_selftest, viommu_selftest_fields);

static const struct field page_response_fields[] = {
	OBJECT(iommu_hwpt_page_response, cookie, FIELD_IN, FAULT_COOKIE),
	ENUM(iommu_hwpt_page_response, code, FIELD_IN, page_response_codes),
};
static const struct layout page_response_layout =
	LAYOUT(iommu_hwpt_page_response, page_response_fields);

static const struct field uuid_fields[] = {
	NUMBER(vfio_token_uuid, low, FIELD_IN),
	NUMBER(vfio_token_uuid, high, FIELD_IN),
};
static const struct layout uuid_layout = LAYOUT(vfio_token_uuid, uuid_fields);

#endif
