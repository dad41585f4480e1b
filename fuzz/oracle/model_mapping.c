/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on the program's own memory: mmap, munmap, mprotect, put, expect, fill. */
#include "fuzz/oracle/model.h"

#define PROT_ALL    ((uint32_t)(CALL_PROT_READ | CALL_PROT_WRITE | CALL_PROT_EXEC))
#define PROT_SEM    8u
#define MAP_TYPE    0xfu
#define MAP_MINIMUM UINT64_C(0x10000)
#define MAP_ROOM    (UINT64_C(256) << 20)

static uint64_t round_to(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

static uint64_t round_up(uint64_t value)
{
	return round_to(value, MODEL_PAGE);
}

static bool range_free(const struct model_mm *mm, uint64_t start, uint64_t length)
{
	uint32_t i = model_vma_index(mm, start);

	return i == mm->vmas.count ||
	       ((struct model_vma *)model_array_at(&mm->vmas, i))->start >= start + length;
}

/* First fit upwards; 0 if there is no room. */
static uint64_t choose_address(
	const struct model_mm *mm, uint64_t hint, uint64_t length, uint64_t unit)
{
	uint64_t address = MODEL_MMAP_BASE;

	hint &= ~(MODEL_PAGE - 1);
	if (length > MODEL_TASK_SIZE)
		return 0;
	if (hint && hint < MAP_MINIMUM)
		hint = MAP_MINIMUM;
	if (hint && hint % unit == 0 && hint <= MODEL_TASK_SIZE - length &&
		range_free(mm, hint, length))
		return hint;
	for (uint32_t i = model_vma_index(mm, address); i < mm->vmas.count; i++) {
		const struct model_vma *vma = model_array_at(&mm->vmas, i);

		if (vma->start >= address && vma->start - address >= length)
			break;
		address = round_to(vma->end, unit);
	}
	return address <= MODEL_TASK_SIZE - length ? address : 0;
}

static int check_place(const struct model *model, const struct call_mmap *map, uint64_t length,
	uint64_t unit, uint64_t *address)
{
	if (map->flags & CALL_MAP_FIXED) {
		if (length > MODEL_TASK_SIZE || map->addr > MODEL_TASK_SIZE - length)
			return -ENOMEM;
		if (map->addr % unit)
			return -EINVAL;
		if (map->addr < MAP_MINIMUM)
			return -EPERM;
		*address = map->addr;
		return 0;
	}
	*address = choose_address(model->process->mm, map->addr, length, unit);
	return *address ? 0 : -ENOMEM;
}

/* Only memory has a largest offset. */
static bool beyond_file(const struct model_file *file, uint64_t offset, uint64_t length)
{
	uint64_t last = file->kind == MODEL_FILE_MEMFD ? INT64_MAX : UINT64_MAX;

	return offset / MODEL_PAGE > (last - length) / MODEL_PAGE;
}

/* Whether huge pages are mapped: those of a file, or memory that asks for them. 0 or an errno. */
static int check_huge(const struct model *model, const struct call_mmap *map,
	const struct model_file *file, bool *huge)
{
	bool of_file = file && file->kind == MODEL_FILE_MEMFD && file->memory->huge;

	*huge = of_file || map->flags & CALL_MAP_HUGETLB;
	if (!(map->flags & CALL_MAP_HUGETLB) || of_file)
		return 0;
	if (file)
		return -EINVAL;
	return model->config.huge_pages ? 0 : -ENOMEM;
}

/* In the order of Linux: descriptor, length, place, kind of mapping. */
static int check_mmap(struct model *model, const struct call_mmap *map, struct model_file **file,
	struct model_vma *vma)
{
	uint64_t length, unit;
	uint32_t type = map->flags & MAP_TYPE;
	int rc;

	if (map->offset % MODEL_PAGE)
		return -EINVAL;
	if (!(map->flags & CALL_MAP_ANONYMOUS)) {
		*file = map->fd < 0 ? NULL : model_file_at(model, (uint64_t)map->fd);
		if (!*file)
			return -EBADF;
	}
	rc = check_huge(model, map, *file, &vma->huge);
	if (rc)
		return rc;
	unit = vma->huge ? MODEL_HUGE : MODEL_PAGE;
	length = round_to(map->length, unit);
	if (!map->length)
		return -EINVAL;
	if (!length)
		return -ENOMEM;
	rc = check_place(model, map, length, unit, &vma->start);
	if (rc)
		return rc;
	if (*file && beyond_file(*file, map->offset, length))
		return -EOVERFLOW;
	/* Both bits together are SHARED_VALIDATE, for files only. */
	if (type != CALL_MAP_SHARED && type != CALL_MAP_PRIVATE &&
		!(*file && type == (CALL_MAP_SHARED | CALL_MAP_PRIVATE)))
		return -EINVAL;
	if (*file && map->offset % unit)
		return -EINVAL;
	vma->end = vma->start + length;
	vma->prot = (uint8_t)(map->prot & PROT_ALL);
	vma->shared = type & CALL_MAP_SHARED;
	vma->offset = *file ? map->offset : 0;
	return 0;
}

/* RLIMIT_AS: 256 MiB beside mem and the windows of arguments. What FIXED replaces does not count.
 */
static bool too_large(const struct model *model, uint64_t start, uint64_t end)
{
	const struct model_mm *mm = model->process->mm;
	uint64_t limit = model->config.mem_pages * MODEL_PAGE +
			 (uint64_t)EXEC_ARGUMENT_SIZE * EXEC_THREADS + MAP_ROOM;
	uint64_t total = end - start;

	for (uint32_t i = 0; i < mm->vmas.count; i++) {
		const struct model_vma *vma = model_array_at(&mm->vmas, i);
		uint64_t from = vma->start > start ? vma->start : start;
		uint64_t to = vma->end < end ? vma->end : end;

		total += vma->end - vma->start;
		if (from < to)
			total -= to - from;
	}
	return total > limit;
}

/* 5.4. What FIXED replaces is gone when the iommufd is asked. */
static int64_t map_iommufd(struct model *model, const struct call_mmap *map,
	const struct model_context *context, struct model_vma *vma)
{
	if (model->config.kernel < LINUX(6, 17))
		return -ENODEV;
	if (map->flags & CALL_MAP_FIXED && !too_large(model, vma->start, vma->end))
		model_vma_remove(model, model->process->mm, vma->start, vma->end);
	if (!(map->flags & CALL_MAP_SHARED))
		return -EINVAL;
	if (map->prot & CALL_PROT_EXEC)
		return -EPERM;
	vma->backing = model_region_at(context, map->offset, vma->end - vma->start);
	if (!vma->backing)
		return -ENXIO;
	if (too_large(model, vma->start, vma->end))
		return -ENOMEM;
	vma->offset = 0;
	model_vma_add(model, model->process->mm, vma);
	return (int64_t)vma->start;
}

/* Huge pages are not cut. */
static bool cuts_huge_page(const struct model_mm *mm, uint64_t address)
{
	const struct model_vma *vma = model_vma_find(mm, address);

	return vma && vma->huge && address > vma->start && address % MODEL_HUGE;
}

int64_t model_rule_mmap(struct model *model, struct model_command *command)
{
	struct model_mm *mm = model->process->mm;
	struct model_file *file = NULL;
	struct model_vma vma = {0};
	struct call_mmap map;
	int rc;

	(void)command;
	memcpy(&map, model->arguments, sizeof(map));
	rc = check_mmap(model, &map, &file, &vma);
	if (rc)
		return rc;
	if (file && (!model_opened_for(file, false) ||
			    ((map.flags & CALL_MAP_SHARED) && (map.prot & CALL_PROT_WRITE) &&
				    !model_opened_for(file, true))))
		return -EACCES;
	if (file && file->kind == MODEL_FILE_DMABUF)
		return map.prot & CALL_PROT_EXEC ? -EPERM : -EINVAL;
	if (file && file->kind == MODEL_FILE_IOMMU)
		return map_iommufd(model, &map, file->context, &vma);
	if (file && file->kind != MODEL_FILE_MEMFD)
		return map.prot & CALL_PROT_EXEC && model->config.kernel >= LINUX(6, 17) ? -EPERM
											 : -ENODEV;
	if (too_large(model, vma.start, vma.end))
		return -ENOMEM;
	if (file)
		vma.backing = file->memory;
	else if (vma.shared)
		vma.backing = model_backing_new(model, vma.end - vma.start);
	if (vma.backing && vma.huge)
		vma.backing->huge = true;
	if (cuts_huge_page(mm, vma.start) || cuts_huge_page(mm, vma.end))
		return -EINVAL;
	model_vma_remove(model, mm, vma.start, vma.end);
	model_vma_add(model, mm, &vma);
	if (!file && vma.backing)
		model_backing_put(model, vma.backing);
	return (int64_t)vma.start;
}

int64_t model_rule_munmap(struct model *model, struct model_command *command)
{
	struct call_munmap range;
	uint64_t length;

	(void)command;
	memcpy(&range, model->arguments, sizeof(range));
	length = round_up(range.length);
	if (range.addr % MODEL_PAGE || !length || length > MODEL_TASK_SIZE ||
		range.addr > MODEL_TASK_SIZE - length)
		return -EINVAL;
	if (cuts_huge_page(model->process->mm, range.addr) ||
		cuts_huge_page(model->process->mm, range.addr + length))
		return -EINVAL;
	model_vma_remove(model, model->process->mm, range.addr, range.addr + length);
	return 0;
}

int64_t model_rule_mprotect(struct model *model, struct model_command *command)
{
	struct model_mm *mm = model->process->mm;
	struct call_mprotect range;
	uint64_t end;

	(void)command;
	memcpy(&range, model->arguments, sizeof(range));
	if (range.addr % MODEL_PAGE)
		return -EINVAL;
	if (!range.length)
		return 0;
	end = range.addr + round_up(range.length);
	if (end <= range.addr)
		return -ENOMEM;
	if (range.prot & ~(PROT_ALL | PROT_SEM))
		return -EINVAL;
	/* A hole ends it; what lies before is changed already. */
	while (range.addr < end) {
		struct model_vma *vma = model_vma_find(mm, range.addr);

		if (!vma)
			return -ENOMEM;
		if (cuts_huge_page(mm, range.addr) || (end < vma->end && cuts_huge_page(mm, end)))
			return -EINVAL;
		model_vma_split(model, mm, range.addr);
		model_vma_split(model, mm, end);
		vma = model_vma_find(mm, range.addr);
		vma->prot = (uint8_t)(range.prot & PROT_ALL);
		range.addr = vma->end;
	}
	return 0;
}

/* ---- the program's own loads and stores ---- */

int64_t model_rule_put(struct model *model, struct model_command *command)
{
	const struct resolved_call *call = model->call;
	struct call_memory place;

	(void)command;
	memcpy(&place, model->arguments, sizeof(place));
	if (model_poke(model, model->process->mm, place.addr, call->bytes, call->byte_count) !=
		call->byte_count)
		return -EFAULT;
	return 0;
}

int64_t model_rule_expect(struct model *model, struct model_command *command)
{
	const struct resolved_call *call = model->call;
	struct call_memory place;

	(void)command;
	memcpy(&place, model->arguments, sizeof(place));
	for (uint64_t done = 0; done < call->byte_count;) {
		uint8_t bytes[4096];
		uint64_t piece = call->byte_count - done < sizeof(bytes) ? call->byte_count - done
									 : sizeof(bytes);

		if (model_peek(model, model->process->mm, bytes, place.addr + done, piece) != piece)
			return -EFAULT;
		if (memcmp(bytes, call->bytes + done, piece) != 0)
			return -EILSEQ;
		done += piece;
	}
	return 0;
}

int64_t model_rule_fill(struct model *model, struct model_command *command)
{
	struct call_fill fill;
	uint8_t bytes[4096];

	(void)command;
	memcpy(&fill, model->arguments, sizeof(fill));
	memset(bytes, fill.value, sizeof(bytes));
	for (uint64_t done = 0; done < fill.length;) {
		uint64_t address = fill.addr + done, piece = MODEL_PAGE - address % MODEL_PAGE;

		if (piece > fill.length - done)
			piece = fill.length - done;
		if (model_poke(model, model->process->mm, address, bytes, piece) != piece)
			return -EFAULT;
		done += piece;
	}
	return 0;
}
