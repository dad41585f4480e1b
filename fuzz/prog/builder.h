/* SPDX-License-Identifier: Apache-2.0 */
/* What the idioms of the generator share: a program that grows at its end, and the scene there. */
#ifndef IOMMUZZ_FUZZ_PROG_BUILDER_H
#define IOMMUZZ_FUZZ_PROG_BUILDER_H

#include "fuzz/prog/generate.h"
#include "fuzz/prog/scene.h"

struct builder {
	struct prog *prog;
	struct random *random;
	const struct generate_options *options;
	struct scene scene;
	uint8_t processes; /* declared besides P1 */
	bool full;	   /* the program can take no more */
};

/* Appends a call; UINT32_MAX when the program is full (all others accept that). */
uint32_t builder_call(struct builder *b, enum call_id row);
void builder_set(struct builder *b, uint32_t call, const char *field, struct value value);
/* Makes the producer's first output the subject. */
void builder_subject(struct builder *b, uint32_t call, uint32_t producer);
/* The call's fields are set: bends it now and then and takes it into the scene. */
void builder_done(struct builder *b, uint32_t call);

/* An index below count, newer things twice as likely: programs work on what they have just made. */
uint32_t builder_pick(struct builder *b, uint32_t count);
/* Producer of a context or IOAS, made when there is none and now and then anyway. */
uint32_t builder_need_context(struct builder *b);
uint32_t builder_need_ioas(struct builder *b);
/* Producer of the context that the IOAS is in. */
uint32_t builder_context_of(struct builder *b, uint32_t ioas);
uint64_t builder_some_pages(struct builder *b);
/* An area of the IOAS (UINT32_MAX: of any), NULL when none was found. Valid until the next call. */
struct scene_area *builder_some_area(struct builder *b, uint32_t ioas);

/* A device, made when there is none; UINT16_MAX in its call when that failed. A copy: the scene
 * moves. */
struct scene_device builder_need_device(struct builder *b);

/* Idioms of page tables (generate_hwpt.c). */
void builder_hwpt(struct builder *b);
void builder_hw_info(struct builder *b);
void builder_dirty(struct builder *b);
/* A page table of the context that was made by hand: true and its producer and IOAS. */
bool builder_some_hwpt(struct builder *b, uint16_t context, struct scene_hwpt *found);

/* Nested page tables, VIOMMUs and what belongs to them (generate_nested.c). */
void builder_nested(struct builder *b);

/* Devices without an IOMMU (generate_noiommu.c). */
void builder_noiommu(struct builder *b);

/* Idioms of PASIDs (generate_pasid.c). */
void builder_pasid(struct builder *b);

/* Queues of page faults and their descriptors (generate_fault.c). */
void builder_fault(struct builder *b);
/* Parts of it: one to three faults of the device; one call on a queue's descriptor. */
void builder_faults(struct builder *b, const struct scene_device *device);
void builder_fault_file(struct builder *b, uint32_t queue);

/* Events that devices report (generate_vevent.c). */
void builder_vevent(struct builder *b);

/* Idioms of system calls (generate_system.c). */
void builder_memory(struct builder *b);
void builder_memfd(struct builder *b);
void builder_transfer(struct builder *b);
void builder_contents(struct builder *b);
void builder_raw(struct builder *b);
void builder_descriptor(struct builder *b);
void builder_process(struct builder *b);
/* Idioms of VFIO's calls on an iommufd (generate_vfio.c). */
void builder_vfio(struct builder *b);
void builder_set_iommu(struct builder *b);
/* Idioms of mapped files (generate_file.c). */
void builder_map_file(struct builder *b);
void builder_dmabuf(struct builder *b);
void builder_change_process(struct builder *b);
void builder_any(struct builder *b);

/* A scene made for an errno that chance reaches too seldom (generate_live.c). */
void builder_rare(struct builder *b);
/* The text of scene `index`, NULL behind the last. For tests. */
const char *builder_rare_scene(unsigned index);

/* A whole program with threads into an empty one (generate_threads.c). */
void builder_threads(struct builder *b);

/* One idiom by weight. */
void builder_idiom(struct builder *b);
/* How programs begin: a context, an IOAS, often a device. */
void builder_prelude(struct builder *b);
/* Adds an `on unmap` with a body for an in-kernel access. */
void builder_callback(struct builder *b, uint32_t access);

/* A value for one field by its kind, sensible in the scene. */
void builder_value(struct builder *b, uint32_t call, unsigned field);
/* Changes one field to a boundary value, a wrong handle, or breaks the framing. */
void builder_bend(struct builder *b, uint32_t call);

#endif
