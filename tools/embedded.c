/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled in: looked up, and its digest. The table itself is made by cmake/Embed.cmake. */
#include "tools/embedded.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "impl/abi/catalogue.h"
#include "tools/files.h"
#include "tools/tool.h"

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

uint8_t *embedded_or_file(const char *path, size_t *size)
{
	const struct embedded_file *file = access(path, F_OK) ? embedded_find(path) : NULL;

	if (!file)
		return files_read(path, size);
	*size = (size_t)(file->end - file->bytes);
	uint8_t *bytes = tool_grow(NULL, *size + 1, 1);
	memcpy(bytes, file->bytes, *size);
	bytes[*size] = 0;
	return bytes;
}

/* With its end, so that texts in a row are told apart. */
static void add_text(const char *text, FILE *out)
{
	fwrite(text, strlen(text) + 1, 1, out);
}

/* Pointers and padding are the build's own, so only what they stand for counts. */
static void add_row(const struct call_row *row, FILE *out)
{
	uint32_t numbers[] = {row->kind, row->framing, row->implemented, row->size, row->min_size,
		row->number, row->since, row->needs, row->selector_value, row->field_count};

	add_text(row->name, out);
	fwrite(numbers, sizeof(numbers), 1, out);
	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];
		uint32_t shape[] = {field->kind, field->direction, field->resource, field->width,
			field->offset, field->positional, field->is_signed};

		add_text(field->name, out);
		fwrite(shape, sizeof(shape), 1, out);
	}
}

uint64_t embedded_digest_of(void (*write)(const void *context, FILE *out), const void *context)
{
	char *bytes = NULL;
	size_t size;
	FILE *out = open_memstream(&bytes, &size);

	if (!out)
		return 0;
	write(context, out);
	for (unsigned r = 0; r < CALL_ID_COUNT; r++)
		add_row(&call_rows[r], out);
	uint64_t digest = fclose(out) == 0 ? XXH64(bytes, size, 0) : 0;
	free(bytes);
	return digest;
}

static void write_files(const void *context, FILE *out)
{
	(void)context;
	for (size_t i = 0; i < embedded_count; i++) {
		const struct embedded_file *file = &embedded_files[i];

		add_text(file->path, out);
		fwrite(file->bytes, (size_t)(file->end - file->bytes), 1, out);
	}
}

uint64_t embedded_digest(void)
{
	return embedded_digest_of(write_files, NULL);
}
