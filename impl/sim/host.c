/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/host.h"

#include "impl/sim/mm/mm_private.h"
#include "impl/sim/sim_private.h"

/* None of the slots: processes of the host have no numbers. */
#define HOST_NUMBER SIM_PROCESSES

static struct mm *host_mm_create(struct sim *sim, int pid)
{
	struct mm *mm = mm_create_empty(sim, MM_REAL);

	if (mm)
		mm->pid = pid;
	return mm;
}

struct process *host_process_create(struct sim *sim, int pid, uint32_t uid, void *owner)
{
	struct mm *mm = host_mm_create(sim, pid);
	struct process *process = mm ? process_new(sim, HOST_NUMBER, uid, 0, 0, mm) : NULL;

	if (process)
		process->host = owner;
	return process;
}

bool host_process_exec(struct task *task, struct process *process, int pid)
{
	struct mm *old = process->mm, *mm = host_mm_create(task->sim, pid);

	if (!mm)
		return false;
	syscall_enter(task);
	process->mm = mm;
	if (old)
		mm_put(task, old);
	syscall_leave(task, 0);
	return true;
}

bool host_process_set_uid(struct task *task, struct process *process, uint32_t uid)
{
	struct user *user, *old = process->user;

	if (user_id(old) == uid)
		return true;
	user = user_find(process->sim, uid);
	if (!user)
		return false;
	__atomic_store_n(&process->user, user, __ATOMIC_RELEASE);
	user_put(task, old);
	return true;
}

void host_process_exit(struct task *task, struct process *process)
{
	syscall_enter(task);
	process_exit(process);
	process_put(task, process);
	syscall_leave(task, 0);
}

struct task *host_task_create(struct sim *sim, struct process *process, void *owner)
{
	struct task *task = sim_alloc_internal(sim, sizeof(*task));

	if (!task)
		return NULL;
	task_init(sim, task, process ? process_get(process) : NULL, 0);
	task->host = owner;
	return task;
}

void host_task_destroy(struct task *task)
{
	struct sim *sim = task->sim;
	struct process *process = task->process;

	if (process)
		process_put(task, process);
	task_remove(sim, task);
	sim_free_internal(sim, task, sizeof(*task));
}

void host_task_origin(struct task *task, uint32_t origin)
{
	task->origin = origin;
}

struct task *host_kernel_task(struct sim *sim)
{
	return host_task_create(sim, NULL, NULL);
}

void host_close(struct task *task, struct file *file)
{
	syscall_enter(task);
	file_put(task, file);
	syscall_leave(task, 0);
}

struct mm *host_mm(const struct process *process)
{
	return process->mm;
}
