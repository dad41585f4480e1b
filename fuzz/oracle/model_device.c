/* SPDX-License-Identifier: Apache-2.0 */
/* Mock devices and their attachment to page tables (specification 6, 10.5, 10.6), and DMA. */
#include "fuzz/oracle/model.h"

#define DMA_MAX		 (UINT64_C(16) << 20)
#define DEVICE_HUGE_IOVA 2u /* dev_flags before 6.19 */

/* An attachment goes, in a step of its own; the last one takes an automatic page table along (2.7).
 */
static void hwpt_leave(struct model *model, struct model_hwpt *hwpt)
{
	model_phase(model, hwpt->automatic ? "object_table" : "put");
	hwpt->object.users--;
	if (hwpt->automatic)
		model_object_try_destroy(
			model, hwpt->context, hwpt->object.id, hwpt->object.serial);
}

/* ---- one place: the RID or a PASID ---- */

/* 10.8 step 3: with another VIOMMU, and only then, it has another name there. */
static void report_to(struct model_device *device, struct model_viommu *viommu)
{
	if (device->viommu == viommu)
		return;
	device->viommu = viommu;
	device->virt_id = viommu && device->vdevice ? device->vdevice->virt_id : 0;
}

/* 10.8 step 3 waits for a report in progress: before anything else of the step. */
static void wait_for_report(struct model *model, const struct model_device *device, uint32_t pasid,
	const struct model_hwpt *hwpt)
{
	if (!pasid && device->viommu != (hwpt ? hwpt->viommu : NULL))
		model_wait_for(model, &device->reporting, true, "report_rwsem");
}

/* NULL: to nothing any more. */
static void set_attached(
	struct model *model, struct model_device *device, uint32_t pasid, struct model_hwpt *hwpt)
{
	struct model_attached *at;

	for (uint32_t i = device->attached.count; i--;) {
		at = model_array_at(&device->attached, i);
		if (at->pasid == pasid)
			model_array_remove(&device->attached, i, 1);
	}
	if (!pasid)
		report_to(device, hwpt ? hwpt->viommu : NULL);
	if (!hwpt)
		return;
	at = model_array_insert(model, &device->attached, device->attached.count);
	*at = (struct model_attached){.pasid = pasid, .hwpt = hwpt};
	hwpt->object.users++;
}

/* What came through the attachment is answered by nobody else any more (5.2). */
static void faults_end(struct model *model, const struct model_device *device, uint32_t pasid,
	const struct model_hwpt *hwpt)
{
	if (hwpt->fault)
		model_fault_abandon(model, hwpt, device, pasid);
}

/* 6.7 */
static bool flags_forbid(
	const struct model_device *device, uint32_t pasid, const struct model_hwpt *hwpt)
{
	const struct model_hwpt *rid = model_device_hwpt(device, 0);

	if (pasid)
		return !hwpt->pasids || (rid && !rid->pasids);
	return !hwpt->pasids && device->attached.count > (rid ? 1 : 0);
}

/* 10.8: what the core and the device's driver say to a page table. */
static int driver_says(struct model *model, struct model_device *device, uint32_t pasid,
	const struct model_hwpt *hwpt)
{
	uint32_t pasids = device->flags & MOCK_FLAGS_DEVICE_PASID ? 1u << MOCK_PASID_WIDTH : 1;

	if (hwpt->software != model_device_bare(device))
		return -EINVAL;
	/* 10.8 step 4: the mock of the first release with faults has no such devices. */
	if (hwpt->fault && model->config.kernel < LINUX(6, 13))
		return -ENODEV;
	if (pasid && pasid >= pasids)
		return -EINVAL;
	if (!pasid && hwpt->viommu && (!device->vdevice || device->vdevice->viommu != hwpt->viommu))
		return -ENOENT;
	if (!pasid && hwpt->tracks && device->flags & MOCK_FLAGS_DEVICE_NO_DIRTY)
		return -EINVAL;
	if (model_should_fail(model, FAULT_DRIVER))
		return -EINVAL;
	if (pasid != IOMMU_TEST_PASID_RESERVED)
		return 0;
	device->refuses_reserved = !device->refuses_reserved;
	return device->refuses_reserved ? 0 : -ENOMEM;
}

/* 6.5 to one page table. */
static int attach_to(
	struct model *model, struct model_device *device, uint32_t pasid, struct model_hwpt *hwpt)
{
	int rc;

	wait_for_report(model, device, pasid, hwpt);
	if (model_device_hwpt(device, pasid))
		return -EBUSY;
	if (!pasid && model_should_fail(model, FAULT_RESERVED))
		return -EINVAL;
	rc = flags_forbid(device, pasid, hwpt) ? -EINVAL : driver_says(model, device, pasid, hwpt);
	if (rc)
		return rc;
	set_attached(model, device, pasid, hwpt);
	device->object.users++;
	return 0;
}

/* 6.6 to one page table; the caller drops the old one. */
static int replace_to(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_hwpt *hwpt, struct model_hwpt **old)
{
	struct model_hwpt *now;
	int rc;

	wait_for_report(model, device, pasid, hwpt);
	now = model_device_hwpt(device, pasid);
	if (!now)
		return -EINVAL;
	if (now == hwpt)
		return 0;
	if (!pasid && now->ioas != hwpt->ioas && model_should_fail(model, FAULT_RESERVED))
		return -EINVAL;
	rc = flags_forbid(device, pasid, hwpt) ? -EINVAL : driver_says(model, device, pasid, hwpt);
	if (rc)
		return rc;
	*old = now;
	set_attached(model, device, pasid, hwpt);
	faults_end(model, device, pasid, now);
	return 0;
}

/* Attach, or replace where there is a place for what was attached before. In the running step. */
static int attach_or_replace(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_hwpt *hwpt, struct model_hwpt **old)
{
	return old ? replace_to(model, device, pasid, hwpt, old)
		   : attach_to(model, device, pasid, hwpt);
}

/* Back to nothing; the caller drops what is returned. */
static struct model_hwpt *unattach(struct model *model, struct model_device *device, uint32_t pasid)
{
	struct model_hwpt *hwpt;

	wait_for_report(model, device, pasid, NULL);
	hwpt = model_device_hwpt(device, pasid);
	if (!hwpt)
		return NULL;
	if (pasid == IOMMU_TEST_PASID_RESERVED)
		device->refuses_reserved = false;
	set_attached(model, device, pasid, NULL);
	device->object.users--;
	faults_end(model, device, pasid, hwpt);
	return hwpt;
}

/* ---- what is attached ---- */

/*
 * Nothing suits: attach comes before the page table is filled, replace after (6.4). A device that
 * nobody else knows yet is attached in one step with what follows, since nobody can tell.
 */
static int attach_to_new(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_ioas *ioas, struct model_hwpt **old, uint32_t *pt_id)
{
	struct model_hwpt *hwpt = model_hwpt_new(model, device, ioas);
	bool joined = false;
	int rc = 0;

	hwpt->automatic = true;
	if (!old) {
		if (device->known)
			model_pass(model, &device->group, true, "group_mutex");
		rc = attach_to(model, device, pasid, hwpt);
		joined = !rc;
	}
	if (!rc) {
		model_pass(model, &ioas->domains, true, "iova_rwsem");
		rc = model_ioas_add_domain(model, ioas, hwpt);
	}
	if (!rc && old) {
		model_pass(model, &device->group, true, "group_mutex");
		rc = replace_to(model, device, pasid, hwpt, old);
		if (rc)
			model_ioas_remove_domain(model, ioas, hwpt);
	}
	if (!rc) {
		/* Who takes the device away before leaves a page table that nobody destroys. */
		if (device->known)
			model_phase(model, "object_table");
		model_object_publish(&hwpt->object);
		*pt_id = hwpt->object.id;
		return 0;
	}
	if (joined && model_device_hwpt(device, pasid) == hwpt)
		unattach(model, device, pasid);
	model_hwpt_free(model, hwpt);
	return rc;
}

/* The oldest automatic page table younger than `serial` that can still be used. */
static struct model_hwpt *next_automatic(const struct model_ioas *ioas, uint64_t serial)
{
	for (uint32_t i = 0; i < ioas->hwpts.count; i++) {
		struct model_hwpt *hwpt = *(struct model_hwpt **)model_array_at(&ioas->hwpts, i);

		if (hwpt->automatic && hwpt->object.users && hwpt->object.serial > serial)
			return hwpt;
	}
	return NULL;
}

/* 6.4, under the mutex of the IOAS. */
static int attach_automatic(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_ioas *ioas, struct model_hwpt **old, uint32_t *pt_id)
{
	struct model_hwpt *hwpt;
	uint64_t serial = 0;

	while ((hwpt = next_automatic(ioas, serial))) {
		uint32_t id = hwpt->object.id;
		int rc;

		serial = hwpt->object.serial;
		hwpt->object.users++;
		hwpt->object.wait_cnt++;
		model_pass(model, &device->group, true, "group_mutex");
		rc = attach_or_replace(model, device, pasid, hwpt, old);
		model_object_put(model, &hwpt->object);
		if (!rc)
			*pt_id = id;
		if (rc != -EINVAL)
			return rc;
	}
	return attach_to_new(model, device, pasid, ioas, old, pt_id);
}

static int attach_by_ioas(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_ioas *ioas, struct model_hwpt **old, uint32_t *pt_id)
{
	int rc;

	model_lock(
		model, &ioas->mutex, true, next_automatic(ioas, 0) ? "ioas_mutex" : "object_table");
	rc = attach_automatic(model, device, pasid, ioas, old, pt_id);
	model_unlock(model, &ioas->mutex, true);
	/* Whoever succeeded keeps the IOAS in use. */
	model_object_release(&ioas->object);
	return rc;
}

static int attach_by_hwpt(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_hwpt *hwpt, struct model_hwpt **old)
{
	int rc;

	model_pass(model, &device->group, true, "group_mutex");
	rc = attach_or_replace(model, device, pasid, hwpt, old);
	model_object_put(model, &hwpt->object);
	return rc;
}

/* The object was looked up with a reference, which is given back; NULL: there is none. */
static int attach_by_object(struct model *model, struct model_device *device, uint32_t pasid,
	struct model_object *object, struct model_hwpt **old, uint32_t *pt_id)
{
	if (!object)
		return -ENOENT;
	if (object->type == MODEL_IOAS)
		return attach_by_ioas(
			model, device, pasid, (struct model_ioas *)object, old, pt_id);
	if (object->type == MODEL_HWPT || object->type == MODEL_NESTED)
		return attach_by_hwpt(model, device, pasid, (struct model_hwpt *)object, old);
	model_object_put(model, object);
	return -EINVAL;
}

static int replace_device(
	struct model *model, struct model_device *device, uint32_t pasid, uint32_t *pt_id)
{
	struct model_object *object = model_object_get(model, device->context, *pt_id, UINT32_MAX);
	struct model_hwpt *old = NULL;
	int rc;

	rc = attach_by_object(model, device, pasid, object, &old, pt_id);
	if (old)
		hwpt_leave(model, old);
	return rc;
}

/* 6.8, in the running step. */
static void detach_device(struct model *model, struct model_device *device, uint32_t pasid)
{
	struct model_hwpt *hwpt = unattach(model, device, pasid);

	if (hwpt)
		hwpt_leave(model, hwpt);
}

void model_selftest_end(struct model *model, struct model_selftest *selftest)
{
	struct model_device *device = selftest->device;
	struct model_vdevice *orphan;

	/* PASIDs that are left go silently (10.27); their page tables are never automatic. */
	for (uint32_t i = device->attached.count; i--;) {
		uint32_t pasid =
			((struct model_attached *)model_array_at(&device->attached, i))->pasid;

		if (pasid) {
			model_pass(model, &device->group, true, "group_mutex");
			detach_device(model, device, pasid);
		}
	}
	model_pass(model, &device->group, true, "group_mutex");
	detach_device(model, device, 0);
	orphan = model_vdevice_orphan(model, device);
	if (orphan) {
		model_wait_unreferenced(model, &orphan->object);
		model_vdevice_end(model, orphan);
	}
	model_wait_unreferenced(model, &device->object);
	model_object_remove(device->context, &device->object);
	model_array_end(model, &device->attached);
	model_free(model, device, sizeof(*device));
	if (selftest->object.id)
		model_phase(model, "object_table");
	model_object_remove(selftest->context, &selftest->object);
	model_free(model, selftest, sizeof(*selftest));
}

static int64_t mock_domain(struct model *model, struct model_command *command, uint32_t flags)
{
	struct model_context *context = command->context;
	struct model_selftest *selftest = model_alloc(model, sizeof(*selftest));
	struct model_device *device = model_alloc(model, sizeof(*device));
	uint32_t pt_id = command->test.id;
	int rc;

	selftest->context = context;
	selftest->device = device;
	device->context = context;
	device->flags = flags;
	model_array_init(&device->attached, sizeof(struct model_attached));
	for (int i = 0; i < MOCK_DEV_CACHE_NUM; i++)
		device->cache[i] = IOMMU_TEST_DEV_CACHE_DEFAULT;
	/* Not published before the end, while the device is (2.2, 6.1). */
	model_phase(model, "object_table");
	model_object_reserve(model, context, &selftest->object, MODEL_SELFTEST);
	model_phase(model, "object_table");
	model_object_reserve(model, context, &device->object, MODEL_DEVICE);
	model_phase(model, "object_table");
	model_object_publish(&device->object);
	device->object.users++;
	rc = attach_by_object(model, device, 0, model_object_get(model, context, pt_id, UINT32_MAX),
		NULL, &pt_id);
	model_phase(model, "put");
	if (!rc) {
		command->test.mock_domain.out_stdev_id = selftest->object.id;
		command->test.mock_domain.out_hwpt_id = pt_id;
		command->test.mock_domain.out_idev_id = device->object.id;
		rc = model_respond(model, command);
	}
	device->known = !rc;
	if (rc)
		model_selftest_end(model, selftest);
	else
		model_object_publish(&selftest->object);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_MOCK_DOMAIN(struct model *model, struct model_command *command)
{
	return mock_domain(model, command, 0);
}

int64_t model_rule_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS(
	struct model *model, struct model_command *command)
{
	struct model_selftest refused = {.device = NULL};
	uint32_t known = MOCK_FLAGS_DEVICE_NO_DIRTY;

	/* Section 15: what older profiles know instead. */
	if (model->config.kernel >= LINUX(6, 15))
		known |= MOCK_FLAGS_DEVICE_PASID;
	if (model->config.kernel < LINUX(6, 19))
		known |= DEVICE_HUGE_IOVA;
	/* Ours. */
	if (model->config.noiommu && model->config.kernel >= LINUX(7, 3) &&
		command->test.mock_domain_flags.dev_flags == MOCK_FLAGS_DEVICE_NOIOMMU)
		known |= MOCK_FLAGS_DEVICE_NOIOMMU;
	if (!(command->test.mock_domain_flags.dev_flags & ~known))
		return mock_domain(model, command, command->test.mock_domain_flags.dev_flags);
	/* It has an id for a moment (10.5). */
	model_phase(model, "object_table");
	model_object_reserve(model, command->context, &refused.object, MODEL_SELFTEST);
	model_phase(model, "object_table");
	model_object_remove(command->context, &refused.object);
	return -EINVAL;
}

static int64_t replace(
	struct model *model, struct model_command *command, uint32_t pasid, uint32_t *pt_id)
{
	struct model_selftest *selftest;
	int rc;

	selftest = model_object_get(model, command->context, command->test.id, MODEL_SELFTEST);
	if (!selftest)
		return -ENOENT;
	rc = replace_device(model, selftest->device, pasid, pt_id);
	model_phase(model, "put");
	if (!rc)
		rc = model_respond(model, command);
	model_object_release(&selftest->object);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE(
	struct model *model, struct model_command *command)
{
	return replace(model, command, 0, &command->test.mock_domain_replace.pt_id);
}

/* ---- PASIDs (10.7) ---- */

int64_t model_rule_IOMMU_TEST_OP_PASID_ATTACH(struct model *model, struct model_command *command)
{
	uint32_t *pt_id = &command->test.pasid_attach.pt_id;
	uint32_t pasid = command->test.pasid_attach.pasid;
	struct model_selftest *selftest;
	struct model_object *object;
	int rc;

	selftest = model_object_get(model, command->context, command->test.id, MODEL_SELFTEST);
	if (!selftest)
		return -ENOENT;
	object = model_object_get(model, command->context, *pt_id, UINT32_MAX);
	rc = attach_by_object(model, selftest->device, pasid, object, NULL, pt_id);
	model_phase(model, "put");
	if (!rc) {
		rc = model_respond(model, command);
		if (rc)
			detach_device(model, selftest->device, pasid);
	}
	model_object_release(&selftest->object);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_PASID_REPLACE(struct model *model, struct model_command *command)
{
	return replace(model, command, command->test.pasid_replace.pasid,
		&command->test.pasid_replace.pt_id);
}

int64_t model_rule_IOMMU_TEST_OP_PASID_DETACH(struct model *model, struct model_command *command)
{
	struct model_selftest *selftest;

	selftest = model_object_get(model, command->context, command->test.id, MODEL_SELFTEST);
	if (!selftest)
		return -ENOENT;
	model_pass(model, &selftest->device->group, true, "group_mutex");
	detach_device(model, selftest->device, command->test.pasid_detach.pasid);
	model_object_put(model, &selftest->object);
	return 0;
}

static int check_attached(
	struct model *model, const struct model_device *device, struct model_command *command)
{
	uint32_t pasid = command->test.pasid_check_hwpt.pasid;
	uint32_t id = command->test.pasid_check_hwpt.hwpt_id;
	struct model_object *object;
	int rc = -EINVAL;

	if (!id) {
		model_pass(model, &device->group, true, "group_mutex");
		return model_device_hwpt(device, pasid) ? -EINVAL : 0;
	}
	object = model_object_get(model, command->context, id, UINT32_MAX);
	if (!object)
		return -ENOENT;
	if (object->type == MODEL_HWPT || object->type == MODEL_NESTED) {
		model_pass(model, &device->group, true, "group_mutex");
		if (model_device_hwpt(device, pasid) == (struct model_hwpt *)object)
			rc = 0;
	}
	model_object_put(model, object);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_PASID_CHECK_HWPT(
	struct model *model, struct model_command *command)
{
	struct model_selftest *selftest;
	int rc;

	selftest = model_object_get(model, command->context, command->test.id, MODEL_SELFTEST);
	if (!selftest)
		return -ENOENT;
	rc = check_attached(model, selftest->device, command);
	model_object_put(model, &selftest->object);
	return rc;
}

/* ---- what a device sees ---- */

struct model_page *model_translate(const struct model_hwpt *hwpt, uint64_t iova, uint64_t *offset,
	bool *readable, bool *writeable)
{
	const struct model_ioas *ioas = hwpt->ioas;
	uint32_t index = model_area_index(ioas, iova);
	const struct model_area *area;

	if (index == ioas->areas.count)
		return NULL;
	area = model_area_at(ioas, index);
	if (area->start > iova || !area->filled || !hwpt->joined)
		return NULL;
	*offset = (area->offset + (iova - area->start)) % MODEL_PAGE;
	*readable = area->readable;
	*writeable = area->writeable;
	return model_pages_pinned(area->pages, model_area_page(area, iova));
}

/* Piece by piece: how many bytes from iova on lie in one page of one area. */
static struct model_page *dma_page(const struct model_hwpt *hwpt, uint64_t iova, uint64_t count,
	bool write, uint64_t *offset, uint64_t *piece)
{
	const struct model_area *area;
	struct model_page *page;
	bool readable, writeable;

	page = model_translate(hwpt, iova, offset, &readable, &writeable);
	if (!page || hwpt->software || !(write ? writeable : readable))
		return NULL;
	area = model_area_at(hwpt->ioas, model_area_index(hwpt->ioas, iova));
	*piece = MODEL_PAGE - *offset;
	if (*piece > count)
		*piece = count;
	if (*piece - 1 > area->last - iova)
		*piece = area->last - iova + 1;
	return page;
}

/* All or nothing: the range is looked at before the first byte moves. */
static int dma_transfer(struct model *model, struct model_hwpt *hwpt, uint64_t iova, uint8_t *bytes,
	uint64_t length, bool write)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint64_t done = 0; done < length;) {
			uint64_t offset, piece;
			struct model_page *page =
				dma_page(hwpt, iova + done, length - done, write, &offset, &piece);

			if (!page)
				return -EFAULT;
			if (pass && write)
				model_store(model, page, offset, bytes + done, piece);
			else if (pass)
				model_page_read(page, offset, bytes + done, piece);
			if (pass && write && hwpt->tracking)
				model_dirty_mark(model, hwpt, iova + done);
			done += piece;
		}
	}
	return 0;
}

static int dma_by(struct model *model, const struct model_device *device,
	const struct call_dma *dma, bool write)
{
	uint8_t *bytes = model_alloc(model, dma->length);
	struct model_hwpt *hwpt;
	int rc = 0;

	if (write)
		rc = model_copy_in(model, bytes, dma->buffer, dma->length);
	hwpt = model_device_hwpt(device, dma->pasid);
	/* The mock's guests map every address to itself. */
	if (hwpt && hwpt->below)
		hwpt = hwpt->below;
	if (!rc && (!hwpt || dma->iova + (dma->length - 1) < dma->iova))
		rc = -EFAULT;
	if (!rc)
		rc = dma_transfer(model, hwpt, dma->iova, bytes, dma->length, write);
	if (!rc && !write)
		rc = model_copy_out(model, dma->buffer, bytes, dma->length);
	model_free(model, bytes, dma->length);
	return rc;
}

static int64_t dma(struct model *model, bool write)
{
	struct model_file *file = model_file_at(model, model->call->subject);
	struct model_device *device;
	struct call_dma dma;
	int rc = -ENOENT;

	memcpy(&dma, model->arguments, sizeof(dma));
	if (!file)
		return -EBADF;
	if (file->kind != MODEL_FILE_IOMMU)
		return -EBADFD;
	file->refs++;
	device = model_object_get(model, file->context, dma.dev_id, MODEL_DEVICE);
	if (device) {
		rc = !dma.length ? -EINVAL : dma.length > DMA_MAX ? -ENOMEM : 0;
		if (!rc) {
			model_phase(model, "user-copy");
			rc = dma_by(model, device, &dma, write);
		}
		model_object_put(model, &device->object);
	}
	model_file_put(model, file);
	return rc;
}

int64_t model_rule_dma_read(struct model *model, struct model_command *command)
{
	(void)command;
	return dma(model, false);
}

int64_t model_rule_dma_write(struct model *model, struct model_command *command)
{
	(void)command;
	return dma(model, true);
}
