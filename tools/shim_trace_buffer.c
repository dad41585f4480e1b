/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces: buffers that a call only copies from or to. They lie in the scratch area at the start of
 * mem; one that the process cannot read or write as a whole lies on pages with the same rights.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tools/shim_trace_private.h"

#define BUFFER_MAX  (UINT64_C(1) << 20) /* larger ones are kept like memory that is mapped */
#define LITERAL_MAX (UINT64_C(64) << 10)

/* Room in the scratch area for count bytes that begin where address does in its page. */
static bool scratch(struct trace_call *call, uint64_t address, uint64_t count, uint64_t *at)
{
	uint64_t start = (call->trace->scratch + TRACE_PAGE - 1) & ~(TRACE_PAGE - 1);

	*at = start + address % TRACE_PAGE;
	if (*at + count > TRACE_SCRATCH)
		return false;
	call->trace->scratch = *at + count;
	return true;
}

static void protect(struct trace_call *call, uint64_t first, uint64_t end, unsigned protection)
{
	struct shim_trace *trace = call->trace;
	FILE *out = trace_begin(trace, call->process, CALL_ID_mprotect);

	fprintf(out, "mprotect mem+%#" PRIx64 " length=%#" PRIx64 " ", first, end - first);
	trace_print_protection(out, protection);
	fputc('\n', out);
}

bool trace_has_rights(const struct trace_call *call, uint64_t address, uint64_t count)
{
	struct trace_region mapping = {.end = address};

	while (mapping.end <= address + (count ? count - 1 : 0)) {
		if (!trace_find_mapping(&call->maps, mapping.end, &mapping) ||
			(mapping.protection & 3) != 3)
			return false;
	}
	return true;
}

/* Pages from at on get the rights of those from address on, where they are not all rights. */
static void copy_rights(struct trace_call *call, uint64_t address, uint64_t count, uint64_t at)
{
	struct shim_trace *trace = call->trace;
	uint64_t page = address & ~(TRACE_PAGE - 1), start = at & ~(TRACE_PAGE - 1);
	uint64_t last = address + (count ? count - 1 : 0), end;

	for (uint64_t from = page; from <= last; from = end) {
		struct trace_region mapping;

		if (!trace_find_mapping(&call->maps, from, &mapping) || mapping.end > last)
			mapping.end = (last | (TRACE_PAGE - 1)) + 1;
		end = mapping.end;
		if ((mapping.protection & 3) == 3)
			continue;
		protect(call, start + (from - page), start + (end - page), mapping.protection);
		if (!trace->odd_end)
			trace->odd = start + (from - page);
		trace->odd_end = start + (end - page);
		/* The next buffer is on other pages. */
		if (trace->scratch < trace->odd_end)
			trace->scratch = trace->odd_end;
	}
}

static bool is_nowhere(uint64_t address)
{
	return address < TRACE_LOWEST || address >= TRACE_HIGHEST;
}

bool trace_buffer(struct trace_call *call, unsigned direction, uint64_t address, uint64_t count,
	const void *bytes, size_t known, uint64_t *at)
{
	uint8_t *now = NULL;

	if (is_nowhere(address))
		return false;
	if (count > BUFFER_MAX)
		return trace_address(call, address, count, at);
	if (!scratch(call, address, count, at))
		return false;
	if (!bytes && count) {
		bytes = now = malloc(count);
		known = now ? shim_peek(call->seen, address, now, count) : 0;
	}
	if (direction & FIELD_IN && known && count <= LITERAL_MAX)
		trace_put(call->trace, call->process, *at, bytes, known < count ? known : count);
	if (bytes && bytes == call->image)
		trace_put_moves(call->trace, call->moved, call->moved_count);
	/* What a call that has succeeded did not write need not be writable. */
	if (known < count || call->seen->result == -EFAULT)
		copy_rights(call, address, count, *at);
	free(now);
	return true;
}

uint64_t trace_write_buffer(struct trace_call *call, const char *name, unsigned direction,
	uint64_t address, uint64_t count)
{
	uint64_t at;

	if (trace_buffer(call, direction, address, count, NULL, 0, &at))
		address = PROG_MEM_BASE + at;
	fprintf(call->words, " %s=", name);
	trace_print_address(call->words, address);
	return address;
}

void trace_buffers_end(struct trace_call *call)
{
	struct shim_trace *trace = call->trace;

	if (trace->odd_end)
		protect(call, trace->odd, trace->odd_end, 3);
	trace->odd = trace->odd_end = trace->scratch = 0;
}
