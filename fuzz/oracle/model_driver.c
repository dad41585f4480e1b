/* SPDX-License-Identifier: Apache-2.0 */
/* The calls access_*: a driver that uses the access API of specification 7. */
#include "fuzz/oracle/model.h"

#define RW_MAX (UINT64_C(16) << 20)

/*
 * Kept until let_go, also if another thread destroys it. While that goes on only callbacks that
 * began before are let in.
 */
static struct model_access *subject(const struct model *model)
{
	uint64_t handle = model->call->subject;
	struct model_access *access = NULL;

	if (handle && handle <= model->accesses.count)
		access = *(struct model_access **)model_array_at(
			&model->accesses, (uint32_t)handle - 1);
	if (access && access->dying && !access->callbacks[model->call->thread])
		access = NULL;
	if (access)
		access->uses++;
	return access;
}

static int64_t let_go(struct model *model, struct model_access *access, int64_t result)
{
	if (!--access->uses && !access->handle)
		model_free(model, access, sizeof(*access));
	return result;
}

static uint32_t lowest_handle(struct model *model)
{
	uint32_t i = 0;

	while (i < model->accesses.count &&
		*(struct model_access **)model_array_at(&model->accesses, i))
		i++;
	if (i == model->accesses.count)
		model_array_insert(model, &model->accesses, i);
	return i + 1;
}

int64_t model_rule_access_create(struct model *model, struct model_command *command)
{
	struct model_file *file = model_file_at(model, model->call->subject);
	struct call_access_create create;
	struct model_access *access;

	(void)command;
	memcpy(&create, model->arguments, sizeof(create));
	if (!file)
		return -EBADF;
	if (file->kind != MODEL_FILE_IOMMU)
		return -EBADFD;
	file->refs++;
	model_phase(model, "object_table");
	access = model_access_new(model, file->context);
	access->needs_pin = create.flags & CALL_ACCESS_NEEDS_PIN;
	access->has_unmap = !(create.flags & CALL_ACCESS_NO_UNMAP);
	create.out_access_id = access->object.id;
	model_phase(model, "other");
	create.out_access = lowest_handle(model);
	access->handle = create.out_access;
	*(struct model_access **)model_array_at(&model->accesses, create.out_access - 1) = access;
	model_file_put(model, file);
	memcpy(model->arguments, &create, sizeof(create));
	return 0;
}

static uint32_t ioas_argument(const struct model *model)
{
	struct call_access_ioas argument;

	memcpy(&argument, model->arguments, sizeof(argument));
	return argument.ioas_id;
}

int64_t model_rule_access_attach(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);

	(void)command;
	if (!access)
		return -EBADF;
	return let_go(model, access, model_access_attach(model, access, ioas_argument(model)));
}

int64_t model_rule_access_replace(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);

	(void)command;
	if (!access)
		return -EBADF;
	return let_go(model, access, model_access_replace(model, access, ioas_argument(model)));
}

int64_t model_rule_access_detach(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);

	(void)command;
	if (!access)
		return -EBADF;
	model_access_detach(model, access);
	return let_go(model, access, 0);
}

int64_t model_rule_access_destroy(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);

	(void)command;
	if (!access)
		return -EBADF;
	if (access->dying)
		return let_go(model, access, -EBADF);
	/* It would wait for the callback that it runs in. */
	if (access->callbacks[model->call->thread])
		return let_go(model, access, -EDEADLK);
	model_access_destroy(model, access);
	return let_go(model, access, 0);
}

int64_t model_rule_access_pin(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);
	struct call_access_pin pin;
	struct model_pin *kept;
	int rc;

	(void)command;
	memcpy(&pin, model->arguments, sizeof(pin));
	if (!access)
		return -EBADF;
	model_access_step(model, access);
	rc = model_access_pin(model, access, pin.iova, pin.length, pin.flags & CALL_ACCESS_WRITE);
	if (rc)
		return let_go(model, access, rc);
	kept = model_array_insert(model, &access->pins, access->pins.count);
	*kept = (struct model_pin){.iova = pin.iova, .length = pin.length};
	return let_go(model, access, 0);
}

int64_t model_rule_access_unpin(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);
	struct call_access_pin pin;

	(void)command;
	memcpy(&pin, model->arguments, sizeof(pin));
	if (!access)
		return -EBADF;
	model_access_step(model, access);
	for (uint32_t i = access->pins.count; i--;) {
		const struct model_pin *kept = model_array_at(&access->pins, i);

		if (kept->iova == pin.iova && kept->length == pin.length) {
			model_array_remove(&access->pins, i, 1);
			break;
		}
	}
	model_access_unpin(model, access, pin.iova, pin.length);
	return let_go(model, access, 0);
}

/* 7.7 between the areas and the user address that stands for the driver's buffer. */
static int rw_buffer(
	struct model *model, struct model_access *access, const struct call_access_rw *rw)
{
	uint8_t *bytes = model_alloc(model, rw->length);
	uint64_t done = 0;
	int rc = 0;

	if (rw->flags & CALL_ACCESS_WRITE)
		rc = model_copy_in(model, bytes, rw->buffer, rw->length);
	if (!rc) {
		model_access_step(model, access);
		rc = model_access_rw(model, access, rw->iova, bytes, rw->length, rw->flags, &done);
	}
	/* The driver's buffer has what came before a failure. */
	if (done && !(rw->flags & CALL_ACCESS_WRITE)) {
		int copied = model_copy_out(model, rw->buffer, bytes, done);

		rc = rc ? rc : copied;
	}
	model_free(model, bytes, rw->length);
	return rc;
}

int64_t model_rule_access_rw(struct model *model, struct model_command *command)
{
	struct model_access *access = subject(model);
	struct call_access_rw rw;
	int rc;

	(void)command;
	memcpy(&rw, model->arguments, sizeof(rw));
	if (!access)
		return -EBADF;
	rc = !rw.length ? -EINVAL : rw.length > RW_MAX ? -ENOMEM : rw_buffer(model, access, &rw);
	return let_go(model, access, rc);
}
