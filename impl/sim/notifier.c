/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/notifier.h"

#include <errno.h>
#include <stddef.h>

static int insert(struct notifier_chain *chain, struct notifier_block *block)
{
	struct notifier_block **link, *other;

	for (other = chain->first; other; other = other->next) {
		if (other == block)
			return -EEXIST;
	}
	for (link = &chain->first; *link && (*link)->priority >= block->priority;
		link = &(*link)->next)
		;
	block->next = *link;
	*link = block;
	return 0;
}

int notifier_register(struct task *task, struct notifier_chain *chain, struct notifier_block *block)
{
	int error;

	down_write(task, &chain->lock);
	error = insert(chain, block);
	up_write(task, &chain->lock);
	return error;
}

int notifier_unregister(
	struct task *task, struct notifier_chain *chain, struct notifier_block *block)
{
	struct notifier_block **link;
	int error = -ENOENT;

	down_write(task, &chain->lock);
	for (link = &chain->first; *link; link = &(*link)->next) {
		if (*link == block) {
			*link = block->next;
			error = 0;
			break;
		}
	}
	up_write(task, &chain->lock);
	return error;
}

int notifier_call_unlocked(struct task *task, struct notifier_chain *chain, uint32_t event,
	void *data, uint64_t allowed, uint32_t *called)
{
	struct notifier_block *block, *next;
	uint32_t count = 0;
	int result = NOTIFY_DONE;

	for (block = chain->first; block && !(result & NOTIFY_STOP_MASK); block = next) {
		/* The call may unregister its own block. */
		next = block->next;
		lock_assert_callback(task, allowed);
		schedule_point(task, SCHEDULE_CALLBACK);
		result = block->call(task, block, event, data);
		count++;
	}
	if (called)
		*called = count;
	return result;
}

int notifier_call(struct task *task, struct notifier_chain *chain, uint32_t event, void *data,
	uint64_t allowed, uint32_t *called)
{
	int result;

	down_read(task, &chain->lock);
	result = notifier_call_unlocked(
		task, chain, event, data, allowed | UINT64_C(1) << LOCK_NOTIFIER, called);
	up_read(task, &chain->lock);
	return result;
}
