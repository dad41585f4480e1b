/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "impl/shim/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "impl/shim/server_private.h"

static bool listen_at(struct shim_server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t number;
	size_t length;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return false;
	snprintf(server->address, sizeof(server->address), "iommuzz-shim-%016llx",
		(unsigned long long)number);
	length = strlen(server->address);
	memcpy(address.sun_path + 1, server->address, length);
	server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return server->listener >= 0 &&
	       !bind(server->listener, (const struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) &&
	       !listen(server->listener, SOMAXCONN);
}

static void serve_new(struct shim_server *server, int socket)
{
	struct shim_client *client = calloc(1, sizeof(*client));
	pthread_attr_t detached;
	pthread_t thread;

	if (!client) {
		close(socket);
		return;
	}
	*client = (struct shim_client){
		.server = server, .socket = socket, .target_fd = -1, .arm = -1, .new_fd = -1};
	pthread_mutex_lock(&server->lock);
	server->connections++;
	pthread_mutex_unlock(&server->lock);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &detached, shim_client_run, client)) {
		close(socket);
		free(client);
		pthread_mutex_lock(&server->lock);
		server->connections--;
		pthread_mutex_unlock(&server->lock);
	}
	pthread_attr_destroy(&detached);
}

/* The table is full: who waits is told so by the end of its connection. */
static void turn_away(struct shim_server *server)
{
	close(server->spare);
	int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (socket >= 0)
		close(socket);
	server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void *accept_all(void *argument)
{
	struct shim_server *server = argument;

	for (;;) {
		int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

		if (socket >= 0)
			serve_new(server, socket);
		else if (errno == EMFILE || errno == ENFILE)
			turn_away(server);
		else if (errno == EINVAL) /* shut down */
			return NULL;
	}
}

/* Nobody may be there to see a close or an exit: then this thread does. */
static void *watch(void *argument)
{
	struct shim_server *server = argument;
	struct epoll_event event;
	bool stopping = false;

	while (!stopping) {
		epoll_wait(server->epoll, &event, 1, -1);
		shim_observe_begin(server);
		shim_settle(server, server->watcher_task);
		shim_observe_end(server);
		pthread_mutex_lock(&server->lock);
		stopping = server->stopping;
		pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

static void warned(void *context, const char *rule, const char *message)
{
	const struct shim_server *server = context;
	const struct shim_observer *observer = server->options.observer;

	if (observer && observer->warned)
		observer->warned(observer->context, rule, message);
}

static bool make_sim(struct shim_server *server)
{
	struct sim_config config = {.locks = LOCKS_PTHREAD,
		.provider = MM_REAL,
		.kernel = server->options.kernel,
		.seed = server->options.seed,
		.bug = server->options.bug,
		.dmabuf_descriptor = true,
		.scattered = true,
		.vfio_container = server->options.vfio_container,
		.noiommu = server->options.noiommu,
		.events = {.context = server, .report = warned},
		.capabilities = SIM_CAP_ALL,
		.host = &shim_host};

	server->sim = sim_create(&config);
	server->watcher_task = server->sim ? host_kernel_task(server->sim) : NULL;
	server->owner_task = server->sim ? host_kernel_task(server->sim) : NULL;
	return server->watcher_task && server->owner_task;
}

static bool make_shared(struct shim_server *server)
{
	size_t size = sizeof(*server->shared);
	struct stat root;

	server->shared_fd = memfd_create("iommuzz-shim", MFD_CLOEXEC);
	if (server->shared_fd < 0 || ftruncate(server->shared_fd, (off_t)size))
		return false;
	server->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, server->shared_fd, 0);
	if (server->shared == MAP_FAILED)
		return false;
	server->shared->backtraces = server->options.backtraces;
	if (!stat("/", &root)) {
		server->shared->root_device = root.st_dev;
		server->shared->root_inode = root.st_ino;
	}
	server->shared->observed = server->options.observer != NULL;
	return true;
}

static bool start_threads(struct shim_server *server)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->wake_watch};

	server->wake_watch = SHIM_WATCH_WAKE;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->wake = eventfd(0, EFD_CLOEXEC);
	return server->epoll >= 0 && server->wake >= 0 &&
	       !epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->wake, &event) &&
	       !pthread_create(&server->acceptor, NULL, accept_all, server) &&
	       !pthread_create(&server->watcher, NULL, watch, server);
}

struct shim_server *shim_server_start(const struct shim_options *options)
{
	struct shim_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->options = *options;
	pthread_mutex_init(&server->lock, NULL);
	pthread_mutex_init(&server->observed, NULL);
	pthread_mutex_init(&server->listed, NULL);
	pthread_cond_init(&server->changed, NULL);
	if (!make_shared(server) || !shim_tree_make(server) || !make_sim(server) ||
		!listen_at(server) || !start_threads(server))
		return NULL;
	return server;
}

const char *shim_server_address(const struct shim_server *server)
{
	return server->address;
}

void shim_server_wait(struct shim_server *server)
{
	pthread_mutex_lock(&server->lock);
	while (server->connections)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
	shim_observe_begin(server);
	shim_settle(server, server->owner_task);
	shim_observe_end(server);
}

unsigned shim_server_failed(const struct shim_server *server)
{
	return __atomic_load_n(&server->failed, __ATOMIC_RELAXED);
}

void shim_server_stop(struct shim_server *server)
{
	uint64_t one = 1;

	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_mutex_unlock(&server->lock);
	if (write(server->wake, &one, sizeof(one)) == sizeof(one))
		pthread_join(server->watcher, NULL);
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->acceptor, NULL);
	host_task_destroy(server->watcher_task);
	host_task_destroy(server->owner_task);
	sim_destroy(server->sim);
	close(server->listener);
	close(server->spare);
	close(server->epoll);
	close(server->wake);
	close(server->shared_fd);
	shim_tree_remove(server);
	munmap(server->shared, sizeof(*server->shared));
	pthread_mutex_destroy(&server->lock);
	pthread_mutex_destroy(&server->observed);
	pthread_mutex_destroy(&server->listed);
	pthread_cond_destroy(&server->changed);
	free(server);
}
