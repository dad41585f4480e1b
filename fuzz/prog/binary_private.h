/* SPDX-License-Identifier: Apache-2.0 */
/* What encoder and decoder share: the tags of docs/BINARY.md and the index of earlier producers. */
#ifndef IOMMUZZ_FUZZ_PROG_BINARY_PRIVATE_H
#define IOMMUZZ_FUZZ_PROG_BINARY_PRIVATE_H

#include "fuzz/prog/binary.h"

#define BINARY_VERSION	     1
#define BINARY_WITH_SCHEDULE 2 /* version of programs that have schedule bytes */

enum binary_option { /* bits of the second byte: which options follow, in this order */
	OPTION_KERNEL = 1 << 0,
	OPTION_BUG = 1 << 1,
	OPTION_PAGES = 1 << 2,
	OPTION_SEED = 1 << 3,
	OPTION_MEMLOCK = 1 << 4,
	OPTION_FLAGS = 1 << 5,
	OPTION_COMPAT = 1 << 6,
	OPTION_SWITCHES = 1 << 7,
};

enum binary_part {	     /* bits of a call's second byte: which parts follow, in this order */
	PART_PLACE = 1 << 0, /* thread and process */
	PART_FAIL = 1 << 1,
	PART_REPEAT = 1 << 2,
	PART_BODY = 1 << 3,    /* nothing follows: the call is in the body of the latest `on` */
	PART_FRAMING = 1 << 4, /* size word, tail and at have tags */
	PART_SPARE = 1 << 5,   /* reserved fields and outputs have tags */
	PART_NEVER = 1 << 7,   /* ignored in the byte: the result of a call has no tag */
};

enum binary_tag {
	TAG_UNSET = 0x00,
	TAG_CONSTANT = 0x01, /* to 0x1f: binary_constants[] */
	TAG_HANDLE = 0x20,   /* to 0x3f: 0 to 31 producers back */
	TAG_HANDLE_1 = 0x40,
	TAG_HANDLE_1_BYTE = 0x41,
	TAG_HANDLE_1_PAGES = 0x42,
	TAG_HANDLE_1_OFFSET = 0x43,
	TAG_HANDLE_ANY = 0x44,
	TAG_HANDLE_ANY_OFFSET = 0x45,
	TAG_NUMBER_1 = 0x48,
	TAG_NUMBER_2 = 0x49,
	TAG_NUMBER_4 = 0x4a,
	TAG_NUMBER_8 = 0x4b,
	TAG_PAGES_1 = 0x4c,
	TAG_PAGES_2 = 0x4d,
	TAG_PAGES_4 = 0x4e,
	TAG_NEGATIVE_1 = 0x4f,
	TAG_NAMED = 0x50,
	TAG_MEM_PAGES_1 = 0x51,
	TAG_MEM_PAGES_2 = 0x52,
	TAG_MEM_PAGE_OFFSET = 0x53,
	TAG_MEM_8 = 0x54,
	TAG_BYTES_1 = 0x55,
	TAG_BYTES_4 = 0x56,
	TAG_STRUCT = 0x57,
	TAG_ARRAY_1 = 0x58,
	TAG_ARRAY_2 = 0x59,
	TAG_MEM_HUGE = 0x5a,
	TAG_POWER = 0x5b,
	TAG_MEM = 0x60,	   /* to 0x7f: pages 0 to 31 */
	TAG_PAGES = 0x80,  /* to 0xbf: 1 to 64 pages */
	TAG_NUMBER = 0xc0, /* to 0xff: 0 to 63 */
};

#define CONSTANT_COUNT (TAG_HANDLE - TAG_CONSTANT)
#define HANDLE_COUNT   (TAG_HANDLE_1 - TAG_HANDLE)
#define MEM_COUNT      (TAG_PAGES - TAG_MEM)
#define PAGES_COUNT    (TAG_NUMBER - TAG_PAGES)
#define NUMBER_COUNT   (0x100 - TAG_NUMBER)
#define PAGE_BYTES     UINT64_C(4096)
#define HUGE_BYTES     (UINT64_C(2) << 20)

/* Where checks and splits of ranges change their minds. */
static const uint64_t binary_constants[CONSTANT_COUNT] = {
	0x7f,
	0xff,
	0x100,
	0x1ff,
	0x200,
	0x7ff,
	0x800,
	0x801,
	0xfff,
	0x1001,
	0x10000,
	0xffff,
	0x1fffff,
	0x200000,
	0x201000,
	0xfff000,
	0x1000000,
	0x3fffffff,
	0x40000000,
	0x7fffffff,
	0x80000000,
	0xfffff000,
	0xffffffff,
	0x100000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xfffffffffff00000,
	0xffffffffffffe000,
	0xfffffffffffff000,
	0xfffffffffffffffe,
	0xffffffffffffffff,
};

/*
 * Every call's outputs by type, newest last, so that "n-th earlier producer" is one access. A list
 * holds the last PRODUCER_WINDOW; what is further back is named by the number of its call.
 */
#define PRODUCER_WINDOW 256

struct producer {
	uint16_t call;
	uint8_t output;
};

struct producers {
	uint16_t counts[RESOURCE_COUNT]; /* all that were ever added */
	struct producer lists[RESOURCE_COUNT][PRODUCER_WINDOW];
};

/* The list in which a field of this type looks: sets have lists of their own, NONE holds
 * everything. */
static inline enum resource producers_list(enum resource want)
{
	return want == RESOURCE_HWPT_NESTED ? RESOURCE_HWPT_PAGING : want;
}

static inline void producers_push(
	struct producers *producers, enum resource list, struct producer producer)
{
	producers->lists[list][producers->counts[list] % PRODUCER_WINDOW] = producer;
	producers->counts[list]++;
}

/* Adds an output of that type to every list in which fields look for it. */
static inline void producers_add(
	struct producers *producers, enum resource have, struct producer producer)
{
	enum resource list = producers_list(have);

	producers_push(producers, RESOURCE_NONE, producer);
	producers_push(producers, list, producer);
	if (list >= RESOURCE_IOMMUFD && list < RESOURCE_ANY_FD)
		producers_push(producers, RESOURCE_ANY_FD, producer);
	if (list >= RESOURCE_IOAS && list < RESOURCE_ANY_ID)
		producers_push(producers, RESOURCE_ANY_ID, producer);
	if (list == RESOURCE_IOAS || list == RESOURCE_HWPT_PAGING)
		producers_push(producers, RESOURCE_PAGE_TABLE, producer);
}

static inline uint32_t producers_count(const struct producers *producers, enum resource want)
{
	uint32_t count = producers->counts[producers_list(want)];

	return count < PRODUCER_WINDOW ? count : PRODUCER_WINDOW;
}

/* back is below producers_count. */
static inline struct producer producers_get(
	const struct producers *producers, enum resource want, uint32_t back)
{
	enum resource list = producers_list(want);

	return producers->lists[list][(producers->counts[list] - 1u - back) % PRODUCER_WINDOW];
}

/* What the catalogue says of a row, in the order in which the decoder needs it. */
struct binary_plan {
	uint8_t usual_count; /* fields that always have a tag */
	uint8_t output_count;
	uint8_t usual[CALL_FIELD_MAX];
	uint8_t parts[CALL_FIELD_MAX]; /* per field: enum binary_part without which it has no tag,
					  or 0 */
	uint8_t outputs[CALL_OUTPUT_MAX]; /* enum resource of each, RESOURCE_NONE: the call's
					     arguments decide */
};

/* The plans of all rows; made by the first caller, constant afterwards. */
const struct binary_plan *binary_plans(void);

/* Adds the outputs of the program's call `call`, whose values are complete. */
static inline void producers_add_call(struct producers *producers, const struct prog *prog,
	uint32_t call, const struct binary_plan *plan)
{
	for (uint8_t i = 0; i < plan->output_count; i++) {
		struct producer producer = {(uint16_t)call, i};
		enum resource have = (enum resource)plan->outputs[i];

		if (have == RESOURCE_NONE)
			have = prog_output_resource(prog, call, i);
		producers_add(producers, have, producer);
	}
}

#endif
