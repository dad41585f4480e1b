/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces of foreign programs. Lines are written as calls come; what they need to stand in the
 * program (memory, files, processes) is made by lines before them. Buffers that a call only copies
 * lie in a scratch area, memory that is mapped keeps its shape in `mem`.
 */
#define _GNU_SOURCE
#include "tools/shim_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "fuzz/prog/text.h"
#include "impl/abi/catalogue.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/shim/protocol.h"
#include "impl/sim/file.h"
#include "impl/sim/sim.h"
#include "tools/shim_trace_memory.h"
#include "tools/tool.h"

#define PROCESSES   8
#define BUFFER_MAX  (UINT64_C(1) << 20)
#define LITERAL_MAX (UINT64_C(64) << 10)

/* The name of an object id in a context, or of a descriptor in a process. */
struct trace_name {
	bool descriptor;
	unsigned process;    /* descriptor */
	struct shim_key key; /* the context, or the file */
	uint8_t class;	     /* ids: enum name_class */
	uint64_t id, length; /* length: of a CLASS_IOVA, from id on */
	unsigned number;     /* the name is o<number> */
};

enum name_class { CLASS_OBJECT, CLASS_ITEM, CLASS_COOKIE, CLASS_IOVA };

struct trace_process {
	int pid;
	uint32_t capabilities;
	uint64_t memlock;
	struct trace_space space;
};

struct shim_trace {
	struct shim_trace_options options;
	FILE *lines;
	char *text;
	size_t size;
	struct trace_process processes[PROCESSES];
	unsigned process_count, names_given;
	struct trace_name *names;
	unsigned name_count, name_room;
	struct trace_places places;
	uint64_t scratch; /* offset in mem */
	uint32_t first_capabilities;
	uint64_t first_memlock;
};

struct shim_trace *shim_trace_start(const struct shim_trace_options *options)
{
	struct shim_trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->options = *options;
	trace->lines = open_memstream(&trace->text, &trace->size);
	trace->places.next = TRACE_SCRATCH;
	return trace;
}

/* ---- names ---- */

static unsigned add_name(struct shim_trace *trace, const struct trace_name *name)
{
	if (trace->name_count == trace->name_room) {
		trace->name_room = trace->name_room ? trace->name_room * 2 : 64;
		trace->names = tool_grow(trace->names, trace->name_room, sizeof(*trace->names));
	}
	trace->names[trace->name_count++] = *name;
	return name->number;
}

static bool same_file(struct shim_key a, struct shim_key b)
{
	return a.inode == b.inode && a.device == b.device;
}

/* The newest name; 0: none. */
static unsigned find_descriptor(
	const struct shim_trace *trace, unsigned process, struct shim_key key)
{
	for (unsigned n = trace->name_count; n-- > 0;) {
		const struct trace_name *name = &trace->names[n];

		if (name->descriptor && name->process == process && same_file(name->key, key))
			return name->number;
	}
	return 0;
}

static unsigned find_id(
	const struct shim_trace *trace, struct shim_key context, uint8_t class, uint64_t id)
{
	for (unsigned n = trace->name_count; n-- > 0;) {
		const struct trace_name *name = &trace->names[n];

		if (!name->descriptor && name->class == class && name->id == id &&
			same_file(name->key, context))
			return name->number;
	}
	return 0;
}

/* The IOVA that a call chose by itself, of which that one is a part. */
static const struct trace_name *find_iova(
	const struct shim_trace *trace, struct shim_key context, uint64_t iova)
{
	for (unsigned n = trace->name_count; n-- > 0;) {
		const struct trace_name *name = &trace->names[n];

		if (!name->descriptor && name->class == CLASS_IOVA && iova >= name->id &&
			iova - name->id < name->length && same_file(name->key, context))
			return name;
	}
	return NULL;
}

static enum name_class class_of(uint8_t resource)
{
	if (resource == RESOURCE_ACCESS_ITEM)
		return CLASS_ITEM;
	return resource == RESOURCE_FAULT_COOKIE ? CLASS_COOKIE : CLASS_OBJECT;
}

/* ---- processes ---- */

static void print_capabilities(FILE *out, uint32_t capabilities)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} known[] = {{SIM_CAP_IPC_LOCK, "IPC_LOCK"}, {SIM_CAP_SYS_RESOURCE, "SYS_RESOURCE"},
		{SIM_CAP_SYS_RAWIO, "SYS_RAWIO"}};
	const char *between = "";

	for (unsigned n = 0; n < 3; n++) {
		if (!(capabilities & known[n].bit))
			continue;
		fprintf(out, "%s%s", between, known[n].name);
		between = "|";
	}
	if (!*between)
		fputc('0', out);
}

static void begin_line(struct shim_trace *trace, unsigned process)
{
	if (process)
		fprintf(trace->lines, "P%u: ", process + 1);
}

static unsigned find_process(const struct shim_trace *trace, int pid)
{
	unsigned n = trace->process_count;

	while (n > 0 && trace->processes[n - 1].pid != pid)
		n--;
	return n;
}

/* A child has what its parent had. */
static void fork_names(struct shim_trace *trace, unsigned parent, unsigned child)
{
	unsigned count = trace->name_count;

	for (unsigned n = 0; n < count; n++) {
		struct trace_name copy = trace->names[n];

		if (!copy.descriptor || copy.process != parent)
			continue;
		copy.process = child;
		add_name(trace, &copy);
	}
}

static bool new_process(struct shim_trace *trace, const struct shim_seen *seen, unsigned *number)
{
	unsigned parent = find_process(trace, seen->parent);
	struct trace_process *process = &trace->processes[trace->process_count];

	if (trace->process_count == PROCESSES)
		return false;
	*number = trace->process_count++;
	*process = (struct trace_process){
		.pid = seen->pid, .capabilities = seen->capabilities, .memlock = seen->memlock};
	if (!*number) {
		trace->first_capabilities = seen->capabilities;
		trace->first_memlock = seen->memlock;
	} else if (parent) {
		begin_line(trace, parent - 1);
		fprintf(trace->lines, "fork P%u\n", *number + 1);
		process->capabilities = trace->processes[parent - 1].capabilities;
		process->memlock = trace->processes[parent - 1].memlock;
		trace_space_copy(&process->space, &trace->processes[parent - 1].space);
		fork_names(trace, parent - 1, *number);
	} else {
		fprintf(trace->lines, "process P%u memlock=%" PRIu64 " caps=", *number + 1,
			seen->memlock);
		print_capabilities(trace->lines, seen->capabilities);
		fputc('\n', trace->lines);
	}
	return true;
}

/* The process that calls, as it is now. False: the program has no room for it. */
static bool current_process(
	struct shim_trace *trace, const struct shim_seen *seen, unsigned *number)
{
	unsigned found = find_process(trace, seen->pid);
	struct trace_process *process;

	*number = found - 1;
	if (!found && !new_process(trace, seen, number))
		return false;
	process = &trace->processes[*number];
	if (process->memlock != seen->memlock) {
		begin_line(trace, *number);
		fprintf(trace->lines, "setrlimit memlock=%" PRIu64 "\n", seen->memlock);
		process->memlock = seen->memlock;
	}
	if (process->capabilities != seen->capabilities) {
		begin_line(trace, *number);
		fputs("setcaps caps=", trace->lines);
		print_capabilities(trace->lines, seen->capabilities);
		fputc('\n', trace->lines);
		process->capabilities = seen->capabilities;
	}
	return true;
}

/* ---- descriptors and memory ---- */

/* A memfd of the program, made where it is first seen. 0: another kind of file. */
static unsigned memory_file(
	struct shim_trace *trace, unsigned process, const char *path, struct shim_key key)
{
	unsigned number = find_descriptor(trace, process, key);
	struct statfs filesystem;
	struct stat status;

	if (number || stat(path, &status) || !S_ISREG(status.st_mode) ||
		statfs(path, &filesystem) ||
		(filesystem.f_type != TMPFS_MAGIC && filesystem.f_type != HUGETLBFS_MAGIC))
		return number;
	number = ++trace->names_given;
	begin_line(trace, process);
	fprintf(trace->lines, "o%u = memfd size=%" PRId64 "%s\n", number, (int64_t)status.st_size,
		filesystem.f_type == HUGETLBFS_MAGIC ? " flags=HUGETLB" : "");
	return add_name(trace,
		&(struct trace_name){
			.descriptor = true, .process = process, .key = key, .number = number});
}

/* The name of a descriptor in a process, passed to it from another if need be; 0: none. */
static unsigned descriptor(struct shim_trace *trace, unsigned process, struct shim_key key)
{
	unsigned number = find_descriptor(trace, process, key), other, from = 0;

	for (other = 0; !number && !from && other < trace->process_count; other++)
		from = find_descriptor(trace, other, key);
	if (!from)
		return number;
	number = ++trace->names_given;
	begin_line(trace, other - 1);
	fprintf(trace->lines, "o%u = pass o%u P%u\n", number, from, process + 1);
	return add_name(trace,
		&(struct trace_name){
			.descriptor = true, .process = process, .key = key, .number = number});
}

static void print_protection(FILE *out, unsigned protection)
{
	fprintf(out, "prot=%s", protection ? "" : "0");
	for (unsigned bit = 0; bit < 3; bit++) {
		static const char *const names[] = {"READ", "WRITE", "EXEC"};

		if (protection >> bit & 1)
			fprintf(out, "%s%s", protection & ((1u << bit) - 1) ? "|" : "", names[bit]);
	}
}

/* Says what a new piece of memory is, where that is not what mem is anyway. */
static void declare_region(struct shim_trace *trace, unsigned process, const struct shim_seen *seen,
	struct trace_region *region)
{
	struct shim_key key = {makedev(region->device_major, region->device_minor), region->inode};
	uint64_t length = region->end - region->first;
	unsigned file = 0;
	char path[96];

	region->fresh = false;
	if (region->inode) {
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, seen->pid,
			region->first, region->end);
		file = memory_file(trace, process, path, key);
	}
	if (!region->shared && region->protection == 3 && !region->again)
		return;
	begin_line(trace, process);
	if (!region->shared && !region->again) {
		fprintf(trace->lines, "mprotect mem+%#" PRIx64 " length=%#" PRIx64 " ", region->at,
			length);
		print_protection(trace->lines, region->protection);
	} else {
		fprintf(trace->lines, "mmap mem+%#" PRIx64 " length=%#" PRIx64 " ", region->at,
			length);
		print_protection(trace->lines, region->protection);
		if (file)
			fprintf(trace->lines, " flags=SHARED|FIXED fd=o%u offset=%#" PRIx64, file,
				region->offset);
		else
			fprintf(trace->lines, " flags=%s|FIXED|ANONYMOUS",
				region->shared ? "SHARED" : "PRIVATE");
	}
	fputc('\n', trace->lines);
}

/* ---- values of a call ---- */

/* What is known of the call that is being written; lines that it needs go before it. */
struct trace_call {
	struct shim_trace *trace;
	const struct shim_seen *seen;
	const struct call_row *row;
	unsigned process;
	FILE *words;
};

static uint64_t value_of(const struct trace_call *call, const char *name)
{
	int index = call_field(call->row, name, strlen(name));

	return index < 0 ? 0 : field_get(&call->row->fields[index], call->seen->before);
}

static void write_address(struct trace_call *call, const struct field *field, uint64_t address)
{
	uint64_t length = value_of(call, "length");
	struct trace_region *region;

	if (!length)
		length = value_of(call, "size");
	region = trace_region(&call->trace->processes[call->process].space, &call->trace->places,
		call->seen, address, length);
	if (region && region->fresh)
		declare_region(call->trace, call->process, call->seen, region);
	if (region)
		fprintf(call->words, " %s=mem+%#" PRIx64, field->name,
			region->at + (address - region->first));
	else
		fprintf(call->words, " %s=%#" PRIx64, field->name, address);
}

/* Room in the scratch area for count bytes that begin where address does in its page. */
static bool scratch(struct trace_call *call, uint64_t address, uint64_t count, uint64_t *at)
{
	uint64_t start = (call->trace->scratch + TRACE_PAGE - 1) & ~(TRACE_PAGE - 1);

	*at = start + address % TRACE_PAGE;
	if (count > TRACE_SCRATCH || *at + count > TRACE_SCRATCH)
		return false;
	call->trace->scratch = *at + count;
	return true;
}

static void put_bytes(struct trace_call *call, uint64_t at, const uint8_t *bytes, uint64_t count)
{
	begin_line(call->trace, call->process);
	fprintf(call->trace->lines, "put mem+%#" PRIx64 " x\"", at);
	for (uint64_t n = 0; n < count; n++)
		fprintf(call->trace->lines, "%02x", bytes[n]);
	fputs("\"\n", call->trace->lines);
}

/* What the call copies from and to memory. Where that fails the address stays what it was. */
static void write_buffer(struct trace_call *call, const char *name, unsigned direction,
	uint64_t address, uint64_t count)
{
	bool in = direction & FIELD_IN, unwritable;
	uint8_t *bytes = malloc(count && count <= BUFFER_MAX ? count : 1);
	uint64_t at;

	unwritable = direction & FIELD_OUT && call->seen->result == -EFAULT &&
		     !trace_writable(call->seen, address);
	if (!bytes || unwritable ||
		(count && count <= BUFFER_MAX &&
			shim_peek(call->seen, address, bytes, count) != count) ||
		!scratch(call, address, count, &at)) {
		fprintf(call->words, " %s=%#" PRIx64, name, address);
	} else {
		if (in && count && count <= LITERAL_MAX)
			put_bytes(call, at, bytes, count);
		fprintf(call->words, " %s=mem+%#" PRIx64, name, at);
	}
	free(bytes);
}

static void write_pointer(struct trace_call *call, const struct field *field, uint64_t address)
{
	uint64_t count = field->pointee ? field->pointee->size : 0, times;
	int index = field->count_field
			    ? call_field(call->row, field->count_field, strlen(field->count_field))
			    : -1;

	if (index >= 0) {
		times = field_get(&call->row->fields[index], call->seen->before);
		if (call->row->fields[index].kind != FIELD_NUMBER || !field->pointee)
			count = times;
		else if (__builtin_mul_overflow(count, times, &count))
			count = UINT64_MAX;
		if (!strcmp(call->row->name, "IOMMU_HWPT_INVALIDATE") &&
			__builtin_mul_overflow(value_of(call, "entry_len"), times, &count))
			count = UINT64_MAX;
	} else if (!strcmp(call->row->name, "IOMMU_HWPT_GET_DIRTY_BITMAP")) {
		times = value_of(call, "page_size");
		count = times ? (value_of(call, "length") / times + 63) / 64 * 8 : 0;
	}
	write_buffer(call, field->name, field->direction, address, count);
}

static void write_resource(struct trace_call *call, const struct field *field, uint64_t value)
{
	unsigned number = 0;
	struct shim_key key;
	char path[64];

	if (resource_is_descriptor(field->resource)) {
		if (shim_identify(call->seen, (int)value, &key)) {
			number = descriptor(call->trace, call->process, key);
			snprintf(path, sizeof(path), "/proc/%d/fd/%d", call->seen->pid, (int)value);
			if (!number)
				number = memory_file(call->trace, call->process, path, key);
			/* Any other file: the iommufd, which is not what is wanted either. */
			if (!number)
				number = descriptor(call->trace, call->process, call->seen->key);
		}
	} else {
		number = find_id(
			call->trace, call->seen->key, (uint8_t)class_of(field->resource), value);
	}
	if (number)
		fprintf(call->words, " %s=o%u", field->name, number);
	else if (resource_is_descriptor(field->resource))
		fprintf(call->words, " %s=%d", field->name, (int)value);
	else
		fprintf(call->words, " %s=%#" PRIx64, field->name, value);
}

static void write_iova(struct trace_call *call, const struct field *field, uint64_t value)
{
	const struct trace_name *name = find_iova(call->trace, call->seen->key, value);

	if (name && value != name->id)
		fprintf(call->words, " %s=o%u+%#" PRIx64, field->name, name->number,
			value - name->id);
	else if (name)
		fprintf(call->words, " %s=o%u", field->name, name->number);
	else if (value)
		fprintf(call->words, " %s=%#" PRIx64, field->name, value);
}

static void write_field(struct trace_call *call, const struct field *field)
{
	uint64_t value;

	if (!(field->direction & FIELD_IN) && field->kind != FIELD_USER_POINTER)
		return;
	if (!field->width || (size_t)field->offset + field->width > call->seen->before_size)
		return;
	value = field_get(field, call->seen->before);
	switch (field->kind) {
	case FIELD_SIZE:
		if (value != call->row->size)
			fprintf(call->words, " %s=%" PRIu64, field->name, value);
		return;
	case FIELD_RESOURCE:
		if (value || resource_is_descriptor(field->resource))
			write_resource(call, field, value);
		return;
	case FIELD_IOVA: write_iova(call, field, value); return;
	case FIELD_USER_VA: write_address(call, field, value); return;
	case FIELD_USER_POINTER:
		if (value)
			write_pointer(call, field, value);
		return;
	default:
		if (value)
			fprintf(call->words, " %s=%#" PRIx64, field->name, value);
	}
}

/* What stands behind the struct that is known. */
static void write_tail(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	uint32_t size;

	if (call->row->framing != FRAMING_SIZE || seen->before_size < sizeof(size))
		return;
	memcpy(&size, seen->before, sizeof(size));
	if (size <= call->row->size || size > seen->before_size)
		return;
	fputs(" tail=", call->words);
	for (uint32_t n = call->row->size; n < size; n++)
		fprintf(call->words, "%02x", seen->before[n]);
}

/* ---- lines ---- */

static void write_result(FILE *out, int64_t result)
{
	const char *name = result < 0 ? strerrorname_np((int)-result) : NULL;

	if (result >= 0)
		fprintf(out, " -> %" PRId64 "\n", result);
	else if (name)
		fprintf(out, " -> %s\n", name);
	else
		fputc('\n', out);
}

static bool chose_iova(const struct trace_call *call)
{
	return !(value_of(call, "flags") & IOMMU_IOAS_MAP_FIXED_IOVA);
}

/* Names for what the call yields; known by them from now on, if it has yielded it. */
static void write_outputs(struct trace_call *call, FILE *line)
{
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(call->row, outputs);
	struct shim_trace *trace = call->trace;

	for (int n = 0; n < count; n++) {
		const struct field *field = &call->row->fields[outputs[n]];
		struct trace_name name = {.number = ++trace->names_given,
			.process = call->process,
			.key = call->seen->key,
			.class = (uint8_t)class_of(field->resource)};

		fprintf(line, "%so%u", n ? ", " : "", name.number);
		if (call->seen->result >= 0 && field->kind == FIELD_IOVA && chose_iova(call)) {
			name.class = CLASS_IOVA;
			name.id = field_get(field, call->seen->after);
			name.length = value_of(call, "length");
			add_name(trace, &name);
		}
		if (call->seen->result < 0 || field->kind != FIELD_RESOURCE)
			continue;
		name.descriptor = resource_is_descriptor(field->resource);
		if (name.descriptor)
			name.key = call->seen->new_key;
		else
			name.id = field_get(field, call->seen->after);
		add_name(trace, &name);
	}
	if (count)
		fputs(" = ", line);
}

static void write_call(struct trace_call *call, const char *words, unsigned subject)
{
	FILE *line = call->trace->lines;

	begin_line(call->trace, call->process);
	if (call->seen->failed_at)
		fprintf(line, "fail-nth %u: ", call->seen->failed_at);
	write_outputs(call, line);
	fprintf(line, "%s o%u%s", call->row->name, subject, words);
	write_result(line, call->seen->result);
}

static enum resource resource_of(uint32_t kind)
{
	switch (kind) {
	case FILE_IOMMUFD: return RESOURCE_IOMMUFD;
	case FILE_TEST_ACCESS: return RESOURCE_ACCESS_FD;
	default: return RESOURCE_ANY_FD;
	}
}

static void write_raw(struct trace_call *call, unsigned subject)
{
	const struct shim_seen *seen = call->seen;
	uint64_t at = seen->argument[1], count = seen->before_size < 256 ? seen->before_size : 256;

	if (count && scratch(call, at, count, &at)) {
		put_bytes(call, at, seen->before, count);
		at += PROG_MEM_BASE;
	}
	begin_line(call->trace, call->process);
	fprintf(call->trace->lines, "ioctl o%u %#" PRIx64 " at=%#" PRIx64, subject,
		seen->argument[0], at);
	write_result(call->trace->lines, seen->result);
}

static void trace_ioctl(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	uint32_t size = 0;
	int row = call_find_ioctl(resource_of(seen->kind), (uint32_t)seen->argument[0],
		seen->before, seen->before_size);
	unsigned subject = descriptor(call->trace, call->process, seen->key);
	char *words = NULL;
	size_t length;

	if (!subject)
		return;
	if (row < 0) {
		write_raw(call, subject);
		return;
	}
	call->row = &call_rows[row];
	call->words = open_memstream(&words, &length);
	if (call->row->framing == FRAMING_VALUE) {
		fprintf(call->words, " %#" PRIx64, seen->argument[1]);
	} else if (call->row->framing != FRAMING_NONE) {
		memcpy(&size, seen->before, seen->before_size < 4 ? 0 : 4);
		for (unsigned n = 1; n < call->row->field_count; n++)
			write_field(call, &call->row->fields[n]);
		write_tail(call);
		/* Not all of it can be read: it lies where it lay. */
		if (seen->before_size < 4 || size > seen->before_size ||
			(seen->result == -EFAULT && !trace_writable(seen, seen->argument[1])))
			fprintf(call->words, " at=%#" PRIx64, seen->argument[1]);
	}
	fclose(call->words);
	write_call(call, words, subject);
	free(words);
}

static void trace_open(struct trace_call *call)
{
	struct shim_trace *trace = call->trace;
	unsigned number = ++trace->names_given;

	if (strncmp(call->seen->path, "/dev/", 5) != 0)
		return;
	begin_line(trace, call->process);
	fprintf(trace->lines, "o%u = open %s\n", number, call->seen->path);
	if (call->seen->result >= 0)
		add_name(trace, &(struct trace_name){.descriptor = true,
					.process = call->process,
					.key = call->seen->new_key,
					.number = number});
}

static void trace_transfer(struct trace_call *call)
{
	const uint64_t *argument = call->seen->argument;
	unsigned subject = descriptor(call->trace, call->process, call->seen->key);
	bool write = call->seen->call == SHIM_WRITE;
	char *words = NULL;
	size_t length;

	if (!subject)
		return;
	call->words = open_memstream(&words, &length);
	write_buffer(call, "at", write ? (unsigned)FIELD_IN : (unsigned)FIELD_OUT, argument[0],
		argument[1]);
	fprintf(call->words, " length=%" PRIu64, argument[1]);
	fclose(call->words);
	begin_line(call->trace, call->process);
	fprintf(call->trace->lines, "%s o%u%s", write ? "write" : "read", subject, words);
	write_result(call->trace->lines, call->seen->result);
	free(words);
}

static void trace_goes(struct trace_call *call, uint64_t address, uint64_t length)
{
	struct trace_space *space = &call->trace->processes[call->process].space;
	struct trace_region gone;

	while (trace_unmap(space, address & ~(TRACE_PAGE - 1),
		(address + length + TRACE_PAGE - 1) & ~(TRACE_PAGE - 1), &gone)) {
		begin_line(call->trace, call->process);
		fprintf(call->trace->lines, "munmap mem+%#" PRIx64 " length=%#" PRIx64 "\n",
			gone.at, gone.end - gone.first);
	}
}

static void trace_cut(struct trace_call *call)
{
	unsigned file = find_descriptor(call->trace, call->process, call->seen->key);

	if (!file || call->seen->argument[1] != INT64_MAX)
		return;
	begin_line(call->trace, call->process);
	fprintf(call->trace->lines, "ftruncate o%u size=%" PRIu64 "\n", file,
		call->seen->argument[0]);
}

void shim_trace_seen(struct shim_trace *trace, const struct shim_seen *seen)
{
	struct trace_call call = {.trace = trace, .seen = seen};

	if (seen->call == SHIM_HELLO || seen->call > SHIM_CUT || seen->no_descriptor ||
		!current_process(trace, seen, &call.process))
		return;
	trace->scratch = 0;
	switch (seen->call) {
	case SHIM_OPEN: trace_open(&call); break;
	case SHIM_IOCTL: trace_ioctl(&call); break;
	case SHIM_READ:
	case SHIM_WRITE: trace_transfer(&call); break;
	case SHIM_GOES: trace_goes(&call, seen->argument[0], seen->argument[1]); break;
	case SHIM_MOVED: trace_goes(&call, seen->argument[0], seen->argument[2]); break;
	case SHIM_CUT: trace_cut(&call); break;
	}
}

void shim_trace_closed(struct shim_trace *trace, struct shim_key key)
{
	for (unsigned n = 0; n < trace->name_count; n++) {
		struct trace_name *name = &trace->names[n];

		if (!name->descriptor || !same_file(name->key, key))
			continue;
		begin_line(trace, name->process);
		fprintf(trace->lines, "close o%u\n", name->number);
		name->key = (struct shim_key){0, 0};
	}
}

void shim_trace_exited(struct shim_trace *trace, int pid)
{
	unsigned found = find_process(trace, pid);

	/* P1 stays: it is who makes processes that no other has forked. */
	if (found < 2)
		return;
	begin_line(trace, found - 1);
	fputs("exit\n", trace->lines);
	trace->processes[found - 1].pid = 0;
	for (unsigned n = 0; n < trace->name_count; n++) {
		if (trace->names[n].descriptor && trace->names[n].process == found - 1)
			trace->names[n].key = (struct shim_key){0, 0};
	}
}

static void write_header(const struct shim_trace *trace, const char *path, FILE *out)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t length = strlen(name);

	if (length > 5 && !strcmp(name + length - 5, ".prog"))
		length -= 5;
	fprintf(out, "# %s\n#: id %.*s\n#: sim pages=%" PRIu64 "P", trace->options.description,
		(int)length, name, trace->places.next / TRACE_PAGE);
	if (trace->options.kernel)
		fprintf(out, " kernel=%u.%u", trace->options.kernel >> 8,
			trace->options.kernel & 0xff);
	if (trace->options.seed)
		fprintf(out, " seed=%u", trace->options.seed);
	if (trace->process_count)
		fprintf(out, " memlock=%" PRIu64, trace->first_memlock);
	if (trace->process_count && trace->first_capabilities != SIM_CAP_ALL)
		fputs(" caps=-", out);
	if (trace->options.vfio_container)
		fputs(" container=iommufd", out);
	if (trace->options.noiommu)
		fputs(" noiommu=mock", out);
	fputc('\n', out);
}

bool shim_trace_write(struct shim_trace *trace, const char *path, char *message, size_t room)
{
	FILE *file = fopen(path, "we");
	struct prog_text text;
	bool good;

	if (!file) {
		snprintf(message, room, "%s: %s", path, strerror(errno));
		return false;
	}
	fflush(trace->lines);
	write_header(trace, path, file);
	fwrite(trace->text, 1, trace->size, file);
	good = !fclose(file);
	prog_text_init(&text);
	if (!good || !prog_parse_file(&text, path, message, room)) {
		prog_text_free(&text);
		return false;
	}
	file = fopen(path, "we");
	if (file)
		prog_print(&text, file);
	good = file && !fclose(file);
	prog_text_free(&text);
	if (!good)
		snprintf(message, room, "%s: %s", path, strerror(errno));
	return good;
}

void shim_trace_end(struct shim_trace *trace)
{
	for (unsigned n = 0; n < trace->process_count; n++)
		trace_space_end(&trace->processes[n].space);
	fclose(trace->lines);
	free(trace->text);
	free(trace->names);
	free(trace);
}
