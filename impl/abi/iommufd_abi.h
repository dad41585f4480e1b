/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The iommufd user interface: numbers, structs, flags and event records, with the ABI's own names
 * (Linux 7.3). Specification iommufd.md 1.2, 4.1 to 4.22, 5, 6.9. Self-contained, since
 * distributions ship older headers; must never be included together with the system's
 * <linux/iommufd.h>.
 */
#ifndef IOMMUZZ_ABI_IOMMUFD_ABI_H
#define IOMMUZZ_ABI_IOMMUFD_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* An ioctl command without direction and size bits (1.2). */
#define IOMMUFD_TYPE   0x3BU
#define IOMMUFD_IO(nr) ((IOMMUFD_TYPE << 8) | (nr))

enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_CMD_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_CMD_VIOMMU_ALLOC = 0x90,
	IOMMUFD_CMD_VDEVICE_ALLOC = 0x91,
	IOMMUFD_CMD_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_CMD_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_CMD_HW_QUEUE_ALLOC = 0x94,
	IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA = 0x95,
};

#define IOMMU_DESTROY		      IOMMUFD_IO(0x80U)
#define IOMMU_IOAS_ALLOC	      IOMMUFD_IO(0x81U)
#define IOMMU_IOAS_ALLOW_IOVAS	      IOMMUFD_IO(0x82U)
#define IOMMU_IOAS_COPY		      IOMMUFD_IO(0x83U)
#define IOMMU_IOAS_IOVA_RANGES	      IOMMUFD_IO(0x84U)
#define IOMMU_IOAS_MAP		      IOMMUFD_IO(0x85U)
#define IOMMU_IOAS_UNMAP	      IOMMUFD_IO(0x86U)
#define IOMMU_OPTION		      IOMMUFD_IO(0x87U)
#define IOMMU_VFIO_IOAS		      IOMMUFD_IO(0x88U)
#define IOMMU_HWPT_ALLOC	      IOMMUFD_IO(0x89U)
#define IOMMU_GET_HW_INFO	      IOMMUFD_IO(0x8aU)
#define IOMMU_HWPT_SET_DIRTY_TRACKING IOMMUFD_IO(0x8bU)
#define IOMMU_HWPT_GET_DIRTY_BITMAP   IOMMUFD_IO(0x8cU)
#define IOMMU_HWPT_INVALIDATE	      IOMMUFD_IO(0x8dU)
#define IOMMU_FAULT_QUEUE_ALLOC	      IOMMUFD_IO(0x8eU)
#define IOMMU_IOAS_MAP_FILE	      IOMMUFD_IO(0x8fU)
#define IOMMU_VIOMMU_ALLOC	      IOMMUFD_IO(0x90U)
#define IOMMU_VDEVICE_ALLOC	      IOMMUFD_IO(0x91U)
#define IOMMU_IOAS_CHANGE_PROCESS     IOMMUFD_IO(0x92U)
#define IOMMU_VEVENTQ_ALLOC	      IOMMUFD_IO(0x93U)
#define IOMMU_HW_QUEUE_ALLOC	      IOMMUFD_IO(0x94U)
#define IOMMU_IOAS_NOIOMMU_GET_PA     IOMMUFD_IO(0x95U)

/* 4.1 */
struct iommu_destroy {
	uint32_t size;
	uint32_t id;
};
static_assert(sizeof(struct iommu_destroy) == 8, "ABI");

/* 4.2 */
struct iommu_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};
static_assert(sizeof(struct iommu_ioas_alloc) == 12, "ABI");

/* Both ends inclusive. */
struct iommu_iova_range {
	uint64_t start;
	uint64_t last;
};
static_assert(sizeof(struct iommu_iova_range) == 16, "ABI");

/* 4.3 */
struct iommu_ioas_allow_iovas {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t __reserved;
	uint64_t allowed_iovas; /* struct iommu_iova_range[num_iovas] */
};
static_assert(sizeof(struct iommu_ioas_allow_iovas) == 24, "ABI");

/* Flags of MAP, MAP_FILE and COPY (4.4, 4.6). */
enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
	IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
	IOMMU_IOAS_MAP_READABLE = 1 << 2,
};

/* 4.4 */
struct iommu_ioas_copy {
	uint32_t size;
	uint32_t flags; /* enum iommufd_ioas_map_flags */
	uint32_t dst_ioas_id;
	uint32_t src_ioas_id;
	uint64_t length;
	uint64_t dst_iova;
	uint64_t src_iova;
};
static_assert(sizeof(struct iommu_ioas_copy) == 40, "ABI");

/* 4.5 */
struct iommu_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t __reserved;
	uint64_t allowed_iovas; /* struct iommu_iova_range[num_iovas], written */
	uint64_t out_iova_alignment;
};
static_assert(sizeof(struct iommu_ioas_iova_ranges) == 32, "ABI");

/* 4.6 */
struct iommu_ioas_map {
	uint32_t size;
	uint32_t flags; /* enum iommufd_ioas_map_flags */
	uint32_t ioas_id;
	uint32_t __reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};
static_assert(sizeof(struct iommu_ioas_map) == 40, "ABI");

/* 4.7 */
struct iommu_ioas_map_file {
	uint32_t size;
	uint32_t flags; /* enum iommufd_ioas_map_flags */
	uint32_t ioas_id;
	int32_t fd;
	uint64_t start;
	uint64_t length;
	uint64_t iova;
};
static_assert(sizeof(struct iommu_ioas_map_file) == 40, "ABI");

/* 4.8 */
struct iommu_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};
static_assert(sizeof(struct iommu_ioas_unmap) == 24, "ABI");

/* 4.9 */
enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

struct iommu_option {
	uint32_t size;
	uint32_t option_id; /* enum iommufd_option */
	uint16_t op;	    /* enum iommufd_option_ops */
	uint16_t __reserved;
	uint32_t object_id;
	uint64_t val64;
};
static_assert(sizeof(struct iommu_option) == 24, "ABI");

/* 4.10 */
enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,
};

enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2,
	IOMMU_HWPT_DATA_AMD_GUEST = 3,
};

struct iommu_hwpt_alloc {
	uint32_t size;
	uint32_t flags; /* enum iommufd_hwpt_alloc_flags */
	uint32_t dev_id;
	uint32_t pt_id;
	uint32_t out_hwpt_id;
	uint32_t __reserved;
	uint32_t data_type; /* enum iommu_hwpt_data_type */
	uint32_t data_len;
	uint64_t data_uptr;
	uint32_t fault_id;
	uint32_t __reserved2;
};
static_assert(sizeof(struct iommu_hwpt_alloc) == 48, "ABI");

/* 4.11 */
enum iommu_hw_info_flag {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0,
};

enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2,
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3,
};

struct iommu_hw_info {
	uint32_t size;
	uint32_t flags; /* enum iommu_hw_info_flag */
	uint32_t dev_id;
	uint32_t data_len;
	uint64_t data_uptr;
	union {
		uint32_t in_data_type;
		uint32_t out_data_type;
	};
	uint8_t out_max_pasid_log2;
	uint8_t __reserved[3];
	uint64_t out_capabilities;
};
static_assert(sizeof(struct iommu_hw_info) == 40, "ABI");

/* 4.12 */
enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1 << 0,
};

struct iommu_hwpt_set_dirty_tracking {
	uint32_t size;
	uint32_t flags;
	uint32_t hwpt_id;
	uint32_t __reserved;
};
static_assert(sizeof(struct iommu_hwpt_set_dirty_tracking) == 16, "ABI");

/* 4.13 */
enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1 << 0,
};

struct iommu_hwpt_get_dirty_bitmap {
	uint32_t size;
	uint32_t hwpt_id;
	uint32_t flags;
	uint32_t __reserved;
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	uint64_t data; /* bitmap, one bit for page_size bytes */
};
static_assert(sizeof(struct iommu_hwpt_get_dirty_bitmap) == 48, "ABI");

/* 4.14 */
enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1,
};

struct iommu_hwpt_invalidate {
	uint32_t size;
	uint32_t hwpt_id;
	uint64_t data_uptr;
	uint32_t data_type; /* enum iommu_hwpt_invalidate_data_type */
	uint32_t entry_len;
	uint32_t entry_num;
	uint32_t __reserved;
};
static_assert(sizeof(struct iommu_hwpt_invalidate) == 32, "ABI");

/* 4.15 */
struct iommu_fault_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_fault_id;
	uint32_t out_fault_fd;
};
static_assert(sizeof(struct iommu_fault_alloc) == 16, "ABI");

/* 4.16 */
enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2,
};

struct iommu_viommu_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t type; /* enum iommu_viommu_type */
	uint32_t dev_id;
	uint32_t hwpt_id;
	uint32_t out_viommu_id;
	uint32_t data_len;
	uint32_t __reserved;
	uint64_t data_uptr;
};
static_assert(sizeof(struct iommu_viommu_alloc) == 40, "ABI");

/* 4.17 */
struct iommu_vdevice_alloc {
	uint32_t size;
	uint32_t viommu_id;
	uint32_t dev_id;
	uint32_t out_vdevice_id;
	uint64_t virt_id;
};
static_assert(sizeof(struct iommu_vdevice_alloc) == 24, "ABI");

/* 4.18 */
struct iommu_ioas_change_process {
	uint32_t size;
	uint32_t __reserved;
};
static_assert(sizeof(struct iommu_ioas_change_process) == 8, "ABI");

/* 4.19 */
enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2,
};

struct iommu_veventq_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type; /* enum iommu_veventq_type */
	uint32_t veventq_depth;
	uint32_t out_veventq_id;
	uint32_t out_veventq_fd;
	uint32_t __reserved;
};
static_assert(sizeof(struct iommu_veventq_alloc) == 32, "ABI");

/* 4.20 */
enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

struct iommu_hw_queue_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type; /* enum iommu_hw_queue_type */
	uint32_t index;
	uint32_t out_hw_queue_id;
	uint64_t nesting_parent_iova;
	uint64_t length;
};
static_assert(sizeof(struct iommu_hw_queue_alloc) == 40, "ABI");

/* 4.21 */
enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

struct iommu_vfio_ioas {
	uint32_t size;
	uint32_t ioas_id;
	uint16_t op; /* enum iommufd_vfio_ioas_op */
	uint16_t __reserved;
};
static_assert(sizeof(struct iommu_vfio_ioas) == 12, "ABI");

/* 4.22 */
struct iommu_ioas_noiommu_get_pa {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t __reserved;
	uint64_t iova;
	uint64_t length;
	uint64_t out_phys;
};
static_assert(sizeof(struct iommu_ioas_noiommu_get_pa) == 40, "ABI");

/* 5.2: records read from a fault descriptor, and the answers written to it. */
enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID = 1 << 0,
	IOMMU_PGFAULT_FLAGS_LAST_PAGE = 1 << 1,
};

enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ = 1 << 0,
	IOMMU_PGFAULT_PERM_WRITE = 1 << 1,
	IOMMU_PGFAULT_PERM_EXEC = 1 << 2,
	IOMMU_PGFAULT_PERM_PRIV = 1 << 3,
};

struct iommu_hwpt_pgfault {
	uint32_t flags; /* enum iommu_hwpt_pgfault_flags */
	uint32_t dev_id;
	uint32_t pasid;
	uint32_t grpid;
	uint32_t perm; /* enum iommu_hwpt_pgfault_perm */
	uint32_t __reserved;
	uint64_t addr;
	uint32_t length;
	uint32_t cookie;
};
static_assert(sizeof(struct iommu_hwpt_pgfault) == 40, "ABI");

enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

struct iommu_hwpt_page_response {
	uint32_t cookie;
	uint32_t code; /* enum iommufd_page_response_code */
};
static_assert(sizeof(struct iommu_hwpt_page_response) == 8, "ABI");

/* 5.3: header of each record read from a veventq descriptor. */
enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1 << 0,
};

struct iommufd_vevent_header {
	uint32_t flags; /* enum iommu_veventq_flag */
	uint32_t sequence;
};
static_assert(sizeof(struct iommufd_vevent_header) == 8, "ABI");

/* 6.9: data of real drivers. */
enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,
	IOMMU_VTD_S1_EAFE = 1 << 1,
	IOMMU_VTD_S1_WPE = 1 << 2,
};

struct iommu_hwpt_vtd_s1 {
	uint64_t flags; /* enum iommu_hwpt_vtd_s1_flags */
	uint64_t pgtbl_addr;
	uint32_t addr_width;
	uint32_t __reserved;
};
static_assert(sizeof(struct iommu_hwpt_vtd_s1) == 24, "ABI");

struct iommu_hwpt_arm_smmuv3 {
	uint64_t ste[2]; /* little endian */
};
static_assert(sizeof(struct iommu_hwpt_arm_smmuv3) == 16, "ABI");

struct iommu_hwpt_amd_guest {
	uint64_t dte[4];
};
static_assert(sizeof(struct iommu_hwpt_amd_guest) == 32, "ABI");

enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0,
};

struct iommu_hw_info_vtd {
	uint32_t flags; /* enum iommu_hw_info_vtd_flags */
	uint32_t __reserved;
	uint64_t cap_reg;
	uint64_t ecap_reg;
};
static_assert(sizeof(struct iommu_hw_info_vtd) == 24, "ABI");

enum iommu_hw_info_arm_smmuv3_flags {
	IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI = 1 << 0,
};

struct iommu_hw_info_arm_smmuv3 {
	uint32_t flags;
	uint32_t __reserved;
	uint32_t idr[6];
	uint32_t iidr;
	uint32_t aidr;
};
static_assert(sizeof(struct iommu_hw_info_arm_smmuv3) == 40, "ABI");

struct iommu_hw_info_tegra241_cmdqv {
	uint32_t flags;
	uint8_t version;
	uint8_t log2vcmdqs;
	uint8_t log2vsids;
	uint8_t __reserved;
};
static_assert(sizeof(struct iommu_hw_info_tegra241_cmdqv) == 8, "ABI");

struct iommu_hw_info_amd {
	uint64_t efr;
	uint64_t efr2;
};
static_assert(sizeof(struct iommu_hw_info_amd) == 16, "ABI");

enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0,
};

struct iommu_hwpt_vtd_s1_invalidate {
	uint64_t addr;
	uint64_t npages;
	uint32_t flags; /* enum iommu_hwpt_vtd_s1_invalidate_flags */
	uint32_t __reserved;
};
static_assert(sizeof(struct iommu_hwpt_vtd_s1_invalidate) == 24, "ABI");

struct iommu_viommu_arm_smmuv3_invalidate {
	uint64_t cmd[2]; /* little endian */
};
static_assert(sizeof(struct iommu_viommu_arm_smmuv3_invalidate) == 16, "ABI");

struct iommu_viommu_tegra241_cmdqv {
	uint64_t out_vintf_mmap_offset;
	uint64_t out_vintf_mmap_length;
};
static_assert(sizeof(struct iommu_viommu_tegra241_cmdqv) == 16, "ABI");

struct iommu_vevent_arm_smmuv3 {
	uint64_t evt[4]; /* little endian */
};
static_assert(sizeof(struct iommu_vevent_arm_smmuv3) == 32, "ABI");

struct iommu_vevent_tegra241_cmdqv {
	uint64_t lvcmdq_err_map[2]; /* little endian */
};
static_assert(sizeof(struct iommu_vevent_tegra241_cmdqv) == 16, "ABI");

#endif
