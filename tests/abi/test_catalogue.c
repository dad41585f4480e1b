/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue is consistent with itself and with the specification's tables (iommufd.md 1.2,
 * 8, 9.2 to 9.4, 10.1; vfio-ioasid.md A.2), and its lookups find every row. Prints TAP, one line
 * for each property.
 */
#include "impl/abi/catalogue.h"
#include "impl/abi/test_abi.h"
#include "impl/abi/vfio_abi.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "impl/abi/call_index.h"
#include "spec_tables.h"

static struct {
	int tests;
	int failed_tests;
	int complaints; /* of the current test */
} tap;

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	tap.complaints++;
}

static void end_test(const char *name)
{
	tap.tests++;
	if (tap.complaints)
		tap.failed_tests++;
	printf("%sok %d - %s\n", tap.complaints ? "not " : "", tap.tests, name);
	tap.complaints = 0;
}

/* Runs check on each row as one test. */
static void each_row(const char *name, void (*check)(const struct call_row *row))
{
	for (int id = 0; id < (int)CALL_ID_COUNT; id++)
		check(&call_rows[id]);
	end_test(name);
}

static const struct field *named_field(const struct call_row *row, const char *name)
{
	int index = call_field(row, name, strlen(name));

	return index < 0 ? NULL : &row->fields[index];
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void row_is_described(const struct call_row *row)
{
	if (!row->name || !row->name[0])
		complain("a row has no name");
	if (!row->spec || !row->spec[0])
		complain("%s: no specification section", row->name);
	if (!row->brief || !row->brief[0] || row->brief[strlen(row->brief) - 1] != '.')
		complain("%s: brief is not a sentence", row->name);
	if (row->since > LINUX_NEWEST)
		complain("%s: since a release that does not exist", row->name);
	if (row->kind == CALL_IOCTL && !row->since)
		complain("%s: no first release", row->name);
	if ((row->kind == CALL_KERNEL) !=
		((row->needs & NEEDS_INPROC) && row->kind != CALL_CONTROL))
		complain("%s: in-kernel interfaces, and only they, need inproc", row->name);
	if ((row->needs & NEEDS_TEST) && !starts_with(row->name, "IOMMU_TEST_OP_"))
		complain("%s: needs test but is no test operation", row->name);
}

static void row_has_limits(const struct call_row *row)
{
	if (row->field_count > CALL_FIELD_MAX)
		complain("%s: %d fields", row->name, row->field_count);
	if (row->size > CALL_STRUCT_MAX)
		complain("%s: struct of %d bytes", row->name, row->size);
	if (row->min_size > row->size)
		complain("%s: minimum %d above size %d", row->name, row->min_size, row->size);
}

static void row_has_subject(const struct call_row *row)
{
	bool wanted = row->kind == CALL_IOCTL || row->kind == CALL_KERNEL;

	if (wanted && (!row->field_count || row->fields[0].kind != FIELD_SUBJECT))
		complain("%s: first field is no subject", row->name);
	for (int i = 1; i < row->field_count; i++)
		if (row->fields[i].kind == FIELD_SUBJECT)
			complain("%s: subject is not the first field", row->name);
	if (row->kind == CALL_IOCTL && !resource_is_descriptor(row->fields[0].resource))
		complain("%s: subject is no descriptor", row->name);
}

/* Subject, then size word at offset 0, ..., then tail and at. */
static void ioctl_has_framing_fields(const struct call_row *row)
{
	int last = row->field_count - 1;

	if (row->kind != CALL_IOCTL)
		return;
	if (last < 2 || row->fields[last].kind != FIELD_AT ||
		strcmp(row->fields[last].name, "at") || row->fields[last - 1].kind != FIELD_TAIL ||
		strcmp(row->fields[last - 1].name, "tail")) {
		complain("%s: does not end with tail and at", row->name);
		return;
	}
	if (row->framing == FRAMING_SIZE || row->framing == FRAMING_ARGSZ) {
		const struct field *size = &row->fields[1];
		bool vfio = starts_with(row->name, "VFIO_");

		if (size->kind != FIELD_SIZE || size->offset != 0 || size->width != 4 ||
			strcmp(size->name, vfio ? "argsz" : "size"))
			complain("%s: second field is not the size word", row->name);
		if (row->min_size < 8)
			complain("%s: minimum size %d", row->name, row->min_size);
	}
	if (row->framing == FRAMING_NONE && row->size)
		complain("%s: a struct but no framing", row->name);
}

static bool is_union_pair(const struct field *a, const struct field *b)
{
	return a->offset == b->offset && a->width == b->width && (a->direction & b->direction) == 0;
}

static void fields_lie_in_struct(const struct call_row *row)
{
	for (int i = 0; i < row->field_count; i++) {
		const struct field *a = &row->fields[i];

		if (a->width == 0)
			continue;
		if (a->width != 1 && a->width != 2 && a->width != 4 && a->width != 8)
			complain("%s.%s: width %d", row->name, a->name, a->width);
		if (a->offset + a->width > row->size)
			complain("%s.%s: ends at %d of %d", row->name, a->name,
				a->offset + a->width, row->size);
		if (a->offset % a->width)
			complain("%s.%s: not aligned", row->name, a->name);
		for (int j = 0; j < i; j++) {
			const struct field *b = &row->fields[j];
			bool apart = a->offset >= b->offset + b->width ||
				     b->offset >= a->offset + a->width;

			if (b->width && !apart && !is_union_pair(a, b))
				complain("%s: %s overlaps %s", row->name, a->name, b->name);
		}
		if (row->selector >= 0 && a->offset < row->selector + row->selector_width &&
			row->selector < a->offset + a->width)
			complain("%s.%s: overlaps the selector", row->name, a->name);
	}
}

/* Bytes that need no field: the selector, alignment, and what an operation leaves unused of the
 * union. */
static bool may_be_uncovered(const struct call_row *row, int byte)
{
	if (row->selector >= 0 && byte >= row->selector &&
		byte < row->selector + row->selector_width)
		return true;
	if (row->number == IOMMU_TEST_CMD)
		return (byte >= 16 && byte < 64) || byte >= 68;
	return row->number == VFIO_EEH_PE_OP && byte >= 12 && byte < 16;
}

static void struct_is_covered(const struct call_row *row)
{
	bool covered[CALL_STRUCT_MAX] = {false};

	if (row->kind != CALL_IOCTL)
		return;
	for (int i = 0; i < row->field_count; i++)
		for (int k = 0; k < row->fields[i].width; k++)
			if (row->fields[i].offset + k < CALL_STRUCT_MAX)
				covered[row->fields[i].offset + k] = true;
	for (int byte = 0; byte < row->size; byte++)
		if (!covered[byte] && !may_be_uncovered(row, byte))
			complain("%s: byte %d belongs to no field", row->name, byte);
}

static void field_names_are_unique(const struct call_row *row)
{
	for (int i = 0; i < row->field_count; i++)
		for (int j = 0; j < i; j++)
			if (!strcmp(row->fields[i].name, row->fields[j].name))
				complain("%s: two fields %s", row->name, row->fields[i].name);
}

static void directions_fit_names(const struct call_row *row)
{
	for (int i = 0; i < row->field_count; i++) {
		const struct field *f = &row->fields[i];

		if (f->direction < FIELD_IN || f->direction > FIELD_INOUT)
			complain("%s.%s: no direction", row->name, f->name);
		if (starts_with(f->name, "out_") && f->direction != FIELD_OUT)
			complain("%s.%s: not an output", row->name, f->name);
		if (starts_with(f->name, "__res") && f->kind != FIELD_RESERVED)
			complain("%s.%s: not reserved", row->name, f->name);
		if (f->positional && f->direction != FIELD_IN)
			complain("%s.%s: a bare word that is an output", row->name, f->name);
	}
}

static void check_values(const char *row, const struct field *f)
{
	const struct named_value *v;
	uint64_t seen = 0;

	if ((f->kind == FIELD_FLAGS || f->kind == FIELD_ENUM) != (f->names != NULL))
		complain("%s.%s: names where there should be none, or none", row, f->name);
	for (v = f->names; v && v->name; v++) {
		if (v->since > LINUX_NEWEST)
			complain("%s.%s: %s since a release that does not exist", row, f->name,
				v->name);
		if (f->width < 8 && f->width && v->value >> (8 * f->width))
			complain("%s.%s: %s does not fit", row, f->name, v->name);
		if (f->kind == FIELD_FLAGS && (v->value == 0 || (seen & v->value)))
			complain("%s.%s: %s is no bit of its own", row, f->name, v->name);
		seen |= v->value;
		for (const struct named_value *w = f->names; w != v; w++)
			if (!strcmp(v->name, w->name))
				complain("%s.%s: two values %s", row, f->name, v->name);
	}
}

static void check_kind(const char *row, const struct field *f)
{
	bool beside = f->kind == FIELD_SUBJECT || f->kind == FIELD_BYTES || f->kind == FIELD_TAIL ||
		      f->kind == FIELD_AT || f->kind == FIELD_NAME;
	bool result = f->kind == FIELD_RESOURCE && f->direction == FIELD_OUT;
	bool typed = f->kind == FIELD_RESOURCE || f->kind == FIELD_SUBJECT;

	if (beside && f->width)
		complain("%s.%s: stands beside the struct but has a width", row, f->name);
	if (!beside && !result && !f->width)
		complain("%s.%s: has no width", row, f->name);
	if (typed && f->resource == RESOURCE_NONE)
		complain("%s.%s: a handle of no type", row, f->name);
	if (f->kind == FIELD_IOVA && f->resource != RESOURCE_IOVA)
		complain("%s.%s: an IOVA without its type", row, f->name);
	if (f->kind != FIELD_USER_POINTER && (f->pointee || f->count_field))
		complain("%s.%s: no pointer but a pointee", row, f->name);
	if (f->kind == FIELD_USER_POINTER && f->width != 8)
		complain("%s.%s: pointer of %d bytes", row, f->name, f->width);
}

static void values_and_kinds(const struct call_row *row)
{
	for (int i = 0; i < row->field_count; i++) {
		check_values(row->name, &row->fields[i]);
		check_kind(row->name, &row->fields[i]);
	}
}

static void check_layout(const char *row, const struct layout *layout)
{
	for (int i = 0; i < layout->field_count; i++) {
		const struct field *f = &layout->fields[i];

		if (f->offset + f->width > layout->size || !f->width)
			complain("%s: %s.%s lies outside", row, layout->name, f->name);
		for (int j = 0; j < i; j++)
			if (f->offset < layout->fields[j].offset + layout->fields[j].width)
				complain("%s: %s.%s overlaps", row, layout->name, f->name);
		check_values(layout->name, f);
		check_kind(layout->name, f);
	}
}

static void pointers_have_counts(const struct call_row *row)
{
	for (int i = 0; i < row->field_count; i++) {
		const struct field *f = &row->fields[i];
		const struct field *count;

		if (f->kind != FIELD_USER_POINTER)
			continue;
		if (f->pointee)
			check_layout(row->name, f->pointee);
		if (!f->count_field)
			continue;
		count = named_field(row, f->count_field);
		if (!count || !(count->direction & FIELD_IN))
			complain("%s.%s: no field %s to set", row->name, f->name, f->count_field);
		else if (count->kind != FIELD_LENGTH &&
			 (count->kind != FIELD_NUMBER || !f->pointee))
			complain("%s.%s: count %s of the wrong kind", row->name, f->name,
				count->name);
	}
}

static void names_are_unique(const struct call_row *row)
{
	for (const struct call_row *other = call_rows; other != row; other++)
		if (!strcmp(other->name, row->name))
			complain("two rows %s", row->name);
}

static void name_is_found(const struct call_row *row)
{
	char longer[80];
	size_t length = strlen(row->name);
	int id = (int)(row - call_rows);

	snprintf(longer, sizeof(longer), "%s_", row->name);
	if (call_find(row->name, length) != id || call_find(longer, length) != id)
		complain("%s: found as %d instead of %d", row->name, call_find(row->name, length),
			id);
	if (call_find(longer, length + 1) >= 0)
		complain("%s: found", longer);
	if (call_find(row->name, 0) >= 0)
		complain("the empty name is found");
}

static void index_is_complete(const struct call_row *row)
{
	uint32_t slot = call_name_hash(row->name, strlen(row->name)) % CALL_INDEX_SLOTS;
	int probes = 1;

	while (call_index[slot] && call_index[slot] != row - call_rows + 1) {
		slot = (slot + 1) % CALL_INDEX_SLOTS;
		probes++;
	}
	if (!call_index[slot])
		complain("%s: not in call_index.h; run tests/abi/update_index", row->name);
	if (probes > 8)
		complain("%s: %d probes", row->name, probes);
}

/* Backends of a container are not told apart by number: the type1 row stands for both. */
static const char *row_found_instead(const char *name)
{
	if (!strcmp(name, "VFIO_IOMMU_SPAPR_TCE_GET_INFO"))
		return "VFIO_IOMMU_GET_INFO";
	if (!strcmp(name, "VFIO_IOMMU_SPAPR_REGISTER_MEMORY"))
		return "VFIO_IOMMU_DIRTY_PAGES";
	return name;
}

static void number_is_found(const struct call_row *row)
{
	uint8_t image[CALL_STRUCT_MAX] = {0};
	const char *expected = row_found_instead(row->name);
	int found;

	if (row->kind != CALL_IOCTL) {
		if (row->number)
			complain("%s: not an ioctl but has a number", row->name);
		return;
	}
	if (row->selector >= 0)
		memcpy(image + row->selector, &row->selector_value, row->selector_width);
	found = call_find_ioctl(row->fields[0].resource, row->number, image, row->size);
	if (found < 0 || strcmp(call_rows[found].name, expected))
		complain("%s: number %#x finds %s", row->name, row->number,
			found < 0 ? "nothing" : call_rows[found].name);
	if (call_find_ioctl(row->fields[0].resource, row->number | 0x40000000, image, row->size) >=
		0)
		complain("%s: found with direction bits", row->name);
	if (call_find_ioctl(RESOURCE_EVENTFD, row->number, image, row->size) >= 0)
		complain("%s: found on an eventfd", row->name);
}

static void expect_ioctl(
	enum resource fd, uint32_t number, const void *argument, size_t length, int expected)
{
	int found = call_find_ioctl(fd, number, argument, length);

	if (found != expected)
		complain("%#x of %zu bytes: row %d instead of %d", number, length, found, expected);
}

static void test_selectors(void)
{
	struct iommu_test_cmd cmd = {.op = 24};
	struct iommu_option option = {.option_id = 2};

	expect_ioctl(RESOURCE_IOMMUFD, IOMMU_TEST_CMD, &cmd, sizeof(cmd), -1);
	expect_ioctl(RESOURCE_IOMMUFD, IOMMU_TEST_CMD, &cmd, 7, CALL_ID_IOMMU_TEST_OP_ADD_RESERVED);
	expect_ioctl(RESOURCE_IOMMUFD, IOMMU_TEST_CMD, NULL, 0, CALL_ID_IOMMU_TEST_OP_ADD_RESERVED);
	expect_ioctl(RESOURCE_IOMMUFD, IOMMU_OPTION, &option, sizeof(option), -1);
	option.option_id = IOMMU_OPTION_HUGE_PAGES;
	expect_ioctl(RESOURCE_IOMMUFD, IOMMU_OPTION, &option, 8, CALL_ID_IOMMU_OPTION_HUGE_PAGES);
	expect_ioctl(RESOURCE_IOMMUFD, IOMMU_OPTION, &option, 4, CALL_ID_IOMMU_OPTION_RLIMIT_MODE);
	for (uint32_t nr = 0x96; nr < 0xa0; nr++)
		expect_ioctl(RESOURCE_IOMMUFD, IOMMUFD_IO(nr), NULL, 0, -1);
	expect_ioctl(RESOURCE_CONTAINER, IOMMU_IOAS_MAP, NULL, 0, -1);
	expect_ioctl(RESOURCE_IOMMUFD, IOMMUFD_IO(0x75U), NULL, 0, -1);
	end_test("rows that share a number are told apart by their selector");
}

static uint64_t cut(const struct field *f, uint64_t value)
{
	if (f->width == 8)
		return value;
	value &= (UINT64_C(1) << (8 * f->width)) - 1;
	if (f->is_signed && value >> (8 * f->width - 1))
		value |= ~UINT64_C(0) << (8 * f->width);
	return value;
}

static void fields_round_trip(const struct call_row *row)
{
	static const uint64_t values[] = {0, 1, 0x8000000000000000, 0x80808080fedcba98, UINT64_MAX};

	for (int i = 0; i < row->field_count; i++) {
		const struct field *f = &row->fields[i];

		if (!f->width)
			continue;
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			uint8_t image[CALL_STRUCT_MAX];

			memset(image, 0x5a, sizeof(image));
			field_set(f, image, values[v]);
			if (field_get(f, image) != cut(f, values[v]))
				complain("%s.%s: %#llx reads back otherwise", row->name, f->name,
					(unsigned long long)values[v]);
			for (int b = 0; b < CALL_STRUCT_MAX; b++)
				if ((b < f->offset || b >= f->offset + f->width) &&
					image[b] != 0x5a)
					complain("%s.%s: writes byte %d", row->name, f->name, b);
		}
	}
}

static void field_is_found(const struct call_row *row)
{
	for (int i = 0; i < row->field_count; i++)
		if (call_field(row, row->fields[i].name, strlen(row->fields[i].name)) != i)
			complain("%s: field %s is not found", row->name, row->fields[i].name);
	if (call_field(row, "no_such_field", 13) >= 0)
		complain("%s: finds what it does not have", row->name);
}

static void outputs_are_counted(const struct call_row *row)
{
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(row, outputs), all = 0;

	for (int i = 0; i < row->field_count; i++) {
		const struct field *f = &row->fields[i];

		if ((f->direction & FIELD_OUT) &&
			(f->kind == FIELD_RESOURCE || f->kind == FIELD_IOVA))
			all++;
		if (starts_with(f->name, "out_") && f->kind == FIELD_RESOURCE && all == 0)
			complain("%s.%s: not counted as an output", row->name, f->name);
	}
	if (count != all)
		complain("%s: %d outputs of %d", row->name, count, all);
	for (int i = 1; i < count; i++)
		if (outputs[i] <= outputs[i - 1])
			complain("%s: outputs out of order", row->name);
}

static void expect_outputs(int id, const char *expected)
{
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(&call_rows[id], outputs);
	char names[200] = "";

	for (int i = 0; i < count; i++) {
		strcat(names, i ? " " : "");
		strcat(names, call_rows[id].fields[outputs[i]].name);
	}
	if (strcmp(names, expected))
		complain("%s: outputs \"%s\"", call_rows[id].name, names);
}

static void test_outputs(void)
{
	expect_outputs(CALL_ID_IOMMU_DESTROY, "");
	expect_outputs(CALL_ID_IOMMU_IOAS_ALLOC, "out_ioas_id");
	expect_outputs(CALL_ID_IOMMU_IOAS_MAP, "iova");
	expect_outputs(CALL_ID_IOMMU_IOAS_COPY, "dst_iova");
	expect_outputs(CALL_ID_IOMMU_IOAS_UNMAP, "");
	expect_outputs(CALL_ID_IOMMU_FAULT_QUEUE_ALLOC, "out_fault_id out_fault_fd");
	expect_outputs(CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN, "out_stdev_id out_hwpt_id out_idev_id");
	expect_outputs(CALL_ID_IOMMU_TEST_OP_CREATE_ACCESS, "out_access_fd");
	expect_outputs(CALL_ID_IOMMU_TEST_OP_DMABUF_GET, "dmabuf_fd");
	expect_outputs(CALL_ID_open, "fd");
	expect_outputs(CALL_ID_access_create, "out_access out_access_id");
	end_test("calls have the outputs that programs name");
}

static void check_spec_row(const struct spec_row *spec)
{
	int id = call_find(spec->name, strlen(spec->name));
	const struct call_row *row = &call_rows[id < 0 ? 0 : id];

	if (id < 0) {
		complain("no row %s", spec->name);
		return;
	}
	if (row->number != spec->number)
		complain(
			"%s: number %#x, specification %#x", spec->name, row->number, spec->number);
	if (row->min_size != spec->min_size || row->size != spec->size)
		complain("%s: sizes %d %d, specification %d %d", spec->name, row->min_size,
			row->size, spec->min_size, spec->size);
}

static void check_spec_op(const struct spec_op *op)
{
	char name[64];
	int id;

	snprintf(name, sizeof(name), "IOMMU_TEST_OP_%s", op->name);
	id = call_find(name, strlen(name));
	if (id < 0 || call_rows[id].selector != 4 || call_rows[id].selector_width != 4 ||
		call_rows[id].selector_value != op->number || call_rows[id].size != 72 ||
		call_rows[id].min_size != 68 || call_rows[id].number != 0x3ba0)
		complain("%s: not operation %u", name, op->number);
}

/* The specification gives the direction of a pointer word itself, the catalogue that of the data
 * behind it. */
static void check_spec_field(const struct spec_field *spec)
{
	int id = call_find(spec->row, strlen(spec->row));
	const struct field *f = id < 0 ? NULL : named_field(&call_rows[id], spec->field);

	if (!f)
		complain("%s.%s: missing", spec->row, spec->field);
	else if (f->offset != spec->offset || f->width != spec->width ||
		 (f->kind != FIELD_USER_POINTER && f->direction != spec->direction))
		complain("%s.%s: at %d, %d bytes, direction %d; specification %d, %d, %d",
			spec->row, spec->field, f->offset, f->width, f->direction, spec->offset,
			spec->width, spec->direction);
}

static void test_spec_tables(void)
{
	size_t fields = 0;

	for (size_t i = 0; i < sizeof(spec_rows) / sizeof(spec_rows[0]); i++)
		check_spec_row(&spec_rows[i]);
	end_test("numbers and sizes are those of the specification");
	for (size_t i = 0; i < sizeof(spec_ops) / sizeof(spec_ops[0]); i++)
		check_spec_op(&spec_ops[i]);
	end_test("test operations are those of the specification");
	for (size_t i = 0; i < sizeof(spec_fields) / sizeof(spec_fields[0]); i++, fields++)
		check_spec_field(&spec_fields[i]);
	end_test("fields lie where the specification says");
	printf("# %zu rows, %zu operations, %zu fields compared\n",
		sizeof(spec_rows) / sizeof(spec_rows[0]), sizeof(spec_ops) / sizeof(spec_ops[0]),
		fields);
}

static void expect_match(enum resource want, enum resource have, bool expected)
{
	if (resource_matches(want, have) != expected)
		complain("%s where %s is wanted", resource_name(have), resource_name(want));
}

static void test_resources(void)
{
	for (int r = 0; r < RESOURCE_COUNT; r++) {
		enum resource is = (enum resource)r;

		if (!strcmp(resource_name(is), "unknown"))
			complain("resource %d has no name", r);
		expect_match(is, is, true);
		expect_match(RESOURCE_ANY_FD, is, resource_is_descriptor(is));
		for (int s = 0; s < r; s++)
			if (!strcmp(resource_name(is), resource_name((enum resource)s)))
				complain("two resources %s", resource_name(is));
	}
	if (!resource_name(RESOURCE_COUNT))
		complain("a resource that does not exist has no name");
	expect_match(RESOURCE_ANY_ID, RESOURCE_IOAS, true);
	expect_match(RESOURCE_ANY_ID, RESOURCE_SELFTEST, true);
	expect_match(RESOURCE_ANY_ID, RESOURCE_IOMMUFD, false);
	expect_match(RESOURCE_ANY_ID, RESOURCE_IOVA, false);
	expect_match(RESOURCE_PAGE_TABLE, RESOURCE_IOAS, true);
	expect_match(RESOURCE_PAGE_TABLE, RESOURCE_HWPT_NESTED, true);
	expect_match(RESOURCE_PAGE_TABLE, RESOURCE_DEVICE, false);
	expect_match(RESOURCE_IOAS, RESOURCE_PAGE_TABLE, false);
	expect_match(RESOURCE_IOAS, RESOURCE_HWPT_PAGING, false);
	expect_match(RESOURCE_IOMMUFD, RESOURCE_CONTAINER, false);
	end_test("resources match as the header says");
}

static void test_releases(void)
{
	if (!(LINUX(6, 13) < LINUX(7, 3) && LINUX(6, 2) < LINUX(6, 13) &&
		    LINUX(3, 6) < LINUX(6, 2)))
		complain("releases do not compare");
	if (LINUX_NEWEST != LINUX(7, 3))
		complain("newest release");
	end_test("releases compare as integers");
}

int main(void)
{
	printf("TAP version 13\n");
	each_row("every row is described", row_is_described);
	each_row("every row keeps the limits", row_has_limits);
	each_row("subjects come first", row_has_subject);
	each_row("ioctls have size, tail and at", ioctl_has_framing_fields);
	each_row("fields lie in their struct and do not overlap", fields_lie_in_struct);
	each_row("every byte of an ioctl's struct belongs to a field", struct_is_covered);
	each_row("names of fields are unique", field_names_are_unique);
	each_row("directions fit the names of fields", directions_fit_names);
	each_row("kinds, types and named values fit together", values_and_kinds);
	each_row("pointers have layouts and counts", pointers_have_counts);
	each_row("names of calls are unique", names_are_unique);
	each_row("call_find finds every call and no other", name_is_found);
	each_row("the index of names is complete", index_is_complete);
	each_row("call_find_ioctl finds every ioctl", number_is_found);
	test_selectors();
	each_row("fields read back what was written", fields_round_trip);
	each_row("call_field finds every field", field_is_found);
	each_row("outputs are counted", outputs_are_counted);
	test_outputs();
	test_spec_tables();
	test_resources();
	test_releases();
	printf("1..%d\n", tap.tests);
	return tap.failed_tests ? 1 : 0;
}
