/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of programs: parser and printer. Grammar: docs/PROGRAMS.md. */
#ifndef IOMMUZZ_FUZZ_PROG_TEXT_H
#define IOMMUZZ_FUZZ_PROG_TEXT_H

#include <stdio.h>

#include "fuzz/prog/prog.h"

struct parse_error {
	uint32_t line, column; /* from 1 */
	char message[200];     /* "expected a field of IOMMU_IOAS_MAP, found 'lenght'" */
};

/* Parses text into an initialised prog_text. On failure fills error, leaves text empty, returns
 * false. */
bool prog_parse(
	struct prog_text *text, const char *source, size_t length, struct parse_error *error);
/*
 * Reads and parses a file. The error message then names file, line and column in one line:
 * "FILE:LINE:COLUMN: message". Returns false for an unreadable, binary or wrong file.
 */
bool prog_parse_file(struct prog_text *text, const char *path, char *message, size_t message_size);
/* Prints in canonical form; parse(print(p)) == p. */
void prog_print(const struct prog_text *text, FILE *out);
/* The same into a malloc'ed string (caller frees); NULL when memory is short. */
char *prog_print_string(const struct prog_text *text);
/*
 * Gives the first positional word (a path, an event) its value where it was left out and so means
 * the first of its kind: `open /dev/iommu` reads better than `open`. The program does the same.
 */
void prog_name_positional(struct prog *prog);
/* One call as its line without newline, names as prog_print would give them. */
void prog_print_call(const struct prog_text *text, uint32_t call, FILE *out);

#endif
