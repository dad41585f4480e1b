/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's three forms agree: parse(print(p)) == p, decode(encode(p)) == p, also for random
 * bytes and damaged programs. test_prog [--programs N] [--seed N] [--break] [--bench]; --break
 * alters each encoded program and must fail.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bad_texts.h"
#include "fuzz/prog/binary.h"
#include "fuzz/prog/text.h"
#include "random_prog.h"

static unsigned tests, failures;

struct settings {
	uint64_t seed;
	uint32_t programs;
	bool break_encoding;
};

static void result(bool passed, const char *name)
{
	failures += !passed;
	printf("%s %u - %s\n", passed ? "ok" : "not ok", ++tests, name);
}

static void show(const struct prog *prog)
{
	struct prog_text text;
	char *string;

	prog_text_init(&text);
	string = prog_text_from(&text, prog) ? prog_print_string(&text) : NULL;
	for (const char *line = string; line && *line;) {
		size_t length = strcspn(line, "\n");

		printf("#   %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	free(string);
	prog_text_free(&text);
}

static bool complain(const char *what, uint32_t number, const struct prog *prog)
{
	printf("# program %" PRIu32 ": %s\n", number, what);
	if (prog)
		show(prog);
	return false;
}

static bool expectations_equal(const struct prog_text *a, const struct prog_text *b)
{
	for (uint32_t i = 0; i < a->prog.call_count; i++) {
		const struct expectation *x = &a->expectations[i], *y = &b->expectations[i];

		if (x->alternative_count != y->alternative_count ||
			x->field_count != y->field_count ||
			memcmp(x->alternatives, y->alternatives, sizeof(x->alternatives)))
			return false;
		for (unsigned j = 0; j < x->field_count; j++)
			if (x->fields[j].field != y->fields[j].field ||
				x->fields[j].value.number != y->fields[j].value.number)
				return false;
	}
	return true;
}

/* parse(print(text)) is the same program, and printing it again gives the same text. */
static bool text_survives(const struct prog_text *text, uint32_t number)
{
	struct prog_text again;
	struct parse_error error;
	char *first = prog_print_string(text), *second = NULL;
	bool same = false;

	prog_text_init(&again);
	if (!prog_parse(&again, first, strlen(first), &error)) {
		printf("# %" PRIu32 ":%" PRIu32 ": %s\n", error.line, error.column, error.message);
		complain("its text does not parse", number, &text->prog);
	} else if (!prog_equal(&text->prog, &again.prog)) {
		complain("parse(print(p)) != p", number, &text->prog);
	} else if (text->room && !expectations_equal(text, &again)) {
		complain("expectations changed", number, &text->prog);
	} else {
		second = prog_print_string(&again);
		same = !strcmp(first, second);
		if (!same)
			printf("# --- first:\n%s# --- second:\n%s", first, second);
	}
	free(first);
	free(second);
	prog_text_free(&again);
	return same;
}

static bool prints_and_parses(struct random *random, const struct prog *prog, uint32_t number)
{
	struct prog_text text;
	bool same;

	prog_text_init(&text);
	if (random_one_in(random, 2)) {
		prog_text_from(&text, prog);
	} else {
		prog_copy(&text.prog, prog);
	}
	if (random_one_in(random, 2))
		random_text(random, &text);
	same = text_survives(&text, number);
	prog_text_free(&text);
	return same;
}

static uint8_t encoded[1 << 20];

static bool encodes_and_decodes(struct random *random, const struct prog *prog, struct prog *again,
	bool break_encoding, uint32_t number)
{
	size_t size = prog_encode(prog, encoded, sizeof(encoded));

	if (size > sizeof(encoded))
		return complain("larger than the test's buffer", number, NULL);
	if (prog_encode(prog, NULL, 0) != size)
		return complain("the size depends on the room", number, prog);
	/* Values in the middle, since the version byte may be anything. */
	if (break_encoding && size > 2)
		encoded[2 + random_below(random, (uint32_t)size - 2)] ^= 1;
	prog_decode(again, encoded, size);
	return prog_equal(prog, again) || complain("decode(encode(p)) != p", number, prog);
}

static bool alteration_is_seen(
	struct random *random, const struct prog *prog, struct prog *again, uint32_t number)
{
	if (!prog_copy(again, prog) || !prog_equal(prog, again))
		return complain("a copy is not equal", number, prog);
	return !random_alter(random, again) || !prog_equal(prog, again) ||
	       complain("prog_equal does not see an alteration", number, prog);
}

static void test_random_programs(const struct settings *settings)
{
	struct random random = {settings->seed};
	struct prog prog, again;
	bool in_language = true, text = true, binary = true, equality = true;

	prog_init(&prog);
	prog_init(&again);
	for (uint32_t i = 0; i < settings->programs && in_language && text && binary && equality;
		i++) {
		random_prog(&random, &prog);
		if (prog_repair(&prog))
			in_language = complain("prog_repair corrects it", i, &prog);
		text = prints_and_parses(&random, &prog, i);
		binary = encodes_and_decodes(&random, &prog, &again, settings->break_encoding, i);
		equality = alteration_is_seen(&random, &prog, &again, i);
	}
	result(in_language, "random programs are in the language");
	result(text, "parse(print(p)) == p, and printing is stable");
	result(binary, "decode(encode(p)) == p");
	result(equality, "a copy is equal, an altered copy is not");
	prog_free(&prog);
	prog_free(&again);
}

/* Random bytes, and programs' bytes with some of them changed. */
static void test_random_bytes(const struct settings *settings)
{
	struct random random = {settings->seed + 1};
	struct prog prog, again;
	uint8_t bytes[4096];
	bool passed = true;

	prog_init(&prog);
	prog_init(&again);
	for (uint32_t i = 0; i < settings->programs && passed; i++) {
		size_t size = random_below(&random, random_one_in(&random, 20) ? 4096 : 200);

		for (size_t j = 0; j < size; j++)
			bytes[j] = (uint8_t)random_next(&random);
		/* Version and options first, so that half of the inputs are mostly calls. */
		if (size > 1 && random_one_in(&random, 2))
			bytes[1] = 0;
		if (random_one_in(&random, 2)) {
			random_prog(&random, &prog);
			size = prog_encode(&prog, bytes, sizeof(bytes));
			size = size < sizeof(bytes) ? size : sizeof(bytes);
			for (unsigned j = 0; j < 3 && size; j++)
				bytes[random_below(&random, (uint32_t)size)] =
					(uint8_t)random_next(&random);
		}
		prog_decode(&prog, bytes, size);
		if (prog_repair(&prog))
			passed = complain("decoded bytes are not in the language", i, &prog);
		passed = passed && encodes_and_decodes(&random, &prog, &again, false, i);
		passed = passed && (i % 8 || prints_and_parses(&random, &prog, i));
	}
	result(passed, "random bytes decode to programs that survive every form");
	prog_free(&prog);
	prog_free(&again);
}

/* A flipped bit may mean the same (another form of a value), but most must be seen. */
static void test_flipped_bytes(const struct settings *settings)
{
	struct random random = {settings->seed + 4};
	struct prog prog, again;
	uint32_t seen = 0, count = 2000;

	prog_init(&prog);
	prog_init(&again);
	for (uint32_t i = 0; i < count; i++) {
		size_t size;

		random_prog(&random, &prog);
		size = prog_encode(&prog, encoded, sizeof(encoded));
		if (size > sizeof(encoded))
			continue;
		encoded[1 + random_below(&random, (uint32_t)size - 1)] ^= 1;
		prog_decode(&again, encoded, size);
		seen += !prog_equal(&prog, &again);
	}
	printf("# %" PRIu32 " of %" PRIu32 " flipped bits are seen\n", seen, count);
	result(seen > count / 2, "negative control: a flipped bit is another program");
	prog_free(&prog);
	prog_free(&again);
}

static void test_repair(const struct settings *settings)
{
	struct random random = {settings->seed + 2};
	struct prog prog, again;
	uint8_t drop[PROG_CALL_MAX];
	bool repaired = true, removed = true;

	prog_init(&prog);
	prog_init(&again);
	for (uint32_t i = 0; i < settings->programs / 4 && repaired && removed; i++) {
		uint32_t before, dropped = 0;

		random_prog(&random, &prog);
		random_damage(&random, &prog);
		prog_repair(&prog);
		if (prog_repair(&prog))
			repaired = complain("a second repair finds something", i, &prog);
		repaired = repaired && encodes_and_decodes(&random, &prog, &again, false, i) &&
			   prints_and_parses(&random, &prog, i);
		before = prog.call_count;
		for (uint32_t j = 0; j < before; j++) {
			drop[j] = random_one_in(&random, 4);
			dropped += drop[j];
		}
		prog_remove_calls(&prog, drop);
		if (prog.call_count + dropped > before || prog_repair(&prog))
			removed = complain("not in the language after prog_remove_calls", i, &prog);
	}
	result(repaired, "damaged programs are in the language after prog_repair");
	result(removed, "prog_remove_calls leaves programs of the language");
	prog_free(&prog);
	prog_free(&again);
}

static bool has_threads(const struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		if (call->thread || call->row == CALL_ID_barrier || call->row == CALL_ID_join ||
			call->row == CALL_ID_wait)
			return true;
	}
	return prog->switch_count || prog->schedule_count;
}

static void test_strip_threads(const struct settings *settings)
{
	struct random random = {settings->seed + 4};
	uint32_t threaded = 0;
	bool passed = true;
	struct prog prog;

	prog_init(&prog);
	for (uint32_t i = 0; i < settings->programs / 8 && passed; i++) {
		random_prog(&random, &prog);
		threaded += has_threads(&prog);
		prog_strip_threads(&prog);
		if (has_threads(&prog) || prog_repair(&prog))
			passed = complain("threads left, or not in the language", i, &prog);
	}
	result(passed && threaded, "prog_strip_threads leaves one thread and the language");
	prog_free(&prog);
}

/* The n-th top-level call of a thread, UINT32_MAX if there is none. */
static uint32_t call_of(const struct prog *prog, unsigned thread, unsigned n)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].thread == thread && !prog->calls[i].body && !n--)
			return i;
	return UINT32_MAX;
}

/* The switches of `after` name the same calls as those of `before`, as far as they are left. */
static bool same_places(const struct prog *before, const struct prog *after)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < after->switch_count; i++) {
		const struct schedule_switch *next = &after->switches[i];
		uint32_t named = call_of(after, next->thread, next->call);

		while (at < before->switch_count &&
			(before->switches[at].occurrence != next->occurrence ||
				before->switches[at].point != next->point ||
				call_of(before, before->switches[at].thread,
					before->switches[at].call) != named))
			at++;
		if (at++ == before->switch_count)
			return false;
	}
	return true;
}

/* Switches away from calls that are there, told apart by their occurrence. */
static void name_calls(struct random *random, struct prog *prog)
{
	prog->switch_count = 0;
	prog->schedule_count = 0;
	for (uint16_t i = 1; i <= 4; i++) {
		uint32_t index = prog->call_count ? random_below(random, prog->call_count) : 0;
		struct schedule_switch *next;
		uint16_t call = 0;

		if (!prog->call_count || prog->calls[index].body)
			continue;
		while (call_of(prog, prog->calls[index].thread, call) != index)
			call++;
		next = prog_add_switch(prog);
		next->thread = prog->calls[index].thread;
		next->to = (uint8_t)((next->thread + 1 + random_below(random, PROG_THREAD_MAX)) %
				     (PROG_THREAD_MAX + 1));
		next->call = call;
		next->occurrence = i;
	}
}

static void test_move_threads(const struct settings *settings)
{
	struct random random = {settings->seed + 5};
	struct prog prog, before;
	uint32_t moved = 0, seen = 0;
	bool places = true, merged = true;

	prog_init(&prog);
	prog_init(&before);
	for (uint32_t i = 0; i < settings->programs / 8 && places && merged; i++) {
		uint8_t from = (uint8_t)random_below(&random, PROG_THREAD_MAX + 1);
		uint8_t to = (uint8_t)((from + 1 + random_below(&random, PROG_THREAD_MAX)) %
				       (PROG_THREAD_MAX + 1));
		uint32_t index;

		random_prog(&random, &prog);
		name_calls(&random, &prog);
		index = call_of(&prog, from, random_below(&random, 2));
		if (index != UINT32_MAX && prog_copy(&before, &prog)) {
			moved += prog.switch_count != 0;
			prog_move_call(&prog, index, to);
			if (!same_places(&before, &prog) || prog_repair(&prog) ||
				prog.calls[index].thread != to)
				places = complain("after prog_move_call", i, &before);
			/* Negative control: without renumbering, switches name other calls. */
			before.calls[index].thread = to;
			seen += !same_places(&before, &prog) && prog.switch_count;
		}
		prog_merge_threads(&prog, from, to);
		if (call_of(&prog, from, 0) != UINT32_MAX || prog_repair(&prog))
			merged = complain("after prog_merge_threads", i, &prog);
	}
	printf("# %" PRIu32 " calls moved below switches, %" PRIu32 " would have been misnamed\n",
		moved, seen);
	result(places && moved, "switches name the same calls after prog_move_call");
	result(merged, "prog_merge_threads empties a thread and stays in the language");
	result(seen, "negative control: without new numbers switches name other calls");
	prog_free(&prog);
	prog_free(&before);
}

/* A call outside bodies, and without one, UINT32_MAX if none was found. */
static uint32_t single_call(struct random *random, const struct prog *prog)
{
	uint32_t index = prog->call_count ? random_below(random, prog->call_count) : 0;

	return prog->call_count && !prog->calls[index].body &&
			       !prog_has_body(prog->calls[index].row)
		       ? index
		       : UINT32_MAX;
}

static void test_place_call(const struct settings *settings)
{
	struct random random = {settings->seed + 6};
	uint32_t placed = 0, changed = 0;
	struct prog prog, before;
	bool passed = true;

	prog_init(&prog);
	prog_init(&before);
	for (uint32_t i = 0; i < settings->programs / 8 && passed; i++) {
		uint32_t from, to;

		random_prog(&random, &prog);
		name_calls(&random, &prog);
		from = single_call(&random, &prog);
		to = single_call(&random, &prog);
		if (from == UINT32_MAX || to == UINT32_MAX || from == to ||
			!prog_copy(&before, &prog))
			continue;
		placed++;
		prog_place_call(&prog, from, to);
		changed += !prog_equal(&prog, &before);
		prog_place_call(&prog, to, from);
		if (!prog_equal(&prog, &before))
			passed = complain("prog_place_call there and back", i, &before);
		prog_place_call(&prog, from, to);
		prog_repair(&prog);
		passed = passed && encodes_and_decodes(&random, &prog, &before, false, i);
	}
	result(passed && changed > placed / 2, "prog_place_call moves a call, there and back");
	prog_free(&prog);
	prog_free(&before);
}

/* Seeds from before there were schedule bytes decode as they did: only version 2 has them. */
static void test_versions(void)
{
	struct parse_error error;
	struct prog_text text;
	struct prog prog;
	uint8_t bytes[64];
	size_t size;
	bool passed;

	prog_text_init(&text);
	prog_init(&prog);
	passed = prog_parse(&text, "thread A: join\nthread B: join\n", 29, &error);
	size = prog_encode(&text.prog, bytes, sizeof(bytes));
	passed = passed && bytes[0] == 1;
	for (unsigned version = 0; version < 256; version++) {
		bytes[0] = (uint8_t)version;
		prog_decode(&prog, bytes, size);
		passed = passed && prog_equal(&prog, &text.prog) == (version != 2);
	}
	text.prog.schedule_count = 3;
	size = prog_encode(&text.prog, bytes, sizeof(bytes));
	passed = passed && bytes[0] == 2;
	prog_decode(&prog, bytes, size);
	passed = passed && prog.schedule_count == 3 && prog_equal(&prog, &text.prog);
	result(passed, "bytes of the first version mean what they meant");
	prog_free(&prog);
	prog_text_free(&text);
}

/* Texts with damage must parse or fail with a place, and what parses survives. */
static void test_damaged_texts(const struct settings *settings)
{
	static const char replacements[] = "#:={}[]\"|,;-> \n\\x0PK@.+*_a\x80";
	struct random random = {settings->seed + 3};
	struct prog prog;
	uint32_t parsed = 0, count = settings->programs / 4;
	bool passed = true;

	prog_init(&prog);
	for (uint32_t i = 0; i < count && passed; i++) {
		struct prog_text text;
		struct parse_error error;
		char *string;
		size_t length;

		random_prog(&random, &prog);
		prog_text_init(&text);
		prog_text_from(&text, &prog);
		random_text(&random, &text);
		string = prog_print_string(&text);
		length = strlen(string);
		for (unsigned j = 0; j < 2 && length; j++)
			string[random_below(&random, (uint32_t)length)] =
				replacements[random_below(&random, sizeof(replacements) - 1)];
		if (prog_parse(&text, string, length, &error)) {
			parsed++;
			passed = !prog_repair(&text.prog) && text_survives(&text, i);
		} else if (!error.line || !error.column || !*error.message ||
			   text.prog.call_count) {
			passed = complain(
				"an error without a place, or a text that is not empty", i, NULL);
		}
		free(string);
		prog_text_free(&text);
	}
	printf("# %" PRIu32 " of %" PRIu32 " damaged texts parse\n", parsed, count);
	result(passed, "damaged texts fail with a place or are programs");
	prog_free(&prog);
}

static void test_bad_texts(void)
{
	bool passed = true;

	for (size_t i = 0; i < bad_text_count; i++) {
		const struct bad_text *bad = &bad_texts[i];
		size_t length = bad->length ? bad->length : strlen(bad->text);
		struct parse_error error;
		struct prog_text text;

		prog_text_init(&text);
		if (prog_parse(&text, bad->text, length, &error)) {
			printf("# text %zu parses: %s\n", i, bad->text);
			passed = false;
		} else if (error.line != bad->line || error.column != bad->column ||
			   !strstr(error.message, bad->message)) {
			printf("# text %zu: expected %" PRIu32 ":%" PRIu32
			       ": ...%s...\n#   got %" PRIu32 ":%" PRIu32 ": %s\n",
				i, bad->line, bad->column, bad->message, error.line, error.column,
				error.message);
			passed = false;
		}
		prog_text_free(&text);
	}
	result(passed, "wrong texts are refused with line, column and what was expected");
}

static bool parses_as(const char *source, const char *printed)
{
	struct prog_text text;
	struct parse_error error;
	char *string = NULL;
	bool same = false;

	prog_text_init(&text);
	if (prog_parse(&text, source, strlen(source), &error)) {
		string = prog_print_string(&text);
		same = !strcmp(string, printed);
		if (!same)
			printf("# expected:\n%s# got:\n%s", printed, string);
	} else {
		printf("# %" PRIu32 ":%" PRIu32 ": %s\n", error.line, error.column, error.message);
	}
	free(string);
	prog_text_free(&text);
	return same;
}

static void test_canonical_texts(void)
{
	static const struct {
		const char *source, *printed;
	} texts[] = {
		{"", ""},
		{"\n\n", ""},
		{"join", "join\n"},
		{"\xef\xbb\xbfjoin", "join\n"},
		{"join\r\n\r\njoin\r\n", "join\n\njoin\n"},
		{"# a\n# b\njoin", "# a\n# b\njoin\n"},
		{"\n# a\njoin # b", "\n# a\n# b\njoin\n"},
		{"#a\n#: id x req T5\n#b\njoin\n#end\n",
			"# a\n#: id x  req T5\n# b\njoin\n# end\n"},
		{"fd=open /dev/iommu", "fd = open /dev/iommu\n"},
		{"open path=0", "open /dev/iommu\n"},
		{"munmap  mem+1P-1   length=2P+0x10 ", "munmap mem+4095 length=0x2010\n"},
		{"fill mem+0x1000000 length=0x1001000", "fill mem+16M length=16M+1P\n"},
		{"fill mem-0x1001000 length=0x1014000", "fill mem-0x1001000 length=4116P\n"},
		{"fill mem+4090 length=2048", "fill mem+4090 length=2K\n"},
		{"access_unpin NULL iova=0x7fffffff length=0x7ffff000",
			"access_unpin 0 iova=2G-1 length=2G-1P\n"},
		{"access_unpin NULL iova=-2 length=0xfffffffffffff000",
			"access_unpin 0 iova=U64_MAX-1 length=-1P\n"},
		{"access_unpin NULL iova=65544 length=0xffffffffff",
			"access_unpin 0 iova=0x10008 length=0xffffffffff\n"},
		{"memfd HUGETLB size=1G", "memfd size=1G flags=HUGETLB\n"},
		{"memfd hugetlb size=1536", "memfd size=1536 flags=HUGETLB\n"},
		{"mmap NULL fd=-1 length=U64_MAX prot=READ|0x10 offset=-4096",
			"mmap NULL length=U64_MAX prot=READ|0x10 fd=-1 offset=-1P\n"},
		{"P2:thread  A : fail-nth *:repeat 1:join->ok",
			"thread A: P2: fail-nth *: join -> ok\n"},
		{"join -> 0 since 6.13, EINVAL|EBUSY since 6.6 , EOPNOTSUPP before",
			"join -> 0 since 6.13, EINVAL | EBUSY since 6.6, EOPNOTSUPP before\n"},
		{"join -> 0 before 6.13", "join -> 0 before 6.13\n"},
		{"put mem \"a\\\"\\\\\\x00\\n\"", "put mem+0 \"a\\\"\\\\\\x00\\n\"\n"},
		{"put mem \"\"", "put mem+0 \"\"\n"},
		{"fd = open /dev/iommu\nacc = access_create fd needs_pin no_unmap",
			"fd = open /dev/iommu\nacc = access_create fd flags=NEEDS_PIN|NO_UNMAP\n"},
		{"fd = open /dev/iommu\nacc = access_create fd\non unmap "
		 "acc:{unpin-all;access_detach acc->0}->0",
			"fd = open /dev/iommu\nacc = access_create fd\n"
			"on unmap acc: { unpin-all; access_detach acc -> 0 } -> 0\n"},
		{"fd = open /dev/iommu\n_, h, _ = IOMMU_TEST_OP_MOCK_DOMAIN fd\nclose h+0",
			"fd = open /dev/iommu\n_, h = IOMMU_TEST_OP_MOCK_DOMAIN fd\nclose h\n"},
		{"process P2: uid=1000 caps=0", "process P2 uid=1000 caps=0\n"},
		{"#:schedule-bytes: 0xFF0a\nthread A: wait B",
			"#: schedule-bytes 0xff0a\nthread A: wait B\n"},
		{"#: schedule: main.0@start->B,A.1@block#2 -> main, B.0@end->A\njoin",
			"#: schedule: main.0@start#1 -> B, A.1@block#2 -> main, "
			"B.0@end#1 -> A\njoin\n"},
	};
	bool passed = true;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		passed = parses_as(texts[i].source, texts[i].printed) && passed;
	result(passed, "texts are brought into canonical form");
}

/* Text that repeats `line` until it is longer than `length`. */
static char *repeat_text(const char *line, size_t length)
{
	size_t step = strlen(line), used = 0;
	char *text = malloc(length + step + 1);

	while (used <= length) {
		memcpy(text + used, line, step + 1);
		used += step;
	}
	return text;
}

static bool fails_with(char *source, const char *message)
{
	struct prog_text text;
	struct parse_error error;
	bool right;

	prog_text_init(&text);
	right = !prog_parse(&text, source, strlen(source), &error) &&
		strstr(error.message, message);
	if (!right)
		printf("# expected '%s', got '%s'\n", message, error.message);
	prog_text_free(&text);
	free(source);
	return right;
}

static char *too_many_bytes(void)
{
	char *text = repeat_text("00", 2u * PROG_SCHEDULE_MAX);
	char *line = malloc(strlen(text) + 64);

	sprintf(line, "#: schedule-bytes 0x%s\nthread A: join\n", text);
	free(text);
	return line;
}

static void test_limits(void)
{
	bool passed = true;

	passed &= fails_with(repeat_text("join\n", 5u * PROG_CALL_MAX), "at most 4096 calls");
	passed &= fails_with(repeat_text("a", 1 << 20), "expected a call, found 'aaa");
	passed &= fails_with(repeat_text("join ", 1 << 20), "expected a field");
	passed &= fails_with(repeat_text("IOMMU_IOAS_ALLOW_IOVAS allowed_iovas=[{} {}", 1 << 20),
		"expected '{' or ']'");
	passed &= fails_with(repeat_text("on unmap:{", 1 << 20), "bodies do not nest");
	passed &= fails_with(repeat_text("[", 1 << 20), "expected a call, found '['");
	passed &= fails_with(
		repeat_text("join -> {", 1 << 20), "expected a number, 'ok' or an errno");
	passed &= fails_with(repeat_text("#: schedule: A.1@lock -> B\n", 27u * PROG_SWITCH_MAX),
		"at most 4096 switches");
	passed &= fails_with(too_many_bytes(), "at most 64 schedule bytes");
	passed &= fails_with(
		repeat_text("put mem \"0123456789012345678901234567890123456789"
			    "012345678901234567890123456789012345678901234567890123456789"
			    "012345678901234567890123456789012345678901234567890123456789"
			    "012345678901234567890123456789012345678901234567890123456789"
			    "012345678901234567890123456789012345678901234567890123456789\"\n",
			5 << 18),
		"bytes of data");
	result(passed, "limits give clear errors");
}

static const char standard_program[] =
	"fd = open /dev/iommu\n"
	"as = IOMMU_IOAS_ALLOC fd\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+0 length=2P "
	"iova=16M\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+8P length=1P "
	"iova=16M+2P\n"
	"iova = IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem+1M length=64K\n"
	"iova2 = IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE|WRITEABLE user_va=mem+2M length=2M\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=2P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M+2P length=1P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=iova length=64K\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=iova2 length=2M\n"
	"close fd\n";

static size_t encode_standard(uint8_t *bytes, size_t room)
{
	struct prog_text text;
	struct parse_error error;
	size_t size = 0;

	prog_text_init(&text);
	if (prog_parse(&text, standard_program, sizeof(standard_program) - 1, &error))
		size = prog_encode(&text.prog, bytes, room);
	prog_text_free(&text);
	return size;
}

static void test_size(void)
{
	uint8_t bytes[512];
	size_t size = encode_standard(bytes, sizeof(bytes));

	printf("# the standard program takes %zu bytes\n", size);
	result(size && size < 120, "the standard program takes less than 120 bytes");
}

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void bench(void)
{
	uint8_t bytes[512];
	size_t size = encode_standard(bytes, sizeof(bytes));
	const uint32_t rounds = 2000000;
	struct prog prog;
	uint64_t start, decode, encode;

	prog_init(&prog);
	start = nanoseconds();
	for (uint32_t i = 0; i < rounds; i++)
		prog_decode(&prog, bytes, size);
	decode = nanoseconds() - start;
	start = nanoseconds();
	for (uint32_t i = 0; i < rounds; i++)
		size = prog_encode(&prog, bytes, sizeof(bytes));
	encode = nanoseconds() - start;
	printf("# %zu bytes, %" PRIu32 " calls: decode %.1f ns, encode %.1f ns\n", size,
		prog.call_count, (double)decode / rounds, (double)encode / rounds);
	prog_free(&prog);
}

int main(int argc, char **argv)
{
	struct settings settings = {.seed = 1, .programs = 100000};

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--bench")) {
			bench();
			return 0;
		} else if (!strcmp(argv[i], "--break")) {
			settings.break_encoding = true;
		} else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
			settings.seed = strtoull(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--programs") && i + 1 < argc) {
			settings.programs = (uint32_t)strtoul(argv[++i], NULL, 0);
		} else {
			fprintf(stderr, "usage: %s [--programs N] [--seed N] [--break] [--bench]\n",
				argv[0]);
			return 2;
		}
	}
	printf("TAP version 13\n# seed %" PRIu64 ", %" PRIu32 " programs\n", settings.seed,
		settings.programs);
	test_bad_texts();
	test_canonical_texts();
	test_limits();
	test_size();
	test_random_programs(&settings);
	test_random_bytes(&settings);
	test_flipped_bytes(&settings);
	test_repair(&settings);
	test_strip_threads(&settings);
	test_move_threads(&settings);
	test_place_call(&settings);
	test_versions();
	test_damaged_texts(&settings);
	printf("1..%u\n", tests);
	return failures != 0;
}
