/* SPDX-License-Identifier: Apache-2.0 */
/* Collects what a call did to user memory and turns it into the trace's maximal runs of changed
 * bytes. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec_private.h"

static void add_write(struct frame *frame, uint64_t address, const uint8_t *old,
	const uint8_t *bytes, uint32_t count)
{
	/* Written without a change: nothing to tell, unless an earlier write of this call touched
	 * it. */
	if (!count || (!frame->write_count && memcmp(old, bytes, count) == 0))
		return;
	if (frame->write_count == frame->write_room) {
		uint32_t wide = frame->write_room ? frame->write_room * 2 : 16;
		void *larger = realloc(frame->writes, wide * sizeof(*frame->writes));

		if (!larger)
			return;
		frame->writes = larger;
		frame->write_room = wide;
	}
	if (!buffer_reserve(&frame->written, frame->written.used + 2 * count))
		return;
	frame->writes[frame->write_count++] = (struct memory_write){
		.address = address, .start = frame->written.used, .count = count};
	memcpy(frame->written.bytes + frame->written.used, old, count);
	memcpy(frame->written.bytes + frame->written.used + count, bytes, count);
	frame->written.used += 2 * count;
}

void exec_memory_event(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count)
{
	struct exec *exec = context;
	struct exec_thread *thread = exec->now;
	struct frame *frame = &thread->frames[thread->depth];
	const uint8_t *before = old, *after = bytes;
	uint64_t end = address + count;

	if (!thread->running)
		return;
	if (end <= frame->own_from || address >= frame->own_to) {
		add_write(frame, address, before, after, count);
		return;
	}
	if (address < frame->own_from)
		add_write(frame, address, before, after, (uint32_t)(frame->own_from - address));
	if (end > frame->own_to) {
		uint32_t skip = (uint32_t)(frame->own_to - address);

		add_write(frame, frame->own_to, before + skip, after + skip, count - skip);
	}
}

/* Whether each of eight bytes differs: their difference holds no zero byte. */
static bool all_differ(const uint8_t *old, const uint8_t *bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t a, b;

	memcpy(&a, old, sizeof(a));
	memcpy(&b, bytes, sizeof(b));
	a ^= b;
	return !((a - ones) & ~a & (ones << 7));
}

/* Adds the runs of bytes that differ. */
static void add_runs(struct trace *trace, uint64_t address, const uint8_t *old,
	const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count;) {
		while (i + 64 <= count && memcmp(old + i, bytes + i, 64) == 0)
			i += 64;
		while (i < count && old[i] == bytes[i])
			i++;
		uint32_t from = i;
		while (i + 8 <= count && all_differ(old + i, bytes + i))
			i += 8;
		while (i < count && old[i] != bytes[i])
			i++;
		trace_add_change(trace, address + from, bytes + from, i - from);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct memory_write *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static int by_time(const void *a, const void *b)
{
	const struct memory_write *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Writes that touch the same bytes: the first one knows what was there, the last one what is there
 * now. */
static void record_overlapping(struct exec *exec, struct frame *frame, struct memory_write *writes,
	uint32_t count, uint64_t end)
{
	uint64_t start = writes[0].address;
	uint32_t size = (uint32_t)(end - start), base = frame->written.used;

	if (!buffer_reserve(&frame->written, base + 2 * size))
		return;
	uint8_t *old = frame->written.bytes + base, *bytes = old + size;
	qsort(writes, count, sizeof(*writes), by_time);
	for (uint32_t i = count; i--;)
		memcpy(old + (writes[i].address - start), frame->written.bytes + writes[i].start,
			writes[i].count);
	for (uint32_t i = 0; i < count; i++)
		memcpy(bytes + (writes[i].address - start),
			frame->written.bytes + writes[i].start + writes[i].count, writes[i].count);
	add_runs(&exec->trace, start, old, bytes, size);
}

void exec_memory_record(struct exec *exec, struct frame *frame)
{
	struct memory_write *writes = frame->writes;

	if (frame->write_count > 1)
		qsort(writes, frame->write_count, sizeof(*writes), by_address);
	for (uint32_t i = 0; i < frame->write_count;) {
		uint64_t end = writes[i].address + writes[i].count;
		uint32_t k = i + 1;

		for (; k < frame->write_count && writes[k].address < end; k++)
			if (writes[k].address + writes[k].count > end)
				end = writes[k].address + writes[k].count;
		if (k == i + 1) {
			const uint8_t *old = frame->written.bytes + writes[i].start;

			add_runs(&exec->trace, writes[i].address, old, old + writes[i].count,
				writes[i].count);
		} else {
			record_overlapping(exec, frame, writes + i, k - i, end);
		}
		i = k;
	}
	trace_finish_entry(&exec->trace);
	frame->write_count = 0;
	frame->written.used = 0;
}
