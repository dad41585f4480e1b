/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/idr.h"

#include <errno.h>
#include <string.h>

#include "impl/sim/alloc.h"
#include "impl/sim/sim.h"

/* The slots are followed by one bit a slot, set where it is taken: full stretches are skipped 64 at
 * a time. */
#define FIRST_ROOM 64u

void idr_init(struct idr *idr, uint32_t minimum, uint32_t maximum)
{
	*idr = (struct idr){.minimum = minimum, .maximum = maximum};
}

static size_t bytes_of(uint32_t room)
{
	return (size_t)room * sizeof(void *) + room / 8;
}

static uint64_t *bits_of(const struct idr *idr)
{
	return (uint64_t *)(void *)(idr->slots + idr->room);
}

void idr_destroy(struct task *task, struct idr *idr)
{
	sim_free_internal(task_sim(task), idr->slots, bytes_of(idr->room));
	idr_init(idr, idr->minimum, idr->maximum);
}

static bool grow(struct task *task, struct idr *idr)
{
	struct idr larger = *idr;

	if (idr->room > UINT32_MAX / 4)
		return false;
	larger.room = idr->room ? idr->room * 2 : FIRST_ROOM;
	larger.slots = sim_alloc_internal(task_sim(task), bytes_of(larger.room));
	if (!larger.slots)
		return false;
	if (idr->room) {
		memcpy(larger.slots, idr->slots, idr->room * sizeof(void *));
		memcpy(bits_of(&larger), bits_of(idr), idr->room / 8);
		sim_free_internal(task_sim(task), idr->slots, bytes_of(idr->room));
	}
	*idr = larger;
	return true;
}

/* The first free slot at or after index; room when there is none. */
static uint32_t free_slot(const struct idr *idr, uint32_t index)
{
	const uint64_t *bits = bits_of(idr);
	uint32_t word = index / 64;
	uint64_t skip = (UINT64_C(1) << (index % 64)) - 1;

	for (; word < idr->room / 64; word++, skip = 0) {
		uint64_t free = ~(bits[word] | skip);

		if (free)
			return word * 64 + (uint32_t)__builtin_ctzll(free);
	}
	return idr->room;
}

int64_t idr_alloc(struct task *task, struct idr *idr, void *object)
{
	uint32_t slot = idr->room ? free_slot(idr, idr->lowest_free) : 0;

	if (slot > idr->maximum - idr->minimum)
		return -EBUSY;
	if (slot == idr->room && !grow(task, idr))
		return -ENOMEM;
	idr->slots[slot] = object;
	bits_of(idr)[slot / 64] |= UINT64_C(1) << (slot % 64);
	idr->lowest_free = slot + 1;
	idr->used++;
	return (int64_t)idr->minimum + slot;
}

static bool taken(const struct idr *idr, uint32_t id)
{
	return id >= idr->minimum && id - idr->minimum < idr->room && idr->slots[id - idr->minimum];
}

void *idr_find(const struct idr *idr, uint32_t id)
{
	void *object;

	if (id < idr->minimum || id - idr->minimum >= idr->room)
		return NULL;
	object = idr->slots[id - idr->minimum];
	return object == IDR_RESERVED ? NULL : object;
}

void idr_replace(struct idr *idr, uint32_t id, void *object)
{
	if (taken(idr, id))
		idr->slots[id - idr->minimum] = object;
}

void idr_remove(struct idr *idr, uint32_t id)
{
	uint32_t slot = id - idr->minimum;

	if (!taken(idr, id))
		return;
	idr->slots[slot] = NULL;
	bits_of(idr)[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	idr->used--;
	if (slot < idr->lowest_free)
		idr->lowest_free = slot;
}

uint32_t idr_next(const struct idr *idr, uint32_t from, void **object)
{
	uint32_t slot = from > idr->minimum ? from - idr->minimum : 0;
	uint32_t word = slot / 64;
	uint64_t mask;

	if (slot >= idr->room)
		return 0;
	mask = ~UINT64_C(0) << (slot % 64);
	for (; word < idr->room / 64; word++, mask = ~UINT64_C(0)) {
		uint64_t used = bits_of(idr)[word] & mask;

		if (used) {
			slot = word * 64 + (uint32_t)__builtin_ctzll(used);
			*object = idr->slots[slot];
			return idr->minimum + slot;
		}
	}
	return 0;
}
