/* SPDX-License-Identifier: Apache-2.0 */
/* Programs in files. */
#include "tools/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/prog/binary.h"
#include "tools/tool.h"

static uint8_t *read_stream(FILE *in, const char *path, size_t *size)
{
	uint8_t *bytes = NULL;
	size_t room = 0, used = 0, more;

	do {
		if (used + 1 >= room)
			bytes = tool_grow(bytes, room = room ? room * 2 : 4096, 1);
		more = fread(bytes + used, 1, room - used - 1, in);
		used += more;
	} while (more && used <= FILES_SIZE_MAX);
	bytes[used] = 0;
	*size = used;
	if (!ferror(in) && used <= FILES_SIZE_MAX)
		return bytes;
	if (ferror(in))
		tool_error("%s: %s", path, strerror(errno));
	else
		tool_error(
			"%s: larger than %u MiB, expected a program", path, FILES_SIZE_MAX >> 20);
	free(bytes);
	return NULL;
}

uint8_t *files_read(const char *path, size_t *size)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return read_stream(stdin, "standard input", size);
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
		tool_error("%s: is a directory, expected a program", path);
		return NULL;
	}
	FILE *in = fopen(path, "rb");
	if (!in) {
		tool_error("%s: %s", path, strerror(errno));
		return NULL;
	}
	uint8_t *bytes = read_stream(in, path, size);
	fclose(in);
	return bytes;
}

/* Bytes of the UTF-8 character at p, 0 if it is none. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	size_t length = p[0] < 0x80		      ? 1
			: p[0] >= 0xc2 && p[0] < 0xe0 ? 2
			: (p[0] & 0xf0) == 0xe0	      ? 3
			: p[0] >= 0xf0 && p[0] < 0xf5 ? 4
						      : 0;

	if (!length || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool files_is_binary(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(bytes + i, size - i);

		if (!length || (bytes[i] < 0x20 && !strchr("\t\n\r\f", bytes[i])) ||
			bytes[i] == 0x7f)
			return true;
		i += length;
	}
	return false;
}

static bool load_binary(const uint8_t *bytes, size_t size, struct prog_text *text)
{
	struct prog prog;

	prog_init(&prog);
	prog_decode(&prog, bytes, size);
	bool done = prog_text_from(text, &prog);
	prog_free(&prog);
	if (!done)
		tool_error("out of memory");
	return done;
}

bool files_load(const char *path, bool binary, struct prog_text *text, bool *was_binary)
{
	struct parse_error error;
	size_t size;
	uint8_t *bytes = files_read(path, &size);
	bool done;

	if (!bytes)
		return false;
	binary = binary || files_is_binary(bytes, size);
	if (was_binary)
		*was_binary = binary;
	if (binary) {
		done = load_binary(bytes, size, text);
	} else if (!size) {
		tool_error("%s: empty, expected a program", path);
		done = false;
	} else {
		done = prog_parse(text, (const char *)bytes, size, &error);
		if (!done)
			tool_error("%s:%u:%u: %s", path, error.line, error.column, error.message);
		if (done && !text->prog.call_count) {
			tool_error("%s: no call in it, expected a program", path);
			done = false;
		}
	}
	free(bytes);
	return done;
}

bool files_load_to_run(const char *path, bool binary, struct prog_text *text)
{
	return files_load(path, binary, text, NULL);
}

bool files_can_write(const char *path)
{
	char *folder = tool_copy(path);
	char *slash = strrchr(folder, '/');
	bool exists = access(path, F_OK) == 0;

	if (!exists && slash)
		slash[slash == folder] = '\0';
	else if (!exists && *folder)
		strcpy(folder, ".");
	bool can = access(folder, W_OK) == 0;
	if (!can)
		tool_error("%s: cannot write: %s", path, strerror(errno));
	free(folder);
	return can;
}

bool files_write(const char *path, const void *bytes, size_t size)
{
	struct stat status;
	char *temporary = tool_grow(NULL, strlen(path) + 16, 1);

	/* A device or pipe cannot be replaced. */
	bool special = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
	sprintf(temporary, special ? "%s" : "%s.XXXXXX", path);
	int fd = -1;
	FILE *out = NULL;
	if (special)
		out = fopen(path, "wb");
	else if ((fd = mkstemp(temporary)) >= 0)
		out = fdopen(fd, "wb");
	bool done = out && fwrite(bytes, 1, size, out) == size && fflush(out) == 0;
	if (done && !special) {
		mode_t mask = umask(0);

		umask(mask);
		mode_t mode = stat(path, &status) == 0 ? status.st_mode & 07777 : 0666 & ~mask;
		done = fchmod(fd, mode) == 0;
	}
	int error = errno;
	if (out && fclose(out) != 0 && done) {
		error = errno;
		done = false;
	}
	if (done && !special && rename(temporary, path) != 0) {
		error = errno;
		done = false;
	}
	if (!done) {
		tool_error("%s: cannot write: %s", path, strerror(error));
		if (!special && fd >= 0)
			unlink(temporary);
	}
	free(temporary);
	return done;
}

static void add_path(struct file_list *list, char *path)
{
	if ((list->count & (list->count - 1)) == 0)
		list->paths = tool_grow(
			list->paths, list->count ? list->count * 2 : 1, sizeof(*list->paths));
	list->paths[list->count++] = path;
}

static bool is_program_name(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && name[0] != '.' && strcmp(name + length - 5, ".prog") == 0;
}

static bool collect_folder(const char *path, struct file_list *list)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	bool done = true;

	if (!folder) {
		tool_error("%s: %s", path, strerror(errno));
		return false;
	}
	while (done && (entry = readdir(folder))) {
		struct stat status;

		if (entry->d_name[0] == '.')
			continue;
		char *inner = tool_grow(NULL, strlen(path) + strlen(entry->d_name) + 2, 1);
		sprintf(inner, "%s/%s", path, entry->d_name);
		bool is_folder = stat(inner, &status) == 0 && S_ISDIR(status.st_mode);
		if (is_folder)
			done = collect_folder(inner, list);
		if (!is_folder && is_program_name(entry->d_name))
			add_path(list, inner);
		else
			free(inner);
	}
	closedir(folder);
	return done;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool files_collect(const char *path, struct file_list *list)
{
	struct stat status;
	size_t before = list->count;

	if (stat(path, &status) != 0) {
		tool_error("%s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISDIR(status.st_mode)) {
		add_path(list, tool_copy(path));
		return true;
	}
	char *trimmed = tool_copy(path);
	for (size_t length = strlen(trimmed); length > 1 && trimmed[length - 1] == '/';)
		trimmed[--length] = '\0';
	bool done = collect_folder(trimmed, list);
	free(trimmed);
	if (!done)
		return false;
	if (list->count == before) {
		tool_error("%s: holds no program (NAME.prog)", path);
		return false;
	}
	qsort(list->paths + before, list->count - before, sizeof(*list->paths), by_name);
	return true;
}

bool files_has_programs(const char *folder)
{
	struct file_list list = {0};
	bool found = collect_folder(folder, &list) && list.count;

	files_free(&list);
	return found;
}

void files_free(struct file_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->paths[i]);
	free(list->paths);
	*list = (struct file_list){0};
}

static bool is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

char *files_tree(const char *folder)
{
	char path[4096 + 64];

	if (is_folder(folder))
		return tool_copy(folder);
	ssize_t length = readlink("/proc/self/exe", path, 4096);
	if (length <= 0)
		return NULL;
	path[length] = '\0';
	/* build/release/iommuzz: the tree is two or three folders up. */
	for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
		sprintf(slash, "/%.60s", folder);
		if (is_folder(path))
			return tool_copy(path);
		*slash = '\0';
	}
	return NULL;
}
