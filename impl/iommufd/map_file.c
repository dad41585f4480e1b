/* SPDX-License-Identifier: Apache-2.0 */
/* MAP_FILE: a mapping whose source is an open file. 4.7 */
#include "impl/iommufd/iommufd.h"

/* Steps 5 and 6. */
static int check_range(struct task *task, const struct iommu_ioas_map_file *map)
{
	uint64_t last;

	if (!map->length)
		return -EINVAL;
	if (__builtin_add_overflow(map->start, map->length - 1, &last) &&
		!SIM_BUG(task, MAP_FILE_OVERFLOW))
		return -EOVERFLOW;
	return 0;
}

/* Steps 7a to 7c, or the last of step 8. */
static int check_file(
	struct task *task, const struct file *file, const struct iommu_ioas_map_file *map)
{
	if (file->kind == FILE_DMABUF && !SIM_BUG(task, DMABUF_END) &&
		dmabuf_check_range(file, map->start, map->length))
		return -EINVAL;
	return map->length > UINT64_MAX - SIM_PAGE_SIZE ? -EINVAL : 0;
}

/* Steps 7 and 8. What kind of file it is matters only when it is pinned, but for a dma-buf. */
static int open_source(struct command *command, struct pages **pages)
{
	struct task *task = command->task;
	const struct iommu_ioas_map_file *map = &command->map_file;
	struct file *file = file_from_fd(task, map->fd);
	int rc = 0;

	if (!file)
		return SIM_BUG(task, MAP_FILE_BAD_FD) ? -EINVAL : -EBADF;
	if (SIM_BUG(task, MAP_FILE_KIND_CHECKED) && file->kind != FILE_MEMFD)
		rc = -EINVAL;
	else
		rc = check_file(task, file, map);
	if (!rc) {
		*pages = pages_create(task, command->context, file, map->start, map->length,
			map->flags & IOMMU_IOAS_MAP_WRITEABLE);
		if (!*pages)
			rc = -ENOMEM;
		else if (file->kind == FILE_DMABUF)
			rc = dmabuf_attach(task, *pages);
		if (rc && *pages)
			pages_put(task, *pages);
	}
	file_put(task, file);
	return rc;
}

/* Steps 5 to 9. */
static int ioas_map_file(struct command *command, struct ioas *ioas)
{
	struct task *task = command->task;
	struct iommu_ioas_map_file *map = &command->map_file;
	struct map_piece piece = {.length = map->length};
	uint64_t iova = map->iova;
	int rc = check_range(task, map);

	if (rc)
		return rc;
	rc = open_source(command, &piece.pages);
	if (rc)
		return rc;
	piece.offset = map->start & (SIM_PAGE_SIZE - 1);
	rc = ioas_map_pieces(task, ioas, &piece, 1, map->flags,
		SIM_BUG(task, MAP_FILE_ADDRESS) ? 0 : map->start, map->length, &iova);
	if (!rc)
		map->iova = iova;
	return rc;
}

int64_t handle_IOMMU_IOAS_MAP_FILE(struct command *command)
{
	struct task *task = command->task;
	const struct iommu_ioas_map_file *map = &command->map_file;
	struct ioas *ioas;
	int rc;

	if (map->flags & ~(uint32_t)IOAS_MAP_FLAGS)
		return -EOPNOTSUPP;
	if (map->iova == UINT64_MAX || map->length == UINT64_MAX)
		return -EOVERFLOW;
	if (!(map->flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)) &&
		!SIM_BUG(task, MAP_FILE_NO_ACCESS))
		return -EINVAL;
	ioas = ioas_get(task, command->context, map->ioas_id);
	if (!ioas)
		return -ENOENT;
	rc = ioas_map_file(command, ioas);
	if (!rc)
		rc = command_respond(command);
	ioas_put(task, ioas);
	return rc;
}
