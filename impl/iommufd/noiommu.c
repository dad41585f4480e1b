/* SPDX-License-Identifier: Apache-2.0 */
/* Where in physical memory an IOVA leads to, for devices without an IOMMU. 4.22 */
#include "impl/iommufd/iommufd.h"

bool has_noiommu(const struct sim *sim)
{
	return sim_configuration(sim)->noiommu && sim_since(sim, LINUX(7, 3));
}

/* A kernel without IOMMUFD_NOIOMMU looks at nothing. */
static int64_t not_supported(struct command *command)
{
	struct task *task = command->task;
	struct ioas *ioas;

	if (!command->noiommu_get_pa.length && SIM_BUG(task, GET_PA_LENGTH))
		return -EINVAL;
	if (SIM_BUG(task, GET_PA_LOOKUP)) {
		ioas = ioas_get(task, command->context, command->noiommu_get_pa.ioas_id);
		if (!ioas)
			return -ENOENT;
		ioas_put(task, ioas);
	}
	if (SIM_BUG(task, GET_PA_ANSWERS)) {
		command->noiommu_get_pa.length = 0;
		(void)command_respond(command);
	}
	return -EOPNOTSUPP;
}

/* Steps 2 to 4. */
static int check_arguments(struct task *task, const struct iommu_ioas_noiommu_get_pa *get)
{
	if (get->flags || (get->__reserved && !SIM_BUG(task, GET_PA_RESERVED)))
		return -EOPNOTSUPP;
	if (!get->length)
		return -EINVAL;
	return get->iova >= UINT64_MAX ? -EOVERFLOW : 0;
}

/* Step 9 for an area of whole pages that the table has. */
static void find_contiguous(struct task *task, struct iommu_domain *domain, const struct area *area,
	struct iommu_ioas_noiommu_get_pa *get)
{
	uint64_t iova = get->iova, in_page = iova & (SIM_PAGE_SIZE - 1), wanted = get->length;
	uint64_t length = SIM_PAGE_SIZE - in_page, phys = iommu_translate(task, domain, iova);
	uint64_t last = area->node.last;

	get->out_phys = SIM_BUG(task, GET_PA_OFFSET) ? phys - in_page : phys;
	while (length < wanted && last - iova >= length &&
		(iommu_translate(task, domain, iova + length) == phys + length ||
			SIM_BUG(task, GET_PA_ANY_PAGE)))
		length += SIM_PAGE_SIZE;
	get->length = length < wanted || SIM_BUG(task, GET_PA_UNCAPPED) ? length : wanted;
}

/* Steps 6 to 9. All locks are held, so that domains, areas and what they lead to stay. */
static int find_physical(
	struct task *task, struct ioas *ioas, struct iommu_ioas_noiommu_get_pa *get)
{
	struct range_item *node = range_map_first(&ioas->areas, get->iova, get->iova);
	struct area *area = node ? area_of(node) : NULL;
	/* The domain that remembers the pages of an area: the oldest one. */
	struct iommu_domain *storage = ioas->hwpts ? ioas->hwpts->domain : NULL;
	int rc = 0;

	if (!area || !area->pages)
		return -ENOENT;
	mutex_lock(task, &area->pages->mutex);
	if (area->pages->revoked && !SIM_BUG(task, GET_PA_REVOKED))
		rc = -EINVAL;
	else if (!storage ||
		 (!iommu_domain_config(storage)->software && !SIM_BUG(task, GET_PA_TRANSLATED)))
		rc = -EOPNOTSUPP;
	else
		find_contiguous(task, storage, area, get);
	mutex_unlock(task, &area->pages->mutex);
	return rc;
}

int64_t handle_IOMMU_IOAS_NOIOMMU_GET_PA(struct command *command)
{
	struct task *task = command->task;
	struct iommu_ioas_noiommu_get_pa *get = &command->noiommu_get_pa;
	struct ioas *ioas;
	int rc;

	if (!has_noiommu(task_sim(task)))
		return not_supported(command);
	if (!task_capable(task, SIM_CAP_SYS_RAWIO) && !SIM_BUG(task, GET_PA_UNPRIVILEGED))
		return -EPERM;
	rc = check_arguments(task, get);
	if (rc)
		return rc;
	ioas = ioas_get(task, command->context, get->ioas_id);
	if (!ioas)
		return -ENOENT;
	mutex_lock(task, &ioas->mutex);
	down_read(task, &ioas->domains_rwsem);
	down_read(task, &ioas->iova_rwsem);
	rc = find_physical(task, ioas, get);
	up_read(task, &ioas->iova_rwsem);
	up_read(task, &ioas->domains_rwsem);
	mutex_unlock(task, &ioas->mutex);
	if (!rc)
		rc = command_respond(command);
	ioas_put(task, ioas);
	return rc;
}
