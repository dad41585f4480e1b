/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that are served. The functions here may be called in any thread and in signal handlers, and
 * take no locks; where nothing else is said errno stays.
 */
#ifndef IOMMUZZ_SHIM_PRELOAD_PATHS_H
#define IOMMUZZ_SHIM_PRELOAD_PATHS_H

#include <limits.h>

#include "impl/shim/preload.h"

struct stat;

enum path_kind {
	PATH_OTHER,  /* the host's */
	PATH_NODE,   /* /dev/iommu, /dev/vfio/vfio: the server opens it; its inode is path.real */
	PATH_KNOB,   /* fail-nth and the like: the server opens it */
	PATH_STATUS, /* /proc/PID/status */
	PATH_MOVED,  /* the host has it, or has it not, at path.real */
	PATH_DESCRIPTOR, /* /proc/self/fd/N: path.fd, open or not, ours or not */
};

struct path {
	char text[PATH_MAX]; /* absolute, without . and .. and double slashes */
	char real[PATH_MAX]; /* NODE, MOVED */
	int fd;		     /* DESCRIPTOR */
};

/*
 * What text, relative to the open folder (or AT_FDCWD), is. path, the caller's, is filled in unless
 * OTHER. Links are not followed; NULL, what is too long, and what is behind a chroot are OTHER.
 */
enum path_kind path_look(int folder, const char *text, struct path *path);
/*
 * The same for a path of the host that is not there: what the links in it lead to. OTHER: nothing
 * of ours, or more than 40 of them.
 */
enum path_kind path_follow(int folder, const char *text, struct path *path);
/* Whether the last part of a path, as in path_look, is a link on the host. */
bool path_is_link(int folder, const char *text);
/* Whether that, absolute, is the path of a device node that can be served. */
bool path_is_node(const char *path);
/* The path of the node for which the host's inode stands, as a constant. NULL: for none. */
const char *path_node_of(const struct stat *status);
/* Takes away, in place, the folder in which the host has what stands at other places. */
void path_strip(char *path);
/*
 * Opens a path of kind NODE or KNOB with flags of open: a descriptor, or -1 and errno as a kernel
 * has it. The flags hold, O_CLOEXEC and what F_GETFL says included.
 */
int path_open(const struct path *path, enum path_kind kind, int flags);
/*
 * Opens a file with what a status file would show, the host's where nothing is pinned: a
 * descriptor, or -1 and errno.
 */
int path_open_status(const char *text, int flags);

#endif
