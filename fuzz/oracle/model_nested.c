/* SPDX-License-Identifier: Apache-2.0 */
/* Nested page tables: HWPT_ALLOC on a parent and through a VIOMMU (4.10), HWPT_INVALIDATE (4.14).
 */
#include "fuzz/oracle/model.h"

#define DATA_MIN    4	 /* bytes of the mock's data (10.21) */
#define ENTRY_MAX   4096 /* bytes (4.14) */
#define ENTRIES_MAX (UINT32_C(1) << 19)

int model_user_data(struct model *model, void *data, uint32_t size, uint32_t least,
	uint64_t address, uint32_t length)
{
	memset(data, 0, size);
	if (length < least || length > size)
		return -EINVAL;
	return model_copy_in(model, data, address, length);
}

/* 10.21: the data, and what it makes of the new page table. */
static int take_data(
	struct model *model, struct model_hwpt *hwpt, const struct iommu_hwpt_alloc *alloc)
{
	struct iommu_hwpt_selftest data = {0};
	/* The second field came with the formats of page tables. */
	uint32_t size = model->config.kernel < LINUX(6, 19) ? 4 : 8;
	int rc;

	if (alloc->data_type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	rc = model_user_data(model, &data, size, DATA_MIN, alloc->data_uptr, alloc->data_len);
	for (int i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		hwpt->iotlb[i] = data.iotlb;
	return rc;
}

int model_nested_alloc(struct model *model, struct model_hwpt *below, struct model_viommu *viommu,
	struct model_command *command)
{
	const struct iommu_hwpt_alloc *alloc = &command->hwpt_alloc;
	struct model_object *on = viommu ? &viommu->object : &below->object;
	uint32_t known = 0;
	struct model_hwpt *hwpt;
	int rc;

	if (model->config.kernel >= LINUX(6, 11))
		known = IOMMU_HWPT_FAULT_ID_VALID;
	if (model->config.kernel >= LINUX(6, 15))
		known |= IOMMU_HWPT_ALLOC_PASID;
	if (alloc->flags & ~known || !alloc->data_len)
		return -EOPNOTSUPP;
	if (!viommu && !below->parent)
		return -EINVAL;
	hwpt = model_alloc(model, sizeof(*hwpt));
	hwpt->context = command->context;
	hwpt->ioas = below->ioas;
	hwpt->below = below;
	hwpt->viommu = viommu;
	hwpt->pasids = alloc->flags & IOMMU_HWPT_ALLOC_PASID;
	model_phase(model, "object_table");
	model_object_reserve(model, command->context, &hwpt->object, MODEL_NESTED);
	model_phase(model, "user-copy");
	rc = take_data(model, hwpt, alloc);
	if (!rc)
		rc = model_hwpt_answer(model, hwpt, command);
	if (rc) {
		if (hwpt->fault)
			hwpt->fault->object.users--;
		model_object_remove(command->context, &hwpt->object);
		model_free(model, hwpt, sizeof(*hwpt));
		return rc;
	}
	on->users++;
	model_object_publish(&hwpt->object);
	return 0;
}

void model_nested_end(struct model *model, struct model_hwpt *hwpt)
{
	model_phase(model, "put");
	if (hwpt->fault)
		hwpt->fault->object.users--;
	if (hwpt->viommu)
		hwpt->viommu->object.users--;
	else
		hwpt->below->object.users--;
	model_free(model, hwpt, sizeof(*hwpt));
}

/* ---- invalidation ---- */

static int one_request(
	struct model_hwpt *hwpt, const struct iommu_hwpt_invalidate_selftest *request)
{
	if (request->flags > IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (request->iotlb_id >= MOCK_NESTED_DOMAIN_IOTLB_NUM)
		return -EINVAL;
	if (request->flags)
		memset(hwpt->iotlb, 0, sizeof(hwpt->iotlb));
	hwpt->iotlb[request->iotlb_id] = 0;
	return 0;
}

/* 10.21 */
static int invalidate_nested(struct model *model, struct model_hwpt *hwpt,
	const struct iommu_hwpt_invalidate *all, uint32_t *done)
{
	if (all->data_type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		return -EINVAL;
	for (; *done < all->entry_num; ++*done) {
		uint64_t at = all->data_uptr + (uint64_t)*done * all->entry_len;
		struct iommu_hwpt_invalidate_selftest request;
		int rc;

		model_phase(model, "user-copy");
		rc = model_user_data(
			model, &request, sizeof(request), sizeof(request), at, all->entry_len);
		if (!rc)
			rc = one_request(hwpt, &request);
		if (rc)
			return rc;
	}
	return 0;
}

/* Steps 1 to 6 of 4.14, without the answer. *object is left to the caller. */
static int invalidate(struct model *model, const struct model_command *command,
	struct model_object **object, uint32_t *done)
{
	const struct iommu_hwpt_invalidate *all = &command->invalidate;
	bool caps = model->config.kernel >= LINUX(7, 2);

	if (all->__reserved)
		return -EOPNOTSUPP;
	if (all->entry_num) {
		if (!all->data_uptr || !all->entry_len)
			return -EINVAL;
		if (caps && (all->entry_len > ENTRY_MAX || all->entry_num > ENTRIES_MAX))
			return -EINVAL;
	}
	/* Only nested ones were looked for before there were VIOMMUs. */
	*object = model_object_get(model, command->context, all->hwpt_id,
		model->config.kernel < LINUX(6, 13) ? MODEL_NESTED : UINT32_MAX);
	if (!*object)
		return -ENOENT;
	switch ((*object)->type) {
	case MODEL_NESTED: return invalidate_nested(model, (struct model_hwpt *)*object, all, done);
	case MODEL_VIOMMU:
		return model_viommu_invalidate(model, (struct model_viommu *)*object, all, done);
	default: return -EINVAL;
	}
}

int64_t model_rule_IOMMU_HWPT_INVALIDATE(struct model *model, struct model_command *command)
{
	struct model_object *object = NULL;
	uint32_t done = 0;
	int rc = invalidate(model, command, &object, &done);

	if (object)
		model_object_put(model, object);
	command->invalidate.entry_num = done;
	return model_respond(model, command) ? -EFAULT : rc;
}

int64_t model_rule_IOMMU_TEST_OP_MD_CHECK_IOTLB(struct model *model, struct model_command *command)
{
	uint32_t at = command->test.md_check_iotlb.id, value = command->test.md_check_iotlb.iotlb;
	struct model_hwpt *hwpt =
		model_object_get(model, command->context, command->test.id, MODEL_NESTED);
	bool right;

	if (!hwpt)
		return -ENOENT;
	model_phase(model, "access");
	right = at < MOCK_NESTED_DOMAIN_IOTLB_NUM && hwpt->iotlb[at] == value;
	model_object_put(model, &hwpt->object);
	return right ? 0 : -EINVAL;
}
