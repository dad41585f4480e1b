/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz fmt: checks, formats and converts programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/prog/binary.h"
#include "tools/files.h"
#include "tools/tool.h"

enum { FMT_CHECK, FMT_IN_PLACE, FMT_TO_BINARY, FMT_FROM_BINARY, FMT_OUTPUT };

static const struct option_spec fmt_options[] = {
	[FMT_CHECK] = {"check", 'c', NULL,
		"Writes nothing; names the files that are not in canonical form."},
	[FMT_IN_PLACE] = {"in-place", 'i', NULL, "Replaces each file by its canonical form."},
	[FMT_TO_BINARY] = {"to-binary", 0, NULL,
		"Writes the binary form, as fuzzing engines keep it. Names, comments and\n"
		"expectations are not part of it."},
	[FMT_FROM_BINARY] = {"from-binary", 0, NULL,
		"Reads the binary form, whatever the bytes look like. Without this\n"
		"option a file that is no text is taken as binary too."},
	[FMT_OUTPUT] = {"output", 'o', "DIR",
		"Writes each result to a file in DIR instead of standard output: NAME.prog\n"
		"as text, NAME (without .prog) as binary. DIR is made if it is not there."},
	{0},
};

struct fmt {
	bool check, in_place, to_binary, from_binary;
	const char *folder;
	bool differs;
};

/* DIR/NAME of an input, with the suffix of the result's form. */
static char *output_path(const struct fmt *fmt, const char *input)
{
	const char *base = strrchr(input, '/') ? strrchr(input, '/') + 1 : input;
	size_t length = strlen(base);

	if (length > 5 && strcmp(base + length - 5, ".prog") == 0)
		length -= 5;
	char *path = tool_grow(NULL, strlen(fmt->folder) + length + 8, 1);
	sprintf(path, "%s/%.*s%s", fmt->folder, (int)length, base, fmt->to_binary ? "" : ".prog");
	return path;
}

static bool emit(const struct fmt *fmt, const char *input, const void *bytes, size_t size)
{
	if (!fmt->folder)
		return fwrite(bytes, 1, size, stdout) == size;
	char *path = output_path(fmt, input);
	bool done = files_write(path, bytes, size);
	free(path);
	return done;
}

static bool emit_binary(const struct fmt *fmt, const char *path, const struct prog *prog)
{
	size_t size = prog_encode(prog, NULL, 0);
	uint8_t *bytes = tool_grow(NULL, size, 1);

	prog_encode(prog, bytes, size);
	bool done = emit(fmt, path, bytes, size);
	free(bytes);
	return done;
}

static bool emit_text(struct fmt *fmt, const char *path, const struct prog_text *text)
{
	char *printed = prog_print_string(text);
	bool done = true, same = false;

	if (!printed) {
		tool_error("out of memory");
		return false;
	}
	if (fmt->check || fmt->in_place) {
		size_t size;
		uint8_t *old = files_read(path, &size);

		same = old && size == strlen(printed) && memcmp(old, printed, size) == 0;
		free(old);
	}
	if (fmt->check && !same) {
		printf("%s\n", path);
		fmt->differs = true;
	} else if (fmt->in_place && !same) {
		done = files_write(path, printed, strlen(printed));
	} else if (!fmt->check && !fmt->in_place) {
		done = emit(fmt, path, printed, strlen(printed));
	}
	free(printed);
	return done;
}

static bool format_file(struct fmt *fmt, const char *path)
{
	struct prog_text text;
	bool was_binary;

	prog_text_init(&text);
	bool done = files_load(path, fmt->from_binary, &text, &was_binary);
	if (done && was_binary && (fmt->check || fmt->in_place)) {
		tool_error("%s: binary, expected a program in text form (--from-binary prints it)",
			path);
		done = false;
	}
	if (done)
		done = fmt->to_binary ? emit_binary(fmt, path, &text.prog)
				      : emit_text(fmt, path, &text);
	prog_text_free(&text);
	return done;
}

static int run_files(struct fmt *fmt, const struct file_list *list)
{
	bool broken = false;

	if (fmt->folder && mkdir(fmt->folder, 0777) != 0 && errno != EEXIST) {
		tool_error("%s: %s", fmt->folder, strerror(errno));
		return TOOL_BROKEN;
	}
	for (size_t i = 0; i < list->count; i++)
		if (!format_file(fmt, list->paths[i]))
			broken = true;
	return broken ? TOOL_BROKEN : fmt->differs ? TOOL_FAILED : TOOL_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct fmt fmt = {0};
	struct file_list list = {0};
	struct options options;
	const char *value;
	bool wrong = false;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		switch (option) {
		case FMT_CHECK: fmt.check = true; break;
		case FMT_IN_PLACE: fmt.in_place = true; break;
		case FMT_TO_BINARY: fmt.to_binary = true; break;
		case FMT_FROM_BINARY: fmt.from_binary = true; break;
		case FMT_OUTPUT: fmt.folder = value; break;
		case OPTIONS_WORD:
			if (strcmp(value, "-") == 0) {
				list.paths =
					tool_grow(list.paths, list.count + 1, sizeof(*list.paths));
				list.paths[list.count++] = tool_copy("-");
			} else if (!files_collect(value, &list)) {
				wrong = true;
			}
			break;
		case OPTIONS_HELP: files_free(&list); return TOOL_OK;
		default: files_free(&list); return TOOL_BROKEN;
		}
	}
	if (!wrong && !list.count) {
		tool_error("fmt: expected files; see iommuzz fmt --help");
		wrong = true;
	}
	if (!wrong && fmt.check + fmt.in_place + fmt.to_binary > 1) {
		tool_error("fmt: --check, --in-place and --to-binary exclude each other");
		wrong = true;
	}
	int code = wrong ? TOOL_BROKEN : run_files(&fmt, &list);
	files_free(&list);
	return code;
}

const struct command command_fmt = {
	.name = "fmt",
	.brief = "check, format and convert programs",
	.synopsis = "iommuzz fmt [--check | --in-place] FILE...\n"
		    "iommuzz fmt --to-binary [-o DIR] FILE...\n"
		    "iommuzz fmt --from-binary [-o DIR] FILE...",
	.description = "Reads programs (docs/PROGRAMS.md) and prints them in canonical form: one "
		       "spelling for\n"
		       "every program, so that two of them can be compared as text. A FILE may be "
		       "a folder (all\n"
		       "NAME.prog below it) or - for standard input.\n\n"
		       "A program that cannot be read is an error with file, line, column and what "
		       "was expected\n"
		       "there. Files are replaced whole or not at all.",
	.options = fmt_options,
	.exit_status = "0   all files are programs (with --check: in canonical form)\n"
		       "1   with --check, some file is not in canonical form\n"
		       "2   wrong usage, or a file that cannot be read, parsed or written",
	.examples = "iommuzz fmt --check conformance\n"
		    "iommuzz fmt --from-binary crash-1f3a\n"
		    "iommuzz fmt --to-binary -o seeds corpus/seeds/*.prog",
	.run = run,
};
