/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that must not parse, each with where and how the parser says so. */
#ifndef IOMMUZZ_TESTS_PROG_BAD_TEXTS_H
#define IOMMUZZ_TESTS_PROG_BAD_TEXTS_H

#include <stddef.h>
#include <stdint.h>

struct bad_text {
	const char *text;
	size_t length; /* 0: strlen */
	uint32_t line, column;
	const char *message; /* part of it */
};

extern const struct bad_text bad_texts[];
extern const size_t bad_text_count;

#endif
