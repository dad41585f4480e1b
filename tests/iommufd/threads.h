/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests with OS threads share: one context in LOCKS_PTHREAD with two IOASes whose IOVAs
 * lie in the mock's aperture, workers that make calls on it, and the checks of what is left.
 */
#ifndef IOMMUZZ_TESTS_IOMMUFD_THREADS_H
#define IOMMUZZ_TESTS_IOMMUFD_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"

#define PAGE	      SIM_PAGE_SIZE
#define WORKERS_MAX   8
#define MAPPED_PAGES  32   /* first pages of mem: what workers map; filled with MARK */
#define LASTING_PAGES 8	   /* of them, mapped in the other IOAS at the start of the aperture */
#define MARK	      0x5a /* all that DMA may read or write */

struct threads {
	struct sim *sim;
	struct task *task; /* of the main thread */
	int fd;
	uint32_t ioas, other;
	pthread_barrier_t start; /* workers begin together */
	/* What workers tell each other and the end; atomic. */
	uint32_t device, hwpt;	       /* ids of some mock device */
	uint32_t failures;	       /* wrong results and reports */
	uint32_t deadlocks, kept_pins; /* UNMAPs that gave up, and what was said about them */
	uint32_t transfers;	       /* DMA that succeeded */
};

struct worker {
	struct threads *shared;
	struct task *task;
	unsigned number; /* from 1; 0 is the main thread */
	uint64_t random; /* the seed is the number */
	void *(*body)(void *);
	pthread_t thread;
};

/* A machine with both IOASes and marked memory. */
void threads_open(struct threads *shared);
/* Runs each body in a thread of its own, waits for all and prints the points about results. */
void threads_run(struct threads *shared, void *(*const *bodies)(void *), unsigned count);
/*
 * Unmaps and destroys everything, then looks: no pin, no charge, each id free, memory that nobody
 * mapped untouched, nothing left behind the end. Ends the machine. The exit status of main.
 */
int threads_close(struct threads *shared);

/* An ioctl; *argument is what the kernel wrote back. */
int64_t worker_call(struct worker *w, uint32_t command, void *argument, size_t size);
/* 0 and the errnos of the list (ended by 0) are right, anything else is a failure. */
void worker_allow(struct worker *w, const char *what, int64_t result, ...);
void worker_check(struct worker *w, bool holds, const char *what);
uint32_t worker_below(struct worker *w, uint32_t limit);

/* UNMAP; counts EDEADLK. */
int64_t worker_unmap(struct worker *w, uint32_t ioas, uint64_t iova, uint64_t length);
int64_t worker_destroy(struct worker *w, uint32_t id);
/* MOCK_DOMAIN; *command holds the ids. */
int64_t worker_mock_domain(struct worker *w, uint32_t pt_id, struct iommu_test_cmd *command);
int64_t worker_replace(struct worker *w, uint32_t stdev, uint32_t pt_id);
/* DMA of up to a page; what was read must be MARK, what is written is. */
int64_t worker_dma(struct worker *w, uint32_t device, uint64_t iova, uint64_t length, bool write);

#endif
