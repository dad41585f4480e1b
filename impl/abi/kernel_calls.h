/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of the calls that are not ioctls (docs/PROGRAMS.md), as images like those of ioctls, so
 * that the catalogue's offsets and widths describe them too. Subjects (the descriptor or object),
 * names of threads and processes, and byte strings travel beside the image. A call that yields a
 * descriptor returns it as its result; calls without a struct here have an empty image.
 */
#ifndef IOMMUZZ_ABI_KERNEL_CALLS_H
#define IOMMUZZ_ABI_KERNEL_CALLS_H

#include <assert.h>
#include <stdint.h>

/*
 * Nodes of call_open.path; numbered nodes are base + N. The node decides which resource the result
 * is: IOMMUFD, CONTAINER, GROUP or VFIO_DEVICE.
 */
enum call_open_path {
	CALL_OPEN_IOMMU = 0,		 /* /dev/iommu */
	CALL_OPEN_CONTAINER = 1,	 /* /dev/vfio/vfio */
	CALL_OPEN_GROUP = 0x100,	 /* /dev/vfio/N */
	CALL_OPEN_NOIOMMU_GROUP = 0x200, /* /dev/vfio/noiommu-N */
	CALL_OPEN_CDEV = 0x300,		 /* /dev/vfio/devices/vfioN */
	CALL_OPEN_NODES = 8,		 /* N is below this */
};

struct call_open {
	uint32_t path; /* enum call_open_path */
};

/* read and write: length bytes at the user address at. */
struct call_transfer {
	uint64_t at;
	uint64_t length;
};

enum call_poll_event {
	CALL_POLL_IN = 0x001,
	CALL_POLL_PRI = 0x002,
	CALL_POLL_OUT = 0x004,
	CALL_POLL_ERR = 0x008,
	CALL_POLL_HUP = 0x010,
	CALL_POLL_RDNORM = 0x040,
};

/* Never waits. The result is the set of events that are ready. */
struct call_poll {
	uint32_t events; /* enum call_poll_event */
};

enum call_prot {
	CALL_PROT_READ = 1,
	CALL_PROT_WRITE = 2,
	CALL_PROT_EXEC = 4,
};

enum call_map_flags {
	CALL_MAP_SHARED = 0x01,
	CALL_MAP_PRIVATE = 0x02,
	CALL_MAP_FIXED = 0x10,
	CALL_MAP_ANONYMOUS = 0x20,
	CALL_MAP_HUGETLB = 0x40000,
};

/* The result is the address. */
struct call_mmap {
	uint64_t addr;
	uint64_t length;
	uint64_t offset;
	uint32_t prot;	/* enum call_prot */
	uint32_t flags; /* enum call_map_flags */
	int32_t fd;
};

struct call_munmap {
	uint64_t addr;
	uint64_t length;
};

struct call_mprotect {
	uint64_t addr;
	uint64_t length;
	uint32_t prot; /* enum call_prot */
};

enum call_memfd_flags {
	CALL_MEMFD_HUGETLB = 4,
};

struct call_memfd {
	uint64_t size;	/* bytes; the file has this size at once */
	uint32_t flags; /* enum call_memfd_flags */
};

struct call_ftruncate {
	uint64_t size; /* bytes */
};

/* put and expect; the bytes travel beside the image. */
struct call_memory {
	uint64_t addr;
};

struct call_fill {
	uint64_t addr;
	uint64_t length;
	uint8_t value;
};

/* The raw ioctl: no struct is built; size and the tail are written at the place that `at` names. */
struct call_ioctl {
	uint32_t number; /* the full 32-bit command */
	uint32_t size;	 /* the size word */
};

/* Bits are the numbers of the capabilities. */
enum call_caps {
	CALL_CAP_IPC_LOCK = 1 << 14,
	CALL_CAP_SYS_RAWIO = 1 << 17,
	CALL_CAP_SYS_RESOURCE = 1 << 24,
};

struct call_process {
	uint64_t memlock; /* RLIMIT_MEMLOCK, bytes */
	uint32_t uid;
	uint32_t caps; /* enum call_caps */
};

struct call_setrlimit {
	uint64_t memlock; /* bytes */
};

struct call_setcaps {
	uint32_t caps; /* enum call_caps */
};

enum call_access_create_flags {
	CALL_ACCESS_NEEDS_PIN = 1 << 0,
	CALL_ACCESS_NO_UNMAP = 1 << 1, /* the driver has no unmap callback */
};

/* iommufd.md 7.1 */
struct call_access_create {
	uint32_t flags;		/* enum call_access_create_flags */
	uint32_t out_access;	/* how the target names the access object, from 1 */
	uint32_t out_access_id; /* its id in the context */
};

/* attach and replace, 7.2 and 7.3 */
struct call_access_ioas {
	uint32_t ioas_id;
};

/* Flags of access_pin and access_rw (7). */
enum call_access_flags {
	CALL_ACCESS_WRITE = 1 << 0,
	CALL_ACCESS_KTHREAD = 1 << 1,
	CALL_ACCESS_SLOW_PATH = 1 << 2,
};

/* pin and unpin, 7.5 and 7.6; unpin ignores flags. */
struct call_access_pin {
	uint64_t iova;
	uint64_t length;
	uint32_t flags; /* enum call_access_flags */
};

/* 7.7 */
struct call_access_rw {
	uint64_t iova;
	uint64_t length;
	uint64_t buffer; /* user address that stands for the kernel buffer */
	uint32_t flags;	 /* enum call_access_flags */
};

/* DMA by a device through its IOMMU, between iova and the user address buffer. */
struct call_dma {
	uint64_t iova;
	uint64_t length;
	uint64_t buffer;
	uint32_t dev_id; /* DEVICE id in the context of the subject */
	uint32_t pasid;	 /* 0: the device itself (RID) */
};

enum call_on_event {
	CALL_ON_UNMAP = 0,
	CALL_ON_NOTIFY = 1,
};

/* Kinds of notification that a callback can be limited to (vfio-ioasid.md E.7). */
enum call_notify_kind {
	CALL_NOTIFY_ALL = 0,
	CALL_NOTIFY_ALLOC = 1,
	CALL_NOTIFY_FREE = 2,
	CALL_NOTIFY_BIND = 3,
	CALL_NOTIFY_UNBIND = 4,
};

/* Installs the calls of the body that follows as the callback of the subject. */
struct call_on {
	uint32_t event;	 /* enum call_on_event */
	uint32_t filter; /* enum call_notify_kind, for CALL_ON_NOTIFY */
};

/* Control call of a callback: releases one pin. */
struct call_unpin {
	uint64_t iova;
	uint64_t length;
};

/* VmPin and VmLck of the current process. The first may be below 0, modulo 2^64 (11). */
struct call_memory_usage {
	uint64_t vm_pinned; /* bytes */
	uint64_t vm_locked; /* bytes */
};

static_assert(
	sizeof(struct call_mmap) <= 128, "images of calls hold at most CALL_STRUCT_MAX bytes");
static_assert(
	sizeof(struct call_access_rw) <= 128, "images of calls hold at most CALL_STRUCT_MAX bytes");

#endif
