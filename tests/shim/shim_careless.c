/* SPDX-License-Identifier: Apache-2.0 */
/* A program that leaves things behind and uses what it has destroyed; with "tidy" it does not. */
#include "tests/shim/client.h"

__attribute__((noinline)) static uint32_t leave_an_ioas(int fd)
{
	uint32_t id = new_ioas(fd);

	__asm__ volatile(""); /* no jump instead of the call: it is to be seen in backtraces */
	return id;
}

__attribute__((noinline)) static int use_after_destroy(int fd)
{
	uint32_t id = new_ioas(fd);

	destroy(fd, id);
	int again = destroy(fd, id);

	__asm__ volatile(""); /* as above */
	return again;
}

int main(int argc, char **argv)
{
	bool tidy = argc > 1 && !strcmp(argv[1], "tidy");
	char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	uint32_t ioas = leave_an_ioas(fd), hwpt, device = new_device(fd, ioas, &hwpt);

	if (map(fd, ioas, memory, PAGE, APERTURE))
		return 1;
	if (!tidy) {
		use_after_destroy(fd);
		munmap(memory, PAGE);
		return 3;
	}
	unmap(fd, ioas, APERTURE, PAGE);
	munmap(memory, PAGE);
	destroy(fd, device);
	destroy(fd, ioas);
	close(fd);
	return 0;
}
