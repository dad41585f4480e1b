/* SPDX-License-Identifier: Apache-2.0 */
/* Devices go to vfio-pci and back, whatever ends the command: on a made-up machine of files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/exec/live_device.h"
#include "tests/tap.h"
#include "tools/machine.h"

#define EDU	"0000:00:02.0"
#define NETWORK "0000:00:03.0"

static char folder[] = "/tmp/iommuzz-device-XXXXXX";

/* -- files -- */

static const char *path_of(const char *format, const char *a, const char *b)
{
	static char path[400];
	char rest[300];

	snprintf(rest, sizeof(rest), format, a, b);
	snprintf(path, sizeof(path), "%s/%s", folder, rest);
	return path;
}

static void make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

static void driver_of(const char *device, char name[64])
{
	char target[300] = "";
	ssize_t length =
		readlink(path_of("devices/%s/driver", device, ""), target, sizeof(target) - 1);

	target[length > 0 ? length : 0] = '\0';
	snprintf(name, 64, "%.60s", length > 0 ? strrchr(target, '/') + 1 : "");
}

static bool has_driver(const char *device, const char *driver)
{
	char name[64];

	driver_of(device, name);
	return strcmp(name, driver) == 0;
}

static void override_of(const char *device, char text[64])
{
	FILE *file = fopen(path_of("devices/%s/driver_override", device, ""), "r");

	*text = '\0';
	if (!file)
		return;
	if (!fgets(text, 64, file))
		*text = '\0';
	text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

/* -- what the kernel does -- */

static bool vfio_refuses;

static void attach(const char *device, const char *driver)
{
	char target[100], link[400];

	if (strcmp(driver, "vfio-pci") == 0 && vfio_refuses)
		return;
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	snprintf(link, sizeof(link), "%s", path_of("devices/%s/driver", device, ""));
	if (symlink(target, link) == 0 && strcmp(driver, "vfio-pci") == 0)
		mkdir(path_of("devices/%s/vfio-dev/%s", device, "vfio7"), 0755);
}

static void detach(const char *device)
{
	unlink(path_of("devices/%s/driver", device, ""));
	rmdir(path_of("devices/%s/vfio-dev/%s", device, "vfio7"));
}

static void written(const char *path, const char *text)
{
	const char *last = strrchr(path, '/') + 1;
	char driver[64];

	if (strcmp(last, "unbind") == 0)
		detach(text);
	if (strcmp(last, "driver_override") == 0)
		make_file(path, text);
	if (strcmp(last, "bind") == 0) {
		const char *end = last - 1, *start = end;

		while (start[-1] != '/')
			start--;
		snprintf(driver, sizeof(driver), "%.*s", (int)(end - start), start);
		attach(text, driver);
	}
	if (strcmp(last, "drivers_probe") == 0) {
		override_of(text, driver);
		if (*driver)
			attach(text, driver);
	}
}

static void make_device(const char *device, const char *driver)
{
	mkdir(path_of("devices/%s", device, ""), 0755);
	mkdir(path_of("devices/%s/vfio-dev", device, ""), 0755);
	make_file(path_of("devices/%s/driver_override", device, ""), "(null)\n");
	if (symlink("../../../kernel/iommu_groups/5",
		    path_of("devices/%s/iommu_group", device, "")))
		perror("iommu_group");
	if (*driver)
		attach(device, driver);
}

static void make_machine(void)
{
	static const char *const drivers[] = {"vfio-pci", "e1000"};

	mkdir(path_of("devices%s%s", "", ""), 0755);
	mkdir(path_of("drivers%s%s", "", ""), 0755);
	make_file(path_of("drivers_probe%s%s", "", ""), "");
	for (unsigned d = 0; d < 2; d++) {
		mkdir(path_of("drivers/%s", drivers[d], ""), 0755);
		make_file(path_of("drivers/%s/bind", drivers[d], ""), "");
		make_file(path_of("drivers/%s/unbind", drivers[d], ""), "");
	}
	make_device(EDU, "");
	make_device(NETWORK, "e1000");
	live_device_root(folder, written);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

/* -- tests -- */

static void test_bind(void)
{
	char reason[200] = "", text[64];

	tap_ok(live_device_bind("00:03.0", reason, sizeof(reason)) &&
			has_driver(NETWORK, "vfio-pci"),
		"a device with a driver goes to vfio-pci %s", reason);
	tap_ok(live_device_bind(EDU, reason, sizeof(reason)) && has_driver(EDU, "vfio-pci") &&
			live_device_count() == 2,
		"one without a driver, too %s", reason);
	tap_ok(live_device_cdev(0) && !strcmp(live_device_cdev(0), "/dev/vfio/devices/vfio7") &&
			live_device_group(0) && !strcmp(live_device_group(0), "/dev/vfio/5"),
		"their nodes are known");
	tap_ok(!live_device_bind(NETWORK, reason, sizeof(reason)) && strstr(reason, "named twice"),
		"a second time is refused: %s", reason);
	tap_ok(live_device_release(reason, sizeof(reason)) && has_driver(NETWORK, "e1000") &&
			has_driver(EDU, ""),
		"each gets back what it had");
	override_of(NETWORK, text);
	tap_ok(!*text && live_device_count() == 0, "no driver_override stays");
}

static void test_kept(void)
{
	char reason[200];

	attach(EDU, "vfio-pci");
	tap_ok(live_device_bind(EDU, reason, sizeof(reason)) &&
			live_device_release(reason, sizeof(reason)) && has_driver(EDU, "vfio-pci"),
		"what vfio-pci had before it keeps");
	detach(EDU);
}

static void test_refusals(void)
{
	static const char *const wrong[] = {"foo", "", "0000:00:02", "0000:00:02.0.0",
		"0000-00-02.0", "gggg:00:02.0", "../../etc", "00:02.00"};
	char reason[200], text[64];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		tap_ok(!live_device_bind(wrong[i], reason, sizeof(reason)) &&
				strstr(reason, "is no PCI address"),
			"%s", reason);
	tap_ok(!live_device_bind("0000:00:1f.7", reason, sizeof(reason)) &&
			strstr(reason, "no such PCI device"),
		"%s", reason);
	struct machine machine = {.keeper = -1};
	tap_ok(!machine_name_device(&machine, "foo") && !machine.named_count,
		"--device says so before the machine is looked at");
	vfio_refuses = true;
	tap_ok(!live_device_bind(NETWORK, reason, sizeof(reason)) &&
			strstr(reason, "does not take it"),
		"%s", reason);
	vfio_refuses = false;
	override_of(NETWORK, text);
	tap_ok(has_driver(NETWORK, "e1000") && !*text && live_device_count() == 0,
		"then it is as it was");
}

/* Runs in a process that ends in that way while it has the devices. */
static void run_command(int ready, int how)
{
	struct machine machine = {.keeper = -1};
	bool done = machine_name_device(&machine, NETWORK) && machine_bind_devices(&machine);

	if (write(ready, done ? "1" : "0", 1) != 1)
		_exit(3);
	if (how == 0)
		_exit(machine_close(&machine) ? 0 : 4);
	for (;;)
		pause();
}

static bool soon_back(void)
{
	for (unsigned i = 0; i < 500; i++) {
		if (has_driver(NETWORK, "e1000"))
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static void test_end(int how, const char *name)
{
	int ends[2], status;
	char byte = 0;

	if (pipe(ends))
		return;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		run_command(ends[1], how);
	bool bound = read(ends[0], &byte, 1) == 1 && byte == '1';
	bool held = how == 0 || has_driver(NETWORK, "vfio-pci");
	if (how)
		kill(pid, how);
	waitpid(pid, &status, 0);
	tap_ok(bound && held && soon_back() && (how || status == 0), "given back after %s", name);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	tap_begin();
	if (!mkdtemp(folder)) {
		tap_ok(false, "a folder for the made-up machine");
		return tap_end();
	}
	make_machine();
	test_bind();
	test_kept();
	test_refusals();
	test_end(0, "a command that ends well");
	test_end(SIGTERM, "SIGTERM");
	test_end(SIGKILL, "SIGKILL");
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return tap_end();
}
