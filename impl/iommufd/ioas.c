/* SPDX-License-Identifier: Apache-2.0 */
/* The IOAS object and the ioctls that look at or change its sets of IOVAs. 4.2, 4.3, 4.5 */
#include "impl/iommufd/iommufd.h"

struct ioas *ioas_get(struct task *task, struct iommufd_context *context, uint32_t id)
{
	return (struct ioas *)object_get(task, context, id, OBJECT_IOAS);
}

void ioas_put(struct task *task, struct ioas *ioas)
{
	object_put(task, ioas->context, &ioas->object);
}

int ioas_create(struct task *task, struct iommufd_context *context, struct iommufd_object **out)
{
	struct ioas *ioas;
	int rc = object_alloc(task, context, sizeof(*ioas), OBJECT_IOAS, out);

	if (rc)
		return rc;
	ioas = (struct ioas *)*out;
	ioas->context = context;
	ioas->mutex = mutex_init(LOCK_IOAS_MUTEX);
	ioas->domains_rwsem = rwsem_init(LOCK_DOMAINS);
	ioas->iova_rwsem = rwsem_init(LOCK_IOVA);
	ioas->access_lock = spinlock_init(LOCK_OTHER);
	range_map_init(&ioas->areas, task_sim(task));
	range_tree_init(&ioas->reserved);
	range_tree_init(&ioas->allowed);
	ioas->alignment = 1;
	ioas->changes = 1;
	return 0;
}

int64_t handle_IOMMU_IOAS_ALLOC(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	struct iommufd_object *object;
	int rc;

	if (command->ioas_alloc.flags && !SIM_BUG(task, IOAS_ALLOC_FLAGS))
		return -EOPNOTSUPP;
	rc = ioas_create(task, context, &object);
	if (rc)
		return rc;
	command->ioas_alloc.out_ioas_id = object->id;
	if (SIM_BUG(task, IOAS_PUBLISHED_EARLY))
		object_publish(task, context, object);
	rc = command_respond(command);
	if (rc && !SIM_BUG(task, IOAS_ALLOC_NOT_UNDONE)) {
		object_abort(task, context, object);
		return rc;
	}
	down_read(task, &context->creation_lock);
	object_publish(task, context, object);
	up_read(task, &context->creation_lock);
	return rc;
}

/* Frees every range of a set of struct reserved_range. */
static void ranges_free(struct task *task, struct range_tree *tree)
{
	struct range_node *node;

	while ((node = range_lowest(tree))) {
		range_remove(tree, node);
		sim_free(task, node, sizeof(struct reserved_range));
	}
}

/* Drivers that went away without giving their pins back leave areas that no callback can free any
 * more. */
static void ioas_drop_stale_pins(struct task *task, struct ioas *ioas)
{
	struct range_item *node;

	range_map_for_each(node, &ioas->areas)
	{
		struct area *area = area_of(node);

		if (!area->accesses)
			continue;
		mutex_lock(task, &area->pages->mutex);
		pages_drop_records(task, area);
		area->locks = 0;
		mutex_unlock(task, &area->pages->mutex);
	}
}

void ioas_destroy(struct task *task, struct ioas *ioas)
{
	uint64_t unmapped;

	if (ioas_unmap(task, ioas, 0, UINT64_MAX, &unmapped)) {
		ioas_drop_stale_pins(task, ioas);
		ioas_unmap(task, ioas, 0, UINT64_MAX, &unmapped);
	}
	range_map_destroy(&ioas->areas);
	ranges_free(task, &ioas->allowed);
	ranges_free(task, &ioas->reserved);
	sim_free(task, ioas->domains, ioas->domain_room * sizeof(*ioas->domains));
	if (!SIM_BUG(task, IOAS_ACCESSES_KEPT))
		sim_free(task, ioas->accesses, ioas->access_room * sizeof(*ioas->accesses));
	object_free(task, &ioas->object);
}

/* Step 3: reads one element into the new set. */
static int allow_element(struct command *command, struct range_tree *allowed, uint32_t i)
{
	struct task *task = command->task;
	struct iommu_iova_range range;
	struct reserved_range *node;
	int rc;

	rc = copy_from_user(task, &range, command->allow_iovas.allowed_iovas + i * sizeof(range),
		sizeof(range));
	if (rc)
		return rc;
	if (range.start > range.last ||
		(range.start == range.last && !SIM_BUG(task, ALLOW_ONE_BYTE)))
		return -EINVAL;
	if (range_first(allowed, range.start,
		    SIM_BUG(task, ALLOW_OVERLAP) ? range.last - 1 : range.last))
		return -EINVAL;
	node = sim_alloc(task, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->node.first = range.start;
	node->node.last = range.last;
	range_insert(allowed, &node->node);
	return 0;
}

/* Steps 4 and 5: all or nothing. */
static int ioas_replace_allowed(struct task *task, struct ioas *ioas, struct range_tree *allowed)
{
	struct range_tree old;
	struct range_node *node;
	int rc = 0;

	down_write(task, &ioas->iova_rwsem);
	range_tree_for_each (node, allowed) {
		uint64_t last = SIM_BUG(task, ALLOW_RESERVED) ? node->last - 1 : node->last;

		if (range_first(&ioas->reserved, node->first, last)) {
			rc = -EADDRINUSE;
			break;
		}
	}
	if (SIM_BUG(task, ALLOW_CHECK_UNLOCKED)) {
		up_write(task, &ioas->iova_rwsem);
		down_write(task, &ioas->iova_rwsem);
	}
	if (!rc) {
		old = ioas->allowed;
		ioas->allowed = *allowed;
		*allowed = old;
		ioas_touch(ioas);
	}
	up_write(task, &ioas->iova_rwsem);
	return rc;
}

int64_t handle_IOMMU_IOAS_ALLOW_IOVAS(struct command *command)
{
	struct task *task = command->task;
	struct range_tree allowed;
	struct ioas *ioas;
	uint32_t count;
	int rc = 0;

	if (command->allow_iovas.__reserved && !SIM_BUG(task, ALLOW_RESERVED_FIELD))
		return -EOPNOTSUPP;
	ioas = ioas_get(task, command->context, command->allow_iovas.ioas_id);
	if (!ioas)
		return -ENOENT;
	range_tree_init(&allowed);
	count = command->allow_iovas.num_iovas;
	if (SIM_BUG(task, ALLOW_LAST_IGNORED) && count)
		count--;
	for (uint32_t i = 0; i < count && !rc; i++)
		rc = allow_element(command, &allowed, i);
	if (!rc)
		rc = ioas_replace_allowed(task, ioas, &allowed);
	else if (rc == -ENOMEM && allowed.count && SIM_BUG(task, ALLOW_PARTIAL))
		ioas_replace_allowed(task, ioas, &allowed);
	ranges_free(task, &allowed);
	ioas_put(task, ioas);
	return rc;
}

/* Reservations may overlap. */
int ioas_each_usable(struct task *task, const struct ioas *ioas,
	int (*each)(struct task *task, void *context, uint64_t first, uint64_t last), void *context)
{
	struct range_node *node = range_lowest(&ioas->reserved);
	uint64_t next = 0;
	int rc;

	for (; node; node = range_successor(node)) {
		if (node->first > next) {
			rc = each(task, context, next, node->first - 1);
			if (rc)
				return rc;
		}
		if (node->last == UINT64_MAX)
			return 0;
		if (node->last + 1 > next || SIM_BUG(task, RANGES_NOT_MERGED))
			next = node->last + 1;
	}
	return each(task, context, next, UINT64_MAX);
}

/* The user's array. */
struct range_array {
	uint64_t address;
	uint32_t room, total;
};

/* One range: counted, and written while there is room. */
static int ranges_emit(struct task *task, void *context, uint64_t first, uint64_t last)
{
	struct range_array *array = context;
	struct iommu_iova_range range = {.start = first, .last = last};
	uint64_t address = array->address + (uint64_t)array->total * sizeof(range);

	if (SIM_BUG(task, RANGES_LAST) && last != UINT64_MAX)
		range.last++;
	if (array->total++ >= array->room)
		return 0;
	return copy_to_user(task, address, &range, sizeof(range));
}

int64_t handle_IOMMU_IOAS_IOVA_RANGES(struct command *command)
{
	struct task *task = command->task;
	struct range_array array = {.address = command->iova_ranges.allowed_iovas,
		.room = command->iova_ranges.num_iovas};
	struct ioas *ioas;
	uint64_t before;
	int rc;

	if (command->iova_ranges.__reserved && !SIM_BUG(task, RANGES_RESERVED_FIELD))
		return -EOPNOTSUPP;
	ioas = ioas_get(task, command->context, command->iova_ranges.ioas_id);
	if (!ioas)
		return -ENOENT;
	down_read(task, &ioas->iova_rwsem);
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_IOVA);
	rc = ioas_each_usable(task, ioas, ranges_emit, &array);
	if (!rc) {
		command->iova_ranges.num_iovas = array.total;
		command->iova_ranges.out_iova_alignment =
			SIM_BUG(task, RANGES_ALIGNMENT) ? 1 : ioas->alignment;
		if (array.total <= array.room || !SIM_BUG(task, RANGES_SHORT_NOT_WRITTEN))
			rc = command_respond(command);
		if (!rc && array.total + SIM_BUG(task, RANGES_FULL) > array.room)
			rc = -EMSGSIZE;
	}
	lock_allow_user_copy(task, before);
	up_read(task, &ioas->iova_rwsem);
	ioas_put(task, ioas);
	return rc;
}
