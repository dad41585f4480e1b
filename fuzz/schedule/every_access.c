/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry points that the compiler calls before each load and store (-fsanitize=thread), without
 * its runtime. Nothing but scheduling depends on addresses here, and digests of outcomes do not.
 */
#include "fuzz/schedule/every_access.h"

#ifdef IOMMUZZ_EVERY_ACCESS
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/scheduler.h"
#include "impl/sim/uninterrupted.h"

#define PLACE_SHIFT 3
#define PLACES_MIN  (UINT64_C(1) << 16)

/* Eight bytes that somebody touched. */
struct place {
	uint64_t number;	   /* address >> PLACE_SHIFT; 0: free */
	uint32_t section;	   /* the masks are of that one */
	uint16_t readers, writers; /* bit: thread */
	bool learned, is_point;
};

static struct {
	struct scheduler *scheduler;
	struct place *places;
	uint64_t room, count, unlearned;
	uint32_t section;
	unsigned uninterrupted;
} all;

static struct place *find(uint64_t number)
{
	uint64_t at = number * UINT64_C(0x9e3779b97f4a7c15) >> 20;

	for (;; at++) {
		struct place *place = &all.places[at & (all.room - 1)];

		if (place->number == number || !place->number)
			return place;
	}
}

static void grow(void)
{
	struct place *old = all.places;
	uint64_t room = all.room;

	all.room = room ? room * 2 : PLACES_MIN;
	all.places = calloc(all.room, sizeof(*all.places));
	if (!all.places)
		abort();
	for (uint64_t i = 0; i < room; i++)
		if (old[i].number)
			*find(old[i].number) = old[i];
	free(old);
}

static struct place *place_of(uint64_t number)
{
	struct place *place;

	if (all.count * 2 >= all.room)
		grow();
	place = find(number);
	if (!place->number) {
		place->number = number;
		all.count++;
	}
	if (place->section != all.section) {
		place->section = all.section;
		place->readers = place->writers = 0;
	}
	return place;
}

static void note(struct place *place, bool write)
{
	uint16_t self = (uint16_t)(1u << scheduler_current(all.scheduler));
	uint16_t others = (uint16_t)(write ? place->readers | place->writers : place->writers);

	if (write)
		place->writers |= self;
	else
		place->readers |= self;
	if (!(others & ~self) || place->learned)
		return;
	place->learned = true;
	all.unlearned++;
}

static void touch(const volatile void *address, size_t size, bool write)
{
	uint64_t first = (uint64_t)(uintptr_t)address >> PLACE_SHIFT;
	uint64_t last = ((uint64_t)(uintptr_t)address + (size ? size - 1 : 0)) >> PLACE_SHIFT;
	struct scheduler *scheduler = all.scheduler;
	bool is_point = false;

	if (!scheduler || !size || !scheduler_active(scheduler) || !scheduler_current(scheduler))
		return;
	for (uint64_t number = first; number <= last && !all.uninterrupted; number++)
		is_point |= place_of(number)->is_point;
	/* May switch: the access itself comes when this thread goes on. */
	if (is_point)
		scheduler_point(scheduler, SCHEDULE_ACCESS, 0);
	for (uint64_t number = first; number <= last; number++)
		note(place_of(number), write);
}

void uninterrupted_begin(const void *what)
{
	/* One step: interrupted before it or not at all. */
	touch(what, 1, true);
	all.uninterrupted++;
}

void uninterrupted_end(void)
{
	all.uninterrupted--;
}

void every_access_of(struct scheduler *scheduler)
{
	all.scheduler = scheduler;
}

void every_access_section(void)
{
	all.section++;
	all.uninterrupted = 0;
}

void every_access_forget(void)
{
	if (all.places)
		memset(all.places, 0, all.room * sizeof(*all.places));
	all.count = all.unlearned = 0;
}

uint64_t every_access_unlearned(void)
{
	return all.unlearned;
}

uint64_t every_access_learn(void)
{
	uint64_t learned = all.unlearned;

	for (uint64_t i = 0; i < all.room; i++)
		all.places[i].is_point = all.places[i].learned;
	all.unlearned = 0;
	return learned;
}

/* -- what the compiler calls -- */

#define ENTRY __attribute__((visibility("default")))

#define PLAIN(size)                                                                                \
	ENTRY void __tsan_read##size(void *address);                                               \
	ENTRY void __tsan_read##size(void *address)                                                \
	{                                                                                          \
		touch(address, size, false);                                                       \
	}                                                                                          \
	ENTRY void __tsan_write##size(void *address);                                              \
	ENTRY void __tsan_write##size(void *address)                                               \
	{                                                                                          \
		touch(address, size, true);                                                        \
	}                                                                                          \
	ENTRY void __tsan_unaligned_read##size(void *address);                                     \
	ENTRY void __tsan_unaligned_read##size(void *address)                                      \
	{                                                                                          \
		touch(address, size, false);                                                       \
	}                                                                                          \
	ENTRY void __tsan_unaligned_write##size(void *address);                                    \
	ENTRY void __tsan_unaligned_write##size(void *address)                                     \
	{                                                                                          \
		touch(address, size, true);                                                        \
	}                                                                                          \
	ENTRY void __tsan_volatile_read##size(void *address);                                      \
	ENTRY void __tsan_volatile_read##size(void *address)                                       \
	{                                                                                          \
		touch(address, size, false);                                                       \
	}                                                                                          \
	ENTRY void __tsan_volatile_write##size(void *address);                                     \
	ENTRY void __tsan_volatile_write##size(void *address)                                      \
	{                                                                                          \
		touch(address, size, true);                                                        \
	}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

ENTRY void __tsan_init(void);
ENTRY void __tsan_init(void)
{
}
ENTRY void __tsan_func_entry(void *caller);
ENTRY void __tsan_func_entry(void *caller)
{
	(void)caller;
}
ENTRY void __tsan_func_exit(void *caller);
ENTRY void __tsan_func_exit(void *caller)
{
	(void)caller;
}
ENTRY void __tsan_vptr_update(void **place, void *value);
ENTRY void __tsan_vptr_update(void **place, void *value)
{
	(void)value;
	touch(place, sizeof(*place), true);
}
ENTRY void __tsan_vptr_read(void **place);
ENTRY void __tsan_vptr_read(void **place)
{
	touch(place, sizeof(*place), false);
}
ENTRY void __tsan_read_range(void *address, size_t size);
ENTRY void __tsan_read_range(void *address, size_t size)
{
	touch(address, size, false);
}
ENTRY void __tsan_write_range(void *address, size_t size);
ENTRY void __tsan_write_range(void *address, size_t size)
{
	touch(address, size, true);
}

/* In builds with every access impl/ calls these by the names of the C library. */
ENTRY void *every_access_memcpy(void *to, const void *from, size_t size);
ENTRY void *every_access_memcpy(void *to, const void *from, size_t size)
{
	touch(from, size, false);
	touch(to, size, true);
	return memcpy(to, from, size);
}
ENTRY void *every_access_memmove(void *to, const void *from, size_t size);
ENTRY void *every_access_memmove(void *to, const void *from, size_t size)
{
	touch(from, size, false);
	touch(to, size, true);
	return memmove(to, from, size);
}
ENTRY void *every_access_memset(void *to, int value, size_t size);
ENTRY void *every_access_memset(void *to, int value, size_t size)
{
	touch(to, size, true);
	return memset(to, value, size);
}
ENTRY int every_access_memcmp(const void *a, const void *b, size_t size);
ENTRY int every_access_memcmp(const void *a, const void *b, size_t size)
{
	touch(a, size, false);
	touch(b, size, false);
	return memcmp(a, b, size);
}

/* Atomic steps: one point each, whatever order of memory they ask for. */
#define CHANGE(bits, name)                                                                         \
	ENTRY uint##bits##_t __tsan_atomic##bits##_##name(                                         \
		volatile void *place, uint##bits##_t value, int order)                             \
	{                                                                                          \
		(void)order;                                                                       \
		touch(place, bits / 8, true);                                                      \
		return __atomic_##name((volatile uint##bits##_t *)place, value, __ATOMIC_SEQ_CST); \
	}
#define EXCHANGE(bits, strength, weak)                                                             \
	ENTRY bool __tsan_atomic##bits##_compare_exchange_##strength(volatile void *place,         \
		void *expected, uint##bits##_t value, int order, int failure)                      \
	{                                                                                          \
		(void)order;                                                                       \
		(void)failure;                                                                     \
		touch(place, bits / 8, true);                                                      \
		return __atomic_compare_exchange_n((volatile uint##bits##_t *)place,               \
			(uint##bits##_t *)expected, value, weak, __ATOMIC_SEQ_CST,                 \
			__ATOMIC_SEQ_CST);                                                         \
	}
#define ATOMIC(bits)                                                                               \
	ENTRY uint##bits##_t __tsan_atomic##bits##_load(const volatile void *place, int order)     \
	{                                                                                          \
		(void)order;                                                                       \
		touch(place, bits / 8, false);                                                     \
		return __atomic_load_n((const volatile uint##bits##_t *)place, __ATOMIC_SEQ_CST);  \
	}                                                                                          \
	ENTRY void __tsan_atomic##bits##_store(                                                    \
		volatile void *place, uint##bits##_t value, int order)                             \
	{                                                                                          \
		(void)order;                                                                       \
		touch(place, bits / 8, true);                                                      \
		__atomic_store_n((volatile uint##bits##_t *)place, value, __ATOMIC_SEQ_CST);       \
	}                                                                                          \
	ENTRY uint##bits##_t __tsan_atomic##bits##_exchange(                                       \
		volatile void *place, uint##bits##_t value, int order)                             \
	{                                                                                          \
		(void)order;                                                                       \
		touch(place, bits / 8, true);                                                      \
		return __atomic_exchange_n(                                                        \
			(volatile uint##bits##_t *)place, value, __ATOMIC_SEQ_CST);                \
	}                                                                                          \
	CHANGE(bits, fetch_add)                                                                    \
	CHANGE(bits, fetch_sub)                                                                    \
	CHANGE(bits, fetch_and)                                                                    \
	CHANGE(bits, fetch_or)                                                                     \
	CHANGE(bits, fetch_xor)                                                                    \
	EXCHANGE(bits, strong, false)                                                              \
	EXCHANGE(bits, weak, true)
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)
ENTRY void __tsan_atomic_thread_fence(int order)
{
	(void)order;
}
#endif
