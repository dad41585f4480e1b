/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input of fuzz_abi: records of one raw ioctl each, nothing between them. Read by the target,
 * written by the maker of its seeds.
 *
 *     how, number, [bytes behind the size word], image, [size word], [place]
 *
 * A record without a count has as many bytes as the struct of its number, so that the next one
 * begins where it should; every string of bytes is a list of records, and what is missing at the
 * end is zero.
 */
#ifndef IOMMUZZ_FUZZ_TARGETS_ABI_RECORD_H
#define IOMMUZZ_FUZZ_TARGETS_ABI_RECORD_H

#include <string.h>

#include "impl/abi/catalogue.h"

#define ABI_RECORD_MAX 120 /* bytes of a record at most */
#define ABI_IMAGE_MAX  96
#define ABI_NUMBERS    0x3b00u /* of iommufd and VFIO: one byte says which */

enum abi_how {
	ABI_NUMBER_4 = 1 << 2, /* the number has four bytes, not one */
	ABI_COUNT = 1 << 3,    /* there is a count */
	ABI_SIZE = 1 << 4,     /* the size word is in the record, in one byte */
	ABI_SIZE_4 = 1 << 5,   /* with ABI_SIZE: in four */
	ABI_PLACE = 1 << 6,    /* two bits: enum abi_place */
};

enum abi_place {
	ABI_PLACE_PAGE,	    /* at the start of a page */
	ABI_PLACE_PAGE_END, /* offset bytes before the end of a page */
	ABI_PLACE_MEM_END,  /* offset bytes before the end of mem */
	ABI_PLACE_ANY,	    /* at address offset */
};

struct abi_record {
	uint32_t number;
	uint32_t size;	/* the size word */
	uint32_t count; /* bytes of image */
	uint8_t place;	/* enum abi_place */
	uint64_t offset;
	uint8_t image[ABI_IMAGE_MAX]; /* what lies behind the size word */
};

struct abi_input {
	const uint8_t *data;
	size_t size;
};

static inline uint64_t abi_take(struct abi_input *input, size_t width)
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

/* Bytes behind the size word of the struct of that number. */
static inline uint32_t abi_default_count(uint32_t number)
{
	int row = call_find_ioctl(RESOURCE_IOMMUFD, number, NULL, 0);

	return row >= 0 && call_rows[row].size > 4 ? call_rows[row].size - 4u : 4;
}

/* The next record of the input. */
static inline void abi_read(struct abi_input *input, struct abi_record *record)
{
	uint32_t how = (uint32_t)abi_take(input, 1);

	record->number = how & ABI_NUMBER_4 ? (uint32_t)abi_take(input, 4)
					    : ABI_NUMBERS | (uint32_t)abi_take(input, 1);
	record->count = how & ABI_COUNT ? (uint32_t)abi_take(input, 1) % (ABI_IMAGE_MAX + 1)
					: abi_default_count(record->number);
	for (uint32_t i = 0; i < record->count; i++)
		record->image[i] = (uint8_t)abi_take(input, 1);
	record->size = how & ABI_SIZE ? (uint32_t)abi_take(input, how & ABI_SIZE_4 ? 4 : 1)
				      : record->count + 4;
	record->place = how / ABI_PLACE & 3;
	record->offset = 0;
	if (record->place == ABI_PLACE_ANY)
		record->offset = abi_take(input, 8);
	else if (record->place != ABI_PLACE_PAGE)
		record->offset = abi_take(input, 1) & 127;
}

static inline uint8_t *abi_put(uint8_t *to, uint64_t number, size_t width)
{
	for (size_t i = 0; i < width; i++)
		*to++ = (uint8_t)(number >> (8 * i));
	return to;
}

/* The inverse: the record's bytes (room ABI_RECORD_MAX); how many. */
static inline size_t abi_write(const struct abi_record *record, uint8_t *bytes)
{
	bool long_number = record->number >> 8 != ABI_NUMBERS >> 8;
	bool sized = record->size != record->count + 4;
	bool counted = record->count != abi_default_count(record->number);
	uint8_t *to = bytes;

	*to++ = (uint8_t)((long_number ? ABI_NUMBER_4 : 0) | (counted ? ABI_COUNT : 0) |
			  (sized ? ABI_SIZE : 0) | (sized && record->size > 255 ? ABI_SIZE_4 : 0) |
			  record->place * ABI_PLACE);
	to = abi_put(to, record->number, long_number ? 4 : 1);
	if (counted)
		*to++ = (uint8_t)record->count;
	memcpy(to, record->image, record->count);
	to += record->count;
	if (sized)
		to = abi_put(to, record->size, record->size > 255 ? 4 : 1);
	if (record->place == ABI_PLACE_ANY)
		to = abi_put(to, record->offset, 8);
	else if (record->place != ABI_PLACE_PAGE)
		*to++ = (uint8_t)record->offset;
	return (size_t)(to - bytes);
}

#endif
