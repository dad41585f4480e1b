/* SPDX-License-Identifier: Apache-2.0 */
/* A thin line through the implementation: open, map, mock domain, access pin, unmap, close. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/iommufd/access.h"
#include "impl/sim/alloc.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"

#define PAGE SIM_PAGE_SIZE

struct fixture {
	struct sim *sim;
	struct task *task;
	int fd;
	unsigned tests, failures;
};

static void expect(struct fixture *f, const char *name, int64_t got, int64_t wanted)
{
	f->tests++;
	if (got == wanted) {
		printf("ok %u - %s\n", f->tests, name);
		return;
	}
	f->failures++;
	printf("not ok %u - %s\n# got %lld, wanted %lld\n", f->tests, name, (long long)got,
		(long long)wanted);
}

static int64_t call(struct fixture *f, uint32_t command, void *argument, size_t size)
{
	int64_t result;

	mm_poke(task_mm(f->task), ARGUMENT_BASE, argument, size);
	result = sim_ioctl(f->task, f->fd, command, ARGUMENT_BASE);
	mm_peek(task_mm(f->task), ARGUMENT_BASE, argument, size);
	return result;
}

static int64_t map(struct fixture *f, uint32_t ioas_id, uint32_t flags, uint64_t va,
	uint64_t length, uint64_t *iova)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = flags,
		.ioas_id = ioas_id,
		.user_va = va,
		.length = length,
		.iova = *iova};
	int64_t result = call(f, IOMMU_IOAS_MAP, &map, sizeof(map));

	*iova = map.iova;
	return result;
}

static int64_t unmap(struct fixture *f, uint32_t ioas_id, uint64_t iova, uint64_t *length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas_id, .iova = iova, .length = *length};
	int64_t result = call(f, IOMMU_IOAS_UNMAP, &unmap, sizeof(unmap));

	*length = unmap.length;
	return result;
}

static int64_t destroy(struct fixture *f, uint32_t id)
{
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = id};

	return call(f, IOMMU_DESTROY, &destroy, sizeof(destroy));
}

static uint32_t ioas_alloc(struct fixture *f)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	return call(f, IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc)) ? 0 : alloc.out_ioas_id;
}

static int64_t check_refs(struct fixture *f, uint64_t va, uint64_t length, uint32_t refs)
{
	struct iommu_test_cmd cmd = {.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.md_check_refs = {.length = length, .uptr = va, .refs = refs}};

	return call(f, IOMMU_TEST_CMD, &cmd, sizeof(cmd));
}

static void test_maps(struct fixture *f)
{
	const uint32_t rw = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	uint32_t ioas = ioas_alloc(f);
	uint64_t iova = 0, length = PAGE;

	expect(f, "the first id is 1", ioas, 1);
	expect(f, "automatic map", map(f, ioas, rw, MEM_BASE, PAGE, &iova), 0);
	expect(f, "lands on the second page", (int64_t)iova, 0x1000);
	expect(f, "a second one", map(f, ioas, rw, MEM_BASE, PAGE, &iova), 0);
	expect(f, "lands behind it", (int64_t)iova, 0x2000);
	iova = 0x2000;
	expect(f, "fixed map over an area",
		map(f, ioas, rw | IOMMU_IOAS_MAP_FIXED_IOVA, MEM_BASE, PAGE, &iova), -EEXIST);
	expect(f, "nothing is pinned without a domain", check_refs(f, MEM_BASE, PAGE, 0), 0);
	expect(f, "unmap", unmap(f, ioas, 0x1000, &length), 0);
	length = UINT64_MAX;
	expect(f, "unmap all", unmap(f, ioas, 0, &length), 0);
	expect(f, "returns the bytes", (int64_t)length, (int64_t)PAGE);
	expect(f, "destroy", destroy(f, ioas), 0);
	expect(f, "destroy again", destroy(f, ioas), -ENOENT);
}

static void test_domain(struct fixture *f)
{
	const uint32_t rw = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	struct iommu_test_cmd domain = {.size = sizeof(domain), .op = IOMMU_TEST_OP_MOCK_DOMAIN};
	struct iommu_test_cmd check = {.size = sizeof(check), .op = IOMMU_TEST_OP_MD_CHECK_MAP};
	uint32_t ioas = ioas_alloc(f);
	uint64_t iova = 0, length = 4 * PAGE;
	char text[] = "through the IOMMU", back[sizeof(text)] = "";

	domain.id = ioas;
	expect(f, "mock domain", call(f, IOMMU_TEST_CMD, &domain, sizeof(domain)), 0);
	expect(f, "stdev", domain.mock_domain.out_stdev_id, 2);
	expect(f, "idev", domain.mock_domain.out_idev_id, 3);
	expect(f, "hwpt", domain.mock_domain.out_hwpt_id, 4);
	expect(f, "map", map(f, ioas, rw, MEM_BASE, 4 * PAGE, &iova), 0);
	expect(f, "at the start of the aperture", (int64_t)iova, (int64_t)MOCK_APERTURE_START);
	expect(f, "pages are pinned", check_refs(f, MEM_BASE, 4 * PAGE, 1), 0);
	check.id = 4;
	check.md_check_map.iova = iova;
	check.md_check_map.length = 4 * PAGE;
	check.md_check_map.uptr = MEM_BASE;
	expect(f, "check map", call(f, IOMMU_TEST_CMD, &check, sizeof(check)), 0);
	sim_put(f->task, MEM_BASE + 0x800, text, sizeof(text));
	expect(f, "dma read",
		kernel_dma(
			f->task, f->fd, 3, 0, iova + 0x800, sizeof(text), MEM_BASE + 8 * PAGE, 0),
		0);
	mm_peek(task_mm(f->task), MEM_BASE + 8 * PAGE, back, sizeof(back));
	expect(f, "has read the text", memcmp(text, back, sizeof(text)), 0);
	expect(f, "unmap", unmap(f, ioas, iova, &length), 0);
	expect(f, "dma after unmap",
		kernel_dma(f->task, f->fd, 3, 0, iova, sizeof(text), MEM_BASE + 8 * PAGE, 0),
		-EFAULT);
	expect(f, "nothing is pinned", check_refs(f, MEM_BASE, 4 * PAGE, 0), 0);
	iova = 0;
	expect(f, "map what nobody has", map(f, ioas, rw, UINT64_C(1) << 44, PAGE, &iova), -EFAULT);
	expect(f, "the IOAS is busy", destroy(f, ioas), -EBUSY);
	expect(f, "the stdev goes", destroy(f, 2), 0);
	expect(f, "and the automatic page table with it", destroy(f, 4), -ENOENT);
	expect(f, "now the IOAS goes", destroy(f, ioas), 0);
}

static void test_access(struct fixture *f)
{
	const uint32_t rw = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	struct iommu_test_cmd create = {.size = sizeof(create), .op = IOMMU_TEST_OP_CREATE_ACCESS};
	struct iommu_test_cmd pages = {.size = sizeof(pages), .op = IOMMU_TEST_OP_ACCESS_PAGES};
	uint32_t ioas = ioas_alloc(f), other = ioas_alloc(f), id;
	uint64_t iova = 0, length = 2 * PAGE;
	int64_t access;

	expect(f, "map", map(f, ioas, rw, MEM_BASE, 2 * PAGE, &iova), 0);
	create.id = ioas;
	create.create_access.flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	expect(f, "create access", call(f, IOMMU_TEST_CMD, &create, sizeof(create)), 0);
	pages.id = create.create_access.out_access_fd;
	pages.access_pages.flags = MOCK_FLAGS_ACCESS_WRITE;
	pages.access_pages.iova = iova;
	pages.access_pages.length = 2 * PAGE;
	pages.access_pages.uptr = MEM_BASE;
	expect(f, "access pages", call(f, IOMMU_TEST_CMD, &pages, sizeof(pages)), 0);
	expect(f, "pinned", check_refs(f, MEM_BASE, 2 * PAGE, 1), 0);
	access = kernel_access_create(f->task, f->fd, ACCESS_CREATE_NEEDS_PIN, &id);
	expect(f, "in-kernel access", access, 1);
	expect(f, "attach", kernel_access_attach(f->task, 1, ioas), 0);
	expect(f, "pin", kernel_access_pin(f->task, 1, iova, PAGE, 0), 0);
	expect(f, "replace", kernel_access_replace(f->task, 1, other), 0);
	expect(f, "pin where nothing is", kernel_access_pin(f->task, 1, iova, PAGE, 0), -ENOENT);
	expect(f, "back", kernel_access_replace(f->task, 1, ioas), 0);
	expect(f, "pin again", kernel_access_pin(f->task, 1, iova + PAGE, PAGE, 0), 0);
	expect(f, "the other IOAS is free", destroy(f, other), 0);
	expect(f, "unmap calls both", unmap(f, ioas, iova, &length), 0);
	expect(f, "nothing is pinned", check_refs(f, MEM_BASE, 2 * PAGE, 0), 0);
	expect(f, "destroy the access", kernel_access_destroy(f->task, 1), 0);
	expect(f, "unknown handle", kernel_access_detach(f->task, 1), -EBADF);
}

static void report(void *context, const char *rule, const char *message)
{
	struct fixture *f = context;

	f->failures++;
	printf("# report %s: %s\n", rule, message);
}

int main(void)
{
	struct fixture f = {0};
	struct sim_config config = {
		.capabilities = SIM_CAP_ALL, .events = {.context = &f, .report = report}};

	f.sim = sim_create(&config);
	f.task = sim_task(f.sim, 0, 0);
	for (int i = 0; i < 3; i++) {
		f.fd = (int)sim_open(f.task, "/dev/iommu");
		expect(&f, "open", f.fd >= 3, 1);
		(i == 0 ? test_maps : i == 1 ? test_domain : test_access)(&f);
		expect(&f, "close", sim_close(f.task, f.fd), 0);
	}
	sim_finish(f.sim);
	expect(&f, "no object is left", (int64_t)sim_alloc_objects(f.sim), 0);
	expect(&f, "no pin is left", (int64_t)mm_pins(f.sim), 0);
	sim_destroy(f.sim);
	printf("1..%u\n", f.tests);
	return f.failures != 0;
}
