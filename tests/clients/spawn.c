/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are started in other ways than fork: what they inherit, and what they open. */
#include "client.h"

#include <spawn.h>

extern char **environ;

/* What the started program does: uses the descriptor it is told, and opens the device itself. */
static int started(const char *text)
{
	int fd = atoi(text);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fcntl(fd, F_GETFD) >= 0)
		printf("inherited: next id %u\n", new_ioas(fd));
	else
		printf("inherited: nothing\n");
	int own = open_iommu();
	char *memory = pages(1, 0);
	uint32_t ioas = new_ioas(own);
	printf("own: id %u\n", ioas);
	struct mock mock = new_mock(own, ioas);
	uint64_t iova = 0;
	show("map", map_flags(own, ioas, RW, memory, PAGE, &iova));
	show("the device sees it", check_map(own, mock.hwpt, iova, memory, PAGE));
	return 0;
}

static char **words(char *self, char *text)
{
	static char option[] = "--started", *list[4];

	list[0] = self;
	list[1] = option;
	list[2] = text;
	return list;
}

static void by_spawn(char *self, char *text)
{
	pid_t child;

	printf("-- posix_spawn --\n");
	if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, words(self, text), environ) != 0)
		die("posix_spawn");
	show("ended", join(child));
}

static void by_vfork(char *self, char *text)
{
	char **list = words(self, text);

	printf("-- vfork --\n");
	pid_t child = vfork();
	if (child == 0) {
		execv("/proc/self/exe", list);
		_exit(127);
	}
	show("ended", join(child));
}

/* As init systems and sudo do: nothing of the environment remains. */
static void without_environment(char *self, char *text)
{
	char *nothing[] = {NULL};

	printf("-- empty environment --\n");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		execve("/proc/self/exe", words(self, text), nothing);
		_exit(127);
	}
	show("ended", join(child));
}

static void cleared_environment(char *self, char *text)
{
	printf("-- cleared environment --\n");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		clearenv();
		setenv("NAME", "value", 1);
		execv("/proc/self/exe", words(self, text));
		_exit(127);
	}
	show("ended", join(child));
}

int main(int argc, char **argv)
{
	char text[16];

	if (argc == 3)
		return started(argv[2]);
	int fd = open_iommu();
	snprintf(text, sizeof(text), "%d", fd);
	printf("first id %u\n", new_ioas(fd));
	by_spawn(argv[0], text);
	show("keep over exec", fcntl(fd, F_SETFD, 0));
	by_spawn(argv[0], text);
	by_vfork(argv[0], text);
	without_environment(argv[0], text);
	cleared_environment(argv[0], text);
	printf("next id %u\n", new_ioas(fd));
	close(fd);
	return 0;
}
