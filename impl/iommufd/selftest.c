/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_TEST_CMD: mock devices, reservations and checks of what is mapped. 10.4
 * to 10.6, 10.9, 10.10, 10.26 */
#include "impl/iommufd/iommufd.h"

#define MOCK_FLAGS_DEVICE_HUGE (1U << 1) /* before 6.19; nothing here depends on it */

int64_t handle_IOMMU_TEST_OP_ADD_RESERVED(struct command *command)
{
	struct task *task = command->task;
	uint64_t start = command->test.add_reserved.start,
		 length = command->test.add_reserved.length, last;
	struct ioas *ioas;
	int rc;

	if (!length)
		return -EINVAL;
	if (__builtin_add_overflow(start, length - 1, &last))
		return -EOVERFLOW;
	ioas = ioas_get(task, command->context, command->test.id);
	if (!ioas)
		return -ENOENT;
	down_write(task, &ioas->iova_rwsem);
	rc = ioas_reserve(task, ioas, start, last, NULL);
	up_write(task, &ioas->iova_rwsem);
	ioas_put(task, ioas);
	return rc;
}

void mock_device_destroy(struct task *task, struct mock_device *mock)
{
	device_detach_all(task, mock->device);
	device_unbind(task, mock->device);
	iommu_device_destroy(task, mock->hardware);
	object_free(task, &mock->object);
}

/* The device flags that the kernel profile knows. 15 */
static uint32_t device_flags(const struct sim *sim)
{
	return MOCK_FLAGS_DEVICE_NO_DIRTY |
	       (sim_since(sim, LINUX(6, 15)) ? MOCK_FLAGS_DEVICE_PASID : 0) |
	       (sim_since(sim, LINUX(6, 19)) ? 0 : MOCK_FLAGS_DEVICE_HUGE) |
	       (has_noiommu(sim) ? MOCK_FLAGS_DEVICE_NOIOMMU : 0);
}

/* Steps 2 to 5 of 10.5 for a stdev whose id is taken. */
static int mock_device_attach(
	struct command *command, struct mock_device *mock, uint32_t flags, uint32_t *pt_id)
{
	struct task *task = command->task;
	int rc;

	/* Without an IOMMU there is nothing to choose. */
	if (flags & ~device_flags(task_sim(task)) ||
		(flags & MOCK_FLAGS_DEVICE_NOIOMMU && flags != MOCK_FLAGS_DEVICE_NOIOMMU))
		return -EINVAL;
	mock->flags = flags;
	mock->hardware = iommu_device_create(
		task, flags & MOCK_FLAGS_DEVICE_PASID ? UINT32_C(1) << MOCK_PASID_WIDTH : 1);
	if (!mock->hardware)
		return -ENOMEM;
	if (flags & MOCK_FLAGS_DEVICE_NOIOMMU)
		iommu_device_without_iommu(mock->hardware);
	iommu_device_alternate_pasid(mock->hardware, IOMMU_TEST_PASID_RESERVED);
	if (flags & MOCK_FLAGS_DEVICE_NO_DIRTY)
		iommu_device_forbid_dirty_tracking(mock->hardware);
	rc = device_bind(task, command->context, mock->hardware, &mock->device);
	if (!rc) {
		rc = device_attach(task, mock->device, 0, pt_id);
		if (!rc)
			return 0;
		device_unbind(task, mock->device);
	}
	iommu_device_destroy(task, mock->hardware);
	return rc;
}

static int64_t mock_domain(struct command *command, uint32_t flags)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	uint32_t pt_id = command->test.id;
	struct iommufd_object *object;
	struct mock_device *mock;
	int rc;

	rc = object_alloc(task, context, sizeof(*mock), OBJECT_SELFTEST, &object);
	if (rc)
		return rc;
	mock = (struct mock_device *)object;
	rc = mock_device_attach(command, mock, flags, &pt_id);
	if (rc)
		goto abort;
	command->test.mock_domain.out_stdev_id = object->id;
	command->test.mock_domain.out_hwpt_id = pt_id;
	command->test.mock_domain.out_idev_id = mock->device->object.id;
	rc = command_respond(command);
	if (rc && !SIM_BUG(task, MOCK_DOMAIN_NOT_UNDONE)) {
		device_detach(task, mock->device, 0);
		device_unbind(task, mock->device);
		iommu_device_destroy(task, mock->hardware);
		goto abort;
	}
	object_publish(task, context, object);
	return rc;
abort:
	object_abort(task, context, object);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_MOCK_DOMAIN(struct command *command)
{
	return mock_domain(command, 0);
}

int64_t handle_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS(struct command *command)
{
	return mock_domain(command, command->test.mock_domain_flags.dev_flags);
}

static struct mock_device *mock_get(struct command *command)
{
	return (struct mock_device *)object_get(
		command->task, command->context, command->test.id, OBJECT_SELFTEST);
}

static int64_t mock_replace(struct command *command, uint32_t pasid, uint32_t *pt_id)
{
	struct task *task = command->task;
	struct mock_device *mock = mock_get(command);
	int rc;

	if (!mock)
		return -ENOENT;
	rc = device_replace(task, mock->device, pasid, pt_id);
	if (!rc)
		rc = command_respond(command);
	object_put(task, command->context, &mock->object);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE(struct command *command)
{
	return mock_replace(command, 0, &command->test.mock_domain_replace.pt_id);
}

/* ---- PASIDs, 10.7 ---- */

int64_t handle_IOMMU_TEST_OP_PASID_ATTACH(struct command *command)
{
	struct task *task = command->task;
	uint32_t pasid = command->test.pasid_attach.pasid;
	struct mock_device *mock = mock_get(command);
	int rc;

	if (!mock)
		return -ENOENT;
	rc = device_attach(task, mock->device, pasid, &command->test.pasid_attach.pt_id);
	if (!rc) {
		rc = command_respond(command);
		if (rc && !SIM_BUG(task, PASID_ATTACH_NOT_UNDONE))
			device_detach(task, mock->device, pasid);
	}
	object_put(task, command->context, &mock->object);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_PASID_REPLACE(struct command *command)
{
	return mock_replace(
		command, command->test.pasid_replace.pasid, &command->test.pasid_replace.pt_id);
}

int64_t handle_IOMMU_TEST_OP_PASID_DETACH(struct command *command)
{
	struct task *task = command->task;
	uint32_t pasid = command->test.pasid_detach.pasid;
	struct mock_device *mock = mock_get(command);

	if (!mock)
		return -ENOENT;
	if (pasid || !SIM_BUG(task, PASID_DETACH_RID))
		device_detach(task, mock->device, pasid);
	object_put(task, command->context, &mock->object);
	return 0;
}

/* Behind the lookup of the stdev. */
static int check_attached(struct command *command, struct device *device)
{
	struct task *task = command->task;
	uint32_t pasid = command->test.pasid_check_hwpt.pasid;
	uint32_t id = command->test.pasid_check_hwpt.hwpt_id;
	struct iommufd_object *object;
	int rc = 0;

	if (!id)
		return device_attached(task, device, pasid) && !SIM_BUG(task, CHECK_HWPT_NOTHING)
			       ? -EINVAL
			       : 0;
	object = object_get(task, command->context, id, OBJECT_ANY);
	if (!object)
		return -ENOENT;
	if (object->type != OBJECT_HWPT_PAGING && object->type != OBJECT_HWPT_NESTED)
		rc = SIM_BUG(task, CHECK_HWPT_TYPE) ? -ENOENT : -EINVAL;
	else if ((const void *)device_attached(task, device, pasid) != object &&
		 !SIM_BUG(task, CHECK_HWPT_ANY))
		rc = -EINVAL;
	object_put(task, command->context, object);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_PASID_CHECK_HWPT(struct command *command)
{
	struct mock_device *mock = mock_get(command);
	int rc;

	if (!mock)
		return -ENOENT;
	rc = check_attached(command, mock->device);
	object_put(command->task, command->context, &mock->object);
	return rc;
}

/* ---- checks of what is mapped ---- */

/* Step 3 of 10.9: the page behind each address must be the one that the IOVA leads to. */
static int check_map(struct task *task, struct iommu_domain *domain, uint64_t page_size,
	uint64_t iova, uint64_t length, uint64_t uptr)
{
	for (; length; length -= page_size, iova += page_size, uptr += page_size) {
		struct page_view seen;
		int rc;

		schedule_point(task, SCHEDULE_USER_COPY);
		rc = mm_look_up(task, uptr, &seen);
		if (rc)
			return rc;
		if (!seen.page || iommu_translate(task, domain, iova) !=
					  seen.phys + (uptr & (SIM_PAGE_SIZE - 1)))
			return -EINVAL;
	}
	return 0;
}

/* Step 2 of 10.9. */
static bool can_check_map(uint64_t page_size, uint64_t iova, uint64_t length, uint64_t uptr)
{
	uint64_t end;

	return !((iova | length | uptr) & (page_size - 1)) &&
	       !__builtin_add_overflow(uptr, length, &end);
}

int64_t handle_IOMMU_TEST_OP_MD_CHECK_MAP(struct command *command)
{
	struct task *task = command->task;
	uint64_t iova = command->test.md_check_map.iova, length = command->test.md_check_map.length;
	uint64_t uptr = command->test.md_check_map.uptr, page_size;
	struct hwpt *hwpt;
	int rc = -EINVAL;

	/* Before 6.19 the mock had one page size, and it came before the domain. */
	if (!sim_since(task_sim(task), LINUX(6, 19)) &&
		!can_check_map(MOCK_PAGE_SIZE, iova, length, uptr))
		return -EINVAL;
	hwpt = (struct hwpt *)object_get(
		task, command->context, command->test.id, OBJECT_HWPT_PAGING);
	if (!hwpt)
		return -ENOENT;
	page_size = iommu_domain_config(hwpt->domain)->page_sizes;
	page_size &= -page_size;
	if (!iommu_domain_config(hwpt->domain)->software &&
		can_check_map(page_size, iova, length, uptr))
		rc = check_map(task, hwpt->domain, page_size, iova, length, uptr);
	object_put(task, command->context, &hwpt->object);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_MD_CHECK_REFS(struct command *command)
{
	uint64_t length = command->test.md_check_refs.length,
		 uptr = command->test.md_check_refs.uptr, end;

	if ((length | uptr) & (SIM_PAGE_SIZE - 1) || __builtin_add_overflow(uptr, length, &end))
		return -EINVAL;
	for (; length; length -= SIM_PAGE_SIZE, uptr += SIM_PAGE_SIZE) {
		struct page_view seen;
		int rc;

		schedule_point(command->task, SCHEDULE_USER_COPY);
		rc = mm_look_up(command->task, uptr, &seen);
		if (rc)
			return rc;
		/* References of a huge page are not those of its parts. */
		if (seen.pins != command->test.md_check_refs.refs &&
			(!seen.compound || SIM_BUG(command->task, REFS_COMPOUND)))
			return -EIO;
	}
	return 0;
}

int64_t handle_IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT(struct command *command)
{
	uint32_t limit = command->test.set_temp_memory_limit.limit;

	if (limit < 12)
		return -EINVAL;
	schedule_point(command->task, SCHEDULE_ACCESS);
	__atomic_store_n(&machine_of(command->task)->temp_memory_limit, limit, __ATOMIC_RELAXED);
	return 0;
}
