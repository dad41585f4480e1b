/* SPDX-License-Identifier: Apache-2.0 */
/* Files around a VM: init and kernel, its console, what is known of KVM. */
#define _GNU_SOURCE
#include "tools/vm_files.h"

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

#include "tools/vm_content.h"

int vm_open_nameless(const char *what, char *reason, size_t size)
{
	int fd = memfd_create(what, MFD_CLOEXEC);

	if (fd < 0)
		snprintf(reason, size, "%s: cannot make a file in memory: %s", what,
			strerror(errno));
	return fd;
}

/* -- binary and kernel -- */

/* A program that asks for a dynamic linker cannot be the only file of a machine. */
static bool is_static(const char *path)
{
	char linker[VM_PATH_SIZE];

	return vm_read_linker(path, linker, sizeof(linker)) && !*linker;
}

bool vm_find_binary(const char *named, char *path, size_t path_size, char *reason, size_t size)
{
	char self[400];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (named) {
		snprintf(path, path_size, "%s", named);
		if (is_static(path))
			return true;
		snprintf(reason, size, "%s: not a static program; build iommuzz_static", named);
		return false;
	}
	self[length > 0 ? length : 0] = '\0';
	snprintf(path, path_size, "%s", self);
	if (is_static(path))
		return true;
	snprintf(path, path_size, "%s_static", self);
	if (is_static(path))
		return true;
	snprintf(reason, size, "%s: no such static program; build iommuzz_static", path);
	return false;
}

/* The header that every loader of x86 kernels goes by. */
#define HEADER_SIZE	 0x206
#define HEADER_SECTORS	 0x1f1 /* of set-up code, of 512 bytes, without the first one */
#define HEADER_UNITS	 0x1f4 /* of the rest, of 16 bytes */
#define HEADER_SIGNATURE 0x202
#define OLDEST_SECTORS	 4

static bool is_whole_kernel(FILE *file, const char *path, char *reason, size_t size)
{
	uint8_t header[HEADER_SIZE];
	struct stat stat_of;
	uint32_t units;

	if (fread(header, sizeof(header), 1, file) != 1 ||
		memcmp(header + HEADER_SIGNATURE, "HdrS", 4) != 0 ||
		fstat(fileno(file), &stat_of) != 0) {
		snprintf(reason, size, "%s: no bzImage", path);
		return false;
	}
	memcpy(&units, header + HEADER_UNITS, sizeof(units));
	uint64_t sectors = header[HEADER_SECTORS] ? header[HEADER_SECTORS] : OLDEST_SECTORS;
	uint64_t whole = (sectors + 1) * 512 + (uint64_t)units * 16;
	if ((uint64_t)stat_of.st_size >= whole)
		return true;
	snprintf(reason, size, "%s: truncated: %" PRIu64 " of %" PRIu64 " bytes", path,
		(uint64_t)stat_of.st_size, whole);
	return false;
}

bool vm_find_kernel(const char *named, char *path, size_t path_size, char *reason, size_t size)
{
	struct stat stat_of;

	snprintf(path, path_size, "%s", named);
	if (stat(named, &stat_of) == 0 && S_ISDIR(stat_of.st_mode))
		snprintf(path, path_size, "%s/bzImage", named);
	FILE *file = fopen(path, "re");
	if (!file) {
		snprintf(reason, size, "%s: %s", path, strerror(errno));
		return false;
	}
	bool whole = is_whole_kernel(file, path, reason, size);
	fclose(file);
	return whole;
}

bool vm_find_program(const char *name, char *reason, size_t size)
{
	const char *folder = getenv("PATH");
	char path[4200];

	while (folder && *folder) {
		int length = (int)strcspn(folder, ":");

		snprintf(path, sizeof(path), "%.*s/%s", length, folder, name);
		if (access(path, X_OK) == 0)
			return true;
		folder += length + (folder[length] == ':');
	}
	snprintf(reason, size, "%s: not in PATH; run ci/setup", name);
	return false;
}

/* -- console -- */

void vm_last_lines(int fd, char *text, size_t size)
{
	struct stat stat_of;
	size_t count = 0;

	if (!size)
		return;
	off_t end = fstat(fd, &stat_of) == 0 ? stat_of.st_size : 0;
	off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
	ssize_t got = pread(fd, text, size - 1, from);
	if (got > 0)
		count = (size_t)got;
	text[count] = '\0';
	char *line = from ? strchr(text, '\n') : NULL;
	if (line)
		memmove(text, line + 1, strlen(line));
	/* A console speaks to a terminal: returns, colours, whatever a firmware prints. */
	char *to = text;
	for (const char *from = text; *from; from++)
		if ((unsigned char)*from >= ' ' || *from == '\n' || *from == '\t')
			*to++ = *from;
	*to = '\0';
}

/* -- KVM -- */

/* One line: the boot of this machine, then what was seen. */
static bool kvm_file(char *path, size_t size, char *boot, size_t boot_size)
{
	const char *cache = getenv("IOMMUZZ_CACHE"), *base = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	bool found = file && fgets(boot, (int)boot_size, file);

	if (file)
		fclose(file);
	if (!found)
		return false;
	boot[strcspn(boot, "\n")] = '\0';
	if (cache)
		snprintf(path, size, "%s", cache);
	else if (base)
		snprintf(path, size, "%s/iommuzz", base);
	else if (home)
		snprintf(path, size, "%s/.cache/iommuzz", home);
	else
		return false;
	mkdir(path, 0755);
	size_t used = strlen(path);
	snprintf(path + used, size - used, "/kvm");
	return true;
}

enum vm_kvm vm_kvm_known(void)
{
	char path[400], boot[64], seen[64] = "", word[16] = "";

	if (access("/dev/kvm", R_OK | W_OK) != 0)
		return VM_KVM_FAILS;
	FILE *file = kvm_file(path, sizeof(path), boot, sizeof(boot)) ? fopen(path, "re") : NULL;
	bool same = file && fscanf(file, "%63s %15s", seen, word) == 2 && strcmp(seen, boot) == 0;
	if (file)
		fclose(file);
	if (!same)
		return VM_KVM_UNKNOWN;
	return strcmp(word, "works") == 0 ? VM_KVM_WORKS : VM_KVM_FAILS;
}

void vm_kvm_remember(enum vm_kvm kvm)
{
	char path[400], boot[64];
	FILE *file = kvm_file(path, sizeof(path), boot, sizeof(boot)) ? fopen(path, "we") : NULL;

	if (!file)
		return;
	fprintf(file, "%s %s\n", boot, kvm == VM_KVM_WORKS ? "works" : "fails");
	fclose(file);
}
