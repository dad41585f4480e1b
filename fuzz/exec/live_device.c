/* SPDX-License-Identifier: Apache-2.0 */
/* Named PCI devices: to vfio-pci and back, through sysfs. */
#include "fuzz/exec/live_device.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH	512 /* bytes of a path, the test's root included */
#define VFIO	"vfio-pci"
#define ADDRESS 13 /* bytes of "0000:00:02.0" and its end */
#define NAME	64 /* bytes of the name of a driver or group */

struct device {
	char address[ADDRESS];
	char driver[NAME]; /* that it had, empty: none */
	char override[64]; /* the same for its driver_override */
	char cdev[2 * NAME], group[2 * NAME];
	bool overridden, moved; /* what is to be undone */
};

/* Which devices programs may use: of the whole process, as its descriptors are. */
static struct device devices[LIVE_DEVICE_MAX];
static unsigned device_count;

/* Where the machine is; a test sets another one and what then stands for the kernel. */
static struct {
	const char *folder;
	void (*written)(const char *path, const char *text);
} root = {.folder = "/sys/bus/pci"};

void live_device_root(const char *folder, void (*written)(const char *path, const char *text))
{
	root.folder = folder;
	root.written = written;
}

static bool well_formed(const char *address)
{
	static const char form[] = "hhhh:hh:hh.h";

	if (strlen(address) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'h' ? !isxdigit((unsigned char)address[i]) : address[i] != form[i])
			return false;
	return true;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);

	if (fd < 0)
		return false;
	bool done = write(fd, text, length) == (ssize_t)length;
	int error = errno;
	close(fd);
	if (done && root.written)
		root.written(path, text);
	errno = error;
	return done;
}

static bool device_file(const struct device *device, const char *name, const char *text)
{
	char path[PATH];

	snprintf(path, sizeof(path), "%s/devices/%s/%s", root.folder, device->address, name);
	return write_file(path, text);
}

/* The last part of a link of the device; empty: there is none. */
static void device_link(const struct device *device, const char *name, char text[NAME])
{
	char path[PATH], target[512];

	snprintf(path, sizeof(path), "%s/devices/%s/%s", root.folder, device->address, name);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	*text = '\0';
	if (length <= 0)
		return;
	target[length] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(text, NAME, "%.60s", slash ? slash + 1 : target);
}

static void read_override(struct device *device)
{
	char path[PATH];

	snprintf(path, sizeof(path), "%s/devices/%s/driver_override", root.folder, device->address);
	FILE *in = fopen(path, "re");
	if (in && fgets(device->override, sizeof(device->override), in))
		device->override[strcspn(device->override, "\n")] = '\0';
	if (in)
		fclose(in);
	if (strcmp(device->override, "(null)") == 0)
		device->override[0] = '\0';
}

static bool driver_file(const struct device *device, const char *driver, const char *name,
	char *reason, size_t size)
{
	char path[PATH];

	snprintf(path, sizeof(path), "%s/drivers/%s/%s", root.folder, driver, name);
	if (write_file(path, device->address))
		return true;
	snprintf(reason, size, "%s: cannot write its address to %s: %s", device->address, path,
		strerror(errno));
	return false;
}

/* The number of vfioN in the device's folder vfio-dev; the node has the same name. */
static void find_nodes(struct device *device)
{
	char path[PATH], group[NAME];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/devices/%s/vfio-dev", root.folder, device->address);
	DIR *folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		if (strncmp(entry->d_name, "vfio", 4) == 0)
			snprintf(device->cdev, sizeof(device->cdev), "/dev/vfio/devices/%.32s",
				entry->d_name);
	if (folder)
		closedir(folder);
	device_link(device, "iommu_group", group);
	if (*group)
		snprintf(device->group, sizeof(device->group), "/dev/vfio/%s", group);
}

static bool give_back(struct device *device, char *reason, size_t size)
{
	char driver[NAME];
	bool done = true;

	device_link(device, "driver", driver);
	if (device->moved && strcmp(driver, VFIO) == 0)
		done = driver_file(device, VFIO, "unbind", reason, size);
	/* A line end alone clears it. */
	if (device->overridden &&
		!device_file(
			device, "driver_override", device->override[0] ? device->override : "\n") &&
		done) {
		snprintf(reason, size, "%s: cannot restore driver_override: %s", device->address,
			strerror(errno));
		done = false;
	}
	device_link(device, "driver", driver);
	if (device->moved && device->driver[0] && !*driver)
		done = driver_file(device, device->driver, "bind", reason, size) && done;
	device->moved = device->overridden = false;
	return done;
}

static bool take(struct device *device, char *reason, size_t size)
{
	char driver[NAME], path[PATH];

	device_link(device, "driver", device->driver);
	if (strcmp(device->driver, VFIO) == 0)
		return true;
	snprintf(path, sizeof(path), "%s/drivers/" VFIO, root.folder);
	if (access(path, F_OK) != 0) {
		snprintf(reason, size, "%s: no driver vfio-pci here (module vfio-pci)",
			device->address);
		return false;
	}
	read_override(device);
	if (!device_file(device, "driver_override", VFIO)) {
		snprintf(reason, size, "%s: cannot write driver_override: %s", device->address,
			strerror(errno));
		return false;
	}
	device->overridden = true;
	if (device->driver[0] && !driver_file(device, device->driver, "unbind", reason, size))
		return false;
	device->moved = true;
	snprintf(path, sizeof(path), "%s/drivers_probe", root.folder);
	write_file(path, device->address);
	device_link(device, "driver", driver);
	if (strcmp(driver, VFIO) == 0)
		return true;
	snprintf(reason, size, "%s: vfio-pci does not take it (no IOMMU group?)", device->address);
	return false;
}

bool live_device_address_check(const char *address, char full[16], char *reason, size_t size)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%.40s", strlen(address) == 7 ? "0000:" : "", address);
	if (!well_formed(text)) {
		snprintf(reason, size, "'%.60s' is no PCI address, expected one as 0000:00:02.0",
			address);
		return false;
	}
	for (size_t i = 0; i < ADDRESS; i++)
		full[i] = (char)tolower((unsigned char)text[i]);
	return true;
}

bool live_device_bind(const char *address, char *reason, size_t size)
{
	char path[PATH], unused[200], full[16];

	if (!live_device_address_check(address, full, reason, size))
		return false;
	for (unsigned n = 0; n < device_count; n++)
		if (strcmp(devices[n].address, full) == 0) {
			snprintf(reason, size, "%s is named twice", full);
			return false;
		}
	if (device_count == LIVE_DEVICE_MAX) {
		snprintf(reason, size, "%s: %d devices at most", full, LIVE_DEVICE_MAX);
		return false;
	}
	snprintf(path, sizeof(path), "%s/devices/%s", root.folder, full);
	if (access(path, F_OK) != 0) {
		snprintf(reason, size, "%s: no such PCI device", full);
		return false;
	}
	struct device *device = &devices[device_count];
	memset(device, 0, sizeof(*device));
	memcpy(device->address, full, ADDRESS);
	if (!take(device, reason, size)) {
		give_back(device, unused, sizeof(unused));
		return false;
	}
	find_nodes(device);
	device_count++;
	return true;
}

bool live_device_release(char *reason, size_t size)
{
	bool done = true;

	for (unsigned n = 0; n < device_count; n++)
		done = give_back(&devices[n], reason, size) && done;
	device_count = 0;
	return done;
}

unsigned live_device_count(void)
{
	return device_count;
}

const char *live_device_address(unsigned n)
{
	return n < device_count ? devices[n].address : NULL;
}

const char *live_device_cdev(unsigned n)
{
	return n < device_count && devices[n].cdev[0] ? devices[n].cdev : NULL;
}

const char *live_device_group(unsigned n)
{
	return n < device_count && devices[n].group[0] ? devices[n].group : NULL;
}
