/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole: fault points, allocator, accounting, descriptors, sims side by side,
 * reset. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "impl/abi/catalogue.h"
#include "impl/sim/alloc.h"
#include "impl/sim/bugs.h"
#include "impl/sim/fault.h"
#include "impl/sim/file.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

static void test_faults(struct task *task)
{
	uint32_t passed;
	unsigned point, good = 0;

	fault_arm(task, FAULT_PIN, false, 2);
	tap_ok(!fault_here(task, FAULT_PIN) && !fault_here(task, FAULT_ALLOC) &&
			fault_here(task, FAULT_PIN) && !fault_here(task, FAULT_PIN),
		"the second pass of one point fails, once");
	tap_ok(fault_disarm(task, &passed) && passed == 3, "passes of that point are counted");
	fault_arm(task, FAULT_PIN, true, 3);
	tap_ok(!fault_here(task, FAULT_PIN) && !fault_here(task, FAULT_ALLOC) &&
			fault_here(task, FAULT_LOOKUP),
		"the third pass of any point fails");
	tap_ok(fault_disarm(task, &passed) && passed == 3 && !fault_here(task, FAULT_PIN),
		"disarmed");
	fault_arm(task, FAULT_PIN, true, 9);
	fault_here(task, FAULT_PIN);
	tap_ok(!fault_disarm(task, &passed) && passed == 1, "not reached");
	for (point = 0; point < FAULT_POINT_COUNT; point++) {
		const char *name = fault_point_name((enum fault_point)point);

		good += fault_point_find(name, (unsigned)strlen(name)) == point &&
			fault_point_error((enum fault_point)point) > 0;
	}
	tap_ok(good == FAULT_POINT_COUNT && fault_point_find("pinx", 4) == FAULT_POINT_COUNT,
		"names and errors");
}

static void test_alloc(struct sim *sim, struct task *task)
{
	static const size_t sizes[] = {
		1, 15, 16, 17, 100, 1023, 1024, 1025, 4096, 5000, 32768, 32769, 100000, 1 << 20};
	uint8_t *objects[64][14];
	unsigned round, n, good = 0;
	size_t at;

	for (round = 0; round < 64; round++) {
		for (n = 0; n < 14; n++) {
			uint8_t *object = sim_alloc(task, sizes[n]);

			for (at = 0; at < sizes[n] && !object[at]; at += 7)
				;
			good += at >= sizes[n];
			memset(object, 0xff, sizes[n]);
			objects[round][n] = object;
			/* Every other one comes back at once and is used again. */
			if (round % 2) {
				sim_free(task, objects[round - 1][n], sizes[n]);
				objects[round - 1][n] = NULL;
			}
		}
	}
	tap_ok(good == 64 * 14 && sim_alloc_objects(sim) == 32 * 14,
		"objects of all sizes are zeroed and counted");
	for (round = 0; round < 64; round++) {
		for (n = 0; n < 14; n++)
			sim_free(task, objects[round][n], sizes[n]);
	}
	tap_ok(sim_alloc_objects(sim) == 0, "and given back");
	fault_arm(task, FAULT_ALLOC, false, 1);
	tap_ok(!sim_alloc(task, 8) && fault_disarm(task, NULL) &&
			!sim_alloc_array(task, SIZE_MAX / 2, 3),
		"fault point alloc, and overflow");
}

static void test_accounting(struct sim *sim, struct task *task)
{
	struct process *process = process_get(task_process(task));
	struct user *user = user_get(process_user(process));
	struct mm *mm = task_mm(task);

	tap_ok(process_memlock(process) == 64 && !sim_setrlimit_memlock(task, 3 * PAGE + 9) &&
			process_memlock(process) == 3,
		"RLIMIT_MEMLOCK in whole pages, as it is now");
	tap_ok(user_locked_add(user, 3, 3) && !user_locked_add(user, 1, 3) &&
			user_locked(user) == 3 && !user_locked_add(user, UINT64_MAX, UINT64_MAX),
		"up to the limit and no further");
	sim_spawn(task, 1, 0, 0, 0);
	sim_spawn(task, 2, 1000, 0, PAGE);
	tap_ok(process_user(sim_process(sim, 1)) == user &&
			process_user(sim_process(sim, 2)) != user &&
			user_id(process_user(sim_process(sim, 2))) == 1000,
		"processes of one uid share the count");
	user_locked_sub(user, 3);
	tap_ok(user_locked(user) == 0 && mm_locked_add(mm, 2, 2) && !mm_locked_add(mm, 1, 2) &&
			mm_locked(mm) == 2,
		"the same for an address space");
	mm_locked_sub(mm, 2);
	mm_pinned_add(mm, 5);
	mm_pinned_add(mm, -6);
	tap_ok((int64_t)mm_pinned(mm) == -1, "VmPin may go below 0");
	sim_exit(sim_task(sim, 2, 0));
	process_put(task, process);
	user_put(task, user);
	tap_ok(sim_spawn(task, 2, 5, SIM_CAP_IPC_LOCK, 0) == 0 &&
			sim_spawn(task, 2, 5, 0, 0) == -EEXIST &&
			task_capable(sim_task(sim, 2, 0), SIM_CAP_IPC_LOCK) &&
			!task_capable(sim_task(sim, 2, 0), SIM_CAP_SYS_RAWIO),
		"capabilities are a process's own");
	sim_setcaps(sim_task(sim, 2, 0), 0);
	tap_ok(!task_capable(sim_task(sim, 2, 0), SIM_CAP_IPC_LOCK), "and can be dropped");
}

static void test_descriptors(struct task *task)
{
	int64_t a = sim_memfd(task, PAGE, 0), b = sim_dup(task, (int)a),
		c = sim_open(task, "/dev/iommu");
	int64_t n = 0, last = 0;

	tap_ok(a == 3 && b == 4 && c == 5, "descriptors from 3, lowest first");
	tap_ok(sim_close(task, 4) == 0 && sim_close(task, 4) == -EBADF && sim_dup(task, 5) == 4,
		"a closed one comes back");
	tap_ok(sim_open(task, "/dev/null") == -ENOENT && sim_close(task, -1) == -EBADF &&
			sim_dup(task, 2) == -EBADF && sim_ioctl(task, 99, 0, 0) == -EBADF,
		"bad descriptors and paths");
	tap_ok(sim_ioctl(task, 3, 0x3b85, 0) == -ENOTTY &&
			sim_read(task, 5, MEM_BASE, 1) == -EINVAL &&
			sim_write(task, 5, MEM_BASE, 1) == -EINVAL && sim_poll(task, 5, 5) == 5 &&
			sim_ftruncate(task, 5, 1) == -EINVAL,
		"calls that a file does not know");
	sim_spawn(task, 3, 0, 0, 0);
	tap_ok(sim_pass(task, 5, 3) == 3 &&
			sim_ftruncate(sim_task(task_sim(task), 3, 0), 3, 0) == -EINVAL &&
			sim_pass(task, 5, 6) == -ESRCH && sim_pass(task, 77, 3) == -EBADF,
		"a descriptor passed to another process");
	while ((n = sim_dup(task, 3)) >= 0)
		last = n;
	tap_ok(n == -EMFILE && last == 1023, "1024 at most");
}

/* A few calls whose results and addresses make a number. */
static uint64_t story(struct sim *sim)
{
	struct task *task = sim_task(sim, 0, 0);
	uint64_t sum = 0;
	unsigned n;

	for (n = 0; n < 50; n++) {
		int64_t at = sim_mmap(task, 0, (n % 5 + 1) * PAGE, 3, 0x22, -1, 0);
		int64_t fd = sim_memfd(task, n * PAGE, 0);

		sim_put(task, (uint64_t)at, &n, sizeof(n));
		sum = sum * 31 + (uint64_t)at + (uint64_t)fd +
		      mm_visible_page(task, (uint64_t)at)->phys;
		if (n % 3 == 0)
			sim_munmap(task, (uint64_t)at, PAGE);
		if (n % 4 == 0)
			sim_close(task, (int)fd);
		if (n == 25)
			sim_fork(task, 1);
	}
	return sum * 31 + mm_pages(sim) + mm_number(task_mm(task));
}

static void test_sims(void)
{
	struct recorded recorded, other_recorded;
	struct sim_config config = test_config(LOCKS_SINGLE, &recorded);
	struct sim *sim = sim_create(&config), *other = test_sim(LOCKS_SINGLE, &other_recorded);
	uint64_t fresh = story(sim);
	unsigned n, same = 0;

	tap_ok(mm_pages(other) == 0 && other_recorded.changes == 0 && !sim_process(other, 1),
		"a sim beside it noticed nothing");
	tap_ok(story(other) == fresh, "and then tells the same story");
	for (n = 0; n < 20; n++) {
		sim_reset(sim, &config);
		same += story(sim) == fresh;
	}
	tap_ok(same == 20, "a reset sim is a fresh one");
	sim_finish(sim);
	sim_finish(sim);
	tap_ok(sim_alloc_objects(sim) == 0 && mm_pages(sim) == 0 && !sim_process(sim, 0),
		"finish leaves nothing, twice");
	sim_destroy(other);
	sim_destroy(sim);
}

static void test_profile(struct sim *sim)
{
	struct recorded recorded;
	struct sim_config config = test_config(LOCKS_SINGLE, &recorded);

	tap_ok(sim_kernel(sim) == LINUX_NEWEST && sim_since(sim, LINUX(6, 2)),
		"the newest kernel by default");
	config.kernel = LINUX(6, 6);
	sim_reset(sim, &config);
	tap_ok(sim_since(sim, LINUX(6, 6)) && !sim_since(sim, LINUX(6, 7)), "a profile");
	tap_ok(sim_bug_info(0)->name && sim_bug_find("no such defect") == SIM_BUG_NONE &&
			sim_bug_find(sim_bug_info(SIM_BUG_COUNT - 1)->name) == SIM_BUG_COUNT - 1,
		"defects by name");
}

int main(void)
{
	struct recorded recorded;
	struct sim *sim = test_sim(LOCKS_SINGLE, &recorded);
	struct task *task = sim_task(sim, 0, 0);

	tap_begin();
	test_faults(task);
	test_alloc(sim, task);
	test_accounting(sim, task);
	test_descriptors(task);
	tap_ok(silent(&recorded), "no report");
	test_sims();
	test_profile(sim);
	sim_destroy(sim);
	return tap_end();
}
