/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and tables of descriptors. */
#include "impl/sim/file.h"

#include <errno.h>
#include <string.h>

#include "impl/sim/mm/mm_private.h"
#include "impl/sim/sim_private.h"

#define FIRST_ROOM 16u

struct file *file_open(struct task *task, enum file_kind kind, void *object, uint32_t flags)
{
	struct file *file = sim_alloc(task, sizeof(*file));

	if (file)
		*file = (struct file){.references = 1,
			.kind = (uint8_t)kind,
			.flags = flags,
			.origin = task_origin(task),
			.object = object};
	return file;
}

struct file *file_get(struct file *file)
{
	__atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
	return file;
}

static void release(struct task *task, struct file *file)
{
	switch (file->kind) {
	case FILE_IOMMUFD: iommufd_file_release(task, file); break;
	case FILE_TEST_ACCESS: test_access_file_release(task, file); break;
	case FILE_MEMFD: memfd_release(task, file); break;
	case FILE_DMABUF: dmabuf_file_release(task, file); break;
	case FILE_FAULT:
	case FILE_VEVENTQ: event_file_release(task, file); break;
	}
	sim_free(task, file, sizeof(*file));
}

void file_put(struct task *task, struct file *file)
{
	uint32_t left;

	schedule_point(task, SCHEDULE_PUT);
	if (task_threaded(task))
		left = __atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL);
	else
		left = --file->references;
	if (!left)
		release(task, file);
}

void file_put_late(struct sim *sim, struct file *file)
{
	if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL))
		return;
	file->next = sim->late_files;
	sim->late_files = file;
}

void files_release_late(struct task *task)
{
	struct sim *sim = task->sim;
	struct file *file;

	do {
		sim_enter(sim, &sim->memory_lock);
		file = sim->late_files;
		if (file)
			sim->late_files = file->next;
		sim_leave(sim, &sim->memory_lock);
		if (file)
			release(task, file);
	} while (file);
}

/* Makes room for at least count descriptors. */
static bool table_grow(struct process *process, uint32_t count)
{
	uint32_t room = process->files_room ? process->files_room : FIRST_ROOM;
	struct file **files;

	while (room < count)
		room *= 2;
	files = sim_alloc_internal(process->sim, room * sizeof(*files));
	if (!files)
		return false;
	if (process->files)
		memcpy(files, process->files, process->files_room * sizeof(*files));
	sim_free_internal(process->sim, process->files, process->files_room * sizeof(*files));
	process->files = files;
	process->files_room = room;
	return true;
}

int fd_reserve(struct process *process)
{
	struct sim *sim = process->sim;
	uint32_t fd = SIM_FIRST_FD;
	int result;

	sim_enter(sim, &sim->state_lock);
	while (fd < process->files_room && process->files[fd])
		fd++;
	if (fd >= SIM_FDS)
		result = -EMFILE;
	else if (fd >= process->files_room && !table_grow(process, fd + 1))
		result = -ENOMEM;
	else
		result = (int)fd;
	if (result >= 0)
		process->files[fd] = FILE_RESERVED;
	sim_leave(sim, &sim->state_lock);
	return result;
}

void fd_install(struct process *process, int fd, struct file *file)
{
	sim_enter(process->sim, &process->sim->state_lock);
	process->files[fd] = file;
	process->close_on_exec[fd / 64] &= ~(UINT64_C(1) << fd % 64);
	sim_leave(process->sim, &process->sim->state_lock);
}

static bool is_open(const struct process *process, int fd)
{
	return fd >= 0 && (uint32_t)fd < process->files_room && process->files[fd] &&
	       process->files[fd] != FILE_RESERVED;
}

struct file *fd_remove(struct process *process, int fd)
{
	struct file *file = NULL;

	sim_enter(process->sim, &process->sim->state_lock);
	if (is_open(process, fd)) {
		file = process->files[fd];
		process->files[fd] = NULL;
	}
	sim_leave(process->sim, &process->sim->state_lock);
	return file;
}

int file_reserve_fd(struct task *task)
{
	schedule_point(task, SCHEDULE_PUT);
	if (task->host)
		return task->sim->config.host->reserve(task->host);
	return task->process ? fd_reserve(task->process) : -EMFILE;
}

void file_install_fd(struct task *task, int fd, struct file *file)
{
	schedule_point(task, SCHEDULE_PUT);
	if (task->host)
		task->sim->config.host->install(task->host, fd, file);
	else
		fd_install(task->process, fd, file);
}

void file_release_fd(struct task *task, int fd)
{
	schedule_point(task, SCHEDULE_PUT);
	if (task->host)
		task->sim->config.host->give_back(task->host, fd);
	else
		fd_install(task->process, fd, NULL);
}

void file_close_on_exec(struct task *task, int fd)
{
	struct process *process = task->process;

	if (task->host) {
		task->sim->config.host->close_on_exec(task->host, fd);
		return;
	}
	sim_enter(process->sim, &process->sim->state_lock);
	process->close_on_exec[fd / 64] |= UINT64_C(1) << fd % 64;
	sim_leave(process->sim, &process->sim->state_lock);
}

struct file *file_from_fd(struct task *task, int fd)
{
	struct process *process = task->process;
	struct file *file = NULL;

	if (!process)
		return NULL;
	schedule_point(task, SCHEDULE_PUT);
	if (task->host)
		return task->sim->config.host->from_fd(task->host, fd);
	sim_enter(process->sim, &process->sim->state_lock);
	if (is_open(process, fd)) {
		file = process->files[fd];
		if (process->sim->threads)
			file_get(file);
		else
			file->references++;
	}
	sim_leave(process->sim, &process->sim->state_lock);
	return file;
}

void files_close_all(struct task *task, struct process *process)
{
	uint32_t fd;

	for (fd = 0; fd < process->files_room; fd++) {
		struct file *file = fd_remove(process, (int)fd);

		if (file)
			file_put(task, file);
	}
}

void files_close_on_exec(struct task *task)
{
	struct process *process = task->process;
	uint32_t fd;

	for (fd = 0; fd < process->files_room; fd++) {
		struct file *file = NULL;

		if (process->close_on_exec[fd / 64] & UINT64_C(1) << fd % 64)
			file = fd_remove(process, (int)fd);
		if (file)
			file_put(task, file);
	}
}

bool files_copy(struct process *to, const struct process *from)
{
	uint32_t fd;

	if (!from->files_room)
		return true;
	if (!table_grow(to, from->files_room))
		return false;
	for (fd = 0; fd < from->files_room; fd++) {
		if (is_open(from, (int)fd))
			to->files[fd] = file_get(from->files[fd]);
	}
	memcpy(to->close_on_exec, from->close_on_exec, sizeof(to->close_on_exec));
	return true;
}
