/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of programs: making them, finding what is behind them, and their last close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "impl/shim/server_private.h"
#include "impl/sim/syscall.h"

/* A pipe whose only writer and second reader is *program. False: out of descriptors. */
static bool make_pipe(struct shim_taken_file *made, int *program)
{
	char path[64];
	struct stat status;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	*program = open(path, O_RDWR | O_CLOEXEC);
	close(ends[1]);
	if (*program < 0 || fstat(ends[0], &status)) {
		close(ends[0]);
		return false;
	}
	*made = (struct shim_taken_file){
		.end = ends[0], .device = status.st_dev, .inode = status.st_ino};
	return true;
}

int shim_reserve(void *thread)
{
	struct shim_client *client = thread;
	struct shim_reply reply = {.kind = SHIM_TAKE};
	struct shim_taken answer = {.fd = -EMFILE};
	struct shim_taken_file *made = &client->taken[client->taken_count];
	int program;
	bool sent;

	if (client->taken_count == SHIM_TAKEN || !make_pipe(made, &program))
		return -ENFILE;
	sent = shim_send(client, &reply, program) &&
	       recv(client->socket, &answer, sizeof(answer), 0) == sizeof(answer);
	close(program);
	if (!sent || answer.fd < 0) {
		close(made->end);
		client->no_descriptor = true;
		return sent ? (int)answer.fd : -EMFILE;
	}
	made->fd = (int)answer.fd;
	client->taken_count++;
	return made->fd;
}

static struct shim_taken_file take_out(struct shim_client *client, int fd)
{
	struct shim_taken_file found = {.end = -1};

	for (unsigned n = 0; n < client->taken_count; n++) {
		if (client->taken[n].fd != fd)
			continue;
		found = client->taken[n];
		client->taken[n] = client->taken[--client->taken_count];
		break;
	}
	return found;
}

/* A byte in the pipe, or none. */
static void set_readable(struct shim_file *file, bool readable)
{
	char path[64], byte = 0;
	int writer;

	if (file->readable == readable)
		return;
	file->readable = readable;
	if (!readable) {
		while (read(file->end, &byte, 1) < 0 && errno == EINTR)
			;
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->end);
	writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (writer < 0)
		return;
	while (write(writer, &byte, 1) < 0 && errno == EINTR)
		;
	close(writer);
}

/* It is readable all the time. */
static void write_again(struct shim_file *file)
{
	char byte;

	file->readable = false;
	set_readable(file, true);
	while (read(file->end, &byte, 1) < 0 && errno == EINTR)
		;
}

void shim_update(struct shim_client *client)
{
	struct shim_server *server = client->server;
	struct file *before = client->target;
	struct shim_file *file;
	uint32_t wakes;

	pthread_mutex_lock(&server->lock);
	for (file = server->files; file; file = file->next) {
		if (!file->polled)
			continue;
		client->target = file->file;
		wakes = event_file_wakes(file->file);
		/* Another event wakes those, too, who know of the first (EPOLLET). */
		if (file->readable && wakes != file->wakes)
			write_again(file);
		file->wakes = wakes;
		set_readable(file, sim_poll(client->task, client->target_fd, POLLIN) == POLLIN);
	}
	client->target = before;
	pthread_mutex_unlock(&server->lock);
}

/* Others are always ready. */
static bool has_queue(const struct file *file)
{
	return file->kind != FILE_IOMMUFD && file->kind != FILE_TEST_ACCESS;
}

/* Only what a path names can be opened otherwise than for reading and writing. */
static uint32_t flags_of(const struct shim_client *client, const struct file *file)
{
	if (!client->target)
		return client->flags;
	return file->kind == FILE_DMABUF ? file->flags & O_ACCMODE : O_RDWR;
}

bool shim_install(struct shim_client *client, int fd, struct file *file, struct shim_knob *knob)
{
	struct shim_server *server = client->server;
	struct shim_taken_file taken = take_out(client, fd);
	struct shim_file *added = taken.end < 0 ? NULL : malloc(sizeof(*added));
	struct epoll_event event = {.events = EPOLLHUP, .data.ptr = added};

	if (!added)
		return false;
	*added = (struct shim_file){.watch = SHIM_WATCH_FILE,
		.file = file,
		.knob = knob,
		.polled = file && has_queue(file),
		.device = taken.device,
		.inode = taken.inode,
		.fd = fd,
		.flags = flags_of(client, file),
		.end = taken.end};
	pthread_mutex_lock(&server->lock);
	added->next = server->files;
	server->files = added;
	epoll_ctl(server->epoll, EPOLL_CTL_ADD, added->end, &event);
	if (!added->polled)
		set_readable(added, true);
	pthread_mutex_unlock(&server->lock);
	client->new_fd = fd;
	client->new_key = (struct shim_key){taken.device, taken.inode};
	return true;
}

static void install(void *thread, int fd, struct file *file)
{
	struct shim_client *client = thread;

	if (!shim_install(client, fd, file, NULL))
		file_put(client->task, file);
}

static void give_back(void *thread, int fd)
{
	struct shim_client *client = thread;
	struct shim_taken_file taken = take_out(client, fd);
	struct shim_reply reply = {.kind = SHIM_DROP, .result = fd};

	if (taken.end < 0)
		return;
	shim_send(client, &reply, -1);
	close(taken.end);
}

/* Descriptors come with it; open clears it where the program did not ask for it. */
static void close_on_exec(void *thread, int fd)
{
	(void)thread;
	(void)fd;
}

struct file *shim_file_find(struct shim_server *server, uint64_t device, uint64_t inode,
	struct shim_knob **knob, uint32_t *flags)
{
	struct file *file = NULL;
	struct shim_file *known;

	pthread_mutex_lock(&server->lock);
	for (known = server->files; known; known = known->next) {
		if (known->inode == inode && known->device == device) {
			file = known->file ? file_get(known->file) : NULL;
			if (knob)
				*knob = known->knob;
			if (flags)
				*flags = known->flags;
			break;
		}
	}
	pthread_mutex_unlock(&server->lock);
	return file;
}

void shim_file_closes(struct shim_client *client, uint64_t device, uint64_t inode)
{
	struct shim_server *server = client->server;
	struct shim_file *known;

	pthread_mutex_lock(&server->lock);
	for (known = server->files; known; known = known->next) {
		if (known->inode == inode && known->device == device)
			known->closing = client;
	}
	pthread_mutex_unlock(&server->lock);
}

void shim_file_closed(struct shim_client *client)
{
	struct shim_server *server = client->server;
	struct shim_file *known;

	pthread_mutex_lock(&server->lock);
	for (known = server->files; known; known = known->next) {
		if (known->closing == client)
			known->closing = NULL;
	}
	pthread_mutex_unlock(&server->lock);
}

static struct file *from_fd(void *thread, int fd)
{
	struct shim_client *client = thread;
	struct stat status;
	struct file *file;
	int copy;

	if (fd == client->target_fd && client->target)
		return file_get(client->target);
	copy = (int)syscall(SYS_pidfd_getfd, client->process->pidfd, fd, 0);
	if (copy < 0)
		return NULL;
	if (fstat(copy, &status)) {
		close(copy);
		return NULL;
	}
	file = shim_file_find(client->server, status.st_dev, status.st_ino, NULL, NULL);
	if (!file)
		return host_file(client->task, copy);
	/* Its last close must be the program's. */
	close(copy);
	return file;
}

static int64_t map(
	void *thread, int fd, uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags)
{
	const struct shim_client *client = thread;
	struct shim_reply reply = {.kind = SHIM_MAP,
		.result = (int64_t)((uint64_t)prot | (uint64_t)flags << 32),
		.value = {addr, length}};
	struct shim_taken answer;

	if (!shim_send(client, &reply, fd) ||
		recv(client->socket, &answer, sizeof(answer), 0) != sizeof(answer))
		return -EINTR;
	return answer.fd;
}

const struct sim_host shim_host = {
	.from_fd = from_fd,
	.reserve = shim_reserve,
	.install = install,
	.give_back = give_back,
	.close_on_exec = close_on_exec,
	.map = map,
	.memlock = shim_memlock,
	.capabilities = shim_capabilities,
};

/* With the lock: what epoll has to tell. A file that was closed for the last time is returned,
 * taken out of the list. */
static struct shim_file *next_closed(struct shim_server *server)
{
	struct shim_file **link, *file;
	struct shim_process *process;
	struct epoll_event event;

	while (epoll_wait(server->epoll, &event, 1, 0) == 1) {
		const enum shim_watch *watch = event.data.ptr;

		switch (*watch) {
		case SHIM_WATCH_FILE:
			file = event.data.ptr;
			epoll_ctl(server->epoll, EPOLL_CTL_DEL, file->end, NULL);
			for (link = &server->files; *link != file; link = &(*link)->next)
				;
			*link = file->next;
			return file;
		case SHIM_WATCH_PROCESS:
			process = event.data.ptr;
			epoll_ctl(server->epoll, EPOLL_CTL_DEL, process->pidfd, NULL);
			process->dead = true;
			break;
		case SHIM_WATCH_WAKE: return NULL;
		}
	}
	return NULL;
}

/* With the lock: a process that has exited and that nobody serves, taken out of the list. */
static struct shim_process *next_dead(struct shim_server *server)
{
	struct shim_process **link, *process;

	for (link = &server->processes; (process = *link) != NULL; link = &process->next) {
		if (process->dead && !process->connections) {
			pthread_mutex_lock(&server->listed);
			*link = process->next;
			pthread_mutex_unlock(&server->listed);
			return process;
		}
	}
	return NULL;
}

static bool has_dying(const struct shim_server *server)
{
	const struct shim_process *process;

	for (process = server->processes; process && !process->dead; process = process->next)
		;
	return process != NULL;
}

/* With the lock, which is left meanwhile: one thing that has ended. False: nothing. */
static bool settle_one(struct shim_server *server, struct task *task)
{
	struct shim_file *file = next_closed(server);
	struct shim_process *process = file ? NULL : next_dead(server);
	const struct shim_observer *observer = server->options.observer;

	if (!file && !process)
		return false;
	server->releasing++;
	pthread_mutex_unlock(&server->lock);
	if (file) {
		if (observer && observer->closed && file->file)
			observer->closed(observer->context,
				&(struct shim_closed){.key = {file->device, file->inode},
					.file = file->file,
					.fd = file->fd,
					.by_close = file->closing != NULL});
		if (file->file)
			host_close(task, file->file);
		close(file->end);
		free(file->knob);
		free(file);
	} else {
		if (observer && observer->exited)
			observer->exited(observer->context, process->pid);
		shim_process_end(process, task);
	}
	pthread_mutex_lock(&server->lock);
	server->releasing--;
	pthread_cond_broadcast(&server->changed);
	return true;
}

void shim_settle(struct shim_server *server, struct task *task)
{
	struct timespec until;

	if (__atomic_load_n(&server->shared->regions, __ATOMIC_ACQUIRE))
		host_regions_count(task, shim_count_mappings, server);
	pthread_mutex_lock(&server->lock);
	while (settle_one(server, task))
		;
	/* Who has seen the death of a process sees that of its memory, too; a call of it that does
	 * not end is not waited for. */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	while (has_dying(server) || server->releasing) {
		if (pthread_cond_timedwait(&server->changed, &server->lock, &until))
			break;
		while (settle_one(server, task))
			;
	}
	pthread_mutex_unlock(&server->lock);
}
