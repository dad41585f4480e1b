/* SPDX-License-Identifier: Apache-2.0 */
/* VIOMMUs (4.16), the devices on them (4.17) and what is invalidated through them (10.22). */
#include "fuzz/oracle/model.h"

#define ENTRIES_MAX (UINT32_C(1) << 19)
#define DATA_MIN    8		     /* bytes of the mock's data (10.22) */
#define REGION_SIZE (2 * MODEL_PAGE) /* that its guest maps */

/* ---- what processes map of it, 5.4 ---- */

static struct model_viommu *viommu_at(const struct model_context *context, uint32_t slot)
{
	struct model_object *object =
		*(struct model_object **)model_array_at(&context->objects, slot);

	return object && object->type == MODEL_VIOMMU ? (struct model_viommu *)object : NULL;
}

struct model_backing *model_region_at(
	const struct model_context *context, uint64_t offset, uint64_t length)
{
	for (uint32_t i = 0; i < context->objects.count; i++) {
		const struct model_viommu *viommu = viommu_at(context, i);

		if (viommu && viommu->pages && viommu->offset == offset && length == REGION_SIZE)
			return viommu->pages;
	}
	return NULL;
}

/* All regions have one size, so the lowest free place is one of a row. */
static uint64_t free_offset(const struct model_context *context)
{
	uint64_t offset = MODEL_PAGE;

	while (model_region_at(context, offset, REGION_SIZE))
		offset += REGION_SIZE;
	return offset;
}

static void make_region(
	struct model *model, struct model_viommu *viommu, struct iommu_viommu_selftest *data)
{
	viommu->offset = free_offset(viommu->context);
	viommu->pages = model_backing_new(model, REGION_SIZE);
	viommu->pages->owner = &viommu->object;
	viommu->pages->holds = viommu->context->file;
	model_page_write(model, model_backing_page(model, viommu->pages, 0, true), 0,
		&data->in_data, sizeof(data->in_data));
	data->out_data = data->in_data;
	data->out_mmap_offset = viommu->offset;
	data->out_mmap_length = REGION_SIZE;
}

static void drop_region(struct model *model, struct model_viommu *viommu)
{
	if (!viommu->pages)
		return;
	viommu->pages->owner = NULL;
	model_backing_put(model, viommu->pages);
	viommu->pages = NULL;
}

/* 10.22: data, if there is some. */
static int take_data(
	struct model *model, struct model_viommu *viommu, const struct iommu_viommu_alloc *alloc)
{
	struct iommu_viommu_selftest data;
	int rc;

	if (!alloc->data_len)
		return 0;
	rc = model_user_data(
		model, &data, sizeof(data), DATA_MIN, alloc->data_uptr, alloc->data_len);
	if (rc)
		return rc;
	make_region(model, viommu, &data);
	return model_copy_out(model, alloc->data_uptr, &data, alloc->data_len);
}

void model_viommu_end(struct model *model, struct model_viommu *viommu)
{
	drop_region(model, viommu);
	model_phase(model, "put");
	viommu->parent->object.users--;
	model_array_end(model, &viommu->vdevices);
	model_array_end(model, &viommu->veventqs);
	model_free(model, viommu, sizeof(*viommu));
}

/* From step 7 on. */
static int make_viommu(
	struct model *model, struct model_hwpt *parent, struct model_command *command)
{
	struct model_viommu *viommu = model_alloc(model, sizeof(*viommu));
	int rc;

	viommu->context = command->context;
	viommu->parent = parent;
	model_array_init(&viommu->vdevices, sizeof(struct model_vdevice *));
	model_array_init(&viommu->veventqs, sizeof(struct model_veventq *));
	model_phase(model, "object_table");
	model_object_reserve(model, command->context, &viommu->object, MODEL_VIOMMU);
	model_phase(model, "user-copy");
	rc = take_data(model, viommu, &command->viommu_alloc);
	command->viommu_alloc.out_viommu_id = viommu->object.id;
	if (!rc)
		rc = model_respond(model, command);
	if (rc) {
		drop_region(model, viommu);
		model_object_remove(command->context, &viommu->object);
		model_free(model, viommu, sizeof(*viommu));
		return rc;
	}
	parent->object.users++;
	model_object_publish(&viommu->object);
	return 0;
}

int64_t model_rule_IOMMU_VIOMMU_ALLOC(struct model *model, struct model_command *command)
{
	const struct iommu_viommu_alloc *alloc = &command->viommu_alloc;
	struct model_device *device;
	struct model_hwpt *parent;
	int rc;

	if (model->config.kernel < LINUX(6, 17) &&
		(alloc->data_len || alloc->data_uptr || alloc->__reserved))
		return -E2BIG; /* The struct had none of them yet. */
	if (alloc->flags || !alloc->type)
		return -EOPNOTSUPP;
	device = model_object_get(model, command->context, alloc->dev_id, MODEL_DEVICE);
	if (!device)
		return -ENOENT;
	rc = alloc->type == IOMMU_VIOMMU_TYPE_SELFTEST && !model_device_bare(device) ? -ENOENT
										     : -EOPNOTSUPP;
	parent = rc == -ENOENT
			 ? model_object_get(model, command->context, alloc->hwpt_id, MODEL_HWPT)
			 : NULL;
	if (parent) {
		rc = parent->parent ? make_viommu(model, parent, command) : -EINVAL;
		model_object_put(model, &parent->object);
	}
	model_object_put(model, &device->object);
	return rc;
}

/* ---- devices ---- */

static struct model_vdevice *named(const struct model_viommu *viommu, uint64_t virt_id)
{
	for (uint32_t i = 0; i < viommu->vdevices.count; i++) {
		struct model_vdevice *vdevice =
			*(struct model_vdevice **)model_array_at(&viommu->vdevices, i);

		if (vdevice->virt_id == virt_id)
			return vdevice;
	}
	return NULL;
}

static void unname(struct model_vdevice *vdevice)
{
	struct model_array *all = &vdevice->viommu->vdevices;
	uint32_t i = 0;

	while (*(struct model_vdevice **)model_array_at(all, i) != vdevice)
		i++;
	model_array_remove(all, i, 1);
}

/* Steps 8 to 10. Until the answer is there the name is taken, but leads nowhere (6.11). */
static int name_device(
	struct model *model, struct model_vdevice *vdevice, struct model_command *command)
{
	struct model_viommu *viommu = vdevice->viommu;
	int rc;

	model_phase(model, "viommu_vdevices");
	if (named(viommu, vdevice->virt_id))
		return -EEXIST;
	*(struct model_vdevice **)model_array_insert(
		model, &viommu->vdevices, viommu->vdevices.count) = vdevice;
	command->vdevice_alloc.out_vdevice_id = vdevice->object.id;
	model_phase(model, "user-copy");
	rc = model_respond(model, command);
	if (rc)
		unname(vdevice);
	return rc;
}

/* From step 5 on, under the group's mutex. */
static int make_vdevice(struct model *model, struct model_viommu *viommu,
	struct model_device *device, struct model_command *command)
{
	struct model_vdevice *vdevice;
	int rc;

	if (device->dying)
		return -ENOENT;
	if (device->vdevice)
		return -EEXIST;
	vdevice = model_alloc(model, sizeof(*vdevice));
	vdevice->viommu = viommu;
	vdevice->device = device;
	vdevice->virt_id = command->vdevice_alloc.virt_id;
	model_object_reserve(model, command->context, &vdevice->object, MODEL_VDEVICE);
	rc = name_device(model, vdevice, command);
	if (rc) {
		model_phase(model, "object_table");
		model_object_remove(command->context, &vdevice->object);
		model_free(model, vdevice, sizeof(*vdevice));
		return rc;
	}
	viommu->object.users++;
	device->vdevice = vdevice;
	model_object_publish(&vdevice->object);
	return 0;
}

int64_t model_rule_IOMMU_VDEVICE_ALLOC(struct model *model, struct model_command *command)
{
	const struct iommu_vdevice_alloc *alloc = &command->vdevice_alloc;
	struct model_viommu *viommu;
	struct model_device *device;
	int rc = -ENOENT;

	viommu = model_object_get(model, command->context, alloc->viommu_id, MODEL_VIOMMU);
	if (!viommu)
		return -ENOENT;
	device = model_object_get(model, command->context, alloc->dev_id, MODEL_DEVICE);
	if (device && model_device_bare(device)) {
		model_object_put(model, &device->object);
		rc = -EINVAL;
	} else if (device) {
		model_lock(model, &device->group, true, "group_mutex");
		rc = make_vdevice(model, viommu, device, command);
		model_unlock(model, &device->group, true);
		/* A vDEVICE keeps it. */
		if (rc)
			model_object_put(model, &device->object);
	}
	model_object_put(model, &viommu->object);
	return rc;
}

void model_vdevice_end(struct model *model, struct model_vdevice *vdevice)
{
	model_pass(model, &vdevice->device->group, true, "group_mutex");
	unname(vdevice);
	vdevice->viommu->object.users--;
	vdevice->device->vdevice = NULL;
	model_object_put(model, &vdevice->device->object);
	model_free(model, vdevice, sizeof(*vdevice));
}

struct model_vdevice *model_vdevice_orphan(struct model *model, struct model_device *device)
{
	struct model_vdevice *vdevice = device->vdevice;

	device->dying = true;
	if (!vdevice || !model_object_entomb(model, device->context, &vdevice->object))
		return NULL;
	return vdevice;
}

/* ---- invalidation ---- */

static int one_request(
	const struct model_viommu *viommu, const struct iommu_viommu_invalidate_selftest *request)
{
	struct model_vdevice *vdevice = named(viommu, request->vdev_id);

	if (request->flags > IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (request->cache_id >= MOCK_DEV_CACHE_NUM || !vdevice || vdevice->object.reserved)
		return -EINVAL;
	if (request->flags)
		memset(vdevice->device->cache, 0, sizeof(vdevice->device->cache));
	vdevice->device->cache[request->cache_id] = 0;
	return 0;
}

/* 6.10: all of them, or none. */
static int copy_requests(struct model *model, const struct iommu_hwpt_invalidate *all,
	struct iommu_viommu_invalidate_selftest *requests)
{
	const uint32_t size = sizeof(*requests), length = all->entry_len;

	if (length == size)
		return model_copy_in(
			model, requests, all->data_uptr, (uint64_t)size * all->entry_num);
	for (uint32_t i = 0; i < all->entry_num; i++) {
		uint64_t at = all->data_uptr + (uint64_t)i * length;
		int rc = 0;

		if (length > size)
			rc = model_copy_tail(model, at + size, length - size);
		if (!rc)
			rc = model_copy_in(model, &requests[i], at, length > size ? size : length);
		if (rc)
			return rc;
	}
	return 0;
}

int model_viommu_invalidate(struct model *model, struct model_viommu *viommu,
	const struct iommu_hwpt_invalidate *all, uint32_t *done)
{
	struct iommu_viommu_invalidate_selftest *requests;
	int rc;

	if (all->data_type != IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		return -EINVAL;
	if (!all->entry_num)
		return 0;
	if (all->entry_num > ENTRIES_MAX)
		return -ENOMEM;
	requests = model_alloc(model, all->entry_num * sizeof(*requests));
	model_phase(model, "user-copy");
	rc = copy_requests(model, all, requests);
	for (; !rc && *done < all->entry_num; *done += !rc) {
		model_phase(model, *done ? "iommu_device" : "viommu_vdevices");
		rc = one_request(viommu, &requests[*done]);
	}
	model_free(model, requests, all->entry_num * sizeof(*requests));
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_DEV_CHECK_CACHE(struct model *model, struct model_command *command)
{
	uint32_t at = command->test.dev_check_cache.id, value = command->test.dev_check_cache.cache;
	struct model_device *device =
		model_object_get(model, command->context, command->test.id, MODEL_DEVICE);
	bool right;

	if (!device)
		return -ENOENT;
	model_phase(model, "access");
	right = at < MOCK_DEV_CACHE_NUM && device->cache[at] == value;
	model_object_put(model, &device->object);
	return right ? 0 : -EINVAL;
}
