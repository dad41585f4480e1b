/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz vm: the suite, or foreign programs, on kernels that are booted for them. */
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"
#include "tools/vm_check.h"

enum {
	VM_IMAGE,
	VM_AGENT,
	VM_BINARY,
	VM_FILTER,
	VM_FORMAT,
	VM_JSON,
	VM_KERNEL,
	VM_TIMEOUT,
	VM_BOOT_TIMEOUT,
	VM_NO_IOMMU,
	VM_DIE_AT,
	VM_HANG_AT,
	VM_WARN_AT,
	VM_LIST,
	VM_ALL,
	VM_WITH,
	VM_OUT,
};

static const struct option_spec vm_options[] = {
	[VM_IMAGE] = {"image", 'i', "PATH",
		"The kernel: a folder as ci/live-kernel build prints it, or a bzImage."},
	[VM_AGENT] = {"agent", 0, "COMMAND",
		"Instead of a VM: a shell command that runs iommuzz agent somewhere."},
	[VM_BINARY] = {"binary", 0, "FILE",
		"What becomes init: a static iommuzz. Default: this one, or the "
		"iommuzz_static\nbeside it."},
	[VM_FILTER] = {"filter", 'f', "GLOB", "Only tests whose id matches, as 'ioas-map-*'."},
	[VM_FORMAT] = {"format", 'F', "FORMAT", "tap (TAP 13, default), tap14, ktap or junit."},
	[VM_JSON] = {"json", 'j', "FILE", "Writes all results as JSON too."},
	[VM_KERNEL] = {"kernel", 'k', "VERSION",
		"The kernel profile; default: that of the kernel that runs there."},
	[VM_TIMEOUT] = {"timeout", 0, "SECONDS",
		"A test or program that takes longer has failed (default 20)."},
	[VM_BOOT_TIMEOUT] = {"boot-timeout", 0, "SECONDS",
		"A kernel whose agent is silent for longer does not boot (default 60)."},
	[VM_NO_IOMMU] = {"no-iommu", 0, NULL,
		"Boots without the virtual IOMMU. By default a kernel whose mock devices do\n"
		"not attach beside it is booted both ways; a test is skipped only where it\n"
		"is skipped in both."},
	[VM_DIE_AT] = {"die-at", 0, "ID",
		"Negative control: the machine panics in this test; the run must go on."},
	[VM_HANG_AT] = {"hang-at", 0, "ID",
		"Negative control: the machine falls silent in this test."},
	[VM_WARN_AT] = {"warn-at", 0, "ID",
		"Negative control: the kernel is made to warn during this test, which costs the\n"
		"machine (before 6.15 its log is made to look so)."},
	[VM_LIST] = {"list", 'l', NULL, "Prints the ids of the tests and starts no machine."},
	[VM_ALL] = {"all", 'a', NULL, "table: tests that pass or are skipped everywhere, too."},
	[VM_WITH] = {"with", 'w', "PATH",
		"run: a file, or all files of a folder, that the machine has too, under the same\n"
		"path (again and again). Linkers, libraries and interpreters come along anyway."},
	[VM_OUT] = {"out", 'o', "FOLDER",
		"run: what PROGRAM prints goes into FOLDER/PROGRAM, not to standard output."},
	{0},
};

struct words {
	const char **words;
	size_t count;
	const char **with;
	size_t with_count;
	const char *out;
	bool all;
};

static void append(const char ***list, size_t *count, const char *word)
{
	*list = tool_grow(*list, *count + 1, sizeof(**list));
	(*list)[(*count)++] = word;
}

static bool set_number(const char *option, const char *value, unsigned *number)
{
	uint64_t read = 0;
	bool right = tool_number(option, value, 1, 86400, &read);

	*number = (unsigned)read;
	return right;
}

/* An exit code, or -1 to go on. */
static int read_option(struct vm_check *check, struct words *words, int option, const char *value)
{
	bool right = true;

	switch (option) {
	case VM_IMAGE: check->vm.kernel = value; break;
	case VM_AGENT: check->command = value; break;
	case VM_BINARY: check->vm.binary = value; break;
	case VM_FILTER: check->filter = value; break;
	case VM_FORMAT: right = report_set_format(value, &check->format); break;
	case VM_JSON: check->json = value; break;
	case VM_KERNEL: right = tool_kernel(value, &check->kernel); break;
	case VM_TIMEOUT: right = set_number("timeout", value, &check->timeout); break;
	case VM_BOOT_TIMEOUT:
		right = set_number("boot-timeout", value, &check->vm.boot_seconds);
		break;
	case VM_NO_IOMMU: check->vm.no_iommu = true; break;
	case VM_DIE_AT: check->die_at = value; break;
	case VM_HANG_AT: check->hang_at = value; break;
	case VM_WARN_AT: check->warn_at = value; break;
	case VM_LIST: check->list = true; break;
	case VM_ALL: words->all = true; break;
	case VM_WITH: append(&words->with, &words->with_count, value); break;
	case VM_OUT: words->out = value; break;
	case OPTIONS_WORD: append(&words->words, &words->count, value); break;
	case OPTIONS_HELP: return TOOL_OK;
	default: return TOOL_BROKEN;
	}
	return right ? -1 : TOOL_BROKEN;
}

static int start_programs(const struct vm_check *check, const struct words *words)
{
	const struct vm_run run = {
		.vm = check->vm,
		.programs = words->words + 1,
		.program_count = words->count - 1,
		.with = words->with,
		.with_count = words->with_count,
		.folder = words->out,
		.timeout = check->timeout,
	};

	if (run.program_count && check->vm.kernel)
		return vm_run(&run);
	tool_error("vm run: expected --image and programs");
	return TOOL_BROKEN;
}

static int start(const struct vm_check *check, const struct words *words)
{
	static const char *const forms[] = {"check", "table", "run", NULL};
	const char *form = words->count ? words->words[0] : "";

	if (strcmp(form, "table") == 0) {
		if (words->count > 1)
			return vm_table(words->words + 1, words->count - 1, words->all);
		tool_error("vm table: expected files that --json has written");
		return TOOL_BROKEN;
	}
	if (strcmp(form, "run") == 0)
		return start_programs(check, words);
	if (strcmp(form, "check") != 0) {
		tool_error_near(form, forms, "vm: expected check, run or table, found '%s'", form);
		return TOOL_BROKEN;
	}
	if (words->count > 1)
		tool_error("vm check: unexpected argument '%s'", words->words[1]);
	else if (!check->list && !check->vm.kernel == !check->command)
		tool_error("vm check: expected either --image or --agent");
	else
		return vm_check(check);
	return TOOL_BROKEN;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct vm_check check = {.timeout = 20};
	struct words words = {0};
	struct options options;
	const char *value;
	int code = -1;

	options_init(&options, command, argc, argv);
	for (int option; code < 0 && (option = options_next(&options, &value)) != OPTIONS_END;)
		code = read_option(&check, &words, option, value);
	if (code < 0)
		code = start(&check, &words);
	free(words.words);
	free(words.with);
	return code;
}

const struct command command_vm = {
	.name = "vm",
	.brief = "run the suite, or foreign programs, on kernels in QEMU",
	.synopsis = "iommuzz vm check --image PATH [OPTION]...\n"
		    "iommuzz vm check --agent COMMAND [OPTION]...\n"
		    "iommuzz vm run --image PATH [--with PATH]... [--out FOLDER] PROGRAM...\n"
		    "iommuzz vm table [--all] RESULTS...",
	.description = "vm check boots a kernel in QEMU with nothing but a static iommuzz in it, "
		       "runs the tests that are\n"
		       "compiled in against its /dev/iommu, and judges and prints here. The "
		       "machine may die or hang:\n"
		       "the test that was running has failed (rule guest-died or guest-hung, the "
		       "console's last lines\n"
		       "under it), the kernel is booted anew, and the run goes on behind it.\n\n"
		       "vm run boots a kernel that has these programs and whatever they start "
		       "with (linker, libraries,\n"
		       "a script's interpreter), runs them one after another as root and gives "
		       "what they print.\n\n"
		       "vm table prints the results of several runs side by side. ci/live does all "
		       "of this for the\n"
		       "kernels of a project's choice.",
	.options = vm_options,
	.exit_status = "0    all tests passed (or were skipped, or failed as known)\n"
		       "1    a test failed, or passed unexpectedly; a program did not exit with 0, "
		       "or the\n"
		       "     kernel complained\n"
		       "2    wrong usage, the kernel does not boot, a broken harness\n"
		       "77   every test was skipped\n"
		       "130  interrupted",
	.examples = "iommuzz vm check --image $(ci/live-kernel build 7.3) --filter 'ioas-*'\n"
		    "iommuzz vm check --agent 'ssh root@testbox ./iommuzz agent' --json box.json\n"
		    "iommuzz vm run --image $(ci/live-kernel build 7.3) ./client\n"
		    "iommuzz vm table build/live/7.3.json build/live/6.12.json",
	.run = run,
};
