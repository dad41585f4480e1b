/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which programs can be served: those of this machine's kind that a dynamic loader starts, for it
 * preloads. Part of the command and of the preload library; callable in a child of vfork, no memory
 * is allocated.
 */
#ifndef IOMMUZZ_SHIM_PROGRAM_H
#define IOMMUZZ_SHIM_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

enum program_kind {
	PROGRAM_SERVED, /* or nothing that can be read: exec itself tells what is wrong */
	PROGRAM_STATIC, /* no loader */
	PROGRAM_FOREIGN /* for another machine */
};

/* The file that execvp would run, in to. False: there is none. */
bool program_find(const char *name, char to[PATH_MAX]);
/* The kind of a file, or of what runs it if it is a script: that file is then in named. */
enum program_kind program_look(const char *file, char named[PATH_MAX]);

#endif
