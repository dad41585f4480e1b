/* SPDX-License-Identifier: Apache-2.0 */
/* IO page tables, kept as runs; their entries are computed. */
#include <errno.h>

#include "impl/sim/hw/iommu_private.h"

static struct table_run *run_of(struct range_node *node)
{
	return (struct table_run *)(void *)node;
}

/*
 * The entry of a run with iova. Blocks of powers of two nest, so that filling a run from its start
 * with the largest block that is aligned and fits yields exactly the maximal blocks inside of it;
 * the one around iova is found by trying sizes downwards.
 */
static void entry_in(const struct table_run *run, uint64_t iova, struct table_entry *entry)
{
	uint64_t delta = run->phys - run->node.first;
	uint64_t length = run->node.last - run->node.first + 1;
	uint64_t sizes = run->sizes;

	/* A block is no larger than the run (0: all of the space) and its delta is a multiple of
	 * it. */
	if (length)
		sizes &= (UINT64_C(2) << (63 - __builtin_clzll(length))) - 1;
	if (delta)
		sizes &= (delta & -delta) * 2 - 1;
	for (;;) {
		uint64_t size = UINT64_C(1) << (63 - __builtin_clzll(sizes));
		uint64_t start = iova & ~(size - 1);

		sizes &= ~size;
		if (start >= run->node.first && run->node.last - start >= size - 1) {
			*entry = (struct table_entry){start, size, start + delta, run->protection};
			return;
		}
	}
}

/* Entries of [first, last] of a run, which begins and ends with entries. */
static uint64_t count_entries(const struct table_run *run, uint64_t first, uint64_t last)
{
	uint64_t delta = run->phys - run->node.first;
	uint64_t sizes = delta ? run->sizes & ((delta & -delta) * 2 - 1) : run->sizes;
	uint64_t largest = UINT64_C(1) << (63 - __builtin_clzll(sizes));
	uint64_t count = 0;

	for (;;) {
		struct table_entry entry;
		uint64_t same = 1, end;

		entry_in(run, first, &entry);
		/* Sizes rise to the largest and fall again: only of that one there can be many. */
		if (entry.size == largest)
			same = (last - entry.iova - (largest - 1)) / largest + 1;
		count += same;
		end = entry.iova + (same - 1) * entry.size + (entry.size - 1);
		if (end >= last)
			return count;
		first = end + 1;
	}
}

static struct table_run *find_run(struct page_table *table, uint64_t iova)
{
	struct table_run *run = table->last;

	if (run && iova >= run->node.first && iova <= run->node.last)
		return run;
	run = run_of(range_first(&table->runs, iova, iova));
	if (run)
		table->last = run;
	return run;
}

bool table_lookup(struct page_table *table, uint64_t iova, struct table_entry *entry)
{
	const struct table_run *run = find_run(table, iova);

	if (run)
		entry_in(run, iova, entry);
	return run != NULL;
}

bool table_next(const struct page_table *table, uint64_t iova, struct table_entry *entry)
{
	const struct table_run *run = run_of(range_first(&table->runs, iova, UINT64_MAX));

	if (!run)
		return false;
	if (iova < run->node.first)
		iova = run->node.first;
	entry_in(run, iova, entry);
	if (entry->iova >= iova)
		return true;
	/* iova lies within an entry: the one behind it. */
	if (entry->iova + (entry->size - 1) == UINT64_MAX)
		return false;
	return table_next(table, entry->iova + entry->size, entry);
}

int table_map(
	struct sim *sim, struct page_table *table, const struct table_entry *range, uint64_t sizes)
{
	struct table_run *run = sim_alloc_internal(sim, sizeof(*run));

	if (!run)
		return -ENOMEM;
	run->node.first = range->iova;
	run->node.last = range->iova + range->size - 1;
	run->phys = range->phys;
	run->sizes = sizes;
	run->protection = range->protection;
	range_insert(&table->runs, &run->node);
	table->entries += count_entries(run, run->node.first, run->node.last);
	return 0;
}

/* [first, last] shrunk to the entries of run that lie inside; false when there is none. */
static bool whole_entries(const struct table_run *run, uint64_t *first, uint64_t *last)
{
	struct table_entry entry;

	if (*first <= run->node.first) {
		*first = run->node.first;
	} else {
		entry_in(run, *first, &entry);
		if (entry.iova != *first) {
			if (entry.iova + (entry.size - 1) >= run->node.last)
				return false;
			*first = entry.iova + entry.size;
		}
	}
	if (*last >= run->node.last) {
		*last = run->node.last;
	} else {
		entry_in(run, *last, &entry);
		if (entry.iova + (entry.size - 1) != *last) {
			if (entry.iova <= run->node.first)
				return false;
			*last = entry.iova - 1;
		}
	}
	return *first <= *last;
}

/* Takes [first, last], whole entries, out of a run. False: host memory, nothing changed. */
static bool cut(struct sim *sim, struct page_table *table, struct table_run *run, uint64_t first,
	uint64_t last)
{
	uint64_t run_first = run->node.first, run_last = run->node.last;
	uint64_t entries = count_entries(run, first, last);

	table->last = NULL;
	if (first > run_first && last < run_last) {
		struct table_run *upper = sim_alloc_internal(sim, sizeof(*upper));

		if (!upper)
			return false;
		*upper = *run;
		upper->node.first = last + 1;
		upper->phys += last + 1 - run_first;
		range_resize(&table->runs, &run->node, run_first, first - 1);
		range_insert(&table->runs, &upper->node);
	} else if (first > run_first) {
		range_resize(&table->runs, &run->node, run_first, first - 1);
	} else if (last < run_last) {
		run->phys += last + 1 - run_first;
		range_resize(&table->runs, &run->node, last + 1, run_last);
	} else {
		range_remove(&table->runs, &run->node);
		sim_free_internal(sim, run, sizeof(*run));
	}
	table->entries -= entries;
	return true;
}

uint64_t table_unmap(struct sim *sim, struct page_table *table, uint64_t first, uint64_t last)
{
	uint64_t at = first, bytes = 0;

	for (;;) {
		struct table_run *run = run_of(range_first(&table->runs, at, last));
		uint64_t run_last, cut_first = first, cut_last = last;

		if (!run)
			return bytes;
		run_last = run->node.last;
		if (whole_entries(run, &cut_first, &cut_last) &&
			cut(sim, table, run, cut_first, cut_last))
			bytes += cut_last - cut_first + 1;
		if (run_last >= last)
			return bytes;
		at = run_last + 1;
	}
}

bool table_mapped(const struct page_table *table, uint64_t first, uint64_t last)
{
	return range_first(&table->runs, first, last) != NULL;
}

void table_clear(struct sim *sim, struct page_table *table)
{
	while (table->runs.root) {
		struct table_run *run = run_of(table->runs.root);

		range_remove(&table->runs, &run->node);
		sim_free_internal(sim, run, sizeof(*run));
	}
	table->entries = 0;
	table->last = NULL;
}
