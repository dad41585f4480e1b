/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of `iommuzz` share: their table, options, messages. */
#ifndef IOMMUZZ_TOOLS_TOOL_H
#define IOMMUZZ_TOOLS_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes of every subcommand. */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_FAILED = 1,   /* a test failed, a finding */
	TOOL_BROKEN = 2,   /* wrong usage, broken input, broken harness */
	TOOL_SKIPPED = 77, /* nothing could run here */
	TOOL_INTERRUPTED = 130,
};

struct option_spec {
	const char *name;     /* without dashes */
	char letter;	      /* short form or 0 */
	const char *argument; /* its name in the help, NULL if it takes none */
	const char *help;     /* one or several lines */
};

struct command {
	const char *name, *synopsis, *brief, *description;
	const struct option_spec *options; /* ended by name NULL */
	const char *exit_status, *examples;
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_run, command_check, command_fmt, command_min, command_gen,
	command_ops, command_bench, command_probe, command_compare, command_fuzz, command_agent,
	command_vm, command_diff, command_explore, command_stress, command_shim;

/* Names behind which options_next reports something else than an option. */
enum {
	OPTIONS_END = -1,
	OPTIONS_WORD = -2,  /* value is an argument that is no option */
	OPTIONS_WRONG = -3, /* an error was printed: exit TOOL_BROKEN */
	OPTIONS_HELP = -4,  /* --help was printed: exit TOOL_OK */
};

struct options {
	const struct command *command;
	int argc, at;
	char **argv;
	bool words_only;     /* behind -- */
	const char *letters; /* rest of a word of short options */
};

/* argv[0] is the command's name. */
void options_init(struct options *options, const struct command *command, int argc, char **argv);
/* Index of the next option in command->options, or one of the codes above. value: its argument, or
 * the word. */
int options_next(struct options *options, const char **value);

/* Prints the help of a command as a manual page. */
void tool_help(const struct command *command, FILE *out);
/* version.c: of the project, and the commit that the binary was built from ("unknown" without git).
 */
extern const char *const tool_version, *const tool_commit;

/* "iommuzz: MESSAGE" on standard error. */
void tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with " (did you mean 'X'?)" when one of the candidates (ended by NULL) is near to word.
 */
void tool_error_near(const char *word, const char *const *candidates, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A whole number within limits; false after an error that names the option. */
bool tool_number(
	const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *number);
/* A number of bytes, with K, M or G (powers of 1024) if wanted; false after an error. */
bool tool_size(const char *option, const char *text, uint64_t *bytes);
/* "6.12", or "6.12.95", as LINUX(6, 12); false after an error. */
bool tool_kernel(const char *text, uint16_t *kernel);
/* Flushes standard output. An error there (full disk, closed pipe) is printed and becomes
 * TOOL_BROKEN. */
int tool_exit(int code);
/* Room for count elements, or the end of the program with a message. */
void *tool_grow(void *array, size_t count, size_t size);
char *tool_copy(const char *text);
/* Microseconds of a clock that never goes back. */
uint64_t tool_clock(void);

/* JSON text of a string with quotes. */
void tool_json_string(const char *text, FILE *out);

#endif
