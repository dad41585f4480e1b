/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a child. */
#include "impl/sim/mm/mm_private.h"

/* A child's page of its own: a pinned page stays the parent's, whatever either writes later. */
static struct page *copy_page(struct sim *sim, struct memory *clone, const struct page *page)
{
	struct page *copy = page_create(sim, clone, page->index, clone->generation);

	if (copy && page->bytes && !page_store(sim, NULL, copy, 0, page->bytes, SIM_PAGE_SIZE, 0)) {
		page_leave(sim, clone, copy);
		return NULL;
	}
	return copy;
}

static bool fill_clone(struct sim *sim, const struct memory *memory, struct memory *clone)
{
	uint64_t index;

	for (index = 0;; index++) {
		struct page *page = radix_next(&memory->pages, &index);
		void **slot;

		if (!page)
			return true;
		slot = radix_slot(sim, &clone->pages, index);
		if (!slot)
			return false;
		if (page->pins) {
			*slot = copy_page(sim, clone, page);
			if (!*slot)
				return false;
		} else {
			page->refs++;
			*slot = page;
		}
	}
}

/* The child's object for a private one; mappings that were cut from one share it. */
static struct memory *clone_of(struct sim *sim, struct memory *memory)
{
	if (!memory->clone) {
		memory->clone = memory_create(sim, MEMORY_PRIVATE, memory->reserved, memory->base);
		if (memory->clone) {
			memory->clone->huge = memory->huge;
			/* A reference of the fork itself, until it has ended. */
			memory->clone->references = 1;
			if (!fill_clone(sim, memory, memory->clone)) {
				memory_put(sim, memory->clone);
				memory->clone = NULL;
			}
		}
	}
	return memory->clone;
}

static bool copy_mapping(struct mm *child, const struct vma *vma)
{
	struct sim *sim = child->sim;
	struct vma *copy = sim_alloc_internal(sim, sizeof(*copy));

	if (!copy)
		return false;
	*copy = *vma;
	if (copy->private) {
		copy->private = clone_of(sim, vma->private);
		if (!copy->private) {
			sim_free_internal(sim, copy, sizeof(*copy));
			return false;
		}
	}
	vma_open(child, copy);
	range_insert(&child->vmas, &copy->node);
	return true;
}

static void forget_clones(const struct mm *parent)
{
	struct range_node *node;

	range_tree_for_each (node, &parent->vmas) {
		struct memory *memory = vma_of(node)->private;

		if (memory && memory->clone) {
			memory_put(parent->sim, memory->clone);
			memory->clone = NULL;
		}
	}
}

struct mm *mm_fork(struct task *task, struct mm *parent)
{
	struct sim *sim = parent->sim;
	struct range_node *node;
	struct mm *child;
	bool good = true;

	if (parent->provider == MM_REAL)
		return NULL;
	child = mm_create_empty(sim, parent->provider);
	if (!child)
		return NULL;
	down_write(task, &parent->lock);
	sim_enter(sim, &sim->memory_lock);
	range_tree_for_each (node, &parent->vmas) {
		good = good && copy_mapping(child, vma_of(node));
	}
	forget_clones(parent);
	memory_changed(sim);
	sim_leave(sim, &sim->memory_lock);
	up_write(task, &parent->lock);
	if (good)
		return child;
	mm_put(task, child);
	return NULL;
}
