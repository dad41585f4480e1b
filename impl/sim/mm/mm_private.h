/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of memory, for impl/sim/mm and the system calls. */
#ifndef IOMMUZZ_SIM_MM_MM_PRIVATE_H
#define IOMMUZZ_SIM_MM_MM_PRIVATE_H

#include "impl/sim/file.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/mm/radix.h"
#include "impl/sim/rangetree.h"
#include "impl/sim/sim_private.h"

#define TASK_SIZE ((UINT64_C(1) << 47) - SIM_PAGE_SIZE) /* addresses of a process are below */
#define GIB_PAGES (UINT64_C(1) << 18)

enum memory_kind {
	MEMORY_PRIVATE, /* pages of one mm; they may be shared with other mms until one writes
			   (fork) */
	MEMORY_SHARED,	/* pages of a file, of a shared anonymous mapping, of a driver */
	MEMORY_REAL,	/* pages of a host process */
};

/* What pages belong to. Where a page stands, `pages` holds one reference on it. */
struct memory {
	uint8_t kind;
	bool huge;
	bool far;	     /* some pages lie beyond what is reserved */
	uint16_t generation; /* of pages that are made now */
	uint32_t references; /* mappings, the file, the region */
	uint64_t size;	     /* bytes, MEMORY_SHARED */
	uint64_t base;	     /* page number of index 0, generation 0 */
	uint64_t reserved;   /* page numbers that each generation has */
	uint64_t *later;     /* base of generation 1 and up */
	uint32_t later_count, later_room;
	struct radix pages;   /* by index */
	struct memory *clone; /* while its mm is being forked */
	uint32_t *users;      /* of a region's owner, or NULL */
	struct file *file;    /* what mappings of a region hold, or NULL */
	bool region;	      /* of a driver */
	/* MEMORY_REAL: of a process, or a file */
	const struct mm *real_mm;
	bool is_file, unpinnable; /* unpinnable: not for writing */
	int fd;
	uint8_t *window; /* the file, mapped */
	uint64_t window_size;
	uint32_t mapped; /* a region: mappings by processes of the host */
	uint64_t device, inode;
	struct memory *next; /* of the sim's files */
};

struct mm_region {
	struct memory *memory;
};

struct vma {
	struct range_node node; /* bytes; first */
	uint32_t protection;	/* enum mm_protection */
	bool huge;		/* may only be cut at huge pages */
	struct memory *private; /* NULL: a shared mapping */
	uint64_t private_index; /* page of it at node.first */
	struct memory *shared;	/* what lies behind; NULL: private anonymous memory */
	uint64_t shared_index;
};

#define TRANSLATIONS 4

struct mm {
	struct sim *sim;
	uint32_t number;
	uint32_t users;		  /* of the space; 0: gone */
	uint32_t grabs;		  /* of the structure; the space has one */
	uint32_t shared_mappings; /* mappings with something behind */
	enum mm_provider provider;
	int pid; /* MM_REAL */
	struct range_tree vmas;
	struct rwsem lock;
	uint64_t locked, pinned;
	struct memory *real; /* MM_REAL: its own pages that are pinned */
	struct radix kept;   /* copies of them, by page, while the process is about to end */
	/* The last translations, by address; valid while epoch is the sim's. */
	struct translation {
		uint64_t va; /* of the page */
		struct page *page;
		uint32_t epoch;
		bool writable;
	} cache[TRANSLATIONS];
};

static inline struct translation *mm_translation(struct mm *mm, uint64_t va)
{
	return &mm->cache[(va >> SIM_PAGE_SHIFT ^ va >> 21) % TRANSLATIONS];
}

enum fault_intent {
	INTENT_READ, /* by the processor: any protection but none */
	INTENT_LOOK, /* which page it is: as a pin for reading, but the page stays shared */
	INTENT_WRITE,
	INTENT_PIN_READ,
	INTENT_PIN_WRITE,
};

static inline struct vma *vma_of(struct range_node *node)
{
	return (struct vma *)(void *)node;
}
static inline uint64_t vma_pages(const struct vma *vma)
{
	return (vma->node.last - vma->node.first + 1) >> SIM_PAGE_SHIFT;
}
/* Translations that somebody remembered are void. */
static inline void memory_changed(struct sim *sim)
{
	sim->physical.epoch++;
}

/* -- page.c; with sim->memory_lock -- */
/* A memory without references; NULL: host memory. */
struct memory *memory_create(
	struct sim *sim, enum memory_kind kind, uint64_t pages, uint64_t congruent);
/* Pages that are made from now on have other page numbers than those before. */
bool memory_next_generation(struct sim *sim, struct memory *memory);
void memory_put(struct sim *sim, struct memory *memory);
/* A new page for index, with one reference that the caller stores; NULL: host memory. */
struct page *page_create(
	struct sim *sim, struct memory *memory, uint64_t index, uint16_t generation);
/* memory gives up its reference on a page, which stands at no place of it any more. */
void page_leave(struct sim *sim, const struct memory *memory, struct page *page);
/* Gives up the pages [index, +count). Whether there were any. */
bool memory_drop(struct sim *sim, struct memory *memory, uint64_t index, uint64_t count);
/* The bytes, made if there are none; NULL: host memory. */
uint8_t *page_bytes(struct sim *sim, struct page *page);
/* Changes bytes and, if report is not NULL, tells that task's owner. known_va: where the task sees
 * the page, or 0. */
bool page_store(struct sim *sim, struct task *report, struct page *page, size_t offset,
	const void *from, size_t count, uint64_t known_va);

/* -- provider_sim.c; with sim->memory_lock -- */
struct vma *mm_find_vma(const struct mm *mm, uint64_t va);
/*
 * What va shows for that use: false when it faults. *page NULL: zeroes that no page stands for yet
 * (INTENT_READ only, unless make).
 */
bool sim_fault(struct mm *mm, uint64_t va, enum fault_intent intent, bool make, struct page **page);
/* Pins count pages of vma from its page at on; the number pinned. */
uint64_t sim_pin(
	struct sim *sim, const struct vma *vma, uint64_t at, uint64_t count, struct page **pages);
/* The page of a file's memory, made if there is none; NULL: beyond the end or host memory. */
struct page *memory_page(struct sim *sim, struct memory *memory, uint64_t index);
/* Whether the mapping shows the page, and where. */
bool vma_shows(const struct vma *vma, const struct page *page, uint64_t *va);

/* -- provider_real.c -- */
size_t real_read(const struct mm *mm, uint64_t va, void *to, size_t count);
size_t real_write(const struct mm *mm, uint64_t va, const void *from, size_t count);
int64_t real_pin(struct sim *sim, struct mm *mm, uint64_t va, uint64_t count, bool write,
	struct page **pages);
/* Whether there is a page that may be read; *page NULL: it is not pinned. *huge: it is part of a
 * huge page. */
bool real_look_up(struct sim *sim, struct mm *mm, uint64_t va, struct page **page, bool *huge);
/* Bytes done. */
size_t real_page_read(const struct page *page, size_t offset, void *to, size_t count);
size_t real_page_write(const struct page *page, size_t offset, const void *from, size_t count);
/* The end of the space: pinned pages stay as copies. */
void real_release(struct sim *sim, struct mm *mm);

/* -- real_file.c -- */
int64_t real_file_pin(struct sim *sim, struct memory *memory, uint64_t index, uint64_t count,
	struct page **pages);
/* Nobody refers to it any more. */
void real_file_forget(struct sim *sim, struct memory *memory);

/* -- address_space.c -- */
/* With mem and the argument windows, one user. NULL: host memory. */
struct mm *mm_create(struct sim *sim, enum mm_provider provider);
/* An mm without mappings. */
struct mm *mm_create_empty(struct sim *sim, enum mm_provider provider);
/* References of a mapping that was copied or is going away. */
void vma_open(struct mm *mm, const struct vma *vma);
void vma_close(struct mm *mm, struct vma *vma);

/* -- fork.c: the child's memory, with one user; NULL: host memory, or a real process -- */
struct mm *mm_fork(struct task *task, struct mm *parent);

/* -- user_copy.c: loads and stores of the program itself; bytes done before the first fault -- */
/* What every user copy passes once, before its first byte: the scheduling and the fault point.
 * False: it fails here. */
bool user_copy_begins(struct task *task);
size_t user_load(struct task *task, uint64_t from, void *to, size_t count);
size_t user_store(struct task *task, uint64_t to, const void *from, size_t count);

/* -- memfd.c -- */
int memfd_create_file(struct task *task, uint64_t size, uint32_t flags, struct file **file);
void memfd_release(struct task *task, struct file *file);
int memfd_truncate(struct task *task, struct file *file, uint64_t size);
int64_t memfd_read(struct task *task, struct file *file, uint64_t at, uint64_t length);
int64_t memfd_write(struct task *task, struct file *file, uint64_t at, uint64_t length);

/* -- account.c: the user with that uid and a reference; NULL: host memory -- */
struct user *user_find(struct sim *sim, uint32_t uid);

#endif
