/* SPDX-License-Identifier: Apache-2.0 */
/* CHANGE_PROCESS: all mappings of a context get a new owner. 4.18 */
#include "impl/iommufd/iommufd.h"

#define FEW_IOASES 8U /* that need no memory for the list */

/* All IOASes of the context by id, each with a user and its iova_rwsem held for writing. */
struct ioas_list {
	struct ioas **ioases;
	struct ioas *few[FEW_IOASES];
	uint32_t count, room;
};

static void list_free(struct task *task, struct ioas_list *list)
{
	if (list->ioases != list->few)
		sim_free(task, list->ioases, list->room * sizeof(*list->ioases));
}

static int list_make_room(struct task *task, struct ioas_list *list)
{
	struct ioas **more;

	if (list->count < list->room)
		return 0;
	more = sim_alloc_array(task, list->room * 2, sizeof(*more));
	if (!more)
		return -ENOMEM;
	memcpy(more, list->ioases, list->count * sizeof(*more));
	list_free(task, list);
	list->ioases = more;
	list->room *= 2;
	return 0;
}

/* The published IOAS with the lowest id from `from` on, with a user; NULL: none. */
static struct ioas *next_ioas(struct task *task, struct iommufd_context *context, uint32_t from)
{
	struct ioas *found = NULL;
	void *object;

	spin_lock(task, &context->objects_lock);
	for (uint32_t id = from; !found && (id = idr_next(&context->objects, id, &object)); id++) {
		if (object == IDR_RESERVED ||
			((struct iommufd_object *)object)->type != OBJECT_IOAS)
			continue;
		found = object;
		/* What is in the table has its own user, so this one is never the first. */
		if (!SIM_BUG(task, CHANGE_USERS_UNHELD))
			__atomic_fetch_add(&found->object.users, 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(task, &context->objects_lock);
	return found;
}

static void ioas_drop_user(struct task *task, struct ioas *ioas)
{
	if (!SIM_BUG(task, CHANGE_USERS_UNHELD))
		object_drop_user(task, &ioas->object);
}

static void unlock_all(struct task *task, struct ioas_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		up_write(task, &list->ioases[i]->iova_rwsem);
		ioas_drop_user(task, list->ioases[i]);
	}
	list_free(task, list);
}

/* Step 2. */
static int lock_all(struct task *task, struct iommufd_context *context, struct ioas_list *list)
{
	struct ioas *ioas;
	uint32_t from = 1;

	*list = (struct ioas_list){.room = FEW_IOASES};
	list->ioases = list->few;
	while ((ioas = next_ioas(task, context, from))) {
		from = ioas->object.id + 1;
		if (list_make_room(task, list)) {
			ioas_drop_user(task, ioas);
			unlock_all(task, list);
			return -ENOMEM;
		}
		down_write(task, &ioas->iova_rwsem);
		list->ioases[list->count++] = ioas;
	}
	return 0;
}

/* Step 3, for one IOAS. */
static int check_areas(struct task *task, const struct ioas *ioas)
{
	struct range_item *node;

	range_map_for_each(node, &ioas->areas)
	{
		const struct pages *pages = area_of(node)->pages;

		if (!pages) {
			if (SIM_BUG(task, CHANGE_TRANSITIONAL))
				continue;
			return -EBUSY;
		}
		if ((!pages->file && !SIM_BUG(task, CHANGE_MEMORY)) || pages->is_dmabuf)
			return -EINVAL;
	}
	return 0;
}

/* Step 4: whether the charge of the pages goes to another owner. */
static bool needs_charge(struct task *task, const struct pages *pages)
{
	switch (pages->account) {
	case ACCOUNT_MM: return pages->mm != task_mm(task);
	case ACCOUNT_USER:
		return pages->mm != task_mm(task) ||
		       process_user(pages->process) != process_user(task_process(task));
	default: return false;
	}
}

/* Pages to be charged among what has not been found before, which is marked. The mode of a context
 * changes only while it is empty, so there is one beside NONE. */
static uint64_t sum_areas(struct task *task, const struct ioas *ioas)
{
	struct range_item *node;
	uint64_t sum = 0;

	range_map_for_each(node, &ioas->areas)
	{
		struct pages *pages = area_of(node)->pages;

		if (!pages || (pages->changing && !SIM_BUG(task, CHANGE_COUNTED_TWICE)))
			continue;
		pages->changing = true;
		if (needs_charge(task, pages))
			sum += pages->pinned;
	}
	return sum;
}

/* Step 6, or with change unset only the marks go. What cannot be returned to its owner is told, but
 * ends nothing. */
static int change_areas(struct task *task, struct ioas *ioas, bool change)
{
	struct range_item *node;
	int rc = 0;

	range_map_for_each(node, &ioas->areas)
	{
		struct pages *pages = area_of(node)->pages;

		if (!pages || !pages->changing)
			continue;
		pages->changing = false;
		if (change && pages_change_owner(task, pages, needs_charge(task, pages)))
			rc = -EINVAL;
	}
	ioas_touch(ioas);
	return rc;
}

/* Steps 3 to 6, under all locks. */
static int change_process(
	struct task *task, const struct iommufd_context *context, const struct ioas_list *list)
{
	uint64_t sum = 0;
	bool change;
	int rc = 0;

	for (uint32_t i = 0; i < list->count && !rc; i++)
		rc = check_areas(task, list->ioases[i]);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < list->count; i++)
		sum += sum_areas(task, list->ioases[i]);
	rc = pages_charge_caller(task, context->account_mm ? ACCOUNT_MM : ACCOUNT_USER, sum);
	change = !rc;
	for (uint32_t i = 0; i < list->count; i++) {
		if (change_areas(task, list->ioases[i], change))
			rc = -EINVAL;
	}
	return rc;
}

int64_t handle_IOMMU_IOAS_CHANGE_PROCESS(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	struct ioas_list list;
	int rc;

	if (command->change_process.__reserved && !SIM_BUG(task, CHANGE_RESERVED_FIELD))
		return -EOPNOTSUPP;
	down_write(task, &context->creation_lock);
	rc = lock_all(task, context, &list);
	if (!rc) {
		rc = change_process(task, context, &list);
		unlock_all(task, &list);
	}
	up_write(task, &context->creation_lock);
	return rc;
}
