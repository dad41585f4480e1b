/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/names_table.h"

#include <stdlib.h>
#include <string.h>

void names_table_free(struct names_table *table)
{
	free(table->entries);
	memset(table, 0, sizeof(*table));
}

static uint32_t hash_name(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash;
}

/* The entry of that name, or the free one where it belongs. The table is never full. */
static struct names_entry *slot_of(
	struct names_entry *entries, uint32_t room, const char *name, size_t length, uint32_t hash)
{
	for (uint32_t i = hash;; i++) {
		struct names_entry *entry = &entries[i & (room - 1)];

		if (!entry->name || (entry->hash == hash && entry->length == length &&
					    !memcmp(entry->name, name, length)))
			return entry;
	}
}

const struct names_entry *names_table_find(
	const struct names_table *table, const char *name, size_t length)
{
	const struct names_entry *entry;

	if (!table->room)
		return NULL;
	entry = slot_of(table->entries, table->room, name, length, hash_name(name, length));
	return entry->name ? entry : NULL;
}

static bool double_table(struct names_table *table)
{
	uint32_t room = table->room ? 2 * table->room : 64;
	struct names_entry *entries = calloc(room, sizeof(*entries));

	if (!entries)
		return false;
	for (uint32_t i = 0; i < table->room; i++) {
		const struct names_entry *old = &table->entries[i];

		if (old->name)
			*slot_of(entries, room, old->name, old->length, old->hash) = *old;
	}
	free(table->entries);
	table->entries = entries;
	table->room = room;
	return true;
}

bool names_table_add(
	struct names_table *table, const char *name, size_t length, uint16_t call, uint8_t output)
{
	struct names_entry entry = {
		.name = name,
		.length = (uint32_t)length,
		.hash = hash_name(name, length),
		.call = call,
		.output = output,
	};

	if (2 * (table->count + 1) > table->room && !double_table(table))
		return false;
	*slot_of(table->entries, table->room, name, length, entry.hash) = entry;
	table->count++;
	return true;
}
