/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz shim: a program with the in-process implementation behind its /dev/iommu. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/shim/program.h"
#include "impl/shim/protocol.h"
#include "impl/shim/server.h"
#include "impl/sim/bugs.h"
#include "tools/shim_report.h"
#include "tools/shim_trace.h"
#include "tools/tool.h"

#define TOOL_STATIC 125 /* the program cannot be served */

enum {
	SHIM_KERNEL,
	SHIM_MEMLOCK,
	SHIM_SEED,
	SHIM_DEVICES,
	SHIM_FAIL_NTH,
	SHIM_FAIL_RANDOM,
	SHIM_TRACE,
	SHIM_REPORT,
	SHIM_BUG,
};

static const struct option_spec shim_options[] = {
	[SHIM_KERNEL] = {"kernel", 'k', "VERSION", "The kernel profile (default: the newest)."},
	[SHIM_MEMLOCK] = {"memlock", 'm', "BYTES",
		"RLIMIT_MEMLOCK of the program, also as 64K, 8M or 2G; without capabilities it\n"
		"limits what it pins."},
	[SHIM_SEED] = {"seed", 's', "N", "Which failures --fail-random draws (default 1)."},
	[SHIM_DEVICES] = {"devices", 'd', "LIST",
		"What the program finds, separated by commas: iommu (/dev/iommu, always there), "
		"vfio\n"
		"(/dev/vfio/vfio, an iommufd), noiommu (MOCK_DOMAIN_FLAGS with flag 0x80000000 "
		"makes\n"
		"a device without an IOMMU). Mock devices are made by the program itself."},
	[SHIM_FAIL_NTH] = {"fail-nth", 'n', "N",
		"In each thread the N-th step that can fail fails. Tells on standard error\n"
		"whether it was reached."},
	[SHIM_FAIL_RANDOM] = {"fail-random", 'R', "N",
		"In each thread a step that can fail fails now and then, one in N on average;\n"
		"--seed draws which."},
	[SHIM_TRACE] = {"trace", 't', "FILE",
		"Writes what the program does as a program for `iommuzz run`."},
	[SHIM_REPORT] = {"report", 'r', NULL,
		"Tells on standard error at the end what was left behind and which calls make no\n"
		"sense, with the functions that they came from."},
	[SHIM_BUG] = {"bug", 'b', "NAME", "Switches a defect on (bugs build)."},
	{0},
};

struct shim {
	struct shim_options options;
	char *library;
	char **program;
	uint64_t memlock;
	bool has_memlock, report;
	const char *trace;
};

/* Who listens to the calls. */
struct listeners {
	struct shim_trace *trace;   /* or NULL */
	struct shim_report *report; /* or NULL */
};

static void listen_seen(void *context, const struct shim_seen *seen)
{
	const struct listeners *listeners = context;

	if (listeners->trace)
		shim_trace_seen(listeners->trace, seen);
	if (listeners->report)
		shim_report_seen(listeners->report, seen);
}

static uint32_t listen_origin(void *context, int pid, const uint64_t *frames, uint32_t count)
{
	const struct listeners *listeners = context;

	return listeners->report ? shim_report_origin(listeners->report, pid, frames, count) : 0;
}

static void listen_closed(void *context, const struct shim_closed *closed)
{
	const struct listeners *listeners = context;

	if (listeners->trace)
		shim_trace_closed(listeners->trace, closed->key);
	if (listeners->report)
		shim_report_closed(listeners->report, closed);
}

static void listen_exited(void *context, int pid)
{
	const struct listeners *listeners = context;

	if (listeners->trace)
		shim_trace_exited(listeners->trace, pid);
}

static void listen_warned(void *context, const char *rule, const char *message)
{
	const struct listeners *listeners = context;

	if (listeners->report)
		shim_report_warned(listeners->report, rule, message);
}

/* Beside the command. */
static char *find_library(void)
{
	static const char name[] = "libiommuzz_shim.so";
	const char *given = getenv("IOMMUZZ_SHIM_LIBRARY");
	char path[4096 + sizeof(name)];
	ssize_t length;
	char *slash;

	if (given)
		return tool_copy(given);
	length = readlink("/proc/self/exe", path, 4096);
	if (length <= 0 || length == 4096)
		return NULL;
	path[length] = 0;
	slash = strrchr(path, '/');
	memcpy(slash + 1, name, sizeof(name));
	return access(path, R_OK) ? NULL : tool_copy(path);
}

/* Whether the program can be served; otherwise says why not. One that is not there exec tells of.
 */
static bool can_be_served(const char *program)
{
	char file[PATH_MAX], named[PATH_MAX];
	enum program_kind kind =
		program_find(program, file) ? program_look(file, named) : PROGRAM_SERVED;

	if (kind == PROGRAM_FOREIGN)
		tool_error("shim: %s is a program for another machine than iommuzz itself", named);
	if (kind == PROGRAM_STATIC)
		tool_error("shim: %s is statically linked: only programs that a dynamic loader "
			   "starts can be served",
			named);
	return kind == PROGRAM_SERVED;
}

static void preload(const struct shim *shim, const struct shim_server *server)
{
	char text[1024];
	const char *options;
	const char *others = getenv("LD_PRELOAD");
	char *value = NULL;
	size_t size = strlen(shim->library) + (others ? strlen(others) : 0) + 2;

	value = tool_grow(NULL, size, 1);
	snprintf(value, size, "%s%s%s", shim->library, others && *others ? ":" : "",
		others ? others : "");
	setenv("LD_PRELOAD", value, 1);
	setenv(SHIM_VARIABLE, shim_server_address(server), 1);
	/* Programs with AddressSanitizer insist on its runtime being first, without need here. */
	options = getenv("ASAN_OPTIONS");
	snprintf(text, sizeof(text), "%s%sverify_asan_link_order=0", options ? options : "",
		options ? ":" : "");
	setenv("ASAN_OPTIONS", text, 1);
	free(value);
}

static _Noreturn void become_program(const struct shim *shim, const struct shim_server *server)
{
	struct rlimit limit;

	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (shim->has_memlock && !getrlimit(RLIMIT_MEMLOCK, &limit)) {
		limit.rlim_cur = shim->memlock;
		if (limit.rlim_max < limit.rlim_cur)
			limit.rlim_max = limit.rlim_cur;
		if (setrlimit(RLIMIT_MEMLOCK, &limit)) {
			tool_error("--memlock: the limit cannot be set: %s", strerror(errno));
			_exit(TOOL_BROKEN);
		}
	}
	preload(shim, server);
	execvp(shim->program[0], shim->program);
	tool_error("%s: cannot be run: %s", shim->program[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Who is told to end tells the program, and ends with it. */
static volatile pid_t told;

static void pass_on(int signal)
{
	if (told > 0)
		kill(told, signal);
}

static void pass_signals(pid_t program)
{
	static const int passed[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};

	told = program;
	for (unsigned n = 0; n < sizeof(passed) / sizeof(*passed); n++)
		sigaction(passed[n], &action, NULL);
}

/* The program's own end, once its children have ended too. */
static int wait_for(pid_t program)
{
	int status, result = 0;
	pid_t ended;

	while ((ended = waitpid(-1, &status, 0)) > 0 || errno == EINTR) {
		if (ended == program)
			result = status;
	}
	return result;
}

static int end_like(int status)
{
	struct rlimit none = {0, 0};

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	/* The core, if any, was the program's. */
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

/* Why the trace could not be written becomes the exit code only where the program had none. */
static int finish(const struct listeners *listeners, int status)
{
	char message[512] = "";
	bool written;

	if (listeners->report) {
		shim_report_print(listeners->report, stderr);
		shim_report_end(listeners->report);
	}
	if (!listeners->trace)
		return end_like(status);
	written = shim_trace_write(listeners->trace, message, sizeof(message));
	if (!written)
		tool_error("--trace: %s", message);
	shim_trace_end(listeners->trace);
	return written || status ? end_like(status) : TOOL_BROKEN;
}

static bool start_listeners(struct shim *shim, struct listeners *listeners,
	struct shim_observer *observer, char *description)
{
	struct shim_trace_options options = {.path = shim->trace,
		.kernel = shim->options.kernel,
		.vfio_container = shim->options.vfio_container,
		.noiommu = shim->options.noiommu,
		.description = description};
	char message[512] = "out of memory";

	*observer = (struct shim_observer){.context = listeners,
		.origin = listen_origin,
		.seen = listen_seen,
		.closed = listen_closed,
		.exited = listen_exited,
		.warned = listen_warned};
	if (shim->trace)
		listeners->trace = shim_trace_start(&options, message, sizeof(message));
	if (shim->trace && !listeners->trace) {
		tool_error("--trace: %s", message);
		return false;
	}
	if (shim->report)
		listeners->report = shim_report_start();
	if (shim->report && !listeners->report) {
		tool_error("%s", message);
		return false;
	}
	if (shim->trace || shim->report)
		shim->options.observer = observer;
	shim->options.backtraces = shim->report;
	return true;
}

/* The machine holds the descriptors of all its processes; the program keeps its own limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run_program(struct shim *shim)
{
	struct listeners listeners = {.trace = NULL};
	char description[] = "Recorded by iommuzz shim.";
	struct shim_observer observer;
	struct shim_server *server;
	pid_t program;
	int status;

	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!start_listeners(shim, &listeners, &observer, description))
		return TOOL_BROKEN;
	server = shim_server_start(&shim->options);
	if (!server) {
		tool_error("the machine cannot be started: %s", strerror(errno));
		return TOOL_BROKEN;
	}
	program = fork();
	if (!program)
		become_program(shim, server);
	if (program < 0) {
		tool_error("%s: cannot be started: %s", shim->program[0], strerror(errno));
		return TOOL_BROKEN;
	}
	raise_descriptor_limit();
	pass_signals(program);
	status = wait_for(program);
	shim_server_wait(server);
	if (shim->options.fail_nth && !shim_server_failed(server))
		tool_error("--fail-nth %u: not reached", shim->options.fail_nth);
	if (shim->options.fail_random && !shim_server_failed(server))
		tool_error("--fail-random %u: nothing failed", shim->options.fail_random);
	shim_server_stop(server);
	return finish(&listeners, status);
}

static bool set_bug(struct shim *shim, const char *name)
{
	shim->options.bug = sim_bug_find(name);
	if (shim->options.bug && sim_bugs_built())
		return true;
	if (shim->options.bug)
		tool_error("--bug: this build has no switchable defects; use the bugs preset");
	else
		tool_error("--bug: there is no defect '%s'", name);
	return false;
}

static bool read_devices(struct shim *shim, const char *list)
{
	bool more = true;

	while (more) {
		size_t length = strcspn(list, ",");

		if (length == 4 && !strncmp(list, "vfio", 4)) {
			shim->options.vfio_container = true;
		} else if (length == 7 && !strncmp(list, "noiommu", 7)) {
			shim->options.noiommu = true;
		} else if (length != 5 || strncmp(list, "iommu", 5) != 0) {
			tool_error("--devices: there is no '%.*s'; known: iommu, vfio, noiommu",
				(int)length, list);
			return false;
		}
		more = list[length] == ',';
		list += length + more;
	}
	return true;
}

static bool read_count(const char *option, const char *value, uint32_t *count)
{
	uint64_t number;
	bool right = tool_number(option, value, 1, INT32_MAX, &number);

	*count = right ? (uint32_t)number : 0;
	return right;
}

static bool read_option(struct shim *shim, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case SHIM_KERNEL: return tool_kernel(value, &shim->options.kernel);
	case SHIM_MEMLOCK:
		shim->has_memlock = true;
		return tool_size("memlock", value, &shim->memlock);
	case SHIM_DEVICES: return read_devices(shim, value);
	case SHIM_FAIL_NTH: return read_count("fail-nth", value, &shim->options.fail_nth);
	case SHIM_FAIL_RANDOM: return read_count("fail-random", value, &shim->options.fail_random);
	case SHIM_TRACE: shim->trace = value; return true;
	case SHIM_REPORT: shim->report = true; return true;
	case SHIM_BUG: return set_bug(shim, value);
	default:
		if (!tool_number("seed", value, 0, UINT32_MAX, &number))
			return false;
		shim->options.seed = (uint32_t)number;
		return true;
	}
}

/* How many words come before the program: those behind it are its own, whatever they look like. */
static int own_words(int argc, char **argv)
{
	for (int at = 1; at < argc; at++)
		if (!strcmp(argv[at], "--"))
			return at;
	return argc;
}

static int run_shim(const struct command *command, int argc, char **argv)
{
	struct shim shim = {.options = {.seed = 1}};
	int end = own_words(argc, argv), option, code = TOOL_STATIC;
	struct options options;
	const char *value;

	options_init(&options, command, end, argv);
	while ((option = options_next(&options, &value)) != OPTIONS_END) {
		if (option == OPTIONS_HELP)
			return tool_exit(TOOL_OK);
		if (option == OPTIONS_WORD)
			tool_error("shim: '%s': the program stands behind --", value);
		if (option < 0 || !read_option(&shim, option, value))
			return TOOL_BROKEN;
	}
	if (end + 1 >= argc) {
		tool_error("shim: no program is named behind --");
		return TOOL_BROKEN;
	}
	shim.program = argv + end + 1;
	shim.library = find_library();
	if (!shim.library) {
		tool_error("libiommuzz_shim.so is not beside the command");
		return TOOL_BROKEN;
	}
	if (can_be_served(shim.program[0]))
		code = run_program(&shim);
	free(shim.library);
	return code;
}

const struct command command_shim = {
	.name = "shim",
	.synopsis = "shim [OPTION]... -- PROGRAM [ARGUMENT]...",
	.brief = "run a program with the implementation behind its /dev/iommu",
	.description =
		"Runs an unmodified program whose /dev/iommu and /dev/vfio/* are served by the\n"
		"implementation in this command, on the program's real memory. No root, no "
		"hardware,\n"
		"no kernel support. The program's children and what it executes share the machine.",
	.options = shim_options,
	.exit_status =
		"That of the program, or its signal. 125 when it is statically linked or for\n"
		"another machine, 126 and 127 when it cannot be run or found, 2 for wrong usage, "
		"for\n"
		"a trace that cannot be written at the start, and for one that cannot be written "
		"at\n"
		"the end if the program's own exit code is 0.",
	.examples = "iommuzz shim -- ./client --verbose\n"
		    "iommuzz shim --report --memlock 65536 -- ./client\n"
		    "iommuzz shim --trace client.prog -- ./client && iommuzz run client.prog",
	.run = run_shim,
};
