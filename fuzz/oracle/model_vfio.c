/* SPDX-License-Identifier: Apache-2.0 */
/* The compat IOAS and VFIO's calls on an iommufd (specification 4.21 and 8). */
#include "fuzz/oracle/model.h"
#include "impl/abi/vfio_abi.h"

/* With a reference, a step of its own; NULL is ENODEV. */
static struct model_ioas *get_compat(struct model *model, const struct model_command *command)
{
	struct model_ioas *ioas;

	model_phase(model, "object_table");
	ioas = command->context->compat;
	if (ioas) {
		ioas->object.users++;
		ioas->object.wait_cnt++;
	}
	return ioas;
}

static int64_t tell_compat(struct model *model, struct model_command *command)
{
	struct model_ioas *ioas = get_compat(model, command);

	if (!ioas)
		return -ENODEV;
	command->vfio_ioas.ioas_id = ioas->object.id;
	model_object_put(model, &ioas->object);
	return model_respond(model, command);
}

int64_t model_rule_IOMMU_VFIO_IOAS(struct model *model, struct model_command *command)
{
	const struct iommu_vfio_ioas *argument = &command->vfio_ioas;
	struct model_ioas *ioas;

	if (argument->__reserved || argument->op > IOMMU_VFIO_IOAS_CLEAR)
		return -EOPNOTSUPP;
	if (argument->op == IOMMU_VFIO_IOAS_GET)
		return tell_compat(model, command);
	if (argument->op == IOMMU_VFIO_IOAS_CLEAR) {
		model_phase(model, "object_table");
		command->context->compat = NULL;
		return 0;
	}
	ioas = model_object_get(model, command->context, argument->ioas_id, MODEL_IOAS);
	if (!ioas)
		return -ENOENT;
	model_phase(model, "object_table");
	command->context->compat = ioas;
	model_object_put(model, &ioas->object);
	return 0;
}

int64_t model_rule_VFIO_GET_API_VERSION_COMPAT(struct model *model, struct model_command *command)
{
	(void)model;
	(void)command;
	return 0;
}

int64_t model_rule_VFIO_CHECK_EXTENSION_COMPAT(struct model *model, struct model_command *command)
{
	struct model_ioas *ioas;
	int64_t coherent;

	if (command->address == VFIO_TYPE1_IOMMU || command->address == VFIO_TYPE1v2_IOMMU ||
		command->address == VFIO_UNMAP_ALL)
		return 1;
	if (command->address != VFIO_DMA_CC_IOMMU)
		return 0;
	ioas = get_compat(model, command);
	if (!ioas)
		return -ENODEV;
	/* No page table of the mock enforces it. */
	model_pass(model, &ioas->mutex, false, "ioas_mutex");
	coherent = ioas->hwpts.count == 0;
	model_object_put(model, &ioas->object);
	return coherent;
}

int64_t model_rule_VFIO_SET_IOMMU_COMPAT(struct model *model, struct model_command *command)
{
	struct model_ioas *ioas;
	int rc = 0;

	if (command->address != VFIO_TYPE1_IOMMU && command->address != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	ioas = get_compat(model, command);
	if (!ioas)
		return -ENODEV;
	if (command->address == VFIO_TYPE1_IOMMU) {
		model_pass(model, &ioas->domains, true, "iova_rwsem");
		rc = model_set_huge_pages(ioas, 0);
	}
	model_object_put(model, &ioas->object);
	return rc;
}

int64_t model_rule_VFIO_IOMMU_MAP_DMA_COMPAT(struct model *model, struct model_command *command)
{
	struct vfio_iommu_type1_dma_map argument;
	struct iommu_ioas_map map = {.flags = IOMMU_IOAS_MAP_FIXED_IOVA};
	struct model_ioas *ioas;
	int rc;

	if (model_copy_in(model, &argument, command->address, sizeof(argument)))
		return -EFAULT;
	if (argument.argsz < sizeof(argument) || argument.flags > 3)
		return -EINVAL;
	ioas = get_compat(model, command);
	if (!ioas)
		return -ENODEV;
	map.flags |= argument.flags & VFIO_DMA_MAP_FLAG_READ ? IOMMU_IOAS_MAP_READABLE : 0;
	map.flags |= argument.flags & VFIO_DMA_MAP_FLAG_WRITE ? IOMMU_IOAS_MAP_WRITEABLE : 0;
	map.user_va = argument.vaddr;
	map.iova = argument.iova;
	map.length = argument.size;
	rc = model_map_user(model, ioas, command->context, &map);
	model_object_put(model, &ioas->object);
	return rc;
}

/* ---- unmapping ---- */

/* Cut point `last` of 8.5. */
static int cut(struct model *model, struct model_ioas *ioas, uint64_t last)
{
	uint32_t index = model_area_index(ioas, last);
	struct model_area *area, *right;
	uint64_t skip;

	if (index == ioas->areas.count)
		return 0;
	area = model_area_at(ioas, index);
	if (area->start >= last || area->last == last)
		return 0;
	if (area->transitional || area->prevent_access)
		return -EBUSY;
	if (model_pages_of_dmabuf(area->pages))
		return -EOPNOTSUPP;
	skip = last + 1 - area->start;
	if ((last + 1) % ioas->alignment || (area->offset + skip) % ioas->alignment)
		return -EINVAL;
	if (area->accesses || (ioas->hwpts.count && !ioas->small_pages))
		return -EINVAL;
	right = model_alloc(model, sizeof(*right));
	*right = *area;
	right->pages = model_pages_get(area->pages);
	right->start = last + 1;
	right->offset += skip;
	area->last = last;
	*(struct model_area **)model_array_insert(model, &ioas->areas, index + 1) = right;
	return 0;
}

static int cut_ends(struct model *model, struct model_ioas *ioas,
	const struct vfio_iommu_type1_dma_unmap *argument)
{
	int rc;

	model_phase(model, "access");
	if (!ioas->small_pages)
		return 0;
	model_pass(model, &ioas->domains, false, "iova_rwsem");
	rc = cut(model, ioas, argument->iova + argument->size - 1);
	if (!rc && argument->iova)
		rc = cut(model, ioas, argument->iova - 1);
	return rc;
}

/* 8.4 from step 4 on. */
static int unmap_dma(struct model *model, struct model_ioas *ioas, uint64_t address,
	struct vfio_iommu_type1_dma_unmap *argument)
{
	uint64_t last = argument->iova + (argument->size - 1), unmapped = 0;
	int rc;

	if (argument->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (argument->iova || argument->size)
			return -EINVAL;
		rc = model_unmap(model, ioas, 0, UINT64_MAX, &unmapped);
	} else {
		rc = cut_ends(model, ioas, argument);
		if (rc)
			return rc;
		if (argument->size == 0)
			rc = -EINVAL;
		else if (last < argument->iova)
			rc = -EOVERFLOW;
		else
			rc = model_unmap(model, ioas, argument->iova, last, &unmapped);
	}
	argument->size = unmapped;
	if (model_copy_out(model, address, argument, sizeof(*argument)))
		return -EFAULT;
	return rc;
}

int64_t model_rule_VFIO_IOMMU_UNMAP_DMA_COMPAT(struct model *model, struct model_command *command)
{
	struct vfio_iommu_type1_dma_unmap argument;
	struct model_ioas *ioas;
	int rc;

	if (model_copy_in(model, &argument, command->address, sizeof(argument)))
		return -EFAULT;
	if (argument.argsz < sizeof(argument) ||
		(argument.flags && argument.flags != VFIO_DMA_UNMAP_FLAG_ALL))
		return -EINVAL;
	ioas = get_compat(model, command);
	if (!ioas)
		return -ENODEV;
	rc = unmap_dma(model, ioas, command->address, &argument);
	model_object_put(model, &ioas->object);
	return rc;
}

/* ---- information ---- */

static uint64_t supported_sizes(const struct model *model, const struct model_ioas *ioas)
{
	const uint64_t all = model->config.kernel < LINUX(6, 19) ? 2048
								 : (UINT64_C(1) << 37) - 2048,
		       huge = (UINT64_C(1) << 20) | MODEL_PAGE;
	uint64_t sizes = UINT64_MAX;

	for (uint32_t i = 0; i < ioas->hwpts.count; i++)
		sizes &=
			(*(struct model_hwpt **)model_array_at(&ioas->hwpts, i))->huge ? huge : all;
	if (sizes % MODEL_PAGE)
		sizes = (sizes - sizes % MODEL_PAGE) | MODEL_PAGE;
	return sizes;
}

/* The second capability, behind the first one: bytes that it has, or that it would have. */
static int64_t show_usable(struct model *model, const struct model_ioas *ioas,
	const struct model_command *command, uint32_t argsz, uint32_t at)
{
	struct vfio_iommu_type1_info_cap_iova_range head = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1}};
	struct iommu_iova_range hole;
	uint64_t from = 0, end = at + sizeof(head);

	while (model_reserved_hole(ioas, from, &hole)) {
		head.nr_iovas++;
		if (argsz >= end + sizeof(hole) &&
			model_copy_out(model, command->address + end, &hole, sizeof(hole)))
			return -EFAULT;
		end += sizeof(hole);
		if (hole.last == UINT64_MAX)
			break;
		from = hole.last + 1;
	}
	if (argsz > at && argsz >= end &&
		model_copy_out(model, command->address + at, &head, sizeof(head)))
		return -EFAULT;
	return (int64_t)(end - at);
}

/* Step 6: where the chain ends, or an errno. */
static int64_t show_chain(struct model *model, const struct model_ioas *ioas,
	const struct model_command *command, uint32_t argsz)
{
	const struct vfio_iommu_type1_info_dma_avail avail = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1},
		.avail = UINT32_MAX};
	const uint32_t first = sizeof(struct vfio_iommu_type1_info), second = first + 16;
	int64_t size;

	if (argsz >= first + sizeof(avail) &&
		model_copy_out(model, command->address + first, &avail, sizeof(avail)))
		return -EFAULT;
	size = show_usable(model, ioas, command, argsz, second);
	if (size < 0)
		return size;
	if (argsz >= second &&
		model_copy_out(model, command->address + first + 4, &second, sizeof(second)))
		return -EFAULT;
	return second + size;
}

static int show_info(struct model *model, struct model_ioas *ioas,
	const struct model_command *command, uint32_t argsz)
{
	struct vfio_iommu_type1_info info = {
		.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS};
	int64_t total;

	model_pass(model, &ioas->domains, false, "domains_rwsem");
	info.iova_pgsizes = supported_sizes(model, ioas);
	model_phase(model, "iova_rwsem");
	if (ioas->alignment > info.iova_pgsizes)
		info.iova_pgsizes = ioas->alignment;
	total = show_chain(model, ioas, command, argsz);
	if (total < 0)
		return (int)total;
	info.argsz = (uint32_t)total;
	if (argsz >= total)
		info.cap_offset = sizeof(info);
	return model_copy_out(model, command->address, &info,
		argsz < sizeof(info) ? argsz : (uint32_t)sizeof(info));
}

int64_t model_rule_VFIO_IOMMU_GET_INFO_COMPAT(struct model *model, struct model_command *command)
{
	uint32_t head[4];
	struct model_ioas *ioas;
	int rc;

	if (model_copy_in(model, head, command->address, sizeof(head)))
		return -EFAULT;
	if (head[0] < sizeof(head))
		return -EINVAL;
	ioas = get_compat(model, command);
	if (!ioas)
		return -ENODEV;
	rc = show_info(model, ioas, command, head[0]);
	model_object_put(model, &ioas->object);
	return rc;
}
