/* SPDX-License-Identifier: Apache-2.0 */
/* A server that makes itself a daemon: it closes what it does not know, and shuts itself in. */
#include "client.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void show_descriptors(void)
{
	int own = -1;
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned count = 0, above = 0;

	if (folder)
		own = dirfd(folder);
	while (folder && (entry = readdir(folder))) {
		int number = atoi(entry->d_name);

		if (*entry->d_name == '.' || number == own)
			continue;
		count++;
		above += number > 100;
	}
	if (folder)
		closedir(folder);
	/* What a library keeps above is its own business. */
	printf("open: %u\n", count - above);
}

static void use(const char *what, int fd)
{
	uint32_t ioas = new_ioas(fd);
	char *memory = pages(2, 0);
	uint64_t iova = 0;
	struct mock mock = new_mock(fd, ioas);

	printf("%s: descriptor %d, space %u, device %u\n", what, fd, ioas, mock.dev);
	show("map", map_flags(fd, ioas, RW, memory, 2 * PAGE, &iova));
	show("pins", check_refs(fd, memory, 2 * PAGE, 1));
	show("device leaves", destroy(fd, mock.stdev));
	show("destroy", destroy(fd, ioas));
	munmap(memory, 2 * PAGE);
}

static void closes_one_by_one(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 3; fd < (int)limit.rlim_cur && fd < 70000; fd++)
		close(fd);
	int fd = open_iommu();
	use("after closing one by one", fd);
	for (int number = 3; number < 100; number++)
		if (number != fd)
			close(number);
	use("all others closed", fd);
	close(fd);
}

static void closes_at_once(void)
{
	int fd = open_iommu();

	use("before", fd);
	closefrom(3);
	show("it is closed", destroy(fd, 1));
	fd = open_iommu();
	use("after closefrom", fd);
	show("close_range", close_range(3, ~0U, 0));
	fd = open_iommu();
	use("after close_range", fd);
	show_descriptors();
	close(fd);
	show_descriptors();
}

static void shuts_itself_in(void)
{
	char folder[] = "/tmp/clients-XXXXXX";
	int fd = open_iommu();

	if (!mkdtemp(folder) || chdir(folder) != 0 || chroot(folder) != 0)
		die("chroot");
	use("in another root", fd);
	show("no device there", open("/dev/iommu", O_RDWR) < 0 ? -errno : 0);
	show("nor above", open("../../../dev/iommu", O_RDWR) < 0 ? -errno : 0);
	close(fd);
}

static void replaces_standard_files(void)
{
	int fd = open_iommu(), error = dup(STDERR_FILENO);

	show("as standard input", dup2(fd, STDIN_FILENO));
	close(fd);
	use("standard input", STDIN_FILENO);
	close(STDIN_FILENO);
	fd = open_iommu();
	use("lowest number", fd);
	close(fd);
	close(STDERR_FILENO);
	fd = open_iommu();
	printf("number %d\n", fd);
	fd = open_iommu();
	printf("number %d\n", fd);
	use("as standard errors", fd);
	dup2(error, STDERR_FILENO);
}

static void detached(void)
{
	int done[2], go[2];
	char byte;

	if (pipe(done) != 0 || pipe(go) != 0)
		die("pipe");
	int fd = open_iommu();
	pid_t child = fork();
	if (child == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		/* Nobody waits for it. */
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		use("grandchild", fd);
		_exit(write(done[1], "d", 1) == 1 ? 0 : 1);
	}
	show("child", join(child));
	if (write(go[1], "g", 1) != 1)
		die("pipe");
	close(done[1]);
	show("grandchild is done", read(done[0], &byte, 1));
	use("parent", fd);
	close(fd);
}

static void apart(const char *name, void (*part)(void))
{
	printf("-- %s --\n", name);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		part();
		exit(0);
	}
	show("ended", join(child));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	apart("one by one", closes_one_by_one);
	apart("at once", closes_at_once);
	apart("another root", shuts_itself_in);
	apart("standard files", replaces_standard_files);
	apart("detached", detached);
	return 0;
}
