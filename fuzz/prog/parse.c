/* SPDX-License-Identifier: Apache-2.0 */
/* Text to program: lines, prefixes, names, calls and their words. Grammar: docs/PROGRAMS.md. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/parse_private.h"

#define PARSE_FILE_MAX (64u << 20)

static bool out_of_memory(struct parser *parser)
{
	return lex_fail(&parser->lex, parser->lex.at, "out of memory");
}

unsigned parse_bare_fields(const struct call_row *row, uint8_t fields[CALL_FIELD_MAX])
{
	unsigned count = 0;

	for (uint8_t i = 0; i < row->field_count && count < CALL_FIELD_MAX; i++)
		if (row->fields[i].kind == FIELD_SUBJECT || row->fields[i].positional)
			fields[count++] = i;
	/* "on EVENT subject": the event comes first. */
	if (count >= 2 && prog_has_body((uint16_t)(row - call_rows))) {
		uint8_t subject = fields[0];

		fields[0] = fields[1];
		fields[1] = subject;
	}
	return count;
}

/* Adds a line to the comments of the next call; no second blank line in a row. */
static bool add_pending(struct parser *parser, const char *prefix, const char *line, size_t length)
{
	size_t used = parser->pending_length, prefix_length = strlen(prefix);
	bool first = !parser->pending;
	bool blank = !length && !prefix_length;
	char *memory;

	if (blank && !first && (!used || parser->pending[used - 1] == '\n'))
		return true;
	memory = realloc(parser->pending, used + prefix_length + length + 2);
	if (!memory)
		return out_of_memory(parser);
	parser->pending = memory;
	if (!first)
		memory[used++] = '\n';
	memcpy(memory + used, prefix, prefix_length);
	memcpy(memory + used + prefix_length, line, length);
	parser->pending_length = used + prefix_length + length;
	memory[parser->pending_length] = '\0';
	return true;
}

static void drop_pending(struct parser *parser)
{
	free(parser->pending);
	parser->pending = NULL;
	parser->pending_length = 0;
}

/* The comment behind '#', without the blank that follows it and those at the end. */
static struct span comment_text(struct lex *lex)
{
	struct span text = {lex->at + 1, (size_t)(lex->end - lex->at - 1)};

	if (text.length && text.at[0] == ' ') {
		text.at++;
		text.length--;
	}
	while (text.length && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
		text.length--;
	lex->at = lex->end;
	return text;
}

static bool add_comment(struct parser *parser)
{
	struct span text = comment_text(&parser->lex);

	return add_pending(parser, text.length ? "# " : "#", text.at, text.length);
}

static bool add_description(struct parser *parser)
{
	struct span text = comment_text(&parser->lex);
	char **description = &parser->text->header.description;
	size_t used = *description ? strlen(*description) + 1 : 0;
	char *memory = realloc(*description, used + text.length + 1);

	if (!memory)
		return out_of_memory(parser);
	if (used)
		memory[used - 1] = '\n';
	memcpy(memory + used, text.at, text.length);
	memory[used + text.length] = '\0';
	*description = memory;
	return true;
}

/* Prefixes of a call; false and no failure when none comes next. */
static bool prefix_word(struct parser *parser, struct span word, struct call *call)
{
	struct lex *lex = &parser->lex;
	uint64_t number;
	int point;

	lex->at += word.length;
	if (span_is(word, "thread")) {
		struct span letter;

		lex_skip_blanks(lex);
		letter = lex_word(lex, "");
		if (letter.length != 1 || letter.at[0] < 'A' ||
			letter.at[0] >= 'A' + PROG_THREAD_MAX)
			return lex_fail_found(lex, lex->at, NULL, "expected a thread, A to %c",
				'A' + PROG_THREAD_MAX - 1);
		call->thread = (uint8_t)(letter.at[0] - 'A' + 1);
		lex->at++;
	} else if (span_is(word, "repeat")) {
		if (!lex_count(lex, "how often to repeat", 1, UINT16_MAX, &number))
			return false;
		call->repeat = (uint16_t)(number == 1 ? 0 : number);
	} else if (span_is(word, "fail-nth")) {
		call->fail = lex_take(lex, '*') ? FAIL_SWEEP : FAIL_NTH;
		if (call->fail == FAIL_NTH &&
			!lex_count(lex, "'*' or which pass fails", 1, UINT16_MAX, &number))
			return false;
		call->fail_nth = call->fail == FAIL_NTH ? (uint16_t)number : 0;
	} else {
		struct near_miss miss;

		lex_skip_blanks(lex);
		word = lex_word(lex, "-");
		point = names_find(NAMES_FAULT_POINT, word.at, word.length);
		near_miss_init(&miss, word.at, word.length);
		near_miss_list(&miss, NAMES_FAULT_POINT);
		if (point < 0)
			return lex_fail_found(lex, word.at, &miss, "expected a fault point");
		lex->at += word.length;
		if (lex_next(lex) != '#')
			return lex_fail_found(
				lex, lex->at, NULL, "expected '#' and which pass fails");
		lex->at++;
		if (!lex_count(lex, "which pass fails", 1, UINT16_MAX, &number))
			return false;
		call->fail = FAIL_POINT;
		call->fail_point = (uint8_t)point;
		call->fail_nth = (uint16_t)number;
	}
	if (!lex_take(lex, ':'))
		return lex_fail_found(lex, lex->at, NULL, "expected ':'");
	return true;
}

static bool is_process_prefix(const struct lex *lex, struct span word)
{
	const char *behind = word.at + word.length;

	return word.length == 2 && word.at[0] == 'P' && behind < lex->end && *behind == ':';
}

static bool prefixes(struct parser *parser, bool in_body, struct call *call)
{
	struct lex *lex = &parser->lex;
	unsigned seen = 0, kind;

	for (;;) {
		struct span word;

		lex_skip_blanks(lex);
		word = lex_word(lex, "-");
		if (is_process_prefix(lex, word))
			kind = 1;
		else if (span_is(word, "thread"))
			kind = 2;
		else if (span_is(word, "repeat"))
			kind = 4;
		else if (span_is(word, "fail") || span_is(word, "fail-nth"))
			kind = 8;
		else
			return true;
		if (in_body && kind <= 2)
			return lex_fail(lex, word.at,
				"thread and process stand before 'on': the body runs where it is "
				"called");
		if (seen & kind)
			return lex_fail(lex, word.at, "the prefix '%.*s' is given twice",
				(int)word.length, word.at);
		seen |= kind;
		if (kind != 1) {
			if (!prefix_word(parser, word, call))
				return false;
			continue;
		}
		if (word.at[1] < '1' || word.at[1] >= '1' + PROG_PROCESS_MAX)
			return lex_fail_found(lex, word.at, NULL, "expected a process, P1 to P%d",
				PROG_PROCESS_MAX);
		call->process = (uint8_t)(word.at[1] - '1');
		lex->at += 3;
	}
}

struct output_names {
	struct span names[CALL_OUTPUT_MAX];
	unsigned count;
};

/* "a, b =" if that is what comes next. */
static bool output_names(struct parser *parser, struct output_names *names)
{
	struct lex *lex = &parser->lex;
	const char *start = lex->at;

	names->count = 0;
	for (;;) {
		struct span word;
		char next;

		lex_skip_blanks(lex);
		word = lex_word(lex, "");
		lex->at += word.length;
		next = lex_peek(lex);
		if (!names->count && next != ',' && next != '=') {
			lex->at = start;
			return true;
		}
		if (names->count == CALL_OUTPUT_MAX)
			return lex_fail(
				lex, word.at, "a call has at most %d outputs", CALL_OUTPUT_MAX);
		if (!span_is(word, "_") && !names_is_valid(word.at, word.length))
			return lex_fail_found(lex, word.at, NULL,
				"expected a name (a lower-case letter, then letters, digits and "
				"'_', "
				"at most %d; not a word of the grammar)",
				NAME_MAX_LENGTH);
		names->names[names->count++] = word;
		if (next != ',' && next != '=')
			return lex_fail_found(lex, lex->at, NULL, "expected ',' or '='");
		lex->at++;
		if (next == '=')
			return true;
	}
}

static bool define_names(struct parser *parser, uint32_t index, const struct output_names *names)
{
	struct prog_text *text = parser->text;
	const struct call_row *row = prog_row(&text->prog.calls[index]);
	uint8_t fields[CALL_OUTPUT_MAX];
	unsigned outputs = (unsigned)call_outputs(row, fields);

	for (unsigned i = 0; i < names->count; i++) {
		struct span name = names->names[i];
		const struct names_entry *other;

		if (i >= outputs)
			return lex_fail(&parser->lex, name.at, "%s has %u output%s to name",
				row->name, outputs, outputs == 1 ? "" : "s");
		if (span_is(name, "_"))
			continue;
		other = names_table_find(&parser->names, name.at, name.length);
		if (other)
			return lex_fail(&parser->lex, name.at,
				"expected a new name: '%.*s' is an output of line %u already",
				(int)name.length, name.at, text->lines[other->call]);
		text->names[index][i] = strndup(name.at, name.length);
		if (!text->names[index][i] ||
			!names_table_add(&parser->names, text->names[index][i], name.length,
				(uint16_t)index, (uint8_t)i))
			return out_of_memory(parser);
	}
	return true;
}

static bool call_word(struct parser *parser, int *row)
{
	struct lex *lex = &parser->lex;
	struct span word;
	struct near_miss miss;

	lex_skip_blanks(lex);
	word = lex_word(lex, "-");
	*row = word.length ? call_find(word.at, word.length) : -1;
	lex->at += word.length;
	if (*row >= 0)
		return true;
	near_miss_init(&miss, word.at, word.length);
	for (unsigned i = 0; i < CALL_ID_COUNT; i++)
		near_miss_try(&miss, call_rows[i].name);
	return lex_fail_found(lex, word.at, &miss, "expected a call");
}

static bool unknown_field(
	struct parser *parser, const struct call_row *row, struct span word, bool bare)
{
	struct near_miss miss;

	near_miss_init(&miss, word.at, word.length);
	for (unsigned i = 0; i < row->field_count; i++) {
		const struct named_value *entry = row->fields[i].names;

		near_miss_try(&miss, row->fields[i].name);
		for (; bare && entry && entry->name; entry++)
			near_miss_try(&miss, entry->name);
	}
	return lex_fail_found(&parser->lex, word.at, &miss,
		bare ? "expected a field (field=value) or a flag of %s" : "expected a field of %s",
		row->name);
}

/* field=value */
static bool named_field(struct parser *parser, uint32_t index, struct span word)
{
	struct lex *lex = &parser->lex;
	struct prog *prog = &parser->text->prog;
	const struct call_row *row = prog_row(&prog->calls[index]);
	int field = call_field(row, word.at, word.length);

	/* The size word is `size` everywhere, whatever the struct calls it. */
	for (int i = 0; field < 0 && span_is(word, "size") && i < row->field_count; i++)
		if (row->fields[i].kind == FIELD_SIZE)
			field = i;
	if (field < 0)
		return unknown_field(parser, row, word, false);
	if (prog_value(prog, &prog->calls[index], (unsigned)field)->kind != VALUE_UNSET)
		return lex_fail(lex, word.at, "%s is given twice", row->fields[field].name);
	lex->at += word.length + 1;
	return parse_value(parser, index, &row->fields[field],
		prog->calls[index].first_value + (uint32_t)field, 0);
}

/* The field that a bare word sets because it is the name of one of its flags, or -1. */
static int field_of_flag(const struct parser *parser, const struct call_row *row, struct span word)
{
	bool any_case = !parse_is_word(parser, word);

	for (int pass = 0; pass <= any_case; pass++)
		for (int i = 0; i < row->field_count; i++)
			if (parse_is_name(&row->fields[i], word, pass))
				return i;
	return -1;
}

static bool flag_word(struct parser *parser, uint32_t index, int field)
{
	struct prog *prog = &parser->text->prog;
	const struct call_row *row = prog_row(&prog->calls[index]);
	uint32_t value = prog->calls[index].first_value + (uint32_t)field;
	struct value old = prog->values[value];
	const char *start = parser->lex.at;

	if (!parse_value(parser, index, &row->fields[field], value, 0))
		return false;
	if (old.kind == VALUE_UNSET)
		return true;
	if (row->fields[field].kind != FIELD_FLAGS || old.kind != VALUE_NUMBER ||
		prog->values[value].kind != VALUE_NUMBER)
		return lex_fail(&parser->lex, start, "%s is given twice", row->fields[field].name);
	prog->values[value].number |= old.number;
	return true;
}

static bool bare_word(struct parser *parser, uint32_t index)
{
	struct lex *lex = &parser->lex;
	struct prog *prog = &parser->text->prog;
	const struct call_row *row = prog_row(&prog->calls[index]);
	struct span word = lex_word(lex, "_./-");
	uint8_t fields[CALL_FIELD_MAX];
	unsigned count = parse_bare_fields(row, fields), next = 0;
	uint32_t first = prog->calls[index].first_value;
	const struct field *target;
	int flag;

	while (next < count && prog->values[first + fields[next]].kind != VALUE_UNSET)
		next++;
	target = next < count ? &row->fields[fields[next]] : NULL;
	if (target && (target->kind == FIELD_SUBJECT || parse_is_name(target, word, false)))
		return parse_value(parser, index, target, first + fields[next], 0);
	flag = word.length && (word.at + word.length >= lex->end || word.at[word.length] != '+')
		       ? field_of_flag(parser, row, word)
		       : -1;
	if (flag >= 0)
		return flag_word(parser, index, flag);
	if (!target)
		return unknown_field(parser, row, word, true);
	return parse_value(parser, index, target, first + fields[next], 0);
}

static bool is_end_of_words(struct parser *parser, bool has_body, bool in_body)
{
	struct lex *lex = &parser->lex;
	char next = lex_peek(lex);

	return !next || lex_is_arrow(lex) || next == '#' || (has_body && next == ':') ||
	       (in_body && (next == ';' || next == '}'));
}

static bool words(struct parser *parser, uint32_t index)
{
	struct lex *lex = &parser->lex;
	const struct call *call = &parser->text->prog.calls[index];
	uint16_t row = call->row;
	bool in_body = call->body;

	while (!is_end_of_words(parser, prog_has_body(row), in_body)) {
		struct span word = lex_word(lex, "");
		const char *behind = word.at + word.length;

		if (word.length && behind < lex->end && *behind == '=') {
			if (!named_field(parser, index, word))
				return false;
		} else if (!bare_word(parser, index)) {
			return false;
		}
		/* "process P2: uid=1000" is the same as without the colon. */
		if (row == CALL_ID_process && lex_next(lex) == ':')
			lex->at++;
		if (lex->at < lex->end && !strchr(" \t:;}", *lex->at) && !lex_is_arrow(lex))
			return lex_fail_found(
				lex, lex->at, NULL, "expected a blank behind the value");
	}
	return true;
}

static bool statement(struct parser *parser, uint32_t body);

/* ": { call; call }" behind the words of `on`. */
static bool body_of(struct parser *parser, uint32_t index)
{
	struct lex *lex = &parser->lex;
	bool nested = parser->text->prog.calls[index].body;

	if (!lex_take(lex, ':') || !lex_take(lex, '{'))
		return lex_fail_found(
			lex, lex->at, NULL, "expected ': {' and the calls of the body");
	while (!lex_take(lex, '}')) {
		if (nested)
			return lex_fail_found(
				lex, lex->at, NULL, "expected '}': bodies do not nest");
		if (!statement(parser, index + 1))
			return false;
		if (!lex_take(lex, ';') && lex_peek(lex) != '}')
			return lex_fail_found(lex, lex->at, NULL, "expected ';' or '}'");
	}
	return true;
}

/* One call with everything around it. body: 1 + index of the `on` call, 0 at top level. */
static bool statement(struct parser *parser, uint32_t body)
{
	struct prog *prog = &parser->text->prog;
	uint32_t index = prog->call_count;
	struct call prefix = {.body = (uint16_t)body};
	struct output_names names;
	struct call *call;
	uint32_t first;
	int row;

	if (!prefixes(parser, body, &prefix) || !output_names(parser, &names) ||
		!call_word(parser, &row))
		return false;
	if (index >= PROG_CALL_MAX)
		return lex_fail(&parser->lex, parser->lex.line_start,
			"a program has at most %d calls", PROG_CALL_MAX);
	call = prog_add_call(prog, (enum call_id)row);
	if (!call || !prog_text_reserve(parser->text, index + 1))
		return lex_fail(&parser->lex, parser->lex.line_start,
			"the program has more than %u values", PROG_VALUE_MAX);
	if (body) {
		prefix.thread = prog->calls[body - 1].thread;
		prefix.process = prog->calls[body - 1].process;
	}
	first = call->first_value;
	*call = prefix;
	call->row = (uint16_t)row;
	call->first_value = first;
	parser->text->lines[index] = parser->lex.line;
	if (!words(parser, index) || !define_names(parser, index, &names))
		return false;
	if (prog_has_body((uint16_t)row) && !body_of(parser, index))
		return false;
	if (lex_take_arrow(&parser->lex))
		return parse_expectation(parser, index);
	return true;
}

static bool call_line(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	uint32_t index = parser->text->prog.call_count;

	if (!statement(parser, 0))
		return false;
	if (lex_peek(lex) == '#') {
		if (!add_comment(parser))
			return false;
	} else if (lex_next(lex)) {
		return lex_fail_found(lex, lex->at, NULL, "expected the end of the line");
	}
	/* A blank line at the very start says nothing. */
	if (parser->pending && !parser->pending_length && !index && !parser->seen_header &&
		!parser->text->header.description)
		drop_pending(parser);
	parser->text->comments[index] = parser->pending;
	parser->pending = NULL;
	parser->pending_length = 0;
	return true;
}

static bool header_line(struct parser *parser)
{
	if (parser->text->prog.call_count)
		return lex_fail(
			&parser->lex, parser->lex.at, "header lines stand before the first call");
	if (parser->pending && !parser->pending_length)
		drop_pending(parser);
	parser->seen_header = true;
	parser->lex.at += 2;
	return parse_header_line(parser);
}

static bool line(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	char next = lex_peek(lex);
	bool in_description = !parser->seen_other;

	if (next == '#' && lex->end - lex->at > 1 && lex->at[1] == ':') {
		parser->seen_other = true;
		return header_line(parser);
	}
	if (next == '#')
		return in_description ? add_description(parser) : add_comment(parser);
	parser->seen_other = true;
	if (!next)
		return add_pending(parser, "", "", 0);
	return call_line(parser);
}

/* Comments behind the last call; blank lines at the end are dropped. */
static bool end_of_text(struct parser *parser)
{
	struct prog_text *text = parser->text;

	while (parser->pending_length && parser->pending[parser->pending_length - 1] == '\n')
		parser->pending[--parser->pending_length] = '\0';
	if (!parser->pending_length)
		drop_pending(parser);
	if (!parser->pending)
		return true;
	if (!prog_text_reserve(text, text->prog.call_count))
		return out_of_memory(parser);
	text->comments[text->prog.call_count] = parser->pending;
	parser->pending = NULL;
	return true;
}

static bool lines(struct parser *parser, const char *source, size_t length)
{
	struct lex *lex = &parser->lex;
	uint32_t number = 1;
	const char *at = source;

	/* A byte order mark is no part of the text. */
	if (length >= 3 && !memcmp(source, "\xef\xbb\xbf", 3)) {
		source += 3;
		length -= 3;
		at = source;
	}
	if (!lex_check_text(lex, source, length))
		return false;
	while (at < source + length) {
		at = lex_set_line(lex, at, number++);
		if (!line(parser))
			return false;
	}
	return parse_check_schedule(parser) && end_of_text(parser);
}

bool prog_parse(
	struct prog_text *text, const char *source, size_t length, struct parse_error *error)
{
	struct parser parser = {.text = text, .lex = {.error = error}};
	bool done;

	memset(error, 0, sizeof(*error));
	prog_text_free(text);
	done = lines(&parser, length ? source : "", length);
	names_table_free(&parser.names);
	free(parser.pending);
	if (done) {
		/* Lock classes, versions and the like are right by now; this brings options in
		 * line. */
		prog_repair(&text->prog);
		return true;
	}
	prog_text_free(text);
	return false;
}

static char *read_all(FILE *file, size_t *length)
{
	size_t room = 1 << 16;
	char *bytes = malloc(room);

	*length = 0;
	while (bytes) {
		size_t got = fread(bytes + *length, 1, room - *length, file);
		char *more;

		*length += got;
		if (!got || *length > PARSE_FILE_MAX)
			break;
		if (*length < room)
			continue;
		room *= 2;
		more = realloc(bytes, room);
		if (!more)
			free(bytes);
		bytes = more;
	}
	return bytes;
}

bool prog_parse_file(struct prog_text *text, const char *path, char *message, size_t message_size)
{
	FILE *file = fopen(path, "rb");
	struct parse_error error;
	size_t length = 0;
	char *source;
	bool done;

	prog_text_free(text);
	errno = file ? 0 : errno;
	source = file ? read_all(file, &length) : NULL;
	if (!source || ferror(file) || length > PARSE_FILE_MAX) {
		snprintf(message, message_size, "%s: %s", path,
			length > PARSE_FILE_MAX ? "larger than 64 MiB"
						: strerror(errno ? errno : ENOMEM));
		free(source);
		if (file)
			fclose(file);
		return false;
	}
	fclose(file);
	done = prog_parse(text, source, length, &error);
	free(source);
	if (!done)
		snprintf(message, message_size, "%s:%u:%u: %s", path, error.line, error.column,
			error.message);
	return done;
}
