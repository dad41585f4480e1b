/* SPDX-License-Identifier: Apache-2.0 */
/* Programs in files: reading text or binary, finding .prog files, writing a file whole or not at
 * all. */
#ifndef IOMMUZZ_TOOLS_FILES_H
#define IOMMUZZ_TOOLS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/prog/text.h"

#define FILES_SIZE_MAX (64u << 20) /* bytes of an input at most */

/* The whole file (malloc'ed, one 0 byte behind it); NULL after an error that names it. "-" is
 * standard input. */
uint8_t *files_read(const char *path, size_t *size);
/* Whether bytes cannot be a text program: control characters, or not UTF-8. */
bool files_is_binary(const uint8_t *bytes, size_t size);
/*
 * A program from text or, when binary is forced or the bytes are no text, from the binary form.
 * False after an error that names file and place.
 */
bool files_load(const char *path, bool binary, struct prog_text *text, bool *was_binary);
/* The same for a program that is to run, with its threads. A target that strips something from its
 * inputs (fuzz_iommufd: threads) writes the program that it ran beside the finding. */
bool files_load_to_run(const char *path, bool binary, struct prog_text *text);
/* Whether files_write has a chance: false after the error that it would print. Writes nothing. */
bool files_can_write(const char *path);
/* Writes through a new file that takes the old one's place; an error is printed and leaves the old
 * one as it was. */
bool files_write(const char *path, const void *bytes, size_t size);

struct file_list {
	char **paths;
	size_t count;
};

/*
 * The path itself if it is a file; all files NAME.prog below it, sorted, if it is a folder. False
 * after an error (missing, or a folder without programs).
 */
bool files_collect(const char *path, struct file_list *list);
void files_free(struct file_list *list);
/* Whether a folder holds a program, at any depth. */
bool files_has_programs(const char *folder);

/* A folder of the source tree ("conformance"), seen from the working directory or the binary; NULL
 * if not found. */
char *files_tree(const char *folder);

#endif
