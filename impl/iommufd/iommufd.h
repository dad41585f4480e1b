/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private structs of impl/iommufd and the functions that its files share. References such as 3.6
 * are to the specification iommufd.md. All errors are negative errno. Locks are those of 12.1, in
 * this order: access lock -> IOAS mutex -> group mutex -> domains_rwsem -> iova_rwsem -> pages
 * mutex.
 */
#ifndef IOMMUZZ_IOMMUFD_IOMMUFD_H
#define IOMMUZZ_IOMMUFD_IOMMUFD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "impl/abi/catalogue.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/iommufd/access.h"
#include "impl/sim/alloc.h"
#include "impl/sim/fault.h"
#include "impl/sim/file.h"
#include "impl/sim/hw/iommu.h"
#include "impl/sim/idr.h"
#include "impl/sim/lock.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/rangemap.h"
#include "impl/sim/rangetree.h"
#include "impl/sim/sim.h"

#define IOMMUFD_ID_MAX 0x7fffffffU /* 2.2 */
#define IOMMUFD_DESTROY_TIMEOUT                                                                    \
	60000U			 /* milliseconds that destroying waits for short references, 2.5 */
#define IOMMUFD_UNMAP_TRIES 100U /* callback rounds that leave pins before EDEADLOCK, 3.9 */
#define IOAS_MAP_FLAGS                                                                             \
	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define IOMMUFD_TEMP_MEMORY 65536U /* bytes of scratch buffer, 10.26 */
#define IOMMUFD_BUFFER_MAX                                                                         \
	(UINT64_C(16) << 20) /* bytes of one access or DMA by the tests, 10.14                     \
			      */

enum object_type {
	OBJECT_ANY, /* lookups only */
	OBJECT_DEVICE,
	OBJECT_HWPT_PAGING,
	OBJECT_HWPT_NESTED,
	OBJECT_IOAS,
	OBJECT_ACCESS,
	OBJECT_SELFTEST,
	OBJECT_FAULT,
	OBJECT_VEVENTQ,
	OBJECT_VIOMMU,
	OBJECT_VDEVICE,
	OBJECT_HW_QUEUE,
	OBJECT_TYPE_COUNT
};

/* The two counters of 2.3. First member of every object. */
struct iommufd_object {
	uint32_t id;
	uint32_t users;
	uint32_t wait_count;
	uint32_t origin; /* task_origin of who made it */
	uint8_t type;	 /* enum object_type */
	bool abandoned;	 /* could not be made; its last user destroys it */
};

/* What all contexts of one machine share; lies inside struct sim. iommufd_start sets it up. */
struct iommufd_machine {
	struct iommufd_context *contexts; /* by age */
	struct iommufd_context *newest;
	struct idr accesses;  /* struct kernel_access by handle; set up while it has users */
	struct spinlock lock; /* the two above */
	uint32_t contexts_made;
	uint32_t temp_memory_limit; /* bytes, 0: IOMMUFD_TEMP_MEMORY */
	uint32_t audit_epoch;	    /* number of the last walk of the audit over pages objects */
	bool moved_uncharged; /* pins got another owner without VmPin, so it is no sum any more, 11
			       */
};

/* One open file description of /dev/iommu. */
struct iommufd_context {
	struct idr objects; /* struct iommufd_object by id; IDR_RESERVED until published */
	struct spinlock objects_lock;
	struct rwsem creation_lock;
	struct wait_queue object_wait; /* a wait_count fell */
	struct file *file;	       /* not owned; what accesses hold */
	struct iommufd_context *next, *previous;
	struct ioas *compat_ioas; /* of VFIO's calls, without a reference; under objects_lock */
	uint32_t number;	  /* from 1 in order of opening, for reports */
	struct spinlock regions_lock;
	struct range_tree regions; /* struct region, what can be mapped, 5.4 */
	uint32_t tombstones;	   /* ids that nobody gets any more, 2.2 */
	bool account_mm;	   /* mode MM of 11 */
	bool no_iommu; /* a group without an IOMMU was attached, 8.7; under objects_lock */
};

struct ioas {
	struct iommufd_object object;
	struct iommufd_context *context;
	struct mutex mutex;		  /* hwpts */
	struct hwpt *hwpts, *newest_hwpt; /* in creation order */
	struct rwsem domains_rwsem, iova_rwsem;
	struct range_map areas;		     /* struct area */
	struct range_tree reserved, allowed; /* struct reserved_range */
	struct iommu_domain **domains;	     /* dense; removal moves the last into the hole */
	uint32_t domain_count, domain_room;
	struct spinlock access_lock; /* accesses, inside the two rwsems and alone while notifying */
	struct access **accesses;    /* by list index, lowest free first; NULL: free */
	uint32_t access_room, access_count;
	uint32_t alignment; /* iova_alignment, 3.3 */
	bool small_pages;   /* option HUGE_PAGES is off */
	uint32_t changes,
		audited; /* journal: the IOAS was touched since the last audit if they differ */
};

/* An interval of IOVAs. Transitional (being mapped or unmapped) while pages is NULL, 3.1. */
struct area {
	struct range_item node; /* IOVAs */
	struct pages *pages;
	struct range_node
		*fill;	 /* page indexes, in pages->filled while domains map it; NULL otherwise */
	uint64_t offset; /* byte of the pages object at the first IOVA */
	uint32_t accesses, locks; /* num_accesses, num_locks; changed under the pages mutex */
	uint32_t origin;	  /* task_origin of who made it */
	uint8_t protection;	  /* enum iommu_protection */
	bool filled;
	bool prevent_access;
	bool piece; /* one of several that a COPY made: its IOVA may be less aligned than the IOAS
		       (4.4) */
};

struct reserved_range {
	struct range_node node;
	const void *owner; /* domain, device, or NULL: the tests' */
};

enum account_mode { ACCOUNT_NONE, ACCOUNT_USER, ACCOUNT_MM };

/* Pages [first, last] that were pinned together; a slot is NULL once nobody needs the page. */
struct pin_run {
	struct range_node node; /* page indexes */
	uint64_t live;		/* slots in use */
	struct page *pages[];
};

/* Pages [first, last] that accesses have pinned, shared by pins of exactly that interval, 7.5. */
struct access_record {
	struct range_node node; /* page indexes */
	uint32_t users;
};

/* A linear run of source bytes, shared by COPY, 3.1. Page indexes count from start. */
struct pages {
	uint32_t references; /* areas, and pieces of a COPY in progress */
	struct mutex mutex;  /* everything below `count` */
	struct mm *mm;
	struct process *process;	 /* the mapper: its user and limit are charged */
	struct file *file;		 /* MAP_FILE, a reference; NULL: memory of mm */
	struct dmabuf *dmabuf;		 /* that it is attached to; of the file */
	struct pages *next_attached;	 /* under that one's lock */
	struct dmabuf_mapping *mappings; /* of a dma-buf: where domains map it */
	uint64_t start;			 /* page-aligned address, of a file the offset */
	uint64_t count;			 /* pages */
	struct range_tree filled;	 /* struct area.fill of those that domains map */
	struct range_tree records;	 /* struct access_record */
	struct range_tree pins;		 /* struct pin_run */
	uint64_t pinned, charged;	 /* pages; equal outside the pages mutex */
	uint32_t audit_epoch, audit_areas,
		audit_accesses; /* what the last walk of the audit has counted */
	uint8_t account;	/* enum account_mode */
	bool writable;
	bool is_dmabuf; /* its memory is never pinned, and belongs to the dma-buf */
	bool revoked;	/* taken back, for good; under the mutex */
	bool changing;	/* found by a CHANGE_PROCESS in progress, under all locks of its walk */
};

struct hwpt {
	struct iommufd_object object;
	struct ioas *ioas; /* a users reference; of a nested one its parent's, without */
	struct iommu_domain *domain;
	struct hwpt *next, *previous; /* in ioas->hwpts */
	bool automatic;		      /* 2.7 */
	bool listed;		      /* in ioas->hwpts and ioas->domains */
	bool nest_parent;	      /* nested ones may stand on it */
	bool pasid_compat;	      /* made with the flag PASID, 6.7 */
	struct fault_queue *fault;    /* a users reference; NULL: its faults go nowhere */
	struct hwpt *parent;	      /* of a nested one: a users reference, unless viommu has it */
	struct viommu *viommu; /* that a nested one was made through: a users reference; or NULL */
	uint32_t iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM]; /* of a nested one, 10.21 */
};

/* A virtual IOMMU on a nesting parent, 4.16, 10.22. */
struct viommu {
	struct iommufd_object object;
	struct iommufd_context *context;
	struct hwpt *parent;	       /* a users reference */
	struct spinlock vdevices_lock; /* vdevices */
	struct vdevice *vdevices;      /* newest first */
	struct rwsem veventqs_rwsem;   /* veventqs */
	struct veventq *veventqs;      /* newest first */
	struct region *region;	       /* what a guest maps; NULL: made without data */
	struct mutex queues_lock;      /* queues */
	struct hw_queue *first_queue;  /* with index 0 */
	bool second_queue;	       /* there was one with index 1; the mock never forgets */
};

/* A hardware queue of a VIOMMU in memory that stays mapped, 4.20, 10.23. */
struct hw_queue {
	struct iommufd_object object;
	struct viommu *viommu;	  /* a users reference */
	struct access *access;	  /* pins its memory */
	struct hw_queue *depends; /* on the queue before it: a users reference; or NULL */
	uint64_t iova, length;	  /* pinned, whole pages */
	uint32_t index;
};

/* Pages of an object that processes map at an offset of the iommufd, 5.4. */
struct region {
	struct range_node node; /* offsets, bytes */
	struct mm_region *pages;
	struct iommufd_context *context;
	struct iommufd_object *owner;
};

/* What a guest calls a device, 4.17. */
struct vdevice {
	struct iommufd_object object;
	struct viommu *viommu; /* a users reference */
	struct device *device; /* both counters */
	struct vdevice *next;  /* of the VIOMMU */
	uint64_t virt_id;
	bool ready; /* the VIOMMU knows the device by it; until then the name is only taken */
};

/* What a PASID from 1 on is attached to. */
struct pasid_slot {
	struct pasid_slot *next;
	struct hwpt *hwpt; /* a users reference */
	uint32_t pasid;
};

/* A bound device. Every device of this machine is alone in its group, so the group is part of it.
 */
struct device {
	struct iommufd_object object;
	struct iommufd_context *context;
	struct mutex group_mutex;	  /* everything below but cache */
	struct hwpt *hwpt;		  /* what the RID is attached to, NULL: blocked */
	struct pasid_slot *pasids;	  /* by pasid */
	struct spinlock attachments_lock; /* changes of the above; faults look it up, too */
	struct iommu_device *hardware;	  /* owned by the driver (struct mock_device) */
	struct vdevice *vdevice;	  /* NULL: it has none */
	bool destroying;		  /* being unbound: gets none any more */
	struct rwsem report_rwsem; /* the driver's, of the two below: who reports keeps them so */
	struct viommu *viommu; /* the hardware's: where it reports to since it was attached, 10.8 */
	uint64_t virt_id;      /* as which it does so */
	uint32_t cache[MOCK_DEV_CACHE_NUM];
};

/* The stdev of the tests, 10.3. */
struct mock_device {
	struct iommufd_object object;
	struct device *device; /* NULL before it is bound */
	struct iommu_device *hardware;
	uint32_t flags; /* MOCK_FLAGS_DEVICE_* */
};

enum access_driver { ACCESS_DRIVER_KERNEL, ACCESS_DRIVER_TEST };

/* An access object, 7. */
struct access {
	struct iommufd_object object;
	struct iommufd_context *context;
	struct file *file; /* keeps the context alive */
	struct mutex lock;
	struct ioas *ioas;	 /* usable now */
	struct ioas *ioas_unpin; /* where unpin works: differs from ioas during a change */
	void *driver_data;	 /* struct kernel_access or struct test_access */
	uint32_t alignment;	 /* PAGE_SIZE if needs_pin, else 1 */
	uint32_t list_index;	 /* in ioas_unpin->accesses */
	uint8_t driver;		 /* enum access_driver */
	bool needs_pin;
	bool has_unmap;
	bool internal; /* of a HW queue: holds no file, is never called back, locks what it pins */
};

/* A pin that a driver has taken and must give back. */
struct access_item {
	struct access_item *next;
	uint64_t iova, length;
	uint32_t id;	 /* ACCESS_PAGES: out_access_pages_id */
	uint32_t origin; /* task_origin of who pinned */
};

/* A task inside a call or callback of an in-kernel driver, on its stack. */
struct driver_frame {
	struct driver_frame *next;
	const struct task *task;
};

/* The driver behind a handle of access_create. Oldest item first. */
struct kernel_access {
	struct access *access;
	struct mutex lock; /* items */
	struct access_item *items, *newest_item;
	struct driver_frame *frames;  /* under the machine's lock, like destroyer */
	const struct task *destroyer; /* no new calls but its own are let in any more */
	struct wait_queue idle;	      /* the last frame went */
	uint64_t handle;
	bool unloading; /* callbacks no longer reach the program */
};

/* The driver behind a descriptor of CREATE_ACCESS, 10.12. */
struct test_access {
	struct access *access; /* NULL before it is created */
	struct mutex lock;     /* items */
	struct access_item *items, *newest_item;
	uint32_t next_item;
	uint32_t flags; /* MOCK_FLAGS_ACCESS_CREATE_* */
};

/* An ioctl in progress, 1.3. */
struct command {
	struct task *task;
	struct iommufd_context *context;
	uint64_t address;   /* of the struct, user */
	uint32_t user_size; /* the size word */
	uint32_t size;	    /* sizeof the struct */
	union {
		uint32_t user_size_word;
		struct iommu_destroy destroy;
		struct iommu_ioas_alloc ioas_alloc;
		struct iommu_ioas_allow_iovas allow_iovas;
		struct iommu_ioas_copy copy;
		struct iommu_ioas_iova_ranges iova_ranges;
		struct iommu_ioas_map map;
		struct iommu_ioas_map_file map_file;
		struct iommu_ioas_unmap unmap;
		struct iommu_ioas_change_process change_process;
		struct iommu_ioas_noiommu_get_pa noiommu_get_pa;
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

static inline struct iommufd_machine *machine_of(const struct task *task)
{
	return sim_iommufd_state(task_sim(task));
}
static inline struct area *area_of(struct range_item *node)
{
	return (struct area *)(void *)((char *)node - offsetof(struct area, node));
}
static inline uint64_t area_length(const struct area *area)
{
	return area->node.last - area->node.first + 1;
}
/* Page indexes of the first and last byte of an area. */
static inline uint64_t area_first_page(const struct area *area)
{
	return area->offset >> SIM_PAGE_SHIFT;
}
static inline uint64_t area_last_page(const struct area *area)
{
	return (area->offset + (area->node.last - area->node.first)) >> SIM_PAGE_SHIFT;
}
/* Page index of one IOVA of an area. */
static inline uint64_t area_page_at(const struct area *area, uint64_t iova)
{
	return (area->offset + (iova - area->node.first)) >> SIM_PAGE_SHIFT;
}
/* Marks an IOAS for the next audit. A lost count does no harm as long as it changes. */
static inline void ioas_touch(struct ioas *ioas)
{
	__atomic_store_n(&ioas->changes, __atomic_load_n(&ioas->changes, __ATOMIC_RELAXED) + 1,
		__ATOMIC_RELAXED);
}

/* ---- dispatch.c ---- */

/* Writes the struct back, min(size word, sizeof) bytes. 0 or -EFAULT. 1.4 */
int command_respond(struct command *command);

/*
 * Data for a driver: a struct of `size` bytes, of which the caller gives `length`, at least
 * `minimum`; the rest is zero. -EINVAL length, -EFAULT. What its type has to be is the driver's
 * business. 6.10
 */
int user_data_copy(struct task *task, void *data, size_t size, size_t minimum, uint64_t address,
	uint32_t length);

/* ---- object.c: the id table and the two counters ---- */

/*
 * Allocates an object of `size` bytes (struct iommufd_object first) and reserves the lowest id.
 * Both counters are 1; lookups fail until object_publish. -ENOMEM, -EBUSY. 2.2
 */
int object_alloc(struct task *task, struct iommufd_context *context, size_t size,
	enum object_type type, struct iommufd_object **out);
void object_publish(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/* Gives back id and memory of an object that was never published and owns nothing any more. */
void object_abort(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/* Looks up and takes a short reference (users and wait_count); NULL: the caller returns -ENOENT.
 * Fault point LOOKUP. */
struct iommufd_object *object_get(
	struct task *task, struct iommufd_context *context, uint32_t id, enum object_type type);
/* The same for an object that the caller knows to exist; false when it is being destroyed. */
bool object_try_get(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/* Both counters of a short reference; false: it is being destroyed. The table lock is held. */
bool object_lock_counters(struct task *task, struct iommufd_object *object);
/* Drops a short reference: users first, then wait_count. 2.3 */
void object_put(struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/* An edge of table 2.4. The caller holds another reference while it adds one. */
void object_add_user(struct task *task, struct iommufd_object *object);
/* As that, where nobody holds one: false, and nothing is added, unless the object is in the table.
 * Takes the table lock. */
bool object_try_add_user(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
void object_drop_user(struct task *task, struct iommufd_object *object);
/* What IOMMU_DESTROY and the last close do: -ENOENT, -EBUSY unless users is 1. No fault point. 2.5
 */
int object_destroy(struct task *task, struct iommufd_context *context, uint32_t id);
/*
 * For an object that could not be made and was never published. True: nobody uses it, the caller
 * frees it. False: somebody does meanwhile; its id is free, and object_drop_user_and_destroy of the
 * last one destroys it. Takes the table lock.
 */
bool object_abandon(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/* Drops an edge and destroys the object if that was the last one. 2.7 */
void object_drop_user_and_destroy(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/*
 * The creator's way to destroy (unbind, access destroy): lookups fail from now on, waits for all
 * short references, drops the creator's reference, gives the id back. The caller then frees the
 * object. False, after a warning, when somebody else still holds it: then it must not be freed.
 */
bool object_remove(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/*
 * The kernel's way to destroy an object of the user (unbind and its vDEVICE): as object_destroy,
 * but whatever short references there are, and its id is lost for ever. False: it has left the
 * table already. Two steps, since the wait needs that no lock is held: object_entomb and
 * object_bury. 2.2
 */
bool object_entomb(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object);
void object_bury(struct task *task, struct iommufd_context *context, struct iommufd_object *object);
/* Frees the memory of an object that has left the table. */
void object_free(struct task *task, struct iommufd_object *object);

/* ---- context.c ---- */

/* A context without objects, with one reference: its file. NULL: no memory (ALLOC). */
struct iommufd_context *context_open(struct task *task);
/* The context behind a descriptor, with its file to be put. -EBADF: not open, -EBADFD: another kind
 * of file. */
int context_from_fd(
	struct task *task, int fd, struct iommufd_context **context, struct file **file);
/* The machine ends: sources give up their files, which may be the iommufd that they belong to. */
void contexts_drop_files(struct task *task);

/* ---- ioas.c ---- */

/* A short reference on an IOAS, NULL: -ENOENT. */
struct ioas *ioas_get(struct task *task, struct iommufd_context *context, uint32_t id);
void ioas_put(struct task *task, struct ioas *ioas);
/* An empty IOAS with an id that is not published. -ENOMEM, -EBUSY. 4.2 step 2 */
int ioas_create(struct task *task, struct iommufd_context *context, struct iommufd_object **out);
/*
 * Calls back for each maximal hole of the reserved set, ascending, until a call returns an errno,
 * which is passed on. Needs iova_rwsem. 4.5 step 3
 */
int ioas_each_usable(struct task *task, const struct ioas *ioas,
	int (*each)(struct task *task, void *context, uint64_t first, uint64_t last),
	void *context);
/* Teardown of an IOAS that has left the table; frees it. 2.5 */
void ioas_destroy(struct task *task, struct ioas *ioas);

/* ---- iopt.c: which IOVAs may be used ---- */

/* Reserves [first, last] for owner. Needs iova_rwsem for writing. -EADDRINUSE, -ENOMEM. 3.4 */
int ioas_reserve(
	struct task *task, struct ioas *ioas, uint64_t first, uint64_t last, const void *owner);
void ioas_unreserve(struct task *task, struct ioas *ioas, const void *owner);
/* Automatic IOVA for `length` bytes whose source begins at `address`. Needs iova_rwsem. 3.5 */
int ioas_choose_iova(struct task *task, const struct ioas *ioas, uint64_t address, uint64_t length,
	uint64_t *iova);
/* Steps 2 to 5 of the fixed check. Needs iova_rwsem. 3.6 */
int ioas_check_fixed(struct task *task, const struct ioas *ioas, uint64_t iova, uint64_t length);
/* What the alignment is with the domains and accesses that are there now. 3.3 */
uint32_t ioas_alignment(const struct ioas *ioas);
/* -EADDRINUSE when an area is not aligned to `alignment`. Needs iova_rwsem. */
int ioas_check_alignment(const struct ioas *ioas, uint32_t alignment);
/* Rewrites the u64 {nth area, offset} of the tests as an IOVA. Takes iova_rwsem. 10.25 */
uint64_t ioas_syz_iova(struct task *task, struct ioas *ioas, uint64_t value);

/* ---- iopt_domain.c: domains and accesses of an IOAS ---- */

/* Adds a domain and fills it. Takes domains and iova locks. 3.8 */
int ioas_add_domain(struct task *task, struct ioas *ioas, struct iommu_domain *domain);
void ioas_remove_domain(struct task *task, struct ioas *ioas, struct iommu_domain *domain);
/* Joins the access list at the lowest free index. -EADDRINUSE, -EBUSY, -ENOMEM. 7.2 step 3 */
int ioas_add_access(
	struct task *task, struct ioas *ioas, struct access *access, uint32_t *list_index);
void ioas_remove_access(
	struct task *task, struct ioas *ioas, struct access *access, uint32_t list_index);
/* Option HUGE_PAGES. 4.9 steps 5 and 6 */
int ioas_set_large_pages(struct task *task, struct ioas *ioas, bool enable);

/* ---- map.c, unmap.c ---- */

/* A part of a mapping: `length` bytes of pages from byte `offset`. The mapping takes over the pages
 * reference. */
struct map_piece {
	struct pages *pages;
	uint64_t offset, length;
	struct area *area; /* used by the mapping itself */
};
/*
 * Maps the pieces one behind the other, at *iova or at an automatic IOVA (returned there). address:
 * the source address of the first byte, for the choice. Drops the pieces' references when it fails.
 * Phases of 3.7.
 */
int ioas_map_pieces(struct task *task, struct ioas *ioas, struct map_piece *pieces, uint32_t count,
	uint32_t flags, uint64_t address, uint64_t length, uint64_t *iova);
/* Maps memory of the running task; the IOVA goes into *map. The flags were checked. 4.6 steps 5 to
 * 9
 */
int ioas_map_user(struct task *task, struct ioas *ioas, struct iommu_ioas_map *map);
/* Unmaps all areas in [first, last], bytes in *unmapped (also on errors). 3.9 */
int ioas_unmap(
	struct task *task, struct ioas *ioas, uint64_t first, uint64_t last, uint64_t *unmapped);

/*
 * Cuts the area that contains cuts[i], if there is one, behind that byte. Earlier cuts stay when
 * one fails. -EBUSY, -EINVAL, -ENOMEM. Takes domains and iova locks. 8.5
 */
int ioas_cut(struct task *task, struct ioas *ioas, const uint64_t *cuts, uint32_t count);

/* ---- vfio.c: the IOAS of VFIO's calls ---- */

/* A short reference on it, NULL: -ENODEV. 8 */
struct ioas *compat_ioas_get(struct task *task, struct iommufd_context *context);
/* For who attaches a VFIO group: makes one if there is none. -EINVAL in no-iommu mode. 8.7 */
int compat_ioas_ensure(struct task *task, struct iommufd_context *context);
/* For who attaches a group without an IOMMU. -EINVAL when there is one. 8.7 */
int compat_set_no_iommu(struct task *task, struct iommufd_context *context);

/* ---- pages.c, pages_access.c: sources of mappings and their pins ---- */

/*
 * A source of `length` bytes from address `start` of the running task, or from byte `start` of
 * file, on which it takes a reference of its own (NULL: memory). One reference. NULL: -ENOMEM. 4.6
 * step 7, 4.7 step 8
 */
struct pages *pages_create(struct task *task, struct iommufd_context *context, struct file *file,
	uint64_t start, uint64_t length, bool writable);
void pages_get(struct task *task, struct pages *pages);
void pages_put(struct task *task, struct pages *pages);
/* Charges count pages to the running task, in mode USER or MM. -ENOMEM: nothing is charged. 4.18
 * step 5 */
int pages_charge_caller(struct task *task, uint8_t account, uint64_t count);
/* The running task becomes the owner. With `charged` the charge of the old one is returned, as it
 * has been made anew. -EINVAL: that was not possible, the owner has changed. 4.18 step 6 */
int pages_change_owner(struct task *task, struct pages *pages, bool charged);
/* Pins, charges and maps the area into all domains of the IOAS; nothing stays on failure. Takes the
 * pages mutex. 3.2 */
int area_fill(struct task *task, struct ioas *ioas, struct area *area, struct pages *pages);
/* The reverse: unmaps from all domains, flushes, unpins what nobody else needs. */
void area_unfill(struct task *task, struct ioas *ioas, struct area *area, struct pages *pages);
/* The same for one domain: area_fill_domain pins if it is the first, area_unfill_domain unpins if
 * it was the last. */
int area_fill_domain(struct task *task, struct ioas *ioas, struct area *area,
	struct iommu_domain *domain, bool first);
void area_unfill_domain(
	struct task *task, struct area *area, struct iommu_domain *domain, bool last);
/* Pins what is not pinned of page indexes [first, last]. Pages mutex held. On failure nothing is
 * left that nobody needs. */
int pages_pin(struct task *task, struct pages *pages, uint64_t first, uint64_t last, bool charge);
/* Unpins those of [first, last] that neither a domain nor a record needs, and returns the charge.
 * Pages mutex held. */
void pages_release(struct task *task, struct pages *pages, uint64_t first, uint64_t last);
/* The pinned page of an index, NULL when it is not pinned. Pages mutex held. */
struct page *pages_pinned_page(const struct pages *pages, uint64_t index);
/* Access pins of [first, last]: makes or shares the record and stores the pages in out (may be
 * NULL). 7.5 step 5f */
int pages_add_record(struct task *task, struct pages *pages, struct area *area, uint64_t first,
	uint64_t last, struct page **out);
/* False: there is no such record. 7.6 */
bool pages_drop_record(
	struct task *task, struct pages *pages, struct area *area, uint64_t first, uint64_t last);
/* Drops the pins that an area still has when its IOAS goes: the drivers have broken their contract.
 */
void pages_drop_records(struct task *task, struct area *area);
/* Reads or writes [offset, +length) of the source for an access. 7.7 step 4 */
int pages_rw(struct task *task, struct pages *pages, uint64_t offset, void *buffer, uint64_t length,
	uint32_t flags);

/* ---- dmabuf.c: 4.7, 10.24 ---- */

/* Step 7a of 4.7: -EINVAL when the range, which does not overflow, ends beyond the dma-buf. */
int dmabuf_check_range(const struct file *file, uint64_t start, uint64_t length);
/* Step 7c: pages of its file belong to it from now on. -ENODEV: it is revoked. Takes its lock. */
int dmabuf_attach(struct task *task, struct pages *pages);
/* Nothing is mapped any more; nothing happens when pages are not attached. Takes the lock. */
void dmabuf_detach(struct task *task, struct pages *pages);
/* Physical address of a byte of attached pages, 0 when they are revoked. */
uint64_t dmabuf_physical(const struct pages *pages, uint64_t offset);
/* Maps an area into a domain and remembers it; success without effect when the pages are revoked.
 * Pages mutex held. */
int dmabuf_map(struct task *task, struct area *area, struct pages *pages,
	struct iommu_domain *domain, uint64_t largest);
/* Forgets that; false: it is not mapped there (any more). The caller unmaps. Pages mutex held. */
bool dmabuf_unmap(struct task *task, const struct area *area, struct pages *pages,
	const struct iommu_domain *domain);

/* ---- hwpt.c ---- */

/*
 * A page table for the IOAS, not published and not filled. The IOAS gains a user. Its format and
 * flags are those of request, NULL: the default ones of the device's driver. The IOAS mutex is
 * held. -ENOMEM, -EBUSY (ids), of the request's data -EOPNOTSUPP, -EINVAL, -EFAULT. 4.10 steps 10
 * and 11
 */
int hwpt_alloc(struct task *task, struct ioas *ioas, const struct device *device,
	const struct iommu_hwpt_alloc *request, struct hwpt **out);
/* Fills it with the IOAS's mappings and lists it. The IOAS mutex is held. */
int hwpt_fill(struct task *task, struct hwpt *hwpt);
/* Undoes hwpt_alloc (and hwpt_fill) before publication. The IOAS mutex is held. */
void hwpt_abort(struct task *task, struct hwpt *hwpt);
/* Teardown of one that has left the table; frees it. 2.5 */
void hwpt_destroy(struct task *task, struct hwpt *hwpt);
/* Steps 13 and 14 of case A, the last ones of B and C: its faults, and what the caller is told. The
 * page table is undone by the caller of this. -ENOENT, -EFAULT. 4.10 */
int hwpt_answer(struct command *command, struct hwpt *hwpt);

/* ---- noiommu.c ---- */

/* Whether the machine knows devices without an IOMMU (IOMMUFD_NOIOMMU). 4.22 */
bool has_noiommu(const struct sim *sim);

/* ---- nested.c ---- */

/* Cases B and C of HWPT_ALLOC: a page table on a parent, or through a VIOMMU. 4.10 */
int nested_alloc_on_hwpt(struct command *command, const struct device *device, struct hwpt *parent);
int nested_alloc_on_viommu(
	struct command *command, const struct device *device, struct viommu *viommu);
/* Teardown of one that has left the table; frees it. 2.5 */
void nested_destroy(struct task *task, struct hwpt *hwpt);

/* ---- viommu.c ---- */

/* The mock's answer to invalidations; *processed counts those that were done. 10.22 */
int viommu_invalidate(struct task *task, struct viommu *viommu,
	const struct iommu_hwpt_invalidate *request, uint32_t *processed);
/* Teardown of those that have left the table; they free them. 2.5 */
void viommu_destroy(struct task *task, struct viommu *viommu);
void vdevice_destroy(struct task *task, struct vdevice *vdevice);

/* ---- hw_queue.c ---- */

/* Teardown of one that has left the table; frees it. 2.5 */
void hw_queue_destroy(struct task *task, struct hw_queue *queue);

/* ---- region.c ---- */

/*
 * Zeroed pages of the owner, at the lowest free range of offsets from PAGE_SIZE on. length: whole
 * pages. -ENOMEM. 5.4, 6.11
 */
int region_create(struct task *task, struct iommufd_context *context, uint64_t length,
	struct iommufd_object *owner, struct region **out);
/* Nobody can map it any more. */
void region_destroy(struct task *task, struct region *region);

/* The other kind stands on one of these, 10.21. */
static inline bool hwpt_is_nested(const struct hwpt *hwpt)
{
	return hwpt->object.type != OBJECT_HWPT_PAGING;
}

/* ---- device.c ---- */

/* What a PASID (0: the RID) is attached to, NULL: nothing. Group mutex or attachments_lock held. */
struct hwpt *device_hwpt_at(const struct device *device, uint32_t pasid);

/* Whether an IOMMU is in front of it: else there is nothing to nest, and nothing to tell. 4.22 */
bool device_has_iommu(struct task *task, const struct device *device);
/* Makes the DEVICE object for hardware; users is 2. 6.1 */
int device_bind(struct task *task, struct iommufd_context *context, struct iommu_device *hardware,
	struct device **out);
/* Nothing may be attached. Frees it. 6.2 */
void device_unbind(struct task *task, struct device *device);
/* pasid 0 is the RID. pt_id is the object given and becomes the HWPT used. 6.3 to 6.7 */
int device_attach(struct task *task, struct device *device, uint32_t pasid, uint32_t *pt_id);
int device_replace(struct task *task, struct device *device, uint32_t pasid, uint32_t *pt_id);
/* Does nothing when nothing is attached there. 6.8 */
void device_detach(struct task *task, struct device *device, uint32_t pasid);
/* Every PASID, and the RID. */
void device_detach_all(struct task *task, struct device *device);
/* What is attached there now, NULL: nothing. Without a reference. */
const struct hwpt *device_attached(struct task *task, struct device *device, uint32_t pasid);

/* ---- access.c ---- */

int access_create(struct task *task, struct iommufd_context *context, uint8_t driver,
	void *driver_data, bool needs_pin, bool has_unmap, struct access **out);
/* An internal access, attached. Takes the access lock and those of ioas_add_access. -ENOMEM, -EBUSY
 * (ids), -EADDRINUSE. 4.20 step 8 */
int access_create_internal(
	struct task *task, struct iommufd_context *context, struct ioas *ioas, struct access **out);
void access_destroy(struct task *task, struct access *access);
int access_attach(struct task *task, struct access *access, uint32_t ioas_id);
int access_replace(struct task *task, struct access *access, uint32_t ioas_id);
void access_detach(struct task *task, struct access *access);
int access_pin_pages(struct task *task, struct access *access, uint64_t iova, uint64_t length,
	struct page **out, uint32_t flags);
void access_unpin_pages(struct task *task, struct access *access, uint64_t iova, uint64_t length);
/* *done: bytes of the leading parts that were transferred, also when a later one failed. 7.7 */
int access_rw(struct task *task, struct access *access, uint64_t iova, void *buffer,
	uint64_t length, uint32_t flags, uint64_t *done);
/* Calls the unmap callback of every access of the IOAS, in list order. No IOAS lock may be
 * held. 7.8 */
void ioas_notify_unmap(struct task *task, struct ioas *ioas, uint64_t iova, uint64_t length);

/* ---- kernel_access.c, selftest.c, selftest_access.c: drivers ---- */

/* The unmap callbacks of the two drivers. */
void kernel_access_unmap(
	struct task *task, struct kernel_access *driver, uint64_t iova, uint64_t length);
void test_access_unmap(
	struct task *task, struct test_access *driver, uint64_t iova, uint64_t length);
/* Teardown of a mock device that has left the table (IOMMU_DESTROY of the stdev); frees it. 2.5 */
void mock_device_destroy(struct task *task, struct mock_device *mock);

/* ---- handlers, bound by row id in dispatch.c ---- */

int64_t handle_IOMMU_DESTROY(struct command *command);
int64_t handle_IOMMU_IOAS_ALLOC(struct command *command);
int64_t handle_IOMMU_IOAS_ALLOW_IOVAS(struct command *command);
int64_t handle_IOMMU_IOAS_IOVA_RANGES(struct command *command);
int64_t handle_IOMMU_IOAS_MAP(struct command *command);
int64_t handle_IOMMU_IOAS_MAP_FILE(struct command *command);
int64_t handle_IOMMU_IOAS_CHANGE_PROCESS(struct command *command);
int64_t handle_IOMMU_IOAS_NOIOMMU_GET_PA(struct command *command);
int64_t handle_IOMMU_IOAS_COPY(struct command *command);
int64_t handle_IOMMU_IOAS_UNMAP(struct command *command);
int64_t handle_IOMMU_OPTION_RLIMIT_MODE(struct command *command);
int64_t handle_IOMMU_OPTION_HUGE_PAGES(struct command *command);
int64_t handle_IOMMU_TEST_OP_DMABUF_GET(struct command *command);
int64_t handle_IOMMU_TEST_OP_DMABUF_REVOKE(struct command *command);
int64_t handle_IOMMU_VFIO_IOAS(struct command *command);
int64_t handle_VFIO_GET_API_VERSION_COMPAT(struct command *command);
int64_t handle_VFIO_CHECK_EXTENSION_COMPAT(struct command *command);
int64_t handle_VFIO_SET_IOMMU_COMPAT(struct command *command);
int64_t handle_VFIO_IOMMU_GET_INFO_COMPAT(struct command *command);
int64_t handle_VFIO_IOMMU_MAP_DMA_COMPAT(struct command *command);
int64_t handle_VFIO_IOMMU_UNMAP_DMA_COMPAT(struct command *command);
int64_t handle_IOMMU_HWPT_ALLOC(struct command *command);
int64_t handle_IOMMU_GET_HW_INFO(struct command *command);
int64_t handle_IOMMU_HWPT_SET_DIRTY_TRACKING(struct command *command);
int64_t handle_IOMMU_HWPT_GET_DIRTY_BITMAP(struct command *command);
int64_t handle_IOMMU_FAULT_QUEUE_ALLOC(struct command *command);
int64_t handle_IOMMU_TEST_OP_DIRTY(struct command *command);
int64_t handle_IOMMU_TEST_OP_TRIGGER_IOPF(struct command *command);
int64_t handle_IOMMU_VEVENTQ_ALLOC(struct command *command);
int64_t handle_IOMMU_TEST_OP_TRIGGER_VEVENT(struct command *command);
int64_t handle_IOMMU_HWPT_INVALIDATE(struct command *command);
int64_t handle_IOMMU_VIOMMU_ALLOC(struct command *command);
int64_t handle_IOMMU_VDEVICE_ALLOC(struct command *command);
int64_t handle_IOMMU_HW_QUEUE_ALLOC(struct command *command);
int64_t handle_IOMMU_TEST_OP_DIRTY(struct command *command);
int64_t handle_IOMMU_TEST_OP_MD_CHECK_IOTLB(struct command *command);
int64_t handle_IOMMU_TEST_OP_DEV_CHECK_CACHE(struct command *command);
int64_t handle_IOMMU_TEST_OP_ADD_RESERVED(struct command *command);
int64_t handle_IOMMU_TEST_OP_MOCK_DOMAIN(struct command *command);
int64_t handle_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS(struct command *command);
int64_t handle_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE(struct command *command);
int64_t handle_IOMMU_TEST_OP_PASID_ATTACH(struct command *command);
int64_t handle_IOMMU_TEST_OP_PASID_REPLACE(struct command *command);
int64_t handle_IOMMU_TEST_OP_PASID_DETACH(struct command *command);
int64_t handle_IOMMU_TEST_OP_PASID_CHECK_HWPT(struct command *command);
int64_t handle_IOMMU_TEST_OP_MD_CHECK_MAP(struct command *command);
int64_t handle_IOMMU_TEST_OP_MD_CHECK_REFS(struct command *command);
int64_t handle_IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT(struct command *command);
int64_t handle_IOMMU_TEST_OP_CREATE_ACCESS(struct command *command);
int64_t handle_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES(struct command *command);
int64_t handle_IOMMU_TEST_OP_ACCESS_PAGES(struct command *command);
int64_t handle_IOMMU_TEST_OP_ACCESS_RW(struct command *command);
int64_t handle_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS(struct command *command);

#endif
