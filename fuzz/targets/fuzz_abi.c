/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw ioctls: command numbers, sizes, tails and pointers straight from the input, on a context that
 * has an IOAS, a mock device, an area and an access. The input becomes a program of `ioctl` calls,
 * so every oracle applies.
 */
#include "fuzz/prog/scene.h"
#include "fuzz/targets/finding.h"
#include "impl/abi/iommufd_abi.h"

#define PAGE	    UINT64_C(4096)
#define RECORDS_MAX 64
#define IMAGE_MAX   96

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static uint64_t take(struct input *input, size_t width)
{
	uint64_t number = 0;

	for (size_t i = 0; i < width; i++) {
		if (input->size) {
			number |= (uint64_t)*input->data++ << (8 * i);
			input->size--;
		}
	}
	return number;
}

static uint32_t add(struct prog *prog, enum call_id row, uint32_t subject)
{
	uint32_t call = prog->call_count;

	if (!prog_add_call(prog, row))
		abort();
	if (subject != UINT32_MAX)
		*prog_value(prog, &prog->calls[call], 0) = value_handle(subject, 0, 0);
	return call;
}

/* The context that raw calls meet: ids 1 to 5 are IOAS, stdev, idev, HWPT and access. */
static uint32_t set_up(struct prog *prog)
{
	uint32_t fd = add(prog, CALL_ID_open, UINT32_MAX),
		 ioas = add(prog, CALL_ID_IOMMU_IOAS_ALLOC, fd), call;

	call = add(prog, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN, fd);
	call_set(prog, call, "id", value_handle(ioas, 0, 0));
	call = add(prog, CALL_ID_IOMMU_IOAS_MAP, fd);
	call_set(prog, call, "flags",
		value_number(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			     IOMMU_IOAS_MAP_WRITEABLE));
	call_set(prog, call, "ioas_id", value_handle(ioas, 0, 0));
	call_set(prog, call, "user_va", value_mem(0));
	call_set(prog, call, "length", value_number(4 * PAGE));
	call_set(prog, call, "iova", value_number(0x1000000));
	call = add(prog, CALL_ID_IOMMU_TEST_OP_CREATE_ACCESS, fd);
	call_set(prog, call, "id", value_handle(ioas, 0, 0));
	call_set(prog, call, "flags", value_number(1));
	return fd;
}

/* Where the struct lies: in the middle of memory, at the end of a page, across the end of mem, or
 * anywhere. */
static struct value place(struct input *input, uint64_t how)
{
	switch (how & 3) {
	case 0: return value_mem(64 * PAGE);
	case 1: return value_mem(64 * PAGE - (take(input, 1) & 127));
	case 2: return value_mem(16384 * PAGE - (take(input, 1) & 127));
	default: return value_number(take(input, 8));
	}
}

static void add_raw(struct prog *prog, uint32_t fd, struct input *input)
{
	uint64_t how = take(input, 1);
	uint32_t number = how & 4 ? (uint32_t)take(input, 4) : 0x3b00u | (uint32_t)take(input, 1);
	uint32_t call = add(prog, CALL_ID_ioctl, fd), count, start;
	uint8_t image[IMAGE_MAX];

	count = how & 8 ? (uint32_t)take(input, 1) % (IMAGE_MAX + 1) : 68;
	for (uint32_t i = 0; i < count; i++)
		image[i] = (uint8_t)take(input, 1);
	call_set(prog, call, "number", value_number(number));
	call_set(prog, call, "size",
		value_number(how & 16 ? (uint32_t)take(input, how & 32 ? 4 : 1) : count + 4));
	call_set(prog, call, "at", place(input, how >> 6));
	start = prog_add_bytes(prog, image, count);
	if (start != UINT32_MAX && count)
		call_set(prog, call, "tail",
			(struct value){.kind = VALUE_BYTES, .count = count, .start = start});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct oracle_run *run;
	static struct prog prog;
	static bool ready;
	struct input input = {data, size};
	uint32_t fd;

	if (!ready) {
		prog_init(&prog);
		ready = true;
	}
	prog_clear(&prog);
	fd = set_up(&prog);
	for (int i = 0; i < RECORDS_MAX && input.size; i++)
		add_raw(&prog, fd, &input);
	prog_repair(&prog);
	run_and_report(&run, &prog);
	end_input(&run, &prog);
	return 0;
}
