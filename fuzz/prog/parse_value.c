/* SPDX-License-Identifier: Apache-2.0 */
/* Values: numbers, sums, flags, handles, places in memory, bytes, literal structs and arrays. */
#include <string.h>

#include "fuzz/prog/parse_private.h"

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool words_equal(const char *name, struct span word, bool any_case)
{
	for (size_t i = 0; i < word.length; i++) {
		char a = name[i], b = word.at[i];

		if (any_case && a >= 'A' && a <= 'Z')
			a = (char)(a - 'A' + 'a');
		if (any_case && b >= 'A' && b <= 'Z')
			b = (char)(b - 'A' + 'a');
		if (!a || a != b)
			return false;
	}
	return !name[word.length];
}

static const struct named_value *find_name(
	const struct field *field, struct span word, bool any_case)
{
	for (const struct named_value *entry = field->names; entry && entry->name; entry++)
		if (words_equal(entry->name, word, any_case))
			return entry;
	return NULL;
}

bool parse_is_name(const struct field *field, struct span word, bool any_case)
{
	return word.length && find_name(field, word, any_case);
}

bool parse_is_word(const struct parser *parser, struct span word)
{
	return span_is(word, "mem") || names_find(NAMES_CONSTANT, word.at, word.length) >= 0 ||
	       names_table_find(&parser->names, word.at, word.length);
}

static bool unknown_word(struct parser *parser, const struct field *field)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "");
	struct near_miss miss;

	near_miss_init(&miss, word.at, word.length);
	for (const struct named_value *entry = field->names; entry && entry->name; entry++)
		near_miss_try(&miss, entry->name);
	for (uint32_t i = 0; i < parser->names.room; i++) {
		const struct names_entry *entry = &parser->names.entries[i];

		if (entry->name)
			near_miss_try(&miss, parser->text->names[entry->call][entry->output]);
	}
	near_miss_list(&miss, NAMES_CONSTANT);
	if (field->kind == FIELD_FLAGS || field->kind == FIELD_ENUM)
		return lex_fail_found(lex, word.at, &miss, "expected a %s of %s",
			field->kind == FIELD_FLAGS ? "flag" : "value", field->name);
	return lex_fail_found(lex, word.at, &miss,
		"expected a value of %s: no output has that name", field->name);
}

/* The first term of a sum, the only one that may be a handle or mem. */
static bool first_term(
	struct parser *parser, uint32_t call, const struct field *field, struct value *value)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "");
	const struct names_entry *entry;
	int constant;

	*value = (struct value){.kind = VALUE_NUMBER};
	if (!word.length || !is_name_start(word.at[0])) {
		if (!word.length)
			return lex_fail_found(
				lex, lex->at, NULL, "expected a value of %s", field->name);
		return lex_number(lex, &value->number);
	}
	constant = names_find(NAMES_CONSTANT, word.at, word.length);
	entry = names_table_find(&parser->names, word.at, word.length);
	if (span_is(word, "mem")) {
		value->kind = VALUE_MEM;
	} else if (constant >= 0) {
		value->number = names_constant((unsigned)constant);
	} else if (entry) {
		if (!prog_handle_reaches(&parser->text->prog, call, entry->call))
			return lex_fail_found(lex, word.at, NULL,
				"expected a name from outside or from this body: "
				"outputs of another body cannot be used");
		value->kind = VALUE_HANDLE;
		value->call = entry->call;
		value->output = entry->output;
	} else {
		return unknown_word(parser, field);
	}
	lex->at += word.length;
	return true;
}

static bool further_term(struct parser *parser, uint64_t *number)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "");
	int constant = names_find(NAMES_CONSTANT, word.at, word.length);

	if (constant >= 0) {
		*number = names_constant((unsigned)constant);
		lex->at += word.length;
		return true;
	}
	if (word.length && is_name_start(word.at[0]))
		return lex_fail_found(
			lex, word.at, NULL, "expected a number: a name stands first in a sum");
	return lex_number(lex, number);
}

static bool fits(const struct field *field, uint64_t number)
{
	unsigned bits = 8u * field->width;

	if (field->kind == FIELD_NAME)
		return prog_field_number(field, number) == number;
	if (bits == 0 || bits >= 64)
		return true;
	return number >> bits == 0 || number >= UINT64_MAX << (bits - 1);
}

static bool sum(
	struct parser *parser, uint32_t call, const struct field *field, struct value *value)
{
	struct lex *lex = &parser->lex;
	const char *start = lex->at;
	bool negative = lex_next(lex) == '-';
	uint64_t number;

	lex->at += negative;
	if (negative && is_name_start(lex_next(lex)))
		return lex_fail_found(lex, lex->at, NULL, "expected a number after '-'");
	if (!first_term(parser, call, field, value))
		return false;
	if (negative)
		value->number = -value->number;
	while ((lex_next(lex) == '+' || lex_next(lex) == '-') && !lex_is_arrow(lex)) {
		negative = *lex->at++ == '-';
		if (!further_term(parser, &number))
			return false;
		value->number += negative ? -number : number;
	}
	if (value->kind == VALUE_NUMBER) {
		if (!fits(field, value->number) && field->kind == FIELD_NAME)
			return lex_fail_found(
				lex, start, NULL, "expected a value of %s", field->name);
		if (!fits(field, value->number))
			return lex_fail(lex, start,
				"the number does not fit in %s, which has %u byte%s", field->name,
				field->width, field->width == 1 ? "" : "s");
		value->number = prog_field_number(field, value->number);
	}
	return true;
}

/* One flag, enumerator or number. A name is one only if it stands alone: "as+0" is a handle even if
 * "as" is a flag. */
static bool flag_term(
	struct parser *parser, uint32_t call, const struct field *field, struct value *value)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "_./-");
	const char *behind = word.at + word.length;
	bool alone = behind >= lex->end || *behind != '+';
	const struct named_value *entry =
		alone && word.length ? find_name(field, word, false) : NULL;

	if (!entry && alone && word.length && !parse_is_word(parser, word))
		entry = find_name(field, word, true);
	if (entry) {
		*value = (struct value){.kind = VALUE_NUMBER, .number = entry->value};
		lex->at = behind;
		return true;
	}
	if (lex_next(lex) == '/') {
		struct near_miss miss;

		near_miss_init(&miss, word.at, word.length);
		for (entry = field->names; entry && entry->name; entry++)
			near_miss_try(&miss, entry->name);
		return lex_fail_found(lex, word.at, &miss, "expected a value of %s", field->name);
	}
	return sum(parser, call, field, value);
}

static bool flags(
	struct parser *parser, uint32_t call, const struct field *field, struct value *value)
{
	struct lex *lex = &parser->lex;
	const char *start = lex->at;

	if (!flag_term(parser, call, field, value))
		return false;
	while (field->kind == FIELD_FLAGS && lex_next(lex) == '|') {
		struct value more;

		lex->at++;
		if (!flag_term(parser, call, field, &more))
			return false;
		if (value->kind != VALUE_NUMBER || more.kind != VALUE_NUMBER)
			return lex_fail_found(
				lex, start, NULL, "expected flags and numbers only between '|'");
		value->number |= more.number;
	}
	/* A flag of the catalogue may be wider than the field, as an enumerator of another kernel.
	 */
	value->number = value->kind == VALUE_NUMBER ? prog_field_number(field, value->number)
						    : value->number;
	return true;
}

bool parse_scalar(
	struct parser *parser, uint32_t call, const struct field *field, struct value *value)
{
	struct lex *lex = &parser->lex;
	const char *start = lex->at;

	if (field->kind == FIELD_FLAGS || field->kind == FIELD_ENUM) {
		if (!flags(parser, call, field, value))
			return false;
	} else if (!sum(parser, call, field, value)) {
		return false;
	}
	if (!lex_is_arrow(lex) && lex->at < lex->end && !strchr(" \t};:]", *lex->at))
		return lex_fail_found(lex, lex->at, NULL, "expected the end of the value '%.*s'",
			(int)(lex->at - start < 40 ? lex->at - start : 40), start);
	return true;
}

static bool name_value(struct parser *parser, const struct field *field, struct value *value)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "-");
	struct near_miss miss;

	*value = (struct value){.kind = VALUE_NUMBER};
	if (names_field_find(field, word.at, word.length, &value->number)) {
		lex->at += word.length;
		return true;
	}
	near_miss_init(&miss, word.at, word.length);
	if (!strcmp(field->name, "process"))
		return lex_fail_found(
			lex, word.at, NULL, "expected a process, P1 to P%d", PROG_PROCESS_MAX);
	if (!strcmp(field->name, "thread"))
		return lex_fail_found(lex, word.at, NULL, "expected a thread, A to %c",
			'A' + PROG_THREAD_MAX - 1);
	return lex_fail_found(lex, word.at, &miss, "expected a value of %s", field->name);
}

static bool too_many_values(struct parser *parser)
{
	return lex_fail(&parser->lex, parser->lex.at, "the program has more than %u values",
		PROG_VALUE_MAX);
}

static bool struct_field(struct parser *parser, uint32_t call, const struct layout *layout,
	uint32_t first, unsigned depth)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "");
	struct near_miss miss;

	for (unsigned i = 0; word.length && i < layout->field_count; i++) {
		const struct field *field = &layout->fields[i];

		if (!span_is(word, field->name))
			continue;
		if (parser->text->prog.values[first + i].kind != VALUE_UNSET)
			return lex_fail(lex, word.at, "%s is given twice", field->name);
		lex->at += word.length;
		if (lex_next(lex) != '=')
			return lex_fail_found(
				lex, lex->at, NULL, "expected '=' behind %s", field->name);
		lex->at++;
		return parse_value(parser, call, field, first + i, depth);
	}
	near_miss_init(&miss, word.at, word.length);
	for (unsigned i = 0; i < layout->field_count; i++)
		near_miss_try(&miss, layout->fields[i].name);
	return lex_fail_found(lex, word.at, &miss, "expected a field of %s or '}'", layout->name);
}

/* The value's struct, behind its opening brace. */
static bool struct_value(struct parser *parser, uint32_t call, const struct layout *layout,
	uint32_t index, unsigned depth)
{
	struct lex *lex = &parser->lex;
	struct prog *prog = &parser->text->prog;
	uint32_t first = prog_add_values(prog, layout->field_count);

	if (first == UINT32_MAX)
		return too_many_values(parser);
	prog->values[index] =
		(struct value){.kind = VALUE_STRUCT, .start = first, .count = layout->field_count};
	while (!lex_take(lex, '}')) {
		if (!lex_next(lex))
			return lex_fail_found(
				lex, lex->at, NULL, "expected a field of %s or '}'", layout->name);
		if (!struct_field(parser, call, layout, first, depth + 1))
			return false;
	}
	return true;
}

/* An element: {..}, or the bare value when the struct has one field only. */
static bool element(struct parser *parser, uint32_t call, const struct layout *layout,
	uint32_t index, unsigned depth)
{
	struct prog *prog = &parser->text->prog;
	uint32_t first;

	if (lex_take(&parser->lex, '{'))
		return struct_value(parser, call, layout, index, depth);
	if (layout->field_count != 1)
		return lex_fail_found(&parser->lex, parser->lex.at, NULL, "expected '{' or ']'");
	first = prog_add_values(prog, 1);
	if (first == UINT32_MAX)
		return too_many_values(parser);
	prog->values[index] = (struct value){.kind = VALUE_STRUCT, .start = first, .count = 1};
	return parse_value(parser, call, &layout->fields[0], first, depth + 1);
}

/* Where the elements end is not known before their values are there; so they are counted first. */
static uint32_t count_elements(const struct lex *lex, const struct layout *layout)
{
	uint32_t count = 0;
	int depth = 0;
	bool quoted = false, inside = false;

	for (const char *at = lex->at; at < lex->end; at++) {
		if (quoted) {
			if (*at == '\\')
				at++;
			else if (*at == '"')
				quoted = false;
			continue;
		}
		if (*at == ']' && !depth)
			break;
		if (*at == ' ' || *at == '\t') {
			inside = inside && depth;
			continue;
		}
		quoted = *at == '"';
		/* Braces are elements of their own even when they touch. */
		if (!depth && (!inside || *at == '{' || layout->field_count != 1)) {
			count++;
			inside = true;
		}
		if (*at == '{' || *at == '[')
			depth++;
		if ((*at == '}' || *at == ']') && depth && --depth == 0)
			inside = false;
	}
	return count;
}

static bool array_value(struct parser *parser, uint32_t call, const struct layout *layout,
	uint32_t index, unsigned depth)
{
	struct lex *lex = &parser->lex;
	struct prog *prog = &parser->text->prog;
	uint32_t room = count_elements(lex, layout);
	uint32_t first = prog_add_values(prog, room);
	uint32_t count = 0;

	if (first == UINT32_MAX)
		return too_many_values(parser);
	while (!lex_take(lex, ']')) {
		if (!lex_next(lex) || count >= room)
			return lex_fail_found(lex, lex->at, NULL, "expected an element or ']'");
		if (!element(parser, call, layout, first + count, depth))
			return false;
		count++;
	}
	prog->values[index] = (struct value){.kind = VALUE_ARRAY, .start = first, .count = count};
	return true;
}

static bool literal(struct parser *parser, uint32_t call, const struct field *field, uint32_t index,
	unsigned depth)
{
	struct lex *lex = &parser->lex;
	char opening = lex_next(lex);

	if (!prog_field_takes(field, VALUE_STRUCT, depth))
		return lex_fail_found(lex, lex->at, NULL,
			"expected a plain value: %s takes no literal struct", field->name);
	lex->at++;
	if (opening == '{')
		return struct_value(parser, call, field->pointee, index, depth);
	return array_value(parser, call, field->pointee, index, depth);
}

bool parse_value(struct parser *parser, uint32_t call, const struct field *field, uint32_t index,
	unsigned depth)
{
	struct lex *lex = &parser->lex;
	bool takes_bytes = prog_field_takes(field, VALUE_BYTES, depth);
	bool quoted = lex_next(lex) == '"' ||
		      (lex_next(lex) == 'x' && lex->end - lex->at > 1 && lex->at[1] == '"');
	struct value value;

	if (prog_field_takes(field, VALUE_NUMBER, depth) + takes_bytes == 0)
		return lex_fail(lex, lex->at, "%s is the result of the call and takes no value",
			field->name);
	if (quoted && !takes_bytes)
		return lex_fail_found(
			lex, lex->at, NULL, "expected a number: %s takes no bytes", field->name);
	if (quoted || field->kind == FIELD_BYTES || field->kind == FIELD_TAIL) {
		if (!lex_bytes(lex, &parser->text->prog, field->kind == FIELD_TAIL, &value))
			return false;
	} else if (lex_next(lex) == '[' || lex_next(lex) == '{') {
		return literal(parser, call, field, index, depth);
	} else if (field->kind == FIELD_NAME && is_name_start(lex_next(lex))) {
		if (!name_value(parser, field, &value))
			return false;
	} else if (!parse_scalar(parser, call, field, &value)) {
		return false;
	}
	parser->text->prog.values[index] = value;
	return true;
}
