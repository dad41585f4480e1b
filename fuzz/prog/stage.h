/* SPDX-License-Identifier: Apache-2.0 */
/* What the makers of programs with threads share: the stage on which the threads meet. */
#ifndef IOMMUZZ_FUZZ_PROG_STAGE_H
#define IOMMUZZ_FUZZ_PROG_STAGE_H

#include "fuzz/prog/builder.h"

#define PAGE	   UINT64_C(4096)
#define AREA	   UINT64_C(0x1000000) /* where set-up maps, and where threads map again */
#define AREA_PAGES UINT64_C(4)
#define NONE	   UINT16_MAX /* no such call */

enum stage_needs { /* what set-up has to make; the rest is there now and then */
	WITH_ACCESS = 1 << 0,
	WITH_TEST_ACCESS = 1 << 1,
	WITH_DEVICE = 1 << 2,
	WITH_PROCESS = 1 << 3,
	WITH_LOOSE_ACCESS = 1 << 4, /* attached to nothing, mostly */
	WITH_LIMIT = 1 << 5,	    /* a few pages may be locked */
	WITH_FILE = 1 << 6,	    /* mappings are of a file, mostly */
	WITH_PASIDS = 1 << 7,	    /* a device with PASIDs, and page tables for them */
	WITH_FAULTS = 1 << 8,	    /* a fault queue, which the device's page table has */
	WITH_COMPAT = 1 << 10,	    /* a compat IOAS, mostly of type 1 */
	WITH_EVENTS = 1 << 9,	    /* a VIOMMU, where the device reports to a queue */
	WITH_NESTED = 1 << 11,	    /* a VIOMMU with a vDEVICE and a nested page table */
};

/* What the threads share: indices of the calls that made it, or NONE. */
struct stage {
	struct builder *b;
	uint32_t context, passed;				   /* passed: the same in P2 */
	uint32_t ioas[2], device[2], access[2], test_access, area; /* area: an automatic map */
	uint32_t memfd;
	uint32_t pasid_device, table[2]; /* tables for PASIDs, by IOAS */
	uint32_t fault, fault_table;
	uint32_t parent, viommu, vdevice, nested, veventq;
	uint8_t thread, process; /* of the calls that are made */
	uint8_t focus;		 /* index of the IOAS that most calls are about */
};

static inline uint64_t below(struct stage *stage, uint64_t limit)
{
	return random_below(stage->b->random, limit);
}

static inline bool chance(struct stage *stage, uint32_t chances, uint32_t of)
{
	return random_chance(stage->b->random, chances, of);
}

static inline bool is_excluded(const struct stage *stage, unsigned needs)
{
	return needs & stage->b->options->exclude_needs;
}

/* A call where the stage stands. */
static inline uint32_t add(struct stage *stage, enum call_id row)
{
	uint32_t call = builder_call(stage->b, row);

	if (call != UINT32_MAX) {
		stage->b->prog->calls[call].thread = stage->thread;
		stage->b->prog->calls[call].process = stage->process;
	}
	return call;
}

static inline void set(struct stage *stage, uint32_t call, const char *field, uint64_t number)
{
	builder_set(stage->b, call, field, value_number(number));
}

static inline void set_object(
	struct stage *stage, uint32_t call, const char *field, uint32_t producer, unsigned output)
{
	if (producer != NONE)
		builder_set(stage->b, call, field, value_handle(producer, output, 0));
}

/* A call on the context. */
static inline uint32_t add_ioctl(struct stage *stage, enum call_id row)
{
	uint32_t call = add(stage, row);

	builder_subject(stage->b, call, stage->process ? stage->passed : stage->context);
	return call;
}

/* ---- generate_threads_vevent.c: the first device's ---- */

/* Puts the device on a VIOMMU with a queue, and perhaps an event there. */
void stage_vevent_set_up(struct stage *stage);
/* Ends what set-up has made; the device has gone. */
void stage_vevent_end(struct stage *stage);
void stage_vevent_trigger(struct stage *stage);
/* Or a poll. */
void stage_vevent_read(struct stage *stage);
void stage_vevent_close(struct stage *stage);
void stage_vevent_queue(struct stage *stage);
void stage_vevent_move(struct stage *stage);
void stage_vevent_destroy(struct stage *stage);

/* ---- generate_threads_fault.c: the first device's ---- */

/* Makes a queue and its page table, which the device moves to, and faults. */
void stage_fault_set_up(struct stage *stage);
/* Ends what set-up has made; the device has gone. */
void stage_fault_end(struct stage *stage);
void stage_faults(struct stage *stage);
/* A read, write, poll or dup of the queue's descriptor. */
void stage_fault_file(struct stage *stage);
void stage_fault_close(struct stage *stage);
void stage_fault_move(struct stage *stage);
void stage_fault_destroy(struct stage *stage);

/* ---- generate_threads_nested.c: one call each ---- */

/* The parent, the VIOMMU and what stands on it. */
void stage_nested_set_up(struct stage *stage);
/* What can go of it goes. */
void stage_nested_end(struct stage *stage);
void stage_nested_name(struct stage *stage);
void stage_nested_alloc(struct stage *stage);
void stage_nested_move(struct stage *stage);
void stage_nested_destroy(struct stage *stage);
void stage_nested_destroy_device(struct stage *stage);
void stage_nested_invalidate(struct stage *stage);
void stage_nested_check(struct stage *stage);
void stage_nested_queue(struct stage *stage);
void stage_nested_unmap(struct stage *stage);
void stage_nested_mmap(struct stage *stage);
void stage_nested_dma(struct stage *stage);

/* ---- generate_threads_pasid.c: one call each ---- */

/* Makes the device, its page tables, and perhaps an attachment. */
void stage_pasid_set_up(struct stage *stage);
/* Ends what set-up has made; nothing is attached there any more. */
void stage_pasid_end(struct stage *stage);
void stage_pasid_attach(struct stage *stage);
void stage_pasid_replace(struct stage *stage);
void stage_pasid_detach(struct stage *stage);
void stage_pasid_check(struct stage *stage);
void stage_pasid_move_rid(struct stage *stage);
void stage_pasid_destroy_table(struct stage *stage);
void stage_pasid_dma(struct stage *stage);

/* ---- generate_threads_vfio.c: one call each ---- */

/* The first IOAS becomes the compat IOAS, before it has areas. */
void stage_compat_set_up(struct stage *stage);
void stage_compat_set(struct stage *stage);
void stage_compat_type(struct stage *stage);
void stage_compat_map(struct stage *stage);
void stage_compat_unmap(struct stage *stage);
void stage_compat_info(struct stage *stage);

#endif
