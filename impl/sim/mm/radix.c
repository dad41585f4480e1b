/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/mm/radix.h"

#include "impl/sim/sim_private.h"

#define NODE_BYTES (RADIX_FANOUT * sizeof(void *))
#define MASK	   (RADIX_FANOUT - 1)

/* Whether the tree is high enough for index. */
static bool reaches(const struct radix *radix, uint64_t index)
{
	unsigned bits = radix->height * RADIX_BITS;

	return radix->root && (bits >= 64 || !(index >> bits));
}

void *radix_get(const struct radix *radix, uint64_t index)
{
	unsigned shift = radix->height * RADIX_BITS;
	void **node = radix->root;

	if (!reaches(radix, index))
		return NULL;
	while (shift > RADIX_BITS) {
		shift -= RADIX_BITS;
		node = node[(index >> shift) & MASK];
		if (!node)
			return NULL;
	}
	return node[index & MASK];
}

/* Puts roots on top until the tree reaches index. */
static bool grow(struct sim *sim, struct radix *radix, uint64_t index)
{
	while (!reaches(radix, index)) {
		void **root;

		if (!radix->root) {
			radix->height = 1;
			while (radix->height * RADIX_BITS < 64 &&
				index >> (radix->height * RADIX_BITS))
				radix->height++;
		}
		root = sim_alloc_internal(sim, NODE_BYTES);
		if (!root)
			return false;
		if (radix->root) {
			root[0] = radix->root;
			radix->height++;
		}
		radix->root = root;
	}
	return true;
}

void **radix_slot(struct sim *sim, struct radix *radix, uint64_t index)
{
	unsigned shift;
	void **node;

	if (!grow(sim, radix, index))
		return NULL;
	node = radix->root;
	for (shift = radix->height * RADIX_BITS - RADIX_BITS; shift; shift -= RADIX_BITS) {
		void **link = &node[(index >> shift) & MASK];

		if (!*link)
			*link = sim_alloc_internal(sim, NODE_BYTES);
		node = *link;
		if (!node)
			return NULL;
	}
	return &node[index & MASK];
}

/* The first pointer below node at or after *index, which is known to lie below or before it. */
static void *next_below(void **node, unsigned shift, uint64_t *index)
{
	uint64_t slot = (*index >> shift) & MASK;

	for (; slot < RADIX_FANOUT; slot++) {
		/* Where the next slot starts; after the last one the caller's level goes on from
		 * there. */
		uint64_t next = ((*index >> shift) + 1) << shift;
		void *found = node[slot];

		if (found && shift)
			found = next_below(found, shift - RADIX_BITS, index);
		if (found)
			return found;
		if (!next)
			return NULL;
		*index = next;
	}
	return NULL;
}

void *radix_next(const struct radix *radix, uint64_t *index)
{
	if (!reaches(radix, *index))
		return NULL;
	return next_below(radix->root, (radix->height - 1) * RADIX_BITS, index);
}

static void free_below(struct sim *sim, void **node, unsigned height)
{
	unsigned slot;

	for (slot = 0; height > 1 && slot < RADIX_FANOUT; slot++) {
		if (node[slot])
			free_below(sim, node[slot], height - 1);
	}
	sim_free_internal(sim, node, NODE_BYTES);
}

void radix_clear(struct sim *sim, struct radix *radix)
{
	if (radix->root)
		free_below(sim, radix->root, radix->height);
	*radix = (struct radix){.root = NULL};
}
