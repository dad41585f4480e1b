/* SPDX-License-Identifier: Apache-2.0 */
/* Nested HWPTs: a guest's page table on a parent, and its invalidation. 4.10, 4.14, 10.11, 10.21 */
#include "impl/iommufd/eventq.h"

#define INVALIDATE_ENTRIES (UINT32_C(1) << 19) /* at most, 4.14 step 2 */

/* What a guest of the mock writes into its page table: every address is its own. */
static int map_identity(struct task *task, struct iommu_domain *domain)
{
	const struct iommu_domain_config *config = iommu_domain_config(domain);

	return iommu_map(task, domain, config->aperture_first, config->aperture_first,
		config->aperture_last - config->aperture_first + 1,
		IOMMU_PROT_READ | IOMMU_PROT_WRITE, 0);
}

/* The mock's part. Its format says more since 6.19; the length could tell. */
static int mock_nested_create(struct task *task, const struct iommu_hwpt_alloc *request,
	struct hwpt *parent, struct hwpt *hwpt)
{
	struct iommu_hwpt_selftest data;
	size_t size = sim_since(task_sim(task), LINUX(6, 19)) ? sizeof(data) : sizeof(data.iotlb);
	int rc;

	if (request->data_type != IOMMU_HWPT_DATA_SELFTEST && !SIM_BUG(task, NESTED_ANY_DATA))
		return -EOPNOTSUPP;
	rc = user_data_copy(
		task, &data, size, sizeof(data.iotlb), request->data_uptr, request->data_len);
	if (rc)
		return rc;
	for (unsigned i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		hwpt->iotlb[i] = data.iotlb;
	hwpt->domain = iommu_domain_create_nested(task, parent->domain);
	if (!hwpt->domain)
		return -ENOMEM;
	rc = map_identity(task, hwpt->domain);
	if (rc)
		iommu_domain_destroy(task, hwpt->domain);
	return rc;
}

/* Gives up what a nested one holds. */
static void nested_release(struct task *task, struct hwpt *hwpt)
{
	hwpt_drop_fault_queue(task, hwpt);
	iommu_domain_destroy(task, hwpt->domain);
	object_drop_user(task, hwpt->viommu ? &hwpt->viommu->object : &hwpt->parent->object);
}

void nested_destroy(struct task *task, struct hwpt *hwpt)
{
	nested_release(task, hwpt);
	object_free(task, &hwpt->object);
}

/* The last steps of both cases. */
static int nested_alloc(struct command *command, struct hwpt *parent, struct viommu *viommu)
{
	struct task *task = command->task;
	struct iommufd_object *object;
	struct hwpt *hwpt;
	int rc;

	rc = object_alloc(task, command->context, sizeof(*hwpt), OBJECT_HWPT_NESTED, &object);
	if (rc)
		return rc;
	hwpt = (struct hwpt *)object;
	rc = mock_nested_create(task, &command->hwpt_alloc, parent, hwpt);
	if (rc)
		goto abort;
	hwpt->ioas = parent->ioas;
	hwpt->parent = parent;
	hwpt->viommu = viommu;
	hwpt->pasid_compat = command->hwpt_alloc.flags & IOMMU_HWPT_ALLOC_PASID;
	object_add_user(task, viommu ? &viommu->object : &parent->object);
	rc = hwpt_answer(command, hwpt);
	if (!rc) {
		object_publish(task, command->context, object);
		return 0;
	}
	nested_release(task, hwpt);
	if (SIM_BUG(task, NESTED_FAILURE_USERS))
		object_add_user(task, viommu ? &viommu->object : &parent->object);
abort:
	object_abort(task, command->context, object);
	return rc;
}

/* Flags of nested ones, by the releases that brought them. 15 */
static bool flags_valid(struct task *task, uint32_t flags)
{
	const struct sim *sim = task_sim(task);
	uint32_t known = (sim_since(sim, LINUX(6, 11)) ? IOMMU_HWPT_FAULT_ID_VALID : 0) |
			 (sim_since(sim, LINUX(6, 15)) ? IOMMU_HWPT_ALLOC_PASID : 0);

	return !(flags & ~known) || SIM_BUG(task, NESTED_FLAGS);
}

int nested_alloc_on_hwpt(struct command *command, const struct device *device, struct hwpt *parent)
{
	const struct iommu_hwpt_alloc *request = &command->hwpt_alloc;

	if (!flags_valid(command->task, request->flags) || !request->data_len ||
		!device_has_iommu(command->task, device))
		return -EOPNOTSUPP;
	if (parent->automatic || (!parent->nest_parent && !SIM_BUG(command->task, NESTED_ON_ANY)))
		return -EINVAL;
	return nested_alloc(command, parent, NULL);
}

/* All devices are behind the one IOMMU of this machine, or behind none. */
int nested_alloc_on_viommu(
	struct command *command, const struct device *device, struct viommu *viommu)
{
	const struct iommu_hwpt_alloc *request = &command->hwpt_alloc;

	if (!device_has_iommu(command->task, device))
		return -EINVAL;
	if (!flags_valid(command->task, request->flags) || !request->data_len)
		return -EOPNOTSUPP;
	return nested_alloc(command, viommu->parent, viommu);
}

/* ---- invalidation ---- */

/* One request to a nested page table. */
static int invalidate_entry(
	struct task *task, struct hwpt *hwpt, const struct iommu_hwpt_invalidate_selftest *entry)
{
	bool all = entry->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL;

	if (entry->flags & ~(uint32_t)IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (entry->iotlb_id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX &&
		!(all && SIM_BUG(task, INVALIDATE_ALL_ANY_ID)))
		return -EINVAL;
	for (uint32_t id = 0; id < MOCK_NESTED_DOMAIN_IOTLB_NUM; id++) {
		if (id == entry->iotlb_id || (all && !SIM_BUG(task, INVALIDATE_ALL_ONE)))
			__atomic_store_n(&hwpt->iotlb[id], 0, __ATOMIC_RELAXED);
	}
	iommu_domain_invalidate(task, hwpt->domain, all ? IOMMU_TAGS : entry->iotlb_id);
	return 0;
}

static int nested_invalidate(struct task *task, struct hwpt *hwpt,
	const struct iommu_hwpt_invalidate *request, uint32_t *processed)
{
	struct iommu_hwpt_invalidate_selftest entry;
	int rc = 0;

	if (request->data_type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		return -EINVAL;
	while (!rc && *processed < request->entry_num) {
		rc = user_data_copy(task, &entry, sizeof(entry), sizeof(entry),
			request->data_uptr + (uint64_t)*processed * request->entry_len,
			request->entry_len);
		if (!rc)
			rc = invalidate_entry(task, hwpt, &entry);
		if (!rc || SIM_BUG(task, INVALIDATE_COUNT))
			(*processed)++;
	}
	return rc;
}

/* Steps 1 to 6. The limits came with 7.x; gated as the flags of HW_INFO of that time are. */
static int invalidate(
	struct command *command, const struct iommu_hwpt_invalidate *request, uint32_t *processed)
{
	struct task *task = command->task;
	bool limited = sim_since(task_sim(task), LINUX(7, 2));
	bool viommus = sim_since(task_sim(task), LINUX(6, 13)); /* or nested ones only */
	struct iommufd_object *object;
	int rc = -EINVAL;

	if (request->__reserved)
		return -EOPNOTSUPP;
	if (request->entry_num && (!request->data_uptr || !request->entry_len))
		return -EINVAL;
	if (limited && request->entry_num &&
		(request->entry_len > SIM_PAGE_SIZE || request->entry_num > INVALIDATE_ENTRIES))
		return -EINVAL;
	object = object_get(task, command->context, request->hwpt_id,
		viommus ? OBJECT_ANY : OBJECT_HWPT_NESTED);
	if (!object)
		return -ENOENT;
	if (object->type == OBJECT_HWPT_NESTED)
		rc = nested_invalidate(task, (struct hwpt *)object, request, processed);
	else if (object->type == OBJECT_VIOMMU)
		rc = viommu_invalidate(task, (struct viommu *)object, request, processed);
	object_put(task, command->context, object);
	return rc;
}

int64_t handle_IOMMU_HWPT_INVALIDATE(struct command *command)
{
	uint32_t processed = 0;
	int rc = invalidate(command, &command->invalidate, &processed);

	command->invalidate.entry_num = processed;
	if (rc && SIM_BUG(command->task, INVALIDATE_ERROR_SILENT))
		return rc;
	/* How far it came is told whatever has happened. */
	return command_respond(command) ? -EFAULT : rc;
}

int64_t handle_IOMMU_TEST_OP_MD_CHECK_IOTLB(struct command *command)
{
	struct task *task = command->task;
	uint32_t id = command->test.md_check_iotlb.id;
	struct hwpt *hwpt;
	int rc = -EINVAL;

	hwpt = (struct hwpt *)object_get(
		task, command->context, command->test.id, OBJECT_HWPT_NESTED);
	if (!hwpt)
		return -ENOENT;
	schedule_point(task, SCHEDULE_ACCESS);
	if (id <= MOCK_NESTED_DOMAIN_IOTLB_ID_MAX &&
		__atomic_load_n(&hwpt->iotlb[id], __ATOMIC_RELAXED) ==
			command->test.md_check_iotlb.iotlb)
		rc = 0;
	object_put(task, command->context, &hwpt->object);
	return rc;
}
