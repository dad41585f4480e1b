/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's parts. Every function takes the parser first; false means that the error is filled.
 */
#ifndef IOMMUZZ_FUZZ_PROG_PARSE_PRIVATE_H
#define IOMMUZZ_FUZZ_PROG_PARSE_PRIVATE_H

#include "fuzz/prog/lex.h"
#include "fuzz/prog/names_table.h"

struct parser {
	struct lex lex;
	struct prog_text *text;
	struct names_table names;
	char *pending; /* comments and blank lines that belong to the next call */
	size_t pending_length;
	bool seen_header;
	bool seen_other; /* anything behind the description */
	/* Where the schedule bytes stand, once there are some. */
	const char *schedule_at, *schedule_line_start;
	uint32_t schedule_line;
};

/* Fields that bare words fill, in order. Returns their number. */
unsigned parse_bare_fields(const struct call_row *row, uint8_t fields[CALL_FIELD_MAX]);

/* parse_value.c: a value of call `call` for the field into prog.values[index]. depth as in
 * prog_field_takes. */
bool parse_value(struct parser *parser, uint32_t call, const struct field *field, uint32_t index,
	unsigned depth);
/* A number, handle or place in memory, for fields of expectations too. */
bool parse_scalar(
	struct parser *parser, uint32_t call, const struct field *field, struct value *value);
/* Whether the word is exactly (or but for the case) a name of the field's flags or enumerators. */
bool parse_is_name(const struct field *field, struct span word, bool any_case);
/* Whether the word means something as a value by itself: a constant, mem or an output's name. */
bool parse_is_word(const struct parser *parser, struct span word);

/* parse_expect.c: what stands behind the arrow. */
bool parse_expectation(struct parser *parser, uint32_t call);
/* parse_header.c: a header line behind "#:". */
bool parse_header_line(struct parser *parser);
/* At the end: whether the program is one that can have the schedule bytes of its header. */
bool parse_check_schedule(struct parser *parser);

#endif
