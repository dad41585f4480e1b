/* SPDX-License-Identifier: Apache-2.0 */
/* The fault injection knobs of the running kernel (specification 14). */
#define _GNU_SOURCE
#include "fuzz/exec/live_fault.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuzz/exec/live_private.h"
#include "impl/abi/points.h"

#define FOLDER	  "/sys/kernel/debug/"
#define TASK_KNOB "/proc/thread-self/fail-nth"
#define KNOBS_MAX 24

/* What was changed, for restore: of the whole process, as the knobs are of the whole kernel. */
static struct {
	struct {
		char path[80], was[24];
	} knobs[KNOBS_MAX];
	unsigned count;
	bool prepared;
} changed;

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;
	close(fd);
	errno = error;
	return done;
}

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[count > 0 ? count : 0] = '\0';
	return count > 0;
}

bool live_fault_available(char *reason, size_t size)
{
	static const char knob[] = FOLDER "failslab/ignore-gfp-wait";

	if (access(TASK_KNOB, R_OK | W_OK))
		snprintf(reason, size, "injects failures: the kernel has no fail-nth (%s)",
			errno == ENOENT ? "CONFIG_FAULT_INJECTION" : strerror(errno));
	else if (access(knob, W_OK))
		snprintf(reason, size, "injects failures: debugfs: failslab: %s", strerror(errno));
	else
		return true;
	return false;
}

static bool change(const char *path, const char *text)
{
	if (changed.count == KNOBS_MAX || strlen(path) >= sizeof(changed.knobs[0].path) ||
		!read_text(path, changed.knobs[changed.count].was, sizeof(changed.knobs[0].was)) ||
		!write_text(path, text))
		return false;
	snprintf(changed.knobs[changed.count++].path, sizeof(changed.knobs[0].path), "%s", path);
	return true;
}

bool live_fault_prepare(void)
{
	glob_t found;

	if (changed.prepared)
		return true;
	if (!change(FOLDER "failslab/ignore-gfp-wait", "N"))
		return false;
	/* A kernel may have only some of the others. */
	change(FOLDER "fail_page_alloc/ignore-gfp-wait", "N");
	change(FOLDER "fail_page_alloc/ignore-gfp-highmem", "N");
	if (glob(FOLDER "fail*/verbose", 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			change(found.gl_pathv[i], "0");
		globfree(&found);
	}
	changed.prepared = true;
	return true;
}

void live_fault_restore(void)
{
	while (changed.count) {
		changed.count--;
		write_text(changed.knobs[changed.count].path, changed.knobs[changed.count].was);
	}
	changed.prepared = false;
}

int live_fault_open(void)
{
	struct rlimit limit, raised;
	int fd, high = -1;

	/* The program's limit leaves no room above its descriptors. */
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	raised = limit;
	if (raised.rlim_cur < 2 * LIVE_FDS)
		raised.rlim_cur = limit.rlim_max < 2 * LIVE_FDS ? limit.rlim_max : 2 * LIVE_FDS;
	setrlimit(RLIMIT_NOFILE, &raised);
	fd = open(TASK_KNOB, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		high = fcntl(fd, F_DUPFD_CLOEXEC, LIVE_HARNESS_FD);
		close(fd);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	return high;
}

void live_fault_arm(int knob, uint16_t nth)
{
	char text[8];
	int length = snprintf(text, sizeof(text), "%u", nth);

	/* Not repeated: a write that fails has not armed. */
	if (pwrite(knob, text, (size_t)length, 0) != length)
		return;
}

bool live_fault_disarm(int knob)
{
	char text[16];
	ssize_t count = pread(knob, text, sizeof(text), 0);

	/* The write itself may be what fails; the next one then does not. */
	for (unsigned tries = 0; tries < 2 && pwrite(knob, "0", 1, 0) != 1; tries++)
		;
	return count == 2 && text[0] == '0' && text[1] == '\n';
}

bool live_fault_error_allowed(int64_t error)
{
	static const int errors[] = {
		ENOMEM,
#define FAULT_POINT(identifier, name, error, what) error,
#include "impl/abi/fault_points.def"
#undef FAULT_POINT
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (error == -errors[i])
			return true;
	return false;
}
