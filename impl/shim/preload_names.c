/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on names: links, listings, and what is done to a node where the host has it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

/* -- the same call where the host has the file -- */

static const char *moved(const char *text, struct path *path)
{
	enum path_kind kind = path_look(AT_FDCWD, text, path);

	if (kind == PATH_OTHER && path_is_link(AT_FDCWD, text))
		kind = path_follow(AT_FDCWD, text, path);
	return kind == PATH_NODE || kind == PATH_MOVED ? path->real : text;
}

#define ON_PATH(type, name, parameters, ...)                                                       \
	SHIM_EXPORT type name parameters                                                           \
	{                                                                                          \
		struct path path;                                                                  \
		return NEXT(name)(moved(text, &path), ##__VA_ARGS__);                              \
	}
ON_PATH(int, chmod, (const char *text, mode_t mode), mode)
ON_PATH(int, chown, (const char *text, uid_t owner, gid_t group), owner, group)
ON_PATH(int, truncate, (const char *text, off_t length), length)
ON_PATH(int, truncate64, (const char *text, off64_t length), length)
ON_PATH(int, chdir, (const char *text))
ON_PATH(int, statfs, (const char *text, struct statfs *status), status)
ON_PATH(long, pathconf, (const char *text, int name), name)
ON_PATH(ssize_t, getxattr, (const char *text, const char *name, void *value, size_t size), name,
	value, size)
ON_PATH(ssize_t, listxattr, (const char *text, char *list, size_t size), list, size)

/* Those do not follow a link, and make or remove the name itself. */
static const char *moved_name(const char *text, struct path *path)
{
	enum path_kind kind = path_look(AT_FDCWD, text, path);

	return kind == PATH_NODE || kind == PATH_MOVED ? path->real : text;
}

#define ON_NAME(type, name, parameters, ...)                                                       \
	SHIM_EXPORT type name parameters                                                           \
	{                                                                                          \
		struct path path;                                                                  \
		return NEXT(name)(moved_name(text, &path), ##__VA_ARGS__);                         \
	}
ON_NAME(int, lchown, (const char *text, uid_t owner, gid_t group), owner, group)
ON_NAME(int, mkdir, (const char *text, mode_t mode), mode)
ON_NAME(int, mknod, (const char *text, mode_t mode, dev_t device), mode, device)
ON_NAME(int, mkfifo, (const char *text, mode_t mode), mode)
ON_NAME(int, unlink, (const char *text))
ON_NAME(int, rmdir, (const char *text))
ON_NAME(int, remove, (const char *text))
ON_NAME(ssize_t, lgetxattr, (const char *text, const char *name, void *value, size_t size), name,
	value, size)
ON_NAME(ssize_t, llistxattr, (const char *text, char *list, size_t size), list, size)

/* The same relative to a folder. */
#define ON_NAME_AT(name, parameters, ...)                                                          \
	SHIM_EXPORT int name parameters                                                            \
	{                                                                                          \
		struct path path;                                                                  \
		enum path_kind kind = path_look(folder, text, &path);                              \
		if (kind == PATH_NODE || kind == PATH_MOVED)                                       \
			return NEXT(name)(AT_FDCWD, path.real, ##__VA_ARGS__);                     \
		return NEXT(name)(folder, text, ##__VA_ARGS__);                                    \
	}
ON_NAME_AT(fchmodat, (int folder, const char *text, mode_t mode, int flags), mode, flags)
ON_NAME_AT(fchownat, (int folder, const char *text, uid_t owner, gid_t group, int flags), owner,
	group, flags)
ON_NAME_AT(utimensat, (int folder, const char *text, const struct timespec times[2], int flags),
	times, flags)
ON_NAME_AT(unlinkat, (int folder, const char *text, int flags), flags)
ON_NAME_AT(mkdirat, (int folder, const char *text, mode_t mode), mode)
ON_NAME_AT(mknodat, (int folder, const char *text, mode_t mode, dev_t device), mode, device)

/* -- the same on a descriptor: a node's own, and nothing that has no inode of its own -- */

/* Where the host has the node of a descriptor; NULL: *result, or the host knows. */
static const char *node_of_fd(int fd, struct path *path, int *result)
{
	struct shim_reply reply;

	*result = 0;
	if (!link_describe(fd, &reply))
		return NULL;
	if (path_look(AT_FDCWD, reply.name, path) == PATH_NODE)
		return path->real;
	/* A dma-buf has one. */
	if (!reply.value[1])
		*result = (int)link_result(-EOPNOTSUPP);
	return NULL;
}

SHIM_EXPORT int fchmod(int fd, mode_t mode)
{
	struct path path;
	int result;
	const char *node = node_of_fd(fd, &path, &result);

	if (node)
		return NEXT(chmod)(node, mode);
	return result ? result : NEXT(fchmod)(fd, mode);
}

SHIM_EXPORT int fchown(int fd, uid_t owner, gid_t group)
{
	struct path path;
	int result;
	const char *node = node_of_fd(fd, &path, &result);

	if (node)
		return NEXT(chown)(node, owner, group);
	return result ? result : NEXT(fchown)(fd, owner, group);
}

/* -- links -- */

/* What the link of a descriptor says, with a 0. False: the host knows. */
static bool name_of(int fd, char *to)
{
	char link[64];
	struct shim_reply reply;
	ssize_t length;

	if (link_describe(fd, &reply) && *reply.name) {
		strcpy(to, reply.name);
		return true;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = NEXT(syscall)(SYS_readlinkat, AT_FDCWD, link, to, PATH_MAX - 1);
	if (length <= 0)
		return false;
	to[length] = 0;
	path_strip(to);
	return true;
}

SHIM_EXPORT ssize_t readlinkat(int folder, const char *text, char *to, size_t size)
{
	char name[PATH_MAX];
	struct path path;
	size_t length;

	switch (path_look(folder, text, &path)) {
	case PATH_NODE:
	case PATH_MOVED: return NEXT(readlinkat)(AT_FDCWD, path.real, to, size);
	case PATH_DESCRIPTOR:
		if (!size || !name_of(path.fd, name))
			break;
		length = strlen(name) < size ? strlen(name) : size;
		memcpy(to, name, length);
		return (ssize_t)length;
	default: break;
	}
	return NEXT(readlinkat)(folder, text, to, size);
}

SHIM_EXPORT ssize_t readlink(const char *text, char *to, size_t size)
{
	return readlinkat(AT_FDCWD, text, to, size);
}

SHIM_EXPORT char *realpath(const char *text, char *to)
{
	struct path path;
	const char *at = text ? moved(text, &path) : text;
	char *result = NEXT(realpath)(at, to);

	if (result && at != text)
		path_strip(result);
	return result;
}

SHIM_EXPORT char *getcwd(char *to, size_t size)
{
	char *result = NEXT(getcwd)(to, size);

	if (result)
		path_strip(result);
	return result;
}

SHIM_EXPORT char *canonicalize_file_name(const char *text)
{
	return realpath(text, NULL);
}

char *__realpath_chk(const char *text, char *to, size_t room);
SHIM_EXPORT char *__realpath_chk(const char *text, char *to, size_t room)
{
	return room < PATH_MAX ? NEXT(__realpath_chk)(text, to, room) : realpath(text, to);
}
