/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of IOMMU_TEST_CMD that are not about devices (specification 10). */
#include "fuzz/oracle/model.h"

#define ACCESS_LENGTH_MAX (UINT64_C(16) << 20)
#define TEMP_LIMIT_MIN	  12

int64_t model_rule_IOMMU_TEST_OP_ADD_RESERVED(struct model *model, struct model_command *command)
{
	uint64_t start = command->test.add_reserved.start,
		 length = command->test.add_reserved.length;
	struct model_ioas *ioas;
	int rc;

	if (!length)
		return -EINVAL;
	if (start + (length - 1) < start)
		return -EOVERFLOW;
	ioas = model_object_get(model, command->context, command->test.id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	model_phase(model, "iova_rwsem");
	rc = model_ioas_reserve(model, ioas, start, start + (length - 1), NULL);
	model_object_put(model, &ioas->object);
	return rc;
}

/* Step by step: what the domain has at iova is what the caller sees at uptr. */
static int check_map(struct model *model, const struct model_hwpt *hwpt, uint64_t iova,
	uint64_t length, uint64_t uptr)
{
	for (; length; length -= hwpt->page_size) {
		struct model_page *seen, *mapped;
		uint64_t offset;
		bool readable, writeable, same;
		int rc = model_fault(model, model->process->mm, uptr, MODEL_LOOK, &seen);

		if (rc)
			return rc;
		/* Held, or another page could come by its address. */
		if (model->turns && seen)
			seen->refs++;
		model_phase(model, "pages_mutex");
		mapped = model_translate(hwpt, iova, &offset, &readable, &writeable);
		same = mapped && mapped == seen && offset == uptr % MODEL_PAGE;
		if (model->turns && seen)
			model_page_put(model, seen);
		if (!same)
			return -EINVAL;
		iova += hwpt->page_size;
		uptr += hwpt->page_size;
	}
	return 0;
}

int64_t model_rule_IOMMU_TEST_OP_MD_CHECK_MAP(struct model *model, struct model_command *command)
{
	uint64_t iova = command->test.md_check_map.iova, length = command->test.md_check_map.length;
	uint64_t uptr = command->test.md_check_map.uptr;
	struct model_hwpt *hwpt =
		model_object_get(model, command->context, command->test.id, MODEL_HWPT);
	uint64_t unit = hwpt ? hwpt->page_size : 1;
	bool fixed_unit = model->config.kernel < LINUX(6, 19);
	bool wrong;
	int rc;

	if (fixed_unit)
		unit = MOCK_PAGE_SIZE;
	wrong = (hwpt && hwpt->software) || (iova | length | uptr) & (unit - 1) ||
		uptr + length < uptr;
	if (!hwpt)
		return fixed_unit && wrong ? -EINVAL : -ENOENT;
	if (!wrong)
		model_phase(model, "user-copy");
	rc = wrong ? -EINVAL : check_map(model, hwpt, iova, length, uptr);
	model_object_put(model, &hwpt->object);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_MD_CHECK_REFS(struct model *model, struct model_command *command)
{
	uint64_t length = command->test.md_check_refs.length,
		 uptr = command->test.md_check_refs.uptr;
	uint32_t refs = command->test.md_check_refs.refs;

	if ((length | uptr) % MODEL_PAGE || uptr + length < uptr)
		return -EINVAL;
	for (; length; length -= MODEL_PAGE) {
		struct model_page *page;
		int rc = model_fault(model, model->process->mm, uptr, MODEL_LOOK, &page);

		if (rc)
			return rc;
		if (!model_vma_find(model->process->mm, uptr)->huge &&
			(page ? page->pins : 0) != refs)
			return -EIO;
		uptr += MODEL_PAGE;
	}
	return 0;
}

int64_t model_rule_IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT(
	struct model *model, struct model_command *command)
{
	(void)model;
	return command->test.set_temp_memory_limit.limit < TEMP_LIMIT_MIN ? -EINVAL : 0;
}

/* ---- accesses behind a descriptor ---- */

int64_t model_rule_IOMMU_TEST_OP_CREATE_ACCESS(struct model *model, struct model_command *command)
{
	uint32_t flags = command->test.create_access.flags;
	struct model_process *process = model->process;
	struct model_access *access;
	struct model_file *file;
	int64_t fd;
	int rc;

	if (flags & ~(uint32_t)MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return -EOPNOTSUPP;
	model_phase(model, "object_table");
	file = model_file_new(model, MODEL_FILE_ACCESS);
	fd = model_file_reserve(model, process, file, true);
	if (fd < 0) {
		model_free(model, file, sizeof(*file));
		return -ENOMEM;
	}
	access = model_access_new(model, command->context);
	access->is_selftest = true;
	access->has_unmap = true;
	access->needs_pin = flags;
	file->access = access;
	rc = model_access_join(model, access, command->test.id);
	if (!rc) {
		command->test.create_access.out_access_fd = (uint32_t)fd;
		rc = model_respond(model, command);
	}
	if (rc) {
		model_file_withdraw(process, (uint64_t)fd);
		model_file_put(model, file);
	} else {
		model_file_publish(process, (uint64_t)fd);
	}
	return rc;
}

/* With a reference to the file, which keeps the access. */
static struct model_file *access_file(struct model *model, uint32_t fd)
{
	struct model_file *file;

	model_phase(model, "user-copy");
	file = model_file_at(model, fd);
	if (!file || file->kind != MODEL_FILE_ACCESS)
		return NULL;
	file->refs++;
	return file;
}

static int destroy_item(struct model *model, struct model_access *access, uint32_t id)
{
	for (uint32_t i = 0; i < access->pins.count; i++) {
		struct model_pin item = *(struct model_pin *)model_array_at(&access->pins, i);

		if (item.id != id)
			continue;
		model_array_remove(&access->pins, i, 1);
		model_access_unpin(model, access, item.iova, item.length);
		return 0;
	}
	return -ENOENT;
}

int64_t model_rule_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES(
	struct model *model, struct model_command *command)
{
	struct model_file *file = access_file(model, command->test.id);
	int rc;

	if (!file)
		return -EBADFD;
	model_access_step(model, file->access);
	rc = destroy_item(model, file->access, command->test.destroy_access_pages.access_pages_id);
	model_file_put(model, file);
	return rc;
}

/* 10.14 step 7: what was pinned is what the caller sees at uptr. */
static int check_pages(struct model *model, const struct model_access *access, uint64_t iova,
	uint64_t length, uint64_t uptr)
{
	uint64_t count = (iova % MODEL_PAGE + length - 1) / MODEL_PAGE + 1;

	uptr -= iova % MODEL_PAGE;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = i ? iova - iova % MODEL_PAGE + i * MODEL_PAGE : iova;
		uint32_t index = model_area_index(access->ioas, at);
		const struct model_area *area = index < access->ioas->areas.count
							? model_area_at(access->ioas, index)
							: NULL;
		struct model_page *seen;
		int rc = model_fault(
			model, model->process->mm, uptr + i * MODEL_PAGE, MODEL_LOOK, &seen);

		if (rc)
			return rc;
		if (!seen || !area || area->start > at ||
			model_pages_pinned(area->pages, model_area_page(area, at)) != seen)
			return -EBADE;
	}
	return 0;
}

/* 10.14 from step 4 on. */
static int access_pages(
	struct model *model, struct model_access *access, struct model_command *command)
{
	uint64_t iova = command->test.access_pages.iova, length = command->test.access_pages.length;
	uint32_t flags = command->test.access_pages.flags;
	struct model_pin *item;
	int rc;

	if (!access->needs_pin)
		return -EOPNOTSUPP;
	model_access_step(model, access);
	if (flags & MOCK_FLAGS_ACCESS_SYZ)
		iova = access->ioas ? model_syz_address(access->ioas, iova) : 0;
	rc = model_access_pin(model, access, iova, length, flags & MOCK_FLAGS_ACCESS_WRITE);
	if (rc)
		return rc;
	if (command->test.access_pages.uptr)
		rc = check_pages(model, access, iova, length, command->test.access_pages.uptr);
	if (!rc) {
		/* The id is used up even when the answer cannot be written. */
		command->test.access_pages.out_access_pages_id = access->next_item++;
		rc = model_respond(model, command);
	}
	if (rc) {
		model_access_unpin(model, access, iova, length);
		return rc;
	}
	item = model_array_insert(model, &access->pins, access->pins.count);
	*item = (struct model_pin){.iova = iova, .length = length, .id = access->next_item - 1};
	return 0;
}

int64_t model_rule_IOMMU_TEST_OP_ACCESS_PAGES(struct model *model, struct model_command *command)
{
	uint32_t flags = command->test.access_pages.flags;
	struct model_file *file;
	int rc;

	if (command->test.access_pages.length > ACCESS_LENGTH_MAX)
		return -ENOMEM;
	if (flags & ~(uint32_t)(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;
	file = access_file(model, command->test.id);
	if (!file)
		return -EBADFD;
	rc = access_pages(model, file->access, command);
	model_file_put(model, file);
	return rc;
}

/* 10.15 from step 4 on. */
static int access_rw(
	struct model *model, struct model_access *access, const struct model_command *command)
{
	uint64_t iova = command->test.access_rw.iova, length = command->test.access_rw.length;
	uint64_t uptr = command->test.access_rw.uptr;
	uint32_t flags = command->test.access_rw.flags;
	bool write = flags & MOCK_ACCESS_RW_WRITE;
	uint64_t done;
	uint8_t *bytes = model_alloc(model, length);
	int rc = 0;

	if (write)
		rc = model_copy_in(model, bytes, uptr, length);
	if (!rc) {
		uint32_t how = (write ? CALL_ACCESS_WRITE : 0) |
			       (flags & MOCK_ACCESS_RW_SLOW_PATH ? CALL_ACCESS_SLOW_PATH : 0);

		model_access_step(model, access);
		if (flags & MOCK_FLAGS_ACCESS_SYZ)
			iova = access->ioas ? model_syz_address(access->ioas, iova) : 0;
		rc = model_access_rw(model, access, iova, bytes, length, how, &done);
	}
	if (!rc && !write) {
		model_phase(model, "user-copy");
		rc = model_copy_out(model, uptr, bytes, length);
	}
	model_free(model, bytes, length);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_ACCESS_RW(struct model *model, struct model_command *command)
{
	struct model_file *file;
	int rc;

	if (command->test.access_rw.length > ACCESS_LENGTH_MAX)
		return -ENOMEM;
	if (command->test.access_rw.flags &
		~(uint32_t)(MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH |
			    MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;
	file = access_file(model, command->test.id);
	if (!file)
		return -EBADFD;
	rc = access_rw(model, file->access, command);
	model_file_put(model, file);
	return rc;
}

int64_t model_rule_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS(
	struct model *model, struct model_command *command)
{
	struct model_file *file = access_file(model, command->test.id);
	int rc;

	if (!file)
		return -EBADFD;
	rc = model_access_replace(model, file->access, command->test.access_replace_ioas.ioas_id);
	model_file_put(model, file);
	return rc;
}
