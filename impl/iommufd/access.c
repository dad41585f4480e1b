/* SPDX-License-Identifier: Apache-2.0 */
/* Access objects: attach, replace, detach, and the unmap notification. 7.1 to 7.4, 7.8 */
#include "impl/iommufd/iommufd.h"

/* What all accesses have in common; published by the caller. */
static int access_alloc(
	struct task *task, struct iommufd_context *context, bool needs_pin, struct access **out)
{
	struct iommufd_object *object;
	struct access *access;
	int rc;

	rc = object_alloc(task, context, sizeof(*access), OBJECT_ACCESS, &object);
	if (rc)
		return rc;
	access = (struct access *)object;
	access->context = context;
	access->lock = mutex_init(LOCK_ACCESS);
	access->needs_pin = needs_pin;
	access->alignment =
		needs_pin && !SIM_BUG(task, ACCESS_ALIGNMENT_NONE) ? (uint32_t)SIM_PAGE_SIZE : 1;
	object_add_user(task, object);
	*out = access;
	return 0;
}

int access_create(struct task *task, struct iommufd_context *context, uint8_t driver,
	void *driver_data, bool needs_pin, bool has_unmap, struct access **out)
{
	int rc = access_alloc(task, context, needs_pin, out);

	if (rc)
		return rc;
	(*out)->file = file_get(context->file);
	(*out)->driver = driver;
	(*out)->driver_data = driver_data;
	(*out)->has_unmap = has_unmap;
	object_publish(task, context, &(*out)->object);
	return 0;
}

/* Into the driver: it may call back into this API, so nothing may be held. */
static void access_call_unmap(
	struct task *task, struct access *access, uint64_t iova, uint64_t length)
{
	lock_assert_callback(task, 0);
	schedule_point(task, SCHEDULE_CALLBACK);
	if (access->driver == ACCESS_DRIVER_KERNEL)
		kernel_access_unmap(task, access->driver_data, iova, length);
	else
		test_access_unmap(task, access->driver_data, iova, length);
}

/* The next access of the list at or after *index, with a short reference. Those being destroyed are
 * skipped. */
static struct access *next_listed(struct task *task, struct ioas *ioas, uint32_t *index)
{
	struct access *access = NULL;

	spin_lock(task, &ioas->access_lock);
	for (; *index < ioas->access_room; (*index)++) {
		access = ioas->accesses[*index];
		if (access && access->has_unmap &&
			object_try_get(task, access->context, &access->object))
			break;
		access = NULL;
	}
	spin_unlock(task, &ioas->access_lock);
	if (access && SIM_BUG(task, NOTIFY_UNHELD))
		object_put(task, access->context, &access->object);
	return access;
}

void ioas_notify_unmap(struct task *task, struct ioas *ioas, uint64_t iova, uint64_t length)
{
	struct access *access;

	for (uint32_t index = 0; (access = next_listed(task, ioas, &index)); index++) {
		access_call_unmap(task, access, iova, length);
		if (!SIM_BUG(task, NOTIFY_UNHELD))
			object_put(task, access->context, &access->object);
		if (SIM_BUG(task, NOTIFY_FIRST_ONLY))
			break;
	}
}

/* The callback of a change: everything, without the access lock. 7.3 step 8 */
static void change_callback(struct task *task, struct access *access)
{
	bool locked = false;

	if (!access->has_unmap || SIM_BUG(task, CHANGE_NOT_NOTIFIED))
		return;
	if (SIM_BUG(task, CHANGE_KEEPS_LOCK))
		locked = access->lock.waiters;
	if (!locked)
		mutex_unlock(task, &access->lock);
	access_call_unmap(task, access, 0, UINT64_MAX);
	if (!locked)
		mutex_lock(task, &access->lock);
}

/* Steps 8 and 9: leaves the IOAS that the access was on, at its index there. */
static void leave_ioas(struct task *task, struct access *access, struct ioas *old,
	uint32_t list_index, bool notify)
{
	bool early = SIM_BUG(task, REPLACE_OLD_PUT_EARLY), listed = SIM_BUG(task, OLD_PUT_LISTED);

	if (early)
		object_drop_user(task, &old->object);
	if (notify)
		change_callback(task, access);
	if (listed)
		object_drop_user(task, &old->object);
	ioas_remove_access(task, old, access, list_index);
	if (!early && !listed)
		object_drop_user(task, &old->object);
}

/* What a change of an access begins with. */
struct change {
	struct ioas *old;
	uint32_t list_index;
	bool busy; /* another change is in its callback */
};

static struct change change_look(const struct access *access)
{
	return (struct change){
		access->ioas, access->list_index, access->ioas != access->ioas_unpin};
}

/* Takes the access lock and looks under it; early: a defect, looks before. */
static struct change change_begin(struct task *task, struct access *access, bool early)
{
	struct change change = {0};

	if (early)
		change = change_look(access);
	mutex_lock(task, &access->lock);
	return early ? change : change_look(access);
}

/*
 * Moves to another IOAS or to none. While the callback runs ioas is none and ioas_unpin is still
 * the old one, which refuses pins and every other change. The access lock is held. 7.3 steps 3 to
 * 10
 */
static int change_ioas(
	struct task *task, struct access *access, const struct change *change, struct ioas *ioas)
{
	struct ioas *old = change->old;
	uint32_t list_index = change->list_index, new_index = 0;
	bool notified = false;
	int rc;

	if (change->busy)
		return -EBUSY;
	if (old == ioas && !SIM_BUG(task, REPLACE_SAME_NOTIFIED))
		return 0;
	if (!SIM_BUG(task, CHANGE_IN_CALLBACK))
		access->ioas = NULL;
	if (ioas) {
		if (old && SIM_BUG(task, REPLACE_CALLBACK_FIRST)) {
			change_callback(task, access);
			notified = true;
		}
		rc = ioas_add_access(task, ioas, access, &new_index);
		if (rc) {
			access->ioas = old;
			return rc;
		}
		object_add_user(task, &ioas->object);
		if (SIM_BUG(task, REPLACE_LIST_INDEX))
			list_index = new_index;
	}
	if (old)
		leave_ioas(task, access, old, list_index, !notified);
	access->ioas = ioas;
	access->ioas_unpin = ioas;
	access->list_index = new_index;
	return 0;
}

int access_attach(struct task *task, struct access *access, uint32_t ioas_id)
{
	struct change change = change_begin(task, access, SIM_BUG(task, ATTACH_LOOKS_EARLY));
	struct ioas *ioas;
	int rc;

	if (change.old) {
		sim_warn(task, "access-attached", "access %u is attached already",
			access->object.id);
		mutex_unlock(task, &access->lock);
		return -EINVAL;
	}
	ioas = ioas_get(task, access->context, ioas_id);
	rc = ioas ? change_ioas(task, access, &change, ioas) : -ENOENT;
	if (ioas)
		ioas_put(task, ioas);
	mutex_unlock(task, &access->lock);
	return rc;
}

int access_replace(struct task *task, struct access *access, uint32_t ioas_id)
{
	struct change change = change_begin(task, access, SIM_BUG(task, REPLACE_LOOKS_EARLY));
	struct ioas *ioas;
	int rc = -ENOENT;

	if (change.old || SIM_BUG(task, REPLACE_DETACHED)) {
		ioas = ioas_get(task, access->context, ioas_id);
		if (ioas) {
			rc = change_ioas(task, access, &change, ioas);
			ioas_put(task, ioas);
		}
	}
	mutex_unlock(task, &access->lock);
	return rc;
}

void access_detach(struct task *task, struct access *access)
{
	struct change change = change_begin(task, access, SIM_BUG(task, DETACH_LOOKS_EARLY));

	if (change.old)
		change_ioas(task, access, &change, NULL);
	else
		sim_warn(task, "access-not-attached", "access %u is not attached",
			access->object.id);
	mutex_unlock(task, &access->lock);
}

int access_create_internal(
	struct task *task, struct iommufd_context *context, struct ioas *ioas, struct access **out)
{
	struct change change = {0};
	int rc = access_alloc(task, context, true, out);

	if (rc)
		return rc;
	(*out)->internal = true;
	object_publish(task, context, &(*out)->object);
	mutex_lock(task, &(*out)->lock);
	rc = change_ioas(task, *out, &change, ioas);
	mutex_unlock(task, &(*out)->lock);
	if (rc)
		access_destroy(task, *out);
	return rc;
}

void access_destroy(struct task *task, struct access *access)
{
	struct file *file = access->file;
	struct change change;

	if (!object_remove(task, access->context, &access->object))
		return;
	change = change_begin(task, access, false);
	if (change.old)
		change_ioas(task, access, &change, NULL);
	mutex_unlock(task, &access->lock);
	object_free(task, &access->object);
	if (file)
		file_put(task, file);
}
