/* SPDX-License-Identifier: Apache-2.0 */
/* The in-kernel access API (specification 7): attach, replace, pins, rw, callbacks. */
#include "fuzz/oracle/model.h"

struct model_access *model_access_new(struct model *model, struct model_context *context)
{
	struct model_access *access = model_alloc(model, sizeof(*access));

	access->context = context;
	context->file->refs++;
	model_array_init(&access->pins, sizeof(struct model_pin));
	model_object_reserve(model, context, &access->object, MODEL_ACCESS);
	access->object.users++;
	model_phase(model, "object_table");
	model_object_publish(&access->object);
	return access;
}

/* ---- attaching ---- */

/* Into the list of the IOAS, where the caller's reference becomes the access's (2.4). */
static int join_list(struct model *model, struct model_access *access, struct model_ioas *ioas)
{
	struct model_array *list = &ioas->accesses;
	uint32_t i = 0;

	model_pass(model, &ioas->domains, true, "iova_rwsem");
	while (i < list->count && *(struct model_access **)model_array_at(list, i))
		i++;
	if (i > UINT16_MAX)
		return -EBUSY;
	if (i == list->count)
		model_array_insert(model, list, i);
	*(struct model_access **)model_array_at(list, i) = access;
	if (model_ioas_realign(ioas)) {
		*(struct model_access **)model_array_at(list, i) = NULL;
		return -EADDRINUSE;
	}
	ioas->object.wait_cnt--;
	return 0;
}

static void leave_list(const struct model_access *access, struct model_ioas *ioas)
{
	for (uint32_t i = 0; i < ioas->accesses.count; i++) {
		struct model_access **slot = model_array_at(&ioas->accesses, i);

		if (*slot == access) {
			*slot = NULL;
			break;
		}
	}
	model_ioas_realign(ioas);
}

int model_access_join(struct model *model, struct model_access *access, uint32_t ioas_id)
{
	struct model_ioas *ioas;
	int rc;

	/* Destroyed by another thread while this one waited; callbacks may still use it. */
	if (access->dying && !(access->handle && access->callbacks[model->call->thread]))
		return -EBADF;
	if (access->ioas)
		return -EINVAL;
	ioas = model_object_get(model, access->context, ioas_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	rc = access->unpin_ioas ? -EBUSY : join_list(model, access, ioas);
	if (rc) {
		model_object_put(model, &ioas->object);
		return rc;
	}
	access->ioas = ioas;
	access->unpin_ioas = ioas;
	return 0;
}

int model_access_attach(struct model *model, struct model_access *access, uint32_t ioas_id)
{
	int rc;

	model_lock(model, &access->lock, true, "ioas_lock");
	rc = model_access_join(model, access, ioas_id);
	model_unlock(model, &access->lock, true);
	return rc;
}

/*
 * 7.3 from step 5 on, with the lock held but around the callback; ioas has a reference of the
 * caller, or is NULL to detach.
 */
static int change_ioas(struct model *model, struct model_access *access, struct model_ioas *ioas)
{
	struct model_ioas *old = access->ioas;
	int rc;

	access->ioas = NULL;
	rc = ioas ? join_list(model, access, ioas) : 0;
	if (rc) {
		access->ioas = old;
		model_object_put(model, &ioas->object);
		return rc;
	}
	if (access->has_unmap) {
		model_unlock(model, &access->lock, true);
		model_access_notify(model, access, 0, UINT64_MAX);
		model_lock(model, &access->lock, true, "iova_rwsem");
	} else {
		model_phase(model, "iova_rwsem");
	}
	model_wait_for(model, &old->domains, true, "iova_rwsem");
	leave_list(access, old);
	model_phase(model, "put");
	old->object.users--;
	access->ioas = ioas;
	access->unpin_ioas = ioas;
	return 0;
}

static int replace_locked(struct model *model, struct model_access *access, uint32_t ioas_id)
{
	struct model_ioas *ioas;

	if (!access->ioas)
		return -ENOENT;
	ioas = model_object_get(model, access->context, ioas_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	if (ioas != access->ioas)
		return change_ioas(model, access, ioas);
	model_object_put(model, &ioas->object);
	return 0;
}

int model_access_replace(struct model *model, struct model_access *access, uint32_t ioas_id)
{
	int rc;

	model_lock(model, &access->lock, true, "ioas_lock");
	rc = replace_locked(model, access, ioas_id);
	model_unlock(model, &access->lock, true);
	return rc;
}

void model_access_detach(struct model *model, struct model_access *access)
{
	model_lock(model, &access->lock, true, "ioas_lock");
	if (access->ioas)
		change_ioas(model, access, NULL);
	model_unlock(model, &access->lock, true);
}

/*
 * A change of another thread comes to its end first: nothing is told to an access that is gone.
 * Holds the lock.
 */
static void wait_unchanged(struct model *model, struct model_access *access)
{
	model_phase(model, "object_table");
	while (model->turns && (access->lock.writer || access->object.wait_cnt > 1 ||
				       (!access->ioas && access->unpin_ioas)))
		model_take_turns(model, "wait", true);
	access->lock.writer = model->turns;
}

void model_access_destroy(struct model *model, struct model_access *access)
{
	struct model_file *file = access->internal ? NULL : access->context->file;

	if (access->is_selftest) {
		model_pass(model, &access->lock, true,
			access->pins.count ? "iova_rwsem" : "access_items");
		model_access_drop_pins(model, access, 0, UINT64_MAX);
	}
	access->dying = true;
	wait_unchanged(model, access);
	model_object_remove(access->context, &access->object);
	if (access->ioas)
		change_ioas(model, access, NULL);
	model_unlock(model, &access->lock, true);
	model_array_end(model, &access->pins);
	if (access->handle) {
		model_phase(model, "other");
		*(struct model_access **)model_array_at(
			&model->accesses, (uint32_t)access->handle - 1) = NULL;
	}
	access->handle = 0;
	if (!access->uses)
		model_free(model, access, sizeof(*access));
	if (file)
		model_file_put(model, file);
}

int model_access_internal(struct model *model, struct model_context *context,
	struct model_ioas *ioas, struct model_access **access)
{
	int rc;

	model_phase(model, "object_table");
	*access = model_access_new(model, context);
	context->file->refs--;
	(*access)->internal = true;
	(*access)->needs_pin = true;
	ioas->object.users++;
	ioas->object.wait_cnt++;
	rc = join_list(model, *access, ioas);
	if (!rc) {
		(*access)->ioas = ioas;
		(*access)->unpin_ioas = ioas;
		return 0;
	}
	model_object_release(&ioas->object);
	model_access_destroy(model, *access);
	return rc;
}

/* ---- callbacks ---- */

static bool intersects(const struct model_pin *pin, uint64_t iova, uint64_t length)
{
	uint64_t last = length > UINT64_MAX - iova ? UINT64_MAX : iova + length - 1;

	return pin->iova <= last && pin->iova + (pin->length - 1) >= iova;
}

void model_access_drop_pins(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length)
{
	for (uint32_t i = 0; i < access->pins.count;) {
		struct model_pin pin = *(struct model_pin *)model_array_at(&access->pins, i);

		if (!intersects(&pin, iova, length)) {
			i++;
			continue;
		}
		model_array_remove(&access->pins, i, 1);
		model_access_unpin(model, access, pin.iova, pin.length);
	}
}

/* The program's callback; false when it has none. */
static bool run_callback(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length)
{
	const struct resolved_call *call = model->call;
	struct model_process *process = model->process;
	uint8_t *arguments = model->arguments;
	struct model_armed *armed = model->armed;
	unsigned thread = call ? call->thread : 0;
	bool paused = armed->paused, handled;

	access->callbacks[thread]++;
	armed->paused = true;
	handled = model->events.unmap(model->events.context, thread, access->handle, iova, length);
	access->callbacks[thread]--;
	armed->paused = paused;
	model->call = call;
	model->process = process;
	model->arguments = arguments;
	model->armed = armed;
	return handled;
}

void model_access_notify(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length)
{
	if (!access->has_unmap)
		return;
	access->object.wait_cnt++;
	model_phase(model, "callback");
	if (!access->handle || !model->events.unmap || !run_callback(model, access, iova, length)) {
		model_wait_for(model, &access->lock, true, "ioas_lock");
		model_access_drop_pins(model, access, iova, length);
	}
	access->object.wait_cnt--;
}

/* ---- pins ---- */

static struct model_record *find_record(
	struct model_pages *pages, uint64_t first, uint64_t last, uint32_t *index)
{
	for (uint32_t i = 0; i < pages->records.count; i++) {
		struct model_record *record = model_array_at(&pages->records, i);

		if (record->first == first && record->last == last) {
			*index = i;
			return record;
		}
	}
	return NULL;
}

static int pin_piece(struct model *model, struct model_area *area, uint64_t first, uint64_t last)
{
	struct model_record *record;
	uint32_t index;
	int rc;

	record = find_record(area->pages, first, last, &index);
	if (!record) {
		rc = model_pages_need(model, area->pages, first, last);
		if (rc)
			return rc;
		record = model_array_insert(
			model, &area->pages->records, area->pages->records.count);
		record->first = first;
		record->last = last;
	}
	record->users++;
	area->accesses++;
	return 0;
}

static void unpin_piece(struct model *model, struct model_area *area, uint64_t first, uint64_t last)
{
	struct model_record *record;
	uint32_t index;

	record = find_record(area->pages, first, last, &index);
	if (!record || !area->accesses)
		return;
	area->accesses--;
	if (--record->users)
		return;
	model_array_remove(&area->pages->records, index, 1);
	model_pages_release(model, area->pages, first, last);
}

/* The completed area that holds iova, NULL if none. */
static struct model_area *area_with(const struct model_ioas *ioas, uint64_t iova)
{
	uint32_t index = model_area_index(ioas, iova);
	struct model_area *area;

	if (index == ioas->areas.count)
		return NULL;
	area = model_area_at(ioas, index);
	return area->start <= iova && !area->transitional ? area : NULL;
}

static void unpin_range(struct model *model, const struct model_access *access,
	const struct model_ioas *ioas, uint64_t iova, uint64_t last)
{
	for (;;) {
		struct model_area *area = area_with(ioas, iova);
		uint64_t end;

		if (!area)
			return;
		end = area->last < last ? area->last : last;
		area->locks -= access->internal;
		unpin_piece(model, area, model_area_page(area, iova), model_area_page(area, end));
		if (end == last)
			return;
		iova = end + 1;
	}
}

static int check_pin(
	const struct model_area *area, uint64_t iova, uint64_t end, bool final, bool write)
{
	if (area->prevent_access)
		return -EINVAL;
	if ((area->offset + (iova - area->start)) % MODEL_PAGE)
		return -EINVAL;
	if (!final && (area->offset + (end - area->start) + 1) % MODEL_PAGE)
		return -EINVAL;
	if (!(write ? area->writeable : area->readable))
		return -EPERM;
	if (write && !area->pages->writable)
		return -EPERM;
	return model_pages_of_dmabuf(area->pages) ? -EINVAL : 0;
}

void model_access_step(struct model *model, struct model_access *access)
{
	model_pass(model, &access->lock, true, access->ioas ? "iova_rwsem" : "ioas_lock");
}

int model_access_pin(struct model *model, struct model_access *access, uint64_t iova,
	uint64_t length, bool write)
{
	uint64_t at = iova, last = iova + (length - 1);

	if (!access->needs_pin || !(access->has_unmap || access->internal))
		return -EINVAL;
	if (!length)
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	if (!access->ioas)
		return -ENOENT;
	for (;;) {
		struct model_area *area = area_with(access->ioas, at);
		uint64_t end = area && area->last < last ? area->last : last;
		int rc = area ? check_pin(area, at, end, end == last, write) : -ENOENT;

		if (!rc)
			rc = pin_piece(
				model, area, model_area_page(area, at), model_area_page(area, end));
		if (rc) {
			if (at != iova)
				unpin_range(model, access, access->ioas, iova, at - 1);
			return rc;
		}
		area->locks += access->internal;
		if (end == last)
			return 0;
		at = end + 1;
	}
}

void model_access_unpin(
	struct model *model, struct model_access *access, uint64_t iova, uint64_t length)
{
	uint64_t last = iova + (length - 1);

	if (length && last >= iova && access->unpin_ioas)
		unpin_range(model, access, access->unpin_ioas, iova, last);
}

/* ---- rw ---- */

struct transfer {
	uint8_t *bytes;
	uint64_t position, length; /* in the source, bytes */
	uint32_t flags;
};

/* Pages that are pinned already, or pinned for a moment; nothing moves before all are there. */
static int rw_pages(struct model *model, struct model_pages *pages, const struct transfer *transfer,
	enum model_fault_kind kind)
{
	bool remote = kind == MODEL_REMOTE_READ || kind == MODEL_REMOTE_WRITE;

	for (int pass = 0; pass < 2; pass++) {
		for (uint64_t done = 0; done < transfer->length;) {
			uint64_t position = transfer->position + done,
				 index = position / MODEL_PAGE;
			uint64_t offset = position % MODEL_PAGE, piece = MODEL_PAGE - offset;
			struct model_page *page = remote ? NULL : model_pages_pinned(pages, index);

			if (piece > transfer->length - done)
				piece = transfer->length - done;
			if (!page) {
				int rc = remote ? model_fault(model, pages->mm,
							  pages->start + index * MODEL_PAGE, kind,
							  &page)
						: model_pages_source(model, pages, index, &page);

				if (rc)
					return rc;
			}
			if (pass && (transfer->flags & CALL_ACCESS_WRITE))
				model_store(model, page, offset, transfer->bytes + done, piece);
			else if (pass)
				model_page_read(page, offset, transfer->bytes + done, piece);
			done += piece;
		}
	}
	return 0;
}

static int rw_pinned(
	struct model *model, struct model_pages *pages, const struct transfer *transfer)
{
	return rw_pages(model, pages, transfer, pages->writable ? MODEL_PIN_WRITE : MODEL_PIN_READ);
}

static int rw_piece(struct model *model, struct model_pages *pages, const struct transfer *transfer)
{
	bool write = transfer->flags & CALL_ACCESS_WRITE;
	uint64_t address = pages->start + transfer->position;
	uint64_t last = transfer->position + transfer->length - 1;

	if (pages->file)
		return rw_pinned(model, pages, transfer);
	if (transfer->flags & CALL_ACCESS_KTHREAD) {
		if (!pages->mm->alive)
			return rw_pinned(model, pages, transfer);
		if (model_should_fail(model, FAULT_USER_COPY))
			return -EFAULT;
		if (write)
			return model_poke(model, pages->mm, address, transfer->bytes,
				       transfer->length) == transfer->length
				       ? 0
				       : -EFAULT;
		return model_peek(model, pages->mm, transfer->bytes, address, transfer->length) ==
				       transfer->length
			       ? 0
			       : -EFAULT;
	}
	if (model->process->mm == pages->mm && !(transfer->flags & CALL_ACCESS_SLOW_PATH))
		return write ? model_copy_out(model, address, transfer->bytes, transfer->length)
			     : model_copy_in(model, transfer->bytes, address, transfer->length);
	if (transfer->position / MODEL_PAGE == last / MODEL_PAGE && pages->mm->alive) {
		if (model_should_fail(model, FAULT_REMOTE))
			return -EINVAL;
		return rw_pages(
			model, pages, transfer, write ? MODEL_REMOTE_WRITE : MODEL_REMOTE_READ);
	}
	return rw_pinned(model, pages, transfer);
}

int model_access_rw(struct model *model, struct model_access *access, uint64_t iova, uint8_t *bytes,
	uint64_t length, uint32_t flags, uint64_t *done)
{
	bool write = flags & CALL_ACCESS_WRITE;
	uint64_t last = iova + (length - 1);

	*done = 0;
	if (!length)
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	if (!access->ioas)
		return -ENOENT;
	for (;;) {
		struct model_area *area = area_with(access->ioas, iova);
		struct transfer transfer = {.bytes = bytes, .flags = flags};
		uint64_t end;
		int rc;

		if (!area)
			return -ENOENT;
		if (area->prevent_access)
			return -EINVAL;
		if (!(write ? area->writeable : area->readable) ||
			(write && !area->pages->writable))
			return -EPERM;
		if (model_pages_of_dmabuf(area->pages))
			return -EINVAL;
		end = area->last < last ? area->last : last;
		transfer.position = area->offset + (iova - area->start);
		transfer.length = end - iova + 1;
		rc = rw_piece(model, area->pages, &transfer);
		if (!rc)
			*done += transfer.length;
		if (rc || end == last)
			return rc;
		bytes += transfer.length;
		iova = end + 1;
	}
}
