/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters to words, within one line of a program. A function that returns false has filled the
 * error (the first one wins) and callers pass the failure on.
 */
#ifndef IOMMUZZ_FUZZ_PROG_LEX_H
#define IOMMUZZ_FUZZ_PROG_LEX_H

#include "fuzz/prog/names.h"
#include "fuzz/prog/text.h"

struct span {
	const char *at;
	size_t length;
};

struct lex {
	const char *at;	 /* next character */
	const char *end; /* end of the line, without its newline */
	const char *line_start;
	const char *source_end;
	uint32_t line;
	bool failed;
	struct parse_error *error;
};

/* Checks the whole text first: no NUL, no control characters, valid UTF-8. */
bool lex_check_text(struct lex *lex, const char *source, size_t length);
/* Sets the lexer on the line that begins at `start`; returns where the next line begins (source_end
 * at the end). */
const char *lex_set_line(struct lex *lex, const char *start, uint32_t line);

/* Fills the error for a place in the line; always false. */
bool lex_fail(struct lex *lex, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with ", found 'WORD'" or ", found the end of the line", and "; did you mean 'X'?" if
 * miss has one. */
bool lex_fail_found(struct lex *lex, const char *where, const struct near_miss *miss,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

void lex_skip_blanks(struct lex *lex);
/* After blanks: the next character, 0 at the end of the line. */
char lex_peek(struct lex *lex);
/* The next character without skipping blanks, 0 at the end of the line. */
char lex_next(const struct lex *lex);
/* Takes the character if it comes next after blanks. */
bool lex_take(struct lex *lex, char c);
/* Takes "->" if it comes next after blanks. */
bool lex_take_arrow(struct lex *lex);
/* Whether "->" comes next, without skipping blanks. */
bool lex_is_arrow(const struct lex *lex);

/* The longest word of letters, digits, '_' (and the characters in `more`) at the place; may be
 * empty. Takes nothing. */
struct span lex_word(const struct lex *lex, const char *more);
bool span_is(struct span span, const char *word);
/* The digit's value, -1 if it is none. */
int lex_hex_digit(char c);

/* An unsigned number with suffix (K M G P), decimal or 0x. */
bool lex_number(struct lex *lex, uint64_t *number);
/* A plain number up to `most`, for places where suffixes make no sense. `what` is named in the
 * error. */
bool lex_count(struct lex *lex, const char *what, uint64_t least, uint64_t most, uint64_t *number);
/* "MAJOR.MINOR" to LINUX(major, minor). */
bool lex_version(struct lex *lex, uint16_t *version);
/*
 * Bytes: "text\x00", x"00ff", or plain hex digits when `plain` is true. Appended to prog.bytes as a
 * VALUE_BYTES.
 */
bool lex_bytes(struct lex *lex, struct prog *prog, bool plain, struct value *value);

#endif
