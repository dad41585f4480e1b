/* SPDX-License-Identifier: Apache-2.0 */
/* Page tables: their life, IOMMU_HWPT_ALLOC (4.10), and what a device's IOMMU can do (4.11). */
#include "fuzz/oracle/model.h"

#define HUGE_APERTURE_LAST ((UINT64_C(1) << 38) - 1) /* 10.20 */
#define DATA_MIN	   4			     /* bytes of the mock's data (10.20) */
#define ANYTHING	   UINT32_MAX

struct model_hwpt *model_hwpt_new(
	struct model *model, const struct model_device *device, struct model_ioas *ioas)
{
	struct model_context *context = device->context;
	struct model_hwpt *hwpt = model_alloc(model, sizeof(*hwpt));

	hwpt->context = context;
	hwpt->ioas = ioas;
	model_array_init(&hwpt->dirty, sizeof(struct model_entry));
	hwpt->page_size = MOCK_PAGE_SIZE;
	hwpt->first = MOCK_APERTURE_START;
	hwpt->last = MOCK_APERTURE_LAST;
	if (model_device_bare(device)) {
		hwpt->software = true;
		hwpt->page_size = MODEL_PAGE;
		hwpt->first = 0;
		hwpt->last = UINT64_MAX;
	}
	model_object_reserve(model, context, &hwpt->object, MODEL_HWPT);
	ioas->object.users++;
	return hwpt;
}

void model_hwpt_free(struct model *model, struct model_hwpt *hwpt)
{
	hwpt->ioas->object.users--;
	if (hwpt->fault)
		hwpt->fault->object.users--;
	model_array_end(model, &hwpt->dirty);
	model_object_remove(hwpt->context, &hwpt->object);
	model_free(model, hwpt, sizeof(*hwpt));
}

void model_hwpt_end(struct model *model, struct model_hwpt *hwpt)
{
	struct model_ioas *ioas = hwpt->ioas;

	model_pass(model, &ioas->domains, true, "iova_rwsem");
	model_ioas_remove_domain(model, ioas, hwpt);
	model_hwpt_free(model, hwpt);
}

static bool kernel_has(const struct model *model, uint16_t since)
{
	return model->config.kernel >= since;
}

/* Flags by the releases that brought them (15). Faults of page tables on an IOAS came behind 6.12.
 */
static uint32_t flags_known(const struct model *model)
{
	uint32_t known = 0;

	if (kernel_has(model, LINUX(6, 15)))
		known |= IOMMU_HWPT_ALLOC_PASID;
	if (kernel_has(model, LINUX(6, 13)))
		known |= IOMMU_HWPT_FAULT_ID_VALID;
	if (kernel_has(model, LINUX(6, 7)))
		known |= IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_NEST_PARENT;
	return known;
}

/* 10.20: the caller's data, if there is any, selects one of two formats. */
static int choose_format(
	struct model *model, struct model_hwpt *hwpt, const struct iommu_hwpt_alloc *alloc)
{
	struct iommu_hwpt_selftest data;
	int rc;

	if (!alloc->data_len)
		return 0;
	if (!kernel_has(model, LINUX(6, 19)) || alloc->data_type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	rc = model_user_data(
		model, &data, sizeof(data), DATA_MIN, alloc->data_uptr, alloc->data_len);
	if (rc)
		return rc;
	switch (data.pagetable_type) {
	case MOCK_IOMMUPT_DEFAULT: return 0;
	case MOCK_IOMMUPT_HUGE:
		hwpt->huge = true;
		hwpt->page_size = MODEL_PAGE;
		hwpt->first = 0;
		hwpt->last = HUGE_APERTURE_LAST;
		return 0;
	default: return -EOPNOTSUPP;
	}
}

/* Step 13: the reference of the lookup becomes that of the page table. */
static int use_fault(struct model *model, struct model_hwpt *hwpt, uint32_t fault_id)
{
	hwpt->fault = model_object_get(model, hwpt->context, fault_id, MODEL_FAULT);
	if (!hwpt->fault)
		return -ENOENT;
	hwpt->fault->object.wait_cnt--;
	return 0;
}

int model_hwpt_answer(struct model *model, struct model_hwpt *hwpt, struct model_command *command)
{
	int rc = 0;

	if (command->hwpt_alloc.flags & IOMMU_HWPT_FAULT_ID_VALID)
		rc = use_fault(model, hwpt, command->hwpt_alloc.fault_id);
	if (rc)
		return rc;
	model_phase(model, "put");
	command->hwpt_alloc.out_hwpt_id = hwpt->object.id;
	return model_respond(model, command);
}

/* Steps 12 to 14; undone by the caller. */
static int join_and_answer(
	struct model *model, struct model_hwpt *hwpt, struct model_command *command)
{
	struct model_ioas *ioas = hwpt->ioas;
	int rc;

	model_pass(model, &ioas->domains, true, "iova_rwsem");
	rc = model_ioas_add_domain(model, ioas, hwpt);
	if (rc)
		return rc;
	rc = model_hwpt_answer(model, hwpt, command);
	if (rc) {
		model_pass(model, &ioas->domains, true, "iova_rwsem");
		model_ioas_remove_domain(model, ioas, hwpt);
	}
	return rc;
}

/* Case A, under the mutex of the IOAS. */
static int paging(struct model *model, const struct model_device *device, struct model_ioas *ioas,
	struct model_command *command)
{
	const struct iommu_hwpt_alloc *alloc = &command->hwpt_alloc;
	bool tracks = alloc->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	bool parent = alloc->flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	struct model_hwpt *hwpt;
	int rc;

	if (alloc->flags & ~flags_known(model))
		return -EOPNOTSUPP;
	if (model_device_bare(device) &&
		(alloc->data_len || alloc->flags & ~(uint32_t)IOMMU_HWPT_FAULT_ID_VALID))
		return -EOPNOTSUPP;
	if (tracks && device->flags & MOCK_FLAGS_DEVICE_NO_DIRTY)
		return -EOPNOTSUPP;
	if (parent && alloc->flags & IOMMU_HWPT_FAULT_ID_VALID)
		return -EOPNOTSUPP;
	hwpt = model_hwpt_new(model, device, ioas);
	hwpt->tracks = tracks;
	hwpt->parent = parent;
	hwpt->pasids = alloc->flags & IOMMU_HWPT_ALLOC_PASID;
	rc = choose_format(model, hwpt, alloc);
	if (!rc)
		rc = join_and_answer(model, hwpt, command);
	if (rc)
		model_hwpt_free(model, hwpt);
	else
		model_object_publish(&hwpt->object);
	return rc;
}

static int allocate(struct model *model, const struct model_device *device, struct model_object *on,
	struct model_command *command)
{
	struct model_viommu *viommu = (struct model_viommu *)on;
	struct model_ioas *ioas;
	int rc;

	if (on->type == MODEL_VIOMMU && model_device_bare(device))
		return -EINVAL;
	if (on->type == MODEL_HWPT && model_device_bare(device))
		return -EOPNOTSUPP;
	if (on->type == MODEL_HWPT)
		return model_nested_alloc(model, (struct model_hwpt *)on, NULL, command);
	if (on->type == MODEL_VIOMMU)
		return model_nested_alloc(model, viommu->parent, viommu, command);
	if (on->type != MODEL_IOAS)
		return -EINVAL;
	ioas = (struct model_ioas *)on;
	model_lock(model, &ioas->mutex, true, "ioas_mutex");
	rc = paging(model, device, ioas, command);
	model_unlock(model, &ioas->mutex, true);
	return rc;
}

int64_t model_rule_IOMMU_HWPT_ALLOC(struct model *model, struct model_command *command)
{
	const struct iommu_hwpt_alloc *alloc = &command->hwpt_alloc;
	struct model_device *device;
	struct model_object *on;
	int rc = -EINVAL;

	if (alloc->__reserved)
		return -EOPNOTSUPP;
	if (alloc->data_type == IOMMU_HWPT_DATA_NONE ? alloc->data_len : !alloc->data_len)
		return -EINVAL;
	device = model_object_get(model, command->context, alloc->dev_id, MODEL_DEVICE);
	if (!device)
		return -ENOENT;
	on = model_object_get(model, command->context, alloc->pt_id, ANYTHING);
	if (on) {
		rc = allocate(model, device, on, command);
		model_object_put(model, on);
	}
	model_object_put(model, &device->object);
	return rc;
}

/* ---- GET_HW_INFO ---- */

static int write_data(struct model *model, struct iommu_hw_info *info)
{
	const struct iommu_test_hw_info data = {
		.flags = 0, .test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL};
	uint32_t room = info->data_len;
	int rc;

	info->data_len = sizeof(data);
	rc = model_copy_out(
		model, info->data_uptr, &data, room < sizeof(data) ? room : sizeof(data));
	if (!rc && room > sizeof(data))
		rc = model_copy_clear(model, info->data_uptr + sizeof(data), room - sizeof(data));
	return rc;
}

int64_t model_rule_IOMMU_GET_HW_INFO(struct model *model, struct model_command *command)
{
	struct iommu_hw_info *info = &command->hw_info;
	bool typed = info->flags == IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	struct model_device *device;
	int rc = 0;

	if (info->flags && !(typed && kernel_has(model, LINUX(6, 17))))
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < sizeof(info->__reserved); i++)
		if (info->__reserved[i])
			return -EOPNOTSUPP;
	device = model_object_get(model, command->context, info->dev_id, MODEL_DEVICE);
	if (!device)
		return -ENOENT;
	if (model_device_bare(device) ||
		(typed && info->in_data_type && info->in_data_type != IOMMU_HW_INFO_TYPE_SELFTEST))
		rc = -EOPNOTSUPP;
	if (!rc) {
		model_phase(model, "user-copy");
		rc = write_data(model, info);
	}
	model_phase(model, "put");
	if (!rc) {
		info->out_data_type = IOMMU_HW_INFO_TYPE_SELFTEST;
		info->out_max_pasid_log2 =
			device->flags & MOCK_FLAGS_DEVICE_PASID ? MOCK_PASID_WIDTH : 0;
		info->out_capabilities = device->flags & MOCK_FLAGS_DEVICE_NO_DIRTY
						 ? 0
						 : IOMMU_HW_CAP_DIRTY_TRACKING;
		if (kernel_has(model, LINUX(7, 2)))
			info->out_capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
		rc = model_respond(model, command);
	}
	model_object_release(&device->object);
	return rc;
}
