/* SPDX-License-Identifier: Apache-2.0 */
/* The initramfs of a VM: a cpio archive in memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/files.h"
#include "tools/tool.h"
#include "tools/vm_content.h"
#include "tools/vm_files.h"

struct cpio {
	FILE *out;
	uint32_t inode;
	char **folders; /* that are in the archive */
	size_t folder_count;
};

struct cpio_entry {
	const char *name;
	uint32_t mode, device_major, device_minor;
	const void *bytes;
	size_t size;
};

static void pad(FILE *out, size_t length)
{
	static const char zeros[4];

	fwrite(zeros, 1, -length & 3, out);
}

/* The format "newc": a header of hexadecimal numbers, name and content, each padded to 4 bytes. */
static void cpio_add(struct cpio *cpio, const struct cpio_entry *entry)
{
	size_t name_size = strlen(entry->name) + 1;
	uint32_t links = S_ISDIR(entry->mode) ? 2 : 1;
	uint32_t fields[] = {++cpio->inode, entry->mode, 0, 0, links, 0, (uint32_t)entry->size, 0,
		0, entry->device_major, entry->device_minor, (uint32_t)name_size, 0};

	size_t used = (size_t)fprintf(cpio->out, "070701");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		used += (size_t)fprintf(cpio->out, "%08" PRIX32, fields[i]);
	fwrite(entry->name, 1, name_size, cpio->out);
	pad(cpio->out, used + name_size);
	fwrite(entry->bytes, 1, entry->size, cpio->out);
	pad(cpio->out, entry->size);
}

/* A kernel unpacks nothing into a folder that no entry before has made. */
static void cpio_add_folders(struct cpio *cpio, const char *path)
{
	for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
		char *name = tool_copy(path);
		size_t known = 0;

		name[end - path] = '\0';
		while (known < cpio->folder_count && strcmp(cpio->folders[known], name) != 0)
			known++;
		if (known < cpio->folder_count) {
			free(name);
			continue;
		}
		cpio_add(cpio, &(struct cpio_entry){.name = name, .mode = S_IFDIR | 0755});
		cpio->folders =
			tool_grow(cpio->folders, cpio->folder_count + 1, sizeof(*cpio->folders));
		cpio->folders[cpio->folder_count++] = name;
	}
}

static bool cpio_add_file(struct cpio *cpio, const struct vm_file *file, char *reason, size_t size)
{
	size_t count;
	uint8_t *bytes = files_read(file->source, &count);
	const char *name = file->path + (*file->path == '/');

	if (!bytes) {
		snprintf(reason, size, "%s: %s", file->source, strerror(errno));
		return false;
	}
	cpio_add_folders(cpio, name);
	cpio_add(
		cpio, &(struct cpio_entry){
			      .name = name, .mode = S_IFREG | 0755, .bytes = bytes, .size = count});
	free(bytes);
	return true;
}

static bool write_all(struct cpio *cpio, const char *binary, const struct vm_content *content,
	char *reason, size_t size)
{
	char init[] = "init", *source = tool_copy(binary);
	const struct vm_file init_file = {.path = init, .source = source};

	cpio_add_folders(cpio, "dev/");
	cpio_add(cpio, &(struct cpio_entry){.name = "dev/console", .mode = S_IFCHR | 0600, 5, 1});
	bool written = cpio_add_file(cpio, &init_file, reason, size);
	for (size_t i = 0; written && content && i < content->count; i++)
		written = cpio_add_file(cpio, &content->files[i], reason, size);
	cpio_add(cpio, &(struct cpio_entry){.name = "TRAILER!!!"});
	free(source);
	return written;
}

int vm_open_initramfs(
	const char *binary, const struct vm_content *content, char *reason, size_t size)
{
	int fd = vm_open_nameless("initramfs", reason, size);
	struct cpio cpio = {.out = fd < 0 ? NULL : fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "w")};

	if (fd < 0)
		return -1;
	snprintf(reason, size, "initramfs: cannot write");
	bool written =
		cpio.out && write_all(&cpio, binary, content, reason, size) && !ferror(cpio.out);
	if (cpio.out && fclose(cpio.out) != 0)
		written = false;
	for (size_t i = 0; i < cpio.folder_count; i++)
		free(cpio.folders[i]);
	free(cpio.folders);
	if (written) {
		*reason = '\0';
		return fd;
	}
	close(fd);
	return -1;
}
