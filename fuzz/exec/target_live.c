/* SPDX-License-Identifier: Apache-2.0 */
/* The live target: the running kernel behind the vtable of targets. */
#define _GNU_SOURCE
#include "fuzz/exec/target_live.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "fuzz/exec/live_fault.h"
#include "fuzz/exec/live_private.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define PARKED_MAX    64
#define USER_UID      1000
#define TEMP_DEFAULT  65536u /* bytes of scratch buffer (10.26) */
#define PINNED_LENGTH (UINT64_C(2) << 20)

struct target {
	struct live_process process;
	struct live_actors *actors; /* NULL until a program has processes */
	bool acting;		    /* this program has */
	struct target_config config;
	struct rlimit nofile, memlock; /* of the harness */
	int parked[PARKED_MAX][2];     /* where it was, where it is */
	unsigned parked_count;
	struct live_progress *progress;
};

/* Settings of the process that come before any target: what its watchers want, and the test's
 * switch. The handler of the timer has no other way to them. */
static struct {
	struct live_progress *progress;
	volatile uint32_t ticks; /* seconds */
	struct {
		volatile uint32_t call, started; /* 1 + index, 0: none; tick of its begin */
	} under_way[EXEC_THREADS];
	unsigned call_seconds;
	bool without_iommu, check_all;
} setting;

void target_live_watch(struct live_progress *progress, unsigned call_seconds)
{
	setting.progress = progress;
	setting.call_seconds = call_seconds;
}

void target_live_without_iommu(bool allowed)
{
	setting.without_iommu = allowed;
}

void target_live_check_all(bool wanted)
{
	setting.check_all = wanted;
}

/* Each second, instead of a timer for each call. */
static void on_tick(int signal_number)
{
	struct live_progress *progress = setting.progress;

	(void)signal_number;
	setting.ticks++;
	for (unsigned t = 0; t < EXEC_THREADS && progress && setting.call_seconds; t++)
		if (setting.under_way[t].call &&
			setting.ticks - setting.under_way[t].started > setting.call_seconds)
			progress->hung = setting.under_way[t].call;
}

/* Of several threads' calls, watchers are told one. */
static void call_begins(struct live_progress *progress, const struct resolved_call *call)
{
	setting.under_way[call->thread].started = setting.ticks;
	setting.under_way[call->thread].call = call->call + 1u;
	progress->call = call->call + 1u;
}

static void call_ends(struct live_progress *progress, const struct resolved_call *call)
{
	uint32_t other = 0;

	setting.under_way[call->thread].call = 0;
	for (unsigned t = 1; t < EXEC_THREADS && call->thread; t++)
		other = setting.under_way[t].call ? setting.under_way[t].call : other;
	progress->call = other;
}

static void set_timer(bool on)
{
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct itimerval every = {.it_interval = {.tv_sec = on}, .it_value = {.tv_sec = on}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

/* -- descriptors of the harness -- */

/* Room above the programs' descriptors, where the hard limit gives it. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 2 * LIVE_FDS) {
		limit.rlim_cur = limit.rlim_max < 2 * LIVE_FDS ? limit.rlim_max : 2 * LIVE_FDS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Programs have as many descriptors as in-process. */
static bool lower_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	limit.rlim_cur = LIVE_FDS;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int target_live_keep(int fd)
{
	int high;

	raise_descriptors();
	high = fcntl(fd, F_DUPFD_CLOEXEC, LIVE_HARNESS_FD);

	if (high >= 0)
		close(fd);
	return high;
}

/* Programs begin with no descriptors: the harness's are put away until the target is closed. */
static const char *park(struct target *target)
{
	for (int fd = 0; fd < LIVE_FDS; fd++) {
		int flags = fcntl(fd, F_GETFD), high;

		if (flags < 0)
			continue;
		high = fcntl(fd, F_DUPFD_CLOEXEC, LIVE_HARNESS_FD);
		if (high < 0 || target->parked_count == PARKED_MAX)
			return "the harness's own descriptors cannot be moved above those of "
			       "programs (RLIMIT_NOFILE below 2048, or more than 64 are open)";
		target->parked[target->parked_count][0] = fd;
		target->parked[target->parked_count++][1] = high;
		close(fd);
	}
	/* The first three are taken by what answers EBADF to nearly everything, as no descriptor.
	 */
	for (int fd = 0; fd < LIVE_FIRST_FD; fd++)
		if (open("/", O_PATH) != fd)
			return "descriptors cannot be set up";
	return NULL;
}

static void unpark(struct target *target)
{
	syscall(SYS_close_range, 0, LIVE_FDS - 1, 0);
	for (unsigned i = 0; i < target->parked_count; i++) {
		dup2(target->parked[i][1], target->parked[i][0]);
		close(target->parked[i][1]);
	}
	target->parked_count = 0;
}

static const char *set_limits(struct target *target)
{
	struct rlimit memlock;

	if (getrlimit(RLIMIT_NOFILE, &target->nofile) ||
		getrlimit(RLIMIT_MEMLOCK, &target->memlock))
		return "limits cannot be read";
	if (!lower_descriptors())
		return "RLIMIT_NOFILE cannot be set to 1024";
	/* Programs set what they like, where that is allowed. */
	memlock = (struct rlimit){.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	if (setrlimit(RLIMIT_MEMLOCK, &memlock))
		memlock.rlim_max = target->memlock.rlim_max;
	memlock.rlim_cur = target->config.memlock;
	if (setrlimit(RLIMIT_MEMLOCK, &memlock))
		return "RLIMIT_MEMLOCK cannot be set to what the program asks for: not privileged";
	return NULL;
}

/* -- begin and end -- */

static const char *look_at_node(void)
{
	static char reason[120];
	int fd;

	if (setting.without_iommu)
		return NULL;
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return NULL;
	}
	snprintf(reason, sizeof(reason), "no /dev/iommu on this machine: %s",
		errno == ENOENT	  ? "it does not exist (a kernel without CONFIG_IOMMUFD?)"
		: errno == EACCES ? "permission denied"
				  : strerror(errno));
	return reason;
}

/* Sanitizers have their own memory where programs have theirs, and do not know other processes'. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const char *refuse(const struct target_config *config)
{
	if (SANITIZED)
		return "live programs do not run in a sanitizer build";
	if (config->caps_none && geteuid())
		return "needs root: P1 is another user";
	return NULL;
}

static bool have_actors(struct target *target)
{
	if (target->actors)
		return true;
	raise_descriptors();
	target->actors = live_actors_open();
	return lower_descriptors() && target->actors;
}

/* P1 as the program wants it; it is the harness's own process unless it ends before the program. */
static const char *begin_program(struct target *target)
{
	const struct target_config *config = &target->config;
	struct live_process *process = &target->process;

	target->acting = false;
	if (config->uses_processes) {
		if (!have_actors(target) ||
			live_actors_begin(target->actors, process, config, config->first_ends))
			return "processes for the program cannot be started";
		target->acting = true;
	}
	if (config->caps_none && !config->first_ends &&
		live_become(process, USER_UID, 0, config->memlock))
		return "needs root: P1 is another user";
	return NULL;
}

/* Programs that were not announced to have processes: those of callers that run calls one by one.
 */
static bool act_now(struct target *target)
{
	target->config.uses_processes = true;
	target->acting = have_actors(target) && !live_actors_begin(target->actors, &target->process,
							&target->config, false);
	return target->acting;
}

static void close_all(struct target *target)
{
	struct live_process *process = &target->process;

	if (process->stray_fds || process->open_count)
		syscall(SYS_close_range, LIVE_FIRST_FD, LIVE_FDS - 1, 0);
	process->stray_fds = false;
	if (process->open_count)
		memset(process->open_fds, 0, sizeof(process->open_fds));
	process->open_count = 0;
}

/* A knob of the whole kernel. */
static void restore_temp_limit(struct live_process *process)
{
	struct iommu_test_cmd test = {.size = sizeof(test),
		.op = IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
		.set_temp_memory_limit = {.limit = TEMP_DEFAULT}};
	int fd = process->temp_limit_set ? open("/dev/iommu", O_RDWR) : -1;

	process->temp_limit_set = false;
	if (fd < 0)
		return;
	ioctl(fd, IOMMU_TEST_CMD, &test);
	close(fd);
}

/* The harness's own process outlives programs, and with it what is wrong for good. Nothing of the
 * program is left: a mapping of an iommufd keeps its pins. */
static void note_pinned(struct live_process *process)
{
	struct call_memory_usage usage;

	if (process->pins_moved && !live_memory_usage((uint8_t *)&usage, 0))
		process->pinned = usage.vm_pinned;
	process->pins_moved = false;
}

static void live_close(struct target *target)
{
	close_all(target);
	live_actors_close(target->actors);
	live_become_harness(&target->process);
	restore_temp_limit(&target->process);
	live_fault_restore();
	live_memory_close(&target->process.memory);
	if (target->nofile.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &target->nofile);
	if (target->memlock.rlim_max)
		setrlimit(RLIMIT_MEMLOCK, &target->memlock);
	if (target->parked_count)
		unpark(target);
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	if (setting.progress)
		set_timer(false);
	free(target);
}

static struct target *live_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	struct target *target;

	*reason = look_at_node();
	if (!*reason)
		*reason = refuse(config);
	if (*reason)
		return NULL;
	target = calloc(1, sizeof(*target));
	if (!target) {
		*reason = "out of memory";
		return NULL;
	}
	target->config = *config;
	target->process.events = *events;
	target->process.memory.check_all = setting.check_all;
	target->progress = setting.progress;
	live_call_init(&target->process);
	target->process.pins_moved = true;
	note_pinned(&target->process);
	raise_descriptors();
	*reason = live_memory_open(&target->process.memory, config->mem_pages);
	/* Threads write where nobody watches: the books are not those of the start. */
	target->process.memory.altered = config->threads;
	if (!*reason)
		*reason = park(target);
	if (!*reason)
		*reason = set_limits(target);
	if (!*reason)
		*reason = begin_program(target);
	if (*reason) {
		live_close(target);
		return NULL;
	}
	/* Also where there is no madvise; see live_memory.c. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (setting.progress)
		set_timer(true);
	return target;
}

static bool live_reset(struct target *target, const struct target_config *config)
{
	struct live_process *process = &target->process;

	if (target->acting)
		live_actors_finish(target->actors);
	close_all(target);
	if (!live_become_harness(process) || refuse(config))
		return false;
	restore_temp_limit(process);
	process->excuse = NULL;
	if (process->limits_changed || config->memlock != target->config.memlock) {
		struct rlimit limit;

		getrlimit(RLIMIT_MEMLOCK, &limit);
		limit.rlim_cur = config->memlock;
		if (setrlimit(RLIMIT_MEMLOCK, &limit))
			return false;
		process->limits_changed = false;
	}
	/* Which pages are there decides what can be pinned: none from the program before. */
	process->memory.altered |= config->unreadable || target->config.threads;
	if (!live_memory_reset(&process->memory, config->mem_pages))
		return false;
	note_pinned(process);
	process->memory.altered = config->threads;
	target->config = *config;
	return !begin_program(target);
}

static void live_finish(struct target *target)
{
	close_all(target);
	if (target->acting)
		live_actors_finish(target->actors);
}

/* What other processes of the program do to the kernel is undone, too. */
static void note_elsewhere(struct target *target, const struct resolved_call *call)
{
	enum call_id row = (enum call_id)(call->row - call_rows);

	if (row == CALL_ID_IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT || row == CALL_ID_ioctl)
		target->process.temp_limit_set = true;
}

static bool runs_elsewhere(struct target *target, const struct resolved_call *call)
{
	bool processes =
		call->process || target->process.row_traits[call->row - call_rows] & LIVE_PROCESSES;

	return target->acting || (processes && act_now(target));
}

/* Threads of other processes have their turn one by one, too. */
static void call_of_thread(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	struct live_process *process = &target->process;
	bool processes = process->row_traits[call->row - call_rows] & LIVE_PROCESSES;
	uint8_t *image = process->thread_images[call->thread % EXEC_THREADS];

	if (!call->process && !processes && !(target->acting && target->config.first_ends)) {
		live_run_thread(process, call, outcome);
		return;
	}
	*outcome = (struct call_outcome){.result = -ESRCH};
	if (!target->acting)
		return;
	pthread_mutex_lock(&process->lock);
	live_actors_call(target->actors, call, outcome);
	note_elsewhere(target, call);
	if (outcome->image) {
		memcpy(image, outcome->image, outcome->image_size);
		outcome->image = image;
	}
	pthread_mutex_unlock(&process->lock);
}

static void live_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	struct live_progress *progress = target->progress;

	if (call->row == &call_rows[CALL_ID_IOMMU_IOAS_CHANGE_PROCESS] ||
		call->row == &call_rows[CALL_ID_ioctl])
		target->process.pins_moved = true;
	if (progress)
		call_begins(progress, call);
	if (call->thread && target->config.threads) {
		call_of_thread(target, call, outcome);
		if (progress)
			call_ends(progress, call);
		return;
	}
	/* Knobs of the whole kernel: not in processes of a program, which end without a word. */
	if (call->fail == FAIL_NTH && !live_fault_prepare())
		target->process.excuse = "no failure could be injected";
	if (runs_elsewhere(target, call)) {
		live_actors_call(target->actors, call, outcome);
		note_elsewhere(target, call);
	} else {
		live_run(&target->process, call, outcome);
	}
	if (progress)
		call_ends(progress, call);
}

static bool live_has(struct target *target, uint32_t needs, const char **reason)
{
	/* A machine does not change; children inherit what is known of it. */
	static struct live_probe probe;
	uint32_t unmet;

	(void)target;
	if (!probe.release[0])
		live_probe(&probe);
	unmet = needs & ~probe.needs;
	if (!unmet)
		return true;
	*reason = probe.missing[__builtin_ctz(unmet)];
	return false;
}

bool target_live_pinned(const struct target *target)
{
	uint64_t bytes = target->process.memory.mem_bytes;
	struct iommu_test_cmd test = {.size = sizeof(test), .op = IOMMU_TEST_OP_MD_CHECK_REFS};
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	test.md_check_refs.uptr = PROG_MEM_BASE;
	test.md_check_refs.length = bytes < PINNED_LENGTH ? bytes : PINNED_LENGTH;
	bool pinned = ioctl(fd, IOMMU_TEST_CMD, &test) && errno == EIO;
	close(fd);
	return pinned;
}

const char *target_live_excuse(const struct target *target)
{
	return target->process.excuse;
}

/* One log a process: who asks keeps its place in it. */
static bool read_report(char *title, size_t title_size, char *text, size_t size)
{
	static struct kernel_log *log;
	const char *reason;

	if (!log)
		log = kernel_log_open(&reason);
	return log && kernel_log_report(log, title, title_size, text, size);
}

const struct target_class target_live = {
	.name = "live",
	.open = live_open,
	.close = live_close,
	.reset = live_reset,
	.call = live_call,
	.has = live_has,
	.finish = live_finish,
	.report = read_report,
};
