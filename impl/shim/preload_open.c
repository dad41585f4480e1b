/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that name a path. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

#define MISC_MAJOR 10
#define NODE_MINOR 125 /* of those that are given out at need */
#define VFIO_MINOR 196

/* What the host would refuse of an existing node before its driver is asked. */
static int refused(int flags, enum path_kind kind)
{
	if (kind == PATH_BELOW_NODE || flags & O_DIRECTORY)
		return ENOTDIR;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return EEXIST;
	return flags & O_DIRECT ? EINVAL : 0;
}

int path_open(const struct path *path, enum path_kind kind, int flags)
{
	struct shim_request request = {.call = SHIM_OPEN, .argument = {(uint64_t)flags}};
	struct shim_reply reply;
	long fd;

	errno = refused(flags, kind);
	if (errno)
		return -1;
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

bool open_ours(int folder, const char *text, int flags, mode_t mode, int *fd)
{
	struct path path;
	enum path_kind kind = path_look(folder, text, &path);

	switch (kind) {
	case PATH_NODE:
	case PATH_BELOW_NODE:
	case PATH_KNOB: *fd = path_open(&path, kind, flags); return true;
	case PATH_STATUS: *fd = path_open_status(path.text, flags); return true;
	case PATH_MOVED:
		*fd = (int)NEXT(syscall)(SYS_openat, AT_FDCWD, path.text, flags, mode);
		return true;
	default: return false;
	}
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
			       : NEXT(name)(path, flags, mode);                                    \
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
			       : NEXT(name)(folder, path, flags, mode);                            \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

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

SHIM_EXPORT DIR *opendir(const char *text)
{
	struct path path;

	return path_look(AT_FDCWD, text, &path) == PATH_MOVED ? NEXT(opendir)(path.text)
							      : NEXT(opendir)(text);
}

/* The kind of a path that a call which only looks has to answer itself; -1 and errno set by it. */
static bool looked_at(int folder, const char **text, struct path *path, enum path_kind *kind)
{
	*kind = path_look(folder, *text, path);
	if (*kind == PATH_MOVED)
		*text = path->text;
	return *kind == PATH_NODE || *kind == PATH_BELOW_NODE || *kind == PATH_KNOB;
}

/* What the server knows of a node, without opening it. */
static bool exists(const struct path *path, enum path_kind kind)
{
	struct shim_request request = {.call = SHIM_EXISTS};
	struct shim_reply reply;

	if (kind != PATH_NODE) {
		errno = kind == PATH_BELOW_NODE ? ENOTDIR : errno;
		return kind == PATH_KNOB;
	}
	snprintf(request.path, sizeof(request.path), "%.*s", SHIM_PATH - 1, path->text);
	if (link_call(&request, &reply) && !reply.result)
		return true;
	errno = ENOENT;
	return false;
}

SHIM_EXPORT int faccessat(int folder, const char *text, int mode, int flags)
{
	enum path_kind kind;
	struct path path;

	if (!looked_at(folder, &text, &path, &kind))
		return NEXT(faccessat)(folder, text, mode, flags);
	if (!exists(&path, kind))
		return -1;
	errno = mode & X_OK ? EACCES : errno;
	return mode & X_OK ? -1 : 0;
}

SHIM_EXPORT int access(const char *text, int mode)
{
	return faccessat(AT_FDCWD, text, mode, 0);
}

SHIM_EXPORT int euidaccess(const char *text, int mode)
{
	return faccessat(AT_FDCWD, text, mode, AT_EACCESS);
}

SHIM_EXPORT int eaccess(const char *text, int mode)
{
	return faccessat(AT_FDCWD, text, mode, AT_EACCESS);
}

static void describe(struct stat *status, mode_t mode, dev_t device)
{
	dev_t on = status->st_dev;
	ino_t number = status->st_ino;

	memset(status, 0, sizeof(*status));
	status->st_dev = on;
	status->st_ino = number ? number : 1;
	status->st_mode = mode;
	status->st_nlink = 1;
	status->st_rdev = device;
	status->st_blksize = 4096;
}

static void describe_node(struct stat *status, bool container)
{
	if (container)
		describe(status, S_IFCHR | 0666, makedev(MISC_MAJOR, VFIO_MINOR));
	else
		describe(status, S_IFCHR | 0660, makedev(MISC_MAJOR, NODE_MINOR));
}

static void describe_path(struct stat *status, const struct path *path, enum path_kind kind)
{
	memset(status, 0, sizeof(*status));
	if (kind == PATH_KNOB)
		describe(status, S_IFREG | 0644, 0);
	else
		describe_node(status, !strcmp(path->text, "/dev/vfio/vfio"));
}

/* The pipe that stands for a descriptor of ours looks like what it stands for. */
static void describe_fd(int fd, struct stat *status)
{
	struct shim_reply reply;
	int saved = errno;

	if (S_ISFIFO(status->st_mode) && link_describe(fd, &reply)) {
		if (reply.value[0] & SHIM_IS_NODE)
			describe_node(status, reply.value[0] & SHIM_IS_CONTAINER);
		else
			describe(status, 0600, 0);
	}
	errno = saved;
}

static int stat_at(int folder, const char *text, struct stat *status, int flags)
{
	enum path_kind kind;
	struct path path;
	int result;

	if (text && *text && looked_at(folder, &text, &path, &kind)) {
		if (!exists(&path, kind))
			return -1;
		describe_path(status, &path, kind);
		return 0;
	}
	result = (int)NEXT(syscall)(SYS_newfstatat, folder, text, status, flags);
	if (!result && flags & AT_EMPTY_PATH && text && !*text)
		describe_fd(folder, status);
	return result;
}

SHIM_EXPORT int stat(const char *text, struct stat *status)
{
	return stat_at(AT_FDCWD, text, status, 0);
}
SHIM_EXPORT int lstat(const char *text, struct stat *status)
{
	return stat_at(AT_FDCWD, text, status, AT_SYMLINK_NOFOLLOW);
}
SHIM_EXPORT int fstat(int fd, struct stat *status)
{
	return stat_at(fd, "", status, AT_EMPTY_PATH);
}
SHIM_EXPORT int fstatat(int folder, const char *text, struct stat *status, int flags)
{
	return stat_at(folder, text, status, flags);
}

/* On 64-bit machines the two structs are one. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "struct stat64");
static struct stat *same(struct stat64 *status)
{
	return (struct stat *)(void *)status;
}

SHIM_EXPORT int stat64(const char *text, struct stat64 *status)
{
	return stat_at(AT_FDCWD, text, same(status), 0);
}
SHIM_EXPORT int lstat64(const char *text, struct stat64 *status)
{
	return stat_at(AT_FDCWD, text, same(status), AT_SYMLINK_NOFOLLOW);
}
SHIM_EXPORT int fstat64(int fd, struct stat64 *status)
{
	return stat_at(fd, "", same(status), AT_EMPTY_PATH);
}
SHIM_EXPORT int fstatat64(int folder, const char *text, struct stat64 *status, int flags)
{
	return stat_at(folder, text, same(status), flags);
}

/* What programs that were linked against older C libraries call. */
int __xstat(int version, const char *text, struct stat *status);
int __lxstat(int version, const char *text, struct stat *status);
int __fxstat(int version, int fd, struct stat *status);

SHIM_EXPORT int __xstat(int version, const char *text, struct stat *status)
{
	(void)version;
	return stat_at(AT_FDCWD, text, status, 0);
}
SHIM_EXPORT int __lxstat(int version, const char *text, struct stat *status)
{
	(void)version;
	return stat_at(AT_FDCWD, text, status, AT_SYMLINK_NOFOLLOW);
}
SHIM_EXPORT int __fxstat(int version, int fd, struct stat *status)
{
	(void)version;
	return stat_at(fd, "", status, AT_EMPTY_PATH);
}

SHIM_EXPORT int statx(int folder, const char *text, int flags, unsigned mask, struct statx *status)
{
	struct stat known;
	struct path path;
	enum path_kind kind;
	int result;

	if (text && *text && !looked_at(folder, &text, &path, &kind))
		return (int)NEXT(syscall)(SYS_statx, folder, text, flags, mask, status);
	result = (int)NEXT(syscall)(SYS_statx, folder, text && *text ? "/dev/null" : text,
		text && *text ? 0 : flags, mask, status);
	if (result || stat_at(folder, text, &known, flags))
		return -1;
	status->stx_mode = (uint16_t)known.st_mode;
	status->stx_rdev_major = major(known.st_rdev);
	status->stx_rdev_minor = minor(known.st_rdev);
	return 0;
}
