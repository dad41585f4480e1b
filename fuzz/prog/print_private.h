/* SPDX-License-Identifier: Apache-2.0 */
/* The printer's parts. */
#ifndef IOMMUZZ_FUZZ_PROG_PRINT_PRIVATE_H
#define IOMMUZZ_FUZZ_PROG_PRINT_PRIVATE_H

#include <stdio.h>

#include "fuzz/prog/names.h"
#include "fuzz/prog/text.h"

struct printer {
	const struct prog_text *text;
	const struct prog *prog;
	FILE *out;
	char (*made_up)[CALL_OUTPUT_MAX][NAME_MAX_LENGTH]; /* per call, "" where there is none; NULL
							      if none is needed */
};

/* The name of an output: the text's own, else the made-up one, else NULL. */
const char *print_output_name(const struct printer *printer, uint32_t call, unsigned output);

/* print_value.c. row (or NULL) is the call's: a bare word must not read as one of its flags. */
void print_value(const struct printer *printer, const struct field *field,
	const struct value *value, const struct call_row *row);
/* A number of bytes with the largest suffix that divides it. */
void print_size(FILE *out, uint64_t number);

/* print_header.c */
void print_header(const struct printer *printer);
/* Whether print_header prints any "#:" line. */
bool print_has_header(const struct prog_text *text);
void print_description(const struct printer *printer);

#endif
