/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines: "#: id NAME  req 3.6/5", "#: sim kernel=6.12", "#: schedule: A.2@lock(iova_rwsem)#1
 * -> B". */
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/parse_private.h"

#define WORD_CHARACTERS "-./+:@<>=~"

static bool copy_word(struct parser *parser, struct span word, char **out)
{
	free(*out);
	*out = strndup(word.at, word.length);
	return *out || lex_fail(&parser->lex, word.at, "out of memory");
}

/* The next word of a header line, taken; an error that names `what` if there is none. */
static bool header_word(struct parser *parser, const char *what, struct span *word)
{
	struct lex *lex = &parser->lex;

	lex_skip_blanks(lex);
	*word = lex_word(lex, WORD_CHARACTERS);
	if (!word->length)
		return lex_fail_found(lex, lex->at, NULL, "expected %s", what);
	lex->at += word->length;
	return true;
}

static bool name_key(struct parser *parser, const char *key, char **out)
{
	struct span word;

	if (*out)
		return lex_fail(&parser->lex, parser->lex.at, "%s is given twice", key);
	return header_word(parser, "a name", &word) && copy_word(parser, word, out);
}

static bool requirement(struct parser *parser)
{
	struct prog_header *header = &parser->text->header;
	struct span word;
	char **memory;

	if (!header_word(parser, "a requirement such as 3.6/5", &word))
		return false;
	memory = realloc(header->requirements, (header->requirement_count + 1) * sizeof(*memory));
	if (!memory)
		return lex_fail(&parser->lex, word.at, "out of memory");
	header->requirements = memory;
	memory[header->requirement_count] = NULL;
	header->requirement_count++;
	return copy_word(parser, word, &memory[header->requirement_count - 1]);
}

static bool needs(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	bool first = true;

	for (;; first = false) {
		struct span word;
		int need;

		lex_skip_blanks(lex);
		word = lex_word(lex, "-");
		need = names_find(NAMES_NEEDS, word.at, word.length);
		if (need < 0 && first) {
			struct near_miss miss;

			near_miss_init(&miss, word.at, word.length);
			near_miss_list(&miss, NAMES_NEEDS);
			return lex_fail_found(
				lex, word.at, &miss, "expected what the target must have");
		}
		if (need < 0)
			return true;
		parser->text->header.needs |= names_needs_bit((unsigned)need);
		lex->at += word.length;
		lex_take(lex, ',');
	}
}

static bool rest_of_line(struct parser *parser, char **out)
{
	struct lex *lex = &parser->lex;
	struct span rest;

	lex_skip_blanks(lex);
	rest = (struct span){lex->at, (size_t)(lex->end - lex->at)};
	while (rest.length && (rest.at[rest.length - 1] == ' ' || rest.at[rest.length - 1] == '\t'))
		rest.length--;
	if (!rest.length)
		return lex_fail_found(lex, lex->at, NULL, "expected KERNELS and a reason");
	if (*out)
		return lex_fail(lex, lex->at, "known-fail is given twice");
	lex->at = lex->end;
	return copy_word(parser, rest, out);
}

static bool option_bytes(struct parser *parser, uint64_t *bytes)
{
	struct lex *lex = &parser->lex;

	return lex_number(lex, bytes);
}

static bool option_pages(struct parser *parser)
{
	const char *start = parser->lex.at;
	uint64_t bytes;

	if (!option_bytes(parser, &bytes))
		return false;
	if (!bytes || bytes % 4096 || bytes / 4096 > PROG_PAGES_MAX)
		return lex_fail_found(&parser->lex, start, NULL,
			"expected the bytes of mem, whole pages up to 4G");
	parser->text->prog.options.pages = (uint32_t)(bytes / 4096);
	return true;
}

static bool option_bug(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "-");
	int bug = names_find(NAMES_BUG, word.at, word.length);
	struct near_miss miss;
	uint64_t number;

	if (bug >= 0) {
		parser->text->prog.options.bug = (uint16_t)(bug + 1);
		lex->at += word.length;
		return true;
	}
	if (word.length && word.at[0] >= '0' && word.at[0] <= '9') {
		if (!lex_count(lex, "a defect", 1, UINT16_MAX, &number))
			return false;
		parser->text->prog.options.bug = (uint16_t)number;
		return true;
	}
	near_miss_init(&miss, word.at, word.length);
	near_miss_list(&miss, NAMES_BUG);
	return lex_fail_found(lex, word.at, &miss, "expected a defect by name or number");
}

/* */
static bool option_compat(struct parser *parser)
{
	struct lex *lex = &parser->lex;

	do {
		uint64_t number;

		if (lex_next(lex) != 'Q' || lex->end - lex->at < 3 || lex->at[1] != '-')
			return lex_fail_found(lex, lex->at, NULL, "expected a quirk, Q-1 to Q-32");
		lex->at += 2;
		if (!lex_count(lex, "the quirk", 1, 32, &number))
			return false;
		parser->text->prog.options.compat |= UINT32_C(1) << (number - 1);
		if (lex_next(lex) != ',')
			return true;
		lex->at++;
	} while (true);
}

static bool option_word(
	struct parser *parser, const char *const *words, unsigned count, unsigned *which)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "-");

	for (*which = 0; *which < count; (*which)++) {
		if (!span_is(word, words[*which]))
			continue;
		lex->at += word.length;
		return true;
	}
	return lex_fail_found(lex, lex->at, NULL, "expected %s%s", words[0],
		count > 1	     ? ", x3 or x4"
		: words[0][0] == '-' ? " (no capabilities)"
				     : "");
}

static bool option_value(struct parser *parser, int key)
{
	static const char *const caps[] = {"-"};
	static const char *const dmabufs[] = {"fd"};
	static const char *const pages[] = {"2M"};
	static const char *const containers[] = {"iommufd"};
	static const char *const devices[] = {"mock"};
	static const char *const generations[] = {"x2", "x3", "x4"};
	static const uint32_t bits[] = {PROG_OPTION_IOASID_X2, PROG_OPTION_IOASID_X3, 0};
	struct prog_options *options = &parser->text->prog.options;
	const char *start = parser->lex.at;
	const char *name = names_word(NAMES_OPTION, (unsigned)key);
	uint64_t number;
	unsigned which;

	if (!strcmp(name, "kernel")) {
		if (!lex_version(&parser->lex, &options->kernel))
			return false;
		if (options->kernel < LINUX(6, 2) || options->kernel > LINUX_NEWEST)
			return lex_fail_found(&parser->lex, start, NULL,
				"expected a kernel from 6.2 to %u.%u", LINUX_NEWEST >> 8,
				LINUX_NEWEST & 0xff);
		return true;
	}
	if (!strcmp(name, "pages"))
		return option_pages(parser);
	if (!strcmp(name, "bug"))
		return option_bug(parser);
	if (!strcmp(name, "compat"))
		return option_compat(parser);
	if (!strcmp(name, "seed")) {
		if (!lex_count(&parser->lex, "a seed", 0, UINT32_MAX, &number))
			return false;
		options->seed = (uint32_t)number;
		return true;
	}
	if (!strcmp(name, "memlock")) {
		options->flags |= PROG_OPTION_MEMLOCK_SET;
		return option_bytes(parser, &options->memlock);
	}
	if (!strcmp(name, "caps")) {
		options->flags |= PROG_OPTION_CAPS_NONE;
		return option_word(parser, caps, 1, &which);
	}
	if (!strcmp(name, "dmabuf")) {
		options->flags |= PROG_OPTION_DMABUF_FD;
		return option_word(parser, dmabufs, 1, &which);
	}
	if (!strcmp(name, "hugetlb")) {
		options->flags |= PROG_OPTION_HUGETLB;
		return option_word(parser, pages, 1, &which);
	}
	if (!strcmp(name, "container")) {
		options->flags |= PROG_OPTION_CONTAINER;
		return option_word(parser, containers, 1, &which);
	}
	if (!strcmp(name, "noiommu")) {
		options->flags |= PROG_OPTION_NOIOMMU;
		return option_word(parser, devices, 1, &which);
	}
	if (!option_word(parser, generations, 3, &which))
		return false;
	options->flags |= bits[which];
	return true;
}

static bool options(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	bool first = true;

	for (;; first = false) {
		struct span word;
		struct near_miss miss;
		int key;

		lex_skip_blanks(lex);
		word = lex_word(lex, "-");
		key = names_find(NAMES_OPTION, word.at, word.length);
		if (!first && (word.at + word.length >= lex->end || word.at[word.length] != '='))
			return true;
		near_miss_init(&miss, word.at, word.length);
		near_miss_list(&miss, NAMES_OPTION);
		if (key < 0)
			return lex_fail_found(lex, word.at, &miss, "expected a machine option");
		lex->at += word.length;
		if (lex_next(lex) != '=')
			return lex_fail_found(lex, lex->at, NULL, "expected '=' behind %.*s",
				(int)word.length, word.at);
		lex->at++;
		if (!option_value(parser, key))
			return false;
		if (lex->at < lex->end && *lex->at != ' ' && *lex->at != '\t')
			return lex_fail_found(
				lex, lex->at, NULL, "expected a blank behind the option");
	}
}

static bool thread_word(struct parser *parser, uint8_t *thread)
{
	struct lex *lex = &parser->lex;
	struct span word;

	lex_skip_blanks(lex);
	word = lex_word(lex, "");
	lex->at += word.length;
	*thread = 0;
	if (span_is(word, "main"))
		return true;
	if (word.length != 1 || word.at[0] < 'A' || word.at[0] >= 'A' + PROG_THREAD_MAX)
		return lex_fail_found(lex, word.at, NULL, "expected a thread, A to %c or main",
			'A' + PROG_THREAD_MAX - 1);
	*thread = (uint8_t)(word.at[0] - 'A' + 1);
	return true;
}

/* "(iova_rwsem)" or "(3)" behind a point. */
static bool lock_class(struct parser *parser, uint32_t *object)
{
	struct lex *lex = &parser->lex;
	struct span word;
	struct near_miss miss;
	uint64_t number;
	int class;

	lex->at++;
	word = lex_word(lex, "-");
	class = names_find(NAMES_LOCK_CLASS, word.at, word.length);
	near_miss_init(&miss, word.at, word.length);
	near_miss_list(&miss, NAMES_LOCK_CLASS);
	if (class >= 0) {
		lex->at += word.length;
		*object = (uint32_t)class + 1;
	} else if (word.length && word.at[0] >= '0' && word.at[0] <= '9') {
		if (!lex_count(lex, "the number of a lock class", 1, PROG_LOCK_CLASSES, &number))
			return false;
		*object = (uint32_t)number;
	} else {
		return lex_fail_found(lex, word.at, &miss, "expected the class of a lock");
	}
	return lex_take(lex, ')') || lex_fail_found(lex, lex->at, NULL, "expected ')'");
}

static bool schedule_point(struct parser *parser, struct schedule_switch *next)
{
	struct lex *lex = &parser->lex;
	struct span word = lex_word(lex, "-");
	int point = names_find(NAMES_SCHEDULE_POINT, word.at, word.length);
	struct near_miss miss;
	uint64_t number;

	near_miss_init(&miss, word.at, word.length);
	near_miss_list(&miss, NAMES_SCHEDULE_POINT);
	if (point < 0)
		return lex_fail_found(lex, word.at, &miss, "expected a scheduling point");
	lex->at += word.length;
	next->point = (uint8_t)point;
	if (lex_next(lex) == '(' && !lock_class(parser, &next->object))
		return false;
	next->occurrence = 1;
	if (lex_next(lex) != '#')
		return true;
	lex->at++;
	if (!lex_count(lex, "which occurrence", 1, UINT16_MAX, &number))
		return false;
	next->occurrence = (uint16_t)number;
	return true;
}

/* A.2@lock(iova_rwsem)#1 -> B */
static bool schedule_switch(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	struct schedule_switch *next = prog_add_switch(&parser->text->prog);
	const char *start;
	uint64_t number;

	lex_skip_blanks(lex);
	start = lex->at;
	if (!next)
		return lex_fail(lex, lex->at, "a program has at most %d switches", PROG_SWITCH_MAX);
	if (!thread_word(parser, &next->thread))
		return false;
	if (lex_next(lex) != '.')
		return lex_fail_found(
			lex, lex->at, NULL, "expected '.' and the number of the call");
	lex->at++;
	if (!lex_count(lex, "the number of the call", 0, PROG_CALL_MAX - 1, &number))
		return false;
	next->call = (uint16_t)number;
	if (lex_next(lex) != '@')
		return lex_fail_found(lex, lex->at, NULL, "expected '@' and the scheduling point");
	lex->at++;
	if (!schedule_point(parser, next))
		return false;
	if (!lex_take_arrow(lex))
		return lex_fail_found(lex, lex->at, NULL, "expected '->' and the thread to run");
	if (!thread_word(parser, &next->to))
		return false;
	if (next->to == next->thread)
		return lex_fail(lex, start, "a switch goes to another thread");
	return true;
}

static bool schedule(struct parser *parser)
{
	do {
		if (!schedule_switch(parser))
			return false;
	} while (lex_take(&parser->lex, ','));
	return true;
}

/* 0x0a1b: as many bytes as pairs of digits. */
static bool schedule_bytes(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	struct prog *prog = &parser->text->prog;
	struct span word;
	const char *digits;

	if (prog->schedule_count)
		return lex_fail(lex, lex->at, "schedule-bytes is given twice");
	if (!header_word(parser, "bytes such as 0x0a1b", &word))
		return false;
	digits = word.at + 2;
	if (word.length < 4 || word.length % 2 || strncmp(word.at, "0x", 2) != 0)
		return lex_fail_found(lex, word.at, NULL, "expected bytes such as 0x0a1b");
	if (word.length / 2 - 1 > PROG_SCHEDULE_MAX)
		return lex_fail(
			lex, word.at, "a program has at most %d schedule bytes", PROG_SCHEDULE_MAX);
	for (; digits < word.at + word.length; digits += 2) {
		int high = lex_hex_digit(digits[0]), low = lex_hex_digit(digits[1]);

		if (high < 0 || low < 0)
			return lex_fail_found(lex, digits, NULL, "expected two hex digits");
		prog->schedule[prog->schedule_count++] = (uint8_t)(high << 4 | low);
	}
	parser->schedule_line = lex->line;
	parser->schedule_at = word.at;
	parser->schedule_line_start = lex->line_start;
	return true;
}

static bool header_key(struct parser *parser)
{
	struct lex *lex = &parser->lex;
	struct prog_header *header = &parser->text->header;
	struct span word = lex_word(lex, "-:");
	struct near_miss miss;

	lex->at += word.length;
	if (span_is(word, "id"))
		return name_key(parser, "id", &header->id);
	if (span_is(word, "twin"))
		return name_key(parser, "twin", &header->twin);
	if (span_is(word, "req"))
		return requirement(parser);
	if (span_is(word, "since"))
		return lex_version(lex, &header->since);
	if (span_is(word, "until"))
		return lex_version(lex, &header->until);
	if (span_is(word, "needs"))
		return needs(parser);
	if (span_is(word, "sim"))
		return options(parser);
	if (span_is(word, "known-fail"))
		return rest_of_line(parser, &header->known_fail);
	if (span_is(word, "schedule:") || span_is(word, "schedule"))
		return schedule(parser);
	if (span_is(word, "schedule-bytes") || span_is(word, "schedule-bytes:"))
		return schedule_bytes(parser);
	near_miss_init(&miss, word.at, word.length);
	near_miss_list(&miss, NAMES_HEADER);
	return lex_fail_found(lex, word.at, &miss, "expected a key of the header");
}

bool parse_check_schedule(struct parser *parser)
{
	const struct prog *prog = &parser->text->prog;
	const char *reason = prog->switch_count ? "schedule-bytes and schedule exclude each other"
						: "schedule-bytes need a call in a thread";

	if (!prog->schedule_count || (!prog->switch_count && prog_has_threads(prog)))
		return true;
	lex_set_line(&parser->lex, parser->schedule_line_start, parser->schedule_line);
	return lex_fail(&parser->lex, parser->schedule_at, "%s", reason);
}

bool parse_header_line(struct parser *parser)
{
	while (lex_peek(&parser->lex))
		if (!header_key(parser))
			return false;
	return true;
}
