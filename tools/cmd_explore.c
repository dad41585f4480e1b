/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz explore: many schedules of a program with threads, all of them within a bound. */
#include <stdlib.h>
#include <string.h>

#include "impl/sim/bugs.h"
#include "tools/explore.h"
#include "tools/files.h"
#include "tools/tool.h"

enum {
	EXPLORE_BOUND,
	EXPLORE_SCHEDULE,
	EXPLORE_RUNS,
	EXPLORE_SECONDS,
	EXPLORE_SEED,
	EXPLORE_DEPTH,
	EXPLORE_NO_REDUCTION,
	EXPLORE_DETERMINISM,
	EXPLORE_KEEP_GOING,
	EXPLORE_OUT,
	EXPLORE_ORACLES,
	EXPLORE_BUG,
	EXPLORE_KERNEL,
	EXPLORE_BINARY,
	EXPLORE_QUIET,
};

static const struct option_spec explore_options[] = {
	[EXPLORE_BOUND] = {"bound", 'b', "N",
		"All schedules with at most N forced switches (default 2)."},
	[EXPLORE_SCHEDULE] = {"schedule", 's', "NAME",
		"bounded (default), random (at each point every thread is as likely), pct\n"
		"(random priorities, and --depth minus one random places where they\n"
		"change), plain (one run until blocked), bytes or replay (one run: the\n"
		"program's schedule bytes, its line `schedule:`)."},
	[EXPLORE_RUNS] = {"runs", 'n', "N",
		"Schedules at most (default 10000 of random and pct; no limit of bounded)."},
	[EXPLORE_SECONDS] = {"seconds", 't', "N", "Seconds for each program at most."},
	[EXPLORE_SEED] = {"seed", 'S', "N", "Of random and pct (default 1)."},
	[EXPLORE_DEPTH] = {"depth", 'd', "N",
		"Of pct: the depth of the defects that it looks for (default 3)."},
	[EXPLORE_NO_REDUCTION] = {"no-reduction", 0, NULL,
		"Bounded: runs schedules too that only repeat another one."},
	[EXPLORE_DETERMINISM] = {"check-determinism", 0, NULL,
		"Runs every schedule twice; otherwise only the first 16 of a program are."},
	[EXPLORE_KEEP_GOING] = {"keep-going", 'k', NULL,
		"Goes on behind a finding, and with the next program."},
	[EXPLORE_OUT] = {"out", 'o', "FILE",
		"Writes the program with the line `schedule:` of the (first) finding."},
	[EXPLORE_ORACLES] = {"oracles", 0, "LIST",
		"all (default), none, or some of model, audit, isolation, rollback, machine,\n"
		"scheduler, joined by commas. The program's expectations always count."},
	[EXPLORE_BUG] = {"bug", 0, "NAME", "Switches a defect on (bugs build)."},
	[EXPLORE_KERNEL] = {"kernel", 0, "VERSION",
		"The kernel profile, if the program names none."},
	[EXPLORE_BINARY] = {"binary", 0, NULL,
		"Reads the binary form, whatever the bytes look like."},
	[EXPLORE_QUIET] = {"quiet", 'q', NULL, "No progress on standard error."},
	{0},
};

static bool set_bug(struct exploration *exploration, const char *name)
{
	exploration->hunt.bug = sim_bug_find(name);
	if (exploration->hunt.bug && sim_bugs_built())
		return true;
	if (exploration->hunt.bug)
		tool_error("--bug: this build has no switchable defects; use the bugs preset");
	else
		tool_error("--bug: there is no defect '%s'", name);
	return false;
}

static bool number(const char *name, const char *value, uint64_t low, uint64_t high, unsigned *out)
{
	uint64_t got = 0;

	if (!tool_number(name, value, low, high, &got))
		return false;
	*out = (unsigned)got;
	return true;
}

/* What an option of schedules means nothing to is a mistake, not a wish. */
static bool options_fit(const struct schedules *schedules, uint32_t given)
{
	static const struct {
		uint8_t option;
		uint32_t kinds; /* bit k: enum schedules_kind */
		const char *name, *wanted;
	} rules[] = {
		{EXPLORE_BOUND, 1u << SCHEDULES_BOUNDED, "bound", "bounded"},
		{EXPLORE_NO_REDUCTION, 1u << SCHEDULES_BOUNDED, "no-reduction", "bounded"},
		{EXPLORE_DEPTH, 1u << SCHEDULES_PCT, "depth", "pct"},
		{EXPLORE_SEED, 1u << SCHEDULES_RANDOM | 1u << SCHEDULES_PCT, "seed",
			"random or pct"},
		{EXPLORE_RUNS,
			1u << SCHEDULES_BOUNDED | 1u << SCHEDULES_RANDOM | 1u << SCHEDULES_PCT,
			"runs", "bounded, random or pct"},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (!(given >> rules[i].option & 1) || rules[i].kinds >> schedules->kind & 1)
			continue;
		tool_error("explore: --%s: expected --schedule %s with it, found %s", rules[i].name,
			rules[i].wanted, schedules_name(schedules->kind));
		return false;
	}
	return true;
}

static bool read_schedule(struct schedules *schedules, int option, const char *value, bool *right)
{
	switch (option) {
	case EXPLORE_BOUND:
		*right = number("bound", value, 0, SCHEDULES_BOUND_MAX, &schedules->bound);
		return true;
	case EXPLORE_SCHEDULE:
		*right = schedules_parse("schedule", value, &schedules->kind);
		return true;
	case EXPLORE_RUNS:
		*right = tool_number("runs", value, 1, UINT64_MAX, &schedules->runs);
		return true;
	case EXPLORE_SEED:
		*right = tool_number("seed", value, 0, UINT64_MAX, &schedules->seed);
		return true;
	case EXPLORE_DEPTH:
		*right = number("depth", value, 1, SCHEDULES_DEPTH_MAX, &schedules->depth);
		return true;
	case EXPLORE_NO_REDUCTION: return *right = schedules->all = true;
	default: return false;
	}
}

static bool read_option(
	struct exploration *exploration, struct file_list *list, int option, const char *value)
{
	bool right = true;

	if (read_schedule(&exploration->hunt.schedules, option, value, &right))
		return right;
	switch (option) {
	case EXPLORE_SECONDS:
		return number("seconds", value, 1, 31536000, &exploration->hunt.seconds);
	case EXPLORE_DETERMINISM: exploration->hunt.check = UINT64_MAX; return true;
	case EXPLORE_KEEP_GOING: exploration->hunt.keep_going = true; return true;
	case EXPLORE_OUT: exploration->out = value; return true;
	case EXPLORE_ORACLES:
		if (oracle_parse(value, &exploration->hunt.oracles))
			return true;
		tool_error("--oracles: expected all, none, or some of model, audit, isolation, "
			   "rollback, machine, scheduler, found '%s'",
			value);
		return false;
	case EXPLORE_BUG: return set_bug(exploration, value);
	case EXPLORE_KERNEL: return tool_kernel(value, &exploration->hunt.kernel);
	case EXPLORE_BINARY: exploration->binary = true; return true;
	case EXPLORE_QUIET: exploration->quiet = true; return true;
	case OPTIONS_WORD:
		list->paths = tool_grow(list->paths, list->count + 1, sizeof(*list->paths));
		list->paths[list->count++] = tool_copy(value);
		return true;
	default: return false;
	}
}

/* Folders become the programs in them. */
static bool expand(const struct file_list *given, struct file_list *files)
{
	for (size_t i = 0; i < given->count; i++) {
		struct file_list found = {0};

		if (strcmp(given->paths[i], "-") != 0 && !files_collect(given->paths[i], &found))
			return false;
		if (!found.count) {
			found.paths = tool_grow(NULL, 1, sizeof(*found.paths));
			found.paths[found.count++] = tool_copy("-");
		}
		for (size_t f = 0; f < found.count; f++) {
			files->paths =
				tool_grow(files->paths, files->count + 1, sizeof(*files->paths));
			files->paths[files->count++] = tool_copy(found.paths[f]);
		}
		files_free(&found);
	}
	return true;
}

static int explore_all(struct exploration *exploration, const struct file_list *given)
{
	struct file_list files = {0};
	int code = TOOL_SKIPPED;

	if (!expand(given, &files)) {
		files_free(&files);
		return TOOL_BROKEN;
	}
	for (size_t i = 0; i < files.count; i++) {
		int one = explore_file(exploration, files.paths[i]);

		if (one == TOOL_INTERRUPTED || one == TOOL_BROKEN) {
			code = one;
			break;
		}
		if (one == TOOL_FAILED || (one == TOOL_OK && code == TOOL_SKIPPED))
			code = one;
		if (one == TOOL_FAILED && !exploration->hunt.keep_going)
			break;
	}
	explore_sum(exploration, files.count);
	files_free(&files);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct exploration exploration = {.hunt = {.oracles = ORACLE_ALL,
						  .judge = true,
						  .check = EXPLORE_CHECKED,
						  .schedules = {.kind = SCHEDULES_BOUNDED,
							  .bound = SCHEDULES_BOUND,
							  .depth = SCHEDULES_DEPTH,
							  .seed = 1}}};
	struct file_list given = {0};
	struct options options;
	const char *value;
	uint32_t seen = 0;
	int code = TOOL_BROKEN;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option != OPTIONS_HELP && read_option(&exploration, &given, option, value)) {
			seen |= option >= 0 ? UINT32_C(1) << option : 0;
			continue;
		}
		files_free(&given);
		return option == OPTIONS_HELP ? TOOL_OK : TOOL_BROKEN;
	}
	if (!given.count)
		tool_error("explore: expected files; see iommuzz explore --help");
	else if (options_fit(&exploration.hunt.schedules, seen) &&
		 (!exploration.out || files_can_write(exploration.out)))
		code = explore_begin(&exploration) ? explore_all(&exploration, &given)
						   : TOOL_BROKEN;
	explore_end(&exploration);
	files_free(&given);
	return tool_exit(code);
}

const struct command command_explore = {
	.name = "explore",
	.brief = "run the schedules of programs with threads",
	.synopsis = "iommuzz explore [--bound N] [OPTION]... FILE...\n"
		    "iommuzz explore --schedule random|pct [--runs N] [--seed N] FILE...\n"
		    "iommuzz explore --schedule plain|bytes|replay FILE...",
	.description =
		"Runs each FILE, a program as text or an input of fuzz_race (made into the program "
		"that fuzz_race\n"
		"makes of it), or a folder of NAME.prog (- is standard input), under one schedule "
		"after another:\n"
		"which thread goes on at each lock, user copy, callback and so on "
		"(docs/PROGRAMS.md lists the points). All "
		"oracles watch\n"
		"each run, and the program's expectations must hold behind each. Without options "
		"every schedule\n"
		"with at most two forced switches is run; those that only repeat another one are "
		"left out.\n"
		"\"complete for bound 2\" means that there is no other. A program without threads "
		"runs once.\n\n"
		"A finding ends the exploration. It is replayed twice in fresh processes, which "
		"must show the\n"
		"same finding and the same trace, and printed with its line `schedule:`. Write "
		"that into the\n"
		"program, or have --out do it: then iommuzz run shows the run, iommuzz run "
		"--timeline draws\n"
		"it, and iommuzz min shortens it. Programs run in a process of their own: a crash "
		"is a finding\n"
		"like others.\n\n"
		"pct finds a defect of depth d in one run with a probability of at least "
		"1/(n*k^(d-1)), n threads\n"
		"and k points in a run; both are learned and printed, with the number of runs for "
		"95 %.\n\n"
		"Ctrl-C ends it; what was counted and found until then is printed.",
	.options = explore_options,
	.exit_status = "0    nothing was found\n"
		       "1    a finding\n"
		       "2    wrong usage, a file that cannot be read, parsed or written\n"
		       "77   no program could be run here (the reason is printed)\n"
		       "130  interrupted",
	.examples = "iommuzz explore conformance/race/replace-unpin.prog\n"
		    "iommuzz explore --bound 1 conformance/race\n"
		    "iommuzz explore --schedule pct --depth 4 --runs 100000 race.prog\n"
		    "iommuzz explore --out found.prog race.prog && iommuzz run found.prog",
	.run = run,
};
