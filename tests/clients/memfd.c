/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory in a file: mapped by its descriptor, seen through any mapping of it. */
#include "client.h"

static int new_file(size_t size)
{
	int file = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (file < 0 || ftruncate(file, (off_t)size) != 0)
		die("memfd");
	return file;
}

static char *view(int file, size_t count, size_t first)
{
	char *memory = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		(off_t)(first * PAGE));

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

static void same_pages(int fd, uint32_t ioas, struct mock mock)
{
	int file = new_file(8 * PAGE), access = new_access(fd, ioas, 0);
	char *one = view(file, 8, 0), *two = view(file, 4, 2), letters[4] = "";
	uint64_t iova = 0, by_address = 0;

	show("map the file", map_file(fd, ioas, RW, file, 0, 8 * PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("first view", check_map(fd, mock.hwpt, iova, one, 8 * PAGE));
	show("second view", check_map(fd, mock.hwpt, iova + 2 * PAGE, two, 4 * PAGE));
	show("shifted", check_map(fd, mock.hwpt, iova, two, PAGE));
	show("one pin each", check_refs(fd, one, 8 * PAGE, 1));
	show("map a view", map_flags(fd, ioas, RW, two, 4 * PAGE, &by_address));
	show("two pins", check_refs(fd, one + 2 * PAGE, 4 * PAGE, 2));
	memcpy(two, "abc", 3);
	show("read", access_rw(fd, access, iova + 2 * PAGE, letters, 3, 0));
	printf("%s\n", letters);
	show("write", access_rw(fd, access, iova + 2 * PAGE + 1, "X", 1, 1));
	printf("%.3s\n", one + 2 * PAGE);
	close(file);
	munmap(one, 8 * PAGE);
	show("still pinned", check_refs(fd, two, 4 * PAGE, 2));
	munmap(two, 4 * PAGE);
	memset(letters, 0, sizeof(letters));
	show("read when nobody maps it", access_rw(fd, access, iova + 2 * PAGE, letters, 3, 0));
	printf("%s\n", letters);
	close(access);
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

static void edges(int fd, uint32_t ioas, uint32_t bare)
{
	int file = new_file(4 * PAGE + 100), device = open("/dev/zero", O_RDWR), pipes[2];
	uint64_t iova = 0;

	show("whole pages", map_file(fd, ioas, RW, file, 0, 4 * PAGE, &iova));
	show("the odd end", map_file(fd, ioas, RW, file, 4 * PAGE, PAGE, &iova));
	show("inside the odd end", map_file(fd, ioas, RW, file, 4 * PAGE, 2048, &iova));
	show("beyond", map_file(fd, ioas, RW, file, 16 * PAGE, PAGE, &iova));
	show("beyond, without a device", map_file(fd, bare, RW, file, 16 * PAGE, PAGE, &iova));
	show("half a page", map_file(fd, ioas, RW, file, 2048, PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("no length", map_file(fd, ioas, RW, file, 0, 0, &iova));
	show("no descriptor", map_file(fd, ioas, RW, -1, 0, PAGE, &iova));
	show("a closed descriptor", map_file(fd, ioas, RW, 999, 0, PAGE, &iova));
	show("a device", map_file(fd, ioas, RW, device, 0, PAGE, &iova));
	show("a device, later", map_file(fd, bare, RW, device, 0, PAGE, &iova));
	if (pipe(pipes) != 0)
		die("pipe");
	show("a pipe", map_file(fd, ioas, RW, pipes[0], 0, PAGE, &iova));
	show("the context itself", map_file(fd, ioas, RW, fd, 0, PAGE, &iova));
	show("an end that wraps", map_file(fd, ioas, RW, file, UINT64_MAX, 2, &iova));
	close(device);
	close(file);
	unmap_at(fd, ioas, 0, UINT64_MAX);
	unmap_at(fd, bare, 0, UINT64_MAX);
}

static void holes_and_truncation(int fd, uint32_t ioas)
{
	int file = new_file(16 * PAGE), access = new_access(fd, ioas, 0);
	char *memory = view(file, 16, 0), byte = 1;
	uint64_t iova = 0;

	memory[0] = 'z';
	show("map holes", map_file(fd, ioas, RW, file, 0, 16 * PAGE, &iova));
	show("read a hole", access_rw(fd, access, iova + 9 * PAGE, &byte, 1, 0));
	printf("%d\n", byte);
	memory[9 * PAGE] = 'h';
	show("read it again", access_rw(fd, access, iova + 9 * PAGE, &byte, 1, 0));
	printf("%c\n", byte);
	show("truncate", ftruncate(file, 0));
	show("what was pinned stays", access_rw(fd, access, iova, &byte, 1, 0));
	printf("%c\n", byte);
	show("write", access_rw(fd, access, iova, "y", 1, 1));
	show("read", access_rw(fd, access, iova, &byte, 1, 0));
	printf("%c\n", byte);
	show("grow again", ftruncate(file, (off_t)(16 * PAGE)));
	printf("the file has %d\n", memory[0]);
	show("map it anew", map_file(fd, ioas, RW, file, 0, PAGE, &iova));
	memory[0] = 'n';
	show("read", access_rw(fd, access, iova, &byte, 1, 0));
	printf("%c\n", byte);
	close(access);
	close(file);
	munmap(memory, 16 * PAGE);
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

static void without_leave_to_write(int fd, uint32_t ioas)
{
	int file = new_file(2 * PAGE), access = new_access(fd, ioas, 0);
	char path[40], byte = 0;
	uint64_t iova = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	int reader = open(path, O_RDONLY);
	show("writeable by a read-only descriptor", map_file(fd, ioas, RW, reader, 0, PAGE, &iova));
	show("seal", fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) < 0 ? -errno : 0);
	show("seal growth", fcntl(file, F_ADD_SEALS, F_SEAL_GROW));
	show("map", map_file(fd, ioas, RW, file, 0, PAGE, &iova));
	show("write", access_rw(fd, access, iova, "w", 1, 1));
	show("pread", pread(file, &byte, 1, 0));
	printf("%c\n", byte);
	close(access);
	close(reader);
	close(file);
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd), bare = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);

	same_pages(fd, ioas, mock);
	edges(fd, ioas, bare);
	holes_and_truncation(fd, ioas);
	without_leave_to_write(fd, ioas);
	close(fd);
	return 0;
}
