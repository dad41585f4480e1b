/* SPDX-License-Identifier: Apache-2.0 */
/* Where an IOVA leads to, for devices without an IOMMU (specification 4.22). */
#include "fuzz/oracle/model.h"

static const struct model_page *page_of(const struct model_area *area, uint64_t iova)
{
	uint64_t index = model_area_page(area, iova);

	return model_pages_of_dmabuf(area->pages) ? model_dmabuf_page(area->pages, index)
						  : model_pages_pinned(area->pages, index);
}

/* Whether the page of iova lies behind that of the byte before it. */
static bool follows(const struct model_area *area, uint64_t iova)
{
	const struct model_page *before = page_of(area, iova - 1), *page = page_of(area, iova);

	return before && page && page->index == before->index + 1;
}

/*
 * Step 9, page by page. Which page it is, and whether memory of different origins lies side by
 * side, no program knows: nobody compares it (trace_physical), and what is here is as good as any.
 */
static void look_up(const struct model_area *area, struct iommu_ioas_noiommu_get_pa *get)
{
	uint64_t next = (get->iova | (MODEL_PAGE - 1)) + 1, counted = next - get->iova;

	get->out_phys = page_of(area, get->iova)->index * MODEL_PAGE + get->iova % MODEL_PAGE;
	for (; counted < get->length && next - 1 < area->last && follows(area, next);
		next += MODEL_PAGE)
		counted += MODEL_PAGE;
	if (counted < get->length)
		get->length = counted;
}

static int find(const struct model_ioas *ioas, struct iommu_ioas_noiommu_get_pa *get)
{
	uint32_t index = model_area_index(ioas, get->iova);
	const struct model_area *area;
	const struct model_hwpt *oldest;

	if (index == ioas->areas.count)
		return -ENOENT;
	area = model_area_at(ioas, index);
	if (area->start > get->iova || area->transitional)
		return -ENOENT;
	if (area->pages->dead)
		return -EINVAL;
	if (!ioas->hwpts.count)
		return -EOPNOTSUPP;
	oldest = *(struct model_hwpt *const *)model_array_at(&ioas->hwpts, 0);
	if (!oldest->software)
		return -EOPNOTSUPP;
	look_up(area, get);
	return 0;
}

int64_t model_rule_IOMMU_IOAS_NOIOMMU_GET_PA(struct model *model, struct model_command *command)
{
	struct iommu_ioas_noiommu_get_pa *get = &command->noiommu_get_pa;
	struct model_ioas *ioas;
	int rc;

	if (!model->config.noiommu)
		return -EOPNOTSUPP;
	if (!(model->process->task->caps & CALL_CAP_SYS_RAWIO))
		return -EPERM;
	if (get->flags || get->__reserved)
		return -EOPNOTSUPP;
	if (!get->length)
		return -EINVAL;
	if (get->iova == UINT64_MAX)
		return -EOVERFLOW;
	ioas = model_object_get(model, command->context, get->ioas_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	model_pass(model, &ioas->mutex, true, "ioas_mutex");
	model_pass(model, &ioas->domains, false, "iova_rwsem");
	rc = find(ioas, get);
	if (!rc) {
		model_phase(model, "user-copy");
		rc = model_respond(model, command);
	}
	model_object_put(model, &ioas->object);
	return rc;
}
