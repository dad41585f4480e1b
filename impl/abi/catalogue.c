/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's table and its lookups. */
#include "catalogue.h"

#include <string.h>

#include "fields.h"
#include "names.h"

/*
 * Every row macro of calls.def ends in ROW, which each pass over calls.def defines for itself.
 * Descriptor is the kind that an ioctl is made on, NONE for all other calls.
 */
/* clang-format off */
#define IOMMUFD_IOCTL(type, nr, min, since, spec, brief) \
	ROW(IOMMUFD, CALL_IOCTL, FRAMING_SIZE, nr, sizeof(struct type), min, since, 0, -1, 0, 0, spec, brief)
#define IOMMUFD_SELECTED(type, nr, min, member, value, since, needs, spec, brief) \
	ROW(IOMMUFD, CALL_IOCTL, FRAMING_SIZE, nr, sizeof(struct type), min, since, needs, \
		offsetof(struct type, member), sizeof(((struct type *)0)->member), value, spec, brief)
#define TEST_OP(value, since, spec, brief) \
	IOMMUFD_SELECTED(iommu_test_cmd, IOMMU_TEST_CMD, IOMMU_TEST_CMD_MIN, op, value, since, NEEDS_TEST, spec, brief)

#define VFIO_IOCTL(fd, type, nr, min, since, needs, spec, brief) \
	ROW(fd, CALL_IOCTL, FRAMING_ARGSZ, nr, sizeof(struct type), min, since, needs, -1, 0, 0, spec, brief)
#define VFIO_EXTENSIBLE(fd, type, nr, min, since, needs, spec, brief) \
	ROW(fd, CALL_IOCTL, FRAMING_SIZE, nr, sizeof(struct type), min, since, needs, -1, 0, 0, spec, brief)
#define VFIO_FIXED(fd, type, nr, since, needs, spec, brief) \
	ROW(fd, CALL_IOCTL, FRAMING_FIXED, nr, sizeof(struct type), sizeof(struct type), since, needs, -1, 0, 0, spec, brief)
#define VFIO_STRING(fd, nr, since, needs, spec, brief) \
	ROW(fd, CALL_IOCTL, FRAMING_FIXED, nr, 0, 0, since, needs, -1, 0, 0, spec, brief)
#define VFIO_VALUE(fd, nr, since, needs, spec, brief) \
	ROW(fd, CALL_IOCTL, FRAMING_VALUE, nr, sizeof(struct vfio_value_argument), 0, since, needs, -1, 0, 0, spec, brief)
#define VFIO_NO_ARGUMENT(fd, nr, since, needs, spec, brief) \
	ROW(fd, CALL_IOCTL, FRAMING_NONE, nr, 0, 0, since, needs, -1, 0, 0, spec, brief)

#define PLAIN(kind, bytes, since, needs, spec, brief) \
	ROW(NONE, kind, FRAMING_NONE, 0, bytes, bytes, since, needs, -1, 0, 0, spec, brief)
#define KERNEL(type, since, spec, brief)  PLAIN(CALL_KERNEL, sizeof(struct type), since, NEEDS_INPROC, spec, brief)
#define KERNEL_BARE(since, spec, brief)	  PLAIN(CALL_KERNEL, 0, since, NEEDS_INPROC, spec, brief)
#define SYSTEM(type, spec, brief)	  PLAIN(CALL_SYSTEM, sizeof(struct type), 0, 0, spec, brief)
#define SYSTEM_BARE(spec, brief)	  PLAIN(CALL_SYSTEM, 0, 0, 0, spec, brief)
#define CONTROL(type, needs, spec, brief) PLAIN(CALL_CONTROL, sizeof(struct type), 0, needs, spec, brief)
#define CONTROL_BARE(needs, spec, brief)  PLAIN(CALL_CONTROL, 0, 0, needs, spec, brief)

/* First pass: the fields of each row. */
#define CALL(id, text, row, ...)       static const struct field fields_##id[] = { __VA_ARGS__ };
#define CALL_LATER(id, text, row, ...) static const struct field fields_##id[] = { __VA_ARGS__ };
#include "calls.def"
#undef CALL
#undef CALL_LATER

/* Second pass: the rows. */
#define ROW(fd, call_kind, how, nr, bytes, min, first, need, at, at_width, at_value, section, line) \
	.kind = call_kind, .framing = how, .number = nr, .size = bytes, .min_size = min, .since = first, \
	.needs = need, .selector = at, .selector_width = at_width, .selector_value = at_value, \
	.spec = section, .brief = line
#define COUNT(array) (sizeof(array) / sizeof(struct field))
#define CALL(id, text, row, ...) \
	[CALL_ID_##id] = { .name = text, .implemented = true, row, .fields = fields_##id, .field_count = COUNT(fields_##id) },
#define CALL_LATER(id, text, row, ...) \
	[CALL_ID_##id] = { .name = text, .implemented = false, row, .fields = fields_##id, .field_count = COUNT(fields_##id) },
const struct call_row call_rows[CALL_ID_COUNT] = {
#include "calls.def"
};
#undef CALL
#undef CALL_LATER
#undef COUNT
#undef ROW

/* Third pass: for each kind of descriptor and command byte, 1 + the last row of that number. */
enum { NUMBERS_NONE, NUMBERS_IOMMUFD, NUMBERS_CONTAINER, NUMBERS_GROUP, NUMBERS_VFIO_DEVICE, NUMBERS_COUNT };
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define ROW(fd, call_kind, how, nr, ...) [NUMBERS_##fd][(nr) & 0xff]
#define CALL(id, text, row, ...)       row = CALL_ID_##id + 1,
#define CALL_LATER(id, text, row, ...) row = CALL_ID_##id + 1,
static const uint16_t last_row_of_number[NUMBERS_COUNT][256] = {
#include "calls.def"
};
#undef CALL
#undef CALL_LATER
#undef ROW
#pragma GCC diagnostic pop
/* clang-format on */

/*
 * Names are found through a table with open addressing that is written out in call_index.h. When
 * rows were added and the table was not yet rewritten (tests/abi/update_index), a scan still finds
 * them.
 */
#ifdef CALL_INDEX_UNUSED
#define CALL_INDEX_SLOTS 1
#define CALL_INDEX_ROWS	 0
static const uint16_t call_index[CALL_INDEX_SLOTS];
#else
#include "call_index.h"
#endif

uint32_t call_name_hash(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash ^ (hash >> 15);
}

static bool name_is(const char *name, const char *wanted, size_t length)
{
	return strncmp(name, wanted, length) == 0 && name[length] == '\0';
}

int call_find(const char *name, size_t length)
{
	uint32_t slot = call_name_hash(name, length) % CALL_INDEX_SLOTS;

	while (call_index[slot]) {
		int id = call_index[slot] - 1;

		if (name_is(call_rows[id].name, name, length))
			return id;
		slot = (slot + 1) % CALL_INDEX_SLOTS;
	}
	if (CALL_INDEX_ROWS == (int)CALL_ID_COUNT)
		return -1;
	for (int id = 0; id < (int)CALL_ID_COUNT; id++)
		if (name_is(call_rows[id].name, name, length))
			return id;
	return -1;
}

static int numbers_of(enum resource descriptor)
{
	switch (descriptor) {
	case RESOURCE_IOMMUFD: return NUMBERS_IOMMUFD;
	case RESOURCE_CONTAINER: return NUMBERS_CONTAINER;
	case RESOURCE_GROUP: return NUMBERS_GROUP;
	case RESOURCE_VFIO_DEVICE: return NUMBERS_VFIO_DEVICE;
	default: return NUMBERS_NONE;
	}
}

static bool selector_is(const struct call_row *row, const void *argument)
{
	uint32_t value = 0;

	memcpy(&value, (const uint8_t *)argument + row->selector, row->selector_width);
	return value == row->selector_value;
}

int call_find_ioctl(enum resource descriptor, uint32_t number, const void *argument, size_t length)
{
	int kind = numbers_of(descriptor);
	int id = last_row_of_number[kind][number & 0xff] - 1;

	if (kind == NUMBERS_NONE || id < 0 || call_rows[id].number != number)
		return -1;
	for (;; id--) {
		const struct call_row *row = &call_rows[id];
		bool is_first = id == 0 || row[-1].number != number ||
				row[-1].fields[0].resource != row->fields[0].resource;

		if (argument && row->selector >= 0 &&
			length >= (size_t)row->selector + row->selector_width) {
			if (selector_is(row, argument))
				return id;
			if (is_first)
				return -1;
		} else if (is_first) {
			return id;
		}
	}
}

int call_field(const struct call_row *row, const char *name, size_t length)
{
	for (int i = 0; i < row->field_count; i++)
		if (name_is(row->fields[i].name, name, length))
			return i;
	return -1;
}

int call_outputs(const struct call_row *row, uint8_t fields[CALL_OUTPUT_MAX])
{
	int count = 0;

	for (int i = 0; i < row->field_count && count < CALL_OUTPUT_MAX; i++) {
		const struct field *field = &row->fields[i];

		if ((field->direction & FIELD_OUT) &&
			(field->kind == FIELD_RESOURCE || field->kind == FIELD_IOVA))
			fields[count++] = (uint8_t)i;
	}
	return count;
}

uint64_t field_get(const struct field *field, const void *image)
{
	const uint8_t *bytes = (const uint8_t *)image + field->offset;
	uint64_t value = 0;

	for (unsigned i = 0; i < field->width; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	if (field->is_signed && field->width && field->width < 8) {
		uint64_t sign = UINT64_C(1) << (8 * field->width - 1);

		value = (value ^ sign) - sign;
	}
	return value;
}

void field_set(const struct field *field, void *image, uint64_t value)
{
	uint8_t *bytes = (uint8_t *)image + field->offset;

	for (unsigned i = 0; i < field->width; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

static bool is_page_table(enum resource r)
{
	return r == RESOURCE_HWPT_PAGING || r == RESOURCE_HWPT_NESTED || r == RESOURCE_PAGE_TABLE;
}

bool resource_matches(enum resource want, enum resource have)
{
	if (want == have)
		return true;
	switch (want) {
	case RESOURCE_ANY_FD: return resource_is_descriptor(have);
	case RESOURCE_ANY_ID: return have >= RESOURCE_IOAS && have <= RESOURCE_ANY_ID;
	/* HWPT_ALLOC and HWPT_INVALIDATE take a VIOMMU, too. */
	case RESOURCE_PAGE_TABLE:
		return have == RESOURCE_IOAS || have == RESOURCE_VIOMMU || is_page_table(have);
	case RESOURCE_HWPT_PAGING: return is_page_table(have);
	case RESOURCE_HWPT_NESTED: return have == RESOURCE_VIOMMU || is_page_table(have);
	default: return have == RESOURCE_ANY_FD && resource_is_descriptor(want);
	}
}

const char *resource_name(enum resource r)
{
	static const char *const names[RESOURCE_COUNT] = {
		[RESOURCE_NONE] = "none",
		[RESOURCE_IOMMUFD] = "iommufd",
		[RESOURCE_ACCESS_FD] = "access_fd",
		[RESOURCE_FAULT_FD] = "fault_fd",
		[RESOURCE_VEVENTQ_FD] = "veventq_fd",
		[RESOURCE_CONTAINER] = "container",
		[RESOURCE_GROUP] = "group",
		[RESOURCE_VFIO_DEVICE] = "vfio_device",
		[RESOURCE_MEMFD] = "memfd",
		[RESOURCE_DMABUF] = "dmabuf",
		[RESOURCE_EVENTFD] = "eventfd",
		[RESOURCE_KVM_DEVICE] = "kvm_device",
		[RESOURCE_ANY_FD] = "any_fd",
		[RESOURCE_IOAS] = "IOAS",
		[RESOURCE_DEVICE] = "DEVICE",
		[RESOURCE_HWPT_PAGING] = "HWPT_PAGING",
		[RESOURCE_HWPT_NESTED] = "HWPT_NESTED",
		[RESOURCE_FAULT] = "FAULT",
		[RESOURCE_VIOMMU] = "VIOMMU",
		[RESOURCE_VDEVICE] = "VDEVICE",
		[RESOURCE_VEVENTQ] = "VEVENTQ",
		[RESOURCE_HW_QUEUE] = "HW_QUEUE",
		[RESOURCE_SELFTEST] = "SELFTEST",
		[RESOURCE_PAGE_TABLE] = "PAGE_TABLE",
		[RESOURCE_ANY_ID] = "ANY_ID",
		[RESOURCE_IOVA] = "iova",
		[RESOURCE_ACCESS_ITEM] = "access_item",
		[RESOURCE_ACCESS] = "access",
		[RESOURCE_FAULT_COOKIE] = "fault_cookie",
		[RESOURCE_PROCESS] = "process",
	};

	if ((unsigned)r >= RESOURCE_COUNT || !names[r])
		return "unknown";
	return names[r];
}
