/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/exec/trace_stream.h"

#include <stdlib.h>
#include <string.h>

struct stream_header {
	uint32_t entry_count, change_count, byte_count, entry_size;
};

void trace_stream_common(struct trace *trace)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < trace->entry_count; i++) {
		if (trace->entries[i].kind != TRACE_CALL || trace->entries[i].depth)
			continue;
		trace->entries[kept] = trace->entries[i];
		trace->entries[kept++].injected = 0;
	}
	trace->entry_count = kept;
}

uint64_t trace_stream_digest(const struct trace *trace)
{
	struct trace common = *trace;
	uint32_t odd = 0;

	for (uint32_t i = 0; i < trace->entry_count; i++)
		odd += trace->entries[i].kind != TRACE_CALL || trace->entries[i].depth ||
		       trace->entries[i].injected;
	if (!odd)
		return trace_digest(trace);
	common.entries = malloc(sizeof(*common.entries) * trace->entry_count);
	if (!common.entries)
		return 0;
	memcpy(common.entries, trace->entries, sizeof(*common.entries) * trace->entry_count);
	trace_stream_common(&common);
	uint64_t digest = trace_digest(&common);
	free(common.entries);
	return digest;
}

size_t trace_stream_size(const struct trace *trace)
{
	return sizeof(struct stream_header) + sizeof(*trace->entries) * trace->entry_count +
	       sizeof(*trace->changes) * trace->change_count + trace->byte_count;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
	if (size)
		memcpy(at, bytes, size);
	return at + size;
}

void trace_stream_write(const struct trace *trace, void *out)
{
	struct stream_header header = {trace->entry_count, trace->change_count, trace->byte_count,
		sizeof(*trace->entries)};
	uint8_t *at = put(out, &header, sizeof(header));

	at = put(at, trace->entries, sizeof(*trace->entries) * trace->entry_count);
	at = put(at, trace->changes, sizeof(*trace->changes) * trace->change_count);
	put(at, trace->bytes, trace->byte_count);
}

static bool is_sound(const struct trace *trace)
{
	for (uint32_t i = 0; i < trace->entry_count; i++) {
		const struct trace_entry *entry = &trace->entries[i];

		if ((uint64_t)entry->image + entry->image_size > trace->byte_count ||
			(uint64_t)entry->first_change + entry->change_count > trace->change_count)
			return false;
	}
	for (uint32_t i = 0; i < trace->change_count; i++)
		if ((uint64_t)trace->changes[i].start + trace->changes[i].count > trace->byte_count)
			return false;
	return true;
}

static void *take(const uint8_t **at, size_t size)
{
	void *copy = malloc(size + 1);

	if (copy && size)
		memcpy(copy, *at, size);
	*at += size;
	return copy;
}

bool trace_stream_read(struct trace *trace, const void *bytes, size_t size)
{
	struct stream_header header;
	const uint8_t *at = bytes;

	trace_free(trace);
	if (size < sizeof(header))
		return false;
	memcpy(&header, at, sizeof(header));
	at += sizeof(header);
	trace->entry_count = trace->entry_room = header.entry_count;
	trace->change_count = trace->change_room = header.change_count;
	trace->byte_count = trace->byte_room = header.byte_count;
	if (header.entry_size != sizeof(*trace->entries) || trace_stream_size(trace) != size) {
		trace_init(trace);
		return false;
	}
	trace->entries = take(&at, sizeof(*trace->entries) * header.entry_count);
	trace->changes = take(&at, sizeof(*trace->changes) * header.change_count);
	trace->bytes = take(&at, header.byte_count);
	if (trace->entries && trace->changes && trace->bytes && is_sound(trace))
		return true;
	trace_free(trace);
	return false;
}
