/* SPDX-License-Identifier: Apache-2.0 */
/* What the live target does around the calls: begin, end, watching, and what the probe says. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/target_live.h"
#include "fuzz/prog/text.h"
#include "tests/tap.h"

/* -- programs -- */

static bool run(struct exec *exec, const char *source, int64_t *last)
{
	const char *reason = "";
	struct parse_error error;
	struct prog_text text;
	bool good;

	prog_text_init(&text);
	good = prog_parse(&text, source, strlen(source), &error) &&
	       exec_run(exec, &text.prog, &reason);
	if (good) {
		const struct trace *trace = exec_trace(exec);

		*last = trace->entries[trace->entry_count - 1].result;
	}
	prog_text_free(&text);
	return good;
}

static void test_reset(void)
{
	const char *reason = "";
	struct exec *exec = exec_open(&target_live, 0, &reason);
	struct rlimit before, after;
	int64_t last = -1, memory = -1, file = -1, mapped = -1;
	bool good;

	getrlimit(RLIMIT_MEMLOCK, &before);
	good = run(exec,
		"#: id a\nput mem+9P \"x\"\nmfd = memfd size=1P\nsetrlimit memlock=64K\n"
		"mmap mem+3P length=1P prot=READ flags=PRIVATE|FIXED|ANONYMOUS\nmunmap mem+5P "
		"length=1P\n",
		&last);
	good = good && run(exec, "#: id b\nexpect mem+9P \"\\x00\"\n", &memory) &&
	       run(exec, "#: id c\nclose 3\n", &file) &&
	       run(exec, "#: id d\nput mem+5P \"y\"\nput mem+3P \"y\"\n", &mapped);
	getrlimit(RLIMIT_MEMLOCK, &after);
	exec_close(exec);
	tap_ok(good && last == 0, "programs run one after the other");
	tap_ok(memory == 0, "memory is zero again");
	tap_ok(file == -9, "descriptors are closed");
	tap_ok(mapped == 0, "mappings are those of the start");
	tap_ok(before.rlim_cur == after.rlim_cur, "the limit is back");
}

static void test_descriptors(void)
{
	const char *reason = "";
	struct stat before, inside, after;
	struct exec *exec;
	int low = open("/", O_RDONLY | O_CLOEXEC), kept = open("/", O_RDONLY | O_CLOEXEC);

	kept = target_live_keep(kept);
	fstat(0, &before);
	exec = exec_open(&target_live, 0, &reason);
	bool usable = fstat(kept, &inside) == 0, away = fcntl(low, F_GETFD) < 0;
	exec_close(exec);
	fstat(0, &after);
	tap_ok(usable && kept >= 1024, "a descriptor that is kept stays");
	tap_ok(away, "others are put away");
	tap_ok(fcntl(low, F_GETFD) >= 0 && before.st_ino == after.st_ino &&
			before.st_dev == after.st_dev,
		"and come back");
	close(low);
	close(kept);
}

/* -- watching -- */

static struct live_progress progress;

/* In the middle of a call: as many seconds pass as `context` says. */
static void let_time_pass(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count)
{
	(void)address, (void)old, (void)bytes, (void)count;
	for (int seconds = *(int *)context; seconds; seconds--)
		raise(SIGALRM);
}

static uint32_t hung_after(int seconds)
{
	static const uint8_t image[8] = {0, 0, 0, 0, 0, 1}; /* mem */
	struct target_events events = {.context = &seconds, .memory = let_time_pass};
	struct target_config config = {.mem_pages = 16, .memlock = 1 << 16};
	struct resolved_call call = {.row = &call_rows[CALL_ID_put],
		.call = 6,
		.image = image,
		.image_size = sizeof(image),
		.struct_size = sizeof(image),
		.bytes = (const uint8_t *)"x",
		.byte_count = 1};
	struct call_outcome outcome;
	const char *reason;
	struct target *target;

	progress = (struct live_progress){0};
	target_live_watch(&progress, 2);
	target = target_live.open(&config, &events, &reason);
	if (target) {
		target_live.call(target, &call, &outcome);
		target_live.close(target);
	}
	target_live_watch(NULL, 0);
	return progress.hung;
}

static void test_hang(void)
{
	tap_ok(hung_after(1) == 0, "a call within its time does not hang");
	tap_ok(hung_after(5) == 7, "a call beyond it is named");
	tap_ok(progress.call == 0, "behind the call none is under way");
}

/* -- the probe -- */

static void test_probe(void)
{
	struct live_probe probe;
	const char *reason = "";
	struct target_config config = {.mem_pages = 16, .memlock = 1 << 16};
	struct target_events events = {0};
	struct target *target;

	live_probe(&probe);
	tap_ok(probe.release[0] && probe.version[0] && probe.kernel, "the kernel has a name");
	tap_ok(!(probe.needs & NEEDS_INPROC) && strstr(probe.missing[1], "in-process"),
		"in-kernel calls are not to be had");
	for (unsigned bit = 0; bit < 20; bit++)
		if (!(probe.needs & 1u << bit) && !probe.missing[bit][0])
			tap_ok(false, "need %u is missing without a reason", bit);
	tap_ok(probe.has_iommu ? probe.answers[0x81] : probe.no_iommu[0] != 0,
		"IOAS_ALLOC answers, or it is said why nothing does");
	target_live_without_iommu(false);
	target = target_live.open(&config, &events, &reason);
	target_live_without_iommu(true);
	tap_ok(probe.has_iommu ? target != NULL : !target && strstr(reason, "no /dev/iommu"),
		"without the node there is no target, and one clear reason");
	if (target) {
		tap_ok(!target_live.has(target, NEEDS_INPROC, &reason), "a need that is not met");
		target_live.close(target);
	}
}

int main(void)
{
	static char output[1 << 16];
	const char *reason = "";
	struct exec *exec;

	/* While a live target is open, stdout is not; what is printed waits. */
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	tap_begin();
	target_live_without_iommu(true);
	exec = exec_open(&target_live, 0, &reason);
	if (!exec) {
		tap_ok(true, "live target # SKIP %s", reason);
		return tap_end();
	}
	exec_close(exec);
	test_reset();
	test_descriptors();
	test_hang();
	test_probe();
	return tap_end();
}
