/* SPDX-License-Identifier: Apache-2.0 */
/* From the ioctl to its handler: framing exactly as 1.3, response as 1.4. */
#include "impl/iommufd/iommufd.h"

#define COMMAND_SLOTS 0x21 /* 0x80 to 0xA0 */
#define TEST_OPS      (IOMMU_TEST_OP_DMABUF_REVOKE + 1)

typedef int64_t (*command_handler)(struct command *command);

/* The build fails where an implemented row has no handler. */
static const command_handler handlers[CALL_ID_COUNT] = {
#define CALL(identifier, ...) [CALL_ID_##identifier] = handle_##identifier,
#define CALL_LATER(...)
#include "impl/abi/calls_iommufd.def"
#include "impl/abi/calls_test.def"
#include "impl/abi/calls_vfio.def"
#undef CALL
#undef CALL_LATER
};

/*
 * Row id + 1 by command slot; 0 is a hole. Rows that share IOMMU_OPTION would share its slot: they
 * go behind the table, where nobody looks, and the slot names the first of them.
 */
static const uint16_t command_rows[COMMAND_SLOTS + 2] = {
	[(IOMMU_OPTION & 0xff) - IOMMUFD_CMD_BASE] = CALL_ID_IOMMU_OPTION_RLIMIT_MODE + 1,
	[(IOMMU_TEST_CMD & 0xff) - IOMMUFD_CMD_BASE] = CALL_ID_IOMMU_TEST_OP_ADD_RESERVED + 1,
#define IOMMUFD_IOCTL(type, number, ...)			[((number) & 0xff) - IOMMUFD_CMD_BASE] =
#define IOMMUFD_SELECTED(type, number, min, member, value, ...) [COMMAND_SLOTS + (value)] =
#define CALL(identifier, name, row, ...)			row CALL_ID_##identifier + 1,
#define CALL_LATER(identifier, name, row, ...)			row CALL_ID_##identifier + 1,
#include "impl/abi/calls_iommufd.def"
#undef CALL
#undef CALL_LATER
#undef IOMMUFD_IOCTL
#undef IOMMUFD_SELECTED
};

/* Row id + 1 by IOMMU_TEST_CMD operation. */
static const uint16_t test_rows[TEST_OPS] = {
#define CALL(identifier, ...)	    [identifier] = CALL_ID_##identifier + 1,
#define CALL_LATER(identifier, ...) [identifier] = CALL_ID_##identifier + 1,
#include "impl/abi/calls_test.def"
#undef CALL
#undef CALL_LATER
};

int command_respond(struct command *command)
{
	uint32_t count = command->user_size < command->size ? command->user_size : command->size;

	if (SIM_BUG(command->task, RESPOND_TOO_LONG) && command->user_size > command->size &&
		command->user_size <= sizeof(command->bytes))
		count = command->user_size;
	return copy_to_user(command->task, command->address, command->bytes, count);
}

int user_data_copy(struct task *task, void *data, size_t size, size_t minimum, uint64_t address,
	uint32_t length)
{
	if (length < minimum)
		return -EINVAL;
	if (length > size && !SIM_BUG(task, HWPT_DATA_LONG))
		return -EINVAL;
	memset(data, 0, size);
	return copy_from_user(task, data, address, length < size ? length : size);
}

/* Steps 5 and 6 of 1.3. */
static int command_copy_in(struct command *command, const struct call_row *row)
{
	struct task *task = command->task;
	uint32_t user_size = command->user_size, count = user_size;
	uint32_t min_size = row->min_size;
	int rc;

	if (SIM_BUG(task, MIN_SIZE_LOW))
		min_size -= 4;
	if (user_size < min_size)
		return -EINVAL;
	command->size = row->size;
	if (user_size > row->size) {
		if (!SIM_BUG(task, TAIL_UNCHECKED)) {
			rc = check_zeroed_user(
				task, command->address + row->size, user_size - row->size);
			if (rc < 0)
				return rc;
			if (!rc)
				return SIM_BUG(task, TAIL_INVALID) ? -EINVAL : -E2BIG;
		}
		count = row->size;
	} else if (user_size < row->size) {
		memset(command->bytes + user_size, 0, row->size - user_size);
	}
	return copy_from_user(task, command->bytes, command->address, count);
}

/* IOMMU_OPTION: the row by option_id. The reserved field comes first, with the same errno. 4.9 */
static int64_t dispatch_option(struct command *command)
{
	switch (command->option.option_id) {
	case IOMMU_OPTION_RLIMIT_MODE: return handle_IOMMU_OPTION_RLIMIT_MODE(command);
	case IOMMU_OPTION_HUGE_PAGES: return handle_IOMMU_OPTION_HUGE_PAGES(command);
	default: return -EOPNOTSUPP;
	}
}

static int64_t dispatch_test(struct command *command)
{
	uint32_t op = command->test.op;
	const struct call_row *row;

	if (op >= TEST_OPS || !test_rows[op])
		return -EOPNOTSUPP;
	row = &call_rows[test_rows[op] - 1];
	if (!sim_since(task_sim(command->task), row->since))
		return -EOPNOTSUPP;
	if (!row->implemented)
		return -ENOTTY;
	return handlers[test_rows[op] - 1](command);
}

/* Commands of VFIO: the whole number decides, and nothing of the user's memory is read here. 1.3
 * step 2 */
static int64_t dispatch_vfio(
	struct task *task, struct file *file, uint32_t number, uint64_t argument)
{
	struct command command;
	int row = call_find_ioctl(RESOURCE_IOMMUFD, number, NULL, 0);

	if (row < 0 || !call_rows[row].implemented)
		return -ENOTTY;
	command.task = task;
	command.context = file->object;
	command.address = argument;
	return handlers[row](&command);
}

int64_t iommufd_file_ioctl(struct task *task, struct file *file, uint32_t number, uint64_t argument)
{
	struct command command;
	uint32_t slot = (number & 0xff) - IOMMUFD_CMD_BASE;
	const struct call_row *row = NULL;
	int rc;

	if (slot >= COMMAND_SLOTS)
		return dispatch_vfio(task, file, number, argument);
	if (command_rows[slot]) {
		row = &call_rows[command_rows[slot] - 1];
		/* What the kernel profile or this build does not know yet is a hole like any other.
		 */
		if (row->number != number || !sim_since(task_sim(task), row->since) ||
			!row->implemented)
			row = NULL;
	}
	if (!row && SIM_BUG(task, HOLE_SIZE_UNREAD))
		return -ENOTTY;
	rc = copy_from_user(
		task, &command.user_size_word, argument, sizeof(command.user_size_word));
	if (rc)
		return rc;
	if (!row)
		return -ENOTTY;
	command.task = task;
	command.context = file->object;
	command.address = argument;
	command.user_size = command.user_size_word;
	rc = command_copy_in(&command, row);
	if (rc)
		return rc;
	if (number == IOMMU_TEST_CMD)
		return dispatch_test(&command);
	if (number == IOMMU_OPTION)
		return dispatch_option(&command);
	return handlers[command_rows[slot] - 1](&command);
}
