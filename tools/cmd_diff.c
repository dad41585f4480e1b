/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz diff: the same programs in-process and on a real kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "impl/sim/bugs.h"
#include "tools/diff.h"
#include "tools/embedded.h"
#include "tools/tool.h"

#define PROGRAMS_DEFAULT 10000

enum {
	DIFF_KERNEL,
	DIFF_IMAGE,
	DIFF_BINARY,
	DIFF_LOCALLY,
	DIFF_TARGET,
	DIFF_AGENT,
	DIFF_BUG,
	DIFF_PROGRAMS,
	DIFF_SEED,
	DIFF_FIRST,
	DIFF_ONLY,
	DIFF_CALLS,
	DIFF_SECONDS,
	DIFF_STANDARD,
	DIFF_CORPUS,
	DIFF_SUITE,
	DIFF_ERRNOS,
	DIFF_REQUIRE,
	DIFF_DIFFERENCES,
	DIFF_HAZARDS,
	DIFF_OUT,
	DIFF_JSON,
	DIFF_LONG,
	DIFF_QUIET
};

static const struct option_spec diff_options[] = {
	[DIFF_KERNEL] = {"kernel", 'k', "SERIES",
		"Compares with this kernel in a VM; ci/live-kernel builds it, or has it. With\n"
		"--target inproc, the kernel profile."},
	[DIFF_IMAGE] = {"image", 'i', "DIR",
		"Compares with this kernel in a VM: a folder as ci/live-kernel prints it, or a\n"
		"bzImage."},
	[DIFF_BINARY] = {"binary", 0, "FILE",
		"The static iommuzz that becomes the VM's init (default: this one if it is\n"
		"static, else the one beside it)."},
	[DIFF_LOCALLY] = {"local", 'l', NULL, "Compares with the running kernel."},
	[DIFF_TARGET] = {"target", 't', "TARGET",
		"inproc: compares with a second process of the implementation; live: --local."},
	[DIFF_AGENT] = {"agent", 0, "COMMAND",
		"Compares with the machine to which this shell command leads, as\n"
		"'ssh HOST iommuzz agent'."},
	[DIFF_BUG] = {"bug", 0, "NAME",
		"Switches a defect on in the other process (--target inproc, bugs build)."},
	[DIFF_PROGRAMS] = {"programs", 'n', "N",
		"Generated programs to compare (default 10000, none when others are named)."},
	[DIFF_SEED] = {"seed", 's', "N", "The sequence of generated programs (default 1)."},
	[DIFF_FIRST] = {"first", 0, "N", "Number of the first one in its sequence (default 0)."},
	[DIFF_ONLY] = {"only", 0, "N", "Just program N of the seed."},
	[DIFF_CALLS] = {"calls", 'c', "N", "Calls in a generated program at most (default 40)."},
	[DIFF_SECONDS] = {"seconds", 0, "N",
		"Ends after that many seconds of comparing; a machine that owes answers then gets\n"
		"10 more at most."},
	[DIFF_STANDARD] = {"standard", 0, NULL,
		"Generates standard programs (open, IOAS_ALLOC, 4 maps, 4 unmaps, close)\n"
		"instead of the honest mix."},
	[DIFF_CORPUS] = {"corpus", 0, NULL,
		"Compares corpus/seeds and corpus/regress; without a source tree the latter,\n"
		"which is compiled in."},
	[DIFF_SUITE] = {"suite", 0, NULL, "Compares the programs of the conformance suite."},
	[DIFF_ERRNOS] = {"errnos", 0, "FILE",
		"The errnos that the specification lists (default conformance/errnos)."},
	[DIFF_REQUIRE] = {"require-errnos", 0, "N",
		"Fails when one of them was reached less than N times."},
	[DIFF_DIFFERENCES] = {"differences", 0, "FILE",
		"Explained differences (default conformance/differences)."},
	[DIFF_HAZARDS] = {"hazards", 0, "FILE",
		"What must not be run on a kernel (default conformance/hazards)."},
	[DIFF_OUT] = {"out", 'o', "DIR",
		"Where differences are written (default differences, made when the first comes)."},
	[DIFF_JSON] = {"json", 'j', "FILE", "Writes the results as JSON too."},
	[DIFF_LONG] = {"no-minimise", 0, NULL, "Writes programs as they were found."},
	[DIFF_QUIET] = {"quiet", 'q', NULL, "No progress on standard error."},
	{0},
};

struct request {
	struct diff diff;
	const char *image, *differences, *hazards, *errnos;
	char *built; /* folder of the kernel that ci/live-kernel gave */
	uint16_t kernel;
	bool counted, local;
};

/* -- options -- */

/* Programs that are compiled in, below a folder of the tree. */
static size_t add_embedded(struct request *request, const char *folder)
{
	struct file_list *files = &request->diff.files;
	size_t length = strlen(folder), before = files->count;

	for (size_t i = 0; i < embedded_count; i++) {
		const char *path = embedded_files[i].path, *end = strrchr(path, '.');

		if (strncmp(path, folder, length) != 0 || path[length] != '/' || !end ||
			strcmp(end, ".prog") != 0)
			continue;
		files->paths = tool_grow(files->paths, files->count + 1, sizeof(*files->paths));
		files->paths[files->count++] = tool_copy(path);
	}
	return files->count - before;
}

static bool add_files(struct request *request, const char *folder, const char *inner)
{
	char *tree = files_tree(folder), path[4200];

	if (!tree) {
		snprintf(path, sizeof(path), "%s%s", folder, inner);
		if (!add_embedded(request, path))
			tool_error("diff: no folder %s here or above the binary, and it is not "
				   "compiled in: left out",
				path);
		return true;
	}
	snprintf(path, sizeof(path), "%s%s", tree, inner);
	free(tree);
	return files_collect(path, &request->diff.files);
}

static bool set_bug(struct request *request, const char *value)
{
	request->diff.machine.bug = sim_bug_find(value);
	if (request->diff.machine.bug && sim_bugs_built())
		return true;
	tool_error("--bug: no defect '%s' in this build", value);
	return false;
}

static bool set_target(struct request *request, const char *value)
{
	struct diff_machine *machine = &request->diff.machine;

	machine->kind = DIFF_LOCAL;
	request->local = true;
	machine->target = strcmp(value, "inproc") == 0 ? &target_inproc
			  : strcmp(value, "live") == 0 ? &target_live
						       : NULL;
	if (!machine->target)
		tool_error("--target: expected inproc or live, found '%s'", value);
	return machine->target != NULL;
}

static bool read_number(struct request *request, int option, const char *value)
{
	struct diff *diff = &request->diff;
	uint64_t number;

	switch (option) {
	case DIFF_PROGRAMS:
		request->counted = true;
		return tool_number("programs", value, 0, UINT64_C(1) << 40, &diff->programs);
	case DIFF_SEED: return tool_number("seed", value, 0, UINT64_MAX, &diff->gen.seed);
	case DIFF_FIRST: return tool_number("first", value, 0, UINT64_C(1) << 60, &diff->gen.first);
	case DIFF_ONLY:
		request->counted = diff->only = true;
		diff->programs = 1;
		return tool_number("only", value, 0, UINT64_C(1) << 60, &diff->gen.first);
	case DIFF_CALLS:
		if (!tool_number("calls", value, 1, PROG_CALL_MAX, &number))
			return false;
		diff->gen.options.call_max = (uint32_t)number;
		return true;
	case DIFF_SECONDS: return tool_number("seconds", value, 1, 1000000, &diff->seconds);
	default: return tool_number("require-errnos", value, 1, UINT32_MAX, &diff->least);
	}
}

static bool read_option(struct request *request, int option, const char *value)
{
	struct diff *diff = &request->diff;

	switch (option) {
	case DIFF_KERNEL: return tool_kernel(value, &request->kernel);
	case DIFF_IMAGE: request->image = value; return true;
	case DIFF_BINARY: diff->machine.vm_config.binary = value; return true;
	case DIFF_LOCALLY: return set_target(request, "live");
	case DIFF_TARGET: return set_target(request, value);
	case DIFF_AGENT:
		diff->machine.kind = DIFF_COMMAND;
		diff->machine.command = value;
		return true;
	case DIFF_BUG: return set_bug(request, value);
	case DIFF_PROGRAMS:
	case DIFF_SEED:
	case DIFF_FIRST:
	case DIFF_ONLY:
	case DIFF_CALLS:
	case DIFF_SECONDS:
	case DIFF_REQUIRE: return read_number(request, option, value);
	case DIFF_STANDARD: diff->standard = true; return true;
	case DIFF_CORPUS:
		return add_files(request, "corpus", "/seeds") &&
		       add_files(request, "corpus", "/regress");
	case DIFF_SUITE: return add_files(request, "conformance", "");
	case DIFF_ERRNOS: request->errnos = value; return true;
	case DIFF_DIFFERENCES: request->differences = value; return true;
	case DIFF_HAZARDS: request->hazards = value; return true;
	case DIFF_OUT: diff->folder = value; return true;
	case DIFF_JSON: diff->json = value; return true;
	case DIFF_LONG: diff->minimise = false; return true;
	case DIFF_QUIET: diff->quiet = true; return true;
	case OPTIONS_WORD: return files_collect(value, &diff->files);
	default: return false;
	}
}

static bool is_consistent(struct request *request)
{
	struct diff *diff = &request->diff;

	if (request->local + (request->image != NULL) + (diff->machine.kind == DIFF_COMMAND) > 1) {
		tool_error("diff: --image, --local, --target and --agent exclude each other");
		return false;
	}
	if (diff->machine.bug && diff->machine.target != &target_inproc) {
		tool_error("diff: --bug goes with --target inproc");
		return false;
	}
	if (diff->machine.kind == DIFF_VM && !request->image && !request->kernel) {
		tool_error("diff: expected a machine to compare with: --kernel, --image, --local, "
			   "--agent or --target inproc");
		return false;
	}
	if (diff->least && diff->standard) {
		tool_error("diff: --require-errnos goes with the honest mix, not with --standard");
		return false;
	}
	if (!request->counted && !diff->seconds)
		diff->programs = diff->files.count ? 0 : PROGRAMS_DEFAULT;
	if (!request->counted && diff->seconds)
		diff->programs = diff->files.count ? 0 : UINT64_C(1) << 40;
	return true;
}

/* -- set-up -- */

/* A table that lists nothing would be a requirement that anything meets. */
static bool can_require(const struct diff *diff)
{
	bool possible = !diff->least;

	for (size_t i = 0; !possible && i < diff->errnos.count; i++)
		possible = !diff->errnos.listed[i].absent;
	if (!possible)
		tool_error("diff: --require-errnos: expected a table that lists errnos "
			   "(--errnos, default conformance/errnos)");
	return possible;
}

static bool read_rules(struct request *request)
{
	struct diff *diff = &request->diff;
	char *tree = files_tree("conformance"), path[4200];
	bool read = true;

	static const char *const names[] = {"differences", "hazards", "errnos"};
	const char *given[] = {request->differences, request->hazards, request->errnos};

	diff->errnos.reached = NULL;
	for (int i = 0; i < 3; i++) {
		if (given[i])
			snprintf(path, sizeof(path), "%s", given[i]);
		else if (tree)
			snprintf(path, sizeof(path), "%s/%s", tree, names[i]);
		else
			snprintf(path, sizeof(path), "conformance/%s", names[i]);
		if (i == 2)
			read = diff_errnos_read(&diff->errnos, path) && read;
		else
			read = rules_read(i ? &diff->hazards : &diff->differences,
				       i ? RULE_HAZARD : RULE_DIFFERENCE, path) &&
			       read;
	}
	free(tree);
	return read && can_require(diff);
}

/* The folder that `ci/live-kernel build SERIES` prints. */
static bool find_kernel(struct request *request)
{
	char *tree = files_tree("ci"), command[4400], folder[4200] = "";
	int status = -1;

	if (!tree) {
		tool_error("diff: --kernel needs ci/live-kernel; use --image");
		return false;
	}
	snprintf(command, sizeof(command), "'%s/live-kernel' build %u.%u", tree,
		request->kernel >> 8, request->kernel & 255);
	free(tree);
	FILE *out = popen(command, "r");
	if (out) {
		while (fgets(folder, sizeof(folder), out))
			;
		status = pclose(out);
	}
	folder[strcspn(folder, "\n")] = '\0';
	if (status != 0 || !*folder) {
		tool_error("diff: no kernel from %s", command);
		return false;
	}
	request->image = request->built = tool_copy(folder);
	return true;
}

static int start_machine(struct request *request)
{
	struct diff *diff = &request->diff;
	struct diff_machine *machine = &diff->machine;
	const struct live_probe *probe = &machine->hello.probe;
	char reason[400] = "";

	if (machine->kind == DIFF_VM && !request->image && !find_kernel(request))
		return TOOL_BROKEN;
	/* Only mock devices are compared, and older kernels attach none beside a real IOMMU. */
	machine->vm_config.kernel = request->image;
	machine->vm_config.no_iommu = true;
	/* Programs run one after another; a second processor costs an emulator more than it gives.
	 */
	machine->vm_config.cpus = 1;
	if (!diff_machine_start(machine, reason, sizeof(reason))) {
		tool_error("diff: no machine: %s", reason);
		return TOOL_BROKEN;
	}
	/* An agent that tests no kernel has none to tell of. */
	if (machine->target == &target_inproc || (!probe->has_iommu && !*probe->no_iommu)) {
		machine->target = &target_inproc;
		diff->kernel = request->kernel ? request->kernel : LINUX_NEWEST;
		return TOOL_OK;
	}
	diff->kernel = probe->kernel;
	if (!probe->has_iommu) {
		tool_error("diff: %s", probe->no_iommu);
		return TOOL_SKIPPED;
	}
	if (!probe->has_test)
		diff->gen.options.exclude_needs |= NEEDS_TEST;
	if (!request->kernel || request->kernel == probe->kernel)
		return TOOL_OK;
	tool_error("diff: --kernel %u.%u, but the machine runs %s", request->kernel >> 8,
		request->kernel & 255, probe->release);
	return TOOL_BROKEN;
}

static int compare(struct request *request)
{
	struct diff *diff = &request->diff;
	const char *reason = NULL;
	int code = start_machine(request);

	if (code == TOOL_OK) {
		diff->gen.options.kernel = diff->kernel;
		diff->exec = exec_open(&target_inproc, diff->kernel, &reason);
		if (!diff->exec) {
			tool_error("diff: no machine in this process: %s", reason);
			code = TOOL_BROKEN;
		} else {
			exec_set_scattered(diff->exec, true);
		}
	}
	if (code == TOOL_OK) {
		bool whole = diff_run(diff);

		/* The message that names the file is all there is to say. */
		if (diff->unreadable && !diff->compared && !diff->found_count &&
			!agent_interrupted())
			code = TOOL_BROKEN;
		else
			code = diff_summary(diff, agent_interrupted());
		if (!whole && !agent_interrupted())
			code = TOOL_BROKEN;
	}
	exec_close(diff->exec);
	diff_machine_stop(&diff->machine);
	return agent_interrupted() ? TOOL_INTERRUPTED : code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct request request = {
		.diff = {
			.machine = {.kind = DIFF_VM, .channel = -1},
			.gen = {.seed = 1,
				.options = {.live = true, .exclude_needs = NEEDS_INPROC}},
			.minimise = true,
			.folder = "differences",
		}};
	struct options options;
	const char *value;
	int code = TOOL_BROKEN;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_HELP)
			return TOOL_OK;
		if (!read_option(&request, option, value))
			return TOOL_BROKEN;
	}
	if (is_consistent(&request) && (!request.diff.json || files_can_write(request.diff.json)) &&
		read_rules(&request))
		code = compare(&request);
	diff_free(&request.diff);
	free(request.built);
	return code;
}

const struct command command_diff = {
	.name = "diff",
	.brief = "compare the implementation with a real kernel, call by call",
	.synopsis = "iommuzz diff --kernel SERIES | --image DIR | --local | --agent COMMAND "
		    "[OPTION]... [FILE]...\n"
		    "iommuzz diff --target inproc [--bug NAME] [OPTION]... [FILE]...",
	.description = "Runs the same programs in-process and on a real kernel and compares "
		       "results, ids, IOVAs, structs\n"
		       "and user memory, call by call. Programs are generated from a seed, read "
		       "from FILEs (programs, or\n"
		       "folders of them), or those of --corpus and --suite. They travel in "
		       "batches; where the digests of\n"
		       "two traces differ, the traces are fetched and compared.\n\n"
		       "A difference is counted under a key that stays the same from run to run "
		       "(call, what differs,\n"
		       "kernel series). The first program of each key is shortened and written to "
		       "DIR/KEY.prog with the\n"
		       "results of both sides before each call. Differences that "
		       "conformance/differences explains, with\n"
		       "call, field, state, reason and kernel range, are counted; all others fail. "
		       "What a kernel must not\n"
		       "be given (conformance/hazards) is left out and counted.\n\n"
		       "A table shows how often each errno that the specification lists for a call "
		       "was reached.",
	.options = diff_options,
	.exit_status = "0   no difference that is not explained\n"
		       "1   differences; or explained ones in 0.1 % of the programs or more (of "
		       "10,000 at least); or\n"
		       "    an errno that was reached too seldom\n"
		       "2   wrong usage, input that cannot be read, a machine that cannot be "
		       "started, rules that leave\n"
		       "    nothing to compare\n"
		       "77  the machine has no /dev/iommu\n"
		       "130 interrupted; what was found is kept",
	.examples = "iommuzz diff --kernel 7.3 --programs 1000000 --seed 7\n"
		    "iommuzz diff --image ~/.cache/iommuzz/kernels/KEY --corpus --suite\n"
		    "iommuzz diff --kernel 7.3 --seed 7 --only 81234\n"
		    "iommuzz diff --target inproc --bug unmap-partial-area",
	.run = run,
};
