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
	device->report_rwsem = rwsem_init(LOCK_REPORT);
	device->hardware = hardware;
	for (unsigned i = 0; i < MOCK_DEV_CACHE_NUM; i++)
		device->cache[i] = IOMMU_TEST_DEV_CACHE_DEFAULT;
	object_add_user(task, object);
	object_publish(task, context, object);
	*out = device;
	return 0;
}

void device_unbind(struct task *task, struct device *device)
{
	struct vdevice *vdevice;
	bool mine;

	mutex_lock(task, &device->group_mutex);
	device->destroying = true;
	vdevice = device->vdevice;
	mine = vdevice && object_entomb(task, device->context, &vdevice->object);
	mutex_unlock(task, &device->group_mutex);
	/* Whoever else destroys it holds a reference on the device until he has. */
	if (mine)
		object_bury(task, device->context, &vdevice->object);
	if (object_remove(task, device->context, &device->object))
		object_free(task, &device->object);
}

/* ---- attach, replace, detach of one place: the RID or a PASID. Under the group mutex ---- */

/* The link to the slot of that PASID, or to where it would be. */
static struct pasid_slot **pasid_link(struct device *device, uint32_t pasid)
{
	struct pasid_slot **link = &device->pasids;

	while (*link && (*link)->pasid < pasid)
		link = &(*link)->next;
	return link;
}

struct hwpt *device_hwpt_at(const struct device *device, uint32_t pasid)
{
	const struct pasid_slot *slot = device->pasids;

	if (!pasid)
		return device->hwpt;
	while (slot && slot->pasid < pasid)
		slot = slot->next;
	return slot && slot->pasid == pasid ? slot->hwpt : NULL;
}

/*
 * The place is attached to another page table now (NULL: none): its faults go there, and those of
 * the old attachment are answered. 5.2, 10.8 step 4
 */
static void attach_at(struct task *task, struct device *device, uint32_t pasid, struct hwpt *hwpt)
{
	struct hwpt **place = pasid ? &(*pasid_link(device, pasid))->hwpt : &device->hwpt;
	struct hwpt *old = *place;

	if (hwpt && hwpt->fault)
		iommu_device_enable_requests(task, device->hardware);
	spin_lock(task, &device->attachments_lock);
	*place = hwpt;
	spin_unlock(task, &device->attachments_lock);
	if (!old || !old->fault)
		return;
	if (!SIM_BUG(task, REPLACE_ANSWERS_NOTHING) || !hwpt)
		fault_queue_answer_all(task, old, device, pasid);
	iommu_device_disable_requests(task, device->hardware);
}

/* Step 1 of 6.5; the RID has its place. */
static int reserve_place(struct task *task, struct device *device, uint32_t pasid)
{
	struct pasid_slot **link = pasid_link(device, pasid), *slot;

	if (!pasid || (*link && (*link)->pasid == pasid))
		return 0;
	slot = sim_alloc(task, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = (struct pasid_slot){.next = *link, .pasid = pasid};
	spin_lock(task, &device->attachments_lock);
	*link = slot;
	spin_unlock(task, &device->attachments_lock);
	return 0;
}

/* Gives a PASID's place back unless something is attached there. */
static void release_place(struct task *task, struct device *device, uint32_t pasid)
{
	struct pasid_slot **link = pasid_link(device, pasid), *slot = *link;

	if (!pasid || !slot || slot->pasid != pasid || slot->hwpt)
		return;
	spin_lock(task, &device->attachments_lock);
	*link = slot->next;
	spin_unlock(task, &device->attachments_lock);
	sim_free(task, slot, sizeof(*slot));
}

/* 6.7 */
static bool pasid_compatible(
	struct task *task, const struct device *device, uint32_t pasid, const struct hwpt *hwpt)
{
	if (!pasid)
		return hwpt->pasid_compat || !device->pasids || SIM_BUG(task, RID_WITHOUT_FLAG);
	if (!hwpt->pasid_compat && !SIM_BUG(task, PASID_WITHOUT_FLAG))
		return false;
	return !device->hwpt || device->hwpt->pasid_compat || SIM_BUG(task, PASID_RID_UNCHECKED);
}

/* Page tables of devices without an IOMMU are for no others, and no others for them. */
static bool same_driver(const struct device *device, const struct hwpt *hwpt)
{
	return iommu_domain_config(hwpt->domain)->software !=
	       iommu_device_has_iommu(device->hardware);
}

/*
 * What the mock's driver does with a page table, NULL: none. Where the device reports to changes
 * with the VIOMMU of the RID's, and only then. 10.8
 */
static int attach_hardware(
	struct task *task, struct device *device, uint32_t pasid, struct hwpt *hwpt)
{
	struct viommu *viommu = hwpt ? hwpt->viommu : NULL;
	bool named = device->vdevice && device->vdevice->viommu == viommu;
	int rc;

	if (hwpt && !same_driver(device, hwpt) && !SIM_BUG(task, NOIOMMU_ANY_TABLE))
		return -EINVAL;
	if (!pasid && viommu && !named && !SIM_BUG(task, ATTACH_NO_VDEVICE))
		return -ENOENT;
	rc = iommu_device_attach(task, device->hardware, pasid, hwpt ? hwpt->domain : NULL);
	if (!rc && !pasid && device->viommu != viommu) {
		/* Whoever reports is done with the old one, which may go then. */
		if (!SIM_BUG(task, REPORT_UNHELD))
			down_write(task, &device->report_rwsem);
		else
			schedule_point(task, SCHEDULE_ACCESS);
		device->viommu = viommu;
		device->virt_id = viommu && named ? device->vdevice->virt_id : 0;
		if (!SIM_BUG(task, REPORT_UNHELD))
			up_write(task, &device->report_rwsem);
	}
	return rc;
}

/* Steps 4 and 5 of 6.5, 3 and 4 of 6.6. All else of compatibility is the hardware's business. */
static int translate_by(struct task *task, struct device *device, uint32_t pasid, struct hwpt *hwpt,
	const struct hwpt *old)
{
	if (!pasid && (!old || old->ioas != hwpt->ioas) && fault_here(task, FAULT_RESERVED))
		return -EINVAL;
	if (!(pasid && SIM_BUG(task, PASID_CHECK_UNLOCKED)) &&
		!pasid_compatible(task, device, pasid, hwpt))
		return -EINVAL;
	/* 6.12 cannot enable the page requests of its mock devices. */
	if (hwpt->fault && !sim_since(task_sim(task), LINUX(6, 13)))
		return -ENODEV;
	return attach_hardware(task, device, pasid, hwpt);
}

/* 6.5 for a group of one. */
static int attach_hwpt(struct task *task, struct device *device, uint32_t pasid, struct hwpt *hwpt)
{
	int rc;

	if (pasid && SIM_BUG(task, PASID_CHECK_UNLOCKED) &&
		!pasid_compatible(task, device, pasid, hwpt))
		return -EINVAL;
	mutex_lock(task, &device->group_mutex);
	rc = reserve_place(task, device, pasid);
	if (!rc && device_hwpt_at(device, pasid))
		rc = SIM_BUG(task, ATTACH_TWICE_INVALID) ? -EINVAL : -EBUSY;
	else if (!rc)
		rc = translate_by(task, device, pasid, hwpt, NULL);
	if (!rc) {
		object_add_user(task, &hwpt->object);
		if (!pasid || !SIM_BUG(task, PASID_DEVICE_USERS))
			object_add_user(task, &device->object);
		attach_at(task, device, pasid, hwpt);
	}
	release_place(task, device, pasid);
	mutex_unlock(task, &device->group_mutex);
	return rc;
}

/* 6.6; *old is the page table whose user the caller drops once it holds no lock. */
static int replace_hwpt(struct task *task, struct device *device, uint32_t pasid, struct hwpt *hwpt,
	struct hwpt **old)
{
	struct hwpt *now;
	int rc = 0;

	mutex_lock(task, &device->group_mutex);
	now = device_hwpt_at(device, pasid);
	if (!now)
		rc = -EINVAL;
	else if (now != hwpt || SIM_BUG(task, REPLACE_SAME_DRIVER))
		rc = translate_by(task, device, pasid, hwpt, now);
	if (!rc && now != hwpt) {
		if (!pasid || !SIM_BUG(task, PASID_REPLACE_USERS))
			*old = now;
		object_add_user(task, &hwpt->object);
		attach_at(task, device, pasid, hwpt);
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

/* only: what must be attached there, NULL: whatever it is. */
static struct hwpt *detach_hwpt(
	struct task *task, struct device *device, uint32_t pasid, const struct hwpt *only)
{
	struct hwpt *hwpt;

	mutex_lock(task, &device->group_mutex);
	hwpt = device_hwpt_at(device, pasid);
	if (only && hwpt != only)
		hwpt = NULL;
	if (hwpt) {
		if (!SIM_BUG(task, DETACH_HARDWARE_KEPT))
			attach_hardware(task, device, pasid, NULL);
		attach_at(task, device, pasid, NULL);
		release_place(task, device, pasid);
		object_drop_user(task, &device->object);
	}
	mutex_unlock(task, &device->group_mutex);
	return hwpt;
}

void device_detach(struct task *task, struct device *device, uint32_t pasid)
{
	struct hwpt *hwpt = detach_hwpt(task, device, pasid, NULL);

	if (hwpt)
		drop_hwpt(task, hwpt);
}

void device_detach_all(struct task *task, struct device *device)
{
	while (device->pasids && !SIM_BUG(task, STDEV_PASIDS_KEPT))
		device_detach(task, device, device->pasids->pasid);
	device_detach(task, device, 0);
}

const struct hwpt *device_attached(struct task *task, struct device *device, uint32_t pasid)
{
	const struct hwpt *hwpt;

	mutex_lock(task, &device->group_mutex);
	hwpt = device_hwpt_at(device, pasid);
	mutex_unlock(task, &device->group_mutex);
	return hwpt;
}

/* ---- what is attached: a page table, or an automatic one of an IOAS ---- */

/* An attach or replace in progress. */
struct change {
	struct device *device;
	uint32_t pasid;
	bool replace;
	struct hwpt *used; /* chosen automatically */
	struct hwpt *old;  /* replaced: loses its user when no lock is held any more */
};

static int attach_or_replace(struct task *task, struct change *change, struct hwpt *hwpt)
{
	return change->replace
		       ? replace_hwpt(task, change->device, change->pasid, hwpt, &change->old)
		       : attach_hwpt(task, change->device, change->pasid, hwpt);
}

/* Attach precedes the population with mappings, replace follows it. 6.4 */
static int attach_new(struct task *task, struct change *change, struct hwpt *hwpt)
{
	int rc;

	if (change->replace) {
		rc = hwpt_fill(task, hwpt);
		return rc ? rc : attach_or_replace(task, change, hwpt);
	}
	rc = attach_or_replace(task, change, hwpt);
	if (rc)
		return rc;
	rc = hwpt_fill(task, hwpt);
	if (rc && detach_hwpt(task, change->device, change->pasid, hwpt))
		object_drop_user(task, &hwpt->object);
	return rc;
}

/* No page table of the IOAS suits: a new one. The IOAS mutex is held. 6.4 */
static int automatic_new(struct task *task, struct change *change, struct ioas *ioas)
{
	struct hwpt *hwpt;
	int rc;

	rc = hwpt_alloc(task, ioas, change->device, NULL, &hwpt);
	if (rc)
		return rc;
	hwpt->automatic = true;
	if (SIM_BUG(task, HWPT_PUBLISHED_EARLY))
		object_publish(task, ioas->context, &hwpt->object);
	rc = attach_new(task, change, hwpt);
	if (rc) {
		/* Who has replaced it meanwhile has yet to drop it. */
		if (object_abandon(task, ioas->context, &hwpt->object))
			hwpt_abort(task, hwpt);
		return rc;
	}
	object_publish(task, ioas->context, &hwpt->object);
	change->used = hwpt;
	return 0;
}

/* The first automatic page table in creation order that the device accepts. The IOAS mutex is
 * held. 6.4 */
static int automatic_choose(struct task *task, struct change *change, struct ioas *ioas)
{
	for (struct hwpt *hwpt = ioas->hwpts; hwpt; hwpt = hwpt->next) {
		int rc;

		if ((!hwpt->automatic && !SIM_BUG(task, MANUAL_CHOSEN)) ||
			SIM_BUG(task, AUTOMATIC_NOT_SHARED) ||
			!object_try_get(task, ioas->context, &hwpt->object))
			continue;
		rc = attach_or_replace(task, change, hwpt);
		object_put(task, ioas->context, &hwpt->object);
		if (!rc)
			change->used = hwpt;
		if (rc != -EINVAL)
			return rc;
	}
	return automatic_new(task, change, ioas);
}

/* 6.3 */
static int device_change(struct task *task, struct change *change, uint32_t *pt_id)
{
	struct iommufd_context *context = change->device->context;
	struct iommufd_object *object = object_get(task, context, *pt_id, OBJECT_ANY);
	int rc;

	if (!object)
		return -ENOENT;
	if (object->type == OBJECT_HWPT_PAGING || object->type == OBJECT_HWPT_NESTED) {
		rc = attach_or_replace(task, change, (struct hwpt *)object);
	} else if (object->type == OBJECT_IOAS) {
		struct ioas *ioas = (struct ioas *)object;

		if (!SIM_BUG(task, ATTACH_UNLOCKED))
			mutex_lock(task, &ioas->mutex);
		rc = automatic_choose(task, change, ioas);
		if (change->used)
			*pt_id = change->used->object.id;
		if (!SIM_BUG(task, ATTACH_UNLOCKED))
			mutex_unlock(task, &ioas->mutex);
	} else {
		rc = SIM_BUG(task, PT_TYPE_LOOKUP) ? -ENOENT : -EINVAL;
	}
	object_put(task, context, object);
	if (change->old)
		drop_hwpt(task, change->old);
	return rc;
}

int device_attach(struct task *task, struct device *device, uint32_t pasid, uint32_t *pt_id)
{
	struct change change = {.device = device, .pasid = pasid};

	return device_change(task, &change, pt_id);
}

int device_replace(struct task *task, struct device *device, uint32_t pasid, uint32_t *pt_id)
{
	struct change change = {.device = device, .pasid = pasid, .replace = true};

	return device_change(task, &change, pt_id);
}

/* ---- what the hardware can do ---- */

bool device_has_iommu(struct task *task, const struct device *device)
{
	return iommu_device_has_iommu(device->hardware) || SIM_BUG(task, NOIOMMU_IS_MOCK);
}

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
	rc = device_has_iommu(task, device) ? hw_info_data(task, info) : -EOPNOTSUPP;
	if (!rc) {
		hw_info_describe(task, device, info);
		rc = command_respond(command);
	}
	object_put(task, command->context, &device->object);
	return rc;
}
