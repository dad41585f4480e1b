/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * How calls of several threads run in turns on the model: a call is a row of atomic steps, and
 * before each of them but the first it says so (struct target_events, phase); there the calls of
 * other threads may come between. Without threads all of this is one test of a flag.
 *
 * What is held over a phase is kept alive by a reference (2.3) or looked up again. A lock of 12.1
 * is an object only where a command holds it over more than one step; a lock that is held for one
 * step is nothing but the phase before it. Between an object's lookup and its put other calls see
 * EBUSY. "|" is a phase; its name says which lock's pass decides the place of the step, and a
 * command comes to a lock as often as the specification says, so that steps can be counted.
 *
 * Steps are one where a single call of another thread cannot tell them apart: a copy of user memory
 * and what it belongs to; what a page table goes through between its id and its first use.
 *
 * The first step of every ioctl finds the file by its descriptor and keeps it to the end (12.2,
 * last row; | user-copy: bytes behind the struct), that of access_... finds the access; then:
 *
 * DESTROY (2.5)
 *   | object_table: found, unused, out of the table. HWPT: | iova_rwsem, domains W: domain removed.
 *   IOAS: | domains_rwsem: each area, as UNMAP.
 *   HWPT_NESTED, VIOMMU: | put: what it stood on loses a user. VDEVICE: | group_mutex: gone from its
 *   VIOMMU, | put: and from its device. HW_QUEUE: | hw_queues | iova_rwsem: unpinned | access
 *   destroy | put: VIOMMU.
 *   SELFTEST: | group_mutex: detach as below, the vDEVICE out of the table; | wait: that one gone, as
 *   VDEVICE, | wait: device gone, when they have no references. No other wait
 * IOAS_ALLOC (2.2)
 *   | object_table: id reserved, answer | ioas_creation_lock: published, or undone
 * ALLOW_IOVAS
 *   | object_table | iova_rwsem: list replaced | put
 * IOVA_RANGES
 *   | object_table | iova_rwsem: ranges and answer (the lock is held over them) | put
 * MAP (3.7)
 *   | object_table | iova_rwsem: phase 1 | domains_rwsem R: phase 2 | iova_rwsem: phase 3 or areas
 *   removed, domains R given back | put: answer. Without a domain phases 2 and 3 are one
 * MAP_FILE
 *   as MAP; the descriptor is looked up with the IOAS
 * CHANGE_PROCESS (4.18)
 *   | ioas_creation_lock W, held: for each IOAS by id | object_table: its user | iova_rwsem. When
 *   | object_table finds no more: all of it. For each IOAS | put: its user. No IOAS is published
 *   meanwhile. That others may change an IOAS between its turn and the last one is the same as if
 *   they had come before: what it finds is what it has locked
 * COPY (4.4)
 *   | object_table | iova_rwsem: source scanned | put: source | object_table: destination | as MAP
 * UNMAP (3.9)
 *   | object_table | iova_rwsem: steps 1 to 6, and 7 or the mark of 8 | pages_mutex: out of the
 *   domains, if there are any | iova_rwsem: deleted, next area | put: answer. Domains R is held
 *   over all of it but the callbacks, each of them behind | callback, with the access referenced.
 *   Rounds in which nobody is to be called are not repeated a hundred times
 * OPTION
 *   RLIMIT_MODE: | object_table. HUGE_PAGES: | object_table | iova_rwsem, domains W | put: answer
 * VFIO_IOAS (4.21)
 *   GET: | object_table | put; answer. SET: | object_table: IOAS | object_table: set | put. CLEAR:
 *   | object_table
 * VFIO's calls (8)
 *   | object_table: the compat IOAS, to the last | put. CHECK_EXTENSION: | ioas_mutex. SET_IOMMU of
 *   type 1: as HUGE_PAGES. MAP_DMA: as MAP. UNMAP_DMA: | access: whether to cut | iova_rwsem,
 *   domains R: cut | as UNMAP, and the answer. GET_INFO: | domains_rwsem R: page sizes
 *   | iova_rwsem: alignment, ranges and answer
 * attach (6.4, 6.5)
 *   | object_table: page table or IOAS. HWPT: | group_mutex: tried | put. IOAS: | ioas_mutex, held:
 *   for each automatic HWPT, referenced, | group_mutex: tried | put. If none suits, in the last of
 *   these steps the id of a new one | iova_rwsem: filled (domains W), attached, published; if
 *   others know the device | group_mutex: attached | iova_rwsem: filled | object_table: published
 * replace (6.6)
 *   the same; with success | object_table: the old page table loses its user, and the attempt to
 *   destroy an automatic one (2.7), then as DESTROY
 * detach (6.8)
 *   the device loses its page table | that its user, as with replace
 * MOCK_DOMAIN
 *   | object_table: SELFTEST | object_table: DEVICE | object_table: DEVICE published (6.1) | attach
 *   | put: answer, SELFTEST published. Undone: | group_mutex: detach | wait: DEVICE gone | object_table: SELFTEST
 *   gone
 * MOCK_DOMAIN_REPLACE, PASID_REPLACE
 *   | object_table: SELFTEST | replace | put: answer
 * PASID_ATTACH
 *   | object_table: SELFTEST | attach | put: answer, or detach
 * PASID_DETACH
 *   | object_table: SELFTEST | group_mutex: detach | put
 * PASID_CHECK_HWPT
 *   | object_table: SELFTEST | object_table: page table | group_mutex: compared | put | put
 * HWPT_ALLOC (4.10)
 *   | object_table: device | object_table: IOAS | ioas_mutex, held: id, data | iova_rwsem, domains
 *   W: filled | put: answer, published, or | iova_rwsem, domains W: undone; | put | put: device.
 *   Nested: | object_table: device | object_table: parent or VIOMMU | object_table: id | user-copy:
 *   data, answer, published, or undone | put | put: device
 * HWPT_INVALIDATE (4.14)
 *   | object_table; of a nested page table | user-copy: each request; of a VIOMMU | user-copy: all
 *   read | viommu_vdevices: the first one, | iommu_device: each further one; | put: answer
 * VIOMMU_ALLOC (4.16)
 *   | object_table: device | object_table: parent | object_table: id | user-copy: data, answer,
 *   published, or undone | put | put: device
 * VDEVICE_ALLOC (4.17)
 *   | object_table: VIOMMU | object_table: device | group_mutex, held: id | viommu_vdevices: name |
 *   user-copy: answer, published; of a failure | put: device; | put: VIOMMU
 * HW_QUEUE_ALLOC (4.20)
 *   | object_table: VIOMMU | object_table: id | object_table: ACCESS | iova_rwsem, domains W: in the
 *   list | iova_rwsem: pinned | hw_queues: index | user-copy: answer, published | put. Undone:
 *   | hw_queues | iova_rwsem: unpinned | access destroy | object_table
 * SET_DIRTY_TRACKING, GET_DIRTY_BITMAP
 *   | object_table | iova_rwsem | put
 * DIRTY
 *   | object_table | user-copy: bits | iommu_table: marked | user-copy: answer | put
 * MD_CHECK_IOTLB, DEV_CHECK_CACHE
 *   | object_table | access: compared | put
 * FAULT_QUEUE_ALLOC
 *   | object_table: id | put: descriptor reserved, answer | put: open | object_table: published, or
 *   the id given back
 * VEVENTQ_ALLOC (4.19)
 *   | object_table: VIOMMU | veventqs_rwsem W, held: no queue of the type | as FAULT_QUEUE_ALLOC
 *   | put: VIOMMU
 * TRIGGER_IOPF (10.17)
 *   | object_table: device | attachments: page table found, fault queued | put
 * TRIGGER_VEVENT (10.18)
 *   | object_table: device | report_rwsem R, held: where it reports to | veventqs_rwsem R, held
 *   | event_queue: full | event_queue: queued or lost | put. A change of the RID's VIOMMU waits
 * read, write of a fault descriptor (5.2)
 *   | fault_mutex, held: the first group or response | event_queue: next group, or | user-copy: next
 *   response. A detach or replace that has changed the attachment | fault_mutex: its faults answered
 * read of a veventq descriptor (5.3)
 *   for each entry | event_queue: taken | user-copy: header | user-copy: data | event_queue: counted
 *   off, or put back
 * GET_HW_INFO
 *   | object_table | user-copy: data | put: answer
 * MD_CHECK_MAP
 *   | object_table | user-copy: the first page seen | pages_mutex: compared, the next one seen
 *   | put
 * ADD_RESERVED
 *   | object_table | iova_rwsem | put
 * access_create
 *   | object_table: id of the ACCESS | object_table: published | other: the driver's handle
 * CREATE_ACCESS
 *   | object_table: descriptor reserved, ACCESS | object_table: IOAS | iova_rwsem, domains W: in
 *   its list; answer, descriptor open
 * ACCESS_PAGES, ACCESS_RW, DESTROY_ACCESS_PAGES, access_pin, _unpin, _rw (7.5 to 7.7)
 *   | user-copy: the access by its descriptor | iova_rwsem: all of it, while ioas_lock is
 *   free | user-copy: what ACCESS_RW has read is copied out (10.15). Items and pins change together with the driver's books, by the driver's own lock (12.4)
 * access attach (7.2)
 *   | ioas_lock, held | object_table | iova_rwsem, domains W: in the list
 * access replace, detach (7.3, 7.4)
 *   the same, then ioas_lock is given back | callback | iova_rwsem, ioas_lock held, domains W of
 *   the old IOAS: out of its list | put: its user
 * access destroy, close of its descriptor
 *   | access_items: the driver's pins as unpin; dying | object_table, ioas_lock held: no callback
 *   runs, no change is in progress; out of the table; detach as above; gone | other: the
 *   driver's handle. From dying on the handle is EBADF to all but callbacks that began before
 * dma_read, dma_write
 *   | object_table | user-copy: transfer | put
 * dup, pass
 *   the file | put: its new descriptor
 * other system calls
 *   one step. The last reference to a file: context end in one step (nobody can see into it),
 *   access destroy as above
 */
/* clang-format on */
#ifndef IOMMUZZ_FUZZ_ORACLE_MODEL_TURNS_H
#define IOMMUZZ_FUZZ_ORACLE_MODEL_TURNS_H

#include "fuzz/oracle/model.h"

/* Calls of other threads come here; the model's call in progress is the same afterwards. blocked:
 * ask again, as long as the step is not possible. Only while model->turns is set. */
void model_take_turns(struct model *model, const char *what, bool blocked);

/* The next step of the running call begins. */
static inline void model_phase(struct model *model, const char *what)
{
	if (model->turns)
		model_take_turns(model, what, false);
}

/*
 * A phase before a call reads or writes its struct, at address, where that is a place which the
 * program chose: other threads may write there at any time (1.3).
 */
void model_pass_struct(struct model *model, uint64_t address);

/* Begins a step and takes the lock with it; held until model_unlock. */
void model_lock(struct model *model, struct model_lock *lock, bool write, const char *what);
void model_unlock(struct model *model, struct model_lock *lock, bool write);
/* Begins a step that needs the lock, and only for itself. */
void model_pass(struct model *model, const struct model_lock *lock, bool write, const char *what);
/* As pass, for a step that has begun already, and has done nothing yet. */
void model_wait_for(
	struct model *model, const struct model_lock *lock, bool write, const char *what);
/* Begins a step in which nobody but the table refers to the object for a moment (2.3). */
void model_wait_unreferenced(struct model *model, const struct model_object *object);

#endif
