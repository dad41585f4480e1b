/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of a driver that processes of the host map: a memfd, which they map by themselves. How many
 * mappings there are is counted where the host shows them, since fork, splits and exits are not
 * ours to see. 5.4
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "impl/sim/host.h"
#include "impl/sim/mm/real.h"

struct memory *real_region_create(struct sim *sim, uint64_t length)
{
	struct memory *memory;
	struct stat status;
	void *window = MAP_FAILED;
	int fd = memfd_create("iommufd", MFD_CLOEXEC);

	if (fd >= 0 && !ftruncate(fd, (off_t)length) && !fstat(fd, &status))
		window = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memory = window == MAP_FAILED
			 ? NULL
			 : memory_create(sim, MEMORY_REAL, length >> SIM_PAGE_SHIFT, 0);
	if (!memory) {
		if (window != MAP_FAILED)
			munmap(window, length);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	memory->fd = fd;
	memory->is_file = memory->unpinnable = true;
	memory->window = window;
	memory->window_size = length;
	memory->device = (uint64_t)major(status.st_dev) << 32 | minor(status.st_dev);
	memory->inode = status.st_ino;
	memory->next = sim->real_files;
	sim->real_files = memory;
	return memory;
}

struct page *real_region_page(struct sim *sim, struct memory *memory, uint64_t index)
{
	void **slot = index < memory->size >> SIM_PAGE_SHIFT
			      ? radix_slot(sim, &memory->pages, index)
			      : NULL;

	if (slot && !*slot)
		*slot = page_create(sim, memory, index, 0);
	return slot ? *slot : NULL;
}

/* With the lock: one mapping more, or one less; the file that is to be given up then. */
static struct file *count_mapping(struct memory *memory, bool more)
{
	struct file *file = memory->file;

	if (memory->users)
		__atomic_fetch_add(memory->users, more ? 1 : UINT32_MAX, __ATOMIC_ACQ_REL);
	memory->mapped += more ? 1 : UINT32_MAX;
	memory->references += more ? 1 : UINT32_MAX;
	if (file && more)
		file_get(file);
	return more ? NULL : file;
}

int64_t real_region_map(
	struct task *task, struct memory *memory, uint64_t addr, uint32_t prot, uint32_t flags)
{
	struct sim *sim = task->sim;
	int64_t result =
		sim->config.host->map(task->host, memory->fd, addr, memory->size, prot, flags);

	if (result < 0)
		return result;
	sim_enter(sim, &sim->memory_lock);
	count_mapping(memory, true);
	sim_leave(sim, &sim->memory_lock);
	return result;
}

/* With the lock: brings one region nearer to what the host shows. False: none is wrong. */
static bool correct_one(struct sim *sim, host_count_function count, void *owner, struct file **file)
{
	struct memory *memory;

	for (memory = sim->real_files; memory; memory = memory->next) {
		uint32_t now = memory->mapped ? count(owner, memory->device, memory->inode) : 0;

		if (now == memory->mapped)
			continue;
		memory->references++;
		*file = count_mapping(memory, now > memory->mapped);
		/* Its owner may have gone before its last mapping. */
		memory_put(sim, memory);
		return true;
	}
	return false;
}

void host_regions_count(struct task *task, host_count_function count, void *owner)
{
	struct sim *sim = task->sim;
	bool again = true;

	while (again) {
		struct file *file = NULL;

		sim_enter(sim, &sim->memory_lock);
		again = correct_one(sim, count, owner, &file);
		sim_leave(sim, &sim->memory_lock);
		if (file)
			host_close(task, file);
	}
}

bool host_regions_mapped(struct sim *sim)
{
	const struct memory *memory;

	sim_enter(sim, &sim->memory_lock);
	for (memory = sim->real_files; memory && !memory->mapped; memory = memory->next)
		;
	sim_leave(sim, &sim->memory_lock);
	return memory != NULL;
}
