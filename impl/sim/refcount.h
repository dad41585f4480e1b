/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference counts: saturating, so that a count that went wrong leaks its object rather than frees
 * it twice. Overflow, underflow and additions to zero are reported ("refcount"). Atomic when other
 * threads may run. No locks, no errors.
 */
#ifndef IOMMUZZ_SIM_REFCOUNT_H
#define IOMMUZZ_SIM_REFCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "impl/sim/lock.h"
#include "impl/sim/sim.h"

struct refcount {
	uint32_t value;
};
#define REFCOUNT_SATURATED UINT32_C(0xc0000000)
#define REFCOUNT_MAX	   UINT32_C(0x7fffffff)

static inline struct refcount refcount_init(uint32_t value)
{
	return (struct refcount){value};
}
static inline uint32_t refcount_read(const struct refcount *count)
{
	return __atomic_load_n(&count->value, __ATOMIC_RELAXED);
}

/* Adds `add` (which may be "minus one" as UINT32_MAX) and returns the value before. */
static inline uint32_t refcount_add_raw(struct task *task, struct refcount *count, uint32_t add)
{
	uint32_t old;

	if (task_threaded(task))
		return __atomic_fetch_add(&count->value, add, __ATOMIC_ACQ_REL);
	old = count->value;
	count->value = old + add;
	return old;
}
static inline void refcount_saturate(struct task *task, struct refcount *count, const char *what)
{
	__atomic_store_n(&count->value, REFCOUNT_SATURATED, __ATOMIC_RELAXED);
	sim_warn(task, "refcount", "%s", what);
}

/* Takes a reference; the caller has one. */
static inline void refcount_inc(struct task *task, struct refcount *count)
{
	uint32_t old = refcount_add_raw(task, count, 1);

	if (__builtin_expect(old == 0, 0))
		refcount_saturate(task, count, "addition on 0: use after free");
	else if (__builtin_expect(old >= REFCOUNT_MAX, 0))
		refcount_saturate(task, count, "saturated");
}
/* Takes a reference unless there is none left. */
static inline bool refcount_inc_not_zero(struct task *task, struct refcount *count)
{
	uint32_t old = refcount_read(count);

	if (!task_threaded(task)) {
		count->value += old != 0;
	} else {
		while (old && !__atomic_compare_exchange_n(&count->value, &old, old + 1, true,
				      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			;
	}
	if (!old)
		return false;
	if (__builtin_expect(old >= REFCOUNT_MAX, 0))
		refcount_saturate(task, count, "saturated");
	return true;
}
/* Drops a reference; true when it was the last one. */
static inline bool refcount_dec_and_test(struct task *task, struct refcount *count)
{
	uint32_t old = refcount_add_raw(task, count, UINT32_MAX);

	if (__builtin_expect(old == 0 || old > REFCOUNT_MAX, 0)) {
		refcount_saturate(task, count, old ? "saturated" : "underflow: use after free");
		return false;
	}
	return old == 1;
}
/* Drops a reference that is known not to be the last one. */
static inline void refcount_dec(struct task *task, struct refcount *count)
{
	if (__builtin_expect(refcount_dec_and_test(task, count), 0))
		refcount_saturate(task, count, "decrement hit 0: leaking memory");
}
/* From exactly one reference to none; false, and nothing done, otherwise. */
static inline bool refcount_dec_if_one(struct refcount *count)
{
	uint32_t one = 1;

	return __atomic_compare_exchange_n(
		&count->value, &one, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

#endif
