/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a generator believes about the machine at one place of a program, by looking at the calls
 * before it: contexts, IOASes, areas, devices, page tables, accesses, pins. A guess, never a
 * promise: calls may have failed.
 */
#ifndef IOMMUZZ_FUZZ_PROG_SCENE_H
#define IOMMUZZ_FUZZ_PROG_SCENE_H

#include "fuzz/prog/prog.h"

#define SCENE_MAX 32 /* of each kind; the newest are kept */

struct scene_ioas {
	uint16_t call, context; /* producer; call index of the open */
	uint8_t devices; /* attached now, and page tables made by hand: the IOAS has a domain */
	uint8_t pinning; /* attached accesses that need page alignment */
};
struct scene_area {
	uint16_t ioas; /* producer of the IOAS */
	uint8_t flags; /* of the map */
	bool pinned;
	struct value iova; /* NUMBER, or HANDLE on the map's output */
	uint64_t length, user_va;
};
struct scene_device {
	uint16_t call, context, ioas;
	bool pasids; /* has some */
};
struct scene_hwpt { /* made by hand */
	uint16_t call, context, ioas;
	bool pasids; /* for them, too */
	bool parent; /* of nested ones */
};
struct scene_viommu {
	uint16_t call, context, ioas; /* of its parent */
	uint16_t device;	      /* that was named, UINT16_MAX: unknown */
	bool data;		      /* has a region to be mapped */
};
struct scene_nested { /* a nested page table */
	uint16_t call, context, ioas;
	uint16_t viommu; /* made through it; UINT16_MAX: on a parent */
};
struct scene_fault { /* a queue of page faults */
	uint16_t call, context;
};
struct scene_veventq {			/* a queue of reported events */
	uint16_t call, context, device; /* device: one that may report; UINT16_MAX: unknown */
};
struct scene_access {
	uint16_t call, context, ioas; /* ioas UINT16_MAX: not attached */
	bool kernel, needs_pin;	      /* kernel: access_create, else a selftest descriptor */
};
struct scene_pin {
	uint16_t access, item; /* producers; item only for selftest accesses */
	bool kernel;
	struct value iova;
	uint64_t length;
};

struct scene {
	uint16_t compat; /* the IOAS of VFIO's calls, set last; UINT16_MAX: none */
	uint32_t contexts, ioases, areas, devices, hwpts, accesses, pins, memfds, closed, faults,
		veventqs, viommus, nesteds;
	uint16_t context[SCENE_MAX], memfd[SCENE_MAX];
	struct scene_ioas ioas[SCENE_MAX];
	struct scene_area area[SCENE_MAX];
	struct scene_device device[SCENE_MAX];
	struct scene_hwpt hwpt[SCENE_MAX];
	struct scene_fault fault[SCENE_MAX];
	struct scene_veventq veventq[SCENE_MAX];
	struct scene_viommu viommu[SCENE_MAX];
	struct scene_nested nested[SCENE_MAX];
	struct scene_access access[SCENE_MAX];
	struct scene_pin pin[SCENE_MAX];
};

/* The scene before call `at`. */
void scene_build(struct scene *scene, const struct prog *prog, uint32_t at);
/* Takes one more call into account. */
void scene_add(struct scene *scene, const struct prog *prog, uint32_t call);
struct scene_ioas *scene_find_ioas(struct scene *scene, uint16_t call);
struct scene_access *scene_find_access(struct scene *scene, uint16_t call);

/* The value set in the field of that name, UNSET when there is none. */
struct value call_get(const struct prog *prog, const struct call *call, const char *field);
void call_set(struct prog *prog, uint32_t call, const char *field, struct value value);

static inline struct value value_number(uint64_t number)
{
	return (struct value){.kind = VALUE_NUMBER, .number = number};
}
static inline struct value value_mem(uint64_t offset)
{
	return (struct value){.kind = VALUE_MEM, .number = offset};
}
static inline struct value value_handle(uint32_t call, unsigned output, uint64_t offset)
{
	return (struct value){.kind = VALUE_HANDLE,
		.output = (uint8_t)output,
		.call = (uint16_t)call,
		.number = offset};
}
static inline bool value_same(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->number == b->number &&
	       (a->kind != VALUE_HANDLE || (a->call == b->call && a->output == b->output));
}

#endif
