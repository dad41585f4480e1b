/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random programs of system calls on the kernel of this machine and in-process: the traces are the
 * same. No /dev/iommu is needed. IOMMUZZ_SEED and IOMMUZZ_PROGRAMS choose others than those that
 * always run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/target_live.h"
#include "fuzz/prog/random.h"
#include "fuzz/prog/text.h"
#include "impl/abi/kernel_calls.h"
#include "tests/tap.h"

#define PAGE	  UINT64_C(4096)
#define MEM_PAGES 16u
#define CALLS	  24u

struct maker {
	struct prog *prog;
	struct random *random;
	uint32_t fds[CALLS];
	uint32_t fd_count, processes;
};

static uint64_t below(struct maker *maker, uint64_t bound)
{
	return random_below(maker->random, bound);
}

static struct value number(uint64_t value)
{
	return (struct value){.kind = VALUE_NUMBER, .number = value};
}

static uint32_t add(struct maker *maker, enum call_id row)
{
	uint32_t index = maker->prog->call_count;

	prog_add_call(maker->prog, row);
	return index;
}

static void set(struct maker *maker, uint32_t call, const char *name, struct value value)
{
	const struct call *at = &maker->prog->calls[call];
	int field = call_field(prog_row(at), name, strlen(name));

	*prog_value(maker->prog, at, (unsigned)field) = value;
}

static struct value some_fd(struct maker *maker)
{
	if (maker->fd_count && below(maker, 8))
		return (struct value){.kind = VALUE_HANDLE,
			.call = (uint16_t)maker->fds[below(maker, maker->fd_count)]};
	return number(below(maker, 10));
}

/* Mostly in mem and near its end, in what mmap chose, at odd places. */
static struct value some_address(struct maker *maker)
{
	uint64_t page = below(maker, MEM_PAGES + 4) * PAGE;

	switch (below(maker, 16)) {
	case 0: return number(UINT64_C(0x30000000000) + below(maker, 8) * PAGE);
	case 1: return number(UINT64_C(0x30000000000) + below(maker, 3 * PAGE));
	case 2: return number(below(maker, 2) ? 0 : 1 + below(maker, UINT64_C(0x11000)));
	case 3: return number(UINT64_C(0x20000000000) + below(maker, 0x90000));
	case 4: return number(UINT64_C(0x40000000000) + page);
	case 5: return number(-below(maker, 4 * PAGE));
	case 7: return number((UINT64_C(1) << 47) + (below(maker, 16) - 8) * PAGE);
	case 6: return (struct value){.kind = VALUE_MEM, .number = page + below(maker, PAGE)};
	default: return (struct value){.kind = VALUE_MEM, .number = page};
	}
}

static struct value some_length(struct maker *maker)
{
	switch (below(maker, 12)) {
	case 0: return number(0);
	case 1: return number(below(maker, 3 * PAGE));
	case 2: return number(UINT64_C(1) << below(maker, 64));
	case 3: return number(-below(maker, 2 * PAGE));
	default: return number((1 + below(maker, 5)) * PAGE);
	}
}

static void memory_call(struct maker *maker)
{
	static const uint64_t flags[] = {CALL_MAP_ANONYMOUS | CALL_MAP_PRIVATE,
		CALL_MAP_ANONYMOUS | CALL_MAP_SHARED, CALL_MAP_SHARED, CALL_MAP_PRIVATE,
		CALL_MAP_SHARED | CALL_MAP_PRIVATE, 0};
	uint32_t call;

	switch (below(maker, 4)) {
	case 0: call = add(maker, CALL_ID_munmap); break;
	case 1:
		call = add(maker, CALL_ID_mprotect);
		set(maker, call, "prot", number(below(maker, below(maker, 4) ? 8 : 32)));
		break;
	default:
		call = add(maker, CALL_ID_mmap);
		set(maker, call, "prot", number(below(maker, 3) ? 3 : below(maker, 8)));
		set(maker, call, "flags",
			number(flags[below(maker, below(maker, 8) ? 4 : 6)] |
				(below(maker, 2) ? CALL_MAP_FIXED : 0)));
		set(maker, call, "fd", some_fd(maker));
		if (!below(maker, 3))
			set(maker, call, "offset", some_length(maker));
		break;
	}
	set(maker, call, "addr", some_address(maker));
	set(maker, call, "length", some_length(maker));
}

static void content_call(struct maker *maker)
{
	static const char text[] = "memory";
	uint32_t call, kind = (uint32_t)below(maker, 3);

	call = add(maker, kind == 0 ? CALL_ID_put : kind == 1 ? CALL_ID_expect : CALL_ID_fill);
	set(maker, call, "addr", some_address(maker));
	if (kind == 2) {
		set(maker, call, "length", number(below(maker, 3 * PAGE)));
		set(maker, call, "value", number(below(maker, 256)));
		return;
	}
	uint32_t count = (uint32_t)below(maker, sizeof(text));
	set(maker, call, "bytes",
		(struct value){.kind = VALUE_BYTES,
			.count = count,
			.start = prog_add_bytes(maker->prog, text, count)});
}

static void file_call(struct maker *maker)
{
	static const enum call_id rows[] = {CALL_ID_close, CALL_ID_dup, CALL_ID_read, CALL_ID_write,
		CALL_ID_poll, CALL_ID_ftruncate, CALL_ID_ioctl, CALL_ID_memfd, CALL_ID_memfd,
		CALL_ID_memfd};
	enum call_id row = rows[below(maker, sizeof(rows) / sizeof(rows[0]))];
	uint32_t call = add(maker, row);

	if (row == CALL_ID_memfd) {
		set(maker, call, "size",
			below(maker, 4) ? number(below(maker, 6 * PAGE)) : some_length(maker));
		set(maker, call, "flags", number(below(maker, 8) ? 0 : below(maker, 4) | 8));
	} else {
		set(maker, call, "subject", some_fd(maker));
	}
	if (row == CALL_ID_memfd || row == CALL_ID_dup)
		maker->fds[maker->fd_count++] = call;
	if (row == CALL_ID_read || row == CALL_ID_write) {
		set(maker, call, "at", some_address(maker));
		set(maker, call, "length", number(below(maker, 3 * PAGE)));
	}
	if (row == CALL_ID_ftruncate)
		set(maker, call, "size", some_length(maker));
	if (row == CALL_ID_poll)
		set(maker, call, "events", number(below(maker, 0x200)));
	if (row == CALL_ID_ioctl) {
		set(maker, call, "number", number(0x3b80 + below(maker, 8)));
		set(maker, call, "size", number(below(maker, 64)));
		set(maker, call, "at", some_address(maker));
	}
}

static void process_call(struct maker *maker)
{
	static const enum call_id rows[] = {CALL_ID_fork, CALL_ID_process, CALL_ID_exec,
		CALL_ID_exit, CALL_ID_pass, CALL_ID_pass};
	enum call_id row = rows[below(maker, sizeof(rows) / sizeof(rows[0]))];
	uint32_t call = add(maker, row);

	if (row == CALL_ID_pass) {
		set(maker, call, "subject", some_fd(maker));
		maker->fds[maker->fd_count++] = call;
	}
	if (row == CALL_ID_process) {
		set(maker, call, "uid", number(1000 + below(maker, 2)));
		set(maker, call, "memlock", number(below(maker, 64) * PAGE));
		set(maker, call, "caps", number(below(maker, 2) ? 0 : CALL_CAP_IPC_LOCK));
	}
	if (row == CALL_ID_fork || row == CALL_ID_process || row == CALL_ID_pass) {
		uint64_t process = below(maker, 3);

		set(maker, call, "process", number(process));
		if (process > maker->processes)
			maker->processes = (uint32_t)process;
	}
}

static void make(struct prog *prog, struct random *random, bool processes)
{
	struct maker maker = {.prog = prog, .random = random};
	uint64_t calls = 4 + random_below(random, CALLS - 4);

	prog_clear(prog);
	prog->options.pages = MEM_PAGES;
	for (uint64_t i = 0; i < calls; i++) {
		uint64_t kind = below(&maker, processes ? 10 : 9);

		if (kind < 4)
			memory_call(&maker);
		else if (kind < 7)
			content_call(&maker);
		else if (kind < 9)
			file_call(&maker);
		else
			process_call(&maker);
		if (maker.processes)
			prog->calls[prog->call_count - 1].process =
				(uint8_t)below(&maker, maker.processes + 1);
	}
	prog_name_positional(prog);
}

/* -- running -- */

static void show(const struct prog *prog, const struct trace *inproc, const struct trace *live,
	int64_t entry)
{
	struct prog_text text = {.prog = *prog};
	const struct trace_entry *at = &inproc->entries[entry];
	FILE *out = stdout;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		fprintf(out, "# %2u: ", i);
		prog_print_call(&text, i, out);
		fprintf(out, "\n");
	}
	fprintf(out, "# ");
	trace_explain(inproc, live, entry, prog_row(&prog->calls[at->call]), out);
}

/* False and the program with its difference on a disagreement. */
static bool agree(struct exec *inproc, struct exec *live, const struct prog *prog)
{
	const char *reason = "";
	int64_t entry;

	if (!exec_run(inproc, prog, &reason) || !exec_run(live, prog, &reason)) {
		printf("# not run: %s\n", reason);
		return false;
	}
	entry = exec_target(live) && target_live_excuse(exec_target(live))
			? -1
			: trace_compare(exec_trace(inproc), exec_trace(live), 0);
	if (entry < 0)
		return true;
	show(prog, exec_trace(inproc), exec_trace(live), entry);
	return false;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static void compare_programs(unsigned long programs, uint64_t seed, bool processes)
{
	const char *reason = NULL;
	struct exec *inproc = exec_open(&target_inproc, 0, &reason);
	struct exec *live = exec_open(&target_live, 0, &reason);
	unsigned long failures = 0, first = 0;
	struct random random;
	struct prog prog;

	if (!live) {
		exec_close(inproc);
		tap_ok(true, "live target # SKIP %s", reason);
		return;
	}
	prog_init(&prog);
	for (unsigned long i = 0; i < programs && failures < 5; i++) {
		random_seed(&random, seed + i);
		make(&prog, &random, processes);
		if (!agree(inproc, live, &prog)) {
			printf("# seed %llu\n", (unsigned long long)(seed + i));
			first = failures++ ? first : i;
		}
	}
	prog_free(&prog);
	exec_close(live);
	exec_close(inproc);
	tap_ok(!failures, "%lu %s programs from seed %llu leave the same traces", programs,
		processes ? "multi-process" : "single-process", (unsigned long long)seed);
}

int main(void)
{
	uint64_t seed = setting("IOMMUZZ_SEED", 1);

	/* While a live target is open, stdout is not; what is printed waits. */
	static char output[1 << 20];
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	tap_begin();
	target_live_without_iommu(true);
	compare_programs(setting("IOMMUZZ_PROGRAMS", 5000), seed, false);
	compare_programs(setting("IOMMUZZ_PROGRAMS", 1000), seed, true);
	return tap_end();
}
