/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that are made by number. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

/* Each of these: the call as its own function makes it. False: it is none that is served. */

static bool by_transfer(long number, const long *a, long *result)
{
	int fd = (int)a[0];
	void *second = (void *)a[1];

	switch (number) {
	case SYS_read: *result = read(fd, second, (size_t)a[2]); break;
	case SYS_write: *result = write(fd, second, (size_t)a[2]); break;
	case SYS_pread64: *result = pread64(fd, second, (size_t)a[2], a[3]); break;
	case SYS_pwrite64: *result = pwrite64(fd, second, (size_t)a[2], a[3]); break;
	case SYS_readv: *result = readv(fd, second, (int)a[2]); break;
	case SYS_writev: *result = writev(fd, second, (int)a[2]); break;
	case SYS_preadv: *result = preadv64(fd, second, (int)a[2], a[3]); break;
	case SYS_pwritev: *result = pwritev64(fd, second, (int)a[2], a[3]); break;
	case SYS_preadv2: *result = preadv64v2(fd, second, (int)a[2], a[3], (int)a[5]); break;
	case SYS_pwritev2: *result = pwritev64v2(fd, second, (int)a[2], a[3], (int)a[5]); break;
	case SYS_splice:
		*result = splice(fd, second, (int)a[2], (void *)a[3], (size_t)a[4], (unsigned)a[5]);
		break;
	case SYS_tee: *result = tee(fd, (int)a[1], (size_t)a[2], (unsigned)a[3]); break;
	case SYS_vmsplice: *result = vmsplice(fd, second, (size_t)a[2], (unsigned)a[3]); break;
	case SYS_sendfile: *result = sendfile64(fd, (int)a[1], (void *)a[2], (size_t)a[3]); break;
	case SYS_copy_file_range:
		*result = copy_file_range(
			fd, second, (int)a[2], (void *)a[3], (size_t)a[4], (unsigned)a[5]);
		break;
	default: return false;
	}
	return true;
}

static bool by_descriptor(long number, const long *a, long *result)
{
	int fd = (int)a[0];

	switch (number) {
	case SYS_ioctl: *result = ioctl(fd, (unsigned long)a[1], (void *)a[2]); break;
	case SYS_fcntl: *result = fcntl(fd, (int)a[1], a[2]); break;
	case SYS_lseek: *result = lseek64(fd, a[1], (int)a[2]); break;
	case SYS_close: *result = close(fd); break;
	case SYS_close_range: *result = close_range((unsigned)fd, (unsigned)a[1], (int)a[2]); break;
	case SYS_dup3: *result = dup3(fd, (int)a[1], (int)a[2]); break;
	case SYS_ftruncate: *result = ftruncate64(fd, a[1]); break;
	case SYS_fallocate: *result = fallocate64(fd, (int)a[1], a[2], a[3]); break;
	case SYS_fadvise64:
		*result = link_result(-posix_fadvise64(fd, a[1], a[2], (int)a[3]));
		break;
	case SYS_epoll_ctl: *result = epoll_ctl(fd, (int)a[1], (int)a[2], (void *)a[3]); break;
#ifdef SYS_dup2
	case SYS_dup2: *result = dup2(fd, (int)a[1]); break;
#endif
#ifdef SYS_poll
	case SYS_poll: *result = poll((void *)a[0], (nfds_t)a[1], (int)a[2]); break;
#endif
	default: return false;
	}
	return true;
}

/* openat2 of what is served: a node that is always there shows whether the kernel would do it. */
static bool open_by_struct(const long *a, long *result)
{
	const char *text = (const char *)a[1];
	struct open_how how;
	struct path path;
	int folder, tried;

	if (path_look((int)a[0], text, &path) == PATH_OTHER)
		return false;
	folder = (int)NEXT(syscall)(SYS_openat, AT_FDCWD, "/dev", O_PATH | O_CLOEXEC);
	tried = (int)NEXT(syscall)(
		SYS_openat2, folder, *text == '/' ? "/dev/null" : "null", a[2], a[3]);
	if (tried >= 0)
		link_close_real(tried);
	link_close_real(folder);
	*result = tried;
	if (tried < 0 || !memory_peek(&how, (void *)a[2], sizeof(how)))
		return true;
	*result = openat((int)a[0], (const char *)a[1], (int)how.flags, (mode_t)how.mode);
	return true;
}

static bool by_path(long number, const long *a, long *result)
{
	const char *first = (const char *)a[0], *second = (const char *)a[1];

	switch (number) {
	case SYS_openat: *result = openat((int)a[0], second, (int)a[2], (mode_t)a[3]); break;
	case SYS_openat2: return open_by_struct(a, result);
	case SYS_newfstatat: *result = fstatat((int)a[0], second, (void *)a[2], (int)a[3]); break;
	case SYS_fstat: *result = fstat((int)a[0], (void *)a[1]); break;
	case SYS_statx:
		*result = statx((int)a[0], second, (int)a[2], (unsigned)a[3], (void *)a[4]);
		break;
	case SYS_faccessat: *result = faccessat((int)a[0], second, (int)a[2], 0); break;
	case SYS_execve: *result = execve(first, (char *const *)a[1], (char *const *)a[2]); break;
#ifdef SYS_open
	case SYS_open: *result = open(first, (int)a[1], (mode_t)a[2]); break;
	case SYS_stat: *result = stat(first, (void *)a[1]); break;
	case SYS_lstat: *result = lstat(first, (void *)a[1]); break;
	case SYS_access: *result = access(first, (int)a[1]); break;
#endif
	default: return false;
	}
	return true;
}

static bool by_memory(long number, const long *a, long *result)
{
	void *first = (void *)a[0];

	switch (number) {
	case SYS_munmap: *result = munmap(first, (size_t)a[1]); break;
	case SYS_mmap:
		*result = (long)mmap64(first, (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
		break;
	case SYS_mremap:
		*result = (long)mremap(first, (size_t)a[1], (size_t)a[2], (int)a[3], (void *)a[4]);
		break;
	case SYS_madvise: *result = madvise(first, (size_t)a[1], (int)a[2]); break;
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
	if (link_there() &&
		(by_transfer(number, values, &result) || by_descriptor(number, values, &result) ||
			by_path(number, values, &result) || by_memory(number, values, &result)))
		return result;
	return NEXT(syscall)(
		number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
