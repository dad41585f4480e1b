/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a live process is: user, capabilities, limit. Accounting is by the real user and looks at the
 * effective capabilities, so a permitted set that stays lets a program change the effective one as
 * it likes, and lets the harness come back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz/exec/live_private.h"
#include "impl/abi/kernel_calls.h"

#define PROGRAM_CAPS ((uint32_t)(CALL_CAP_IPC_LOCK | CALL_CAP_SYS_RAWIO | CALL_CAP_SYS_RESOURCE))

struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
};

static bool get_capabilities(struct capabilities *caps)
{
	*caps = (struct capabilities){.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
	return syscall(SYS_capget, &caps->header, caps->data) == 0;
}

static bool put_capabilities(struct capabilities *caps)
{
	return syscall(SYS_capset, &caps->header, caps->data) == 0;
}

/* Root keeps the capabilities that programs do not name; others have none of them. */
int live_set_caps(struct live_process *process, uint32_t wanted)
{
	struct capabilities caps;

	if (!get_capabilities(&caps))
		return -errno;
	process->caps = wanted & PROGRAM_CAPS;
	process->is_user = true;
	caps.data[0].effective = caps.data[0].permitted & ~PROGRAM_CAPS;
	caps.data[1].effective = caps.data[1].permitted;
	if (process->uid)
		caps.data[0].effective = caps.data[1].effective = 0;
	caps.data[0].effective |= caps.data[0].permitted & process->caps;
	return put_capabilities(&caps) ? 0 : -errno;
}

static int set_memlock(uint64_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	limit.rlim_cur = bytes;
	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

int live_become(struct live_process *process, uint32_t uid, uint32_t caps, uint64_t memlock)
{
	int error = set_memlock(memlock);

	if (error)
		return error;
	process->is_user = true;
	process->limits_changed = true;
	/* The saved user stays, so that there is a way back. */
	if (uid != geteuid() &&
		(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || syscall(SYS_setresuid, uid, uid, -1)))
		return -errno;
	process->uid = uid;
	return live_set_caps(process, caps);
}

bool live_become_harness(struct live_process *process)
{
	struct capabilities caps;

	if (!process->is_user)
		return true;
	if (process->uid && syscall(SYS_setresuid, 0, 0, 0))
		return false;
	process->uid = 0;
	process->is_user = false;
	if (!get_capabilities(&caps))
		return false;
	caps.data[0].effective = caps.data[0].permitted;
	caps.data[1].effective = caps.data[1].permitted;
	return put_capabilities(&caps);
}

/* Kilobytes; what is below 0 comes as a number modulo 2^64 in bytes. */
static uint64_t status_field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* A program may have used up its descriptors; this one is not among them. */
static int open_status(void)
{
	struct rlimit limit, wider;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 || errno != EMFILE || getrlimit(RLIMIT_NOFILE, &limit))
		return fd;
	wider = limit;
	wider.rlim_cur++;
	if (setrlimit(RLIMIT_NOFILE, &wider))
		return -1;
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	setrlimit(RLIMIT_NOFILE, &limit);
	return fd;
}

int64_t live_memory_usage(uint8_t *image, uint64_t pinned)
{
	struct call_memory_usage usage;
	char status[8192];
	int fd = open_status();
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, status, sizeof(status) - 1);
	close(fd);
	if (got <= 0)
		return -EIO;
	status[got] = 0;
	usage.vm_pinned = status_field(status, "\nVmPin:") - pinned;
	usage.vm_locked = status_field(status, "\nVmLck:");
	memcpy(image, &usage, sizeof(usage));
	return 0;
}

int live_open_node(const struct live_process *process, const char *name)
{
	struct capabilities caps, raised;
	bool raise = process->uid && get_capabilities(&caps);
	int fd;

	if (raise) {
		raised = caps;
		raised.data[0].effective |=
			raised.data[0].permitted & (UINT32_C(1) << CAP_DAC_OVERRIDE);
		put_capabilities(&raised);
	}
	fd = open(name, O_RDWR);
	fd = fd < 0 ? -errno : fd;
	if (raise)
		put_capabilities(&caps);
	return fd;
}
