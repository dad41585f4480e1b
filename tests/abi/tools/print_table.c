/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what the catalogue and the ABI headers say, one entry a line, for
 *tests/abi/compare_headers:
 *
 *	number IOMMU_DESTROY 15232		size iommu_destroy 8
 *	offset iommu_destroy id 4		width iommu_destroy id 4
 *	value IOMMU_IOAS_MAP_FIXED_IOVA 1
 *
 * Rows are read once for the words they are written with (the C names) and once as data
 *(call_rows), so that a row whose number or struct is not the one of its name is noticed.
 *header_names.h, written by the script, lists constants and records that no row mentions. An
 *argument "KEY" (a line without its last word) makes that entry wrong by one: the negative control.
 */
#include "impl/abi/catalogue.h"
#include "impl/abi/test_abi.h"
#include "impl/abi/vfio_abi.h"

#include <stdio.h>
#include <string.h>

struct written_member {
	const char *type;
	const char *member;
};

struct written_row {
	const char *number;
	const char *type;
};

/* What each row is written with. Rows of the test command are not in any installed header. */
#define CALL_NUMBER(number, type)	   {number, type}
#define IOMMUFD_IOCTL(type, nr, ...)	   CALL_NUMBER(#nr, #type)
#define IOMMUFD_SELECTED(type, nr, ...)	   CALL_NUMBER(#nr, #type)
#define TEST_OP(...)			   CALL_NUMBER(NULL, NULL)
#define VFIO_IOCTL(fd, type, nr, ...)	   CALL_NUMBER(#nr, #type)
#define VFIO_EXTENSIBLE(fd, type, nr, ...) CALL_NUMBER(#nr, #type)
#define VFIO_FIXED(fd, type, nr, ...)	   CALL_NUMBER(#nr, NULL)
#define VFIO_STRING(fd, nr, ...)	   CALL_NUMBER(#nr, NULL)
#define VFIO_VALUE(fd, nr, ...)		   CALL_NUMBER(#nr, NULL)
#define VFIO_NO_ARGUMENT(fd, nr, ...)	   CALL_NUMBER(#nr, NULL)
#define KERNEL(...)			   CALL_NUMBER(NULL, NULL)
#define KERNEL_BARE(...)		   CALL_NUMBER(NULL, NULL)
#define SYSTEM(...)			   CALL_NUMBER(NULL, NULL)
#define SYSTEM_BARE(...)		   CALL_NUMBER(NULL, NULL)
#define CONTROL(...)			   CALL_NUMBER(NULL, NULL)
#define CONTROL_BARE(...)		   CALL_NUMBER(NULL, NULL)

static const struct written_row written_rows[CALL_ID_COUNT] = {
#define CALL(id, text, row, ...)       [CALL_ID_##id] = row,
#define CALL_LATER(id, text, row, ...) [CALL_ID_##id] = row,
#include "impl/abi/calls.def"
#undef CALL
#undef CALL_LATER
};

#define WRITTEN(type, member)		    {#type, #member}
#define MEMBER(type, member, ...)	    WRITTEN(type, member)
#define SIZE(type, member)		    WRITTEN(type, member)
#define RESERVED(type, member)		    WRITTEN(type, member)
#define RESERVED_BYTE(type, member, n)	    WRITTEN(type, member[n])
#define NUMBER(type, member, ...)	    WRITTEN(type, member)
#define LENGTH(type, member, ...)	    WRITTEN(type, member)
#define IOVA(type, member, ...)		    WRITTEN(type, member)
#define USER_VA(type, member)		    WRITTEN(type, member)
#define FLAGS(type, member, ...)	    WRITTEN(type, member)
#define OUT_FLAGS(type, member, ...)	    WRITTEN(type, member)
#define ENUM(type, member, ...)		    WRITTEN(type, member)
#define OBJECT(type, member, ...)	    WRITTEN(type, member)
#define POINTER(type, member, ...)	    WRITTEN(type, member)
#define SIGNED_FD(type, member, ...)	    WRITTEN(type, member)
#define MEMBER_NUMBER(type, member, ...)    WRITTEN(type, member)
#define POSITIONAL_NUMBER(type, member)	    WRITTEN(type, member)
#define POSITIONAL_LENGTH(type, member)	    WRITTEN(type, member)
#define POSITIONAL_VA(type, member)	    WRITTEN(type, member)
#define POSITIONAL_IOVA(type, member)	    WRITTEN(type, member)
#define POSITIONAL_ENUM(type, member, ...)  WRITTEN(type, member)
#define POSITIONAL_NAMED(type, member, ...) WRITTEN(type, member)
#define SUBJECT(what)			    {NULL, NULL}
#define NAME(...)			    {NULL, NULL}
#define BYTES(...)			    {NULL, NULL}
#define RESULT(...)			    {NULL, NULL}
#define FRAMING_FIELDS                                                                             \
	{NULL, NULL},                                                                              \
	{                                                                                          \
		NULL, NULL                                                                         \
	}
#define TEST_HEAD(what)		 {NULL, NULL}
#define TEST_HEAD_WITHOUT_OBJECT {NULL, NULL}
#define TEST_NUMBER(...)	 {NULL, NULL}
#define TEST_LENGTH(...)	 {NULL, NULL}
#define TEST_IOVA(...)		 {NULL, NULL}
#define TEST_USER_VA(...)	 {NULL, NULL}
#define TEST_FLAGS(...)		 {NULL, NULL}
#define TEST_OBJECT(...)	 {NULL, NULL}
#define TEST_POINTER(...)	 {NULL, NULL}
#define TEST_SIGNED_FD(...)	 {NULL, NULL}
#define TEST_NAMED_NUMBER(...)	 {NULL, NULL}
#define TEST_TAIL		 {NULL, NULL}

static const struct written_member written_members[CALL_ID_COUNT][CALL_FIELD_MAX] = {
#define CALL(id, text, row, ...)       [CALL_ID_##id] = {__VA_ARGS__},
#define CALL_LATER(id, text, row, ...) [CALL_ID_##id] = {__VA_ARGS__},
#include "impl/abi/calls.def"
#undef CALL
#undef CALL_LATER
};

static const char *wrong_key = "";

static void print_entry(
	const char *kind, const char *name, const char *member, unsigned long long value)
{
	char key[160];

	snprintf(
		key, sizeof(key), "%s %s%s%s", kind, name, member ? " " : "", member ? member : "");
	if (!strcmp(key, wrong_key))
		value++;
	printf("%s %llu\n", key, value);
}

static void print_row(int id)
{
	const struct call_row *row = &call_rows[id];
	const struct written_row *written = &written_rows[id];

	if (written->number)
		print_entry("number", written->number, NULL, row->number);
	if (!written->type)
		return;
	print_entry("size", written->type, NULL, row->size);
	for (int i = 0; i < row->field_count; i++) {
		const struct written_member *member = &written_members[id][i];

		if (!member->type)
			continue;
		print_entry("offset", member->type, member->member, row->fields[i].offset);
		print_entry("width", member->type, member->member, row->fields[i].width);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		wrong_key = argv[1];
	for (int id = 0; id < (int)CALL_ID_COUNT; id++)
		print_row(id);
#define RECORD_VALUE(name) print_entry("value", #name, NULL, (unsigned long long)(name));
#define RECORD_SIZE(type)  print_entry("size", #type, NULL, sizeof(struct type));
#define RECORD_MEMBER(type, member)                                                                \
	print_entry("offset", #type, #member, offsetof(struct type, member));                      \
	print_entry("width", #type, #member, sizeof(((struct type *)0)->member));
#include "header_names.h"
	return 0;
}
