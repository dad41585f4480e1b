/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that are made by number. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/shim/preload.h"

/* The call as its own function makes it. False: it is none that is served. */
static bool by_function(long number, const long *a, long *result)
{
	void *first = (void *)a[0], *second = (void *)a[1];

	switch (number) {
	case SYS_openat: *result = openat((int)a[0], second, (int)a[2], (mode_t)a[3]); break;
	case SYS_ioctl: *result = ioctl((int)a[0], (unsigned long)a[1], (void *)a[2]); break;
	case SYS_read: *result = read((int)a[0], second, (size_t)a[2]); break;
	case SYS_write: *result = write((int)a[0], second, (size_t)a[2]); break;
	case SYS_pread64: *result = pread64((int)a[0], second, (size_t)a[2], a[3]); break;
	case SYS_pwrite64: *result = pwrite64((int)a[0], second, (size_t)a[2], a[3]); break;
	case SYS_readv: *result = readv((int)a[0], second, (int)a[2]); break;
	case SYS_writev: *result = writev((int)a[0], second, (int)a[2]); break;
	case SYS_close: *result = close((int)a[0]); break;
	case SYS_close_range:
		*result = close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
		break;
	case SYS_dup3: *result = dup3((int)a[0], (int)a[1], (int)a[2]); break;
	case SYS_munmap: *result = munmap(first, (size_t)a[1]); break;
	case SYS_mmap:
		*result = (long)mmap64(first, (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
		break;
	case SYS_mremap:
		*result = (long)mremap(first, (size_t)a[1], (size_t)a[2], (int)a[3], (void *)a[4]);
		break;
	case SYS_madvise: *result = madvise(first, (size_t)a[1], (int)a[2]); break;
	case SYS_ftruncate: *result = ftruncate64((int)a[0], a[1]); break;
	case SYS_fallocate: *result = fallocate64((int)a[0], (int)a[1], a[2], a[3]); break;
	case SYS_execve: *result = execve(first, second, (char *const *)a[2]); break;
	case SYS_epoll_ctl:
		*result = epoll_ctl((int)a[0], (int)a[1], (int)a[2], (void *)a[3]);
		break;
	case SYS_newfstatat: *result = fstatat((int)a[0], second, (void *)a[2], (int)a[3]); break;
#ifdef SYS_open
	case SYS_open: *result = open(first, (int)a[1], (mode_t)a[2]); break;
#endif
#ifdef SYS_dup2
	case SYS_dup2: *result = dup2((int)a[0], (int)a[1]); break;
#endif
	case SYS_exit_group: _exit((int)a[0]);
	default: return false;
	}
	return true;
}

SHIM_EXPORT long syscall(long number, ...)
{
	va_list arguments;
	long values[6], result;

	va_start(arguments, number);
	for (int n = 0; n < 6; n++)
		values[n] = va_arg(arguments, long);
	va_end(arguments);
	if (link_there() && by_function(number, values, &result))
		return result;
	return NEXT(syscall)(
		number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
