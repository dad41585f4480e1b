/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves things behind for `iommuzz shim --report` (ci/tests.d/shim-report.t): each kind in a
 * function of its own, whose name is to be seen in the backtrace. usage: shim_left WHAT
 */
#include "tests/clients/client.h"

#include <linux/vfio.h>

/* No jump instead of a call as the last thing: it is to be seen in backtraces. */
#define IN_SIGHT __asm__ volatile("")
#define SEPARATE __attribute__((noinline)) static

#define IOVA UINT64_C(0x1000000)

static struct mock mock;
static char *memory;
static uint32_t ioas;

SEPARATE int leave_iommufd(void)
{
	int fd = open_iommu();

	IN_SIGHT;
	return fd;
}

SEPARATE uint32_t leave_ioas(int fd)
{
	uint32_t id = new_ioas(fd);

	IN_SIGHT;
	return id;
}

SEPARATE void leave_device(int fd)
{
	mock = new_mock(fd, ioas);
	IN_SIGHT;
}

SEPARATE uint32_t leave_parent(int fd)
{
	uint32_t id;

	if (hwpt_alloc(fd, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &id))
		die("hwpt_alloc");
	IN_SIGHT;
	return id;
}

SEPARATE uint32_t leave_nested(int fd, uint32_t parent)
{
	uint32_t id;

	if (nested_alloc(fd, mock.dev, parent, 0, 0, &id))
		die("nested_alloc");
	IN_SIGHT;
	return id;
}

SEPARATE int leave_fault(int fd, bool closed)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};

	if (call(fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc))
		die("IOMMU_FAULT_QUEUE_ALLOC");
	if (closed)
		close((int)alloc.out_fault_fd);
	IN_SIGHT;
	return (int)alloc.out_fault_fd;
}

SEPARATE uint32_t leave_viommu(int fd, uint32_t parent)
{
	struct iommu_viommu_alloc alloc = {.size = sizeof(alloc),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = mock.dev,
		.hwpt_id = parent};

	if (call(fd, IOMMU_VIOMMU_ALLOC, &alloc))
		die("IOMMU_VIOMMU_ALLOC");
	IN_SIGHT;
	return alloc.out_viommu_id;
}

SEPARATE void leave_vdevice(int fd, uint32_t viommu)
{
	if (call(fd, IOMMU_VDEVICE_ALLOC,
		    CMD(iommu_vdevice_alloc, .viommu_id = viommu, .dev_id = mock.dev,
			    .virt_id = 7)))
		die("IOMMU_VDEVICE_ALLOC");
	IN_SIGHT;
}

SEPARATE void leave_veventq(int fd, uint32_t viommu)
{
	if (call(fd, IOMMU_VEVENTQ_ALLOC,
		    CMD(iommu_veventq_alloc, .viommu_id = viommu,
			    .type = IOMMU_VEVENTQ_TYPE_SELFTEST, .veventq_depth = 4)))
		die("IOMMU_VEVENTQ_ALLOC");
	IN_SIGHT;
}

SEPARATE void leave_queue(int fd, uint32_t viommu)
{
	if (call(fd, IOMMU_HW_QUEUE_ALLOC,
		    CMD(iommu_hw_queue_alloc, .viommu_id = viommu,
			    .type = IOMMU_HW_QUEUE_TYPE_SELFTEST, .nesting_parent_iova = IOVA,
			    .length = PAGE)))
		die("IOMMU_HW_QUEUE_ALLOC");
	IN_SIGHT;
}

SEPARATE void leave_map(int fd)
{
	if (map_at(fd, ioas, memory, 2 * PAGE, IOVA))
		die("IOMMU_IOAS_MAP");
	IN_SIGHT;
}

SEPARATE void leave_map_file(int fd)
{
	uint64_t iova = 2 * IOVA;
	int file = memfd_create("left", MFD_CLOEXEC);

	if (ftruncate(file, (off_t)PAGE) || map_file(fd, ioas, RWF, file, 0, PAGE, &iova))
		die("IOMMU_IOAS_MAP_FILE");
	close(file);
	IN_SIGHT;
}

SEPARATE void leave_copy(int fd)
{
	if (call(fd, IOMMU_IOAS_COPY,
		    CMD(iommu_ioas_copy, .flags = RWF, .dst_ioas_id = ioas, .src_ioas_id = ioas,
			    .length = PAGE, .src_iova = IOVA, .dst_iova = 3 * IOVA)))
		die("IOMMU_IOAS_COPY");
	IN_SIGHT;
}

SEPARATE void leave_vfio(int fd)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)memory,
		.iova = 4 * IOVA,
		.size = PAGE};

	if (call(fd, IOMMU_VFIO_IOAS,
		    CMD(iommu_vfio_ioas, .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET)) ||
		call(fd, VFIO_IOMMU_MAP_DMA, &map))
		die("VFIO_IOMMU_MAP_DMA");
	IN_SIGHT;
}

SEPARATE int leave_access(int fd)
{
	int access = new_access(fd, ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);

	if (access < 0)
		die("IOMMU_TEST_OP_CREATE_ACCESS");
	IN_SIGHT;
	return access;
}

SEPARATE void leave_pins(int fd, int access)
{
	if (pin(fd, access, IOVA, 2 * PAGE, memory, 0) < 0)
		die("IOMMU_TEST_OP_ACCESS_PAGES");
	IN_SIGHT;
}

/* All kinds of things at once; the fault queue's descriptor is closed, and one of two of the
 * iommufd. */
static void everything(int fd)
{
	uint32_t parent, viommu;
	int access;

	leave_device(fd);
	leave_map(fd);
	leave_map_file(fd);
	leave_copy(fd);
	leave_vfio(fd);
	access = leave_access(fd);
	leave_pins(fd, access);
	parent = leave_parent(fd);
	leave_nested(fd, parent);
	leave_fault(fd, true);
	viommu = leave_viommu(fd, parent);
	leave_vdevice(fd, viommu);
	leave_veventq(fd, viommu);
	leave_queue(fd, viommu);
	close(dup(fd));
}

/* Outputs that name what is there already, and what goes without being destroyed by its id. */
static void nothing_new(int fd)
{
	uint32_t parent, nested;

	leave_device(fd);
	parent = leave_parent(fd);
	nested = leave_nested(fd, parent);
	/* The answers are the page tables' ids; the automatic one goes with the first. */
	if (replace_to(fd, mock.stdev, parent) || replace_to(fd, mock.stdev, nested))
		die("IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE");
}

SEPARATE void misuse_destroyed(int fd)
{
	uint32_t id = new_ioas(fd);

	destroy(fd, id);
	map_at(fd, id, memory, PAGE, IOVA);
	IN_SIGHT;
}

SEPARATE void misuse_automatic(int fd)
{
	leave_device(fd);
	destroy(fd, mock.stdev);
	hwpt_alloc(fd, mock.dev, ioas, 0, &(uint32_t){0});
	IN_SIGHT;
}

SEPARATE void misuse_kind(int fd)
{
	leave_device(fd);
	map_at(fd, mock.hwpt, memory, PAGE, IOVA);
	IN_SIGHT;
}

SEPARATE void misuse_number(int fd)
{
	map_at(fd, 4711, memory, PAGE, IOVA);
	IN_SIGHT;
}

SEPARATE void misuse_busy(int fd)
{
	destroy(fd, ioas);
	IN_SIGHT;
}

SEPARATE void misuse_twice(int fd)
{
	leave_map(fd);
	map_at(fd, ioas, memory, PAGE, IOVA);
	IN_SIGHT;
}

SEPARATE void misuse_unmapped(int fd)
{
	unmap_at(fd, ioas, 5 * IOVA, PAGE);
	IN_SIGHT;
}

SEPARATE void misuse_memory(void)
{
	munmap(memory, PAGE);
	IN_SIGHT;
}

static void misuses(int fd)
{
	misuse_destroyed(fd);
	misuse_automatic(fd);
	misuse_kind(fd);
	misuse_number(fd);
	misuse_busy(fd);
	misuse_twice(fd);
	misuse_unmapped(fd);
	misuse_memory();
}

/* Each way in which the last descriptor of a file goes while the process lives. */
static void closes(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, leave_fault(fd, false));
	dup3(null, leave_fault(fd, false), O_CLOEXEC);
	close_range((unsigned)leave_fault(fd, false), ~0U, 0);
	close(leave_fault(fd, false));
}

/* Makes what the others leave, and undoes it in whatever way there is. */
static void tidy(int fd)
{
	uint32_t pt, parent, nested;
	int access, item;

	leave_device(fd);
	leave_map(fd);
	leave_copy(fd);
	access = leave_access(fd);
	item = pin(fd, access, IOVA, PAGE, memory, 0);
	unpin(fd, access, item);
	close(access);
	parent = leave_parent(fd);
	pt = parent;
	replace(fd, mock.stdev, &pt);
	nested = leave_nested(fd, parent);
	pt = nested;
	replace(fd, mock.stdev, &pt);
	destroy(fd, mock.stdev);
	destroy(fd, nested);
	destroy(fd, parent);
	unmap_at(fd, ioas, 0, UINT64_MAX);
	destroy(fd, ioas);
	munmap(memory, 4 * PAGE);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int fd = leave_iommufd();

	memory = pages(4, 0);
	ioas = leave_ioas(fd);
	if (!strcmp(what, "everything"))
		everything(fd);
	else if (!strcmp(what, "nothing-new"))
		nothing_new(fd);
	else if (!strcmp(what, "misuses"))
		misuses(fd);
	else if (!strcmp(what, "closes"))
		closes(fd);
	else if (!strcmp(what, "tidy"))
		tidy(fd);
	else
		return 2;
	return 0;
}
