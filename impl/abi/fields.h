/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words in which calls.def is written. Included by catalogue.c alone. A member is given with
 * its struct so that offset and width come from the compiler and cannot drift from the ABI headers.
 *
 * Conventions that the rows rely on:
 * - an output whose width is 0 is the result of the call itself (a new descriptor);
 * - a count field of kind LENGTH counts bytes, one of kind NUMBER counts elements of the pointee.
 */
#ifndef IOMMUZZ_ABI_FIELDS_H
#define IOMMUZZ_ABI_FIELDS_H

#include "catalogue.h"
#include "iommufd_abi.h"
#include "kernel_calls.h"
#include "test_abi.h"
#include "vfio_abi.h"

#define MEMBER(type, member, text, field_kind, dir, ...)                                           \
	{.name = text,                                                                             \
		.kind = field_kind,                                                                \
		.direction = dir,                                                                  \
		.width = sizeof(((struct type *)0)->member),                                       \
		.offset = offsetof(struct type, member),                                           \
		__VA_ARGS__}

/* Fields of a struct, named like the member. */
#define SIZE(type, member)	       MEMBER(type, member, #member, FIELD_SIZE, FIELD_IN)
#define RESERVED(type, member)	       MEMBER(type, member, #member, FIELD_RESERVED, FIELD_IN)
#define RESERVED_BYTE(type, member, n) MEMBER(type, member[n], #member #n, FIELD_RESERVED, FIELD_IN)
#define NUMBER(type, member, dir)      MEMBER(type, member, #member, FIELD_NUMBER, dir)
#define LENGTH(type, member, dir)      MEMBER(type, member, #member, FIELD_LENGTH, dir)
#define IOVA(type, member, dir)                                                                    \
	MEMBER(type, member, #member, FIELD_IOVA, dir, .resource = RESOURCE_IOVA)
#define USER_VA(type, member) MEMBER(type, member, #member, FIELD_USER_VA, FIELD_IN)
#define FLAGS(type, member, values)                                                                \
	MEMBER(type, member, #member, FIELD_FLAGS, FIELD_IN, .names = values)
#define OUT_FLAGS(type, member, values)                                                            \
	MEMBER(type, member, #member, FIELD_FLAGS, FIELD_OUT, .names = values)
#define ENUM(type, member, dir, values)                                                            \
	MEMBER(type, member, #member, FIELD_ENUM, dir, .names = values)
#define OBJECT(type, member, dir, what)                                                            \
	MEMBER(type, member, #member, FIELD_RESOURCE, dir, .resource = RESOURCE_##what)
#define POINTER(type, member, dir, layout, count)                                                  \
	MEMBER(type, member, #member, FIELD_USER_POINTER, dir, .pointee = layout,                  \
		.count_field = count)
#define SIGNED_FD(type, member, what)                                                              \
	MEMBER(type, member, #member, FIELD_RESOURCE, FIELD_IN, .resource = RESOURCE_##what,       \
		.is_signed = true)

/* A member of a member, under a name of its own. */
#define MEMBER_NUMBER(type, member, text, dir) MEMBER(type, member, text, FIELD_NUMBER, dir)

/* The same as a bare word. */
#define POSITIONAL_NAMED(type, member, text, values)                                               \
	MEMBER(type, member, text, FIELD_ENUM, FIELD_IN, .names = values, .positional = true)
#define POSITIONAL_NUMBER(type, member)                                                            \
	MEMBER(type, member, #member, FIELD_NUMBER, FIELD_IN, .positional = true)
#define POSITIONAL_LENGTH(type, member)                                                            \
	MEMBER(type, member, #member, FIELD_LENGTH, FIELD_IN, .positional = true)
#define POSITIONAL_VA(type, member)                                                                \
	MEMBER(type, member, #member, FIELD_USER_VA, FIELD_IN, .positional = true)
#define POSITIONAL_IOVA(type, member)                                                              \
	MEMBER(type, member, #member, FIELD_IOVA, FIELD_IN, .resource = RESOURCE_IOVA,             \
		.positional = true)
#define POSITIONAL_ENUM(type, member, values)                                                      \
	MEMBER(type, member, #member, FIELD_ENUM, FIELD_IN, .names = values, .positional = true)

/* Words that stand beside the struct. */
#define BESIDE(text, field_kind, dir, what, bare)                                                  \
	{.name = text,                                                                             \
		.kind = field_kind,                                                                \
		.direction = dir,                                                                  \
		.resource = RESOURCE_##what,                                                       \
		.positional = bare}
#define SUBJECT(what)	   BESIDE("subject", FIELD_SUBJECT, FIELD_IN, what, true)
#define NAME(text, what)   BESIDE(text, FIELD_NAME, FIELD_IN, what, true)
#define BYTES(text)	   BESIDE(text, FIELD_BYTES, FIELD_IN, NONE, true)
#define RESULT(text, what) BESIDE(text, FIELD_RESOURCE, FIELD_OUT, what, false)
#define FRAMING_FIELDS                                                                             \
	BESIDE("tail", FIELD_TAIL, FIELD_IN, NONE, false),                                         \
		BESIDE("at", FIELD_AT, FIELD_IN, NONE, false)

/* Fields of iommu_test_cmd: the member of the union and its own member. */
#define TEST_MEMBER(op, member, ...) MEMBER(iommu_test_cmd, op.member, #member, __VA_ARGS__)
#define TEST_NUMBER(op, member, dir) TEST_MEMBER(op, member, FIELD_NUMBER, dir)
#define TEST_LENGTH(op, member)	     TEST_MEMBER(op, member, FIELD_LENGTH, FIELD_IN)
#define TEST_IOVA(op, member)                                                                      \
	TEST_MEMBER(op, member, FIELD_IOVA, FIELD_IN, .resource = RESOURCE_IOVA)
#define TEST_USER_VA(op, member) TEST_MEMBER(op, member, FIELD_USER_VA, FIELD_IN)
#define TEST_FLAGS(op, member, values)                                                             \
	TEST_MEMBER(op, member, FIELD_FLAGS, FIELD_IN, .names = values)
#define TEST_OBJECT(op, member, dir, what)                                                         \
	TEST_MEMBER(op, member, FIELD_RESOURCE, dir, .resource = RESOURCE_##what)
#define TEST_POINTER(op, member, dir, count)                                                       \
	TEST_MEMBER(op, member, FIELD_USER_POINTER, dir, .count_field = count)
#define TEST_SIGNED_FD(op, member, what)                                                           \
	TEST_MEMBER(op, member, FIELD_RESOURCE, FIELD_IN, .resource = RESOURCE_##what,             \
		.is_signed = true)
/* A member whose name is taken by the head of the struct. */
#define TEST_NAMED_NUMBER(op, member, text)                                                        \
	MEMBER(iommu_test_cmd, op.member, text, FIELD_NUMBER, FIELD_IN)
#define TEST_HEAD(what)                                                                            \
	SUBJECT(IOMMUFD), SIZE(iommu_test_cmd, size), OBJECT(iommu_test_cmd, id, FIELD_IN, what),  \
		RESERVED(iommu_test_cmd, __reserved)
#define TEST_HEAD_WITHOUT_OBJECT                                                                   \
	SUBJECT(IOMMUFD), SIZE(iommu_test_cmd, size), NUMBER(iommu_test_cmd, id, FIELD_IN),        \
		RESERVED(iommu_test_cmd, __reserved)
#define TEST_TAIL RESERVED(iommu_test_cmd, last), FRAMING_FIELDS

#endif
