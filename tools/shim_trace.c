/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces of foreign programs. Lines are written as calls come; what they need to stand in the
 * program (memory, files, processes) is made by lines before them.
 */
#define _GNU_SOURCE
#include "tools/shim_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "impl/shim/protocol.h"
#include "tools/shim_trace_private.h"

struct shim_trace *shim_trace_start(
	const struct shim_trace_options *options, char *message, size_t room)
{
	struct shim_trace *trace;
	FILE *file;

	if (!trace_check_name(options->path, message, room))
		return NULL;
	file = fopen(options->path, "we");
	trace = file ? calloc(1, sizeof(*trace)) : NULL;
	if (trace)
		trace->lines = open_memstream(&trace->text, &trace->size);
	if (!trace || !trace->lines) {
		snprintf(
			message, room, "%s: cannot be written: %s", options->path, strerror(errno));
		free(trace);
		trace = NULL;
	} else {
		trace->options = *options;
	}
	if (file)
		fclose(file);
	return trace;
}

static void trace_open(struct trace_call *call)
{
	struct shim_trace *trace = call->trace;
	const struct shim_seen *seen = call->seen;
	unsigned number;
	FILE *out;

	/* Who the user is stands nowhere in the program. */
	if (strncmp(seen->path, "/dev/", 5) != 0 || seen->result == -EACCES)
		return;
	number = ++trace->names_given;
	out = trace_begin(trace, call->process, CALL_ID_open);
	if (seen->failed_at)
		fprintf(out, "fail-nth %u: ", seen->failed_at);
	fprintf(out, "o%u = open %s", number, seen->path);
	trace_result(out, seen->result, true);
	if (seen->result >= 0)
		trace_add_name(trace, &(struct trace_name){.descriptor = true,
					      .process = call->process,
					      .key = seen->new_key,
					      .number = number});
}

static void trace_transfer(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	unsigned subject = trace_descriptor(call->trace, call->process, seen->key);
	bool write = seen->call == SHIM_WRITE;
	char *words = NULL;
	size_t length;
	FILE *out;

	/* At a position of its own it fails on each of these files, and changes nothing. */
	if (!subject || seen->argument[2] != UINT64_MAX)
		return;
	call->words = open_memstream(&words, &length);
	trace_write_buffer(call, "at", write ? (unsigned)FIELD_IN : (unsigned)FIELD_OUT,
		seen->argument[0], seen->argument[1]);
	fprintf(call->words, " length=%" PRIu64, seen->argument[1]);
	fclose(call->words);
	out = trace_begin(call->trace, call->process, write ? CALL_ID_write : CALL_ID_read);
	if (seen->failed_at)
		fprintf(out, "fail-nth %u: ", seen->failed_at);
	fprintf(out, "%s o%u%s", write ? "write" : "read", subject, words);
	trace_result(out, seen->result, false);
	free(words);
}

static void trace_file_cut(struct trace_call *call)
{
	struct trace_name *file = trace_find_descriptor(call->trace, 0, call->seen->key);

	if (!file || call->seen->argument[1] != INT64_MAX)
		return;
	file->length = call->seen->argument[0];
	trace_line(call->trace, 0, CALL_ID_ftruncate, "ftruncate o%u size=%" PRIu64, file->number,
		file->length);
}

static void trace_call(struct trace_call *call)
{
	const struct shim_seen *seen = call->seen;
	const uint64_t *argument = seen->argument;

	switch (seen->call) {
	case SHIM_OPEN: trace_open(call); break;
	case SHIM_IOCTL:
		trace_memory_changes(call);
		trace_ioctl(call);
		break;
	case SHIM_READ:
	case SHIM_WRITE: trace_transfer(call); break;
	case SHIM_MMAP: trace_mmap(call); break;
	case SHIM_GOES: trace_goes(call, argument[0], argument[1]); break;
	case SHIM_MOVED: trace_goes(call, argument[0], argument[2]); break;
	case SHIM_CUT: trace_file_cut(call); break;
	case SHIM_BORN: trace_born(call->trace, seen, call->process, (int)argument[0]); break;
	}
	trace_buffers_end(call);
}

static bool is_written(const struct shim_seen *seen)
{
	switch (seen->call) {
	case SHIM_OPEN:
	case SHIM_IOCTL:
	case SHIM_READ:
	case SHIM_WRITE:
	case SHIM_MMAP:
	case SHIM_GOES:
	case SHIM_MOVED:
	case SHIM_CUT:
	case SHIM_BORN: return !seen->no_descriptor;
	default: return false;
	}
}

void shim_trace_seen(struct shim_trace *trace, const struct shim_seen *seen)
{
	struct trace_call call = {.trace = trace, .seen = seen};

	if (trace->full || !is_written(seen))
		return;
	if (trace_current_process(trace, seen, &call.process)) {
		trace_maps_read(&call.maps, seen->pid);
		trace_call(&call);
		trace_maps_end(&call.maps);
	}
	trace_complete(trace);
}

void shim_trace_closed(struct shim_trace *trace, struct shim_key key)
{
	if (trace->full)
		return;
	trace_close_names(trace, key);
	trace_complete(trace);
}

void shim_trace_exited(struct shim_trace *trace, int pid)
{
	if (trace->full)
		return;
	trace_process_ended(trace, pid);
	trace_complete(trace);
}

void shim_trace_end(struct shim_trace *trace)
{
	for (unsigned n = 0; n < trace->process_count; n++)
		trace_space_end(&trace->processes[n].space);
	fclose(trace->lines);
	free(trace->text);
	free(trace->names);
	free(trace->places.windows);
	free(trace->moved);
	free(trace);
}
