/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libiommuzz: the Linux IOMMU userspace API in a library. A machine has its own /dev/iommu; a C
 * program opens it, makes ioctls on it with the structs of <linux/iommufd.h>, and maps its own
 * memory. No root, no hardware, no kernel support.
 *
 * Results are >= 0 or a negative errno, as a system call of the kernel gives them. A machine may be
 * used by one thread at a time; different machines are independent.
 */
#ifndef IOMMUZZ_H
#define IOMMUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iommuzz;

/* Zero is a good default for each. */
struct iommuzz_options {
	unsigned kernel_major, kernel_minor; /* behave like that release; 0.0: the newest known */
	/*
	 * false: addresses in ioctls are those of the calling program. true: the machine has memory
	 * of its own, reached with iommuzz_memory_read and iommuzz_memory_write.
	 */
	bool own_memory;
	bool unprivileged; /* uid 1000 without capabilities, limited by memlock; otherwise uid 0
			      with all */
	uint64_t memlock;  /* RLIMIT_MEMLOCK of an unprivileged machine, bytes */
	void *context;	   /* passed to the functions below */
	/*
	 * An access is told to give back its pins in [iova, iova + length); it may call the access
	 * functions below. NULL or false: the library unpins what intersects.
	 */
	bool (*unmap)(void *context, uint64_t access, uint64_t iova, uint64_t length);
	/* A WARN that the kernel would print: rule is a stable name. May be NULL. */
	void (*warning)(void *context, const char *rule, const char *message);
};

/* Makes a machine. options may be NULL. NULL when memory is short or the release is unknown. The
 * caller owns it. */
struct iommuzz *iommuzz_create(const struct iommuzz_options *options);
/* Closes everything that is still open and frees the machine. NULL is fine. */
void iommuzz_destroy(struct iommuzz *machine);

/* path: "/dev/iommu". A descriptor of the machine, not of the process. */
int iommuzz_open(struct iommuzz *machine, const char *path);
int iommuzz_close(struct iommuzz *machine, int fd);
/* command and argument as for ioctl(2); with own_memory, argument is an address of the machine. */
int64_t iommuzz_ioctl(struct iommuzz *machine, int fd, uint32_t command, uintptr_t argument);

/* Memory of a machine with own_memory: first address and size in bytes; read-write, zero at the
 * start. */
#define IOMMUZZ_MEMORY_BASE UINT64_C(0x10000000000)
#define IOMMUZZ_MEMORY_SIZE (UINT64_C(64) << 20)
/* Bytes done, fewer than count where nothing is mapped. */
size_t iommuzz_memory_read(struct iommuzz *machine, uint64_t address, void *to, size_t count);
size_t iommuzz_memory_write(
	struct iommuzz *machine, uint64_t address, const void *from, size_t count);

/*
 * Accesses: what an emulated device (an mdev driver) does with mapped memory in the kernel, on an
 * open /dev/iommu.
 */
enum iommuzz_access_flags {
	IOMMUZZ_ACCESS_NEEDS_PIN = 1, /* iommuzz_access_create */
	IOMMUZZ_ACCESS_WRITE = 1,     /* iommuzz_access_pin and iommuzz_access_rw */
};
/* A handle (> 0). *id, if not NULL: the object's id in the context. */
int64_t iommuzz_access_create(struct iommuzz *machine, int fd, uint32_t flags, uint32_t *id);
int iommuzz_access_attach(struct iommuzz *machine, uint64_t access, uint32_t ioas_id);
int iommuzz_access_replace(struct iommuzz *machine, uint64_t access, uint32_t ioas_id);
int iommuzz_access_detach(struct iommuzz *machine, uint64_t access);
int iommuzz_access_destroy(struct iommuzz *machine, uint64_t access);
int iommuzz_access_pin(
	struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length, uint32_t flags);
int iommuzz_access_unpin(struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length);
/* Gives back every pin that intersects [iova, iova + length); their number. */
int64_t iommuzz_access_unpin_range(
	struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length);
/* Copies between mapped memory and buffer, an address as in ioctls. At most 16 MiB. */
int iommuzz_access_rw(struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length,
	uintptr_t buffer, uint32_t flags);

#ifdef __cplusplus
}
#endif

#endif
