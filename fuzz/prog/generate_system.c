/* SPDX-License-Identifier: Apache-2.0 */
/* Idioms of system calls: memory, files, descriptors, processes, raw ioctls, and any row at all. */
#include <string.h>

#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"

#define PAGE UINT64_C(4096)

void builder_memory(struct builder *b)
{
	uint32_t call;
	uint64_t at = random_below(b->random, 32) * PAGE;

	switch (random_below(b->random, 5)) {
	case 0: call = builder_call(b, CALL_ID_munmap); break;
	case 1:
		call = builder_call(b, CALL_ID_mprotect);
		builder_set(b, call, "prot", value_number(random_below(b->random, 4)));
		break;
	case 2:
		call = builder_call(b, CALL_ID_mmap);
		builder_set(b, call, "prot", value_number(3));
		builder_set(b, call, "flags",
			value_number(CALL_MAP_FIXED | CALL_MAP_ANONYMOUS |
				     (random_chance(b->random, 1, 3) ? CALL_MAP_SHARED
								     : CALL_MAP_PRIVATE)));
		break;
	default:
		call = builder_call(b, CALL_ID_fill);
		builder_set(b, call, "value", value_number(random_below(b->random, 256)));
		break;
	}
	builder_set(b, call, "addr", value_mem(at));
	builder_set(b, call, "length", value_number((1 + random_below(b->random, 4)) * PAGE));
	builder_done(b, call);
}

#define HUGE UINT64_C(0x200000)

/* A file of huge pages, and a mapping of it behind mem. */
static void huge_memfd(struct builder *b)
{
	uint32_t memfd = builder_call(b, CALL_ID_memfd), call, context;

	b->prog->options.flags |= PROG_OPTION_HUGETLB;
	builder_set(b, memfd, "size", value_number((1 + random_below(b->random, 2)) * HUGE));
	builder_set(b, memfd, "flags", value_number(CALL_MEMFD_HUGETLB));
	builder_done(b, memfd);
	if (memfd == UINT32_MAX)
		return;
	call = builder_call(b, CALL_ID_mmap);
	builder_set(b, call, "addr",
		value_number(UINT64_C(0x30000000000) + random_below(b->random, 2) * HUGE));
	builder_set(b, call, "length", value_number(HUGE));
	builder_set(b, call, "prot", value_number(3));
	builder_set(b, call, "flags",
		value_number((random_chance(b->random, 3, 4) ? CALL_MAP_SHARED : CALL_MAP_PRIVATE) |
			     CALL_MAP_FIXED));
	builder_set(b, call, "fd", value_handle(memfd, 0, 0));
	builder_done(b, call);
	context = builder_need_context(b);
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MD_CHECK_REFS);
	builder_subject(b, call, context);
	builder_set(b, call, "length", value_number(PAGE));
	builder_set(b, call, "uptr", value_number(UINT64_C(0x30000000000)));
	builder_done(b, call);
}

void builder_memfd(struct builder *b)
{
	uint32_t memfd, call;

	if (!b->options->live && !(b->options->exclude_needs & NEEDS_TEST) &&
		random_chance(b->random, 1, 8)) {
		huge_memfd(b);
		return;
	}
	memfd = builder_call(b, CALL_ID_memfd);
	builder_set(b, memfd, "size", value_number(8 * PAGE));
	builder_done(b, memfd);
	if (memfd == UINT32_MAX)
		return;
	call = builder_call(b, CALL_ID_mmap);
	builder_set(b, call, "addr", value_mem(random_below(b->random, 32) * PAGE));
	builder_set(b, call, "length", value_number((1 + random_below(b->random, 8)) * PAGE));
	builder_set(b, call, "prot", value_number(3));
	builder_set(b, call, "flags", value_number(CALL_MAP_SHARED | CALL_MAP_FIXED));
	builder_set(b, call, "fd", value_handle(memfd, 0, 0));
	builder_done(b, call);
	if (random_chance(b->random, 1, 4)) {
		call = builder_call(b, CALL_ID_ftruncate);
		builder_subject(b, call, memfd);
		builder_set(b, call, "size", value_number(random_below(b->random, 10) * PAGE));
		builder_done(b, call);
	}
}

void builder_descriptor(struct builder *b)
{
	uint32_t context = builder_need_context(b), call;
	uint32_t target = b->scene.accesses && random_chance(b->random, 1, 2)
				  ? b->scene.access[builder_pick(b, b->scene.accesses)].call
				  : context;

	switch (random_below(b->random, 6)) {
	case 0: call = builder_call(b, CALL_ID_dup); break;
	case 1: call = builder_call(b, CALL_ID_poll); break;
	case 2: call = builder_call(b, CALL_ID_read); break;
	case 3:
		call = builder_call(b, CALL_ID_mmap);
		builder_set(b, call, "length", value_number(PAGE));
		builder_set(b, call, "prot", value_number(random_below(b->random, 8)));
		builder_set(b, call, "flags", value_number(1 + random_below(b->random, 2)));
		builder_set(b, call, "fd", value_handle(target, 0, 0));
		builder_done(b, call);
		return;
	default: call = builder_call(b, CALL_ID_close); break;
	}
	builder_subject(b, call, target);
	builder_set(b, call, "events", value_number(5));
	builder_done(b, call);
}

void builder_process(struct builder *b)
{
	struct scene_area *area;
	uint32_t process = b->prog->call_count, call, pass;

	if (b->processes >= PROG_PROCESS_MAX - 1)
		return;
	/* A live kernel takes longer for one than for all other calls of a program. */
	if (b->options->live && !random_chance(b->random, 1, 3))
		return;
	b->processes++;
	if (random_chance(b->random, 1, 2)) {
		call = builder_call(b, CALL_ID_process);
		builder_set(b, call, "process", value_number(b->processes));
		builder_set(b, call, "uid", value_number(1000 + random_below(b->random, 2)));
		builder_set(b, call, "memlock", value_number(random_below(b->random, 64) * PAGE));
		if (random_chance(b->random, 1, 3))
			builder_set(b, call, "caps", value_number(CALL_CAP_IPC_LOCK));
		pass = builder_call(b, CALL_ID_pass);
		builder_subject(b, pass, builder_need_context(b));
		builder_set(b, pass, "process", value_number(b->processes));
	} else {
		call = builder_call(b, CALL_ID_fork);
		builder_set(b, call, "process", value_number(b->processes));
		pass = UINT32_MAX;
	}
	if (b->full)
		return;
	area = builder_some_area(b, UINT32_MAX);
	call = builder_call(b, CALL_ID_IOMMU_IOAS_MAP);
	if (call == UINT32_MAX)
		return;
	b->prog->calls[call].process = b->processes;
	if (pass != UINT32_MAX)
		builder_subject(b, call, pass);
	else
		builder_subject(b, call, builder_need_context(b));
	if (area)
		builder_set(b, call, "ioas_id", value_handle(area->ioas, 0, 0));
	else if (b->scene.ioases)
		builder_set(b, call, "ioas_id", value_handle(b->scene.ioas[0].call, 0, 0));
	builder_set(b, call, "flags", value_number(IOMMU_IOAS_MAP_READABLE));
	builder_set(b, call, "user_va", value_mem(0));
	builder_set(b, call, "length", value_number(builder_some_pages(b)));
	builder_done(b, call);
	if (random_chance(b->random, 1, 2)) {
		call = builder_call(
			b, random_chance(b->random, 1, 2) ? CALL_ID_exit : CALL_ID_exec);
		if (call != UINT32_MAX)
			b->prog->calls[call].process = b->processes;
	}
	(void)process;
}

/* Moves bytes between memory and a file. */
void builder_transfer(struct builder *b)
{
	uint32_t memfd, call;

	if (!b->scene.memfds)
		builder_memfd(b);
	if (!b->scene.memfds)
		return;
	memfd = b->scene.memfd[builder_pick(b, b->scene.memfds)];
	call = builder_call(b, random_chance(b->random, 1, 2) ? CALL_ID_read : CALL_ID_write);
	builder_subject(b, call, memfd);
	builder_set(b, call, "at", value_mem(random_below(b->random, 24) * PAGE));
	builder_set(b, call, "length", value_number(1 + random_below(b->random, 2 * PAGE)));
	builder_done(b, call);
}

static struct value bytes_value(struct builder *b, const uint8_t *bytes, uint32_t count)
{
	uint32_t start = prog_add_bytes(b->prog, bytes, count);

	if (start == UINT32_MAX)
		return (struct value){.kind = VALUE_UNSET};
	return (struct value){.kind = VALUE_BYTES, .count = count, .start = start};
}

/* Writes bytes, looks whether they are there, or whether memory is still zero. */
void builder_contents(struct builder *b)
{
	uint64_t at = random_below(b->random, 24) * PAGE + random_below(b->random, 2) * 4090;
	uint32_t count = 1 + (uint32_t)random_below(b->random, 16), call;
	bool zero = random_chance(b->random, 1, 4);
	uint8_t bytes[16] = {0};

	for (uint32_t i = 0; i < count && !zero; i++)
		bytes[i] = (uint8_t)random_next(b->random);
	if (!zero) {
		call = builder_call(b, CALL_ID_put);
		builder_set(b, call, "addr", value_mem(at));
		builder_set(b, call, "bytes", bytes_value(b, bytes, count));
		builder_done(b, call);
	}
	if (!zero && random_chance(b->random, 1, 2))
		return;
	call = builder_call(b, CALL_ID_expect);
	builder_set(b, call, "addr", value_mem(at));
	builder_set(b, call, "bytes", bytes_value(b, bytes, count));
	builder_done(b, call);
}

/* An ioctl by number, with a struct of zeroes: creation and queries succeed, the rest is told off.
 */
void builder_raw(struct builder *b)
{
	static const uint16_t rows[] = {CALL_ID_IOMMU_IOAS_ALLOC, CALL_ID_IOMMU_IOAS_ALLOC,
		CALL_ID_IOMMU_IOAS_ALLOC, CALL_ID_IOMMU_OPTION_RLIMIT_MODE,
		CALL_ID_IOMMU_OPTION_RLIMIT_MODE, CALL_ID_IOMMU_IOAS_UNMAP, CALL_ID_IOMMU_DESTROY,
		CALL_ID_IOMMU_IOAS_MAP, CALL_ID_IOMMU_IOAS_IOVA_RANGES, CALL_ID_IOMMU_IOAS_COPY};
	const struct call_row *row =
		&call_rows[rows[random_below(b->random, sizeof(rows) / sizeof(rows[0]))]];
	uint32_t context = builder_need_context(b), call = builder_call(b, CALL_ID_ioctl);
	uint32_t size = row->size + 8 * (uint32_t)random_below(b->random, 2);
	uint8_t tail[CALL_STRUCT_MAX + 16] = {0};

	/* Zeroes would set it, which only a context without objects allows. */
	if (row == &call_rows[CALL_ID_IOMMU_OPTION_RLIMIT_MODE])
		tail[offsetof(struct iommu_option, op) - 4] = IOMMU_OPTION_OP_GET;
	if (random_chance(b->random, 1, 8))
		tail[random_below(b->random, size - 4)] = 1;
	builder_subject(b, call, context);
	builder_set(b, call, "number", value_number(row->number));
	builder_set(b, call, "size", value_number(size));
	builder_set(b, call, "tail", bytes_value(b, tail, size - 4));
	builder_set(b, call, "at", value_mem(224 * PAGE));
	builder_done(b, call);
}

static bool is_wanted(struct builder *b, enum call_id id)
{
	const struct call_row *row = &call_rows[id];

	switch (id) {
	case CALL_ID_fork:
	case CALL_ID_process:
	case CALL_ID_exit:
	case CALL_ID_exec: return false;
	default: break;
	}
	if (row->kind == CALL_CONTROL || row->needs & b->options->exclude_needs)
		return false;
	if (b->options->live && !row->implemented)
		return false;
	if (!row->implemented || (b->options->kernel && row->since > b->options->kernel))
		return random_chance(b->random, 1, 12);
	return true;
}

/* Any row at all, with fields chosen by kind: also the calls that no idiom knows. */
void builder_any(struct builder *b)
{
	enum call_id row;
	uint32_t call;

	do
		row = (enum call_id)random_below(b->random, CALL_ID_COUNT);
	while (!is_wanted(b, row));
	call = builder_call(b, row);
	if (call == UINT32_MAX)
		return;
	for (unsigned field = 0; field < call_rows[row].field_count; field++)
		builder_value(b, call, field);
	scene_add(&b->scene, b->prog, call);
}
