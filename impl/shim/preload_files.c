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

static bool is_node(const char *path)
{
	return !strcmp(path, "/dev/iommu") || !strncmp(path, "/dev/vfio/", 10);
}

/* Opens path if it is one of ours. */
static bool open_ours(const char *path, int flags, long *fd)
{
	struct shim_request request = {.call = SHIM_OPEN};
	struct shim_reply reply;

	if (!link_there() || !path || !is_node(path))
		return false;
	snprintf(request.path, sizeof(request.path), "%s", path);
	request.argument[0] = (uint64_t)flags;
	if (!link_call(&request, &reply) || !reply.ours)
		return false;
	*fd = link_result(reply.result);
	if (*fd >= 0 && !(flags & O_CLOEXEC))
		fcntl((int)*fd, F_SETFD, 0);
	return true;
}

static mode_t mode_of(int flags, va_list arguments)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

SHIM_EXPORT int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;
	long fd;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_ours(path, flags, &fd) ? (int)fd : NEXT(open)(path, flags, mode);
}

SHIM_EXPORT int openat(int directory, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;
	long fd;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_ours(path, flags, &fd) ? (int)fd : NEXT(openat)(directory, path, flags, mode);
}

extern __typeof__(open) open64;
extern __typeof__(openat) openat64;

SHIM_EXPORT int open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;
	long fd;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_ours(path, flags, &fd) ? (int)fd : NEXT(open64)(path, flags, mode);
}

SHIM_EXPORT int openat64(int directory, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;
	long fd;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_ours(path, flags, &fd) ? (int)fd : NEXT(openat64)(directory, path, flags, mode);
}

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

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	request.argument[0] = command;
	request.argument[1] = (uintptr_t)argument;
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

SHIM_EXPORT int close(int fd)
{
	struct shim_request request = {.call = SHIM_SETTLE};
	struct shim_reply reply;
	bool ours;
	int result;

	if (link_owns(fd)) {
		errno = EBADF;
		return -1;
	}
	ours = link_identify(&request, fd);
	result = NEXT(close)(fd);
	if (ours)
		link_call(&request, &reply);
	return result;
}
