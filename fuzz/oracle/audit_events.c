/* SPDX-License-Identifier: Apache-2.0 */
/* Events: page requests are answered once and queued where they belong; what devices report is in
 * order. I14 to I16 */
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
	uint32_t next = 0;

	while (group || (group = fault_outstanding(fault, &next))) {
		if (group->device == device) {
			++*count;
			if (!is_attached(group, fault))
				return AUDIT_BROKEN(audit, "I16 attachment",
					"fault queue %u has a fault of device %u through an "
					"attachment that is gone",
					fault->queue.object.id, device->object.id);
		}
		group = next ? NULL : group->next;
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
	if (!iommu_device_has_iommu(device->hardware))
		enabled = 0;
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

/* Its VIOMMU lists it, and no other one of its type. */
static bool check_listed(struct audit *audit, const struct veventq *veventq)
{
	uint32_t of_type = 0, itself = 0;

	for (const struct veventq *other = veventq->viommu->veventqs; other; other = other->next) {
		of_type += other->type == veventq->type;
		itself += other == veventq;
	}
	if (of_type != 1 || itself != 1)
		return AUDIT_BROKEN(audit, "I14 event queues",
			"VIOMMU %u lists %u event queues of the type of queue %u",
			veventq->viommu->object.id, of_type, veventq->queue.object.id);
	return true;
}

bool audit_veventq(struct audit *audit, const struct veventq *veventq)
{
	const struct vevent *event, *newest = NULL;
	uint32_t count = 0, id = veventq->queue.object.id;

	for (event = veventq->first; event; event = event->next) {
		if (event == &veventq->lost && event->next)
			return AUDIT_BROKEN(audit, "I15 lost header",
				"event queue %u has a lost header before other entries", id);
		/* Two readers may put events back in another order. */
		if (event->next && event->next->header.sequence <= event->header.sequence &&
			event->header.sequence != INT32_MAX &&
			sim_lock_mode(audit->sim) == LOCKS_SINGLE)
			return AUDIT_BROKEN(audit, "I15 sequence",
				"event queue %u: sequence %u behind %u", id,
				event->next->header.sequence, event->header.sequence);
		if (event != &veventq->lost) {
			newest = event;
			count++;
		}
	}
	if (count != veventq->num_events || count > veventq->depth || newest != veventq->newest)
		return AUDIT_BROKEN(audit, "I15 events",
			"event queue %u of depth %u counts %u events, %u are queued", id,
			veventq->depth, veventq->num_events, count);
	return check_listed(audit, veventq);
}
