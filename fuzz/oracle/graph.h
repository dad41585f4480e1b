/* SPDX-License-Identifier: Apache-2.0 */
/* Read-only walks over the implementation's objects, shared by the oracles. Nothing here locks or
 * changes. */
#ifndef IOMMUZZ_FUZZ_ORACLE_GRAPH_H
#define IOMMUZZ_FUZZ_ORACLE_GRAPH_H

#include "impl/iommufd/eventq.h"
#include "impl/iommufd/iommufd.h"

/* The oldest context; the others follow by ->next. */
static inline struct iommufd_context *graph_contexts(struct sim *sim)
{
	return ((struct iommufd_machine *)sim_iommufd_state(sim))->contexts;
}

/* The published object with the lowest id >= *id, which becomes its id; NULL at the end. */
static inline struct iommufd_object *graph_next_object(
	struct iommufd_context *context, uint32_t *id)
{
	void *slot;

	for (*id = idr_next(&context->objects, *id, &slot); *id;
		*id = idr_next(&context->objects, *id + 1, &slot))
		if (slot && slot != IDR_RESERVED)
			return slot;
	return NULL;
}

/* The IOAS whose list holds that page table or, of a nested one, its parent; NULL when none does
 * (blocked, or already taken away). */
static inline struct ioas *graph_ioas_of(struct sim *sim, const struct iommu_domain *domain)
{
	if (domain && iommu_domain_parent(domain))
		domain = iommu_domain_parent(domain);
	for (struct iommufd_context *context = graph_contexts(sim); context;
		context = context->next) {
		struct iommufd_object *object;

		for (uint32_t id = 1; (object = graph_next_object(context, &id)); id++) {
			struct hwpt *hwpt = (struct hwpt *)(void *)object;

			if (object->type == OBJECT_HWPT_PAGING && hwpt->domain == domain)
				return hwpt->ioas;
		}
	}
	return NULL;
}

#endif
