/* SPDX-License-Identifier: Apache-2.0 */
/* Locked-memory accounting (specification 11) and the references of address spaces. */
#include "impl/sim/mm/mm_private.h"

struct user {
	struct sim *sim;
	struct user *next; /* of the sim, newest first */
	uint32_t uid;
	uint32_t references;
	uint64_t locked; /* pages */
};

struct user *user_find(struct sim *sim, uint32_t uid)
{
	struct user *user;

	sim_enter(sim, &sim->state_lock);
	for (user = sim->users; user && user->uid != uid; user = user->next)
		;
	if (!user) {
		user = sim_alloc_internal(sim, sizeof(*user));
		if (user) {
			*user = (struct user){.sim = sim, .next = sim->users, .uid = uid};
			sim->users = user;
		}
	}
	if (user)
		user->references++;
	sim_leave(sim, &sim->state_lock);
	return user;
}

struct user *user_get(struct user *user)
{
	sim_enter(user->sim, &user->sim->state_lock);
	user->references++;
	sim_leave(user->sim, &user->sim->state_lock);
	return user;
}

void user_put(struct task *task, struct user *user)
{
	struct sim *sim = user->sim;
	struct user **link;

	(void)task;
	sim_enter(sim, &sim->state_lock);
	if (!--user->references) {
		for (link = &sim->users; *link != user; link = &(*link)->next)
			;
		*link = user->next;
	} else {
		user = NULL;
	}
	sim_leave(sim, &sim->state_lock);
	sim_free_internal(sim, user, sizeof(*user));
}

uint64_t user_locked(const struct user *user)
{
	return __atomic_load_n(&user->locked, __ATOMIC_RELAXED);
}

uint32_t user_id(const struct user *user)
{
	return user->uid;
}

/* Adds while the sum stays within limit. */
static bool add_within(const struct sim *sim, uint64_t *sum, uint64_t pages, uint64_t limit)
{
	uint64_t old = __atomic_load_n(sum, __ATOMIC_RELAXED), next;

	do {
		if (__builtin_add_overflow(old, pages, &next) || next > limit)
			return false;
		if (!sim_has_threads(sim)) {
			*sum = next;
			return true;
		}
	} while (!__atomic_compare_exchange_n(
		sum, &old, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return true;
}

static void add(const struct sim *sim, uint64_t *sum, uint64_t pages)
{
	if (sim_has_threads(sim))
		__atomic_fetch_add(sum, pages, __ATOMIC_ACQ_REL);
	else
		*sum += pages;
}

bool user_locked_add(struct user *user, uint64_t pages, uint64_t limit)
{
	return add_within(user->sim, &user->locked, pages, limit);
}

void user_locked_sub(struct user *user, uint64_t pages)
{
	add(user->sim, &user->locked, 0 - pages);
}

bool mm_locked_add(struct mm *mm, uint64_t pages, uint64_t limit)
{
	return add_within(mm->sim, &mm->locked, pages, limit);
}

void mm_locked_sub(struct mm *mm, uint64_t pages)
{
	add(mm->sim, &mm->locked, 0 - pages);
}

uint64_t mm_locked(const struct mm *mm)
{
	return __atomic_load_n(&mm->locked, __ATOMIC_RELAXED);
}

uint64_t mm_pinned(const struct mm *mm)
{
	return __atomic_load_n(&mm->pinned, __ATOMIC_RELAXED);
}

void mm_pinned_add(struct mm *mm, int64_t pages)
{
	add(mm->sim, &mm->pinned, (uint64_t)pages);
}

uint32_t mm_number(const struct mm *mm)
{
	return mm->number;
}

static void count(const struct sim *sim, uint32_t *value, uint32_t change)
{
	if (sim_has_threads(sim))
		__atomic_fetch_add(value, change, __ATOMIC_ACQ_REL);
	else
		*value += change;
}

struct mm *mm_grab(struct mm *mm)
{
	count(mm->sim, &mm->grabs, 1);
	return mm;
}

bool mm_alive(const struct mm *mm)
{
	return __atomic_load_n(&mm->users, __ATOMIC_ACQUIRE) != 0;
}

bool mm_get(struct mm *mm)
{
	uint32_t old = __atomic_load_n(&mm->users, __ATOMIC_RELAXED);

	if (!sim_has_threads(mm->sim)) {
		mm->users += old != 0;
		return old != 0;
	}
	while (old && !__atomic_compare_exchange_n(
			      &mm->users, &old, old + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		;
	return old != 0;
}
