/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference model: private structs and the functions that its sources share. Written from the
 * specification alone and naive on purpose: sorted arrays, linear scans, one page at a time. It
 * includes nothing of impl but impl/abi. One model is one machine; there is no file-scope state.
 * All errors are negative errno; all memory belongs to the model's pool. How calls of several
 * threads run in turns: model_turns.h.
 */
#ifndef IOMMUZZ_FUZZ_ORACLE_MODEL_H
#define IOMMUZZ_FUZZ_ORACLE_MODEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fuzz/exec/target.h"
#include "fuzz/prog/prog.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define MODEL_PAGE	  UINT64_C(4096)
#define MODEL_HUGE	  UINT64_C(0x200000)
#define MODEL_TASK_SIZE	  UINT64_C(0x7ffffffff000) /* end of user addresses */
#define MODEL_MMAP_BASE	  UINT64_C(0x30000000000)  /* addresses of mmap without FIXED, upwards */
#define MODEL_FIRST_FD	  3			   /* 0 to 2 are in use in every process */
#define MODEL_FD_MAX	  1024			   /* RLIMIT_NOFILE */
#define MODEL_UNMAP_TRIES 100			   /* 3.9 step 7 */

struct model;
struct model_command;
struct model_viommu;
struct model_object;
struct model_file;
struct model_context;

/* A lock of 12.1 that some command holds over more than one of its steps (model_turns.h). */
struct model_lock {
	uint32_t readers;
	bool writer;
};

/* ---- model_pool.c: memory of the model ---- */

#define MODEL_POOL_CLASSES 48

struct model_chunk {
	struct model_chunk *next;
	size_t room;
};

struct model_pool {
	void *free[MODEL_POOL_CLASSES]; /* by power of two */
	struct model_chunk *chunks;	/* the first one is carved up by `used` */
	struct model_chunk *spare;	/* emptied by a reset */
	struct model_chunk *large;
	size_t used;
};

/* A sorted or ordered array of elements of `width` bytes. Pointers to elements last until the next
 * insert. */
struct model_array {
	void *data;
	uint32_t count, room, width;
};

/* Zeroed memory; ends the program when there is none. */
void *model_alloc(struct model *model, size_t size);
/* Returns memory of model_alloc; size as asked for. NULL is ignored. */
void model_free(struct model *model, void *memory, size_t size);
void model_pool_reset(struct model_pool *pool);
void model_pool_end(struct model_pool *pool);

void model_array_init(struct model_array *array, uint32_t width);
/* Makes room for one zeroed element at index and returns it. */
void *model_array_insert(struct model *model, struct model_array *array, uint32_t index);
void model_array_remove(struct model_array *array, uint32_t index, uint32_t count);
void model_array_end(struct model *model, struct model_array *array);
static inline void *model_array_at(const struct model_array *array, uint32_t index)
{
	return (char *)array->data + (size_t)index * array->width;
}

/* ---- model_memory.c: pages, mappings, user copies ---- */

/* A page of memory. Its identity is its address; content NULL stands for zeros. */
struct model_page {
	uint32_t refs; /* mappings of private memory, slot of a file, pins */
	uint32_t pins;
	uint64_t index; /* address / page if private (memory never moves), else page of the file */
	uint8_t *content;
};

/* A page at a place in a file or address space. */
struct model_slot {
	uint64_t index; /* address / page, or page index in an object */
	struct model_page *page;
	bool copy_on_write; /* private memory shared by fork */
};

/* A memfd or shared anonymous memory. */
struct model_backing {
	uint32_t refs; /* VMAs, files */
	struct model_object
		*owner;		  /* pages of a driver (5.4): each VMA uses it; NULL: it is gone */
	struct model_file *holds; /* and holds the iommufd; NULL: not a driver's */
	uint64_t size;		  /* bytes */
	bool huge;		  /* of huge pages */
	struct model_array slots; /* struct model_slot by index */
};

struct model_vma {
	uint64_t start, end;	       /* bytes, end exclusive */
	uint64_t offset;	       /* of start in the object, bytes */
	struct model_backing *backing; /* NULL: private anonymous */
	uint8_t prot;		       /* enum call_prot */
	bool shared;
	bool huge; /* of huge pages, and mapped by them */
};

struct model_mm {
	uint32_t refs;		  /* processes and pages objects */
	bool alive;		  /* false after exit or exec: nothing is mapped any more */
	uint64_t locked;	  /* pages charged in mode MM */
	uint64_t pinned;	  /* VmPin, informational (11) */
	struct model_array vmas;  /* struct model_vma by start */
	struct model_array slots; /* struct model_slot: private pages by address */
};

/* How a page is wanted. Copies go through the processor, the others through get_user_pages. */
enum model_fault_kind {
	MODEL_COPY_IN,
	MODEL_COPY_OUT,
	MODEL_LOOK,	/* read, short: comparing pages in tests */
	MODEL_PIN_READ, /* long-term */
	MODEL_PIN_WRITE,
	MODEL_REMOTE_READ, /* one page of another mm */
	MODEL_REMOTE_WRITE,
};

struct model_mm *model_mm_new(struct model *model);
/* With mem and the argument windows mapped. */
struct model_mm *model_mm_fresh(struct model *model);
struct model_mm *model_mm_fork(struct model *model, struct model_mm *parent);
/* The last process leaves: everything is unmapped. */
void model_mm_exit(struct model *model, struct model_mm *mm);
void model_mm_put(struct model *model, struct model_mm *mm);

struct model_page *model_page_new(struct model *model, uint64_t index);
void model_page_put(struct model *model, struct model_page *page);
void model_page_pin(struct model_page *page);
void model_page_unpin(struct model *model, struct model_page *page);
void model_page_read(const struct model_page *page, uint64_t offset, void *bytes, uint64_t count);
void model_page_write(struct model *model, struct model_page *page, uint64_t offset,
	const void *bytes, uint64_t count);
/* The same, and reports it at every address where the calling process sees the page. */
void model_store(struct model *model, struct model_page *page, uint64_t offset, const void *bytes,
	uint64_t count);

struct model_backing *model_backing_new(struct model *model, uint64_t size);
void model_backing_put(struct model *model, struct model_backing *backing);
/* A VMA begins or ends. */
void model_backing_map(struct model_backing *backing);
void model_backing_unmap(struct model *model, struct model_backing *backing);
/* At the end of a call: files that VMAs let go. */
void model_release_late(struct model *model);
/* The page of that index, made when it is not there yet and `make` is set. NULL otherwise. */
struct model_page *model_backing_page(
	struct model *model, struct model_backing *backing, uint64_t index, bool make);
/* ftruncate: pages beyond the end leave the file and every mapping of it, pinned ones stay alive.
 */
void model_backing_resize(struct model *model, struct model_backing *backing, uint64_t size);

struct model_vma *model_vma_find(const struct model_mm *mm, uint64_t address);
/* Index of the first VMA that ends above address. */
uint32_t model_vma_index(const struct model_mm *mm, uint64_t address);
void model_vma_add(struct model *model, struct model_mm *mm, const struct model_vma *vma);
void model_vma_remove(struct model *model, struct model_mm *mm, uint64_t start, uint64_t end);
/* Cuts the VMA that contains address in two. */
void model_vma_split(struct model *model, struct model_mm *mm, uint64_t address);

/* The page at address as wanted; 0 with *page NULL stands for the zero page (read of untouched
 * memory). */
int model_fault(struct model *model, struct model_mm *mm, uint64_t address,
	enum model_fault_kind kind, struct model_page **page);

/*
 * Copies of the kernel, each one pass of fault point user-copy. A copy that meets a bad page has
 * done what lies before it. Writes are reported. -EFAULT.
 */
int model_copy_in(struct model *model, void *to, uint64_t address, uint64_t count);
int model_copy_out(struct model *model, uint64_t address, const void *from, uint64_t count);
/* One copy of zeros. */
int model_copy_clear(struct model *model, uint64_t address, uint64_t count);
/* The tail scan of 1.3 step 6, one copy: 0, -E2BIG or -EFAULT. */
int model_copy_tail(struct model *model, uint64_t address, uint64_t count);
/* The same without being counted: returns how many bytes were copied. */
uint64_t model_peek(
	struct model *model, struct model_mm *mm, void *to, uint64_t address, uint64_t count);
uint64_t model_poke(struct model *model, struct model_mm *mm, uint64_t address, const void *from,
	uint64_t count);
/* What the executor puts into memory before a call: leaves out bad pages, is not reported. */
void model_place(struct model *model, struct model_mm *mm, uint64_t address, const void *from,
	uint64_t count);
/* One pass of a fault point that the model counts itself. True: it fails now. */
bool model_should_fail(struct model *model, enum fault_point point);

/* ---- model_process.c: processes, descriptors, files ---- */

/* What survives of a process while pages are charged to it: its limit and user. */
struct model_task {
	uint32_t refs;
	uint32_t uid;
	uint32_t caps;
	uint64_t memlock; /* bytes */
};

enum model_file_kind {
	MODEL_FILE_IOMMU,
	MODEL_FILE_ACCESS,
	MODEL_FILE_MEMFD,
	MODEL_FILE_DMABUF,
	MODEL_FILE_FAULT,
	MODEL_FILE_VEVENTQ,
};

struct model_file {
	uint32_t refs;		       /* descriptors, calls in progress, accesses */
	uint8_t kind;		       /* enum model_file_kind */
	struct model_context *context; /* IOMMU */
	struct model_access *access;   /* ACCESS */
	struct model_backing *memory;  /* MEMFD, DMABUF */
	struct model_array attached;   /* DMABUF: struct model_pages * */
	uint32_t open_flags;	       /* DMABUF */
	bool revoked;		       /* DMABUF */
	struct model_fault *fault;     /* FAULT */
	struct model_veventq *veventq; /* VEVENTQ */
	uint64_t offset;	       /* MEMFD */
};

struct model_descriptor {
	struct model_file *file; /* NULL: free */
	bool close_on_exec;
	bool reserved; /* the number is taken, but there is no open file yet */
};

struct model_process {
	bool alive;
	struct model_task *task;
	struct model_mm *mm;
	struct model_array
		files; /* struct model_descriptor, index is the number - MODEL_FIRST_FD */
	uint8_t calls[EXEC_THREADS]; /* that each thread is in; callbacks nest */
};

struct model_uid {
	uint32_t uid;
	uint64_t locked; /* pages charged in mode USER */
};

/* Without memory: the caller sets mm. */
void model_process_start(struct model *model, struct model_process *process, uint32_t uid,
	uint32_t caps, uint64_t memlock);
/* child is not alive. */
void model_process_fork(
	struct model *model, struct model_process *parent, struct model_process *child);
void model_process_exec(struct model *model, struct model_process *process);
void model_process_exit(struct model *model, struct model_process *process);
struct model_task *model_task_get(struct model_task *task);
void model_task_put(struct model *model, struct model_task *task);
struct model_uid *model_uid(struct model *model, uint32_t uid);

/* The file behind a descriptor of the current process, NULL if not open. */
struct model_file *model_file_at(struct model *model, uint64_t fd);
struct model_file *model_file_new(struct model *model, enum model_file_kind kind);
void model_file_put(struct model *model, struct model_file *file);
/* Takes over the caller's reference. The number, or -EMFILE (the reference stays with the caller).
 */
int64_t model_file_install(struct model *model, struct model_process *process,
	struct model_file *file, bool close_on_exec);
/* As install, but the descriptor is not open before model_file_publish; model_file_withdraw frees
 * the number again and leaves the reference with the caller. */
int64_t model_file_reserve(struct model *model, struct model_process *process,
	struct model_file *file, bool close_on_exec);
void model_file_publish(struct model_process *process, uint64_t fd);
void model_file_withdraw(struct model_process *process, uint64_t fd);
/* Takes the file out of the process's table; NULL if not open. The reference goes to the caller. */
struct model_file *model_file_remove(struct model_process *process, uint64_t fd);

/* ---- model_pages.c: sources of mappings, pins, accounting ---- */

enum model_account { MODEL_ACCOUNT_NONE, MODEL_ACCOUNT_USER, MODEL_ACCOUNT_MM };

/* A page of a source that somebody needs (3.2): it is pinned while need > 0. */
struct model_need {
	uint64_t index;
	struct model_page *page;
	uint32_t need; /* areas in an IOAS with a domain, and access records */
};

/* A pin of an access: an index interval (7.5). */
struct model_record {
	uint64_t first, last;
	uint32_t users;
};

/* The source bytes of a mapping, shared by COPY (3.1). */
struct model_pages {
	uint32_t refs; /* areas */
	struct model_mm *mm;
	struct model_task *task;
	struct model_file *file; /* MAP_FILE (4.7); NULL: memory of mm */
	uint64_t start;		 /* address or offset in the file, page aligned */
	uint64_t page_count;
	bool writable;
	bool dead;		    /* of a dma-buf that has taken its memory back (4.7) */
	uint8_t account;	    /* enum model_account */
	uint64_t kept;		    /* pages paid for and not pinned any more: mode MM, mm gone */
	struct model_array needs;   /* struct model_need by index */
	struct model_array records; /* struct model_record */
};

/* length bytes from an address, or from that offset of a file unless it is NULL; takes a reference
 * on the file. */
struct model_pages *model_pages_new(struct model *model, struct model_context *context,
	struct model_file *file, uint64_t address, uint64_t length, bool writable);
struct model_pages *model_pages_get(struct model_pages *pages);
void model_pages_put(struct model *model, struct model_pages *pages);
/* Every page of [first, last] is needed once more: pins, then charges what is new. Nothing stays on
 * failure. */
int model_pages_need(struct model *model, struct model_pages *pages, uint64_t first, uint64_t last);
void model_pages_release(
	struct model *model, struct model_pages *pages, uint64_t first, uint64_t last);
/* The page of that index as its source has it now, for a pin. */
int model_pages_source(
	struct model *model, struct model_pages *pages, uint64_t index, struct model_page **page);
/* Step 4 of 4.18: whether the running process has to pay for what somebody else pays now. */
bool model_pages_foreign(const struct model *model, const struct model_pages *pages);
/* Step 6: it belongs to the running process, which pays for it. -EINVAL, and done all the same:
 * what the old owner paid cannot be returned, as his memory is gone. */
int model_pages_adopt(struct model *model, struct model_pages *pages);
/* The pinned page of that index, NULL if nobody needs it. */
struct model_page *model_pages_pinned(const struct model_pages *pages, uint64_t index);

/* ---- model_dmabuf.c ---- */

/* Whether a descriptor was opened for reading, or writing: of the others all are. */
bool model_opened_for(const struct model_file *file, bool write);
void model_dmabuf_end(struct model *model, struct model_file *file);
bool model_pages_of_dmabuf(const struct model_pages *pages);
/* Pages of its file, which is a dma-buf, belong to it while they live. */
void model_dmabuf_attach(struct model *model, struct model_pages *pages);
void model_dmabuf_detach(struct model_pages *pages);
/* The page of that index, NULL when the memory was taken back. */
struct model_page *model_dmabuf_page(const struct model_pages *pages, uint64_t index);

/* ---- model_ids.c: contexts and objects ---- */

enum model_type {
	MODEL_IOAS = 1 << 0,
	MODEL_HWPT = 1 << 1,
	MODEL_DEVICE = 1 << 2,
	MODEL_ACCESS = 1 << 3,
	MODEL_SELFTEST = 1 << 4,
	MODEL_FAULT = 1 << 5,
	MODEL_NESTED = 1 << 6,
	MODEL_VIOMMU = 1 << 7,
	MODEL_VDEVICE = 1 << 8,
	MODEL_HW_QUEUE = 1 << 9,
	MODEL_VEVENTQ = 1 << 10,
};

struct model_object {
	uint32_t id;	/* 0 after it has left the table */
	uint32_t type;	/* enum model_type */
	uint32_t users; /* 2.3: 1 for the table plus one an edge or lookup; 0 outside the table */
	uint32_t wait_cnt; /* 2.3: 1 for the table plus one a lookup or callback */
	uint64_t serial;   /* no two objects of a machine have the same */
	bool reserved;	   /* has an id, but is not published (2.2) */
};

struct model_context {
	struct model_file *file;
	struct model_array objects; /* struct model_object *, index is the id - 1; NULL is free */
	struct model_ioas *compat;  /* of VFIO's calls (8), without a reference */
	struct model_lock creation; /* ioas_creation_lock (12.1) */
	bool mode_mm;		    /* accounting (11) */
};

struct model_context *model_context_new(struct model *model, struct model_file *file);
/* Last close (2.6). */
void model_context_end(struct model *model, struct model_context *context);
/* Gives the lowest free id, which no lookup finds yet. The object must start with struct
 * model_object. */
void model_object_reserve(struct model *model, struct model_context *context,
	struct model_object *object, enum model_type type);
void model_object_publish(struct model_object *object);
/* Both at once. */
void model_object_add(struct model *model, struct model_context *context,
	struct model_object *object, enum model_type type);
/* Frees the id; nothing happens when that was done already. */
void model_object_remove(struct model_context *context, struct model_object *object);
/* No lookup finds the object any more, and nobody gets its id (2.2). False: it has none. */
bool model_object_entomb(
	struct model *model, struct model_context *context, struct model_object *object);
/* The object of one of the types, or NULL. Without a reference: good until the next phase. */
void *model_object_find(const struct model_context *context, uint32_t id, uint32_t types);
/* A lookup of 2.3, a step of its own: the object with a reference, or NULL. */
void *model_object_get(
	struct model *model, const struct model_context *context, uint32_t id, uint32_t types);
/* Gives the reference back in the running step, or in one of its own. */
void model_object_release(struct model_object *object);
void model_object_put(struct model *model, struct model_object *object);
/* The attempt of 2.7: destroys the object if it is still that one and nobody else uses it. */
void model_object_try_destroy(
	struct model *model, struct model_context *context, uint32_t id, uint64_t serial);

/* ---- model_ioas.c, model_map.c ---- */

struct model_range {
	uint64_t start, last; /* inclusive */
	const void *owner;    /* reservations: domain, or NULL for the test's */
};

struct model_area {
	uint64_t start, last;
	struct model_pages *pages;
	uint64_t offset; /* of start in pages, bytes */
	bool readable, writeable;
	bool prevent_access;
	bool transitional; /* 3.1: being mapped or unmapped */
	bool filled;	   /* mapped into the domains, so its pages are needed */
	bool small;	   /* so without large pages */
	uint64_t serial;   /* objects that there had been then */
	uint32_t accesses; /* num_accesses */
	uint32_t locks;	   /* num_locks */
};

struct model_ioas {
	struct model_object object;
	struct model_array areas;    /* struct model_area * by start */
	struct model_array reserved; /* struct model_range, may overlap */
	struct model_array allowed;  /* struct model_range by start, disjoint */
	struct model_array hwpts;    /* struct model_hwpt * in creation order */
	struct model_array accesses; /* struct model_access * by list index, NULL is free */
	uint64_t alignment;
	bool small_pages;	   /* option HUGE_PAGES is off */
	struct model_lock mutex;   /* of the IOAS (12.1) */
	struct model_lock domains; /* domains_rwsem */
};

struct model_hwpt {
	struct model_object object;
	struct model_context *context;
	struct model_ioas *ioas;
	bool automatic;
	bool joined;		   /* is a domain of the IOAS */
	bool tracks;		   /* can track dirty pages */
	bool tracking;		   /* does so */
	bool huge;		   /* has the huge format */
	bool software;		   /* of devices without an IOMMU (4.22) */
	bool small;		   /* filled without large pages */
	struct model_array dirty;  /* struct model_entry */
	bool parent;		   /* of nested ones */
	struct model_fault *fault; /* gets its faults; NULL: nobody does */
	bool pasids;		   /* was made with the flag PASID */
	uint64_t page_size;	   /* smallest */
	uint64_t first, last;	   /* aperture */
	/* of a nested one; its ioas is that of below, and it is not among the IOAS's */
	struct model_hwpt *below;    /* the parent; NULL: not nested */
	struct model_viommu *viommu; /* made through it, or NULL */
	uint32_t iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM];
};

struct model_viommu {
	struct model_object object;
	struct model_context *context;
	struct model_hwpt *parent;
	struct model_array vdevices; /* struct model_vdevice * */
	struct model_array veventqs; /* struct model_veventq * */
	struct model_lock reports;   /* veventqs_rwsem (12.1) */
	struct model_backing *pages; /* that processes map at `offset`, or NULL */
	uint64_t offset;
	struct model_hw_queue *first_queue;
	bool had_second_queue;
};

struct model_hw_queue {
	struct model_object object;
	struct model_viommu *viommu;
	struct model_access *access;
	struct model_hw_queue *before; /* that it uses, or NULL */
	uint64_t iova, length;	       /* pinned */
	uint32_t index;
};

struct model_vdevice {
	struct model_object object;
	struct model_viommu *viommu;
	struct model_device *device;
	uint64_t virt_id;
};

struct model_attached {
	uint32_t pasid; /* 0: the RID */
	struct model_hwpt *hwpt;
};

struct model_device {
	struct model_object object;
	struct model_context *context;
	struct model_array attached; /* struct model_attached, no order */
	uint32_t flags;		     /* dev_flags of the mock */
	bool known;		     /* others find its stdev */
	bool refuses_reserved;	     /* the next attach of IOMMU_TEST_PASID_RESERVED fails (10.8) */
	struct model_lock group;     /* mutex of its group (12.1) */
	struct model_vdevice *vdevice;
	bool dying;		     /* being unbound */
	struct model_viommu *viommu; /* 10.8: where it reports to, as virt_id */
	uint64_t virt_id;
	struct model_lock reporting; /* of the mock's driver: keeps the two above */
	uint32_t cache[MOCK_DEV_CACHE_NUM];
};

static inline bool model_device_bare(const struct model_device *device)
{
	return device->flags & MOCK_FLAGS_DEVICE_NOIOMMU;
}

struct model_selftest {
	struct model_object object;
	struct model_context *context;
	struct model_device *device;
};

/* What the device's PASID is attached to, 0: the RID; NULL: nothing. */
static inline struct model_hwpt *model_device_hwpt(
	const struct model_device *device, uint32_t pasid)
{
	for (uint32_t i = 0; i < device->attached.count; i++) {
		const struct model_attached *at = model_array_at(&device->attached, i);

		if (at->pasid == pasid)
			return at->hwpt;
	}
	return NULL;
}
static inline bool model_hwpt_is_nested(const struct model_hwpt *hwpt)
{
	return hwpt->object.type != MODEL_HWPT;
}

static inline struct model_area *model_area_at(const struct model_ioas *ioas, uint32_t index)
{
	return *(struct model_area **)model_array_at(&ioas->areas, index);
}
/* Index of the first area whose last byte is at or above iova. */
uint32_t model_area_index(const struct model_ioas *ioas, uint64_t iova);
/* Index of the source's page behind that IOVA of the area. */
uint64_t model_area_page(const struct model_area *area, uint64_t iova);
/* Whether [start, last] is covered by contiguous completed areas. */
bool model_area_cover(const struct model_ioas *ioas, uint64_t start, uint64_t last);

struct model_ioas *model_ioas_new(struct model *model, struct model_context *context);
void model_ioas_end(struct model *model, struct model_ioas *ioas);
/* Reserves for owner; -EADDRINUSE (3.4). */
int model_ioas_reserve(struct model *model, struct model_ioas *ioas, uint64_t start, uint64_t last,
	const void *owner);
void model_ioas_unreserve(struct model_ioas *ioas, const void *owner);
/* Recomputes the alignment; -EADDRINUSE and unchanged when it would rise above what areas have
 * (3.3). */
int model_ioas_realign(struct model_ioas *ioas);
bool model_ranges_intersect(const struct model_array *ranges, uint64_t start, uint64_t last);
/* 3.8 */
int model_ioas_add_domain(struct model *model, struct model_ioas *ioas, struct model_hwpt *hwpt);
void model_ioas_remove_domain(
	struct model *model, struct model_ioas *ioas, struct model_hwpt *hwpt);
/* 10.25 */
uint64_t model_syz_address(const struct model_ioas *ioas, uint64_t value);

/* Pins and charges the area for the domains of its IOAS, if it has any (3.7 phase 2). */
int model_area_fill(struct model *model, struct model_ioas *ioas, struct model_area *area);
/* Out of the domains: undoes model_area_fill, if that was done. */
void model_area_drain(struct model *model, struct model_area *area);
/* Frees the area and what it needs. */
void model_area_remove(struct model *model, struct model_ioas *ioas, uint32_t index);
/* 3.5: the IOVA, or a negative errno in *error. */
uint64_t model_choose_iova(
	const struct model_ioas *ioas, uint64_t address, uint64_t length, int *error);
/* The lowest hole of the reserved set at or above from; false when there is none. */
bool model_reserved_hole(
	const struct model_ioas *ioas, uint64_t from, struct iommu_iova_range *hole);
/* 4.6 from step 5 on; the IOVA goes into the argument. */
int model_map_user(struct model *model, struct model_ioas *ioas, struct model_context *context,
	struct iommu_ioas_map *argument);
/* 4.9, option HUGE_PAGES. */
int model_set_huge_pages(struct model_ioas *ioas, uint64_t value);
/* 3.9; *unmapped gets the bytes. */
int model_unmap(struct model *model, struct model_ioas *ioas, uint64_t start, uint64_t last,
	uint64_t *unmapped);

/* ---- model_access.c ---- */

struct model_pin {
	uint64_t iova, length;
	uint32_t id; /* of a selftest item */
};

struct model_access {
	struct model_object object;
	struct model_context *context;
	bool needs_pin;
	bool has_unmap;
	bool is_selftest;
	bool internal;			      /* of a HW queue: locks what it pins (4.20) */
	bool dying;			      /* no callbacks any more */
	uint32_t uses;			      /* calls in progress through the handle */
	uint8_t callbacks[EXEC_THREADS];      /* that are running, by thread */
	struct model_lock lock;		      /* ioas_lock (12.1) */
	uint64_t handle;		      /* as the creating call returned it */
	struct model_ioas *ioas, *unpin_ioas; /* 7: the second differs during a change */
	struct model_array pins;	      /* struct model_pin */
	uint32_t next_item;
};

struct model_access *model_access_new(struct model *model, struct model_context *context);
int model_access_attach(struct model *model, struct model_access *access, uint32_t ioas_id);
int model_access_replace(struct model *model, struct model_access *access, uint32_t ioas_id);
void model_access_detach(struct model *model, struct model_access *access);
/* Gives back the pins that intersect what a callback names. */
void model_access_drop_pins(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length);
int model_access_pin(struct model *model, struct model_access *access, uint64_t iova,
	uint64_t length, bool write);
void model_access_unpin(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length);
/* 7.2 where nobody else knows the access yet. */
int model_access_join(struct model *model, struct model_access *access, uint32_t ioas_id);
/*
 * A step of its own in which the access is not changing: pin, unpin and rw belong into one, with
 * the books of the driver, whose own lock they are under (12.4).
 */
void model_access_step(struct model *model, struct model_access *access);
/* 7.7 between iova and bytes; flags of enum call_access_flags. *done: bytes of the areas that went
 * through. */
int model_access_rw(struct model *model, struct model_access *access, uint64_t iova, uint8_t *bytes,
	uint64_t length, uint32_t flags, uint64_t *done);
/* Callback of one access (7.8). */
void model_access_notify(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length);
void model_access_destroy(struct model *model, struct model_access *access);

/* 4.20 step 8: an internal access, attached. -EADDRINUSE: it is gone again. */
int model_access_internal(struct model *model, struct model_context *context,
	struct model_ioas *ioas, struct model_access **access);

/* ---- model_hwpt.c ---- */

/* With the mock's default format; its id is reserved. */
struct model_hwpt *model_hwpt_new(
	struct model *model, const struct model_device *device, struct model_ioas *ioas);
/* It is in no IOAS's list (any more). */
void model_hwpt_free(struct model *model, struct model_hwpt *hwpt);
/* Removes the domain from its IOAS and frees it; it has left the table. */
void model_hwpt_end(struct model *model, struct model_hwpt *hwpt);

/* What HWPT_ALLOC answers when all else is done: faults, out_hwpt_id. */
int model_hwpt_answer(struct model *model, struct model_hwpt *hwpt, struct model_command *command);

/* ---- model_nested.c ---- */

/* 6.10: a struct of `size` bytes for a driver, of which `least` must be there. */
int model_user_data(struct model *model, void *data, uint32_t size, uint32_t least,
	uint64_t address, uint32_t length);
/* Cases B and C of HWPT_ALLOC; viommu NULL: B. */
int model_nested_alloc(struct model *model, struct model_hwpt *below, struct model_viommu *viommu,
	struct model_command *command);
/* It has left the table. */
void model_nested_end(struct model *model, struct model_hwpt *hwpt);

/* ---- model_viommu.c ---- */

int model_viommu_invalidate(struct model *model, struct model_viommu *viommu,
	const struct iommu_hwpt_invalidate *request, uint32_t *done);
/* What an iommufd shows at that place (5.4 steps 4 and 5), NULL: nothing. */
struct model_backing *model_region_at(
	const struct model_context *context, uint64_t offset, uint64_t length);
/* They have left the table. */
void model_hw_queue_end(struct model *model, struct model_hw_queue *queue);
void model_viommu_end(struct model *model, struct model_viommu *viommu);
void model_vdevice_end(struct model *model, struct model_vdevice *vdevice);
/* The first step of unbinding (6.2): the device's vDEVICE is a tombstone. It is returned when the
 * caller has to end it. */
struct model_vdevice *model_vdevice_orphan(struct model *model, struct model_device *device);

/* ---- model_dirty.c ---- */

/* A dirty entry of a page table. */
struct model_entry {
	uint64_t start, last;
};

/* What lies in the range is clean, or gone. */
void model_dirty_forget(struct model_hwpt *hwpt, uint64_t start, uint64_t last);
/* The entry with iova becomes dirty; false when there is none. */
bool model_dirty_mark(struct model *model, struct model_hwpt *hwpt, uint64_t iova);

/* ---- model_fault.c ---- */

/* A page request, in its queue or waiting for an answer. */
struct model_request {
	const struct model_device *device;
	uint64_t hwpt; /* serial; of the attachment that it came through, with the PASID */
	uint32_t attached;
	struct iommu_hwpt_pgfault record;
};

struct model_fault {
	struct model_object object;
	struct model_context *context;
	struct model_lock mutex;	      /* (12.1) */
	struct model_array queued, delivered; /* struct model_request */
	bool has_zero; /* an answer has named cookie 0, which can be given out from then on */
};

/* The last descriptor is closed. */
void model_fault_close(struct model *model, struct model_fault *fault);
/* It has left the table. */
void model_fault_end(struct model *model, struct model_fault *fault);
/* Automatic answers (5.2): the attachment to a page table with a queue is gone. A step of its own.
 */
void model_fault_abandon(struct model *model, const struct model_hwpt *hwpt,
	const struct model_device *device, uint32_t pasid);
/* On its descriptor; bytes or a negative errno. */
int64_t model_fault_read(
	struct model *model, struct model_fault *fault, uint64_t at, uint64_t length);
int64_t model_fault_write(
	struct model *model, struct model_fault *fault, uint64_t at, uint64_t length);
/* What is ready, of enum call_poll_events. */
uint32_t model_fault_poll(const struct model_fault *fault);

/* ---- model_veventq.c ---- */

/* An entry of a queue: an event with its data, or the header for those that were lost. */
struct model_event {
	bool lost;
	uint32_t sequence, virt_id;
};

struct model_veventq {
	struct model_object object;
	struct model_context *context;
	struct model_viommu *viommu;
	uint32_t type, depth;
	uint32_t used;		   /* events in it, those that are being read too */
	uint32_t sequence;	   /* of the next entry */
	struct model_array events; /* struct model_event */
};

/* It has left the table. */
void model_veventq_end(struct model *model, struct model_veventq *veventq);
/* The last descriptor is closed. */
void model_veventq_close(struct model *model, struct model_veventq *veventq);
int64_t model_veventq_read(
	struct model *model, struct model_veventq *veventq, uint64_t at, uint64_t length);
uint32_t model_veventq_poll(const struct model_veventq *veventq);

/* ---- model_device.c ---- */

void model_selftest_end(struct model *model, struct model_selftest *selftest);
/* The page and the permissions at an IOVA; NULL when not translated. */
struct model_page *model_translate(const struct model_hwpt *hwpt, uint64_t iova, uint64_t *offset,
	bool *readable, bool *writeable);

/* ---- model_framing.c ---- */

/* The ioctl in progress. */
struct model_command {
	struct model_context *context;
	uint64_t address; /* of the struct, or the argument where it is a number */
	uint32_t user_size;
	uint32_t size; /* sizeof the struct */
	union {
		struct iommu_destroy destroy;
		struct iommu_ioas_alloc ioas_alloc;
		struct iommu_ioas_allow_iovas allow_iovas;
		struct iommu_ioas_copy copy;
		struct iommu_ioas_iova_ranges iova_ranges;
		struct iommu_ioas_map map;
		struct iommu_ioas_map_file map_file;
		struct iommu_ioas_unmap unmap;
		struct iommu_ioas_noiommu_get_pa noiommu_get_pa;
		struct iommu_ioas_change_process change_process;
		struct iommu_option option;
		struct iommu_vfio_ioas vfio_ioas;
		struct iommu_hwpt_alloc hwpt_alloc;
		struct iommu_hw_info hw_info;
		struct iommu_hwpt_set_dirty_tracking set_dirty;
		struct iommu_hwpt_get_dirty_bitmap get_dirty;
		struct iommu_fault_alloc fault_alloc;
		struct iommu_veventq_alloc veventq_alloc;
		struct iommu_hwpt_invalidate invalidate;
		struct iommu_viommu_alloc viommu_alloc;
		struct iommu_vdevice_alloc vdevice_alloc;
		struct iommu_hw_queue_alloc hw_queue_alloc;
		struct iommu_test_cmd test;
		uint8_t bytes[CALL_STRUCT_MAX];
	};
};

/* Writes the struct back (1.4). */
int model_respond(struct model *model, const struct model_command *command);
/* An ioctl on a descriptor of the current process. */
int64_t model_ioctl(struct model *model, uint64_t fd, uint32_t number, uint64_t address);

/* ---- model.c ---- */

/*
 * What a call does: one rule for each implemented row of the catalogue, bound by its id, so that
 * the build fails where one is missing. Ioctls get the command after framing, the others NULL and
 * their arguments in model->arguments. Returns the result or a negative errno.
 */
typedef int64_t (*model_rule)(struct model *model, struct model_command *command);
#define CALL(identifier, ...)                                                                      \
	int64_t model_rule_##identifier(struct model *, struct model_command *);
#define CALL_LATER(identifier, ...)
#include "impl/abi/calls.def"
#undef CALL
#undef CALL_LATER
/* NULL for rows that are not implemented yet. */
model_rule model_rule_of(enum call_id row);

/* The failure that a call asked for. What drivers do in callbacks passes no fault point of it. */
struct model_armed {
	bool active, paused, injected;
	uint8_t point; /* enum fault_point */
	uint16_t nth;  /* from 1 */
	uint32_t passed;
};

struct model {
	struct target_config config;
	struct target_events events;
	struct model_pool pool;
	struct model_process processes[PROG_PROCESS_MAX];
	struct model_array uids; /* struct model_uid */
	struct model_array
		accesses;	/* struct model_access *: in-kernel ones, index is the handle - 1 */
	struct model_array mms; /* struct model_mm * with something mapped */
	struct model_array late; /* struct model_file *: let go by mappings, until the call ends */
	struct model_armed thread_armed[EXEC_THREADS];
	bool turns;	  /* calls of several threads run in turns */
	uint64_t objects; /* made so far */
	/* the call in progress; another one in a callback and in a phase */
	const struct resolved_call *call;
	struct model_process *process; /* that makes it */
	uint8_t *arguments; /* image of a system or in-kernel call: OUT fields are set here */
	struct model_armed *armed; /* of its thread */
	/* of outcomes, by thread and callback depth */
	uint8_t images[EXEC_THREADS][PROG_PROCESS_MAX][CALL_STRUCT_MAX];
	int16_t first_row[256]; /* row of an iommufd command by its low 8 bits, -1 if none */
};

#include "fuzz/oracle/model_turns.h"

#endif
