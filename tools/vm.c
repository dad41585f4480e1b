/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel under QEMU: its command line, its start, its end. */
#include "tools/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/agent_link.h"
#include "tools/guest.h"
#include "tools/tool.h"
#include "tools/vm_files.h"

#define QEMU		     "qemu-system-x86_64"
#define BOOT_SECONDS	     60
#define KVM_TRIAL_SECONDS    8
#define MEMORY_MIB	     4096
#define CPUS		     2
#define CHANNEL_FD	     3
#define GOODBYE_MILLISECONDS 400
#define ARGUMENTS_MAX	     48

/* What QEMU is started with: its words, and room for those that are made up. */
struct command_line {
	const char *words[ARGUMENTS_MAX];
	size_t count;
	char kernel[400], initramfs[96], console[96], memory[16], cpus[12], arguments[200],
		serial[120];
};

/* -- command line -- */

static void add(struct command_line *line, const char *option, const char *value)
{
	line->words[line->count++] = option;
	if (value)
		line->words[line->count++] = value;
}

static void add_machine(struct command_line *line, const struct vm_config *config, bool kvm)
{
	snprintf(line->memory, sizeof(line->memory), "%u",
		config->memory_mib ? config->memory_mib : MEMORY_MIB);
	line->words[line->count++] = QEMU;
	add(line, "-nodefaults", NULL);
	add(line, "-no-user-config", NULL);
	add(line, "-accel", kvm ? "kvm" : "tcg,thread=multi");
	add(line, "-cpu", "max");
	snprintf(line->cpus, sizeof(line->cpus), "%u", config->cpus ? config->cpus : CPUS);
	add(line, "-smp", line->cpus);
	add(line, "-m", line->memory);
	add(line, "-machine", "q35,kernel-irqchip=split");
	if (!config->no_iommu)
		add(line, "-device", "intel-iommu,intremap=on");
	add(line, "-device", "edu");
	add(line, "-device", "virtio-serial-pci");
	add(line, "-chardev", "socket,id=channel,fd=3");
	add(line, "-device", "virtserialport,chardev=channel,name=" GUEST_CHANNEL);
	add(line, "-display", "none");
	add(line, "-no-reboot", NULL);
}

static void make_line(struct command_line *line, const struct vm_config *config, bool kvm)
{
	add_machine(line, config, kvm);
	snprintf(line->serial, sizeof(line->serial), "file:%s", line->console);
	/*
	 * Warnings belong on the console: they tell of what a guest died. An oops leaves locks
	 * behind that would hang later tests, so the machine starts anew after one. Whether timers
	 * tick cannot be checked on a busy host: a late tick would be a panic at boot. Mock devices
	 * end with a grace period each, which would be most of a program's time.
	 */
	snprintf(line->arguments, sizeof(line->arguments),
		"console=ttyS0 quiet loglevel=5 panic=-1 oops=panic no_timer_check "
		"rcupdate.rcu_expedited=1 %s",
		config->no_iommu ? "intel_iommu=off" : "intel_iommu=on iommu=pt");
	add(line, "-serial", line->serial);
	add(line, "-kernel", line->kernel);
	add(line, "-initrd", line->initramfs);
	add(line, "-append", line->arguments);
}

/* -- one machine -- */

static void become_qemu(const struct command_line *line, const char *folder, int channel)
{
	char log[96];

	/* Nothing survives its judge, and a terminal's Ctrl-C goes to the judge alone. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	snprintf(log, sizeof(log), "%s/qemu.log", folder);
	int null = open("/dev/null", O_RDWR), file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(null, STDIN_FILENO);
	dup2(file, STDOUT_FILENO);
	dup2(file, STDERR_FILENO);
	/* A copy of itself would stay close-on-exec. */
	if (channel == CHANNEL_FD)
		fcntl(channel, F_SETFD, 0);
	else
		dup2(channel, CHANNEL_FD);
	closefrom(CHANNEL_FD + 1);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	execvp(QEMU, (char *const *)(uintptr_t)line->words);
	dprintf(STDERR_FILENO, QEMU ": %s; run ci/setup\n", strerror(errno));
	_exit(127);
}

static bool start_qemu(struct vm *vm, const struct command_line *line, char *reason, size_t size)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		snprintf(reason, size, "cannot make a socket: %s", strerror(errno));
		return false;
	}
	fflush(stdout);
	vm->channel = ends[0];
	vm->pid = fork();
	if (vm->pid == 0)
		become_qemu(line, vm->folder, ends[1]);
	close(ends[1]);
	if (vm->pid > 0) {
		/* Both sides do it: whoever comes first. */
		setpgid(vm->pid, vm->pid);
		agent_watch(vm->channel);
		return true;
	}
	snprintf(reason, size, "cannot start a process: %s", strerror(errno));
	close(ends[0]);
	return false;
}

static bool ended_within(pid_t pid, unsigned milliseconds)
{
	struct timespec pause = {.tv_nsec = 5000000};

	for (unsigned waited = 0; waited <= milliseconds; waited += 5) {
		pid_t ended = waitpid(pid, NULL, WNOHANG);

		if (ended == pid || (ended < 0 && errno == ECHILD))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void end_qemu(struct vm *vm)
{
	agent_unwatch(vm->channel);
	agent_send(vm->channel, AGENT_QUIT, NULL, 0);
	if (!ended_within(vm->pid, GOODBYE_MILLISECONDS)) {
		kill(-vm->pid, SIGKILL);
		while (waitpid(vm->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(vm->channel);
	vm->channel = -1;
	vm->pid = 0;
}

/* What QEMU itself or a panic says tells more than that there was no answer. */
static void add_last_words(const struct vm *vm, char *reason, size_t size)
{
	char path[96], text[4000];
	size_t used = strlen(reason);
	int length;

	snprintf(path, sizeof(path), "%s/console.log", vm->folder);
	vm_last_lines(path, text, sizeof(text));
	const char *line = agent_cause(text, &length);
	if (!length) {
		snprintf(path, sizeof(path), "%s/qemu.log", vm->folder);
		vm_last_lines(path, text, sizeof(text));
		line = text;
		length = (int)strcspn(text, "\n");
	}
	if (length)
		snprintf(reason + used, size - used, ": %.*s", length, line);
}

static bool boot(struct vm *vm, const struct vm_config *config, struct command_line *line, bool kvm,
	char *reason, size_t size)
{
	unsigned limit = config->boot_seconds ? config->boot_seconds : BOOT_SECONDS;

	if (kvm && limit > KVM_TRIAL_SECONDS)
		limit = KVM_TRIAL_SECONDS;
	line->count = 0;
	memset(line->words, 0, sizeof(line->words));
	make_line(line, config, kvm);
	if (!start_qemu(vm, line, reason, size))
		return false;
	if (agent_greet(vm->channel, limit, &vm->hello, reason, size))
		return true;
	end_qemu(vm);
	add_last_words(vm, reason, size);
	return false;
}

/* Emulation unless KVM truly works here: that a machine has it says nothing (a guest may never
 * leave its firmware), so it is tried once. */
static bool boot_fastest(struct vm *vm, const struct vm_config *config, struct command_line *line,
	char *reason, size_t size)
{
	enum vm_kvm kvm = vm_kvm_known();

	if (kvm != VM_KVM_FAILS && boot(vm, config, line, true, reason, size)) {
		if (kvm == VM_KVM_UNKNOWN)
			vm_kvm_remember(VM_KVM_WORKS);
		return true;
	}
	if (agent_interrupted() || !boot(vm, config, line, false, reason, size))
		return false;
	if (kvm != VM_KVM_FAILS)
		vm_kvm_remember(VM_KVM_FAILS);
	*reason = '\0';
	return true;
}

/* -- all of it -- */

static bool make_folder(struct vm *vm, char *reason, size_t size)
{
	const char *base = getenv("TMPDIR");

	if (!base || strlen(base) > 40)
		base = "/tmp";
	snprintf(vm->folder, sizeof(vm->folder), "%s/iommuzz-vm-XXXXXX", base);
	if (mkdtemp(vm->folder))
		return true;
	snprintf(reason, size, "%s: %s", vm->folder, strerror(errno));
	return false;
}

static void remove_folder(struct vm *vm)
{
	static const char *const names[] = {"console.log", "qemu.log", "initramfs"};
	char path[96];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", vm->folder, names[i]);
		unlink(path);
	}
	rmdir(vm->folder);
	*vm->folder = '\0';
}

bool vm_start(struct vm *vm, const struct vm_config *config, char *reason, size_t size)
{
	struct command_line line = {.count = 0};
	char binary[420];

	memset(vm, 0, sizeof(*vm));
	vm->channel = -1;
	if (agent_interrupted()) {
		snprintf(reason, size, "interrupted");
		return false;
	}
	if (!vm_find_kernel(config->kernel, line.kernel, sizeof(line.kernel), reason, size) ||
		!vm_find_binary(config->binary, binary, sizeof(binary), reason, size) ||
		!make_folder(vm, reason, size))
		return false;
	snprintf(line.initramfs, sizeof(line.initramfs), "%s/initramfs", vm->folder);
	snprintf(line.console, sizeof(line.console), "%s/console.log", vm->folder);
	if (vm_write_initramfs(line.initramfs, binary, reason, size) &&
		boot_fastest(vm, config, &line, reason, size))
		return true;
	remove_folder(vm);
	return false;
}

void vm_stop(struct vm *vm, char *text, size_t size)
{
	char console[96];

	if (vm->pid > 0)
		end_qemu(vm);
	snprintf(console, sizeof(console), "%s/console.log", vm->folder);
	if (text)
		vm_last_lines(console, text, size);
	if (*vm->folder)
		remove_folder(vm);
}
