/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and their descriptors. */
#include "fuzz/oracle/model.h"

struct model_task *model_task_get(struct model_task *task)
{
	task->refs++;
	return task;
}

void model_task_put(struct model *model, struct model_task *task)
{
	if (--task->refs == 0)
		model_free(model, task, sizeof(*task));
}

struct model_uid *model_uid(struct model *model, uint32_t uid)
{
	struct model_uid *entry;

	for (uint32_t i = 0; i < model->uids.count; i++) {
		entry = model_array_at(&model->uids, i);
		if (entry->uid == uid)
			return entry;
	}
	entry = model_array_insert(model, &model->uids, model->uids.count);
	entry->uid = uid;
	return entry;
}

void model_process_start(struct model *model, struct model_process *process, uint32_t uid,
	uint32_t caps, uint64_t memlock)
{
	process->alive = true;
	process->task = model_alloc(model, sizeof(*process->task));
	*process->task =
		(struct model_task){.refs = 1, .uid = uid, .caps = caps, .memlock = memlock};
	model_array_init(&process->files, sizeof(struct model_descriptor));
}

void model_process_exit(struct model *model, struct model_process *process)
{
	if (!process->alive)
		return;
	process->alive = false;
	/* Memory goes before descriptors, so what a close unpins is not mapped any more. */
	model_mm_exit(model, process->mm);
	for (uint32_t i = 0; i < process->files.count; i++) {
		struct model_file *file = model_file_remove(process, MODEL_FIRST_FD + (uint64_t)i);

		if (file)
			model_file_put(model, file);
	}
	model_array_end(model, &process->files);
	model_mm_put(model, process->mm);
	model_task_put(model, process->task);
}

/* Descriptors are int: what does not fit is none. */
static struct model_descriptor *descriptor_at(const struct model_process *process, uint64_t fd)
{
	if (fd < MODEL_FIRST_FD || fd - MODEL_FIRST_FD >= process->files.count)
		return NULL;
	return model_array_at(&process->files, (uint32_t)(fd - MODEL_FIRST_FD));
}

struct model_file *model_file_at(struct model *model, uint64_t fd)
{
	struct model_descriptor *descriptor = descriptor_at(model->process, fd);

	return descriptor && !descriptor->reserved ? descriptor->file : NULL;
}

struct model_file *model_file_new(struct model *model, enum model_file_kind kind)
{
	struct model_file *file = model_alloc(model, sizeof(*file));

	file->refs = 1;
	file->kind = (uint8_t)kind;
	return file;
}

static void file_release(struct model *model, struct model_file *file)
{
	switch (file->kind) {
	case MODEL_FILE_IOMMU: model_context_end(model, file->context); break;
	case MODEL_FILE_ACCESS: model_access_destroy(model, file->access); break;
	case MODEL_FILE_MEMFD: model_backing_put(model, file->memory); break;
	case MODEL_FILE_DMABUF: model_dmabuf_end(model, file); break;
	case MODEL_FILE_FAULT: model_fault_close(model, file->fault); break;
	case MODEL_FILE_VEVENTQ: model_veventq_close(model, file->veventq); break;
	}
	model_free(model, file, sizeof(*file));
}

void model_file_put(struct model *model, struct model_file *file)
{
	if (--file->refs == 0)
		file_release(model, file);
}

int64_t model_file_install(struct model *model, struct model_process *process,
	struct model_file *file, bool close_on_exec)
{
	struct model_array *files = &process->files;
	struct model_descriptor *descriptor;
	uint32_t i = 0;

	while (i < files->count && ((struct model_descriptor *)model_array_at(files, i))->file)
		i++;
	if (i + MODEL_FIRST_FD >= MODEL_FD_MAX)
		return -EMFILE;
	if (i == files->count)
		model_array_insert(model, files, i);
	descriptor = model_array_at(files, i);
	descriptor->file = file;
	descriptor->close_on_exec = close_on_exec;
	descriptor->reserved = false;
	return MODEL_FIRST_FD + (int64_t)i;
}

int64_t model_file_reserve(struct model *model, struct model_process *process,
	struct model_file *file, bool close_on_exec)
{
	int64_t fd = model_file_install(model, process, file, close_on_exec);

	if (fd >= 0)
		descriptor_at(process, (uint64_t)fd)->reserved = true;
	return fd;
}

/* The process may have ended meanwhile. */
void model_file_publish(struct model_process *process, uint64_t fd)
{
	struct model_descriptor *descriptor = descriptor_at(process, fd);

	if (descriptor)
		descriptor->reserved = false;
}

void model_file_withdraw(struct model_process *process, uint64_t fd)
{
	model_file_publish(process, fd);
	model_file_remove(process, fd);
}

struct model_file *model_file_remove(struct model_process *process, uint64_t fd)
{
	struct model_descriptor *descriptor = descriptor_at(process, fd);
	struct model_file *file;

	if (!descriptor || descriptor->reserved)
		return NULL;
	file = descriptor->file;
	descriptor->file = NULL;
	return file;
}

void model_process_exec(struct model *model, struct model_process *process)
{
	struct model_mm *old = process->mm;

	process->mm = model_mm_fresh(model);
	model_mm_exit(model, old);
	model_mm_put(model, old);
	for (uint32_t i = 0; i < process->files.count; i++) {
		struct model_descriptor *descriptor = model_array_at(&process->files, i);

		if (descriptor->file && !descriptor->reserved && descriptor->close_on_exec)
			model_file_put(
				model, model_file_remove(process, MODEL_FIRST_FD + (uint64_t)i));
	}
}

void model_process_fork(
	struct model *model, struct model_process *parent, struct model_process *child)
{
	model_process_start(
		model, child, parent->task->uid, parent->task->caps, parent->task->memlock);
	child->mm = model_mm_fork(model, parent->mm);
	for (uint32_t i = 0; i < parent->files.count; i++) {
		struct model_descriptor *from = model_array_at(&parent->files, i);

		struct model_descriptor *to = model_array_insert(model, &child->files, i);

		if (!from->file || from->reserved)
			continue;
		*to = *from;
		to->file->refs++;
	}
}
