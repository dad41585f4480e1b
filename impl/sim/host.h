/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of the host in a machine (MM_REAL, LOCKS_PTHREAD): as many as there are, each with its
 * real memory, and threads that come and go. Their descriptors are real ones, which the owner of
 * the machine keeps; file.h asks it by the functions below.
 */
#ifndef IOMMUZZ_SIM_HOST_H
#define IOMMUZZ_SIM_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct file;
struct process;
struct sim;
struct task;

/* thread and process: what the owner gave to host_task_create and host_process_create. */
struct sim_host {
	/* As file_from_fd, file_reserve_fd, file_install_fd, file_release_fd, file_close_on_exec.
	 */
	struct file *(*from_fd)(void *thread, int fd);
	int (*reserve)(void *thread);
	void (*install)(void *thread, int fd, struct file *file);
	void (*give_back)(void *thread, int fd);
	void (*close_on_exec)(void *thread, int fd);
	/* The thread maps a file of the owner's; as mmap. */
	int64_t (*map)(void *thread, int fd, uint64_t addr, uint64_t length, uint32_t prot,
		uint32_t flags);
	/* RLIMIT_MEMLOCK now, bytes; which of the SIM_CAP_ bits the thread has now. */
	uint64_t (*memlock)(void *process);
	uint32_t (*capabilities)(void *thread);
};

/* A process of the host with that pid and no threads. NULL: host memory. */
struct process *host_process_create(struct sim *sim, int pid, uint32_t uid, void *owner);
/* It has replaced its program: fresh memory. False: host memory. */
bool host_process_exec(struct task *task, struct process *process, int pid);
/* Whose locked memory its next calls count on. False: host memory. */
bool host_process_set_uid(struct task *task, struct process *process, uint32_t uid);
/* It has exited: its memory goes. Its structure stays while somebody refers to it. */
void host_process_exit(struct task *task, struct process *process);
/* A thread of process; NULL: host memory. host_task_destroy when it is in no call any more. */
struct task *host_task_create(struct sim *sim, struct process *process, void *owner);
void host_task_destroy(struct task *task);
/* What the thread makes from now on is of that origin (task_origin). The thread is in no call. */
void host_task_origin(struct task *task, uint32_t origin);
/* A thread of the machine itself, in no process. */
struct task *host_kernel_task(struct sim *sim);

/* The owner's reference; releases the file if it was the last. */
void host_close(struct task *task, struct file *file);
/* The address space of a process, to be asked with it (mm.h). */
struct mm *host_mm(const struct process *process);

/*
 * What a process does to its memory; told before it happens, host_memory_moved behind it. Pages
 * that are pinned keep their contents, and nobody finds them by address any more: [address,
 * +length) is unmapped or replaced; all of it may go (exec, exit); it did not.
 */
void host_memory_goes(struct task *task, struct mm *mm, uint64_t address, uint64_t length);
/* The same of the bytes of the files that are mapped there and shared. */
void host_files_go(struct task *task, struct mm *mm, uint64_t address, uint64_t length);
void host_memory_leaves(struct task *task, struct mm *mm);
void host_memory_stays(struct task *task, struct mm *mm);
/* Pages of the range that are pinned and the process's own. */
uint32_t host_memory_pins(const struct mm *mm, uint64_t address, uint64_t length);
/* The pages are now at another address. */
void host_memory_moved(
	struct task *task, struct mm *mm, uint64_t from, uint64_t to, uint64_t length);
/* Bytes [from, to) of a file, whole pages of it, are about to be no more; device as major << 32 |
 * minor. */
void host_file_cut(struct task *task, uint64_t device, uint64_t inode, uint64_t from, uint64_t to);
/* How many mappings of a file processes have now; device as above. */
typedef uint32_t (*host_count_function)(void *owner, uint64_t device, uint64_t inode);
/* Tells the machine how often the pages of its drivers are mapped now. */
void host_regions_count(struct task *task, host_count_function count, void *owner);
/* Whether any are. */
bool host_regions_mapped(struct sim *sim);
/* Pins that the machine has now; mm_pins is for a machine at rest. */
uint64_t host_pins(struct sim *sim);
/* A file of the host as one of the machine. Takes over fd. NULL: no memory. */
struct file *host_file(struct task *task, int fd);

#endif
