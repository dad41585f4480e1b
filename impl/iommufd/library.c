/* SPDX-License-Identifier: Apache-2.0 */
/* libiommuzz: the public functions over one machine with one task. */
#include "impl/include/iommuzz.h"

#include <stdlib.h>

#include "impl/abi/catalogue.h"
#include "impl/iommufd/access.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"

struct iommuzz {
	struct sim *sim;
	struct task *task;
	struct iommuzz_options options;
};

static bool forward_unmap(
	void *context, struct task *task, uint64_t handle, uint64_t iova, uint64_t length)
{
	const struct iommuzz *machine = context;

	(void)task;
	return machine->options.unmap &&
	       machine->options.unmap(machine->options.context, handle, iova, length);
}

static void forward_report(void *context, const char *rule, const char *message)
{
	const struct iommuzz *machine = context;

	if (machine->options.warning)
		machine->options.warning(machine->options.context, rule, message);
}

struct iommuzz *iommuzz_create(const struct iommuzz_options *options)
{
	struct iommuzz *machine = calloc(1, sizeof(*machine));
	struct sim_config config = {.locks = LOCKS_SINGLE};

	if (!machine)
		return NULL;
	if (options)
		machine->options = *options;
	config.kernel = (uint16_t)LINUX(
		machine->options.kernel_major & 0xff, machine->options.kernel_minor & 0xff);
	config.provider = machine->options.own_memory ? MM_SIMULATED : MM_REAL;
	config.memlock = machine->options.memlock;
	config.capabilities = machine->options.unprivileged ? 0 : SIM_CAP_ALL;
	config.uid = machine->options.unprivileged ? 1000 : 0;
	config.events = (struct sim_events){
		.context = machine, .unmap = forward_unmap, .report = forward_report};
	if (!config.kernel || (config.kernel >= LINUX(6, 2) && config.kernel <= LINUX_NEWEST))
		machine->sim = sim_create(&config);
	if (!machine->sim) {
		free(machine);
		return NULL;
	}
	machine->task = sim_task(machine->sim, 0, 0);
	return machine;
}

void iommuzz_destroy(struct iommuzz *machine)
{
	if (!machine)
		return;
	sim_destroy(machine->sim);
	free(machine);
}

int iommuzz_open(struct iommuzz *machine, const char *path)
{
	return (int)sim_open(machine->task, path);
}

int iommuzz_close(struct iommuzz *machine, int fd)
{
	return (int)sim_close(machine->task, fd);
}

int64_t iommuzz_ioctl(struct iommuzz *machine, int fd, uint32_t command, uintptr_t argument)
{
	return sim_ioctl(machine->task, fd, command, argument);
}

size_t iommuzz_memory_read(struct iommuzz *machine, uint64_t address, void *to, size_t count)
{
	return mm_peek(task_mm(machine->task), address, to, count);
}

size_t iommuzz_memory_write(
	struct iommuzz *machine, uint64_t address, const void *from, size_t count)
{
	return mm_poke(task_mm(machine->task), address, from, count);
}

int64_t iommuzz_access_create(struct iommuzz *machine, int fd, uint32_t flags, uint32_t *id)
{
	uint32_t unused;

	return kernel_access_create(
		machine->task, fd, flags & ACCESS_CREATE_NEEDS_PIN, id ? id : &unused);
}

int iommuzz_access_attach(struct iommuzz *machine, uint64_t access, uint32_t ioas_id)
{
	return (int)kernel_access_attach(machine->task, access, ioas_id);
}

int iommuzz_access_replace(struct iommuzz *machine, uint64_t access, uint32_t ioas_id)
{
	return (int)kernel_access_replace(machine->task, access, ioas_id);
}

int iommuzz_access_detach(struct iommuzz *machine, uint64_t access)
{
	return (int)kernel_access_detach(machine->task, access);
}

int iommuzz_access_destroy(struct iommuzz *machine, uint64_t access)
{
	return (int)kernel_access_destroy(machine->task, access);
}

int iommuzz_access_pin(
	struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length, uint32_t flags)
{
	return (int)kernel_access_pin(machine->task, access, iova, length, flags);
}

int iommuzz_access_unpin(struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length)
{
	return (int)kernel_access_unpin(machine->task, access, iova, length);
}

int64_t iommuzz_access_unpin_range(
	struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length)
{
	return kernel_access_unpin_range(machine->task, access, iova, length);
}

int iommuzz_access_rw(struct iommuzz *machine, uint64_t access, uint64_t iova, uint64_t length,
	uintptr_t buffer, uint32_t flags)
{
	return (int)kernel_access_rw(
		machine->task, access, iova, length, buffer, flags & ACCESS_WRITE);
}
