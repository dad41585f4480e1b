/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of calls: for traces and reports. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/server_private.h"
#include "impl/sim/mm/mm.h"

void shim_observe_begin(struct shim_server *server)
{
	if (server->options.observer)
		pthread_mutex_lock(&server->observed);
}

void shim_observe_end(struct shim_server *server)
{
	if (server->options.observer)
		pthread_mutex_unlock(&server->observed);
}

/* As much of a struct as there is. */
static void look(const struct shim_client *client, uint64_t address, struct shim_image *image)
{
	struct mm *mm = host_mm(client->process->process);

	/* It ends where a page is missing. */
	image->size = mm_peek(mm, address, image->bytes, sizeof(image->bytes));
}

void shim_observe_before(
	struct shim_client *client, const struct shim_request *request, struct shim_image *image)
{
	const struct shim_observer *observer = client->server->options.observer;

	client->new_fd = -1;
	client->no_descriptor = false;
	client->refused = false;
	image->size = 0;
	if (!observer)
		return;
	if (observer->origin) {
		client->origin =
			observer->origin(observer->context, client->process->pid, request->frame,
				request->frames < SHIM_FRAMES ? request->frames : SHIM_FRAMES);
		host_task_origin(client->task, client->origin);
	}
	if (request->call == SHIM_IOCTL)
		look(client, request->argument[1], image);
	if (request->call == SHIM_GOES)
		client->going = host_memory_pins(host_mm(client->process->process),
			request->argument[0], request->argument[1]);
}

static int parent_of(pid_t pid)
{
	char path[64], text[512];
	int parent = 0;
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = 0;
	fclose(file);
	if (strrchr(text, ')'))
		sscanf(strrchr(text, ')'), ") %*c %d", &parent);
	return parent;
}

static uint32_t failed_at(const struct shim_client *client)
{
	return client->nth && client->passed < client->nth &&
			       !__atomic_load_n(&client->remaining, __ATOMIC_RELAXED)
		       ? client->nth - client->passed
		       : 0;
}

void shim_observe_call(struct shim_client *client, const struct shim_request *request,
	const struct shim_image *before, const struct shim_reply *reply)
{
	const struct shim_observer *observer = client->server->options.observer;
	struct shim_image after = {.size = 0};
	struct shim_seen seen;
	struct file *file;

	if (!observer || !observer->seen || !reply->ours || client->refused)
		return;
	if (request->call == SHIM_IOCTL)
		look(client, request->argument[1], &after);
	file = shim_file_find(client->server, request->device, request->inode, NULL, NULL);
	seen = (struct shim_seen){.call = request->call,
		.pid = client->process->pid,
		.parent = parent_of(client->process->pid),
		.pidfd = client->process->pidfd,
		.capabilities = shim_capabilities(client),
		.memlock = shim_memlock(client->process),
		.fd = request->fd,
		.key = {request->device, request->inode},
		.kind = client->target_kind,
		.path = request->path,
		.argument = request->argument,
		.before = before->bytes,
		.after = after.bytes,
		.before_size = before->size,
		.after_size = after.size,
		.result = reply->result,
		.new_fd = client->new_fd,
		.new_key = client->new_key,
		.no_descriptor = client->no_descriptor,
		.failed_at = failed_at(client),
		.pins = request->call == SHIM_GOES ? client->going : 0,
		.origin = client->origin,
		.file = file,
		.mm = host_mm(client->process->process)};
	observer->seen(observer->context, &seen);
	if (file)
		host_close(client->task, file);
}

size_t shim_peek(const struct shim_seen *seen, uint64_t address, void *to, size_t count)
{
	return mm_peek((struct mm *)(uintptr_t)seen->mm, address, to, count);
}

bool shim_identify(const struct shim_seen *seen, int fd, struct shim_key *key)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", seen->pid, fd);
	if (fd < 0 || stat(path, &status))
		return false;
	*key = (struct shim_key){status.st_dev, status.st_ino};
	return true;
}
