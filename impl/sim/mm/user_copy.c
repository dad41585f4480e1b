/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between the kernel and the running task, and the program's own loads and stores. */
#include <errno.h>
#include <string.h>

#include "impl/sim/mm/mm_private.h"

/* The page at va for a load: false on a fault, *page NULL for zeroes. Remembers it. */
static inline bool load_page(struct sim *sim, struct mm *mm, uint64_t va, struct page **page)
{
	struct translation *cached = mm_translation(mm, va);

	if (cached->va == va && cached->epoch == sim->physical.epoch) {
		*page = cached->page;
		return true;
	}
	if (!sim_fault(mm, va, INTENT_READ, false, page))
		return false;
	if (*page)
		*cached = (struct translation){va, *page, sim->physical.epoch, false};
	return true;
}

static inline bool store_page(struct sim *sim, struct mm *mm, uint64_t va, struct page **page)
{
	struct translation *cached = mm_translation(mm, va);

	if (cached->writable && cached->va == va && cached->epoch == sim->physical.epoch) {
		*page = cached->page;
		return true;
	}
	if (!sim_fault(mm, va, INTENT_WRITE, true, page))
		return false;
	*cached = (struct translation){va, *page, sim->physical.epoch, true};
	return true;
}

static inline size_t within_page(uint64_t va, size_t count)
{
	size_t rest = SIM_PAGE_SIZE - va % SIM_PAGE_SIZE;

	return count < rest ? count : rest;
}

/* Most loads: within a page that is remembered. */
static inline bool load_known(struct mm *mm, uint64_t from, void *to, size_t count)
{
	uint64_t offset = from % SIM_PAGE_SIZE;
	const struct translation *cached = mm_translation(mm, from);

	if (count > SIM_PAGE_SIZE - offset || cached->va != from - offset ||
		cached->epoch != mm->sim->physical.epoch || !cached->page->bytes)
		return false;
	memcpy(to, cached->page->bytes + offset, count);
	return true;
}

static size_t load(struct mm *mm, uint64_t from, void *to, size_t count)
{
	struct sim *sim = mm->sim;
	size_t done = 0;

	if (mm->provider == MM_REAL)
		return real_read(mm, from, to, count);
	sim_enter(sim, &sim->memory_lock);
	if (load_known(mm, from, to, count))
		done = count;
	while (done < count) {
		uint64_t va = from + done;
		size_t part = within_page(va, count - done);
		struct page *page;

		if (!load_page(sim, mm, va & ~(SIM_PAGE_SIZE - 1), &page))
			break;
		if (page && page->bytes)
			memcpy((uint8_t *)to + done, page->bytes + va % SIM_PAGE_SIZE, part);
		else
			memset((uint8_t *)to + done, 0, part);
		done += part;
	}
	sim_leave(sim, &sim->memory_lock);
	return done;
}

/* Out of line: its page of stack would cost every store in builds with AddressSanitizer. */
__attribute__((noinline)) static size_t store_real(
	struct mm *mm, struct task *report, uint64_t to, const void *from, size_t count)
{
	const struct sim_events *events = &mm->sim->config.events;
	size_t done = 0;

	if (!report || !events->memory)
		return real_write(mm, to, from, count);
	while (done < count) {
		size_t part = within_page(to + done, count - done);
		const uint8_t *bytes = (const uint8_t *)from + done;
		uint8_t old[SIM_PAGE_SIZE];

		if (real_read(mm, to + done, old, part) != part ||
			real_write(mm, to + done, bytes, part) != part)
			break;
		events->memory(events->context, to + done, old, bytes, (uint32_t)part);
		done += part;
	}
	return done;
}

/* report: the task whose owner hears of the change, or NULL. */
static size_t store(struct mm *mm, struct task *report, uint64_t to, const void *from, size_t count)
{
	bool own = report && task_mm(report) == mm;
	struct sim *sim = mm->sim;
	size_t done = 0;

	if (mm->provider == MM_REAL)
		return store_real(mm, own ? report : NULL, to, from, count);
	sim_enter(sim, &sim->memory_lock);
	while (done < count) {
		uint64_t va = to + done, start = va & ~(SIM_PAGE_SIZE - 1);
		size_t part = within_page(va, count - done);
		struct page *page;

		if (!store_page(sim, mm, start, &page) ||
			!page_store(sim, report, page, (size_t)(va - start),
				(const uint8_t *)from + done, part, own ? start : 0))
			break;
		done += part;
	}
	sim_leave(sim, &sim->memory_lock);
	return done;
}

bool user_copy_begins(struct task *task)
{
	might_sleep(task, "user copy");
	lock_assert_user_copy(task);
	schedule_point(task, SCHEDULE_USER_COPY);
	return !fault_here(task, FAULT_USER_COPY) && task->process && task->process->mm;
}

int copy_from_user(struct task *task, void *to, uint64_t from, size_t count)
{
	if (!user_copy_begins(task))
		return -EFAULT;
	return load(task->process->mm, from, to, count) == count ? 0 : -EFAULT;
}

int copy_to_user(struct task *task, uint64_t to, const void *from, size_t count)
{
	if (!user_copy_begins(task))
		return -EFAULT;
	return store(task->process->mm, task, to, from, count) == count ? 0 : -EFAULT;
}

int clear_user(struct task *task, uint64_t to, uint64_t count)
{
	static const uint8_t zeros[SIM_PAGE_SIZE];

	if (!user_copy_begins(task))
		return -EFAULT;
	while (count) {
		size_t part =
			within_page(to, count < SIM_PAGE_SIZE ? (size_t)count : SIM_PAGE_SIZE);

		if (store(task->process->mm, task, to, zeros, part) != part)
			return -EFAULT;
		to += part;
		count -= part;
	}
	return 0;
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
	return !count || (!bytes[0] && !memcmp(bytes, bytes + 1, count - 1));
}

/* From page to page; bytes that are not zero count before a fault behind them. */
static int check_zeroed(struct mm *mm, uint64_t from, uint64_t count)
{
	struct sim *sim = mm->sim;

	while (count) {
		size_t part =
			within_page(from, count < SIM_PAGE_SIZE ? (size_t)count : SIM_PAGE_SIZE);
		struct page *page;

		if (!load_page(sim, mm, from & ~(SIM_PAGE_SIZE - 1), &page))
			return -EFAULT;
		if (page && page->bytes && !all_zero(page->bytes + from % SIM_PAGE_SIZE, part))
			return 0;
		from += part;
		count -= part;
	}
	return 1;
}

static int check_zeroed_real(const struct mm *mm, uint64_t from, uint64_t count)
{
	uint8_t bytes[SIM_PAGE_SIZE];

	while (count) {
		size_t part =
			within_page(from, count < SIM_PAGE_SIZE ? (size_t)count : SIM_PAGE_SIZE);

		if (real_read(mm, from, bytes, part) != part)
			return -EFAULT;
		if (!all_zero(bytes, part))
			return 0;
		from += part;
		count -= part;
	}
	return 1;
}

int check_zeroed_user(struct task *task, uint64_t from, uint64_t count)
{
	struct sim *sim = task->sim;
	int result;

	if (!user_copy_begins(task))
		return -EFAULT;
	if (task->process->mm->provider == MM_REAL)
		return check_zeroed_real(task->process->mm, from, count);
	sim_enter(sim, &sim->memory_lock);
	result = check_zeroed(task->process->mm, from, count);
	sim_leave(sim, &sim->memory_lock);
	return result;
}

size_t user_load(struct task *task, uint64_t from, void *to, size_t count)
{
	return task->process && task->process->mm ? load(task->process->mm, from, to, count) : 0;
}

size_t user_store(struct task *task, uint64_t to, const void *from, size_t count)
{
	return task->process && task->process->mm ? store(task->process->mm, task, to, from, count)
						  : 0;
}

int mm_copy_borrowed(
	struct task *task, struct mm *mm, uint64_t va, void *buffer, size_t count, bool write)
{
	size_t done = write ? store(mm, task, va, buffer, count) : load(mm, va, buffer, count);

	return done == count ? 0 : -EFAULT;
}

size_t mm_poke(struct mm *mm, uint64_t to, const void *from, size_t count)
{
	return store(mm, NULL, to, from, count);
}

size_t mm_peek(struct mm *mm, uint64_t from, void *to, size_t count)
{
	return load(mm, from, to, count);
}
