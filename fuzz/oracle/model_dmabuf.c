/* SPDX-License-Identifier: Apache-2.0 */
/* The dma-bufs of the tests, and what is left of a mapping that was taken back (specification 4.7
 * and 10.24). */
#include "fuzz/oracle/model.h"

#define PAGES_MAX    512
#define OPEN_CLOEXEC UINT32_C(0x80000)

int64_t model_rule_IOMMU_TEST_OP_DMABUF_GET(struct model *model, struct model_command *command)
{
	uint64_t length = command->test.dmabuf_get.length;
	uint32_t flags = command->test.dmabuf_get.open_flags;
	uint64_t pages = length / MODEL_PAGE + (length % MODEL_PAGE != 0);
	struct model_file *file;
	int64_t fd;

	if (pages == 0 || pages > PAGES_MAX)
		return -EINVAL;
	file = model_file_new(model, MODEL_FILE_DMABUF);
	file->memory = model_backing_new(model, pages * MODEL_PAGE);
	file->open_flags = flags;
	model_array_init(&file->attached, sizeof(struct model_pages *));
	for (uint64_t i = 0; i < pages; i++)
		model_backing_page(model, file->memory, i, true);
	fd = model_file_install(model, model->process, file, flags & OPEN_CLOEXEC);
	if (fd < 0)
		model_file_put(model, file);
	return fd < 0 || model->config.dmabuf_descriptor ? fd : 0;
}

int64_t model_rule_IOMMU_TEST_OP_DMABUF_REVOKE(struct model *model, struct model_command *command)
{
	int32_t fd = command->test.dmabuf_revoke.dmabuf_fd;
	struct model_file *file = fd < 0 ? NULL : model_file_at(model, (uint64_t)fd);

	if (!file)
		return -EBADF;
	if (file->kind != MODEL_FILE_DMABUF)
		return -EINVAL;
	file->refs++;
	model_phase(model, "dmabuf");
	file->revoked = command->test.dmabuf_revoke.revoked != 0;
	/* Whatever it is set to: who is attached loses the memory. */
	for (uint32_t i = 0; i < file->attached.count; i++)
		(*(struct model_pages **)model_array_at(&file->attached, i))->dead = true;
	model_file_put(model, file);
	return 0;
}

bool model_opened_for(const struct model_file *file, bool write)
{
	if (file->kind != MODEL_FILE_DMABUF)
		return true;
	switch (file->open_flags & 3) {
	case 0: return !write;
	case 1: return write;
	case 2: return true;
	default: return false;
	}
}

void model_dmabuf_end(struct model *model, struct model_file *file)
{
	model_array_end(model, &file->attached);
	model_backing_put(model, file->memory);
}

bool model_pages_of_dmabuf(const struct model_pages *pages)
{
	return pages->file && pages->file->kind == MODEL_FILE_DMABUF;
}

void model_dmabuf_attach(struct model *model, struct model_pages *pages)
{
	struct model_array *attached = &pages->file->attached;

	pages->account = MODEL_ACCOUNT_NONE;
	*(struct model_pages **)model_array_insert(model, attached, attached->count) = pages;
}

void model_dmabuf_detach(struct model_pages *pages)
{
	struct model_array *attached = &pages->file->attached;

	for (uint32_t i = attached->count; i--;)
		if (*(struct model_pages **)model_array_at(attached, i) == pages)
			model_array_remove(attached, i, 1);
}

struct model_page *model_dmabuf_page(const struct model_pages *pages, uint64_t index)
{
	if (pages->dead)
		return NULL;
	return model_backing_page(
		NULL, pages->file->memory, pages->start / MODEL_PAGE + index, false);
}
