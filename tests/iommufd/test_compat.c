/* SPDX-License-Identifier: Apache-2.0 */
/* What the VFIO group code asks of an iommufd: a compat IOAS, or a life without an IOMMU. 8.7; 8.1
 * and 8.2 in that mode. */
#include <errno.h>
#include <stdio.h>

#include "impl/abi/vfio_abi.h"
#include "impl/iommufd/iommufd.h"
#include "impl/sim/syscall.h"

struct fixture {
	struct sim *sim;
	struct task *task;
	unsigned tests, failures;
};

static void expect(struct fixture *f, const char *name, int64_t got, int64_t wanted)
{
	f->tests++;
	f->failures += got != wanted;
	printf("%sok %u - %s\n", got == wanted ? "" : "not ", f->tests, name);
	if (got != wanted)
		printf("# got %lld, wanted %lld\n", (long long)got, (long long)wanted);
}

/* The compat IOAS as programs see it: its id, or an errno. */
static int64_t compat_id(struct fixture *f, int fd)
{
	struct iommu_vfio_ioas get = {.size = sizeof(get), .op = IOMMU_VFIO_IOAS_GET};
	int64_t result;

	mm_poke(task_mm(f->task), ARGUMENT_BASE, &get, sizeof(get));
	result = sim_ioctl(f->task, fd, IOMMU_VFIO_IOAS, ARGUMENT_BASE);
	mm_peek(task_mm(f->task), ARGUMENT_BASE, &get, sizeof(get));
	return result ? result : get.ioas_id;
}

static int64_t destroy(struct fixture *f, int fd, uint32_t id)
{
	struct iommu_destroy argument = {.size = sizeof(argument), .id = id};

	mm_poke(task_mm(f->task), ARGUMENT_BASE, &argument, sizeof(argument));
	return sim_ioctl(f->task, fd, IOMMU_DESTROY, ARGUMENT_BASE);
}

static void test_ensure(struct fixture *f, int fd, struct iommufd_context *context)
{
	expect(f, "there is no compat IOAS", compat_id(f, fd), -ENODEV);
	fault_arm(f->task, FAULT_ALLOC, false, 1);
	expect(f, "no memory for one", compat_ioas_ensure(f->task, context), -ENOMEM);
	fault_disarm(f->task, &(uint32_t){0});
	expect(f, "then there is none", compat_id(f, fd), -ENODEV);
	expect(f, "one is made", compat_ioas_ensure(f->task, context), 0);
	expect(f, "it has an id", compat_id(f, fd), 1);
	expect(f, "it is made once", compat_ioas_ensure(f->task, context), 0);
	expect(f, "and stays", compat_id(f, fd), 1);
	expect(f, "no group without an IOMMU beside it", compat_set_no_iommu(f->task, context),
		-EINVAL);
	expect(f, "it can be destroyed", destroy(f, fd, 1), 0);
	expect(f, "then it is gone", compat_id(f, fd), -ENODEV);
	expect(f, "and can be made anew", compat_ioas_ensure(f->task, context), 0);
	expect(f, "with the lowest id", compat_id(f, fd), 1);
}

static void test_no_iommu(struct fixture *f, int fd, struct iommufd_context *context)
{
	expect(f, "mode off: no type 8", sim_ioctl(f->task, fd, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU),
		-EINVAL);
	expect(f, "mode on", compat_set_no_iommu(f->task, context), 0);
	expect(f, "mode on twice", compat_set_no_iommu(f->task, context), 0);
	expect(f, "no compat IOAS any more", compat_ioas_ensure(f->task, context), -EINVAL);
	expect(f, "no type 1", sim_ioctl(f->task, fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 0);
	expect(f, "no type 1 v2", sim_ioctl(f->task, fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU),
		0);
	expect(f, "no UNMAP_ALL", sim_ioctl(f->task, fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL), 0);
	expect(f, "but type 8", sim_ioctl(f->task, fd, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU),
		1);
	expect(f, "type 1 is refused", sim_ioctl(f->task, fd, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU),
		-EINVAL);
	expect(f, "type 8 is taken", sim_ioctl(f->task, fd, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU), 0);
	sim_setcaps(f->task, SIM_CAP_ALL & ~(uint32_t)SIM_CAP_SYS_RAWIO);
	expect(f, "not from everybody", sim_ioctl(f->task, fd, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU),
		-EPERM);
	sim_setcaps(f->task, SIM_CAP_ALL);
}

int main(void)
{
	static void (*const tests[])(struct fixture *, int, struct iommufd_context *) = {
		test_ensure, test_no_iommu};
	struct sim_config config = {.capabilities = SIM_CAP_ALL};
	struct fixture f = {.sim = sim_create(&config)};

	f.task = sim_task(f.sim, 0, 0);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		struct iommufd_context *context;
		struct file *file;
		int fd = (int)sim_open(f.task, "/dev/iommu");

		expect(&f, "a context", context_from_fd(f.task, fd, &context, &file), 0);
		tests[i](&f, fd, context);
		file_put(f.task, file);
		expect(&f, "its end", sim_close(f.task, fd), 0);
	}
	sim_finish(f.sim);
	expect(&f, "no object is left", (int64_t)sim_alloc_objects(f.sim), 0);
	sim_destroy(f.sim);
	printf("1..%u\n", f.tests);
	return f.failures != 0;
}
