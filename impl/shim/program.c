/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/shim/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE start.elf.e_machine
#endif

#define SCRIPTS_MAX 4

bool program_find(const char *name, char to[PATH_MAX])
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(to, PATH_MAX, "%s", name) < PATH_MAX;
	for (path = path ? path : "/bin:/usr/bin"; *path; path += *path == ':') {
		size_t length = strcspn(path, ":");

		if (snprintf(to, PATH_MAX, "%.*s%s%s", (int)length, path, length ? "/" : "", name) <
				PATH_MAX &&
			!access(to, X_OK))
			return true;
		path += length;
	}
	return false;
}

/* Whether a program of this machine's kind has a loader; true in doubt. */
static bool has_loader(int file, const Elf64_Ehdr *header)
{
	for (unsigned n = 0; n < header->e_phnum; n++) {
		Elf64_Phdr part;

		if (pread(file, &part, sizeof(part),
			    (off_t)(header->e_phoff + (uint64_t)n * header->e_phentsize)) !=
			(ssize_t)sizeof(part))
			return true;
		if (part.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* What a script names behind #!, in line; NULL: it is none. */
static char *interpreter(char *line)
{
	if (strncmp(line, "#!", 2) != 0)
		return NULL;
	line += 2 + strspn(line + 2, " \t");
	line[strcspn(line, " \t\r\n")] = 0;
	return *line ? line : NULL;
}

/* SERVED also for a script, whose interpreter is then in named. */
static enum program_kind look_once(int file, char named[PATH_MAX], bool *is_script)
{
	union {
		Elf64_Ehdr elf;
		char line[256];
	} start = {.line = ""};
	ssize_t length = pread(file, start.line, sizeof(start.line) - 1, 0);
	const char *next;

	if (length >= (ssize_t)sizeof(start.elf) && !memcmp(start.line, ELFMAG, SELFMAG)) {
		if (start.elf.e_ident[EI_CLASS] != ELFCLASS64 || start.elf.e_machine != OWN_MACHINE)
			return PROGRAM_FOREIGN;
		return has_loader(file, &start.elf) ? PROGRAM_SERVED : PROGRAM_STATIC;
	}
	next = interpreter(start.line);
	*is_script = next != NULL;
	if (next)
		snprintf(named, PATH_MAX, "%s", next);
	return PROGRAM_SERVED;
}

enum program_kind program_look(const char *file, char named[PATH_MAX])
{
	enum program_kind kind = PROGRAM_SERVED;
	bool is_script = true;

	if (snprintf(named, PATH_MAX, "%s", file) >= PATH_MAX)
		return PROGRAM_SERVED;
	for (unsigned depth = 0; is_script && depth <= SCRIPTS_MAX; depth++) {
		int fd = open(named, O_RDONLY | O_CLOEXEC);

		is_script = false;
		if (fd < 0)
			break;
		kind = look_once(fd, named, &is_script);
		close(fd);
	}
	return kind;
}
