/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces: the lines of the program, how many fit in one, and the file. The trace ends between two
 * calls of the traced program, so that what is written replays.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/text.h"
#include "impl/sim/sim.h"
#include "tools/shim_trace_private.h"
#include "tools/tool.h"

#define PUT_BYTES 1 /* field of put */

FILE *trace_begin(struct shim_trace *trace, unsigned process, enum call_id call)
{
	trace->calls++;
	trace->values += call_rows[call].field_count;
	if (process)
		fprintf(trace->lines, "P%u: ", process + 1);
	return trace->lines;
}

void trace_line(
	struct shim_trace *trace, unsigned process, enum call_id call, const char *format, ...)
{
	FILE *out = trace_begin(trace, process, call);
	va_list arguments;

	va_start(arguments, format);
	vfprintf(out, format, arguments);
	va_end(arguments);
	fputc('\n', out);
}

void trace_result(FILE *out, int64_t result, bool descriptor)
{
	const char *name = result < 0 ? strerrorname_np((int)-result) : NULL;

	if (result >= 0 && descriptor)
		fputs(" -> ok", out);
	else if (result >= 0)
		fprintf(out, " -> %" PRId64, result);
	else if (name)
		fprintf(out, " -> %s", name);
	fputc('\n', out);
}

void trace_put(
	struct shim_trace *trace, unsigned process, uint64_t at, const void *bytes, size_t count)
{
	FILE *out = trace_begin(trace, process, CALL_ID_put);

	trace->bytes += count;
	fprintf(out, "put mem+%#" PRIx64 " x\"", at);
	for (size_t n = 0; n < count; n++)
		fprintf(out, "%02x", ((const uint8_t *)bytes)[n]);
	fputs("\"\n", out);
}

bool trace_is_mem(uint64_t address)
{
	uint64_t offset = address - PROG_MEM_BASE;

	return offset < TRACE_SCRATCH ||
	       (offset >= TRACE_FAR && offset - TRACE_FAR < TRACE_HIGHEST);
}

void trace_print_address(FILE *out, uint64_t address)
{
	if (trace_is_mem(address))
		fprintf(out, "mem+%#" PRIx64, address - PROG_MEM_BASE);
	else
		fprintf(out, "%#" PRIx64, address);
}

void trace_print_protection(FILE *out, unsigned protection)
{
	static const char *const names[] = {"READ", "WRITE", "EXEC"};

	fprintf(out, "prot=%s", protection ? "" : "0");
	for (unsigned bit = 0; bit < 3; bit++) {
		if (protection >> bit & 1)
			fprintf(out, "%s%s", protection & ((1u << bit) - 1) ? "|" : "", names[bit]);
	}
}

void trace_cut(struct shim_trace *trace, const char *reason)
{
	if (trace->full)
		return;
	trace->full = true;
	tool_error("--trace: %s: %s; the trace ends after call %" PRIu64
		   " of the traced program, which goes on",
		trace->options.path, reason, trace->events);
}

void trace_complete(struct shim_trace *trace)
{
	char reason[80];

	if (trace->full)
		return;
	if (trace->calls > PROG_CALL_MAX)
		snprintf(reason, sizeof(reason), "a program has at most %u calls", PROG_CALL_MAX);
	else if (trace->values > PROG_VALUE_MAX)
		snprintf(reason, sizeof(reason), "a program has at most %u values", PROG_VALUE_MAX);
	else if (trace->bytes > PROG_BYTES_MAX)
		snprintf(reason, sizeof(reason), "a program has at most %u bytes", PROG_BYTES_MAX);
	else {
		fflush(trace->lines);
		trace->complete = trace->size;
		trace->events++;
		return;
	}
	trace_cut(trace, reason);
}

/* The file's name without what makes it a program's. */
static int id_length(const char *name)
{
	size_t length = strlen(name);

	return (int)(length > 5 && !strcmp(name + length - 5, ".prog") ? length - 5 : length);
}

static const char *file_name(const char *path)
{
	return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

bool trace_check_name(const char *path, char *message, size_t room)
{
	const char *name = file_name(path);
	struct parse_error error;
	struct prog_text text;
	char header[300];
	int length = snprintf(header, sizeof(header), "#: id %.*s\n", id_length(name), name);
	bool good = length < (int)sizeof(header);

	prog_text_init(&text);
	good = good && prog_parse(&text, header, (size_t)length, &error);
	prog_text_free(&text);
	if (!good)
		snprintf(message, room, "%s: expected NAME.prog, NAME one that a program can have",
			path);
	return good;
}

static void write_header(struct shim_trace *trace, FILE *out)
{
	const char *name = file_name(trace->options.path);

	/* DMABUF_GET of a kernel does not return the descriptor. */
	fprintf(out, "# %s\n#: id %.*s%s\n#: sim pages=%" PRIu64 "P", trace->options.description,
		id_length(name), name, trace->dmabuf ? "\n#: needs inproc" : "",
		trace_places_settle(&trace->places));
	if (trace->options.kernel)
		fprintf(out, " kernel=%u.%u", trace->options.kernel >> 8,
			trace->options.kernel & 0xff);
	if (trace->process_count)
		fprintf(out, " memlock=%" PRIu64, trace->first_memlock);
	if (trace->process_count && trace->first_capabilities != SIM_CAP_ALL)
		fputs(" caps=-", out);
	if (trace->options.vfio_container)
		fputs(" container=iommufd", out);
	if (trace->options.noiommu)
		fputs(" noiommu=mock", out);
	fprintf(out, "%s%s\n", trace->dmabuf ? " dmabuf=fd" : "",
		trace->hugetlb ? " hugetlb=2M" : "");
}

void trace_put_moves(struct shim_trace *trace, const uint16_t *offsets, unsigned count)
{
	for (unsigned n = 0; n < count; n++) {
		if (trace->moved_count == trace->moved_room) {
			trace->moved_room = trace->moved_room ? trace->moved_room * 2 : 16;
			trace->moved =
				tool_grow(trace->moved, trace->moved_room, sizeof(*trace->moved));
		}
		trace->moved[trace->moved_count++] = (struct trace_moved){
			.call = (uint32_t)trace->calls - 1, .offset = offsets[n]};
	}
}

/* Addresses of the process become addresses in mem. */
static void move_addresses(const struct shim_trace *trace, struct prog *prog)
{
	for (uint32_t n = 0; n < prog->value_count; n++) {
		struct value *value = &prog->values[n];

		if (value->kind == VALUE_MEM)
			value->number = trace_places_final(&trace->places, value->number);
	}
	for (unsigned n = 0; n < trace->moved_count; n++) {
		const struct trace_moved *moved = &trace->moved[n];
		const struct value *bytes;
		uint64_t address;
		uint8_t *at;

		if (moved->call >= prog->call_count)
			break;
		bytes = prog_value(prog, &prog->calls[moved->call], PUT_BYTES);
		if (bytes->kind != VALUE_BYTES || moved->offset + sizeof(address) > bytes->count)
			continue;
		at = prog->bytes + bytes->start + moved->offset;
		memcpy(&address, at, sizeof(address));
		address =
			PROG_MEM_BASE + trace_places_final(&trace->places, address - PROG_MEM_BASE);
		memcpy(at, &address, sizeof(address));
	}
}

/* The program in canonical form. False: *message says what of it is wrong. */
static bool make_text(struct shim_trace *trace, struct prog_text *text, char *message, size_t room)
{
	struct parse_error error;
	char *source = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&source, &length);
	bool good;

	if (!out) {
		snprintf(message, room, "%s: %s", trace->options.path, strerror(errno));
		return false;
	}
	write_header(trace, out);
	fflush(trace->lines);
	fwrite(trace->text, 1, trace->complete, out);
	fclose(out);
	good = prog_parse(text, source, length, &error);
	if (good)
		move_addresses(trace, &text->prog);
	else
		snprintf(message, room, "%s:%" PRIu32 ":%" PRIu32 ": %s", trace->options.path,
			error.line, error.column, error.message);
	free(source);
	return good;
}

bool shim_trace_write(struct shim_trace *trace, char *message, size_t room)
{
	struct prog_text text;
	FILE *file;
	bool good;

	prog_text_init(&text);
	good = make_text(trace, &text, message, room);
	if (good) {
		file = fopen(trace->options.path, "we");
		errno = file ? 0 : errno;
		if (file) {
			prog_print(&text, file);
			good = !fflush(file);
			good = !fclose(file) && good;
		}
		if (!file || !good) {
			snprintf(message, room, "%s: cannot be written: %s", trace->options.path,
				strerror(errno));
			good = false;
		}
	}
	prog_text_free(&text);
	return good;
}
