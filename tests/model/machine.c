/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/machine.h"

#include <stdlib.h>

static bool on_unmap(
	void *context, unsigned thread, uint64_t handle, uint64_t iova, uint64_t length)
{
	struct machine *machine = context;
	bool handled;

	(void)thread;
	machine->callbacks++;
	machine->callback_iova = iova;
	machine->callback_length = length;
	if (!machine->on_unmap)
		return false;
	machine->depth++;
	handled = machine->on_unmap(machine, handle, iova, length);
	machine->depth--;
	return handled;
}

static void on_memory(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count)
{
	struct machine *machine = context;

	(void)address;
	if (memcmp(old, bytes, count) != 0)
		machine->changed += count;
}

static void on_phase(void *context, const char *what, bool blocked)
{
	struct machine *machine = context;

	machine->phase(machine, what, blocked);
}

static void start(struct machine *machine, const struct target_config *config)
{
	struct target_events events = {.context = machine,
		.unmap = on_unmap,
		.memory = on_memory,
		.phase = config->threads ? on_phase : NULL};
	struct call_open open = {.path = CALL_OPEN_IOMMU};
	const char *reason;

	machine->target = target_model.open(config, &events, &reason);
	if (!machine->target)
		abort();
	machine->fd = (uint64_t)machine_call(machine, CALL_ID_open, 0, &open);
}

void machine_start(struct machine *machine, uint16_t kernel, uint64_t memlock)
{
	struct target_config config = {
		.kernel = kernel ? kernel : LINUX_NEWEST,
		.mem_pages = MACHINE_PAGES,
		.memlock = memlock,
		.caps_none = memlock != 0,
	};

	memset(machine, 0, sizeof(*machine));
	start(machine, &config);
}

void machine_start_threads(struct machine *machine,
	void (*phase)(struct machine *machine, const char *what, bool blocked))
{
	struct target_config config = {
		.kernel = LINUX_NEWEST, .mem_pages = MACHINE_PAGES, .threads = true};

	memset(machine, 0, sizeof(*machine));
	machine->phase = phase;
	start(machine, &config);
}

void machine_end(struct machine *machine)
{
	target_model.finish(machine->target);
	target_model.close(machine->target);
}

static int64_t run(struct machine *machine, const struct resolved_call *call, void *image)
{
	struct call_outcome outcome;

	target_model.call(machine->target, call, &outcome);
	if (outcome.image_size)
		memcpy(image, outcome.image, outcome.image_size);
	return outcome.result;
}

static struct resolved_call resolve(
	struct machine *machine, enum call_id row, uint64_t subject, void *image)
{
	struct resolved_call call = {
		.row = &call_rows[row],
		.thread = (uint8_t)machine->thread,
		.process = (uint8_t)machine->process,
		.depth = (uint8_t)machine->depth,
		.subject = subject,
		.image = image,
		.image_size = call_rows[row].size,
		.struct_size = call_rows[row].size,
	};

	if (machine->fail_nth) {
		call.fail = FAIL_POINT;
		call.fail_point = machine->fail_point;
		call.fail_nth = machine->fail_nth;
		machine->fail_nth = 0;
	}
	return call;
}

int64_t machine_call(struct machine *machine, enum call_id row, uint64_t subject, void *image)
{
	struct resolved_call call = resolve(machine, row, subject, image);

	return run(machine, &call, image);
}

int64_t machine_ioctl_at(struct machine *machine, enum call_id row, void *image, uint64_t at)
{
	struct resolved_call call = resolve(machine, row, machine->fd, image);
	const struct call_row *description = call.row;
	uint32_t size;

	memcpy(&size, image, sizeof(size));
	if (!size) {
		size = description->size;
		memcpy(image, &size, sizeof(size));
	}
	if (description->selector >= 0)
		memcpy((char *)image + description->selector, &description->selector_value,
			description->selector_width);
	call.at = at;
	return run(machine, &call, image);
}

int64_t machine_ioctl(struct machine *machine, enum call_id row, void *image)
{
	return machine_ioctl_at(machine, row, image,
		EXEC_ARGUMENT_BASE + machine->thread * EXEC_ARGUMENT_SIZE +
			machine->depth * MACHINE_PAGE);
}

static int64_t bytes_call(struct machine *machine, enum call_id row, uint64_t address,
	const void *bytes, uint32_t count)
{
	struct call_memory memory = {.addr = address};
	struct resolved_call call = resolve(machine, row, 0, &memory);

	call.bytes = bytes;
	call.byte_count = count;
	return run(machine, &call, &memory);
}

int64_t machine_put(struct machine *machine, uint64_t address, const void *bytes, uint32_t count)
{
	return bytes_call(machine, CALL_ID_put, address, bytes, count);
}

int64_t machine_expect(struct machine *machine, uint64_t address, const void *bytes, uint32_t count)
{
	return bytes_call(machine, CALL_ID_expect, address, bytes, count);
}

uint32_t machine_ioas(struct machine *machine)
{
	struct iommu_ioas_alloc alloc = {0};

	return machine_ioctl(machine, CALL_ID_IOMMU_IOAS_ALLOC, &alloc) ? 0 : alloc.out_ioas_id;
}

int64_t machine_mock(struct machine *machine, uint32_t pt_id, uint32_t ids[3])
{
	struct iommu_test_cmd test = {.id = pt_id};
	int64_t rc = machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN, &test);

	ids[0] = test.mock_domain.out_stdev_id;
	ids[1] = test.mock_domain.out_hwpt_id;
	ids[2] = test.mock_domain.out_idev_id;
	return rc;
}

uint64_t machine_access(struct machine *machine, uint32_t flags)
{
	struct call_access_create create = {.flags = flags};

	return machine_call(machine, CALL_ID_access_create, machine->fd, &create)
		       ? 0
		       : create.out_access;
}

int64_t machine_attach(struct machine *machine, enum call_id row, uint64_t access, uint32_t ioas)
{
	struct call_access_ioas argument = {.ioas_id = ioas};

	return machine_call(machine, row, access, &argument);
}

int64_t machine_pin(
	struct machine *machine, enum call_id row, uint64_t access, uint64_t iova, uint64_t length)
{
	struct call_access_pin pin = {.iova = iova, .length = length};

	return machine_call(machine, row, access, &pin);
}

int64_t machine_destroy(struct machine *machine, uint32_t id)
{
	struct iommu_destroy destroy = {.id = id};

	return machine_ioctl(machine, CALL_ID_IOMMU_DESTROY, &destroy);
}

int64_t machine_map(
	struct machine *machine, uint32_t ioas, uint64_t iova, uint64_t va, uint64_t length)
{
	struct iommu_ioas_map map = {
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = va,
		.length = length,
		.iova = iova,
	};

	return machine_ioctl(machine, CALL_ID_IOMMU_IOAS_MAP, &map);
}

int64_t machine_unmap(struct machine *machine, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap unmap = {.ioas_id = ioas, .iova = iova, .length = length};

	return machine_ioctl(machine, CALL_ID_IOMMU_IOAS_UNMAP, &unmap);
}

bool machine_pins_are(struct machine *machine, uint64_t va, uint64_t length, uint32_t pins)
{
	struct iommu_test_cmd test = {
		.md_check_refs = {.length = length, .uptr = va, .refs = pins}};

	return machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_MD_CHECK_REFS, &test) == 0;
}
