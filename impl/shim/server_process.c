/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that are connected: their memory, who they are, and their end. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/server_private.h"

static struct shim_process *process_new_for(struct shim_server *server, pid_t pid, uint32_t uid)
{
	struct shim_process *process = calloc(1, sizeof(*process));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = process};

	if (!process)
		return NULL;
	process->watch = SHIM_WATCH_PROCESS;
	process->server = server;
	process->pid = pid;
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process->pidfd >= 0)
		process->process = host_process_create(server->sim, pid, uid, process);
	if (!process->process || epoll_ctl(server->epoll, EPOLL_CTL_ADD, process->pidfd, &event)) {
		if (process->pidfd >= 0)
			close(process->pidfd);
		free(process);
		return NULL;
	}
	pthread_mutex_lock(&server->listed);
	process->next = server->processes;
	server->processes = process;
	pthread_mutex_unlock(&server->listed);
	return process;
}

static struct shim_process *find(const struct shim_server *server, pid_t pid)
{
	struct shim_process *process;

	for (process = server->processes; process; process = process->next) {
		if (process->pid == pid && !process->dead)
			break;
	}
	return process;
}

struct shim_process *shim_process_join(
	struct shim_client *client, pid_t pid, uint32_t uid, bool fresh)
{
	struct shim_server *server = client->server;
	struct shim_process *process;
	bool good;

	pthread_mutex_lock(&server->lock);
	process = find(server, pid);
	/* Those of the program that was replaced are closed already. */
	while (process && fresh && process->connections)
		pthread_cond_wait(&server->changed, &server->lock);
	if (!process) {
		process = process_new_for(server, pid, uid);
		fresh = false;
	}
	if (process)
		process->connections++;
	pthread_mutex_unlock(&server->lock);
	if (!process)
		return NULL;
	client->process = process;
	client->task = host_task_create(server->sim, process->process, client);
	/* Others may look at its memory's counters. */
	pthread_mutex_lock(&server->lock);
	good = client->task &&
	       (!fresh || host_process_exec(client->task, process->process, (int)pid));
	pthread_mutex_unlock(&server->lock);
	if (good)
		return process;
	shim_process_leave(client);
	return NULL;
}

void shim_process_born(struct shim_client *client, pid_t pid, uint32_t uid)
{
	struct shim_server *server = client->server;

	pthread_mutex_lock(&server->lock);
	if (!find(server, pid))
		process_new_for(server, pid, uid);
	pthread_mutex_unlock(&server->lock);
}

static uint32_t count_in(pid_t pid, uint64_t device, uint64_t inode)
{
	unsigned long long number;
	unsigned major, minor;
	char path[64], line[4096];
	uint32_t count = 0;
	FILE *list;

	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)pid);
	list = fopen(path, "re");
	while (list && fgets(line, sizeof(line), list)) {
		if (sscanf(line, "%*s %*s %*s %x:%x %llu", &major, &minor, &number) == 3)
			count += number == inode && ((uint64_t)major << 32 | minor) == device;
	}
	if (list)
		fclose(list);
	return count;
}

uint32_t shim_count_mappings(void *owner, uint64_t device, uint64_t inode)
{
	struct shim_server *server = owner;
	const struct shim_process *process;
	uint32_t count = 0;

	pthread_mutex_lock(&server->listed);
	for (process = server->processes; process; process = process->next)
		count += count_in(process->pid, device, inode);
	pthread_mutex_unlock(&server->listed);
	return count;
}

void shim_process_leave(struct shim_client *client)
{
	struct shim_server *server = client->server;

	if (client->task)
		host_task_destroy(client->task);
	pthread_mutex_lock(&server->lock);
	client->process->connections--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void shim_process_end(struct shim_process *process, struct task *task)
{
	host_process_exit(task, process->process);
	close(process->pidfd);
	free(process);
}

/* Everybody may read it, where prlimit takes a capability. */
static uint64_t memlock_by_text(pid_t pid)
{
	static const char title[] = "Max locked memory";
	char path[64], line[256];
	unsigned long long bytes = 0;
	FILE *list;

	snprintf(path, sizeof(path), "/proc/%ld/limits", (long)pid);
	list = fopen(path, "re");
	while (list && fgets(line, sizeof(line), list)) {
		if (strncmp(line, title, sizeof(title) - 1) != 0)
			continue;
		if (sscanf(line + sizeof(title), "%llu", &bytes) != 1)
			bytes = UINT64_MAX;
		break;
	}
	if (list)
		fclose(list);
	return bytes;
}

uint64_t shim_memlock(void *owner)
{
	const struct shim_process *process = owner;
	struct rlimit limit;

	return prlimit(process->pid, RLIMIT_MEMLOCK, NULL, &limit) ? memlock_by_text(process->pid)
								   : limit.rlim_cur;
}

/* The effective ones, 0 when there is no such thread. */
static uint64_t effective(pid_t tid)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3, .pid = tid};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

uint32_t shim_capabilities(void *owner)
{
	static const struct {
		unsigned number;
		uint32_t bit;
	} known[] = {{CAP_IPC_LOCK, SIM_CAP_IPC_LOCK}, {CAP_SYS_RESOURCE, SIM_CAP_SYS_RESOURCE},
		{CAP_SYS_RAWIO, SIM_CAP_SYS_RAWIO}};
	const struct shim_client *client = owner;
	uint64_t has = effective(client->tid), own = effective(0);
	uint32_t result = 0;

	/* A container's root is root of the machine: what it never had it has not dropped. */
	if (!geteuid() && has)
		has |= ~own;
	for (unsigned n = 0; n < sizeof(known) / sizeof(*known); n++) {
		if (has >> known[n].number & 1)
			result |= known[n].bit;
	}
	return result;
}
