/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz fuzz: a campaign over all fuzz targets. */
#include <string.h>

#include "fuzz/engines/campaign.h"
#include "tools/tool.h"

#define SECONDS_MAX (UINT64_C(366) * 86400)

enum {
	FUZZ_SECONDS,
	FUZZ_TOTAL,
	FUZZ_ENGINE,
	FUZZ_TARGET,
	FUZZ_JOBS,
	FUZZ_BUILD,
	FUZZ_WORK,
	FUZZ_SEEDS,
	FUZZ_STABILITY,
};

static const struct option_spec fuzz_options[] = {
	[FUZZ_SECONDS] = {"seconds", 's', "N", "For each target (default 60)."},
	[FUZZ_TOTAL] = {"total", 0, "N", "For all targets together, shared evenly."},
	[FUZZ_ENGINE] = {"engine", 'e', "NAME", "libfuzzer (default) or afl."},
	[FUZZ_TARGET] = {"target", 't', "NAME", "Only this one; may be given several times."},
	[FUZZ_JOBS] = {"jobs", 'J', "N", "Targets at a time (default 2)."},
	[FUZZ_BUILD] = {"build", 0, "DIR",
		"Where the build directories asan, afl and release lie (default: beside the\n"
		"one of this command)."},
	[FUZZ_WORK] = {"work", 'w', "DIR",
		"Corpora, findings and logs; a later campaign goes on from them (default:\n"
		"BUILD/campaign)."},
	[FUZZ_SEEDS] = {"seeds", 0, "DIR",
		"First inputs of every target (default: BUILD/release/seeds/TARGET)."},
	[FUZZ_STABILITY] = {"require-stability", 0, NULL,
		"With afl: a target that is less than 100 % stable is a failure."},
	{0},
};

static bool set_count(const char *option, const char *value, uint64_t most, unsigned *count)
{
	uint64_t number = 0;
	bool right = tool_number(option, value, 1, most, &number);

	*count = (unsigned)number;
	return right;
}

static bool set_engine(struct campaign_options *campaign, const char *name)
{
	static const char *const names[] = {"libfuzzer", "afl", NULL};

	if (strcmp(name, "libfuzzer") == 0)
		campaign->engine = ENGINE_LIBFUZZER;
	else if (strcmp(name, "afl") == 0)
		campaign->engine = ENGINE_AFL;
	else {
		tool_error_near(
			name, names, "--engine: expected libfuzzer or afl, found '%s'", name);
		return false;
	}
	return true;
}

static bool read_option(struct campaign_options *campaign, int option, const char *value)
{
	switch (option) {
	case FUZZ_SECONDS: return set_count("seconds", value, SECONDS_MAX, &campaign->seconds);
	case FUZZ_TOTAL: return set_count("total", value, SECONDS_MAX, &campaign->total);
	case FUZZ_ENGINE: return set_engine(campaign, value);
	case FUZZ_TARGET:
		if (campaign->wanted_count == CAMPAIGN_TARGET_MAX) {
			tool_error("fuzz: more than %d times --target", CAMPAIGN_TARGET_MAX);
			return false;
		}
		campaign->wanted[campaign->wanted_count++] = value;
		return true;
	case FUZZ_JOBS: return set_count("jobs", value, CAMPAIGN_TARGET_MAX, &campaign->jobs);
	case FUZZ_BUILD: campaign->build = value; return true;
	case FUZZ_WORK: campaign->work = value; return true;
	case FUZZ_SEEDS: campaign->seeds = value; return true;
	case FUZZ_STABILITY: campaign->require_stability = true; return true;
	case OPTIONS_WORD:
		tool_error("fuzz: takes no arguments, found '%s'; see iommuzz fuzz --help", value);
		return false;
	default: return false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct campaign_options campaign = {0};
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_HELP)
			return TOOL_OK;
		if (!read_option(&campaign, option, value))
			return TOOL_BROKEN;
	}
	return campaign_run(&campaign, tool_error);
}

const struct command command_fuzz = {
	.name = "fuzz",
	.brief = "fuzz every target for a while and say what was found",
	.synopsis = "iommuzz fuzz [OPTION]...",
	.description = "Runs every fuzz target under an engine, some at a time, with one live line "
		       "each (plain lines\n"
		       "when the output is no terminal), and ends with a table and with each "
		       "finding: its file, the\n"
		       "program that it is, and what is wrong. The targets must have been built; "
		       "./ci/fuzz does both.\n\n"
		       "Ctrl-C ends the campaign with its summary and keeps what was found. "
		       "IOMMUZZ_MUTATOR=bytes in\n"
		       "the environment leaves all mutation to the engine.",
	.options = fuzz_options,
	.exit_status = "0    nothing found\n"
		       "1    findings\n"
		       "2    wrong usage, or an engine could not run\n"
		       "130  interrupted and nothing found",
	.examples = "iommuzz fuzz --target fuzz_iommufd --seconds 3600\n"
		    "iommuzz fuzz --engine afl --total 600 --jobs 4",
	.run = run,
};
