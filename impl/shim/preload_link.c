/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a program to the server, one a thread. They lie high in the table of
 * descriptors, where programs do not look, and are not open as far as the program can tell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "impl/shim/preload.h"

#define OWN_ROOM 256

struct connection {
	int socket; /* -1: none */
	pid_t pid;  /* whose it is */
};

static struct {
	char address[64];
	size_t address_length;
	pthread_key_t ending;	   /* its value: the thread has a connection */
	uint8_t own[SHIM_OWN_MAX]; /* atomic */
	/* What the server shows to all; NULL before the first connection. */
	const struct shim_shared *shared; /* atomic */
	pid_t pid;			  /* atomic: the process that own is of */
	/* A page with a word that a child by fork does not inherit: who finds it is that process,
	 * or runs in its memory. NULL: no page. */
	int *marker;
	bool guest; /* it has its parent's table of descriptors */
	/* Of all threads that cannot have one of their own, since the table is full. */
	struct connection reserve;
	bool reserve_taken; /* atomic: some thread uses it */
} state = {.reserve = {.socket = -1}};

static _Thread_local struct connection mine
	__attribute__((tls_model("initial-exec"))) = {.socket = -1};

bool link_there(void)
{
	return state.address_length != 0;
}

bool link_owns(int fd)
{
	return fd >= 0 && fd < SHIM_OWN_MAX && __atomic_load_n(&state.own[fd], __ATOMIC_RELAXED);
}

bool link_has_pins(void)
{
	const struct shim_shared *shared = __atomic_load_n(&state.shared, __ATOMIC_ACQUIRE);

	return shared &&
	       (shared->observed || __atomic_load_n(&shared->pins, __ATOMIC_ACQUIRE) != 0);
}

bool link_is_observed(void)
{
	const struct shim_shared *shared = __atomic_load_n(&state.shared, __ATOMIC_ACQUIRE);

	return shared && shared->observed;
}

bool link_has_regions(void)
{
	const struct shim_shared *shared = __atomic_load_n(&state.shared, __ATOMIC_ACQUIRE);

	return shared && __atomic_load_n(&shared->regions, __ATOMIC_ACQUIRE) != 0;
}

bool link_at_root(void)
{
	const struct shim_shared *shared = __atomic_load_n(&state.shared, __ATOMIC_ACQUIRE);
	struct stat root;
	int saved = errno;
	bool same;

	same = !shared || NEXT(syscall)(SYS_newfstatat, AT_FDCWD, "/", &root, 0) ||
	       (root.st_dev == shared->root_device && root.st_ino == shared->root_inode);
	errno = saved;
	return same;
}

const char *link_tree(void)
{
	const struct shim_shared *shared = __atomic_load_n(&state.shared, __ATOMIC_ACQUIRE);

	return shared ? shared->tree : "";
}

long link_result(int64_t result)
{
	if (result >= 0)
		return (long)result;
	errno = (int)-result;
	return -1;
}

void link_close_real(int fd)
{
	int saved = errno;

	NEXT(syscall)(SYS_close, fd);
	errno = saved;
}

static void own_set(int fd, bool own)
{
	if (fd < SHIM_OWN_MAX)
		__atomic_store_n(&state.own[fd], own, __ATOMIC_RELAXED);
}

static void disconnect(struct connection *connection)
{
	if (connection->socket < 0)
		return;
	own_set(connection->socket, false);
	link_close_real(connection->socket);
	connection->socket = -1;
}

static pid_t thread_id(void)
{
	return (pid_t)NEXT(syscall)(SYS_gettid);
}

static void make_marker(void)
{
	int *page = NEXT(mmap64)(
		NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || NEXT(madvise)(page, sizeof(*page), MADV_WIPEONFORK))
		return;
	*page = 1;
	state.marker = page;
}

/* A child has copies of its parent's connections, which only the parent may use. */
static void forget_parent(void)
{
	pid_t pid = getpid(), parent = __atomic_exchange_n(&state.pid, pid, __ATOMIC_RELAXED);

	if (parent == pid)
		return;
	/* After clone with CLONE_FILES they are the parent's. */
	state.guest = !NEXT(syscall)(SYS_kcmp, pid, parent, KCMP_FILES, 0, 0);
	for (int fd = 0; !state.guest && fd < SHIM_OWN_MAX; fd++) {
		if (__atomic_exchange_n(&state.own[fd], 0, __ATOMIC_RELAXED))
			link_close_real(fd);
	}
	mine = (struct connection){.socket = -1};
	state.reserve = mine;
	__atomic_clear(&state.reserve_taken, __ATOMIC_RELAXED);
	if (state.marker)
		__atomic_store_n(state.marker, 1, __ATOMIC_RELAXED);
}

/*
 * Whether this is a child in its parent's memory or with its parent's descriptors: it leaves the
 * parent's connections alone, and what it opens would outlive it.
 */
static bool is_guest(void)
{
	if (__atomic_load_n(&state.pid, __ATOMIC_RELAXED) == getpid())
		return state.guest;
	if (state.marker && __atomic_load_n(state.marker, __ATOMIC_RELAXED))
		return true;
	forget_parent();
	return state.guest;
}

/*
 * Above the program's limit where it could raise that; else high, out of the way of its
 * descriptors.
 */
static int move_up(int socket, const struct rlimit *limit)
{
	rlim_t high = SHIM_OWN_MAX - OWN_ROOM;
	int lowest = (int)(limit->rlim_cur < SHIM_OWN_MAX ? limit->rlim_cur : SHIM_OWN_MAX);
	int moved;

	if (limit->rlim_cur < high && limit->rlim_max > high)
		lowest = (int)high;
	moved = NEXT(fcntl)(socket, F_DUPFD_CLOEXEC, lowest);
	if (moved < 0 || moved >= SHIM_OWN_MAX) {
		if (moved >= 0)
			link_close_real(moved);
		lowest = lowest - OWN_ROOM > 3 ? lowest - OWN_ROOM : 3;
		moved = NEXT(fcntl)(socket, F_DUPFD_CLOEXEC, lowest);
	}
	if (moved < 0)
		return socket;
	link_close_real(socket);
	return moved;
}

static int connect_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (socket_fd < 0)
		return -1;
	memcpy(address.sun_path + 1, state.address, state.address_length);
	if (NEXT(syscall)(SYS_connect, socket_fd, &address,
		    offsetof(struct sockaddr_un, sun_path) + 1 + state.address_length)) {
		link_close_real(socket_fd);
		return -1;
	}
	return socket_fd;
}

static int connect_server(void)
{
	struct rlimit limit, raised;
	int socket_fd;
	bool raise;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	raised = limit;
	raised.rlim_cur = limit.rlim_max < SHIM_OWN_MAX ? limit.rlim_max : SHIM_OWN_MAX;
	raise = raised.rlim_cur > limit.rlim_cur && !setrlimit(RLIMIT_NOFILE, &raised);
	socket_fd = connect_socket();
	if (socket_fd >= 0) {
		socket_fd = move_up(socket_fd, &limit);
		own_set(socket_fd, true);
	}
	if (raise)
		setrlimit(RLIMIT_NOFILE, &limit);
	return socket_fd;
}

/* A descriptor that came with a reply, or -EMFILE. */
static int64_t descriptor_of(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(sizeof(fd)))
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static bool receive(const struct connection *connection, struct shim_reply *reply, int64_t *fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {reply, sizeof(*reply)};
	struct msghdr message;
	ssize_t count;

	do {
		message = (struct msghdr){.msg_iov = &piece,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control)};
		count = NEXT(syscall)(SYS_recvmsg, connection->socket, &message, MSG_CMSG_CLOEXEC);
	} while (count < 0 && errno == EINTR);
	*fd = descriptor_of(&message);
	return count == (ssize_t)sizeof(*reply);
}

static bool transmit(const struct connection *connection, const void *bytes, size_t count)
{
	ssize_t sent;

	do
		sent = NEXT(syscall)(
			SYS_sendto, connection->socket, bytes, count, MSG_NOSIGNAL, NULL, 0);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)count;
}

static void take_shared(int fd)
{
	const void *shared =
		NEXT(mmap64)(NULL, sizeof(struct shim_shared), PROT_READ, MAP_SHARED, fd, 0);

	if (shared != MAP_FAILED && !__atomic_load_n(&state.shared, __ATOMIC_ACQUIRE))
		__atomic_store_n(&state.shared, shared, __ATOMIC_RELEASE);
	link_close_real(fd);
}

static int64_t map_for(const struct shim_reply *reply, int fd)
{
	int flags = (int)((uint64_t)reply->result >> 32);
	void *mapped;
	int error;

	if (fd < 0)
		return fd;
	mapped = NEXT(mmap64)((void *)(uintptr_t)reply->value[0], reply->value[1],
		(int)reply->result & 0xff, flags, fd, 0);
	error = errno;
	link_close_real(fd);
	return mapped == MAP_FAILED ? -error : (int64_t)(intptr_t)mapped;
}

static bool exchange(const struct connection *connection, const struct shim_request *request,
	struct shim_reply *reply)
{
	struct shim_taken taken;

	if (!transmit(connection, request, sizeof(*request)))
		return false;
	while (receive(connection, reply, &taken.fd)) {
		switch (reply->kind) {
		case SHIM_TAKE:
			if (!transmit(connection, &taken, sizeof(taken)))
				return false;
			break;
		case SHIM_MAP:
			taken.fd = map_for(reply, (int)taken.fd);
			if (!transmit(connection, &taken, sizeof(taken)))
				return false;
			break;
		case SHIM_DROP: link_close_real((int)reply->result); break;
		case SHIM_SHARED: take_shared((int)taken.fd); break;
		default: return true;
		}
	}
	return false;
}

/* fresh: the program has just started; thread: whose it is, 0: of whoever needs it. */
static bool introduce(struct connection *connection, bool fresh, pid_t thread)
{
	struct shim_request request = {
		.call = SHIM_HELLO, .argument = {fresh, (uint64_t)thread}, .uid = getuid()};
	struct shim_reply reply;

	connection->pid = getpid();
	connection->socket = connect_server();
	if (connection->socket >= 0 && exchange(connection, &request, &reply))
		return true;
	disconnect(connection);
	return false;
}

static void end_thread(void *unused)
{
	(void)unused;
	disconnect(&mine);
}

static bool link_wants_backtraces(void)
{
	const struct shim_shared *shared = __atomic_load_n(&state.shared, __ATOMIC_ACQUIRE);

	return shared && shared->backtraces;
}

/* The library's own frames are the first ones. */
static void take_backtrace(struct shim_request *request)
{
	void *frames[SHIM_FRAMES];
	int count = backtrace(frames, SHIM_FRAMES);

	for (int n = 0; n < count; n++)
		request->frame[n] = (uintptr_t)frames[n];
	request->frames = count > 0 ? (uint32_t)count : 0;
}

static void take_reserve(void)
{
	while (__atomic_test_and_set(&state.reserve_taken, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void release_reserve(void)
{
	__atomic_clear(&state.reserve_taken, __ATOMIC_RELEASE);
}

static bool call_by_reserve(struct shim_request *request, struct shim_reply *reply)
{
	bool done;

	take_reserve();
	request->thread = (uint32_t)thread_id();
	done = state.reserve.socket >= 0 && exchange(&state.reserve, request, reply);
	if (!done)
		disconnect(&state.reserve);
	release_reserve();
	return done;
}

/*
 * Who has descriptors of the machine may fill the table: a connection is kept for that. Where there
 * is no room for it already the thread gives its own to all.
 */
static void make_reserve(void)
{
	if (state.reserve.socket >= 0)
		return;
	take_reserve();
	if (state.reserve.socket < 0 && !introduce(&state.reserve, false, 0)) {
		state.reserve = mine;
		mine.socket = -1;
	}
	release_reserve();
}

/* By the thread's connection, or one that is made for the call. False: it cannot be made. */
static bool call_by_own(struct connection *connection, struct shim_request *request,
	struct shim_reply *reply, bool *made)
{
	bool done;

	*made = connection->socket >= 0 || introduce(connection, false, thread_id());
	if (*made && connection == &mine)
		pthread_setspecific(state.ending, &mine);
	done = *made && exchange(connection, request, reply);
	if (!done || connection != &mine)
		disconnect(connection);
	return done;
}

static bool call(struct shim_request *request, struct shim_reply *reply)
{
	struct connection other = {.socket = -1};
	bool done, made, guest = is_guest();

	done = call_by_own(guest ? &other : &mine, request, reply, &made);
	if (!done && !made && !guest)
		done = call_by_reserve(request, reply);
	if (done && !guest && (request->call == SHIM_OPEN || (reply->ours && request->inode)))
		make_reserve();
	return done;
}

/* Handlers and cancellation wait for the end of a call, as they do in a kernel. */
static uint64_t block_signals(uint64_t mask)
{
	uint64_t before = 0;

	NEXT(syscall)(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof(mask));
	return before;
}

bool link_call(struct shim_request *request, struct shim_reply *reply)
{
	int saved = errno;
	uint64_t mask;
	bool done;

	if (!link_there())
		return false;
	request->uid = getuid();
	request->euid = geteuid();
	if (link_wants_backtraces())
		take_backtrace(request);
	mask = block_signals(UINT64_MAX);
	done = call(request, reply);
	block_signals(mask);
	errno = saved;
	return done;
}

bool link_identify(struct shim_request *request, int fd)
{
	struct stat status;
	int saved = errno;
	bool could;

	if (!link_there() || fd < 0)
		return false;
	could = !NEXT(syscall)(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) &&
		S_ISFIFO(status.st_mode) &&
		(NEXT(syscall)(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDWR;
	errno = saved;
	request->fd = fd;
	if (could) {
		request->device = status.st_dev;
		request->inode = status.st_ino;
	}
	return could;
}

bool link_call_on(int fd, struct shim_request *request, long *result)
{
	struct shim_reply reply;

	if (!link_identify(request, fd) || !link_call(request, &reply) || !reply.ours)
		return false;
	*result = link_result(reply.result);
	return true;
}

bool link_describe(int fd, struct shim_reply *reply)
{
	struct shim_request request = {.call = SHIM_KIND};

	return link_identify(&request, fd) && link_call(&request, reply) && reply->ours;
}

__attribute__((constructor)) static void start(void)
{
	const char *address = getenv(SHIM_VARIABLE);
	size_t length = address ? strlen(address) : 0;

	if (!length || length >= sizeof(state.address))
		return;
	memcpy(state.address, address, length);
	state.address_length = length;
	state.pid = getpid();
	make_marker();
	pthread_key_create(&state.ending, end_thread);
	pthread_atfork(NULL, NULL, forget_parent);
	if (introduce(&mine, true, thread_id()))
		pthread_setspecific(state.ending, &mine);
}
