/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled in: looked up, and its digest. The table itself is made by cmake/Embed.cmake. */
#include "tools/embedded.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "impl/abi/catalogue.h"

static int by_path(const void *a, const void *b)
{
	const struct embedded_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

const struct embedded_file *embedded_find(const char *path)
{
	struct embedded_file wanted = {.path = path};

	return bsearch(&wanted, embedded_files, embedded_count, sizeof(wanted), by_path);
}

static void add_text(XXH64_state_t *state, const char *text)
{
	XXH64_update(state, text, strlen(text) + 1);
}

/* Pointers and padding are the build's own, so only what they stand for counts. */
static void add_row(XXH64_state_t *state, const struct call_row *row)
{
	uint32_t numbers[] = {row->kind, row->framing, row->implemented, row->size, row->min_size,
		row->number, row->since, row->needs, row->selector_value, row->field_count};

	add_text(state, row->name);
	XXH64_update(state, numbers, sizeof(numbers));
	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];
		uint32_t shape[] = {field->kind, field->direction, field->resource, field->width,
			field->offset, field->positional, field->is_signed};

		add_text(state, field->name);
		XXH64_update(state, shape, sizeof(shape));
	}
}

static void add_catalogue(XXH64_state_t *state)
{
	for (unsigned r = 0; r < CALL_ID_COUNT; r++)
		add_row(state, &call_rows[r]);
}

uint64_t embedded_catalogue_digest(void)
{
	XXH64_state_t state;

	XXH64_reset(&state, 0);
	add_catalogue(&state);
	return XXH64_digest(&state);
}

uint64_t embedded_digest(void)
{
	XXH64_state_t state;

	XXH64_reset(&state, 0);
	for (size_t i = 0; i < embedded_count; i++) {
		const struct embedded_file *file = &embedded_files[i];

		add_text(&state, file->path);
		XXH64_update(&state, file->bytes, (size_t)(file->end - file->bytes));
	}
	add_catalogue(&state);
	return XXH64_digest(&state);
}
