/* SPDX-License-Identifier: Apache-2.0 */
/* A context lives as long as its open file description. 1.1, 2.6 */
#include "impl/iommufd/iommufd.h"

void iommufd_start(struct sim *sim)
{
	struct iommufd_machine *machine = sim_iommufd_state(sim);

	*machine = (struct iommufd_machine){.lock = spinlock_init(LOCK_OTHER)};
}

struct iommufd_context *context_open(struct task *task)
{
	struct iommufd_machine *machine = machine_of(task);
	struct iommufd_context *context = sim_alloc(task, sizeof(*context));

	if (!context)
		return NULL;
	idr_init(&context->objects, 1, IOMMUFD_ID_MAX);
	context->objects_lock = spinlock_init(LOCK_OBJECTS);
	context->creation_lock = rwsem_init(LOCK_IOAS_CREATION);
	context->regions_lock = spinlock_init(LOCK_REGIONS);
	range_tree_init(&context->regions);
	spin_lock(task, &machine->lock);
	context->number = ++machine->contexts_made;
	context->previous = machine->newest;
	if (machine->newest)
		machine->newest->next = context;
	else
		machine->contexts = context;
	machine->newest = context;
	spin_unlock(task, &machine->lock);
	return context;
}

static void context_unlink(struct task *task, struct iommufd_context *context)
{
	struct iommufd_machine *machine = machine_of(task);

	spin_lock(task, &machine->lock);
	if (context->previous)
		context->previous->next = context->next;
	else
		machine->contexts = context->next;
	if (context->next)
		context->next->previous = context->previous;
	else
		machine->newest = context->previous;
	spin_unlock(task, &machine->lock);
}

struct file *iommufd_file_open(struct task *task, enum file_node node)
{
	struct iommufd_context *context = context_open(task);
	struct file *file;

	if (!context)
		return NULL;
	file = file_open(task, FILE_IOMMUFD, context, 0);
	if (!file) {
		context_unlink(task, context);
		sim_free(task, context, sizeof(*context));
		return NULL;
	}
	file->node = (uint8_t)node;
	context->file = file;
	context->account_mm = node == NODE_CONTAINER && !SIM_BUG(task, CONTAINER_ACCOUNT);
	return file;
}

int context_from_fd(struct task *task, int fd, struct iommufd_context **context, struct file **file)
{
	*file = file_from_fd(task, fd);
	if (!*file)
		return -EBADF;
	if ((*file)->kind != FILE_IOMMUFD) {
		file_put(task, *file);
		return -EBADFD;
	}
	*context = (*file)->object;
	return 0;
}

/* Whether a source of the context had a file, which is given up. */
static bool context_drop_file(struct task *task, struct iommufd_context *context)
{
	void *object;

	for (uint32_t id = 1; (id = idr_next(&context->objects, id, &object)); id++) {
		struct range_item *node;

		if (object == IDR_RESERVED ||
			((struct iommufd_object *)object)->type != OBJECT_IOAS)
			continue;
		range_map_for_each(node, &((struct ioas *)object)->areas)
		{
			struct pages *pages = area_of(node)->pages;
			struct file *file = pages ? pages->file : NULL;

			if (!file)
				continue;
			dmabuf_detach(task, pages);
			pages->file = NULL;
			file_put(task, file);
			return true;
		}
	}
	return false;
}

void contexts_drop_files(struct task *task)
{
	struct iommufd_context *context = machine_of(task)->contexts;

	/* A file may have been the last that held its own or another context: begin anew. */
	while (context)
		context = context_drop_file(task, context) ? machine_of(task)->contexts
							   : context->next;
}

/* One walk in ascending id order; true when something could be destroyed. Leaves go first, so
 * several walks are needed. */
static bool context_destroy_leaves(struct task *task, struct iommufd_context *context)
{
	bool progress = false;
	void *object;
	uint32_t id = 1;

	for (;;) {
		spin_lock(task, &context->objects_lock);
		id = idr_next(&context->objects, id, &object);
		spin_unlock(task, &context->objects_lock);
		if (!id)
			return progress;
		if (object != IDR_RESERVED && ((struct iommufd_object *)object)->users == 1) {
			object_destroy(task, context, id);
			progress = true;
		}
		id++;
	}
}

void iommufd_file_release(struct task *task, struct file *file)
{
	struct iommufd_context *context = file->object;

	while (context->objects.used > context->tombstones) {
		if (!context_destroy_leaves(task, context)) {
			sim_warn(task, "context-not-empty",
				"context %u: %u objects cannot be destroyed at close",
				context->number, context->objects.used - context->tombstones);
			break;
		}
	}
	context_unlink(task, context);
	idr_destroy(task, &context->objects);
	sim_free(task, context, sizeof(*context));
}
