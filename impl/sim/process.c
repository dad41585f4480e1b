/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and tasks. */
#include <errno.h>
#include <string.h>

#include "impl/sim/mm/mm_private.h"
#include "impl/sim/sim_private.h"

/* Numbers of kernel threads follow those that tasks of processes have by their place. */
#define KERNEL_THREAD_FIRST (SIM_PROCESSES * SIM_THREADS + 1)

static uint32_t free_number(const struct sim *sim)
{
	const struct task *task;
	uint32_t number = KERNEL_THREAD_FIRST;

	for (task = sim->tasks; task; task = task->next) {
		if (task->locks.number >= number)
			number = task->locks.number + 1;
	}
	return number;
}

void task_init(struct sim *sim, struct task *task, struct process *process, unsigned thread)
{
	task->sim = sim;
	task->process = process;
	if (sim->config.locks != LOCKS_SINGLE)
		task->locks.slow = LOCK_THREADS;
	sim_enter(sim, &sim->state_lock);
	task->locks.number = process && process->number < SIM_PROCESSES
				     ? process->number * SIM_THREADS + thread + 1
				     : free_number(sim);
	task->next = sim->tasks;
	sim->tasks = task;
	sim_leave(sim, &sim->state_lock);
}

void task_remove(struct sim *sim, struct task *task)
{
	struct task **link;

	sim_enter(sim, &sim->state_lock);
	for (link = &sim->tasks; *link != task; link = &(*link)->next)
		;
	*link = task->next;
	sim_leave(sim, &sim->state_lock);
}

struct process *process_new(struct sim *sim, uint32_t number, uint32_t uid, uint32_t capabilities,
	uint64_t memlock, struct mm *mm)
{
	struct process *process = sim_alloc_internal(sim, sizeof(*process));
	struct user *user = process ? user_find(sim, uid) : NULL;

	if (!user)
		return NULL;
	process->sim = sim;
	process->number = number;
	process->references = 1;
	process->capabilities = capabilities;
	process->memlock = memlock;
	process->user = user;
	process->mm = mm;
	process->alive = true;
	process->threads[0] = &process->main;
	task_init(sim, &process->main, process, 0);
	return process;
}

/* Of two forks with one number the first to get here has it. */
static bool take_slot(struct sim *sim, struct process *process)
{
	struct process **slot = &sim->processes[process->number], *old;
	bool taken;

	sim_enter(sim, &sim->state_lock);
	old = *slot;
	taken = !old || !sim_process_alive(old);
	if (taken)
		__atomic_store_n(slot, process, __ATOMIC_RELEASE);
	sim_leave(sim, &sim->state_lock);
	if (taken && old)
		process_put(&sim->processes[0]->main, old);
	return taken;
}

int process_create(struct sim *sim, uint32_t number, uint32_t uid, uint32_t capabilities,
	uint64_t memlock, struct mm *mm)
{
	struct process *process = process_new(sim, number, uid, capabilities, memlock, mm);

	if (!process)
		return -ENOMEM;
	if (take_slot(sim, process))
		return 0;
	process->mm = NULL;
	process_put(&sim->processes[0]->main, process);
	return -EEXIST;
}

void process_exit(struct process *process)
{
	struct task *task = &process->main;
	struct mm *mm = process->mm;

	/* Nobody comes in any more. */
	__atomic_store_n(&process->alive, false, __ATOMIC_RELEASE);
	process->mm = NULL;
	if (mm)
		mm_put(task, mm);
	files_close_all(task, process);
}

struct process *process_get(struct process *process)
{
	__atomic_fetch_add(&process->references, 1, __ATOMIC_RELAXED);
	return process;
}

void process_put(struct task *task, struct process *process)
{
	struct sim *sim = process->sim;
	unsigned thread;

	if (__atomic_sub_fetch(&process->references, 1, __ATOMIC_ACQ_REL))
		return;
	for (thread = 0; thread < SIM_THREADS; thread++) {
		if (!process->threads[thread])
			continue;
		task_remove(sim, process->threads[thread]);
		if (thread)
			sim_free_internal(sim, process->threads[thread], sizeof(struct task));
	}
	user_put(task, process->user);
	sim_free_internal(sim, process->files, process->files_room * sizeof(struct file *));
	sim_free_internal(sim, process, sizeof(*process));
}

struct process *sim_process(struct sim *sim, unsigned n)
{
	struct process *process =
		n < SIM_PROCESSES ? __atomic_load_n(&sim->processes[n], __ATOMIC_ACQUIRE) : NULL;

	return process && sim_process_alive(process) ? process : NULL;
}

struct task *sim_task(struct sim *sim, unsigned process_number, unsigned thread)
{
	struct process *process = sim_process(sim, process_number);
	struct task *task;

	if (!process || thread >= SIM_THREADS)
		return NULL;
	if (!process->threads[thread]) {
		task = sim_alloc_internal(sim, sizeof(*task));
		if (!task)
			return NULL;
		task_init(sim, task, process, thread);
		process->threads[thread] = task;
	}
	return process->threads[thread];
}

struct sim *task_sim(const struct task *task)
{
	return task->sim;
}

struct process *task_process(const struct task *task)
{
	return task->process;
}

struct mm *task_mm(const struct task *task)
{
	return task->process ? task->process->mm : NULL;
}

uint32_t task_origin(const struct task *task)
{
	return task->origin;
}

unsigned task_thread(const struct task *task)
{
	return task->process && !task->host ? (task->locks.number - 1) % SIM_THREADS : 0;
}

bool task_capable(const struct task *task, uint32_t capability)
{
	/* Kernel threads may do everything. */
	if (!task->process)
		return true;
	if (task->host)
		return (task->sim->config.host->capabilities(task->host) & capability) ==
		       capability;
	return (task->process->capabilities & capability) == capability;
}

uint64_t process_memlock(const struct process *process)
{
	if (process->host)
		return process->sim->config.host->memlock(process->host) >> SIM_PAGE_SHIFT;
	return __atomic_load_n(&process->memlock, __ATOMIC_RELAXED) >> SIM_PAGE_SHIFT;
}

struct user *process_user(const struct process *process)
{
	return process->user;
}
