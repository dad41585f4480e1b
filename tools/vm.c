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
#define GIVEN_FD	     3 /* the first of those that QEMU gets: enum given */
#define GOODBYE_MILLISECONDS 400
#define ARGUMENTS_MAX	     48

/* Descriptors that QEMU gets, from GIVEN_FD on. Files are named by them. */
enum given { GIVEN_CHANNEL, GIVEN_INITRAMFS, GIVEN_CONSOLE, GIVEN_COUNT };

/* What QEMU is started with: its words, and room for those that are made up. */
struct command_line {
	const char *words[ARGUMENTS_MAX];
	size_t count;
	char kernel[400], memory[16], cpus[12], arguments[200];
	int initramfs;
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
	/*
	 * Warnings belong on the console: they tell of what a guest died. An oops leaves locks
	 * behind that would hang later tests, so the machine starts anew after one. Whether timers
	 * tick cannot be checked on a busy host: a late tick would be a panic at boot. Mock devices
	 * end with a grace period each, which would be most of a program's time. Addresses that a
	 * program names must be free: nothing of the harness lies at random ones.
	 */
	snprintf(line->arguments, sizeof(line->arguments),
		"console=ttyS0 quiet loglevel=5 panic=-1 oops=panic no_timer_check norandmaps "
		"rcupdate.rcu_expedited=1 %s",
		config->no_iommu ? "intel_iommu=off" : "intel_iommu=on iommu=pt");
	add(line, "-serial", "file:/proc/self/fd/5");
	add(line, "-kernel", line->kernel);
	add(line, "-initrd", "/proc/self/fd/4");
	add(line, "-append", line->arguments);
}

/* -- one machine -- */

static void become_qemu(const struct vm *vm, const struct command_line *line, int channel)
{
	const int given[GIVEN_COUNT] = {
		[GIVEN_CHANNEL] = channel,
		[GIVEN_INITRAMFS] = line->initramfs,
		[GIVEN_CONSOLE] = vm->console,
	};
	int high[GIVEN_COUNT];

	/* Two steps: the numbers may be each other's. */
	for (int i = 0; i < GIVEN_COUNT; i++)
		high[i] = fcntl(given[i], F_DUPFD_CLOEXEC, GIVEN_FD + GIVEN_COUNT);
	int log = fcntl(vm->log, F_DUPFD_CLOEXEC, GIVEN_FD + GIVEN_COUNT);
	dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	for (int i = 0; i < GIVEN_COUNT; i++)
		dup2(high[i], GIVEN_FD + i);
	closefrom(GIVEN_FD + GIVEN_COUNT);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	execvp(QEMU, (char *const *)(uintptr_t)line->words);
	dprintf(STDERR_FILENO, QEMU ": %s\n", strerror(errno));
	_exit(127);
}

static bool start_qemu(struct vm *vm, const struct command_line *line, char *reason, size_t size)
{
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		snprintf(reason, size, "cannot make a socket: %s", strerror(errno));
		return false;
	}
	fflush(stdout);
	vm->channel = ends[0];
	vm->pid = fork();
	if (vm->pid == 0) {
		/* Nothing survives its judge, and a terminal's Ctrl-C goes to the judge alone. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		if (getppid() != parent)
			_exit(127);
		become_qemu(vm, line, ends[1]);
	}
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

static bool ended_within(pid_t pid, unsigned milliseconds, int *status)
{
	struct timespec pause = {.tv_nsec = 5000000};

	for (unsigned waited = 0; waited <= milliseconds; waited += 5) {
		pid_t ended = waitpid(pid, status, WNOHANG);

		if (ended == pid || (ended < 0 && errno == ECHILD))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* False when QEMU itself had failed. */
static bool end_qemu(struct vm *vm)
{
	int status = 0;

	agent_unwatch(vm->channel);
	agent_send(vm->channel, AGENT_QUIT, NULL, 0);
	if (!ended_within(vm->pid, GOODBYE_MILLISECONDS, &status)) {
		kill(-vm->pid, SIGKILL);
		while (waitpid(vm->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(vm->channel);
	vm->channel = -1;
	vm->pid = 0;
	return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

static const char *last_line(char *text)
{
	size_t length = strlen(text);

	while (length && text[length - 1] == '\n')
		text[--length] = '\0';
	const char *before = strrchr(text, '\n');
	return before ? before + 1 : text;
}

/* What a panic, QEMU itself or the end of the console says tells more than that there was no
 * answer. */
static void add_last_words(const struct vm *vm, char *reason, size_t size)
{
	char text[4000];
	size_t used = strlen(reason);
	int length;

	vm_last_lines(vm->console, text, sizeof(text));
	const char *line = agent_cause(text, &length);
	if (!length) {
		vm_last_lines(vm->log, text, sizeof(text));
		line = last_line(text);
		if (!*line) {
			vm_last_lines(vm->console, text, sizeof(text));
			line = last_line(text);
		}
		length = (int)strlen(line);
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
	/* What an earlier boot has said is not this one's. */
	if (ftruncate(vm->console, 0) != 0 || ftruncate(vm->log, 0) != 0) {
		snprintf(reason, size, "cannot empty the console: %s", strerror(errno));
		return false;
	}
	if (!start_qemu(vm, line, reason, size))
		return false;
	snprintf(reason, size, "%s: ", line->kernel);
	if (agent_greet(
		    vm->channel, limit, &vm->hello, reason + strlen(reason), size - strlen(reason)))
		return true;
	if (!end_qemu(vm))
		snprintf(reason, size, "QEMU failed");
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

static void close_files(struct vm *vm)
{
	if (vm->console >= 0)
		close(vm->console);
	if (vm->log >= 0)
		close(vm->log);
	vm->console = vm->log = -1;
}

/* Files in memory: no folder to be left behind, none that cannot be written. */
static bool open_files(struct vm *vm, char *reason, size_t size)
{
	vm->console = vm_open_nameless("console", reason, size);
	vm->log = vm->console < 0 ? -1 : vm_open_nameless("qemu", reason, size);
	/* Each boot starts anew in an emptied file. */
	return vm->log >= 0 && fcntl(vm->log, F_SETFL, O_APPEND) == 0;
}

bool vm_start(struct vm *vm, const struct vm_config *config, char *reason, size_t size)
{
	struct command_line line = {.initramfs = -1};
	char binary[420];

	*vm = (struct vm){.channel = -1, .console = -1, .log = -1};
	if (agent_interrupted()) {
		snprintf(reason, size, "interrupted");
		return false;
	}
	if (!vm_find_kernel(config->kernel, line.kernel, sizeof(line.kernel), reason, size) ||
		!vm_find_program(QEMU, reason, size) ||
		!vm_find_binary(config->binary, binary, sizeof(binary), reason, size))
		return false;
	line.initramfs = vm_open_initramfs(binary, config->content, reason, size);
	bool started = line.initramfs >= 0 && open_files(vm, reason, size) &&
		       boot_fastest(vm, config, &line, reason, size);
	if (line.initramfs >= 0)
		close(line.initramfs);
	if (!started)
		close_files(vm);
	return started;
}

void vm_stop(struct vm *vm, char *text, size_t size)
{
	if (vm->pid > 0)
		end_qemu(vm);
	if (text)
		vm_last_lines(vm->console, text, size);
	close_files(vm);
}
