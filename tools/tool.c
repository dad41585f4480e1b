/* SPDX-License-Identifier: Apache-2.0 */
/* Options, help and messages of the subcommands. */
#include "tools/tool.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/prog/names.h"
#include "impl/abi/catalogue.h"

static const struct option_spec help_option = {"help", 'h', NULL, "Prints this text."};

void tool_error(const char *format, ...)
{
	va_list arguments;

	fputs("iommuzz: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void tool_error_near(const char *word, const char *const *candidates, const char *format, ...)
{
	struct near_miss miss;
	va_list arguments;

	near_miss_init(&miss, word, strlen(word));
	for (; *candidates; candidates++)
		near_miss_try(&miss, *candidates);
	fputs("iommuzz: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (miss.best)
		fprintf(stderr, " (did you mean '%s'?)", miss.best);
	fputc('\n', stderr);
}

bool tool_number(
	const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *number >= low && *number <= high)
		return true;
	tool_error("--%s: expected a number from %" PRIu64 " to %" PRIu64 ", found '%s'", option,
		low, high, text);
	return false;
}

bool tool_size(const char *option, const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	unsigned shift = 0;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 0);
	suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
	if (suffix) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		end++;
	}
	if (*text >= '0' && *text <= '9' && !*end && !errno && *bytes <= UINT64_MAX >> shift) {
		*bytes <<= shift;
		return true;
	}
	tool_error("--%s: expected bytes, such as 65536, 64K, 8M or 2G, found '%s'", option, text);
	return false;
}

bool tool_kernel(const char *text, uint16_t *kernel)
{
	unsigned major, minor;
	int length = 0;
	const char *rest;

	if (sscanf(text, "%3u.%3u%n", &major, &minor, &length) == 2 && major < 100 && minor < 256) {
		*kernel = (uint16_t)LINUX(major, minor);
		rest = text + length;
		/* Later numbers of a release do not change what it does. */
		if (*rest == '.' && rest[1] && rest[1 + strspn(rest + 1, "0123456789")] == 0)
			rest = "";
		if (!*rest && *kernel >= LINUX(6, 2) && *kernel <= LINUX_NEWEST)
			return true;
	}
	tool_error("--kernel: expected a release from 6.2 to %u.%u, such as 6.12 or 6.12.95, found "
		   "'%s'",
		LINUX_NEWEST >> 8, LINUX_NEWEST & 255, text);
	return false;
}

int tool_exit(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	tool_error("cannot write standard output: %s", strerror(errno ? errno : EIO));
	return TOOL_BROKEN;
}

void *tool_grow(void *array, size_t count, size_t size)
{
	void *larger = realloc(array, count * size + 1);

	if (larger)
		return larger;
	tool_error("out of memory");
	exit(TOOL_BROKEN);
}

char *tool_copy(const char *text)
{
	char *copy = tool_grow(NULL, strlen(text) + 1, 1);

	return strcpy(copy, text);
}

uint64_t tool_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void tool_json_string(const char *text, FILE *out)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

/* -- help -- */

static void print_indented(const char *text, int indent, FILE *out)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length)
			fprintf(out, "%*s%.*s", indent, "", (int)length, text);
		fputc('\n', out);
		text += length + (text[length] == '\n');
	}
}

static void print_option(const struct option_spec *option, FILE *out)
{
	fputs("       ", out);
	if (option->letter)
		fprintf(out, "-%c, ", option->letter);
	fprintf(out, "--%s%s%s\n", option->name, option->argument ? " " : "",
		option->argument ? option->argument : "");
	print_indented(option->help, 15, out);
}

void tool_help(const struct command *command, FILE *out)
{
	fprintf(out, "NAME\n       iommuzz %s - %s\n\nSYNOPSIS\n", command->name, command->brief);
	print_indented(command->synopsis, 7, out);
	fputs("\nDESCRIPTION\n", out);
	print_indented(command->description, 7, out);
	fputs("\nOPTIONS\n", out);
	for (const struct option_spec *option = command->options; option->name; option++)
		print_option(option, out);
	print_option(&help_option, out);
	fputs("\nEXIT STATUS\n", out);
	print_indented(command->exit_status, 7, out);
	if (command->examples) {
		fputs("\nEXAMPLES\n", out);
		print_indented(command->examples, 7, out);
	}
}

/* -- options -- */

void options_init(struct options *options, const struct command *command, int argc, char **argv)
{
	*options = (struct options){.command = command, .argc = argc, .argv = argv, .at = 1};
}

static int unknown_option(struct options *options, const char *word, size_t length)
{
	struct near_miss miss;

	near_miss_init(&miss, word, length);
	for (const struct option_spec *option = options->command->options; option->name; option++)
		near_miss_try(&miss, option->name);
	near_miss_try(&miss, help_option.name);
	if (miss.best)
		tool_error("%s: unknown option '--%.*s' (did you mean '--%s'?)",
			options->command->name, (int)length, word, miss.best);
	else
		tool_error("%s: unknown option '--%.*s'; see iommuzz %s --help",
			options->command->name, (int)length, word, options->command->name);
	return OPTIONS_WRONG;
}

static int take_value(
	struct options *options, int index, const char *inline_value, const char **value)
{
	const struct option_spec *option = &options->command->options[index];

	*value = inline_value;
	if (!option->argument && inline_value) {
		tool_error("%s: --%s takes no argument", options->command->name, option->name);
		return OPTIONS_WRONG;
	}
	if (!option->argument || inline_value)
		return index;
	if (options->at >= options->argc) {
		tool_error("%s: --%s needs an argument: %s", options->command->name, option->name,
			option->argument);
		return OPTIONS_WRONG;
	}
	*value = options->argv[options->at++];
	return index;
}

static int long_option(struct options *options, const char *word, const char **value)
{
	size_t length = strcspn(word, "=");
	const char *inline_value = word[length] ? word + length + 1 : NULL;

	if (length == 4 && memcmp(word, "help", 4) == 0) {
		tool_help(options->command, stdout);
		return OPTIONS_HELP;
	}
	for (int i = 0; options->command->options[i].name; i++) {
		const char *name = options->command->options[i].name;

		if (strlen(name) == length && memcmp(name, word, length) == 0)
			return take_value(options, i, inline_value, value);
	}
	return unknown_option(options, word, length);
}

static int short_option(struct options *options, const char **value)
{
	char letter = *options->letters++;

	if (letter == 'h') {
		tool_help(options->command, stdout);
		return OPTIONS_HELP;
	}
	for (int i = 0; options->command->options[i].name; i++) {
		if (options->command->options[i].letter != letter)
			continue;
		const char *rest = *options->letters && options->command->options[i].argument
					   ? options->letters
					   : NULL;

		if (rest)
			options->letters = NULL;
		return take_value(options, i, rest, value);
	}
	tool_error("%s: unknown option '-%c'; see iommuzz %s --help", options->command->name,
		letter, options->command->name);
	return OPTIONS_WRONG;
}

int options_next(struct options *options, const char **value)
{
	*value = NULL;
	if (options->letters && *options->letters)
		return short_option(options, value);
	if (options->at >= options->argc)
		return OPTIONS_END;
	char *word = options->argv[options->at++];
	if (options->words_only || word[0] != '-' || !word[1]) {
		*value = word;
		return OPTIONS_WORD;
	}
	if (word[1] != '-') {
		options->letters = word + 1;
		return short_option(options, value);
	}
	if (!word[2]) {
		options->words_only = true;
		return options_next(options, value);
	}
	return long_option(options, word + 2, value);
}
