/* SPDX-License-Identifier: Apache-2.0 */
/* Id tables: lowest free id first, in [minimum, maximum]. Specification 2.2. No locks inside. */
#ifndef IOMMUZZ_SIM_IDR_H
#define IOMMUZZ_SIM_IDR_H

#include <stdint.h>

struct task;

struct idr {
	void **slots; /* from minimum on. NULL: free; IDR_RESERVED: taken, nothing published */
	uint32_t room, used;
	uint32_t lowest_free; /* no slot below is free */
	uint32_t minimum, maximum;
};
#define IDR_RESERVED ((void *)1)

/* An empty table for ids from minimum to maximum, both included; takes no memory yet. */
void idr_init(struct idr *idr, uint32_t minimum, uint32_t maximum);
/* Frees the table, not the objects in it. The caller holds what guards the table. */
void idr_destroy(struct task *task, struct idr *idr);
/* Reserves the lowest free id and stores object (not NULL; may be IDR_RESERVED). -ENOMEM (host
 * memory), -EBUSY (exhausted). */
int64_t idr_alloc(struct task *task, struct idr *idr, void *object);
/* The object, or NULL: free, reserved or out of range. Constant time. */
void *idr_find(const struct idr *idr, uint32_t id);
void idr_replace(struct idr *idr, uint32_t id, void *object);
void idr_remove(struct idr *idr, uint32_t id);
/* The next used id >= from (reserved ones included), object in *object; 0 when none. */
uint32_t idr_next(const struct idr *idr, uint32_t from, void **object);

#endif
