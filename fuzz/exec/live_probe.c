/* SPDX-License-Identifier: Apache-2.0 */
/* What the running machine offers, found out with descriptors of its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fuzz/exec/live_fault.h"
#include "fuzz/exec/live_private.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

#define CONFIG_MAX   (1u << 20)
#define ALL_BITS     20u
#define FIRST_NUMBER 0x80u
#define LAST_NUMBER  0xafu
#define HUGE_LENGTH  (UINT64_C(2) << 20)

static void missing(struct live_probe *probe, uint32_t need, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void missing(struct live_probe *probe, uint32_t need, const char *format, ...)
{
	va_list list;

	for (unsigned bit = 0; bit < ALL_BITS; bit++) {
		if (!(need & UINT32_C(1) << bit))
			continue;
		probe->needs &= ~(UINT32_C(1) << bit);
		va_start(list, format);
		vsnprintf(probe->missing[bit], sizeof(probe->missing[bit]), format, list);
		va_end(list);
	}
}

static uint16_t kernel_number(const char *release)
{
	unsigned major = 0, minor = 0;

	if (sscanf(release, "%u.%u", &major, &minor) != 2 || major > 255 || minor > 255)
		return LINUX_NEWEST;
	uint16_t number = (uint16_t)LINUX(major, minor);
	return number < LINUX_NEWEST ? number : LINUX_NEWEST;
}

static void digest_file(struct live_probe *probe, const char *path)
{
	char *bytes = malloc(CONFIG_MAX);
	FILE *file = fopen(path, "rbe");

	if (bytes && file) {
		size_t size = fread(bytes, 1, CONFIG_MAX, file);

		if (size)
			snprintf(probe->config_digest, sizeof(probe->config_digest), "%016llx",
				(unsigned long long)XXH64(bytes, size, 0));
	}
	if (file)
		fclose(file);
	free(bytes);
}

/* The compressed text as it is: the kernel carries no time in it. */
static void probe_config(struct live_probe *probe)
{
	char path[128];

	digest_file(probe, "/proc/config.gz");
	snprintf(path, sizeof(path), "/boot/config-%s", probe->release);
	if (!probe->config_digest[0])
		digest_file(probe, path);
}

static void probe_privileges(struct live_probe *probe)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	uint32_t wanted = 1u << CAP_IPC_LOCK | 1u << CAP_SYS_RAWIO | 1u << CAP_SYS_RESOURCE |
			  1u << CAP_SETUID | 1u << CAP_SETGID;

	probe->is_root = geteuid() == 0;
	probe->has_capabilities =
		syscall(SYS_capget, &header, data) == 0 && (data[0].effective & wanted) == wanted;
	if (probe->has_capabilities && probe->is_root)
		return;
	missing(probe, PROG_NEEDS_ROOT | PROG_NEEDS_USER, "needs root: %s",
		probe->is_root ? "user 0, but without all capabilities" : "not run as root");
}

/* Which numbers the kernel knows: what it does not know answers ENOTTY before it looks further. */
static void probe_numbers(struct live_probe *probe, int fd)
{
	for (unsigned number = FIRST_NUMBER; number <= LAST_NUMBER; number++) {
		uint32_t size = 0;
		int result = ioctl(fd, _IO(';', number), &size);

		probe->answers[number] = result == 0 || errno != ENOTTY;
	}
}

/* A mock device on an IOAS of its own, in a context that goes away. */
static void probe_test(struct live_probe *probe, int fd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_test_cmd test = {.size = sizeof(test), .op = IOMMU_TEST_OP_MOCK_DOMAIN};

	if (!probe->answers[0xa0]) {
		missing(probe, NEEDS_TEST,
			"needs test: the kernel has no IOMMU_TEST_CMD "
			"(CONFIG_IOMMUFD_TEST)");
		return;
	}
	if (ioctl(fd, IOMMU_IOAS_ALLOC, &alloc)) {
		missing(probe, NEEDS_TEST, "needs test: IOMMU_IOAS_ALLOC: %s", strerror(errno));
		return;
	}
	test.id = alloc.out_ioas_id;
	if (ioctl(fd, IOMMU_TEST_CMD, &test)) {
		missing(probe, NEEDS_TEST, "needs test: mock devices do not attach here: %s",
			strerror(errno));
		return;
	}
	probe->has_test = 1;
}

static void probe_iommu(struct live_probe *probe)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		snprintf(probe->no_iommu, sizeof(probe->no_iommu),
			"no /dev/iommu on this machine: %s",
			errno == ENOENT	  ? "it does not exist (a kernel without CONFIG_IOMMUFD?)"
			: errno == EACCES ? "permission denied"
					  : strerror(errno));
		missing(probe, NEEDS_TEST, "needs test: no /dev/iommu");
		return;
	}
	probe->has_iommu = 1;
	probe_numbers(probe, fd);
	probe_test(probe, fd);
	close(fd);
}

static bool any(const char *pattern, uint32_t *count)
{
	glob_t found;
	bool some = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;

	if (count)
		*count = some ? (uint32_t)found.gl_pathc : 0;
	if (some)
		globfree(&found);
	return some;
}

/* Their names without folder, cut where there is no room for another one. */
static void probe_mdev_types(struct live_probe *probe)
{
	size_t used = 0;
	glob_t found;

	if (glob("/sys/class/mdev_bus/*/mdev_supported_types/*", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/') + 1;

		if (used + strlen(name) + 2 > sizeof(probe->mdev_types))
			break;
		used += (size_t)snprintf(probe->mdev_types + used, sizeof(probe->mdev_types) - used,
			"%s%s", used ? " " : "", name);
	}
	globfree(&found);
}

static void probe_vfio(struct live_probe *probe)
{
	probe_mdev_types(probe);
	any("/sys/kernel/iommu_groups/*", &probe->iommu_groups);
	if (access("/dev/vfio/vfio", R_OK | W_OK))
		missing(probe, NEEDS_CONTAINER, "needs container: /dev/vfio/vfio: %s",
			strerror(errno));
	if (!any("/dev/vfio/devices/vfio*", NULL))
		missing(probe, NEEDS_CDEV, "needs cdev: no /dev/vfio/devices/vfioN (%s)",
			probe->mdev_types[0] ? "mediated devices could be made here"
					     : "no device is bound to VFIO");
	if (!any("/dev/vfio/[0-9]*", NULL) && !any("/dev/vfio/noiommu-[0-9]*", NULL))
		missing(probe, NEEDS_GROUP,
			"needs group: no /dev/vfio/N (no device bound to VFIO)");
	missing(probe, NEEDS_SPAPR, "needs spapr: not a POWER machine");
	if (access("/dev/kvm", R_OK | W_OK))
		missing(probe, NEEDS_KVM, "needs kvm: /dev/kvm: %s", strerror(errno));
}

static void probe_memory(struct live_probe *probe)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	int fd = (int)syscall(SYS_memfd_create, "iommuzz", 0);
	void *page;

	if (fd < 0)
		missing(probe, PROG_NEEDS_MEMFD, "needs memfd: %s", strerror(errno));
	else
		close(fd);
	if (file) {
		if (fscanf(file, "%u", &probe->hugepages_2m) != 1)
			probe->hugepages_2m = 0;
		fclose(file);
	}
	page = mmap(NULL, HUGE_LENGTH, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (page == MAP_FAILED)
		missing(probe, PROG_NEEDS_HUGETLB, "needs hugetlb: a huge page of 2 MiB: %s",
			strerror(errno));
	else
		munmap(page, HUGE_LENGTH);
}

void live_probe(struct live_probe *probe)
{
	struct utsname name;

	memset(probe, 0, sizeof(*probe));
	probe->needs = (UINT32_C(1) << ALL_BITS) - 1;
	if (uname(&name) == 0) {
		snprintf(probe->release, sizeof(probe->release), "%s", name.release);
		snprintf(probe->version, sizeof(probe->version), "%s", name.version);
	}
	probe->kernel = kernel_number(probe->release);
	missing(probe, NEEDS_INPROC, "in-kernel calls: the in-process implementation only");
	probe_config(probe);
	probe_privileges(probe);
	probe_iommu(probe);
	probe_vfio(probe);
	probe_memory(probe);
	probe->has_faults = live_fault_available(probe->no_faults, sizeof(probe->no_faults));
}
