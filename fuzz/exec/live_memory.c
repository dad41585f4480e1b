/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a live process: mem, the windows of arguments and what the program maps. The kernel
 * decides what happens; only places that it would choose by itself are chosen here, as in-process,
 * so that traces agree.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/exec/live_private.h"
#include "impl/abi/kernel_calls.h"

#define MMAP_BASE	   UINT64_C(0x30000000000)
#define LOWEST		   UINT64_C(0x10000)
#define ADDRESS_SPACE_ROOM (UINT64_C(256) << 20)
#define HEAP_ROOM	   (UINT64_C(4) << 30)
#define HIGH_ROOM	   (UINT64_C(16) << 30) /* below the lowest of libraries and such */
#define HIGH_HARNESS	   UINT64_C(0x700000000000)
#define MAP_TYPE_MASK	   0xfu
#define HUGE_PAGE	   (UINT64_C(2) << 20)
/* Pages that stay from program to program save faults; more than this are given back. */
#define POPULATED_MAX (UINT64_C(16) << 20)
#define SMALL_TOUCH   (8 * LIVE_PAGE)

/* The one process-wide state there must be: where a fault of a guarded copy continues. */
static __thread sigjmp_buf *guard;
static bool with_keys; /* of the processor */

static void on_fault(int signal_number)
{
	if (guard)
		siglongjmp(*guard, 1);
	signal(signal_number, SIG_DFL);
}

static bool has_keys(void)
{
#ifdef __x86_64__
	unsigned eax = 7, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & 1u << 4; /* OSPKE */
#else
	return false;
#endif
}

void live_memory_guard(void)
{
	struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

	with_keys = has_keys();
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/*
 * With protection keys the kernel makes memory that may only be run unreadable, until it is told
 * otherwise; in-process it can be read. Handlers of signals begin with keys that forbid it.
 */
static void allow_all_keys(void)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" ::"a"(0), "c"(0), "d"(0) : "memory");
#endif
}

/* Within one page, so that it faults before the first byte or not at all. */
static bool copy_guarded(void *to, const void *from, size_t count)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0)) {
		guard = NULL;
		if (with_keys)
			allow_all_keys();
		return false;
	}
	guard = &here;
	__asm__ volatile("" ::: "memory");
	memcpy(to, from, count);
	__asm__ volatile("" ::: "memory");
	guard = NULL;
	return true;
}

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static bool in_harness(const struct live_memory *memory, uint64_t first, uint64_t end)
{
	for (unsigned i = 0; i < 2; i++)
		if (first < memory->harness[i].end && end > memory->harness[i].first)
			return true;
	return false;
}

uint64_t live_memory_address(const struct live_memory *memory, uint64_t address)
{
	return in_harness(memory, address, address + 1) && !live_vma_at(memory, address)
		       ? LIVE_UNMAPPED
		       : address;
}

/* -- loads and stores -- */

static bool within(uint64_t base, uint64_t size, uint64_t address, uint64_t count)
{
	return address >= base && address - base <= size && count <= size - (address - base);
}

/* Whether all of it can be read and written without a fault. */
static bool surely_mapped(const struct live_memory *memory, uint64_t address, uint64_t count)
{
	return !memory->altered &&
	       (within(EXEC_ARGUMENT_BASE, LIVE_WINDOWS, address, count) ||
		       within(PROG_MEM_BASE, memory->mem_bytes, address, count));
}

static size_t page_part(uint64_t address, uint64_t count)
{
	uint64_t rest = LIVE_PAGE - address % LIVE_PAGE;

	return (size_t)(count < rest ? count : rest);
}

uint64_t live_poke(struct live_memory *memory, uint64_t to, const void *from, uint64_t count)
{
	uint64_t done = 0;

	live_touch(memory, to, count);
	if (surely_mapped(memory, to, count)) {
		memcpy(pointer(to), from, count);
		return count;
	}
	while (done < count) {
		size_t part = page_part(to + done, count - done);

		if (!live_vma_at(memory, to + done) ||
			!copy_guarded(pointer(to + done), (const uint8_t *)from + done, part))
			break;
		done += part;
	}
	return done;
}

uint64_t live_peek(const struct live_memory *memory, uint64_t from, void *to, uint64_t count)
{
	uint64_t done = 0;

	if (surely_mapped(memory, from, count)) {
		memcpy(to, pointer(from), count);
		return count;
	}
	while (done < count) {
		size_t part = page_part(from + done, count - done);

		if (!live_vma_at(memory, from + done) ||
			!copy_guarded((uint8_t *)to + done, pointer(from + done), part))
			break;
		done += part;
	}
	return done;
}

/* -- the books of mappings -- */

static uint32_t vma_index(const struct live_memory *memory, uint64_t address)
{
	uint32_t i = 0;

	while (i < memory->vma_count && memory->vmas[i].end <= address)
		i++;
	return i;
}

static bool vma_insert(struct live_memory *memory, const struct live_vma *vma)
{
	uint32_t i = vma_index(memory, vma->first);

	if (memory->vma_count == LIVE_VMA_MAX)
		return false;
	memmove(memory->vmas + i + 1, memory->vmas + i,
		(memory->vma_count - i) * sizeof(*memory->vmas));
	memory->vmas[i] = *vma;
	memory->vma_count++;
	return true;
}

/* A boundary between mappings at that address. */
static bool vma_cut(struct live_memory *memory, uint64_t address)
{
	uint32_t i = vma_index(memory, address);
	struct live_vma upper;

	if (i == memory->vma_count || memory->vmas[i].first >= address)
		return true;
	upper = memory->vmas[i];
	upper.offset += address - upper.first;
	upper.first = address;
	memory->vmas[i].end = address;
	return vma_insert(memory, &upper);
}

static void vma_remove(struct live_memory *memory, uint64_t first, uint64_t end)
{
	uint32_t from, to;

	vma_cut(memory, first);
	vma_cut(memory, end);
	from = to = vma_index(memory, first);
	while (to < memory->vma_count && memory->vmas[to].first < end)
		to++;
	memmove(memory->vmas + from, memory->vmas + to,
		(memory->vma_count - to) * sizeof(*memory->vmas));
	memory->vma_count -= to - from;
	memory->altered = true;
}

/* -- begin and end -- */

static bool map_fresh(uint64_t base, uint64_t bytes, int fixed)
{
	void *got = mmap(pointer(base), bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);

	if (got == MAP_FAILED)
		return false;
	if (got != pointer(base)) {
		munmap(got, bytes);
		return false;
	}
	/* Large pages would make dirty bits and the sizes of IOMMU pages depend on luck. */
	madvise(got, bytes, MADV_NOHUGEPAGE);
	return true;
}

static void fresh_books(struct live_memory *memory)
{
	memory->vmas[0] = (struct live_vma){.first = PROG_MEM_BASE,
		.end = PROG_MEM_BASE + memory->mem_bytes,
		.protection = CALL_PROT_READ | CALL_PROT_WRITE,
		.private = true};
	memory->vmas[1] = (struct live_vma){.first = EXEC_ARGUMENT_BASE,
		.end = EXEC_ARGUMENT_BASE + LIVE_WINDOWS,
		.protection = CALL_PROT_READ | CALL_PROT_WRITE,
		.private = true};
	memory->vma_count = 2;
	memory->altered = memory->shares = false;
	memory->touched_first = memory->touched_end = 0;
	memory->populated = 0;
	memset(memory->windows_used, 0, sizeof(memory->windows_used));
}

/* Where the kernel puts what has no address; more comes below. */
static uint64_t high_begin(void)
{
	const size_t large = 1u << 30;
	void *probe =
		mmap(NULL, large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at = (uint64_t)(uintptr_t)probe;

	if (probe == MAP_FAILED)
		return HIGH_HARNESS;
	munmap(probe, large);
	return at > HIGH_HARNESS + HIGH_ROOM && at < LIVE_TASK_SIZE ? at - HIGH_ROOM : HIGH_HARNESS;
}

static void find_harness(struct live_memory *memory)
{
	extern const char __executable_start;
	uint64_t start = (uint64_t)(uintptr_t)&__executable_start;
	uint64_t heap = (uint64_t)(uintptr_t)sbrk(0);

	memory->harness[0].first = (start < heap ? start : heap) & ~(LIVE_PAGE - 1);
	memory->harness[0].end = (start < heap ? heap : start) + HEAP_ROOM;
	/* A program in the libraries' region has its heap elsewhere. */
	if (start >= HIGH_HARNESS && heap < HIGH_HARNESS) {
		memory->harness[0].first = heap - HEAP_ROOM;
		memory->harness[0].end = heap + HEAP_ROOM;
	}
	memory->harness[1].first = high_begin();
	memory->harness[1].end = LIVE_TASK_SIZE;
}

const char *live_memory_open(struct live_memory *memory, uint32_t pages)
{
	memory->mem_bytes = (uint64_t)pages * LIVE_PAGE;
	memory->vmas = calloc(LIVE_VMA_MAX, sizeof(*memory->vmas));
	if (!memory->vmas)
		return "out of memory";
	if (!map_fresh(PROG_MEM_BASE, memory->mem_bytes, MAP_FIXED_NOREPLACE))
		return "the program's memory cannot be had at its address (a sanitizer build, or "
		       "a live target that is open already?)";
	if (!map_fresh(EXEC_ARGUMENT_BASE, LIVE_WINDOWS, MAP_FIXED_NOREPLACE)) {
		munmap(pointer(PROG_MEM_BASE), memory->mem_bytes);
		return "the area of arguments cannot be had at its address (a sanitizer build?)";
	}
	find_harness(memory);
	fresh_books(memory);
	live_memory_guard();
	return NULL;
}

static void unmap_all(struct live_memory *memory)
{
	for (uint32_t i = 0; i < memory->vma_count; i++)
		munmap(pointer(memory->vmas[i].first), memory->vmas[i].end - memory->vmas[i].first);
	memory->vma_count = 0;
}

void live_memory_close(struct live_memory *memory)
{
	if (memory->vmas)
		unmap_all(memory);
	free(memory->vmas);
	free(memory->pieces);
	free(memory->saved);
}

/* Pages of a part of mem go; kernels without madvise get all of it anew. */
static void drop_pages(const struct live_memory *memory, uint64_t first, uint64_t end)
{
	first &= ~(LIVE_PAGE - 1);
	end = (end + LIVE_PAGE - 1) & ~(LIVE_PAGE - 1);
	if (madvise(pointer(first), end - first, MADV_DONTNEED))
		map_fresh(PROG_MEM_BASE, memory->mem_bytes, MAP_FIXED);
}

static void clear_mem(struct live_memory *memory)
{
	uint64_t first = memory->touched_first, end = memory->touched_end;

	if (memory->populated > POPULATED_MAX) {
		drop_pages(memory, PROG_MEM_BASE, PROG_MEM_BASE + memory->mem_bytes);
		memory->populated = 0;
	} else if (end - first > SMALL_TOUCH) {
		drop_pages(memory, first, end);
	} else if (end > first) {
		memset(pointer(first), 0, end - first);
	}
	memory->touched_first = memory->touched_end = 0;
}

static void clear_windows(struct live_memory *memory)
{
	for (unsigned i = 0; i < EXEC_THREADS; i++) {
		if (memory->windows_used[i])
			memset(pointer(EXEC_ARGUMENT_BASE + i * (uint64_t)EXEC_ARGUMENT_SIZE), 0,
				memory->windows_used[i]);
		memory->windows_used[i] = 0;
	}
}

bool live_memory_reset(struct live_memory *memory, uint32_t pages)
{
	uint64_t bytes = (uint64_t)pages * LIVE_PAGE;

	memory->mapped_count = 0;
	memory->mapped_unknown = false;
	if (!memory->altered && bytes == memory->mem_bytes) {
		clear_mem(memory);
		clear_windows(memory);
		return true;
	}
	unmap_all(memory);
	memory->mem_bytes = bytes;
	if (!map_fresh(PROG_MEM_BASE, bytes, MAP_FIXED_NOREPLACE) ||
		!map_fresh(EXEC_ARGUMENT_BASE, LIVE_WINDOWS, MAP_FIXED_NOREPLACE))
		return false;
	fresh_books(memory);
	return true;
}

/* -- mmap -- */

struct place {
	uint64_t addr, length; /* length rounded to pages */
	bool fixed;
};

/* The lowest free place at or above MMAP_BASE, 0 when there is none. */
static uint64_t find_place(const struct live_memory *memory, uint64_t length, uint64_t unit)
{
	uint64_t at = MMAP_BASE;

	for (uint32_t i = 0; i < memory->vma_count; i++) {
		const struct live_vma *vma = &memory->vmas[i];

		if (vma->end <= at)
			continue;
		if (vma->first >= at && vma->first - at >= length)
			break;
		at = (vma->end + unit - 1) & ~(unit - 1);
	}
	return length <= LIVE_TASK_SIZE - at ? at : 0;
}

static bool is_free(const struct live_memory *memory, uint64_t first, uint64_t end)
{
	uint32_t i = vma_index(memory, first);

	return i == memory->vma_count || memory->vmas[i].first >= end;
}

static uint64_t choose_place(
	const struct live_memory *memory, uint64_t hint, uint64_t length, uint64_t unit)
{
	hint &= ~(LIVE_PAGE - 1);
	if (hint && hint < LOWEST)
		hint = LOWEST;
	if (hint && hint % unit == 0 && length <= LIVE_TASK_SIZE &&
		hint <= LIVE_TASK_SIZE - length && is_free(memory, hint, hint + length))
		return hint;
	return find_place(memory, length, unit);
}

static bool may_expand(const struct live_memory *memory, const struct place *place)
{
	uint64_t limit = memory->mem_bytes + LIVE_WINDOWS + ADDRESS_SPACE_ROOM;
	uint64_t total = place->length, end = place->addr + place->length;

	for (uint32_t i = 0; i < memory->vma_count; i++) {
		const struct live_vma *vma = &memory->vmas[i];
		uint64_t first = vma->first > place->addr ? vma->first : place->addr;
		uint64_t last = vma->end < end ? vma->end : end;

		total += vma->end - vma->first;
		if (place->fixed && first < last)
			total -= last - first;
	}
	return total <= limit;
}

static int64_t real_mmap(uint64_t addr, const struct call_mmap *call, uint32_t flags)
{
	void *got = mmap(pointer(addr), call->length, (int)call->prot, (int)flags, call->fd,
		(off_t)call->offset);

	if (got != MAP_FAILED)
		return (int64_t)(uintptr_t)got;
	/* A fixed address that looks like an error comes back as one. */
	return addr == (uint64_t)-errno ? -ENOMEM : -errno;
}

/* What the kernel says to a mapping that is not to stay: its own error, or that of the limit. */
static int64_t try_mmap(const struct call_mmap *call, uint32_t flags, uint64_t length)
{
	int64_t got;

	if (flags & MAP_FIXED)
		flags = (flags & ~(uint32_t)MAP_FIXED) | MAP_FIXED_NOREPLACE;
	/* SHARED_VALIDATE would not know the other flag. */
	if ((flags & MAP_TYPE_MASK) == MAP_SHARED_VALIDATE && !(flags & MAP_ANONYMOUS))
		flags &= ~(uint32_t)MAP_PRIVATE;
	got = real_mmap(call->addr, call, flags);
	/* The place is good but taken: what else is wrong? */
	if (got == -EEXIST)
		got = real_mmap(0, call, flags & ~(uint32_t)MAP_FIXED_NOREPLACE);
	if (got >= 0)
		munmap(pointer((uint64_t)got), length);
	return got >= 0 ? -ENOMEM : got;
}

static struct live_vma vma_of(
	struct live_memory *memory, const struct call_mmap *call, uint64_t at, uint64_t length)
{
	struct live_vma vma = {.first = at,
		.end = at + length,
		.protection = call->prot,
		.private = (call->flags & MAP_TYPE_MASK) == CALL_MAP_PRIVATE,
		.offset = call->offset};
	struct stat status;

	if (!(call->flags & CALL_MAP_ANONYMOUS)) {
		if (fstat(call->fd, &status) == 0) {
			vma.device = status.st_dev;
			vma.inode = status.st_ino;
		}
	} else if (!vma.private) {
		/* Its own file; two places show it only after a fork. */
		vma.inode = ++memory->shared_count;
		vma.offset = 0;
	}
	return vma;
}

/* The call as it is made here. Bits that the catalogue does not name would change what mappings
 * are. */
static struct call_mmap own_call(const uint8_t *image)
{
	struct call_mmap call;

	memcpy(&call, image, sizeof(call));
	call.flags &= MAP_TYPE_MASK | CALL_MAP_FIXED | CALL_MAP_ANONYMOUS | CALL_MAP_HUGETLB;
	call.prot &= CALL_PROT_READ | CALL_PROT_WRITE | CALL_PROT_EXEC;
	if (call.fd < LIVE_FIRST_FD || call.fd >= LIVE_FDS)
		call.fd = -1;
	return call;
}

/* Whether the kernel is asked to map there; otherwise *result is what the program gets. */
static bool find_way(struct live_process *process, const struct call_mmap *call,
	struct place *place, uint64_t unit, int64_t *result)
{
	const struct live_memory *memory = &process->memory;

	/* With capabilities the kernel would map below, with five levels of page tables beyond. */
	if (place->fixed && place->addr < LOWEST && place->addr % unit == 0) {
		*result = try_mmap(call, call->flags, place->length);
		if (*result != -EBADF)
			*result = place->length > LIVE_TASK_SIZE - place->addr ? -ENOMEM : -EPERM;
		return false;
	}
	if (place->length > LIVE_TASK_SIZE ||
		(place->fixed && place->addr > LIVE_TASK_SIZE - place->length)) {
		*result = try_mmap(call, call->flags, place->length);
		if (*result != -EBADF)
			*result = -ENOMEM;
		return false;
	}
	if (!place->fixed)
		place->addr = choose_place(memory, call->addr, place->length, unit);
	if (place->addr && in_harness(memory, place->addr, place->addr + place->length)) {
		process->excuse = "a mapping where the harness itself lives";
		place->addr = 0;
	}
	if (place->addr && may_expand(memory, place) && memory->vma_count + 4 <= LIVE_VMA_MAX)
		return true;
	*result = try_mmap(call, call->flags, place->length);
	return false;
}

/* A file may refuse when what it was to replace is gone already. */
static void note_cleared(struct live_memory *memory, const struct place *place)
{
	uint64_t end = place->addr + place->length;

	for (uint32_t i = vma_index(memory, place->addr);
		i < memory->vma_count && memory->vmas[i].first < end; i++) {
		uint64_t from =
			memory->vmas[i].first > place->addr ? memory->vmas[i].first : place->addr;
		uint64_t to = memory->vmas[i].end < end ? memory->vmas[i].end : end;

		if (msync(pointer(from), to - from, MS_ASYNC) == 0 || errno != ENOMEM)
			continue;
		vma_remove(memory, place->addr, end);
		return;
	}
}

int64_t live_mmap(struct live_process *process, const uint8_t *image)
{
	struct live_memory *memory = &process->memory;
	struct call_mmap call = own_call(image);
	uint64_t unit = call.flags & CALL_MAP_HUGETLB ? HUGE_PAGE : LIVE_PAGE;
	struct place place = {.addr = call.addr, .fixed = call.flags & CALL_MAP_FIXED};
	int64_t got;

	if (call.length > UINT64_MAX - unit)
		return real_mmap(call.addr, &call, call.flags);
	place.length = (call.length + unit - 1) & ~(unit - 1);
	if (!place.length || call.offset % LIVE_PAGE)
		return real_mmap(call.addr, &call, call.flags & ~(uint32_t)MAP_FIXED);
	if (!find_way(process, &call, &place, unit, &got))
		return got;
	got = real_mmap(place.addr, &call, call.flags | MAP_FIXED);
	if (got < 0) {
		note_cleared(memory, &place);
		return got;
	}
	if (with_keys)
		allow_all_keys();
	/* Elsewhere large pages would differ from mem's. */
	madvise(pointer((uint64_t)got), place.length, MADV_NOHUGEPAGE);
	struct live_vma vma = vma_of(memory, &call, (uint64_t)got, place.length);
	vma_remove(memory, vma.first, vma.end);
	vma_insert(memory, &vma);
	if (vma.inode)
		memory->shares = true;
	return got;
}

/* -- munmap, mprotect -- */

static bool range_of(uint64_t addr, uint64_t length, uint64_t *end)
{
	uint64_t bytes;

	if (addr % LIVE_PAGE || !length || __builtin_add_overflow(length, LIVE_PAGE - 1, &bytes))
		return false;
	bytes &= ~(LIVE_PAGE - 1);
	*end = addr + bytes;
	return bytes <= LIVE_TASK_SIZE && addr <= LIVE_TASK_SIZE - bytes;
}

/* Only the program's own mappings: the range may lie across the harness. */
static int64_t unmap_own(struct live_memory *memory, uint64_t first, uint64_t end)
{
	for (uint32_t i = vma_index(memory, first);
		i < memory->vma_count && memory->vmas[i].first < end; i++) {
		uint64_t from = memory->vmas[i].first > first ? memory->vmas[i].first : first;
		uint64_t to = memory->vmas[i].end < end ? memory->vmas[i].end : end;

		if (munmap(pointer(from), to - from))
			return -errno;
	}
	return 0;
}

int64_t live_munmap(struct live_memory *memory, const uint8_t *image)
{
	struct call_munmap call;
	uint64_t end;
	int64_t result;

	memcpy(&call, image, sizeof(call));
	if (!range_of(call.addr, call.length, &end))
		return -EINVAL;
	result = in_harness(memory, call.addr, end)
			 ? unmap_own(memory, call.addr, end)
			 : live_result(munmap(pointer(call.addr), call.length));
	if (result == 0 && !is_free(memory, call.addr, end))
		vma_remove(memory, call.addr, end);
	return result;
}

/* How far the program's mappings reach without a hole. */
static uint64_t covered(const struct live_memory *memory, uint64_t first, uint64_t end)
{
	for (uint32_t i = vma_index(memory, first);
		i < memory->vma_count && memory->vmas[i].first <= first && first < end; i++)
		first = memory->vmas[i].end;
	return first < end ? first : end;
}

static void protect_books(
	struct live_memory *memory, uint64_t first, uint64_t end, uint32_t protection)
{
	vma_cut(memory, first);
	vma_cut(memory, end);
	for (uint32_t i = vma_index(memory, first);
		i < memory->vma_count && memory->vmas[i].first < end; i++)
		memory->vmas[i].protection = protection;
	memory->altered = true;
}

int64_t live_mprotect(struct live_memory *memory, const uint8_t *image)
{
	struct call_mprotect call;
	uint64_t end, reach;
	int64_t result;

	memcpy(&call, image, sizeof(call));
	if (call.addr % LIVE_PAGE || !call.length || call.prot & ~15u ||
		__builtin_add_overflow(call.addr, call.length, &end) ||
		__builtin_add_overflow(end, LIVE_PAGE - 1, &end))
		return live_result(mprotect(pointer(call.addr), call.length, (int)call.prot));
	end &= ~(LIVE_PAGE - 1);
	reach = covered(memory, call.addr, end);
	/* Behind a hole may stand what is the harness's. */
	if (reach < end && in_harness(memory, call.addr, end)) {
		result = reach > call.addr ? live_result(mprotect(pointer(call.addr),
						     reach - call.addr, (int)call.prot))
					   : 0;
		result = result ? result : -ENOMEM;
	} else {
		result = live_result(mprotect(pointer(call.addr), call.length, (int)call.prot));
	}
	if (reach > call.addr && (result == 0 || result == -ENOMEM))
		protect_books(memory, call.addr, reach, call.prot & 7);
	if (with_keys)
		allow_all_keys();
	return result;
}
