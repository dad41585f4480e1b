/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOMMU_TEST_CMD, the operations of a kernel with CONFIG_IOMMUFD_TEST, and the data formats of its
 * mock devices. Specification iommufd.md 10. Members of the union are named after the operation.
 */
#ifndef IOMMUZZ_ABI_TEST_ABI_H
#define IOMMUZZ_ABI_TEST_ABI_H

#include "iommufd_abi.h"

#define IOMMU_TEST_CMD IOMMUFD_IO(0xa0U)

enum iommu_test_op {
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	IOMMU_TEST_OP_MOCK_DOMAIN = 2,
	IOMMU_TEST_OP_MD_CHECK_MAP = 3,
	IOMMU_TEST_OP_MD_CHECK_REFS = 4,
	IOMMU_TEST_OP_CREATE_ACCESS = 5,
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6,
	IOMMU_TEST_OP_ACCESS_PAGES = 7,
	IOMMU_TEST_OP_ACCESS_RW = 8,
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9,
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10,
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11,
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12,
	IOMMU_TEST_OP_DIRTY = 13,
	IOMMU_TEST_OP_MD_CHECK_IOTLB = 14,
	IOMMU_TEST_OP_TRIGGER_IOPF = 15,
	IOMMU_TEST_OP_DEV_CHECK_CACHE = 16,
	IOMMU_TEST_OP_TRIGGER_VEVENT = 17,
	IOMMU_TEST_OP_PASID_ATTACH = 18,
	IOMMU_TEST_OP_PASID_REPLACE = 19,
	IOMMU_TEST_OP_PASID_DETACH = 20,
	IOMMU_TEST_OP_PASID_CHECK_HWPT = 21,
	IOMMU_TEST_OP_DMABUF_GET = 22,
	IOMMU_TEST_OP_DMABUF_REVOKE = 23,
};

/* The mock's IOVA aperture and page sizes, in bytes (10.2). */
#define MOCK_APERTURE_START UINT64_C(0x1000000)
#define MOCK_APERTURE_LAST  UINT64_C(0x7FFFFFFF)
#define MOCK_PAGE_SIZE	    UINT64_C(2048)
#define MOCK_HUGE_PAGE_SIZE (512 * MOCK_PAGE_SIZE)

enum {
	MOCK_IOMMUPT_DEFAULT = 0,
	MOCK_IOMMUPT_HUGE = 1,
};

/* Flags of ACCESS_PAGES; SYZ also of ACCESS_RW and IOMMU_IOAS_COPY (10.25). */
enum {
	MOCK_FLAGS_ACCESS_WRITE = 1 << 0,
	MOCK_FLAGS_ACCESS_SYZ = 1 << 16,
};

/* Flags of ACCESS_RW. */
enum {
	MOCK_ACCESS_RW_WRITE = 1 << 0,
	MOCK_ACCESS_RW_SLOW_PATH = 1 << 2,
};

/* Flags of CREATE_ACCESS. */
enum {
	MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1 << 0,
};

/* dev_flags of MOCK_DOMAIN_FLAGS; bit 1 is invalid. */
enum {
	MOCK_FLAGS_DEVICE_NO_DIRTY = 1 << 0,
	MOCK_FLAGS_DEVICE_PASID = 1 << 2,
};
/* Ours, for machines with noiommu=mock: a device without an IOMMU (4.22). Kernels refuse it. */
#define MOCK_FLAGS_DEVICE_NOIOMMU 0x80000000u

enum {
	MOCK_NESTED_DOMAIN_IOTLB_ID_MAX = 3,
	MOCK_NESTED_DOMAIN_IOTLB_NUM = 4,
	MOCK_DEV_CACHE_ID_MAX = 3,
	MOCK_DEV_CACHE_NUM = 4,
	MOCK_PASID_WIDTH = 20,
	IOMMU_TEST_PASID_RESERVED = 1024,
	IOMMU_TEST_HW_QUEUE_MAX = 2,
	IOMMU_TEST_INVALIDATE_FLAG_ALL = 1 << 0,
};

#define IOMMU_HW_INFO_TYPE_SELFTEST		      0xfeedbeefU
#define IOMMU_HW_INFO_SELFTEST_REGVAL		      0xdeadbeefU
#define IOMMU_HWPT_DATA_SELFTEST		      0xdeadU
#define IOMMU_TEST_IOTLB_DEFAULT		      0xbadbeefU
#define IOMMU_TEST_DEV_CACHE_DEFAULT		      0xbaddadU
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST	      0xdeadbeefU
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID   0xdadbeefU
#define IOMMU_VIOMMU_TYPE_SELFTEST		      0xdeadbeefU
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST	      0xdeadbeefU
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeefU
#define IOMMU_VEVENTQ_TYPE_SELFTEST		      0xbeefbeefU
#define IOMMU_HW_QUEUE_TYPE_SELFTEST		      0xdeadbeefU

/* 10.1 */
struct iommu_test_cmd {
	uint32_t size;
	uint32_t op; /* enum iommu_test_op */
	uint32_t id; /* object or access descriptor, see the operation */
	uint32_t __reserved;
	union {
		struct {
			uint64_t start;
			uint64_t length;
		} add_reserved;
		struct {
			uint32_t out_stdev_id;
			uint32_t out_hwpt_id;
			uint32_t out_idev_id;
		} mock_domain;
		struct {
			uint32_t out_stdev_id;
			uint32_t out_hwpt_id;
			uint32_t out_idev_id;
			uint32_t dev_flags;
		} mock_domain_flags;
		struct {
			uint32_t pt_id;
		} mock_domain_replace;
		struct {
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
		} md_check_map;
		struct {
			uint64_t length;
			uint64_t uptr;
			uint32_t refs;
		} md_check_refs;
		struct {
			uint32_t out_access_fd;
			uint32_t flags;
		} create_access;
		struct {
			uint32_t access_pages_id;
		} destroy_access_pages;
		struct {
			uint32_t flags;
			uint32_t out_access_pages_id;
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
		} access_pages;
		struct {
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
			uint32_t flags;
		} access_rw;
		struct {
			uint32_t ioas_id;
		} access_replace_ioas;
		struct {
			uint32_t limit;
		} set_temp_memory_limit;
		struct {
			uint32_t flags;
			uint64_t iova;
			uint64_t length;
			uint64_t page_size;
			uint64_t uptr;
			uint64_t out_nr_dirty;
		} dirty;
		struct {
			uint32_t id;
			uint32_t iotlb;
		} md_check_iotlb;
		struct {
			uint32_t dev_id;
			uint32_t pasid;
			uint32_t grpid;
			uint32_t perm;
			uint64_t addr;
		} trigger_iopf;
		struct {
			uint32_t id;
			uint32_t cache;
		} dev_check_cache;
		struct {
			uint32_t dev_id;
		} trigger_vevent;
		struct {
			uint32_t pasid;
			uint32_t pt_id;
		} pasid_attach;
		struct {
			uint32_t pasid;
			uint32_t pt_id;
		} pasid_replace;
		struct {
			uint32_t pasid;
		} pasid_detach;
		struct {
			uint32_t pasid;
			uint32_t hwpt_id;
		} pasid_check_hwpt;
		struct {
			uint32_t length;
			uint32_t open_flags;
		} dmabuf_get;
		struct {
			int32_t dmabuf_fd;
			uint32_t revoked;
		} dmabuf_revoke;
	};
	uint32_t last;
};
static_assert(sizeof(struct iommu_test_cmd) == 72, "ABI");
static_assert(offsetof(struct iommu_test_cmd, last) == 64, "ABI");
static_assert(offsetof(struct iommu_test_cmd, dirty.out_nr_dirty) == 56, "ABI");

/* Smallest size word that is accepted: through last. */
#define IOMMU_TEST_CMD_MIN 68

struct iommu_test_hw_info {
	uint32_t flags;
	uint32_t test_reg;
};
static_assert(sizeof(struct iommu_test_hw_info) == 8, "ABI");

struct iommu_hwpt_selftest {
	uint32_t iotlb;
	uint32_t pagetable_type; /* MOCK_IOMMUPT_* */
};
static_assert(sizeof(struct iommu_hwpt_selftest) == 8, "ABI");

struct iommu_hwpt_invalidate_selftest {
	uint32_t flags; /* IOMMU_TEST_INVALIDATE_FLAG_ALL */
	uint32_t iotlb_id;
};
static_assert(sizeof(struct iommu_hwpt_invalidate_selftest) == 8, "ABI");

struct iommu_viommu_selftest {
	uint32_t in_data;
	uint32_t out_data;
	uint64_t out_mmap_offset;
	uint64_t out_mmap_length;
};
static_assert(sizeof(struct iommu_viommu_selftest) == 24, "ABI");

struct iommu_viommu_invalidate_selftest {
	uint32_t flags; /* IOMMU_TEST_INVALIDATE_FLAG_ALL */
	uint32_t vdev_id;
	uint32_t cache_id;
};
static_assert(sizeof(struct iommu_viommu_invalidate_selftest) == 12, "ABI");

struct iommu_viommu_event_selftest {
	uint32_t virt_id;
};
static_assert(sizeof(struct iommu_viommu_event_selftest) == 4, "ABI");

#endif
