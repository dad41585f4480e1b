/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz agent: the machine under test, as a judge elsewhere sees it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tools/agent.h"
#include "tools/machine.h"
#include "tools/tool.h"

enum { AGENT_TARGET, AGENT_DEVICE };

static const struct option_spec agent_options[] = {
	[AGENT_TARGET] = {"target", 't', "TARGET",
		"What is tested: live (this kernel, default), inproc or model."},
	[AGENT_DEVICE] = {"device", 'd', "ADDRESS",
		"With the target live: lends the PCI device at ADDRESS to programs, as iommuzz\n"
		"check does."},
	{0},
};

/* Low numbers belong to programs, and a program that prints must not speak to the judge. */
static int move_high(int fd, int replacement)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 700);

	return high >= 0 && dup2(replacement, fd) == fd ? high : -1;
}

static int serve(const struct target_class *target)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int in = null < 0 ? -1 : move_high(STDIN_FILENO, null);
	int out = in < 0 ? -1 : move_high(STDOUT_FILENO, STDERR_FILENO);

	if (out < 0) {
		tool_error("agent: cannot move standard input and output: %s", strerror(errno));
		return TOOL_BROKEN;
	}
	close(null);
	return agent_serve(in, out, target, 0);
}

static int open_and_serve(struct machine *machine, const struct target_class *target)
{
	int code = -1;

	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO)) {
		tool_error("agent: speaks to a program on standard input and output, not to a "
			   "terminal; see iommuzz help vm");
		return TOOL_BROKEN;
	}
	if (target != &target_live)
		return serve(target);
	code = machine_open(machine, "agent");
	if (code >= 0)
		return code;
	code = serve(target);
	return machine_close(machine) ? code : TOOL_BROKEN;
}

static int run(const struct command *command, int argc, char **argv)
{
	const struct target_class *target = &target_live;
	struct machine machine = {0};
	struct options options;
	const char *value;
	bool right = true;

	options_init(&options, command, argc, argv);
	for (int option; right && (option = options_next(&options, &value)) != OPTIONS_END;)
		switch (option) {
		case AGENT_TARGET: right = (target = machine_target(value)) != NULL; break;
		case AGENT_DEVICE: right = machine_name_device(&machine, value); break;
		case OPTIONS_HELP: return TOOL_OK;
		case OPTIONS_WORD:
			tool_error("agent: unexpected argument '%s'", value);
			return TOOL_BROKEN;
		default: return TOOL_BROKEN;
		}
	if (right && machine.named_count && target != &target_live) {
		tool_error("agent: --device is for --target live");
		right = false;
	}
	return right ? open_and_serve(&machine, target) : TOOL_BROKEN;
}

const struct command command_agent = {
	.name = "agent",
	.brief = "the machine under test, for a judge elsewhere",
	.synopsis = "iommuzz agent [--target TARGET] [--device ADDRESS]...",
	.description =
		"Runs what a judge (iommuzz vm, iommuzz diff) asks for over standard input "
		"and output, in the\n"
		"messages of tools/agent.h. The judge must be a build of the same sources. "
		"It starts agents\n"
		"itself, in a VM or by a command: iommuzz vm check --agent 'ssh HOST iommuzz "
		"agent'.\n\n"
		"As init of a machine (/init of an initramfs) iommuzz is such an agent, on "
		"the virtio port\n"
		"'iommuzz', and powers the machine off at the end.",
	.options = agent_options,
	.exit_status = "0    the judge said so, or went away\n"
		       "2    wrong usage\n"
		       "77   no /dev/iommu here",
	.examples = "iommuzz vm check --agent 'iommuzz agent --target inproc'\n"
		    "iommuzz vm check --agent 'ssh root@testbox ./iommuzz agent'",
	.run = run,
};
