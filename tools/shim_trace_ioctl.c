/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: ioctls, field by field. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/sim/file.h"
#include "tools/shim_trace_private.h"
#include "tools/tool.h"

#define RAW_SIZE 8 /* of a struct that nobody knows: the size word and what follows */

static uint64_t value_of(const struct trace_call *call, const char *name)
{
	int index = call_field(call->row, name, strlen(name));

	return index < 0 ? 0 : field_get(&call->row->fields[index], call->seen->before);
}

/* ---- fields ---- */

static uint64_t write_memory(struct trace_call *call, const struct field *field, uint64_t address)
{
	uint64_t length = value_of(call, "length");

	if (!length)
		length = value_of(call, "size");
	return trace_write_address(call, field->name, address, length);
}

static uint64_t bytes_behind(const struct trace_call *call, const struct field *field)
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
	return count;
}

static enum name_class class_of(uint8_t resource)
{
	if (resource == RESOURCE_ACCESS_ITEM)
		return CLASS_ITEM;
	return resource == RESOURCE_FAULT_COOKIE ? CLASS_COOKIE : CLASS_OBJECT;
}

static unsigned descriptor_named(struct trace_call *call, int fd)
{
	struct shim_key key;
	unsigned number;
	char path[64];

	if (!shim_identify(call->seen, fd, &key))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", call->seen->pid, fd);
	number = trace_memory_file(call->trace, call->process, path, key);
	/* Any other file: the iommufd, which is not what is wanted either. */
	return number ? number : trace_descriptor(call->trace, call->process, call->seen->key);
}

static void write_resource(struct trace_call *call, const struct field *field, uint64_t value)
{
	bool descriptor = resource_is_descriptor(field->resource);
	unsigned number = descriptor ? descriptor_named(call, (int)value)
				     : trace_find_id(call->trace, call->seen->key,
					       (uint8_t)class_of(field->resource), value);

	if (number)
		fprintf(call->words, " %s=o%u", field->name, number);
	else if (descriptor)
		fprintf(call->words, " %s=%d", field->name, (int)value);
	else
		fprintf(call->words, " %s=%#" PRIx64, field->name, value);
}

static void write_iova(struct trace_call *call, const struct field *field, uint64_t value)
{
	const struct trace_name *name = trace_find_iova(call->trace, call->seen->key, value);

	if (name && value != name->id)
		fprintf(call->words, " %s=o%u+%#" PRIx64, field->name, name->number,
			value - name->id);
	else if (name)
		fprintf(call->words, " %s=o%u", field->name, name->number);
	else if (value)
		fprintf(call->words, " %s=%#" PRIx64, field->name, value);
}

/* The struct holds it, too. */
static void set_address(struct trace_call *call, const struct field *field, uint64_t address)
{
	field_set(field, call->image, address);
	if (trace_is_mem(address) && call->moved_count < CALL_FIELD_MAX)
		call->moved[call->moved_count++] = field->offset;
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
	case FIELD_USER_VA: set_address(call, field, write_memory(call, field, value)); return;
	case FIELD_USER_POINTER:
		if (value)
			set_address(call, field,
				trace_write_buffer(call, field->name, field->direction, value,
					bytes_behind(call, field)));
		return;
	default:
		if (value)
			fprintf(call->words, " %s=%#" PRIx64, field->name, value);
	}
}

/* ---- the struct ---- */

/* The word that begins most structs; 0 if it cannot be read. */
static uint32_t size_word(const struct shim_seen *seen)
{
	uint32_t size = 0;

	memcpy(&size, seen->before, seen->before_size < sizeof(size) ? 0 : sizeof(size));
	return size;
}

/* What stands behind the struct that is known. */
static void write_tail(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	uint32_t size = size_word(seen);

	if (call->row->framing != FRAMING_SIZE || size <= call->row->size ||
		size > seen->before_size)
		return;
	fputs(" tail=", call->words);
	for (uint32_t n = call->row->size; n < size; n++)
		fprintf(call->words, "%02x", seen->before[n]);
	call->trace->bytes += size - call->row->size;
}

/* Where the struct lies matters where not all of it can be read and written. */
static void write_place(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	uint64_t address = seen->argument[1], size = size_word(seen), at;

	if (call->row->framing == FRAMING_FIXED || seen->before_size < sizeof(uint32_t))
		size = call->row->size;
	if (seen->before_size >= size &&
		(seen->result != -EFAULT || trace_has_rights(call, address, size)))
		return;
	if (trace_buffer(
		    call, FIELD_IN | FIELD_OUT, address, size, call->image, seen->before_size, &at))
		address = PROG_MEM_BASE + at;
	fputs(" at=", call->words);
	trace_print_address(call->words, address);
}

/* ---- the line ---- */

/* Names for what the call yields; known by them from now on, if it has yielded it. True: the
 * call's result is a descriptor. */
static bool write_outputs(struct trace_call *call, FILE *line)
{
	const struct shim_seen *seen = call->seen;
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(call->row, outputs);
	bool is_descriptor = false;

	for (int n = 0; n < count; n++) {
		const struct field *field = &call->row->fields[outputs[n]];
		struct trace_name name = {.number = ++call->trace->names_given,
			.process = call->process,
			.key = seen->key,
			.class = (uint8_t)class_of(field->resource)};

		fprintf(line, "%so%u", n ? ", " : "", name.number);
		name.descriptor =
			field->kind == FIELD_RESOURCE && resource_is_descriptor(field->resource);
		is_descriptor |= name.descriptor && !field->width;
		if (seen->result < 0)
			continue;
		if (field->kind == FIELD_IOVA &&
			!(value_of(call, "flags") & IOMMU_IOAS_MAP_FIXED_IOVA)) {
			name.class = CLASS_IOVA;
			name.length = value_of(call, "length");
		} else if (field->kind != FIELD_RESOURCE) {
			continue;
		}
		if (name.descriptor)
			name.key = seen->new_key;
		else
			name.id = field_get(field, seen->after);
		trace_add_name(call->trace, &name);
	}
	if (count)
		fputs(" = ", line);
	return is_descriptor;
}

static void write_line(struct trace_call *call, const char *words, unsigned subject)
{
	FILE *line = trace_begin(call->trace, call->process, (enum call_id)(call->row - call_rows));
	bool is_descriptor;

	if (call->seen->failed_at)
		fprintf(line, "fail-nth %u: ", call->seen->failed_at);
	is_descriptor = write_outputs(call, line);
	call->trace->dmabuf |= is_descriptor;
	fprintf(line, "%s o%u%s", call->row->name, subject, words);
	trace_result(line, call->seen->result, is_descriptor);
}

/* No row knows it: the bytes, and the number. */
static void write_raw(struct trace_call *call, unsigned subject)
{
	const struct shim_seen *seen = call->seen;
	uint32_t size = size_word(seen);
	uint64_t at, count = size > RAW_SIZE && size <= seen->before_size ? size : RAW_SIZE;
	bool placed = trace_buffer(
		call, FIELD_IN, seen->argument[1], count, seen->before, seen->before_size, &at);
	FILE *out = trace_begin(call->trace, call->process, CALL_ID_ioctl);

	if (call->seen->failed_at)
		fprintf(out, "fail-nth %u: ", call->seen->failed_at);
	fprintf(out, "ioctl o%u %#" PRIx64 " size=%u at=", subject,
		(uint64_t)(uint32_t)seen->argument[0], size);
	trace_print_address(out, placed ? PROG_MEM_BASE + at : seen->argument[1]);
	trace_result(out, seen->result, false);
}

static enum resource resource_of(uint32_t kind)
{
	switch (kind) {
	case FILE_IOMMUFD: return RESOURCE_IOMMUFD;
	case FILE_TEST_ACCESS: return RESOURCE_ACCESS_FD;
	default: return RESOURCE_ANY_FD;
	}
}

void trace_ioctl(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	unsigned subject = trace_descriptor(call->trace, call->process, seen->key);
	int row = call_find_ioctl(resource_of(seen->kind), (uint32_t)seen->argument[0],
		seen->before, seen->before_size);
	char *words = NULL;
	size_t length;

	if (!subject)
		return;
	if (row < 0) {
		write_raw(call, subject);
		return;
	}
	call->row = &call_rows[row];
	call->image = tool_grow(NULL, seen->before_size + CALL_STRUCT_MAX, 1);
	memcpy(call->image, seen->before, seen->before_size);
	call->words = open_memstream(&words, &length);
	if (call->row->framing == FRAMING_VALUE) {
		fprintf(call->words, " %#" PRIx64, seen->argument[1]);
	} else if (call->row->framing != FRAMING_NONE) {
		for (unsigned n = 1; n < call->row->field_count; n++)
			write_field(call, &call->row->fields[n]);
		write_tail(call);
		write_place(call);
	}
	fclose(call->words);
	write_line(call, words, subject);
	free(words);
	free(call->image);
}
