/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files. A file holds a kind, not function pointers, so that it can lie in memory that several
 * processes share: impl/sim/syscall.c and file.c call the bodies of each kind by name.
 */
#ifndef IOMMUZZ_SIM_FILE_H
#define IOMMUZZ_SIM_FILE_H

#include <stdint.h>

struct task;
struct sim;

enum file_kind {
	FILE_IOMMUFD,
	FILE_TEST_ACCESS, /* [iommufd_test_staccess] */
	FILE_MEMFD,
	FILE_DMABUF,
	FILE_FAULT,   /* [iommufd-pgfault] */
	FILE_VEVENTQ, /* [iommufd-viommu-event] */
	FILE_HOST,    /* another file of the host (host.h) */
	FILE_KIND_COUNT
};

enum file_node {
	NODE_IOMMU,	/* /dev/iommu */
	NODE_CONTAINER, /* /dev/vfio/vfio, an iommufd too (IOMMUFD_VFIO_CONTAINER) */
};

struct file {
	uint32_t references;
	uint8_t kind;	 /* enum file_kind */
	uint8_t node;	 /* enum file_node, of an iommufd */
	uint32_t flags;	 /* O_* */
	uint32_t origin; /* task_origin of who made it */
	uint64_t position;
	struct file *next; /* among those that are released at the end of the call */
	void *object;	   /* struct iommufd_context *, struct test_access *, struct memfd *, struct
			      event_queue * */
};

/* A new file with one reference, or NULL (fault point ALLOC). */
struct file *file_open(struct task *task, enum file_kind kind, void *object, uint32_t flags);
struct file *file_get(struct file *file);
/* Drops a reference; the last one releases the object (in the caller's context, at once). */
void file_put(struct task *task, struct file *file);
/* The same for somebody who holds locks (sim->memory_lock is one of them): the object is released
 * at the end of the system call. */
void file_put_late(struct sim *sim, struct file *file);
/* Releases those. */
void files_release_late(struct task *task);

/* Lowest free descriptor >= 3 of the running task's process, not installed yet; -EMFILE at 1024. */
int file_reserve_fd(struct task *task);
/* Installs (takes over the caller's reference) or gives the number back. */
void file_install_fd(struct task *task, int fd, struct file *file);
void file_release_fd(struct task *task, int fd);
/* The descriptor, just installed, is closed by exec (O_CLOEXEC). Copies of it by dup are not. */
void file_close_on_exec(struct task *task, int fd);
/* The file behind fd with a reference, NULL when fd is not open. */
struct file *file_from_fd(struct task *task, int fd);

/* Bodies per kind, in the module of the object. */
int64_t iommufd_file_ioctl(
	struct task *task, struct file *file, uint32_t command, uint64_t argument);
int64_t iommufd_file_mmap(struct task *task, struct file *file, uint64_t addr, uint64_t length,
	uint32_t prot, uint32_t flags, uint64_t offset);
void iommufd_file_release(struct task *task, struct file *file);
void test_access_file_release(struct task *task, struct file *file);
/* Bytes; never changes. */
uint64_t dmabuf_file_size(const struct file *file);
void dmabuf_file_release(struct task *task, struct file *file);
/* Drops the queue's user and the file of its context. */
void event_file_release(struct task *task, struct file *file);
/* What poll knows of queues of events, as its bits. */
enum event_poll { EVENT_POLL_READ = 0x41, EVENT_POLL_WRITE = 0x4 };
/*
 * Page faults to, and responses from, `length` bytes of the caller's memory that its process may
 * have. The bytes transferred, or what stopped the first: -ESPIPE a length that is no multiple,
 * -EINVAL, -EFAULT, -ENOMEM. Takes the fault mutex. Specification 5.2
 */
int64_t fault_file_read(struct task *task, struct file *file, uint64_t at, uint64_t length);
int64_t fault_file_write(struct task *task, struct file *file, uint64_t at, uint64_t length);
uint32_t fault_file_poll(struct task *task, struct file *file);
/* Reported events, as fault_file_read: -EINVAL too little room for the first, -EFAULT. 5.3 */
int64_t veventq_file_read(struct task *task, struct file *file, uint64_t at, uint64_t length);
uint32_t veventq_file_poll(struct task *task, struct file *file);
/* How often who waits for events of the file was woken; of both kinds of queues. */
uint32_t event_file_wakes(const struct file *file);
/* Makes a fresh context and its file; NULL: no memory. 1.1/2: the node decides how it accounts. */
struct file *iommufd_file_open(struct task *task, enum file_node node);
/* Sets up what all contexts of a machine share. sim_create and sim_reset call it before there is a
 * process. */
void iommufd_start(struct sim *sim);
/*
 * The in-kernel drivers unload: every access that access_create made and nobody destroyed goes,
 * with its pins (it holds the iommufd's file). sim_finish calls it before the processes exit.
 */
void iommufd_finish(struct task *task);

#endif
