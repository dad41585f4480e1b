/* SPDX-License-Identifier: Apache-2.0 */
/* Page faults: queues, their descriptors, and what becomes of a fault (4.15, 5.1, 5.2, 10.17). */
#include "fuzz/oracle/model.h"

#define TRANSFER_MAX UINT64_C(0x7ffff000) /* bytes of one read or write */

int64_t model_rule_IOMMU_FAULT_QUEUE_ALLOC(struct model *model, struct model_command *command)
{
	struct model_process *process = model->process;
	struct model_fault *fault;
	struct model_file *file;
	int64_t fd;
	int rc;

	if (command->fault_alloc.flags)
		return -EOPNOTSUPP;
	model_phase(model, "object_table");
	fault = model_alloc(model, sizeof(*fault));
	fault->context = command->context;
	model_array_init(&fault->queued, sizeof(struct model_request));
	model_array_init(&fault->delivered, sizeof(struct model_request));
	model_object_reserve(model, command->context, &fault->object, MODEL_FAULT);
	model_phase(model, "put");
	file = model_file_new(model, MODEL_FILE_FAULT);
	file->fault = fault;
	fd = model_file_reserve(model, process, file, true);
	rc = fd < 0 ? (int)fd : 0;
	if (!rc) {
		command->fault_alloc.out_fault_id = fault->object.id;
		command->fault_alloc.out_fault_fd = (uint32_t)fd;
		rc = model_respond(model, command);
		if (rc)
			model_file_withdraw(process, (uint64_t)fd);
	}
	if (rc) {
		model_free(model, file, sizeof(*file));
		model_phase(model, "object_table");
		model_object_remove(command->context, &fault->object);
		model_free(model, fault, sizeof(*fault));
		return rc;
	}
	fault->object.users++;
	fault->context->file->refs++;
	model_phase(model, "put");
	model_file_publish(process, (uint64_t)fd);
	model_phase(model, "object_table");
	model_object_publish(&fault->object);
	return 0;
}

void model_fault_close(struct model *model, struct model_fault *fault)
{
	struct model_file *file = fault->context->file;

	fault->object.users--;
	model_phase(model, "put");
	model_file_put(model, file);
}

void model_fault_end(struct model *model, struct model_fault *fault)
{
	model_array_end(model, &fault->queued);
	model_array_end(model, &fault->delivered);
	model_free(model, fault, sizeof(*fault));
}

/* ---- answers that nobody writes ---- */

static void drop_requests(struct model_array *requests, const struct model_hwpt *hwpt,
	const struct model_device *device, uint32_t pasid)
{
	for (uint32_t i = requests->count; i-- > 0;) {
		const struct model_request *request = model_array_at(requests, i);

		if (request->device == device && request->hwpt == hwpt->object.serial &&
			request->attached == pasid)
			model_array_remove(requests, i, 1);
	}
}

void model_fault_abandon(struct model *model, const struct model_hwpt *hwpt,
	const struct model_device *device, uint32_t pasid)
{
	model_pass(model, &hwpt->fault->mutex, true, "fault_mutex");
	drop_requests(&hwpt->fault->queued, hwpt, device, pasid);
	drop_requests(&hwpt->fault->delivered, hwpt, device, pasid);
}

/* ---- the descriptor ---- */

/* The lowest cookie that nothing waits with. */
static uint32_t free_cookie(const struct model_fault *fault)
{
	uint32_t cookie = fault->has_zero ? 0 : 1, i = 0;

	while (i < fault->delivered.count) {
		const struct model_request *request = model_array_at(&fault->delivered, i);

		if (request->record.cookie != cookie) {
			i++;
			continue;
		}
		cookie++;
		i = 0;
	}
	return cookie;
}

/* The first request of the queue goes to memory. */
static int deliver(struct model *model, struct model_fault *fault, uint64_t at)
{
	struct model_request request = *(struct model_request *)model_array_at(&fault->queued, 0);
	int rc;

	if (model_should_fail(model, FAULT_ALLOC))
		return -ENOMEM;
	request.record.cookie = free_cookie(fault);
	rc = model_copy_out(model, at, &request.record, sizeof(request.record));
	if (rc)
		return rc;
	model_array_remove(&fault->queued, 0, 1);
	*(struct model_request *)model_array_insert(
		model, &fault->delivered, fault->delivered.count) = request;
	return 0;
}

int64_t model_fault_read(
	struct model *model, struct model_fault *fault, uint64_t at, uint64_t length)
{
	const uint64_t size = sizeof(struct iommu_hwpt_pgfault);
	uint64_t done = 0;
	int rc = 0;

	if (length > TRANSFER_MAX)
		length = TRANSFER_MAX;
	if (length % size)
		return -ESPIPE;
	model_lock(model, &fault->mutex, true, "fault_mutex");
	while (fault->queued.count && !rc) {
		rc = done + size > length ? -EINVAL : deliver(model, fault, at + done);
		if (!rc) {
			done += size;
			model_phase(model, "event_queue");
		}
	}
	model_unlock(model, &fault->mutex, true);
	return done ? (int64_t)done : rc;
}

static int answer(struct model *model, struct model_fault *fault, uint64_t at)
{
	struct iommu_hwpt_page_response response;
	int rc = model_copy_in(model, &response, at, sizeof(response));

	if (rc)
		return rc;
	if (response.code > IOMMUFD_PAGE_RESP_INVALID)
		return -EINVAL;
	if (!response.cookie && fault->delivered.count)
		fault->has_zero = true;
	for (uint32_t i = 0; i < fault->delivered.count; i++) {
		const struct model_request *request = model_array_at(&fault->delivered, i);

		if (request->record.cookie != response.cookie)
			continue;
		model_array_remove(&fault->delivered, i, 1);
		return 0;
	}
	return -EINVAL;
}

int64_t model_fault_write(
	struct model *model, struct model_fault *fault, uint64_t at, uint64_t length)
{
	const uint64_t size = sizeof(struct iommu_hwpt_page_response);
	uint64_t done = 0;
	int rc = 0;

	if (length > TRANSFER_MAX)
		length = TRANSFER_MAX;
	if (length % size)
		return -ESPIPE;
	model_lock(model, &fault->mutex, true, "fault_mutex");
	while (done < length) {
		if (done)
			model_phase(model, "user-copy");
		rc = answer(model, fault, at + done);
		if (rc)
			break;
		done += size;
	}
	model_unlock(model, &fault->mutex, true);
	return done ? (int64_t)done : rc;
}

uint32_t model_fault_poll(const struct model_fault *fault)
{
	uint32_t ready = CALL_POLL_OUT;

	if (fault->queued.count)
		ready |= CALL_POLL_IN | CALL_POLL_RDNORM;
	return ready;
}

/* ---- a device has a fault ---- */

/* 10.17 step 3: what the fault is for, and the PASID of the attachment; NULL: nobody wants it. */
static const struct model_hwpt *route(
	const struct model_device *device, uint32_t pasid, uint32_t *attached)
{
	const struct model_hwpt *hwpt = model_device_hwpt(device, pasid);

	*attached = pasid;
	if (!hwpt) {
		*attached = 0;
		hwpt = model_device_hwpt(device, 0);
		if (hwpt && !model_hwpt_is_nested(hwpt))
			hwpt = NULL;
	}
	return hwpt && hwpt->fault ? hwpt : NULL;
}

int64_t model_rule_IOMMU_TEST_OP_TRIGGER_IOPF(struct model *model, struct model_command *command)
{
	uint32_t dev_id = command->test.trigger_iopf.dev_id, attached;
	uint32_t pasid = command->test.trigger_iopf.pasid;
	struct model_device *device =
		model_object_get(model, command->context, dev_id, MODEL_DEVICE);
	const struct model_hwpt *hwpt;
	struct model_request *request;

	if (!device)
		return -ENOENT;
	model_phase(model, "attachments");
	hwpt = route(device, pasid, &attached);
	/* Without memory for it the fault is lost, and nobody is told. */
	if (!model_should_fail(model, FAULT_ALLOC) && hwpt && !model_device_bare(device)) {
		struct model_array *queued = &hwpt->fault->queued;

		request = model_array_insert(model, queued, queued->count);
		*request = (struct model_request){
			.device = device, .hwpt = hwpt->object.serial, .attached = attached};
		request->record = (struct iommu_hwpt_pgfault){
			.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE |
				 (pasid ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0),
			.dev_id = dev_id,
			.pasid = pasid,
			.grpid = command->test.trigger_iopf.grpid,
			.perm = command->test.trigger_iopf.perm,
			.addr = command->test.trigger_iopf.addr,
		};
	}
	model_object_put(model, &device->object);
	return 0;
}
