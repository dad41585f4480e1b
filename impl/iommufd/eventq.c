/* SPDX-License-Identifier: Apache-2.0 */
/* What queues of events have in common: their files. 1.1, 5.1 */
#include "impl/iommufd/eventq.h"

int event_file_open(
	struct task *task, struct event_queue *queue, enum file_kind kind, struct file **file)
{
	int fd;

	*file = file_open(task, kind, queue, 0);
	if (!*file)
		return -ENOMEM;
	queue->open = true;
	object_add_user(task, &queue->object);
	file_get(queue->context->file);
	fd = file_reserve_fd(task);
	if (fd < 0)
		file_put(task, *file);
	return fd;
}

void event_file_publish(struct task *task, int fd, struct file *file)
{
	file_install_fd(task, fd, file);
	if (!SIM_BUG(task, EVENT_FD_KEPT_BY_EXEC))
		file_close_on_exec(task, fd);
}

void event_file_release(struct task *task, struct file *file)
{
	struct event_queue *queue = file->object;
	struct file *context = queue->context->file;

	queue->open = false;
	/* Somebody may destroy the queue from here on. */
	if (!SIM_BUG(task, EVENT_CLOSE_USER_KEPT))
		object_drop_user(task, &queue->object);
	if (SIM_BUG(task, EVENT_CLOSE_LATE_LOOK)) {
		schedule_point(task, SCHEDULE_PUT);
		context = queue->context->file;
	}
	file_put(task, context);
}

void event_queue_wake(struct task *task, struct event_queue *queue)
{
	__atomic_add_fetch(&queue->wakes, 1, __ATOMIC_RELEASE);
	wake_up_all(task, &queue->readers);
}

uint32_t event_file_wakes(const struct file *file)
{
	const struct event_queue *queue = file->object;

	return __atomic_load_n(&queue->wakes, __ATOMIC_ACQUIRE);
}
