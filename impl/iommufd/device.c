/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: bind, attach, replace, detach, the automatic choice of a page table; what they can
 * do. 4.11, 6 */
#include "impl/iommufd/eventq.h"

int device_bind(struct task *task, struct iommufd_context *context, struct iommu_device *hardware,
	struct device **out)
{
	struct iommufd_object *object;
	struct device *device;
	int rc;

	rc = object_alloc(task, context, sizeof(*device), OBJECT_DEVICE, &object);
	if (rc)
		return rc;
	device = (struct device *)object;
	device->context = context;
	device->group_mutex = mutex_init(LOCK_GROUP);
	device->attachments_lock = spinlock_init(LOCK_ATTACHMENTS);
	device->hardware = hardware;
	object_add_user(task, object);
	object_publish(task, context, object);
	*out = device;
	return 0;
}

void device_unbind(struct task *task, struct device *device)
{
	if (object_remove(task, device->context, &device->object))
		object_free(task, &device->object);
}

struct hwpt *device_hwpt_at(const struct device *device, uint32_t pasid)
{
	return pasid ? NULL : device->hwpt;
}

/*
 * The device is attached to another page table now (NULL: none): its faults go there, and those of
 * the old attachment are answered. Group mutex held. 5.2, 10.8 step 4
 */
static void route_faults(struct task *task, struct device *device, struct hwpt *hwpt)
{
	struct hwpt *old = device->hwpt;

	if (hwpt && hwpt->fault)
		iommu_device_enable_requests(task, device->hardware);
	spin_lock(task, &device->attachments_lock);
	device->hwpt = hwpt;
	spin_unlock(task, &device->attachments_lock);
	if (!old || !old->fault)
		return;
	if (!SIM_BUG(task, REPLACE_ANSWERS_NOTHING) || !hwpt)
		fault_queue_answer_all(task, old, device, 0);
	iommu_device_disable_requests(task, device->hardware);
}

/* 6.5 for the RID of a group of one. Compatibility is the hardware's business. */
static int attach_hwpt(struct task *task, struct device *device, struct hwpt *hwpt)
{
	int rc = 0;

	mutex_lock(task, &device->group_mutex);
	if (device->hwpt)
		rc = -EBUSY;
	else if (fault_here(task, FAULT_RESERVED))
		rc = -EINVAL;
	else
		rc = iommu_device_attach(task, device->hardware, 0, hwpt->domain);
	if (!rc) {
		object_add_user(task, &hwpt->object);
		object_add_user(task, &device->object);
		route_faults(task, device, hwpt);
	}
	mutex_unlock(task, &device->group_mutex);
	return rc;
}

/* 6.6; *old is the page table whose user the caller drops once it holds no lock. */
static int replace_hwpt(
	struct task *task, struct device *device, struct hwpt *hwpt, struct hwpt **old)
{
	int rc = 0;

	mutex_lock(task, &device->group_mutex);
	if (!device->hwpt) {
		rc = -EINVAL;
	} else if (device->hwpt != hwpt) {
		if (device->hwpt->ioas != hwpt->ioas && fault_here(task, FAULT_RESERVED))
			rc = -EINVAL;
		else
			rc = iommu_device_attach(task, device->hardware, 0, hwpt->domain);
		if (!rc) {
			*old = device->hwpt;
			object_add_user(task, &hwpt->object);
			route_faults(task, device, hwpt);
		}
	}
	mutex_unlock(task, &device->group_mutex);
	return rc;
}

/* The reference that an attachment held. 2.7 */
static void drop_hwpt(struct task *task, struct hwpt *hwpt)
{
	if (hwpt->automatic && !SIM_BUG(task, AUTOMATIC_HWPT_KEPT))
		object_drop_user_and_destroy(task, hwpt->ioas->context, &hwpt->object);
	else
		object_drop_user(task, &hwpt->object);
}

static struct hwpt *detach_hwpt(struct task *task, struct device *device)
{
	struct hwpt *hwpt;

	mutex_lock(task, &device->group_mutex);
	hwpt = device->hwpt;
	if (hwpt) {
		if (!SIM_BUG(task, DETACH_HARDWARE_KEPT))
			iommu_device_attach(task, device->hardware, 0, NULL);
		route_faults(task, device, NULL);
		object_drop_user(task, &device->object);
	}
	mutex_unlock(task, &device->group_mutex);
	return hwpt;
}

void device_detach(struct task *task, struct device *device)
{
	struct hwpt *hwpt = detach_hwpt(task, device);

	if (hwpt)
		drop_hwpt(task, hwpt);
}

static int attach_or_replace(struct task *task, struct device *device, struct hwpt *hwpt,
	bool replace, struct hwpt **old)
{
	return replace ? replace_hwpt(task, device, hwpt, old) : attach_hwpt(task, device, hwpt);
}

/* No page table of the IOAS suits: a new one. The IOAS mutex is held. 6.4 */
static int automatic_new(struct task *task, struct device *device, struct ioas *ioas, bool replace,
	struct hwpt **used, struct hwpt **old)
{
	struct hwpt *hwpt;
	int rc;

	rc = hwpt_alloc(task, ioas, NULL, &hwpt);
	if (rc)
		return rc;
	hwpt->automatic = true;
	if (SIM_BUG(task, HWPT_PUBLISHED_EARLY))
		object_publish(task, ioas->context, &hwpt->object);
	if (replace) {
		rc = hwpt_fill(task, hwpt);
		if (!rc)
			rc = replace_hwpt(task, device, hwpt, old);
	} else {
		rc = attach_hwpt(task, device, hwpt);
		if (!rc) {
			rc = hwpt_fill(task, hwpt);
			if (rc && detach_hwpt(task, device))
				object_drop_user(task, &hwpt->object);
		}
	}
	if (rc) {
		hwpt_abort(task, hwpt);
		return rc;
	}
	object_publish(task, ioas->context, &hwpt->object);
	*used = hwpt;
	return 0;
}

/* The first automatic page table in creation order that the device accepts. The IOAS mutex is
 * held. 6.4 */
static int automatic_choose(struct task *task, struct device *device, struct ioas *ioas,
	bool replace, struct hwpt **used, struct hwpt **old)
{
	for (struct hwpt *hwpt = ioas->hwpts; hwpt; hwpt = hwpt->next) {
		int rc;

		if ((!hwpt->automatic && !SIM_BUG(task, MANUAL_CHOSEN)) ||
			SIM_BUG(task, AUTOMATIC_NOT_SHARED) ||
			!object_try_get(task, ioas->context, &hwpt->object))
			continue;
		rc = attach_or_replace(task, device, hwpt, replace, old);
		object_put(task, ioas->context, &hwpt->object);
		if (!rc)
			*used = hwpt;
		if (rc != -EINVAL)
			return rc;
	}
	return automatic_new(task, device, ioas, replace, used, old);
}

/* 6.3 */
static int device_change(struct task *task, struct device *device, uint32_t *pt_id, bool replace)
{
	struct iommufd_object *object = object_get(task, device->context, *pt_id, OBJECT_ANY);
	struct hwpt *used = NULL, *old = NULL;
	int rc;

	if (!object)
		return -ENOENT;
	if (object->type == OBJECT_HWPT_PAGING) {
		rc = attach_or_replace(task, device, (struct hwpt *)object, replace, &old);
	} else if (object->type == OBJECT_IOAS) {
		struct ioas *ioas = (struct ioas *)object;

		if (!SIM_BUG(task, ATTACH_UNLOCKED))
			mutex_lock(task, &ioas->mutex);
		rc = automatic_choose(task, device, ioas, replace, &used, &old);
		if (used)
			*pt_id = used->object.id;
		if (!SIM_BUG(task, ATTACH_UNLOCKED))
			mutex_unlock(task, &ioas->mutex);
	} else {
		rc = SIM_BUG(task, PT_TYPE_LOOKUP) ? -ENOENT : -EINVAL;
	}
	object_put(task, device->context, object);
	if (old)
		drop_hwpt(task, old);
	return rc;
}

int device_attach(struct task *task, struct device *device, uint32_t *pt_id)
{
	return device_change(task, device, pt_id, false);
}

int device_replace(struct task *task, struct device *device, uint32_t *pt_id)
{
	return device_change(task, device, pt_id, true);
}

/* ---- what the hardware can do ---- */

/* Steps 1 and 2; what older profiles know instead: 15. */
static bool hw_info_valid(struct task *task, const struct iommu_hw_info *info)
{
	const struct sim *sim = task_sim(task);
	uint32_t known = sim_since(sim, LINUX(6, 17)) ? IOMMU_HW_INFO_FLAG_INPUT_TYPE : 0;

	if (info->flags & ~known)
		return false;
	return SIM_BUG(task, HW_INFO_RESERVED) ||
	       !(info->__reserved[0] | info->__reserved[1] | info->__reserved[2]);
}

/* Steps 5 and 6, the mock's. */
static int hw_info_data(struct task *task, struct iommu_hw_info *info)
{
	struct iommu_test_hw_info data = {.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL};
	uint32_t length = info->data_len;
	int rc;

	if ((info->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE || SIM_BUG(task, HW_INFO_TYPE_ALWAYS)) &&
		info->in_data_type != IOMMU_HW_INFO_TYPE_DEFAULT &&
		info->in_data_type != IOMMU_HW_INFO_TYPE_SELFTEST)
		return -EOPNOTSUPP;
	if (length > sizeof(data))
		length = sizeof(data);
	rc = copy_to_user(task, info->data_uptr, &data, length);
	if (!rc && info->data_len > length && !SIM_BUG(task, HW_INFO_TAIL))
		rc = clear_user(task, info->data_uptr + length, info->data_len - length);
	info->data_len = SIM_BUG(task, HW_INFO_LENGTH) ? length : sizeof(data);
	info->out_data_type = IOMMU_HW_INFO_TYPE_SELFTEST;
	return rc;
}

static void hw_info_describe(
	struct task *task, const struct device *device, struct iommu_hw_info *info)
{
	const struct sim *sim = task_sim(task);
	uint32_t pasids = iommu_device_max_pasids(device->hardware);

	info->out_max_pasid_log2 = (uint8_t)(31 - __builtin_clz(pasids));
	info->out_capabilities = 0;
	if (iommu_device_tracks_dirty(device->hardware))
		info->out_capabilities |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (sim_since(sim, LINUX(7, 2)))
		info->out_capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
}

int64_t handle_IOMMU_GET_HW_INFO(struct command *command)
{
	struct task *task = command->task;
	struct iommu_hw_info *info = &command->hw_info;
	struct device *device;
	int rc;

	if (!hw_info_valid(task, info))
		return -EOPNOTSUPP;
	device = (struct device *)object_get(task, command->context, info->dev_id, OBJECT_DEVICE);
	if (!device)
		return -ENOENT;
	rc = hw_info_data(task, info);
	if (!rc) {
		hw_info_describe(task, device, info);
		rc = command_respond(command);
	}
	object_put(task, command->context, &device->object);
	return rc;
}
