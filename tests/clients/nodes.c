/* SPDX-License-Identifier: Apache-2.0 */
/* The node as a file: paths and links to it, what it looks like, opening what is open again. */
#include "client.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static long result(long value)
{
	return value < 0 ? -errno : value;
}

/* Opens, and shows what came of it. */
static void show_open(const char *what, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	printf("%s: %s", what, fd < 0 ? named(-errno) : "0");
	if (fd >= 0) {
		printf(", flags %#o", (unsigned)fcntl(fd, F_GETFL));
		printf(", %s", named(call(fd, IOMMU_IOAS_ALLOC, &alloc)));
		printf(", id %u", alloc.out_ioas_id);
		close(fd);
	}
	printf("\n");
}

static void show_stat(const char *what, int value, const struct stat *status)
{
	show(what, result(value));
	if (!value)
		printf("  mode %o, major %u, size %ld, links %ld, blocks of %ld\n", status->st_mode,
			major(status->st_rdev), (long)status->st_size, (long)status->st_nlink,
			(long)status->st_blksize);
}

static void looks(void)
{
	struct stat by_path = {0}, by_fd = {0};
	struct statx wide = {0};
	char text[4096] = "";
	int fd = open_iommu();

	show_stat("stat", stat("/dev/iommu", &by_path), &by_path);
	show_stat("fstat", fstat(fd, &by_fd), &by_fd);
	printf("the same: %s\n", by_fd.st_ino == by_path.st_ino && by_fd.st_dev == by_path.st_dev &&
						 by_fd.st_rdev == by_path.st_rdev
					 ? "yes"
					 : "no");
	show("statx", result(statx(AT_FDCWD, "/dev/iommu", 0, STATX_BASIC_STATS, &wide)));
	printf("  mode %o, major %u, the same: %s\n", wide.stx_mode, wide.stx_rdev_major,
		wide.stx_ino == by_path.st_ino ? "yes" : "no");
	show("is it there", result(access("/dev/iommu", F_OK)));
	show("can it be read and written", result(access("/dev/iommu", R_OK | W_OK)));
	show("can it be executed", result(access("/dev/iommu", X_OK)));
	show("link", result(readlink("/dev/iommu", text, sizeof(text))));
	printf("real path %s\n", realpath("/dev/./../dev//iommu", text) ? text : "none");
	show("attribute", result(getxattr("/dev/iommu", "user.none", text, sizeof(text))));
	show("truncate", result(truncate("/dev/iommu", 0)));
	show("enter", result(chdir("/dev/iommu")));
	show("mode", result(chmod("/dev/iommu", 0640)));
	show_stat("by its descriptor", fstat(fd, &by_fd), &by_fd);
	show("mode by descriptor", result(fchmod(fd, 0660)));
	show_stat("by its path", stat("/dev/iommu", &by_path), &by_path);
	show("owner", result(chown("/dev/iommu", 0, 0)));
	show("make it a folder", result(mkdir("/dev/iommu", 0700)));
	show("make it a device", result(mknod("/dev/iommu", S_IFCHR | 0600, 0)));
	close(fd);
}

static void listing(void)
{
	DIR *folder = opendir("/dev");
	struct dirent *entry;
	unsigned found = 0;

	while (folder && (entry = readdir(folder)) != NULL) {
		if (strcmp(entry->d_name, "iommu") != 0)
			continue;
		found++;
		printf("in the listing with type %u\n", entry->d_type);
	}
	printf("found %u times\n", found);
	if (folder)
		closedir(folder);
}

static void paths(void)
{
	show_open("behind it", "/dev/iommu/x", O_RDWR);
	show_open("with a slash", "/dev/iommu/", O_RDWR);
	show_open("with a dot", "/dev/iommu/.", O_RDWR);
	show_open("and back", "/dev/iommu/../iommu", O_RDWR);
	show("is there something behind it", result(access("/dev/iommu/x", F_OK)));
	show("a link behind it", result(readlink("/dev/iommu/x", (char[8]){0}, 8)));
	show_open("as a temporary file", "/dev/iommu", O_TMPFILE | O_RDWR);
	show_open("no link", "/dev/iommu", O_RDWR | O_NOFOLLOW);
	int fd = creat("/dev/iommu", 0600);
	printf("creat: %s, flags %#o\n", fd < 0 ? named(-errno) : "0",
		(unsigned)fcntl(fd, F_GETFL));
	close(fd);
}

static void links(void)
{
	char folder[] = "/tmp/nodes-XXXXXX", path[64], text[4096];
	struct stat status = {0};

	if (!mkdtemp(folder) || chdir(folder) || symlink("/dev/iommu", "first") ||
		symlink("first", "second") || symlink("/dev", "folder") ||
		symlink("second/x", "behind"))
		die("links");
	show_open("by a link", "first", O_RDWR);
	show_open("by a link to it", "second", O_RDWR);
	show_open("in a linked folder", "folder/iommu", O_RDWR);
	snprintf(path, sizeof(path), "%s/second", folder);
	show_open("by its whole path", path, O_RDONLY);
	show_open("if need be made", "first", O_RDWR | O_CREAT);
	show_open("not by a link", "first", O_RDWR | O_NOFOLLOW);
	show_open("behind a link", "behind", O_RDWR);
	show_stat("stat", stat("second", &status), &status);
	show_stat("lstat", lstat("folder/iommu", &status), &status);
	show("access", result(access("second", R_OK)));
	printf("real path %s\n", realpath("second", text) ? text : named(-errno));
	show("link", result(readlink("first", text, sizeof(text))));
	unlink("first");
	unlink("second");
	unlink("behind");
	unlink("folder");
	if (chdir("/") || rmdir(folder))
		die(folder);
}

static void again(const char *what, int fd)
{
	char path[64], text[64];
	struct stat status = {0};

	printf("-- %s\n", what);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(path, text, sizeof(text));
	printf("link %.*s\n", (int)(length > 0 ? length : 0), text);
	show_open("open", path, O_RDWR);
	show_open("to read", path, O_RDONLY);
	show_open("that does not wait", path, O_RDWR | O_NONBLOCK);
	show_open("as a path", path, O_PATH);
	show_open("as a folder", path, O_RDWR | O_DIRECTORY);
	show_stat("stat", stat(path, &status), &status);
	show_stat("fstat", fstat(fd, &status), &status);
	show("access", result(access(path, R_OK)));
	show("mode", result(fchmod(fd, status.st_mode & 0777)));
}

static void as_path(void)
{
	int fd = open("/dev/iommu", O_PATH | O_CLOEXEC);
	struct stat status = {0};
	char byte;

	show("an ioctl", call(fd, IOMMU_IOAS_ALLOC, CMD(iommu_ioas_alloc, .flags = 0)));
	show("read", result(read(fd, &byte, 1)));
	show("sync", result(fsync(fd)));
	show("flags", fcntl(fd, F_GETFL));
	show("other flags", result(fcntl(fd, F_SETFL, 0)));
	show("mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	show("nothing below", result(openat(fd, "", O_RDWR)));
	show("nor there", result(openat(fd, "x", O_RDWR)));
	show_stat("fstat", fstat(fd, &status), &status);
	again("its path", fd);
	close(fd);
}

int main(void)
{
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);

	looks();
	listing();
	paths();
	links();
	again("context", fd);
	show("queue", call(fd, IOMMU_FAULT_QUEUE_ALLOC, &queue));
	again("queue", (int)queue.out_fault_fd);
	again("access", new_access(fd, ioas, 0));
	as_path();
	return 0;
}
