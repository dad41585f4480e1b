/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that look at files without opening them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

#define MISC_MAJOR 10
#define NODE_MINOR 125 /* of those that are given out at need */
#define VFIO_MINOR 196

static int real_stat(int folder, const char *text, struct stat *status, int flags)
{
	return (int)NEXT(syscall)(SYS_newfstatat, folder, text, status, flags);
}

static void describe(struct stat *status, mode_t mode)
{
	dev_t on = status->st_dev;
	ino_t number = status->st_ino;

	memset(status, 0, sizeof(*status));
	status->st_dev = on;
	status->st_ino = number ? number : 1;
	status->st_mode = mode;
	status->st_nlink = 1;
	status->st_blksize = 4096;
}

/* status is that of the FIFO that stands for a node. */
static void describe_node(struct stat *status, const char *node)
{
	status->st_mode = (status->st_mode & ~(mode_t)S_IFMT) | S_IFCHR;
	status->st_rdev =
		makedev(MISC_MAJOR, !strcmp(node, "/dev/vfio/vfio") ? VFIO_MINOR : NODE_MINOR);
	status->st_blksize = 4096;
}

/* The pipe that stands for a descriptor of ours looks like what it stands for. */
static void describe_fd(int fd, struct stat *status)
{
	int saved = errno;
	struct shim_reply reply;
	struct stat node;
	struct path path;

	if (!S_ISFIFO(status->st_mode) || !link_describe(fd, &reply))
		return;
	if (!(reply.value[0] & SHIM_IS_NODE)) {
		describe(status, 0600);
		status->st_size = (off_t)reply.value[1];
		status->st_blocks = status->st_size / 512;
	} else if (path_look(AT_FDCWD, reply.name, &path) == PATH_NODE &&
		   !real_stat(AT_FDCWD, path.real, &node, 0)) {
		*status = node;
		describe_node(status, reply.name);
	} else {
		describe_node(status, reply.name);
	}
	errno = saved;
}

static int stat_at(int folder, const char *text, struct stat *status, int flags);

/* False: the host is asked. */
static bool stat_kind(
	const struct path *path, enum path_kind kind, struct stat *status, int flags, int *result)
{
	switch (kind) {
	case PATH_NODE:
		*result = real_stat(AT_FDCWD, path->real, status, flags);
		if (!*result)
			describe_node(status, path->text);
		return true;
	case PATH_MOVED: *result = real_stat(AT_FDCWD, path->real, status, flags); return true;
	case PATH_KNOB:
		memset(status, 0, sizeof(*status));
		describe(status, S_IFREG | 0644);
		*result = 0;
		return true;
	case PATH_DESCRIPTOR:
		if (flags & AT_SYMLINK_NOFOLLOW)
			return false;
		*result = stat_at(path->fd, "", status, AT_EMPTY_PATH);
		return true;
	default: return false;
	}
}

static int stat_at(int folder, const char *text, struct stat *status, int flags)
{
	const char *node;
	struct path path;
	int result;

	if (stat_kind(&path, path_look(folder, text, &path), status, flags, &result))
		return result;
	result = real_stat(folder, text, status, flags);
	if (result && errno == ENOENT)
		stat_kind(&path, path_follow(folder, text, &path), status, flags, &result);
	if (result || !link_there() || !S_ISFIFO(status->st_mode))
		return result;
	node = path_node_of(status);
	if (node)
		describe_node(status, node);
	else if (flags & AT_EMPTY_PATH && text && !*text)
		describe_fd(folder, status);
	return 0;
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

/* What a file that is not what the host has there says, in the other form. */
static int to_statx(const struct stat *known, struct statx *status)
{
	*status = (struct statx){.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)known->st_blksize,
		.stx_nlink = (uint32_t)known->st_nlink,
		.stx_uid = known->st_uid,
		.stx_gid = known->st_gid,
		.stx_mode = (uint16_t)known->st_mode,
		.stx_ino = known->st_ino,
		.stx_size = (uint64_t)known->st_size,
		.stx_blocks = (uint64_t)known->st_blocks,
		.stx_atime = {.tv_sec = known->st_atim.tv_sec},
		.stx_ctime = {.tv_sec = known->st_ctim.tv_sec},
		.stx_mtime = {.tv_sec = known->st_mtim.tv_sec},
		.stx_rdev_major = major(known->st_rdev),
		.stx_rdev_minor = minor(known->st_rdev),
		.stx_dev_major = major(known->st_dev),
		.stx_dev_minor = minor(known->st_dev)};
	return 0;
}

SHIM_EXPORT int statx(int folder, const char *text, int flags, unsigned mask, struct statx *status)
{
	struct stat known;
	struct path path;
	int result, kept = flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);

	if (path_look(folder, text, &path) != PATH_OTHER &&
		path_look(folder, text, &path) != PATH_STATUS)
		return stat_at(folder, text, &known, kept) ? -1 : to_statx(&known, status);
	result = (int)NEXT(syscall)(SYS_statx, folder, text, flags, mask, status);
	if (!link_there() || (result ? errno != ENOENT : !S_ISFIFO(status->stx_mode)))
		return result;
	return stat_at(folder, text, &known, kept) ? -1 : to_statx(&known, status);
}

static bool access_kind(
	const struct path *path, enum path_kind kind, int mode, int flags, int *result)
{
	switch (kind) {
	case PATH_NODE:
	case PATH_MOVED: *result = NEXT(faccessat)(AT_FDCWD, path->real, mode, flags); return true;
	case PATH_KNOB: *result = (int)link_result(mode & X_OK ? -EACCES : 0); return true;
	default: return false;
	}
}

SHIM_EXPORT int faccessat(int folder, const char *text, int mode, int flags)
{
	struct path path;
	int result;

	if (access_kind(&path, path_look(folder, text, &path), mode, flags, &result))
		return result;
	result = NEXT(faccessat)(folder, text, mode, flags);
	if (result && errno == ENOENT)
		access_kind(&path, path_follow(folder, text, &path), mode, flags, &result);
	return result;
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
