/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a host process. Nothing is dereferenced: bytes go through process_vm_readv and
 * process_vm_writev, and what a page is comes from the process's list of mappings, so that a bad
 * address is an error and never a signal.
 *
 * A page's identity is (file, offset) in shared mappings and its address otherwise. Pages are read
 * and written where they were when they were first seen: unlike simulated ones they do not outlive
 * their mapping.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/sim/mm/mm_private.h"

#define SPACE_PAGES (TASK_SIZE >> SIM_PAGE_SHIFT)

static pid_t pid_of(const struct mm *mm)
{
	return mm->pid ? (pid_t)mm->pid : getpid();
}

/* Page by page, because a transfer may end only between the pieces it was given. */
static size_t transfer(const struct mm *mm, uint64_t va, void *bytes, size_t count, bool write)
{
	size_t done = 0;

	while (done < count) {
		uint64_t at = va + done;
		size_t part = SIM_PAGE_SIZE - at % SIM_PAGE_SIZE;
		struct iovec here, there;
		ssize_t moved;

		if (part > count - done)
			part = count - done;
		if (at >= TASK_SIZE)
			break;
		here = (struct iovec){(uint8_t *)bytes + done, part};
		there = (struct iovec){(void *)(uintptr_t)at, part};
		moved = write ? process_vm_writev(pid_of(mm), &here, 1, &there, 1, 0)
			      : process_vm_readv(pid_of(mm), &here, 1, &there, 1, 0);
		if (moved != (ssize_t)part)
			break;
		done += part;
	}
	return done;
}

size_t real_read(const struct mm *mm, uint64_t va, void *to, size_t count)
{
	return transfer(mm, va, to, count, false);
}

size_t real_write(const struct mm *mm, uint64_t va, const void *from, size_t count)
{
	return transfer(mm, va, (void *)(uintptr_t)from, count, true);
}

/* One line of the list of mappings. */
struct mapping {
	uint64_t first, end; /* bytes, end exclusive */
	uint64_t offset, device, inode;
	bool readable, writable, shared;
};

struct mappings {
	FILE *list;
	struct mapping now; /* end 0: none read yet */
};

static bool mappings_open(const struct mm *mm, struct mappings *mappings)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)pid_of(mm));
	mappings->list = fopen(path, "re");
	mappings->now = (struct mapping){.end = 0};
	return mappings->list != NULL;
}

static bool parse(const char *line, struct mapping *mapping)
{
	unsigned long long first, end, offset, inode;
	unsigned major, minor;
	char modes[5];
	int name = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &first, &end, modes, &offset, &major,
		    &minor, &inode, &name) < 7)
		return false;
	*mapping = (struct mapping){.first = first,
		.end = end,
		.offset = offset,
		.device = (uint64_t)major << 32 | minor,
		.inode = inode,
		.readable = modes[0] == 'r',
		.writable = modes[1] == 'w',
		.shared = modes[3] == 's'};
	/* Mappings of the kernel's own have no pages that could be pinned. */
	if (!strncmp(line + name, "[v", 2))
		mapping->readable = mapping->writable = false;
	return true;
}

/* The mapping with va; addresses are asked for in ascending order. */
static const struct mapping *mapping_of(struct mappings *mappings, uint64_t va)
{
	char line[4096];

	while (mappings->now.end <= va) {
		if (!fgets(line, sizeof(line), mappings->list))
			return NULL;
		if (!parse(line, &mappings->now))
			mappings->now.end = 0;
	}
	return mappings->now.first <= va ? &mappings->now : NULL;
}

static struct memory *memory_of(struct sim *sim, struct mm *mm, uint64_t device, uint64_t inode)
{
	struct memory *memory;

	for (memory = mm->real; memory; memory = memory->next) {
		if (memory->device == device && memory->inode == inode)
			return memory;
	}
	memory = memory_create(sim, MEMORY_REAL, SPACE_PAGES, 0);
	if (memory) {
		memory->references = 1;
		memory->device = device;
		memory->inode = inode;
		memory->real_mm = mm;
		memory->next = mm->real;
		mm->real = memory;
	}
	return memory;
}

/* The page behind va, NULL when there is none or it may not be used so. */
static struct page *page_behind(
	struct sim *sim, struct mm *mm, const struct mapping *mapping, uint64_t va, bool write)
{
	struct memory *memory;
	uint64_t index = va >> SIM_PAGE_SHIFT;
	struct page *page;
	void **slot;
	uint8_t byte;

	if (!mapping || !(write ? mapping->writable : mapping->readable) ||
		real_read(mm, va, &byte, 1) != 1)
		return NULL;
	if (mapping->shared) {
		memory = memory_of(sim, mm, mapping->device, mapping->inode);
		index = (va - mapping->first + mapping->offset) >> SIM_PAGE_SHIFT;
	} else {
		memory = memory_of(sim, mm, 0, 0);
	}
	slot = memory ? radix_slot(sim, &memory->pages, index) : NULL;
	if (!slot)
		return NULL;
	if (!*slot) {
		page = page_create(sim, memory, index, 0);
		if (page)
			page->bytes = (uint8_t *)(uintptr_t)va;
		*slot = page;
	}
	return *slot;
}

int64_t real_pin(struct sim *sim, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages)
{
	struct mappings mappings;
	uint64_t done;

	if (!mappings_open(mm, &mappings))
		return 0;
	for (done = 0; done < count; done++, va += SIM_PAGE_SIZE) {
		pages[done] = page_behind(sim, mm, mapping_of(&mappings, va), va, write);
		if (!pages[done])
			break;
		pages[done]->pins++;
	}
	fclose(mappings.list);
	sim->physical.pins += done;
	return (int64_t)done;
}

struct page *real_visible(struct sim *sim, struct mm *mm, uint64_t va)
{
	struct mappings mappings;
	struct page *page;

	va &= ~(SIM_PAGE_SIZE - 1);
	if (!mappings_open(mm, &mappings))
		return NULL;
	page = page_behind(sim, mm, mapping_of(&mappings, va), va, false);
	fclose(mappings.list);
	return page;
}

void real_release(struct sim *sim, struct mm *mm)
{
	while (mm->real) {
		struct memory *memory = mm->real;
		uint64_t index;

		mm->real = memory->next;
		/* Bytes were never ours to free. */
		for (index = 0;; index++) {
			struct page *page = radix_next(&memory->pages, &index);

			if (!page)
				break;
			page->bytes = NULL;
		}
		memory_put(sim, memory);
	}
}
