/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_OPTION. Only val64 goes back to the caller, on SET too. 4.9 */
#include "impl/iommufd/iommufd.h"

static int option_respond(struct command *command)
{
	uint64_t address = command->address + offsetof(struct iommu_option, val64);

	return copy_to_user(
		command->task, address, &command->option.val64, sizeof(command->option.val64));
}

static int rlimit_mode_set(struct command *command)
{
	struct task *task = command->task;
	struct iommufd_context *context = command->context;
	int rc = 0;

	if (!task_capable(task, SIM_CAP_SYS_RESOURCE) && !SIM_BUG(task, OPTION_UNPRIVILEGED))
		return -EPERM;
	spin_lock(task, &context->objects_lock);
	if (context->objects.used && !SIM_BUG(task, RLIMIT_NOT_EMPTY))
		rc = -EBUSY;
	else if (command->option.val64 > 1)
		rc = -EINVAL;
	else
		context->account_mm = command->option.val64;
	spin_unlock(task, &context->objects_lock);
	return rc;
}

static uint64_t account_mode(struct command *command)
{
	schedule_point(command->task, SCHEDULE_ACCESS);
	return command->context->account_mm;
}

int64_t handle_IOMMU_OPTION_RLIMIT_MODE(struct command *command)
{
	struct iommu_option *option = &command->option;
	int rc = 0;

	if (option->__reserved || (option->object_id && !SIM_BUG(command->task, RLIMIT_OBJECT)))
		return -EOPNOTSUPP;
	if (option->op == IOMMU_OPTION_OP_GET)
		option->val64 = account_mode(command);
	else if (option->op == IOMMU_OPTION_OP_SET)
		rc = rlimit_mode_set(command);
	else
		return -EOPNOTSUPP;
	if (rc)
		return rc;
	if (!SIM_BUG(command->task, RLIMIT_RESPONDS_ATOMIC))
		return option_respond(command);
	spin_lock(command->task, &command->context->objects_lock);
	rc = option_respond(command);
	spin_unlock(command->task, &command->context->objects_lock);
	return rc;
}

int64_t handle_IOMMU_OPTION_HUGE_PAGES(struct command *command)
{
	struct task *task = command->task;
	struct iommu_option *option = &command->option;
	struct ioas *ioas;
	int rc = 0;

	if (option->__reserved)
		return -EOPNOTSUPP;
	if (option->op > IOMMU_OPTION_OP_GET && SIM_BUG(task, OPTION_OP_FIRST))
		return -EOPNOTSUPP;
	ioas = ioas_get(task, command->context, option->object_id);
	if (!ioas)
		return -ENOENT;
	if (option->op == IOMMU_OPTION_OP_GET) {
		schedule_point(task, SCHEDULE_ACCESS);
		option->val64 = __atomic_load_n(&ioas->small_pages, __ATOMIC_RELAXED) ==
				SIM_BUG(task, OPTION_GET_INVERTED);
	} else if (option->op != IOMMU_OPTION_OP_SET)
		rc = -EOPNOTSUPP;
	else if (option->val64 > 1 && !SIM_BUG(task, OPTION_VALUE))
		rc = -EINVAL;
	else
		rc = ioas_set_large_pages(task, ioas, option->val64);
	if (!rc)
		rc = option_respond(command);
	ioas_put(task, ioas);
	return rc;
}
