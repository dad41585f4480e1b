/* SPDX-License-Identifier: Apache-2.0 */
/* Id tables against a table that is searched from the start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "impl/sim/idr.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define IDS   700
#define STEPS 200000

static uint32_t naive_alloc(void **table, uint32_t limit)
{
	uint32_t id;

	for (id = 1; id <= limit && table[id]; id++)
		;
	return id <= limit ? id : 0;
}

static uint32_t naive_next(void **table, uint32_t from)
{
	for (; from <= IDS; from++) {
		if (table[from])
			return from;
	}
	return 0;
}

static bool same(const struct idr *idr, void **table, uint32_t id)
{
	void *object = NULL, *wanted = table[id] == IDR_RESERVED ? NULL : table[id];
	uint32_t next = naive_next(table, id ? id : 1);

	return idr_find(idr, id) == wanted && idr_next(idr, id, &object) == next &&
	       (!next || object == table[next]);
}

/* Phases of growing and shrinking, so that all fillings occur. */
static bool random_steps(struct task *task, uint64_t seed)
{
	void **table = calloc(IDS + 1, sizeof(*table));
	struct idr idr;
	bool good = true;
	unsigned step;

	idr_init(&idr, 1, IDS);
	for (step = 0; step < STEPS && good; step++) {
		uint32_t id = 1 + (uint32_t)test_below(&seed, IDS);
		uint64_t grow = step / 4096 % 2 ? 7 : 3;

		if (test_below(&seed, 10) < grow) {
			void *object = test_below(&seed, 4) ? (void *)(uintptr_t)(step * 8 + 16)
							    : IDR_RESERVED;
			int64_t got = idr_alloc(task, &idr, object);

			id = naive_alloc(table, IDS);
			good = got == (id ? (int64_t)id : -EBUSY);
			if (id)
				table[id] = object;
		} else if (table[id] == IDR_RESERVED) {
			table[id] = table;
			idr_replace(&idr, id, table);
		} else {
			table[id] = NULL;
			idr_remove(&idr, id);
		}
		good = good && same(&idr, table, (uint32_t)test_below(&seed, IDS + 1));
	}
	idr_destroy(task, &idr);
	free(table);
	return good;
}

int main(void)
{
	struct recorded recorded;
	struct sim *sim = test_sim(LOCKS_SINGLE, &recorded);
	struct task *task = sim_task(sim, 0, 0);
	struct idr idr;
	void *object;

	tap_begin();
	idr_init(&idr, 1, 0x7fffffff);
	tap_ok(!idr_find(&idr, 0) && !idr_find(&idr, 1) && !idr_next(&idr, 0, &object), "empty");
	tap_ok(idr_alloc(task, &idr, sim) == 1 && idr_alloc(task, &idr, IDR_RESERVED) == 2,
		"lowest first");
	tap_ok(idr_find(&idr, 1) == sim && !idr_find(&idr, 2) && idr_next(&idr, 2, &object) == 2 &&
			object == IDR_RESERVED,
		"reserved ids are taken but not found");
	idr_remove(&idr, 1);
	tap_ok(idr_alloc(task, &idr, task) == 1 && idr.used == 2, "a freed id comes back first");
	idr_destroy(task, &idr);
	tap_ok(random_steps(task, test_seed(1)), "random steps agree with a naive table");
	tap_ok(random_steps(task, test_seed(2)), "random steps agree with a naive table");
	sim_destroy(sim);
	return tap_end();
}
