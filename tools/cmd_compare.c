/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz compare: what changed between two runs of a suite. */
#include "tools/compare.h"
#include "tools/tool.h"

static const struct option_spec compare_options[] = {{0}};

static int compare_files(const char *const paths[2])
{
	struct compare_results results[2] = {{0}};
	int code = TOOL_BROKEN;

	if (compare_load(paths[0], &results[0]) && compare_load(paths[1], &results[1])) {
		code = compare_print(&results[0], &results[1], stdout) ? TOOL_FAILED : TOOL_OK;
		/* What a run did not reach may have failed. */
		if (results[1].interrupted)
			code = TOOL_BROKEN;
	}
	compare_free(&results[0]);
	compare_free(&results[1]);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	const char *paths[2] = {0}, *value;
	struct options options;
	unsigned count = 0;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option != OPTIONS_WORD)
			return option == OPTIONS_HELP ? TOOL_OK : TOOL_BROKEN;
		if (count == 2) {
			tool_error("compare: expected two files, found '%s' too", value);
			return TOOL_BROKEN;
		}
		paths[count++] = value;
	}
	if (count == 2)
		return compare_files(paths);
	tool_error("compare: expected two files, OLD and NEW; see iommuzz compare --help");
	return TOOL_BROKEN;
}

const struct command command_compare = {
	.name = "compare",
	.brief = "show what changed between two runs of a suite",
	.synopsis = "iommuzz compare OLD NEW",
	.description =
		"Compares two files that iommuzz check --json has written, as of two kernels, "
		"or of one kernel\n"
		"before and after a change. Prints, one line a test:\n\n"
		"NEW FAILURE     fails in NEW; in OLD it did not fail, or was not there\n"
		"fixed           failed in OLD, passes in NEW\n"
		"newly skipped   ran in OLD, is skipped in NEW\n"
		"skip vanished   was skipped in OLD, runs in NEW\n"
		"test vanished   is in OLD only\n"
		"changed         the same outcome for another reason, or a known failure that "
		"is new\n\n"
		"Runs of other suites, kernel configurations or targets can be compared; that "
		"they differ is\n"
		"said first.",
	.options = compare_options,
	.exit_status = "0    no new failure\n"
		       "1    a new failure\n"
		       "2    wrong usage, a file that cannot be read or holds no results, or NEW "
		       "was interrupted",
	.examples = "iommuzz check --target live --json new.json\n"
		    "iommuzz compare old.json new.json",
	.run = run,
};
