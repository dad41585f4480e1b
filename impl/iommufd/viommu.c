/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual IOMMUs and the devices on them, as the mock has them. 4.16, 4.17, 10.11, 10.22 */
#include "impl/iommufd/iommufd.h"

#define VIOMMU_DATA_MIN 8		    /* bytes, 10.22 */
#define ENTRIES_MAX	(UINT32_C(1) << 19) /* for which there is memory; from 7.2 on a limit, 4.14 */

void viommu_destroy(struct task *task, struct viommu *viommu)
{
	if (viommu->region)
		region_destroy(task, viommu->region);
	object_drop_user(task, &viommu->parent->object);
	object_free(task, &viommu->object);
}

/* What the mock's guest maps: two pages, which begin with what it has said. */
static int map_data(struct task *task, struct viommu *viommu, struct iommu_viommu_selftest *data)
{
	struct page *page;
	int rc = region_create(
		task, viommu->context, 2 * SIM_PAGE_SIZE, &viommu->object, &viommu->region);

	if (rc)
		return rc;
	page = mm_region_page(task, viommu->region->pages, 0);
	if (!page)
		return -ENOMEM;
	page_write(task, page, 0, &data->in_data, sizeof(data->in_data));
	data->out_data = data->in_data;
	data->out_mmap_offset = viommu->region->node.first;
	data->out_mmap_length = 2 * SIM_PAGE_SIZE;
	return 0;
}

/* Step 8: the mock looks at data only if there is some. */
static int take_data(
	struct task *task, struct viommu *viommu, const struct iommu_viommu_alloc *request)
{
	struct iommu_viommu_selftest data;
	int rc;

	if (!request->data_len)
		return 0;
	rc = user_data_copy(
		task, &data, sizeof(data), VIOMMU_DATA_MIN, request->data_uptr, request->data_len);
	if (!rc)
		rc = map_data(task, viommu, &data);
	return rc ? rc : copy_to_user(task, request->data_uptr, &data, request->data_len);
}

/* Steps 7 to 9. */
static int viommu_create(struct command *command, struct hwpt *parent)
{
	struct task *task = command->task;
	struct iommufd_object *object;
	struct viommu *viommu;
	int rc;

	rc = object_alloc(task, command->context, sizeof(*viommu), OBJECT_VIOMMU, &object);
	if (rc)
		return rc;
	viommu = (struct viommu *)object;
	viommu->context = command->context;
	viommu->parent = parent;
	viommu->vdevices_lock = spinlock_init(LOCK_VDEVICES);
	viommu->veventqs_rwsem = rwsem_init(LOCK_VEVENTQS);
	viommu->queues_lock = mutex_init(LOCK_HW_QUEUES);
	object_add_user(task, &parent->object);
	command->viommu_alloc.out_viommu_id = object->id;
	rc = take_data(task, viommu, &command->viommu_alloc);
	if (!rc)
		rc = command_respond(command);
	if (!rc) {
		object_publish(task, command->context, object);
		return 0;
	}
	if (viommu->region && !SIM_BUG(task, REGION_KEPT))
		region_destroy(task, viommu->region);
	if (!SIM_BUG(task, VIOMMU_FAILURE_USERS))
		object_drop_user(task, &parent->object);
	object_abort(task, command->context, object);
	return rc;
}

/* Steps 5 and 6. */
static int viommu_on(struct command *command)
{
	struct task *task = command->task;
	struct hwpt *parent;
	int rc = -EINVAL;

	parent = (struct hwpt *)object_get(
		task, command->context, command->viommu_alloc.hwpt_id, OBJECT_HWPT_PAGING);
	if (!parent)
		return -ENOENT;
	if (parent->nest_parent || SIM_BUG(task, VIOMMU_ON_ANY))
		rc = viommu_create(command, parent);
	object_put(task, command->context, &parent->object);
	return rc;
}

int64_t handle_IOMMU_VIOMMU_ALLOC(struct command *command)
{
	struct task *task = command->task;
	const struct iommu_viommu_alloc *request = &command->viommu_alloc;
	struct iommufd_object *device;
	int rc = -EOPNOTSUPP;

	/* Until 6.17 the struct ended before its data. */
	if (!sim_since(task_sim(task), LINUX(6, 17)) &&
		(request->data_len || request->__reserved || request->data_uptr))
		return -E2BIG;
	if (request->flags || request->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return -EOPNOTSUPP;
	if (request->__reserved && SIM_BUG(task, VIOMMU_RESERVED))
		return -EOPNOTSUPP;
	device = object_get(task, command->context, request->dev_id, OBJECT_DEVICE);
	if (!device)
		return -ENOENT;
	if (!device_has_iommu(task, (const struct device *)device))
		rc = -EOPNOTSUPP;
	else if (request->type == IOMMU_VIOMMU_TYPE_SELFTEST || SIM_BUG(task, VIOMMU_ANY_TYPE))
		rc = viommu_on(command);
	object_put(task, command->context, device);
	return rc;
}

/* ---- devices on it ---- */

/* The one of that name, NULL: there is none. vdevices_lock is held. */
static struct vdevice *find_vdevice(const struct viommu *viommu, uint64_t virt_id)
{
	struct vdevice *vdevice = viommu->vdevices;

	while (vdevice && vdevice->virt_id != virt_id)
		vdevice = vdevice->next;
	return vdevice;
}

/* Step 8. */
static int list_vdevice(struct task *task, struct vdevice *vdevice)
{
	struct viommu *viommu = vdevice->viommu;
	int rc = 0;

	spin_lock(task, &viommu->vdevices_lock);
	if (find_vdevice(viommu, vdevice->virt_id) && !SIM_BUG(task, VIRT_ID_TWICE)) {
		rc = -EEXIST;
	} else {
		vdevice->next = viommu->vdevices;
		viommu->vdevices = vdevice;
	}
	spin_unlock(task, &viommu->vdevices_lock);
	return rc;
}

static void unlist_vdevice(struct task *task, struct vdevice *vdevice)
{
	struct viommu *viommu = vdevice->viommu;
	struct vdevice **link = &viommu->vdevices;

	spin_lock(task, &viommu->vdevices_lock);
	while (*link != vdevice)
		link = &(*link)->next;
	*link = vdevice->next;
	spin_unlock(task, &viommu->vdevices_lock);
}

/* Steps 5 to 10, under the device's group mutex. */
static int vdevice_create(struct command *command, struct viommu *viommu, struct device *device)
{
	struct task *task = command->task;
	struct iommufd_object *object;
	struct vdevice *vdevice;
	uint64_t before;
	int rc;

	if (device->destroying)
		return -ENOENT;
	if (device->vdevice && !SIM_BUG(task, VDEVICE_TWICE))
		return -EEXIST;
	rc = object_alloc(task, command->context, sizeof(*vdevice), OBJECT_VDEVICE, &object);
	if (rc)
		return rc;
	vdevice = (struct vdevice *)object;
	vdevice->viommu = viommu;
	vdevice->device = device;
	vdevice->virt_id = command->vdevice_alloc.virt_id;
	rc = list_vdevice(task, vdevice);
	if (rc) {
		object_abort(task, command->context, object);
		return rc;
	}
	command->vdevice_alloc.out_vdevice_id = object->id;
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_GROUP);
	rc = command_respond(command);
	lock_allow_user_copy(task, before);
	if (rc) {
		unlist_vdevice(task, vdevice);
		object_abort(task, command->context, object);
		return rc;
	}
	object_add_user(task, &viommu->object);
	device->vdevice = vdevice;
	spin_lock(task, &viommu->vdevices_lock);
	vdevice->ready = true;
	spin_unlock(task, &viommu->vdevices_lock);
	object_publish(task, command->context, object);
	return 0;
}

static int vdevice_alloc(struct command *command, struct viommu *viommu, struct device *device)
{
	int rc;

	mutex_lock(command->task, &device->group_mutex);
	rc = vdevice_create(command, viommu, device);
	mutex_unlock(command->task, &device->group_mutex);
	return rc;
}

int64_t handle_IOMMU_VDEVICE_ALLOC(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	const struct iommu_vdevice_alloc *request = &command->vdevice_alloc;
	struct viommu *viommu;
	struct device *device;
	int rc = -ENOENT;

	viommu = (struct viommu *)object_get(task, context, request->viommu_id, OBJECT_VIOMMU);
	if (!viommu)
		return -ENOENT;
	device = (struct device *)object_get(task, context, request->dev_id, OBJECT_DEVICE);
	if (device) {
		rc = device_has_iommu(task, device) ? vdevice_alloc(command, viommu, device)
						    : -EINVAL;
		/* Of success the reference is a part, so that unbinding waits. */
		if (rc)
			object_put(task, context, &device->object);
	}
	object_put(task, context, &viommu->object);
	return rc;
}

void vdevice_destroy(struct task *task, struct vdevice *vdevice)
{
	struct iommufd_context *context = vdevice->viommu->context;
	struct device *device = vdevice->device;

	mutex_lock(task, &device->group_mutex);
	unlist_vdevice(task, vdevice);
	if (!SIM_BUG(task, VDEVICE_VIOMMU_HELD))
		object_drop_user(task, &vdevice->viommu->object);
	device->vdevice = NULL;
	mutex_unlock(task, &device->group_mutex);
	object_free(task, &vdevice->object);
	object_put(task, context, &device->object);
}

/* ---- invalidation ---- */

/* What one request means. vdevices_lock is held. */
static int invalidate_entry(struct task *task, const struct viommu *viommu,
	const struct iommu_viommu_invalidate_selftest *entry)
{
	bool all = entry->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL;
	struct vdevice *vdevice;

	if (entry->flags & ~(uint32_t)IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (entry->cache_id > MOCK_DEV_CACHE_ID_MAX &&
		!(all && SIM_BUG(task, INVALIDATE_ALL_ANY_ID)))
		return -EINVAL;
	vdevice = find_vdevice(viommu, entry->vdev_id);
	if (!vdevice || !vdevice->ready)
		return SIM_BUG(task, INVALIDATE_NO_DEVICE) ? 0 : -EINVAL;
	for (uint32_t id = 0; id < MOCK_DEV_CACHE_NUM; id++) {
		if (all || id == entry->cache_id)
			__atomic_store_n(&vdevice->device->cache[id], 0, __ATOMIC_RELAXED);
	}
	iommu_device_invalidate(
		task, vdevice->device->hardware, all ? IOMMU_TAGS : entry->cache_id);
	return 0;
}

/* The whole array comes first, each entry as long as the caller says. 6.10 */
static int copy_entries(struct task *task, const struct iommu_hwpt_invalidate *request,
	struct iommu_viommu_invalidate_selftest *entries)
{
	const uint32_t size = sizeof(*entries), length = request->entry_len;
	int rc = 0;

	if (length == size)
		return copy_from_user(
			task, entries, request->data_uptr, (uint64_t)size * request->entry_num);
	for (uint32_t i = 0; !rc && i < request->entry_num; i++) {
		uint64_t at = request->data_uptr + (uint64_t)i * length;

		if (length > size && !SIM_BUG(task, ENTRY_TAIL_UNCHECKED)) {
			rc = check_zeroed_user(task, at + size, length - size);
			if (rc < 0)
				return rc;
			if (!rc)
				return -E2BIG;
		}
		rc = copy_from_user(task, &entries[i], at, length < size ? length : size);
	}
	return rc;
}

int viommu_invalidate(struct task *task, struct viommu *viommu,
	const struct iommu_hwpt_invalidate *request, uint32_t *processed)
{
	struct iommu_viommu_invalidate_selftest *entries;
	int rc;

	if (request->data_type != IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		return -EINVAL;
	if (!request->entry_num)
		return 0;
	entries = request->entry_num > ENTRIES_MAX
			  ? NULL
			  : sim_alloc_array(task, request->entry_num, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	rc = copy_entries(task, request, entries);
	if (!rc) {
		spin_lock(task, &viommu->vdevices_lock);
		while (!rc && *processed < request->entry_num) {
			rc = invalidate_entry(task, viommu, &entries[*processed]);
			*processed += !rc;
		}
		spin_unlock(task, &viommu->vdevices_lock);
	}
	sim_free(task, entries, request->entry_num * sizeof(*entries));
	return rc;
}

int64_t handle_IOMMU_TEST_OP_DEV_CHECK_CACHE(struct command *command)
{
	struct task *task = command->task;
	uint32_t id = command->test.dev_check_cache.id;
	struct device *device;
	int rc = -EINVAL;

	device = (struct device *)object_get(
		task, command->context, command->test.id, OBJECT_DEVICE);
	if (!device)
		return -ENOENT;
	schedule_point(task, SCHEDULE_ACCESS);
	if (id <= MOCK_DEV_CACHE_ID_MAX && __atomic_load_n(&device->cache[id], __ATOMIC_RELAXED) ==
						   command->test.dev_check_cache.cache)
		rc = 0;
	object_put(task, command->context, &device->object);
	return rc;
}
