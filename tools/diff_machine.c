/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of `iommuzz diff`: a VM, a process of our own, or whatever a command leads to. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/diff.h"
#include "tools/tool.h"

#define GREETING_SECONDS 30

static bool start_local(struct diff_machine *machine, char *reason, size_t size)
{
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		snprintf(reason, size, "cannot make a socket: %s", strerror(errno));
		return false;
	}
	fflush(NULL);
	machine->pid = fork();
	if (machine->pid == 0) {
		/* Ctrl-C is the parent's business; its end is ours. */
		signal(SIGINT, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		if (getppid() != parent)
			_exit(TOOL_BROKEN);
		_exit(agent_serve(ends[1], ends[1], machine->target, machine->bug));
	}
	close(ends[1]);
	machine->channel = ends[0];
	if (machine->pid < 0) {
		snprintf(reason, size, "cannot start a process: %s", strerror(errno));
		return false;
	}
	return agent_greet(machine->channel, GREETING_SECONDS, &machine->hello, reason, size);
}

bool diff_machine_start(struct diff_machine *machine, char *reason, size_t size)
{
	bool started;

	machine->channel = -1;
	machine->silent = machine->abandoned = false;
	machine->starts++;
	switch (machine->kind) {
	case DIFF_VM:
		started = vm_start(&machine->vm, &machine->vm_config, reason, size);
		if (!started)
			return false;
		machine->channel = machine->vm.channel;
		machine->hello = machine->vm.hello;
		break;
	case DIFF_COMMAND: {
		struct agent_source source = agent_command_source(&machine->agent);

		machine->agent.command = machine->command;
		machine->channel = source.start(source.context, &machine->hello, reason, size);
		if (machine->channel < 0)
			return false;
		break;
	}
	default:
		if (!start_local(machine, reason, size)) {
			diff_machine_stop(machine);
			return false;
		}
	}
	agent_watch(machine->channel);
	return true;
}

void diff_machine_stop(struct diff_machine *machine)
{
	if (machine->channel < 0)
		return;
	agent_unwatch(machine->channel);
	/* What does not read must not be waited for with a farewell. */
	if (machine->abandoned)
		shutdown(machine->channel, SHUT_RDWR);
	if (machine->kind == DIFF_VM) {
		vm_stop(&machine->vm, NULL, 0);
	} else if (machine->kind == DIFF_COMMAND) {
		struct agent_source source = agent_command_source(&machine->agent);

		source.stop(source.context, NULL, 0);
	} else {
		agent_send(machine->channel, AGENT_QUIT, NULL, 0);
		close(machine->channel);
		if (machine->pid > 0) {
			kill(machine->pid, SIGKILL);
			while (waitpid(machine->pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
	}
	machine->channel = -1;
}
