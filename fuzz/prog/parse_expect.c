/* SPDX-License-Identifier: Apache-2.0 */
/* Expectations: "0 | EBUSY", "0 since 6.13, EOPNOTSUPP before", "0 {length=2P}". */
#include <string.h>

#include "fuzz/prog/parse_private.h"

static bool alternative(struct parser *parser, struct expectation *expectation)
{
	struct lex *lex = &parser->lex;
	struct span word;
	struct expect_alternative *next;
	struct near_miss miss;
	uint64_t number;

	lex_skip_blanks(lex);
	word = lex_word(lex, "");
	if (expectation->alternative_count == 4)
		return lex_fail(lex, word.at, "at most 4 results can be expected");
	next = &expectation->alternatives[expectation->alternative_count];
	memset(next, 0, sizeof(*next));
	next->value = word.length ? names_errno_find(word.at, word.length) : 0;
	if (span_is(word, "ok")) {
		next->result = EXPECT_OK;
		lex->at += word.length;
	} else if (next->value) {
		next->result = EXPECT_ERRNO;
		lex->at += word.length;
	} else if (word.length && word.at[0] >= '0' && word.at[0] <= '9') {
		if (!lex_number(lex, &number))
			return false;
		if (number > INT32_MAX)
			return lex_fail(lex, word.at, "an expected result is at most INT_MAX");
		next->result = EXPECT_VALUE;
		next->value = (int32_t)number;
	} else {
		near_miss_init(&miss, word.at, word.length);
		near_miss_list(&miss, NAMES_ERRNO);
		near_miss_try(&miss, "ok");
		return lex_fail_found(lex, word.at, &miss, "expected a number, 'ok' or an errno");
	}
	expectation->alternative_count++;
	return true;
}

static bool take_word(struct lex *lex, const char *word)
{
	lex_skip_blanks(lex);
	if (!span_is(lex_word(lex, ""), word))
		return false;
	lex->at += strlen(word);
	return true;
}

/* "since 6.13", "before 6.13", "before" (the since of the group before it), or nothing. */
static bool versions(struct parser *parser, uint16_t previous, uint16_t *since, uint16_t *before)
{
	struct lex *lex = &parser->lex;
	bool is_since = take_word(lex, "since");
	const char *start;

	*since = 0;
	*before = 0;
	if (is_since && !lex_version(lex, since))
		return false;
	start = lex->at;
	if (!take_word(lex, "before")) {
		*before = is_since ? previous : 0;
		return true;
	}
	if (lex_peek(lex) >= '0' && lex_next(lex) <= '9')
		return lex_version(lex, before);
	if (!previous)
		return lex_fail_found(
			lex, start, NULL, "expected 'before' a version, or behind 'since'");
	*before = previous;
	return true;
}

static bool groups(struct parser *parser, struct expectation *expectation)
{
	uint16_t previous = 0;

	do {
		unsigned first = expectation->alternative_count;
		uint16_t since, before;

		do {
			if (!alternative(parser, expectation))
				return false;
		} while (lex_take(&parser->lex, '|'));
		if (!versions(parser, previous, &since, &before))
			return false;
		for (unsigned i = first; i < expectation->alternative_count; i++) {
			expectation->alternatives[i].since = since;
			expectation->alternatives[i].before = before;
		}
		previous = since;
	} while (lex_take(&parser->lex, ','));
	return true;
}

static bool expected_field(struct parser *parser, uint32_t call, struct expectation *expectation)
{
	struct lex *lex = &parser->lex;
	const struct call_row *row = prog_row(&parser->text->prog.calls[call]);
	struct span word = lex_word(lex, "");
	int field = word.length ? call_field(row, word.at, word.length) : -1;
	struct expect_field *next;
	struct near_miss miss;

	if (field < 0 || !row->fields[field].width) {
		near_miss_init(&miss, word.at, word.length);
		for (unsigned i = 0; i < row->field_count; i++)
			near_miss_try(&miss, row->fields[i].width ? row->fields[i].name : "");
		return lex_fail_found(
			lex, word.at, &miss, "expected a field of %s or '}'", row->name);
	}
	for (unsigned i = 0; i < expectation->field_count; i++)
		if (expectation->fields[i].field == field)
			return lex_fail(lex, word.at, "%s is given twice", row->fields[field].name);
	if (expectation->field_count == 6)
		return lex_fail(lex, word.at, "at most 6 fields can be expected");
	lex->at += word.length;
	if (lex_next(lex) != '=')
		return lex_fail_found(
			lex, lex->at, NULL, "expected '=' behind %s", row->fields[field].name);
	lex->at++;
	next = &expectation->fields[expectation->field_count++];
	next->field = (uint8_t)field;
	return parse_scalar(parser, call, &row->fields[field], &next->value);
}

bool parse_expectation(struct parser *parser, uint32_t call)
{
	struct lex *lex = &parser->lex;
	struct expectation *expectation = &parser->text->expectations[call];

	if (!groups(parser, expectation))
		return false;
	if (!lex_take(lex, '{'))
		return true;
	while (!lex_take(lex, '}')) {
		if (!lex_next(lex))
			return lex_fail_found(lex, lex->at, NULL, "expected '}'");
		if (!expected_field(parser, call, expectation))
			return false;
	}
	return true;
}
