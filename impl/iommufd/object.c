/* SPDX-License-Identifier: Apache-2.0 */
/* The id table of a context, the two counters of an object and the ways to destroy one. 2.1 to 2.7
 */
#include "impl/iommufd/eventq.h"

static const uint16_t object_sizes[OBJECT_TYPE_COUNT] = {
	[OBJECT_DEVICE] = sizeof(struct device),
	[OBJECT_HWPT_PAGING] = sizeof(struct hwpt),
	[OBJECT_HWPT_NESTED] = sizeof(struct hwpt),
	[OBJECT_IOAS] = sizeof(struct ioas),
	[OBJECT_ACCESS] = sizeof(struct access),
	[OBJECT_SELFTEST] = sizeof(struct mock_device),
	[OBJECT_FAULT] = sizeof(struct fault_queue),
	[OBJECT_VEVENTQ] = sizeof(struct veventq),
	[OBJECT_VIOMMU] = sizeof(struct viommu),
	[OBJECT_VDEVICE] = sizeof(struct vdevice),
	[OBJECT_HW_QUEUE] = sizeof(struct hw_queue),
};

/* Counters change without the table lock too, so several threads need atomic steps; a single one
 * does not. */
static inline uint32_t counter_add(struct task *task, uint32_t *counter, uint32_t step)
{
	if (task_threaded(task))
		return __atomic_add_fetch(counter, step, __ATOMIC_SEQ_CST);
	return *counter += step;
}

static inline uint32_t counter_read(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

int object_alloc(struct task *task, struct iommufd_context *context, size_t size,
	enum object_type type, struct iommufd_object **out)
{
	struct iommufd_object *object = sim_alloc(task, size);
	int64_t id;

	if (!object)
		return -ENOMEM;
	spin_lock(task, &context->objects_lock);
	id = idr_alloc(task, &context->objects, IDR_RESERVED);
	if (SIM_BUG(task, ID_NOT_LOWEST) && id > 0) {
		int64_t next = idr_alloc(task, &context->objects, IDR_RESERVED);

		idr_remove(&context->objects, (uint32_t)id);
		id = next;
	}
	spin_unlock(task, &context->objects_lock);
	if (id < 0) {
		sim_free(task, object, size);
		return (int)id;
	}
	object->id = (uint32_t)id;
	object->users = 1;
	object->wait_count = 1;
	object->origin = task_origin(task);
	object->type = (uint8_t)type;
	*out = object;
	return 0;
}

void object_publish(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	spin_lock(task, &context->objects_lock);
	idr_replace(&context->objects, object->id, object);
	spin_unlock(task, &context->objects_lock);
}

void object_free(struct task *task, struct iommufd_object *object)
{
	sim_free(task, object, object_sizes[object->type]);
}

void object_abort(struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	spin_lock(task, &context->objects_lock);
	idr_remove(&context->objects, object->id);
	spin_unlock(task, &context->objects_lock);
	object_free(task, object);
}

bool object_abandon(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	bool unused;

	spin_lock(task, &context->objects_lock);
	unused = counter_read(&object->users) == 1;
	if (!unused) {
		object->abandoned = true;
		idr_remove(&context->objects, object->id);
	}
	spin_unlock(task, &context->objects_lock);
	return unused;
}

/* In one step: a creator who waits (object_remove) takes his count without the table lock. */
static bool wait_count_inc_not_zero(struct iommufd_object *object)
{
	uint32_t seen = counter_read(&object->wait_count);

	while (seen) {
		if (__atomic_compare_exchange_n(&object->wait_count, &seen, seen + 1, true,
			    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

bool object_lock_counters(struct task *task, struct iommufd_object *object)
{
	if (!counter_read(&object->users) || !counter_read(&object->wait_count))
		return false;
	if (SIM_BUG(task, COUNTERS_TWO_STEPS)) {
		schedule_point(task, SCHEDULE_PUT);
		counter_add(task, &object->wait_count, 1);
		counter_add(task, &object->users, 1);
		return true;
	}
	if (task_threaded(task)) {
		if (!wait_count_inc_not_zero(object))
			return false;
		__atomic_add_fetch(&object->users, 1, __ATOMIC_SEQ_CST);
	} else {
		object->users++;
		object->wait_count++;
	}
	return true;
}

struct iommufd_object *object_get(
	struct task *task, struct iommufd_context *context, uint32_t id, enum object_type type)
{
	struct iommufd_object *object;

	if (fault_here(task, FAULT_LOOKUP))
		return NULL;
	spin_lock(task, &context->objects_lock);
	object = idr_find(&context->objects, id);
	if (object && type != OBJECT_ANY && object->type != type) {
		/* Only the paging types may be confused, the others would not be this struct at
		 * all. */
		if (!SIM_BUG(task, LOOKUP_TYPE_UNCHECKED) ||
			object_sizes[object->type] < object_sizes[type])
			object = NULL;
	}
	if (SIM_BUG(task, LOOKUP_UNLOCKED)) {
		spin_unlock(task, &context->objects_lock);
		spin_lock(task, &context->objects_lock);
	}
	if (object && !object_lock_counters(task, object))
		object = NULL;
	spin_unlock(task, &context->objects_lock);
	return object;
}

bool object_try_get(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	bool got;

	spin_lock(task, &context->objects_lock);
	got = object_lock_counters(task, object);
	spin_unlock(task, &context->objects_lock);
	return got;
}

void object_put(struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	/* users first: a destroyer that sees the last short reference gone must see users final. */
	schedule_point(task, SCHEDULE_PUT);
	if (SIM_BUG(task, PUT_ORDER)) {
		if (!counter_add(task, &object->wait_count, (uint32_t)-1))
			wake_up_all(task, &context->object_wait);
		schedule_point(task, SCHEDULE_PUT);
		counter_add(task, &object->users, (uint32_t)-1);
		return;
	}
	counter_add(task, &object->users, (uint32_t)-1);
	schedule_point(task, SCHEDULE_PUT);
	if (!counter_add(task, &object->wait_count, (uint32_t)-1) && !SIM_BUG(task, WAKE_MISSING))
		wake_up_all(task, &context->object_wait);
}

void object_add_user(struct task *task, struct iommufd_object *object)
{
	schedule_point(task, SCHEDULE_PUT);
	counter_add(task, &object->users, 1);
}

bool object_try_add_user(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	bool listed;

	spin_lock(task, &context->objects_lock);
	listed = idr_find(&context->objects, object->id) == object;
	if (listed)
		counter_add(task, &object->users, 1);
	spin_unlock(task, &context->objects_lock);
	return listed;
}

void object_drop_user(struct task *task, struct iommufd_object *object)
{
	schedule_point(task, SCHEDULE_PUT);
	counter_add(task, &object->users, (uint32_t)-1);
}

static bool wait_count_is_zero(const void *object)
{
	return __atomic_load_n(
		       &((const struct iommufd_object *)object)->wait_count, __ATOMIC_SEQ_CST) == 0;
}

/* Drops the table's short reference and waits until all others are gone. */
static bool object_wait(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	schedule_point(task, SCHEDULE_PUT);
	counter_add(task, &object->wait_count, (uint32_t)-1);
	if (wait_count_is_zero(object))
		return true;
	if (wait_event(task, &context->object_wait, wait_count_is_zero, object,
		    IOMMUFD_DESTROY_TIMEOUT))
		return true;
	sim_warn(task, "object-in-use", "object %u is still in use after %u ms", object->id,
		IOMMUFD_DESTROY_TIMEOUT);
	return false;
}

/* Type-specific teardown; the object is out of the table and nobody refers to it. */
static void object_teardown(struct task *task, struct iommufd_object *object)
{
	switch (object->type) {
	case OBJECT_IOAS: ioas_destroy(task, (struct ioas *)object); break;
	case OBJECT_HWPT_PAGING: hwpt_destroy(task, (struct hwpt *)object); break;
	case OBJECT_HWPT_NESTED: nested_destroy(task, (struct hwpt *)object); break;
	case OBJECT_SELFTEST: mock_device_destroy(task, (struct mock_device *)object); break;
	case OBJECT_VEVENTQ: veventq_destroy(task, (struct veventq *)(void *)object); break;
	case OBJECT_FAULT: fault_queue_destroy(task, (struct fault_queue *)(void *)object); break;
	case OBJECT_VIOMMU: viommu_destroy(task, (struct viommu *)object); break;
	case OBJECT_VDEVICE: vdevice_destroy(task, (struct vdevice *)object); break;
	case OBJECT_HW_QUEUE: hw_queue_destroy(task, (struct hw_queue *)object); break;
	default:
		/* DEVICE and ACCESS have a creator who holds a user and destroys them himself. */
		sim_warn(task, "object-owned", "object %u has lost its creator's reference",
			object->id);
		break;
	}
}

int object_destroy(struct task *task, struct iommufd_context *context, uint32_t id)
{
	struct iommufd_object *object;
	uint32_t users_allowed = SIM_BUG(task, DESTROY_IN_USE) ? 2 : 1;

	spin_lock(task, &context->objects_lock);
	object = idr_find(&context->objects, id);
	if (!object) {
		spin_unlock(task, &context->objects_lock);
		return -ENOENT;
	}
	if (counter_read(&object->users) > users_allowed) {
		spin_unlock(task, &context->objects_lock);
		return -EBUSY;
	}
	counter_add(task, &object->users, (uint32_t)-1);
	idr_remove(&context->objects, id);
	if (context->compat_ioas == (void *)object)
		context->compat_ioas = NULL;
	spin_unlock(task, &context->objects_lock);
	if (SIM_BUG(task, DESTROY_UNWAITED) || object_wait(task, context, object))
		object_teardown(task, object);
	return 0;
}

void object_drop_user_and_destroy(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	bool destroy = false;

	if (SIM_BUG(task, AUTOMATIC_LAST_MISSED)) {
		destroy = counter_read(&object->users) == 2;
		schedule_point(task, SCHEDULE_PUT);
	}
	spin_lock(task, &context->objects_lock);
	/* One that is still being made cannot be found, and stays. */
	if (counter_add(task, &object->users, (uint32_t)-1) == 1 &&
		!SIM_BUG(task, AUTOMATIC_LAST_MISSED))
		destroy = object->abandoned || idr_find(&context->objects, object->id) == object;
	if (destroy) {
		counter_add(task, &object->users, (uint32_t)-1);
		if (!object->abandoned)
			idr_remove(&context->objects, object->id);
	}
	spin_unlock(task, &context->objects_lock);
	if (destroy && object_wait(task, context, object))
		object_teardown(task, object);
}

bool object_remove(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	bool alone;

	if (!SIM_BUG(task, REMOVE_UNWAITED) && !object_wait(task, context, object))
		return false;
	spin_lock(task, &context->objects_lock);
	alone = counter_add(task, &object->users, (uint32_t)-1) == 1;
	if (alone) {
		counter_add(task, &object->users, (uint32_t)-1);
		idr_remove(&context->objects, object->id);
	}
	spin_unlock(task, &context->objects_lock);
	if (!alone)
		sim_warn(task, "object-in-use",
			"object %u has users left when its creator destroys it", object->id);
	return alone;
}

bool object_entomb(
	struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	bool found;

	spin_lock(task, &context->objects_lock);
	found = idr_find(&context->objects, object->id) == object;
	if (found && SIM_BUG(task, TOMBSTONE_FREED)) {
		idr_remove(&context->objects, object->id);
	} else if (found) {
		idr_replace(&context->objects, object->id, IDR_RESERVED);
		context->tombstones++;
	}
	spin_unlock(task, &context->objects_lock);
	return found;
}

void object_bury(struct task *task, struct iommufd_context *context, struct iommufd_object *object)
{
	if (!object_wait(task, context, object))
		return;
	counter_add(task, &object->users, (uint32_t)-1);
	object_teardown(task, object);
}

int64_t handle_IOMMU_DESTROY(struct command *command)
{
	if (fault_here(command->task, FAULT_LOOKUP))
		return -ENOENT;
	return object_destroy(command->task, command->context, command->destroy.id);
}
