/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of events with a descriptor: page faults of devices (5.2) and what they report through a
 * VIOMMU (5.3). The descriptor holds a user of the queue and the file of its context. Locks behind
 * those of iommufd.h: group mutex -> fault mutex, group mutex -> attachments -> queue, group mutex
 * -> report -> veventqs -> queue.
 */
#ifndef IOMMUZZ_IOMMUFD_EVENTQ_H
#define IOMMUZZ_IOMMUFD_EVENTQ_H

#include "impl/iommufd/iommufd.h"

/* What every queue begins with. */
struct event_queue {
	struct iommufd_object object;
	struct iommufd_context *context;
	struct spinlock lock;	   /* the list of what is to be read */
	struct wait_queue readers; /* woken at each enqueue, 5.1 */
	uint32_t wakes;		   /* atomic: how often */
	bool open;		   /* its file is there, and has a user */
};

/* A page request: queued, or delivered and waiting for its answer. Groups of this machine have one
 * record. */
struct fault_group {
	struct fault_group *next; /* while it is queued */
	struct device *device;
	const struct hwpt *hwpt; /* that it came through, with the PASID of the attachment */
	uint32_t attached;
	struct iommu_hwpt_pgfault record;
};

struct fault_queue {
	struct event_queue queue;
	struct mutex mutex; /* reading, answering; alone it guards what follows `newest` */
	struct fault_group *first, *newest; /* under queue.lock; only holders of the mutex remove */
	struct idr outstanding;		    /* struct fault_group by cookie, from 1 on */
	/* Cookie 0 is not given out before an answer has named it while others were waited for. */
	struct fault_group *zero;
	bool zero_free;
};

/* Wakes who waits for events of the queue, who has not to be there. Nothing locked. */
void event_queue_wake(struct task *task, struct event_queue *queue);
/* What waits for its answer, in the order of cookies; *next is first 0, and then one more than the
 * cookie of what was returned. NULL: no more. With the mutex, or a machine at rest. */
struct fault_group *fault_outstanding(const struct fault_queue *fault, uint32_t *next);

/* An event, or the header that stands for those that were lost. */
struct vevent {
	struct vevent *next;
	struct iommufd_vevent_header header;
	struct iommu_viommu_event_selftest data; /* not of a lost header */
};

/* What the devices of a VIOMMU report, of one type. */
struct veventq {
	struct event_queue queue;
	struct viommu *viommu; /* a users reference */
	struct veventq *next;  /* of the VIOMMU, under veventqs_rwsem */
	uint32_t type, depth;
	/* under queue.lock */
	struct vevent *first;
	struct vevent *newest; /* of the events, NULL: none; at most the lost header follows */
	struct vevent lost;    /* in the list as the newest, or nowhere */
	uint32_t num_events;   /* queued, or being read */
	uint32_t sequence;     /* of the next one */
};

/* ---- eventq.c ---- */

/*
 * Reserves a descriptor and makes the file behind it, which has a user of the queue and the
 * context's file. The descriptor, or -EMFILE, -ENOMEM. The file ends with file_put.
 */
int event_file_open(
	struct task *task, struct event_queue *queue, enum file_kind kind, struct file **file);
/* The caller has been told: the descriptor is open, and exec closes it. */
void event_file_publish(struct task *task, int fd, struct file *file);
/* Bytes of one transfer, as every read and write cuts them. */
static inline uint64_t event_transfer_length(uint64_t length)
{
	const uint64_t most = UINT64_C(0x7ffff000);

	return length < most ? length : most;
}

/* ---- fault.c ---- */

/*
 * The HWPT's faults go to that queue, which has a user from here on. The HWPT is not published.
 * -ENOENT. 4.10
 */
int hwpt_set_fault_queue(
	struct task *task, struct iommufd_context *context, struct hwpt *hwpt, uint32_t fault_id);
/* The reverse, if it has one. Nothing may be attached. */
void hwpt_drop_fault_queue(struct task *task, struct hwpt *hwpt);
/*
 * Answers INVALID to what came through the device's attachment to hwpt and has no answer yet, read
 * or not. The attachment is gone for new faults; hwpt has a queue. Takes the fault mutex. 5.2
 */
void fault_queue_answer_all(
	struct task *task, const struct hwpt *hwpt, const struct device *device, uint32_t pasid);
/* Teardown of one that has left the table; frees it. 2.5 */
void fault_queue_destroy(struct task *task, struct fault_queue *fault);

/* ---- veventq.c ---- */

/*
 * A device of the VIOMMU reports an event. 0 also when there is no room, -EOPNOTSUPP no queue of
 * the type, -ENOMEM: lost. Takes veventqs_rwsem. 5.3
 */
int viommu_report(struct task *task, struct viommu *viommu, uint32_t type,
	const struct iommu_viommu_event_selftest *data);
void veventq_destroy(struct task *task, struct veventq *veventq);

#endif
