/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped pages of drivers, which are not memory: much of what can be done to memory is refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload.h"

/* A line of /proc/self/maps that names such pages within [first, end). */
static bool is_region(const char *line, uintptr_t first, uintptr_t end)
{
	unsigned long from, to;

	return sscanf(line, "%lx-%lx", &from, &to) == 2 && from < end && to > first &&
	       strstr(line, SHIM_REGION);
}

bool region_touches(const void *address, size_t length)
{
	uintptr_t first = (uintptr_t)address, end = first + length;
	char text[4096 + 1];
	size_t have = 0;
	int saved = errno, fd;
	bool found = false;
	ssize_t got;

	if (!length || !link_has_regions())
		return false;
	fd = (int)NEXT(syscall)(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && !found &&
		(got = NEXT(syscall)(SYS_read, fd, text + have, sizeof(text) - 1 - have)) > 0) {
		char *line = text, *stop;

		have += (size_t)got;
		text[have] = 0;
		for (; (stop = strchr(line, '\n')) != NULL; line = stop + 1) {
			*stop = 0;
			found |= is_region(line, first, end);
		}
		have = strlen(line);
		memmove(text, line, have);
	}
	if (fd >= 0)
		link_close_real(fd);
	errno = saved;
	return found;
}

int region_refuses_advice(int advice)
{
	switch (advice) {
	case MADV_REMOVE: return ENODEV;
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case MADV_DOFORK:
	case MADV_DODUMP: return EINVAL;
	default: return 0;
	}
}

int region_refuses_move(size_t old_length, size_t length, int flags)
{
	if (flags & MREMAP_DONTUNMAP)
		return EINVAL;
	return !old_length || length > old_length ? EFAULT : 0;
}

SHIM_EXPORT int msync(void *address, size_t length, int flags)
{
	if (flags & MS_SYNC && region_touches(address, length)) {
		errno = EINVAL;
		return -1;
	}
	return NEXT(msync)(address, length, flags);
}
