/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What these programs share: short forms of common calls and a way to print results that are the
 * same on every run. Written against <linux/iommufd.h> alone.
 */
#ifndef CLIENT_H
#define CLIENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "iommufd_test.h"

#define PAGE ((size_t)4096)
#define RW   (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define RWF  (RW | IOMMU_IOAS_MAP_FIXED_IOVA)

/* An address where nothing ever is, of which the compiler knows nothing. */
__attribute__((unused)) static void *volatile nowhere = (void *)8;

/* A call's struct with its size word: CMD(iommu_destroy, .id = 4). */
#define CMD(type, ...)	   (&(struct type){.size = sizeof(struct type), __VA_ARGS__})
#define TEST(fd, op_, ...) call(fd, IOMMU_TEST_CMD, CMD(iommu_test_cmd, .op = op_, __VA_ARGS__))

__attribute__((format(printf, 1, 2), noreturn, unused)) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(1);
}

/* The result of a call, or -errno. */
__attribute__((unused)) static int call(int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);

	return result < 0 ? -errno : result;
}

/* "0" or "ENOENT". Valid until the fourth call from then. */
__attribute__((unused)) static const char *named(long result)
{
	static __thread char texts[4][24];
	static __thread unsigned next;
	char *text = texts[next++ % 4];

	if (result < 0 && strerrorname_np((int)-result))
		return strerrorname_np((int)-result);
	snprintf(text, sizeof(texts[0]), "%ld", result);
	return text;
}

__attribute__((unused)) static void show(const char *what, long result)
{
	printf("%s: %s\n", what, named(result));
}

/* Lines go out as they are printed: programs fork. */
__attribute__((unused)) static int open_iommu(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0)
		die("/dev/iommu");
	return fd;
}

#define HUGE_PAGE ((size_t)2 << 20)

/* Pages of 4 KiB whatever the machine prefers, in a place whose alignment is always the same. */
__attribute__((unused)) static void *pages(size_t count, int flags)
{
	int kind = (flags & MAP_SHARED ? 0 : MAP_PRIVATE) | MAP_ANONYMOUS | flags;
	size_t size = count * PAGE;
	char *room = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, kind, -1, 0);

	if (room == MAP_FAILED)
		die("mmap");
	size_t before = -(uintptr_t)room & (HUGE_PAGE - 1);
	if (before)
		munmap(room, before);
	munmap(room + before + size, HUGE_PAGE - before);
	madvise(room + before, size, MADV_NOHUGEPAGE);
	return room + before;
}

/* -- objects -- */

__attribute__((unused)) static int destroy(int fd, uint32_t id)
{
	return call(fd, IOMMU_DESTROY, CMD(iommu_destroy, .id = id));
}

__attribute__((unused)) static uint32_t new_ioas(int fd)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};

	if (call(fd, IOMMU_IOAS_ALLOC, &ioas) < 0)
		die("IOMMU_IOAS_ALLOC");
	return ioas.out_ioas_id;
}

struct mock {
	uint32_t stdev, hwpt, dev;
};

__attribute__((unused)) static int mock_flags(
	int fd, uint32_t pt, uint32_t flags, struct mock *mock)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		.id = pt,
		.mock_domain_flags = {.dev_flags = flags},
	};
	int result = call(fd, IOMMU_TEST_CMD, &command);

	mock->stdev = command.mock_domain_flags.out_stdev_id;
	mock->hwpt = command.mock_domain_flags.out_hwpt_id;
	mock->dev = command.mock_domain_flags.out_idev_id;
	return result;
}

__attribute__((unused)) static struct mock new_mock(int fd, uint32_t pt)
{
	struct mock mock;

	if (mock_flags(fd, pt, 0, &mock) < 0)
		die("IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS");
	return mock;
}

/* *pt becomes the hwpt in use. */
__attribute__((unused)) static int replace(int fd, uint32_t stdev, uint32_t *pt)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = stdev,
		.mock_domain_replace = {.pt_id = *pt},
	};
	int result = call(fd, IOMMU_TEST_CMD, &command);

	*pt = command.mock_domain_replace.pt_id;
	return result;
}

__attribute__((unused)) static int replace_to(int fd, uint32_t stdev, uint32_t pt)
{
	return replace(fd, stdev, &pt);
}

__attribute__((unused)) static int hwpt_alloc(
	int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t *id)
{
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt), .flags = flags, .dev_id = dev, .pt_id = pt};
	int result = call(fd, IOMMU_HWPT_ALLOC, &hwpt);

	*id = hwpt.out_hwpt_id;
	return result;
}

/* fault: 0 none. */
__attribute__((unused)) static int nested_alloc(
	int fd, uint32_t dev, uint32_t parent, uint32_t fault, uint32_t iotlb, uint32_t *id)
{
	struct iommu_hwpt_selftest data = {.iotlb = iotlb};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.flags = fault ? IOMMU_HWPT_FAULT_ID_VALID : 0,
		.dev_id = dev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = fault,
	};
	int result = call(fd, IOMMU_HWPT_ALLOC, &hwpt);

	*id = hwpt.out_hwpt_id;
	return result;
}

/* -- mappings -- */

__attribute__((unused)) static int map_flags(
	int fd, uint32_t ioas, uint32_t flags, const void *from, size_t length, uint64_t *iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)from,
		.length = length,
		.iova = *iova,
	};
	int result = call(fd, IOMMU_IOAS_MAP, &map);

	*iova = map.iova;
	return result;
}

__attribute__((unused)) static int map_at(
	int fd, uint32_t ioas, const void *from, size_t length, uint64_t iova)
{
	return map_flags(fd, ioas, RWF, from, length, &iova);
}

__attribute__((unused)) static int map_file(int fd, uint32_t ioas, uint32_t flags, int file,
	uint64_t start, size_t length, uint64_t *iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = flags,
		.ioas_id = ioas,
		.fd = file,
		.start = start,
		.length = length,
		.iova = *iova,
	};
	int result = call(fd, IOMMU_IOAS_MAP_FILE, &map);

	*iova = map.iova;
	return result;
}

/* *length becomes what was unmapped. */
__attribute__((unused)) static int unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t *length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = *length};
	int result = call(fd, IOMMU_IOAS_UNMAP, &unmap);

	*length = unmap.length;
	return result;
}

__attribute__((unused)) static int unmap_at(int fd, uint32_t ioas, uint64_t iova, uint64_t length)
{
	return unmap(fd, ioas, iova, &length);
}

/* -- accesses, pins, what a device sees -- */

__attribute__((unused)) static int new_access(int fd, uint32_t ioas, uint32_t flags)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = ioas,
		.create_access = {.flags = flags},
	};
	int result = call(fd, IOMMU_TEST_CMD, &command);

	return result < 0 ? result : (int)command.create_access.out_access_fd;
}

__attribute__((unused)) static int access_rw(
	int fd, int access, uint64_t iova, const void *buffer, size_t length, uint32_t flags)
{
	return TEST(fd, IOMMU_TEST_OP_ACCESS_RW, .id = (uint32_t)access,
		.access_rw = {
			.iova = iova, .length = length, .uptr = (uintptr_t)buffer, .flags = flags});
}

/* The id of the pin, or -errno. */
__attribute__((unused)) static int pin(
	int fd, int access, uint64_t iova, size_t length, const void *expected, uint32_t flags)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
		.id = (uint32_t)access,
		.access_pages = {.flags = flags,
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)expected},
	};
	int result = call(fd, IOMMU_TEST_CMD, &command);

	return result < 0 ? result : (int)command.access_pages.out_access_pages_id;
}

__attribute__((unused)) static int unpin(int fd, int access, int pages_id)
{
	return TEST(fd, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, .id = (uint32_t)access,
		.destroy_access_pages = {.access_pages_id = (uint32_t)pages_id});
}

/* 0 if the pages have that many pins each. */
__attribute__((unused)) static int check_refs(
	int fd, const void *from, size_t length, uint32_t refs)
{
	return TEST(fd, IOMMU_TEST_OP_MD_CHECK_REFS,
		.md_check_refs = {.length = length, .uptr = (uintptr_t)from, .refs = refs});
}

/* 0 if the hwpt translates to the pages that are at that address. */
__attribute__((unused)) static int check_map(
	int fd, uint32_t hwpt, uint64_t iova, const void *from, size_t length)
{
	return TEST(fd, IOMMU_TEST_OP_MD_CHECK_MAP, .id = hwpt,
		.md_check_map = {.iova = iova, .length = length, .uptr = (uintptr_t)from});
}

/* -- processes -- */

/* A number of kilobytes in /proc/PID/status, as VmPin. */
__attribute__((unused)) static long status_kb(const char *name)
{
	char line[200];
	long value = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = strtol(line + strlen(name) + 1, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

/* The exit status of a child, 128 + N for signal N. */
__attribute__((unused)) static int join(pid_t child)
{
	int status = 0;

	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
