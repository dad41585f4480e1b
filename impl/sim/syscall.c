/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/syscall.h"

#include <errno.h>
#include <string.h>

#include "impl/abi/catalogue.h"
#include "impl/abi/kernel_calls.h"
#include "impl/sim/lock_private.h"
#include "impl/sim/mm/mm_private.h"
#include "impl/sim/sim_private.h"

#define O_READ_WRITE  2u
#define MEMFD_CLOEXEC 1u

/* What a file without a poll method is always ready for: IN, OUT, RDNORM, WRNORM. */
#define POLL_DEFAULT UINT32_C(0x145)
#define POLL_DMABUF  UINT32_C(0x5) /* without fences: IN, OUT */

int64_t syscall_leave(struct task *task, int64_t result)
{
	/* Within a callback the outer call may hold locks; it checks itself. */
	__atomic_store_n(&task->syscall_depth, task->syscall_depth - 1, __ATOMIC_RELEASE);
	if (task->syscall_depth)
		return result;
	if (task->locks.depth || task->rcu_depth)
		lock_assert_none(task);
	if (__atomic_load_n(&task->sim->late_files, __ATOMIC_RELAXED))
		files_release_late(task);
	if (task->sim->threads || task->sim->workqueues)
		workqueue_run_all(task);
	if (task->sim->threads || task->sim->rcu_first)
		rcu_run(task);
	/* No point here: the call is over for everybody as soon as it is for those who wait. */
	if (task->process && (task->sim->threads || task->process->left.waiters))
		wake_sequence(task, &task->process->left);
	return result;
}

static bool is_alone(const void *argument)
{
	const struct task *task = argument;
	struct task *const *threads = task->process->threads;

	for (unsigned t = 0; t < SIM_THREADS; t++) {
		if (threads[t] && threads[t] != task &&
			__atomic_load_n(&threads[t]->syscall_depth, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

/* Exit and exec end the other threads, which first finish the calls that they are in: memory and
 * descriptors stay until then. */
static void wait_for_others(struct task *task)
{
	if (task_threaded(task))
		wait_event(task, &task->process->left, is_alone, task, 0);
}

static int64_t install_new(struct task *task, struct file *file)
{
	/* Nobody would close what a process opens after its exit. */
	int fd = sim_process_alive(task->process) ? file_reserve_fd(task) : -ESRCH;

	if (fd < 0)
		file_put(task, file);
	else
		file_install_fd(task, fd, file);
	return fd;
}

int sim_node(struct task *task, const char *path)
{
	if (!strcmp(path, "/dev/iommu"))
		return NODE_IOMMU;
	if (strcmp(path, "/dev/vfio/vfio"))
		return -ENOENT;
	return task->sim->config.vfio_container || SIM_BUG(task, CONTAINER_ALWAYS) ? NODE_CONTAINER
										   : -ENOENT;
}

static int64_t open_node(struct task *task, const char *path)
{
	struct file *file;
	int node = sim_node(task, path);

	if (node < 0)
		return node;
	file = iommufd_file_open(task, (enum file_node)node);
	return file ? install_new(task, file) : -ENOMEM;
}

int64_t sim_open(struct task *task, const char *path)
{
	syscall_enter(task);
	return syscall_leave(task, open_node(task, path));
}

int64_t sim_close(struct task *task, int fd)
{
	struct file *file;

	syscall_enter(task);
	schedule_point(task, SCHEDULE_PUT);
	file = fd_remove(task->process, fd);
	if (file)
		file_put(task, file);
	return syscall_leave(task, file ? 0 : -EBADF);
}

int64_t sim_dup(struct task *task, int fd)
{
	struct file *file = file_from_fd(task, fd);

	return file ? install_new(task, file) : -EBADF;
}

int64_t sim_pass(struct task *task, int fd, unsigned number)
{
	struct process *process = sim_process(task->sim, number);
	struct file *file = file_from_fd(task, fd);
	int other;

	if (!file)
		return -EBADF;
	other = process ? fd_reserve(process) : -ESRCH;
	if (other < 0)
		file_put(task, file);
	else
		fd_install(process, other, file);
	return other;
}

int64_t sim_ioctl(struct task *task, int fd, uint32_t command, uint64_t argument)
{
	struct file *file;
	int64_t result;

	/* From the first step on: whoever ends the process waits for this call. */
	syscall_enter(task);
	file = file_from_fd(task, fd);
	if (!file)
		return syscall_leave(task, -EBADF);
	if (SIM_BUG(task, FILE_UNHELD))
		file_put(task, file);
	result = file->kind == FILE_IOMMUFD ? iommufd_file_ioctl(task, file, command, argument)
					    : -ENOTTY;
	if (!SIM_BUG(task, FILE_UNHELD))
		file_put(task, file);
	return syscall_leave(task, result);
}

/* What no process can have is refused before the file is asked, also where nothing is to be moved.
 */
static bool beyond_process(uint64_t at, uint64_t length)
{
	return length > TASK_SIZE || at > TASK_SIZE - length;
}

/* Whether a file was opened for it; all but dma-bufs are open for both. */
static bool opened_for(const struct file *file, bool write)
{
	uint32_t mode = file->flags & 3;

	return file->kind != FILE_DMABUF || mode == O_READ_WRITE || mode == (write ? 1u : 0u);
}

/* Whether the kind of file can be read, or written: 0 or an errno. */
static int can_transfer(const struct file *file, bool write)
{
	if (!opened_for(file, write))
		return -EBADF;
	if (file->kind == FILE_MEMFD || file->kind == FILE_FAULT)
		return 0;
	return file->kind == FILE_VEVENTQ && !write ? 0 : -EINVAL;
}

static int64_t transfer(
	struct task *task, struct file *file, uint64_t at, uint64_t length, bool write)
{
	int error = can_transfer(file, write);

	if (error)
		return error;
	if (beyond_process(at, length))
		return -EFAULT;
	if (file->kind == FILE_VEVENTQ)
		return veventq_file_read(task, file, at, length);
	if (file->kind == FILE_FAULT)
		return write ? fault_file_write(task, file, at, length)
			     : fault_file_read(task, file, at, length);
	return write ? memfd_write(task, file, at, length) : memfd_read(task, file, at, length);
}

static int64_t sim_transfer(struct task *task, int fd, uint64_t at, uint64_t length, bool write)
{
	struct file *file;
	int64_t result;

	syscall_enter(task);
	file = file_from_fd(task, fd);
	if (!file)
		return syscall_leave(task, -EBADF);
	result = transfer(task, file, at, length, write);
	file_put(task, file);
	return syscall_leave(task, result);
}

int64_t sim_read(struct task *task, int fd, uint64_t at, uint64_t length)
{
	return sim_transfer(task, fd, at, length, false);
}

int64_t sim_write(struct task *task, int fd, uint64_t at, uint64_t length)
{
	return sim_transfer(task, fd, at, length, true);
}

int64_t sim_poll(struct task *task, int fd, uint32_t events)
{
	uint32_t ready = POLL_DEFAULT;
	struct file *file;

	syscall_enter(task);
	file = file_from_fd(task, fd);
	if (!file)
		return syscall_leave(task, -EBADF);
	if (file->kind == FILE_FAULT)
		ready = fault_file_poll(task, file);
	else if (file->kind == FILE_VEVENTQ)
		ready = veventq_file_poll(task, file);
	else if (file->kind == FILE_DMABUF)
		ready = POLL_DMABUF;
	file_put(task, file);
	return syscall_leave(task, events & ready);
}

static int64_t map_file(struct task *task, struct file *file, uint64_t addr, uint64_t length,
	uint32_t prot, uint32_t flags, uint64_t offset)
{
	int error;

	/* Only memory has a largest offset, and pages of another size. */
	if (file->kind == FILE_MEMFD)
		return mm_mmap(task, addr, length, prot, flags, file, offset);
	error = mm_check_file_map(addr, length, flags, UINT64_MAX, offset);
	if (error)
		return error;
	if (!opened_for(file, false) ||
		(flags & CALL_MAP_SHARED && prot & CALL_PROT_WRITE && !opened_for(file, true)))
		return -EACCES;
	switch (file->kind) {
	case FILE_DMABUF: return prot & CALL_PROT_EXEC ? -EPERM : -EINVAL; /* nothing to map */
	case FILE_IOMMUFD:
		length = (length + SIM_PAGE_SIZE - 1) & ~(SIM_PAGE_SIZE - 1);
		/* A file that cannot be mapped is known before there is a place for it. */
		error = sim_since(task->sim, LINUX(6, 17)) ? mm_make_room(task, addr, length, flags)
							   : 0;
		if (error)
			return error;
		return iommufd_file_mmap(task, file, addr, length, prot, flags, offset);
	/* From 6.17 files without a name lie on a mount from which nothing is run. */
	default:
		return prot & CALL_PROT_EXEC && sim_since(task->sim, LINUX(6, 17)) ? -EPERM
										   : -ENODEV;
	}
}

int64_t sim_mmap(struct task *task, uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags,
	int fd, uint64_t offset)
{
	struct file *file;
	int64_t result;

	/* Before the descriptor, as on x86. */
	if (offset % SIM_PAGE_SIZE)
		return -EINVAL;
	syscall_enter(task);
	schedule_point(task, SCHEDULE_USER_COPY);
	if (flags & CALL_MAP_ANONYMOUS)
		return syscall_leave(task, mm_mmap(task, addr, length, prot, flags, NULL, offset));
	file = file_from_fd(task, fd);
	if (!file)
		return syscall_leave(task, -EBADF);
	result = map_file(task, file, addr, length, prot, flags, offset);
	file_put(task, file);
	return syscall_leave(task, result);
}

int64_t sim_munmap(struct task *task, uint64_t addr, uint64_t length)
{
	syscall_enter(task);
	schedule_point(task, SCHEDULE_USER_COPY);
	return syscall_leave(task, mm_munmap(task, addr, length));
}

int64_t sim_mprotect(struct task *task, uint64_t addr, uint64_t length, uint32_t prot)
{
	syscall_enter(task);
	schedule_point(task, SCHEDULE_USER_COPY);
	return syscall_leave(task, mm_mprotect(task, addr, length, prot));
}

int64_t sim_memfd(struct task *task, uint64_t size, uint32_t flags)
{
	/* The file is there, and has its descriptor, before it gets its size. */
	bool bad_size = size > INT64_MAX;
	struct file *file;
	int64_t fd;
	int error;

	syscall_enter(task);
	error = memfd_create_file(task, bad_size ? 0 : size, flags, &file);
	fd = error ? error : install_new(task, file);
	if (fd >= 0 && bad_size) {
		file_put(task, fd_remove(task->process, (int)fd));
		fd = -EINVAL;
	}
	if (fd >= 0 && flags & MEMFD_CLOEXEC)
		file_close_on_exec(task, (int)fd);
	return syscall_leave(task, fd);
}

int64_t sim_ftruncate(struct task *task, int fd, uint64_t size)
{
	struct file *file;
	int64_t result;

	if (size > INT64_MAX)
		return -EINVAL;
	syscall_enter(task);
	file = file_from_fd(task, fd);
	if (!file)
		return syscall_leave(task, -EBADF);
	result = file->kind == FILE_MEMFD ? memfd_truncate(task, file, size) : -EINVAL;
	file_put(task, file);
	return syscall_leave(task, result);
}

int64_t sim_put(struct task *task, uint64_t address, const void *bytes, uint64_t count)
{
	schedule_point(task, SCHEDULE_USER_COPY);
	return user_store(task, address, bytes, count) == count ? 0 : -EFAULT;
}

int64_t sim_expect(struct task *task, uint64_t address, const void *bytes, uint64_t count)
{
	uint8_t piece[512];
	uint64_t done = 0;

	schedule_point(task, SCHEDULE_USER_COPY);
	while (done < count) {
		size_t part = count - done < sizeof(piece) ? (size_t)(count - done) : sizeof(piece);

		if (user_load(task, address + done, piece, part) != part)
			return -EFAULT;
		if (memcmp(piece, (const uint8_t *)bytes + done, part))
			return -EILSEQ;
		done += part;
	}
	return 0;
}

int64_t sim_fill(struct task *task, uint64_t address, uint8_t value, uint64_t count)
{
	uint8_t piece[SIM_PAGE_SIZE];
	uint64_t done = 0;

	schedule_point(task, SCHEDULE_USER_COPY);
	memset(piece, value, sizeof(piece));
	while (done < count) {
		uint64_t at = address + done, part = SIM_PAGE_SIZE - at % SIM_PAGE_SIZE;

		if (part > count - done)
			part = count - done;
		if (user_store(task, at, piece, part) != part)
			return -EFAULT;
		done += part;
	}
	return 0;
}

static bool slot_free(const struct sim *sim, unsigned number)
{
	const struct process *process;

	if (number >= SIM_PROCESSES)
		return false;
	process = __atomic_load_n(&sim->processes[number], __ATOMIC_ACQUIRE);
	return !process || !sim_process_alive(process);
}

int64_t sim_fork(struct task *task, unsigned number)
{
	const struct process *parent = task->process;
	struct sim *sim = task->sim;
	struct mm *mm;
	int rc;

	schedule_point(task, SCHEDULE_USER_COPY);
	if (!parent->mm)
		return -ESRCH;
	if (!slot_free(sim, number))
		return -EEXIST;
	mm = mm_fork(task, parent->mm);
	if (!mm)
		return -ENOMEM;
	rc = process_create(
		sim, number, user_id(parent->user), parent->capabilities, parent->memlock, mm);
	if (rc) {
		mm_put(task, mm);
		return rc;
	}
	return files_copy(sim->processes[number], parent) ? 0 : -ENOMEM;
}

int64_t sim_exec(struct task *task)
{
	struct mm *old, *mm;

	wait_for_others(task);
	old = task->process->mm;
	if (!old)
		return -ESRCH;
	mm = mm_create(task->sim, MM_SIMULATED);
	if (!mm)
		return -ENOMEM;
	syscall_enter(task);
	task->process->mm = mm;
	mm_put(task, old);
	files_close_on_exec(task);
	return syscall_leave(task, 0);
}

int64_t sim_exit(struct task *task)
{
	struct process *process = task->process;

	wait_for_others(task);
	if (!sim_process_alive(process))
		return -ESRCH;
	/* A new process may take the number meanwhile. */
	process_get(process);
	syscall_enter(task);
	process_exit(process);
	syscall_leave(task, 0);
	process_put(task, process);
	return 0;
}

int64_t sim_spawn(
	struct task *task, unsigned number, uint32_t uid, uint32_t capabilities, uint64_t memlock)
{
	struct sim *sim = task->sim;
	struct mm *mm;
	int rc;

	if (!slot_free(sim, number))
		return -EEXIST;
	mm = mm_create(sim, MM_SIMULATED);
	if (!mm)
		return -ENOMEM;
	rc = process_create(sim, number, uid, capabilities, memlock, mm);
	if (rc)
		mm_put(task, mm);
	return rc;
}

int64_t sim_setrlimit_memlock(struct task *task, uint64_t bytes)
{
	schedule_point(task, SCHEDULE_ACCESS);
	__atomic_store_n(&task->process->memlock, bytes, __ATOMIC_RELAXED);
	return 0;
}

int64_t sim_setcaps(struct task *task, uint32_t capabilities)
{
	schedule_point(task, SCHEDULE_ACCESS);
	task->process->capabilities = capabilities & SIM_CAP_ALL;
	return 0;
}
