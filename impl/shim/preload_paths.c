/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which paths are not what the host has there: device nodes, /proc/PID/status, descriptors of ours
 * and files of fault injection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

#define TREE	  "/sys/kernel/debug"
#define LINKS_MAX 40

/* Words one of which every path of interest has in it, however it is written. */
static bool may_be_ours(const char *path)
{
	return strstr(path, "iommu") || strstr(path, "vfio") || strstr(path, "fail") ||
	       strstr(path, "status") || strstr(path, "debug") || strstr(path, "fd/");
}

bool path_is_node(const char *path)
{
	return !strcmp(path, "/dev/iommu") || !strcmp(path, "/dev/vfio/vfio");
}

void path_strip(char *path)
{
	const char *tree = link_tree();
	size_t length = strlen(tree);

	if (length && !strncmp(path, tree, length) && path[length] == '/')
		memmove(path, path + length, strlen(path + length) + 1);
}

/* The folder that a relative path begins in. */
static bool beginning(int folder, char *to)
{
	char link[64];
	ssize_t length;

	if (folder == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/self/cwd");
	else
		snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
	length = NEXT(syscall)(SYS_readlinkat, AT_FDCWD, link, to, PATH_MAX - 1);
	if (length <= 0)
		return false;
	to[length] = 0;
	path_strip(to);
	return true;
}

/* Appends the parts of path to what is in to, up to a node; *rest: what is left. False: too long.
 */
static bool append_parts(char *to, const char *path, const char **rest)
{
	size_t length = strlen(to);

	if (length == 1)
		length = 0;
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (length && to[--length] != '/')
				;
		} else if (part && !(part == 1 && path[0] == '.')) {
			if (length + part + 2 > PATH_MAX)
				return false;
			to[length++] = '/';
			memcpy(to + length, path, part);
			length += part;
		}
		path += part;
		to[length] = 0;
		if (path_is_node(to))
			break;
		path += *path == '/';
	}
	*rest = path;
	return true;
}

/* What stands behind /proc/WHO[/task/TID]/, NULL: another path. */
static const char *of_process(const char *path)
{
	const char *rest;

	if (strncmp(path, "/proc/", 6) != 0)
		return NULL;
	rest = strchr(path + 6, '/');
	if (rest && !strncmp(rest, "/task/", 6))
		rest = strchr(rest + 6, '/');
	return rest ? rest + 1 : NULL;
}

/* The descriptor of this process that a path names, -1: none. */
static int descriptor_of(const char *path)
{
	const char *number = NULL;
	char own[32], end;
	int fd;

	snprintf(own, sizeof(own), "/proc/%ld/", (long)getpid());
	if (!strncmp(path, "/dev/fd/", 8))
		number = path + 8;
	else if (!strncmp(path, "/proc/self/", 11) || !strncmp(path, own, strlen(own)) ||
		 !strncmp(path, "/proc/thread-self/", 18))
		number = of_process(path);
	if (number && path[1] == 'p')
		number = !strncmp(number, "fd/", 3) ? number + 3 : NULL;
	return number && sscanf(number, "%d%c", &fd, &end) == 1 && fd >= 0 ? fd : -1;
}

/* Whether the host has it in the folder that stands for a part of /dev and /sys. */
static bool is_in_tree(const char *text)
{
	if (!strcmp(text, "/dev/iommu") || !strcmp(text, "/dev/vfio") ||
		!strncmp(text, "/dev/vfio/", 10))
		return true;
	return !strncmp(text, TREE, sizeof(TREE) - 1) &&
	       (!text[sizeof(TREE) - 1] || !strncmp(text + sizeof(TREE) - 1, "/fail", 5));
}

/* path->text is known; rest: what stands behind a node in it. */
static enum path_kind kind_of(struct path *path, const char *rest)
{
	const char *name = of_process(path->text), *tree = link_tree();
	int length;

	path->fd = descriptor_of(path->text);
	if (path->fd >= 0)
		return PATH_DESCRIPTOR;
	if (name && !strcmp(name, "status"))
		return PATH_STATUS;
	if (name && (!strcmp(name, "fail-nth") || !strcmp(name, "make-it-fail")))
		return PATH_KNOB;
	if (!*tree || !is_in_tree(path->text))
		return PATH_OTHER;
	length = snprintf(path->real, sizeof(path->real), "%s%s%s", tree, path->text, rest);
	if (length < 0 || (size_t)length >= sizeof(path->real))
		return PATH_OTHER;
	/* The host knows best what is wrong with a path that goes on behind a node. */
	return path_is_node(path->text) && !*rest ? PATH_NODE : PATH_MOVED;
}

static bool make_absolute(int folder, const char *text, char *to, const char **rest)
{
	strcpy(to, "/");
	return (*text == '/' || beginning(folder, to)) && append_parts(to, text, rest);
}

enum path_kind path_look(int folder, const char *text, struct path *path)
{
	enum path_kind kind = PATH_OTHER;
	const char *rest = "";
	int saved = errno;

	if (!link_there() || !text || !may_be_ours(text))
		return PATH_OTHER;
	if (make_absolute(folder, text, path->text, &rest))
		kind = kind_of(path, rest);
	/* Out of a folder that only the tree has. */
	if (kind == PATH_OTHER && strstr(text, "vfio/..")) {
		strcpy(path->real, path->text);
		kind = PATH_MOVED;
	}
	errno = saved;
	return kind != PATH_OTHER && link_at_root() ? kind : PATH_OTHER;
}

/* Puts in place of the first link in a path what it leads to, up to a node; *beyond: the path went
 * on. False: there is none. */
static bool follow_one(char *text, bool *beyond)
{
	char prefix[PATH_MAX], target[PATH_MAX], next[PATH_MAX] = "/";
	const char *rest = "";

	for (size_t at = 1;; at++) {
		ssize_t length;

		at += strcspn(text + at, "/");
		memcpy(prefix, text, at);
		prefix[at] = 0;
		length =
			NEXT(syscall)(SYS_readlinkat, AT_FDCWD, prefix, target, sizeof(target) - 1);
		if (length > 0) {
			target[length] = 0;
			*strrchr(prefix, '/') = 0;
			if (*target != '/' && !append_parts(next, prefix, &rest))
				return false;
			if (!append_parts(next, target, &rest))
				return false;
			*beyond = path_is_node(next) && (*rest || text[at]);
			if (!*beyond && !append_parts(next, text + at, &rest))
				return false;
			*beyond = *beyond || *rest;
			strcpy(text, next);
			return true;
		}
		if (!text[at])
			return false;
	}
}

enum path_kind path_follow(int folder, const char *text, struct path *path)
{
	enum path_kind kind = PATH_OTHER;
	const char *rest = "";
	bool beyond = false;
	int saved = errno;

	if (!link_there() || !text || !*text || !make_absolute(folder, text, path->text, &rest))
		return PATH_OTHER;
	for (unsigned n = 0; n < LINKS_MAX && kind == PATH_OTHER; n++) {
		if (!follow_one(path->text, &beyond))
			break;
		kind = kind_of(path, beyond ? "/." : "");
	}
	errno = saved;
	return kind != PATH_OTHER && link_at_root() ? kind : PATH_OTHER;
}

bool path_is_link(int folder, const char *text)
{
	int saved = errno;
	char target;
	bool is = link_there() && text &&
		  NEXT(syscall)(SYS_readlinkat, folder, text, &target, sizeof(target)) > 0;

	errno = saved;
	return is;
}

const char *path_node_of(const struct stat *status)
{
	static const char *const nodes[] = {"/dev/iommu", "/dev/vfio/vfio"};
	int saved = errno;
	const char *found = NULL;
	char path[PATH_MAX];
	struct stat node;

	if (!S_ISFIFO(status->st_mode) || !*link_tree())
		return NULL;
	for (size_t n = 0; n < sizeof(nodes) / sizeof(*nodes) && !found; n++) {
		snprintf(path, sizeof(path), "%s%s", link_tree(), nodes[n]);
		if (!NEXT(syscall)(SYS_newfstatat, AT_FDCWD, path, &node, 0) &&
			node.st_dev == status->st_dev && node.st_ino == status->st_ino)
			found = nodes[n];
	}
	errno = saved;
	return found;
}

/* The lines of the status file as they would be with what the machine has pinned. */
static size_t rewrite(const char *from, char *to, size_t room, const struct shim_reply *reply)
{
	size_t length = 0;

	while (*from && length + 128 < room) {
		size_t line = strcspn(from, "\n") + 1;
		unsigned long long had;

		if (sscanf(from, "VmLck: %llu", &had) == 1)
			length += (size_t)snprintf(to + length, room - length, "VmLck:\t%8llu kB\n",
				had + reply->value[0]);
		else if (sscanf(from, "VmPin: %llu", &had) == 1)
			length += (size_t)snprintf(to + length, room - length, "VmPin:\t%8llu kB\n",
				had + reply->value[1]);
		else
			length += (size_t)snprintf(
				to + length, room - length, "%.*s", (int)line, from);
		from += line;
		if (!from[-1])
			break;
	}
	return length;
}

int path_open_status(const char *text, int flags)
{
	struct shim_request request = {.call = SHIM_STATUS};
	struct shim_reply reply = {.result = 0};
	char before[8192], after[8192 + 256];
	unsigned long long pid = 0;
	size_t length;
	ssize_t count;
	int fd;

	fd = (int)NEXT(syscall)(SYS_openat, AT_FDCWD, text, flags);
	if (fd < 0)
		return -1;
	sscanf(text, "/proc/%llu/", &pid);
	request.argument[0] = pid;
	if (!link_call(&request, &reply) || !reply.result || (flags & O_ACCMODE) != O_RDONLY)
		return fd;
	count = NEXT(syscall)(SYS_read, fd, before, sizeof(before) - 1);
	link_close_real(fd);
	before[count > 0 ? count : 0] = 0;
	length = rewrite(before, after, sizeof(after), &reply);
	fd = memfd_create("status", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	if (fd >= 0) {
		NEXT(syscall)(SYS_pwrite64, fd, after, length, 0);
	}
	return fd;
}
