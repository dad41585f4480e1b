/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: lines that make mem what the memory of a process is: mappings, rights, files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tools/shim_trace_private.h"

/* Of a descriptor of ours, what is mapped; NULL: memory of the process's own choice. */
struct change {
	struct trace_call *call;
	unsigned mapped; /* number of the descriptor of ours that is mapped, 0: none */
	uint64_t offset;
};

/*
 * Files of memory are made by P1, which stays: a process that maps one may have got it from one
 * that has ended.
 */
static struct trace_name *new_memory_file(
	struct shim_trace *trace, struct shim_key key, uint64_t size, bool huge)
{
	struct trace_name name = {
		.descriptor = true, .key = key, .length = size, .number = ++trace->names_given};

	trace->hugetlb |= huge;
	trace_line(trace, 0, CALL_ID_memfd, "o%u = memfd size=%" PRIu64 "%s", name.number, size,
		huge ? " flags=HUGETLB" : "");
	trace_add_name(trace, &name);
	return trace_find_descriptor(trace, 0, key);
}

unsigned trace_memory_file(
	struct shim_trace *trace, unsigned process, const char *path, struct shim_key key)
{
	struct statfs filesystem;
	struct trace_name *name;
	struct stat status;

	if (stat(path, &status) || !S_ISREG(status.st_mode) || statfs(path, &filesystem) ||
		(filesystem.f_type != TMPFS_MAGIC && filesystem.f_type != HUGETLBFS_MAGIC))
		return trace_descriptor(trace, process, key);
	name = trace_find_descriptor(trace, 0, key);
	if (!name)
		name = new_memory_file(
			trace, key, (uint64_t)status.st_size, filesystem.f_type == HUGETLBFS_MAGIC);
	if (name->length != (uint64_t)status.st_size) {
		name->length = (uint64_t)status.st_size;
		trace_line(trace, 0, CALL_ID_ftruncate, "ftruncate o%u size=%" PRIu64, name->number,
			name->length);
	}
	return trace_descriptor(trace, process, key);
}

/* A file that cannot be looked at reaches as far as what is mapped of it. */
static unsigned hidden_file(
	struct trace_call *call, const struct trace_region *mapping, struct shim_key key)
{
	uint64_t end = mapping->offset + (mapping->end - mapping->first);
	struct trace_name *name = trace_find_descriptor(call->trace, 0, key);

	if (!mapping->memory)
		return 0;
	if (!name)
		name = new_memory_file(call->trace, key, end, false);
	if (name->length < end) {
		name->length = end;
		trace_line(call->trace, 0, CALL_ID_ftruncate, "ftruncate o%u size=%" PRIu64,
			name->number, end);
	}
	return trace_descriptor(call->trace, call->process, key);
}

static unsigned file_of_region(struct trace_call *call, const struct trace_region *region)
{
	struct shim_key key = {makedev(region->device_major, region->device_minor), region->inode};
	struct trace_region mapping;
	char path[96];

	if (!region->inode || !trace_find_mapping(&call->maps, region->first, &mapping))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, call->seen->pid,
		mapping.first, mapping.end);
	if (access(path, F_OK))
		return hidden_file(call, &mapping, key);
	return trace_memory_file(call->trace, call->process, path, key);
}

static void print_map(const struct change *change, const struct trace_region *piece)
{
	struct trace_call *call = change->call;
	unsigned file = change->mapped ? change->mapped : file_of_region(call, piece);
	FILE *out = trace_begin(call->trace, call->process, CALL_ID_mmap);

	fprintf(out, "mmap mem+%#" PRIx64 " length=%#" PRIx64 " ", TRACE_FAR + piece->first,
		piece->end - piece->first);
	trace_print_protection(out, piece->protection);
	fprintf(out, " flags=%s|FIXED", piece->shared ? "SHARED" : "PRIVATE");
	if (file)
		fprintf(out, " fd=o%u offset=%#" PRIx64 "\n", file,
			change->mapped ? change->offset : piece->offset);
	else
		fputs("|ANONYMOUS\n", out);
}

static void print_change(void *context, const struct trace_region *piece, enum trace_change change)
{
	const struct change *wanted = context;
	struct trace_call *call = wanted->call;
	FILE *out;

	switch (change) {
	case CHANGE_MAP: print_map(wanted, piece); return;
	case CHANGE_UNMAP:
		trace_line(call->trace, call->process, CALL_ID_munmap,
			"munmap mem+%#" PRIx64 " length=%#" PRIx64, TRACE_FAR + piece->first,
			piece->end - piece->first);
		return;
	case CHANGE_PROTECT:
		out = trace_begin(call->trace, call->process, CALL_ID_mprotect);
		fprintf(out, "mprotect mem+%#" PRIx64 " length=%#" PRIx64 " ",
			TRACE_FAR + piece->first, piece->end - piece->first);
		trace_print_protection(out, piece->protection);
		fputc('\n', out);
	}
}

/* Whether the process has a page of its own there. */
static bool own_page(int pages, uint64_t address)
{
	uint64_t entry;

	if (pread(pages, &entry, sizeof(entry), (off_t)(address / TRACE_PAGE * sizeof(entry))) !=
		sizeof(entry))
		return false;
	/* Present or swapped, and neither of a file nor shared. */
	return entry >> 62 && !(entry >> 61 & 1);
}

/* Of [first, end) of a private view of a file the pages that were written to are not the file's. */
static void write_own_pages(struct trace_call *call, uint64_t first, uint64_t end)
{
	char path[48];
	int pages;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", call->seen->pid);
	pages = open(path, O_RDONLY | O_CLOEXEC);
	while (pages >= 0 && first < end) {
		uint64_t from = first;

		while (first < end && own_page(pages, first))
			first += TRACE_PAGE;
		if (first > from)
			trace_line(call->trace, call->process, CALL_ID_fill,
				"fill mem+%#" PRIx64 " length=%#" PRIx64, TRACE_FAR + from,
				first - from);
		first += TRACE_PAGE;
	}
	if (pages >= 0)
		close(pages);
}

static void write_private_views(struct trace_call *call, uint64_t address, uint64_t length)
{
	const struct trace_space *space = &call->trace->processes[call->process].space;
	uint64_t first = address & ~(TRACE_PAGE - 1), end = address + length;

	while (first < end) {
		const struct trace_region *region = trace_find_region(space, first);
		uint64_t border;

		if (!region || region->gone)
			return;
		border = region->end < end ? region->end : end;
		if (!region->shared && region->inode && region->protection & 2)
			write_own_pages(call, first, border);
		first = region->end;
	}
}

bool trace_address(struct trace_call *call, uint64_t address, uint64_t length, uint64_t *at)
{
	struct change wanted = {.call = call};
	const struct trace_changes changes = {print_change, &wanted};
	struct shim_trace *trace = call->trace;

	if (!trace_place(&trace->processes[call->process].space, &trace->places, &call->maps,
		    address, length, &changes, at))
		return false;
	write_private_views(call, address, length);
	return true;
}

uint64_t trace_write_address(
	struct trace_call *call, const char *name, uint64_t address, uint64_t length)
{
	uint64_t at;

	if (trace_address(call, address, length, &at))
		address = PROG_MEM_BASE + at;
	fprintf(call->words, " %s=", name);
	trace_print_address(call->words, address);
	return address;
}

void trace_memory_changes(struct trace_call *call)
{
	struct change wanted = {.call = call};
	const struct trace_changes changes = {print_change, &wanted};
	struct shim_trace *trace = call->trace;

	trace_refresh(
		&trace->processes[call->process].space, &trace->places, &call->maps, &changes);
}

/* Where it is tried, and what fails whatever mem is there. */
static void failed_mmap(struct trace_call *call, unsigned file)
{
	const uint64_t *argument = call->seen->argument;
	uint32_t flags = (uint32_t)(argument[2] >> 32);
	FILE *out = trace_begin(call->trace, call->process, CALL_ID_mmap);

	fprintf(out, "mmap %#" PRIx64 " length=%#" PRIx64 " ",
		argument[0] >= TRACE_LOWEST && argument[0] < TRACE_HIGHEST
			? PROG_MEM_BASE + argument[0] % TRACE_PAGE
			: argument[0],
		argument[1]);
	trace_print_protection(out, (uint32_t)argument[2]);
	fprintf(out, " flags=%#x fd=o%u offset=%#" PRIx64,
		flags & (MAP_SHARED | MAP_PRIVATE | MAP_FIXED), file, argument[3]);
	trace_result(out, call->seen->result, false);
}

void trace_mmap(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	unsigned file = trace_descriptor(call->trace, call->process, seen->key);
	struct change wanted = {.call = call, .mapped = file, .offset = seen->argument[3]};
	const struct trace_changes changes = {print_change, &wanted};
	struct shim_trace *trace = call->trace;
	struct trace_space *space = &trace->processes[call->process].space;
	uint64_t length = (seen->argument[1] + TRACE_PAGE - 1) & ~(TRACE_PAGE - 1), at;

	if (!file)
		return;
	if (seen->result < 0) {
		failed_mmap(call, file);
		return;
	}
	/* Whatever was there makes room. */
	trace_forget(space, (uint64_t)seen->result, (uint64_t)seen->result + length);
	trace_place(
		space, &trace->places, &call->maps, (uint64_t)seen->result, length, &changes, &at);
}

void trace_goes(struct trace_call *call, uint64_t address, uint64_t length)
{
	struct trace_space *space = &call->trace->processes[call->process].space;
	struct trace_region gone;

	while (trace_unmap(space, address & ~(TRACE_PAGE - 1),
		(address + length + TRACE_PAGE - 1) & ~(TRACE_PAGE - 1), &gone))
		trace_line(call->trace, call->process, CALL_ID_munmap,
			"munmap mem+%#" PRIx64 " length=%#" PRIx64, TRACE_FAR + gone.first,
			gone.end - gone.first);
}
