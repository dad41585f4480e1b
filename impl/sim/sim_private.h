/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a sim, for impl/sim only. */
#ifndef IOMMUZZ_SIM_SIM_PRIVATE_H
#define IOMMUZZ_SIM_SIM_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/sim/alloc.h"
#include "impl/sim/fault.h"
#include "impl/sim/file.h"
#include "impl/sim/host.h"
#include "impl/sim/lock.h"
#include "impl/sim/scheduler.h"
#include "impl/sim/sim.h"
#include "impl/sim/timer.h"
#include "impl/sim/uninterrupted.h"
#include "impl/sim/workqueue.h"

/* Sanitizer builds take each object from malloc, so that its bounds and lifetime are seen. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIM_MALLOC_OBJECTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
	__has_feature(thread_sanitizer)
#define SIM_MALLOC_OBJECTS 1
#endif
#endif
#ifndef SIM_MALLOC_OBJECTS
#define SIM_MALLOC_OBJECTS 0
#endif

#define SIM_PROCESSES 8
#define SIM_THREADS   9 /* of a process: main and A to H */
#define SIM_FDS	      1024
#define SIM_FIRST_FD  3

/* Where blocked tasks sleep: one slot a lock class, and these. */
enum sim_slot { SLOT_COMPLETION = LOCK_CLASS_COUNT, SLOT_WAIT, SLOT_RCU, SLOT_COUNT };

struct fault_state {
	bool armed, any, hit;
	enum fault_point point;
	uint32_t nth, passed;
	uint32_t passed_of[FAULT_POINT_COUNT];
	uint32_t nth_of_point; /* which pass of its own point was hit */
};

struct task {
	struct task_locks locks; /* first: task_locks() */
	struct sim *sim;
	struct process *process; /* NULL: a kernel thread */
	struct fault_state fault;
	uint32_t rcu_depth;	/* written by the task alone, read by those who wait for readers */
	uint32_t rcu_sequence;	/* outermost read sections that have ended */
	uint32_t syscall_depth; /* system calls within callbacks of system calls; read by others */
	struct task *next;	/* of the sim */
	void *host;		/* a thread of the host: its owner's (host.h) */
	uint32_t origin;	/* of what it makes (sim.h) */
};

struct process {
	struct sim *sim;
	struct mm *mm; /* NULL after exit */
	struct user *user;
	uint64_t memlock; /* bytes */
	uint32_t number;
	uint32_t references;
	uint32_t capabilities;
	bool alive;
	void *host;		/* a process of the host: its owner's (host.h) */
	struct wait_queue left; /* a thread has left its system call */
	struct file **files;	/* FILE_RESERVED: taken, nothing installed */
	uint32_t files_room;
	uint64_t close_on_exec[SIM_FDS / 64]; /* a bit a descriptor */
	struct task *threads[SIM_THREADS];
	struct task main;
};

struct arena_chunk;
struct arena_large;
#define ARENA_CLASSES 24

struct arena {
	uint8_t *next, *end; /* free part of the current chunk */
	struct arena_chunk *chunk, *first;
	struct arena_large *
		large; /* objects with memory of their own; in sanitizer builds all internal ones */
	void *classes[ARENA_CLASSES]; /* free lists */
	uint64_t objects;	      /* of sim_alloc */
	size_t kept;		      /* bytes in chunks */
};

/* Physical memory is handed out in spans, by ascending address and never again. */
struct span {
	uint64_t first; /* page number */
	uint64_t pages;
	uint64_t index;	       /* in memory, of its first page */
	struct memory *memory; /* NULL: gone; pages of it that are still pinned are strays */
};

struct radix {
	void *root;
	uint32_t height;
};

struct physical {
	struct span *spans;
	uint32_t span_count, span_room;
	uint64_t next;	     /* page number */
	struct radix strays; /* live pages that are no more where their memory has them, by page
				number */
	uint64_t stray_count;
	uint64_t pages, pins;
	uint32_t epoch; /* advanced whenever a cached translation may be wrong */
};

struct rcu_callback;
struct iommu_device;

struct parking {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
};

struct sim {
	struct sim_config config;
	const struct sim_scheduler *scheduler;
	bool threads; /* LOCKS_PTHREAD: host locks are needed */
	bool parking_ready;
	uint32_t mm_count;
	uint32_t warnings;
	struct process *processes[SIM_PROCESSES]; /* also those that exited, until their number is
						     taken again */
	struct task *tasks;
	struct user *users;
	struct physical physical;
	struct file *late_files;   /* to be released at the end of a call; under memory_lock */
	struct memory *real_files; /* of the host, with pages that are pinned or open */
	struct iommu_device *devices, *last_device;
	uint32_t device_count;
	struct rcu_callback *rcu_first, **rcu_last;
	struct workqueue *workqueues;
	struct timer *timers;
	uint64_t now_ms;
	struct arena arena;
	pthread_mutex_t arena_lock;  /* leaf */
	pthread_mutex_t memory_lock; /* pages, their bytes, address spaces; before arena_lock */
	pthread_mutex_t state_lock;  /* descriptors, processes, deferred work; before arena_lock */
	struct parking parking[SLOT_COUNT];
	_Alignas(16) uint8_t iommufd[SIM_IOMMUFD_STATE]; /* struct iommufd_machine */
};

/* Whether a counter must change in one step: in a thread, or between two points of a fiber. */
static inline bool sim_has_threads(const struct sim *sim)
{
	return sim->config.locks != LOCKS_SINGLE;
}
/* Host locks, for threads only; never held while calling out or sleeping. */
static inline void sim_enter(const struct sim *sim, const pthread_mutex_t *lock)
{
	uninterrupted_begin(lock);
	if (__builtin_expect(sim->threads, 0))
		pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)lock);
}
static inline void sim_leave(const struct sim *sim, const pthread_mutex_t *lock)
{
	if (__builtin_expect(sim->threads, 0))
		pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)lock);
	uninterrupted_end();
}

#define FILE_RESERVED ((struct file *)1)

/* alloc.c */
void arena_reset(struct sim *sim);
void arena_destroy(struct sim *sim);

/* process.c */
/* A process in slot number, which is free or has a dead one. Takes over the reference on mm if it
 * succeeds. -EEXIST: another one has come into the slot meanwhile; -ENOMEM: no host memory. */
int process_create(struct sim *sim, uint32_t number, uint32_t uid, uint32_t capabilities,
	uint64_t memlock, struct mm *mm);
static inline bool sim_process_alive(const struct process *process)
{
	return __atomic_load_n(&process->alive, __ATOMIC_ACQUIRE);
}
/* The process exits: memory, then descriptors. */
void process_exit(struct process *process);
/* A process in no slot. As process_create. */
struct process *process_new(struct sim *sim, uint32_t number, uint32_t uid, uint32_t capabilities,
	uint64_t memlock, struct mm *mm);
/* Adds a task to the sim; process NULL: a kernel thread. */
void task_init(struct sim *sim, struct task *task, struct process *process, unsigned thread);
void task_remove(struct sim *sim, struct task *task);

/* file.c */
void files_close_all(struct task *task, struct process *process);
/* Closes the descriptors that do not survive exec. */
void files_close_on_exec(struct task *task);
/* The child's descriptors name the same files. False: no host memory. */
bool files_copy(struct process *to, const struct process *from);
/* The lowest free descriptor of a process, reserved; -EMFILE, -ENOMEM (host memory). */
int fd_reserve(struct process *process);
void fd_install(struct process *process, int fd, struct file *file);
/* Takes the file out of the table with the table's reference; NULL when fd is not open. */
struct file *fd_remove(struct process *process, int fd);

/* lock.c and lock_wait.c */
void lock_parking_init(struct sim *sim);
void lock_parking_destroy(struct sim *sim);
/* Rouses everybody in the slot. */
void lock_wake(struct task *task, uint32_t slot);

/* rcu.c: runs what no reader can see any more. May be called with nothing held. */
void rcu_run(struct task *task);
/* workqueue.c: what is queued now runs, in order of queueing. */
void workqueue_run_all(struct task *task);
/* Around each system call. leave passes the result through. */
static inline void syscall_enter(struct task *task)
{
	__atomic_store_n(&task->syscall_depth, task->syscall_depth + 1, __ATOMIC_RELAXED);
}
int64_t syscall_leave(struct task *task, int64_t result);

#endif
