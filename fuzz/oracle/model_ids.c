/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts, their table of objects and IOMMU_DESTROY (specification 2 and 4.1). */
#include "fuzz/oracle/model.h"

struct model_context *model_context_new(struct model *model, struct model_file *file)
{
	struct model_context *context = model_alloc(model, sizeof(*context));

	context->file = file;
	model_array_init(&context->objects, sizeof(struct model_object *));
	return context;
}

static struct model_object **object_slot(const struct model_context *context, uint32_t id)
{
	if (id == 0 || id > context->objects.count)
		return NULL;
	return model_array_at(&context->objects, id - 1);
}

void model_object_reserve(struct model *model, struct model_context *context,
	struct model_object *object, enum model_type type)
{
	struct model_array *objects = &context->objects;
	uint32_t i = 0;

	while (i < objects->count && *(struct model_object **)model_array_at(objects, i))
		i++;
	if (i == objects->count)
		model_array_insert(model, objects, i);
	*(struct model_object **)model_array_at(objects, i) = object;
	object->id = i + 1;
	object->type = type;
	object->users = 1;
	object->wait_cnt = 1;
	object->serial = ++model->objects;
	object->reserved = true;
}

void model_object_publish(struct model_object *object)
{
	object->reserved = false;
}

void model_object_add(struct model *model, struct model_context *context,
	struct model_object *object, enum model_type type)
{
	model_object_reserve(model, context, object, type);
	model_object_publish(object);
}

void model_object_remove(struct model_context *context, struct model_object *object)
{
	struct model_object **slot = object_slot(context, object->id);

	if (!slot)
		return;
	if (context->compat == (void *)object)
		context->compat = NULL;
	*slot = NULL;
	object->id = 0;
	object->users = 0;
	while (context->objects.count && !*(struct model_object **)model_array_at(
						 &context->objects, context->objects.count - 1))
		context->objects.count--;
}

bool model_object_entomb(
	struct model *model, struct model_context *context, struct model_object *object)
{
	struct model_object **slot = object_slot(context, object->id), *grave;

	if (!slot)
		return false;
	grave = model_alloc(model, sizeof(*grave));
	grave->id = object->id;
	grave->reserved = true;
	*slot = grave;
	object->id = 0;
	return true;
}

void *model_object_find(const struct model_context *context, uint32_t id, uint32_t types)
{
	struct model_object **slot = object_slot(context, id);

	if (!slot || !*slot || (*slot)->reserved || !((*slot)->type & types))
		return NULL;
	return *slot;
}

void *model_object_get(
	struct model *model, const struct model_context *context, uint32_t id, uint32_t types)
{
	struct model_object *object;

	model_phase(model, "object_table");
	object = model_object_find(context, id, types);
	if (object) {
		object->users++;
		object->wait_cnt++;
	}
	return object;
}

void model_object_release(struct model_object *object)
{
	object->users--;
	object->wait_cnt--;
}

void model_object_put(struct model *model, struct model_object *object)
{
	model_phase(model, "put");
	model_object_release(object);
}

/* Nobody but the table uses the object: takes it out and ends it by its type (2.5). */
static void object_end(
	struct model *model, struct model_context *context, struct model_object *object)
{
	model_object_remove(context, object);
	switch (object->type) {
	case MODEL_IOAS: model_ioas_end(model, (struct model_ioas *)object); break;
	case MODEL_HWPT: model_hwpt_end(model, (struct model_hwpt *)object); break;
	case MODEL_NESTED: model_nested_end(model, (struct model_hwpt *)object); break;
	case MODEL_VIOMMU: model_viommu_end(model, (struct model_viommu *)object); break;
	case MODEL_HW_QUEUE: model_hw_queue_end(model, (struct model_hw_queue *)object); break;
	case MODEL_VDEVICE: model_vdevice_end(model, (struct model_vdevice *)object); break;
	case MODEL_SELFTEST: model_selftest_end(model, (struct model_selftest *)object); break;
	case MODEL_VEVENTQ: model_veventq_end(model, (struct model_veventq *)object); break;
	case MODEL_FAULT: model_fault_end(model, (struct model_fault *)object); break;
	default: break; /* devices and accesses always have a user of their own */
	}
}

void model_context_end(struct model *model, struct model_context *context)
{
	bool again = true, turns = model->turns;

	/* Nobody else has a way into the context. */
	model->turns = false;
	while (again) {
		again = false;
		for (uint32_t id = 1; id <= context->objects.count; id++) {
			struct model_object *object = model_object_find(context, id, UINT32_MAX);

			if (!object || object->users != 1)
				continue;
			object_end(model, context, object);
			again = true;
		}
	}
	model->turns = turns;
	model_array_end(model, &context->objects);
	model_free(model, context, sizeof(*context));
}

void model_object_try_destroy(
	struct model *model, struct model_context *context, uint32_t id, uint64_t serial)
{
	struct model_object *object = model_object_find(context, id, UINT32_MAX);

	if (object && object->serial == serial && object->users == 1)
		object_end(model, context, object);
}

int64_t model_rule_IOMMU_DESTROY(struct model *model, struct model_command *command)
{
	struct model_object *object;

	model_phase(model, "object_table");
	object = model_object_find(command->context, command->destroy.id, UINT32_MAX);
	if (!object)
		return -ENOENT;
	if (object->users != 1)
		return -EBUSY;
	object_end(model, command->context, object);
	return 0;
}
