/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of the memory of host processes. All with sim->memory_lock. */
#ifndef IOMMUZZ_SIM_MM_REAL_H
#define IOMMUZZ_SIM_MM_REAL_H

#include <sys/types.h>

#include "impl/sim/mm/mm_private.h"

/* One line of a process's list of mappings. */
struct mapping {
	uint64_t first, end; /* bytes, end exclusive */
	uint64_t offset, device, inode;
	bool readable, writable, shared;
	bool huge; /* as its name tells; real_is_huge knows it of every mapping */
};

/* -- real_file.c -- */
/* What is known of a file, NULL: nothing. device as major << 32 | minor. */
struct memory *real_file_find(const struct sim *sim, uint64_t device, uint64_t inode);
/* The same, made if it is new. NULL: nobody lets us at the file, so that its pages count as the
 * process's own. */
struct memory *real_file_of_mapping(struct sim *sim, pid_t pid, const struct mapping *mapping);
/* Whether a mapping is of huge pages, as far as we may look at it. */
bool real_is_huge(pid_t pid, const struct mapping *mapping);
/* Bytes of the file; how many were done, fewer where it has ended. */
size_t real_file_transfer(
	const struct memory *memory, uint64_t at, void *bytes, size_t count, bool write);

/* -- provider_real.c -- */
/* The page of memory at index, made if there is none; NULL: host memory. It lives while pinned. */
struct page *real_page(struct sim *sim, struct memory *memory, uint64_t index);
/* What is known of the file whose shared mapping has va, NULL: nothing; and the place there.
 * *count: pages of [va, end) that the mapping has, 0 where there is none. */
struct memory *real_file_at(struct sim *sim, struct mm *mm, uint64_t va, uint64_t end,
	uint64_t *index, uint64_t *count);
/* The page stands nowhere any more. */
void real_page_leave(struct sim *sim, struct page *page);

/* -- real_region.c -- */
/* Without references. NULL: host memory. */
struct memory *real_region_create(struct sim *sim, uint64_t length);
struct page *real_region_page(struct sim *sim, struct memory *memory, uint64_t index);
/* Without the lock. The address, or what the process's mmap says. */
int64_t real_region_map(
	struct task *task, struct memory *memory, uint64_t addr, uint32_t prot, uint32_t flags);

/* -- real_change.c -- */
/* What is pinned in [address, +length) is from now on a copy that nobody has mapped. */
void real_goes(struct sim *sim, struct mm *mm, uint64_t address, uint64_t length);

#endif
