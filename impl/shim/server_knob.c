/* SPDX-License-Identifier: Apache-2.0 */
/* Fault injection as programs ask for it: fail-nth and make-it-fail below /proc. Specification 14.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "impl/shim/server_private.h"
#include "impl/sim/fault.h"
#include "impl/sim/mm/mm.h"

#define NOTHING_NEW (-1)

/* The thread that a path below /proc names, 0: none. *rest: what stands behind. */
static pid_t thread_of(const struct shim_client *client, const char *path, const char **rest)
{
	long pid = client->process->pid, tid = 0;
	int length = 0;

	if (!strncmp(path, "/proc/thread-self/", 18)) {
		*rest = path + 18;
		return client->tid;
	}
	if (!strncmp(path, "/proc/self/", 11))
		*rest = path + 11;
	else if (sscanf(path, "/proc/%ld/%n", &pid, &length) == 1 && length)
		*rest = path + length;
	else
		return 0;
	if (sscanf(*rest, "task/%ld/%n", &tid, &length) == 1 && length > 5)
		*rest += length;
	return (pid_t)(tid ? tid : pid);
}

int64_t shim_knob_open(struct shim_client *client, const char *path)
{
	const char *rest = "";
	pid_t tid = thread_of(client, path, &rest);
	bool fail_nth = !strcmp(rest, "fail-nth");
	struct shim_knob *knob;
	int fd;

	if (!tid || (!fail_nth && strcmp(rest, "make-it-fail")))
		return -ENXIO;
	knob = calloc(1, sizeof(*knob));
	if (!knob)
		return -ENOMEM;
	knob->fail_nth = fail_nth;
	knob->tid = tid;
	fd = shim_reserve(client);
	if (fd < 0 || !shim_install(client, fd, NULL, knob)) {
		free(knob);
		return fd < 0 ? fd : -ENOMEM;
	}
	return fd;
}

/* The thread that a knob belongs to does what it is told before its next call. */
static bool tell(struct shim_client *client, const struct shim_knob *knob, uint32_t number)
{
	struct shim_server *server = client->server;
	struct shim_client *other;

	pthread_mutex_lock(&server->lock);
	for (other = server->clients; other && other->tid != knob->tid; other = other->next)
		;
	if (other && knob->fail_nth) {
		__atomic_store_n(&other->remaining, number, __ATOMIC_RELAXED);
		__atomic_store_n(&other->arm, number, __ATOMIC_RELEASE);
	} else if (other) {
		__atomic_store_n(&other->make_it_fail, number, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&server->lock);
	return other != NULL;
}

static bool ask(struct shim_client *client, const struct shim_knob *knob, uint32_t *number)
{
	struct shim_server *server = client->server;
	const struct shim_client *other;

	pthread_mutex_lock(&server->lock);
	for (other = server->clients; other && other->tid != knob->tid; other = other->next)
		;
	if (other)
		*number = __atomic_load_n(knob->fail_nth ? &other->remaining : &other->make_it_fail,
			__ATOMIC_RELAXED);
	pthread_mutex_unlock(&server->lock);
	return other != NULL;
}

static int64_t read_knob(struct shim_client *client, struct shim_knob *knob, uint64_t address,
	uint64_t count, uint64_t position)
{
	char text[16];
	uint32_t number;
	size_t length;

	if (!ask(client, knob, &number))
		return -ESRCH;
	length = (size_t)snprintf(text, sizeof(text), "%u\n", number);
	if (position >= length)
		return 0;
	if (count > length - position)
		count = length - position;
	if (mm_poke(host_mm(client->process->process), address, text + position, count) != count)
		return -EFAULT;
	return (int64_t)count;
}

static int64_t write_knob(
	struct shim_client *client, struct shim_knob *knob, uint64_t address, uint64_t count)
{
	char text[16] = "", *end = text;
	size_t length = count < sizeof(text) - 1 ? (size_t)count : sizeof(text) - 1;
	unsigned long long number;

	if (mm_peek(host_mm(client->process->process), address, text, length) != length)
		return -EFAULT;
	errno = 0;
	number = strtoull(text, &end, 0);
	if (end == text || (*end && strcmp(end, "\n") != 0))
		return -EINVAL;
	if (errno || number > (knob->fail_nth ? UINT32_MAX : 1))
		return knob->fail_nth ? -ERANGE : -EINVAL;
	return tell(client, knob, (uint32_t)number) ? (int64_t)count : -ESRCH;
}

int64_t shim_knob_transfer(
	struct shim_client *client, struct shim_knob *knob, const struct shim_request *request)
{
	bool positioned = request->argument[2] != UINT64_MAX;
	uint64_t position = positioned ? request->argument[2]
				       : __atomic_load_n(&knob->position, __ATOMIC_RELAXED);
	int64_t done;

	if (request->call == SHIM_READ)
		done = read_knob(
			client, knob, request->argument[0], request->argument[1], position);
	else
		done = write_knob(client, knob, request->argument[0], request->argument[1]);
	if (done > 0 && !positioned)
		__atomic_store_n(&knob->position, position + (uint64_t)done, __ATOMIC_RELAXED);
	return done;
}

/* From 1 on; twice the average at most. */
static uint32_t draw_distance(struct shim_client *client)
{
	uint64_t z = client->drawn += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return 1 + (uint32_t)((z >> 32) % (2 * client->server->options.fail_random - 1));
}

void shim_knob_start(struct shim_client *client)
{
	const struct shim_options *options = &client->server->options;

	client->drawn = (uint64_t)options->seed << 32 | client->server->connections_made++;
	if (options->fail_nth)
		client->arm = options->fail_nth;
	else if (options->fail_random)
		client->arm = draw_distance(client);
}

void shim_knob_apply(struct shim_client *client)
{
	int64_t number = __atomic_exchange_n(&client->arm, NOTHING_NEW, __ATOMIC_ACQUIRE);

	if (number > 0)
		fault_arm(client->task, 0, true, (uint32_t)number);
	else if (!number)
		fault_disarm(client->task, NULL);
	client->nth = number == NOTHING_NEW ? client->nth : (uint32_t)number;
	client->passed = client->nth ? fault_passed(client->task) : 0;
}

void shim_knob_note(struct shim_client *client)
{
	uint32_t passed, armed = client->nth, left;

	if (!armed)
		return;
	passed = fault_passed(client->task);
	left = passed < armed ? armed - passed : 0;
	__atomic_store_n(&client->remaining, left, __ATOMIC_RELAXED);
	if (!left && !client->failed) {
		client->failed = true;
		__atomic_fetch_add(&client->server->failed, 1, __ATOMIC_RELAXED);
	}
	if (!left && client->server->options.fail_random)
		__atomic_store_n(&client->arm, draw_distance(client), __ATOMIC_RELEASE);
}
