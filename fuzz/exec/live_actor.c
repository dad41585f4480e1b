/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of a program beside the harness: real children, which run calls on themselves and speak
 * with the harness through one shared area. One process of them all has the turn.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/exec/live_private.h"
#include "impl/abi/kernel_calls.h"

#define AREA	     (8u << 20) /* bytes behind struct shared: requests, changes of memory */
#define TURN_HARNESS 0u
#define TURN_ZYGOTE  100u /* process n: n + 1 */
#define ACTOR_NAME   "iommuzz-live-actor"
#define LOOK_AFTER   200 /* milliseconds until somebody looks whether the process still lives */
#define USER_UID     1000

enum request {
	REQUEST_CALL,
	REQUEST_START, /* the zygote: a fresh process */
	REQUEST_FORK,
	REQUEST_EXEC,
	REQUEST_EXIT,
	REQUEST_SEND,	 /* a descriptor into the socket */
	REQUEST_RECEIVE, /* out of it */
};

/* A process that is to be: what start and exec need to know. */
struct identity {
	uint32_t uid, caps, mem_pages;
	uint64_t memlock;
	bool check_all;
};

struct change {
	uint64_t address;
	uint32_t count, reserved; /* the old bytes, then the new ones follow */
};

struct shared {
	uint32_t turn;		  /* futex */
	uint32_t request, number; /* enum request; of the process that START and FORK make */
	bool only_check;	  /* SEND: nobody would receive */
	/* the call of a REQUEST_CALL; its bytes lie in the area, image, bytes, literals */
	struct resolved_call call;
	uint32_t row;
	/* the answer */
	struct call_outcome outcome;
	uint8_t image[CALL_STRUCT_MAX];
	int64_t result; /* of other requests */
	int32_t pid;	/* of a new process */
	bool more;	/* changes of memory only; the call goes on when they are taken */
	uint32_t change_bytes;
	char excuse[80];
	struct identity identities[PROG_PROCESS_MAX];
	uint8_t area[] __attribute__((aligned(16)));
};

struct live_actors {
	struct shared *shared;
	int area_fd, binary, sockets[2];
	pid_t zygote;
	pid_t pids[PROG_PROCESS_MAX]; /* 0: none, or the harness itself */
	bool direct_alive;
	struct live_process *direct;
	uint32_t mem_pages;
	char excuse[80];
};

/* -- turns -- */

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static void give_turn(struct shared *shared, uint32_t turn)
{
	__atomic_store_n(&shared->turn, turn, __ATOMIC_RELEASE);
	futex(&shared->turn, FUTEX_WAKE, INT_MAX, NULL);
}

static void await_turn(struct shared *shared, uint32_t mine)
{
	uint32_t turn;

	while ((turn = __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE)) != mine)
		futex(&shared->turn, FUTEX_WAIT, turn, NULL);
}

/* The harness waits; false when the process that has the turn is no more. */
static bool await_answer(struct live_actors *actors, pid_t pid)
{
	const struct timespec moment = {.tv_nsec = LOOK_AFTER * 1000000};
	struct shared *shared = actors->shared;
	siginfo_t info;
	uint32_t turn;

	while ((turn = __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE)) != TURN_HARNESS) {
		if (futex(&shared->turn, FUTEX_WAIT, turn, &moment) == 0 || errno != ETIMEDOUT)
			continue;
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
			info.si_pid == pid)
			return __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE) == TURN_HARNESS;
	}
	return true;
}

/* -- in a process of the program -- */

struct actor {
	struct live_actors *actors;
	struct live_process *process;
	uint32_t number;
};

/* Hands changes of memory over; when they fill the area, in parts. */
static void record_change(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count)
{
	struct actor *actor = context;
	struct shared *shared = actor->actors->shared;
	struct change change = {.address = address, .count = count};
	uint32_t size = (uint32_t)sizeof(change) + ((2 * count + 7) & ~7u);

	if (shared->change_bytes + size > AREA) {
		shared->more = true;
		give_turn(shared, TURN_HARNESS);
		await_turn(shared, actor->number + 1);
		shared->more = false;
		shared->change_bytes = 0;
	}
	uint8_t *at = shared->area + shared->change_bytes;
	memcpy(at, &change, sizeof(change));
	memcpy(at + sizeof(change), old, count);
	memcpy(at + sizeof(change) + count, bytes, count);
	shared->change_bytes += size;
}

/* The call out of the area, into memory of its own: the area is needed for the answer. */
static uint8_t *take_call(const struct shared *shared, struct resolved_call *call)
{
	struct resolved_literal *literals;
	uint32_t bytes = call->image_size + call->byte_count, size;
	uint8_t *copy, *at;

	for (uint32_t i = 0; i < call->literal_count; i++) {
		struct resolved_literal literal;

		memcpy(&literal, shared->area + i * sizeof(literal), sizeof(literal));
		bytes += literal.count;
	}
	size = call->literal_count * (uint32_t)sizeof(*literals) + bytes;
	copy = malloc(size + CALL_STRUCT_MAX);
	if (!copy)
		return NULL;
	memcpy(copy, shared->area, size);
	literals = (struct resolved_literal *)(void *)copy;
	at = copy + call->literal_count * sizeof(*literals);
	call->literals = literals;
	call->row = &call_rows[shared->row];
	for (uint32_t i = 0; i < call->literal_count; i++) {
		literals[i].bytes = at;
		at += literals[i].count;
	}
	call->image = at;
	call->bytes = at + call->image_size;
	return copy;
}

static void answer_call(struct actor *actor)
{
	struct shared *shared = actor->actors->shared;
	struct resolved_call call = shared->call;
	uint8_t *copy = take_call(shared, &call);
	struct call_outcome outcome = {.result = -ENOMEM};

	shared->change_bytes = 0;
	shared->more = false;
	if (copy)
		live_run(actor->process, &call, &outcome);
	free(copy);
	if (outcome.image_size)
		memcpy(shared->image, outcome.image, outcome.image_size);
	if (actor->process->excuse)
		snprintf(shared->excuse, sizeof(shared->excuse), "%s", actor->process->excuse);
	shared->outcome = outcome;
}

static _Noreturn void act(
	struct live_actors *actors, struct live_process *process, uint32_t number);

static pid_t clone_process(bool sibling)
{
	return (pid_t)syscall(
		SYS_clone, SIGCHLD | (sibling ? CLONE_PARENT : 0), NULL, NULL, NULL, NULL);
}

/* The child goes its own way. The parent's result. */
static int64_t fork_actor(
	struct live_actors *actors, struct live_process *process, uint32_t number, bool sibling)
{
	pid_t pid = clone_process(sibling);

	if (pid == 0)
		act(actors, process, number);
	actors->shared->pid = pid;
	return pid < 0 ? -errno : 0;
}

static struct identity identity_of(const struct live_process *process, uint32_t mem_pages)
{
	struct identity identity = {.uid = process->uid,
		.caps = process->caps,
		.mem_pages = mem_pages,
		.check_all = process->memory.check_all};
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	identity.memlock = limit.rlim_cur;
	return identity;
}

/* What is permitted stays so: exec takes it from users that are not root. */
static void keep_capabilities(void)
{
	struct {
		uint32_t version;
		int pid;
	} header = {.version = 0x20080522};
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return;
	data[0].inheritable = data[0].permitted;
	data[1].inheritable = data[1].permitted;
	syscall(SYS_capset, &header, data);
	for (unsigned long cap = 0; cap < 64; cap++)
		if (data[cap / 32].permitted & UINT32_C(1) << cap % 32)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

/* Answers itself when it fails; otherwise the new image of the process does. */
static void exec_actor(struct actor *actor)
{
	struct live_actors *actors = actor->actors;
	char number[12], area[12], binary[12], sockets[2][12];
	char *arguments[] = {
		(char[]){ACTOR_NAME}, number, area, binary, sockets[0], sockets[1], NULL};
	char *environment[] = {NULL};

	snprintf(number, sizeof(number), "%u", actor->number);
	snprintf(area, sizeof(area), "%d", actors->area_fd);
	snprintf(binary, sizeof(binary), "%d", actors->binary);
	for (unsigned i = 0; i < 2; i++)
		snprintf(sockets[i], sizeof(sockets[i]), "%d", actors->sockets[i]);
	actors->shared->identities[actor->number] = identity_of(actor->process, actors->mem_pages);
	keep_capabilities();
	syscall(SYS_execveat, actors->binary, "", arguments, environment, AT_EMPTY_PATH);
	actors->shared->result = -errno;
}

static int64_t send_descriptor(const struct live_actors *actors, const struct resolved_call *call)
{
	int fd = live_descriptor(call);
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	if (fd < 0 || fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	if (actors->shared->only_check)
		return 0;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(actors->sockets[0], &message, 0) == 1 ? 0 : -errno;
}

static int64_t receive_descriptor(const struct live_actors *actors)
{
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *head;
	int fd;

	if (recvmsg(actors->sockets[1], &message, 0) != 1)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	/* It is cut off where there is no number left for it. */
	if (message.msg_flags & MSG_CTRUNC || !head)
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Fresh: nothing of the zygote's but its mappings. */
static void start_actor(struct live_actors *actors, struct live_process *process, uint32_t number)
{
	const struct identity *identity = &actors->shared->identities[number];
	pid_t pid = clone_process(true);
	int error;

	if (pid) {
		actors->shared->pid = pid;
		actors->shared->result = pid < 0 ? -errno : 0;
		give_turn(actors->shared, TURN_HARNESS);
		return;
	}
	if (!live_memory_reset(&process->memory, identity->mem_pages))
		_exit(1);
	actors->mem_pages = identity->mem_pages;
	process->memory.check_all = identity->check_all;
	error = live_become(process, identity->uid, identity->caps, identity->memlock);
	/* The new process tells how that went, once it is asked. */
	process->excuse = error ? "a process cannot be the user that the program asks for" : NULL;
	act(actors, process, number);
}

static void answer(struct actor *actor, struct shared *shared)
{
	switch ((enum request)shared->request) {
	case REQUEST_CALL: answer_call(actor); break;
	case REQUEST_FORK:
		shared->result = fork_actor(actor->actors, actor->process, shared->number, true);
		break;
	case REQUEST_EXEC: exec_actor(actor); break;
	case REQUEST_EXIT: _exit(0);
	case REQUEST_SEND: shared->result = send_descriptor(actor->actors, &shared->call); break;
	case REQUEST_RECEIVE: shared->result = receive_descriptor(actor->actors); break;
	case REQUEST_START: break;
	}
}

static _Noreturn void act(struct live_actors *actors, struct live_process *process, uint32_t number)
{
	struct actor actor = {.actors = actors, .process = process, .number = number};

	/* Without the harness there is nobody to tell it to end. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	process->events = (struct target_events){.context = &actor, .memory = record_change};
	process->memory.mapped_unknown = true;
	for (;;) {
		await_turn(actors->shared, number + 1);
		answer(&actor, actors->shared);
		give_turn(actors->shared, TURN_HARNESS);
	}
}

static _Noreturn void zygote(struct live_actors *actors, struct live_process *process)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	live_become_harness(process);
	syscall(SYS_close_range, LIVE_FIRST_FD, LIVE_FDS - 1, 0);
	live_memory_reset(&process->memory, actors->mem_pages);
	process->open_count = 0;
	process->stray_fds = false;
	for (;;) {
		await_turn(actors->shared, TURN_ZYGOTE);
		start_actor(actors, process, actors->shared->number);
	}
}

/* -- after exec: the same process with another image -- */

static int number_of(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static const char *resume(struct live_actors *actors, struct live_process *process, uint32_t number)
{
	const struct identity *identity;
	const char *reason;

	actors->shared = mmap(NULL, sizeof(struct shared) + AREA, PROT_READ | PROT_WRITE,
		MAP_SHARED, actors->area_fd, 0);
	if (actors->shared == MAP_FAILED)
		return "no shared area";
	identity = &actors->shared->identities[number];
	live_call_init(process);
	reason = live_memory_open(&process->memory, identity->mem_pages);
	if (reason)
		return reason;
	actors->mem_pages = identity->mem_pages;
	process->memory.check_all = identity->check_all;
	process->uid = identity->uid;
	if (live_set_caps(process, identity->caps))
		return "no capabilities";
	actors->shared->result = 0;
	return NULL;
}

/* Every binary with a live target in it can be exec'ed by one; it is none of main's business. */
__attribute__((constructor)) static void live_actor_main(int argc, char **argv)
{
	static struct live_actors actors;
	static struct live_process process;
	uint32_t number;

	if (argc != 6 || strcmp(argv[0], ACTOR_NAME) != 0)
		return;
	number = (uint32_t)number_of(argv[1]) % PROG_PROCESS_MAX;
	actors.area_fd = number_of(argv[2]);
	actors.binary = number_of(argv[3]);
	actors.sockets[0] = number_of(argv[4]);
	actors.sockets[1] = number_of(argv[5]);
	if (resume(&actors, &process, number))
		_exit(1);
	give_turn(actors.shared, TURN_HARNESS);
	act(&actors, &process, number);
}

/* -- in the harness -- */

static bool alive(const struct live_actors *actors, uint64_t number)
{
	return number < PROG_PROCESS_MAX &&
	       (actors->pids[number] || (number == 0 && actors->direct_alive));
}

static bool is_direct(const struct live_actors *actors, uint64_t number)
{
	return number == 0 && actors->direct_alive;
}

static void reap(struct live_actors *actors, uint32_t number)
{
	while (waitpid(actors->pids[number], NULL, __WALL) < 0 && errno == EINTR)
		;
	actors->pids[number] = 0;
}

static void died(struct live_actors *actors, uint32_t number)
{
	reap(actors, number);
	actors->shared->turn = TURN_HARNESS;
	snprintf(actors->excuse, sizeof(actors->excuse), "process P%u was killed", number + 1);
	if (actors->direct)
		actors->direct->excuse = actors->excuse;
}

/* False: the process is gone. */
static bool ask(struct live_actors *actors, uint32_t number, enum request request)
{
	struct shared *shared = actors->shared;

	shared->request = request;
	shared->more = false;
	give_turn(shared, number + 1);
	if (await_answer(actors, actors->pids[number]))
		return true;
	died(actors, number);
	return false;
}

static void put_call(struct shared *shared, const struct resolved_call *call)
{
	uint8_t *at = shared->area;

	shared->call = *call;
	shared->row = (uint32_t)(call->row - call_rows);
	memcpy(at, call->literals, call->literal_count * sizeof(*call->literals));
	at += call->literal_count * sizeof(*call->literals);
	for (uint32_t i = 0; i < call->literal_count; i++) {
		memcpy(at, call->literals[i].bytes, call->literals[i].count);
		at += call->literals[i].count;
	}
	memcpy(at, call->image, call->image_size);
	at += call->image_size;
	if (call->byte_count)
		memcpy(at, call->bytes, call->byte_count);
}

static void take_changes(struct live_actors *actors)
{
	const struct target_events *events = &actors->direct->events;
	const struct shared *shared = actors->shared;

	for (uint32_t used = 0; used < shared->change_bytes;) {
		struct change change;
		const uint8_t *at = shared->area + used;

		memcpy(&change, at, sizeof(change));
		at += sizeof(change);
		if (events->memory)
			events->memory(events->context, change.address, at, at + change.count,
				change.count);
		used += (uint32_t)sizeof(change) + ((2 * change.count + 7) & ~7u);
	}
}

static void call_in(struct live_actors *actors, uint32_t number, const struct resolved_call *call,
	struct call_outcome *outcome)
{
	struct shared *shared = actors->shared;

	put_call(shared, call);
	shared->excuse[0] = 0;
	if (!ask(actors, number, REQUEST_CALL)) {
		outcome->result = -ESRCH;
		return;
	}
	while (shared->more) {
		take_changes(actors);
		give_turn(shared, number + 1);
		if (!await_answer(actors, actors->pids[number])) {
			died(actors, number);
			outcome->result = -ESRCH;
			return;
		}
	}
	take_changes(actors);
	*outcome = shared->outcome;
	if (outcome->image_size)
		memcpy(actors->direct->image, shared->image, outcome->image_size);
	outcome->image = outcome->image_size ? actors->direct->image : NULL;
	if (shared->excuse[0]) {
		memcpy(actors->excuse, shared->excuse, sizeof(actors->excuse));
		actors->direct->excuse = actors->excuse;
	}
}

static int64_t call_fork(struct live_actors *actors, const struct resolved_call *call)
{
	struct shared *shared = actors->shared;
	uint32_t number = (uint32_t)call->name;

	if (call->name >= PROG_PROCESS_MAX || alive(actors, number))
		return -EEXIST;
	/* What one of them maps, all that share a context can reach. */
	actors->direct->memory.mapped_unknown = true;
	shared->number = number;
	if (is_direct(actors, call->process))
		shared->result = fork_actor(actors, actors->direct, number, false);
	else if (!ask(actors, call->process, REQUEST_FORK))
		return -ESRCH;
	if (shared->result == 0)
		actors->pids[number] = shared->pid;
	return shared->result;
}

static bool have_zygote(struct live_actors *actors)
{
	if (actors->zygote > 0)
		return true;
	actors->zygote = clone_process(false);
	if (actors->zygote == 0)
		zygote(actors, actors->direct);
	return actors->zygote > 0;
}

static int64_t start(struct live_actors *actors, uint32_t number, const struct identity *identity)
{
	struct shared *shared = actors->shared;

	if (!have_zygote(actors))
		return -EAGAIN;
	shared->identities[number] = *identity;
	shared->number = number;
	shared->request = REQUEST_START;
	give_turn(shared, TURN_ZYGOTE);
	if (!await_answer(actors, actors->zygote))
		return -EAGAIN;
	if (shared->result == 0)
		actors->pids[number] = shared->pid;
	return shared->result;
}

static int64_t call_process(struct live_actors *actors, const struct resolved_call *call)
{
	struct call_process arguments;
	struct identity identity;

	memcpy(&arguments, call->image, sizeof(arguments));
	if (call->name >= PROG_PROCESS_MAX || alive(actors, call->name))
		return -EEXIST;
	actors->direct->memory.mapped_unknown = true;
	identity = (struct identity){.uid = arguments.uid,
		.caps = arguments.caps,
		.memlock = arguments.memlock,
		.mem_pages = actors->mem_pages,
		.check_all = actors->direct->memory.check_all};
	return start(actors, (uint32_t)call->name, &identity);
}

/* exec and exit of a P1 that is the harness: it was not said beforehand that it would end. */
static int64_t cannot_end(struct live_actors *actors)
{
	actors->direct->excuse = "the first process would have had to be one of its own";
	return -ENOSYS;
}

static int64_t call_exec(struct live_actors *actors, const struct resolved_call *call)
{
	if (is_direct(actors, call->process))
		return cannot_end(actors);
	if (!ask(actors, call->process, REQUEST_EXEC))
		return -ESRCH;
	return actors->shared->result;
}

static void end_process(struct live_actors *actors, uint32_t number)
{
	actors->shared->request = REQUEST_EXIT;
	give_turn(actors->shared, number + 1);
	/* Reaped is released: what it had is gone when this returns. */
	reap(actors, number);
	actors->shared->turn = TURN_HARNESS;
}

static int64_t call_exit(struct live_actors *actors, const struct resolved_call *call)
{
	if (is_direct(actors, call->process))
		return cannot_end(actors);
	end_process(actors, call->process);
	return 0;
}

static void note_opened(struct live_actors *actors, int64_t fd)
{
	if (fd >= 0)
		actors->direct->stray_fds = true;
}

static int64_t call_pass(struct live_actors *actors, const struct resolved_call *call)
{
	struct shared *shared = actors->shared;
	bool good = alive(actors, call->name);

	shared->only_check = !good;
	shared->call = *call;
	if (is_direct(actors, call->process))
		shared->result = send_descriptor(actors, call);
	else if (!ask(actors, call->process, REQUEST_SEND))
		return -ESRCH;
	if (shared->result || !good)
		return shared->result ? shared->result : -ESRCH;
	if (is_direct(actors, call->name)) {
		shared->result = receive_descriptor(actors);
		note_opened(actors, shared->result);
	} else if (!ask(actors, (uint32_t)call->name, REQUEST_RECEIVE)) {
		return -ESRCH;
	}
	return shared->result;
}

void live_actors_call(
	struct live_actors *actors, const struct resolved_call *call, struct call_outcome *outcome)
{
	*outcome = (struct call_outcome){0};
	if (!alive(actors, call->process)) {
		outcome->result = -ESRCH;
		return;
	}
	switch ((enum call_id)(call->row - call_rows)) {
	case CALL_ID_fork: outcome->result = call_fork(actors, call); break;
	case CALL_ID_process: outcome->result = call_process(actors, call); break;
	case CALL_ID_exec: outcome->result = call_exec(actors, call); break;
	case CALL_ID_exit: outcome->result = call_exit(actors, call); break;
	case CALL_ID_pass: outcome->result = call_pass(actors, call); break;
	default:
		if (is_direct(actors, call->process))
			live_run(actors->direct, call, outcome);
		else
			call_in(actors, call->process, call, outcome);
		return;
	}
	memcpy(actors->direct->image, call->image, call->struct_size);
	outcome->image = actors->direct->image;
	outcome->image_size = call->struct_size;
}

/* -- begin and end -- */

static bool move_high(int *fd, int flags)
{
	int high = fcntl(*fd, F_DUPFD, LIVE_HARNESS_FD);

	if (high < 0)
		return false;
	close(*fd);
	*fd = high;
	return fcntl(high, F_SETFD, flags) == 0;
}

struct live_actors *live_actors_open(void)
{
	struct live_actors *actors = calloc(1, sizeof(*actors));
	size_t size = sizeof(struct shared) + AREA;

	if (!actors)
		return NULL;
	actors->sockets[0] = actors->sockets[1] = -1;
	actors->shared = MAP_FAILED;
	/* Not closed by exec: the new image finds its way back by them. */
	actors->area_fd = (int)syscall(SYS_memfd_create, "iommuzz-live", 0);
	actors->binary = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (actors->area_fd >= 0 && move_high(&actors->area_fd, 0) &&
		ftruncate(actors->area_fd, (off_t)size) == 0 &&
		(actors->binary < 0 || move_high(&actors->binary, 0)) &&
		socketpair(AF_UNIX, SOCK_SEQPACKET, 0, actors->sockets) == 0 &&
		move_high(&actors->sockets[0], 0) && move_high(&actors->sockets[1], 0))
		actors->shared =
			mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, actors->area_fd, 0);
	if (actors->shared != MAP_FAILED)
		return actors;
	live_actors_close(actors);
	return NULL;
}

void live_actors_close(struct live_actors *actors)
{
	if (!actors)
		return;
	live_actors_finish(actors);
	if (actors->zygote > 0) {
		kill(actors->zygote, SIGKILL);
		while (waitpid(actors->zygote, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (actors->shared != MAP_FAILED)
		munmap(actors->shared, sizeof(struct shared) + AREA);
	for (unsigned i = 0; i < 2; i++)
		if (actors->sockets[i] >= 0)
			close(actors->sockets[i]);
	if (actors->binary >= 0)
		close(actors->binary);
	if (actors->area_fd >= 0)
		close(actors->area_fd);
	free(actors);
}

int live_actors_begin(struct live_actors *actors, struct live_process *direct,
	const struct target_config *config, bool first_apart)
{
	struct identity identity = {.uid = config->caps_none ? USER_UID : 0,
		.caps = config->caps_none ? 0 : UINT32_MAX,
		.mem_pages = config->mem_pages,
		.memlock = config->memlock,
		.check_all = direct->memory.check_all};

	actors->direct = direct;
	actors->direct_alive = !first_apart;
	actors->mem_pages = config->mem_pages;
	/* Where nothing is but what the harness has. */
	if (!have_zygote(actors))
		return -EAGAIN;
	return first_apart ? (int)start(actors, 0, &identity) : 0;
}

void live_actors_finish(struct live_actors *actors)
{
	for (uint32_t number = 0; number < PROG_PROCESS_MAX; number++)
		if (actors->pids[number])
			end_process(actors, number);
}
