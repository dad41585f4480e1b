/* SPDX-License-Identifier: Apache-2.0 */
/* Memory files. The object of such a file is its struct memory. */
#include <errno.h>

#include "impl/sim/mm/mm_private.h"

#define MEMFD_FLAGS   UINT32_C(7) /* CLOEXEC, ALLOW_SEALING, HUGETLB */
#define MEMFD_HUGETLB UINT32_C(4)
#define PIECE	      SIM_PAGE_SIZE
#define FAR_PAGES     (UINT64_C(1) << 32) /* larger files get page numbers one by one */

int memfd_create_file(struct task *task, uint64_t size, uint32_t flags, struct file **file)
{
	struct sim *sim = task->sim;
	struct memory *memory;

	if (flags & ~MEMFD_FLAGS || size > INT64_MAX ||
		((flags & MEMFD_HUGETLB) && size % SIM_HUGE_SIZE))
		return -EINVAL;
	sim_enter(sim, &sim->memory_lock);
	memory = memory_create(sim, MEMORY_SHARED, (size >> SIM_PAGE_SHIFT) + 1, 0);
	if (memory) {
		memory->references = 1;
		memory->size = size;
		memory->huge = (flags & MEMFD_HUGETLB) != 0;
	}
	sim_leave(sim, &sim->memory_lock);
	*file = memory ? file_open(task, FILE_MEMFD, memory, 2) : NULL;
	if (*file)
		return 0;
	if (memory) {
		sim_enter(sim, &sim->memory_lock);
		memory_put(sim, memory);
		sim_leave(sim, &sim->memory_lock);
	}
	return -ENOMEM;
}

void memfd_release(struct task *task, struct file *file)
{
	struct sim *sim = task->sim;

	sim_enter(sim, &sim->memory_lock);
	memory_put(sim, file->object);
	sim_leave(sim, &sim->memory_lock);
}

/* Copies that private mappings made of pages beyond the new end go with them. */
static void drop_private_copies(struct sim *sim, const struct memory *memory, uint64_t first)
{
	unsigned n;

	for (n = 0; n < SIM_PROCESSES; n++) {
		const struct mm *mm = sim->processes[n] ? sim->processes[n]->mm : NULL;
		struct range_node *node;

		if (!mm)
			continue;
		range_tree_for_each (node, &mm->vmas) {
			const struct vma *vma = vma_of(node);
			uint64_t skip = first > vma->shared_index ? first - vma->shared_index : 0;

			if (vma->shared == memory && vma->private && skip < vma_pages(vma))
				memory_drop(sim, vma->private, vma->private_index + skip,
					vma_pages(vma) - skip);
		}
	}
}

static void shrink(struct sim *sim, struct memory *memory, uint64_t size)
{
	static const uint8_t zeroes[SIM_PAGE_SIZE];
	uint64_t first = (size + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT;
	size_t rest = size % SIM_PAGE_SIZE;
	struct page *last;

	if (memory_drop(sim, memory, first, UINT64_MAX))
		memory->generation++;
	drop_private_copies(sim, memory, first);
	last = rest ? radix_get(&memory->pages, first - 1) : NULL;
	if (last && last->bytes)
		page_store(sim, NULL, last, rest, zeroes, SIM_PAGE_SIZE - rest, 0);
}

static bool resize(struct sim *sim, struct memory *memory, uint64_t size)
{
	uint64_t pages = (size + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT;
	uint64_t old = memory->size;

	if (size < old)
		shrink(sim, memory, size);
	memory->size = size;
	memory_changed(sim);
	if (pages > memory->reserved && pages < FAR_PAGES) {
		/* Numbers for the new pages, with room to grow on. */
		memory->size = size * 2;
		memory->generation = (uint16_t)(memory->later_count + 1);
		if (!memory_next_generation(sim, memory)) {
			memory->size = old;
			return false;
		}
		memory->size = size;
	}
	return true;
}

int memfd_truncate(struct task *task, struct file *file, uint64_t size)
{
	struct memory *memory = file->object;
	struct sim *sim = task->sim;
	bool good;

	if (size > INT64_MAX || (memory->huge && size % SIM_HUGE_SIZE))
		return -EINVAL;
	sim_enter(sim, &sim->memory_lock);
	good = resize(sim, memory, size);
	sim_leave(sim, &sim->memory_lock);
	return good ? 0 : -ENOMEM;
}

int64_t memfd_read(struct task *task, struct file *file, uint64_t at, uint64_t length)
{
	struct memory *memory = file->object;
	struct sim *sim = task->sim;
	uint8_t piece[PIECE];
	uint64_t done = 0;

	if (length && file->position < memory->size && !user_copy_begins(task))
		return -EFAULT;
	while (done < length && file->position < memory->size) {
		size_t offset = file->position % SIM_PAGE_SIZE, part = SIM_PAGE_SIZE - offset,
		       stored;
		struct page *page;

		if (part > length - done)
			part = (size_t)(length - done);
		if (part > memory->size - file->position)
			part = (size_t)(memory->size - file->position);
		sim_enter(sim, &sim->memory_lock);
		page = memory_page(sim, memory, file->position >> SIM_PAGE_SHIFT);
		sim_leave(sim, &sim->memory_lock);
		if (!page)
			return done ? (int64_t)done : -ENOMEM;
		page_read(task, page, offset, piece, part);
		stored = user_store(task, at + done, piece, part);
		done += stored;
		file->position += stored;
		if (stored < part)
			return done ? (int64_t)done : -EFAULT;
	}
	return (int64_t)done;
}

int64_t memfd_write(struct task *task, struct file *file, uint64_t at, uint64_t length)
{
	struct memory *memory = file->object;
	struct sim *sim = task->sim;
	uint8_t piece[PIECE];
	uint64_t done = 0;

	if (memory->huge)
		return -EINVAL;
	if (length && file->position >= INT64_MAX)
		return -EFBIG;
	if (length > INT64_MAX - file->position)
		length = INT64_MAX - file->position;
	if (length && !user_copy_begins(task))
		return -EFAULT;
	while (done < length) {
		size_t offset = file->position % SIM_PAGE_SIZE, part = SIM_PAGE_SIZE - offset,
		       loaded;
		struct page *page = NULL;
		bool good = true;

		if (part > length - done)
			part = (size_t)(length - done);
		loaded = user_load(task, at + done, piece, part);
		sim_enter(sim, &sim->memory_lock);
		if (loaded && file->position + loaded > memory->size)
			good = resize(sim, memory, file->position + loaded);
		if (loaded && good)
			page = memory_page(sim, memory, file->position >> SIM_PAGE_SHIFT);
		sim_leave(sim, &sim->memory_lock);
		if (loaded && !page)
			return done ? (int64_t)done : -ENOMEM;
		if (loaded)
			page_write(task, page, offset, piece, loaded);
		done += loaded;
		file->position += loaded;
		/* What is short is tried once more: the file may be its own source, and longer now.
		 */
		if (!loaded)
			return done ? (int64_t)done : -EFAULT;
	}
	return (int64_t)done;
}

static int64_t pin_host_file(struct task *task, struct memory *memory, uint64_t index,
	uint64_t count, struct page **pages)
{
	struct sim *sim = task->sim;
	int64_t pinned;

	sim_enter(sim, &sim->memory_lock);
	pinned = real_file_pin(sim, memory, index, count, pages);
	sim_leave(sim, &sim->memory_lock);
	if (pinned < 0 || (uint64_t)pinned == count)
		return pinned;
	page_unpin(task, pages, (uint64_t)pinned);
	return -ENOMEM;
}

int64_t file_pin(
	struct task *task, struct file *file, uint64_t index, uint64_t count, struct page **pages)
{
	struct sim *sim = task->sim;
	struct memory *memory;
	uint64_t whole, n;

	if (file->kind != FILE_MEMFD)
		return -EINVAL;
	memory = file->object;
	if (memory->is_file)
		return pin_host_file(task, memory, index, count, pages);
	sim_enter(sim, &sim->memory_lock);
	whole = memory->size >> SIM_PAGE_SHIFT;
	if (index > whole || count > whole - index) {
		sim_leave(sim, &sim->memory_lock);
		return -EINVAL;
	}
	for (n = 0; n < count; n++) {
		pages[n] = memory_page(sim, memory, index + n);
		if (!pages[n])
			break;
		pages[n]->pins++;
	}
	sim->physical.pins += n;
	sim_leave(sim, &sim->memory_lock);
	if (n == count)
		return (int64_t)n;
	page_unpin(task, pages, n);
	return -ENOMEM;
}
