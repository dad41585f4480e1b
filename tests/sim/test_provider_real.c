/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a host process, this one: no address, however bad, may end it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "impl/sim/hw/iommu.h"
#include "impl/sim/mm/mm.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static void test_copies(struct task *task, struct recorded *recorded, uint8_t *bytes)
{
	uint8_t buffer[16] = {0};

	memcpy(bytes + PAGE - 2, "real", 4);
	tap_ok(!copy_from_user(task, buffer, address_of(bytes) + PAGE - 2, 4) &&
			!memcmp(buffer, "real", 4),
		"copy_from_user");
	recorded->changes = 0;
	tap_ok(!copy_to_user(task, address_of(bytes) + PAGE - 1, "UN", 2) &&
			!memcmp(bytes + PAGE - 2, "rUNl", 4) && recorded->changes == 2 &&
			recorded->change[0].old == 'e',
		"copy_to_user, with reports");
	tap_ok(copy_from_user(task, buffer, 0, 1) == -EFAULT &&
			copy_from_user(task, buffer, UINT64_MAX - 3, 8) == -EFAULT &&
			copy_to_user(task, 8, buffer, 1) == -EFAULT,
		"bad addresses are errors");
	mprotect(bytes + PAGE, PAGE, PROT_NONE);
	tap_ok(copy_from_user(task, buffer, address_of(bytes) + PAGE - 2, 4) == -EFAULT &&
			mm_peek(task_mm(task), address_of(bytes) + PAGE - 2, buffer, 4) == 2,
		"a copy stops at a page that may not be read");
	mprotect(bytes + PAGE, PAGE, PROT_READ);
	tap_ok(copy_to_user(task, address_of(bytes) + PAGE, "x", 1) == -EFAULT &&
			bytes[PAGE] != 'x',
		"a read-only page is not written");
	mprotect(bytes + PAGE, PAGE, PROT_READ | PROT_WRITE);
	tap_ok(check_zeroed_user(task, address_of(bytes) + 2 * PAGE, PAGE) == 1 &&
			check_zeroed_user(task, address_of(bytes), 2 * PAGE) == 0,
		"check_zeroed_user");
}

static void test_pins(struct sim *sim, struct task *task, uint8_t *bytes)
{
	struct page *pages[4], *few[4];
	uint8_t buffer[4];

	tap_ok(mm_pin(task, task_mm(task), address_of(bytes), 4, true, pages) == 4 &&
			mm_pins(sim) == 4,
		"pins");
	tap_ok(pages[1]->phys == pages[0]->phys + PAGE &&
			page_at(sim, pages[2]->phys) == pages[2] &&
			mm_visible_page(task, address_of(bytes) + PAGE) == pages[1],
		"contiguous, found by address, visible");
	bytes[3 * PAGE] = 'q';
	page_read(task, pages[3], 0, buffer, 1);
	page_write(task, pages[3], 1, "w", 1);
	tap_ok(buffer[0] == 'q' && bytes[3 * PAGE + 1] == 'w', "pages are the process's memory");
	mprotect(bytes + PAGE, PAGE, PROT_READ);
	tap_ok(mm_pin(task, task_mm(task), address_of(bytes), 4, true, few) == 1,
		"a write pin stops at a read-only page");
	page_unpin(task, few, 1);
	tap_ok(mm_pin(task, task_mm(task), 0x1000, 1, false, few) == -EFAULT, "unmapped: EFAULT");
	munmap(bytes + 3 * PAGE, PAGE);
	page_read(task, pages[3], 0, buffer, 1);
	tap_ok(buffer[0] == 0, "a page whose mapping is gone reads as zeroes");
	page_unpin(task, pages, 4);
	tap_ok(mm_pins(sim) == 0, "unpinned");
}

static void test_shared(struct task *task)
{
	int fd = memfd_create("test", 0);
	struct page *pages[2];
	uint8_t *a, *b;

	if (fd < 0 || ftruncate(fd, (off_t)(2 * PAGE))) {
		tap_ok(true, "shared mappings # SKIP no memfd");
		return;
	}
	a = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)PAGE);
	tap_ok(!mm_visible_page(task, address_of(a)), "a page is known while it is pinned");
	tap_ok(mm_pin(task, task_mm(task), address_of(a), 2, true, pages) == 2 &&
			mm_visible_page(task, address_of(a) + PAGE) == pages[1] &&
			mm_visible_page(task, address_of(b)) == pages[1] &&
			mm_visible_page(task, address_of(a)) == pages[0] && pages[0] != pages[1],
		"one page of a file, two addresses");
	munmap(a, 2 * PAGE);
	page_write(task, pages[1], 0, "file", 4);
	tap_ok(!memcmp(b, "file", 4), "a pinned page of a file is the file's, mapped or not");
	tap_ok(ftruncate(fd, (off_t)PAGE) == 0 && !mm_visible_page(task, address_of(b)),
		"beyond the end of the file");
	page_unpin(task, pages, 2);
	munmap(b, PAGE);
	close(fd);
}

int main(void)
{
	struct recorded recorded;
	struct sim_config config = test_config(LOCKS_SINGLE, &recorded);
	struct sim *sim;
	struct task *task;
	uint8_t *bytes =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t probe;

	config.provider = MM_REAL;
	sim = sim_create(&config);
	task = sim_task(sim, 0, 0);
	tap_begin();
	if (mm_peek(task_mm(task), address_of(bytes), &probe, 1) != 1) {
		printf("1..0 # SKIP this host does not let a process read its own memory\n");
		return 0;
	}
	test_copies(task, &recorded, bytes);
	test_pins(sim, task, bytes);
	test_shared(task);
	sim_finish(sim);
	tap_ok(mm_pages(sim) == 0 && silent(&recorded), "nothing is left");
	sim_destroy(sim);
	return tap_end();
}
