/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of a kernel log are a report, and where it ends. The texts are made up. */
#include "fuzz/exec/kernel_log.h"

#include <stdio.h>
#include <string.h>

#include "tests/tap.h"

static const char *const reports[] = {
	"WARNING: CPU: 1 PID: 71 at drivers/some/file.c:123 some_function+0x10/0x20",
	"WARNING: drivers/some/file.c:123 at some_function+0x10/0x20, CPU#1: iommuzz/71",
	"WARNING: possible circular locking dependency detected",
	"WARNING: suspicious RCU usage",
	"INFO: possible recursive locking detected",
	"BUG: kernel NULL pointer dereference, address: 0000000000000008",
	"BUG: unable to handle page fault for address: ffff888000000000",
	"BUG: KASAN: slab-use-after-free in some_function+0x10/0x20",
	"BUG: KCSAN: data-race in one_function / other_function",
	"BUG: sleeping function called from invalid context at some/file.c:1",
	"BUG: Bad page state in process iommuzz  pfn:12345",
	"kernel BUG at some/file.c:77!",
	"Oops: 0000 [#1] SMP NOPTI",
	"Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
	"general protection fault: 0000 [#1] SMP",
	"UBSAN: shift-out-of-bounds in some/file.c:5:6",
	"refcount_t: underflow; use-after-free.",
	"INFO: task iommuzz:71 blocked for more than 30 seconds.",
	"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [iommuzz:71]",
	"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
	"list_del corruption. prev->next should be ffff, but was dead",
	"list_add corruption. next->prev should be prev",
	"kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
	"Kernel panic - not syncing: something",
	"DEBUG_LOCKS_WARN_ON(1)",
};

static const char *const others[] = {
	"",
	"iommu: Default domain type: Passthrough",
	"process 71 says WARNING: nothing happened",
	"FAULT_INJECTION: forcing a failure.",
	"name fail_iommufd, interval 1, probability 0, space 0, times -1",
	"INFO: task scheduling is on",
	"kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)",
	"kmemleak: Automatic memory scanning thread started",
	"kasan: KernelAddressSanitizer initialized",
	"Warning: unused variable in a friendly message",
	"debug: nothing is wrong",
	"DMA-API: preallocated 65536 debug entries",
	"==================================================================",
	"vfio-pci 0000:00:02.0: enabling device (0000 -> 0002)",
};

static void test_lines(void)
{
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
		tap_ok(kernel_log_starts_report(reports[i]), "a report: %s", reports[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		tap_ok(!kernel_log_starts_report(others[i]), "none: %s", others[i]);
	tap_ok(strcmp(kernel_log_message("[   12.345678] [   T71] BUG: x"), "BUG: x") == 0,
		"time and task are left out");
	tap_ok(strcmp(kernel_log_message("[drm] a driver's own"), "[drm] a driver's own") == 0,
		"brackets of others stay");
}

static const char *const log_text[] = {
	"usual line before",
	"------------[ cut here ]------------",
	"[    1.000000] WARNING: CPU: 0 PID: 9 at a.c:1 f+0x0/0x0",
	"Modules linked in:",
	"Call Trace:",
	" <TASK>",
	" g+0x1/0x2",
	" </TASK>",
	"---[ end trace 0000000000000000 ]---",
	"usual line behind",
	"refcount_t: saturated; leaking memory.",
	" </TASK>",
	"last line",
};

static void feed(struct kernel_log_reader *reader)
{
	for (size_t i = 0; i < sizeof(log_text) / sizeof(log_text[0]); i++)
		kernel_log_reader_line(reader, log_text[i]);
}

static void test_reader(void)
{
	struct kernel_log_reader reader;
	char title[64], text[1024], small[40];

	kernel_log_reader_begin(&reader, title, sizeof(title), text, sizeof(text));
	tap_ok(!reader.found && !text[0] && !title[0], "nothing at first");
	kernel_log_reader_line(&reader, "usual line");
	tap_ok(!reader.found && !text[0], "usual lines are no report");
	feed(&reader);
	tap_ok(reader.found, "a warning is a report");
	tap_ok(strcmp(title, "WARNING: CPU: 0 PID: 9 at a.c:1 f+0x0/0x0") == 0,
		"its first line is the title");
	tap_ok(strstr(text, " g+0x1/0x2\n") != NULL, "its trace is kept");
	tap_ok(!strstr(text, "behind") && !strstr(text, "last"), "what follows its end is not");
	tap_ok(strstr(text, "refcount_t: saturated") != NULL, "a second report is kept too");
	kernel_log_reader_begin(&reader, title, sizeof(title), small, sizeof(small));
	feed(&reader);
	tap_ok(reader.found && strlen(small) < sizeof(small) &&
			(!small[0] || small[strlen(small) - 1] == '\n'),
		"small room: whole lines only");
	kernel_log_reader_begin(&reader, title, 8, text, sizeof(text));
	feed(&reader);
	tap_ok(strcmp(title, "WARNING") == 0, "a small title is cut");
}

static void test_sanitizer(void)
{
	static const char ruler[] =
		"==================================================================";
	static const char *const lines[] = {ruler, "BUG: KASAN: slab-use-after-free in f+0x0/0x0",
		" <TASK>", " </TASK>", "Allocated by task 9:", ruler, "usual line behind"};
	struct kernel_log_reader reader;
	char title[64], text[1024];

	kernel_log_reader_begin(&reader, title, sizeof(title), text, sizeof(text));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		kernel_log_reader_line(&reader, lines[i]);
	tap_ok(reader.found && strstr(text, "Allocated by"),
		"a sanitizer says more behind the trace");
	tap_ok(!strstr(text, "behind"), "and ends at its line");
}

int main(void)
{
	const char *reason = "";
	char title[64], text[64];
	struct kernel_log *log;

	tap_begin();
	test_lines();
	test_reader();
	test_sanitizer();
	log = kernel_log_open(&reason);
	if (log)
		tap_ok(!kernel_log_report(log, title, sizeof(title), text, sizeof(text)),
			"a log that was just opened has no report");
	else
		tap_ok(reason[0], "no log # SKIP %s", reason);
	kernel_log_close(log);
	return tap_end();
}
