/* SPDX-License-Identifier: Apache-2.0 */
/* How an iommufd command comes in and goes back (specification 1.3 and 1.4). */
#include "fuzz/oracle/model.h"

#define FIRST_NUMBER 0x80u
#define LAST_NUMBER  0xa0u

int model_respond(struct model *model, const struct model_command *command)
{
	uint32_t count = command->user_size < command->size ? command->user_size : command->size;

	model_pass_struct(model, command->address);
	return model_copy_out(model, command->address, command->bytes, count);
}

/* Steps 5 and 6. */
static int copy_struct(
	struct model *model, const struct call_row *row, struct model_command *command)
{
	uint32_t count = command->user_size;
	int rc;

	if (count < row->min_size)
		return -EINVAL;
	if (count > row->size) {
		/* It may reach into what other threads write. */
		model_phase(model, "user-copy");
		rc = model_copy_tail(model, command->address + row->size, count - row->size);
		if (rc)
			return rc;
		count = row->size;
	}
	model_pass_struct(model, command->address);
	return model_copy_in(model, command->bytes, command->address, count);
}

/* Commands that the catalogue divides by operation: the row of the one asked for, NULL if unknown.
 */
static const struct call_row *select_row(
	const struct call_row *row, const struct model_command *command)
{
	uint32_t value = 0, number = row->number;

	if (row->selector < 0)
		return row;
	memcpy(&value, command->bytes + row->selector, row->selector_width);
	for (; row < call_rows + CALL_ID_COUNT && row->number == number; row++)
		if (row->selector_value == value)
			return row;
	return NULL;
}

static int64_t run_command(
	struct model *model, struct model_context *context, uint32_t number, uint64_t address)
{
	int16_t first = model->first_row[number & 0xff];
	const struct call_row *row = first < 0 ? NULL : &call_rows[first];
	struct model_command command = {.context = context, .address = address};
	bool known = row && row->number == number && row->since <= model->config.kernel;
	int rc;

	model_pass_struct(model, address);
	if (model_copy_in(model, &command.user_size, address, sizeof(command.user_size)))
		return -EFAULT;
	if (!known || (row->selector < 0 && !row->implemented))
		return -ENOTTY;
	command.size = row->size;
	rc = copy_struct(model, row, &command);
	if (rc)
		return rc;
	row = select_row(row, &command);
	if (!row || row->since > model->config.kernel)
		return -EOPNOTSUPP;
	if (!row->implemented)
		return -ENOTTY;
	return model_rule_of((enum call_id)(row - call_rows))(model, &command);
}

/* Commands outside the table: VFIO's, of which each reads its argument itself. Step 2. */
static int64_t run_vfio(
	struct model *model, struct model_context *context, uint32_t number, uint64_t argument)
{
	struct model_command command = {.context = context, .address = argument};
	int row = call_find_ioctl(RESOURCE_IOMMUFD, number, NULL, 0);

	if (row < 0 || !call_rows[row].implemented)
		return -ENOTTY;
	return model_rule_of((enum call_id)row)(model, &command);
}

int64_t model_ioctl(struct model *model, uint64_t fd, uint32_t number, uint64_t address)
{
	struct model_file *file = model_file_at(model, fd);
	uint32_t low = number & 0xff;
	int64_t rc;

	if (!file)
		return -EBADF;
	if (file->kind != MODEL_FILE_IOMMU)
		return -ENOTTY;
	file->refs++;
	rc = (low < FIRST_NUMBER || low > LAST_NUMBER ? run_vfio : run_command)(
		model, file->context, number, address);
	model_file_put(model, file);
	return rc;
}
