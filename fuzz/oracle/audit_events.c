/* SPDX-License-Identifier: Apache-2.0 */
/* Events: page requests of devices are answered once, and queued where they belong. I16 */
#include "fuzz/oracle/audit_private.h"

/* The group came through an attachment of that device that is still there. */
static bool is_attached(const struct fault_group *group, const struct fault_queue *fault)
{
	return device_hwpt_at(group->device, group->attached) == group->hwpt &&
	       group->hwpt->fault == fault;
}

/* Adds the groups of the device in one queue, read or not, to *count. */
static bool count_groups(struct audit *audit, const struct fault_queue *fault,
	const struct device *device, uint32_t *count)
{
	const struct fault_group *group = fault->first;
	uint32_t cookie = 0;
	void *found;

	while (group || (cookie = idr_next(&fault->outstanding, cookie + 1, &found))) {
		if (!group)
			group = found;
		if (group->device == device) {
			++*count;
			if (!is_attached(group, fault))
				return AUDIT_BROKEN(audit, "I16 attachment",
					"fault queue %u has a fault of device %u through an "
					"attachment that is gone",
					fault->queue.object.id, device->object.id);
		}
		group = cookie ? NULL : group->next;
	}
	return true;
}

bool audit_requests(struct audit *audit, const struct device *device)
{
	uint32_t enabled = device->hwpt && device->hwpt->fault, count = 0;
	struct iommufd_object *object;

	for (uint32_t id = 1; (object = graph_next_object(device->context, &id)); id++) {
		if (object->type == OBJECT_FAULT &&
			!count_groups(audit, (const struct fault_queue *)(const void *)object,
				device, &count))
			return false;
	}
	for (const struct pasid_slot *slot = device->pasids; slot; slot = slot->next)
		enabled += slot->hwpt && slot->hwpt->fault;
	if (iommu_device_requests(device->hardware) != count)
		return AUDIT_BROKEN(audit, "I16 answers",
			"device %u waits for %u answers, %u faults are queued or read",
			device->object.id, iommu_device_requests(device->hardware), count);
	if (iommu_device_requests_enabled(device->hardware) != enabled)
		return AUDIT_BROKEN(audit, "page requests",
			"device %u has page requests enabled %u times, for %u attachments",
			device->object.id, iommu_device_requests_enabled(device->hardware),
			enabled);
	return true;
}
