/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that are served. */
#ifndef IOMMUZZ_SHIM_PRELOAD_PATHS_H
#define IOMMUZZ_SHIM_PRELOAD_PATHS_H

#include <limits.h>

#include "impl/shim/preload.h"

enum path_kind {
	PATH_OTHER, /* the host's */
	PATH_NODE,  /* /dev/iommu, /dev/vfio/NAME: the server opens it */
	PATH_BELOW_NODE,
	PATH_KNOB,   /* fail-nth and the like: the server opens it */
	PATH_STATUS, /* /proc/PID/status */
	PATH_MOVED,  /* the host has it at path.text */
};

struct path {
	char text[PATH_MAX]; /* absolute, without . and .. and double slashes */
};

/* What text, relative to the open folder (or AT_FDCWD), is. path is filled in unless OTHER. */
enum path_kind path_look(int folder, const char *text, struct path *path);
/*
 * Opens a path of kind NODE, BELOW_NODE or KNOB with flags of open: a descriptor, or -1 and errno
 * as a kernel has it. The flags hold, O_CLOEXEC and what F_GETFL says included.
 */
int path_open(const struct path *path, enum path_kind kind, int flags);
/* Opens a file with what a status file would show; -1 and errno. */
int path_open_status(const char *text, int flags);

#endif
