/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz: the table of subcommands. */
#include <signal.h>
#include <string.h>

#include "tools/guest.h"
#include "tools/tool.h"

static const struct command *const commands[] = {
	&command_run,
	&command_check,
	&command_explore,
	&command_fmt,
	&command_min,
	&command_gen,
	&command_ops,
	&command_bench,
	&command_fuzz,
	&command_stress,
	&command_probe,
	&command_compare,
	&command_diff,
	&command_agent,
	&command_vm,
	&command_shim,
	NULL,
};

static void print_commands(FILE *out)
{
	fputs("iommuzz - fuzzing and conformance for the Linux IOMMU userspace API\n\n"
	      "usage: iommuzz COMMAND [OPTION]... [ARGUMENT]...\n\n",
		out);
	for (const struct command *const *command = commands; *command; command++)
		fprintf(out, "  %-8s %s\n", (*command)->name, (*command)->brief);
	fputs("  help     this text; help COMMAND: the manual of a command\n\n"
	      "Every command takes --help. Exit status: 0 all is well, 1 a failure or finding, 2 "
	      "wrong usage,\n"
	      "broken input or a broken harness, 77 nothing could run here.\n",
		out);
}

static const struct command *find(const char *name)
{
	for (const struct command *const *command = commands; *command; command++)
		if (strcmp((*command)->name, name) == 0)
			return *command;
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0]) + 1];
	size_t count = 0;

	for (; commands[count]; count++)
		names[count] = commands[count]->name;
	names[count++] = "help";
	names[count] = NULL;
	tool_error_near(name, names, "unknown command '%s'; see iommuzz --help", name);
	return TOOL_BROKEN;
}

static int help(int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[2], "help") == 0 || strcmp(argv[2], "--help") == 0 ||
		strcmp(argv[2], "-h") == 0) {
		print_commands(stdout);
		return tool_exit(TOOL_OK);
	}
	const struct command *command = find(argv[2]);
	if (!command)
		return unknown_command(argv[2]);
	char *arguments[] = {argv[2], "--help", NULL};
	return tool_exit(command->run(command, 2, arguments));
}

int main(int argc, char **argv)
{
	/* A closed pipe is an error of a write, reported like a full disk. */
	signal(SIGPIPE, SIG_IGN);
	if (guest_is_init())
		return guest_init();
	if (argc < 2) {
		print_commands(stderr);
		return TOOL_BROKEN;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
		strcmp(argv[1], "-h") == 0)
		return help(argc, argv);
	if (strcmp(argv[1], "--version") == 0) {
		printf("iommuzz %s\n", tool_version);
		return tool_exit(TOOL_OK);
	}
	const struct command *command = find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return tool_exit(command->run(command, argc - 1, argv + 1));
}
