/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw ioctls: command numbers, sizes, tails and pointers straight from the input, on a context that
 * has an IOAS, a mock device, an area and an access. The input (abi_record.h) becomes a program of
 * `ioctl` calls, so every oracle applies.
 *
 * No mutator of its own: there are no handles to keep right, the structs are what is to be wrong,
 * and a record is as long as its number says, so that the engines' changes of bytes, copies and
 * cross-overs leave most records whole. The seeds (corpus/abi_seeds.c) have every struct once.
 */
#include "fuzz/prog/scene.h"
#include "fuzz/targets/abi_record.h"
#include "fuzz/targets/finding.h"
#include "impl/abi/iommufd_abi.h"

#define PAGE	    UINT64_C(4096)
#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static struct value place(const struct abi_record *record)
{
	switch ((enum abi_place)record->place) {
	case ABI_PLACE_PAGE_END: return value_mem(64 * PAGE - record->offset);
	case ABI_PLACE_MEM_END: return value_mem(16384 * PAGE - record->offset);
	case ABI_PLACE_ANY: return value_number(record->offset);
	default: return value_mem(64 * PAGE);
	}
}

static void add_raw(struct prog *prog, uint32_t fd, struct abi_input *input)
{
	uint32_t call = add(prog, CALL_ID_ioctl, fd), start;
	struct abi_record record;

	abi_read(input, &record);
	call_set(prog, call, "number", value_number(record.number));
	call_set(prog, call, "size", value_number(record.size));
	call_set(prog, call, "at", place(&record));
	start = prog_add_bytes(prog, record.image, record.count);
	if (start != UINT32_MAX && record.count)
		call_set(prog, call, "tail",
			(struct value){.kind = VALUE_BYTES, .count = record.count, .start = start});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct oracle_run *run;
	static struct prog prog;
	static bool ready;
	struct abi_input input = {data, size};
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
