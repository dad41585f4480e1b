/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call changed in user memory. Nobody tells a process that, so what a call may write to is
 * kept before it and compared after it: a few bytes for most calls, all that is resident where it
 * cannot be known.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "fuzz/exec/live_private.h"

/* Longer ranges are looked through for pages that are there at all. */
#define LONG_RANGE    (64 * LIVE_PAGE)
#define MINCORE_PAGES 4096u

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void live_touch(struct live_memory *memory, uint64_t address, uint64_t length)
{
	uint64_t offset = address - PROG_MEM_BASE;

	if (address >= EXEC_ARGUMENT_BASE && address < EXEC_ARGUMENT_BASE + LIVE_WINDOWS) {
		offset = address - EXEC_ARGUMENT_BASE;
		length = least(length, LIVE_WINDOWS - offset);
		for (uint64_t end = offset + length; offset < end;) {
			unsigned window = (unsigned)(offset / EXEC_ARGUMENT_SIZE);
			uint64_t stop = least(end, (window + 1) * (uint64_t)EXEC_ARGUMENT_SIZE);
			uint64_t used = stop - window * (uint64_t)EXEC_ARGUMENT_SIZE;

			if (memory->windows_used[window] < used)
				memory->windows_used[window] = used;
			offset = stop;
		}
		return;
	}
	if (offset >= memory->mem_bytes || !length)
		return;
	length = least(length, memory->mem_bytes - offset);
	if (memory->touched_first == memory->touched_end) {
		memory->touched_first = address;
		memory->touched_end = address + length;
		return;
	}
	if (address < memory->touched_first)
		memory->touched_first = address;
	if (address + length > memory->touched_end)
		memory->touched_end = address + length;
}

/* -- before the call -- */

static struct live_piece *piece_add(struct live_memory *memory, uint64_t address, uint64_t count)
{
	if (memory->piece_count == memory->piece_room) {
		uint32_t wide = memory->piece_room ? memory->piece_room * 2 : 64;
		void *larger = realloc(memory->pieces, wide * sizeof(*memory->pieces));

		if (!larger)
			return NULL;
		memory->pieces = larger;
		memory->piece_room = wide;
	}
	struct live_piece *piece = &memory->pieces[memory->piece_count++];
	*piece = (struct live_piece){.address = address, .count = count};
	return piece;
}

/* Keeps bytes as they are; nothing where they cannot be read. */
static void keep(struct live_memory *memory, uint64_t address, uint64_t count)
{
	struct live_piece *piece;

	if (memory->saved_used + count > memory->saved_room) {
		size_t wide = memory->saved_room ? memory->saved_room * 2 : 1u << 16;
		void *larger;

		while (wide < memory->saved_used + count)
			wide *= 2;
		larger = realloc(memory->saved, wide);
		if (!larger)
			return;
		memory->saved = larger;
		memory->saved_room = wide;
	}
	if (live_peek(memory, address, memory->saved + memory->saved_used, count) != count)
		return;
	piece = piece_add(memory, address, count);
	if (!piece)
		return;
	piece->start = memory->saved_used;
	memory->saved_used += count;
}

static bool same_thing(const struct live_vma *a, const struct live_vma *b)
{
	return a->inode == b->inode && a->device == b->device;
}

/* A page's part at every place where the program sees the same file. */
static void keep_shared(
	struct live_memory *memory, const struct live_vma *vma, uint64_t address, uint64_t count)
{
	uint64_t offset = vma->offset + (address - vma->first);

	for (uint32_t i = 0; i < memory->vma_count; i++) {
		const struct live_vma *other = &memory->vmas[i];
		uint64_t size = other->end - other->first;

		if (same_thing(vma, other) && offset >= other->offset &&
			offset - other->offset < size)
			keep(memory, other->first + (offset - other->offset), count);
	}
}

static void watch_pages(
	struct live_memory *memory, const struct live_vma *vma, uint64_t first, uint64_t end)
{
	if (!memory->altered) {
		keep(memory, first, end - first);
		return;
	}
	while (first < end) {
		uint64_t part = least(end - first, LIVE_PAGE - first % LIVE_PAGE);

		if (vma->inode)
			keep_shared(memory, vma, first, part);
		else
			keep(memory, first, part);
		first += part;
	}
}

/* Only pages that are there; the others are noted as runs of zeroes. */
static void watch_resident(
	struct live_memory *memory, const struct live_vma *vma, uint64_t first, uint64_t end)
{
	unsigned char present[MINCORE_PAGES];

	for (uint64_t at = first & ~(LIVE_PAGE - 1); at < end;) {
		uint64_t pages = least((end - at + LIVE_PAGE - 1) / LIVE_PAGE, MINCORE_PAGES);

		if (mincore((void *)(uintptr_t)at, pages * LIVE_PAGE, present)) {
			watch_pages(memory, vma, at < first ? first : at,
				least(end, at + pages * LIVE_PAGE));
			at += pages * LIVE_PAGE;
			continue;
		}
		for (uint64_t i = 0; i < pages;) {
			uint64_t k = i;

			while (k < pages && (present[k] & 1) == (present[i] & 1))
				k++;
			uint64_t from = at + i * LIVE_PAGE, to = least(end, at + k * LIVE_PAGE);
			from = from < first ? first : from;
			if (present[i] & 1) {
				watch_pages(memory, vma, from, to);
			} else {
				struct live_piece *piece = piece_add(memory, from, to - from);

				if (piece)
					piece->absent = true;
			}
			i = k;
		}
		at += pages * LIVE_PAGE;
	}
}

void live_watch(struct live_memory *memory, uint64_t address, uint64_t length)
{
	uint64_t end;

	if (memory->check_all || __builtin_add_overflow(address, length, &end))
		end = UINT64_MAX;
	if (memory->check_all || !length)
		return;
	for (uint32_t i = 0; i < memory->vma_count; i++) {
		const struct live_vma *vma = &memory->vmas[i];
		uint64_t from = vma->first > address ? vma->first : address;
		uint64_t to = least(vma->end, end);

		if (from >= to)
			continue;
		live_touch(memory, from, to - from);
		if (to - from > LONG_RANGE)
			watch_resident(memory, vma, from, to);
		else
			watch_pages(memory, vma, from, to);
	}
}

void live_watch_all(struct live_memory *memory)
{
	for (uint32_t i = 0; i < memory->vma_count; i++) {
		const struct live_vma *vma = &memory->vmas[i];

		live_touch(memory, vma->first, vma->end - vma->first);
		watch_resident(memory, vma, vma->first, vma->end);
	}
}

/* -- after the call -- */

static void compare_page(struct live_memory *memory, const struct target_events *events,
	uint64_t address, const uint8_t *old, size_t count)
{
	uint8_t now[4096];

	if (live_peek(memory, address, now, count) == count && memcmp(now, old, count))
		events->memory(events->context, address, old, now, (uint32_t)count);
}

/* Pages that have come since, within what was zero. */
static void compare_absent(struct live_memory *memory, const struct target_events *events,
	const struct live_piece *piece)
{
	static const uint8_t zeroes[4096];
	unsigned char present[MINCORE_PAGES];
	uint64_t end = piece->address + piece->count;

	for (uint64_t at = piece->address & ~(LIVE_PAGE - 1); at < end;) {
		uint64_t pages = least((end - at + LIVE_PAGE - 1) / LIVE_PAGE, MINCORE_PAGES);

		if (mincore((void *)(uintptr_t)at, pages * LIVE_PAGE, present))
			return;
		for (uint64_t i = 0; i < pages; i++) {
			uint64_t from = at + i * LIVE_PAGE, to = least(end, from + LIVE_PAGE);

			from = from < piece->address ? piece->address : from;
			if (present[i] & 1)
				compare_page(memory, events, from, zeroes, (size_t)(to - from));
		}
		at += pages * LIVE_PAGE;
	}
}

void live_report(struct live_memory *memory, const struct target_events *events)
{
	for (uint32_t i = 0; i < memory->piece_count && events->memory; i++) {
		const struct live_piece *piece = &memory->pieces[i];

		if (piece->absent) {
			compare_absent(memory, events, piece);
			continue;
		}
		for (uint64_t done = 0; done < piece->count;) {
			uint64_t at = piece->address + done;
			uint64_t part = least(piece->count - done, LIVE_PAGE - at % LIVE_PAGE);

			compare_page(memory, events, at, memory->saved + piece->start + done,
				(size_t)part);
			done += part;
		}
	}
	memory->piece_count = 0;
	memory->saved_used = 0;
}

/* -- what the program itself stores -- */

int64_t live_store(struct live_process *process, uint64_t to, const void *from, uint64_t count)
{
	struct live_memory *memory = &process->memory;
	uint64_t done;

	live_watch(memory, to, count);
	done = live_poke(memory, to, from, count);
	return done == count ? 0 : -EFAULT;
}
