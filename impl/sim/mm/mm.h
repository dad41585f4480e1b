/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the simulated machine: address spaces, pages, pins, locked-memory accounting and user
 * copies. One interface, two providers chosen per process: simulated pages (provider_sim.c) and the
 * real memory of the host process (provider_real.c, for the shim). Nothing outside impl/sim/mm
 * knows which.
 */
#ifndef IOMMUZZ_SIM_MM_MM_H
#define IOMMUZZ_SIM_MM_MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/sim/sim.h"

struct file;

#define MEM_BASE      UINT64_C(0x10000000000) /* mem of each process: private, anonymous, read-write */
#define ARGUMENT_BASE UINT64_C(0x20000000000) /* nine windows of 64 KiB, read-write */
#define ARGUMENT_SIZE (9 * UINT64_C(0x10000))
#define MMAP_BASE     UINT64_C(0x30000000000) /* mmap without an address: first fit upwards */

enum mm_protection { MM_READ = 1, MM_WRITE = 2, MM_EXEC = 4 };

/*
 * One page of backing memory. Lives while a mapping or file refers to it (refs) or it is pinned
 * (pins). Its bytes are poisoned and its phys never reused once both are 0. Contiguous pages of one
 * mapping or file have contiguous phys, congruent to their address modulo 1 GiB.
 */
struct page {
	uint64_t phys;	     /* simulated physical address */
	uint32_t refs;	     /* mappings and files */
	uint32_t pins;	     /* long-term pins */
	uint8_t *bytes;	     /* NULL: all zero, not written yet; real provider: its address in that
				process */
	uint64_t index;	     /* page index in the object it belongs to */
	void *object;	     /* anonymous object or file; NULL once the page has left it (unmapped,
				replaced, truncated) */
	uint16_t generation; /* which page at this index it is: a new one has another phys */
	bool compound;	     /* part of a huge page (10.10) */
};

/* -- address spaces (current process unless an mm is given; locks mmap_lock inside) -- */

/* mmap of anonymous memory or a memfd's file object. addr 0 or hint: first fit from MMAP_BASE.
 * flags as in the UAPI. */
int64_t mm_mmap(struct task *task, uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags,
	struct file *file, uint64_t offset);
/* What mmap of a file that ends at offset end at most checks before the file is asked: 0 or
 * negative errno. */
int mm_check_file_map(
	uint64_t addr, uint64_t length, uint32_t flags, uint64_t end, uint64_t offset);
/*
 * Makes the place that mmap has before the file's own code runs: what FIXED replaces goes, and
 * stays away when the file refuses; beyond the limit of the address space, which is ours, it stays.
 * length: whole pages, checked by mm_check_file_map. 0 or -ENOMEM.
 */
int mm_make_room(struct task *task, uint64_t addr, uint64_t length, uint32_t flags);
int mm_munmap(struct task *task, uint64_t addr, uint64_t length);
int mm_mprotect(struct task *task, uint64_t addr, uint64_t length, uint32_t prot);
/* References on an mm that keep the structure, not the address space (mmgrab), and that keep the
 * space (mmget). */
struct mm *mm_grab(struct mm *mm);
void mm_drop(struct task *task, struct mm *mm);
/* True and a reference if the address space still exists (its process has not exited or replaced
 * it). */
bool mm_get(struct mm *mm);
void mm_put(struct task *task, struct mm *mm);
bool mm_alive(const struct mm *mm);
/* Unique number of the address space in the sim, for dumps. */
uint32_t mm_number(const struct mm *mm);

/* -- user copies of the running task: one fault point USER_COPY and one scheduling point each; 0 or
 * -EFAULT -- */
int copy_from_user(struct task *task, void *to, uint64_t from, size_t count);
int copy_to_user(struct task *task, uint64_t to, const void *from, size_t count);
/* Writes zeros: one copy whatever its length. */
int clear_user(struct task *task, uint64_t to, uint64_t count);
/* 1: all zero, 0: some byte is not, -EFAULT. One copy whatever its length. */
int check_zeroed_user(struct task *task, uint64_t from, uint64_t count);
/*
 * Copies as a kernel thread that has borrowed mm (kept alive with mm_get): what the processor may
 * do there counts, as in a user copy. Writes report changes of the running task's memory. No fault
 * point. 0 or -EFAULT.
 */
int mm_copy_borrowed(
	struct task *task, struct mm *mm, uint64_t va, void *buffer, size_t count, bool write);
/*
 * Accesses for the harness: no fault point, no report of changes; they stop where the process
 * itself would fault. Return the number of bytes done.
 */
size_t mm_poke(struct mm *mm, uint64_t to, const void *from, size_t count);
size_t mm_peek(struct mm *mm, uint64_t from, void *to, size_t count);

/* -- pages -- */
/*
 * Pins up to count pages from page-aligned va in mm (whose space the caller keeps alive with
 * mm_get), long-term, with write intent if write. Returns the pages pinned (may be fewer than count
 * when a later one is bad), or -EFAULT when the first is not mapped or not permitted. No fault
 * point here: callers pass PIN themselves.
 */
int64_t mm_pin(struct task *task, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages);
/* The same as for the mm of another process, whichever it is: permissions are asked first. */
int64_t mm_pin_remote(struct task *task, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages);
/* The page now visible at va in the task's own mm (faulted in for read), NULL when none. Takes no
 * reference. */
struct page *mm_visible_page(struct task *task, uint64_t va);
/* A page as it was when it was seen; by now it may be gone, so that page is there to compare it
 * with others only. NULL: the page of zeroes. */
struct page_view {
	const struct page *page;
	uint64_t phys;
	uint32_t pins;
	bool compound; /* part of a huge page, which nobody counts by pieces (10.10) */
};
/*
 * The same for a caller that may name any address (10.9, 10.10, 10.14): 0, -EFAULT, or -EOVERFLOW
 * for the last page there can be, whose end is not a number.
 */
int mm_look_up(struct task *task, uint64_t va, struct page_view *seen);
/*
 * Pins count pages of a memfd's file from page index on, all or none. -EINVAL when a page ends
 * beyond the file's size or for another kind of file, -ENOMEM (host memory). No fault point.
 */
int64_t file_pin(
	struct task *task, struct file *file, uint64_t index, uint64_t count, struct page **pages);
/* Gives pins back; pages without pins and references are poisoned and freed. */
void page_unpin(struct task *task, struct page **pages, uint64_t count);
/* Bytes of a page; offset + count <= 4096. Writes report changes of the running task's memory. */
void page_read(struct task *task, const struct page *page, size_t offset, void *to, size_t count);
void page_write(
	struct task *task, struct page *page, size_t offset, const void *from, size_t count);
/* The live page at a physical address, NULL when there is none (freed: a use after unpin). */
struct page *page_at(const struct sim *sim, uint64_t phys);
/* Pages that exist now, and the sum of their pins. For the audit. */
uint64_t mm_pages(const struct sim *sim);
uint64_t mm_pins(const struct sim *sim);

/* -- pages of a driver that processes map, specification 5.4 -- */
struct mm_region;
/*
 * length bytes of zeroed pages, or NULL (host memory). Each mapping of it, also those that fork and
 * splits make, adds one to *users and holds file (NULL: none) while it lasts. No page of it can be
 * looked up or pinned.
 */
struct mm_region *mm_region_create(
	struct task *task, uint64_t length, uint32_t *users, struct file *file);
/* The owner's end of it; mappings that are left do not touch *users any more. */
void mm_region_destroy(struct task *task, struct mm_region *region);
/* Its page number index, for page_read and page_write. NULL: beyond the end, or host memory. */
struct page *mm_region_page(struct task *task, struct mm_region *region, uint64_t index);
/* Maps all of it, shared; addr and flags as in mm_mmap. The address, -ENOMEM. */
int64_t mm_region_map(
	struct task *task, struct mm_region *region, uint64_t addr, uint32_t prot, uint32_t flags);
/* How many mappings of it there are. */
uint32_t mm_region_mappings(const struct mm_region *region);

/* -- locked-memory accounting, specification 11 -- */
struct user; /* one per uid, shared by all its processes */
struct user *process_user(const struct process *process); /* reference taken by user_get */
struct user *user_get(struct user *user);
void user_put(struct task *task, struct user *user);
uint64_t user_locked(const struct user *user); /* pages */
uint32_t user_id(const struct user *user);
uint64_t mm_locked(const struct mm *mm); /* VmLck in pages */
uint64_t mm_pinned(
	const struct mm *mm); /* VmPin in pages; may go below 0 as the specification says (11) */
void mm_pinned_add(struct mm *mm, int64_t pages);
/* Adds if the total stays within limit (pages); false otherwise. No fault point. */
bool user_locked_add(struct user *user, uint64_t pages, uint64_t limit);
void user_locked_sub(struct user *user, uint64_t pages);
bool mm_locked_add(struct mm *mm, uint64_t pages, uint64_t limit);
void mm_locked_sub(struct mm *mm, uint64_t pages);
/* RLIMIT_MEMLOCK of a process in pages, now. A process structure stays valid while referenced. */
uint64_t process_memlock(const struct process *process);
struct process *process_get(struct process *process);
void process_put(struct task *task, struct process *process);

#endif
