/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_OPTION (specification 4.9). */
#include "fuzz/oracle/model.h"

/* Only val64 goes back, for SET too. */
static int answer(struct model *model, const struct model_command *command)
{
	return model_copy_out(model, command->address + offsetof(struct iommu_option, val64),
		&command->option.val64, sizeof(command->option.val64));
}

int64_t model_rule_IOMMU_OPTION_RLIMIT_MODE(struct model *model, struct model_command *command)
{
	struct model_context *context = command->context;
	struct iommu_option *option = &command->option;

	if (option->__reserved || option->object_id)
		return -EOPNOTSUPP;
	if (option->op == IOMMU_OPTION_OP_GET) {
		model_phase(model, "object_table");
		option->val64 = context->mode_mm;
		return answer(model, command);
	}
	if (option->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (!(model->process->task->caps & CALL_CAP_SYS_RESOURCE))
		return -EPERM;
	model_phase(model, "object_table");
	if (context->objects.count)
		return -EBUSY;
	if (option->val64 > 1)
		return -EINVAL;
	context->mode_mm = option->val64;
	return answer(model, command);
}

int model_set_huge_pages(struct model_ioas *ioas, uint64_t value)
{
	int rc;

	if (value > 1)
		return -EINVAL;
	if (value) {
		ioas->small_pages = false;
		return model_ioas_realign(ioas);
	}
	if (ioas->small_pages)
		return 0;
	if (ioas->hwpts.count && ioas->areas.count)
		return -EINVAL;
	ioas->small_pages = true;
	rc = model_ioas_realign(ioas);
	if (rc)
		ioas->small_pages = false;
	return rc;
}

int64_t model_rule_IOMMU_OPTION_HUGE_PAGES(struct model *model, struct model_command *command)
{
	struct iommu_option *option = &command->option;
	struct model_ioas *ioas;
	int rc = 0;

	if (option->__reserved)
		return -EOPNOTSUPP;
	ioas = model_object_get(model, command->context, option->object_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	switch (option->op) {
	case IOMMU_OPTION_OP_GET: option->val64 = !ioas->small_pages; break;
	case IOMMU_OPTION_OP_SET:
		model_pass(model, &ioas->domains, true, "iova_rwsem");
		rc = model_set_huge_pages(ioas, option->val64);
		break;
	default: rc = -EOPNOTSUPP;
	}
	model_phase(model, "put");
	if (!rc)
		rc = answer(model, command);
	model_object_release(&ioas->object);
	return rc;
}
