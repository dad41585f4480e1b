/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder in which the host has what programs see below /dev and /sys/kernel/debug: a FIFO for
 * each node, with its owner and mode, and the attributes of fault injection as ordinary files.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "impl/shim/server_private.h"

#define PREFIX	    "iommuzz-shim-"
#define PARENT_MAX  40
#define ATTEMPTS    10
#define PATH_LENGTH 512

/* What debugfs has in a kernel with fault injection. */
static const char *const folders[] = {
	"failslab", "fail_page_alloc", "fail_usercopy", "fail_futex", "fail_iommufd"};
static const struct {
	const char *name, *text;
} attributes[] = {
	{"cache-filter", "N\n"},
	{"ignore-gfp-highmem", "Y\n"},
	{"ignore-gfp-wait", "Y\n"},
	{"interval", "0\n"},
	{"min-order", "1\n"},
	{"probability", "0\n"},
	{"space", "0\n"},
	{"task-filter", "N\n"},
	{"times", "1\n"},
	{"verbose", "2\n"},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool good = file && fputs(text, file) >= 0;

	if (file && fclose(file))
		good = false;
	return good && !chmod(path, 0666);
}

/* Makes a folder or, if it names one, what mkfifo makes, with exactly that mode. */
static bool make_node(const char *tree, const char *name, mode_t mode)
{
	char path[PATH_LENGTH];

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	return !(S_ISFIFO(mode) ? mkfifo(path, 0600) : mkdir(path, 0700)) &&
	       !chmod(path, mode & 07777);
}

static bool make_attributes(const char *tree)
{
	char name[64], path[PATH_LENGTH];

	for (size_t f = 0; f < COUNT(folders); f++) {
		snprintf(name, sizeof(name), "sys/kernel/debug/%s", folders[f]);
		if (!make_node(tree, name, S_IFDIR | 0755))
			return false;
		for (size_t a = 0; a < COUNT(attributes); a++) {
			snprintf(path, sizeof(path), "%s/%s/%s", tree, name, attributes[a].name);
			if (!make_file(path, attributes[a].text))
				return false;
		}
	}
	return true;
}

static bool make_nodes(const char *tree, bool container)
{
	static const char *const parts[] = {"dev", "sys", "sys/kernel", "sys/kernel/debug"};

	for (size_t n = 0; n < COUNT(parts); n++)
		if (!make_node(tree, parts[n], S_IFDIR | 0755))
			return false;
	return make_node(tree, "dev/iommu", S_IFIFO | 0660) &&
	       (!container || (make_node(tree, "dev/vfio", S_IFDIR | 0755) &&
				      make_node(tree, "dev/vfio/vfio", S_IFIFO | 0666)));
}

/* The folder locked: nobody is alive who uses it. -1: somebody is, or it is not this user's. */
static int lock_folder(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status, now;

	if (folder >= 0 && !fstat(folder, &status) && status.st_uid == geteuid() &&
		!flock(folder, LOCK_EX | LOCK_NB) && !stat(path, &now) &&
		now.st_ino == status.st_ino)
		return folder;
	if (folder >= 0)
		close(folder);
	return -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	remove(path);
	return 0;
}

/* Commands that were killed have left theirs behind. */
static void remove_stale(const char *parent)
{
	DIR *list = opendir(parent);
	struct dirent *entry;
	char path[PATH_LENGTH];
	int length;

	while (list && (entry = readdir(list)) != NULL) {
		int folder;

		if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) != 0)
			continue;
		length = snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		folder = length < PATH_LENGTH ? lock_folder(path) : -1;
		if (folder < 0)
			continue;
		nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		close(folder);
	}
	if (list)
		closedir(list);
}

/* One that no other command takes for stale before it is locked. */
static bool make_folder(struct shim_server *server, const char *parent)
{
	char *tree = server->shared->tree;

	for (unsigned n = 0; n < ATTEMPTS; n++) {
		snprintf(tree, sizeof(server->shared->tree), "%s/" PREFIX "XXXXXX", parent);
		if (!mkdtemp(tree))
			return false;
		server->tree_lock = lock_folder(tree);
		if (server->tree_lock >= 0)
			return !chmod(tree, 0755);
	}
	return false;
}

bool shim_tree_make(struct shim_server *server)
{
	const char *parent = getenv("TMPDIR");

	if (!parent || strlen(parent) > PARENT_MAX)
		parent = "/tmp";
	remove_stale(parent);
	return make_folder(server, parent) &&
	       make_nodes(server->shared->tree, server->options.vfio_container) &&
	       make_attributes(server->shared->tree);
}

void shim_tree_remove(struct shim_server *server)
{
	nftw(server->shared->tree, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	close(server->tree_lock);
}
