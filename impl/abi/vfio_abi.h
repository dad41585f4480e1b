/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFIO user interface: containers, groups, cdev binding and the type1 compatibility calls of
 * iommufd. Specifications iommufd.md 8 and 9, vfio-ioasid.md A.2 and A.3. Numbers repeat: what a
 * number means depends on the kind of descriptor, and on a container also on its backend. Must
 * never be included together with the system's <linux/vfio.h>.
 */
#ifndef IOMMUZZ_ABI_VFIO_ABI_H
#define IOMMUZZ_ABI_VFIO_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define VFIO_API_VERSION 0
#define VFIO_TYPE	 0x3BU
#define VFIO_BASE	 100U
#define VFIO_IO(n)	 ((VFIO_TYPE << 8) | (VFIO_BASE + (n)))

/* Extension ids: argument of CHECK_EXTENSION and SET_IOMMU. */
#define VFIO_TYPE1_IOMMU	1
#define VFIO_SPAPR_TCE_IOMMU	2
#define VFIO_TYPE1v2_IOMMU	3
#define VFIO_DMA_CC_IOMMU	4
#define VFIO_EEH		5
#define VFIO_SPAPR_TCE_v2_IOMMU 7
#define VFIO_NOIOMMU_IOMMU	8
#define VFIO_UNMAP_ALL		9
#define VFIO_UPDATE_VADDR	10

/* container (and iommufd) */
#define VFIO_GET_API_VERSION VFIO_IO(0)
#define VFIO_CHECK_EXTENSION VFIO_IO(1)
#define VFIO_SET_IOMMU	     VFIO_IO(2)

/* group */
#define VFIO_GROUP_GET_STATUS	   VFIO_IO(3)
#define VFIO_GROUP_SET_CONTAINER   VFIO_IO(4)
#define VFIO_GROUP_UNSET_CONTAINER VFIO_IO(5)
#define VFIO_GROUP_GET_DEVICE_FD   VFIO_IO(6)

/* device */
#define VFIO_DEVICE_GET_INFO		   VFIO_IO(7)
#define VFIO_DEVICE_GET_REGION_INFO	   VFIO_IO(8)
#define VFIO_DEVICE_GET_IRQ_INFO	   VFIO_IO(9)
#define VFIO_DEVICE_SET_IRQS		   VFIO_IO(10)
#define VFIO_DEVICE_RESET		   VFIO_IO(11)
#define VFIO_DEVICE_GET_PCI_HOT_RESET_INFO VFIO_IO(12)
#define VFIO_DEVICE_PCI_HOT_RESET	   VFIO_IO(13)
#define VFIO_DEVICE_QUERY_GFX_PLANE	   VFIO_IO(14)
#define VFIO_DEVICE_GET_GFX_DMABUF	   VFIO_IO(15)
#define VFIO_DEVICE_IOEVENTFD		   VFIO_IO(16)
#define VFIO_DEVICE_FEATURE		   VFIO_IO(17)
#define VFIO_DEVICE_BIND_IOMMUFD	   VFIO_IO(18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT	   VFIO_IO(19)
#define VFIO_DEVICE_DETACH_IOMMUFD_PT	   VFIO_IO(20)
#define VFIO_MIG_GET_PRECOPY_INFO	   VFIO_IO(21)

/* container with a backend: type1, and sPAPR where the name says so */
#define VFIO_IOMMU_GET_INFO		   VFIO_IO(12)
#define VFIO_IOMMU_MAP_DMA		   VFIO_IO(13)
#define VFIO_IOMMU_UNMAP_DMA		   VFIO_IO(14)
#define VFIO_IOMMU_ENABLE		   VFIO_IO(15)
#define VFIO_IOMMU_DISABLE		   VFIO_IO(16)
#define VFIO_IOMMU_DIRTY_PAGES		   VFIO_IO(17)
#define VFIO_IOMMU_SPAPR_TCE_GET_INFO	   VFIO_IO(12)
#define VFIO_IOMMU_SPAPR_REGISTER_MEMORY   VFIO_IO(17)
#define VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY VFIO_IO(18)
#define VFIO_IOMMU_SPAPR_TCE_CREATE	   VFIO_IO(19)
#define VFIO_IOMMU_SPAPR_TCE_REMOVE	   VFIO_IO(20)
#define VFIO_EEH_PE_OP			   VFIO_IO(21)

/* First part of each element of a capability chain. */
struct vfio_info_cap_header {
	uint16_t id;
	uint16_t version;
	uint32_t next; /* offset from the start of the info struct, 0 ends the chain */
};
static_assert(sizeof(struct vfio_info_cap_header) == 8, "ABI");

#define VFIO_GROUP_FLAGS_VIABLE	       (1U << 0)
#define VFIO_GROUP_FLAGS_CONTAINER_SET (1U << 1)

struct vfio_group_status {
	uint32_t argsz;
	uint32_t flags;
};
static_assert(sizeof(struct vfio_group_status) == 8, "ABI");

#define VFIO_IOMMU_INFO_PGSIZES (1U << 0)
#define VFIO_IOMMU_INFO_CAPS	(1U << 1)

struct vfio_iommu_type1_info {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova_pgsizes;
	uint32_t cap_offset;
	uint32_t pad;
};
static_assert(sizeof(struct vfio_iommu_type1_info) == 24, "ABI");

#define VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE 1
#define VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION  2
#define VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL	     3

/* Both ends inclusive. */
struct vfio_iova_range {
	uint64_t start;
	uint64_t end;
};
static_assert(sizeof(struct vfio_iova_range) == 16, "ABI");

struct vfio_iommu_type1_info_cap_iova_range {
	struct vfio_info_cap_header header;
	uint32_t nr_iovas;
	uint32_t reserved;
	struct vfio_iova_range iova_ranges[];
};
static_assert(sizeof(struct vfio_iommu_type1_info_cap_iova_range) == 16, "ABI");

struct vfio_iommu_type1_info_cap_migration {
	struct vfio_info_cap_header header;
	uint32_t flags;
	uint64_t pgsize_bitmap;
	uint64_t max_dirty_bitmap_size; /* bytes */
};
static_assert(sizeof(struct vfio_iommu_type1_info_cap_migration) == 32, "ABI");

struct vfio_iommu_type1_info_dma_avail {
	struct vfio_info_cap_header header;
	uint32_t avail;
};
static_assert(sizeof(struct vfio_iommu_type1_info_dma_avail) == 12, "ABI");

#define VFIO_DMA_MAP_FLAG_READ	(1U << 0)
#define VFIO_DMA_MAP_FLAG_WRITE (1U << 1)
#define VFIO_DMA_MAP_FLAG_VADDR (1U << 2)

struct vfio_iommu_type1_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t vaddr;
	uint64_t iova;
	uint64_t size;
};
static_assert(sizeof(struct vfio_iommu_type1_dma_map) == 32, "ABI");

struct vfio_bitmap {
	uint64_t pgsize;
	uint64_t size; /* bytes */
	uint64_t data; /* user pointer */
};
static_assert(sizeof(struct vfio_bitmap) == 24, "ABI");

#define VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP (1U << 0)
#define VFIO_DMA_UNMAP_FLAG_ALL		     (1U << 1)
#define VFIO_DMA_UNMAP_FLAG_VADDR	     (1U << 2)

struct vfio_iommu_type1_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
	uint8_t data[]; /* struct vfio_bitmap with GET_DIRTY_BITMAP */
};
static_assert(sizeof(struct vfio_iommu_type1_dma_unmap) == 24, "ABI");

#define VFIO_IOMMU_DIRTY_PAGES_FLAG_START      (1U << 0)
#define VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP       (1U << 1)
#define VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP (1U << 2)

struct vfio_iommu_type1_dirty_bitmap {
	uint32_t argsz;
	uint32_t flags;
	uint8_t data[]; /* struct vfio_iommu_type1_dirty_bitmap_get with GET_BITMAP */
};
static_assert(sizeof(struct vfio_iommu_type1_dirty_bitmap) == 8, "ABI");

struct vfio_iommu_type1_dirty_bitmap_get {
	uint64_t iova;
	uint64_t size;
	struct vfio_bitmap bitmap;
};
static_assert(sizeof(struct vfio_iommu_type1_dirty_bitmap_get) == 40, "ABI");

#define VFIO_IOMMU_SPAPR_INFO_DDW (1U << 0)

struct vfio_iommu_spapr_tce_ddw_info {
	uint64_t pgsizes;
	uint32_t max_dynamic_windows_supported;
	uint32_t levels;
};
static_assert(sizeof(struct vfio_iommu_spapr_tce_ddw_info) == 16, "ABI");

struct vfio_iommu_spapr_tce_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t dma32_window_start;
	uint32_t dma32_window_size;
	struct vfio_iommu_spapr_tce_ddw_info ddw;
};
static_assert(sizeof(struct vfio_iommu_spapr_tce_info) == 32, "ABI");

struct vfio_iommu_spapr_register_memory {
	uint32_t argsz;
	uint32_t flags;
	uint64_t vaddr;
	uint64_t size;
};
static_assert(sizeof(struct vfio_iommu_spapr_register_memory) == 24, "ABI");

struct vfio_iommu_spapr_tce_create {
	uint32_t argsz;
	uint32_t flags;
	uint32_t page_shift;
	uint32_t __resv1;
	uint64_t window_size;
	uint32_t levels;
	uint32_t __resv2;
	uint64_t start_addr;
};
static_assert(sizeof(struct vfio_iommu_spapr_tce_create) == 40, "ABI");

struct vfio_iommu_spapr_tce_remove {
	uint32_t argsz;
	uint32_t flags;
	uint64_t start_addr;
};
static_assert(sizeof(struct vfio_iommu_spapr_tce_remove) == 16, "ABI");

struct vfio_eeh_pe_err {
	uint32_t type;
	uint32_t func;
	uint64_t addr;
	uint64_t mask;
};
static_assert(sizeof(struct vfio_eeh_pe_err) == 24, "ABI");

struct vfio_eeh_pe_op {
	uint32_t argsz;
	uint32_t flags;
	uint32_t op;
	union {
		struct vfio_eeh_pe_err err;
	};
};
static_assert(sizeof(struct vfio_eeh_pe_op) == 40, "ABI");

#define VFIO_DEVICE_BIND_FLAG_TOKEN (1U << 0)

/* iommufd.md 9.2 */
struct vfio_device_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
	uint64_t token_uuid_ptr; /* 16 bytes */
};
static_assert(sizeof(struct vfio_device_bind_iommufd) == 24, "ABI");

/* The 16 bytes behind token_uuid_ptr. */
struct vfio_token_uuid {
	uint64_t low;
	uint64_t high;
};
static_assert(sizeof(struct vfio_token_uuid) == 16, "ABI");

#define VFIO_DEVICE_ATTACH_PASID (1U << 0)

/* iommufd.md 9.3 */
struct vfio_device_attach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
	uint32_t pasid;
};
static_assert(sizeof(struct vfio_device_attach_iommufd_pt) == 16, "ABI");

#define VFIO_DEVICE_DETACH_PASID (1U << 0)

/* iommufd.md 9.4 */
struct vfio_device_detach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pasid;
};
static_assert(sizeof(struct vfio_device_detach_iommufd_pt) == 12, "ABI");

/*
 * What programs pass where the ABI has an open-ended struct or none: the struct together with the
 * optional part that a flag announces, and the plain int and number arguments.
 */
struct vfio_dma_unmap_with_bitmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
	struct vfio_bitmap bitmap;
};
static_assert(sizeof(struct vfio_dma_unmap_with_bitmap) == 48, "ABI");

struct vfio_dirty_pages_with_get {
	uint32_t argsz;
	uint32_t flags;
	struct vfio_iommu_type1_dirty_bitmap_get get;
};
static_assert(sizeof(struct vfio_dirty_pages_with_get) == 48, "ABI");

struct vfio_fd_argument {
	int32_t fd;
};
static_assert(sizeof(struct vfio_fd_argument) == 4, "ABI");

/* The argument of a FRAMING_VALUE ioctl: passed by value, never in memory. */
struct vfio_value_argument {
	uint64_t value;
};
static_assert(sizeof(struct vfio_value_argument) == 8, "ABI");

#endif
