/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shim_symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tool.h"

/* A part of a file that a process has mapped. */
struct module {
	int pid;
	uint64_t first, end, offset;
	char *path;
};

struct shim_symbols {
	struct module *modules;
	unsigned count, room;
};

struct shim_symbols *shim_symbols_start(void)
{
	return calloc(1, sizeof(struct shim_symbols));
}

void shim_symbols_end(struct shim_symbols *symbols)
{
	for (unsigned n = 0; symbols && n < symbols->count; n++)
		free(symbols->modules[n].path);
	free(symbols ? symbols->modules : NULL);
	free(symbols);
}

/* The newest one: a process may replace its program. */
static const struct module *find(const struct shim_symbols *symbols, int pid, uint64_t address)
{
	for (unsigned n = symbols->count; n-- > 0;) {
		const struct module *module = &symbols->modules[n];

		if (module->pid == pid && module->first <= address && address < module->end)
			return module;
	}
	return NULL;
}

static void load(struct shim_symbols *symbols, int pid)
{
	char path[64], line[4096], name[4096], modes[5];
	unsigned long long first, end, offset;
	FILE *list;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	list = fopen(path, "re");
	while (list && fgets(line, sizeof(line), list)) {
		if (sscanf(line, "%llx-%llx %4s %llx %*s %*s %4095[^\n]", &first, &end, modes,
			    &offset, name) != 5 ||
			modes[2] != 'x' || name[0] != '/')
			continue;
		if (symbols->count == symbols->room) {
			symbols->room = symbols->room ? symbols->room * 2 : 16;
			symbols->modules = tool_grow(
				symbols->modules, symbols->room, sizeof(*symbols->modules));
		}
		symbols->modules[symbols->count++] = (struct module){.pid = pid,
			.first = first,
			.end = end,
			.offset = offset,
			.path = tool_copy(name)};
	}
	if (list)
		fclose(list);
}

void shim_symbols_note(
	struct shim_symbols *symbols, int pid, const uint64_t *frames, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		if (find(symbols, pid, frames[n]))
			continue;
		load(symbols, pid);
		return;
	}
}

struct image {
	const uint8_t *bytes;
	size_t size;
};

static bool within(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

/* The address that the linker gave to a place in the file. */
static uint64_t linked_address(const struct image *image, uint64_t offset)
{
	const Elf64_Ehdr *header = (const void *)image->bytes;
	const Elf64_Phdr *parts = (const void *)(image->bytes + header->e_phoff);

	if (!within(image, header->e_phoff, (uint64_t)header->e_phnum * sizeof(*parts)))
		return offset;
	for (unsigned n = 0; n < header->e_phnum; n++) {
		if (parts[n].p_type == PT_LOAD && parts[n].p_offset <= offset &&
			offset - parts[n].p_offset < parts[n].p_filesz)
			return offset - parts[n].p_offset + parts[n].p_vaddr;
	}
	return offset;
}

/* The function with an address in one table of symbols; NULL: none of it. */
static const char *search(const struct image *image, const Elf64_Shdr *table,
	const Elf64_Shdr *names, uint64_t address, uint64_t *start)
{
	const Elf64_Sym *symbols = (const void *)(image->bytes + table->sh_offset);

	if (!within(image, table->sh_offset, table->sh_size) ||
		!within(image, names->sh_offset, names->sh_size))
		return NULL;
	for (uint64_t n = 0; n < table->sh_size / sizeof(*symbols); n++) {
		if (ELF64_ST_TYPE(symbols[n].st_info) != STT_FUNC ||
			address < symbols[n].st_value ||
			address - symbols[n].st_value >= symbols[n].st_size ||
			symbols[n].st_name >= names->sh_size)
			continue;
		*start = symbols[n].st_value;
		return (const char *)image->bytes + names->sh_offset + symbols[n].st_name;
	}
	return NULL;
}

static const char *function_of(const struct image *image, uint64_t address, uint64_t *start)
{
	const Elf64_Ehdr *header = (const void *)image->bytes;
	const Elf64_Shdr *sections = (const void *)(image->bytes + header->e_shoff);
	const char *name = NULL;

	if (!within(image, header->e_shoff, (uint64_t)header->e_shnum * sizeof(*sections)))
		return NULL;
	for (unsigned n = 0; n < header->e_shnum && !name; n++) {
		if ((sections[n].sh_type == SHT_SYMTAB || sections[n].sh_type == SHT_DYNSYM) &&
			sections[n].sh_link < header->e_shnum)
			name = search(image, &sections[n], &sections[sections[n].sh_link], address,
				start);
	}
	return name;
}

static void print_in(const struct module *module, const struct image *image, uint64_t address,
	const char *indentation, FILE *out)
{
	uint64_t offset = address - module->first + module->offset, start = 0, linked;
	const char *name = NULL;

	linked = offset;
	if (image->size > sizeof(Elf64_Ehdr) && !memcmp(image->bytes, ELFMAG, SELFMAG) &&
		image->bytes[EI_CLASS] == ELFCLASS64) {
		linked = linked_address(image, offset);
		name = function_of(image, linked, &start);
	}
	if (name)
		fprintf(out, "%s%s+%#" PRIx64 " (%s+%#" PRIx64 ")\n", indentation, name,
			linked - start, module->path, linked);
	else
		fprintf(out, "%s%s+%#" PRIx64 "\n", indentation, module->path, linked);
}

static void print_frame(
	const struct module *module, uint64_t address, const char *indentation, FILE *out)
{
	struct image image = {NULL, 0};
	struct stat status;
	void *bytes = MAP_FAILED;
	int fd = open(module->path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && !fstat(fd, &status) && status.st_size > 0)
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes != MAP_FAILED)
		image = (struct image){bytes, (size_t)status.st_size};
	print_in(module, &image, address, indentation, out);
	if (bytes != MAP_FAILED)
		munmap(bytes, image.size);
	if (fd >= 0)
		close(fd);
}

void shim_symbols_print(struct shim_symbols *symbols, int pid, const uint64_t *frames,
	uint32_t count, const char *indentation, FILE *out)
{
	for (uint32_t n = 0; n < count; n++) {
		const struct module *module = find(symbols, pid, frames[n]);

		if (!module)
			fprintf(out, "%s%#" PRIx64 "\n", indentation, frames[n]);
		else if (!strstr(module->path, "/libiommuzz_shim.so"))
			/* A return address lies behind its call. */
			print_frame(module, frames[n] - 1, indentation, out);
	}
}
