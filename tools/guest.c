/* SPDX-License-Identifier: Apache-2.0 */
/* Init of a VM for tests: the machine that programs need, the agent in a child, the end. */
#include "tools/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/exec/live_device.h"
#include "tools/agent.h"
#include "tools/agent_check.h"
#include "tools/tool.h"

#define RAMFS_MAGIC_NUMBER 0x858458f6
#define TMPFS_MAGIC_NUMBER 0x01021994
#define CHANNEL_SECONDS	   10
#define HUGE_PAGES	   "64"
#define EDU_VENDOR	   "0x1234"
#define EDU_DEVICE	   "0x11e8"
#define MDEV_UUID	   "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

/* What went wrong before there was a channel: told when there is one. */
struct guest {
	char complaints[2000];
	size_t used;
};

static void complain(struct guest *guest, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void complain(struct guest *guest, const char *format, ...)
{
	size_t room = sizeof(guest->complaints) - guest->used;
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(guest->complaints + guest->used, room, format, arguments);
	va_end(arguments);
	if (length > 0 && (size_t)length + 1 < room) {
		guest->used += (size_t)length;
		guest->complaints[guest->used++] = '\n';
	}
}

bool guest_is_init(void)
{
	struct statfs root;

	/* The root of a container is a real file system. */
	return getpid() == 1 && statfs("/", &root) == 0 &&
	       (root.f_type == RAMFS_MAGIC_NUMBER || root.f_type == TMPFS_MAGIC_NUMBER) &&
	       access("/init", X_OK) == 0;
}

/* -- files of sysfs and procfs -- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return written;
}

static void set_file(struct guest *guest, const char *path, const char *text)
{
	if (!write_file(path, text))
		complain(guest, "guest: %s: cannot write %s: %s", path, text, strerror(errno));
}

/* The first word of a file. */
static bool read_word(const char *path, char *word, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd >= 0 ? read(fd, word, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	word[count > 0 ? count : 0] = '\0';
	word[strcspn(word, " \n")] = '\0';
	return count > 0;
}

/* -- the machine -- */

static void mount_all(struct guest *guest)
{
	static const struct {
		const char *type, *at;
	} mounts[] = {
		{"devtmpfs", "/dev"},
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"debugfs", "/sys/kernel/debug"},
		{"tmpfs", "/tmp"},
		{"tmpfs", "/dev/shm"},
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].at, 0755);
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type, 0, NULL) != 0)
			complain(guest, "guest: cannot mount %s at %s: %s", mounts[i].type,
				mounts[i].at, strerror(errno));
	}
	/* Programs run as users without privileges too. */
	chmod("/tmp", 01777);
	chmod("/dev/shm", 01777);
}

/* Standard descriptors exist even where the kernel could not open a console. */
static void open_console(void)
{
	int null = open("/dev/null", O_RDWR);
	int console = open("/dev/console", O_WRONLY | O_NOCTTY);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(console >= 0 ? console : null, STDOUT_FILENO);
	dup2(console >= 0 ? console : null, STDERR_FILENO);
	for (int fd = 3; fd < 16; fd++)
		close(fd);
}

/* Gives QEMU's device for teaching to vfio-pci, if the machine has both:
 * programs may use it. */
static void bind_edu(struct guest *guest)
{
	static const char folder[] = "/sys/bus/pci/devices";
	DIR *devices = opendir(folder);
	struct dirent *entry;

	while (devices && (entry = readdir(devices))) {
		char path[400], vendor[16], device[16], reason[200];

		snprintf(path, sizeof(path), "%s/%s/vendor", folder, entry->d_name);
		if (*entry->d_name == '.' || !read_word(path, vendor, sizeof(vendor)))
			continue;
		snprintf(path, sizeof(path), "%s/%s/device", folder, entry->d_name);
		if (!read_word(path, device, sizeof(device)) || strcmp(vendor, EDU_VENDOR) != 0 ||
			strcmp(device, EDU_DEVICE) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/iommu_group", folder, entry->d_name);
		/* Without an IOMMU there is nothing to lend. */
		if (access(path, F_OK) != 0)
			continue;
		if (!live_device_bind(entry->d_name, reason, sizeof(reason)))
			complain(guest, "guest: %s", reason);
	}
	if (devices)
		closedir(devices);
}

static void make_mdev(struct guest *guest)
{
	static const char create[] = "/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1/create";

	if (access(create, W_OK) == 0)
		set_file(guest, create, MDEV_UUID);
}

/* -- the channel -- */

/* The port node whose name is ours, as /dev/vport1p1. */
static bool find_port(char *path, size_t size)
{
	static const char folder[] = "/sys/class/virtio-ports";
	DIR *ports = opendir(folder);
	struct dirent *entry;
	bool found = false;

	while (!found && ports && (entry = readdir(ports))) {
		char file[400], name[64];

		snprintf(file, sizeof(file), "%s/%s/name", folder, entry->d_name);
		found = *entry->d_name != '.' && read_word(file, name, sizeof(name)) &&
			strcmp(name, GUEST_CHANNEL) == 0;
		if (found)
			snprintf(path, size, "/dev/%.60s", entry->d_name);
	}
	if (ports)
		closedir(ports);
	return found;
}

/* Ports announce themselves a while after their controller. */
static int open_channel(void)
{
	struct timespec pause = {.tv_nsec = 5000000};
	char path[80];

	for (int i = 0; i < CHANNEL_SECONDS * 200; i++) {
		int fd = find_port(path, sizeof(path)) ? open(path, O_RDWR | O_CLOEXEC) : -1;

		if (fd >= 0) {
			/* Low numbers belong to programs. */
			int high = fcntl(fd, F_DUPFD_CLOEXEC, 700);
			close(fd);
			return high;
		}
		nanosleep(&pause, NULL);
	}
	return -1;
}

static void serve(struct guest *guest)
{
	int channel = open_channel();

	if (channel < 0) {
		tool_error("guest: no virtio port named " GUEST_CHANNEL);
		_exit(TOOL_BROKEN);
	}
	if (guest->used)
		agent_send(channel, AGENT_LOG, guest->complaints, guest->used - 1);
	_exit(agent_serve(channel, channel, &target_live, 0));
}

/* Waits for the agent and for everybody who lost a parent. */
static bool agent_ended_well(pid_t agent)
{
	int status;

	for (;;) {
		pid_t pid = wait(&status);

		if (pid == agent)
			return WIFEXITED(status);
		if (pid < 0 && errno != EINTR)
			return false;
	}
}

int guest_init(void)
{
	struct guest guest = {0};

	mount_all(&guest);
	open_console();
	set_file(&guest, "/proc/sys/vm/nr_hugepages", HUGE_PAGES);
	/* What can be mapped is no matter of how much memory the guest was given. */
	set_file(&guest, "/proc/sys/vm/overcommit_memory", "1");
	bind_edu(&guest);
	make_mdev(&guest);
	pid_t agent = fork();
	if (agent == 0) {
		setsid();
		serve(&guest);
	}
	if (agent < 0 || !agent_ended_well(agent))
		return TOOL_BROKEN;
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
	return TOOL_BROKEN;
}
