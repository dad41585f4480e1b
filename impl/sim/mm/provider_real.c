/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a host process. Nothing is dereferenced: bytes go through process_vm_readv and
 * process_vm_writev, and what a page is comes from the process's list of mappings, so that a bad
 * address is an error and never a signal.
 *
 * A page exists here while it is pinned. Its identity is (file, offset) in shared mappings, whose
 * bytes are those of the file (real_file.c), and its address otherwise; what takes it from there
 * leaves it as a copy (real_change.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/sim/mm/real.h"

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

size_t real_write(const struct mm *mm, uint64_t va, const void *from, size_t count)
{
	return transfer(mm, va, (void *)(uintptr_t)from, count, true);
}

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
		.shared = modes[3] == 's',
		.huge = !strncmp(line + name, "/anon_hugepage", 14)};
	/* Of the kernel's own mappings only the vdso has pages that could be pinned. */
	if (!strncmp(line + name, "[v", 2) && strncmp(line + name, "[vdso]", 6) != 0)
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

/* The processor reads what may be written only; process_vm_readv does not. */
static size_t read_write_only(const struct mm *mm, uint64_t va, void *to, size_t count)
{
	struct mappings mappings;
	const struct mapping *mapping;
	char path[64];
	ssize_t done = 0;
	int fd;

	if (!mappings_open(mm, &mappings))
		return 0;
	mapping = mapping_of(&mappings, va);
	if (mapping && mapping->writable && !mapping->readable) {
		snprintf(path, sizeof(path), "/proc/%ld/mem", (long)pid_of(mm));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (count > mapping->end - va)
			count = mapping->end - va;
		done = fd < 0 ? 0 : pread(fd, to, count, (off_t)va);
		if (fd >= 0)
			close(fd);
	}
	fclose(mappings.list);
	return done > 0 ? (size_t)done : 0;
}

size_t real_read(const struct mm *mm, uint64_t va, void *to, size_t count)
{
	size_t done = transfer(mm, va, to, count, false);

	if (done < count && va + done < TASK_SIZE)
		done += read_write_only(mm, va + done, (uint8_t *)to + done, count - done);
	return done;
}

static struct memory *private_memory(struct sim *sim, struct mm *mm)
{
	if (!mm->real) {
		mm->real = memory_create(sim, MEMORY_REAL, SPACE_PAGES, 0);
		if (mm->real)
			mm->real->references = 1;
	}
	if (mm->real)
		mm->real->real_mm = mm;
	return mm->real;
}

/* What the page at va belongs to, and where. make: also what has no page yet. */
static struct memory *memory_behind(struct sim *sim, struct mm *mm, const struct mapping *mapping,
	uint64_t va, bool make, uint64_t *index)
{
	struct memory *file = NULL;

	if (mapping->shared)
		file = make ? real_file_of_mapping(sim, pid_of(mm), mapping)
			    : real_file_find(sim, mapping->device, mapping->inode);
	*index = file ? (va - mapping->first + mapping->offset) >> SIM_PAGE_SHIFT
		      : va >> SIM_PAGE_SHIFT;
	if (file || !make)
		return file ? file : mm->real;
	return private_memory(sim, mm);
}

struct page *real_page(struct sim *sim, struct memory *memory, uint64_t index)
{
	void **slot = radix_slot(sim, &memory->pages, index);
	struct page *page;

	if (!slot || *slot)
		return slot ? *slot : NULL;
	page = page_create(sim, memory, index, memory->generation);
	if (page) {
		page->refs = 0;
		memory->references++;
	}
	return *slot = page;
}

void real_page_leave(struct sim *sim, struct page *page)
{
	struct memory *memory = page->object;

	*radix_slot(sim, &memory->pages, page->index) = NULL;
	page->object = NULL;
	memory_put(sim, memory);
}

#define PROBES 512

/* How many of count pages from va on are there, with bytes that can be read. */
static uint64_t count_present(const struct mm *mm, uint64_t va, uint64_t count)
{
	uint8_t bytes[PROBES];
	struct iovec here = {bytes, sizeof(bytes)}, there[PROBES];
	uint64_t done = 0;

	while (done < count) {
		size_t part = count - done < PROBES ? (size_t)(count - done) : PROBES;
		ssize_t got;

		for (size_t n = 0; n < part; n++)
			there[n] = (struct iovec){
				(void *)(uintptr_t)(va + ((done + n) << SIM_PAGE_SHIFT)), 1};
		got = process_vm_readv(pid_of(mm), &here, 1, there, part, 0);
		done += got > 0 ? (uint64_t)got : 0;
		if (got != (ssize_t)part)
			break;
	}
	return done;
}

#define PAGEMAP_OF_FILE (UINT64_C(1) << 61)

/* Whether a private mapping of a file still shows the file's page. */
static bool is_of_file(const struct mm *mm, const struct mapping *mapping, uint64_t va)
{
	uint64_t entry = 0;
	char path[64];
	int fd;

	if (mapping->shared || !mapping->inode)
		return false;
	snprintf(path, sizeof(path), "/proc/%ld/pagemap", (long)pid_of(mm));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pread(fd, &entry, sizeof(entry), (off_t)(va / SIM_PAGE_SIZE * sizeof(entry))) !=
		sizeof(entry))
		entry = 0;
	close(fd);
	return entry & PAGEMAP_OF_FILE;
}

/* A pin of a private mapping of a file makes the page the process's own; a write does here. */
static void make_own(
	const struct mm *mm, const struct mapping *mapping, uint64_t va, uint64_t count)
{
	char path[64];
	uint8_t byte;
	int fd;

	if (mapping->shared || !mapping->inode)
		return;
	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)pid_of(mm));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	for (uint64_t end = va + (count << SIM_PAGE_SHIFT); va < end; va += SIM_PAGE_SIZE) {
		if (is_of_file(mm, mapping, va) && pread(fd, &byte, 1, (off_t)va) == 1 &&
			pwrite(fd, &byte, 1, (off_t)va) != 1)
			break;
	}
	close(fd);
}

/* Pins what of one mapping lies in the range; the number pinned. */
static uint64_t pin_mapping(struct sim *sim, struct mm *mm, const struct mapping *mapping,
	uint64_t va, uint64_t count, bool write, struct page **pages)
{
	uint64_t n, wanted = (mapping->end - va) >> SIM_PAGE_SHIFT;
	struct memory *memory;
	uint64_t index;
	bool huge;

	if (!(write ? mapping->writable : mapping->readable || mapping->writable))
		return 0;
	wanted = wanted < count ? wanted : count;
	if (mapping->readable)
		wanted = count_present(mm, va, wanted);
	make_own(mm, mapping, va, wanted);
	memory = wanted ? memory_behind(sim, mm, mapping, va, true, &index) : NULL;
	if (!memory || memory->region || (write && memory->unpinnable))
		return 0;
	huge = memory->huge || real_is_huge(pid_of(mm), mapping);
	for (n = 0; n < wanted; n++) {
		struct page *page = real_page(sim, memory, index + n);

		if (!page)
			break;
		page->compound = huge;
		if (memory == mm->real)
			page->bytes = (uint8_t *)(uintptr_t)(va + (n << SIM_PAGE_SHIFT));
		page->pins++;
		pages[n] = page;
	}
	return n;
}

int64_t real_pin(struct sim *sim, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages)
{
	struct mappings mappings;
	uint64_t done = 0;

	if (!mappings_open(mm, &mappings))
		return 0;
	while (done < count) {
		uint64_t at = va + (done << SIM_PAGE_SHIFT), wanted, got;
		const struct mapping *mapping = mapping_of(&mappings, at);

		if (!mapping)
			break;
		wanted = (mapping->end - at) >> SIM_PAGE_SHIFT;
		if (wanted > count - done)
			wanted = count - done;
		got = pin_mapping(sim, mm, mapping, at, wanted, write, pages + done);
		done += got;
		if (got < wanted)
			break;
	}
	fclose(mappings.list);
	sim->physical.pins += done;
	return (int64_t)done;
}

static struct memory *file_behind(
	const struct sim *sim, const struct mapping *mapping, uint64_t va, uint64_t *index)
{
	*index = (va - mapping->first + mapping->offset) >> SIM_PAGE_SHIFT;
	return real_file_find(sim, mapping->device, mapping->inode);
}

struct memory *real_file_at(
	struct sim *sim, struct mm *mm, uint64_t va, uint64_t end, uint64_t *index, uint64_t *count)
{
	struct memory *memory = NULL;
	const struct mapping *mapping;
	struct mappings mappings;

	*count = 0;
	if (!mappings_open(mm, &mappings))
		return NULL;
	mapping = mapping_of(&mappings, va);
	if (mapping) {
		*count = ((mapping->end < end ? mapping->end : end) - va) >> SIM_PAGE_SHIFT;
		memory = mapping->shared ? file_behind(sim, mapping, va, index) : NULL;
	}
	fclose(mappings.list);
	return memory;
}

bool real_look_up(struct sim *sim, struct mm *mm, uint64_t va, struct page **page, bool *huge)
{
	const struct mapping *mapping;
	struct mappings mappings;
	struct memory *memory;
	uint64_t index;
	bool there;

	va &= ~(SIM_PAGE_SIZE - 1);
	*page = NULL;
	*huge = false;
	if (!mappings_open(mm, &mappings))
		return false;
	mapping = mapping_of(&mappings, va);
	there = mapping && (mapping->readable ? count_present(mm, va, 1) : mapping->writable);
	memory = there ? memory_behind(sim, mm, mapping, va, false, &index) : NULL;
	/* What is not pinned by itself may be the file's. */
	if (there && (!memory || !radix_get(&memory->pages, index)) && is_of_file(mm, mapping, va))
		memory = file_behind(sim, mapping, va, &index);
	if (memory && memory->region)
		there = false;
	else if (memory)
		*page = radix_get(&memory->pages, index);
	*huge = there && ((memory && memory->huge) || real_is_huge(pid_of(mm), mapping));
	fclose(mappings.list);
	return there;
}

size_t real_page_read(const struct page *page, size_t offset, void *to, size_t count)
{
	const struct memory *memory = page->object;

	if (memory->window)
		return real_file_transfer(
			memory, (page->index << SIM_PAGE_SHIFT) + offset, to, count, false);
	return real_read(memory->real_mm, (uint64_t)(uintptr_t)page->bytes + offset, to, count);
}

size_t real_page_write(const struct page *page, size_t offset, const void *from, size_t count)
{
	const struct memory *memory = page->object;

	if (memory->window)
		return real_file_transfer(memory, (page->index << SIM_PAGE_SHIFT) + offset,
			(void *)(uintptr_t)from, count, true);
	return real_write(memory->real_mm, (uint64_t)(uintptr_t)page->bytes + offset, from, count);
}
