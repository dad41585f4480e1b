/* SPDX-License-Identifier: Apache-2.0 */
/* Opening paths. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

/* What the host would refuse of an existing node before its driver is asked. */
static int refused(int flags)
{
	if (flags & O_DIRECTORY)
		return ENOTDIR;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return EEXIST;
	return flags & O_DIRECT ? EINVAL : 0;
}

/* By the inode that stands for it, whose owner and mode are the node's. */
static bool is_permitted(const struct path *path, int flags)
{
	static const int needed[] = {
		[O_RDONLY] = R_OK, [O_WRONLY] = W_OK, [O_RDWR] = R_OK | W_OK, [3] = R_OK | W_OK};

	return !NEXT(faccessat)(AT_FDCWD, path->real, needed[flags & O_ACCMODE], AT_EACCESS);
}

int path_open(const struct path *path, enum path_kind kind, int flags)
{
	struct shim_request request = {.call = SHIM_OPEN, .argument = {(uint64_t)flags}};
	struct shim_reply reply;
	long fd;

	if (kind == PATH_NODE && flags & O_PATH)
		return (int)NEXT(syscall)(SYS_openat, AT_FDCWD, path->real, flags, 0);
	if (kind == PATH_NODE && !is_permitted(path, flags))
		return -1;
	if (refused(flags)) {
		errno = refused(flags);
		return -1;
	}
	snprintf(request.path, sizeof(request.path), "%.*s", SHIM_PATH - 1, path->text);
	if (!link_call(&request, &reply)) {
		errno = ENODEV;
		return -1;
	}
	fd = link_result(reply.result);
	if (fd >= 0 && !(flags & O_CLOEXEC))
		NEXT(syscall)(SYS_fcntl, fd, F_SETFD, 0);
	flags &= O_APPEND | O_NONBLOCK | O_NOATIME;
	if (fd >= 0 && flags)
		NEXT(syscall)(SYS_fcntl, fd, F_SETFL, flags);
	return (int)fd;
}

/* What a link in /proc/self/fd leads to: the node anew, and nothing where there is no path. */
static bool open_again(int old, int flags, int *fd)
{
	struct shim_reply reply;
	struct stat status;
	struct path path;
	const char *node = NULL;

	if (link_describe(old, &reply)) {
		if (!(reply.value[0] & SHIM_IS_NODE) && (flags & O_PATH || !*reply.name))
			return false;
		node = reply.value[0] & SHIM_IS_NODE ? reply.name : "";
	} else if (!NEXT(syscall)(SYS_newfstatat, old, "", &status, AT_EMPTY_PATH)) {
		node = path_node_of(&status);
	}
	if (!node)
		return false;
	if (*node && path_look(AT_FDCWD, node, &path) == PATH_NODE)
		*fd = path_open(&path, PATH_NODE, flags);
	else
		*fd = (int)link_result(flags & O_DIRECTORY ? -ENOTDIR : -ENXIO);
	return true;
}

static bool open_kind(struct path *path, enum path_kind kind, int flags, mode_t mode, int *fd)
{
	switch (kind) {
	case PATH_NODE:
	case PATH_KNOB: *fd = path_open(path, kind, flags); return true;
	case PATH_STATUS: *fd = path_open_status(path->text, flags); return true;
	case PATH_MOVED:
		*fd = (int)NEXT(syscall)(SYS_openat, AT_FDCWD, path->real, flags, mode);
		return true;
	case PATH_DESCRIPTOR: return !(flags & O_NOFOLLOW) && open_again(path->fd, flags, fd);
	default: return false;
	}
}

static bool open_ours(int folder, const char *text, int flags, mode_t mode, int *fd)
{
	struct path path;
	enum path_kind kind = path_look(folder, text, &path);

	/* Nothing is made where a link leads to a node. */
	if (kind == PATH_OTHER && flags & O_CREAT && path_is_link(folder, text))
		kind = path_follow(folder, text, &path);
	return open_kind(&path, kind, flags, mode, fd);
}

/* What the host has given, or what links lead to that it does not know. */
static int open_by_links(int folder, const char *text, int flags, mode_t mode, int given)
{
	struct path path;

	if (given < 0 && errno == ENOENT)
		open_kind(&path, path_follow(folder, text, &path), flags, mode, &given);
	return given;
}

static mode_t mode_of(int flags, va_list arguments)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
	SHIM_EXPORT int name(const char *path, int flags, ...)                                     \
	{                                                                                          \
		va_list arguments;                                                                 \
		mode_t mode;                                                                       \
		int fd;                                                                            \
		va_start(arguments, flags);                                                        \
		mode = mode_of(flags, arguments);                                                  \
		va_end(arguments);                                                                 \
		return open_ours(AT_FDCWD, path, flags, mode, &fd)                                 \
			       ? fd                                                                \
			       : open_by_links(AT_FDCWD, path, flags, mode,                        \
					 NEXT(name)(path, flags, mode));                           \
	}
#define OPENAT(name)                                                                               \
	SHIM_EXPORT int name(int folder, const char *path, int flags, ...)                         \
	{                                                                                          \
		va_list arguments;                                                                 \
		mode_t mode;                                                                       \
		int fd;                                                                            \
		va_start(arguments, flags);                                                        \
		mode = mode_of(flags, arguments);                                                  \
		va_end(arguments);                                                                 \
		return open_ours(folder, path, flags, mode, &fd)                                   \
			       ? fd                                                                \
			       : open_by_links(folder, path, flags, mode,                          \
					 NEXT(name)(folder, path, flags, mode));                   \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

SHIM_EXPORT int creat(const char *path, mode_t mode)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
SHIM_EXPORT int creat64(const char *path, mode_t mode)
{
	return open64(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* With _FORTIFY_SOURCE calls without a mode are these. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

SHIM_EXPORT int __open_2(const char *path, int flags)
{
	return open(path, flags, 0);
}
SHIM_EXPORT int __open64_2(const char *path, int flags)
{
	return open64(path, flags, 0);
}
SHIM_EXPORT int __openat_2(int folder, const char *path, int flags)
{
	return openat(folder, path, flags, 0);
}
SHIM_EXPORT int __openat64_2(int folder, const char *path, int flags)
{
	return openat64(folder, path, flags, 0);
}
