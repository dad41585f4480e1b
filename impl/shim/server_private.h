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
	struct file *file;	/* with a reference, or */
	struct shim_knob *knob; /* owned */
	uint64_t device, inode;
	int end;
	bool polled;			   /* has events to wait for */
	bool readable;			   /* a byte is in the pipe */
	uint32_t wakes;			   /* of its queue, that the pipe's readers know of */
	int fd;				   /* as which a program got it */
	uint32_t flags;			   /* of open: those that never change */
	const struct shim_client *closing; /* is about to close a descriptor of it */
};

/* A file in which a program says what is to fail, specification 14. */
struct shim_knob {
	bool fail_nth; /* else make-it-fail */
	pid_t tid;
	uint64_t position; /* of read and write; atomic */
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
	uint32_t target_kind;	  /* enum file_kind */
	uint32_t going;		  /* pins in memory that is about to go */
	uint32_t origin;	  /* of the call, as the observer says */
	struct shim_client *next; /* of the server */
	/* What the thread's fail-nth file was told, -1: nothing new; and what it reads. Atomic. */
	int64_t arm;
	uint32_t remaining;
	uint32_t make_it_fail;
	uint32_t nth;	 /* what is armed, 0: nothing */
	uint64_t drawn;	 /* state of the thread's draws */
	uint32_t passed; /* points that were passed before the call */
	bool failed;
	uint32_t flags;	    /* as in shim_file: of what is opened, or the call is made on */
	bool refused;	    /* by the flags: the machine does not see the call */
	bool no_descriptor; /* the program could have no more in the call */
	int new_fd;	    /* that the call has made, -1: none */
	struct shim_key new_key;
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
	int tree_lock; /* the folder that stands for parts of /dev and /sys, locked */
	int spare;     /* given up for a moment to turn a thread away when the table is full */
	enum shim_watch wake_watch;
	pthread_t acceptor, watcher;
	struct task *watcher_task, *owner_task;
	pthread_mutex_t lock; /* all below; before those of the sim */
	pthread_mutex_t
		observed; /* calls come one at a time when there is an observer; before lock */
	pthread_mutex_t listed; /* behind lock and those of the sim, which asks for mappings */
	unsigned failed;	/* atomic: threads whose failure came */
	pthread_cond_t changed; /* fewer connections, or releases */
	struct shim_file *files;
	struct shim_process *processes; /* changed with both locks, read with either */
	struct shim_client *clients;
	unsigned connections, releasing;
	uint64_t connections_made;
	bool stopping;
};

/* -- server_files.c -- */
extern const struct sim_host shim_host;
/* The file with that identity and a reference; NULL: none of ours, or, if asked for, *knob. If
 * asked for, *flags. */
struct file *shim_file_find(struct shim_server *server, uint64_t device, uint64_t inode,
	struct shim_knob **knob, uint32_t *flags);
/* A new descriptor of the program, nothing behind it; or negative errno. */
int shim_reserve(void *client);
/* Puts a file or a knob, which it takes over, behind it. False: it was not reserved, or memory. */
bool shim_install(struct shim_client *client, int fd, struct file *file, struct shim_knob *knob);
/* Releases what nobody has a descriptor of any more and ends processes that are dead. With no
 * locks. */
void shim_settle(struct shim_server *server, struct task *task);
/* The program is about to close a descriptor of the file; it has done so, and files that are still
 * there have others. */
void shim_file_closes(struct shim_client *client, uint64_t device, uint64_t inode);
void shim_file_closed(struct shim_client *client);
/* What poll says of queues of events is what they have now. With no locks. */
void shim_update(struct shim_client *client);

/* -- server_knob.c -- */
/* Opens what path names: a descriptor, negative errno; -ENXIO: it is no such file. */
int64_t shim_knob_open(struct shim_client *client, const char *path);
int64_t shim_knob_transfer(
	struct shim_client *client, struct shim_knob *knob, const struct shim_request *request);
/* What fails in a thread before it says so itself: by the options. With the lock. */
void shim_knob_start(struct shim_client *client);
/* Before and behind each call of the client's task. */
void shim_knob_apply(struct shim_client *client);
void shim_knob_note(struct shim_client *client);

/* -- server_tree.c -- */
/*
 * Makes the folder in which the host has the nodes and attributes that programs see, under the name
 * in server->shared->tree, and removes those of servers that were killed. False: errno says why.
 */
bool shim_tree_make(struct shim_server *server);
/* Removes it with all that is in it. */
void shim_tree_remove(struct shim_server *server);

/* -- server_observe.c -- */
/* Calls come one at a time from here to shim_observe_end, where there is an observer. */
void shim_observe_begin(struct shim_server *server);
void shim_observe_end(struct shim_server *server);
/* Around a call: what its struct was, and what came of it. */
struct shim_image {
	uint8_t bytes[4160]; /* a page and the largest struct */
	size_t size;
};
void shim_observe_before(
	struct shim_client *client, const struct shim_request *request, struct shim_image *image);
void shim_observe_call(struct shim_client *client, const struct shim_request *request,
	const struct shim_image *before, const struct shim_reply *reply);

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
/* A child of the client's process, which has its mappings. */
void shim_process_born(struct shim_client *client, pid_t pid, uint32_t uid);
/* As host_count_function, of the server. */
uint32_t shim_count_mappings(void *server, uint64_t device, uint64_t inode);
/* Ends the memory of a process that has exited, once nobody serves it. */
void shim_process_end(struct shim_process *process, struct task *task);
uint64_t shim_memlock(void *process);
uint32_t shim_capabilities(void *client);

#endif
