/* SPDX-License-Identifier: Apache-2.0 */
/* Real memory under the shim: what is pinned, what outlives its place, what is never there. */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#include <sys/wait.h>

static int fd;
static uint32_t ioas, hwpt;

static char *pages(unsigned count, int flags)
{
	char *memory = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE,
		(flags ? flags : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);

	memset(memory, 1, count * PAGE);
	return memory;
}

static void test_places(void)
{
	char *a = pages(4, 0), *b;

	tap_ok(!map(fd, ioas, a, 4 * PAGE, APERTURE) && status_kib("VmPin") == 16 &&
			!check_map(fd, hwpt, a, 4 * PAGE, APERTURE) &&
			!check_refs(fd, a, 4 * PAGE, 1) && check_refs(fd, a, PAGE, 0) == -EIO,
		"mapped, pinned and counted");
	madvise(a, PAGE, MADV_DONTNEED);
	tap_ok(check_map(fd, hwpt, a, PAGE, APERTURE) == -EINVAL && !check_refs(fd, a, PAGE, 0) &&
			!check_map(fd, hwpt, a + PAGE, PAGE, APERTURE + PAGE),
		"what madvise gave back is another page");
	b = mremap(a + PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages(3, 0));
	tap_ok(!check_map(fd, hwpt, b, 3 * PAGE, APERTURE + PAGE) && !check_refs(fd, b, PAGE, 1),
		"a page that moves stays itself");
	munmap(b, 3 * PAGE);
	b = mmap(b, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		0);
	tap_ok(check_map(fd, hwpt, b, PAGE, APERTURE + PAGE) == -EINVAL &&
			!check_refs(fd, b, PAGE, 0),
		"what is mapped in its place is not");
	tap_ok(!unmap(fd, ioas, APERTURE, 4 * PAGE) && !status_kib("VmPin"), "unpinned");
}

static void test_removed(void)
{
	char *a = pages(4, MAP_SHARED);

	tap_ok(!map(fd, ioas, a, 4 * PAGE, APERTURE) && !madvise(a, PAGE, MADV_REMOVE) &&
			check_map(fd, hwpt, a, PAGE, APERTURE) == -EINVAL &&
			!check_map(fd, hwpt, a + PAGE, PAGE, APERTURE + PAGE),
		"what MADV_REMOVE took from a file is another page");
	unmap(fd, ioas, APERTURE, 4 * PAGE);
	munmap(a, 4 * PAGE);
}

static void test_heap(void)
{
	char *block = malloc(64 * PAGE);
	char *start = (char *)((address_of(block) + PAGE - 1) & ~(PAGE - 1));

	memset(block, 2, 64 * PAGE);
	tap_ok(!map(fd, ioas, start, PAGE, APERTURE), "memory of malloc is mapped");
	free(block);
	block = malloc(64 * PAGE);
	memset(block, 3, 64 * PAGE);
	tap_ok(start < block || start >= block + 64 * PAGE ||
			check_map(fd, hwpt, start, PAGE, APERTURE) == -EINVAL,
		"free gives it back");
	unmap(fd, ioas, APERTURE, PAGE);
	free(block);
}

static void test_files(void)
{
	struct iommu_ioas_map_file argument = {.size = sizeof(argument),
		.flags = ALL_MAP,
		.ioas_id = ioas,
		.fd = memfd_create("guest", 0),
		.length = 2 * PAGE,
		.iova = APERTURE};
	char *memory;

	if (ftruncate(argument.fd, (off_t)(2 * PAGE)))
		return;
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, argument.fd, 0);
	tap_ok(!call(fd, IOMMU_IOAS_MAP_FILE, &argument) &&
			!map(fd, ioas, memory, 2 * PAGE, APERTURE + 2 * PAGE) &&
			!check_map(fd, hwpt, memory, 2 * PAGE, APERTURE) &&
			!check_map(fd, hwpt, memory, 2 * PAGE, APERTURE + 2 * PAGE) &&
			!check_refs(fd, memory, 2 * PAGE, 2),
		"a file's page is one page, however it is mapped");
	tap_ok(!ftruncate(argument.fd, 0) && !ftruncate(argument.fd, (off_t)(2 * PAGE)) &&
			check_map(fd, hwpt, memory, PAGE, APERTURE) == -EINVAL,
		"until it is cut off");
	unmap(fd, ioas, 0, UINT64_MAX);
	argument.fd = open("/dev/null", O_RDWR);
	tap_ok(call(fd, IOMMU_IOAS_MAP_FILE, &argument) == -EINVAL, "other files have no pages");
	unmap(fd, ioas, 0, UINT64_MAX);
}

static void test_bad_addresses(void)
{
	void *volatile nowhere = (void *)8;
	char *readable = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tap_ok(call(fd, IOMMU_IOAS_ALLOC, nowhere) == -EFAULT &&
			call(fd, IOMMU_IOAS_ALLOC, NULL) == -EFAULT,
		"a struct that is not there");
	tap_ok(map(fd, ioas, (void *)(2 * PAGE), PAGE, APERTURE) == -EFAULT,
		"memory that is not there");
	tap_ok(map(fd, ioas, readable, PAGE, APERTURE) == -EFAULT, "memory that cannot be written");
	munmap(readable, PAGE);
}

static void test_fork(void)
{
	char *own = pages(1, 0), *shared = pages(1, MAP_SHARED);
	int status = -1;
	pid_t child;

	tap_ok(!map(fd, ioas, own, PAGE, APERTURE) && !map(fd, ioas, shared, PAGE, APERTURE + PAGE),
		"a parent's pages");
	child = fork();
	if (!child)
		_exit(status_kib("VmPin") || check_map(fd, hwpt, own, PAGE, APERTURE) != -EINVAL ||
			check_map(fd, hwpt, shared, PAGE, APERTURE + PAGE) ||
			map(fd, ioas, own, PAGE, APERTURE + 2 * PAGE) || status_kib("VmPin") != 4);
	waitpid(child, &status, 0);
	tap_ok(!status, "a child has pages and counters of its own, and the same context");
	tap_ok(!check_map(fd, hwpt, own, PAGE, APERTURE) && status_kib("VmPin") == 8 &&
			!unmap(fd, ioas, APERTURE + 2 * PAGE, PAGE),
		"the parent keeps its own");
	unmap(fd, ioas, 0, UINT64_MAX);
}

int main(void)
{
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ioas = new_ioas(fd);
	tap_begin();
	tap_ok(fd == 3 && ioas && new_device(fd, ioas, &hwpt), "the first descriptor, a device");
	test_places();
	test_removed();
	test_heap();
	test_files();
	test_bad_addresses();
	test_fork();
	return tap_end();
}
