/* SPDX-License-Identifier: Apache-2.0 */
/* Listings: /dev has the nodes that are served, and those are devices. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

static const char *const added[] = {"iommu", "vfio"};
#define ADDED (sizeof(added) / sizeof(*added))

/* An open /dev, at whose end come the names that the host has not. */
struct listing {
	DIR *folder;
	struct listing *next;
	size_t at;
	struct dirent entry;
};

static struct {
	pthread_mutex_t lock;
	struct listing *first;
} listings = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct listing *find(DIR *folder)
{
	struct listing *listing;

	pthread_mutex_lock(&listings.lock);
	for (listing = listings.first; listing && listing->folder != folder;
		listing = listing->next)
		;
	pthread_mutex_unlock(&listings.lock);
	return listing;
}

static bool is_dev(int fd)
{
	struct stat status, dev;

	return link_there() && link_at_root() &&
	       !NEXT(syscall)(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) &&
	       !NEXT(syscall)(SYS_newfstatat, AT_FDCWD, "/dev", &dev, 0) &&
	       status.st_dev == dev.st_dev && status.st_ino == dev.st_ino;
}

static DIR *note(DIR *folder)
{
	int saved = errno;
	struct listing *listing;

	if (folder && is_dev(dirfd(folder)) && (listing = calloc(1, sizeof(*listing))) != NULL) {
		listing->folder = folder;
		pthread_mutex_lock(&listings.lock);
		listing->next = listings.first;
		listings.first = listing;
		pthread_mutex_unlock(&listings.lock);
	}
	errno = saved;
	return folder;
}

SHIM_EXPORT DIR *opendir(const char *text)
{
	struct path path;

	return note(
		NEXT(opendir)(path_look(AT_FDCWD, text, &path) == PATH_MOVED ? path.real : text));
}

SHIM_EXPORT DIR *fdopendir(int fd)
{
	return note(NEXT(fdopendir)(fd));
}

SHIM_EXPORT int closedir(DIR *folder)
{
	struct listing **link, *found;

	pthread_mutex_lock(&listings.lock);
	for (link = &listings.first; *link && (*link)->folder != folder; link = &(*link)->next)
		;
	found = *link;
	if (found)
		*link = found->next;
	pthread_mutex_unlock(&listings.lock);
	free(found);
	return NEXT(closedir)(folder);
}

SHIM_EXPORT void rewinddir(DIR *folder)
{
	struct listing *listing = find(folder);

	if (listing)
		listing->at = 0;
	NEXT(rewinddir)(folder);
}

/* The next name that is served and that the host's folder lacks. NULL: no more. */
static struct dirent *next_added(struct listing *listing)
{
	struct dirent *entry = &listing->entry;
	struct stat served, hosts;
	struct path path;
	char name[32];

	while (listing->at < ADDED) {
		snprintf(name, sizeof(name), "/dev/%s", added[listing->at++]);
		if (path_look(AT_FDCWD, name, &path) == PATH_OTHER ||
			NEXT(syscall)(SYS_newfstatat, AT_FDCWD, path.real, &served, 0) ||
			!NEXT(syscall)(SYS_newfstatat, AT_FDCWD, name, &hosts, 0))
			continue;
		entry->d_ino = served.st_ino;
		entry->d_type = S_ISDIR(served.st_mode) ? DT_DIR : DT_CHR;
		entry->d_reclen = sizeof(*entry);
		snprintf(entry->d_name, sizeof(entry->d_name), "%s", name + strlen("/dev/"));
		return entry;
	}
	return NULL;
}

/* entry: what the host has; NULL with errno as before: its end. */
static struct dirent *complete(DIR *folder, struct dirent *entry, int before)
{
	struct listing *listing;
	struct stat status;

	if (!link_there() || !folder)
		return entry;
	if (entry && entry->d_type == DT_FIFO &&
		!NEXT(syscall)(SYS_newfstatat, dirfd(folder), entry->d_name, &status, 0) &&
		path_node_of(&status))
		entry->d_type = DT_CHR;
	if (entry || errno != before)
		return entry;
	listing = find(folder);
	entry = listing ? next_added(listing) : NULL;
	errno = before;
	return entry;
}

SHIM_EXPORT struct dirent *readdir(DIR *folder)
{
	int before = errno;

	return complete(folder, NEXT(readdir)(folder), before);
}

_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "struct dirent64");
SHIM_EXPORT struct dirent64 *readdir64(DIR *folder)
{
	int before = errno;
	void *entry = NEXT(readdir64)(folder);

	return (struct dirent64 *)(void *)complete(folder, entry, before);
}
