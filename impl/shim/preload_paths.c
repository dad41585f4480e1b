/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths are not what the host has there: device nodes, /proc/PID/status and files of fault
 * injection. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

#define TREE "/sys/kernel/debug"

/* Words one of which every path of interest has in it, however it is written. */
static bool may_be_ours(const char *path)
{
	return strstr(path, "iommu") || strstr(path, "vfio") || strstr(path, "fail") ||
	       strstr(path, "status") || strstr(path, "debug");
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
	return true;
}

/* Appends the parts of path to what is in to. False: too long. */
static bool append_parts(char *to, const char *path)
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
		path += part + (path[part] == '/');
	}
	to[length] = 0;
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

static enum path_kind kind_of(struct path *path)
{
	const char *name = of_process(path->text), *tree;

	if (!strcmp(path->text, "/dev/iommu") || !strncmp(path->text, "/dev/vfio/", 10))
		return PATH_NODE;
	if (!strncmp(path->text, "/dev/iommu/", 11))
		return PATH_BELOW_NODE;
	if (name && !strcmp(name, "status"))
		return PATH_STATUS;
	if (name && (!strcmp(name, "fail-nth") || !strcmp(name, "make-it-fail")))
		return PATH_KNOB;
	tree = link_tree();
	if (*tree && !strncmp(path->text, TREE, sizeof(TREE) - 1) &&
		(!path->text[sizeof(TREE) - 1] ||
			!strncmp(path->text + sizeof(TREE) - 1, "/fail", 5))) {
		char rest[PATH_MAX];

		snprintf(rest, sizeof(rest), "%s", path->text + sizeof(TREE) - 1);
		snprintf(path->text, sizeof(path->text), "%s%s", tree, rest);
		return PATH_MOVED;
	}
	return PATH_OTHER;
}

enum path_kind path_look(int folder, const char *text, struct path *path)
{
	int saved = errno;
	bool known;

	if (!link_there() || !text || (!may_be_ours(text) && folder == AT_FDCWD && *text == '/'))
		return PATH_OTHER;
	if (!may_be_ours(text))
		return PATH_OTHER;
	strcpy(path->text, "/");
	known = (*text == '/' || beginning(folder, path->text)) && append_parts(path->text, text);
	errno = saved;
	return known && link_at_root() ? kind_of(path) : PATH_OTHER;
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
