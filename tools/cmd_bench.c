/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz bench: measures. */
#include "tools/tool.h"

static int run(const struct command *command, int argc, char **argv)
{
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	int option = options_next(&options, &value);
	return option == OPTIONS_HELP || option == OPTIONS_END ? TOOL_OK : TOOL_BROKEN;
}

const struct command command_bench = {
	.name = "bench",
	.brief = "measure speed",
	.synopsis = "iommuzz bench [OPTION]...",
	.run = run,
};
