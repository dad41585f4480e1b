/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and what they start with: linker, libraries, interpreters. */
#define _GNU_SOURCE
#include "tools/vm_content.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/tool.h"

/* -- files of a machine -- */

static bool has_file(const struct vm_content *content, const char *path)
{
	for (size_t i = 0; i < content->count; i++)
		if (strcmp(content->files[i].path, path) == 0)
			return true;
	return false;
}

static void add_file(struct vm_content *content, const char *path, const char *source)
{
	if (has_file(content, path))
		return;
	content->files = tool_grow(content->files, content->count + 1, sizeof(*content->files));
	content->files[content->count++] =
		(struct vm_file){.path = tool_copy(path), .source = tool_copy(source)};
}

void vm_content_free(struct vm_content *content)
{
	for (size_t i = 0; i < content->count; i++) {
		free(content->files[i].path);
		free(content->files[i].source);
	}
	free(content->files);
	*content = (struct vm_content){0};
}

/* -- ELF -- */

/* The path in the segment that names the linker; a program without one is static. */
static bool read_interpreter(FILE *file, const Elf64_Ehdr *header, char *linker, size_t size)
{
	Elf64_Phdr segment;

	for (unsigned i = 0; i < header->e_phnum; i++) {
		long at = (long)(header->e_phoff + (uint64_t)i * sizeof(segment));

		if (fseek(file, at, SEEK_SET) != 0 ||
			fread(&segment, sizeof(segment), 1, file) != 1)
			return false;
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_filesz >= size || fseek(file, (long)segment.p_offset, SEEK_SET) != 0)
			return false;
		linker[segment.p_filesz] = '\0';
		return fread(linker, 1, segment.p_filesz, file) == segment.p_filesz;
	}
	return true;
}

bool vm_read_linker(const char *path, char *linker, size_t size)
{
	FILE *file = fopen(path, "re");
	Elf64_Ehdr header;

	*linker = '\0';
	bool read = file && fread(&header, sizeof(header), 1, file) == 1 &&
		    memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
		    read_interpreter(file, &header, linker, size);
	if (file)
		fclose(file);
	return read;
}

static bool is_elf(const char *path)
{
	char magic[SELFMAG];
	FILE *file = fopen(path, "re");
	bool elf = file && fread(magic, sizeof(magic), 1, file) == 1 &&
		   memcmp(magic, ELFMAG, SELFMAG) == 0;

	if (file)
		fclose(file);
	return elf;
}

/* -- libraries: the linker itself says what it would load -- */

static FILE *open_list(const char *linker, const char *source, pid_t *pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl(linker, linker, "--list", source, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	if (*pid > 0)
		return fdopen(ends[0], "r");
	close(ends[0]);
	return NULL;
}

/* "libc.so.6 => /lib/libc.so.6 (0x7f..)", "/lib64/ld-linux.so.2 (0x7f..)", "libx.so => not found".
 */
static bool take_library(
	struct vm_content *content, const char *source, char *line, char *reason, size_t size)
{
	char *path = strchr(line, '/'), *end = path ? strstr(path, " (") : NULL;

	if (strstr(line, "not found")) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(reason, size, "%s: %s", source, line + strspn(line, " \t"));
		return false;
	}
	if (end) {
		*end = '\0';
		add_file(content, path, path);
	}
	return true;
}

static bool add_libraries(struct vm_content *content, const char *linker, const char *source,
	char *reason, size_t size)
{
	char line[VM_PATH_SIZE + 200];
	pid_t pid = 0;
	int status = 0;
	FILE *list = open_list(linker, source, &pid);
	bool whole = list != NULL;

	while (whole && fgets(line, sizeof(line), list))
		whole = take_library(content, source, line, reason, size);
	if (list)
		fclose(list);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (whole && status == 0)
		return true;
	if (whole || !list)
		snprintf(reason, size, "%s: %s cannot list its libraries", source, linker);
	return false;
}

/* -- programs -- */

/* The interpreter that the first line of a script names; "" if there is none. */
static void read_script(const char *path, char *interpreter, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[VM_PATH_SIZE] = "";

	if (file) {
		if (!fgets(line, sizeof(line), file))
			*line = '\0';
		fclose(file);
	}
	*interpreter = '\0';
	if (strncmp(line, "#!", 2) != 0)
		return;
	char *from = line + 2 + strspn(line + 2, " \t");
	from[strcspn(from, " \t\n")] = '\0';
	snprintf(interpreter, size, "%.*s", (int)size - 1, from);
}

static bool add_elf(struct vm_content *content, const char *source, char *reason, size_t size)
{
	char linker[VM_PATH_SIZE];

	if (!vm_read_linker(source, linker, sizeof(linker))) {
		snprintf(reason, size, "%s: not a whole ELF file", source);
		return false;
	}
	if (!*linker)
		return true;
	add_file(content, linker, linker);
	return add_libraries(content, linker, source, reason, size);
}

bool vm_content_add_program(
	struct vm_content *content, const char *path, const char *source, char *reason, size_t size)
{
	char interpreter[VM_PATH_SIZE];

	if (access(source, X_OK) != 0) {
		snprintf(reason, size, "%s: %s", source, strerror(errno));
		return false;
	}
	add_file(content, path, source);
	if (is_elf(source))
		return add_elf(content, source, reason, size);
	read_script(source, interpreter, sizeof(interpreter));
	if (!*interpreter) {
		snprintf(reason, size, "%s: neither an ELF program nor a script", source);
		return false;
	}
	return vm_content_add_program(content, interpreter, interpreter, reason, size);
}

/* -- whatever else a program wants to find -- */

/* A shared object names no linker: the libraries it needs are found by that of this process's kind.
 */
static bool add_any(struct vm_content *content, const char *path, char *reason, size_t size)
{
	static const char linker[] = "/lib64/ld-linux-x86-64.so.2";

	add_file(content, path, path);
	if (!is_elf(path) || access(linker, X_OK) != 0)
		return true;
	return add_libraries(content, linker, path, reason, size);
}

bool vm_content_add(struct vm_content *content, const char *source, char *reason, size_t size)
{
	char *absolute = realpath(source, NULL), *roots[] = {absolute, NULL};
	FTS *tree = absolute ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
	FTSENT *entry;
	bool added = tree != NULL;

	if (!added)
		snprintf(reason, size, "%s: %s", source, strerror(errno));
	while (added && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_F)
			added = add_any(content, entry->fts_path, reason, size);
	if (tree)
		fts_close(tree);
	free(absolute);
	return added;
}
