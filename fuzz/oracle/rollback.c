/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The visible state is hashed in parts after each call. When a call has failed, every part must be
 * as before, except where a row of the table below cites the specification.
 */
#include "fuzz/oracle/rollback.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include "third_party/xxhash.h"

#include "fuzz/oracle/graph.h"

#define DIRTY_RUNS  64	/* of a page table that are looked at */
#define LARGE_GRAPH 512 /* areas and objects beyond which a state is not hashed */

enum part {
	PART_OBJECTS,
	PART_AREAS,
	PART_RANGES,
	PART_TABLES,
	PART_ATTACHMENTS,
	PART_PINS,
	PART_ACCOUNTS,
	PART_EVENTS,
	PART_COUNT
};

static const char *const part_names[PART_COUNT] = {"object ids and users", "areas",
	"reserved or allowed ranges", "page tables", "attachments", "pins", "accounting", "events"};

struct state {
	uint64_t parts[PART_COUNT];
	uint32_t size; /* objects and areas */
};

struct rollback {
	struct sim *sim;
	struct state before;
};

/* What a failed call may leave behind. I9 of section 19 and the sections named. */
static const struct exception {
	uint16_t row;  /* enum call_id */
	int16_t error; /* 0: any */
	bool respond;  /* only when the response may have faulted */
	const char *spec;
} exceptions[] = {
	{CALL_ID_IOMMU_IOAS_UNMAP, 0, false, "3.9: lower areas are gone, prevent_access is set"},
	{CALL_ID_IOMMU_IOAS_MAP, EFAULT, true, "1.4: the mapping stays"},
	{CALL_ID_IOMMU_IOAS_MAP_FILE, EFAULT, true, "1.4: the mapping stays"},
	{CALL_ID_IOMMU_IOAS_COPY, EFAULT, true, "1.4: the mapping stays"},
	{CALL_ID_IOMMU_IOAS_CHANGE_PROCESS, EINVAL, false,
		"4.18: done, but nobody gets the charge"},
	{CALL_ID_IOMMU_HWPT_INVALIDATE, 0, false, "4.14: requests before the bad one are done"},
	{CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, EFAULT, true,
		"1.4, 10.6: the device has moved"},
	{CALL_ID_IOMMU_TEST_OP_PASID_REPLACE, EFAULT, true, "1.4, 10.7: the PASID has moved"},
	{CALL_ID_IOMMU_TEST_OP_DIRTY, EFAULT, true, "10.19: what was marked stays"},
	{CALL_ID_IOMMU_OPTION_RLIMIT_MODE, EFAULT, true, "4.9: the option change is not undone"},
	{CALL_ID_IOMMU_OPTION_HUGE_PAGES, EFAULT, true, "4.9: the option change is not undone"},
	{CALL_ID_VFIO_IOMMU_UNMAP_DMA_COMPAT, 0, false,
		"8.4: areas are cut, lower ones are gone, prevent_access is set"},
	{CALL_ID_IOMMU_TEST_OP_TRIGGER_VEVENT, ENOMEM, false, "5.3: the loss is told"},
	{CALL_ID_ioctl, 0, true, "a raw call is any of these"},
};

struct rollback *rollback_open(void)
{
	return calloc(1, sizeof(struct rollback));
}

void rollback_close(struct rollback *rollback)
{
	free(rollback);
}

static void mix(uint64_t *part, uint64_t value)
{
	*part = XXH64(&value, sizeof(value), *part);
}

static void hash_ioas(struct state *state, const struct ioas *ioas)
{
	struct range_node *node;
	struct range_item *item;

	mix(&state->parts[PART_RANGES], ioas->alignment | (uint64_t)ioas->small_pages << 32);
	range_map_for_each(item, &ioas->areas)
	{
		const struct area *area = area_of(item);
		uint64_t *part = &state->parts[PART_AREAS];

		state->size++;
		mix(part, item->first);
		mix(part, item->last);
		mix(part, area->offset);
		mix(part, area->protection | (uint64_t)area->prevent_access << 8 |
				  (uint64_t)area->filled << 9 | (uint64_t)area->accesses << 16 |
				  (uint64_t)area->locks << 40);
		if (!area->pages)
			continue;
		mix(part, area->pages->start);
		mix(part, area->pages->references | (uint64_t)area->pages->account << 32);
		mix(part, mm_number(area->pages->mm) |
				  (uint64_t)user_id(process_user(area->pages->process)) << 32);
		mix(&state->parts[PART_PINS], area->pages->pinned);
	}
	range_tree_for_each (node, &ioas->reserved) {
		/* Reservations may overlap: their order in the tree is no state, so the parts are
		 * added up. */
		state->parts[PART_RANGES] += XXH64(&node->first, 2 * sizeof(uint64_t), 7);
	}
	range_tree_for_each (node, &ioas->allowed) {
		mix(&state->parts[PART_RANGES], node->first);
		mix(&state->parts[PART_RANGES], node->last);
	}
	/* The room of the list may have grown; that is no state. */
	for (uint32_t i = 0; i < ioas->access_room; i++) {
		if (ioas->accesses[i])
			mix(&state->parts[PART_ATTACHMENTS],
				ioas->accesses[i]->object.id | (uint64_t)i << 32);
	}
	mix(&state->parts[PART_TABLES], ioas->domain_count);
}

static void hash_faults(struct state *state, const struct fault_queue *fault)
{
	uint64_t *part = &state->parts[PART_EVENTS];
	const struct fault_group *group;
	uint32_t next = 0;

	for (const struct fault_group *queued = fault->first; queued && state->size <= LARGE_GRAPH;
		queued = queued->next) {
		state->size++;
		mix(part, queued->record.grpid | (uint64_t)queued->record.dev_id << 32);
		mix(part, queued->record.addr);
	}
	while (state->size <= LARGE_GRAPH && (group = fault_outstanding(fault, &next))) {
		state->size++;
		mix(part, (next - 1) | (uint64_t)group->record.grpid << 32);
	}
}

static void hash_events(struct state *state, const struct veventq *veventq)
{
	uint64_t *part = &state->parts[PART_EVENTS];

	mix(part, veventq->sequence | (uint64_t)veventq->num_events << 32);
	for (const struct vevent *event = veventq->first; event && state->size <= LARGE_GRAPH;
		event = event->next) {
		state->size++;
		mix(part, event->header.sequence | (uint64_t)event->header.flags << 32);
		mix(part, event->data.virt_id);
	}
}

static void hash_dirty(struct state *state, const struct iommu_domain *domain)
{
	uint64_t first = 0, last;

	mix(&state->parts[PART_TABLES], iommu_tracks(domain));
	for (uint32_t n = 0; n < DIRTY_RUNS && iommu_next_dirty(domain, &first, &last); n++) {
		mix(&state->parts[PART_TABLES], first);
		mix(&state->parts[PART_TABLES], last);
		first = last + 1;
		if (!first)
			break;
	}
}

static void hash_object(struct state *state, const struct iommufd_object *object)
{
	const void *self = object;

	state->size++;
	mix(&state->parts[PART_OBJECTS],
		object->id | (uint64_t)object->type << 32 | (uint64_t)object->users << 40);
	switch (object->type) {
	case OBJECT_IOAS: hash_ioas(state, self); break;
	case OBJECT_HWPT_PAGING: {
		const struct hwpt *hwpt = self;

		mix(&state->parts[PART_TABLES], hwpt->ioas->object.id);
		mix(&state->parts[PART_TABLES], iommu_entry_count(hwpt->domain));
		hash_dirty(state, hwpt->domain);
		mix(&state->parts[PART_EVENTS], hwpt->fault ? hwpt->fault->queue.object.id : 0);
		break;
	}
	case OBJECT_HWPT_NESTED: {
		const struct hwpt *hwpt = self;

		for (unsigned i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
			mix(&state->parts[PART_TABLES], hwpt->iotlb[i]);
		break;
	}
	case OBJECT_DEVICE: {
		const struct device *device = self;
		uint64_t *part = &state->parts[PART_ATTACHMENTS];

		for (const struct pasid_slot *slot = device->pasids; slot; slot = slot->next)
			mix(part, slot->pasid | (uint64_t)slot->hwpt->object.id << 32);
		mix(part, device->hwpt ? device->hwpt->object.id : 0);
		mix(part, device->vdevice ? device->vdevice->object.id : 0);
		mix(part, device->viommu ? device->viommu->object.id : 0);
		mix(part, device->virt_id);
		for (unsigned i = 0; i < MOCK_DEV_CACHE_NUM; i++)
			mix(part, device->cache[i]);
		break;
	}
	case OBJECT_ACCESS: {
		const struct access *access = self;

		mix(&state->parts[PART_ATTACHMENTS], access->ioas ? access->ioas->object.id : 0);
		mix(&state->parts[PART_ATTACHMENTS],
			access->ioas_unpin ? access->ioas_unpin->object.id : 0);
		mix(&state->parts[PART_ATTACHMENTS], access->list_index);
		break;
	}
	case OBJECT_FAULT: hash_faults(state, self); break;
	case OBJECT_VEVENTQ: hash_events(state, self); break;
	default: break;
	}
}

static void hash_processes(struct state *state, const struct sim *sim)
{
	for (unsigned n = 0; n < PROG_PROCESS_MAX; n++) {
		const struct process *process = sim_process((struct sim *)(uintptr_t)sim, n);
		struct task *task = process ? sim_task((struct sim *)(uintptr_t)sim, n, 0) : NULL;

		mix(&state->parts[PART_ACCOUNTS], process != NULL);
		if (!task)
			continue;
		mix(&state->parts[PART_ACCOUNTS], user_locked(process_user(process)));
		mix(&state->parts[PART_ACCOUNTS], mm_locked(task_mm(task)));
		mix(&state->parts[PART_ACCOUNTS], mm_pinned(task_mm(task)));
	}
}

static void hash_state(struct state *state, struct sim *sim)
{
	memset(state, 0, sizeof(*state));
	for (struct iommufd_context *context = graph_contexts(sim); context;
		context = context->next) {
		struct iommufd_object *object;

		mix(&state->parts[PART_OBJECTS], context->number |
							 (uint64_t)context->account_mm << 32 |
							 (uint64_t)context->no_iommu << 33);
		mix(&state->parts[PART_OBJECTS],
			context->compat_ioas ? context->compat_ioas->object.id : 0);
		mix(&state->parts[PART_OBJECTS], context->objects.used);
		mix(&state->parts[PART_OBJECTS], context->regions.count);
		for (uint32_t id = 1; (object = graph_next_object(context, &id)); id++) {
			hash_object(state, object);
			if (state->size > LARGE_GRAPH)
				return;
		}
	}
	mix(&state->parts[PART_PINS], mm_pins(sim));
	hash_processes(state, sim);
}

void rollback_begin(struct rollback *rollback, struct sim *sim)
{
	rollback->sim = sim;
	hash_state(&rollback->before, sim);
}

/* The response can fault when a copy was made to fail, or when the program chose where the struct
 * lies. */
static bool response_may_fault(const struct oracle_step *step)
{
	const struct resolved_call *call = step->call;
	uint64_t at = call->at;

	if (step->injected && (call->fail != FAIL_POINT || call->fail_point == FAULT_USER_COPY))
		return true;
	return at < EXEC_ARGUMENT_BASE ||
	       at >= EXEC_ARGUMENT_BASE + EXEC_THREADS * (uint64_t)EXEC_ARGUMENT_SIZE;
}

static bool excepted(const struct oracle_step *step)
{
	enum call_id row = (enum call_id)(step->call->row - call_rows);

	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
		const struct exception *exception = &exceptions[i];

		if (exception->row == row &&
			(!exception->error || exception->error == -step->result) &&
			(!exception->respond || response_may_fault(step)))
			return true;
	}
	return false;
}

bool rollback_step(
	struct rollback *rollback, const struct oracle_step *step, struct finding *finding)
{
	struct state now;

	hash_state(&now, rollback->sim);
	if (step->call && step->result < 0 && !step->callbacks && now.size <= LARGE_GRAPH &&
		rollback->before.size <= LARGE_GRAPH && !excepted(step))
		for (int part = 0; part < PART_COUNT; part++)
			if (now.parts[part] != rollback->before.parts[part])
				return finding_set(finding, ORACLE_ROLLBACK, step->index,
					"failed call changed state",
					"%s failed with errno %lld and changed %s",
					step->call->row->name, (long long)-step->result,
					part_names[part]);
	rollback->before = now;
	return true;
}
