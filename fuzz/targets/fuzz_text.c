/* SPDX-License-Identifier: Apache-2.0 */
/* The parser, and the totality of the binary form: text in, round trips out; any bytes decode to a
 * program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/binary.h"
#include "fuzz/prog/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_text: %s\n", what);
	abort();
}

static void check_binary(const struct prog *prog)
{
	size_t size = prog_encode(prog, NULL, 0);
	uint8_t *bytes = malloc(size + 1);
	struct prog again;

	if (!bytes)
		return;
	must(prog_encode(prog, bytes, size) == size,
		"prog_encode returns two sizes for one program");
	prog_init(&again);
	prog_decode(&again, bytes, size);
	must(prog_equal(prog, &again), "decode(encode(p)) differs from p");
	prog_free(&again);
	free(bytes);
}

static void check_text(const struct prog_text *text)
{
	char *once = prog_print_string(text), *twice;
	struct prog_text again;
	struct parse_error error;

	if (!once)
		return;
	prog_text_init(&again);
	must(prog_parse(&again, once, strlen(once), &error), "what was printed does not parse");
	must(prog_equal(&text->prog, &again.prog), "parse(print(p)) differs from p");
	twice = prog_print_string(&again);
	must(!twice || !strcmp(once, twice), "printing is not stable");
	free(once);
	free(twice);
	prog_text_free(&again);
}

/* The same bytes as a binary program: decoding never fails, and what it gives survives both round
 * trips. */
static void check_decoding(const uint8_t *data, size_t size)
{
	struct prog prog;
	struct prog_text text;

	prog_init(&prog);
	prog_decode(&prog, data, size);
	check_binary(&prog);
	prog_text_init(&text);
	if (prog_text_from(&text, &prog))
		check_text(&text);
	prog_text_free(&text);
	prog_free(&prog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prog_text text;
	struct parse_error error = {0};

	prog_text_init(&text);
	if (prog_parse(&text, (const char *)data, size, &error)) {
		check_text(&text);
		check_binary(&text.prog);
	} else {
		must(error.line > 0 && error.column > 0 && error.message[0] &&
				!text.prog.call_count,
			"a parse error without a place, or something half-written");
	}
	prog_text_free(&text);
	check_decoding(data, size);
	return 0;
}
