/* SPDX-License-Identifier: Apache-2.0 */
/* The audit's driver, and the object graph: ids, the two counters, edges. I7, I8, I11, I12 */
#include "fuzz/oracle/audit_private.h"

#include <stdlib.h>

#define WHOLE_BELOW 256U /* objects: a graph that small is always looked at as a whole */
#define WHOLE_EVERY 64U	 /* calls */

void audit_grow(void *table, uint32_t *room, uint32_t count, size_t size)
{
	uint32_t wanted = *room ? *room : 64;
	void *memory;

	if (count <= *room)
		return;
	while (wanted < count)
		wanted *= 2;
	memcpy(&memory, table, sizeof(memory));
	memory = realloc(memory, wanted * size);
	if (!memory)
		abort();
	memcpy(table, &memory, sizeof(memory));
	*room = wanted;
}

struct audit *audit_open(void)
{
	return calloc(1, sizeof(struct audit));
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	free(audit->users);
	free(audit->pages);
	free(audit->mms);
	free(audit->owners);
	free(audit);
}

void audit_begin(struct audit *audit, struct sim *sim)
{
	audit->sim = sim;
}

/* Whether the object is in the table of the context under its own id. */
static bool is_listed(const struct iommufd_context *context, const struct iommufd_object *object)
{
	return idr_find(&context->objects, object->id) == object;
}

/* One edge, unless it leads nowhere. */
static bool count_edge(struct audit *audit, const struct iommufd_context *context,
	const struct iommufd_object *from, const struct iommufd_object *to)
{
	if (!to)
		return true;
	if (!is_listed(context, to))
		return AUDIT_BROKEN(audit, "I7 users",
			"object %u refers to object %u, which is not in the table", from->id,
			to->id);
	audit->users[to->id]++;
	return true;
}

static bool count_edges_of_hwpt(
	struct audit *audit, const struct iommufd_context *context, const struct hwpt *hwpt)
{
	const struct iommufd_object *on = &hwpt->ioas->object;

	if (hwpt->parent)
		on = hwpt->viommu ? &hwpt->viommu->object : &hwpt->parent->object;
	return count_edge(audit, context, &hwpt->object, on) &&
	       (!hwpt->fault ||
		       count_edge(audit, context, &hwpt->object, &hwpt->fault->queue.object));
}

/* A device has its binder, and one user an attachment; so has what it is attached to. */
static bool count_attachments(
	struct audit *audit, const struct iommufd_context *context, const struct device *device)
{
	const struct iommufd_object *object = &device->object;

	audit->users[object->id] += device->hwpt ? 2 : 1;
	audit->users[object->id] += device->vdevice != NULL;
	if (device->hwpt && !count_edge(audit, context, object, &device->hwpt->object))
		return false;
	for (const struct pasid_slot *slot = device->pasids; slot; slot = slot->next) {
		audit->users[object->id]++;
		if (!count_edge(audit, context, object, &slot->hwpt->object))
			return false;
	}
	return true;
}

static bool count_edges_of_queue(
	struct audit *audit, const struct iommufd_context *context, const struct hw_queue *queue)
{
	return count_edge(audit, context, &queue->object, &queue->viommu->object) &&
	       (!queue->depends ||
		       count_edge(audit, context, &queue->object, &queue->depends->object));
}

/* Adds the edges that start at an object (table 2.4). */
static bool count_edges(struct audit *audit, const struct iommufd_context *context,
	const struct iommufd_object *object)
{
	const struct iommufd_object *to = NULL;
	const void *self = object;

	switch (object->type) {
	case OBJECT_DEVICE: return count_attachments(audit, context, (const struct device *)object);
	case OBJECT_HWPT_PAGING:
	case OBJECT_HWPT_NESTED: return count_edges_of_hwpt(audit, context, self);
	case OBJECT_VIOMMU:
		to = &((const struct viommu *)object)->parent->object;
		if (((const struct viommu *)object)->region)
			audit->users[object->id] +=
				mm_region_mappings(((const struct viommu *)object)->region->pages);
		break;
	case OBJECT_HW_QUEUE: return count_edges_of_queue(audit, context, self);
	case OBJECT_VDEVICE: to = &((const struct vdevice *)object)->viommu->object; break;
	case OBJECT_ACCESS:
		audit->users[object->id]++; /* the creator */
		if (((const struct access *)object)->ioas_unpin)
			to = &((const struct access *)object)->ioas_unpin->object;
		break;
	case OBJECT_FAULT:
		audit->users[object->id] += ((const struct event_queue *)self)->open;
		break;
	case OBJECT_VEVENTQ:
		audit->users[object->id] += ((const struct event_queue *)self)->open;
		to = &((const struct veventq *)self)->viommu->object;
		break;
	default: break;
	}
	return count_edge(audit, context, object, to);
}

static bool check_access(struct audit *audit, const struct access *access)
{
	const struct ioas *ioas = access->ioas;

	if (ioas != access->ioas_unpin)
		return AUDIT_BROKEN(audit, "access change",
			"access %u is in the middle of a change", access->object.id);
	if (ioas && (access->list_index >= ioas->access_room ||
			    ioas->accesses[access->list_index] != access))
		return AUDIT_BROKEN(audit, "access list", "access %u is not at index %u of IOAS %u",
			access->object.id, access->list_index, ioas->object.id);
	return true;
}

/* The hardware translates a PASID as the device is attached there. */
static bool check_translation(
	struct audit *audit, const struct device *device, uint32_t pasid, const struct hwpt *hwpt)
{
	if (iommu_device_domain(device->hardware, pasid) != (hwpt ? hwpt->domain : NULL))
		return AUDIT_BROKEN(audit, "I12 attachment",
			"device %u, PASID %u translates through another table than that of HWPT %u",
			device->object.id, pasid, hwpt ? hwpt->object.id : 0);
	return true;
}

static bool check_device(struct audit *audit, const struct device *device)
{
	uint32_t places = device->hwpt != NULL, pasid = 0;

	if (!check_translation(audit, device, 0, device->hwpt))
		return false;
	for (const struct pasid_slot *slot = device->pasids; slot; slot = slot->next) {
		places++;
		if (!check_translation(audit, device, slot->pasid, slot->hwpt))
			return false;
		if (!slot->hwpt->pasid_compat || (device->hwpt && !device->hwpt->pasid_compat))
			return AUDIT_BROKEN(audit, "I13 PASIDs",
				"device %u: PASID %u and the RID are attached without the flag",
				device->object.id, slot->pasid);
	}
	for (; iommu_device_next_attached(device->hardware, &pasid); pasid++)
		places--;
	if (places)
		return AUDIT_BROKEN(audit, "I12 attachment",
			"device %u translates PASIDs that are not attached", device->object.id);
	if (device->viommu != (device->hwpt ? device->hwpt->viommu : NULL))
		return AUDIT_BROKEN(audit, "10.8 VIOMMU",
			"device %u reports to another VIOMMU than its page table's",
			device->object.id);
	if (device->vdevice && device->vdevice->device != device)
		return AUDIT_BROKEN(audit, "I14 vDEVICE", "vDEVICE %u of device %u is another's",
			device->vdevice->object.id, device->object.id);
	return audit_requests(audit, device);
}

/* I14: the virtual ids of a VIOMMU are unique, and each device has one at most. */
static bool check_viommu(struct audit *audit, const struct viommu *viommu)
{
	for (const struct vdevice *a = viommu->vdevices; a; a = a->next) {
		if (a->viommu != viommu || a->device->vdevice != a || !a->ready)
			return AUDIT_BROKEN(audit, "I14 vDEVICE",
				"VIOMMU %u lists vDEVICE %u, which is not its device's",
				viommu->object.id, a->object.id);
		for (const struct vdevice *b = a->next; b; b = b->next)
			if (a->virt_id == b->virt_id)
				return AUDIT_BROKEN(audit, "I14 virtual ids",
					"vDEVICEs %u and %u of VIOMMU %u have the same virtual id",
					a->object.id, b->object.id, viommu->object.id);
	}
	return true;
}

/* A second queue depends on a first one, and the memory of a queue cannot be unmapped. I17 */
static bool check_queue(struct audit *audit, const struct hw_queue *queue)
{
	const struct viommu *viommu = queue->viommu;
	const struct ioas *ioas = viommu->parent->ioas;
	const struct range_item *node = range_map_first(&ioas->areas, queue->iova, queue->iova);

	if ((queue->depends != NULL) != (queue->index == 1) ||
		(queue->depends && queue->depends->viommu != viommu))
		return AUDIT_BROKEN(audit, "HW queues",
			"queue %u with index %u of VIOMMU %u is not behind another",
			queue->object.id, queue->index, viommu->object.id);
	if (queue->access->ioas != ioas)
		return AUDIT_BROKEN(audit, "HW queues", "queue %u is not on the IOAS of its VIOMMU",
			queue->object.id);
	if (!node || !area_of((struct range_item *)(uintptr_t)node)->locks)
		return AUDIT_BROKEN(audit, "I17 locks", "the memory of queue %u is not locked",
			queue->object.id);
	return true;
}

/* What can be mapped lies at or above PAGE_SIZE, and nowhere twice. I18 */
static bool check_regions(struct audit *audit, const struct iommufd_context *context)
{
	struct range_tree *regions = (struct range_tree *)(uintptr_t)&context->regions;
	uint64_t free_from = SIM_PAGE_SIZE;
	struct range_node *node;

	range_tree_for_each (node, regions) {
		if (node->first < free_from || node->last < node->first)
			return AUDIT_BROKEN(audit, "I18 regions",
				"context %u: the region at 0x%llx overlaps", context->number,
				(unsigned long long)node->first);
		free_from = node->last + 1;
	}
	return true;
}

static bool check_nested(struct audit *audit, const struct hwpt *hwpt)
{
	if (hwpt->viommu && hwpt->viommu->parent != hwpt->parent)
		return AUDIT_BROKEN(audit, "nesting",
			"HWPT %u and its VIOMMU have different parents", hwpt->object.id);
	if (!hwpt->parent->nest_parent || iommu_domain_parent(hwpt->domain) != hwpt->parent->domain)
		return AUDIT_BROKEN(audit, "nesting",
			"HWPT %u does not translate through its parent", hwpt->object.id);
	return true;
}

#define DIRTY_RUNS 64u /* looked at of a page table */

/* Dirty is what is mapped, by whole entries, and of page tables that can track only. 4.13 */
static bool check_dirty(struct audit *audit, const struct hwpt *hwpt)
{
	uint64_t first = 0, last, at, size, phys;
	uint32_t protection;

	for (uint32_t n = 0; n < DIRTY_RUNS && iommu_next_dirty(hwpt->domain, &first, &last); n++) {
		if (!iommu_domain_config(hwpt->domain)->dirty_tracking)
			return AUDIT_BROKEN(audit, "4.13 dirty",
				"HWPT %u cannot track, and is dirty at 0x%llx", hwpt->object.id,
				(unsigned long long)first);
		for (at = first; at <= last && at >= first; at += size) {
			uint64_t entry = at;

			if (!iommu_next_entry(hwpt->domain, &entry, &size, &phys, &protection) ||
				entry != at || size - 1 > last - at)
				return AUDIT_BROKEN(audit, "4.13 dirty",
					"HWPT %u is dirty at 0x%llx, where no entry begins or only "
					"a "
					"part of it",
					hwpt->object.id, (unsigned long long)at);
		}
		first = last + 1;
		if (!first)
			break;
	}
	return true;
}

static bool check_hwpt(struct audit *audit, const struct hwpt *hwpt)
{
	uint32_t listed = 0;

	for (uint32_t i = 0; i < hwpt->ioas->domain_count; i++)
		listed += hwpt->ioas->domains[i] == hwpt->domain;
	if (listed != 1)
		return AUDIT_BROKEN(audit, "domain list",
			"the domain of HWPT %u is listed %u times in IOAS %u", hwpt->object.id,
			listed, hwpt->ioas->object.id);
	if (!check_dirty(audit, hwpt))
		return false;
	/* A lookup in progress while the last attachment goes leaves it alive (2.7). */
	if (hwpt->automatic && !audit->users[hwpt->object.id] &&
		sim_lock_mode(audit->sim) == LOCKS_SINGLE)
		return AUDIT_BROKEN(audit, "I11 automatic", "automatic HWPT %u has no attachment",
			hwpt->object.id);
	return true;
}

static bool check_object(struct audit *audit, const struct iommufd_object *object)
{
	uint32_t expected = 1 + audit->users[object->id];

	if (object->type == OBJECT_ACCESS && !check_access(audit, (const struct access *)object))
		return false;
	if (object->type == OBJECT_DEVICE && !check_device(audit, (const struct device *)object))
		return false;
	if (object->type == OBJECT_HWPT_PAGING && !check_hwpt(audit, (const struct hwpt *)object))
		return false;
	if (object->type == OBJECT_HWPT_NESTED && !check_nested(audit, (const struct hwpt *)object))
		return false;
	if (object->type == OBJECT_HW_QUEUE && !check_queue(audit, (const struct hw_queue *)object))
		return false;
	if (object->type == OBJECT_VIOMMU && !check_viommu(audit, (const struct viommu *)object))
		return false;
	if (object->type == OBJECT_VEVENTQ &&
		!audit_veventq(audit, (const struct veventq *)(const void *)object))
		return false;
	if (object->users != expected)
		return AUDIT_BROKEN(audit, "I7 users",
			"object %u (type %u) has %u users, the graph implies %u", object->id,
			object->type, object->users, expected);
	expected = 1;
	if (object->type == OBJECT_DEVICE && ((const struct device *)object)->vdevice)
		expected++;
	if (object->wait_count != expected)
		return AUDIT_BROKEN(audit, "I7 wait_cnt", "object %u has wait_cnt %u between calls",
			object->id, object->wait_count);
	return true;
}

/* The IOAS of VFIO's calls is held by nobody, so it must be forgotten when it goes (8, 4.21). */
static bool check_compat(struct audit *audit, struct iommufd_context *context)
{
	const struct iommufd_object *object;

	if (!context->compat_ioas)
		return true;
	for (uint32_t id = 1; (object = graph_next_object(context, &id)); id++) {
		if (object == (const void *)context->compat_ioas)
			return true;
	}
	return AUDIT_BROKEN(
		audit, "compat IOAS", "context %u refers to an IOAS that is gone", context->number);
}

/* The table and every edge of one context. */
static bool check_context(struct audit *audit, struct iommufd_context *context)
{
	struct iommufd_object *object;
	uint32_t count = 0, id;

	/* Ids reach from 1 to the room of the table. */
	audit_grow(&audit->users, &audit->users_room, context->objects.room + 1,
		sizeof(*audit->users));
	memset(audit->users, 0, (context->objects.room + 1) * sizeof(*audit->users));
	for (id = 1; (object = graph_next_object(context, &id)); id++) {
		count++;
		if (object->id != id)
			return AUDIT_BROKEN(
				audit, "I8 ids", "object %u is listed as %u", object->id, id);
		if (!count_edges(audit, context, object))
			return false;
	}
	if (count + context->tombstones != context->objects.used)
		return AUDIT_BROKEN(audit, "I8 ids",
			"context %u has %u ids in use for %u objects and %u tombstones",
			context->number, context->objects.used, count, context->tombstones);
	for (id = 1; (object = graph_next_object(context, &id)); id++) {
		if (!check_object(audit, object))
			return false;
	}
	return check_regions(audit, context) && check_compat(audit, context);
}

/* IOASes of a context: those that were touched, or all. */
static bool check_ioases(struct audit *audit, struct iommufd_context *context, bool all)
{
	struct iommufd_object *object;

	for (uint32_t id = 1; (object = graph_next_object(context, &id)); id++) {
		struct ioas *ioas = (struct ioas *)object;

		if (object->type != OBJECT_IOAS || (!all && ioas->changes == ioas->audited))
			continue;
		if (!audit_ioas(audit, ioas))
			return false;
		ioas->audited = ioas->changes;
	}
	return true;
}

static bool check_machine(struct audit *audit, bool whole)
{
	for (struct iommufd_context *context = graph_contexts(audit->sim); context;
		context = context->next) {
		if (whole && !check_context(audit, context))
			return false;
		if (!check_ioases(audit, context, whole))
			return false;
	}
	return !whole || audit_pages(audit);
}

static uint64_t count_objects(struct sim *sim)
{
	uint64_t count = 0;

	for (struct iommufd_context *context = graph_contexts(sim); context;
		context = context->next)
		count += context->objects.used;
	return count;
}

bool audit_step(struct audit *audit, const struct oracle_step *step, struct finding *finding)
{
	bool whole = step->number % WHOLE_EVERY == 0 ||
		     sim_alloc_objects(audit->sim) < WHOLE_BELOW || count_objects(audit->sim) == 0;

	audit->finding = finding;
	audit->call = step->index;
	return check_machine(audit, whole);
}

bool audit_whole(struct audit *audit, struct finding *finding)
{
	audit->finding = finding;
	audit->call = UINT32_MAX;
	return check_machine(audit, true);
}

bool audit_end(struct audit *audit, struct finding *finding)
{
	const struct iommufd_machine *machine = sim_iommufd_state(audit->sim);

	audit->finding = finding;
	audit->call = UINT32_MAX;
	if (machine->contexts)
		return AUDIT_BROKEN(audit, "I6 contexts",
			"context %u is still there with %u objects", machine->contexts->number,
			machine->contexts->objects.used);
	if (machine->accesses.used)
		return AUDIT_BROKEN(audit, "I6 accesses", "%u in-kernel accesses are left",
			machine->accesses.used);
	if (mm_pins(audit->sim))
		return AUDIT_BROKEN(audit, "I6 pins", "%llu pins are left",
			(unsigned long long)mm_pins(audit->sim));
	if (sim_alloc_objects(audit->sim))
		return AUDIT_BROKEN(audit, "I6 memory", "%llu objects are left",
			(unsigned long long)sim_alloc_objects(audit->sim));
	if (mm_pages(audit->sim))
		return AUDIT_BROKEN(audit, "I6 pages", "%llu pages are left",
			(unsigned long long)mm_pages(audit->sim));
	return true;
}
