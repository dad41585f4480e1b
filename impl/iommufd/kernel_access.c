/* SPDX-License-Identifier: Apache-2.0 */
/* In-kernel drivers that use accesses and devices, as programs play them: one driver a handle. */
#include "impl/iommufd/access_items.h"

static struct kernel_access *driver_find(struct iommufd_machine *machine, uint64_t handle)
{
	if (handle > UINT32_MAX || !machine->accesses.used)
		return NULL;
	return idr_find(&machine->accesses, (uint32_t)handle);
}

static void frame_push(struct task *task, struct kernel_access *driver, struct driver_frame *frame)
{
	frame->task = task;
	frame->next = driver->frames;
	__atomic_store_n(&driver->frames, frame, __ATOMIC_RELEASE);
}

/*
 * Whether calls of the task are let in. While the driver goes that is the destroyer's alone, and
 * those of callbacks that began before: they have pins to return.
 */
static bool driver_lets_in(const struct kernel_access *driver, const struct task *task)
{
	const struct driver_frame *frame = driver->frames;

	if (!driver->destroyer || driver->destroyer == task)
		return true;
	while (frame && frame->task != task)
		frame = frame->next;
	return frame != NULL;
}

/* Begins a call on a handle: the driver cannot go away until driver_end. NULL: -EBADF. */
static struct kernel_access *driver_begin(
	struct task *task, uint64_t handle, struct driver_frame *frame)
{
	struct iommufd_machine *machine = machine_of(task);
	struct kernel_access *driver;

	spin_lock(task, &machine->lock);
	driver = driver_find(machine, handle);
	if (driver && !driver_lets_in(driver, task))
		driver = NULL;
	if (driver)
		frame_push(task, driver, frame);
	spin_unlock(task, &machine->lock);
	return driver;
}

static void driver_end(
	struct task *task, struct kernel_access *driver, const struct driver_frame *frame)
{
	struct iommufd_machine *machine = machine_of(task);
	struct driver_frame **link = &driver->frames;

	spin_lock(task, &machine->lock);
	if (SIM_BUG(task, DRIVER_WAKE_EARLY))
		wake_up_all(task, &driver->idle);
	while (*link != frame)
		link = &(*link)->next;
	__atomic_store_n(link, frame->next, __ATOMIC_RELEASE);
	if (!driver->frames && !SIM_BUG(task, DRIVER_WAKE_EARLY))
		wake_up_all(task, &driver->idle);
	spin_unlock(task, &machine->lock);
}

/* Gives the driver a handle. */
static int64_t driver_list(struct task *task, struct kernel_access *driver)
{
	struct iommufd_machine *machine = machine_of(task);
	int64_t handle;

	spin_lock(task, &machine->lock);
	if (!machine->accesses.used)
		idr_init(&machine->accesses, 1, UINT32_MAX);
	handle = idr_alloc(task, &machine->accesses, driver);
	if (handle > 0)
		driver->handle = (uint64_t)handle;
	spin_unlock(task, &machine->lock);
	return handle;
}

static void driver_unlist(struct task *task, struct kernel_access *driver)
{
	struct iommufd_machine *machine = machine_of(task);

	spin_lock(task, &machine->lock);
	idr_remove(&machine->accesses, (uint32_t)driver->handle);
	if (!machine->accesses.used)
		idr_destroy(task, &machine->accesses);
	spin_unlock(task, &machine->lock);
}

int64_t kernel_access_create(struct task *task, int iommufd, uint32_t flags, uint32_t *out_id)
{
	struct iommufd_context *context;
	struct kernel_access *driver;
	struct file *file;
	int64_t handle;

	handle = context_from_fd(task, iommufd, &context, &file);
	if (handle)
		return handle;
	driver = sim_alloc(task, sizeof(*driver));
	if (driver) {
		driver->lock = mutex_init(LOCK_TEST_ITEMS);
		handle = access_create(task, context, ACCESS_DRIVER_KERNEL, driver,
			flags & ACCESS_CREATE_NEEDS_PIN, !(flags & ACCESS_CREATE_NO_UNMAP),
			&driver->access);
		if (!handle) {
			*out_id = driver->access->object.id;
			handle = driver_list(task, driver);
			if (handle < 0)
				access_destroy(task, driver->access);
		}
		if (handle < 0)
			sim_free(task, driver, sizeof(*driver));
	} else {
		handle = -ENOMEM;
	}
	file_put(task, file);
	return handle;
}

int64_t kernel_access_attach(struct task *task, uint64_t handle, uint32_t ioas_id)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);
	int rc;

	if (!driver)
		return -EBADF;
	rc = access_attach(task, driver->access, ioas_id);
	driver_end(task, driver, &frame);
	return rc;
}

int64_t kernel_access_replace(struct task *task, uint64_t handle, uint32_t ioas_id)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);
	int rc;

	if (!driver)
		return -EBADF;
	rc = access_replace(task, driver->access, ioas_id);
	driver_end(task, driver, &frame);
	return rc;
}

int64_t kernel_access_detach(struct task *task, uint64_t handle)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);

	if (!driver)
		return -EBADF;
	access_detach(task, driver->access);
	driver_end(task, driver, &frame);
	return 0;
}

static bool driver_is_idle(const void *argument)
{
	const struct kernel_access *driver = argument;

	return !__atomic_load_n(&driver->frames, __ATOMIC_ACQUIRE);
}

/* Nobody else may be inside the driver and nobody may come in any more. */
static int driver_close(struct task *task, uint64_t handle, struct kernel_access **out)
{
	struct iommufd_machine *machine = machine_of(task);
	struct kernel_access *driver;
	int rc = 0;

	spin_lock(task, &machine->lock);
	driver = driver_find(machine, handle);
	if (!driver || (driver->destroyer && driver->destroyer != task)) {
		rc = -EBADF;
	} else if (driver->destroyer) {
		rc = -EDEADLK;
	} else {
		for (const struct driver_frame *frame = driver->frames; frame; frame = frame->next)
			rc = frame->task == task ? -EDEADLK : rc;
		if (!rc)
			driver->destroyer = task;
	}
	spin_unlock(task, &machine->lock);
	*out = driver;
	if (!rc) {
		wait_event(task, &driver->idle, driver_is_idle, driver, 0);
		/* The last one to leave may still be in driver_end, under the lock. */
		spin_lock(task, &machine->lock);
		spin_unlock(task, &machine->lock);
	}
	return rc;
}

int64_t kernel_access_destroy(struct task *task, uint64_t handle)
{
	struct kernel_access *driver;
	int rc = driver_close(task, handle, &driver);

	if (rc)
		return rc;
	access_destroy(task, driver->access);
	driver_unlist(task, driver);
	items_free(task, &driver->items, &driver->newest_item);
	sim_free(task, driver, sizeof(*driver));
	return 0;
}

int64_t kernel_access_pin(
	struct task *task, uint64_t handle, uint64_t iova, uint64_t length, uint32_t flags)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);
	struct access_item *item;
	int rc = -ENOMEM;

	if (!driver)
		return -EBADF;
	item = sim_alloc(task, sizeof(*item));
	if (item) {
		item->iova = iova;
		item->length = length;
		/* The lock makes a callback that comes right after the pin wait until the item is
		 * there. */
		mutex_lock(task, &driver->lock);
		rc = access_pin_pages(
			task, driver->access, iova, length, NULL, flags & ACCESS_WRITE);
		if (!rc)
			items_append(&driver->items, &driver->newest_item, item);
		mutex_unlock(task, &driver->lock);
		if (rc)
			sim_free(task, item, sizeof(*item));
	}
	driver_end(task, driver, &frame);
	return rc;
}

int64_t kernel_access_unpin(struct task *task, uint64_t handle, uint64_t iova, uint64_t length)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);
	struct access_item *previous = NULL, *found_previous = NULL, *found = NULL;

	if (!driver)
		return -EBADF;
	mutex_lock(task, &driver->lock);
	/* Of several equal ones the newest goes. */
	for (struct access_item *item = driver->items; item; previous = item, item = item->next) {
		if (item->iova == iova && item->length == length) {
			found = item;
			found_previous = previous;
		}
	}
	if (found) {
		items_remove(&driver->items, &driver->newest_item, found_previous);
		sim_free(task, found, sizeof(*found));
	}
	access_unpin_pages(task, driver->access, iova, length);
	mutex_unlock(task, &driver->lock);
	driver_end(task, driver, &frame);
	return 0;
}

static uint32_t driver_unpin_range(
	struct task *task, struct kernel_access *driver, uint64_t iova, uint64_t length)
{
	uint32_t count;

	mutex_lock(task, &driver->lock);
	count = items_unpin(
		task, driver->access, &driver->items, &driver->newest_item, iova, length);
	mutex_unlock(task, &driver->lock);
	return count;
}

int64_t kernel_access_unpin_range(
	struct task *task, uint64_t handle, uint64_t iova, uint64_t length)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);
	int64_t count;

	if (!driver)
		return -EBADF;
	count = driver_unpin_range(task, driver, iova, length);
	driver_end(task, driver, &frame);
	return count;
}

void kernel_access_unmap(
	struct task *task, struct kernel_access *driver, uint64_t iova, uint64_t length)
{
	const struct sim_events *events = &sim_configuration(task_sim(task))->events;
	struct iommufd_machine *machine = machine_of(task);
	struct driver_frame frame;
	bool handled = false;

	spin_lock(task, &machine->lock);
	frame_push(task, driver, &frame);
	spin_unlock(task, &machine->lock);
	if (events->unmap && !driver->unloading)
		handled = events->unmap(events->context, task, driver->handle, iova, length);
	if (!handled)
		driver_unpin_range(task, driver, iova, length);
	driver_end(task, driver, &frame);
}

void iommufd_finish(struct task *task)
{
	struct iommufd_machine *machine = machine_of(task);
	void *driver;
	uint32_t handle = 0;

	while (machine->accesses.used &&
		(handle = idr_next(&machine->accesses, handle + 1, &driver))) {
		((struct kernel_access *)driver)->unloading = true;
		kernel_access_destroy(task, handle);
	}
	contexts_drop_files(task);
}

/* A kernel buffer of a call, filled from user memory before a write. */
static int buffer_open(struct task *task, uint64_t user, uint64_t length, bool write, void **buffer)
{
	int rc;

	if (!length)
		return -EINVAL;
	if (length > IOMMUFD_BUFFER_MAX)
		return -ENOMEM;
	*buffer = sim_alloc(task, length);
	if (!*buffer)
		return -ENOMEM;
	rc = write ? copy_from_user(task, *buffer, user, length) : 0;
	if (rc)
		sim_free(task, *buffer, length);
	return rc;
}

/* Copies out what a read has brought, also in front of a failure, and frees the buffer. */
static int buffer_close(struct task *task, uint64_t user, uint64_t length, uint64_t done,
	bool write, void *buffer, int rc)
{
	if (done && !write) {
		int copied = copy_to_user(task, user, buffer, done);

		rc = rc ? rc : copied;
	}
	sim_free(task, buffer, length);
	return rc;
}

int64_t kernel_access_rw(struct task *task, uint64_t handle, uint64_t iova, uint64_t length,
	uint64_t buffer, uint32_t flags)
{
	struct driver_frame frame;
	struct kernel_access *driver = driver_begin(task, handle, &frame);
	bool write = flags & ACCESS_WRITE;
	uint64_t done;
	void *bytes;
	int rc;

	if (!driver)
		return -EBADF;
	rc = buffer_open(task, buffer, length, write, &bytes);
	if (!rc) {
		rc = access_rw(task, driver->access, iova, bytes, length, flags, &done);
		rc = buffer_close(task, buffer, length, done, write, bytes, rc);
	}
	driver_end(task, driver, &frame);
	return rc;
}

int64_t kernel_dma(struct task *task, int iommufd, uint32_t dev_id, uint32_t pasid, uint64_t iova,
	uint64_t length, uint64_t buffer, int write)
{
	struct iommufd_context *context;
	struct device *device;
	struct file *file;
	void *bytes;
	int rc = context_from_fd(task, iommufd, &context, &file);

	if (rc)
		return rc;
	device = (struct device *)object_get(task, context, dev_id, OBJECT_DEVICE);
	if (device) {
		rc = buffer_open(task, buffer, length, write, &bytes);
		if (!rc) {
			rc = iommu_device_dma(
				task, device->hardware, pasid, iova, bytes, length, write);
			rc = buffer_close(task, buffer, length, rc ? 0 : length, write, bytes, rc);
		}
		object_put(task, context, &device->object);
	} else {
		rc = -ENOENT;
	}
	file_put(task, file);
	return rc;
}
