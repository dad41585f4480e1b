/* SPDX-License-Identifier: Apache-2.0 */
/* Names of outputs in one program, found in constant time. */
#ifndef IOMMUZZ_FUZZ_PROG_NAMES_TABLE_H
#define IOMMUZZ_FUZZ_PROG_NAMES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_entry {
	const char *name; /* belongs to the caller and outlives the table; not NUL terminated */
	uint32_t length;
	uint32_t hash;
	uint16_t call;
	uint8_t output;
};

/* Zeroed is empty. */
struct names_table {
	struct names_entry *entries;
	uint32_t count, room;
};

void names_table_free(struct names_table *table);
const struct names_entry *names_table_find(
	const struct names_table *table, const char *name, size_t length);
/* Adds a name that is not in the table. False when memory is short. */
bool names_table_add(
	struct names_table *table, const char *name, size_t length, uint16_t call, uint8_t output);

#endif
