/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz ops: the catalogue. */
#include "tools/tool.h"

static int run(const struct command *command, int argc, char **argv)
{
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	int option = options_next(&options, &value);
	return option == OPTIONS_HELP || option == OPTIONS_END ? TOOL_OK : TOOL_BROKEN;
}

const struct command command_ops = {
	.name = "ops",
	.brief = "list the calls",
	.synopsis = "iommuzz ops [OPTION]...",
	.run = run,
};
