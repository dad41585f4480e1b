/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/live.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/scene.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/vfio_abi.h"

#define HOLE_NUMBER 0x3b96u /* of no command */

/* The number as far as the program says it; false when it is known only at run time. */
static bool number_in(
	const struct prog *prog, const struct call *call, const char *field, uint64_t *number)
{
	struct value value = call_get(prog, call, field);

	*number = value.kind == VALUE_NUMBER ? value.number : 0;
	return value.kind == VALUE_NUMBER || value.kind == VALUE_UNSET;
}

/* Whether the bytes behind the size word can be that row's struct. */
static bool may_select(const struct prog *prog, const struct call *call, const struct call_row *row)
{
	struct value tail = call_get(prog, call, "tail");
	uint32_t selector = 0;

	if (row->selector < 4 || tail.kind != VALUE_BYTES ||
		tail.count + 4 < (uint32_t)row->selector + row->selector_width)
		return true;
	memcpy(&selector, prog_value_bytes(prog, &tail) + row->selector - 4, row->selector_width);
	return selector == row->selector_value;
}

/* Other types of command reach what the kernel does for files of every kind. */
static const char *raw_obstacle(const struct prog *prog, const struct call *call)
{
	uint64_t number;

	if (!number_in(prog, call, "number", &number) || (number >> 8 & 0xff) != IOMMUFD_TYPE)
		return "a raw ioctl that every file answers";
	/* Numbers have other meanings for other kinds of descriptors, which nobody opens here. */
	for (unsigned row = 0; row < CALL_ID_COUNT; row++)
		if (call_rows[row].kind == CALL_IOCTL && call_rows[row].number == number &&
			call_rows[row].fields[0].resource == RESOURCE_IOMMUFD &&
			(!call_rows[row].implemented ||
				row == CALL_ID_IOMMU_TEST_OP_PASID_ATTACH) &&
			may_select(prog, call, &call_rows[row]))
			return "a raw ioctl to a call that is not implemented, or attaches a PASID";
	return NULL;
}

/* The kernel warns of it, where there is a page table to refuse it. */
static bool maps_without_access(const struct prog *prog, const struct call *call)
{
	uint64_t flags;

	return !number_in(prog, call, "flags", &flags) || !flags;
}

/* Whether the field is set to the same in both calls, and to what the program says itself. */
static bool same_field(
	const struct prog *prog, const struct call *a, const struct call *b, const char *field)
{
	struct value first = call_get(prog, a, field), second = call_get(prog, b, field);

	return (first.kind == VALUE_NUMBER || first.kind == VALUE_HANDLE) &&
	       value_same(&first, &second);
}

static bool same_subject(const struct prog *prog, const struct call *a, const struct call *b)
{
	return a->process == b->process && prog_value(prog, a, 0)->kind == VALUE_HANDLE &&
	       value_same(prog_value(prog, a, 0), prog_value(prog, b, 0));
}

/* What may end a context or a device before its PASIDs are detached. */
static bool ends_something(const struct call *call)
{
	switch ((enum call_id)call->row) {
	case CALL_ID_close:
	case CALL_ID_exit:
	case CALL_ID_exec:
	case CALL_ID_ioctl:
	case CALL_ID_IOMMU_DESTROY: return true;
	default: return false;
	}
}

/* An id that no object of a program has: it is found nowhere. */
static bool is_nobody(struct value id)
{
	return id.kind == VALUE_NUMBER && (!id.number || id.number > 8u * PROG_CALL_MAX);
}

/* A kernel never gets rid of a PASID whose device goes first (10.27): it must be detached, by a
 * call that cannot fail, before anything can end. */
static bool pasid_stays(const struct prog *prog, uint32_t index)
{
	const struct call *attach = &prog->calls[index];
	uint64_t pasid;

	if ((number_in(prog, attach, "pasid", &pasid) && !pasid) ||
		is_nobody(call_get(prog, attach, "id")))
		return false;
	for (uint32_t i = index + 1; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		if (ends_something(call))
			return true;
		if (call->row == CALL_ID_IOMMU_TEST_OP_PASID_DETACH && !call->body &&
			call->fail == FAIL_NONE && same_subject(prog, attach, call) &&
			same_field(prog, attach, call, "id") &&
			same_field(prog, attach, call, "pasid") &&
			call_get(prog, call, "size").kind == VALUE_UNSET &&
			call_get(prog, call, "at").kind == VALUE_UNSET &&
			call_get(prog, call, "tail").kind == VALUE_UNSET)
			return false;
	}
	return true;
}

/* Whether the pages of a queue lie side by side is a matter of the machine; one page does.
 * Addresses that maps have chosen are aligned to half a page at least. */
static bool queue_may_scatter(const struct prog *prog, const struct call *call)
{
	struct value iova = call_get(prog, call, "nesting_parent_iova");
	uint64_t length, half = 2048, at = iova.number % half;

	if (!number_in(prog, call, "length", &length))
		return true;
	if (iova.kind == VALUE_NUMBER && iova.number % (2 * half) < half)
		half *= 2;
	/* What no memory could hold fails before, and so does what is no range. */
	return length > half - at && length < UINT64_C(1) << 40 &&
	       iova.number + (length - 1) >= iova.number;
}

/* Such memory can be read where the processor has no protection keys, and cannot where it has. */
static bool only_executes(const struct prog *prog, const struct call *call)
{
	uint64_t prot;

	return !number_in(prog, call, "prot", &prot) ||
	       (prot & (CALL_PROT_READ | CALL_PROT_WRITE | CALL_PROT_EXEC)) == CALL_PROT_EXEC;
}

static const char *system_obstacle(const struct prog *prog, uint32_t index)
{
	const struct call *call = &prog->calls[index];
	uint64_t number;

	switch ((enum call_id)call->row) {
	case CALL_ID_open:
		return number_in(prog, call, "path", &number) && number == CALL_OPEN_IOMMU
			       ? NULL
			       : "opens a node other than /dev/iommu";
	case CALL_ID_mprotect:
		return only_executes(prog, call)
			       ? "memory that can only be executed, which depends on the processor"
			       : NULL;
	case CALL_ID_mmap:
		if (only_executes(prog, call))
			return "memory that can only be executed, which depends on the processor";
		return number_in(prog, call, "flags", &number) && !(number & CALL_MAP_HUGETLB)
			       ? NULL
			       : "huge pages, which depend on the machine";
	case CALL_ID_memfd:
		return number_in(prog, call, "flags", &number) && !(number & CALL_MEMFD_HUGETLB)
			       ? NULL
			       : "huge pages, which depend on the machine";
	case CALL_ID_ioctl: return raw_obstacle(prog, call);
	case CALL_ID_IOMMU_HW_QUEUE_ALLOC:
		return queue_may_scatter(prog, call) ? "a queue of several pages" : NULL;
	case CALL_ID_IOMMU_TEST_OP_PASID_ATTACH:
		return pasid_stays(prog, index) ? "a PASID that may stay attached" : NULL;
	case CALL_ID_VFIO_IOMMU_MAP_DMA_COMPAT:
		return maps_without_access(prog, call)
			       ? "a mapping without access, of which kernels "
				 "warn"
			       : NULL;
	default: return NULL;
	}
}

const char *prog_live_obstacle(const struct prog *prog, uint32_t index)
{
	const struct call *call = &prog->calls[index];
	const struct call_row *row = prog_row(call);

	if (call->fail != FAIL_NONE)
		return "an injected failure";
	if (call->thread || row->kind == CALL_CONTROL)
		return row->needs & NEEDS_INPROC ? "a callback of a driver" : "threads";
	if (row->kind == CALL_KERNEL || row->needs & NEEDS_INPROC)
		return "calls of drivers (needs inproc)";
	if (!row->implemented)
		return "a call that is not implemented";
	if (row->needs & ~(unsigned)NEEDS_TEST)
		return "a device that this machine may not have";
	return system_obstacle(prog, index);
}

const char *prog_live_refused(const struct prog *prog)
{
	const char *reason = NULL;

	if (prog->options.bug)
		return "a defect that is switched on";
	if (prog->switch_count)
		return "a schedule";
	for (uint32_t i = 0; !reason && i < prog->call_count; i++)
		reason = prog_live_obstacle(prog, i);
	return reason;
}

/* Changes what makes the call incomparable, where something near it is comparable. */
static void mend_call(struct prog *prog, uint32_t index)
{
	struct call *call = &prog->calls[index];
	uint64_t number;

	call->fail = FAIL_NONE;
	call->fail_nth = 0;
	call->fail_point = 0;
	call->thread = 0;
	switch ((enum call_id)call->row) {
	case CALL_ID_open: call_set(prog, index, "path", value_number(CALL_OPEN_IOMMU)); break;
	case CALL_ID_mprotect:
		number_in(prog, call, "prot", &number);
		call_set(prog, index, "prot", value_number(number | CALL_PROT_READ));
		break;
	case CALL_ID_mmap:
		if (only_executes(prog, call))
			call_set(prog, index, "prot", value_number(CALL_PROT_READ));
		number_in(prog, call, "flags", &number);
		call_set(prog, index, "flags", value_number(number & ~(uint64_t)CALL_MAP_HUGETLB));
		break;
	case CALL_ID_memfd: call_set(prog, index, "flags", value_number(0)); break;
	case CALL_ID_IOMMU_HW_QUEUE_ALLOC: call_set(prog, index, "length", value_number(1)); break;
	case CALL_ID_VFIO_IOMMU_MAP_DMA_COMPAT:
		if (maps_without_access(prog, call))
			call_set(prog, index, "flags", value_number(VFIO_DMA_MAP_FLAG_READ));
		break;
	case CALL_ID_ioctl:
		number_in(prog, call, "number", &number);
		call_set(prog, index, "number",
			value_number((number & 0xffff00ff) | IOMMUFD_TYPE << 8));
		if (raw_obstacle(prog, call))
			call_set(prog, index, "number", value_number(HOLE_NUMBER));
		break;
	default: break;
	}
}

void prog_live_mend(struct prog *prog)
{
	uint8_t *drop = calloc(prog->call_count + 1u, 1);
	uint32_t dropped = 0;

	if (!drop) {
		prog_clear(prog);
		return;
	}
	prog->options.bug = 0;
	prog->switch_count = 0;
	prog->schedule_count = 0;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		if (prog_live_obstacle(prog, i))
			mend_call(prog, i);
		drop[i] = prog_live_obstacle(prog, i) != NULL;
		dropped += drop[i];
	}
	if (dropped)
		prog_remove_calls(prog, drop);
	free(drop);
	prog_repair(prog);
}
