/* SPDX-License-Identifier: Apache-2.0 */
/* The list of pins that a driver keeps, oldest first. Callers hold the driver's lock. */
#ifndef IOMMUZZ_IOMMUFD_ACCESS_ITEMS_H
#define IOMMUZZ_IOMMUFD_ACCESS_ITEMS_H

#include "impl/iommufd/iommufd.h"

static inline void items_append(
	struct access_item **first, struct access_item **newest, struct access_item *item)
{
	item->next = NULL;
	if (*newest)
		(*newest)->next = item;
	else
		*first = item;
	*newest = item;
}

/* Takes out the item behind `previous` (NULL: the first). */
static inline struct access_item *items_remove(
	struct access_item **first, struct access_item **newest, struct access_item *previous)
{
	struct access_item **link = previous ? &previous->next : first;
	struct access_item *item = *link;

	*link = item->next;
	if (*newest == item)
		*newest = previous;
	return item;
}

/* Forgets all items; their pins stay. */
static inline void items_free(
	struct task *task, struct access_item **first, struct access_item **newest)
{
	while (*first) {
		struct access_item *item = items_remove(first, newest, NULL);

		sim_free(task, item, sizeof(*item));
	}
}

static inline uint64_t range_end(uint64_t iova, uint64_t length)
{
	uint64_t last;

	return __builtin_add_overflow(iova, length - 1, &last) ? UINT64_MAX : last;
}

static inline bool item_intersects(const struct access_item *item, uint64_t iova, uint64_t length)
{
	return length && item->iova <= range_end(iova, length) &&
	       range_end(item->iova, item->length) >= iova;
}

/* Unpins and forgets every item that intersects [iova, iova + length). Number of items. */
static inline uint32_t items_unpin(struct task *task, struct access *access,
	struct access_item **first, struct access_item **newest, uint64_t iova, uint64_t length)
{
	struct access_item *previous = NULL, *item = *first;
	uint32_t count = 0;

	while (item) {
		struct access_item *next = item->next;

		if (item_intersects(item, iova, length)) {
			items_remove(first, newest, previous);
			access_unpin_pages(task, access, item->iova, item->length);
			sim_free(task, item, sizeof(*item));
			count++;
		} else {
			previous = item;
		}
		item = next;
	}
	return count;
}

#endif
