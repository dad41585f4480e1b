/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on descriptors, but for what moves bytes (preload_transfer.c). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload.h"

/* Those are the pipe's. */
static bool is_of_every_file(unsigned long command)
{
	return command == FIOCLEX || command == FIONCLEX || command == FIONBIO ||
	       command == FIGETBSZ || command == FICLONE;
}

/* None of the files sends signals. */
static int set_async(const void *argument)
{
	int on;

	if (!memory_peek(&on, argument, sizeof(on)))
		return -EFAULT;
	return on ? -ENOTTY : 0;
}

SHIM_EXPORT int ioctl(int fd, unsigned long command, ...)
{
	struct shim_request request = {.call = SHIM_IOCTL};
	struct shim_reply reply;
	va_list arguments;
	void *argument;
	long result;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	request.argument[0] = command;
	request.argument[1] = (uintptr_t)argument;
	if (is_of_every_file(command))
		return NEXT(ioctl)(fd, command, argument);
	if (command == FIOASYNC && link_describe(fd, &reply))
		return (int)link_result(set_async(argument));
	return link_call_on(fd, &request, &result) ? (int)result
						   : NEXT(ioctl)(fd, command, argument);
}

/* Of a dma-buf, whose size programs ask so. */
static bool seek_ours(int fd, off64_t offset, int whence, off64_t *result)
{
	struct shim_reply reply;

	if (!link_describe(fd, &reply) || !reply.value[1])
		return false;
	if (offset || (whence != SEEK_END && whence != SEEK_SET))
		*result = link_result(-EINVAL);
	else
		*result = whence == SEEK_END ? (off64_t)reply.value[1] : 0;
	return true;
}

SHIM_EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	off64_t result;

	return seek_ours(fd, offset, whence, &result) ? result : NEXT(lseek64)(fd, offset, whence);
}

SHIM_EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	return lseek64(fd, offset, whence);
}

/* As far as a pipe differs from them. None: the pipe's answer is right. */
static bool control_ours(int fd, int command, long argument, long *result)
{
	struct shim_reply reply;
	long flags;

	if ((command != F_GETFL && command != F_SETFL && command != F_GETPIPE_SZ &&
		    command != F_SETPIPE_SZ) ||
		!link_describe(fd, &reply))
		return false;
	switch (command) {
	case F_GETFL:
		flags = NEXT(syscall)(SYS_fcntl, fd, F_GETFL);
		flags &= reply.value[0] & SHIM_IS_NODE ? ~(long)O_ACCMODE
						       : O_APPEND | O_NONBLOCK | O_NOATIME;
		*result = flags | (long)(reply.value[0] >> 32);
		break;
	case F_SETFL:
		*result = argument & O_DIRECT ? link_result(-EINVAL)
					      : NEXT(syscall)(SYS_fcntl, fd, F_SETFL,
							argument & ~(long)O_ASYNC);
		break;
	default: *result = link_result(-EBADF);
	}
	return true;
}

#define FCNTL(name)                                                                                \
	SHIM_EXPORT int name(int fd, int command, ...)                                             \
	{                                                                                          \
		va_list arguments;                                                                 \
		void *argument;                                                                    \
		long result;                                                                       \
		va_start(arguments, command);                                                      \
		argument = va_arg(arguments, void *);                                              \
		va_end(arguments);                                                                 \
		if (link_owns(fd))                                                                 \
			return (int)link_result(-EBADF);                                           \
		return control_ours(fd, command, (long)argument, &result)                          \
			       ? (int)result                                                       \
			       : NEXT(name)(fd, command, argument);                                \
	}
FCNTL(fcntl)
FCNTL(fcntl64)

/* Of a pipe: a kernel has no other reason to refuse it. */
static bool is_ours_refused(int fd, int error)
{
	struct shim_reply reply;

	return error == ESPIPE && link_describe(fd, &reply);
}

#define ADVISE(name, offset_type)                                                                  \
	SHIM_EXPORT int name(int fd, offset_type offset, offset_type length, int advice)           \
	{                                                                                          \
		int error = NEXT(name)(fd, offset, length, advice);                                \
		if (!is_ours_refused(fd, error))                                                   \
			return error;                                                              \
		return advice > POSIX_FADV_NOREUSE || advice < 0 ? EINVAL : 0;                     \
	}
ADVISE(posix_fadvise, off_t)
ADVISE(posix_fadvise64, off64_t)

#define ALLOCATE(name, offset_type)                                                                \
	SHIM_EXPORT int name(int fd, int mode, offset_type offset, offset_type length)             \
	{                                                                                          \
		int result;                                                                        \
		if (mode & FALLOC_FL_PUNCH_HOLE)                                                   \
			memory_cut(fd, offset, offset + length);                                   \
		result = NEXT(name)(fd, mode, offset, length);                                     \
		if (result && is_ours_refused(fd, errno))                                          \
			errno = ENODEV;                                                            \
		return result;                                                                     \
	}
ALLOCATE(fallocate, off_t)
ALLOCATE(fallocate64, off64_t)

/* What a close does has happened when it returns. */
static void settle(void)
{
	struct shim_request request = {.call = SHIM_SETTLE};
	struct shim_reply reply;

	link_call(&request, &reply);
}

/* Whether the descriptor is of the machine; who observes hears that it goes. */
static bool closes(int fd)
{
	struct shim_request request = {.call = SHIM_CLOSES};
	struct shim_reply reply;
	bool ours = link_identify(&request, fd);

	if (ours && link_is_observed())
		link_call(&request, &reply);
	return ours;
}

SHIM_EXPORT int close(int fd)
{
	bool ours;
	int result;

	if (link_owns(fd)) {
		errno = EBADF;
		return -1;
	}
	ours = closes(fd);
	result = NEXT(close)(fd);
	if (ours)
		settle();
	return result;
}

static bool taken(int fd)
{
	if (!link_owns(fd))
		return false;
	errno = EBUSY;
	return true;
}

SHIM_EXPORT int dup2(int from, int to)
{
	bool ours;
	int result;

	if (taken(to))
		return -1;
	ours = from != to && closes(to);
	result = NEXT(dup2)(from, to);
	if (ours)
		settle();
	return result;
}

SHIM_EXPORT int dup3(int from, int to, int flags)
{
	bool ours;
	int result;

	if (taken(to))
		return -1;
	ours = from != to && closes(to);
	result = NEXT(dup3)(from, to, flags);
	if (ours)
		settle();
	return result;
}

/* Around the library's own, which lie in the upper part. */
SHIM_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	int result = 0;

	if (!link_there())
		return NEXT(close_range)(first, last, flags);
	for (unsigned fd = first, from = first; !result; fd++) {
		bool end = fd > last || fd >= SHIM_OWN_MAX;

		if (!end && !link_owns((int)fd)) {
			if (link_is_observed() && !(flags & (int)CLOSE_RANGE_CLOEXEC))
				closes((int)fd);
			continue;
		}
		if (end)
			return from > last ? 0 : NEXT(close_range)(from, last, flags);
		if (from < fd)
			result = NEXT(close_range)(from, fd - 1, flags);
		from = fd + 1;
	}
	settle();
	return result;
}

SHIM_EXPORT void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
	settle();
}
