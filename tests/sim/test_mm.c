/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces, pins, fork, exec, memfds and user copies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "impl/abi/kernel_calls.h"
#include "impl/sim/alloc.h"
#include "impl/sim/fault.h"
#include "impl/sim/file.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define ANONYMOUS (CALL_MAP_PRIVATE | CALL_MAP_ANONYMOUS)
#define RW	  (CALL_PROT_READ | CALL_PROT_WRITE)

struct fixture {
	struct recorded recorded;
	struct sim *sim;
	struct task *task;
	struct mm *mm;
};

static void set_up(struct fixture *f)
{
	f->sim = test_sim(LOCKS_SINGLE, &f->recorded);
	f->task = sim_task(f->sim, 0, 0);
	f->mm = task_mm(f->task);
}

/* Ends the sim; nothing may be left but what was pinned on purpose. */
static void tear_down(struct fixture *f, const char *what, uint64_t pins)
{
	sim_finish(f->sim);
	tap_ok(silent(&f->recorded) && mm_pins(f->sim) == pins && mm_pages(f->sim) == pins &&
			sim_alloc_objects(f->sim) == 0,
		"%s: nothing is left", what);
	sim_destroy(f->sim);
}

static int64_t pin_one(struct fixture *f, uint64_t va, bool write, struct page **page)
{
	return mm_pin(f->task, f->mm, va, 1, write, page);
}

static void test_pins(void)
{
	struct fixture f;
	struct page *pages[8], *page;
	uint64_t area, phys;

	set_up(&f);
	tap_ok(mm_pin(f.task, f.mm, MEM_BASE, 8, false, pages) == 8 && mm_pins(f.sim) == 8 &&
			mm_pages(f.sim) == 8,
		"never written pages get pages of their own when pinned");
	tap_ok(pages[3]->phys == pages[0]->phys + 3 * PAGE &&
			pages[0]->phys % (1 << 30) == MEM_BASE % (1 << 30),
		"contiguous and congruent physical addresses");
	tap_ok(mm_visible_page(f.task, MEM_BASE + PAGE + 7) == pages[1] &&
			page_at(f.sim, pages[1]->phys + 7) == pages[1],
		"the process sees the pinned page");
	sim_put(f.task, MEM_BASE + PAGE, "hello", 5);
	page_read(f.task, pages[1], 1, &phys, 4);
	tap_ok(!memcmp(&phys, "ello", 4), "its stores reach the pinned page");
	tap_ok(mm_pin(f.task, f.mm, MEM_BASE + 255 * PAGE, 2, true, &pages[0]) == 1,
		"a run ends where memory ends");
	page_unpin(f.task, &pages[0], 1);
	pages[0] = mm_visible_page(f.task, MEM_BASE);
	tap_ok(pin_one(&f, MEM_BASE + 256 * PAGE, false, &page) == -EFAULT, "unmapped: EFAULT");
	area = (uint64_t)sim_mmap(f.task, 0, PAGE, CALL_PROT_READ, ANONYMOUS, -1, 0);
	tap_ok(area == MMAP_BASE && pin_one(&f, area, true, &page) == -EFAULT,
		"write pin of a read-only mapping");
	tap_ok(!sim_mprotect(f.task, area, PAGE, 0) && pin_one(&f, area, false, &page) == -EFAULT,
		"PROT_NONE: EFAULT");
	sim_mprotect(f.task, area, PAGE, RW);
	sim_put(f.task, area, "old", 3);
	pin_one(&f, area, true, &page);
	phys = page->phys;
	sim_munmap(f.task, area, PAGE);
	tap_ok(page_at(f.sim, phys) == page && page->bytes[0] == 'o',
		"a pinned page outlives munmap");
	tap_ok((uint64_t)sim_mmap(f.task, 0, PAGE, RW, ANONYMOUS, -1, 0) == area &&
			mm_visible_page(f.task, area)->phys != phys,
		"a new mapping there has another page");
	f.recorded.changes = 0;
	page_write(f.task, page, 0, "new", 3);
	tap_ok(!f.recorded.changes && !sim_expect(f.task, area, "\0\0\0", 3),
		"the old page is out of sight");
	page_unpin(f.task, &page, 1);
	tap_ok(!page_at(f.sim, phys), "its last unpin ends it");
	page_unpin(f.task, pages, 8);
	tear_down(&f, "pins", 0);
}

static void test_fork(void)
{
	struct fixture f;
	struct task *child;
	struct page *pinned, *shared, *page;

	set_up(&f);
	sim_put(f.task, MEM_BASE, "pin", 3);
	sim_put(f.task, MEM_BASE + PAGE, "cow", 3);
	pin_one(&f, MEM_BASE, true, &pinned);
	shared = mm_visible_page(f.task, MEM_BASE + PAGE);
	tap_ok(!sim_fork(f.task, 1) && sim_fork(f.task, 1) == -EEXIST, "fork, once a number");
	child = sim_task(f.sim, 1, 0);
	tap_ok(mm_visible_page(f.task, MEM_BASE) == pinned &&
			mm_visible_page(child, MEM_BASE) != pinned &&
			!sim_expect(child, MEM_BASE, "pin", 3),
		"a pinned page stays the parent's, the child has a copy");
	tap_ok(mm_visible_page(child, MEM_BASE + PAGE) == shared && shared->refs == 2,
		"others are shared");
	sim_put(child, MEM_BASE + PAGE, "C", 1);
	tap_ok(!sim_expect(child, MEM_BASE + PAGE, "Cow", 3) &&
			!sim_expect(f.task, MEM_BASE + PAGE, "cow", 3) &&
			mm_visible_page(f.task, MEM_BASE + PAGE) == shared,
		"until one writes, which gets a copy");
	sim_fork(f.task, 2);
	tap_ok(pin_one(&f, MEM_BASE + PAGE, false, &page) == 1 && page != shared &&
			mm_visible_page(sim_task(f.sim, 2, 0), MEM_BASE + PAGE) == shared,
		"a read pin breaks sharing too");
	sim_put(f.task, MEM_BASE + PAGE, "P", 1);
	tap_ok(page->bytes[0] == 'P' && shared->bytes[0] == 'c' && page->phys != shared->phys &&
			page_at(f.sim, shared->phys) == shared &&
			page_at(f.sim, page->phys) == page,
		"both pages live at addresses of their own");
	page_unpin(f.task, &page, 1);
	/* A child that never touched memory reads what the parent had. */
	tap_ok(!sim_expect(sim_task(f.sim, 2, 0), MEM_BASE + PAGE, "cow", 3),
		"the second child's view");
	sim_exit(sim_task(f.sim, 2, 0));
	tap_ok(!sim_process(f.sim, 2) && !sim_fork(child, 2) &&
			!sim_expect(sim_task(f.sim, 2, 0), MEM_BASE + PAGE, "Cow", 3),
		"a grandchild in the place of a process that exited");
	page_unpin(f.task, &pinned, 1);
	tear_down(&f, "fork", 0);
}

static void test_exec_exit(void)
{
	struct fixture f;
	struct page *page;
	struct mm *old;
	uint32_t number;

	set_up(&f);
	sim_put(f.task, MEM_BASE, "old", 3);
	pin_one(&f, MEM_BASE, true, &page);
	old = mm_grab(f.mm);
	number = mm_number(old);
	tap_ok(mm_get(old) && mm_alive(old), "mm_get keeps the space");
	mm_put(f.task, old);
	sim_exec(f.task);
	tap_ok(!mm_alive(old) && !mm_get(old) && mm_number(task_mm(f.task)) != number,
		"exec ends the old space");
	tap_ok(!sim_expect(f.task, MEM_BASE, "\0\0\0", 3) && page->bytes[0] == 'o',
		"fresh memory; the pin keeps the old");
	tap_ok(pin_one(&f, MEM_BASE, false, &page) == -EFAULT,
		"nothing to pin in a space that is gone");
	page = page_at(f.sim, page->phys);
	page_unpin(f.task, &page, 1);
	mm_drop(f.task, old);
	tear_down(&f, "exec", 0);
}

static void test_mappings(void)
{
	struct fixture f;
	uint64_t a;

	set_up(&f);
	a = MMAP_BASE;
	tap_ok(sim_mmap(f.task, 0, 4 * PAGE, RW, ANONYMOUS, -1, 0) == (int64_t)a &&
			sim_mmap(f.task, 0, 100, RW, ANONYMOUS, -1, 0) == (int64_t)(a + 4 * PAGE),
		"first fit, in whole pages");
	sim_fill(f.task, a, 'x', 4 * PAGE);
	tap_ok(!sim_munmap(f.task, a + PAGE, PAGE) &&
			sim_put(f.task, a + PAGE, "y", 1) == -EFAULT &&
			!sim_expect(f.task, a + 2 * PAGE, "x", 1),
		"a hole in the middle");
	tap_ok(sim_put(f.task, a + PAGE - 2, "abc", 3) == -EFAULT &&
			!sim_expect(f.task, a + PAGE - 2, "ab", 2),
		"a store stops at the fault");
	tap_ok(sim_mprotect(f.task, a, 4 * PAGE, CALL_PROT_READ) == -ENOMEM &&
			sim_put(f.task, a, "y", 1) == -EFAULT &&
			!sim_put(f.task, a + 2 * PAGE, "y", 1),
		"mprotect changes what lies before the hole");
	tap_ok(sim_mmap(f.task, 0, PAGE, RW, ANONYMOUS, -1, 0) == (int64_t)(a + PAGE) &&
			!sim_expect(f.task, a + PAGE, "\0", 1),
		"the hole is filled, with zeroes");
	tap_ok(sim_mmap(f.task, a, 2 * PAGE, RW, ANONYMOUS | CALL_MAP_FIXED, -1, 0) == (int64_t)a &&
			!sim_put(f.task, a, "y", 1),
		"a fixed mapping replaces");
	tap_ok(sim_mmap(f.task, 0, 0, RW, ANONYMOUS, -1, 0) == -EINVAL &&
			sim_mmap(f.task, 0, PAGE, RW, CALL_MAP_ANONYMOUS, -1, 0) == -EINVAL &&
			sim_mmap(f.task, 0, PAGE, RW, CALL_MAP_PRIVATE, 99, 0) == -EBADF &&
			sim_mmap(f.task, a + 1, PAGE, RW, ANONYMOUS | CALL_MAP_FIXED, -1, 0) ==
				-EINVAL &&
			sim_mmap(f.task, 0, UINT64_MAX, RW, ANONYMOUS, -1, 0) == -ENOMEM &&
			sim_munmap(f.task, a + 1, PAGE) == -EINVAL &&
			sim_munmap(f.task, a, 0) == -EINVAL,
		"bad arguments");
	a = (uint64_t)sim_mmap(f.task, 0, 1, RW, ANONYMOUS | CALL_MAP_HUGETLB, -1, 0);
	tap_ok(a % SIM_HUGE_SIZE == 0 && !sim_put(f.task, a + SIM_HUGE_SIZE - 1, "x", 1) &&
			mm_visible_page(f.task, a)->compound &&
			sim_munmap(f.task, a, PAGE) == -EINVAL &&
			!sim_munmap(f.task, a, SIM_HUGE_SIZE),
		"huge pages come and go whole");
	tear_down(&f, "mappings", 0);
}

static void test_memfd(void)
{
	struct fixture f;
	struct page *pages[4], *page, *again;
	struct file *file;
	uint64_t a, b, private;
	int fd;

	set_up(&f);
	fd = (int)sim_memfd(f.task, 3 * PAGE + 10, 0);
	a = (uint64_t)sim_mmap(f.task, 0, 4 * PAGE, RW, CALL_MAP_SHARED, fd, 0);
	b = (uint64_t)sim_mmap(f.task, 0, PAGE, CALL_PROT_READ, CALL_MAP_SHARED, fd, PAGE);
	private = (uint64_t)sim_mmap(f.task, 0, 4 * PAGE, RW, CALL_MAP_PRIVATE, fd, 0);
	f.recorded.changes = 0;
	sim_put(f.task, a + PAGE, "shared", 6);
	tap_ok(f.recorded.changes == 3 && f.recorded.change[0].address == a + PAGE &&
			f.recorded.change[1].address == b &&
			f.recorded.change[2].address == private + PAGE,
		"a change is reported at every address that shows it");
	tap_ok(mm_visible_page(f.task, a + PAGE) == mm_visible_page(f.task, b),
		"one page, two addresses");
	pin_one(&f, private + PAGE, false, &page);
	sim_put(f.task, a + PAGE, "S", 1);
	tap_ok(page != mm_visible_page(f.task, b) &&
			!sim_expect(f.task, private + PAGE, "shared", 6) &&
			!sim_expect(f.task, b, "Shared", 6),
		"a pin of a private mapping takes a copy");
	page_unpin(f.task, &page, 1);
	file = file_from_fd(f.task, fd);
	tap_ok(file_pin(f.task, file, 0, 3, pages) == 3 && pages[1] == mm_visible_page(f.task, b) &&
			file_pin(f.task, file, 0, 4, pages) == -EINVAL &&
			file_pin(f.task, file, UINT64_MAX, 2, pages) == -EINVAL,
		"file pins: whole pages within the size only");
	tap_ok(pin_one(&f, a + 3 * PAGE, true, &page) == 1,
		"the last page can be pinned through a mapping");
	page_unpin(f.task, &page, 1);
	tap_ok(!sim_ftruncate(f.task, fd, PAGE) && sim_put(f.task, a + PAGE, "x", 1) == -EFAULT &&
			sim_expect(f.task, private + PAGE, "s", 1) == -EFAULT &&
			pin_one(&f, b, false, &again) == -EFAULT,
		"beyond the end: faults");
	tap_ok(pages[1]->bytes[0] == 'S' && page_at(f.sim, pages[1]->phys) == pages[1],
		"pinned pages survive truncation");
	sim_ftruncate(f.task, fd, 64 * PAGE);
	tap_ok(!sim_expect(f.task, b, "\0", 1) &&
			mm_visible_page(f.task, b)->phys != pages[1]->phys &&
			!sim_expect(f.task, private + PAGE, "\0", 1),
		"grown again: zeroes in new pages");
	page_unpin(f.task, pages, 3);
	tap_ok(!file_pin(f.task, file, 64, 0, pages) && file_pin(f.task, file, 63, 1, pages) == 1,
		"new pages can be pinned");
	page_unpin(f.task, pages, 1);
	file_put(f.task, file);
	tap_ok(!sim_fork(f.task, 1) && !sim_put(sim_task(f.sim, 1, 0), a, "child", 5) &&
			!sim_expect(f.task, a, "child", 5),
		"shared mappings stay shared after fork");
	sim_put(f.task, MEM_BASE, "xyz", 3);
	tap_ok(sim_write(f.task, fd, MEM_BASE, 3) == 3 && !sim_expect(f.task, a, "xyz", 3) &&
			sim_read(f.task, fd, MEM_BASE + PAGE, 3) == 3 &&
			!sim_expect(f.task, MEM_BASE + PAGE, "ld\0", 0),
		"read and write move the position");
	sim_close(f.task, fd);
	tap_ok(!sim_put(f.task, a, "still", 5), "a mapping keeps the file");
	tear_down(&f, "memfd", 0);
}

static void test_copies(void)
{
	struct fixture f;
	uint8_t buffer[64];
	uint64_t edge;

	set_up(&f);
	edge = MEM_BASE + 255 * PAGE + PAGE;
	memset(buffer, 'a', sizeof(buffer));
	tap_ok(copy_to_user(f.task, edge - 3, buffer, 5) == -EFAULT &&
			!sim_expect(f.task, edge - 3, "aaa", 3) && f.recorded.changes == 1 &&
			f.recorded.change[0].count == 3,
		"copy_to_user writes and reports what lies before the bad page");
	tap_ok(copy_from_user(f.task, buffer, edge - 3, 5) == -EFAULT &&
			!copy_from_user(f.task, buffer, edge - 3, 3) && !memcmp(buffer, "aaa", 3),
		"copy_from_user is all or EFAULT");
	tap_ok(copy_from_user(f.task, buffer, UINT64_MAX - 2, 8) == -EFAULT &&
			copy_from_user(f.task, buffer, UINT64_C(1) << 47, 1) == -EFAULT,
		"addresses that no process has");
	f.recorded.changes = 0;
	tap_ok(!copy_to_user(f.task, MEM_BASE + PAGE - 2, "wxyz", 4) && f.recorded.changes == 2 &&
			f.recorded.change[1].address == MEM_BASE + PAGE &&
			f.recorded.change[1].now == 'y' && !f.recorded.change[1].old,
		"across pages: one report a page, with the old bytes");
	tap_ok(check_zeroed_user(f.task, MEM_BASE + PAGE + 2, 100 * PAGE) == 1 &&
			check_zeroed_user(f.task, MEM_BASE + PAGE + 1, 2) == 0 &&
			check_zeroed_user(f.task, edge - PAGE, 2 * PAGE) == 0 &&
			check_zeroed_user(f.task, edge - PAGE, PAGE - 3) == 1 &&
			check_zeroed_user(f.task, edge, 1) == -EFAULT,
		"check_zeroed_user: a byte counts before a fault behind it");
	f.recorded.changes = 0;
	tap_ok(!copy_to_user(f.task, edge - 2, "zz", 2) &&
			clear_user(f.task, edge - 1, 2) == -EFAULT &&
			!copy_from_user(f.task, buffer, edge - 2, 2) && !memcmp(buffer, "z", 2) &&
			!clear_user(f.task, MEM_BASE + PAGE - 1, PAGE + 2) &&
			check_zeroed_user(f.task, MEM_BASE + PAGE - 1, PAGE + 2) == 1,
		"clear_user writes zeros, up to a fault");
	fault_arm(f.task, FAULT_USER_COPY, false, 2);
	tap_ok(!copy_from_user(f.task, buffer, MEM_BASE, 4) &&
			copy_from_user(f.task, buffer, MEM_BASE, 4) == -EFAULT &&
			fault_disarm(f.task, NULL),
		"fault point user-copy");
	sim_mprotect(f.task, MEM_BASE, PAGE, CALL_PROT_READ);
	tap_ok(copy_to_user(f.task, MEM_BASE, "x", 1) == -EFAULT &&
			mm_poke(f.mm, MEM_BASE, "x", 1) == 0 &&
			mm_poke(f.mm, MEM_BASE + 2 * PAGE - 1, "xy", 2) == 2,
		"a translation is forgotten when protection changes");
	f.recorded.changes = 0;
	mm_poke(f.mm, ARGUMENT_BASE, "arg", 3);
	tap_ok(mm_peek(f.mm, ARGUMENT_BASE, buffer, 4) == 4 && !memcmp(buffer, "arg", 4) &&
			!f.recorded.changes,
		"the harness pokes unseen");
	tear_down(&f, "copies", 0);
}

static void test_region(void)
{
	struct fixture f;
	struct mm_region *region;
	struct page *page;
	uint32_t users = 1;
	uint64_t a;

	set_up(&f);
	region = mm_region_create(f.task, 2 * PAGE, &users, NULL);
	page = mm_region_page(f.task, region, 0);
	page_write(f.task, page, 0, "drv", 3);
	a = (uint64_t)mm_region_map(f.task, region, 0, RW, CALL_MAP_SHARED);
	tap_ok(users == 2 && !sim_expect(f.task, a, "drv", 3) && !mm_visible_page(f.task, a) &&
			!mm_region_page(f.task, region, 2),
		"a driver's pages in a process");
	sim_fork(f.task, 1);
	tap_ok(users == 3, "fork adds a mapping");
	sim_munmap(f.task, a, PAGE);
	sim_mprotect(sim_task(f.sim, 1, 0), a, PAGE, CALL_PROT_READ);
	tap_ok(users == 4, "and so does a split");
	sim_exit(sim_task(f.sim, 1, 0));
	sim_munmap(f.task, a, 2 * PAGE);
	tap_ok(users == 1, "all gone");
	mm_region_destroy(f.task, region);
	tear_down(&f, "region", 0);
}

/* Random mappings, stores, pins and forks: addresses of live pages are unique and page_at finds
 * each. */
static void test_random_machine(uint64_t seed)
{
	struct page *pins[256];
	unsigned pinned = 0, step;
	struct fixture f;
	bool good = true;

	set_up(&f);
	for (step = 0; step < 20000 && good; step++) {
		unsigned number = (unsigned)test_below(&seed, 3);
		struct task *task =
			sim_process(f.sim, number) ? sim_task(f.sim, number, 0) : f.task;
		uint64_t va = MMAP_BASE + test_below(&seed, 32) * PAGE,
			 pages = 1 + test_below(&seed, 6);
		struct page *page;

		switch (test_below(&seed, 8)) {
		case 0:
			sim_mmap(task, va, pages * PAGE, (uint32_t)test_below(&seed, 4),
				CALL_MAP_FIXED | CALL_MAP_ANONYMOUS |
					(test_below(&seed, 3) ? 2u : 1u),
				-1, 0);
			break;
		case 1: sim_munmap(task, va, pages * PAGE); break;
		case 2: sim_mprotect(task, va, pages * PAGE, (uint32_t)test_below(&seed, 4)); break;
		case 3:
			if (task == f.task && test_below(&seed, 8) == 0)
				sim_fork(task, 1 + (unsigned)test_below(&seed, 2));
			else if (task != f.task && test_below(&seed, 8) == 0)
				sim_exit(task);
			break;
		case 4:
			if (pinned < 256 && mm_pin(task, task_mm(task), va, 1, test_below(&seed, 2),
						    &page) == 1)
				pins[pinned++] = page;
			break;
		case 5:
			if (pinned) {
				unsigned n = (unsigned)test_below(&seed, pinned);

				page_unpin(f.task, &pins[n], 1);
				pins[n] = pins[--pinned];
			}
			break;
		default: {
			uint8_t value = (uint8_t)test_random(&seed), back;

			if (!sim_put(task, va + 5, &value, 1)) {
				/* Shared memory that may only be written shows no page. */
				page = mm_visible_page(task, va);
				if (!page)
					break;
				page_read(task, page, 5, &back, 1);
				good = back == value && page_at(f.sim, page->phys) == page;
			}
			break;
		}
		}
		if (pinned) {
			page = pins[test_below(&seed, pinned)];
			good = good && page_at(f.sim, page->phys) == page && page->pins;
		}
		good = good && mm_pins(f.sim) == pinned;
	}
	tap_ok(good, "random machines: pinned and visible pages are found by their addresses");
	page_unpin(f.task, pins, pinned);
	tear_down(&f, "random", 0);
}

int main(void)
{
	tap_begin();
	test_pins();
	test_fork();
	test_exec_exit();
	test_mappings();
	test_memfd();
	test_copies();
	test_region();
	test_random_machine(test_seed(1));
	test_random_machine(test_seed(2));
	return tap_end();
}
