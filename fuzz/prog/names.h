/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the text form that the catalogue does not hold: errnos, points, needs, defects, near
 * misses. */
#ifndef IOMMUZZ_FUZZ_PROG_NAMES_H
#define IOMMUZZ_FUZZ_PROG_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/abi/catalogue.h"

#define NAME_MAX_LENGTH 48 /* bytes of a name that a program gives to an output */

/* Name of a positive errno, "EINVAL"; NULL when it has none here. */
const char *names_errno(int error);
/* Positive errno of a name, 0 if there is none. */
int names_errno_find(const char *name, size_t length);

/* Lists of words. names_word gives entry i or NULL behind the last, names_find the index or -1. */
enum name_list {
	NAMES_ERRNO,	      /* in no special order */
	NAMES_FAULT_POINT,    /* enum fault_point */
	NAMES_SCHEDULE_POINT, /* enum schedule_point */
	NAMES_LOCK_CLASS,     /* enum lock_class */
	NAMES_BUG,	      /* enum sim_bug, less one */
	NAMES_NEEDS,	      /* names_needs_bit(i) */
	NAMES_HEADER,	      /* keys of header lines */
	NAMES_OPTION,	      /* keys of `sim` */
	NAMES_CONSTANT,	      /* U64_MAX ...; names_constant(i) */
};
const char *names_word(enum name_list list, unsigned index);
int names_find(enum name_list list, const char *name, size_t length);
/* Bit of enum call_needs or enum prog_needs. */
uint32_t names_needs_bit(unsigned index);
uint64_t names_constant(unsigned index);

/*
 * FIELD_NAME: how many values the field has (0: any number). The word for a value, written to
 * buffer (NULL: a plain number), and back: false if the word is none.
 */
uint32_t names_field_limit(const struct field *field);
const char *names_field_word(const struct field *field, uint64_t number, char buffer[16]);
bool names_field_find(const struct field *field, const char *word, size_t length, uint64_t *number);

/* Name that a made-up output of this type begins with: "fd", "as", "hwpt". Never NULL. */
const char *names_prefix(enum resource resource);
/* Whether the text may name an output: a lower-case letter, then letters, digits and '_'; no word
 * of the grammar. */
bool names_is_valid(const char *name, size_t length);

/* Looks for the closest word: give it candidates, then ask. */
struct near_miss {
	const char *wanted;
	size_t length;
	const char *best; /* NULL when nothing is near */
	unsigned distance;
};
void near_miss_init(struct near_miss *miss, const char *wanted, size_t length);
void near_miss_try(struct near_miss *miss, const char *candidate);
void near_miss_list(struct near_miss *miss, enum name_list list);

#endif
