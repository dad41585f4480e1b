/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of the server. */
#ifndef IOMMUZZ_SHIM_SERVER_PRIVATE_H
#define IOMMUZZ_SHIM_SERVER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "impl/shim/protocol.h"
#include "impl/shim/server.h"
#include "impl/sim/file.h"
#include "impl/sim/host.h"
#include "impl/sim/sim.h"

/* What epoll tells of: the first member of each. */
enum shim_watch { SHIM_WATCH_FILE, SHIM_WATCH_PROCESS, SHIM_WATCH_WAKE };

/*
 * A file that programs have descriptors of. Each of those is a pipe open for reading and writing;
 * the server has a reading end, which shows when the last of them is closed.
 */
struct shim_file {
	enum shim_watch watch;
	struct shim_file *next;
	struct file *file; /* with a reference */
	uint64_t device, inode;
	int end;
	bool polled;   /* has events to wait for */
	bool readable; /* a byte is in the pipe */
};

struct shim_process {
	enum shim_watch watch;
	struct shim_process *next;
	struct shim_server *server;
	struct process *process;
	pid_t pid;
	int pidfd;
	unsigned connections;
	bool dead;
};

#define SHIM_TAKEN 4

/* A connection: a thread of a program, and the thread that serves it. */
struct shim_client {
	struct shim_server *server;
	struct shim_process *process;
	struct task *task;
	int socket;
	pid_t tid;
	/* What the call in work is made on: no look at the program's table is needed. */
	int target_fd;
	struct file *target;
	/* Descriptors that the program has and nothing is behind yet. */
	struct shim_taken_file {
		int fd, end;
		uint64_t device, inode;
	} taken[SHIM_TAKEN];
	unsigned taken_count;
};

struct shim_server {
	struct shim_options options;
	struct sim *sim;
	char address[64];
	struct shim_shared *shared;
	int listener, epoll, wake, shared_fd;
	enum shim_watch wake_watch;
	pthread_t acceptor, watcher;
	struct task *watcher_task, *owner_task;
	pthread_mutex_t lock;	/* all below; nothing of the sim is called with it */
	pthread_cond_t changed; /* fewer connections, or releases */
	struct shim_file *files;
	struct shim_process *processes;
	unsigned connections, releasing;
	bool stopping;
};

/* -- server_files.c -- */
extern const struct sim_host shim_host;
/* The file with that identity and a reference; NULL: none of ours. */
struct file *shim_file_find(struct shim_server *server, uint64_t device, uint64_t inode);
/* Releases what nobody has a descriptor of any more and ends processes that are dead. With no
 * locks. */
void shim_settle(struct shim_server *server, struct task *task);
/* What poll says of queues of events is what they have now. With no locks. */
void shim_update(struct shim_client *client);

/* -- server_client.c -- */
/* Serves a connection until it ends; frees client. */
void *shim_client_run(void *client);
/* Sends a reply and, for TAKE, the descriptor with it. False: nobody is there. */
bool shim_send(const struct shim_client *client, const struct shim_reply *reply, int fd);

/* -- server_process.c -- */
/* The process with that pid, made if it is new; one more connection. NULL: host memory. */
struct shim_process *shim_process_join(
	struct shim_client *client, pid_t pid, uint32_t uid, bool fresh);
void shim_process_leave(struct shim_client *client);
/* Ends the memory of a process that has exited, once nobody serves it. */
void shim_process_end(struct shim_process *process, struct task *task);
uint64_t shim_memlock(void *process);
uint32_t shim_capabilities(void *client);

#endif
