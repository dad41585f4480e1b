/* SPDX-License-Identifier: Apache-2.0 */
/* Paging HWPTs: an IO page table on an IOAS. 2.7, 3.8, 10.20 */
#include "impl/iommufd/iommufd.h"

/* The mock's default format. */
static const struct iommu_domain_config mock_config = {
	.page_sizes = UINT64_C(0x1FFFFFF800),
	.aperture_first = MOCK_APERTURE_START,
	.aperture_last = MOCK_APERTURE_LAST,
};

int hwpt_alloc(struct task *task, struct ioas *ioas, struct hwpt **out)
{
	struct iommufd_object *object;
	struct hwpt *hwpt;
	int rc;

	rc = object_alloc(task, ioas->context, sizeof(*hwpt), OBJECT_HWPT_PAGING, &object);
	if (rc)
		return rc;
	hwpt = (struct hwpt *)object;
	hwpt->domain = iommu_domain_create(task, &mock_config);
	if (!hwpt->domain) {
		object_abort(task, ioas->context, object);
		return -ENOMEM;
	}
	hwpt->ioas = ioas;
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
	iommu_domain_destroy(task, hwpt->domain);
	object_drop_user(task, &ioas->object);
	object_free(task, &hwpt->object);
}
