/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz gen: programs from seeds. */
#include "fuzz/prog/generate.h"
#include "fuzz/prog/text.h"
#include "tools/tool.h"

static int run(const struct command *command, int argc, char **argv)
{
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	int option = options_next(&options, &value);
	return option == OPTIONS_HELP || option == OPTIONS_END ? TOOL_OK : TOOL_BROKEN;
}

const struct command command_gen = {
	.name = "gen",
	.brief = "make programs from seeds",
	.synopsis = "iommuzz gen [OPTION]...",
	.run = run,
};
