/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of page faults: their file, and the ways of a page request to its answer. 4.15, 5.2, 10.17
 */
#include "impl/iommufd/eventq.h"

#define RECORD_SIZE   sizeof(struct iommu_hwpt_pgfault)
#define RESPONSE_SIZE sizeof(struct iommu_hwpt_page_response)

/* ---- the object ---- */

static int fault_queue_complete(struct command *command, struct fault_queue *fault)
{
	struct task *task = command->task;
	struct file *file;
	int fd, rc;

	fd = event_file_open(task, &fault->queue, FILE_FAULT, &file);
	if (fd < 0)
		return fd;
	command->fault_alloc.out_fault_id = fault->queue.object.id;
	command->fault_alloc.out_fault_fd = (uint32_t)fd;
	rc = command_respond(command);
	if (rc && !SIM_BUG(task, FAULT_QUEUE_NOT_UNDONE)) {
		file_release_fd(task, fd);
		file_put(task, file);
		return rc;
	}
	event_file_publish(task, fd, file);
	object_publish(task, command->context, &fault->queue.object);
	return rc;
}

int64_t handle_IOMMU_FAULT_QUEUE_ALLOC(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_object *object;
	struct fault_queue *fault;
	int rc;

	if (command->fault_alloc.flags)
		return -EOPNOTSUPP;
	rc = object_alloc(task, command->context, sizeof(*fault), OBJECT_FAULT, &object);
	if (rc)
		return rc;
	fault = (struct fault_queue *)(void *)object;
	fault->queue.context = command->context;
	fault->queue.lock = spinlock_init(LOCK_EVENT_QUEUE);
	fault->mutex = mutex_init(LOCK_FAULT);
	idr_init(&fault->outstanding, 1, UINT32_MAX - 1);
	rc = fault_queue_complete(command, fault);
	if (rc && !SIM_BUG(task, FAULT_QUEUE_NOT_UNDONE))
		object_abort(task, command->context, object);
	return rc;
}

static void group_answer(
	struct task *task, struct fault_group *group, enum iommufd_page_response_code code)
{
	iommu_device_answer(task, group->device->hardware, code == IOMMUFD_PAGE_RESP_SUCCESS);
	sim_free(task, group, sizeof(*group));
}

struct fault_group *fault_outstanding(const struct fault_queue *fault, uint32_t *next)
{
	void *group = NULL;
	uint32_t cookie;

	if (!*next) {
		*next = 1;
		if (fault->zero)
			return fault->zero;
	}
	cookie = idr_next(&fault->outstanding, *next, &group);
	*next = cookie + 1;
	return cookie ? group : NULL;
}

static int64_t cookie_alloc(struct task *task, struct fault_queue *fault, struct fault_group *group)
{
	if (!fault->zero_free)
		return idr_alloc(task, &fault->outstanding, group);
	fault->zero_free = false;
	fault->zero = group;
	return 0;
}

static struct fault_group *cookie_find(const struct fault_queue *fault, uint32_t cookie)
{
	return cookie ? idr_find(&fault->outstanding, cookie) : fault->zero;
}

static void cookie_free(struct fault_queue *fault, uint32_t cookie)
{
	if (cookie) {
		if (idr_find(&fault->outstanding, cookie))
			idr_remove(&fault->outstanding, cookie);
	} else if (fault->zero || fault->outstanding.used) {
		fault->zero = NULL;
		fault->zero_free = true;
	}
}

void fault_queue_destroy(struct task *task, struct fault_queue *fault)
{
	uint32_t next = 0;
	void *group;

	while (fault->first) {
		group = fault->first;
		fault->first = fault->first->next;
		group_answer(task, group, IOMMUFD_PAGE_RESP_INVALID);
	}
	while ((group = fault_outstanding(fault, &next)))
		group_answer(task, group, IOMMUFD_PAGE_RESP_INVALID);
	idr_destroy(task, &fault->outstanding);
	object_free(task, &fault->queue.object);
}

int hwpt_set_fault_queue(
	struct task *task, struct iommufd_context *context, struct hwpt *hwpt, uint32_t fault_id)
{
	struct iommufd_object *object = object_get(task, context, fault_id, OBJECT_FAULT);

	if (!object)
		return -ENOENT;
	hwpt->fault = (struct fault_queue *)(void *)object;
	if (!SIM_BUG(task, HWPT_FAULT_UNCOUNTED))
		object_add_user(task, object);
	object_put(task, context, object);
	return 0;
}

void hwpt_drop_fault_queue(struct task *task, struct hwpt *hwpt)
{
	if (hwpt->fault && !SIM_BUG(task, HWPT_FAULT_UNCOUNTED))
		object_drop_user(task, &hwpt->fault->queue.object);
}

/* ---- answers that nobody writes ---- */

/* An attachment that has ended. */
struct attachment_end {
	const struct hwpt *hwpt;
	const struct device *device;
	uint32_t pasid;
};

static bool came_through(const struct fault_group *group, const struct attachment_end *end)
{
	return group->device == end->device && group->hwpt == end->hwpt &&
	       group->attached == end->pasid;
}

/* Takes the queued groups of the attachment out; the mutex is held. */
static struct fault_group *take_queued(
	struct task *task, struct fault_queue *fault, const struct attachment_end *end)
{
	struct fault_group **link, *taken = NULL, *last = NULL;

	spin_lock(task, &fault->queue.lock);
	for (link = &fault->first; *link;) {
		struct fault_group *group = *link;

		if (!came_through(group, end)) {
			last = group;
			link = &group->next;
			continue;
		}
		*link = group->next;
		group->next = taken;
		taken = group;
	}
	fault->newest = last;
	spin_unlock(task, &fault->queue.lock);
	return taken;
}

static void answer_delivered(
	struct task *task, struct fault_queue *fault, const struct attachment_end *end)
{
	struct fault_group *group;
	uint32_t next = 0;

	while ((group = fault_outstanding(fault, &next))) {
		if (!came_through(group, end))
			continue;
		cookie_free(fault, next - 1);
		group_answer(task, group, IOMMUFD_PAGE_RESP_INVALID);
	}
}

void fault_queue_answer_all(
	struct task *task, const struct hwpt *hwpt, const struct device *device, uint32_t pasid)
{
	const struct attachment_end end = {.hwpt = hwpt, .device = device, .pasid = pasid};
	struct fault_queue *fault = hwpt->fault;
	struct fault_group *taken = NULL;

	if (!SIM_BUG(task, DETACH_ANSWERS_UNLOCKED))
		mutex_lock(task, &fault->mutex);
	if (!SIM_BUG(task, DETACH_QUEUED_KEPT))
		taken = take_queued(task, fault, &end);
	while (taken) {
		struct fault_group *next = taken->next;

		group_answer(task, taken, IOMMUFD_PAGE_RESP_INVALID);
		taken = next;
	}
	if (!SIM_BUG(task, DETACH_READ_KEPT))
		answer_delivered(task, fault, &end);
	if (!SIM_BUG(task, DETACH_ANSWERS_UNLOCKED))
		mutex_unlock(task, &fault->mutex);
}

/* ---- the file ---- */

/* Only holders of the mutex remove, so the first one stays. */
static struct fault_group *first_queued(struct task *task, struct fault_queue *fault)
{
	struct fault_group *group;

	spin_lock(task, &fault->queue.lock);
	group = fault->first;
	spin_unlock(task, &fault->queue.lock);
	return group;
}

static void remove_first(struct task *task, struct fault_queue *fault)
{
	spin_lock(task, &fault->queue.lock);
	fault->first = fault->first->next;
	if (!fault->first)
		fault->newest = NULL;
	spin_unlock(task, &fault->queue.lock);
}

/* The first group to the caller's memory; it waits for its answer from then on. */
static int deliver(
	struct task *task, struct fault_queue *fault, struct fault_group *group, uint64_t at)
{
	struct iommu_hwpt_pgfault record = group->record;
	int64_t cookie;
	int rc;

	cookie = fault_here(task, FAULT_ALLOC) ? -ENOMEM : cookie_alloc(task, fault, group);
	if (cookie < 0)
		return (int)cookie;
	record.cookie = (uint32_t)cookie;
	rc = copy_to_user(task, at, &record, sizeof(record));
	if (rc && SIM_BUG(task, FAULT_READ_LOST))
		remove_first(task, fault);
	else if (rc)
		cookie_free(fault, record.cookie);
	else
		remove_first(task, fault);
	return rc;
}

int64_t fault_file_read(struct task *task, struct file *file, uint64_t at, uint64_t length)
{
	struct fault_queue *fault = file->object;
	uint64_t left = event_transfer_length(length), done = 0, before;
	struct fault_group *group;
	int rc = 0;

	if (left % RECORD_SIZE)
		return SIM_BUG(task, FAULT_READ_COUNT) ? -EINVAL : -ESPIPE;
	if (!SIM_BUG(task, FAULT_READ_UNLOCKED))
		mutex_lock(task, &fault->mutex);
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_FAULT);
	while (!rc && (group = first_queued(task, fault))) {
		if (left - done < RECORD_SIZE) {
			rc = -EINVAL;
			break;
		}
		rc = deliver(task, fault, group, at + done);
		if (!rc)
			done += RECORD_SIZE;
	}
	lock_allow_user_copy(task, before);
	if (!SIM_BUG(task, FAULT_READ_UNLOCKED))
		mutex_unlock(task, &fault->mutex);
	return done ? (int64_t)done : rc;
}

/* One response of the caller. */
static int answer(struct task *task, struct fault_queue *fault, uint64_t at)
{
	struct iommu_hwpt_page_response response;
	struct fault_group *group;
	int rc = copy_from_user(task, &response, at, sizeof(response));

	if (rc)
		return rc;
	if (response.code != IOMMUFD_PAGE_RESP_SUCCESS &&
		response.code != IOMMUFD_PAGE_RESP_INVALID && !SIM_BUG(task, FAULT_ANSWER_CODE))
		return -EINVAL;
	group = cookie_find(fault, response.cookie);
	if (!group) {
		cookie_free(fault, response.cookie);
		return SIM_BUG(task, FAULT_ANSWER_COOKIE) ? -ENOENT : -EINVAL;
	}
	if (SIM_BUG(task, FAULT_WRITE_UNLOCKED))
		schedule_point(task, SCHEDULE_ACCESS);
	if (!SIM_BUG(task, FAULT_COOKIE_KEPT)) {
		cookie_free(fault, response.cookie);
		group_answer(task, group, response.code);
	}
	return 0;
}

int64_t fault_file_write(struct task *task, struct file *file, uint64_t at, uint64_t length)
{
	struct fault_queue *fault = file->object;
	uint64_t left = event_transfer_length(length), done = 0, before;
	int rc = 0;

	if (left % RESPONSE_SIZE)
		return -ESPIPE;
	if (!SIM_BUG(task, FAULT_WRITE_UNLOCKED))
		mutex_lock(task, &fault->mutex);
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_FAULT);
	while (done < left) {
		rc = answer(task, fault, at + done);
		if (rc)
			break;
		done += RESPONSE_SIZE;
	}
	lock_allow_user_copy(task, before);
	if (!SIM_BUG(task, FAULT_WRITE_UNLOCKED))
		mutex_unlock(task, &fault->mutex);
	if (rc && SIM_BUG(task, FAULT_WRITE_ALL_OR_ERROR))
		return rc;
	return done ? (int64_t)done : rc;
}

uint32_t fault_file_poll(struct task *task, struct file *file)
{
	bool readable = first_queued(task, file->object);

	if (SIM_BUG(task, FAULT_POLL_ALWAYS))
		readable = true;
	return readable ? EVENT_POLL_READ | EVENT_POLL_WRITE : EVENT_POLL_WRITE;
}

/* ---- where faults come from ---- */

/* The page table that the fault of a PASID is for, and through which attachment. 10.17 step 3 */
static struct hwpt *fault_target(const struct device *device, uint32_t pasid, uint32_t *attached)
{
	struct hwpt *hwpt = device_hwpt_at(device, pasid);

	*attached = pasid;
	if (!hwpt && pasid) {
		*attached = 0;
		hwpt = device_hwpt_at(device, 0);
		if (hwpt && !hwpt_is_nested(hwpt))
			return NULL;
	}
	return hwpt && hwpt->fault ? hwpt : NULL;
}

static void enqueue(struct task *task, struct fault_queue *fault, struct fault_group *group)
{
	spin_lock(task, &fault->queue.lock);
	if (!fault->first || SIM_BUG(task, FAULT_NEWEST_FIRST)) {
		group->next = fault->first;
		fault->first = group;
	} else {
		fault->newest->next = group;
	}
	if (!group->next)
		fault->newest = group;
	spin_unlock(task, &fault->queue.lock);
	/* The attachment keeps the queue until the caller lets go of it. */
	event_queue_wake(task, &fault->queue);
}

/* A page request of a device; dropped when nobody wants it. The DEVICE is referenced. */
static void raise_fault(
	struct task *task, struct device *device, const struct iommu_hwpt_pgfault *record)
{
	struct fault_group *group = sim_alloc(task, sizeof(*group));
	struct hwpt *hwpt;

	if (!group)
		return;
	*group = (struct fault_group){.device = device, .record = *record};
	if (SIM_BUG(task, FAULT_ROUTE_UNLOCKED)) {
		hwpt = fault_target(device, record->pasid, &group->attached);
		schedule_point(task, SCHEDULE_ACCESS);
		spin_lock(task, &device->attachments_lock);
	} else {
		spin_lock(task, &device->attachments_lock);
		hwpt = fault_target(device, record->pasid, &group->attached);
	}
	if (hwpt && iommu_device_request(task, device->hardware)) {
		group->hwpt = hwpt;
		enqueue(task, hwpt->fault, group);
		group = NULL;
	}
	spin_unlock(task, &device->attachments_lock);
	sim_free(task, group, sizeof(*group));
}

int64_t handle_IOMMU_TEST_OP_TRIGGER_IOPF(struct command *command)
{
	struct task *task = command->task;
	struct iommu_hwpt_pgfault record = {
		.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE,
		.dev_id = command->test.trigger_iopf.dev_id,
		.pasid = command->test.trigger_iopf.pasid,
		.grpid = command->test.trigger_iopf.grpid,
		.perm = command->test.trigger_iopf.perm,
		.addr = command->test.trigger_iopf.addr,
	};
	struct iommufd_object *device =
		object_get(task, command->context, record.dev_id, OBJECT_DEVICE);

	if (!device)
		return -ENOENT;
	if (record.pasid || SIM_BUG(task, FAULT_PASID_ALWAYS))
		record.flags |= IOMMU_PGFAULT_FLAGS_PASID_VALID;
	raise_fault(task, (struct device *)(void *)device, &record);
	object_put(task, command->context, device);
	return 0;
}
