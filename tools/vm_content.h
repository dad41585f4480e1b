/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM finds in its root: init and, for foreign programs, whatever those need to start. */
#ifndef IOMMUZZ_TOOLS_VM_CONTENT_H
#define IOMMUZZ_TOOLS_VM_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#define VM_PATH_SIZE 4096

/* Regular files, each under its path in the machine ("/usr/bin/perl"). */
struct vm_content {
	struct vm_file {
		char *path, *source;
	} *files;
	size_t count;
};

/*
 * Adds a program under that path, with what its kind starts with: the dynamic linker and libraries
 * that the linker names, under their own paths, or a script's interpreter. False with one line in
 * reason that names the program or the library that is missing.
 */
bool vm_content_add_program(struct vm_content *content, const char *path, const char *source,
	char *reason, size_t size);
/* Adds a file, or all regular files below a folder, under their own absolute paths; a shared
 * object brings its libraries. False with one line in reason. */
bool vm_content_add(struct vm_content *content, const char *source, char *reason, size_t size);
void vm_content_free(struct vm_content *content);

/* The dynamic linker that a program asks for, "" when it is static. False: no ELF program. */
bool vm_read_linker(const char *path, char *linker, size_t size);

/* A file without a name: an initramfs with this binary as /init, a console node and that content
 * (or NULL). -1 with one line in reason. */
int vm_open_initramfs(
	const char *binary, const struct vm_content *content, char *reason, size_t size);

#endif
