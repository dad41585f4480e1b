/* SPDX-License-Identifier: Apache-2.0 */
/* Notifier chains: blocks are called by falling priority, equal ones in the order of registration.
 */
#ifndef IOMMUZZ_SIM_NOTIFIER_H
#define IOMMUZZ_SIM_NOTIFIER_H

#include <stdint.h>

#include "impl/sim/lock.h"

struct notifier_block;

enum notifier_result {
	NOTIFY_DONE = 0, /* does not care */
	NOTIFY_OK = 1,
	NOTIFY_STOP_MASK = 0x8000, /* nobody after it is called */
	NOTIFY_BAD = NOTIFY_STOP_MASK | 2,
	NOTIFY_STOP = NOTIFY_STOP_MASK | NOTIFY_OK,
};

typedef int (*notifier_function)(
	struct task *task, struct notifier_block *block, uint32_t event, void *data);

/* Embedded in the listener, which keeps it alive until it is unregistered. */
struct notifier_block {
	struct notifier_block *next;
	notifier_function call;
	int priority;
};

/* Zero is an empty chain, but for the lock's class. */
struct notifier_chain {
	struct notifier_block *first;
	struct rwsem lock; /* held for reading while blocks are called, for writing while the list
			      changes */
};

static inline struct notifier_chain notifier_chain_init(void)
{
	return (struct notifier_chain){.lock = rwsem_init(LOCK_NOTIFIER)};
}

/* -EEXIST when it is registered already. Takes the chain's lock: not from inside one of its calls.
 */
int notifier_register(
	struct task *task, struct notifier_chain *chain, struct notifier_block *block);
/* -ENOENT when it is not registered. After the return no call of it runs. */
int notifier_unregister(
	struct task *task, struct notifier_chain *chain, struct notifier_block *block);
/*
 * Calls the blocks; the last result. *called (may be NULL): how many were called. Each call is a
 * scheduling point and reports locks held other than those in allowed (bits of enum lock_class) and
 * the chain's own.
 */
int notifier_call(struct task *task, struct notifier_chain *chain, uint32_t event, void *data,
	uint64_t allowed, uint32_t *called);
/*
 * The same for atomic context and for calls that may register: the chain's lock is not taken, the
 * caller has something else that keeps the list still or the blocks alive (RCU).
 */
int notifier_call_unlocked(struct task *task, struct notifier_chain *chain, uint32_t event,
	void *data, uint64_t allowed, uint32_t *called);

#endif
