/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned memory as /proc counts it, for a process and its children. */
#include "client.h"

static void show_pinned(const char *when)
{
	printf("%s: VmPin %ld kB VmLck %ld kB\n", when, status_kb("VmPin"), status_kb("VmLck"));
}

static void alone(int fd, uint32_t ioas, char *memory)
{
	uint64_t one = MOCK_APERTURE_START, two = 0;

	show("map 5 pages", map_flags(fd, ioas, RWF, memory, 5 * PAGE, &one));
	show_pinned("mapped without a device");
	struct mock mock = new_mock(fd, ioas);
	show_pinned("with a device");
	show("map 3 of them again", map_flags(fd, ioas, RW, memory, 3 * PAGE, &two));
	show_pinned("twice");
	uint32_t hwpt;
	hwpt_alloc(fd, mock.dev, ioas, 0, &hwpt);
	show_pinned("a second page table");
	show("unmap", unmap_at(fd, ioas, two, 3 * PAGE));
	show_pinned("once");
	destroy(fd, hwpt);
	destroy(fd, mock.stdev);
	show_pinned("without a device");
	int access = new_access(fd, ioas, 1);
	show("pin", pin(fd, access, one, 2 * PAGE, memory, 0));
	show_pinned("a driver's pin");
	close(access);
	show_pinned("and its end");
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

/* A child shares the context. What it maps is its own memory. */
static void with_child(int fd, uint32_t ioas, char *memory)
{
	struct mock mock = new_mock(fd, ioas);
	uint64_t iova = 0;

	memset(memory, 0, 8 * PAGE);
	show("map 4 pages", map_flags(fd, ioas, RW, memory, 4 * PAGE, &iova));
	show_pinned("parent");
	pid_t child = fork();
	if (child == 0) {
		uint64_t own = 0;

		show_pinned("child at its start");
		show("child maps 2 pages",
			map_flags(fd, ioas, RW, memory + 4 * PAGE, 2 * PAGE, &own));
		printf("at %#" PRIx64 "\n", own);
		show_pinned("child");
		show("child unmaps the parent's", unmap_at(fd, ioas, iova, 4 * PAGE));
		show_pinned("child");
		show("pins of its pages", check_refs(fd, memory + 4 * PAGE, 2 * PAGE, 1));
		_exit(3);
	}
	printf("child ended with %d\n", join(child));
	show_pinned("parent");
	show("unmap what the child has left", unmap_at(fd, ioas, iova + 4 * PAGE, 2 * PAGE));
	show("nothing is left", unmap_at(fd, ioas, 0, UINT64_MAX));
	destroy(fd, mock.stdev);
}

/* The last descriptor decides, whoever holds it. */
static void last_close(char *memory)
{
	int fd = open_iommu(), pipes[2];
	uint32_t ioas = new_ioas(fd);
	uint64_t iova = 0;
	char go;

	if (pipe(pipes) != 0)
		die("pipe");
	new_mock(fd, ioas);
	map_flags(fd, ioas, RW, memory, 4 * PAGE, &iova);
	show_pinned("parent");
	pid_t child = fork();
	if (child == 0) {
		close(pipes[1]);
		if (read(pipes[0], &go, 1) != 1)
			_exit(1);
		close(fd);
		_exit(0);
	}
	close(fd);
	show_pinned("closed here, open in the child");
	if (write(pipes[1], "g", 1) != 1)
		die("write");
	printf("child ended with %d\n", join(child));
	show_pinned("closed everywhere");
	close(pipes[0]);
	close(pipes[1]);
}

/* Memory that both share: one page, however it is reached. */
static void shared_memory(int fd, uint32_t ioas)
{
	char *memory = pages(2, MAP_SHARED);
	struct mock mock = new_mock(fd, ioas);
	uint64_t iova = 0;

	memory[0] = 'p';
	show("map shared", map_flags(fd, ioas, RW, memory, 2 * PAGE, &iova));
	pid_t child = fork();
	if (child == 0) {
		char letter = 0;
		int access = new_access(fd, ioas, 0);

		show("child sees the same pages", check_map(fd, mock.hwpt, iova, memory, 2 * PAGE));
		show("child sees its pins", check_refs(fd, memory, 2 * PAGE, 1));
		access_rw(fd, access, iova, &letter, 1, 0);
		printf("child reads %c\n", letter);
		access_rw(fd, access, iova, "c", 1, 1);
		show_pinned("child");
		_exit(0);
	}
	join(child);
	printf("parent has %c\n", memory[0]);
	destroy(fd, mock.stdev);
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	char *memory = pages(8, 0);

	memset(memory, 1, 8 * PAGE);
	show_pinned("start");
	alone(fd, ioas, memory);
	with_child(fd, ioas, memory);
	last_close(memory);
	shared_memory(fd, ioas);
	close(fd);
	show_pinned("end");
	return 0;
}
