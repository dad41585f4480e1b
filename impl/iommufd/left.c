/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/iommufd/left.h"

#include "impl/iommufd/eventq.h"

static const uint8_t resources[OBJECT_TYPE_COUNT] = {
	[OBJECT_DEVICE] = RESOURCE_DEVICE,
	[OBJECT_HWPT_PAGING] = RESOURCE_HWPT_PAGING,
	[OBJECT_HWPT_NESTED] = RESOURCE_HWPT_NESTED,
	[OBJECT_IOAS] = RESOURCE_IOAS,
	[OBJECT_ACCESS] = RESOURCE_ACCESS,
	[OBJECT_SELFTEST] = RESOURCE_SELFTEST,
	[OBJECT_FAULT] = RESOURCE_FAULT,
	[OBJECT_VEVENTQ] = RESOURCE_VEVENTQ,
	[OBJECT_VIOMMU] = RESOURCE_VIOMMU,
	[OBJECT_VDEVICE] = RESOURCE_VDEVICE,
	[OBJECT_HW_QUEUE] = RESOURCE_HW_QUEUE,
};

static void mappings_left(const struct ioas *ioas, left_function function, void *context)
{
	struct range_item *node;

	range_map_for_each(node, &ioas->areas)
	{
		const struct area *area = area_of(node);

		if (area->pages)
			function(context, &(struct left_thing){.kind = LEFT_MAPPING,
						  .resource = RESOURCE_IOAS,
						  .id = ioas->object.id,
						  .iova = node->first,
						  .length = area_length(area),
						  .origin = area->origin});
	}
}

static void object_left(const struct iommufd_object *object, left_function function, void *context)
{
	const void *self = object;
	const struct hw_queue *queue = self;
	struct left_thing thing = {.kind = LEFT_OBJECT,
		.resource = resources[object->type],
		.id = object->id,
		.origin = object->origin};

	if (object->type == OBJECT_ACCESS)
		return;
	if (object->type == OBJECT_HWPT_PAGING)
		thing.automatic = ((const struct hwpt *)self)->automatic;
	function(context, &thing);
	if (object->type == OBJECT_IOAS)
		mappings_left(self, function, context);
	if (object->type != OBJECT_HW_QUEUE)
		return;
	thing.kind = LEFT_PIN;
	thing.iova = queue->iova;
	thing.length = queue->length;
	function(context, &thing);
}

static void pins_left(const struct test_access *driver, left_function function, void *context)
{
	for (const struct access_item *item = driver->items; item; item = item->next)
		function(context, &(struct left_thing){.kind = LEFT_PIN,
					  .resource = RESOURCE_ACCESS_ITEM,
					  .id = item->id,
					  .iova = item->iova,
					  .length = item->length,
					  .origin = item->origin});
}

void file_left(const struct file *file, left_function function, void *context)
{
	const struct iommufd_context *iommufd = file->object;
	void *object;

	if (file->kind == FILE_TEST_ACCESS)
		pins_left(file->object, function, context);
	if (file->kind != FILE_IOMMUFD)
		return;
	for (uint32_t id = 1; (id = idr_next(&iommufd->objects, id, &object)); id++) {
		if (object != IDR_RESERVED)
			object_left(object, function, context);
	}
}

uint8_t file_object(const struct file *file, uint32_t id)
{
	const struct iommufd_context *iommufd = file->object;
	const struct iommufd_object *object =
		file->kind == FILE_IOMMUFD ? idr_find(&iommufd->objects, id) : NULL;

	return object && object != IDR_RESERVED ? resources[object->type] : RESOURCE_NONE;
}
