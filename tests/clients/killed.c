/* SPDX-License-Identifier: Apache-2.0 */
/* Processes die in the middle of their work; what they shared goes on. */
#include "client.h"

#include <signal.h>

#define CHILDREN 6

static void child_work(int fd, uint32_t ioas, int number, int ready)
{
	char *memory = pages(8, 0);
	uint64_t place = MOCK_APERTURE_START + (uint64_t)number * 0x1000000;

	memset(memory, number, 8 * PAGE);
	map_at(fd, ioas, memory, 8 * PAGE, place);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;) {
		map_at(fd, ioas, memory, 4 * PAGE, place + 0x100000);
		unmap_at(fd, ioas, place + 0x100000, 4 * PAGE);
		destroy(fd, new_ioas(fd));
	}
}

static void start(int fd, uint32_t ioas, pid_t *children, int ready)
{
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			child_work(fd, ioas, i, ready);
	}
}

int main(void)
{
	int fd = open_iommu(), ready[2];
	uint32_t ioas = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);
	int access = new_access(fd, ioas, 0);
	pid_t children[CHILDREN];
	char byte;

	if (pipe(ready) != 0)
		die("pipe");
	start(fd, ioas, children, ready[1]);
	for (int i = 0; i < CHILDREN; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("pipe");
	for (int i = 0; i < CHILDREN; i++) {
		usleep(3000);
		kill(children[i], SIGKILL);
		printf("child ended with %d\n", join(children[i]));
	}
	/* What they mapped is still pinned, and still theirs. */
	for (int i = 0; i < CHILDREN; i++) {
		char value = -1;
		int result = access_rw(fd, access,
			MOCK_APERTURE_START + (uint64_t)i * 0x1000000 + 5 * PAGE, &value, 1, 0);

		printf("memory of child %d: %s %d\n", i, named(result), value);
	}
	char *memory = pages(1, 0);
	uint64_t iova = 0x7f000000;
	show("map", map_flags(fd, ioas, RWF, memory, PAGE, &iova));
	show("the device sees it", check_map(fd, mock.hwpt, iova, memory, PAGE));
	show("unmap all", unmap_at(fd, ioas, 0, UINT64_MAX));
	show("nothing is left", access_rw(fd, access, MOCK_APERTURE_START, &byte, 1, 0));
	show("pins", check_refs(fd, memory, PAGE, 0));
	close(access);
	show("device leaves", destroy(fd, mock.stdev));
	show("destroy", destroy(fd, ioas));
	close(fd);
	return 0;
}
