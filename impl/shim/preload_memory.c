/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program does to its memory: the server hears of it before pages go, so that those that
 * are pinned keep their contents as they would in a kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/shim/preload.h"

#define PAGE 4096ul

static void tell(enum shim_call call, uintptr_t first, uintptr_t second, size_t length)
{
	struct shim_request request = {.call = call, .argument = {first, second, length}};
	struct shim_reply reply;

	if (link_has_pins())
		link_call(&request, &reply);
}

bool memory_peek(void *to, const void *from, size_t count)
{
	struct iovec here = {to, count}, there = {(void *)(uintptr_t)from, count};
	int saved = errno;
	ssize_t done = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	/* Where that is forbidden there is no way to know. */
	if (done < 0 && errno != EFAULT)
		done = memcpy(to, from, count) == to ? (ssize_t)count : 0;
	errno = saved;
	return done == (ssize_t)count;
}

void memory_goes(const void *address, size_t length)
{
	if (length)
		tell(SHIM_GOES, (uintptr_t)address, length, 0);
}

SHIM_EXPORT int munmap(void *address, size_t length)
{
	memory_goes(address, length);
	return NEXT(munmap)(address, length);
}

static void *map(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	struct shim_request request = {.call = SHIM_MMAP,
		.argument = {(uintptr_t)address, length,
			(uint64_t)protection | (uint64_t)flags << 32, (uint64_t)offset}};
	struct shim_reply reply;

	if (!(flags & MAP_ANONYMOUS) && fd >= 0 && link_identify(&request, fd) &&
		link_call(&request, &reply) && reply.ours) {
		if (reply.result >= 0)
			return (void *)(uintptr_t)reply.result;
		errno = (int)-reply.result;
		return MAP_FAILED;
	}
	if (flags & MAP_FIXED)
		memory_goes(address, length);
	return NEXT(mmap64)(address, length, protection, flags, fd, offset);
}

SHIM_EXPORT void *mmap(
	void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return map(address, length, protection, flags, fd, offset);
}

SHIM_EXPORT void *mmap64(
	void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return map(address, length, protection, flags, fd, offset);
}

static bool may_move(int flags)
{
	return flags & MREMAP_MAYMOVE;
}

SHIM_EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
	va_list arguments;
	void *fixed = NULL, *moved;
	int refused = region_refuses_move(old_length, length, flags);

	if (refused && region_touches(old, old_length ? old_length : 1)) {
		errno = refused;
		return MAP_FAILED;
	}
	if (flags & MREMAP_FIXED) {
		va_start(arguments, flags);
		fixed = va_arg(arguments, void *);
		va_end(arguments);
		memory_goes(fixed, length);
	}
	if (length < old_length)
		memory_goes((char *)old + length, old_length - length);
	moved = NEXT(mremap)(old, old_length, length, flags, fixed);
	if (moved != MAP_FAILED && moved != old && may_move(flags))
		tell(SHIM_MOVED, (uintptr_t)old, (uintptr_t)moved,
			length < old_length ? length : old_length);
	return moved;
}

SHIM_EXPORT int madvise(void *address, size_t length, int advice)
{
	int refused = region_refuses_advice(advice);

	if (refused && region_touches(address, length)) {
		errno = refused;
		return -1;
	}
	if (advice == MADV_DONTNEED || advice == MADV_FREE)
		memory_goes(address, length);
	if (advice == MADV_REMOVE && length)
		tell(SHIM_GOES, (uintptr_t)address, length, 1);
	return NEXT(madvise)(address, length, advice);
}

SHIM_EXPORT int brk(void *end)
{
	char *now = NEXT(sbrk)(0);

	if ((char *)end < now)
		memory_goes(end, (size_t)(now - (char *)end));
	return NEXT(brk)(end);
}

SHIM_EXPORT void *sbrk(intptr_t change)
{
	if (change < 0)
		memory_goes((char *)NEXT(sbrk)(0) + change, (size_t)-change);
	return NEXT(sbrk)(change);
}

/* Of the C library's allocator: the bit of a block's size that says that it is mapped by itself. */
#define BLOCK_MAPPED ((size_t)2)
#define BLOCK_SIZE   (~(size_t)7)

static struct {
	bool known; /* the program uses the C library's allocator */
} allocator;

__attribute__((constructor)) static void look_at_allocator(void)
{
	const void *used = dlsym(RTLD_DEFAULT, "malloc"),
		   *known = dlsym(RTLD_NEXT, "__libc_malloc");

	allocator.known = used && used == known;
}

/* The mapping of a block. False: it has none of its own. */
static bool mapping_of(const void *block, uintptr_t *address, size_t *length)
{
	const size_t *head;

	if (!block || !allocator.known || !link_has_pins())
		return false;
	head = (const size_t *)((uintptr_t)block - 2 * sizeof(size_t));
	*address = (uintptr_t)head & ~(PAGE - 1);
	*length = (head[1] & BLOCK_SIZE) + head[0];
	return head[1] & BLOCK_MAPPED;
}

/* Looking up a function may free what the last look-up has left; that is then kept. */
static void release(void *block)
{
	static _Thread_local bool looking __attribute__((tls_model("initial-exec")));

	if (looking)
		return;
	looking = true;
	void (*next)(void *) = NEXT(free);
	looking = false;
	next(block);
}

/* The allocator unmaps by itself, without a call of munmap that could be seen. */
SHIM_EXPORT void free(void *block)
{
	uintptr_t address;
	size_t length;

	if (mapping_of(block, &address, &length))
		memory_goes((const void *)address, length);
	release(block);
}

SHIM_EXPORT void *realloc(void *block, size_t size)
{
	uintptr_t from = 0, to;
	size_t length = 0, ignored;
	bool mapped = mapping_of(block, &from, &length);
	void *moved = NEXT(realloc)(block, size);

	if (mapped && moved && moved != block && mapping_of(moved, &to, &ignored))
		tell(SHIM_MOVED, from, to, length);
	return moved;
}

void memory_cut(int fd, off64_t from, off64_t to)
{
	struct shim_request request = {
		.call = SHIM_CUT, .fd = fd, .argument = {(uint64_t)from, (uint64_t)to}};
	struct shim_reply reply;
	struct stat status;
	int saved = errno;

	if (!link_has_pins() || from >= to)
		return;
	if (!NEXT(syscall)(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH)) {
		request.device = status.st_dev;
		request.inode = status.st_ino;
		link_call(&request, &reply);
	}
	errno = saved;
}

SHIM_EXPORT int ftruncate64(int fd, off64_t length)
{
	memory_cut(fd, length, INT64_MAX);
	return NEXT(ftruncate64)(fd, length);
}

SHIM_EXPORT int ftruncate(int fd, off_t length)
{
	memory_cut(fd, length, INT64_MAX);
	return NEXT(ftruncate)(fd, length);
}

void memory_leaves(void)
{
	tell(SHIM_LEAVES, 0, 0, 0);
}

void memory_stays(void)
{
	tell(SHIM_STAYED, 0, 0, 0);
}

__attribute__((destructor)) static void end(void)
{
	memory_leaves();
}

/* Whoever gets a signal may end by it. */
static void may_end(pid_t pid)
{
	tell(SHIM_LEAVES,
		pid > 0 && pid != getpid() ? (uintptr_t)pid
		: pid > 0		   ? 0
					   : UINTPTR_MAX,
		0, 0);
}

SHIM_EXPORT int kill(pid_t pid, int signal)
{
	if (signal)
		may_end(pid);
	return NEXT(kill)(pid, signal);
}

SHIM_EXPORT int raise(int signal)
{
	may_end(getpid());
	return NEXT(raise)(signal);
}

SHIM_EXPORT void abort(void)
{
	memory_leaves();
	NEXT(abort)();
	__builtin_unreachable();
}

/* A child has its parent's mappings of pages of drivers. */
SHIM_EXPORT pid_t fork(void)
{
	struct shim_request request = {.call = SHIM_BORN};
	struct shim_reply reply;
	pid_t pid = NEXT(fork)();

	if (pid >= 0 && link_has_regions()) {
		request.argument[0] = (uint64_t)(pid ? pid : getpid());
		link_call(&request, &reply);
	}
	return pid;
}

SHIM_EXPORT void _exit(int status)
{
	memory_leaves();
	NEXT(syscall)(SYS_exit_group, status);
	__builtin_unreachable();
}

SHIM_EXPORT void _Exit(int status)
{
	_exit(status);
}

SHIM_EXPORT void quick_exit(int status)
{
	memory_leaves();
	NEXT(quick_exit)(status);
	__builtin_unreachable();
}
