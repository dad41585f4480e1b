/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware queues of VIOMMUs, in guest memory that stays pinned and mapped. 4.20, 10.23 */
#include "impl/iommufd/iommufd.h"

/* Step 7: the whole pages of the queue. */
static int whole_pages(struct hw_queue *queue, const struct iommu_hw_queue_alloc *request)
{
	uint64_t offset = request->nesting_parent_iova & (SIM_PAGE_SIZE - 1), end;

	if (__builtin_add_overflow(request->length, offset, &end) ||
		__builtin_add_overflow(end, SIM_PAGE_SIZE - 1, &end))
		return -ERANGE;
	queue->iova = request->nesting_parent_iova - offset;
	queue->length = end & ~(SIM_PAGE_SIZE - 1);
	/* So many pointers to pages are not to be had at once. */
	return queue->length >> SIM_PAGE_SHIFT > INT32_MAX / sizeof(void *) ? -ENOMEM : 0;
}

/* Step 10, of what is pinned. */
static bool is_contiguous(struct task *task, const struct hw_queue *queue)
{
	struct iommu_domain *domain = queue->viommu->parent->domain;
	uint64_t base = iommu_translate(task, domain, queue->iova), done;

	for (done = SIM_PAGE_SIZE; done < queue->length; done += SIM_PAGE_SIZE)
		if (iommu_translate(task, domain, queue->iova + done) != base + done)
			return SIM_BUG(task, QUEUE_SCATTERED);
	return true;
}

/* Steps 7 to 10. On failure nothing is left. */
static int pin_memory(
	struct task *task, struct hw_queue *queue, const struct iommu_hw_queue_alloc *request)
{
	struct viommu *viommu = queue->viommu;
	int rc = whole_pages(queue, request);

	if (rc)
		return rc;
	rc = access_create_internal(task, viommu->context, viommu->parent->ioas, &queue->access);
	if (rc)
		return rc;
	rc = access_pin_pages(task, queue->access, queue->iova, queue->length, NULL, ACCESS_READ);
	if (!rc && !is_contiguous(task, queue)) {
		access_unpin_pages(task, queue->access, queue->iova, queue->length);
		rc = -EFAULT;
	}
	if (rc)
		access_destroy(task, queue->access);
	return rc;
}

static void unpin_memory(struct task *task, struct hw_queue *queue)
{
	access_unpin_pages(task, queue->access, queue->iova, queue->length);
	access_destroy(task, queue->access);
}

static_assert(IOMMU_TEST_HW_QUEUE_MAX == 2, "a first queue and a second one");

/* What the mock does with it; queues_lock is held. 10.23 */
static int take_index(struct task *task, struct hw_queue *queue)
{
	struct viommu *viommu = queue->viommu;
	bool second = queue->index == 1;

	if (queue->index >= IOMMU_TEST_HW_QUEUE_MAX)
		return -EINVAL;
	if ((second ? viommu->second_queue : viommu->first_queue != NULL) &&
		!SIM_BUG(task, QUEUE_INDEX_TWICE))
		return -EEXIST;
	if (!second) {
		viommu->first_queue = queue;
		return 0;
	}
	if (!viommu->first_queue)
		return -EIO;
	if (!SIM_BUG(task, QUEUE_INDEPENDENT)) {
		/* It may be on its way in or out. */
		if (!object_try_add_user(task, viommu->context, &viommu->first_queue->object))
			return -EIO;
		queue->depends = viommu->first_queue;
	}
	viommu->second_queue = true;
	return 0;
}

/* The mock gives back index 0, whichever queue goes: a queue does not know its index. */
static void leave_index(struct task *task, struct hw_queue *queue)
{
	struct viommu *viommu = queue->viommu;

	mutex_lock(task, &viommu->queues_lock);
	if (queue->index && SIM_BUG(task, QUEUE_INDEX_KNOWN))
		viommu->second_queue = false;
	else
		viommu->first_queue = NULL;
	if (queue->depends)
		object_drop_user(task, &queue->depends->object);
	mutex_unlock(task, &viommu->queues_lock);
}

void hw_queue_destroy(struct task *task, struct hw_queue *queue)
{
	leave_index(task, queue);
	if (!SIM_BUG(task, QUEUE_MEMORY_KEPT))
		unpin_memory(task, queue);
	object_drop_user(task, &queue->viommu->object);
	object_free(task, &queue->object);
}

/* Steps 11 and 12. */
static int install(struct command *command, struct hw_queue *queue)
{
	struct task *task = command->task;
	int rc;

	mutex_lock(task, &queue->viommu->queues_lock);
	rc = take_index(task, queue);
	mutex_unlock(task, &queue->viommu->queues_lock);
	if (rc)
		return rc;
	command->hw_queue_alloc.out_hw_queue_id = queue->object.id;
	rc = command_respond(command);
	if (rc)
		leave_index(task, queue);
	return rc;
}

/* Steps 6 to 12. */
static int queue_create(struct command *command, struct viommu *viommu)
{
	struct task *task = command->task;
	struct iommufd_object *object;
	struct hw_queue *queue;
	int rc;

	rc = object_alloc(task, command->context, sizeof(*queue), OBJECT_HW_QUEUE, &object);
	if (rc)
		return rc;
	queue = (struct hw_queue *)object;
	queue->viommu = viommu;
	queue->index = command->hw_queue_alloc.index;
	rc = pin_memory(task, queue, &command->hw_queue_alloc);
	if (!rc) {
		rc = install(command, queue);
		if (!rc) {
			object_add_user(task, &viommu->object);
			object_publish(task, command->context, object);
			return 0;
		}
		unpin_memory(task, queue);
	}
	object_abort(task, command->context, object);
	return rc;
}

int64_t handle_IOMMU_HW_QUEUE_ALLOC(struct command *command)
{
	struct task *task = command->task;
	const struct iommu_hw_queue_alloc *request = &command->hw_queue_alloc;
	struct viommu *viommu;
	uint64_t last;
	int rc = -EOPNOTSUPP;

	if (request->flags || request->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return -EOPNOTSUPP;
	if (!request->length)
		return -EINVAL;
	if (__builtin_add_overflow(request->nesting_parent_iova, request->length - 1, &last) &&
		!SIM_BUG(task, QUEUE_OVERFLOW))
		return -EOVERFLOW;
	viommu = (struct viommu *)object_get(
		task, command->context, request->viommu_id, OBJECT_VIOMMU);
	if (!viommu)
		return -ENOENT;
	if (request->type == IOMMU_HW_QUEUE_TYPE_SELFTEST || SIM_BUG(task, QUEUE_ANY_TYPE))
		rc = queue_create(command, viommu);
	object_put(task, command->context, &viommu->object);
	return rc;
}
