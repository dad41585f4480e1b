/* SPDX-License-Identifier: Apache-2.0 */
/* One resolved call as a real system call of the calling process. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz/exec/live_device.h"
#include "fuzz/exec/live_fault.h"
#include "fuzz/exec/live_private.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define SYZ_FLAG	 (1u << 16)
#define MEMFD_KNOWN	 7u
#define MEMFD_INVALID	 0x8000u
#define BITMAP_MAX	 (UINT64_C(16) << 20)
#define IOVA_RANGES_SEEN (UINT64_C(1) << 17)	 /* more ranges than a program can make */
#define CHAIN_SEEN	 (IOVA_RANGES_SEEN * 16) /* bytes of capabilities behind a struct */

static uint64_t first_number(const struct resolved_call *call)
{
	uint64_t number = 0;

	memcpy(&number, call->image, call->struct_size < 8 ? call->struct_size : 8);
	return number;
}

/* -- descriptors -- */

static void opened(struct live_process *process, int64_t fd)
{
	if (fd < LIVE_FIRST_FD || fd >= LIVE_FDS)
		return;
	process->open_fds[fd / 64] |= UINT64_C(1) << fd % 64;
	process->open_count++;
}

static void closed(struct live_process *process, int fd)
{
	uint64_t bit = UINT64_C(1) << fd % 64;

	if (process->open_fds[fd / 64] & bit) {
		process->open_fds[fd / 64] &= ~bit;
		process->open_count--;
	}
}

/* Devices are those that the user has named, so that none is touched by chance. */
static const char *node_name(uint32_t path)
{
	uint32_t number = path & 0xff;

	switch (path & ~UINT32_C(0xff)) {
	case 0:
		return number == CALL_OPEN_IOMMU       ? "/dev/iommu"
		       : number == CALL_OPEN_CONTAINER ? "/dev/vfio/vfio"
						       : NULL;
	case CALL_OPEN_GROUP:
	case CALL_OPEN_NOIOMMU_GROUP: return live_device_group(number);
	case CALL_OPEN_CDEV: return live_device_cdev(number);
	default: return NULL;
	}
}

static int64_t call_open(const struct live_process *process, const struct resolved_call *call)
{
	const char *name = node_name((uint32_t)first_number(call));

	return name ? live_open_node(process, name) : -ENOENT;
}

static int64_t call_memfd(const struct resolved_call *call)
{
	struct call_memfd memfd;
	int fd, error;

	memcpy(&memfd, call->image, sizeof(memfd));
	/* Flags that the catalogue does not name are unknown to programs on every kernel. */
	fd = (int)syscall(SYS_memfd_create, "iommuzz",
		memfd.flags & ~MEMFD_KNOWN ? MEMFD_INVALID : memfd.flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)memfd.size) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int64_t call_poll(const struct resolved_call *call)
{
	struct pollfd poll_fd = {.fd = live_descriptor(call), .events = (short)first_number(call)};

	if (poll_fd.fd < 0)
		return -EBADF;
	if (poll(&poll_fd, 1, 0) < 0)
		return -errno;
	return poll_fd.revents & POLLNVAL ? -EBADF : (int64_t)(uint16_t)poll_fd.revents;
}

static int64_t call_transfer(
	struct live_process *process, const struct resolved_call *call, bool store)
{
	struct live_memory *memory = &process->memory;
	struct call_transfer arguments;
	int fd = live_descriptor(call);
	int64_t result;

	memcpy(&arguments, call->image, sizeof(arguments));
	/* Processors differ in where processes end; all agree on this address. */
	void *at = arguments.length > LIVE_TASK_SIZE ||
				   arguments.at > LIVE_TASK_SIZE - arguments.length
			   ? (void *)(uintptr_t)(UINT64_MAX - LIVE_PAGE)
			   : (void *)(uintptr_t)live_memory_address(memory, arguments.at);
	if (store) {
		/* A file that is mapped shows what is written to it. */
		if (memory->shares)
			live_watch_all(memory);
		result = live_result(write(fd, at, arguments.length));
	} else {
		live_watch(memory, arguments.at, arguments.length);
		result = live_result(read(fd, at, arguments.length));
	}
	return result;
}

static int64_t call_close(struct live_process *process, const struct resolved_call *call)
{
	int fd = live_descriptor(call);

	if (fd < 0)
		return -EBADF;
	closed(process, fd);
	return live_result(close(fd));
}

static int64_t call_ftruncate(struct live_process *process, const struct resolved_call *call)
{
	(void)process;
	return live_result(ftruncate(live_descriptor(call), (off_t)first_number(call)));
}

/* -- memory -- */

static int64_t call_expect(struct live_process *process, const struct resolved_call *call)
{
	uint64_t address = first_number(call);
	uint8_t piece[512];

	for (uint32_t done = 0; done < call->byte_count;) {
		uint32_t part = call->byte_count - done;

		part = part < sizeof(piece) ? part : (uint32_t)sizeof(piece);
		if (live_peek(&process->memory, address + done, piece, part) != part)
			return -EFAULT;
		if (memcmp(piece, call->bytes + done, part))
			return -EILSEQ;
		done += part;
	}
	return 0;
}

static int64_t call_fill(struct live_process *process, const struct resolved_call *call)
{
	struct call_fill fill;
	uint8_t piece[4096];
	int64_t result = 0;

	memcpy(&fill, call->image, sizeof(fill));
	memset(piece, fill.value, sizeof(piece));
	for (uint64_t done = 0; !result && done < fill.length;) {
		uint64_t at = fill.addr + done, part = LIVE_PAGE - at % LIVE_PAGE;

		part = part < fill.length - done ? part : fill.length - done;
		result = live_store(process, at, piece, part);
		/* Page by page, so that nothing large is kept. */
		if (!process->memory.check_all)
			live_report(&process->memory, &process->events);
		done += part;
	}
	return result;
}

/* -- processes -- */

static int64_t call_setrlimit(struct live_process *process, const struct resolved_call *call)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	limit.rlim_cur = first_number(call);
	process->limits_changed = true;
	return live_result(setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* -- injected failures -- */

/* The armed knob, or -1: nothing is to be injected. Nothing else may be done until disarm. */
static int arm(struct live_process *process, const struct resolved_call *call)
{
	int knob;

	if (call->fail != FAIL_NTH)
		return -1;
	knob = live_fault_open();
	if (knob >= 0)
		live_fault_arm(knob, call->fail_nth);
	else
		process->excuse = "no failure could be injected";
	return knob;
}

static void disarm(struct live_process *process, int knob)
{
	if (knob < 0)
		return;
	process->injected = live_fault_disarm(knob);
	close(knob);
}

static int64_t plain_ioctl(const struct resolved_call *call, uint64_t at)
{
	return live_result(syscall(SYS_ioctl, live_descriptor(call), call->row->number, at));
}

static int64_t failing_ioctl(
	struct live_process *process, const struct resolved_call *call, uint64_t at)
{
	int knob = arm(process, call);
	int64_t result = plain_ioctl(call, at);

	disarm(process, knob);
	return result;
}

static inline int64_t do_ioctl(
	struct live_process *process, const struct resolved_call *call, uint64_t at)
{
	return call->fail == FAIL_NONE ? plain_ioctl(call, at) : failing_ioctl(process, call, at);
}

/* -- ioctls -- */

static int find_field(const struct call_row *row, const char *name)
{
	return name ? call_field(row, name, strlen(name)) : -1;
}

static uint64_t image_number(const struct call_row *row, int field, const uint8_t *image)
{
	return field < 0 ? 0 : field_get(&row->fields[field], image);
}

/* Bytes behind a pointer that the call can write. */
static uint64_t pointee_bytes(
	const struct call_row *row, const struct field *pointer, const uint8_t *image)
{
	int count = find_field(row, pointer->count_field);
	uint64_t elements = image_number(row, count, image);

	if (row == &call_rows[CALL_ID_IOMMU_HWPT_GET_DIRTY_BITMAP]) {
		uint64_t length = image_number(row, find_field(row, "length"), image);
		uint64_t unit = image_number(row, find_field(row, "page_size"), image);
		uint64_t bytes = unit ? (length / unit / 64 + 2) * 8 : 0;

		return bytes < BITMAP_MAX ? bytes : BITMAP_MAX;
	}
	if (row == &call_rows[CALL_ID_IOMMU_IOAS_IOVA_RANGES] && elements > IOVA_RANGES_SEEN)
		elements = IOVA_RANGES_SEEN;
	if (count < 0)
		return pointer->pointee ? pointer->pointee->size : LIVE_PAGE;
	if (row->fields[count].kind == FIELD_LENGTH || !pointer->pointee)
		return elements;
	return elements * pointer->pointee->size;
}

static void watch_pointers(
	struct live_memory *memory, const struct call_row *row, const uint8_t *image)
{
	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];

		if (field->kind == FIELD_USER_POINTER && field->direction & FIELD_OUT)
			live_watch(
				memory, field_get(field, image), pointee_bytes(row, field, image));
	}
}

/* What the IOVA range of an access shows. */
static void watch_mapped(struct live_memory *memory, const uint8_t *image)
{
	struct iommu_test_cmd test;

	memcpy(&test, image, sizeof(test));
	if (!(test.access_rw.flags & MOCK_ACCESS_RW_WRITE))
		return;
	if (memory->altered || memory->mapped_unknown || test.access_rw.flags & SYZ_FLAG) {
		live_watch_all(memory);
		return;
	}
	for (uint32_t i = 0; i < memory->mapped_count; i++) {
		const struct live_mapped *mapped = &memory->mapped[i];
		uint64_t first = test.access_rw.iova, length = test.access_rw.length, skip;

		if (first < mapped->iova) {
			if (length <= mapped->iova - first)
				continue;
			length -= mapped->iova - first;
			first = mapped->iova;
		}
		skip = first - mapped->iova;
		if (skip >= mapped->length)
			continue;
		live_watch(memory, mapped->address + skip,
			length < mapped->length - skip ? length : mapped->length - skip);
	}
}

static void add_mapped(struct live_memory *memory, uint64_t iova, uint64_t length, uint64_t address)
{
	if (memory->mapped_count == LIVE_MAPPED_MAX) {
		memory->mapped_unknown = true;
		return;
	}
	memory->mapped[memory->mapped_count++] =
		(struct live_mapped){.iova = iova, .length = length, .address = address};
	memory->populated += length;
}

static void note_copy(struct live_memory *memory, const struct iommu_ioas_copy *copy)
{
	uint32_t count = memory->mapped_count;

	if (copy->flags & SYZ_FLAG) {
		memory->mapped_unknown = true;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct live_mapped *mapped = &memory->mapped[i];
		uint64_t skip = copy->src_iova - mapped->iova;

		if (copy->src_iova >= mapped->iova && skip < mapped->length)
			add_mapped(memory, copy->dst_iova,
				copy->length < mapped->length - skip ? copy->length
								     : mapped->length - skip,
				mapped->address + skip);
		else if (copy->src_iova < mapped->iova &&
			 mapped->iova - copy->src_iova < copy->length)
			add_mapped(memory, copy->dst_iova + (mapped->iova - copy->src_iova),
				mapped->length, mapped->address);
	}
}

/* Keeps in mind what a successful call has made reachable; image is as it came back. */
static void note_mapping(struct live_process *process, const struct call_row *row,
	const uint8_t *image, int64_t result)
{
	struct live_memory *memory = &process->memory;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_map map;

	if (result < 0)
		return;
	switch ((enum call_id)(row - call_rows)) {
	case CALL_ID_IOMMU_IOAS_MAP:
		memcpy(&map, image, sizeof(map));
		add_mapped(memory, map.iova, map.length, map.user_va);
		break;
	case CALL_ID_IOMMU_IOAS_COPY:
		memcpy(&copy, image, sizeof(copy));
		note_copy(memory, &copy);
		break;
	case CALL_ID_IOMMU_IOAS_MAP_FILE:
		/* Of a file that holds the context, nothing ends it any more. */
		process->pins_moved = true;
		memory->mapped_unknown = true;
		break;
	case CALL_ID_IOMMU_IOAS_CHANGE_PROCESS: memory->mapped_unknown = true; break;
	case CALL_ID_IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT: process->temp_limit_set = true; break;
	default:
		if (row->number == IOMMU_TEST_CMD || row->framing != FRAMING_ARGSZ)
			break;
		memory->mapped_unknown = true;
		break;
	}
}

/* What may be written behind a struct that says how much room there is. */
static void watch_chain(
	struct live_memory *memory, const struct call_row *row, uint64_t at, const uint8_t *image)
{
	uint32_t argsz;
	uint64_t behind;

	memcpy(&argsz, image, sizeof(argsz));
	behind = argsz > row->size ? argsz - row->size : 0;
	live_watch(memory, at + row->size, behind < CHAIN_SEEN ? behind : CHAIN_SEEN);
}

static void prepare_ioctl(
	struct live_process *process, const struct call_row *row, uint64_t at, const uint8_t *image)
{
	uint8_t traits = process->row_traits[row - call_rows];

	if (traits & LIVE_CHAINS)
		watch_chain(&process->memory, row, at, image);

	if (traits & LIVE_WRITES)
		watch_pointers(&process->memory, row, image);
	if (row == &call_rows[CALL_ID_IOMMU_TEST_OP_ACCESS_RW])
		watch_mapped(&process->memory, image);
	if (traits & LIVE_MAKES_FD)
		process->stray_fds = true;
}

/* Where the struct lies; of some calls the argument is a number that means no place. */
static uint64_t argument_of(const struct live_memory *memory, const struct resolved_call *call)
{
	return call->row->framing == FRAMING_VALUE ? call->at
						   : live_memory_address(memory, call->at);
}

/* Most calls: the struct in its window, nothing else that could change. Whether that was all. */
static inline bool call_plain_ioctl(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome)
{
	struct live_memory *memory = &process->memory;
	uint64_t offset = call->at - EXEC_ARGUMENT_BASE;

	if (memory->altered || memory->check_all || offset >= EXEC_ARGUMENT_SIZE ||
		call->image_size > EXEC_ARGUMENT_SIZE - offset)
		return false;
	if (memory->windows_used[0] < offset + CALL_STRUCT_MAX ||
		memory->windows_used[0] < offset + call->image_size)
		memory->windows_used[0] =
			offset +
			(call->image_size > CALL_STRUCT_MAX ? call->image_size : CALL_STRUCT_MAX);
	memcpy((void *)(uintptr_t)call->at, call->image, call->image_size);
	if (process->row_traits[call->row - call_rows])
		prepare_ioctl(process, call->row, call->at, call->image);
	outcome->result = do_ioctl(process, call, call->at);
	memcpy(process->image, (const void *)(uintptr_t)call->at, CALL_STRUCT_MAX);
	outcome->image_size = call->struct_size;
	return true;
}

static void call_ioctl_row(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome)
{
	struct live_memory *memory = &process->memory;
	uint64_t at;

	outcome->image = process->image;
	if (call_plain_ioctl(process, call, outcome)) {
		if (outcome->result >= 0)
			note_mapping(process, call->row, process->image, outcome->result);
		return;
	}
	at = argument_of(memory, call);
	live_poke(memory, call->at, call->image, call->image_size);
	if (memory->check_all)
		live_watch_all(memory);
	if (process->row_traits[call->row - call_rows])
		prepare_ioctl(process, call->row, call->at, call->image);
	/* The response may be seen elsewhere too. */
	if (memory->shares)
		live_watch(memory, call->at, call->row->size);
	outcome->result = do_ioctl(process, call, at);
	outcome->image_size =
		(uint32_t)live_peek(memory, call->at, process->image, call->struct_size);
	if (outcome->result >= 0 && outcome->image_size == call->struct_size)
		note_mapping(process, call->row, process->image, outcome->result);
}

/* The row whose struct a raw ioctl shows, NULL for numbers without a row. */
static const struct call_row *raw_row(uint32_t number, const uint8_t *image)
{
	const struct call_row *found = NULL;

	for (unsigned r = 0; r < CALL_ID_COUNT; r++) {
		const struct call_row *row = &call_rows[r];
		uint32_t selected = 0;

		if (row->kind != CALL_IOCTL || row->number != number)
			continue;
		if (row->selector < 0)
			return row;
		memcpy(&selected, image + row->selector,
			row->selector_width < 4 ? row->selector_width : 4);
		if (selected == row->selector_value)
			return row;
		found = row;
	}
	return found;
}

static int64_t call_raw_ioctl(struct live_process *process, const struct resolved_call *call)
{
	struct live_memory *memory = &process->memory;
	struct call_ioctl arguments;
	uint8_t image[CALL_STRUCT_MAX] = {0};
	const struct call_row *row;
	int64_t result;

	memcpy(&arguments, call->image, sizeof(arguments));
	live_poke(memory, call->at, call->image + offsetof(struct call_ioctl, size),
		call->image_size - (uint32_t)offsetof(struct call_ioctl, size));
	for (uint32_t i = 0; i < CALL_STRUCT_MAX; i += 8)
		if (live_peek(memory, call->at + i, image + i, 8) != 8)
			break;
	if (memory->check_all)
		live_watch_all(memory);
	row = raw_row(arguments.number, image);
	if (row)
		prepare_ioctl(process, row, call->at, image);
	live_watch(memory, call->at, row ? CALL_STRUCT_MAX : LIVE_PAGE);
	process->stray_fds = true;
	result = live_result(syscall(SYS_ioctl, live_descriptor(call), arguments.number,
		live_memory_address(memory, call->at)));
	if (result >= 0 && row && live_peek(memory, call->at, image, row->size) == row->size)
		note_mapping(process, row, image, result);
	return result;
}

/* -- all calls -- */

static int64_t run_descriptor(struct live_process *process, const struct resolved_call *call)
{
	int64_t result;

	switch ((enum call_id)(call->row - call_rows)) {
	case CALL_ID_open: result = call_open(process, call); break;
	case CALL_ID_memfd: result = call_memfd(call); break;
	default:
		result = live_descriptor(call) < 0 ? -EBADF
						   : live_result(dup(live_descriptor(call)));
		break;
	}
	opened(process, result);
	return result;
}

static int64_t run_system(struct live_process *process, const struct resolved_call *call)
{
	switch ((enum call_id)(call->row - call_rows)) {
	case CALL_ID_open:
	case CALL_ID_dup:
	case CALL_ID_memfd: return run_descriptor(process, call);
	case CALL_ID_close: return call_close(process, call);
	case CALL_ID_read: return call_transfer(process, call, false);
	case CALL_ID_write: return call_transfer(process, call, true);
	case CALL_ID_poll: return call_poll(call);
	case CALL_ID_mmap: return live_mmap(process, call->image);
	case CALL_ID_munmap: return live_munmap(&process->memory, call->image);
	case CALL_ID_mprotect: return live_mprotect(&process->memory, call->image);
	case CALL_ID_ftruncate: return call_ftruncate(process, call);
	case CALL_ID_put:
		return live_store(process, first_number(call), call->bytes, call->byte_count);
	case CALL_ID_expect: return call_expect(process, call);
	case CALL_ID_fill: return call_fill(process, call);
	case CALL_ID_ioctl: return call_raw_ioctl(process, call);
	case CALL_ID_setrlimit: return call_setrlimit(process, call);
	case CALL_ID_setcaps: return live_set_caps(process, (uint32_t)first_number(call));
	case CALL_ID_memory_usage: return live_memory_usage(process->image, process->pinned);
	default: return -ENOSYS;
	}
}

/* What maps and unmaps changes no memory, whatever is seen there; the raw ioctl watches by itself.
 */
static bool may_store(enum call_id row)
{
	return row != CALL_ID_mmap && row != CALL_ID_munmap && row != CALL_ID_mprotect &&
	       row != CALL_ID_ftruncate && row != CALL_ID_ioctl;
}

void live_run(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome)
{
	*outcome = (struct call_outcome){0};
	process->injected = false;
	for (uint32_t i = 0; i < call->literal_count; i++)
		live_poke(&process->memory, call->literals[i].address, call->literals[i].bytes,
			call->literals[i].count);
	if (call->row->kind == CALL_IOCTL) {
		call_ioctl_row(process, call, outcome);
	} else {
		memcpy(process->image, call->image, call->struct_size);
		if (process->memory.check_all && may_store((enum call_id)(call->row - call_rows)))
			live_watch_all(&process->memory);
		int knob = arm(process, call);
		outcome->result = run_system(process, call);
		disarm(process, knob);
		outcome->image_size = call->struct_size;
		outcome->image = process->image;
	}
	outcome->injected = process->injected;
	if (process->memory.piece_count)
		live_report(&process->memory, &process->events);
}

static void ioctl_of_thread(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome, uint8_t *image)
{
	struct live_memory *memory = &process->memory;
	uint64_t at = argument_of(memory, call);

	for (uint32_t i = 0; i < call->literal_count; i++)
		live_poke(memory, call->literals[i].address, call->literals[i].bytes,
			call->literals[i].count);
	live_poke(memory, call->at, call->image, call->image_size);
	if (process->row_traits[call->row - call_rows] & LIVE_MAKES_FD)
		process->stray_fds = true;
	pthread_mutex_unlock(&process->lock);
	outcome->result = plain_ioctl(call, at);
	pthread_mutex_lock(&process->lock);
	outcome->image = image;
	outcome->image_size = (uint32_t)live_peek(memory, call->at, image, call->struct_size);
	if (outcome->result >= 0 && outcome->image_size == call->struct_size)
		note_mapping(process, call->row, image, outcome->result);
}

void live_run_thread(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome)
{
	uint8_t *image = process->thread_images[call->thread % EXEC_THREADS];

	*outcome = (struct call_outcome){0};
	pthread_mutex_lock(&process->lock);
	if (call->row->kind == CALL_IOCTL) {
		ioctl_of_thread(process, call, outcome, image);
	} else {
		live_run(process, call, outcome);
		memcpy(image, process->image, call->struct_size);
		outcome->image = image;
	}
	pthread_mutex_unlock(&process->lock);
}

void live_call_init(struct live_process *process)
{
	pthread_mutex_init(&process->lock, NULL);
	for (unsigned r = 0; r < CALL_ID_COUNT; r++) {
		const struct call_row *row = &call_rows[r];
		uint8_t traits = 0;

		for (unsigned f = 0; f < row->field_count && row->kind == CALL_IOCTL; f++) {
			const struct field *field = &row->fields[f];

			if (field->direction & FIELD_OUT && field->kind == FIELD_RESOURCE &&
				resource_is_descriptor((enum resource)field->resource))
				traits |= LIVE_MAKES_FD;
			if (field->kind == FIELD_USER_POINTER && field->direction & FIELD_OUT)
				traits |= LIVE_WRITES;
		}
		if (row->framing == FRAMING_ARGSZ)
			traits |= LIVE_CHAINS;
		switch ((enum call_id)r) {
		case CALL_ID_fork:
		case CALL_ID_process:
		case CALL_ID_pass:
		case CALL_ID_exec:
		case CALL_ID_exit: traits |= LIVE_PROCESSES; break;
		default: break;
		}
		process->row_traits[r] = traits;
	}
}
