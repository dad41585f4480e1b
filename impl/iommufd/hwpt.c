/* SPDX-License-Identifier: Apache-2.0 */
/* Paging HWPTs: an IO page table on an IOAS. 2.7, 3.8, 4.10, 10.20 */
#include "impl/iommufd/eventq.h"

/* The formats of the mock, by pagetable_type. */
static const struct iommu_domain_config mock_formats[] = {
	[MOCK_IOMMUPT_DEFAULT] =
		{
			.page_sizes = UINT64_C(0x1FFFFFF800),
			.aperture_first = MOCK_APERTURE_START,
			.aperture_last = MOCK_APERTURE_LAST,
		},
	[MOCK_IOMMUPT_HUGE] =
		{
			.page_sizes = MOCK_HUGE_PAGE_SIZE | SIM_PAGE_SIZE,
			.aperture_last = (UINT64_C(1) << 38) - 1,
		},
};

/* The format that the data of the caller selects. 6.10, 10.20 step 2 */
static int read_format(
	struct task *task, const struct iommu_hwpt_alloc *request, uint32_t *pagetable_type)
{
	struct iommu_hwpt_selftest data;
	uint64_t before;
	int rc;

	if (request->data_type == IOMMU_HWPT_DATA_NONE)
		return 0;
	if (request->data_type != IOMMU_HWPT_DATA_SELFTEST ||
		!sim_since(task_sim(task), LINUX(6, 19)))
		return -EOPNOTSUPP;
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_IOAS_MUTEX);
	rc = user_data_copy(task, &data, sizeof(data), sizeof(data.iotlb), request->data_uptr,
		request->data_len);
	lock_allow_user_copy(task, before);
	*pagetable_type = data.pagetable_type;
	return rc;
}

/* What the mock makes of a request. 10.20 */
static int mock_domain_create(
	struct task *task, const struct iommu_hwpt_alloc *request, struct iommu_domain **out)
{
	uint32_t pagetable_type = MOCK_IOMMUPT_DEFAULT;
	struct iommu_domain_config config;
	int rc;

	rc = request ? read_format(task, request, &pagetable_type) : 0;
	if (rc)
		return rc;
	if (pagetable_type > MOCK_IOMMUPT_HUGE)
		return -EOPNOTSUPP;
	config = mock_formats[pagetable_type];
	config.dirty_tracking = request && request->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	*out = iommu_domain_create(task, &config);
	return *out ? 0 : -ENOMEM;
}

/* 4.22: nobody is translated by it, so it begins at 0 and ends nowhere. */
static int software_domain_create(struct task *task, struct iommu_domain **out)
{
	const struct iommu_domain_config config = {
		.page_sizes = UINT64_C(0x1FFFFFF000),
		.aperture_last = UINT64_MAX,
		.software = true,
	};

	*out = iommu_domain_create(task, &config);
	return *out ? 0 : -ENOMEM;
}

int hwpt_alloc(struct task *task, struct ioas *ioas, const struct device *device,
	const struct iommu_hwpt_alloc *request, struct hwpt **out)
{
	struct iommufd_object *object;
	struct hwpt *hwpt;
	int rc;

	rc = object_alloc(task, ioas->context, sizeof(*hwpt), OBJECT_HWPT_PAGING, &object);
	if (rc)
		return rc;
	hwpt = (struct hwpt *)object;
	rc = iommu_device_has_iommu(device->hardware)
		     ? mock_domain_create(task, request, &hwpt->domain)
		     : software_domain_create(task, &hwpt->domain);
	if (rc) {
		object_abort(task, ioas->context, object);
		return rc;
	}
	hwpt->ioas = ioas;
	hwpt->pasid_compat = request && request->flags & IOMMU_HWPT_ALLOC_PASID;
	hwpt->nest_parent = request && request->flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	object_add_user(task, &ioas->object);
	*out = hwpt;
	return 0;
}

int hwpt_fill(struct task *task, struct hwpt *hwpt)
{
	struct ioas *ioas = hwpt->ioas;
	int rc = ioas_add_domain(task, ioas, hwpt->domain);

	if (rc)
		return rc;
	hwpt->previous = ioas->newest_hwpt;
	if (ioas->newest_hwpt)
		ioas->newest_hwpt->next = hwpt;
	else
		ioas->hwpts = hwpt;
	ioas->newest_hwpt = hwpt;
	hwpt->listed = true;
	return 0;
}

static void hwpt_unlist(struct task *task, struct hwpt *hwpt)
{
	struct ioas *ioas = hwpt->ioas;

	if (!hwpt->listed)
		return;
	if (hwpt->previous)
		hwpt->previous->next = hwpt->next;
	else
		ioas->hwpts = hwpt->next;
	if (hwpt->next)
		hwpt->next->previous = hwpt->previous;
	else
		ioas->newest_hwpt = hwpt->previous;
	hwpt->listed = false;
	ioas_remove_domain(task, ioas, hwpt->domain);
}

void hwpt_abort(struct task *task, struct hwpt *hwpt)
{
	struct ioas *ioas = hwpt->ioas;

	hwpt_unlist(task, hwpt);
	hwpt_drop_fault_queue(task, hwpt);
	iommu_domain_destroy(task, hwpt->domain);
	if (!SIM_BUG(task, HWPT_FAILURE_USERS))
		object_drop_user(task, &ioas->object);
	object_abort(task, ioas->context, &hwpt->object);
}

void hwpt_destroy(struct task *task, struct hwpt *hwpt)
{
	struct ioas *ioas = hwpt->ioas;

	if (!SIM_BUG(task, HWPT_UNLISTED_UNLOCKED))
		mutex_lock(task, &ioas->mutex);
	hwpt_unlist(task, hwpt);
	if (!SIM_BUG(task, HWPT_UNLISTED_UNLOCKED))
		mutex_unlock(task, &ioas->mutex);
	hwpt_drop_fault_queue(task, hwpt);
	iommu_domain_destroy(task, hwpt->domain);
	object_drop_user(task, &ioas->object);
	object_free(task, &hwpt->object);
}

/* Flags that page tables on an IOAS can have; 6.12 knew faults of nested ones only. 15 */
static uint32_t paging_flags(const struct sim *sim)
{
	uint32_t flags = 0;

	if (sim_since(sim, LINUX(6, 7)))
		flags |= IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	if (sim_since(sim, LINUX(6, 13)))
		flags |= IOMMU_HWPT_FAULT_ID_VALID;
	if (sim_since(sim, LINUX(6, 15)))
		flags |= IOMMU_HWPT_ALLOC_PASID;
	return flags;
}

/* Steps 7 to 9 of case A. */
static bool paging_flags_valid(struct task *task, const struct device *device, uint32_t flags)
{
	const uint32_t exclusive = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_FAULT_ID_VALID;

	if (flags & ~paging_flags(task_sim(task)))
		return false;
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING &&
		!iommu_device_tracks_dirty(device->hardware) && !SIM_BUG(task, HWPT_DIRTY_DEVICE))
		return false;
	return (flags & exclusive) != exclusive || SIM_BUG(task, HWPT_NEST_FAULT);
}

/* What a device without an IOMMU takes: no data, and of the flags the one that is of no use. 4.22
 */
static bool software_valid(const struct iommu_hwpt_alloc *request)
{
	return !(request->flags & ~(uint32_t)IOMMU_HWPT_FAULT_ID_VALID) && !request->data_len;
}

int hwpt_answer(struct command *command, struct hwpt *hwpt)
{
	struct task *task = command->task;
	uint64_t before;
	int rc = 0;

	if (command->hwpt_alloc.flags & IOMMU_HWPT_FAULT_ID_VALID)
		rc = hwpt_set_fault_queue(
			task, command->context, hwpt, command->hwpt_alloc.fault_id);
	if (rc)
		return rc;
	command->hwpt_alloc.out_hwpt_id = hwpt->object.id;
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_IOAS_MUTEX);
	rc = command_respond(command);
	lock_allow_user_copy(task, before);
	return rc;
}

/* Case A. */
static int alloc_on_ioas(struct command *command, const struct device *device, struct ioas *ioas)
{
	struct task *task = command->task;
	const struct iommu_hwpt_alloc *request = &command->hwpt_alloc;
	struct hwpt *hwpt;
	int rc = -EOPNOTSUPP;

	mutex_lock(task, &ioas->mutex);
	if (device_has_iommu(task, device) ? paging_flags_valid(task, device, request->flags)
					   : software_valid(request))
		rc = hwpt_alloc(task, ioas, device, request, &hwpt);
	if (!rc) {
		rc = hwpt_fill(task, hwpt);
		if (!rc)
			rc = hwpt_answer(command, hwpt);
		if (rc && !(rc == -EFAULT && hwpt->listed && SIM_BUG(task, HWPT_NOT_UNDONE)))
			hwpt_abort(task, hwpt);
		else
			object_publish(task, ioas->context, &hwpt->object);
	}
	mutex_unlock(task, &ioas->mutex);
	return rc;
}

static int alloc_on_object(
	struct command *command, const struct device *device, struct iommufd_object *object)
{
	if (object->type == OBJECT_IOAS)
		return alloc_on_ioas(command, device, (struct ioas *)object);
	if (object->type == OBJECT_HWPT_PAGING)
		return nested_alloc_on_hwpt(command, device, (struct hwpt *)object);
	if (object->type == OBJECT_VIOMMU)
		return nested_alloc_on_viommu(command, device, (struct viommu *)object);
	return -EINVAL;
}

int64_t handle_IOMMU_HWPT_ALLOC(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	const struct iommu_hwpt_alloc *request = &command->hwpt_alloc;
	struct iommufd_object *device, *object;
	int rc;

	if (request->__reserved || (request->__reserved2 && SIM_BUG(task, HWPT_RESERVED2)))
		return -EOPNOTSUPP;
	if ((request->data_type == IOMMU_HWPT_DATA_NONE) != !request->data_len)
		return -EINVAL;
	device = object_get(task, context, request->dev_id, OBJECT_DEVICE);
	if (!device)
		return -ENOENT;
	object = object_get(task, context, request->pt_id, OBJECT_ANY);
	rc = SIM_BUG(task, HWPT_PT_NOT_FOUND) ? -ENOENT : -EINVAL;
	if (object) {
		rc = alloc_on_object(command, (const struct device *)device, object);
		object_put(task, context, object);
	}
	object_put(task, context, device);
	return rc;
}
