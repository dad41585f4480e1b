/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/lex.h"

#include <stdarg.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int lex_hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool fail_at(struct lex *lex, const char *where, const char *message)
{
	if (lex->failed)
		return false;
	lex->failed = true;
	lex->error->line = lex->line;
	lex->error->column = (uint32_t)(where - lex->line_start) + 1;
	snprintf(lex->error->message, sizeof(lex->error->message), "%s", message);
	return false;
}

bool lex_fail(struct lex *lex, const char *where, const char *format, ...)
{
	char message[sizeof(lex->error->message)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	return fail_at(lex, where, message);
}

/* The word at a place, cut to what fits in a message. */
static void quote_word(const struct lex *lex, const char *where, char *out, size_t size)
{
	size_t length = 0;

	if (where >= lex->end) {
		snprintf(out, size, "the end of the line");
		return;
	}
	while (length < 40 && where + length < lex->end && !is_blank(where[length]) &&
		!(length && strchr(",;={}[]\"", where[length])))
		length++;
	/* A character of several bytes is not cut in two. */
	while (length && where + length < lex->end && ((uint8_t)where[length] & 0xc0) == 0x80)
		length--;
	if (!length)
		length = 1;
	snprintf(out, size, "'%.*s'", (int)length, where);
}

bool lex_fail_found(
	struct lex *lex, const char *where, const struct near_miss *miss, const char *format, ...)
{
	char message[sizeof(lex->error->message)];
	char word[48];
	va_list arguments;
	size_t used;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	quote_word(lex, where, word, sizeof(word));
	used = strlen(message);
	snprintf(message + used, sizeof(message) - used, ", found %s", word);
	used = strlen(message);
	if (miss && miss->best)
		snprintf(
			message + used, sizeof(message) - used, "; did you mean '%s'?", miss->best);
	return fail_at(lex, where, message);
}

/* Length of the valid UTF-8 character at the place, 0 if it is none. Shortest forms only, no
 * surrogates. */
static size_t utf8_length(const uint8_t *at, const uint8_t *end)
{
	uint32_t code;
	size_t length;

	if (at[0] < 0x80)
		return 1;
	length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || (size_t)(end - at) < length)
		return 0;
	code = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10ffff ||
		(code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}

bool lex_check_text(struct lex *lex, const char *source, size_t length)
{
	const uint8_t *at = (const uint8_t *)source;
	const uint8_t *end = at + length;

	lex->line = 1;
	lex->line_start = source;
	lex->source_end = source + length;
	while (at < end) {
		size_t step = utf8_length(at, end);

		if (!step)
			return lex_fail(lex, (const char *)at, "invalid UTF-8: byte 0x%02x", at[0]);
		if (at[0] == 0)
			return lex_fail(lex, (const char *)at, "NUL byte: this is not a text file");
		if (at[0] == '\n') {
			lex->line++;
			lex->line_start = (const char *)at + 1;
		} else if ((at[0] < 0x20 && at[0] != '\t' &&
				   !(at[0] == '\r' && at + 1 < end && at[1] == '\n')) ||
			   at[0] == 0x7f) {
			return lex_fail(lex, (const char *)at, "control character 0x%02x", at[0]);
		}
		at += step;
	}
	return true;
}

const char *lex_set_line(struct lex *lex, const char *start, uint32_t line)
{
	const char *newline = memchr(start, '\n', (size_t)(lex->source_end - start));
	const char *end = newline ? newline : lex->source_end;

	lex->at = start;
	lex->line_start = start;
	lex->line = line;
	lex->end = end > start && end[-1] == '\r' ? end - 1 : end;
	return newline ? newline + 1 : lex->source_end;
}

void lex_skip_blanks(struct lex *lex)
{
	while (lex->at < lex->end && is_blank(*lex->at))
		lex->at++;
}

char lex_next(const struct lex *lex)
{
	return lex->at < lex->end ? *lex->at : 0;
}

char lex_peek(struct lex *lex)
{
	lex_skip_blanks(lex);
	return lex_next(lex);
}

bool lex_take(struct lex *lex, char c)
{
	if (lex_peek(lex) != c)
		return false;
	lex->at++;
	return true;
}

bool lex_is_arrow(const struct lex *lex)
{
	return lex_next(lex) == '-' && lex->end - lex->at >= 2 && lex->at[1] == '>';
}

bool lex_take_arrow(struct lex *lex)
{
	lex_skip_blanks(lex);
	if (!lex_is_arrow(lex))
		return false;
	lex->at += 2;
	return true;
}

struct span lex_word(const struct lex *lex, const char *more)
{
	struct span span = {lex->at, 0};

	while (span.at + span.length < lex->end) {
		char c = span.at[span.length];

		if (!is_letter(c) && !is_digit(c) && c != '_' && !strchr(more, c))
			break;
		/* An arrow ends a word, also where '-' may be part of one. */
		if (c == '-' && span.at + span.length + 1 < lex->end &&
			span.at[span.length + 1] == '>')
			break;
		span.length++;
	}
	return span;
}

bool span_is(struct span span, const char *word)
{
	return strlen(word) == span.length && !memcmp(word, span.at, span.length);
}

static bool suffix_shift(char c, unsigned *shift)
{
	switch (c) {
	case 'K': *shift = 10; return true;
	case 'P': *shift = 12; return true;
	case 'M': *shift = 20; return true;
	case 'G': *shift = 30; return true;
	default: return false;
	}
}

static bool number_digits(struct lex *lex, uint64_t *number)
{
	const char *start = lex->at;
	unsigned base = 10;
	const char *digits;

	if (lex->end - lex->at > 2 && lex->at[0] == '0' &&
		(lex->at[1] == 'x' || lex->at[1] == 'X')) {
		base = 16;
		lex->at += 2;
	}
	digits = lex->at;
	*number = 0;
	while (lex->at < lex->end) {
		int digit = lex_hex_digit(*lex->at);

		if (digit < 0 || (unsigned)digit >= base)
			break;
		if (*number > (UINT64_MAX - (unsigned)digit) / base)
			return lex_fail(lex, start, "the number does not fit in 64 bits");
		*number = *number * base + (unsigned)digit;
		lex->at++;
	}
	if (lex->at == digits)
		return lex_fail_found(lex, start, NULL, "expected a number");
	return true;
}

bool lex_number(struct lex *lex, uint64_t *number)
{
	const char *start = lex->at;
	unsigned shift = 0;
	struct span rest;

	if (!number_digits(lex, number))
		return false;
	rest = lex_word(lex, "");
	if (rest.length == 1 && suffix_shift(rest.at[0], &shift)) {
		if (*number > UINT64_MAX >> shift)
			return lex_fail(lex, start, "the number does not fit in 64 bits");
		*number <<= shift;
		lex->at++;
	} else if (rest.length) {
		return lex_fail_found(lex, start, NULL, "expected a number (suffixes: K M G P)");
	}
	return true;
}

bool lex_count(struct lex *lex, const char *what, uint64_t least, uint64_t most, uint64_t *number)
{
	const char *start;

	lex_skip_blanks(lex);
	start = lex->at;
	if (!is_digit(lex_next(lex)))
		return lex_fail_found(lex, start, NULL, "expected %s, a number from %llu to %llu",
			what, (unsigned long long)least, (unsigned long long)most);
	if (!number_digits(lex, number))
		return false;
	if (lex_word(lex, "").length || *number < least || *number > most)
		return lex_fail_found(lex, start, NULL, "expected %s, a number from %llu to %llu",
			what, (unsigned long long)least, (unsigned long long)most);
	return true;
}

bool lex_version(struct lex *lex, uint16_t *version)
{
	const char *start;
	uint64_t major = 0, minor = 0;

	lex_skip_blanks(lex);
	start = lex->at;
	if (!is_digit(lex_next(lex)) || !number_digits(lex, &major) || lex_next(lex) != '.')
		return lex_fail_found(lex, start, NULL, "expected a kernel version such as 6.13");
	lex->at++;
	if (!is_digit(lex_next(lex)) || !number_digits(lex, &minor) || major < 1 || major > 255 ||
		minor > 255 || lex_word(lex, ".").length)
		return lex_fail_found(lex, start, NULL, "expected a kernel version such as 6.13");
	*version = (uint16_t)LINUX(major, minor);
	return true;
}

static bool add_byte(struct lex *lex, struct prog *prog, struct value *value, uint8_t byte)
{
	if (prog_add_bytes(prog, &byte, 1) == UINT32_MAX)
		return lex_fail(
			lex, lex->at, "the program has more than %u bytes of data", PROG_BYTES_MAX);
	value->count++;
	return true;
}

static bool hex_pair(struct lex *lex, uint8_t *byte)
{
	int high = lex->at < lex->end ? lex_hex_digit(lex->at[0]) : -1;
	int low = lex->end - lex->at > 1 ? lex_hex_digit(lex->at[1]) : -1;

	if (high < 0 || low < 0)
		return lex_fail_found(lex, lex->at, NULL, "expected two hex digits");
	*byte = (uint8_t)(high << 4 | low);
	lex->at += 2;
	return true;
}

static bool escape(struct lex *lex, uint8_t *byte)
{
	static const char letters[] = "ntr0\\\"";
	static const char meanings[] = "\n\t\r\0\\\"";
	const char *letter;

	lex->at++;
	if (lex_next(lex) == 'x') {
		lex->at++;
		return hex_pair(lex, byte);
	}
	letter = lex->at < lex->end ? memchr(letters, *lex->at, sizeof(letters) - 1) : NULL;
	if (!letter)
		return lex_fail_found(
			lex, lex->at, NULL, "expected one of n t r 0 \\ \" or xHH after '\\'");
	*byte = (uint8_t)meanings[letter - letters];
	lex->at++;
	return true;
}

static bool quoted_text(struct lex *lex, struct prog *prog, struct value *value)
{
	const char *start = lex->at++;

	while (lex->at < lex->end && *lex->at != '"') {
		uint8_t byte = (uint8_t)*lex->at;

		if (byte == '\\') {
			if (!escape(lex, &byte))
				return false;
		} else {
			lex->at++;
		}
		if (!add_byte(lex, prog, value, byte))
			return false;
	}
	if (lex->at >= lex->end)
		return lex_fail(lex, start, "expected a closing '\"', found the end of the line");
	lex->at++;
	return true;
}

static bool hex_text(struct lex *lex, struct prog *prog, struct value *value, bool quoted)
{
	while (lex->at < lex->end && (quoted ? *lex->at != '"' : lex_hex_digit(*lex->at) >= 0)) {
		uint8_t byte = 0;

		if (!hex_pair(lex, &byte) || !add_byte(lex, prog, value, byte))
			return false;
	}
	if (!quoted)
		return !lex_word(lex, "").length ||
		       lex_fail_found(lex, lex->at, NULL, "expected two hex digits");
	if (lex->at >= lex->end)
		return lex_fail(lex, lex->at, "expected a closing '\"', found the end of the line");
	lex->at++;
	return true;
}

bool lex_bytes(struct lex *lex, struct prog *prog, bool plain, struct value *value)
{
	*value = (struct value){.kind = VALUE_BYTES, .start = prog->byte_count};
	if (lex_next(lex) == '"')
		return quoted_text(lex, prog, value);
	if (lex_next(lex) == 'x' && lex->end - lex->at > 1 && lex->at[1] == '"') {
		lex->at += 2;
		return hex_text(lex, prog, value, true);
	}
	if (plain && lex_hex_digit(lex_next(lex)) >= 0)
		return hex_text(lex, prog, value, false);
	return lex_fail_found(lex, lex->at, NULL, "expected bytes such as \"text\" or x\"00ff\"");
}
