/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/shim/preload.h"

/* A call on a descriptor, made by the server if that is one of ours. */
static bool call_ours(int fd, struct shim_request *request, long *result)
{
	struct shim_reply reply;

	if (!link_identify(request, fd) || !link_call(request, &reply) || !reply.ours)
		return false;
	*result = link_result(reply.result);
	return true;
}

SHIM_EXPORT int ioctl(int fd, unsigned long command, ...)
{
	struct shim_request request = {.call = SHIM_IOCTL};
	va_list arguments;
	void *argument;
	long result;

	/* Those of every file are the pipe's. */
	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	request.argument[0] = command;
	request.argument[1] = (uintptr_t)argument;
	if (command == FIOCLEX || command == FIONCLEX || command == FIONBIO || command == FIOASYNC)
		return NEXT(ioctl)(fd, command, argument);
	return call_ours(fd, &request, &result) ? (int)result : NEXT(ioctl)(fd, command, argument);
}

static bool transfer_ours(
	enum shim_call call, int fd, uintptr_t address, size_t count, uint64_t position, long *done)
{
	struct shim_request request = {.call = call, .argument = {address, count, position}};

	return call_ours(fd, &request, done);
}

SHIM_EXPORT ssize_t read(int fd, void *bytes, size_t count)
{
	long done;

	return transfer_ours(SHIM_READ, fd, (uintptr_t)bytes, count, UINT64_MAX, &done)
		       ? done
		       : NEXT(read)(fd, bytes, count);
}

SHIM_EXPORT ssize_t write(int fd, const void *bytes, size_t count)
{
	long done;

	return transfer_ours(SHIM_WRITE, fd, (uintptr_t)bytes, count, UINT64_MAX, &done)
		       ? done
		       : NEXT(write)(fd, bytes, count);
}

#define PREAD(name, offset_type)                                                                   \
	SHIM_EXPORT ssize_t name(int fd, void *bytes, size_t count, offset_type offset)            \
	{                                                                                          \
		long done;                                                                         \
		if (offset >= 0 && transfer_ours(SHIM_READ, fd, (uintptr_t)bytes, count,           \
					   (uint64_t)offset, &done))                               \
			return done;                                                               \
		return NEXT(name)(fd, bytes, count, offset);                                       \
	}
#define PWRITE(name, offset_type)                                                                  \
	SHIM_EXPORT ssize_t name(int fd, const void *bytes, size_t count, offset_type offset)      \
	{                                                                                          \
		long done;                                                                         \
		if (offset >= 0 && transfer_ours(SHIM_WRITE, fd, (uintptr_t)bytes, count,          \
					   (uint64_t)offset, &done))                               \
			return done;                                                               \
		return NEXT(name)(fd, bytes, count, offset);                                       \
	}
PREAD(pread, off_t)
PREAD(pread64, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* With _FORTIFY_SOURCE reads into memory of known size are these. */
ssize_t __read_chk(int fd, void *bytes, size_t count, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t count, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *bytes, size_t count, off64_t offset, size_t room);

SHIM_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t count, size_t room)
{
	return count > room ? NEXT(__read_chk)(fd, bytes, count, room) : read(fd, bytes, count);
}

SHIM_EXPORT ssize_t __pread_chk(int fd, void *bytes, size_t count, off_t offset, size_t room)
{
	return count > room ? NEXT(__pread_chk)(fd, bytes, count, offset, room)
			    : pread(fd, bytes, count, offset);
}

SHIM_EXPORT ssize_t __pread64_chk(int fd, void *bytes, size_t count, off64_t offset, size_t room)
{
	return count > room ? NEXT(__pread64_chk)(fd, bytes, count, offset, room)
			    : pread64(fd, bytes, count, offset);
}

/* Drivers that know only read and write are called piece by piece. */
static bool pieces_ours(
	enum shim_call call, int fd, const struct iovec *pieces, int count, ssize_t *total)
{
	struct shim_request request;
	long done = 0;

	if (!link_identify(&request, fd))
		return false;
	*total = 0;
	for (int n = 0; n < count; n++) {
		if (!transfer_ours(call, fd, (uintptr_t)pieces[n].iov_base, pieces[n].iov_len,
			    UINT64_MAX, &done))
			return false;
		if (done < 0)
			break;
		*total += done;
		if ((size_t)done < pieces[n].iov_len)
			break;
	}
	if (!*total && done < 0)
		*total = -1;
	return true;
}

SHIM_EXPORT ssize_t readv(int fd, const struct iovec *pieces, int count)
{
	ssize_t total;

	return count > 0 && pieces_ours(SHIM_READ, fd, pieces, count, &total)
		       ? total
		       : NEXT(readv)(fd, pieces, count);
}

SHIM_EXPORT ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	ssize_t total;

	return count > 0 && pieces_ours(SHIM_WRITE, fd, pieces, count, &total)
		       ? total
		       : NEXT(writev)(fd, pieces, count);
}

/* Of a dma-buf, whose size programs ask so. */
static bool seek_ours(int fd, off64_t offset, int whence, off64_t *result)
{
	struct shim_request request = {.call = SHIM_KIND};
	struct shim_reply reply;

	if (!link_identify(&request, fd) || !link_call(&request, &reply) || !reply.ours ||
		!reply.value[1])
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
