/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct sim: one simulated machine with everything in it. No mutable state lives outside of it;
 * thousands can live in one process. Deterministic from its configuration and the calls made on it.
 */
#ifndef IOMMUZZ_SIM_SIM_H
#define IOMMUZZ_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/abi/points.h"
#include "impl/sim/bugs.h"

#define SIM_PAGE_SHIFT 12
#define SIM_PAGE_SIZE  UINT64_C(4096)
#define SIM_HUGE_SIZE  (UINT64_C(2) << 20)

struct sim;
struct task;
struct process;
struct mm;
struct sim_host;

enum lock_mode {
	LOCKS_SINGLE,  /* no threads; locks are checked and nearly free */
	LOCKS_FIBER,   /* cooperative threads in one OS thread */
	LOCKS_PTHREAD, /* OS threads (shim, ThreadSanitizer) */
};

enum sim_capability { /* bits of a process's capability set */
	SIM_CAP_IPC_LOCK = 1 << 0,
	SIM_CAP_SYS_RESOURCE = 1 << 1,
	SIM_CAP_SYS_RAWIO = 1 << 2,
	SIM_CAP_ALL = 7,
};

/*
 * What the machine tells its owner. All may be NULL. Called on the calling task's stack; they must
 * not call back into the sim except where said.
 */
struct sim_events {
	void *context;
	/* User memory of the running task changes: [address, +count) holds old, will hold bytes. */
	void (*memory)(void *context, uint64_t address, const void *old, const void *bytes,
		uint32_t count);
	/*
	 * An unmap notification for the access with that handle (access_create) or descriptor
	 * (CREATE_ACCESS never comes here). Runs without IOAS locks; may call the access API.
	 * False: nothing was done.
	 */
	bool (*unmap)(
		void *context, struct task *task, uint64_t handle, uint64_t iova, uint64_t length);
	/* A kernel WARN of the specification, or a broken rule of the lock layer: rule is a stable
	 * name. */
	void (*report)(void *context, const char *rule, const char *message);
};

enum mm_provider {
	MM_SIMULATED,
	MM_REAL, /* the memory of a process of the host (mm/provider_real.c) */
};

struct sim_config {
	enum lock_mode locks;
	enum mm_provider provider; /* of the first process's memory */
	int host_pid;		   /* MM_REAL: whose memory, 0: this process's own */
	uint16_t kernel;	   /* LINUX(..) profile, 0: newest */
	uint16_t bug;	    /* enum sim_bug, 0 none; ignored unless built with IOMMUZZ_BUGS */
	uint32_t mem_pages; /* of each process's mem (mm.h), 0: 16384 */
	uint32_t seed;
	uint64_t memlock;      /* bytes of RLIMIT_MEMLOCK of the first process */
	uint32_t capabilities; /* enum sim_capability, of the first process */
	uint32_t uid;
	bool huge_pages;	/* for programs: there are some of 2 MiB */
	bool dmabuf_descriptor; /* DMABUF_GET returns its descriptor; 7.3 forgets to (10.24) */
	bool vfio_container;	/* IOMMUFD_VFIO_CONTAINER: /dev/vfio/vfio is an iommufd (1.1) */
	bool scattered; /* no two pages lie side by side physically, for what a page table maps */
	bool noiommu;	/* IOMMUFD_NOIOMMU: GET_PA, mock devices without an IOMMU (4.22) */
	struct sim_events events;
	const struct sim_host *host; /* NULL: no processes of the host (host.h) */
};

/*
 * Makes a machine with one process (P1) and its main task. NULL when host memory is short. The
 * caller owns it and ends it with sim_destroy.
 */
struct sim *sim_create(const struct sim_config *config);
/* As destroy and create, but keeps the host memory: the fast path of fuzzing. */
void sim_reset(struct sim *sim, const struct sim_config *config);
/*
 * Every process exits (descriptors close, contexts are released, memory goes); deferred work and
 * RCU callbacks run. Afterwards nothing of the program is left: audited by fuzz/oracle/audit.
 * Idempotent.
 */
void sim_finish(struct sim *sim);
/*
 * Frees a machine whose threads were left in the middle of calls, where nothing can be ended in an
 * orderly way. False: it stays (sanitizer builds, whose objects only the code under test can free).
 */
bool sim_abandon(struct sim *sim);
/* Finishes and frees the machine with all its memory. */
void sim_destroy(struct sim *sim);

/* Process number n (0 is P1), NULL if there is none or it has exited; its main task. */
struct process *sim_process(struct sim *sim, unsigned n);
struct task *sim_task(struct sim *sim, unsigned process, unsigned thread);

/* Where a task runs: its machine, process and address space; all live as long as the task does. */
struct sim *task_sim(const struct task *task);
struct process *task_process(const struct task *task);
struct mm *task_mm(const struct task *task);
/* Which thread of its process it is: 0 main, 1 to 8; 0 for a kernel thread. */
unsigned task_thread(const struct task *task);
/*
 * A number for what the task does now, by which objects, mappings, pins and files that it makes are
 * told apart in reports: 0, or what the owner has last given to host_task_origin.
 */
uint32_t task_origin(const struct task *task);
/* Whether its process has that one of the SIM_CAP_ bits. */
bool task_capable(const struct task *task, uint32_t capability);
/* The kernel profile, as LINUX(major, minor), and how locks work in this machine. */
uint16_t sim_kernel(const struct sim *sim);
enum lock_mode sim_lock_mode(const struct sim *sim);
/* As given to sim_create or sim_reset, defaults filled in. */
const struct sim_config *sim_configuration(const struct sim *sim);
/*
 * Room inside the machine for the state of impl/iommufd (struct iommufd_machine): SIM_IOMMUFD_STATE
 * bytes, aligned to 16, all zero after sim_create and sim_reset. Never moves.
 */
#define SIM_IOMMUFD_STATE 256
void *sim_iommufd_state(const struct sim *sim);
/* Whether the profile is that release or newer. */
bool sim_since(const struct sim *sim, uint16_t release);

/* A WARN of the kernel: goes to events.report and counts; never stops the call. */
void sim_warn(struct task *task, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
uint32_t sim_warnings(const struct sim *sim);

#endif
