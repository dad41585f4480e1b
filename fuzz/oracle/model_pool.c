/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the model: blocks of powers of two, taken back as a whole by a reset. A malloc each
 * would cost more than the rest of the model, and the model's own leaks are not what is looked for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/oracle/model.h"

#define CHUNK_SIZE  ((size_t)1 << 18)
#define LARGE_CLASS 16 /* from here on a block is a chunk of its own */

static struct model_chunk *chunk_new(size_t room)
{
	struct model_chunk *chunk = malloc(sizeof(*chunk) + room);

	if (!chunk) {
		fprintf(stderr, "model: out of memory\n");
		abort();
	}
	chunk->room = room;
	return chunk;
}

/* Class of a block: it has room for 2^class bytes, at least 16. */
static unsigned pool_class(size_t size)
{
	return size <= 16 ? 4 : (unsigned)(64 - __builtin_clzll(size - 1));
}

static void *carve(struct model_pool *pool, unsigned class)
{
	size_t size = (size_t)1 << class;
	void *memory;

	if (class >= LARGE_CLASS) {
		struct model_chunk *chunk = chunk_new(size);

		chunk->next = pool->large;
		pool->large = chunk;
		return chunk + 1;
	}
	if (!pool->chunks || pool->used + size > CHUNK_SIZE) {
		struct model_chunk *chunk = pool->spare;

		if (chunk)
			pool->spare = chunk->next;
		else
			chunk = chunk_new(CHUNK_SIZE);
		chunk->next = pool->chunks;
		pool->chunks = chunk;
		pool->used = 0;
	}
	memory = (char *)(pool->chunks + 1) + pool->used;
	pool->used += size;
	return memory;
}

void *model_alloc(struct model *model, size_t size)
{
	struct model_pool *pool = &model->pool;
	unsigned class = pool_class(size);
	void *memory = pool->free[class];

	if (memory)
		memcpy(&pool->free[class], memory, sizeof(void *));
	else
		memory = carve(pool, class);
	return memset(memory, 0, size);
}

void model_free(struct model *model, void *memory, size_t size)
{
	struct model_pool *pool = &model->pool;
	unsigned class = pool_class(size);

	if (!memory)
		return;
	memcpy(memory, &pool->free[class], sizeof(void *));
	pool->free[class] = memory;
}

static void free_chunks(struct model_chunk **list)
{
	while (*list) {
		struct model_chunk *chunk = *list;

		*list = chunk->next;
		free(chunk);
	}
}

void model_pool_reset(struct model_pool *pool)
{
	free_chunks(&pool->large);
	while (pool->chunks && pool->chunks->next) {
		struct model_chunk *chunk = pool->chunks;

		pool->chunks = chunk->next;
		chunk->next = pool->spare;
		pool->spare = chunk;
	}
	pool->used = 0;
	memset(pool->free, 0, sizeof(pool->free));
}

void model_pool_end(struct model_pool *pool)
{
	free_chunks(&pool->large);
	free_chunks(&pool->chunks);
	free_chunks(&pool->spare);
}

void model_array_init(struct model_array *array, uint32_t width)
{
	*array = (struct model_array){.width = width};
}

void *model_array_insert(struct model *model, struct model_array *array, uint32_t index)
{
	char *slot;

	if (array->count == array->room) {
		size_t old = (size_t)array->room * array->width;
		uint32_t room = array->room ? array->room * 2 : 4;
		void *data = model_alloc(model, (size_t)room * array->width);

		if (old) {
			memcpy(data, array->data, old);
			model_free(model, array->data, old);
		}
		array->data = data;
		array->room = room;
	}
	slot = model_array_at(array, index);
	memmove(slot + array->width, slot, (size_t)(array->count - index) * array->width);
	array->count++;
	return memset(slot, 0, array->width);
}

void model_array_remove(struct model_array *array, uint32_t index, uint32_t count)
{
	char *slot;

	if (!count)
		return;
	slot = model_array_at(array, index);
	memmove(slot, slot + (size_t)count * array->width,
		(size_t)(array->count - index - count) * array->width);
	array->count -= count;
}

void model_array_end(struct model *model, struct model_array *array)
{
	model_free(model, array->data, (size_t)array->room * array->width);
	array->data = NULL;
	array->count = 0;
	array->room = 0;
}
