/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware queues of VIOMMUs (4.20, 10.23). */
#include "fuzz/oracle/model.h"

/* Step 7: the pages around the queue. */
static int round_out(struct model_hw_queue *queue, const struct iommu_hw_queue_alloc *alloc)
{
	uint64_t before = alloc->nesting_parent_iova % MODEL_PAGE;
	uint64_t bytes = alloc->length + before, whole = bytes + (MODEL_PAGE - 1);

	if (bytes < before || whole < bytes)
		return -ERANGE;
	queue->iova = alloc->nesting_parent_iova - before;
	queue->length = whole - whole % MODEL_PAGE;
	/* An array of pointers to the pages has 2 GiB at most. */
	return queue->length / MODEL_PAGE > INT32_MAX / 8 ? -ENOMEM : 0;
}

/* Step 10. */
static bool in_one_piece(const struct model_hw_queue *queue)
{
	const struct model_hwpt *parent = queue->viommu->parent;
	const struct model_page *before = NULL;

	for (uint64_t done = 0; done < queue->length; done += MODEL_PAGE) {
		bool readable, writeable;
		uint64_t offset;
		const struct model_page *page =
			model_translate(parent, queue->iova + done, &offset, &readable, &writeable);

		if (!page || (before && page->index != before->index + 1))
			return false;
		before = page;
	}
	return true;
}

static void give_back(struct model *model, struct model_hw_queue *queue)
{
	model_access_step(model, queue->access);
	model_access_unpin(model, queue->access, queue->iova, queue->length);
	model_access_destroy(model, queue->access);
}

/* Steps 7 to 10. */
static int take_memory(
	struct model *model, struct model_hw_queue *queue, const struct iommu_hw_queue_alloc *alloc)
{
	struct model_viommu *viommu = queue->viommu;
	int rc = round_out(queue, alloc);

	if (rc)
		return rc;
	rc = model_access_internal(model, viommu->context, viommu->parent->ioas, &queue->access);
	if (rc)
		return rc;
	model_access_step(model, queue->access);
	rc = model_access_pin(model, queue->access, queue->iova, queue->length, false);
	if (!rc && !in_one_piece(queue)) {
		model_access_unpin(model, queue->access, queue->iova, queue->length);
		rc = -EFAULT;
	}
	if (rc)
		model_access_destroy(model, queue->access);
	return rc;
}

/* 10.23, and what the mock makes of it: index 1 is taken once and for all. */
static int take_index(struct model_hw_queue *queue)
{
	struct model_viommu *viommu = queue->viommu;

	switch (queue->index) {
	case 0:
		if (viommu->first_queue)
			return -EEXIST;
		viommu->first_queue = queue;
		return 0;
	case 1:
		if (viommu->had_second_queue)
			return -EEXIST;
		/* One on its way in or out cannot be held. */
		if (!viommu->first_queue ||
			model_object_find(viommu->context, viommu->first_queue->object.id,
				MODEL_HW_QUEUE) != &viommu->first_queue->object)
			return -EIO;
		viommu->had_second_queue = true;
		queue->before = viommu->first_queue;
		queue->before->object.users++;
		return 0;
	default: return -EINVAL;
	}
}

/* Index 0 is free behind every queue that goes. */
static void leave_index(struct model_hw_queue *queue)
{
	queue->viommu->first_queue = NULL;
	if (queue->before)
		queue->before->object.users--;
}

void model_hw_queue_end(struct model *model, struct model_hw_queue *queue)
{
	model_phase(model, "hw_queues");
	leave_index(queue);
	give_back(model, queue);
	model_phase(model, "put");
	queue->viommu->object.users--;
	model_free(model, queue, sizeof(*queue));
}

/* Steps 11 and 12. */
static int install(struct model *model, struct model_hw_queue *queue, struct model_command *command)
{
	int rc;

	model_phase(model, "hw_queues");
	rc = take_index(queue);
	if (rc)
		return rc;
	command->hw_queue_alloc.out_hw_queue_id = queue->object.id;
	model_phase(model, "user-copy");
	rc = model_respond(model, command);
	if (rc) {
		model_phase(model, "hw_queues");
		leave_index(queue);
	}
	return rc;
}

static int make_queue(
	struct model *model, struct model_viommu *viommu, struct model_command *command)
{
	struct model_hw_queue *queue = model_alloc(model, sizeof(*queue));
	int rc;

	queue->viommu = viommu;
	queue->index = command->hw_queue_alloc.index;
	model_phase(model, "object_table");
	model_object_reserve(model, command->context, &queue->object, MODEL_HW_QUEUE);
	rc = take_memory(model, queue, &command->hw_queue_alloc);
	if (!rc) {
		rc = install(model, queue, command);
		if (rc)
			give_back(model, queue);
	}
	if (rc) {
		model_phase(model, "object_table");
		model_object_remove(command->context, &queue->object);
		model_free(model, queue, sizeof(*queue));
		return rc;
	}
	viommu->object.users++;
	model_object_publish(&queue->object);
	return 0;
}

int64_t model_rule_IOMMU_HW_QUEUE_ALLOC(struct model *model, struct model_command *command)
{
	const struct iommu_hw_queue_alloc *alloc = &command->hw_queue_alloc;
	struct model_viommu *viommu;
	int rc;

	if (alloc->flags || !alloc->type)
		return -EOPNOTSUPP;
	if (!alloc->length)
		return -EINVAL;
	if (alloc->nesting_parent_iova + (alloc->length - 1) < alloc->nesting_parent_iova)
		return -EOVERFLOW;
	viommu = model_object_get(model, command->context, alloc->viommu_id, MODEL_VIOMMU);
	if (!viommu)
		return -ENOENT;
	rc = alloc->type == IOMMU_HW_QUEUE_TYPE_SELFTEST ? make_queue(model, viommu, command)
							 : -EOPNOTSUPP;
	model_object_put(model, &viommu->object);
	return rc;
}
