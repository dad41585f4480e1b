/* SPDX-License-Identifier: Apache-2.0 */
/* Serving one thread of a program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "impl/shim/server_private.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"

bool shim_send(const struct shim_client *client, const struct shim_reply *reply, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec piece = {(void *)(uintptr_t)reply, sizeof(*reply)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
	}
	do
		sent = sendmsg(client->socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)sizeof(*reply);
}

static int64_t serve_ioctl(struct shim_client *client, const struct shim_request *request)
{
	return sim_ioctl(
		client->task, request->fd, (uint32_t)request->argument[0], request->argument[1]);
}

/* What a kernel has of each kind of file. */
static const struct {
	uint32_t traits; /* enum shim_trait */
	const char *name;
} kinds[FILE_KIND_COUNT] = {
	[FILE_IOMMUFD] = {SHIM_IS_NODE | SHIM_IS_POSITIONED, "/dev/iommu"},
	[FILE_TEST_ACCESS] = {0, "anon_inode:[iommufd_test_staccess]"},
	[FILE_DMABUF] = {0, "/dmabuf:"},
	[FILE_FAULT] = {SHIM_IS_READABLE | SHIM_IS_WRITABLE, "anon_inode:[iommufd-pgfault]"},
	[FILE_VEVENTQ] = {SHIM_IS_READABLE, "anon_inode:[iommufd-viommu-event]"},
};

/* Whether the file was not opened for what a call does. */
static bool is_refused(struct shim_client *client, bool reads, bool writes)
{
	uint32_t mode = client->flags & O_ACCMODE;

	client->refused = (reads && mode != O_RDONLY && mode != O_RDWR) ||
			  (writes && mode != O_WRONLY && mode != O_RDWR);
	return client->refused;
}

static int64_t serve_mmap(struct shim_client *client, const struct shim_request *request)
{
	const uint64_t *argument = request->argument;
	bool writes = argument[2] & PROT_WRITE && (argument[2] >> 32 & MAP_TYPE) != MAP_PRIVATE;

	if (is_refused(client, true, writes))
		return -EACCES;
	return sim_mmap(client->task, argument[0], argument[1], (uint32_t)argument[2],
		(uint32_t)(argument[2] >> 32), request->fd, argument[3]);
}

static int64_t serve_transfer(struct shim_client *client, const struct shim_request *request)
{
	bool reads = request->call == SHIM_READ;

	if (is_refused(client, reads, !reads))
		return -EBADF;
	if (request->argument[2] != UINT64_MAX &&
		!(kinds[client->target->kind].traits & SHIM_IS_POSITIONED))
		return -ESPIPE;
	return request->call == SHIM_READ ? sim_read(client->task, request->fd,
						    request->argument[0], request->argument[1])
					  : sim_write(client->task, request->fd,
						    request->argument[0], request->argument[1]);
}

static int64_t serve_kind(const struct shim_client *client, struct shim_reply *reply)
{
	enum file_kind kind = client->target->kind;
	bool container = kind == FILE_IOMMUFD && client->target->node == NODE_CONTAINER;

	reply->value[0] = kinds[kind].traits | (uint64_t)client->flags << 32;
	if (container)
		reply->value[0] |= SHIM_IS_CONTAINER;
	reply->value[1] = kind == FILE_DMABUF ? dmabuf_file_size(client->target) : 0;
	snprintf(reply->name, sizeof(reply->name), "%s",
		container ? "/dev/vfio/vfio" : kinds[kind].name);
	if (kind == FILE_IOMMUFD || kind == FILE_TEST_ACCESS)
		return SHIM_KIND_PLAIN;
	return sim_poll(client->task, client->target_fd, POLLOUT) ? SHIM_KIND_QUEUE
								  : SHIM_KIND_STREAM;
}

/* The program has it open, so that it stays. */
static int64_t serve_knob(struct shim_client *client, struct shim_knob *knob,
	const struct shim_request *request, struct shim_reply *reply)
{
	switch (request->call) {
	case SHIM_READ:
	case SHIM_WRITE: return shim_knob_transfer(client, knob, request);
	case SHIM_KIND:
		reply->value[0] = SHIM_IS_READABLE | SHIM_IS_WRITABLE | SHIM_IS_POSITIONED |
				  (uint64_t)client->flags << 32;
		return SHIM_KIND_PLAIN;
	default: return -ENOTTY;
	}
}

static int64_t serve_open(struct shim_client *client, const struct shim_request *request)
{
	int64_t fd;

	client->flags =
		(uint32_t)request->argument[0] & (O_ACCMODE | O_SYNC | O_ASYNC | O_NOFOLLOW);
	fd = shim_knob_open(client, request->path);

	/* Whether the user may open a node the library has asked the host. */
	return fd == -ENXIO ? sim_open(client->task, request->path) : fd;
}

/* Calls on a descriptor: ours is 0 when nothing of ours is behind it. */
static int64_t serve_file(
	struct shim_client *client, const struct shim_request *request, struct shim_reply *reply)
{
	struct shim_knob *knob = NULL;
	int64_t result;

	client->target = shim_file_find(
		client->server, request->device, request->inode, &knob, &client->flags);
	client->target_fd = request->fd;
	if (knob)
		return serve_knob(client, knob, request, reply);
	if (!client->target) {
		reply->ours = 0;
		return 0;
	}
	client->target_kind = client->target->kind;
	switch (request->call) {
	case SHIM_IOCTL: result = serve_ioctl(client, request); break;
	case SHIM_READ:
	case SHIM_WRITE: result = serve_transfer(client, request); break;
	case SHIM_MMAP: result = serve_mmap(client, request); break;
	case SHIM_KIND: result = serve_kind(client, reply); break;
	default: result = -ENOSYS;
	}
	host_close(client->task, client->target);
	client->target = NULL;
	return result;
}

/* Processes that may be about to end keep copies of what is pinned. */
static void serve_leaves(struct shim_client *client, int64_t pid)
{
	struct shim_server *server = client->server;
	const struct shim_process *process;

	pthread_mutex_lock(&server->lock);
	for (process = server->processes; process; process = process->next) {
		if (pid < 0 || (pid ? process->pid == pid : process == client->process))
			host_memory_leaves(client->task, host_mm(process->process));
	}
	pthread_mutex_unlock(&server->lock);
}

/* What the program does to its memory. */
static void serve_memory(struct shim_client *client, const struct shim_request *request)
{
	const uint64_t *argument = request->argument;
	struct mm *mm = host_mm(client->process->process);

	switch (request->call) {
	case SHIM_GOES:
		host_memory_goes(client->task, mm, argument[0], argument[1]);
		if (argument[2])
			host_files_go(client->task, mm, argument[0], argument[1]);
		break;
	case SHIM_MOVED:
		host_memory_moved(client->task, mm, argument[0], argument[1], argument[2]);
		break;
	case SHIM_LEAVES: serve_leaves(client, (int64_t)argument[0]); break;
	case SHIM_BORN: shim_process_born(client, (pid_t)argument[0], request->uid); break;
	case SHIM_STAYED: host_memory_stays(client->task, mm); break;
	case SHIM_CUT:
		host_file_cut(client->task,
			(uint64_t)major(request->device) << 32 | minor(request->device),
			request->inode, argument[0], argument[1]);
		break;
	}
}

static int64_t serve_status(struct shim_client *client, uint64_t pid, struct shim_reply *reply)
{
	struct shim_server *server = client->server;
	const struct shim_process *process;

	pthread_mutex_lock(&server->lock);
	for (process = server->processes; process; process = process->next) {
		if (pid ? (uint64_t)process->pid == pid : process == client->process)
			break;
	}
	if (process) {
		const struct mm *mm = host_mm(process->process);

		reply->value[0] = mm_locked(mm) << (SIM_PAGE_SHIFT - 10);
		reply->value[1] = mm_pinned(mm) << (SIM_PAGE_SHIFT - 10);
	}
	pthread_mutex_unlock(&server->lock);
	return process != NULL;
}

static void serve_call(
	struct shim_client *client, const struct shim_request *request, struct shim_reply *reply)
{
	switch (request->call) {
	case SHIM_OPEN: reply->result = serve_open(client, request); break;
	case SHIM_IOCTL:
	case SHIM_READ:
	case SHIM_WRITE:
	case SHIM_MMAP:
	case SHIM_KIND: reply->result = serve_file(client, request, reply); break;
	case SHIM_STATUS: reply->result = serve_status(client, request->argument[0], reply); break;
	case SHIM_SETTLE: shim_file_closed(client); break;
	case SHIM_CLOSES: shim_file_closes(client, request->device, request->inode); break;
	default: serve_memory(client, request);
	}
}

/* Threads that have no room for a connection share one: others look for it by its thread. */
static void set_thread(struct shim_client *client, uint32_t thread)
{
	pthread_mutex_lock(&client->server->lock);
	client->tid = (pid_t)thread;
	pthread_mutex_unlock(&client->server->lock);
}

static void serve(
	struct shim_client *client, struct shim_request *request, struct shim_reply *reply)
{
	struct shim_server *server = client->server;
	struct shim_image before;

	request->path[sizeof(request->path) - 1] = 0;
	if (request->thread)
		set_thread(client, request->thread);
	reply->kind = SHIM_RESULT;
	reply->ours = 1;
	shim_observe_begin(server);
	shim_settle(server, client->task);
	host_process_set_uid(client->task, client->process->process, request->uid);
	shim_knob_apply(client);
	shim_observe_before(client, request, &before);
	serve_call(client, request, reply);
	shim_knob_note(client);
	shim_observe_call(client, request, &before, reply);
	shim_settle(server, client->task);
	shim_update(client);
	__atomic_store_n(
		&server->shared->regions, host_regions_mapped(server->sim), __ATOMIC_RELEASE);
	__atomic_store_n(&server->shared->pins, host_pins(server->sim), __ATOMIC_RELEASE);
	shim_observe_end(server);
	if (request->thread)
		set_thread(client, 0);
}

static bool receive(const struct shim_client *client, struct shim_request *request)
{
	ssize_t count;

	do
		count = recv(client->socket, request, sizeof(*request), 0);
	while (count < 0 && errno == EINTR);
	return count == (ssize_t)sizeof(*request);
}

/* The first request says who it is. */
static bool welcome(struct shim_client *client)
{
	struct shim_request request;
	struct shim_reply reply = {.kind = SHIM_RESULT, .ours = 1}, shared = {.kind = SHIM_SHARED};
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(client->socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
		!receive(client, &request) || request.call != SHIM_HELLO)
		return false;
	client->tid = (pid_t)request.argument[1];
	pthread_mutex_lock(&client->server->lock);
	shim_knob_start(client);
	client->next = client->server->clients;
	client->server->clients = client;
	pthread_mutex_unlock(&client->server->lock);
	if (!shim_process_join(client, peer.pid, request.uid, request.argument[0] != 0))
		return false;
	if (request.argument[0] && !shim_send(client, &shared, client->server->shared_fd))
		return false;
	return shim_send(client, &reply, -1);
}

void *shim_client_run(void *argument)
{
	struct shim_client *client = argument, **link;
	struct shim_server *server = client->server;
	struct shim_request request;
	bool known = welcome(client);

	while (known && receive(client, &request)) {
		struct shim_reply reply = {.kind = SHIM_RESULT};

		serve(client, &request, &reply);
		if (!shim_send(client, &reply, -1))
			break;
	}
	while (client->taken_count)
		close(client->taken[--client->taken_count].end);
	close(client->socket);
	if (known)
		shim_process_leave(client);
	pthread_mutex_lock(&server->lock);
	for (link = &server->clients; *link && *link != client; link = &(*link)->next)
		;
	if (*link)
		*link = client->next;
	free(client);
	server->connections--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	return NULL;
}
