/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of what devices report through a VIOMMU, and their file. 4.19, 5.3, 10.18 */
#include "impl/iommufd/eventq.h"

#define DEPTH_MAX   (UINT32_C(1) << 19) /* from 7.2 on, 4.19 step 2 */
#define HEADER_SIZE sizeof(struct iommufd_vevent_header)

/* ---- the object ---- */

/* The queue of that type, NULL: none. veventqs_rwsem is held. */
static struct veventq *find_veventq(const struct viommu *viommu, uint32_t type)
{
	struct veventq *veventq = viommu->veventqs;

	while (veventq && veventq->type != type)
		veventq = veventq->next;
	return veventq;
}

static void unlist(struct veventq *veventq)
{
	struct veventq **link = &veventq->viommu->veventqs;

	while (*link != veventq)
		link = &(*link)->next;
	*link = veventq->next;
}

void veventq_destroy(struct task *task, struct veventq *veventq)
{
	struct viommu *viommu = veventq->viommu;

	if (!SIM_BUG(task, VEVENTQ_UNLISTED_UNLOCKED))
		down_write(task, &viommu->veventqs_rwsem);
	else
		schedule_point(task, SCHEDULE_ACCESS);
	unlist(veventq);
	if (!SIM_BUG(task, VEVENTQ_UNLISTED_UNLOCKED))
		up_write(task, &viommu->veventqs_rwsem);
	if (SIM_BUG(task, REPORT_QUEUE_UNHELD))
		schedule_point(task, SCHEDULE_ACCESS);
	while (veventq->first) {
		struct vevent *event = veventq->first;

		veventq->first = event->next;
		if (event != &veventq->lost)
			sim_free(task, event, sizeof(*event));
	}
	object_drop_user(task, &viommu->object);
	object_free(task, &veventq->queue.object);
}

/* Step 5 and 6. */
static int veventq_complete(struct command *command, struct veventq *veventq)
{
	struct task *task = command->task;
	struct file *file;
	uint64_t before;
	int fd, rc;

	fd = event_file_open(task, &veventq->queue, FILE_VEVENTQ, &file);
	if (fd < 0)
		return fd;
	command->veventq_alloc.out_veventq_id = veventq->queue.object.id;
	command->veventq_alloc.out_veventq_fd = (uint32_t)fd;
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_VEVENTQS);
	rc = command_respond(command);
	lock_allow_user_copy(task, before);
	if (rc) {
		file_release_fd(task, fd);
		file_put(task, file);
		return rc;
	}
	event_file_publish(task, fd, file);
	object_publish(task, command->context, &veventq->queue.object);
	return 0;
}

/* Steps 4 to 6, under the rwsem. */
static int veventq_create(struct command *command, struct viommu *viommu)
{
	struct task *task = command->task;
	const struct iommu_veventq_alloc *request = &command->veventq_alloc;
	struct iommufd_object *object;
	struct veventq *veventq;
	int rc;

	if (find_veventq(viommu, request->type) && !SIM_BUG(task, VEVENTQ_TYPE_TWICE))
		return -EEXIST;
	rc = object_alloc(task, command->context, sizeof(*veventq), OBJECT_VEVENTQ, &object);
	if (rc)
		return rc;
	veventq = (struct veventq *)(void *)object;
	veventq->queue.context = command->context;
	veventq->queue.lock = spinlock_init(LOCK_EVENT_QUEUE);
	veventq->type = request->type;
	veventq->depth = request->veventq_depth;
	veventq->lost.header.flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
	veventq->viommu = viommu;
	object_add_user(task, &viommu->object);
	veventq->next = viommu->veventqs;
	viommu->veventqs = veventq;
	rc = veventq_complete(command, veventq);
	if (rc) {
		unlist(veventq);
		if (!SIM_BUG(task, VEVENTQ_FAILURE_USERS))
			object_drop_user(task, &viommu->object);
		object_abort(task, command->context, object);
	}
	return rc;
}

/* Steps 1 and 2. */
static int check_request(struct task *task, const struct iommu_veventq_alloc *request)
{
	bool limited = sim_since(task_sim(task), LINUX(7, 2));

	if (request->flags || (request->__reserved && !SIM_BUG(task, VEVENTQ_RESERVED)) ||
		request->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return -EOPNOTSUPP;
	if (!request->veventq_depth || (limited && request->veventq_depth > DEPTH_MAX))
		return SIM_BUG(task, VEVENTQ_DEPTH_SUPPORT) ? -EOPNOTSUPP : -EINVAL;
	return 0;
}

int64_t handle_IOMMU_VEVENTQ_ALLOC(struct command *command)
{
	struct task *task = command->task;
	struct viommu *viommu;
	int rc = check_request(task, &command->veventq_alloc);

	if (rc)
		return rc;
	viommu = (struct viommu *)object_get(
		task, command->context, command->veventq_alloc.viommu_id, OBJECT_VIOMMU);
	if (!viommu)
		return -ENOENT;
	down_write(task, &viommu->veventqs_rwsem);
	rc = veventq_create(command, viommu);
	up_write(task, &viommu->veventqs_rwsem);
	object_put(task, command->context, &viommu->object);
	return rc;
}

/* ---- events; queue.lock is held ---- */

/* Becomes the newest, in place of a lost header that is it. */
static void append(struct task *task, struct veventq *veventq, struct vevent *event)
{
	struct vevent **link = veventq->newest ? &veventq->newest->next : &veventq->first;
	bool stays = *link && event != &veventq->lost && SIM_BUG(task, LOST_HEADER_STAYS);

	event->header.sequence = veventq->sequence;
	if (event != &veventq->lost || !SIM_BUG(task, LOST_UNCOUNTED))
		veventq->sequence = veventq->sequence == INT32_MAX ? 0 : veventq->sequence + 1;
	event->next = stays ? *link : NULL;
	*link = event;
	if (event != &veventq->lost)
		veventq->newest = event;
}

/* Returns what could not be queued. */
static struct vevent *append_or_lose(
	struct task *task, struct veventq *veventq, struct vevent *event)
{
	uint32_t room = veventq->depth + SIM_BUG(task, VEVENTQ_ONE_MORE);

	if (!event || veventq->num_events >= room) {
		if (!SIM_BUG(task, LOSS_UNTOLD))
			append(task, veventq, &veventq->lost);
		return event;
	}
	append(task, veventq, event);
	veventq->num_events++;
	return NULL;
}

static bool is_full(struct task *task, struct veventq *veventq)
{
	bool full;

	spin_lock(task, &veventq->queue.lock);
	full = veventq->num_events == veventq->depth;
	if (full)
		append_or_lose(task, veventq, NULL);
	spin_unlock(task, &veventq->queue.lock);
	return full;
}

static int report(
	struct task *task, struct veventq *veventq, const struct iommu_viommu_event_selftest *data)
{
	struct vevent *event, *left;

	if (is_full(task, veventq) && !SIM_BUG(task, VEVENTQ_ONE_MORE)) {
		event_queue_wake(task, &veventq->queue);
		return 0;
	}
	/* Outside of the spinlock; the queue may be full when it is there. */
	event = sim_alloc(task, sizeof(*event));
	if (event)
		event->data = *data;
	spin_lock(task, &veventq->queue.lock);
	left = append_or_lose(task, veventq, event);
	spin_unlock(task, &veventq->queue.lock);
	event_queue_wake(task, &veventq->queue);
	sim_free(task, left, sizeof(*left));
	return event ? 0 : -ENOMEM;
}

int viommu_report(struct task *task, struct viommu *viommu, uint32_t type,
	const struct iommu_viommu_event_selftest *data)
{
	struct veventq *veventq;
	int rc = -EOPNOTSUPP;

	down_read(task, &viommu->veventqs_rwsem);
	veventq = find_veventq(viommu, type);
	if (SIM_BUG(task, REPORT_QUEUE_UNHELD))
		up_read(task, &viommu->veventqs_rwsem);
	if (SIM_BUG(task, REPORT_QUEUE_UNHELD) || SIM_BUG(task, VEVENTQ_UNLISTED_UNLOCKED))
		schedule_point(task, SCHEDULE_ACCESS);
	if (veventq)
		rc = report(task, veventq, data);
	if (!SIM_BUG(task, REPORT_QUEUE_UNHELD))
		up_read(task, &viommu->veventqs_rwsem);
	return rc;
}

/* The report of the device's hardware. 10.18 steps 2 and 3 */
static int device_report(struct task *task, struct device *device)
{
	struct iommu_viommu_event_selftest data;
	struct viommu *viommu;
	int rc = -ENOENT;

	if (!SIM_BUG(task, REPORT_UNHELD))
		down_read(task, &device->report_rwsem);
	viommu = device->viommu;
	data.virt_id = (uint32_t)device->virt_id;
	if (viommu && (device->virt_id || SIM_BUG(task, REPORT_ID_ZERO))) {
		if (SIM_BUG(task, REPORT_UNHELD))
			schedule_point(task, SCHEDULE_ACCESS);
		rc = viommu_report(task, viommu, (uint32_t)IOMMU_VEVENTQ_TYPE_SELFTEST, &data);
	}
	if (!SIM_BUG(task, REPORT_UNHELD))
		up_read(task, &device->report_rwsem);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_TRIGGER_VEVENT(struct command *command)
{
	struct task *task = command->task;
	struct device *device = (struct device *)object_get(
		task, command->context, command->test.trigger_vevent.dev_id, OBJECT_DEVICE);
	int rc;

	if (!device)
		return -ENOENT;
	rc = device_report(task, device);
	object_put(task, command->context, &device->object);
	return rc;
}

/* ---- the file ---- */

/* An entry on its way to a reader: no other one gets it. */
struct taken {
	struct vevent *event; /* the queue's lost header, or an event that is the reader's now */
	struct vevent copy;
	uint32_t size; /* of what is read */
};

static bool take_first(struct task *task, struct veventq *veventq, struct taken *taken)
{
	spin_lock(task, &veventq->queue.lock);
	taken->event = veventq->first;
	if (taken->event) {
		taken->copy = *taken->event;
		veventq->first = taken->event->next;
		if (taken->event == veventq->newest)
			veventq->newest = NULL;
		taken->size = HEADER_SIZE;
		if (taken->event != &veventq->lost)
			taken->size += sizeof(taken->copy.data);
	}
	spin_unlock(task, &veventq->queue.lock);
	return taken->event;
}

/* A lost header that is not the newest any more has become wrong. */
static void put_back(struct task *task, struct veventq *veventq, const struct taken *taken)
{
	struct vevent *event = taken->event;

	spin_lock(task, &veventq->queue.lock);
	if (event != &veventq->lost || !veventq->first || SIM_BUG(task, LOST_PUT_BACK)) {
		event->next = veventq->first;
		veventq->first = event;
		if (event != &veventq->lost && !veventq->newest)
			veventq->newest = event;
	}
	spin_unlock(task, &veventq->queue.lock);
}

/* It has been read. */
static void finish(struct task *task, struct veventq *veventq, const struct taken *taken)
{
	if (taken->event == &veventq->lost)
		return;
	spin_lock(task, &veventq->queue.lock);
	veventq->num_events--;
	spin_unlock(task, &veventq->queue.lock);
	sim_free(task, taken->event, sizeof(*taken->event));
}

/* One entry to the reader's memory, where there is room for `left` bytes. */
static int deliver(struct task *task, const struct taken *taken, uint64_t at, uint64_t left)
{
	int rc;

	if (taken->size > left)
		return -EINVAL;
	rc = copy_to_user(task, at, &taken->copy.header, HEADER_SIZE);
	if (!rc && taken->size > HEADER_SIZE)
		rc = copy_to_user(
			task, at + HEADER_SIZE, &taken->copy.data, taken->size - HEADER_SIZE);
	return rc;
}

int64_t veventq_file_read(struct task *task, struct file *file, uint64_t at, uint64_t length)
{
	struct veventq *veventq = file->object;
	uint64_t left = event_transfer_length(length), done = 0;
	struct taken taken;
	int rc = 0;

	if (left < HEADER_SIZE && !SIM_BUG(task, VEVENT_READ_SHORT))
		return sim_since(task_sim(task), LINUX(7, 2)) ? -EINVAL : -ESPIPE;
	while (!rc && left - done >= HEADER_SIZE && take_first(task, veventq, &taken)) {
		rc = deliver(task, &taken, at + done, left - done);
		if (rc && !(rc == -EFAULT && SIM_BUG(task, VEVENT_READ_LOST))) {
			put_back(task, veventq, &taken);
		} else {
			finish(task, veventq, &taken);
			done += rc ? 0 : taken.size;
		}
	}
	return done ? (int64_t)done : rc;
}

uint32_t veventq_file_poll(struct task *task, struct file *file)
{
	struct veventq *veventq = file->object;
	bool readable;

	spin_lock(task, &veventq->queue.lock);
	readable = veventq->first;
	spin_unlock(task, &veventq->queue.lock);
	return (readable ? EVENT_POLL_READ : 0) |
	       (SIM_BUG(task, VEVENT_POLL_WRITE) ? EVENT_POLL_WRITE : 0);
}
