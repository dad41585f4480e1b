/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the host whose pages are pinned, through shared mappings or by themselves. Each is
 * mapped here as a whole, so that its pages can be reached whoever has them mapped or has closed
 * the file; bytes go by process_vm_readv all the same, since a file may end anywhere at any time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "impl/sim/fault.h"
#include "impl/sim/host.h"
#include "impl/sim/mm/real.h"

static uint64_t device_of(const struct stat *status)
{
	return (uint64_t)major(status->st_dev) << 32 | minor(status->st_dev);
}

struct memory *real_file_find(const struct sim *sim, uint64_t device, uint64_t inode)
{
	struct memory *memory;

	for (memory = sim->real_files; memory; memory = memory->next) {
		if (memory->device == device && memory->inode == inode)
			break;
	}
	return memory;
}

static bool kind_of_file(int fd, bool *huge, bool *memory)
{
	struct statfs filesystem;

	if (fstatfs(fd, &filesystem))
		return false;
	*huge = filesystem.f_type == HUGETLBFS_MAGIC;
	*memory = *huge || filesystem.f_type == TMPFS_MAGIC;
	return true;
}

bool real_is_huge(pid_t pid, const struct mapping *mapping)
{
	struct statfs filesystem;
	char path[100];

	if (mapping->huge || !mapping->inode)
		return mapping->huge;
	snprintf(path, sizeof(path), "/proc/%ld/map_files/%llx-%llx", (long)pid,
		(unsigned long long)mapping->first, (unsigned long long)mapping->end);
	return statfs(path, &filesystem) == 0 && filesystem.f_type == HUGETLBFS_MAGIC;
}

/* Maps as much as the file has now. */
static bool open_window(struct memory *memory)
{
	struct stat status;
	void *window;

	if (fstat(memory->fd, &status) || !status.st_size)
		return false;
	if (memory->window && (uint64_t)status.st_size <= memory->window_size) {
		memory->size = (uint64_t)status.st_size;
		return true;
	}
	window = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_NORESERVE, memory->fd, 0);
	if (window == MAP_FAILED)
		window = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED | MAP_NORESERVE,
			memory->fd, 0);
	if (window == MAP_FAILED)
		return false;
	if (memory->window)
		munmap(memory->window, memory->window_size);
	memory->window = window;
	memory->size = memory->window_size = (uint64_t)status.st_size;
	return true;
}

/* The same file, for reading and writing if we may. */
static int reopen(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again < 0)
		return fd;
	close(fd);
	return again;
}

/* A memory for the open file, which it takes over. Without references. */
static struct memory *adopt(struct sim *sim, int fd, const struct stat *status)
{
	bool huge, in_memory;
	struct memory *memory =
		kind_of_file(fd, &huge, &in_memory)
			? memory_create(sim, MEMORY_REAL,
				  ((uint64_t)status->st_size >> SIM_PAGE_SHIFT) + 1, 0)
			: NULL;

	if (!memory) {
		close(fd);
		return NULL;
	}
	memory->fd = reopen(fd);
	memory->huge = huge;
	memory->unpinnable = !in_memory;
	memory->device = device_of(status);
	memory->inode = status->st_ino;
	memory->is_file = true;
	memory->next = sim->real_files;
	sim->real_files = memory;
	return memory;
}

void real_file_forget(struct sim *sim, struct memory *memory)
{
	struct memory **link;

	for (link = &sim->real_files; *link != memory; link = &(*link)->next)
		;
	*link = memory->next;
	if (memory->window)
		munmap(memory->window, memory->window_size);
	close(memory->fd);
}

static bool is_wanted(const char *path, const struct mapping *mapping)
{
	struct stat status;

	return !stat(path, &status) && device_of(&status) == mapping->device &&
	       status.st_ino == mapping->inode;
}

/* A descriptor of the process that is of the file, opened anew. -1: it has none. */
static int open_descriptor_of(pid_t pid, const struct mapping *mapping)
{
	char folder[64], path[64 + NAME_MAX + 2];
	struct dirent *entry;
	int fd = -1;
	DIR *list;

	snprintf(folder, sizeof(folder), "/proc/%ld/fd", (long)pid);
	list = opendir(folder);
	while (fd < 0 && list && (entry = readdir(list)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.' && is_wanted(path, mapping))
			fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (list)
		closedir(list);
	return fd;
}

/* The mapping itself leads there, for who is privileged. */
static int open_mapping(pid_t pid, const struct mapping *mapping)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%ld/map_files/%llx-%llx", (long)pid,
		(unsigned long long)mapping->first, (unsigned long long)mapping->end);
	return open(path, O_RDWR | O_CLOEXEC);
}

struct memory *real_file_of_mapping(struct sim *sim, pid_t pid, const struct mapping *mapping)
{
	struct memory *memory = real_file_find(sim, mapping->device, mapping->inode);
	struct stat status;
	int fd;

	if (!mapping->inode)
		return NULL;
	if (!memory) {
		fd = open_mapping(pid, mapping);
		if (fd < 0)
			fd = open_descriptor_of(pid, mapping);
		if (fd < 0 || fstat(fd, &status))
			return NULL;
		memory = adopt(sim, fd, &status);
	}
	if (!memory || open_window(memory))
		return memory;
	if (!memory->references) {
		memory->references = 1;
		memory_put(sim, memory);
	}
	return NULL;
}

size_t real_file_transfer(
	const struct memory *memory, uint64_t at, void *bytes, size_t count, bool write)
{
	struct iovec here = {bytes, count}, there = {memory->window + at, count};
	ssize_t moved;

	if (at >= memory->window_size)
		return 0;
	moved = write ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
		      : process_vm_readv(getpid(), &here, 1, &there, 1, 0);
	return moved > 0 ? (size_t)moved : 0;
}

static struct file *open_host_file(struct task *task, int fd)
{
	struct sim *sim = task->sim;
	struct memory *memory = NULL;
	struct stat status;
	struct file *file;
	bool huge, in_memory = false;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode) ||
		!kind_of_file(fd, &huge, &in_memory) || !in_memory) {
		close(fd);
		return file_open(task, FILE_HOST, NULL, 0);
	}
	sim_enter(sim, &sim->memory_lock);
	memory = real_file_find(sim, device_of(&status), status.st_ino);
	if (memory)
		close(fd);
	else
		memory = adopt(sim, fd, &status);
	if (memory)
		memory->references++;
	sim_leave(sim, &sim->memory_lock);
	file = memory ? file_open(task, FILE_MEMFD, memory, O_RDWR) : NULL;
	if (memory && !file) {
		sim_enter(sim, &sim->memory_lock);
		memory_put(sim, memory);
		sim_leave(sim, &sim->memory_lock);
	}
	return file;
}

struct file *host_file(struct task *task, int fd)
{
	/* A kernel has the file already: nothing can fail there. */
	bool armed = fault_pause(task);
	struct file *file = open_host_file(task, fd);

	if (armed)
		fault_resume(task);
	return file;
}

int64_t real_file_pin(
	struct sim *sim, struct memory *memory, uint64_t index, uint64_t count, struct page **pages)
{
	uint64_t whole, n;

	if (!open_window(memory))
		return -EINVAL;
	whole = memory->size >> SIM_PAGE_SHIFT;
	if (index > whole || count > whole - index)
		return -EINVAL;
	for (n = 0; n < count; n++) {
		pages[n] = real_page(sim, memory, index + n);
		if (!pages[n])
			break;
		pages[n]->pins++;
	}
	sim->physical.pins += n;
	return (int64_t)n;
}
