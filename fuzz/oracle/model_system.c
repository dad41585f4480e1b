/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on descriptors and processes, and the raw ioctl. */
#include "fuzz/oracle/model.h"

#define READY_FILE                                                                                 \
	((uint32_t)(CALL_POLL_IN | CALL_POLL_OUT | CALL_POLL_RDNORM |                              \
		    0x100))		   /* a file without poll; WRNORM */
#define TRANSFER_MAX  UINT64_C(0x7ffff000) /* bytes of one read or write */
#define FILE_MAX      INT64_MAX
#define MEMFD_CLOEXEC 1u
#define MEMFD_FLAGS   3u /* CLOEXEC, ALLOW_SEALING */

static struct model_file *subject_file(struct model *model)
{
	return model_file_at(model, model->call->subject);
}

/* A process that the call names, NULL if there is no such number. */
static struct model_process *named_process(struct model *model)
{
	return model->call->name < PROG_PROCESS_MAX ? &model->processes[model->call->name] : NULL;
}

/* The number first, the open file behind it a step later. Takes over the reference. */
static int64_t install_later(struct model *model, struct model_file *file, bool close_on_exec)
{
	struct model_process *process = model->process;
	int64_t fd = model_file_reserve(model, process, file, close_on_exec);

	if (fd < 0) {
		model_file_put(model, file);
		return fd;
	}
	model_phase(model, "put");
	model_file_publish(process, (uint64_t)fd);
	return fd;
}

int64_t model_rule_open(struct model *model, struct model_command *command)
{
	struct model_file *file;
	struct call_open open;

	(void)command;
	memcpy(&open, model->arguments, sizeof(open));
	/* No other nodes exist yet. */
	if (open.path != CALL_OPEN_IOMMU &&
		(open.path != CALL_OPEN_CONTAINER || !model->config.vfio_container))
		return -ENOENT;
	file = model_file_new(model, MODEL_FILE_IOMMU);
	file->context = model_context_new(model, file);
	file->context->mode_mm = open.path == CALL_OPEN_CONTAINER;
	return install_later(model, file, false);
}

int64_t model_rule_close(struct model *model, struct model_command *command)
{
	struct model_file *file = model_file_remove(model->process, model->call->subject);

	(void)command;
	if (!file)
		return -EBADF;
	model_file_put(model, file);
	return 0;
}

static int64_t give(struct model *model, struct model_process *to)
{
	struct model_file *file = subject_file(model);
	int64_t fd;

	if (!file)
		return -EBADF;
	/* Kept while another thread may close the descriptor, whose number is free then. */
	file->refs++;
	model_phase(model, "put");
	fd = to && to->alive ? model_file_install(model, to, file, false) : -ESRCH;
	if (fd < 0)
		model_file_put(model, file);
	return fd;
}

int64_t model_rule_dup(struct model *model, struct model_command *command)
{
	(void)command;
	return give(model, model->process);
}

int64_t model_rule_pass(struct model *model, struct model_command *command)
{
	(void)command;
	return give(model, named_process(model));
}

static uint32_t ready_of(const struct model_file *file)
{
	switch (file->kind) {
	case MODEL_FILE_FAULT: return model_fault_poll(file->fault);
	case MODEL_FILE_VEVENTQ: return model_veventq_poll(file->veventq);
	case MODEL_FILE_DMABUF: return CALL_POLL_IN | CALL_POLL_OUT;
	default: return READY_FILE;
	}
}

int64_t model_rule_poll(struct model *model, struct model_command *command)
{
	const struct model_file *file = subject_file(model);
	struct call_poll poll;

	(void)command;
	memcpy(&poll, model->arguments, sizeof(poll));
	if (!file)
		return -EBADF;
	return poll.events & ready_of(file);
}

int64_t model_rule_memfd(struct model *model, struct model_command *command)
{
	struct model_file *file;
	struct call_memfd memfd;
	bool huge = false;
	int64_t fd;

	(void)command;
	memcpy(&memfd, model->arguments, sizeof(memfd));
	if (memfd.flags & CALL_MEMFD_HUGETLB && model->config.huge_pages)
		huge = true;
	if (memfd.flags & ~(MEMFD_FLAGS | (huge ? CALL_MEMFD_HUGETLB : 0u)) ||
		(huge && memfd.size % MODEL_HUGE))
		return -EINVAL;
	file = model_file_new(model, MODEL_FILE_MEMFD);
	file->memory = model_backing_new(model, memfd.size > FILE_MAX ? 0 : memfd.size);
	file->memory->huge = huge;
	fd = install_later(model, file, memfd.flags & MEMFD_CLOEXEC);
	if (fd >= 0 && memfd.size > FILE_MAX)
		model_file_put(model, model_file_remove(model->process, (uint64_t)fd));
	return fd >= 0 && memfd.size > FILE_MAX ? -EINVAL : fd;
}

int64_t model_rule_ftruncate(struct model *model, struct model_command *command)
{
	struct model_file *file = subject_file(model);
	struct call_ftruncate argument;

	(void)command;
	memcpy(&argument, model->arguments, sizeof(argument));
	if (argument.size > FILE_MAX)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (file->kind != MODEL_FILE_MEMFD)
		return -EINVAL;
	if (file->memory->huge && argument.size % MODEL_HUGE)
		return -EINVAL;
	model_backing_resize(model, file->memory, argument.size);
	return 0;
}

/* One page of a transfer at the file's offset: how much was moved. */
static uint64_t read_piece(
	struct model *model, struct model_file *file, uint64_t address, uint64_t count)
{
	struct model_page *page =
		model_backing_page(model, file->memory, file->offset / MODEL_PAGE, false);
	uint8_t bytes[4096];

	model_page_read(page, file->offset % MODEL_PAGE, bytes, count);
	return model_poke(model, model->process->mm, address, bytes, count);
}

static uint64_t write_piece(
	struct model *model, struct model_file *file, uint64_t address, uint64_t count)
{
	uint8_t bytes[4096];
	uint64_t done = model_peek(model, model->process->mm, bytes, address, count);

	if (!done)
		return 0;
	if (file->offset + done > file->memory->size)
		file->memory->size = file->offset + done;
	model_store(model, model_backing_page(model, file->memory, file->offset / MODEL_PAGE, true),
		file->offset % MODEL_PAGE, bytes, done);
	return done;
}

/* Of a descriptor that others may close meanwhile. */
static int64_t transfer_events(struct model *model, struct model_file *file,
	const struct call_transfer *argument, bool write)
{
	int64_t rc;

	file->refs++;
	if (file->kind == MODEL_FILE_VEVENTQ)
		rc = model_veventq_read(model, file->veventq, argument->at, argument->length);
	else if (write)
		rc = model_fault_write(model, file->fault, argument->at, argument->length);
	else
		rc = model_fault_read(model, file->fault, argument->at, argument->length);
	model_file_put(model, file);
	return rc;
}

static bool can_transfer(const struct model_file *file, bool write)
{
	return file->kind == MODEL_FILE_MEMFD || file->kind == MODEL_FILE_FAULT ||
	       (file->kind == MODEL_FILE_VEVENTQ && !write);
}

static int64_t transfer(struct model *model, bool write)
{
	struct model_file *file = subject_file(model);
	struct call_transfer argument;
	uint64_t length, total = 0;

	memcpy(&argument, model->arguments, sizeof(argument));
	if (!file)
		return -EBADF;
	if (!model_opened_for(file, write))
		return -EBADF;
	if (!can_transfer(file, write))
		return -EINVAL;
	/* Before the file is asked, also where nothing is to be moved. */
	if (argument.length > MODEL_TASK_SIZE || argument.at > MODEL_TASK_SIZE - argument.length)
		return -EFAULT;
	if (file->kind != MODEL_FILE_MEMFD)
		return transfer_events(model, file, &argument, write);
	if (write && file->memory->huge)
		return -EINVAL;
	length = argument.length < TRANSFER_MAX ? argument.length : TRANSFER_MAX;
	if (!write) {
		uint64_t left =
			file->memory->size > file->offset ? file->memory->size - file->offset : 0;

		length = length < left ? length : left;
	}
	if (length && model_should_fail(model, FAULT_USER_COPY))
		return -EFAULT;
	while (total < length) {
		uint64_t piece = MODEL_PAGE - file->offset % MODEL_PAGE, done;

		if (piece > length - total)
			piece = length - total;
		done = write ? write_piece(model, file, argument.at + total, piece)
			     : read_piece(model, file, argument.at + total, piece);
		file->offset += done;
		total += done;
		/* A write goes on where it was short: its source may be the file that it made
		 * longer. */
		if (write ? !done : done < piece)
			return total ? (int64_t)total : -EFAULT;
	}
	return (int64_t)total;
}

int64_t model_rule_read(struct model *model, struct model_command *command)
{
	(void)command;
	return transfer(model, false);
}

int64_t model_rule_write(struct model *model, struct model_command *command)
{
	(void)command;
	return transfer(model, true);
}

int64_t model_rule_ioctl(struct model *model, struct model_command *command)
{
	const struct resolved_call *call = model->call;
	const uint32_t skip = offsetof(struct call_ioctl, size);
	struct call_ioctl ioctl;

	(void)command;
	memcpy(&ioctl, model->arguments, sizeof(ioctl));
	model_place(
		model, model->process->mm, call->at, call->image + skip, call->image_size - skip);
	return model_ioctl(model, call->subject, ioctl.number, call->at);
}

/* ---- processes ---- */

int64_t model_rule_fork(struct model *model, struct model_command *command)
{
	struct model_process *child = named_process(model);

	(void)command;
	if (!child)
		return -EINVAL;
	if (child->alive)
		return -EEXIST;
	model_process_fork(model, model->process, child);
	return 0;
}

int64_t model_rule_process(struct model *model, struct model_command *command)
{
	struct model_process *fresh = named_process(model);
	struct call_process argument;

	(void)command;
	memcpy(&argument, model->arguments, sizeof(argument));
	if (!fresh)
		return -EINVAL;
	if (fresh->alive)
		return -EEXIST;
	model_process_start(model, fresh, argument.uid, argument.caps, argument.memlock);
	fresh->mm = model_mm_fresh(model);
	return 0;
}

/* Other threads end with their process, behind the calls that they are in. */
static void wait_for_threads(struct model *model)
{
	const struct model_process *process = model->process;
	unsigned thread = model->call->thread;

	for (unsigned t = 0; model->turns && t < EXEC_THREADS; t++)
		while (t != thread && process->calls[t]) {
			model_take_turns(model, "wait", true);
			t = 0;
		}
}

int64_t model_rule_exec(struct model *model, struct model_command *command)
{
	(void)command;
	wait_for_threads(model);
	model_process_exec(model, model->process);
	return 0;
}

int64_t model_rule_exit(struct model *model, struct model_command *command)
{
	(void)command;
	wait_for_threads(model);
	model_process_exit(model, model->process);
	return 0;
}

int64_t model_rule_setrlimit(struct model *model, struct model_command *command)
{
	struct call_setrlimit argument;

	(void)command;
	memcpy(&argument, model->arguments, sizeof(argument));
	model->process->task->memlock = argument.memlock;
	return 0;
}

int64_t model_rule_setcaps(struct model *model, struct model_command *command)
{
	struct call_setcaps argument;

	(void)command;
	memcpy(&argument, model->arguments, sizeof(argument));
	model->process->task->caps = argument.caps;
	return 0;
}

int64_t model_rule_memory_usage(struct model *model, struct model_command *command)
{
	const struct model_mm *mm = model->process->mm;
	struct call_memory_usage usage = {
		.vm_pinned = mm->pinned * MODEL_PAGE, .vm_locked = mm->locked * MODEL_PAGE};

	(void)command;
	memcpy(model->arguments, &usage, sizeof(usage));
	return 0;
}

/* ---- control calls are the executor's ---- */

#define CONTROL_RULE(name)                                                                         \
	int64_t model_rule_##name(struct model *model, struct model_command *command)              \
	{                                                                                          \
		(void)model;                                                                       \
		(void)command;                                                                     \
		return 0;                                                                          \
	}
CONTROL_RULE(join)
CONTROL_RULE(barrier)
CONTROL_RULE(on)
CONTROL_RULE(unpin_all)
CONTROL_RULE(unpin)
CONTROL_RULE(wait)
CONTROL_RULE(nothing)
