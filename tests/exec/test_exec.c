/* SPDX-License-Identifier: Apache-2.0 */
/* The executor on a target that only records: what calls become, what traces hold, what callbacks
 * do. */
#include "fuzz/exec/exec.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/text.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "tests/tap.h"

/* -- a target that answers from a script -- */

#define SEEN_MAX 64

struct seen {
	const char *name;
	uint64_t subject, at, name_argument;
	uint32_t image_size, struct_size, literal_count;
	uint8_t image[256];
	uint64_t literal_addresses[8];
	uint8_t literals[8][64];
	uint8_t depth, fail;
	uint16_t fail_nth;
};

struct target {
	struct target_config config;
	struct target_events events;
	struct seen seen[SEEN_MAX];
	unsigned count, resets, finishes;
	uint64_t next_fd;
	uint32_t next_id;
	uint8_t images[8][256];
};

static struct target *the_target;
/* Runs inside each call. */
static void (*the_hook)(struct target *target, const struct resolved_call *call);

static struct target *fake_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	(void)reason;
	the_target = calloc(1, sizeof(*the_target));
	the_target->config = *config;
	the_target->events = *events;
	the_target->next_fd = 7;
	the_target->next_id = 1;
	return the_target;
}

static void fake_close(struct target *target)
{
	free(target);
}

static bool fake_reset(struct target *target, const struct target_config *config)
{
	target->config = *config;
	target->count = 0;
	target->next_fd = 7;
	target->next_id = 1;
	target->resets++;
	return true;
}

static void remember(struct target *target, const struct resolved_call *call)
{
	struct seen *seen = &target->seen[target->count++ % SEEN_MAX];

	memset(seen, 0, sizeof(*seen));
	seen->name = call->row->name;
	seen->subject = call->subject;
	seen->at = call->at;
	seen->name_argument = call->name;
	seen->image_size = call->image_size;
	seen->struct_size = call->struct_size;
	seen->depth = call->depth;
	seen->fail = call->fail;
	seen->fail_nth = call->fail_nth;
	memcpy(seen->image, call->image, call->image_size < 256 ? call->image_size : 256);
	seen->literal_count = call->literal_count;
	for (uint32_t i = 0; i < call->literal_count && i < 8; i++) {
		const struct resolved_literal *literal = &call->literals[i];

		seen->literal_addresses[i] = literal->address;
		memcpy(seen->literals[i], literal->bytes,
			literal->count < 64 ? literal->count : 64);
	}
}

static void fake_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	uint8_t *image = target->images[call->depth];
	struct call_access_create made = {.out_access = 1};
	struct iommu_ioas_alloc alloc;

	remember(target, call);
	if (the_hook)
		the_hook(target, call);
	*outcome = (struct call_outcome){.image = image, .image_size = call->struct_size};
	memcpy(image, call->image, call->struct_size);
	switch ((enum call_id)(call->row - call_rows)) {
	case CALL_ID_open:
	case CALL_ID_dup: outcome->result = (int64_t)target->next_fd++; break;
	case CALL_ID_IOMMU_IOAS_ALLOC:
		memcpy(&alloc, image, sizeof(alloc));
		alloc.out_ioas_id = target->next_id++;
		memcpy(image, &alloc, sizeof(alloc));
		break;
	case CALL_ID_access_create: memcpy(image, &made, sizeof(made)); break;
	case CALL_ID_IOMMU_DESTROY: outcome->result = -2; break;
	default: break;
	}
}

static bool fake_has(struct target *target, uint32_t needs, const char **reason)
{
	(void)target;
	(void)needs;
	(void)reason;
	return true;
}

static void fake_finish(struct target *target)
{
	target->finishes++;
}

static const struct target_class fake = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.reset = fake_reset,
	.call = fake_call,
	.has = fake_has,
	.finish = fake_finish,
};

/* -- running a text -- */

static struct exec *exec;

static bool run(const char *source, void (*hook)(struct target *, const struct resolved_call *))
{
	struct prog_text text;
	struct parse_error error;
	const char *reason = NULL;
	static struct prog prog;

	prog_text_init(&text);
	if (!prog_parse(&text, source, strlen(source), &error)) {
		printf("# %u:%u: %s\n", error.line, error.column, error.message);
		return false;
	}
	prog_free(&prog);
	prog_init(&prog);
	prog_copy(&prog, &text.prog);
	prog_text_free(&text);
	the_hook = hook;
	bool done = exec_run(exec, &prog, &reason);
	if (!done)
		printf("# %s\n", reason);
	return done;
}

static const struct seen *seen(unsigned index)
{
	return &the_target->seen[index];
}

static const struct trace_entry *entry(unsigned index)
{
	return &exec_trace(exec)->entries[index];
}

/* -- tests -- */

static void test_images(void)
{
	struct iommu_ioas_map map;

	bool done =
		run("fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\nas2 = IOMMU_IOAS_ALLOC fd\n"
		    "IOMMU_IOAS_MAP fd ioas_id=as2 flags=FIXED_IOVA|READABLE user_va=mem+1P "
		    "length=2P iova=16M\n",
			NULL);
	memcpy(&map, seen(3)->image, sizeof(map));
	tap_ok(done && seen(3)->subject == 7, "a descriptor handle becomes the target's number");
	tap_ok(map.ioas_id == 2 && map.user_va == PROG_MEM_BASE + 4096 && map.length == 8192 &&
			map.iova == 16u << 20,
		"fields are in the struct");
	tap_ok(map.size == sizeof(map) && seen(3)->image_size == sizeof(map),
		"the size word is sizeof by itself");
	tap_ok(seen(3)->at == EXEC_ARGUMENT_BASE, "the struct lies at the argument area");

	done = run(
		"fd = open /dev/iommu\nIOMMU_DESTROY fd size=12 tail=01020304 at=mem+4090 id=5\n",
		NULL);
	tap_ok(done && seen(1)->at == PROG_MEM_BASE + 4090 && seen(1)->image_size == 12 &&
			memcmp(seen(1)->image + 8, "\1\2\3\4", 4) == 0 && seen(1)->image[0] == 12,
		"size, tail and at frame the struct");
	done = run("fd = open /dev/iommu\nIOMMU_DESTROY fd size=20 id=5\n", NULL);
	tap_ok(done && seen(1)->image_size == 20 && !seen(1)->image[19],
		"a larger size word has a tail of zeros");
	done = run("fd = open /dev/iommu\nioctl fd 0x3b80 size=41 tail=01 at=mem+16\n", NULL);
	tap_ok(done && seen(1)->image_size == 9 && seen(1)->image[4] == 41 &&
			seen(1)->image[8] == 1,
		"a raw ioctl has number, size word and tail");
}

static void test_literals(void)
{
	struct iommu_ioas_allow_iovas allow;
	struct iommu_iova_range ranges[2];

	bool done = run("fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\n"
			"IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as allowed_iovas=[{start=0 last=4095} "
			"{start=8K last=12K-1}]\n",
		NULL);
	memcpy(&allow, seen(2)->image, sizeof(allow));
	memcpy(ranges, seen(2)->literals[0], sizeof(ranges));
	tap_ok(done && allow.num_iovas == 2, "the count field of a literal is set");
	tap_ok(allow.allowed_iovas == seen(2)->literal_addresses[0] &&
			allow.allowed_iovas >= EXEC_ARGUMENT_BASE + sizeof(allow),
		"the pointer leads behind the struct");
	tap_ok(ranges[0].last == 4095 && ranges[1].start == 8192 && ranges[1].last == 12287,
		"elements are built");
	done = run("fd = open /dev/iommu\nIOMMU_IOAS_ALLOW_IOVAS fd num_iovas=9 "
		   "allowed_iovas=[{start=1 last=2}]\n",
		NULL);
	memcpy(&allow, seen(1)->image, sizeof(allow));
	tap_ok(done && allow.num_iovas == 9, "a count that is given stays");
}

static void test_outputs(void)
{
	bool done = run(
		"fd = open /dev/iommu\nfd2 = dup fd\nas = IOMMU_IOAS_ALLOC fd2\nclose fd\n", NULL);

	tap_ok(done && entry(0)->result == 1 && entry(1)->result == 2,
		"descriptors are renamed in the trace");
	tap_ok(seen(2)->subject == 8 && exec_output(exec, 0, 0) == 7 &&
			exec_output(exec, 2, 0) == 1,
		"outputs are the target's own");
	tap_ok(the_target->finishes > 0, "the program is finished");
}

static void change_memory(struct target *target, const struct resolved_call *call)
{
	static const uint8_t old[4] = {0, 1, 2, 3}, bytes[4] = {0, 9, 2, 8}, back[4] = {0, 1, 2, 3};

	if (strcmp(call->row->name, "IOMMU_IOAS_ALLOC") != 0)
		return;
	target->events.memory(target->events.context, PROG_MEM_BASE, old, bytes, 4);
	/* Written twice: what was there before the call counts. */
	target->events.memory(target->events.context, PROG_MEM_BASE + 64, old, bytes, 4);
	target->events.memory(target->events.context, PROG_MEM_BASE + 64, bytes, back, 4);
	/* The struct itself, and one byte behind it. */
	target->events.memory(
		target->events.context, call->at + call->struct_size - 1, "\1\2", "\3\4", 2);
}

static void test_memory(void)
{
	bool done = run("fd = open /dev/iommu\nIOMMU_IOAS_ALLOC fd\n", change_memory);
	const struct trace *trace = exec_trace(exec);
	const struct trace_change *changes = trace->changes + entry(1)->first_change;

	tap_ok(done && entry(1)->change_count == 3,
		"changes: two runs, and the byte behind the struct");
	tap_ok(changes[0].address == PROG_MEM_BASE + 1 && changes[0].count == 1 &&
			changes[1].address == PROG_MEM_BASE + 3 &&
			trace->bytes[changes[1].start] == 8,
		"runs of bytes that differ");
	tap_ok(changes[2].address == EXEC_ARGUMENT_BASE + 12 && changes[2].count == 1,
		"the struct's own bytes are not among the changes");
}

/* The target notifies in the first UNMAP, and in unmaps of callbacks as long as these come. */
static void notify(struct target *target, const struct resolved_call *call)
{
	if (strcmp(call->row->name, "IOMMU_IOAS_UNMAP") == 0)
		target->events.unmap(target->events.context, 0, 1, 4096, 8192);
}

static void test_callbacks(void)
{
	bool done = run(
		"fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\nacc = access_create fd NEEDS_PIN\n"
		"on unmap acc: { unpin-all }\n"
		"access_pin acc iova=4096 length=1P\naccess_pin acc iova=3P length=1P\n"
		"access_pin acc iova=2P length=1P\nIOMMU_IOAS_UNMAP fd ioas_id=as\n",
		notify);
	unsigned last = the_target->count - 1;

	tap_ok(done && strcmp(seen(last)->name, "access_unpin") == 0 && seen(last)->depth == 1 &&
			strcmp(seen(last - 1)->name, "access_unpin") == 0 &&
			strcmp(seen(last - 2)->name, "IOMMU_IOAS_UNMAP") == 0,
		"unpin-all releases the pins that intersect, and no other");
	uint32_t count = exec_trace(exec)->entry_count;
	tap_ok(entry(count - 3)->kind == TRACE_CALLBACK && entry(count - 3)->call == 2 &&
			entry(count - 2)->depth == 1 && entry(count - 2)->result == 2 &&
			entry(count - 1)->depth == 0,
		"callback, then the body's calls, then the call around them");

	done = run(
		"fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\nacc = access_create fd NEEDS_PIN\n"
		"on unmap acc: { IOMMU_IOAS_UNMAP fd ioas_id=as }\nIOMMU_IOAS_UNMAP fd "
		"ioas_id=as\n",
		notify);
	unsigned deepest = 0;
	for (uint32_t e = 0; e < exec_trace(exec)->entry_count; e++)
		if (entry(e)->depth > deepest)
			deepest = entry(e)->depth;
	tap_ok(done && deepest == 4, "callbacks nest four deep");
}

static void test_failures(void)
{
	bool done = run("fd = open /dev/iommu\nfail user-copy#3: IOMMU_IOAS_ALLOC fd\nfail-nth *: "
			"IOMMU_IOAS_ALLOC fd\n"
			"repeat 3: IOMMU_IOAS_ALLOC fd\n",
		NULL);

	tap_ok(done && seen(1)->fail == FAIL_POINT && seen(1)->fail_nth == 3,
		"a failure reaches the target");
	tap_ok(seen(2)->fail == FAIL_NONE, "a sweep is a plain call here");
	tap_ok(the_target->count == 6 && exec_trace(exec)->entry_count == 6,
		"a repeated call runs and is traced each time");
	done = run("fd = open /dev/iommu\nIOMMU_DESTROY fd id=1\n", NULL);
	tap_ok(done && entry(1)->result == -2, "an errno is the result");
	tap_ok(!run("fd = open /dev/iommu\nthread A: IOMMU_IOAS_ALLOC fd\njoin\n", NULL),
		"threads are refused for now");
	exec_set_work_limit(exec, 100);
	tap_ok(!run("repeat 101: nothing\n", NULL) && run("repeat 99: nothing\n", NULL) &&
			!run("fill mem+0 length=2M\n", NULL),
		"work beyond the limit is refused");
	exec_set_work_limit(exec, 0);
}

int main(void)
{
	const char *reason = NULL;

	tap_begin();
	exec = exec_open(&fake, 0, &reason);
	tap_ok(exec != NULL, "an executor opens");
	test_images();
	test_literals();
	test_outputs();
	test_memory();
	test_callbacks();
	test_failures();
	run("nothing\n", NULL);
	exec_close(exec);
	return tap_end();
}
