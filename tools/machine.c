/* SPDX-License-Identifier: Apache-2.0 */
/* The real kernel that a command works on. */
#define _GNU_SOURCE
#include "tools/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/tool.h"

#define RETURN_SECONDS 10 /* for the devices to be given back */

const struct target_class *machine_target(const char *name)
{
	static const struct target_class *const targets[] = {
		&target_inproc, &target_model, &target_live};
	const char *names[] = {"inproc", "model", "live", NULL};

	for (unsigned i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return targets[i];
	tool_error_near(name, names, "--target: expected inproc, model or live, found '%s'", name);
	return NULL;
}

bool machine_name_device(struct machine *machine, const char *address)
{
	char full[16], reason[160];

	if (!live_device_address_check(address, full, reason, sizeof(reason))) {
		tool_error("--device: %s", reason);
		return false;
	}
	if (machine->named_count == LIVE_DEVICE_MAX) {
		tool_error("--device: %d devices at most", LIVE_DEVICE_MAX);
		return false;
	}
	machine->named[machine->named_count++] = address;
	return true;
}

/* Waits for the end of the process that holds the other end, then gives the devices back. */
static _Noreturn void keep(int from, int other)
{
	char reason[200] = "", byte;
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	setsid();
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGTERM, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	close(other);
	while (read(from, &byte, 1) < 0 && errno == EINTR)
		;
	bool done = live_device_release(reason, sizeof(reason));
	if (!done)
		tool_error("--device: %s", reason);
	_exit(done ? TOOL_OK : TOOL_BROKEN);
}

static bool start_keeper(struct machine *machine)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	fflush(NULL);
	machine->keeper_pid = fork();
	if (machine->keeper_pid == 0)
		keep(ends[0], ends[1]);
	close(ends[0]);
	machine->keeper = ends[1];
	return machine->keeper_pid > 0;
}

bool machine_bind_devices(struct machine *machine)
{
	char reason[300] = "", unused[300];
	sigset_t all, old;
	bool done = true;

	/* Between the first device and its keeper no signal may end this process. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	for (unsigned i = 0; done && i < machine->named_count; i++)
		done = live_device_bind(machine->named[i], reason, sizeof(reason));
	if (done && !start_keeper(machine)) {
		snprintf(reason, sizeof(reason), "no process to be had: %s", strerror(errno));
		done = false;
	}
	if (!done) {
		tool_error("--device: %s", reason);
		live_device_release(unused, sizeof(unused));
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return done;
}

int machine_open(struct machine *machine, const char *command)
{
	machine->keeper = -1;
	live_probe(&machine->probe);
	if (!machine->probe.has_iommu) {
		tool_error("%s: --target live: %s", command, machine->probe.no_iommu);
		return TOOL_SKIPPED;
	}
	if (machine->named_count) {
		if (!machine_bind_devices(machine))
			return TOOL_BROKEN;
		live_probe(&machine->probe);
	}
	machine->log = kernel_log_open(&machine->no_log);
	return -1;
}

bool machine_close(struct machine *machine)
{
	int status = 0;
	pid_t ended = 0;

	if (machine->log)
		kernel_log_close(machine->log);
	machine->log = NULL;
	if (machine->keeper < 0)
		return true;
	close(machine->keeper);
	machine->keeper = -1;
	for (unsigned i = 0; !ended && i < RETURN_SECONDS * 100; i++) {
		ended = waitpid(machine->keeper_pid, &status, WNOHANG);
		if (!ended)
			poll(NULL, 0, 10);
	}
	if (!ended)
		tool_error("--device: not given back after %d s: the kernel still uses it",
			RETURN_SECONDS);
	return ended && WIFEXITED(status) && WEXITSTATUS(status) == TOOL_OK;
}

bool machine_log(void *log, char *title, size_t title_size, char *text, size_t size)
{
	return kernel_log_report(log, title, title_size, text, size);
}
