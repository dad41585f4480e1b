/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordered work queues: one item at a time, in the order of queueing. Items run in a kernel thread's
 * task (no process, so user copies fail), at the return of system calls, in flushes and waits, and
 * at the end of the sim. Each item is a scheduling point.
 */
#ifndef IOMMUZZ_SIM_WORKQUEUE_H
#define IOMMUZZ_SIM_WORKQUEUE_H

#include <stdbool.h>

struct task;
struct work;
struct workqueue;

typedef void (*work_function)(struct task *task, struct work *work);

/* Embedded in what it works on; the caller keeps it alive until it has run or was cancelled. */
struct work {
	struct work *next;
	work_function run;
	bool queued;
};

static inline struct work work_init(work_function run)
{
	return (struct work){.run = run};
}

/* name: a string that stays. NULL when memory is short (fault point ALLOC). The caller destroys it.
 */
struct workqueue *workqueue_create(struct task *task, const char *name);
/* Runs what is queued, then ends the queue. May sleep; no lock that an item takes may be held. */
void workqueue_destroy(struct task *task, struct workqueue *queue);
/* False when the item is queued already. May be called in atomic context. */
bool workqueue_queue(struct task *task, struct workqueue *queue, struct work *work);
/* Returns when everything queued before the call has run. Sleeps as workqueue_destroy does. */
void workqueue_flush(struct task *task, struct workqueue *queue);
/* Takes the item out, or waits until it has run; then it neither runs nor is queued. Whether it was
 * taken out. */
bool workqueue_cancel(struct task *task, struct workqueue *queue, struct work *work);

#endif
