/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of an address space: mmap, munmap, mprotect, and its beginning and end. */
#include <errno.h>

#include "impl/abi/kernel_calls.h"
#include "impl/sim/mm/real.h"

#define LOWEST	 UINT64_C(0x10000) /* nobody maps below */
#define MAP_TYPE 0xfu
/* What a process can map beside mem and the windows of arguments: a call walks it page by page. */
#define ADDRESS_SPACE_ROOM (UINT64_C(256) << 20)
#define MM_SEM		   8u /* PROT_SEM: known and without effect here */

struct mm *mm_create_empty(struct sim *sim, enum mm_provider provider)
{
	struct mm *mm = sim_alloc_internal(sim, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->sim = sim;
	sim_enter(sim, &sim->state_lock);
	mm->number = ++sim->mm_count;
	sim_leave(sim, &sim->state_lock);
	mm->users = mm->grabs = 1;
	mm->provider = provider;
	mm->pid = sim->config.host_pid;
	mm->lock = rwsem_init(LOCK_MM);
	range_tree_init(&mm->vmas);
	return mm;
}

void vma_open(struct mm *mm, const struct vma *vma)
{
	if (vma->private)
		vma->private->references++;
	if (!vma->shared)
		return;
	mm->shared_mappings++;
	vma->shared->references++;
	if (vma->shared->users)
		__atomic_fetch_add(vma->shared->users, 1, __ATOMIC_ACQ_REL);
	if (vma->shared->file)
		file_get(vma->shared->file);
}

void vma_close(struct mm *mm, struct vma *vma)
{
	struct sim *sim = mm->sim;

	if (vma->private) {
		/* The last mapping gives up all pages with the object. */
		if (vma->private->references > 1)
			memory_drop(sim, vma->private, vma->private_index, vma_pages(vma));
		memory_put(sim, vma->private);
	}
	if (vma->shared) {
		mm->shared_mappings--;
		if (vma->shared->users)
			__atomic_fetch_sub(vma->shared->users, 1, __ATOMIC_ACQ_REL);
		if (vma->shared->file)
			file_put_late(sim, vma->shared->file);
		memory_put(sim, vma->shared);
	}
	sim_free_internal(sim, vma, sizeof(*vma));
}

static struct vma *vma_create(struct sim *sim, uint64_t va, uint64_t length, uint32_t prot)
{
	struct vma *vma = sim_alloc_internal(sim, sizeof(*vma));

	if (vma) {
		vma->node.first = va;
		vma->node.last = va + length - 1;
		vma->protection = prot & (MM_READ | MM_WRITE | MM_EXEC);
	}
	return vma;
}

static bool map_private(struct mm *mm, uint64_t va, uint64_t length, uint32_t prot, bool huge,
	struct memory *behind, uint64_t behind_index)
{
	struct sim *sim = mm->sim;
	struct vma *vma = vma_create(sim, va, length, prot);
	struct memory *memory;

	if (!vma)
		return false;
	memory = memory_create(sim, MEMORY_PRIVATE, length >> SIM_PAGE_SHIFT, va >> SIM_PAGE_SHIFT);
	if (!memory) {
		sim_free_internal(sim, vma, sizeof(*vma));
		return false;
	}
	memory->huge = vma->huge = huge;
	vma->private = memory;
	vma->shared = behind;
	vma->shared_index = behind_index;
	vma_open(mm, vma);
	range_insert(&mm->vmas, &vma->node);
	return true;
}

static bool map_shared(struct mm *mm, uint64_t va, uint64_t length, uint32_t prot,
	struct memory *memory, uint64_t index)
{
	struct vma *vma = vma_create(mm->sim, va, length, prot);

	if (!vma)
		return false;
	vma->huge = memory->huge;
	vma->shared = memory;
	vma->shared_index = index;
	vma_open(mm, vma);
	range_insert(&mm->vmas, &vma->node);
	return true;
}

struct mm *mm_create(struct sim *sim, enum mm_provider provider)
{
	uint64_t length = (uint64_t)sim->config.mem_pages << SIM_PAGE_SHIFT;
	struct mm *mm = mm_create_empty(sim, provider);
	bool good = mm != NULL;

	sim_enter(sim, &sim->memory_lock);
	if (good && provider == MM_SIMULATED)
		good = map_private(mm, MEM_BASE, length, MM_READ | MM_WRITE, false, NULL, 0) &&
		       map_private(mm, ARGUMENT_BASE, ARGUMENT_SIZE, MM_READ | MM_WRITE, false,
			       NULL, 0);
	sim_leave(sim, &sim->memory_lock);
	return good ? mm : NULL;
}

static void unmap_all(struct mm *mm)
{
	struct range_node *node;

	while ((node = mm->vmas.root) != NULL) {
		range_remove(&mm->vmas, node);
		vma_close(mm, vma_of(node));
	}
	real_release(mm->sim, mm);
	memory_changed(mm->sim);
}

void mm_put(struct task *task, struct mm *mm)
{
	struct sim *sim = mm->sim;

	if (__atomic_sub_fetch(&mm->users, 1, __ATOMIC_ACQ_REL))
		return;
	sim_enter(sim, &sim->memory_lock);
	unmap_all(mm);
	sim_leave(sim, &sim->memory_lock);
	mm_drop(task, mm);
}

void mm_drop(struct task *task, struct mm *mm)
{
	(void)task;
	if (!__atomic_sub_fetch(&mm->grabs, 1, __ATOMIC_ACQ_REL))
		sim_free_internal(mm->sim, mm, sizeof(*mm));
}

/* Cuts the mapping in two at va, which lies inside of it. */
static bool split(struct mm *mm, struct vma *vma, uint64_t va)
{
	uint64_t pages = (va - vma->node.first) >> SIM_PAGE_SHIFT;
	struct vma *upper = sim_alloc_internal(mm->sim, sizeof(*upper));

	if (!upper)
		return false;
	*upper = *vma;
	upper->node.first = va;
	if (upper->private)
		upper->private_index += pages;
	if (upper->shared)
		upper->shared_index += pages;
	vma_open(mm, upper);
	range_resize(&mm->vmas, &vma->node, vma->node.first, va - 1);
	range_insert(&mm->vmas, &upper->node);
	return true;
}

/* Cuts where the range begins and ends. -EINVAL within a huge page. */
static int isolate(struct mm *mm, uint64_t first, uint64_t last)
{
	struct vma *vma = mm_find_vma(mm, first);

	if (vma && vma->node.first < first) {
		if (vma->huge && first % SIM_HUGE_SIZE)
			return -EINVAL;
		if (!split(mm, vma, first))
			return -ENOMEM;
	}
	vma = mm_find_vma(mm, last);
	if (vma && vma->node.last > last) {
		if (vma->huge && (last + 1) % SIM_HUGE_SIZE)
			return -EINVAL;
		if (!split(mm, vma, last + 1))
			return -ENOMEM;
	}
	return 0;
}

static int unmap_range(struct mm *mm, uint64_t first, uint64_t last)
{
	struct range_node *node;
	int error = isolate(mm, first, last);

	if (error)
		return error;
	while ((node = range_first(&mm->vmas, first, last)) != NULL) {
		range_remove(&mm->vmas, node);
		vma_close(mm, vma_of(node));
	}
	memory_changed(mm->sim);
	return 0;
}

/* The lowest free place at or above MMAP_BASE, 0 when there is none. */
static uint64_t find_place(const struct mm *mm, uint64_t length, uint64_t alignment)
{
	uint64_t from = MMAP_BASE, first, last;

	while (range_hole(&mm->vmas, from, length, &first, &last)) {
		uint64_t place = (first + alignment - 1) & ~(alignment - 1);

		if (place > TASK_SIZE - length)
			break;
		if (place <= last && last - place >= length - 1)
			return place;
		from = last + 1;
	}
	return 0;
}

/* Without FIXED the address is a hint: taken when it is free, raised to the lowest place. */
static uint64_t find_hinted(const struct mm *mm, uint64_t hint, uint64_t length, uint64_t alignment)
{
	hint &= ~(SIM_PAGE_SIZE - 1);
	if (hint && hint < LOWEST)
		hint = LOWEST;
	if (hint && hint % alignment == 0 && hint <= TASK_SIZE - length &&
		!range_first(&mm->vmas, hint, hint + length - 1))
		return hint;
	return find_place(mm, length, alignment);
}

static bool rounded(uint64_t length, uint64_t unit, uint64_t *result)
{
	return !__builtin_add_overflow(length, unit - 1, result) && (*result &= ~(unit - 1)) != 0;
}

struct map_request {
	uint64_t addr, length, index;
	uint32_t prot, flags;
	struct memory *file; /* NULL: anonymous */
	bool huge;
};

/* The part of a mapping within [first, last], bytes. */
static uint64_t overlap(const struct range_node *node, uint64_t first, uint64_t last)
{
	first = node->first > first ? node->first : first;
	last = node->last < last ? node->last : last;
	return first <= last ? last - first + 1 : 0;
}

/* RLIMIT_AS; what FIXED replaces does not count. */
static bool may_expand(struct mm *mm, const struct map_request *request)
{
	uint64_t limit = ((uint64_t)mm->sim->config.mem_pages << SIM_PAGE_SHIFT) + ARGUMENT_SIZE +
			 ADDRESS_SPACE_ROOM;
	uint64_t total = request->length;
	bool fixed = request->flags & CALL_MAP_FIXED;
	struct range_node *node;

	range_tree_for_each (node, &mm->vmas) {
		total += node->last - node->first + 1;
		if (fixed)
			total -= overlap(node, request->addr, request->addr + request->length - 1);
	}
	return total <= limit;
}

/* With the locks: finds or clears the place and puts the mapping there. */
static int64_t map_locked(struct mm *mm, const struct map_request *request)
{
	uint64_t va = request->addr;
	struct memory *memory = request->file;
	bool good;
	int error;

	if (!may_expand(mm, request))
		return -ENOMEM;
	if (request->flags & CALL_MAP_FIXED)
		error = unmap_range(mm, va, va + request->length - 1);
	else
		error = (va = find_hinted(mm, va, request->length,
				 request->huge ? SIM_HUGE_SIZE : SIM_PAGE_SIZE))
				? 0
				: -ENOMEM;
	if (error)
		return error;
	if ((request->flags & MAP_TYPE) == CALL_MAP_PRIVATE) {
		good = map_private(mm, va, request->length, request->prot, request->huge, memory,
			request->index);
	} else if (memory) {
		good = map_shared(mm, va, request->length, request->prot, memory, request->index);
	} else {
		memory = memory_create(mm->sim, MEMORY_SHARED, request->length >> SIM_PAGE_SHIFT,
			va >> SIM_PAGE_SHIFT);
		if (!memory)
			return -ENOMEM;
		memory->references = 1;
		memory->size = request->length;
		memory->huge = request->huge;
		good = map_shared(mm, va, request->length, request->prot, memory, 0);
		memory_put(mm->sim, memory);
	}
	return good ? (int64_t)va : -ENOMEM;
}

/*
 * What does not depend on the kind of file, in the order of Linux. end: the largest offset in the
 * file, 0 without one.
 */
static int check_place(uint64_t addr, uint64_t length, uint32_t flags, uint64_t end,
	uint64_t offset, uint64_t unit, uint64_t *whole)
{
	uint32_t type = flags & MAP_TYPE;

	if (!length)
		return -EINVAL;
	if (!rounded(length, unit, whole) || *whole > TASK_SIZE)
		return -ENOMEM;
	if (flags & CALL_MAP_FIXED) {
		if (addr > TASK_SIZE - *whole)
			return -ENOMEM;
		if (addr % unit)
			return -EINVAL;
		if (addr < LOWEST)
			return -EPERM;
	}
	if (end && offset >> SIM_PAGE_SHIFT > (end - *whole) >> SIM_PAGE_SHIFT)
		return -EOVERFLOW;
	/* Both bits together are SHARED_VALIDATE, for files only. */
	if (type == CALL_MAP_SHARED || type == CALL_MAP_PRIVATE)
		return 0;
	return end && type == (CALL_MAP_SHARED | CALL_MAP_PRIVATE) ? 0 : -EINVAL;
}

int mm_check_file_map(uint64_t addr, uint64_t length, uint32_t flags, uint64_t end, uint64_t offset)
{
	return check_place(addr, length, flags, end, offset, SIM_PAGE_SIZE, &length);
}

int64_t mm_mmap(struct task *task, uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags,
	struct file *file, uint64_t offset)
{
	struct map_request request = {.addr = addr,
		.index = offset >> SIM_PAGE_SHIFT,
		.prot = prot,
		.flags = flags,
		.file = file ? file->object : NULL};
	struct mm *mm = task_mm(task);
	uint64_t unit;
	int64_t result;
	int error;

	if (!mm || mm->provider == MM_REAL)
		return -ENODEV;
	if (offset % SIM_PAGE_SIZE)
		return -EINVAL;
	request.huge = file ? request.file->huge : (flags & CALL_MAP_HUGETLB) != 0;
	if (file && (flags & CALL_MAP_HUGETLB) && !request.huge)
		return -EINVAL;
	unit = request.huge ? SIM_HUGE_SIZE : SIM_PAGE_SIZE;
	error = check_place(
		addr, length, flags, file ? INT64_MAX : 0, offset, unit, &request.length);
	if (error)
		return error;
	if (file && offset % unit)
		return -EINVAL;
	down_write(task, &mm->lock);
	sim_enter(task->sim, &task->sim->memory_lock);
	result = map_locked(mm, &request);
	sim_leave(task->sim, &task->sim->memory_lock);
	up_write(task, &mm->lock);
	return result;
}

int mm_make_room(struct task *task, uint64_t addr, uint64_t length, uint32_t flags)
{
	struct map_request request = {.addr = addr, .length = length, .flags = flags};
	struct mm *mm = task_mm(task);
	int error = 0;

	if (!mm)
		return -ENODEV;
	/* A process of the host makes its own room. */
	if (mm->provider == MM_REAL || !(flags & CALL_MAP_FIXED))
		return 0;
	down_write(task, &mm->lock);
	sim_enter(task->sim, &task->sim->memory_lock);
	if (may_expand(mm, &request))
		error = unmap_range(mm, addr, addr + length - 1);
	sim_leave(task->sim, &task->sim->memory_lock);
	up_write(task, &mm->lock);
	return error;
}

int mm_munmap(struct task *task, uint64_t addr, uint64_t length)
{
	struct mm *mm = task_mm(task);
	uint64_t bytes;
	int error;

	if (!mm || mm->provider == MM_REAL)
		return -ENODEV;
	if (addr % SIM_PAGE_SIZE || !rounded(length, SIM_PAGE_SIZE, &bytes) || bytes > TASK_SIZE ||
		addr > TASK_SIZE - bytes)
		return -EINVAL;
	down_write(task, &mm->lock);
	sim_enter(task->sim, &task->sim->memory_lock);
	error = unmap_range(mm, addr, addr + bytes - 1);
	sim_leave(task->sim, &task->sim->memory_lock);
	up_write(task, &mm->lock);
	return error;
}

/* Mapping by mapping; a hole ends it after what lies before has changed. */
static int protect_range(struct mm *mm, uint64_t first, uint64_t last, uint32_t prot)
{
	memory_changed(mm->sim);
	for (;;) {
		struct vma *vma = mm_find_vma(mm, first);
		uint64_t end;
		int error;

		if (!vma)
			return -ENOMEM;
		end = vma->node.last < last ? vma->node.last : last;
		error = isolate(mm, first, end);
		if (error)
			return error;
		vma = mm_find_vma(mm, first);
		vma->protection = prot & (MM_READ | MM_WRITE | MM_EXEC);
		if (end == last)
			return 0;
		first = end + 1;
	}
}

int mm_mprotect(struct task *task, uint64_t addr, uint64_t length, uint32_t prot)
{
	struct mm *mm = task_mm(task);
	uint64_t bytes;
	int error;

	if (!mm || mm->provider == MM_REAL)
		return -ENODEV;
	if (addr % SIM_PAGE_SIZE)
		return -EINVAL;
	if (!length)
		return 0;
	if (!rounded(length, SIM_PAGE_SIZE, &bytes) || addr + bytes <= addr)
		return -ENOMEM;
	if (prot & ~(uint32_t)(MM_READ | MM_WRITE | MM_EXEC | MM_SEM))
		return -EINVAL;
	/* What lies beyond the address space is a hole like any other. */
	down_write(task, &mm->lock);
	sim_enter(task->sim, &task->sim->memory_lock);
	error = protect_range(mm, addr, addr + bytes - 1, prot);
	sim_leave(task->sim, &task->sim->memory_lock);
	up_write(task, &mm->lock);
	return error;
}

struct mm_region *mm_region_create(
	struct task *task, uint64_t length, uint32_t *users, struct file *file)
{
	struct sim *sim = task->sim;
	struct mm_region *region = sim_alloc_internal(sim, sizeof(*region));

	if (!region)
		return NULL;
	sim_enter(sim, &sim->memory_lock);
	region->memory = sim->config.host
				 ? real_region_create(sim, length)
				 : memory_create(sim, MEMORY_SHARED, length >> SIM_PAGE_SHIFT, 0);
	if (region->memory) {
		region->memory->references = 1;
		region->memory->size = length;
		region->memory->users = users;
		region->memory->file = file;
		region->memory->region = true;
	}
	sim_leave(sim, &sim->memory_lock);
	if (region->memory)
		return region;
	sim_free_internal(sim, region, sizeof(*region));
	return NULL;
}

void mm_region_destroy(struct task *task, struct mm_region *region)
{
	struct sim *sim = task->sim;

	sim_enter(sim, &sim->memory_lock);
	region->memory->users = NULL;
	memory_put(sim, region->memory);
	sim_leave(sim, &sim->memory_lock);
	sim_free_internal(sim, region, sizeof(*region));
}

struct page *mm_region_page(struct task *task, struct mm_region *region, uint64_t index)
{
	struct page *page;

	sim_enter(task->sim, &task->sim->memory_lock);
	page = region->memory->kind == MEMORY_REAL
		       ? real_region_page(task->sim, region->memory, index)
		       : memory_page(task->sim, region->memory, index);
	sim_leave(task->sim, &task->sim->memory_lock);
	return page;
}

uint32_t mm_region_mappings(const struct mm_region *region)
{
	return region->memory->references - 1;
}

int64_t mm_region_map(
	struct task *task, struct mm_region *region, uint64_t addr, uint32_t prot, uint32_t flags)
{
	struct map_request request = {.addr = addr,
		.length = region->memory->size,
		.prot = prot,
		.flags = flags,
		.file = region->memory};
	struct mm *mm = task_mm(task);
	int64_t result;

	if (mm && region->memory->kind == MEMORY_REAL && task->host)
		return real_region_map(task, region->memory, addr, prot, flags);
	if (!mm || mm->provider == MM_REAL)
		return -ENODEV;
	down_write(task, &mm->lock);
	sim_enter(task->sim, &task->sim->memory_lock);
	result = map_locked(mm, &request);
	sim_leave(task->sim, &task->sim->memory_lock);
	up_write(task, &mm->lock);
	return result;
}
