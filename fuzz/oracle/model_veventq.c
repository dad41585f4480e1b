/* SPDX-License-Identifier: Apache-2.0 */
/* What devices report through a VIOMMU: queues and their descriptors (4.19, 5.3, 10.18). */
#include "fuzz/oracle/model.h"

#define TRANSFER_MAX UINT64_C(0x7ffff000) /* bytes of one read */
#define DEPTH_MAX    524288

/* ---- the object ---- */

static bool has_type(const struct model_viommu *viommu, uint32_t type)
{
	for (uint32_t i = 0; i < viommu->veventqs.count; i++)
		if ((*(struct model_veventq **)model_array_at(&viommu->veventqs, i))->type == type)
			return true;
	return false;
}

static void leave_viommu(struct model_veventq *veventq)
{
	struct model_array *all = &veventq->viommu->veventqs;
	uint32_t i = 0;

	while (*(struct model_veventq **)model_array_at(all, i) != veventq)
		i++;
	model_array_remove(all, i, 1);
	veventq->viommu->object.users--;
}

static void free_veventq(struct model *model, struct model_veventq *veventq)
{
	model_array_end(model, &veventq->events);
	model_free(model, veventq, sizeof(*veventq));
}

void model_veventq_end(struct model *model, struct model_veventq *veventq)
{
	model_pass(model, &veventq->viommu->reports, true, "veventqs_rwsem");
	leave_viommu(veventq);
	free_veventq(model, veventq);
}

void model_veventq_close(struct model *model, struct model_veventq *veventq)
{
	struct model_file *file = veventq->context->file;

	veventq->object.users--;
	model_phase(model, "put");
	model_file_put(model, file);
}

/* Steps 5 and 6, under the lock; the caller undoes. */
static int tell(struct model *model, struct model_veventq *veventq, struct model_command *command)
{
	struct model_process *process = model->process;
	struct model_file *file;
	int64_t fd;
	int rc;

	model_phase(model, "put");
	file = model_file_new(model, MODEL_FILE_VEVENTQ);
	file->veventq = veventq;
	fd = model_file_reserve(model, process, file, true);
	rc = fd < 0 ? (int)fd : 0;
	if (!rc) {
		command->veventq_alloc.out_veventq_id = veventq->object.id;
		command->veventq_alloc.out_veventq_fd = (uint32_t)fd;
		rc = model_respond(model, command);
		if (rc)
			model_file_withdraw(process, (uint64_t)fd);
	}
	if (rc) {
		model_free(model, file, sizeof(*file));
		return rc;
	}
	veventq->object.users++;
	veventq->context->file->refs++;
	model_phase(model, "put");
	model_file_publish(process, (uint64_t)fd);
	model_phase(model, "object_table");
	model_object_publish(&veventq->object);
	return 0;
}

static int make(struct model *model, struct model_viommu *viommu, struct model_command *command)
{
	struct model_veventq *veventq;
	int rc;

	if (has_type(viommu, command->veventq_alloc.type))
		return -EEXIST;
	veventq = model_alloc(model, sizeof(*veventq));
	veventq->context = command->context;
	veventq->viommu = viommu;
	veventq->type = command->veventq_alloc.type;
	veventq->depth = command->veventq_alloc.veventq_depth;
	model_array_init(&veventq->events, sizeof(struct model_event));
	*(struct model_veventq **)model_array_insert(
		model, &viommu->veventqs, viommu->veventqs.count) = veventq;
	viommu->object.users++;
	model_phase(model, "object_table");
	model_object_reserve(model, command->context, &veventq->object, MODEL_VEVENTQ);
	rc = tell(model, veventq, command);
	if (rc) {
		leave_viommu(veventq);
		model_phase(model, "object_table");
		model_object_remove(command->context, &veventq->object);
		free_veventq(model, veventq);
	}
	return rc;
}

int64_t model_rule_IOMMU_VEVENTQ_ALLOC(struct model *model, struct model_command *command)
{
	const struct iommu_veventq_alloc *alloc = &command->veventq_alloc;
	bool bounded = model->config.kernel >= LINUX(7, 2);
	struct model_viommu *viommu;
	int rc;

	if (alloc->flags || alloc->__reserved || !alloc->type)
		return -EOPNOTSUPP;
	if (alloc->veventq_depth == 0 || (bounded && alloc->veventq_depth > DEPTH_MAX))
		return -EINVAL;
	viommu = model_object_get(model, command->context, alloc->viommu_id, MODEL_VIOMMU);
	if (!viommu)
		return -ENOENT;
	model_lock(model, &viommu->reports, true, "veventqs_rwsem");
	rc = make(model, viommu, command);
	model_unlock(model, &viommu->reports, true);
	model_object_put(model, &viommu->object);
	return rc;
}

/* ---- reports ---- */

static bool lost_is_last(const struct model_veventq *veventq)
{
	uint32_t count = veventq->events.count;

	return count &&
	       ((const struct model_event *)model_array_at(&veventq->events, count - 1))->lost;
}

static void enqueue(struct model *model, struct model_veventq *veventq, bool lost, uint32_t virt_id)
{
	if (lost_is_last(veventq))
		model_array_remove(&veventq->events, veventq->events.count - 1, 1);
	*(struct model_event *)model_array_insert(model, &veventq->events, veventq->events.count) =
		(struct model_event){
			.lost = lost, .sequence = veventq->sequence, .virt_id = virt_id};
	veventq->sequence = (veventq->sequence + 1) & INT32_MAX;
}

static int report(struct model *model, struct model_veventq *veventq, uint32_t virt_id)
{
	bool memory;

	if (veventq->used == veventq->depth) {
		enqueue(model, veventq, true, 0);
		return 0;
	}
	/* Between looking and queueing others may come; then it is looked again. */
	model_phase(model, "event_queue");
	memory = !model_should_fail(model, FAULT_ALLOC);
	if (!memory || veventq->used == veventq->depth) {
		enqueue(model, veventq, true, 0);
	} else {
		enqueue(model, veventq, false, virt_id);
		veventq->used++;
	}
	return memory ? 0 : -ENOMEM;
}

/* 10.18 from step 2 on. */
static int report_of(struct model *model, struct model_device *device)
{
	struct model_viommu *viommu = device->viommu;
	uint32_t virt_id = (uint32_t)device->virt_id;
	struct model_veventq *found = NULL;
	int rc;

	if (!viommu || !device->virt_id)
		return -ENOENT;
	model_lock(model, &viommu->reports, false, "veventqs_rwsem");
	for (uint32_t i = 0; i < viommu->veventqs.count; i++) {
		struct model_veventq *veventq =
			*(struct model_veventq **)model_array_at(&viommu->veventqs, i);

		if (veventq->type == IOMMU_VEVENTQ_TYPE_SELFTEST)
			found = veventq;
	}
	if (found)
		model_phase(model, "event_queue");
	rc = found ? report(model, found, virt_id) : -EOPNOTSUPP;
	model_unlock(model, &viommu->reports, false);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_TRIGGER_VEVENT(struct model *model, struct model_command *command)
{
	uint32_t dev_id = command->test.trigger_vevent.dev_id;
	struct model_device *device =
		model_object_get(model, command->context, dev_id, MODEL_DEVICE);
	int rc;

	if (!device)
		return -ENOENT;
	model_lock(model, &device->reporting, false, "report_rwsem");
	rc = report_of(model, device);
	model_unlock(model, &device->reporting, false);
	model_object_put(model, &device->object);
	return rc;
}

/* ---- the descriptor ---- */

/* One entry that no other reader gets, to where there is room for `left` bytes. */
static int deliver(struct model *model, const struct model_event *event, uint64_t at, uint64_t left)
{
	struct iommufd_vevent_header header = {
		.flags = event->lost ? IOMMU_VEVENTQ_FLAG_LOST_EVENTS : 0,
		.sequence = event->sequence};
	int rc;

	if (!event->lost && left < sizeof(header) + sizeof(event->virt_id))
		return -EINVAL;
	model_phase(model, "user-copy");
	rc = model_copy_out(model, at, &header, sizeof(header));
	if (rc || event->lost)
		return rc;
	model_phase(model, "user-copy");
	return model_copy_out(model, at + sizeof(header), &event->virt_id, sizeof(event->virt_id));
}

static void put_back(
	struct model *model, struct model_veventq *veventq, const struct model_event *event)
{
	if (event->lost && veventq->events.count)
		return;
	*(struct model_event *)model_array_insert(model, &veventq->events, 0) = *event;
}

int64_t model_veventq_read(
	struct model *model, struct model_veventq *veventq, uint64_t at, uint64_t length)
{
	const uint64_t header = sizeof(struct iommufd_vevent_header);
	uint64_t done = 0;
	int rc = 0;

	if (length > TRANSFER_MAX)
		length = TRANSFER_MAX;
	if (length < header)
		return model->config.kernel < LINUX(7, 2) ? -ESPIPE : -EINVAL;
	model_phase(model, "event_queue");
	while (!rc && length - done >= header && veventq->events.count) {
		struct model_event event =
			*(struct model_event *)model_array_at(&veventq->events, 0);

		model_array_remove(&veventq->events, 0, 1);
		rc = deliver(model, &event, at + done, length - done);
		model_phase(model, "event_queue");
		if (rc) {
			put_back(model, veventq, &event);
			break;
		}
		veventq->used -= !event.lost;
		done += header + (event.lost ? 0 : sizeof(event.virt_id));
		model_phase(model, "event_queue");
	}
	return done ? (int64_t)done : rc;
}

uint32_t model_veventq_poll(const struct model_veventq *veventq)
{
	return veventq->events.count ? CALL_POLL_IN | CALL_POLL_RDNORM : 0;
}
