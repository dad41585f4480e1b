/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "impl/sim/sim_private.h"

/*
 * Classes: multiples of 16 up to 64, of 64 up to 1 KiB, then powers of two up to 32 KiB. What is
 * larger has memory of its own and stands in a list, so that a reset can give it back. Objects from
 * 64 bytes on begin with a cache line.
 */
#define LINE	    64u
#define TINY_STEP   16u
#define SMALL_MAX   1024u
#define MEDIUM_MAX  32768u
#define CHUNK_FIRST ((size_t)1 << 18)
#define CHUNK_MAX   ((size_t)1 << 23)
#define KEPT_MAX    ((size_t)1 << 26)
#define HUGE_PAGE   ((size_t)1 << 21)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of the bytes that follow */
	_Alignas(64) uint8_t bytes[];
};

struct arena_large {
	struct arena_large *next, **link;
	_Alignas(16) uint8_t bytes[];
};

static void *large_alloc(struct arena *arena, size_t size)
{
	struct arena_large *large;

	if (size > SIZE_MAX / 2)
		return NULL;
	large = calloc(1, sizeof(*large) + size);
	if (!large)
		return NULL;
	large->next = arena->large;
	large->link = &arena->large;
	if (large->next)
		large->next->link = &large->next;
	arena->large = large;
	return large->bytes;
}

static void large_free(void *object)
{
	struct arena_large *large =
		(struct arena_large *)(void *)((uint8_t *)object -
					       offsetof(struct arena_large, bytes));

	*large->link = large->next;
	if (large->next)
		large->next->link = large->link;
	free(large);
}

static void large_free_all(struct arena *arena)
{
	while (arena->large)
		large_free(arena->large->bytes);
}

/* The class of a size up to MEDIUM_MAX and the bytes that its objects take. */
static inline unsigned class_of(size_t size, size_t *bytes)
{
	unsigned class, shift;

	if (size <= LINE) {
		class = size ? (unsigned)((size - 1) / TINY_STEP) : 0;
		*bytes = ((size_t)class + 1) * TINY_STEP;
		return class;
	}
	if (size <= SMALL_MAX) {
		class = (unsigned)((size - 1) / LINE);
		*bytes = ((size_t)class + 1) * LINE;
		return LINE / TINY_STEP - 1 + class;
	}
	shift = 64u - (unsigned)__builtin_clzll((unsigned long long)size - 1);
	*bytes = (size_t)1 << shift;
	return LINE / TINY_STEP + SMALL_MAX / LINE - 1 + shift - 11;
}

/* Host memory for a chunk; large ones in huge pages, since their objects are visited in any order.
 */
static struct arena_chunk *chunk_create(size_t size)
{
	struct arena_chunk *chunk;

	if (size < HUGE_PAGE)
		return aligned_alloc(LINE, sizeof(*chunk) + size);
	chunk = aligned_alloc(HUGE_PAGE, size);
	if (chunk)
		madvise(chunk, size, MADV_HUGEPAGE);
	return chunk;
}

/* The next chunk that a reset kept, or a new one. */
__attribute__((noinline)) static bool chunk_next(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunk ? arena->chunk->next : arena->first;
	size_t size;

	if (!chunk) {
		size = arena->chunk ? arena->kept : CHUNK_FIRST;
		if (size > CHUNK_MAX)
			size = CHUNK_MAX;
		chunk = chunk_create(size);
		if (!chunk)
			return false;
		chunk->next = NULL;
		chunk->size = size < HUGE_PAGE ? size : size - sizeof(*chunk);
		arena->kept += size;
		if (arena->chunk)
			arena->chunk->next = chunk;
		else
			arena->first = chunk;
	}
	arena->chunk = chunk;
	arena->next = chunk->bytes;
	arena->end = chunk->bytes + chunk->size;
	return true;
}

/* A new object of that many bytes, not zeroed. */
static void *carve(struct arena *arena, size_t bytes)
{
	size_t skip = bytes < LINE ? 0 : (size_t)(0 - (uintptr_t)arena->next) % LINE;
	void *object;

	if ((size_t)(arena->end - arena->next) < bytes + skip) {
		if (!chunk_next(arena))
			return NULL;
		skip = 0;
	}
	object = arena->next + skip;
	arena->next += bytes + skip;
	return object;
}

static void *arena_alloc(struct arena *arena, size_t size)
{
	size_t bytes;
	unsigned class;
	void *object;

	if (size > MEDIUM_MAX)
		return large_alloc(arena, size);
	class = class_of(size, &bytes);
	object = arena->classes[class];
	if (object) {
		memcpy(&arena->classes[class], object, sizeof(void *));
	} else {
		object = carve(arena, bytes);
		if (!object)
			return NULL;
	}
	return memset(object, 0, size);
}

static void arena_free(struct arena *arena, void *object, size_t size)
{
	size_t bytes;
	unsigned class;

	if (size > MEDIUM_MAX) {
		large_free(object);
		return;
	}
	class = class_of(size, &bytes);
	memcpy(object, &arena->classes[class], sizeof(void *));
	arena->classes[class] = object;
}

void arena_reset(struct sim *sim)
{
	struct arena *arena = &sim->arena;

	large_free_all(arena);
	arena->objects = 0;
	if (SIM_MALLOC_OBJECTS)
		return;
	while (arena->kept > KEPT_MAX && arena->first) {
		struct arena_chunk *chunk = arena->first;

		arena->first = chunk->next;
		arena->kept -= chunk->size < HUGE_PAGE ? chunk->size : chunk->size + sizeof(*chunk);
		free(chunk);
	}
	arena->chunk = NULL;
	arena->next = arena->end = NULL;
	memset(arena->classes, 0, sizeof(arena->classes));
}

void arena_destroy(struct sim *sim)
{
	struct arena *arena = &sim->arena;

	large_free_all(arena);
	while (arena->first) {
		struct arena_chunk *chunk = arena->first;

		arena->first = chunk->next;
		free(chunk);
	}
}

void *sim_alloc(struct task *task, size_t size)
{
	struct sim *sim = task->sim;
	void *object;

	might_sleep(task, "alloc");
	schedule_point(task, SCHEDULE_ALLOC);
	if (fault_here(task, FAULT_ALLOC))
		return NULL;
	if (SIM_MALLOC_OBJECTS) {
		object = calloc(1, size ? size : 1);
		if (object)
			__atomic_fetch_add(&sim->arena.objects, 1, __ATOMIC_RELAXED);
		return object;
	}
	sim_enter(sim, &sim->arena_lock);
	object = arena_alloc(&sim->arena, size);
	if (object)
		sim->arena.objects++;
	sim_leave(sim, &sim->arena_lock);
	return object;
}

void *sim_alloc_array(struct task *task, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return sim_alloc(task, bytes);
}

void *sim_alloc_internal(struct sim *sim, size_t size)
{
	void *object;

	sim_enter(sim, &sim->arena_lock);
	object = SIM_MALLOC_OBJECTS ? large_alloc(&sim->arena, size)
				    : arena_alloc(&sim->arena, size);
	sim_leave(sim, &sim->arena_lock);
	return object;
}

void sim_free(struct task *task, void *object, size_t size)
{
	struct sim *sim = task->sim;

	if (!object)
		return;
	if (SIM_MALLOC_OBJECTS) {
		__atomic_fetch_sub(&sim->arena.objects, 1, __ATOMIC_RELAXED);
		free(object);
		return;
	}
	sim_enter(sim, &sim->arena_lock);
	sim->arena.objects--;
	arena_free(&sim->arena, object, size);
	sim_leave(sim, &sim->arena_lock);
}

void sim_free_internal(struct sim *sim, void *object, size_t size)
{
	if (!object)
		return;
	sim_enter(sim, &sim->arena_lock);
	if (SIM_MALLOC_OBJECTS)
		large_free(object);
	else
		arena_free(&sim->arena, object, size);
	sim_leave(sim, &sim->arena_lock);
}

uint64_t sim_alloc_objects(const struct sim *sim)
{
	return __atomic_load_n(&sim->arena.objects, __ATOMIC_RELAXED);
}
